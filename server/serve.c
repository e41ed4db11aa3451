/* SPDX-License-Identifier: MIT */
/* serve.c - the server's end: hello, request table, questions; see serve.h */
#include "serve_internal.h"

#include <limits.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/xalloc.h"

#define SERVE_ERR_MS 10000 /* for a client to take our last words */

void serve_key(const struct msg_keys *k, size_t i, struct chunkkey *out)
{
	out->kind = msg_key_kind(k, i);
	memcpy(out->id.b, msg_key_id(k, i), sizeof(out->id.b));
}

/* ---- questions: one value a key ---- */

typedef int (*question_fn)(struct serve *s, const struct chunkkey *key, struct err *e);

static bool is_root_kind(unsigned int kind)
{
	return kind == CHUNK_NODE || kind == CHUNK_DATA || kind == STORE_ROOT_SPLIT;
}

static int ask_node(struct serve *s, const struct chunkkey *key, struct err *e)
{
	if (key->kind != CHUNK_NODE)
		return err_set(e, ERR_PROTO, "NODES asks for kind %u", key->kind);
	return s->store ? store_node_certified(s->store, &key->id, e) : 0;
}

static int ask_have(struct serve *s, const struct chunkkey *key, struct err *e)
{
	enum chunk_kind kind = (enum chunk_kind)key->kind;

	if (!chunkid_kind_ok(key->kind))
		return err_set(e, ERR_PROTO, "key of unknown kind %u", key->kind);
	if (s->txn)
		return store_txn_has(s->txn, kind, &key->id, NULL, e);
	return s->store ? store_has(s->store, kind, &key->id, NULL, e) : 0;
}

static int answer_bitmap(struct serve *s, const struct frame *q, question_fn ask, struct err *e)
{
	uint8_t values[BATCH_MAX_IDS];
	struct msg_keys keys;
	struct chunkkey key;
	int rc = msg_get_keys(&keys, q->payload, q->len, e);

	for (size_t i = 0; rc >= 0 && i < keys.n; i++) {
		serve_key(&keys, i, &key);
		rc = ask(s, &key, e);
		if (rc >= 0)
			values[i] = (uint8_t)rc;
	}
	if (rc < 0)
		return rc;
	msg_put_bitmap(framed_begin(&s->f, FRAME_BITMAP, 0, q->stream), values, keys.n, 1);
	return framed_end(&s->f, e);
}

static int ask_roots(struct serve *s, const struct msg_keys *keys, uint8_t *values, struct err *e)
{
	struct store_rootref *refs = xcalloc(keys->n, sizeof(*refs));
	struct store_root *roots = xcalloc(keys->n, sizeof(*roots));
	struct chunkkey key;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < keys->n; i++) {
		serve_key(keys, i, &key);
		refs[i] = (struct store_rootref){(enum chunk_kind)key.kind, key.id};
		if (!is_root_kind(key.kind))
			rc = err_set(e, ERR_PROTO, "root of unknown kind %u", key.kind);
	}
	if (rc == 0 && s->store)
		rc = store_roots(s->store, refs, keys->n, roots, e);
	for (size_t i = 0; i < keys->n; i++)
		values[i] = (uint8_t)roots[i].state;
	free(refs);
	free(roots);
	return rc;
}

static int serve_roots(struct serve *s, const struct frame *q, struct err *e)
{
	uint8_t values[BATCH_MAX_IDS];
	struct msg_keys keys;
	int rc = msg_get_keys(&keys, q->payload, q->len, e);

	if (rc == 0)
		rc = ask_roots(s, &keys, values, e);
	if (rc < 0)
		return rc;
	msg_put_bitmap(framed_begin(&s->f, FRAME_BITMAP, 0, q->stream), values, keys.n, 2);
	return framed_end(&s->f, e);
}

static int serve_nodes(struct serve *s, const struct frame *q, struct err *e)
{
	return answer_bitmap(s, q, ask_node, e);
}

static int serve_have(struct serve *s, const struct frame *q, struct err *e)
{
	return answer_bitmap(s, q, ask_have, e);
}

static int serve_ping(struct serve *s, const struct frame *q, struct err *e)
{
	int rc = msg_check_ping(q->len, e);

	if (rc < 0)
		return rc;
	buf_add(framed_begin(&s->f, FRAME_PING, 0, q->stream), q->payload, q->len);
	return framed_end(&s->f, e);
}

static int serve_bye(struct serve *s, const struct frame *q, struct err *e)
{
	int rc = msg_check_bye(q->len, e);

	if (rc == 0)
		s->bye = true;
	return rc;
}

/* ---- the table ---- */

static const struct request {
	enum frame_type type;
	bool writes;
	int (*answer)(struct serve *s, const struct frame *q, struct err *e);
} requests[] = {
	{FRAME_ROOTS, false, serve_roots},   {FRAME_NODES, false, serve_nodes},
	{FRAME_HAVE, false, serve_have},     {FRAME_GET, false, serve_get},
	{FRAME_BEGIN, true, serve_begin},    {FRAME_PUT, true, serve_put},
	{FRAME_COMMIT, true, serve_commit},  {FRAME_PING, false, serve_ping},
	{FRAME_BYE, false, serve_bye},       {FRAME_PROVE, false, serve_prove},
	{FRAME_POLICY, false, serve_policy},
};

static int dispatch(struct serve *s, const struct frame *q, struct err *e)
{
	const struct request *r = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		if (requests[i].type == q->type)
			r = &requests[i];
	}
	if (!r)
		return err_set(e, ERR_PROTO, "%s is not a request", frame_type_name(q->type));
	if (s->commit.open && q->type != FRAME_COMMIT)
		return err_set(e, ERR_PROTO, "%s inside a COMMIT", frame_type_name(q->type));
	if (r->writes && s->setup->role < MSG_ROLE_PUSH)
		return err_set(e, ERR_DENIED, "role %s may not push",
			       msg_role_name(s->setup->role));
	return r->answer(s, q, e);
}

/* ---- the connection ---- */

static int say_hello(struct serve *s, struct err *e)
{
	struct msg_hello h = MSG_HELLO_INIT;
	int rc = 0;

	h.role = s->setup->role;
	strvec_push(&h.caps, "agent=git-deepops/" DEEPOPS_VERSION);
	strvec_push(&h.caps, MSG_CAP_POLICY);
	strvec_push(&h.caps, MSG_CAP_PROVE);
	if (s->store) {
		memcpy(h.uuid, store_uuid(s->store), sizeof(h.uuid));
		rc = store_generation(s->store, &h.generation, e);
		if (rc == 0)
			rc = store_quota_left(s->store, &h.quota_left, e);
	}
	if (rc == 0) {
		msg_put_hello(framed_begin(&s->f, FRAME_HELLO, 0, 0), &h);
		rc = framed_end(&s->f, e);
	}
	msg_hello_release(&h);
	return rc;
}

/* Ours is on its way before theirs is read: neither side waits for the other. */
static int shake_hands(struct serve *s, struct err *e)
{
	struct msg_hello mine = MSG_HELLO_INIT, theirs = MSG_HELLO_INIT;
	struct frame q;
	uint16_t version;
	int rc = say_hello(s, e);

	if (rc < 0)
		return rc;
	s->greeted = true;
	killpoint("serve-hello");
	rc = framed_next(&s->f, &q, (int)MIN(s->setup->idle_ms, (uint64_t)INT_MAX), e);
	if (rc == FRAMED_NOTHING)
		return err_set(e, ERR_SYS, "no HELLO came in time");
	if (rc < 0)
		return rc;
	if (rc == FRAMED_END) {
		s->bye = true;
		return 0;
	}
	if (q.type != FRAME_HELLO)
		return err_set(e, ERR_PROTO, "%s comes before HELLO", frame_type_name(q.type));
	rc = msg_get_hello(&theirs, q.payload, q.len, e);
	if (rc == 0)
		rc = msg_hello_agree(&mine, &theirs, &version, e);
	msg_hello_release(&theirs);
	return rc;
}

/* How long to wait for the next message: until something is to be acknowledged, or it is too late. */
static int wait_ms(const struct serve *s, uint64_t now)
{
	uint64_t until = s->heard_ms + s->setup->idle_ms;

	if (s->unsynced_since_ms)
		until = MIN(until, s->unsynced_since_ms + SERVE_SYNC_MS);
	return until <= now ? 0 : (int)MIN(until - now, (uint64_t)INT_MAX);
}

static bool sync_is_due(const struct serve *s)
{
	return s->unsynced_since_ms && clock_mono_ms() - s->unsynced_since_ms >= SERVE_SYNC_MS;
}

/* Whoever keeps a session keeps repair and eviction out: not for nothing, and not for ever. */
static int check_time(const struct serve *s, struct err *e)
{
	uint64_t now = clock_mono_ms(), idle = s->setup->idle_ms;

	if (now - s->heard_ms >= idle)
		return err_set(e, ERR_SYS, "no whole message came for %" PRIu64 " seconds",
			       idle / 1000);
	if (s->txn && now - s->put_ms >= SERVE_QUIET_TIMES * idle)
		return err_set(e, ERR_SYS,
			       "a session in which nothing was put for %" PRIu64 " seconds",
			       SERVE_QUIET_TIMES * idle / 1000);
	if (now - s->opened_ms >= SERVE_MAX_MS)
		return err_set(e, ERR_SYS, "a connection of 7 days");
	return 0;
}

int serve_flush(struct serve *s, size_t left, struct err *e)
{
	return framed_drain(&s->f, left, (int)MIN(s->setup->idle_ms, (uint64_t)INT_MAX), e);
}

/* The next message, if one came; answered.  1: the client is gone. */
static int answer_next(struct serve *s, struct err *e)
{
	struct frame q;
	int rc = framed_next(&s->f, &q, wait_ms(s, clock_mono_ms()), e);

	if (rc < 0 || rc == FRAMED_END)
		return rc < 0 ? rc : 1;
	if (rc == FRAMED_NOTHING)
		return check_time(s, e);
	rc = dispatch(s, &q, e);
	/* Answers must not pile up for a client that asks and does not read. */
	if (rc == 0 && framed_queued(&s->f) >= FRAMED_QUEUE_BYTES)
		rc = serve_flush(s, FRAMED_WRITE_BYTES, e);
	s->heard_ms = clock_mono_ms();
	return rc == 0 ? check_time(s, e) : rc;
}

static int answer_all(struct serve *s, struct err *e)
{
	int rc;

	s->heard_ms = clock_mono_ms();
	while (!s->bye) {
		rc = answer_next(s, e);
		if (rc != 0)
			return MIN(rc, 0);
		if (sync_is_due(s))
			rc = serve_checkpoint(s, e);
		if (rc < 0)
			return rc;
	}
	return serve_flush(s, 0, e);
}

/* Tell the client why it ends; if that can't be delivered either, so be it. */
static void say_err(struct serve *s, const struct err *why)
{
	struct err ignored = ERR_INIT;

	msg_put_err(framed_begin(&s->f, FRAME_ERR, 0, 0), why);
	if (framed_end(&s->f, &ignored) == 0 && framed_drain(&s->f, 0, SERVE_ERR_MS, &ignored) < 0)
		err_clear(&ignored);
}

int serve_open_store(struct serve *s, bool create, struct err *e)
{
	enum store_flags flags = STORE_READONLY;
	int rc;

	if (s->setup->role >= MSG_ROLE_PUSH)
		flags = create ? (enum store_flags)(STORE_VERIFY | STORE_CREATE) : STORE_VERIFY;
	rc = store_open(&s->store, s->setup->store_dir, flags, e);
	if (rc != ERR_NOTFOUND || create)
		return rc;
	err_clear(e);
	return 0;
}

int serve_run(const struct serve_setup *setup, struct err *e)
{
	struct serve s = {
		.setup = setup, .part_at = STORE_TXN_CHUNKS, .hash_left = SESSION_HASH_BYTES};
	int rc;

	s.opened_ms = clock_mono_ms();
	framed_init(&s.f, setup->t);
	rc = serve_open_store(&s, false, e);
	if (rc == 0)
		rc = shake_hands(&s, e);
	if (rc == 0)
		rc = answer_all(&s, e);
	/* First leave, then speak: a client that reads our words finds the session free. */
	serve_leave(&s, rc);
	if (rc < 0 && s.greeted) /* before that, only stderr is heard */
		say_err(&s, e);
	serve_commit_release(&s.commit);
	store_stream_free(s.stream);
	store_close(s.store);
	framed_release(&s.f);
	return rc;
}
