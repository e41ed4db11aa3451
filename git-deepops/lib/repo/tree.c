/* SPDX-License-Identifier: MIT */
/* tree.c - reading and building git trees without an index; see tree.h */
#include "repo/tree.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/rawobj.h"
#include "repo/repo_internal.h"
#include "repo/tree_sides.h"

int tree_list(struct repo *r, const struct repo_oid *tree, tree_fn cb, void *arg, struct err *e)
{
	struct tree_entry entry;
	struct rawobj_tree t;
	int rc = rawobj_tree_open(&t, r, tree, e);

	while (rc == 0 && (rc = rawobj_tree_next(&t, &entry, e)) == 1)
		rc = cb(arg, &entry, e);
	rawobj_tree_close(&t);
	return rc < 0 ? rc : 0;
}

/* The entry called `name`, whatever the order: 1 found, 0 absent. */
static int find_name(struct repo *r, const struct repo_oid *tree, const char *name, size_t len,
		     struct tree_entry *out, struct err *e)
{
	struct rawobj_tree t;
	int rc = rawobj_tree_open(&t, r, tree, e);

	if (rc == 0)
		while ((rc = rawobj_tree_next(&t, out, e)) == 1)
			if (!strncmp(out->name, name, len) && !out->name[len])
				break;
	out->name = NULL;
	rawobj_tree_close(&t);
	return rc;
}

int tree_find(struct repo *r, const struct repo_oid *tree, const char *path, struct tree_entry *out,
	      struct err *e)
{
	struct repo_oid at = *tree;

	/* A file where the path wants a directory is absence, and so is a bad path. */
	for (;;) {
		size_t len = strcspn(path, "/");
		int rc = find_name(r, &at, path, len, out, e);

		if (rc < 0)
			return err_wrap(e, "'%.*s' in tree %s", (int)MIN(len, 255), path,
					tree->hex);
		if (rc == 0 || !path[len])
			return rc;
		if (out->mode != TREE_MODE_DIR)
			return 0;
		at = out->id;
		path += len + 1;
	}
}

/* ---- walks ---- */

struct walk {
	struct repo *r;
	tree_fn cb;
	tree_diff_fn diff;
	void *arg;
	struct buf path;
	unsigned int depth;
	uint64_t own, *units; /* left to be spent; units: own, or the caller's */
};

static int spend(struct walk *w, const struct rawobj_tree *t, struct err *e)
{
	if (rawobj_tree_spend(t, w->units))
		return 0;
	return err_set(e, ERR_LIMIT, "a tree has more directories than can be looked at");
}

static int open_dir(struct walk *w, const struct repo_oid *id, struct rawobj_tree *t, struct err *e)
{
	int rc;

	rawobj_tree_of(t, NULL, 0);
	if (!id)
		return 0;
	rc = rawobj_tree_open(t, w->r, id, e);
	return rc < 0 ? rc : spend(w, t, e);
}

static int enter(struct walk *w, const char *name, size_t *len, struct err *e)
{
	*len = w->path.len;
	if (w->depth >= GIT_TREE_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "tree deeper than %d at '%.200s'", GIT_TREE_MAX_DEPTH,
			       w->path.p);
	if (w->path.len + strlen(name) > PATH_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "path longer than %d bytes in a tree", PATH_MAX_BYTES);
	path_enter(&w->path, name);
	w->depth++;
	return 0;
}

static void leave(struct walk *w, size_t len)
{
	buf_setlen(&w->path, len);
	w->depth--;
}

static int walk_level(struct walk *w, const struct repo_oid *tree, struct err *e)
{
	struct tree_entry entry;
	struct rawobj_tree t;
	size_t len;
	int rc = open_dir(w, tree, &t, e);

	while (rc == 0 && (rc = rawobj_tree_next(&t, &entry, e)) == 1) {
		rc = enter(w, entry.name, &len, e);
		if (rc < 0)
			break;
		if (entry.mode == TREE_MODE_DIR) {
			rc = walk_level(w, &entry.id, e);
		} else {
			entry.name = w->path.p;
			rc = w->cb(w->arg, &entry, e);
		}
		leave(w, len);
	}
	rawobj_tree_close(&t);
	return rc;
}

int tree_walk(struct repo *r, const struct repo_oid *tree, tree_fn cb, void *arg, struct err *e)
{
	struct walk w = {.r = r, .cb = cb, .arg = arg, .path = BUF_INIT, .own = TREE_MAX_UNITS};
	int rc;

	w.units = &w.own;
	rc = walk_level(&w, tree, e);
	buf_release(&w.path);
	return rc;
}

static int diff_level(struct walk *w, const struct repo_oid *a, const struct repo_oid *b,
		      struct err *e);

/* One name on which the two sides may differ; a side may have mode 0. */
static int diff_entry(struct walk *w, const char *name, struct tree_entry *a, struct tree_entry *b,
		      struct err *e)
{
	bool a_dir = a->mode == TREE_MODE_DIR;
	bool b_dir = b->mode == TREE_MODE_DIR;
	size_t len;
	int rc;

	if (a->mode == b->mode && repo_oid_equal(&a->id, &b->id))
		return 0;
	rc = enter(w, name, &len, e);
	if (rc < 0)
		return rc;
	if (a_dir || b_dir) {
		rc = diff_level(w, a_dir ? &a->id : NULL, b_dir ? &b->id : NULL, e);
	} else {
		a->name = b->name = w->path.p;
		rc = w->diff(w->arg, w->path.p, a, b, e);
	}
	leave(w, len);
	return rc;
}

static int diff_sides(struct walk *w, struct tree_side *a, struct tree_side *b, struct err *e)
{
	int rc = 0;

	while (rc == 0 && (rc = tree_sides_next(a, b, e)) == 1)
		rc = diff_entry(w, a->at.mode ? a->at.name : b->at.name, &a->at, &b->at, e);
	return rc;
}

static int diff_level(struct walk *w, const struct repo_oid *a, const struct repo_oid *b,
		      struct err *e)
{
	struct tree_side sa, sb;
	int rc;

	tree_sides_init(&sa, &sb);
	rc = open_dir(w, a, &sa.t, e);
	if (rc == 0)
		rc = open_dir(w, b, &sb.t, e);
	if (rc == 0)
		rc = diff_sides(w, &sa, &sb, e);
	rawobj_tree_close(&sa.t);
	rawobj_tree_close(&sb.t);
	return rc;
}

int tree_diff_within(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
		     const struct tree_bounds *bounds, tree_diff_fn cb, void *arg, struct err *e)
{
	struct walk w = {.r = r, .diff = cb, .arg = arg, .path = BUF_INIT, .own = TREE_MAX_UNITS};
	int rc = 0;

	w.units = bounds->units ? bounds->units : &w.own;
	if (a && repo_oid_is_zero(a))
		a = NULL;
	if (b && repo_oid_is_zero(b))
		b = NULL;
	if (!a || !b || !repo_oid_equal(a, b))
		rc = diff_level(&w, a, b, e);
	buf_release(&w.path);
	return rc;
}

int tree_diff(struct repo *r, const struct repo_oid *a, const struct repo_oid *b, tree_diff_fn cb,
	      void *arg, struct err *e)
{
	const struct tree_bounds none = {NULL};

	return tree_diff_within(r, a, b, &none, cb, arg, e);
}

/* ---- building ---- */

struct item {
	char *key; /* path, with a slash at its end for a whole tree: then bytes sort as git's trees */
	uint32_t mode;
	struct repo_oid id;
	size_t seq;
};

struct tree_builder {
	struct repo *r;
	struct item *v;
	size_t nr, alloc;
};

struct tree_builder *tree_builder_new(struct repo *r)
{
	struct tree_builder *b = xcalloc(1, sizeof(*b));

	b->r = r;
	return b;
}

void tree_builder_add(struct tree_builder *b, const char *path, uint32_t mode,
		      const struct repo_oid *id)
{
	struct item *item;

	XGROW(b->v, b->nr + 1, b->alloc);
	item = &b->v[b->nr];
	item->key = xstrfmt("%s%s", path, mode == TREE_MODE_DIR ? "/" : "");
	item->mode = mode;
	item->id = *id;
	item->seq = b->nr++;
}

int tree_builder_add_blob(struct tree_builder *b, const char *path, const void *p, size_t len,
			  struct err *e)
{
	struct repo_oid id;
	int rc = repo_write_blob(b->r, p, len, &id, e);

	if (rc == 0)
		tree_builder_add(b, path, TREE_MODE_FILE, &id);
	return rc;
}

void tree_builder_free(struct tree_builder *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->nr; i++)
		free(b->v[i].key);
	free(b->v);
	free(b);
}

static int by_key(const void *a, const void *b)
{
	const struct item *x = a;
	const struct item *y = b;
	int c = strcmp(x->key, y->key);

	return c ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static int add_raw(struct buf *raw, uint32_t mode, const char *name, size_t len,
		   const struct repo_oid *id, struct err *e)
{
	git_oid oid;
	int rc = repo_oid_to(&oid, id, e);

	if (rc < 0)
		return rc;
	if (len == 0 || memchr(name, '/', len) || (len == 1 && name[0] == '.') ||
	    (len == 2 && !memcmp(name, "..", 2)))
		return err_set(e, ERR_INPUT, "'%.*s' can't be a name in a tree", (int)MIN(len, 255),
			       name);
	buf_addf(raw, "%o ", mode);
	buf_add(raw, name, len);
	buf_addch(raw, '\0');
	buf_add(raw, oid.id, sizeof(oid.id));
	return 0;
}

/* A file and a directory of one name need not be neighbours: compare sorted names. */
static int check_unique(struct strvec *names, const char *at, size_t at_len, struct err *e)
{
	strvec_sort(names);
	for (size_t i = 1; i < names->nr; i++)
		if (!strcmp(names->v[i - 1], names->v[i]))
			return err_set(e, ERR_INPUT, "'%.*s%s' is both a file and a directory",
				       (int)MIN(at_len, 255), at, names->v[i]);
	return 0;
}

/* Items [from, to) share the first `skip` bytes of their keys, which end in a slash. */
static int write_level(struct tree_builder *b, size_t from, size_t to, size_t skip,
		       struct repo_oid *out, struct err *e)
{
	struct strvec names = STRVEC_INIT;
	struct buf raw = BUF_INIT;
	int rc = 0;

	while (rc == 0 && from < to) {
		const struct item *item = &b->v[from];
		const char *name = item->key + skip;
		size_t len = strcspn(name, "/");
		size_t next = from + 1;

		strvec_pushn(&names, name, len);
		if (name[len] && name[len + 1]) {
			struct repo_oid sub;

			while (next < to && !strncmp(b->v[next].key + skip, name, len + 1))
				next++;
			rc = write_level(b, from, next, skip + len + 1, &sub, e);
			if (rc == 0)
				rc = add_raw(&raw, TREE_MODE_DIR, name, len, &sub, e);
		} else if (next < to && !strcmp(b->v[next].key, item->key)) {
			strvec_pop(&names); /* the same path once more: the last one counts */
		} else {
			rc = add_raw(&raw, item->mode, name, len, &item->id, e);
		}
		from = next;
	}
	if (rc == 0 && names.nr)
		rc = check_unique(&names, b->v[to - 1].key, skip, e);
	if (rc == 0)
		rc = repo_write_raw(b->r, "tree", raw.p, raw.len, out, e);
	strvec_release(&names);
	buf_release(&raw);
	return rc;
}

int tree_builder_write(struct tree_builder *b, struct repo_oid *tree, struct err *e)
{
	if (b->nr)
		qsort(b->v, b->nr, sizeof(*b->v), by_key);
	return write_level(b, 0, b->nr, 0, tree, e);
}

/* ---- changing one path ---- */

struct update {
	struct repo *r;
	const char *path;
	uint32_t mode;
	const struct repo_oid *id;
};

static int update_level(const struct update *u, const struct repo_oid *tree, const char *path,
			struct repo_oid *out, struct err *e);

/* What now stands under the first component of `path`; id NULL: nothing. */
static int updated_entry(const struct update *u, const struct tree_entry *old, const char *path,
			 struct tree_entry *out, struct err *e)
{
	const char *slash = strchr(path, '/');
	int rc;

	out->mode = 0;
	if (!slash) {
		if (u->id) {
			out->mode = u->mode;
			out->id = *u->id;
		}
		return 0;
	}
	if (!u->id && (!old || old->mode != TREE_MODE_DIR)) {
		if (old)
			*out = *old; /* the path isn't there: nothing to remove */
		return 0;
	}
	rc = update_level(u, old && old->mode == TREE_MODE_DIR ? &old->id : NULL, slash + 1,
			  &out->id, e);
	if (rc == 1)
		return 0; /* empty: git has no empty directories */
	out->mode = TREE_MODE_DIR;
	return rc;
}

/* 1: the level is empty, and *out is the empty tree. */
static int update_level(const struct update *u, const struct repo_oid *tree, const char *path,
			struct repo_oid *out, struct err *e)
{
	struct tree_builder *b = tree_builder_new(u->r);
	size_t len = strcspn(path, "/");
	struct tree_entry entry;
	struct tree_entry old;
	bool found = false;
	struct rawobj_tree t;
	int rc = 0;

	rawobj_tree_of(&t, NULL, 0);
	if (tree)
		rc = rawobj_tree_open(&t, u->r, tree, e);
	while (rc == 0 && (rc = rawobj_tree_next(&t, &entry, e)) == 1) {
		rc = 0;
		if (strlen(entry.name) == len && !memcmp(entry.name, path, len)) {
			old = entry;
			found = true;
		} else {
			tree_builder_add(b, entry.name, entry.mode, &entry.id);
		}
	}
	if (rc == 0)
		rc = updated_entry(u, found ? &old : NULL, path, &entry, e);
	if (rc == 0 && entry.mode) {
		char *name = xstrndup(path, len);

		tree_builder_add(b, name, entry.mode, &entry.id);
		free(name);
	}
	if (rc == 0)
		rc = tree_builder_write(b, out, e);
	if (rc == 0 && b->nr == 0)
		rc = 1;
	tree_builder_free(b);
	rawobj_tree_close(&t);
	return rc;
}

int tree_update(struct repo *r, const struct repo_oid *tree, const char *path, uint32_t mode,
		const struct repo_oid *id, struct repo_oid *out, struct err *e)
{
	struct update u = {r, path, mode, id};
	int rc = update_level(&u, tree && !repo_oid_is_zero(tree) ? tree : NULL, path, out, e);

	return rc < 0 ? err_wrap(e, "tree with '%s'", path) : 0;
}
