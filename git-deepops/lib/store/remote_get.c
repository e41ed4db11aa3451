/* SPDX-License-Identifier: MIT */
/* remote_get.c - the client's end: download, every chunk verified; see remote.h */
#include "store/remote_internal.h"

#include "base/pool.h"
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
	const char *remote;       /* its name, for messages */
	struct pool_group *group; /* of the one task that verifies it; NULL: never used */
	struct chunkkey key;
	struct store_info info;
	struct buf stored, plain;
	struct zframe *z;
	struct err err;
	int rc;
};

struct remote_verifier {
	struct pool *pool;
	struct slot slots[GET_SLOTS];
	size_t next, oldest; /* counted up; slot number modulo GET_SLOTS */
};

static struct remote_verifier *verifier_new(const char *remote)
{
	struct remote_verifier *v = xcalloc(1, sizeof(*v));

	v->pool = pool_new(0, 0);
	for (size_t i = 0; i < GET_SLOTS; i++) {
		v->slots[i].remote = remote;
		buf_init(&v->slots[i].stored);
		buf_init(&v->slots[i].plain);
	}
	return v;
}

void remote_verifier_free(struct remote_verifier *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < GET_SLOTS; i++) {
		pool_group_free(v->slots[i].group);
		buf_release(&v->slots[i].stored);
		buf_release(&v->slots[i].plain);
		zframe_free(v->slots[i].z);
	}
	pool_free(v->pool);
	free(v);
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

static void verify(void *arg)
{
	struct slot *s = arg;

	s->rc = verify_plain(s, &s->err);
	if (s->rc < 0)
		err_wrap(&s->err, "%s: %s %s from there", s->remote,
			 chunkid_kind_name((enum chunk_kind)s->key.kind),
			 chunkid_text(&s->key.id).s);
}

/* Who gets the chunks, and what is asked of the connection. */
struct getter {
	struct remote *r;
	const struct chunkkey *keys;
	size_t n;
	remote_chunk_fn cb;
	void *arg;
};

/* Hand on the oldest chunk, waiting for it if need be. */
static int retire(const struct getter *g, struct err *e)
{
	struct remote_verifier *v = g->r->verifier;
	struct slot *s = &v->slots[v->oldest++ % GET_SLOTS];

	pool_group_wait(s->group);
	if (s->rc < 0) {
		if (e)
			*e = s->err;
		return s->rc;
	}
	return g->cb(g->arg, &s->key, &s->info, s->stored.p, e);
}

static int retire_all(const struct getter *g, struct err *e)
{
	const struct remote_verifier *v = g->r->verifier;
	int rc = 0;

	while (rc == 0 && v && v->oldest < v->next)
		rc = retire(g, e);
	return rc;
}

/* The payload of a frame is gone with the next one: the chunk is copied. */
static int submit(const struct getter *g, const struct chunkkey *key, const struct msg_chunk *c,
		  struct err *e)
{
	struct remote_verifier *v = g->r->verifier;
	struct slot *s;
	int rc = 0;

	if (!v)
		v = g->r->verifier = verifier_new(g->r->name);
	if (v->next - v->oldest == GET_SLOTS)
		rc = retire(g, e);
	if (rc < 0)
		return rc;
	s = &v->slots[v->next++ % GET_SLOTS];
	s->key = *key;
	s->info = (struct store_info){c->plain, (uint32_t)c->stored_len, c->encoding};
	buf_reset(&s->stored);
	buf_add(&s->stored, c->stored, c->stored_len);
	err_clear(&s->err);
	if (!s->group)
		s->group = pool_group_new(v->pool);
	pool_group_submit(s->group, verify, s);
	return 0;
}

/* After an error: what is still on its way belongs to nobody. */
static void forget(struct remote_verifier *v)
{
	for (; v && v->oldest < v->next; v->oldest++)
		pool_group_wait(v->slots[v->oldest % GET_SLOTS].group);
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
	int rc = receive(&g, e);

	if (rc == 0)
		rc = retire_all(&g, e);
	else if (rc == ERR_SYS) /* the connection broke: what came before is as good as ever */
		(void)!retire_all(&g, NULL);
	forget(r->verifier);
	return rc;
}
