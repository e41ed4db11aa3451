/* SPDX-License-Identifier: MIT */
/* dataset_merge.c - three versions into one, entry by entry; see dataset.h */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"
#include "data/split.h"

/* The same name in the common ancestor, on our side and on theirs; NULL: not there. */
struct three {
	struct dtree_entry *o, *a, *b;
};

struct merge {
	struct dataset_env *env;
	struct strvec *conflicts;
	struct buf path;
	unsigned int depth;
	uint64_t empty;
};

static bool is_dir(const struct dtree_entry *x)
{
	return x && x->kind == NODE_DIR;
}

/* A split directory has no id: then the answer is no, and its entries are looked at. */
static bool same(const struct dtree_entry *x, const struct dtree_entry *y)
{
	if (!x || !y)
		return x == y;
	return x->known && y->known && dtree_same(x, y);
}

/* All of `x` goes into the result; a directory that has an id stays closed. */
static int take(struct merge *m, struct dtree *out, struct dtree_entry *x, struct err *e)
{
	struct dtree_entry *to;
	struct dtree *sub;
	int rc = 0;

	if (!x)
		return 0;
	to = dtree_add_copy(out, x);
	if (x->known)
		return 0;
	sub = to->sub = dtree_new();
	rc = dtree_expand(x, dataset_load_node, m->env, e);
	for (size_t i = 0; rc == 0 && i < x->sub->n; i++)
		rc = take(m, sub, &x->sub->v[i], e);
	return rc;
}

static int conflict(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	strvec_push(m->conflicts, m->path.p);
	return take(m, out, t->a, e);
}

/* Content from whoever changed it, mode from whoever changed that. */
static int merge_files(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	const struct dtree_entry *o = t->o, *a = t->a, *b = t->b;
	bool our_id = !chunkid_equal(&o->id, &a->id), their_id = !chunkid_equal(&o->id, &b->id);
	struct dtree_entry *to;

	if (our_id && their_id && !chunkid_equal(&a->id, &b->id))
		return conflict(m, out, t, e);
	to = dtree_add_copy(out, their_id ? b : a);
	to->mode = o->mode == a->mode ? b->mode : a->mode;
	return 0;
}

static int merge_entry(struct merge *m, struct dtree *out, const struct three *t, struct err *e);

/* The least name that stands at any of the three places. */
static const char *least(const struct three *t, const size_t at[3])
{
	const struct dtree_entry *side[3] = {t->o, t->a, t->b};
	const char *name = NULL;

	for (size_t i = 0; i < 3; i++)
		if (is_dir(side[i]) && at[i] < side[i]->sub->n &&
		    (!name || strcmp(side[i]->sub->v[at[i]].name, name) < 0))
			name = side[i]->sub->v[at[i]].name;
	return name;
}

static struct dtree_entry *pick(struct dtree_entry *dir, size_t *at, const char *name)
{
	if (!is_dir(dir) || *at >= dir->sub->n || strcmp(dir->sub->v[*at].name, name) != 0)
		return NULL;
	return &dir->sub->v[(*at)++];
}

static int open_dirs(struct merge *m, const struct three *t, struct err *e)
{
	struct dtree_entry *side[3] = {t->o, t->a, t->b};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < 3; i++)
		if (is_dir(side[i])) {
			rc = dtree_expand(side[i], dataset_load_node, m->env, e);
			if (rc == 0)
				rc = dtree_count_empty(&m->empty, side[i], e);
		}
	return rc;
}

static int merge_dirs(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	size_t at[3] = {0, 0, 0};
	const char *name;
	int rc = open_dirs(m, t, e);

	if (m->depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	m->depth++;
	while (rc == 0 && (name = least(t, at)) != NULL) {
		size_t len = path_enter(&m->path, name);
		struct three below;

		below.o = pick(t->o, &at[0], name);
		below.a = pick(t->a, &at[1], name);
		below.b = pick(t->b, &at[2], name);
		rc = merge_entry(m, out, &below, e);
		buf_setlen(&m->path, len);
	}
	m->depth--;
	return rc;
}

/* A directory that is in the result if both sides have it or something is left in it. */
static int merge_sub(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	struct dtree *sub = dtree_new();
	struct dtree_entry *to = dtree_add_copy(out, t->a ? t->a : t->b);
	int rc;

	to->known = false;
	to->sub = sub;
	rc = merge_dirs(m, sub, t, e);
	if (!sub->n && !(t->a && t->b)) {
		to->known = true; /* only so that it may be unloaded */
		dtree_unload(to);
		out->n--;
	}
	return rc;
}

static int merge_entry(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	if (same(t->a, t->b) || same(t->o, t->b))
		return take(m, out, t->a, e);
	if (same(t->o, t->a))
		return take(m, out, t->b, e);
	if (is_dir(t->a) && is_dir(t->b))
		return merge_sub(m, out, t, e);
	/* Removed here, changed there: what did not change in it goes, the rest is in conflict. */
	if (is_dir(t->o) && ((!t->a && is_dir(t->b)) || (!t->b && is_dir(t->a))))
		return merge_sub(m, out, t, e);
	if (t->o && t->a && t->b && t->o->kind == NODE_FILE && t->a->kind == NODE_FILE &&
	    t->b->kind == NODE_FILE)
		return merge_files(m, out, t, e);
	return conflict(m, out, t, e);
}

/* ---- whole pointers ---- */

static int finish(struct merge *m, struct store_txn *txn, struct dtree_entry *root,
		  const struct pointer *ours, struct pointer *out, struct err *e)
{
	struct split_io io = {dataset_store_node, txn, dataset_load_node, m->env};
	struct strvec dirs = STRVEC_INIT;
	int rc;

	if (root->kind != NODE_DIR) {
		pointer_release(out);
		out->kind = POINTER_FILE;
		out->id = root->id;
		out->bytes = root->bytes;
		out->files = 1;
		out->mode = root->mode;
		return 0;
	}
	split_of(ours, &dirs);
	rc = split_apply(root, &dirs, &io, out, e);
	strvec_release(&dirs);
	return rc;
}

static int merge_roots(struct merge *m, struct dtree *out, const struct three *t, struct err *e)
{
	struct three named = *t;

	/* dtree_add_copy copies a name, and roots have none. */
	t->a->name = t->b->name = "";
	if (t->o)
		t->o->name = "";
	if (is_dir(t->a) && is_dir(t->b) && !is_dir(t->o))
		named.o = NULL;
	return merge_entry(m, out, &named, e);
}

int dataset_merge(struct dataset_env *d, struct store_txn *txn, const struct dataset_sides *sides,
		  struct pointer *out, struct strvec *conflicts, struct err *e)
{
	const struct pointer *base = sides->base, *ours = sides->ours;
	struct merge m = {d, conflicts, BUF_INIT, 0, 0};
	struct dtree_entry o, a, b, top;
	struct three t = {base ? &o : NULL, &a, &b};
	int rc;

	memset(&o, 0, sizeof(o));
	if (base)
		dtree_from_pointer(&o, base);
	dtree_from_pointer(&a, ours);
	dtree_from_pointer(&b, sides->theirs);
	dtree_init(&top);
	rc = merge_roots(&m, top.sub, &t, e);
	if (rc == 0)
		rc = finish(&m, txn, &top.sub->v[0], ours, out, e);
	if (rc == 0 && ours->has_selection && dataset_same_shards(out, ours))
		pointer_copy(out, ours);
	dtree_release(&top);
	dtree_release(&o);
	dtree_release(&a);
	dtree_release(&b);
	buf_release(&m.path);
	return rc < 0 ? rc : (int)MIN(conflicts->nr, (size_t)INT32_MAX);
}
