/* SPDX-License-Identifier: MIT */
/* serve_get.c - download: GET, CHUNK in the order of the packs; see serve_internal.h */
#include "serve_internal.h"

#include <errno.h>

#include "base/killpoint.h"
#include "base/wr.h"

/* Offsets inside a CHUNK payload that are known only after the chunk was loaded. */
#define AT_ENCODING 1
#define AT_PLAIN 36

static int put_absent(struct serve *s, uint16_t stream, uint16_t at, const struct chunkkey *key,
		      struct err *e)
{
	struct msg_chunk c = {key->kind, MSG_ABSENT, at, key->id.b, 0, NULL, 0};

	msg_put_chunk(framed_begin(&s->f, FRAME_CHUNK, 0, stream), &c);
	return framed_end(&s->f, e);
}

/* A damaged chunk is as good as absent, and the next push may heal it. */
static int give_up(struct serve *s, const struct chunkkey *key, struct err *e)
{
	if (s->setup->role < MSG_ROLE_PUSH)
		return 0;
	return store_mark_lost(s->store, key, 1, s->setup->who, e);
}

/* Straight from the pack into the queue: the bytes are copied once. */
static int put_chunk(struct serve *s, uint16_t stream, uint16_t at, const struct chunkkey *key,
		     struct err *e)
{
	struct msg_chunk c = {key->kind, MSG_ABSENT, at, key->id.b, 0, NULL, 0};
	struct store_info info;
	struct err why = ERR_INIT;
	struct buf *b;
	size_t mark;
	int rc;

	if (!s->store)
		return put_absent(s, stream, at, key, e);
	b = framed_begin(&s->f, FRAME_CHUNK, 0, stream);
	mark = b->len;
	msg_put_chunk(b, &c);
	rc = store_load_stored(s->store, (enum chunk_kind)key->kind, &key->id, &info, b, &why);
	if (rc == 0) {
		b->p[mark + AT_ENCODING] = (char)info.encoding;
		wr_le32_at(b, mark + AT_PLAIN, info.plain);
		return framed_end(&s->f, e);
	}
	framed_cancel(&s->f);
	if (rc == ERR_CORRUPT || (rc == ERR_SYS && why.sys == EIO))
		rc = give_up(s, key, e);
	else if (rc < 0 && rc != ERR_NOTFOUND && e)
		*e = why;
	else if (rc == ERR_NOTFOUND)
		rc = 0;
	return rc < 0 ? rc : put_absent(s, stream, at, key, e);
}

int serve_get(struct serve *s, const struct frame *q, struct err *e)
{
	struct chunkkey keys[BATCH_MAX_IDS];
	size_t order[BATCH_MAX_IDS];
	uint16_t stream = q->stream;
	struct msg_keys asked;
	int rc = msg_get_keys(&asked, q->payload, q->len, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < asked.n; i++) {
		serve_key(&asked, i, &keys[i]);
		if (!chunkid_kind_ok(keys[i].kind))
			return err_set(e, ERR_PROTO, "key of unknown kind %u", keys[i].kind);
		order[i] = i;
	}
	if (s->store)
		rc = store_order(s->store, keys, order, asked.n, e);
	for (size_t i = 0; rc == 0 && i < asked.n; i++) {
		rc = put_chunk(s, stream, (uint16_t)order[i], &keys[order[i]], e);
		killpoint("serve-get");
		if (rc == 0 && framed_queued(&s->f) >= FRAMED_QUEUE_BYTES)
			rc = serve_flush(s, FRAMED_WRITE_BYTES, e);
		if (rc == 0 && s->f.peer_deaf)
			rc = err_set(e, ERR_SYS, "the client is gone");
	}
	return rc;
}
