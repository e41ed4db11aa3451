/* SPDX-License-Identifier: MIT */
/* dataset_keys.c - what must be stored for a pointer; see dataset.h */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "data/dataset_internal.h"

struct keys {
	struct store *store;
	struct chunkset *seen;
	const struct dataset_keys_opts *opts;
	dataset_key_fn cb;
	void *arg;
};

static int load_data(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	int rc = store_load(arg, CHUNK_DATA, id, out, e);

	return rc == ERR_NOTFOUND ? dataset_not_here(e, "chunk", id) : rc;
}

static int report(struct keys *k, enum chunk_kind kind, const struct chunkid *id, uint64_t bytes,
		  struct err *e)
{
	if (!chunkset_add(k->seen, kind, id, bytes))
		return 0;
	return k->cb(k->arg, kind, id, bytes, e);
}

static int recipe_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	(void)offset;
	return report(arg, CHUNK_DATA, &entry->id, entry->bytes, e);
}

static int report_pieces(struct keys *k, const struct buf *text, struct err *e)
{
	struct recipe pieces = RECIPE_INIT;
	int rc = recipe_pieces(text->p, text->len, &pieces, e);

	for (size_t i = 0; rc == 0 && i < pieces.n; i++)
		rc = report(k, CHUNK_DATA, &pieces.entries[i].id, pieces.entries[i].bytes, e);
	recipe_release(&pieces);
	return rc;
}

static int recipe_keys(struct keys *k, const struct chunkid *file, struct err *e)
{
	struct recipe_source from = {load_data, k->store};
	struct buf text = BUF_INIT;
	int rc;

	if (chunkset_has(k->seen, CHUNK_RECIPE, file))
		return 0;
	rc = store_load(k->store, CHUNK_RECIPE, file, &text, e);
	if (rc == ERR_NOTFOUND)
		rc = dataset_not_here(e, "content of file", file);
	if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, recipe_chunk, k, e);
	if (rc == 0)
		rc = report_pieces(k, &text, e);
	if (rc == 0)
		rc = report(k, CHUNK_RECIPE, file, text.len, e);
	buf_release(&text);
	return rc;
}

static int file_keys(struct keys *k, const struct chunkid *id, uint64_t bytes, struct err *e)
{
	int rc = 0;

	if (chunkid_is_empty_file(id) || chunkset_has(k->seen, CHUNK_DATA, id))
		return 0;
	if (bytes <= CHUNK_MAX_BYTES)
		rc = store_has(k->store, CHUNK_DATA, id, NULL, e);
	if (rc < 0)
		return rc;
	return rc == 1 ? report(k, CHUNK_DATA, id, bytes, e) : recipe_keys(k, id, e);
}

static int node_keys(struct keys *k, const struct chunkid *id, unsigned int depth, struct err *e);

static int entry_keys(struct keys *k, const struct node_entry *entry, unsigned int depth,
		      struct err *e)
{
	switch (entry->kind) {
	case NODE_DIR:
	case NODE_PART:
		return node_keys(k, &entry->id, depth + 1, e);
	case NODE_FILE:
	case NODE_LINK:
		break;
	}
	return file_keys(k, &entry->id, entry->bytes, e);
}

static int below_node(struct keys *k, const struct buf *text, unsigned int depth, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1)
		rc = entry_keys(k, &entry, depth, e);
	node_iter_release(&it);
	return rc;
}

/* Parts nest below directories, so twice the depth of a tree is the bound. */
static int node_keys(struct keys *k, const struct chunkid *id, unsigned int depth, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = 0;

	if (chunkset_has(k->seen, CHUNK_NODE, id))
		return 0;
	if (depth > 2 * TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	if (k->opts && k->opts->have)
		rc = k->opts->have(k->opts->have_arg, id, e);
	if (rc != 0) {
		if (rc > 0)
			chunkset_add(k->seen, CHUNK_NODE, id, 0);
		return MIN(rc, 0);
	}
	rc = store_load(k->store, CHUNK_NODE, id, &text, e);
	if (rc == ERR_NOTFOUND)
		rc = dataset_not_here(e, "node", id);
	if (rc == 0)
		rc = below_node(k, &text, depth, e);
	if (rc == 0)
		rc = report(k, CHUNK_NODE, id, text.len, e);
	buf_release(&text);
	return rc;
}

int dataset_keys(struct dataset_env *d, const struct pointer *p,
		 const struct dataset_keys_opts *opts, dataset_key_fn cb, void *arg, struct err *e)
{
	struct chunkset *seen = opts ? opts->seen : NULL;
	struct chunkset *own = seen ? NULL : chunkset_new();
	struct keys k = {dataset_store(d, e), own ? own : seen, opts, cb, arg};
	int rc = k.store ? 0 : e->code;

	if (rc == 0 && p->kind == POINTER_FILE)
		rc = file_keys(&k, &p->id, p->bytes, e);
	for (size_t i = 0; rc == 0 && i < p->n; i++)
		rc = node_keys(&k, &p->shards[i].id, 0, e);
	chunkset_free(own);
	return rc;
}

/* ---- what is missing ---- */

struct missing {
	struct dataset_env *env;
	struct store *store;
	const struct dataset_missing_opts *opts;
	struct chunkset *out;
	struct chunkset *parts; /* looked through already */
	uint64_t empty;
};

/* 1: here; 0: now among the missing. */
static int want(struct missing *m, enum chunk_kind kind, const struct chunkid *id, uint64_t bytes,
		struct err *e)
{
	int rc = store_has(m->store, kind, id, NULL, e);

	if (rc == 0)
		chunkset_add(m->out, kind, id, bytes);
	return rc;
}

static int want_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	int rc = want(arg, CHUNK_DATA, &entry->id, entry->bytes, e);

	(void)offset;
	return MIN(rc, 0);
}

/* Pieces first: without them the chunks are not known. */
static int want_pieces(struct missing *m, const struct buf *text, struct err *e)
{
	struct recipe pieces = RECIPE_INIT;
	int rc = recipe_pieces(text->p, text->len, &pieces, e);
	int here = 1;

	for (size_t i = 0; rc >= 0 && i < pieces.n; i++) {
		rc = want(m, CHUNK_DATA, &pieces.entries[i].id, pieces.entries[i].bytes, e);
		here &= rc == 1;
	}
	recipe_release(&pieces);
	return rc < 0 ? rc : here;
}

static int want_recipe(struct missing *m, const struct chunkid *file, struct err *e)
{
	struct recipe_source from = {load_data, m->store};
	struct buf text = BUF_INIT;
	int rc = want(m, CHUNK_RECIPE, file, 0, e);

	if (rc == 1)
		rc = store_load(m->store, CHUNK_RECIPE, file, &text, e);
	else
		return rc;
	if (rc == 0)
		rc = want_pieces(m, &text, e);
	if (rc == 1)
		rc = recipe_walk(text.p, text.len, &from, want_chunk, m, e);
	buf_release(&text);
	return MIN(rc, 0);
}

static int want_file(struct missing *m, const struct chunkid *id, uint64_t bytes, struct err *e)
{
	bool maybe_whole = bytes <= CHUNK_MAX_BYTES;
	int rc;

	if (chunkid_is_empty_file(id))
		return 0;
	if (maybe_whole) {
		rc = store_has(m->store, CHUNK_DATA, id, NULL, e);
		if (rc != 0)
			return MIN(rc, 0);
		rc = store_has(m->store, CHUNK_RECIPE, id, NULL, e);
		if (rc < 0)
			return rc;
		maybe_whole = rc == 0 && !(m->opts && m->opts->not_whole &&
					   chunkset_has(m->opts->not_whole, CHUNK_DATA, id));
	}
	if (!maybe_whole)
		return MIN(want_recipe(m, id, e), 0);
	chunkset_add(m->out, CHUNK_DATA, id, bytes);
	return 0;
}

int dataset_want_file(struct dataset_env *d, const struct chunkid *id, uint64_t bytes,
		      struct chunkset *missing, struct err *e)
{
	struct missing m = {d, dataset_store(d, e), NULL, missing, NULL, 0};

	return m.store ? want_file(&m, id, bytes, e) : e->code;
}

static int want_dir(struct missing *m, struct dtree_entry *dir, struct buf *path,
		    unsigned int depth, struct err *e);

static int want_entry(struct missing *m, struct dtree_entry *entry, struct buf *path,
		      unsigned int depth, struct err *e)
{
	const struct dataset_missing_opts *o = m->opts;

	if (entry->kind == NODE_DIR)
		return want_dir(m, entry, path, depth, e);
	if (o && !dataset_wanted(o->include, o->exclude, path->p))
		return 0;
	return want_file(m, &entry->id, entry->bytes, e);
}

/* A node_load_fn that notes what it does not find, parts included. */
static int load_or_note(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct missing *m = arg;
	int rc = want(m, CHUNK_NODE, id, 0, e);

	if (rc == 0)
		return err_set(e, ERR_NOTFOUND, "node %s is missing", chunkid_short(id).s);
	return rc < 0 ? rc : store_load(m->store, CHUNK_NODE, id, text, e);
}

/* All missing parts of a huge directory at once, not one a round. */
static int note_parts(struct missing *m, const struct chunkid *id, unsigned int depth,
		      struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_entry entry;
	struct node_iter it;
	int rc = want(m, CHUNK_NODE, id, 0, e);

	if (rc != 1 || !chunkset_add(m->parts, CHUNK_NODE, id, 0))
		return rc;
	if (depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "parts nest too deep");
	rc = store_load(m->store, CHUNK_NODE, id, &text, e);
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	rc = node_iter_init(&it, text.p, text.len, e);
	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1 && entry.kind == NODE_PART)
		rc = note_parts(m, &entry.id, depth + 1, e);
	node_iter_release(&it);
	buf_release(&text);
	return MIN(rc, 0);
}

static int want_dir(struct missing *m, struct dtree_entry *dir, struct buf *path,
		    unsigned int depth, struct err *e)
{
	int rc;

	if (depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	rc = dtree_expand(dir, load_or_note, m, e);
	if (rc == 0)
		rc = dtree_count_empty(&m->empty, dir, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = note_parts(m, dir->sub ? &dir->sub->loose : &dir->id, 0, e);
	}
	for (size_t i = 0; rc == 0 && dir->sub && i < dir->sub->n; i++) {
		size_t len = path_enter(path, dir->sub->v[i].name);

		rc = want_entry(m, &dir->sub->v[i], path, depth + 1, e);
		buf_setlen(path, len);
	}
	if (dir->known)
		dtree_unload(dir);
	return rc;
}

int dataset_missing(struct dataset_env *d, const struct pointer *p,
		    const struct dataset_missing_opts *opts, struct chunkset *missing,
		    struct err *e)
{
	struct missing m = {d, dataset_store(d, e), opts, missing, NULL, 0};
	struct buf path = BUF_INIT;
	struct dtree_entry root;
	int rc;

	if (!m.store)
		return e->code;
	dtree_from_pointer(&root, p);
	m.parts = chunkset_new();
	rc = want_entry(&m, &root, &path, 0, e);
	chunkset_free(m.parts);
	dtree_release(&root);
	buf_release(&path);
	return rc;
}
