/* SPDX-License-Identifier: MIT */
/* store_closure.c - following what nodes and recipes name; see store_internal.h */
#include "base/hash.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/readahead.h"
#include "store/store_internal.h"

/* Directories nest TREE_MAX_DEPTH deep; each may be a few levels of parts. */
#define WALK_MAX_DEPTH (4 * TREE_MAX_DEPTH)

int store_see(struct store *s, struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
	      struct store_info *info, struct err *e)
{
	return t ? store_txn_has(t, kind, id, info, e) : store_has(s, kind, id, info, e);
}

int store_see_load(struct store *s, struct store_txn *t, enum chunk_kind kind,
		   const struct chunkid *id, struct buf *out, struct err *e)
{
	return t ? store_txn_load(t, kind, id, out, e) : store_load(s, kind, id, out, e);
}

/* ---- recipes ---- */

static void lack(struct chunkset *missing, enum chunk_kind kind, const struct chunkid *id)
{
	if (missing && chunkset_count(missing) < STORE_MISSING_MAX)
		chunkset_add(missing, kind, id, 0);
}

/* recipe_load_fn for the pieces of a long recipe. */
static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct store_assembly *a = arg;
	int rc = store_see_load(a->s, a->t, CHUNK_DATA, id, out, e);

	if (rc == ERR_NOTFOUND)
		lack(a->missing, CHUNK_DATA, id);
	return rc;
}

/* Every entry of a file's recipe to `cb`: 1, 0 it or a piece of it is missing. */
static int walk_entries(struct store_assembly *a, const struct chunkid *file, recipe_entry_fn cb,
			void *arg, struct err *e)
{
	const struct recipe_source from = {load_piece, a};
	struct buf text = BUF_INIT;
	const struct buf *recipe = a->recipe ? a->recipe : &text;
	int rc = a->recipe ? 0 : store_see_load(a->s, a->t, CHUNK_RECIPE, file, &text, e);

	if (rc == ERR_NOTFOUND)
		lack(a->missing, CHUNK_RECIPE, file);
	else if (rc == 0)
		rc = recipe_walk(recipe->p, recipe->len, &from, cb, arg, e);
	buf_release(&text);
	if (rc == ERR_NOTFOUND)
		return 0;
	return rc < 0 ? err_wrap(e, "recipe %s", chunkid_text(file).s) : 1;
}

struct assembling {
	struct store_assembly *a;
	struct readahead *ahead;
	struct hash *h;
	uint64_t bytes;
	bool each;  /* hash each chunk too, not only the whole */
	bool lacks; /* a chunk was not there: from then on only find what else is not */
};

/* readahead_load_fn: nothing in `plain` if the chunk is not here. */
static int load_entry(void *arg, uint64_t offset, const struct recipe_entry *entry,
		      struct buf *plain, struct err *e)
{
	const struct assembling *f = arg;
	const struct store_assembly *a = f->a;
	int rc;

	(void)offset;
	if (f->each)
		rc = store_see_load(a->s, a->t, CHUNK_DATA, &entry->id, plain, e);
	else if (a->t)
		rc = store_txn_load_unhashed(a->t, &entry->id, plain, e);
	else
		rc = store_load_unhashed(a->s, &entry->id, plain, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (rc == 0 && plain->len != entry->bytes)
		rc = err_set(e, ERR_CORRUPT, "chunk %s has %zu bytes, not %" PRIu32,
			     chunkid_text(&entry->id).s, plain->len, entry->bytes);
	return rc;
}

/* readahead_take_fn */
static int hash_entry(void *arg, const struct recipe_entry *entry, const struct buf *plain,
		      struct err *e)
{
	struct assembling *f = arg;

	(void)e;
	if (!plain->len) {
		lack(f->a->missing, CHUNK_DATA, &entry->id);
		f->lacks = true;
	} else if (!f->lacks) {
		hash_update(f->h, plain->p, plain->len);
	}
	return 0;
}

int store_spend(struct store_assembly *a, uint64_t cost, struct err *e)
{
	if (cost > a->budget) {
		err_set(e, ERR_LIMIT, "files name far more content than was sent");
		return err_hint(e, "the role maintain may push them: git-deepops-serve(1)");
	}
	a->budget -= cost;
	return 0;
}

/* recipe_entry_fn: one more chunk, if the budget allows it. */
static int add_entry(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct assembling *f = arg;
	int rc = store_spend(f->a, MAX(entry->bytes, SESSION_HASH_ENTRY_BYTES), e);

	if (rc < 0)
		return rc;
	f->bytes = offset + entry->bytes;
	return readahead_add(f->ahead, offset, entry, e);
}

/* As store_assemble; `each`: hash each chunk too. */
static int assemble(struct store_assembly *a, const struct chunkid *file, bool each,
		    uint64_t *bytes, struct err *e)
{
	struct assembling f = {.a = a, .h = hash_new(), .each = each};
	struct chunkid got;
	int rc;

	f.ahead = readahead_new(a->pool, load_entry, hash_entry, &f);
	rc = walk_entries(a, file, add_entry, &f, e);
	if (rc == 1) {
		int last = readahead_finish(f.ahead, e);

		rc = last < 0 ? err_wrap(e, "recipe %s", chunkid_text(file).s) : !f.lacks;
	}
	readahead_free(f.ahead);
	hash_final(f.h, got.b);
	hash_free(f.h);
	*bytes = f.bytes;
	if (rc == 1 && !chunkid_equal(&got, file))
		rc = err_set(e, ERR_CORRUPT, "recipe %s gives the file %s", chunkid_text(file).s,
			     chunkid_text(&got).s);
	return rc;
}

/*
 * The hash of the whole proves every chunk of it.  Only if that is wrong are the chunks looked
 * at one by one, which finds a sound copy or says which one is damaged.
 */
int store_assemble(struct store_assembly *a, const struct chunkid *file, uint64_t *bytes,
		   struct err *e)
{
	int rc = assemble(a, file, false, bytes, e);

	if (rc != ERR_CORRUPT)
		return rc;
	err_clear(e);
	return assemble(a, file, true, bytes, e);
}

int store_makes_file(struct store *s, struct store_txn *t, const struct chunkid *file,
		     const struct buf *recipe, struct pool *pool, struct err *e)
{
	struct store_assembly a = {
		.s = s, .t = t, .recipe = recipe, .budget = UINT64_MAX, .pool = pool};
	uint64_t bytes;

	return store_assemble(&a, file, &bytes, e);
}

/* ---- trees ---- */

struct walk {
	struct store_assembly in;
	struct chunkset *seen; /* nodes; value: is all below it here? */
	bool lacks;            /* something was not there */
};

static void walk_lacks(struct walk *w, enum chunk_kind kind, const struct chunkid *id)
{
	w->lacks = true;
	lack(w->in.missing, kind, id);
}

/* recipe_entry_fn */
static int walk_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct walk *w = arg;
	int rc = store_see(w->in.s, w->in.t, CHUNK_DATA, &entry->id, NULL, e);

	(void)offset;
	if (rc == 0)
		walk_lacks(w, CHUNK_DATA, &entry->id);
	return rc < 0 ? rc : 0;
}

static int walk_recipe(struct walk *w, const struct chunkid *file, struct err *e)
{
	int rc = walk_entries(&w->in, file, walk_chunk, w, e);

	if (rc == 0)
		w->lacks = true;
	return rc < 0 ? rc : 0;
}

/* A file is here whole, or as a recipe with all its chunks; `bytes` tells which it should be. */
static int walk_file(struct walk *w, const struct chunkid *file, uint64_t bytes, struct err *e)
{
	int rc;

	if (chunkid_is_empty_file(file))
		return 0;
	rc = store_see(w->in.s, w->in.t, CHUNK_DATA, file, NULL, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = store_see(w->in.s, w->in.t, CHUNK_RECIPE, file, NULL, e);
	if (rc == 1)
		return walk_recipe(w, file, e);
	if (rc == 0)
		walk_lacks(w, bytes > CHUNK_MAX_BYTES ? CHUNK_RECIPE : CHUNK_DATA, file);
	return rc;
}

static int walk_node(struct walk *w, const struct chunkid *id, unsigned int depth, struct err *e);

static int walk_below(struct walk *w, const struct buf *text, unsigned int depth, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1) {
		if (entry.kind == NODE_DIR || entry.kind == NODE_PART)
			rc = walk_node(w, &entry.id, depth + 1, e);
		else
			rc = walk_file(w, &entry.id, entry.bytes, e);
	}
	node_iter_release(&it);
	return rc;
}

static int walk_node(struct walk *w, const struct chunkid *id, unsigned int depth, struct err *e)
{
	struct buf text = BUF_INIT;
	bool lacked = w->lacks;
	uint64_t sound;
	int rc;

	if (depth > WALK_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "tree deeper than %d", WALK_MAX_DEPTH);
	if (chunkset_get(w->seen, CHUNK_NODE, id, &sound)) {
		w->lacks = w->lacks || !sound;
		return 0;
	}
	rc = store_see_load(w->in.s, w->in.t, CHUNK_NODE, id, &text, e);
	if (rc == ERR_NOTFOUND) {
		walk_lacks(w, CHUNK_NODE, id);
		rc = 0;
	} else if (rc == 0) {
		w->lacks = false;
		rc = walk_below(w, &text, depth, e);
		if (rc == 0)
			chunkset_add(w->seen, CHUNK_NODE, id, !w->lacks);
		w->lacks = w->lacks || lacked;
	}
	buf_release(&text);
	return rc;
}

int store_walk(struct store *s, struct store_txn *t, const struct chunkkey *root,
	       struct chunkset *seen, struct chunkset *missing, struct err *e)
{
	struct walk w = {{.s = s, .t = t, .missing = missing}, seen, false};
	int rc = root->kind == CHUNK_NODE ? walk_node(&w, &root->id, 0, e)
					  : walk_file(&w, &root->id, 0, e);

	return rc < 0 ? rc : !w.lacks;
}

/* ---- everything ---- */

/* store_each_fn */
static int settle_one(void *arg, const struct chunkkey *key, const struct store_info *info,
		      struct err *e)
{
	struct walk *w = arg;

	(void)info;
	if (w->lacks || key->kind == CHUNK_DATA)
		return 0;
	return key->kind == CHUNK_NODE ? walk_node(w, &key->id, 0, e) : walk_recipe(w, &key->id, e);
}

/* Believe the catalogue if it is still the one that was looked at. */
static int believe(struct store *s, uint64_t generation, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		rc = store_refresh_locked(s, e);
		if (rc == 0 && s->view.generation != generation)
			rc = err_set(e, ERR_DENIED, "the store changed meanwhile");
		if (rc == 0)
			rc = catalogue_clear_suspect(s->cat, e);
		if (rc == 0)
			rc = catalogue_audit(s->cat, NULL, "settle", "everything is whole", e);
		rc = catalogue_end(s->cat, rc, e);
	}
	if (rc == 0)
		rc = store_refresh_locked(s, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

int store_settle(struct store *s, struct err *e)
{
	struct walk w = {{.s = s}, chunkset_new(), false};
	uint64_t generation;
	bool suspect;
	int rc = store_refresh(s, e);

	pthread_rwlock_rdlock(&s->view_lock);
	generation = s->view.generation;
	suspect = s->view.suspect;
	pthread_rwlock_unlock(&s->view_lock);
	if (rc == 0 && suspect)
		rc = store_each(s, settle_one, &w, e);
	if (rc == 0 && suspect && !w.lacks)
		rc = believe(s, generation, e);
	chunkset_free(w.seen);
	return rc < 0 ? rc : !w.lacks;
}

/* ---- answers about roots ---- */

/* Walk with the memory of what this generation was found to hold. */
static int is_sound(struct store *s, const struct chunkkey *key, struct err *e)
{
	struct chunkset *sound;
	uint64_t generation;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	generation = s->view.generation;
	sound = s->sound ? s->sound : chunkset_new();
	s->sound = NULL; /* ours for now: the walk takes cat_lock itself */
	pthread_mutex_unlock(&s->cat_lock);
	rc = store_walk(s, NULL, key, sound, NULL, e);
	pthread_mutex_lock(&s->cat_lock);
	if (!s->sound && s->view.generation == generation) {
		s->sound = sound;
		sound = NULL;
	}
	pthread_mutex_unlock(&s->cat_lock);
	chunkset_free(sound);
	return rc == ERR_CORRUPT ? 0 : rc;
}

int store_node_certified(struct store *s, const struct chunkid *id, struct err *e)
{
	struct chunkkey key = {CHUNK_NODE, *id};
	int rc = store_has(s, CHUNK_NODE, id, NULL, e);

	if (rc == 1 && store_is_damaged(s))
		rc = is_sound(s, &key, e);
	return rc;
}

int store_split_dataset(struct store *s, const struct chunkid *split_key, struct chunkid *dataset,
			struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_dataset(s->cat, split_key, dataset, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

/* A split key in place of a root: is its dataset id proven?  cat_lock held. */
static int look_split(struct store *s, const struct chunkid *split_key, struct store_root *out,
		      struct err *e)
{
	struct chunkid dataset;
	int rc = catalogue_dataset(s->cat, split_key, &dataset, e);

	if (rc == 0)
		out->state = STORE_ROOT_COMPLETE;
	return rc;
}

/* What the catalogue says of a root; cat_lock held. */
static int look_root(struct store *s, const struct store_rootref *ref, struct store_root *out,
		     struct err *e)
{
	struct chunkkey key = {(uint8_t)ref->kind, ref->id};
	struct catalogue_root r = {.files = 0};
	int rc;

	memset(out, 0, sizeof(*out));
	if (key.kind == CHUNK_RECIPE)
		key.kind = CHUNK_DATA;
	if (key.kind == STORE_ROOT_SPLIT)
		rc = look_split(s, &ref->id, out, e);
	else
		rc = catalogue_root(s->cat, &key, &r, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (rc < 0 || key.kind == STORE_ROOT_SPLIT)
		return rc;
	out->files = r.files;
	out->bytes = r.bytes;
	out->pin_until = r.pin_until;
	out->state = STORE_ROOT_PENDING;
	if (r.state == CATALOGUE_ROOT_COMPLETE)
		out->state = r.rooted ? STORE_ROOT_ROOTED : STORE_ROOT_COMPLETE;
	return 0;
}

static int look_roots(struct store *s, const struct store_rootref *refs, size_t n,
		      struct store_root *out, struct err *e)
{
	int rc = store_refresh_locked(s, e);

	if (rc == 0)
		rc = catalogue_hold(s->cat, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = look_root(s, &refs[i], &out[i], e);
	catalogue_let_go(s->cat);
	return rc;
}

/* With damage somewhere a marker says only what was: it counts if all below it is still here. */
static int doubt_root(struct store *s, const struct store_rootref *ref, struct store_root *out,
		      struct err *e)
{
	struct chunkkey key = {(uint8_t)ref->kind, ref->id};
	int rc;

	if (key.kind == STORE_ROOT_SPLIT || out->state < STORE_ROOT_COMPLETE)
		return 0;
	rc = is_sound(s, &key, e);
	if (rc == 0)
		out->state = STORE_ROOT_PENDING;
	return MIN(rc, 0);
}

int store_roots(struct store *s, const struct store_rootref *refs, size_t n, struct store_root *out,
		struct err *e)
{
	bool damaged;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = look_roots(s, refs, n, out, e);
	pthread_mutex_unlock(&s->cat_lock);
	damaged = rc == 0 && store_is_damaged(s);
	for (size_t i = 0; rc == 0 && damaged && i < n; i++)
		rc = doubt_root(s, &refs[i], &out[i], e);
	return rc;
}

int store_root(struct store *s, enum chunk_kind kind, const struct chunkid *id,
	       struct store_root *out, struct err *e)
{
	const struct store_rootref ref = {kind, *id};

	return store_roots(s, &ref, 1, out, e);
}

int store_mark_rooted(struct store *s, const struct store_rootref *roots, size_t n,
		      bool replace_all, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		if (replace_all)
			rc = catalogue_clear_rooted(s->cat, e);
		for (size_t i = 0; i < n && rc == 0; i++) {
			struct chunkkey key = {(uint8_t)roots[i].kind, roots[i].id};

			rc = catalogue_set_rooted(s->cat, &key, e);
		}
		rc = catalogue_end(s->cat, rc, e);
	}
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

int store_mark_lost(struct store *s, const struct chunkkey *keys, size_t n, const char *who,
		    struct err *e)
{
	struct buf detail = BUF_INIT;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		for (size_t i = 0; i < n && rc == 0; i++)
			rc = catalogue_add_lost(s->cat, &keys[i], e);
		buf_addf(&detail, "chunks %zu", n);
		if (rc == 0)
			rc = catalogue_audit(s->cat, who, "lost", detail.p, e);
		rc = catalogue_end(s->cat, rc, e);
	}
	if (rc == 0)
		rc = store_refresh_locked(s, e);
	pthread_mutex_unlock(&s->cat_lock);
	buf_release(&detail);
	return rc;
}
