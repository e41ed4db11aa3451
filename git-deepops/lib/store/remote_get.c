/* SPDX-License-Identifier: MIT */
/* remote_get.c - the client's end: download, every chunk verified; see remote.h */
#include "store/remote_internal.h"

#include "chunk/recipe.h"

/* Fewer than the questions' 8 x 4,096: a batch of chunks is some 256 MiB, two keep a link busy. */
#define GET_INFLIGHT 2

/* Part of the keys that one GET frame asked for. */
struct batch {
	size_t from, n, left;
	uint16_t stream;
	uint8_t seen[BATCH_MAX_IDS / 8];
};

static int send_batch(struct remote *r, const struct chunkkey *keys, struct batch *b, struct err *e)
{
	struct buf *out;

	b->stream = remote_new_stream(r);
	b->left = b->n;
	memset(b->seen, 0, sizeof(b->seen));
	out = framed_begin(&r->f, FRAME_GET, 0, b->stream);
	for (size_t i = 0; i < b->n; i++)
		msg_put_key(out, keys[b->from + i].kind, keys[b->from + i].id.b);
	return framed_end(&r->f, e);
}

/* The key is the file's hash, which only its assembled content can prove: here, that it is a recipe. */
static int verify_recipe(const struct buf *plain, struct err *e)
{
	struct recipe recipe = RECIPE_INIT;
	int rc = recipe_parse(&recipe, plain->p, plain->len, NULL, NULL, e);

	if (rc == ERR_NOTFOUND) /* its list is in pieces, which come as chunks of their own */
		rc = recipe_pieces(plain->p, plain->len, &recipe, e);
	recipe_release(&recipe);
	return rc;
}

static int verify(struct remote *r, const struct chunkkey *key, const struct msg_chunk *c,
		  struct err *e)
{
	struct zframe_stored in = {c->encoding, c->stored, c->stored_len, c->plain};
	struct chunkid got;
	int rc;

	if (!r->z)
		r->z = zframe_new();
	buf_reset(&r->plain);
	rc = zframe_decode(r->z, &in, &r->plain, e);
	if (rc == 0 && key->kind == CHUNK_RECIPE)
		rc = verify_recipe(&r->plain, e);
	if (rc == 0 && key->kind != CHUNK_RECIPE) {
		chunkid_of(&got, r->plain.p, r->plain.len);
		if (!chunkid_equal(&got, &key->id))
			rc = err_set(e, ERR_CORRUPT, "wrong bytes");
	}
	if (rc < 0)
		return err_wrap(e, "%s: %s %s from there", r->name,
				chunkid_kind_name((enum chunk_kind)key->kind),
				chunkid_text(&key->id).s);
	return 0;
}

/* Which of the keys asked for is this?  Every key is answered once. */
static const struct chunkkey *match(const struct chunkkey *keys, struct batch *b,
				    const struct msg_chunk *c)
{
	const struct chunkkey *key;
	uint8_t bit = (uint8_t)(1U << (c->at % 8));

	if (c->at >= b->n || (b->seen[c->at / 8] & bit))
		return NULL;
	key = &keys[b->from + c->at];
	if (key->kind != c->kind || memcmp(key->id.b, c->id, sizeof(key->id.b)) != 0)
		return NULL;
	b->seen[c->at / 8] |= bit;
	b->left--;
	return key;
}

static int take_chunk(struct remote *r, const struct chunkkey *keys, struct batch *b,
		      remote_chunk_fn cb, void *arg, struct err *e)
{
	const struct chunkkey *key;
	struct store_info info;
	struct msg_chunk c;
	struct frame f;
	int rc = remote_answer(r, FRAME_CHUNK, b->stream, &f, e);

	if (rc != 0)
		return rc;
	if (msg_get_chunk(&c, f.payload, f.len, e) < 0)
		return err_wrap(e, "%s", r->name);
	key = match(keys, b, &c);
	if (!key)
		return err_set(e, ERR_PROTO, "%s: sends a chunk that was not asked for", r->name);
	if (c.encoding == MSG_ABSENT)
		return cb(arg, key, NULL, NULL, e);
	rc = verify(r, key, &c, e);
	if (rc < 0)
		return rc;
	info = (struct store_info){c.plain, (uint32_t)c.stored_len, c.encoding};
	return cb(arg, key, &info, c.stored, e);
}

int remote_get(struct remote *r, const struct chunkkey *keys, size_t n, remote_chunk_fn cb,
	       void *arg, struct err *e)
{
	size_t size = MIN(r->peer.max_batch, BATCH_MAX_IDS);
	size_t most = MIN(r->peer.max_inflight, GET_INFLIGHT);
	struct batch batches[GET_INFLIGHT] = {{0}};
	size_t asked = 0, sent = 0, done = 0; /* keys; batches */
	int rc = 0;

	while (asked < n || done < sent) {
		struct batch *b;

		while (asked < n && sent - done < most) {
			b = &batches[sent++ % GET_INFLIGHT];
			b->from = asked;
			b->n = MIN(size, n - asked);
			asked += b->n;
			rc = send_batch(r, keys, b, e);
			if (rc < 0)
				return rc;
		}
		b = &batches[done % GET_INFLIGHT];
		rc = take_chunk(r, keys, b, cb, arg, e);
		if (rc < 0)
			return rc;
		done += b->left == 0;
	}
	return 0;
}
