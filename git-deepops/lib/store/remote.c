/* SPDX-License-Identifier: MIT */
/* remote.c - the client's end of gitprotocol-deepops(5): opening, frames, questions; see remote.h */
#include "store/remote_internal.h"

#include "base/urltext.h"
#include "base/xalloc.h"

#define REMOTE_BYE_MS 2000 /* for our last bytes to leave */
#define REMOTE_LAST_WORDS_MS 10000
#define REMOTE_NOISE_SHOWN_BYTES 120
#define REMOTE_NAME_BYTES 200

/* ---- frames ---- */

uint16_t remote_new_stream(struct remote *r)
{
	if (++r->stream == 0)
		r->stream = 1;
	return r->stream;
}

static int say_why(const struct remote *r, const struct frame *f, struct err *e)
{
	struct msg_err m;
	int rc = msg_get_err(&m, f->payload, f->len, e);

	if (rc < 0)
		return err_wrap(e, "%s", r->name);
	err_set(e, (enum err_code)m.code, "%s: %s", r->name, m.msg);
	return m.hint[0] ? err_hint(e, "%s", m.hint) : m.code;
}

static int count_ack(struct remote *r, const struct frame *f, struct err *e)
{
	uint64_t bytes;
	int rc = msg_get_u64(&bytes, f->payload, f->len, e);

	if (rc == 0 && (!r->session || bytes < r->ack_bytes || bytes > r->put_bytes))
		rc = err_set(e, ERR_PROTO, "acknowledges what was not sent");
	if (rc < 0)
		return err_wrap(e, "%s", r->name);
	r->ack_bytes = bytes;
	r->begun = true;
	return 0;
}

/* The peer breaks the protocol, or is gone: find its last words. */
static int remote_lost(struct remote *r, struct err *e)
{
	struct frame f;
	int rc;

	/* What we asked is void; an ERR that is on its way says why. */
	do
		rc = framed_next(&r->f, &f, REMOTE_LAST_WORDS_MS, e);
	while (rc == FRAMED_FRAME && f.type != FRAME_ERR);
	if (rc == FRAMED_FRAME)
		return say_why(r, &f, e);
	return transport_explain(r->t, e);
}

int remote_next(struct remote *r, struct frame *out, struct err *e)
{
	int rc;

	for (;;) {
		rc = framed_next(&r->f, out, TRANSPORT_FOREVER, e);
		if (rc < 0)
			return err_wrap(e, "%s", r->name);
		if (rc != FRAMED_FRAME)
			return transport_explain(r->t, e);
		if (out->type == FRAME_ERR)
			return say_why(r, out, e);
		if (out->type != FRAME_ACK)
			return 0;
		rc = count_ack(r, out, e);
		if (rc < 0)
			return rc;
	}
}

int remote_answer(struct remote *r, enum frame_type type, uint16_t stream, struct frame *out,
		  struct err *e)
{
	int rc = remote_next(r, out, e);

	if (rc < 0)
		return rc;
	if (out->type != type || out->stream != stream)
		return err_set(e, ERR_PROTO, "%s: %s is no answer to the question", r->name,
			       frame_type_name(out->type));
	return 0;
}

int remote_take_acks(struct remote *r, struct err *e)
{
	struct frame f;
	int rc;

	while ((rc = framed_take(&r->f, &f, e)) == FRAMED_FRAME) {
		if (f.type == FRAME_ERR)
			return say_why(r, &f, e);
		if (f.type != FRAME_ACK)
			return err_set(e, ERR_PROTO, "%s: %s was not asked for", r->name,
				       frame_type_name(f.type));
		rc = count_ack(r, &f, e);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return err_wrap(e, "%s", r->name);
	if (r->f.peer_deaf || transport_at_end(r->t))
		return remote_lost(r, e);
	return 0;
}

/* ---- open ---- */

static int noise(const struct remote *r, struct err *e)
{
	char shown[REMOTE_NOISE_SHOWN_BYTES];
	size_t len;
	const char *p = framed_peek(&r->f, &len);
	struct buf text = BUF_INIT;

	buf_add(&text, p, MIN(strnlen(p, len), sizeof(shown) - 1));
	err_sanitize(shown, sizeof(shown), text.p);
	buf_release(&text);
	err_set(e, ERR_PROTO, "%s: the other side says '%s' before the protocol begins", r->name,
		shown);
	return err_hint(e, "let shell start-up files there print nothing unless interactive");
}

/* The length in front of a HELLO is short: its third and fourth byte are zero, as no shell's are. */
static bool is_text(const char *p, size_t len)
{
	return len >= 4 && (p[2] || p[3]);
}

/* Read until the server's HELLO frame is at the front of what was read. */
static int find_hello(struct remote *r, struct err *e)
{
	struct err quiet = ERR_INIT;
	const char *p;
	size_t len, at = 0;
	int rc;

	for (;;) {
		p = framed_peek(&r->f, &len);
		rc = msg_find_hello(p, len, &at, &quiet);
		if (rc < 0 || (rc > 0 && at > 0))
			return noise(r, e);
		if (rc > 0)
			return 0;
		if (transport_at_end(r->t)) {
			rc = transport_explain(r->t, e);
			return is_text(p, len) && rc != ERR_NOTFOUND && rc != ERR_DENIED
				       ? noise(r, e)
				       : rc;
		}
		rc = framed_step(&r->f, TRANSPORT_FOREVER, e);
		if (rc < 0)
			return err_wrap(e, "%s", r->name);
	}
}

static int shake_hands(struct remote *r, struct err *e)
{
	struct msg_hello mine = MSG_HELLO_INIT;
	struct frame f;
	int rc;

	strvec_push(&mine.caps, "agent=git-deepops/" DEEPOPS_VERSION);
	msg_put_hello(framed_begin(&r->f, FRAME_HELLO, 0, 0), &mine);
	rc = framed_end(&r->f, e);
	if (rc == 0)
		rc = find_hello(r, e);
	if (rc == 0)
		rc = remote_answer(r, FRAME_HELLO, 0, &f, e);
	if (rc == 0) {
		rc = msg_get_hello(&r->peer, f.payload, f.len, e);
		if (rc == 0)
			rc = msg_hello_agree(&mine, &r->peer, &r->version, e);
		if (rc == 0 && r->peer.role == MSG_ROLE_CLIENT)
			rc = err_set(e, ERR_PROTO, "it says it is a client too");
		if (rc < 0)
			err_wrap(e, "%s", r->name);
	}
	msg_hello_release(&mine);
	return rc;
}

int remote_open(struct remote **out, const struct remote_where *where, struct err *e)
{
	struct transport_where tw = {
		.url = where->url,
		.serve = where->serve,
		.kind = where->transport,
		.ssh_command = where->ssh_command,
		.ssh_command_is_program = where->ssh_command_is_program,
	};
	struct buf shown = BUF_INIT;
	struct remote *r;
	int rc;

	*out = NULL;
	r = xcalloc(1, sizeof(*r));
	rc = transport_open(&r->t, &tw, e);
	if (rc < 0) {
		free(r);
		return rc;
	}
	framed_init(&r->f, r->t);
	strvec_init(&r->peer.caps);
	r->name = xmalloc(REMOTE_NAME_BYTES);
	urltext_public(&shown, where->url);
	err_sanitize(r->name, REMOTE_NAME_BYTES, shown.p);
	buf_release(&shown);
	rc = shake_hands(r, e);
	if (rc < 0)
		remote_close(&r);
	*out = r;
	return rc;
}

void remote_close(struct remote **rp)
{
	struct remote *r = *rp;
	struct err ignored = ERR_INIT;

	if (!r)
		return;
	framed_begin(&r->f, FRAME_BYE, 0, 0);
	if (framed_end(&r->f, &ignored) == 0 &&
	    framed_drain(&r->f, 0, REMOTE_BYE_MS, &ignored) == 0 &&
	    transport_half_close(r->t, &ignored) < 0)
		err_clear(&ignored);
	transport_close(&r->t);
	framed_release(&r->f);
	msg_hello_release(&r->peer);
	remote_verifier_free(r->verifier);
	free(r->name);
	free(r);
	*rp = NULL;
}

const char *remote_role(const struct remote *r)
{
	return msg_role_name(r->peer.role);
}

const uint8_t *remote_uuid(const struct remote *r)
{
	return r->peer.uuid;
}

uint64_t remote_generation(const struct remote *r)
{
	return r->peer.generation;
}

uint64_t remote_quota_left(const struct remote *r)
{
	return r->peer.quota_left;
}

const char *remote_describe(const struct remote *r)
{
	return transport_describe(r->t);
}

uint64_t remote_sent_bytes(const struct remote *r)
{
	return r->f.sent;
}

/* ---- questions ---- */

/* One value for every key, in batches of which several are on their way at once. */
struct question {
	enum frame_type type;
	unsigned int width; /* of an answer, in bits */
	size_t n;
	void (*put_key)(struct buf *out, const struct question *q, size_t i);
	const struct store_rootref *roots;
	enum chunk_kind kind;
	const struct chunkid *ids;
	const struct msg_prove *how; /* NULL: not PROVE */
};

/* Part of the keys, under way. */
struct asked {
	size_t from, n;
	uint16_t stream;
};

static int ask_batch(struct remote *r, const struct question *q, struct asked *a, struct err *e)
{
	struct buf *b;

	a->stream = remote_new_stream(r);
	b = framed_begin(&r->f, q->type, 0, a->stream);
	if (q->how)
		msg_put_prove(b, q->how);
	for (size_t i = a->from; i < a->from + a->n; i++)
		q->put_key(b, q, i);
	return framed_end(&r->f, e);
}

static int take_answer(struct remote *r, const struct question *q, const struct asked *a,
		       uint8_t *values, struct err *e)
{
	struct frame f;
	int rc = remote_answer(r, FRAME_BITMAP, a->stream, &f, e);

	if (rc < 0)
		return rc;
	rc = msg_get_bitmap(values + a->from, a->n, q->width, f.payload, f.len, e);
	return rc < 0 ? err_wrap(e, "%s", r->name) : 0;
}

static int ask(struct remote *r, const struct question *q, uint8_t *values, struct err *e)
{
	struct asked batches[BATCH_MAX_INFLIGHT] = {{0, 0, 0}};
	size_t most = MIN(r->peer.max_inflight, BATCH_MAX_INFLIGHT);
	size_t keys = 0, sent = 0, answered = 0; /* keys asked for; batches */
	int rc = 0;

	while (rc == 0 && (keys < q->n || answered < sent)) {
		struct asked *a = &batches[sent % BATCH_MAX_INFLIGHT];

		if (keys < q->n && sent - answered < most) {
			a->from = keys;
			a->n = MIN(MIN(r->peer.max_batch, BATCH_MAX_IDS), q->n - keys);
			keys += a->n;
			sent++;
			rc = ask_batch(r, q, a, e);
		} else {
			a = &batches[answered++ % BATCH_MAX_INFLIGHT];
			rc = take_answer(r, q, a, values, e);
		}
	}
	return rc;
}

static void put_root(struct buf *out, const struct question *q, size_t i)
{
	msg_put_key(out, (uint8_t)q->roots[i].kind, q->roots[i].id.b);
}

static void put_id(struct buf *out, const struct question *q, size_t i)
{
	msg_put_key(out, (uint8_t)q->kind, q->ids[i].b);
}

int remote_roots(struct remote *r, const struct store_rootref *roots, size_t n,
		 enum store_root_state *states, struct err *e)
{
	struct question q = {FRAME_ROOTS, 2, n, put_root, roots, CHUNK_NODE, NULL, NULL};
	uint8_t *values = xmalloc(MAX(n, (size_t)1));
	int rc = ask(r, &q, values, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		states[i] = (enum store_root_state)values[i];
	free(values);
	return rc;
}

int remote_have(struct remote *r, enum chunk_kind kind, const struct chunkid *ids, size_t n,
		uint8_t *have, struct err *e)
{
	struct question q = {
		kind == CHUNK_NODE ? FRAME_NODES : FRAME_HAVE, 1, n, put_id, NULL, kind, ids, NULL,
	};

	return ask(r, &q, have, e);
}

/* ---- what only later servers know ---- */

bool remote_can(const struct remote *r, const char *capability)
{
	return strvec_has(&r->peer.caps, capability);
}

static int need(const struct remote *r, const char *capability, const char *what, struct err *e)
{
	if (remote_can(r, capability))
		return 0;
	err_set(e, ERR_INPUT, "%s: the git-deepops-serve there is too old to %s", r->name, what);
	return err_hint(e, "install this version of git-deepops on the server");
}

int remote_prove(struct remote *r, const struct msg_prove *how, const struct store_rootref *roots,
		 size_t n, enum store_hashed *answers, struct err *e)
{
	struct question q = {FRAME_PROVE, 2, n, put_root, roots, CHUNK_NODE, NULL, how};
	uint8_t *values = xmalloc(MAX(n, (size_t)1));
	int rc = need(r, MSG_CAP_PROVE, "prove what it holds", e);

	if (rc == 0)
		rc = ask(r, &q, values, e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (values[i] > STORE_HASHED_ALL)
			rc = err_set(e, ERR_PROTO, "%s: answers PROVE with %u", r->name, values[i]);
		answers[i] = (enum store_hashed)values[i];
	}
	free(values);
	return rc;
}

static int take_policy(struct remote *r, const struct frame *f, struct buf *out, struct err *e)
{
	char shown[REMOTE_NAME_BYTES];
	struct msg_policy m;
	struct buf why = BUF_INIT;

	if (msg_get_policy(&m, f->payload, f->len, e) < 0)
		return err_wrap(e, "%s", r->name);
	if (m.state == MSG_POLICY_UNREADABLE) {
		buf_add(&why, m.text, strnlen(m.text, m.len));
		err_sanitize(shown, sizeof(shown), why.p);
		buf_release(&why);
		return err_set(e, ERR_INPUT, "%s: its policy cannot be read: %s", r->name, shown);
	}
	buf_add(out, m.text, m.len);
	return m.state == MSG_POLICY_HERE;
}

int remote_policy(struct remote *r, struct buf *out, struct err *e)
{
	struct frame f;
	uint16_t stream;
	int rc = need(r, MSG_CAP_POLICY, "tell its policy", e);

	if (rc < 0)
		return rc;
	stream = remote_new_stream(r);
	framed_begin(&r->f, FRAME_POLICY, 0, stream);
	rc = framed_end(&r->f, e);
	if (rc == 0)
		rc = remote_answer(r, FRAME_POLICY, stream, &f, e);
	return rc < 0 ? rc : take_policy(r, &f, out, e);
}
