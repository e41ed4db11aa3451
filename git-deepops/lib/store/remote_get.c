/* SPDX-License-Identifier: MIT */
/* remote_get.c - the client's end: download, every chunk verified; see remote.h */
#include "store/remote_internal.h"

#include "base/inorder.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "chunk/zframe.h"

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

/* ---- verification, by other threads while the next chunks come in ---- */

#define GET_SLOTS 16 /* chunks on their way through it: 32 MiB at the most, some 2 as a rule */

struct slot {
	const char *remote; /* its name, for messages */
	struct chunkkey key;
	struct store_info info;
	struct buf stored, plain;
	struct zframe *z;
};

struct remote_verifier {
	struct pool *pool;
	struct inorder *line;
	struct slot slots[GET_SLOTS];
	const struct getter *g; /* who is served now */
};

/* Who gets the chunks, and what is asked of the connection. */
struct getter {
	struct remote *r;
	const struct chunkkey *keys;
	size_t n;
	remote_chunk_fn cb;
	void *arg;
};

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

static int verify_plain(struct slot *s, struct err *e)
{
	struct zframe_stored in = {s->info.encoding, s->stored.p, s->stored.len, s->info.plain};
	struct chunkid got;
	int rc;

	if (!s->z)
		s->z = zframe_new();
	buf_reset(&s->plain);
	rc = zframe_decode(s->z, &in, &s->plain, e);
	if (rc < 0)
		return rc;
	if (s->key.kind == CHUNK_RECIPE)
		return verify_recipe(&s->plain, e);
	chunkid_of(&got, s->plain.p, s->plain.len);
	return chunkid_equal(&got, &s->key.id) ? 0 : err_set(e, ERR_CORRUPT, "wrong bytes");
}

static int verify(void *slot, struct err *e)
{
	struct slot *s = slot;

	if (verify_plain(s, e) == 0)
		return 0;
	return err_wrap(e, "%s: %s %s from there", s->remote,
			chunkid_kind_name((enum chunk_kind)s->key.kind),
			chunkid_text(&s->key.id).s);
}

static int hand_on(void *arg, void *slot, struct err *e)
{
	const struct remote_verifier *v = arg;
	const struct slot *s = slot;

	return v->g->cb(v->g->arg, &s->key, &s->info, s->stored.p, e);
}

static struct remote_verifier *verifier_new(const char *remote)
{
	struct remote_verifier *v = xcalloc(1, sizeof(*v));
	const struct inorder_line line = {v->slots, GET_SLOTS, sizeof(*v->slots),
					  verify,   hand_on,   v};

	for (size_t i = 0; i < GET_SLOTS; i++) {
		v->slots[i].remote = remote;
		buf_init(&v->slots[i].stored);
		buf_init(&v->slots[i].plain);
	}
	v->pool = pool_new(0, 0);
	v->line = inorder_new(v->pool, &line);
	return v;
}

void remote_verifier_free(struct remote_verifier *v)
{
	if (!v)
		return;
	inorder_free(v->line);
	for (size_t i = 0; i < GET_SLOTS; i++) {
		buf_release(&v->slots[i].stored);
		buf_release(&v->slots[i].plain);
		zframe_free(v->slots[i].z);
	}
	pool_free(v->pool);
	free(v);
}

/* The payload of a frame is gone with the next one: the chunk is copied. */
static int submit(const struct getter *g, const struct chunkkey *key, const struct msg_chunk *c,
		  struct err *e)
{
	struct remote_verifier *v = g->r->verifier;
	void *next;
	struct slot *s;
	int rc = inorder_next(v->line, &next, e);

	if (rc < 0)
		return rc;
	s = next;
	s->key = *key;
	s->info = (struct store_info){c->plain, (uint32_t)c->stored_len, c->encoding};
	buf_reset(&s->stored);
	buf_add(&s->stored, c->stored, c->stored_len);
	return inorder_submit(v->line, e);
}

/* ---- frames ---- */

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

static int take_chunk(const struct getter *g, struct batch *b, struct err *e)
{
	const struct chunkkey *key;
	struct msg_chunk c;
	struct frame f;
	int rc = remote_answer(g->r, FRAME_CHUNK, b->stream, &f, e);

	if (rc != 0)
		return rc;
	if (msg_get_chunk(&c, f.payload, f.len, e) < 0)
		return err_wrap(e, "%s", g->r->name);
	key = match(g->keys, b, &c);
	if (!key)
		return err_set(e, ERR_PROTO, "%s: sends a chunk that was not asked for",
			       g->r->name);
	if (c.encoding == MSG_ABSENT)
		return g->cb(g->arg, key, NULL, NULL, e);
	return submit(g, key, &c, e);
}

static int receive(const struct getter *g, struct err *e)
{
	size_t size = MIN(g->r->peer.max_batch, BATCH_MAX_IDS);
	size_t most = MIN(g->r->peer.max_inflight, GET_INFLIGHT);
	struct batch batches[GET_INFLIGHT] = {{0}};
	size_t asked = 0, sent = 0, done = 0; /* keys; batches */
	int rc = 0;

	while (asked < g->n || done < sent) {
		struct batch *b;

		while (asked < g->n && sent - done < most) {
			b = &batches[sent++ % GET_INFLIGHT];
			b->from = asked;
			b->n = MIN(size, g->n - asked);
			asked += b->n;
			rc = send_batch(g->r, g->keys, b, e);
			if (rc < 0)
				return rc;
		}
		b = &batches[done % GET_INFLIGHT];
		rc = take_chunk(g, b, e);
		if (rc < 0)
			return rc;
		done += b->left == 0;
	}
	return 0;
}

int remote_get(struct remote *r, const struct chunkkey *keys, size_t n, remote_chunk_fn cb,
	       void *arg, struct err *e)
{
	struct getter g = {r, keys, n, cb, arg};
	int rc;

	if (!r->verifier)
		r->verifier = verifier_new(r->name);
	r->verifier->g = &g;
	rc = receive(&g, e);
	if (rc == 0)
		rc = inorder_finish(r->verifier->line, e);
	else if (rc == ERR_SYS) /* the connection broke: what came before is as good as ever */
		(void)!inorder_finish(r->verifier->line, NULL);
	inorder_drop(r->verifier->line); /* after an error what is on its way belongs to nobody */
	r->verifier->g = NULL;
	return rc;
}
