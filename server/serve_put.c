/* SPDX-License-Identifier: MIT */
/* serve_put.c - upload: BEGIN, PUT, ACK, COMMIT; see serve_internal.h */
#include "serve_internal.h"

#include <time.h>

#include "base/clock.h"
#include "base/killpoint.h"

#define SERVE_BEGIN_TRIES 10
#define SERVE_BEGIN_NAP_MS 200
#define NS_PER_MS 1000000L
/* Six times what a session may hold before it is committed in part: some 200 MB of memory. */
#define SERVE_OPEN_CHUNKS (6 * STORE_TXN_CHUNKS)

void serve_leave(struct serve *s, int code)
{
	if (s->txn)
		store_abort(s->txn,
			    code != ERR_PROTO && code != ERR_LIMIT && store_txn_count(s->txn) > 0);
	s->txn = NULL;
}

static int acknowledge(struct serve *s, struct err *e)
{
	msg_put_u64(framed_begin(&s->f, FRAME_ACK, 0, 0), s->put_bytes);
	s->acked_bytes = s->put_bytes;
	s->unsynced_since_ms = 0;
	return framed_end(&s->f, e);
}

static int sync_all(struct serve *s, struct err *e)
{
	int rc;

	killpoint("serve-before-sync");
	rc = store_sync(s->txn, e);
	if (rc < 0)
		return rc;
	killpoint("serve-before-ack");
	return acknowledge(s, e);
}

/*
 * A connection that was cut may have left a server that has not noticed yet and holds
 * the session: wait a little for it, then go on under another name, without what it holds.
 */
static int open_session(struct serve *s, const uint8_t *nonce, struct err *e)
{
	struct timespec nap = {0, SERVE_BEGIN_NAP_MS * NS_PER_MS};
	int rc = ERR_DENIED;

	for (int i = 0; rc == ERR_DENIED && i < SERVE_BEGIN_TRIES; i++) {
		if (i)
			nanosleep(&nap, NULL);
		rc = store_begin(s->store, nonce, &s->txn, e);
	}
	if (rc == ERR_DENIED)
		rc = store_begin(s->store, NULL, &s->txn, e);
	return rc;
}

int serve_begin(struct serve *s, const struct frame *q, struct err *e)
{
	int rc = msg_get_nonce(s->nonce, q->payload, q->len, e);

	if (rc == 0 && s->txn)
		rc = err_set(e, ERR_PROTO, "BEGIN inside a session");
	if (rc == 0 && !s->store)
		rc = serve_open_store(s, true, e);
	if (rc == 0)
		rc = open_session(s, s->nonce, e);
	if (rc < 0)
		return rc;
	s->put_ms = clock_mono_ms();
	killpoint("serve-begin");
	store_stream_free(s->stream);
	s->stream = store_stream_new();
	s->put_bytes = 0;
	s->rounds = 0;
	return acknowledge(s, e);
}

/* Who cares for the store may push what costs it most: an edit of a file of a terabyte. */
uint64_t *serve_hash_left(struct serve *s)
{
	return s->setup->role >= MSG_ROLE_MAINTAIN ? NULL : &s->hash_left;
}

/*
 * A session of millions of chunks would fill memory: what is there is committed on the
 * way, without roots.  Not if something it names is still to come; then the limit is higher.
 */
static int commit_part(struct serve *s, struct err *e)
{
	struct store_commit none = STORE_COMMIT_INIT;
	uint64_t count = store_txn_count(s->txn);
	int rc;

	if (count < s->part_at)
		return 0;
	if (count >= SERVE_OPEN_CHUNKS)
		return err_set(e, ERR_LIMIT,
			       "session of %" PRIu64 " chunks that name others not sent", count);
	none.who = s->setup->who;
	none.hash_left = serve_hash_left(s);
	killpoint("serve-part");
	rc = store_commit(s->txn, &none, e);
	s->part_at = rc > 0 ? count + STORE_TXN_CHUNKS : STORE_TXN_CHUNKS;
	if (rc != 0)
		return MIN(rc, 0);
	s->txn = NULL;
	return open_session(s, s->nonce, e);
}

int serve_checkpoint(struct serve *s, struct err *e)
{
	int rc = sync_all(s, e);

	return rc == 0 ? commit_part(s, e) : rc;
}

static int store_chunk(struct serve *s, const struct msg_chunk *c, bool is_piece, struct err *e)
{
	struct store_info info = {c->plain, (uint32_t)c->stored_len, c->encoding};
	enum chunk_kind kind = (enum chunk_kind)c->kind;
	struct chunkid id;

	memcpy(id.b, c->id, sizeof(id.b));
	if (is_piece)
		return store_put_piece(s->txn, s->stream, &id, &info, c->stored, e);
	if (kind == CHUNK_RECIPE)
		return store_put_recipe(s->txn, s->stream, &id, &info, c->stored, e);
	return store_put_stored(s->txn, kind, &id, &info, c->stored, e);
}

int serve_put(struct serve *s, const struct frame *q, struct err *e)
{
	bool is_piece = q->flags & FRAME_PIECE;
	struct msg_chunk c;
	int rc = msg_get_chunk(&c, q->payload, q->len, e);

	if (rc < 0)
		return rc;
	if (!s->txn)
		return err_set(e, ERR_PROTO, "PUT outside a session");
	if (!chunkid_kind_ok(c.kind) || c.encoding == MSG_ABSENT || c.at)
		return err_set(e, ERR_PROTO, "PUT of kind %u, encoding %u", c.kind, c.encoding);
	if (is_piece && c.kind != CHUNK_DATA)
		return err_set(e, ERR_PROTO, "PUT of a %s as a piece of a file",
			       chunkid_kind_name((enum chunk_kind)c.kind));
	rc = store_chunk(s, &c, is_piece, e);
	if (rc < 0)
		return rc;
	killpoint("serve-put");
	s->put_bytes += q->len;
	s->put_ms = clock_mono_ms();
	s->hash_left += SESSION_HASH_PER_BYTE * q->len;
	if (!s->unsynced_since_ms)
		s->unsynced_since_ms = clock_mono_ms();
	if (s->put_bytes - s->acked_bytes < SERVE_SYNC_BYTES)
		return 0;
	return serve_checkpoint(s, e);
}

/* ---- COMMIT ---- */

static int answer_committed(struct serve *s, uint16_t stream, struct err *e)
{
	uint64_t generation;
	int rc = store_generation(s->store, &generation, e);

	if (rc < 0)
		return rc;
	msg_put_u64(framed_begin(&s->f, FRAME_COMMITTED, 0, stream), generation);
	return framed_end(&s->f, e);
}

static int answer_missing(struct serve *s, const struct chunkset *missing, uint16_t stream,
			  struct err *e)
{
	struct chunkkey key;
	struct buf *b;
	size_t it = 0;

	if (++s->rounds > COMMIT_MAX_ROUNDS)
		return err_set(e, ERR_LIMIT, "after %u COMMITs there is still something missing",
			       s->rounds);
	b = framed_begin(&s->f, FRAME_MISSING, 0, stream);
	for (size_t n = 0; n < BATCH_MAX_IDS && chunkset_next(missing, &it, &key, NULL); n++)
		msg_put_key(b, key.kind, key.id.b);
	return framed_end(&s->f, e);
}

static int commit_roots(struct serve *s, uint16_t stream, struct err *e)
{
	struct store_commit c = serve_commit_view(&s->commit);
	struct chunkset *missing = chunkset_new();
	int rc;

	c.missing = missing;
	c.who = s->setup->who;
	c.hash_left = serve_hash_left(s);
	killpoint("serve-commit");
	rc = store_commit(s->txn, &c, e);
	if (rc == 0) {
		s->txn = NULL; /* the store has freed it */
		killpoint("serve-committed");
		rc = answer_committed(s, stream, e);
	} else if (rc > 0) {
		rc = answer_missing(s, missing, stream, e);
		killpoint("serve-missing");
	}
	chunkset_free(missing);
	return rc;
}

int serve_commit(struct serve *s, const struct frame *q, struct err *e)
{
	int rc;

	if (!s->txn)
		return err_set(e, ERR_PROTO, "COMMIT outside a session");
	rc = serve_commit_add(&s->commit, q->payload, q->len, q->flags & FRAME_MORE, e);
	if (rc < 0 || s->commit.open)
		return rc;
	/* Everything put is durable after this, whatever the answer. */
	rc = s->unsynced_since_ms ? sync_all(s, e) : 0;
	if (rc == 0)
		rc = commit_roots(s, q->stream, e);
	s->put_ms = clock_mono_ms();
	serve_commit_reset(&s->commit);
	return rc;
}
