/* SPDX-License-Identifier: MIT */
/* store_hashed.c - were these bytes read and hashed since they were written? see store.h */
/*
 * The tree below a root is walked, each node and recipe once, and of every chunk it is asked in which
 * pack it lies.  That pack was hashed, or it is hashed now, or the answer is no.
 */
#include <errno.h>

#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/store_internal.h"

#define HASHED_MAX_DEPTH (4 * TREE_MAX_DEPTH) /* as for any walk: directories, and parts of them */
#define NOTE_PACKS 64                         /* packs hashed between two catalogue transactions */

enum pack_state { PACK_UNHASHED, PACK_HASHED, PACK_DAMAGED };

struct store_hasher {
	struct store *s;
	struct store_hash_opts opts;
	uint64_t generation;    /* that what is remembered is about */
	struct chunkset *seen;  /* node or recipe -> enum store_hashed of all below it */
	struct chunkset *packs; /* pack -> enum pack_state; under the kind CHUNK_DATA */
	struct pool *pool;
	struct chunkkey *bad; /* found damaged, not yet marked */
	size_t nbad, bad_alloc;
	struct catalogue_scrub fresh[NOTE_PACKS]; /* not yet in the catalogue */
	size_t nfresh;
};

static void forget(struct store_hasher *h)
{
	chunkset_free(h->seen);
	chunkset_free(h->packs);
	h->seen = chunkset_new();
	h->packs = chunkset_new();
}

struct store_hasher *store_hasher_new(struct store *s, const struct store_hash_opts *opts)
{
	struct store_hasher *h = xcalloc(1, sizeof(*h));

	h->s = s;
	h->opts = *opts;
	forget(h);
	return h;
}

void store_hasher_free(struct store_hasher *h)
{
	if (!h)
		return;
	chunkset_free(h->seen);
	chunkset_free(h->packs);
	pool_free(h->pool);
	free(h->bad);
	free(h);
}

static enum store_hashed worse(enum store_hashed a, enum store_hashed b)
{
	if (a == STORE_HASHED_DAMAGED || b == STORE_HASHED_DAMAGED)
		return STORE_HASHED_DAMAGED;
	return a == STORE_HASHED_NOT ? a : b;
}

static bool afford(struct store_hasher *h, uint64_t cost)
{
	if (cost > *h->opts.budget) {
		*h->opts.budget = 0;
		return false;
	}
	*h->opts.budget -= cost;
	return true;
}

/* ---- packs ---- */

/* Enter what was hashed.  What can't be entered is hashed again next time, no more. */
static void note_packs(struct store_hasher *h)
{
	if (h->nfresh && !(h->s->flags & STORE_READONLY))
		(void)!store_note_scrubs(h->s, h->fresh, h->nfresh, NULL);
	h->nfresh = 0;
}

static int hash_now(struct store_hasher *h, const struct chunkid *pack, enum pack_state *state,
		    struct err *e)
{
	uint64_t bytes;
	int rc;

	*state = PACK_UNHASHED;
	if (!h->opts.now || !afford(h, PACK_TARGET_BYTES))
		return 0;
	if (!h->pool)
		h->pool = pool_new(0, 0);
	rc = store_hash_pack(h->s, pack, h->pool, &h->fresh[h->nfresh], &bytes, e);
	if (rc < 0)
		return rc;
	/* Its size was not known before: the estimate is put right. */
	*h->opts.budget += PACK_TARGET_BYTES;
	*h->opts.budget -= MIN(bytes, *h->opts.budget);
	*state = h->fresh[h->nfresh].damaged ? PACK_DAMAGED : PACK_HASHED;
	if (++h->nfresh == NOTE_PACKS)
		note_packs(h);
	return 0;
}

static int pack_state(struct store_hasher *h, const struct chunkid *pack, enum pack_state *state,
		      struct err *e)
{
	struct catalogue_scrub scrub;
	uint64_t known;
	int rc;

	if (chunkset_get(h->packs, CHUNK_DATA, pack, &known)) {
		*state = (enum pack_state)known;
		return 0;
	}
	pthread_mutex_lock(&h->s->cat_lock);
	rc = catalogue_get_scrub(h->s->cat, pack, &scrub, e);
	pthread_mutex_unlock(&h->s->cat_lock);
	if (rc < 0)
		return rc;
	if (rc == 1 && scrub.at_ms < h->opts.since_ms)
		rc = 0;
	if (rc == 1 && store_scrub_holds(h->s, &scrub))
		*state = PACK_HASHED;
	else if (rc == 1 && scrub.depth == STORE_FSCK_DEEP && scrub.damaged)
		*state = PACK_DAMAGED;
	else
		rc = hash_now(h, pack, state, e);
	if (rc >= 0)
		chunkset_add(h->packs, CHUNK_DATA, pack, (uint64_t)*state);
	return rc < 0 ? rc : 0;
}

/* ---- chunks ---- */

static void note_bad(struct store_hasher *h, enum chunk_kind kind, const struct chunkid *id)
{
	XGROW(h->bad, h->nbad + 1, h->bad_alloc);
	h->bad[h->nbad++] = (struct chunkkey){(uint8_t)kind, *id};
}

/* ERR_CORRUPT is an answer, and so is what the disk cannot read; others end it. */
static int judge_load(struct store_hasher *h, enum chunk_kind kind, const struct chunkid *id,
		      int rc, const struct err *why, enum store_hashed *out)
{
	if (rc == ERR_SYS && why->sys == EIO)
		rc = ERR_CORRUPT;
	if (rc == ERR_CORRUPT)
		note_bad(h, kind, id);
	if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND)
		*out = STORE_HASHED_DAMAGED;
	else if (rc == ERR_LIMIT)
		*out = STORE_HASHED_NOT;
	else
		return rc < 0 ? rc : 0;
	return 0;
}

/* A recipe's key is the hash of its file: only that proves what it says. */
static int read_recipe(struct store_hasher *h, const struct chunkid *file, struct err *e)
{
	struct store_assembly a = {.s = h->s, .budget = *h->opts.budget, .pool = h->pool};
	uint64_t bytes;
	int rc = store_assemble(&a, file, &bytes, e);

	*h->opts.budget = a.budget;
	return rc == 0 ? ERR_NOTFOUND : MIN(rc, 0);
}

/* A chunk in a pack of which something is damaged. */
static int read_one(struct store_hasher *h, enum chunk_kind kind, const struct chunkid *id,
		    enum store_hashed *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	int rc = ERR_LIMIT;

	*out = STORE_HASHED_ALL;
	if (h->opts.now && afford(h, CHUNK_MAX_BYTES))
		rc = kind == CHUNK_RECIPE ? read_recipe(h, id, &why)
					  : store_load(h->s, kind, id, &text, &why);
	buf_release(&text);
	rc = judge_load(h, kind, id, rc, &why, out);
	if (rc < 0 && e)
		*e = why;
	return rc;
}

static int ask_chunk(struct store_hasher *h, enum chunk_kind kind, const struct chunkid *id,
		     enum store_hashed *out, struct err *e)
{
	enum pack_state state = PACK_UNHASHED;
	struct store_place at;
	int rc;

	*out = STORE_HASHED_NOT;
	if (!afford(h, STORE_LOOKUP_BYTES))
		return 0;
	rc = store_find(h->s, kind, id, 0, &at, e);
	if (rc == 0)
		*out = STORE_HASHED_DAMAGED;
	if (rc == 1)
		rc = pack_state(h, &at.pack, &state, e);
	if (rc < 0 || *out == STORE_HASHED_DAMAGED)
		return MIN(rc, 0);
	if (state == PACK_DAMAGED)
		return read_one(h, kind, id, out, e);
	*out = state == PACK_HASHED ? STORE_HASHED_ALL : STORE_HASHED_NOT;
	return 0;
}

/* ---- files ---- */

struct listing {
	struct store_hasher *h;
	enum store_hashed *out;
};

static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct listing *l = arg;
	enum store_hashed one;
	int rc = ask_chunk(l->h, CHUNK_DATA, id, &one, e);

	*l->out = worse(*l->out, one);
	if (rc == 0)
		rc = store_load(l->h->s, CHUNK_DATA, id, out, e);
	if (rc == ERR_CORRUPT) {
		note_bad(l->h, CHUNK_DATA, id);
		rc = ERR_NOTFOUND; /* the recipe that names it is not what is damaged */
	}
	return rc;
}

/* recipe_entry_fn; ERR_LIMIT: no use to go on. */
static int ask_entry(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct listing *l = arg;
	enum store_hashed one;
	int rc = ask_chunk(l->h, CHUNK_DATA, &entry->id, &one, e);

	(void)offset;
	*l->out = worse(*l->out, one);
	return rc == 0 && !*l->h->opts.budget ? ERR_LIMIT : rc;
}

static int ask_recipe(struct store_hasher *h, const struct chunkid *file, enum store_hashed *out,
		      struct err *e)
{
	struct listing l = {h, out};
	const struct recipe_source from = {load_piece, &l};
	struct err why = ERR_INIT;
	struct buf text = BUF_INIT;
	enum store_hashed below;
	uint64_t known;
	int rc;

	if (chunkset_get(h->seen, CHUNK_RECIPE, file, &known)) {
		*out = (enum store_hashed)known;
		return 0;
	}
	rc = ask_chunk(h, CHUNK_RECIPE, file, out, e);
	if (rc < 0 || *out == STORE_HASHED_DAMAGED || !*h->opts.budget)
		return rc;
	rc = store_load(h->s, CHUNK_RECIPE, file, &text, &why);
	if (rc == 0 && !afford(h, text.len))
		rc = ERR_LIMIT;
	if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, ask_entry, &l, &why);
	buf_release(&text);
	below = *out;
	rc = judge_load(h, CHUNK_RECIPE, file, rc, &why, &below);
	*out = worse(*out, below);
	if (rc == 0)
		chunkset_add(h->seen, CHUNK_RECIPE, file, (uint64_t)*out);
	else if (e)
		*e = why;
	return rc;
}

static int ask_file(struct store_hasher *h, const struct chunkid *file, enum store_hashed *out,
		    struct err *e)
{
	int rc;

	*out = STORE_HASHED_ALL;
	if (chunkid_is_empty_file(file))
		return 0;
	rc = store_has(h->s, CHUNK_DATA, file, NULL, e);
	if (rc < 0)
		return rc;
	return rc ? ask_chunk(h, CHUNK_DATA, file, out, e) : ask_recipe(h, file, out, e);
}

/* ---- trees ---- */

static int ask_node(struct store_hasher *h, const struct chunkid *id, unsigned int depth,
		    enum store_hashed *out, struct err *e);

static int ask_below(struct store_hasher *h, const struct buf *text, unsigned int depth,
		     enum store_hashed *out, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1) {
		enum store_hashed one;

		if (entry.kind == NODE_DIR || entry.kind == NODE_PART)
			rc = ask_node(h, &entry.id, depth + 1, &one, e);
		else
			rc = ask_file(h, &entry.id, &one, e);
		if (rc == 0)
			*out = worse(*out, one);
		if (rc == 0 && !*h->opts.budget)
			break;
	}
	node_iter_release(&it);
	if (rc == 0 && !*h->opts.budget) /* the rest was not looked at */
		*out = worse(*out, STORE_HASHED_NOT);
	return MIN(rc, 0);
}

static int ask_node(struct store_hasher *h, const struct chunkid *id, unsigned int depth,
		    enum store_hashed *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	uint64_t known;
	int rc;

	if (chunkset_get(h->seen, CHUNK_NODE, id, &known)) {
		*out = (enum store_hashed)known;
		return 0;
	}
	*out = STORE_HASHED_NOT;
	if (depth > HASHED_MAX_DEPTH)
		return 0;
	rc = ask_chunk(h, CHUNK_NODE, id, out, e);
	if (rc < 0 || *out == STORE_HASHED_DAMAGED || !*h->opts.budget)
		return rc;
	rc = store_load(h->s, CHUNK_NODE, id, &text, &why);
	rc = judge_load(h, CHUNK_NODE, id, rc, &why, out);
	if (rc < 0 && e)
		*e = why;
	else if (text.len && afford(h, text.len))
		rc = ask_below(h, &text, depth, out, e);
	else if (text.len)
		*out = worse(*out, STORE_HASHED_NOT);
	buf_release(&text);
	if (rc == 0)
		chunkset_add(h->seen, CHUNK_NODE, id, (uint64_t)*out);
	return rc;
}

/* ---- the question ---- */

/* What was found has an end as any damage: markers above it count no more, the next push heals it. */
static int mark_bad(struct store_hasher *h, struct err *e)
{
	int rc = 0;

	if (h->nbad && !(h->s->flags & STORE_READONLY))
		rc = store_mark_lost(h->s, h->bad, h->nbad, h->opts.who, e);
	h->nbad = 0;
	return rc;
}

/* What is remembered is true of one generation: a commit, a repair or damage makes another. */
static int look_again(struct store_hasher *h, struct err *e)
{
	uint64_t generation;
	int rc = store_generation(h->s, &generation, e);

	if (rc == 0 && generation != h->generation)
		forget(h);
	h->generation = generation;
	return rc;
}

int store_hasher_ask(struct store_hasher *h, const struct store_rootref *root,
		     enum store_hashed *out, struct err *e)
{
	int rc = look_again(h, e), marked;

	*out = STORE_HASHED_NOT;
	if (rc < 0)
		return rc;
	if (root->kind == CHUNK_NODE)
		rc = ask_node(h, &root->id, 0, out, e);
	else
		rc = ask_file(h, &root->id, out, e);
	note_packs(h);
	marked = mark_bad(h, rc < 0 ? NULL : e);
	return rc < 0 ? rc : marked;
}
