/* SPDX-License-Identifier: MIT */
/* store_stream.c - files hashed while their chunks come; see store.h */
#include "base/hash.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/store_internal.h"

/* Both NULL: no piece yet. */
struct store_stream {
	struct hash *content; /* of the pieces */
	struct hash *entries; /* of what the recipe has to say of them */
	uint64_t n;           /* pieces */
	bool broken;          /* a piece was not seen: nothing can be told until the next recipe */
};

struct store_stream *store_stream_new(void)
{
	return xcalloc(1, sizeof(struct store_stream));
}

static void forget(struct store_stream *s)
{
	hash_free(s->content);
	hash_free(s->entries);
	memset(s, 0, sizeof(*s));
}

void store_stream_free(struct store_stream *s)
{
	if (s)
		forget(s);
	free(s);
}

static void hash_entry(struct hash *h, const struct chunkid *id, uint32_t bytes)
{
	hash_update(h, id->b, sizeof(id->b));
	hash_update(h, &bytes, sizeof(bytes)); /* never leaves this process */
}

static void feed(struct store_stream *s, const struct chunkid *id, const struct buf *plain)
{
	if (!s->content) {
		s->content = hash_new();
		s->entries = hash_new();
	}
	hash_update(s->content, plain->p, plain->len);
	hash_entry(s->entries, id, (uint32_t)plain->len);
	s->n++;
}

int store_put_piece(struct store_txn *t, struct store_stream *s, const struct chunkid *id,
		    const struct store_info *info, const void *stored, struct err *e)
{
	struct store_scratch *x = store_scratch_get(t->s);
	struct chunkkey key = {CHUNK_DATA, *id};
	int rc = store_put_decoded(t, &key, info, stored, x, e);

	if (rc != 1)
		s->broken = true;
	if (!s->broken)
		feed(s, id, &x->plain);
	store_scratch_put(t->s, x);
	return rc;
}

/* What a recipe says of its file, and whether all of it is here. */
struct said {
	struct store_txn *t;
	struct hash *entries;
	uint64_t left; /* as many entries as there were pieces: more would be work for nothing */
};

static int load_list(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	const struct said *said = arg;

	return store_txn_load(said->t, CHUNK_DATA, id, out, e);
}

/* recipe_entry_fn */
static int say_entry(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct said *said = arg;
	int rc = said->left-- ? store_txn_has(said->t, CHUNK_DATA, &entry->id, NULL, e) : 0;

	(void)offset;
	hash_entry(said->entries, &entry->id, entry->bytes);
	return rc == 0 ? ERR_NOTFOUND : MIN(rc, 0);
}

/*
 * Are the pieces this file, in this order?  The bytes alone would not do: a recipe could name other
 * chunks.  What can't be read here is found and told when the recipe is proven.
 */
static bool makes_up(struct store_txn *t, struct store_stream *s, const struct chunkid *id,
		     const struct buf *recipe)
{
	struct said said = {t, hash_new(), s->n};
	struct recipe_source from = {load_list, &said};
	struct chunkid content, entries, named;
	int rc = recipe_walk(recipe->p, recipe->len, &from, say_entry, &said, NULL);

	hash_final(s->content, content.b);
	hash_final(s->entries, entries.b);
	hash_final(said.entries, named.b);
	hash_free(said.entries);
	return rc == 0 && chunkid_equal(&content, id) && chunkid_equal(&entries, &named);
}

int store_put_recipe(struct store_txn *t, struct store_stream *s, const struct chunkid *id,
		     const struct store_info *info, const void *stored, struct err *e)
{
	struct store_scratch *x = store_scratch_get(t->s);
	struct chunkkey key = {CHUNK_RECIPE, *id};
	int rc = store_put_decoded(t, &key, info, stored, x, e);

	if (rc == 1 && s->content && !s->broken && makes_up(t, s, id, &x->plain)) {
		pthread_mutex_lock(&t->lock);
		chunkset_add(t->proved, CHUNK_RECIPE, id, 0);
		pthread_mutex_unlock(&t->lock);
	}
	forget(s);
	store_scratch_put(t->s, x);
	return rc;
}
