/* SPDX-License-Identifier: MIT */
/* serve.c - one connection: a table of requests, each with the bit that says it writes; see serve.h */

#include "serve.h"

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/xalloc.h"
#include "serve_commit.h"
#include "store/store.h"
#include "transport/framed.h"

/* Acknowledge what is durable this often: a cut then costs the client at most half a window. */
#define SERVE_ACK_BYTES (32 * MIB)
#define SERVE_ACK_MS 2000

struct session {
	const struct serve_opts *opts;
	struct framed f;
	struct store *store;   /* NULL: nothing was ever pushed here; BEGIN makes it */
	struct store_txn *txn; /* between BEGIN and COMMITTED */
	struct serve_commit commit;
	uint64_t put_bytes, ack_bytes; /* of the txn: received, acknowledged */
	uint64_t unacked_since_ms;
	bool bye;
};

/* ---- answers ---- */

static int send_u64(struct session *s, enum frame_type type, uint16_t stream, uint64_t v,
		    struct err *e)
{
	msg_put_u64(framed_begin(&s->f, type, 0, stream), v);
	return framed_end(&s->f, e);
}

static int send_bitmap(struct session *s, uint16_t stream, const uint8_t *values, size_t n,
		       unsigned int width, struct err *e)
{
	msg_put_bitmap(framed_begin(&s->f, FRAME_BITMAP, 0, stream), values, n, width);
	return framed_end(&s->f, e);
}

static int key_at(const struct msg_keys *keys, size_t i, enum chunk_kind *kind, struct chunkid *id,
		  struct err *e)
{
	unsigned int k = msg_key_kind(keys, i);

	if (!chunkid_kind_ok(k))
		return err_set(e, ERR_PROTO, "key of unknown kind %u", k);
	*kind = (enum chunk_kind)k;
	memcpy(id->b, msg_key_id(keys, i), sizeof(id->b));
	return 0;
}

/* ---- requests that read ---- */

static int on_roots(struct session *s, const struct frame *f, struct err *e)
{
	uint8_t states[BATCH_MAX_IDS];
	struct msg_keys keys;
	int rc = msg_get_keys(&keys, f->payload, f->len, e);

	for (size_t i = 0; rc == 0 && i < keys.n; i++) {
		struct store_root root;
		struct chunkid id;
		unsigned int kind = msg_key_kind(&keys, i);

		if (kind != STORE_ROOT_SPLIT && kind != CHUNK_NODE && kind != CHUNK_DATA)
			return err_set(e, ERR_PROTO, "root of unknown kind %u", kind);
		memcpy(id.b, msg_key_id(&keys, i), sizeof(id.b));
		root.state = STORE_ROOT_NONE;
		if (s->store)
			rc = store_root(s->store, (enum chunk_kind)kind, &id, &root, e);
		states[i] = rc == 0 ? (uint8_t)root.state : 0;
	}
	return rc < 0 ? rc : send_bitmap(s, f->stream, states, keys.n, 2, e);
}

static int on_nodes(struct session *s, const struct frame *f, struct err *e)
{
	uint8_t have[BATCH_MAX_IDS];
	struct msg_keys keys;
	int rc = msg_get_keys(&keys, f->payload, f->len, e);

	for (size_t i = 0; rc >= 0 && i < keys.n; i++) {
		enum chunk_kind kind;
		struct chunkid id;

		rc = key_at(&keys, i, &kind, &id, e);
		if (rc == 0 && kind != CHUNK_NODE)
			rc = err_set(e, ERR_PROTO, "NODES asks for something else");
		if (rc == 0 && s->store)
			rc = store_node_certified(s->store, &id, e);
		have[i] = rc == 1;
	}
	return rc < 0 ? rc : send_bitmap(s, f->stream, have, keys.n, 1, e);
}

static int has(struct session *s, enum chunk_kind kind, const struct chunkid *id, struct err *e)
{
	if (s->txn)
		return store_txn_has(s->txn, kind, id, NULL, e);
	return s->store ? store_has(s->store, kind, id, NULL, e) : 0;
}

static int on_have(struct session *s, const struct frame *f, struct err *e)
{
	uint8_t have[BATCH_MAX_IDS];
	struct msg_keys keys;
	int rc = msg_get_keys(&keys, f->payload, f->len, e);

	for (size_t i = 0; rc >= 0 && i < keys.n; i++) {
		enum chunk_kind kind;
		struct chunkid id;

		rc = key_at(&keys, i, &kind, &id, e);
		if (rc == 0)
			rc = has(s, kind, &id, e);
		have[i] = rc == 1;
	}
	return rc < 0 ? rc : send_bitmap(s, f->stream, have, keys.n, 1, e);
}

static int send_chunk(struct session *s, uint16_t stream, uint16_t at, enum chunk_kind kind,
		      const struct chunkid *id, struct err *e)
{
	struct msg_chunk c = {(uint8_t)kind, MSG_ABSENT, at, id->b, 0, NULL, 0};
	struct buf stored = BUF_INIT;
	struct store_info info;
	int rc = ERR_NOTFOUND;

	if (s->store)
		rc = store_load_stored(s->store, kind, id, &info, &stored, e);
	if (rc == 0) {
		c.encoding = info.encoding;
		c.plain = info.plain;
		c.stored = (const uint8_t *)stored.p;
		c.stored_len = stored.len;
	} else if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		/* Damaged bytes are as good as none: the client may know another place. */
		err_clear(e);
		rc = 0;
	}
	if (rc == 0) {
		msg_put_chunk(framed_begin(&s->f, FRAME_CHUNK, 0, stream), &c);
		rc = framed_end(&s->f, e);
	}
	buf_release(&stored);
	return rc < 0 ? rc : framed_drain(&s->f, FRAMED_QUEUE_BYTES, TRANSPORT_FOREVER, e);
}

static int on_get(struct session *s, const struct frame *f, struct err *e)
{
	struct buf copy = BUF_INIT; /* the frame goes with the next step of the stream */
	struct msg_keys keys;
	uint16_t stream = f->stream;
	int rc;

	buf_add(&copy, f->payload, f->len);
	rc = msg_get_keys(&keys, copy.p, copy.len, e);
	for (size_t i = 0; rc == 0 && i < keys.n; i++) {
		enum chunk_kind kind;
		struct chunkid id;

		rc = key_at(&keys, i, &kind, &id, e);
		killpoint("serve-chunk");
		if (rc == 0)
			rc = send_chunk(s, stream, (uint16_t)i, kind, &id, e);
	}
	buf_release(&copy);
	return rc;
}

static int on_ping(struct session *s, const struct frame *f, struct err *e)
{
	if (f->len > WIRE_STRING_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "PING of %zu bytes", f->len);
	buf_add(framed_begin(&s->f, FRAME_PING, 0, f->stream), f->payload, f->len);
	return framed_end(&s->f, e);
}

static int on_bye(struct session *s, const struct frame *f, struct err *e)
{
	(void)f;
	(void)e;
	s->bye = true;
	return 0;
}

/* ---- requests that write ---- */

static int acknowledge(struct session *s, struct err *e)
{
	int rc;

	killpoint("serve-before-sync");
	rc = store_sync(s->txn, e);
	if (rc == 0)
		rc = send_u64(s, FRAME_ACK, 0, s->put_bytes, e);
	s->ack_bytes = s->put_bytes;
	killpoint("serve-after-sync");
	return rc;
}

/* A repository without data has no store yet: only an upload makes one. */
static int open_store(struct session *s, enum store_flags flags, struct err *e)
{
	int rc;

	if (s->opts->role < MSG_ROLE_PUSH)
		flags |= STORE_READONLY;
	rc = store_open(&s->store, s->opts->store_dir, STORE_VERIFY | flags, e);
	if (rc == ERR_NOTFOUND && !(flags & STORE_CREATE)) {
		err_clear(e);
		return 0;
	}
	return rc;
}

static int on_begin(struct session *s, const struct frame *f, struct err *e)
{
	uint8_t nonce[MSG_NONCE_BYTES];
	int rc = msg_get_nonce(nonce, f->payload, f->len, e);

	if (rc == 0 && s->txn)
		rc = err_set(e, ERR_PROTO, "an upload is under way already");
	if (rc == 0 && !s->store)
		rc = open_store(s, STORE_CREATE, e);
	if (rc == 0)
		rc = store_begin(s->store, nonce, &s->txn, e);
	s->put_bytes = s->ack_bytes = 0;
	killpoint("serve-begin");
	return rc < 0 ? rc : send_u64(s, FRAME_ACK, f->stream, 0, e);
}

static int on_put(struct session *s, const struct frame *f, struct err *e)
{
	struct msg_chunk c;
	struct chunkid id;
	int rc = msg_get_chunk(&c, f->payload, f->len, e);

	if (rc < 0)
		return rc;
	if (!s->txn)
		return err_set(e, ERR_PROTO, "PUT before BEGIN");
	if (!chunkid_kind_ok(c.kind))
		return err_set(e, ERR_PROTO, "chunk of unknown kind %u", c.kind);
	memcpy(id.b, c.id, sizeof(id.b));
	killpoint("serve-put");
	rc = store_put_stored(s->txn, (enum chunk_kind)c.kind, &id, c.encoding, c.stored,
			      c.stored_len, c.plain, e);
	if (rc < 0)
		return rc;
	if (s->put_bytes == s->ack_bytes)
		s->unacked_since_ms = clock_mono_ms();
	s->put_bytes += MSG_CHUNK_HEADER_BYTES + c.stored_len;
	return s->put_bytes - s->ack_bytes >= SERVE_ACK_BYTES ? acknowledge(s, e) : 0;
}

static int send_missing(struct session *s, uint16_t stream, const struct chunkset *missing,
			struct err *e)
{
	struct buf *b = framed_begin(&s->f, FRAME_MISSING, 0, stream);
	struct chunkkey key;
	size_t it = 0;

	while (chunkset_next(missing, &it, &key, NULL))
		msg_put_key(b, key.kind, key.id.b);
	return framed_end(&s->f, e);
}

static int finish_commit(struct session *s, uint16_t stream, struct err *e)
{
	struct chunkset *missing = chunkset_new();
	struct store_commit c = serve_commit_view(&s->commit);
	uint64_t generation;
	int rc;

	c.missing = missing;
	c.who = s->opts->who;
	killpoint("serve-before-commit");
	rc = store_commit(s->txn, &c, e);
	killpoint("serve-after-commit");
	if (rc == 1)
		rc = send_missing(s, stream, missing, e);
	else if (rc == 0) {
		s->txn = NULL;
		rc = store_generation(s->store, &generation, e);
		if (rc == 0)
			rc = send_u64(s, FRAME_COMMITTED, stream, generation, e);
	}
	chunkset_free(missing);
	serve_commit_reset(&s->commit);
	return rc;
}

static int on_commit(struct session *s, const struct frame *f, struct err *e)
{
	int rc;

	if (!s->txn)
		return err_set(e, ERR_PROTO, "COMMIT before BEGIN");
	rc = serve_commit_add(&s->commit, f->payload, f->len, e);
	if (rc < 0 || (f->flags & FRAME_MORE))
		return rc;
	return finish_commit(s, f->stream, e);
}

/* ---- the table ---- */

typedef int (*request_fn)(struct session *s, const struct frame *f, struct err *e);

static const struct request {
	request_fn run;
	bool writes;
} requests[FRAME_TYPE_MAX + 1] = {
	[FRAME_ROOTS] = {on_roots, false},  [FRAME_NODES] = {on_nodes, false},
	[FRAME_HAVE] = {on_have, false},    [FRAME_GET] = {on_get, false},
	[FRAME_PING] = {on_ping, false},    [FRAME_BYE] = {on_bye, false},
	[FRAME_BEGIN] = {on_begin, true},   [FRAME_PUT] = {on_put, true},
	[FRAME_COMMIT] = {on_commit, true},
};

static int dispatch(struct session *s, const struct frame *f, struct err *e)
{
	const struct request *r;

	if (!frame_type_known(f->type)) /* optional: frame_parse refused the others */
		return 0;
	r = &requests[f->type];
	if (!r->run)
		return err_set(e, ERR_PROTO, "%s is no request", frame_type_name(f->type));
	if (r->writes && s->opts->role < MSG_ROLE_PUSH)
		return err_set(e, ERR_DENIED, "role %s may not push", msg_role_name(s->opts->role));
	return r->run(s, f, e);
}

/* ---- the connection ---- */

static int greet(struct session *s, struct err *e)
{
	struct msg_hello mine = MSG_HELLO_INIT;
	int rc = 0;

	mine.role = s->opts->role;
	if (s->store) {
		rc = store_generation(s->store, &mine.generation, e);
		memcpy(mine.uuid, store_uuid(s->store), sizeof(mine.uuid));
	}
	strvec_push(&mine.caps, "agent=git-deepops-serve/" DEEPOPS_VERSION);
	if (rc == 0) {
		msg_put_hello(framed_begin(&s->f, FRAME_HELLO, 0, 0), &mine);
		rc = framed_end(&s->f, e);
	}
	msg_hello_release(&mine);
	return rc;
}

static int meet(struct session *s, struct err *e)
{
	struct msg_hello mine = MSG_HELLO_INIT, theirs = MSG_HELLO_INIT;
	struct frame f;
	uint16_t version;
	int rc = framed_next(&s->f, &f, TRANSPORT_FOREVER, e);

	if (rc == FRAMED_END) {
		s->bye = true;
		return 0;
	}
	if (rc >= 0)
		rc = f.type == FRAME_HELLO
			     ? msg_get_hello(&theirs, f.payload, f.len, e)
			     : err_set(e, ERR_PROTO, "%s before HELLO", frame_type_name(f.type));
	if (rc == 0)
		rc = msg_hello_agree(&mine, &theirs, &version, e);
	msg_hello_release(&theirs);
	return rc;
}

/* How long to wait for the next request: until what came in is due to be acknowledged. */
static int wait_ms(const struct session *s)
{
	uint64_t passed;

	if (!s->txn || s->put_bytes == s->ack_bytes)
		return TRANSPORT_FOREVER;
	passed = clock_mono_ms() - s->unacked_since_ms;
	return passed >= SERVE_ACK_MS ? 0 : (int)(SERVE_ACK_MS - passed);
}

static bool ack_is_due(const struct session *s)
{
	return s->txn && s->put_bytes > s->ack_bytes &&
	       clock_mono_ms() - s->unacked_since_ms >= SERVE_ACK_MS;
}

static int serve_requests(struct session *s, struct err *e)
{
	struct frame f;
	int rc = 0;

	while (rc == 0 && !s->bye) {
		rc = framed_next(&s->f, &f, wait_ms(s), e);
		if (rc == FRAMED_END)
			return 0;
		if (rc == FRAMED_FRAME)
			rc = dispatch(s, &f, e);
		if (rc == 0 && ack_is_due(s))
			rc = acknowledge(s, e);
	}
	return rc;
}

/* The last words; a client that is gone will not hear them, which is no further error. */
#define SERVE_LAST_WORDS_MS 5000
static void tell(struct session *s, const struct err *why)
{
	msg_put_err(framed_begin(&s->f, FRAME_ERR, 0, 0), why);
	if (framed_end(&s->f, NULL) == 0 && framed_drain(&s->f, 0, SERVE_LAST_WORDS_MS, NULL) < 0)
		return;
}

/* After BYE nobody waits for an answer: what can't be written any more is nobody's loss. */
static void flush_rest(struct session *s)
{
	if (framed_drain(&s->f, 0, SERVE_LAST_WORDS_MS, NULL) < 0)
		return;
}

int serve(struct transport *t, const struct serve_opts *opts, struct err *e)
{
	struct session s;
	int rc;

	memset(&s, 0, sizeof(s));
	s.opts = opts;
	framed_init(&s.f, t);
	rc = open_store(&s, 0, e);
	if (rc == 0)
		rc = greet(&s, e);
	if (rc == 0)
		rc = meet(&s, e);
	if (rc == 0)
		rc = serve_requests(&s, e);
	if (rc < 0)
		tell(&s, e);
	else if (rc == 0)
		flush_rest(&s);
	if (s.txn) /* what was acknowledged waits for the client to come back */
		store_abort(s.txn, true);
	serve_commit_release(&s.commit);
	store_close(s.store);
	framed_release(&s.f);
	return rc;
}
