/* SPDX-License-Identifier: MIT */
/* store_closure.c - following what nodes and recipes name; see store_internal.h */
#include "base/hash.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
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
	int rc = store_see_load(a->s, a->t, CHUNK_RECIPE, file, &text, e);

	if (rc == ERR_NOTFOUND)
		lack(a->missing, CHUNK_RECIPE, file);
	else if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, cb, arg, e);
	buf_release(&text);
	if (rc == ERR_NOTFOUND)
		return 0;
	return rc < 0 ? err_wrap(e, "recipe %s", chunkid_text(file).s) : 1;
}

struct assembling {
	struct store_assembly *a;
	struct hash *h;
	struct buf plain;
	uint64_t bytes;
	bool lacks; /* a chunk was not there: from then on only find what else is not */
};

/* recipe_entry_fn: hash one chunk of a file. */
static int hash_entry(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct assembling *f = arg;
	int rc;

	if (entry->bytes > f->a->budget) {
		err_set(e, ERR_LIMIT, "files name far more content than was sent");
		return err_hint(e, "the role maintain may push them: git-deepops-serve(1)");
	}
	f->a->budget -= entry->bytes;
	f->bytes = offset + entry->bytes;
	buf_reset(&f->plain);
	rc = store_see_load(f->a->s, f->a->t, CHUNK_DATA, &entry->id, &f->plain, e);
	if (rc == ERR_NOTFOUND) {
		lack(f->a->missing, CHUNK_DATA, &entry->id);
		f->lacks = true;
		return 0;
	}
	if (rc == 0 && f->plain.len != entry->bytes)
		rc = err_set(e, ERR_CORRUPT, "chunk %s has %zu bytes, not %" PRIu32,
			     chunkid_text(&entry->id).s, f->plain.len, entry->bytes);
	if (rc == 0 && !f->lacks)
		hash_update(f->h, f->plain.p, f->plain.len);
	return rc;
}

int store_assemble(struct store_assembly *a, const struct chunkid *file, uint64_t *bytes,
		   struct err *e)
{
	struct assembling f = {.a = a, .h = hash_new(), .plain = BUF_INIT};
	struct chunkid got;
	int rc = walk_entries(a, file, hash_entry, &f, e);

	if (rc == 1 && f.lacks)
		rc = 0;
	if (rc == 1) {
		hash_final(f.h, got.b);
		if (!chunkid_equal(&got, file))
			rc = err_set(e, ERR_CORRUPT, "recipe %s gives the file %s",
				     chunkid_text(file).s, chunkid_text(&got).s);
	}
	*bytes = f.bytes;
	hash_free(f.h);
	buf_release(&f.plain);
	return rc;
}

/* ---- trees ---- */

struct walk {
	struct store_assembly in;
	struct chunkset *sound;
	bool lacks; /* something was not there */
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
	int rc;

	if (depth > WALK_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "tree deeper than %d", WALK_MAX_DEPTH);
	if (chunkset_has(w->sound, CHUNK_NODE, id))
		return 0;
	rc = store_see_load(w->in.s, w->in.t, CHUNK_NODE, id, &text, e);
	if (rc == ERR_NOTFOUND) {
		walk_lacks(w, CHUNK_NODE, id);
		rc = 0;
	} else if (rc == 0) {
		w->lacks = false;
		rc = walk_below(w, &text, depth, e);
		if (rc == 0 && !w->lacks)
			chunkset_add(w->sound, CHUNK_NODE, id, 0);
		w->lacks = w->lacks || lacked;
	}
	buf_release(&text);
	return rc;
}

int store_walk(struct store *s, struct store_txn *t, const struct chunkkey *root,
	       struct chunkset *sound, struct chunkset *missing, struct err *e)
{
	struct walk w = {{s, t, missing, 0}, sound, false};
	int rc = root->kind == CHUNK_NODE ? walk_node(&w, &root->id, 0, e)
					  : walk_file(&w, &root->id, 0, e);

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

/* A split key in place of a root: is its dataset id proven? */
static int root_of_split(struct store *s, const struct chunkid *split_key, struct store_root *out,
			 struct err *e)
{
	struct chunkid dataset;
	int rc = store_split_dataset(s, split_key, &dataset, e);

	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	out->state = rc == 0 ? STORE_ROOT_COMPLETE : STORE_ROOT_NONE;
	return rc;
}

int store_root(struct store *s, enum chunk_kind kind, const struct chunkid *id,
	       struct store_root *out, struct err *e)
{
	struct chunkkey key = {(uint8_t)kind, *id};
	struct catalogue_root r = {.files = 0};
	int rc;

	memset(out, 0, sizeof(*out));
	if ((unsigned int)kind == STORE_ROOT_SPLIT)
		return root_of_split(s, id, out, e);
	if (kind == CHUNK_RECIPE)
		key.kind = CHUNK_DATA;
	pthread_mutex_lock(&s->cat_lock);
	rc = store_refresh_locked(s, e);
	if (rc == 0)
		rc = catalogue_root(s->cat, &key, &r, e);
	pthread_mutex_unlock(&s->cat_lock);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return rc;
	out->files = r.files;
	out->bytes = r.bytes;
	out->pin_until = r.pin_until;
	out->state = STORE_ROOT_PENDING;
	if (r.state == CATALOGUE_ROOT_COMPLETE)
		out->state = r.rooted ? STORE_ROOT_ROOTED : STORE_ROOT_COMPLETE;
	if (out->state != STORE_ROOT_PENDING && store_is_damaged(s)) {
		rc = is_sound(s, &key, e);
		if (rc == 0)
			out->state = STORE_ROOT_PENDING;
	}
	return rc < 0 ? rc : 0;
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
