/* SPDX-License-Identifier: MIT */
/* dataset_diff.c - what differs between two trees; see dataset.h */
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"

struct diff {
	node_load_fn load;
	void *load_arg;
	struct dataset_changes *out;
	struct buf path;
	uint64_t empty;
};

void dataset_changes_release(struct dataset_changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].path);
		free(c->v[i].from);
	}
	free(c->v);
	memset(c, 0, sizeof(*c));
}

static void note(struct diff *d, const struct dtree_entry *a, const struct dtree_entry *b)
{
	struct dataset_changes *out = d->out;
	const struct dtree_entry *side[2] = {a, b};
	bool dir = (a && a->kind == NODE_DIR) || (b && b->kind == NODE_DIR);
	struct dataset_change *c;

	XGROW(out->v, out->n + 1, out->alloc);
	c = &out->v[out->n++];
	memset(c, 0, sizeof(*c));
	c->status = (char)(!a ? 'A' : !b ? 'D' : 'M');
	c->path = xstrfmt("%s%s", d->path.p, dir ? "/" : "");
	for (size_t i = 0; i < 2; i++) {
		if (!side[i])
			continue;
		c->mode[i] = side[i]->mode;
		c->bytes[i] = side[i]->bytes;
		c->id[i] = side[i]->id;
	}
	out->added += !a;
	out->removed += !b;
	out->changed += a && b;
	if (b && !dir)
		out->bytes += b->bytes;
}

/* All of `x` is on one side only. */
static int one_side(struct diff *d, struct dtree_entry *x, bool added, unsigned int depth,
		    struct err *e)
{
	int rc;

	if (depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	rc = dtree_expand(x, d->load, d->load_arg, e);
	if (rc == 0)
		rc = dtree_count_empty(&d->empty, x, e);
	if (rc < 0)
		return rc;
	if (x->kind == NODE_DIR && !x->sub->n && !d->path.len)
		return 0; /* a dataset without anything in it */
	if (x->kind != NODE_DIR || !x->sub->n) {
		note(d, added ? NULL : x, added ? x : NULL);
		return 0;
	}
	for (size_t i = 0; rc == 0 && i < x->sub->n; i++) {
		size_t len = path_enter(&d->path, x->sub->v[i].name);

		rc = one_side(d, &x->sub->v[i], added, depth + 1, e);
		buf_setlen(&d->path, len);
	}
	return rc;
}

/* ---- loading no more than differs ---- */

/* The parts a node is made of; `none` set if it is a directory itself. */
struct parts {
	struct node_entry *v; /* without names */
	size_t n, alloc;
	bool none;
};

static int load_parts(struct diff *d, const struct chunkid *id, struct parts *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_entry entry;
	struct node_iter it;
	int rc = d->load(d->load_arg, id, &text, e);

	memset(out, 0, sizeof(*out));
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	rc = node_iter_init(&it, text.p, text.len, e);
	out->none = true;
	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1 && entry.kind == NODE_PART) {
		out->none = false;
		XGROW(out->v, out->n + 1, out->alloc);
		out->v[out->n++] = entry;
	}
	node_iter_release(&it);
	buf_release(&text);
	return MIN(rc, 0);
}

/* Load of `x` only the parts that are not among `other`; all of them sum to what was said of it. */
static int expand_parts(struct diff *d, struct dtree_entry *x, const struct parts *own,
			const struct chunkset *other, struct err *e)
{
	uint64_t bytes = 0, files = 0;
	bool fits = true;
	int rc = 0;

	x->sub = dtree_new();
	for (size_t i = 0; fits && i < own->n; i++)
		fits = num_add(bytes, own->v[i].bytes, &bytes) &&
		       num_add(files, own->v[i].files, &files);
	if (!fits || bytes != x->bytes || files != x->files)
		return err_set(e, ERR_CORRUPT,
			       "'%s': its parts hold other sums than are said of it", d->path.p);
	for (size_t i = 0; rc == 0 && i < own->n; i++)
		if (!chunkset_has(other, CHUNK_NODE, &own->v[i].id))
			rc = dtree_take_part(x->sub, &own->v[i], d->load, d->load_arg, e);
	return rc;
}

static struct chunkset *set_of(const struct parts *p)
{
	struct chunkset *s = chunkset_new();

	for (size_t i = 0; i < p->n; i++)
		chunkset_add(s, CHUNK_NODE, &p->v[i].id, 0);
	return s;
}

/*
 * Two versions of a huge directory share most of their parts; equal parts hold equal
 * entries, so neither side needs them.
 */
static int expand_huge(struct diff *d, struct dtree_entry *a, struct dtree_entry *b, struct err *e)
{
	struct parts pa = {NULL, 0, 0, false}, pb = {NULL, 0, 0, false};
	int rc = load_parts(d, &a->id, &pa, e);

	if (rc == 0)
		rc = load_parts(d, &b->id, &pb, e);
	if (rc == 0 && !pa.none && !pb.none) {
		struct chunkset *sa = set_of(&pa), *sb = set_of(&pb);

		rc = expand_parts(d, a, &pa, sb, e);
		if (rc == 0)
			rc = expand_parts(d, b, &pb, sa, e);
		chunkset_free(sa);
		chunkset_free(sb);
	}
	free(pa.v);
	free(pb.v);
	return rc;
}

static int expand_both(struct diff *d, struct dtree_entry *a, struct dtree_entry *b, struct err *e)
{
	int rc = 0;

	if (!a->sub && !b->sub && MIN(a->files, b->files) > NODE_MAX_ENTRIES)
		rc = expand_huge(d, a, b, e);
	if (a->sub && b->sub && a->sub->has_loose && b->sub->has_loose &&
	    chunkid_equal(&a->sub->loose, &b->sub->loose))
		return rc;
	if (rc == 0)
		rc = dtree_expand(a, d->load, d->load_arg, e);
	if (rc == 0)
		rc = dtree_expand(b, d->load, d->load_arg, e);
	return rc;
}

/* ---- comparing ---- */

static int compare(struct diff *d, struct dtree_entry *a, struct dtree_entry *b, unsigned int depth,
		   struct err *e);

/* Which of two sorted lists the next name is from: -1 the first, 1 the second, 0 both. */
static int next_side(const struct dtree *a, size_t i, const struct dtree *b, size_t k)
{
	if (i == a->n)
		return 1;
	return k == b->n ? -1 : strcmp(a->v[i].name, b->v[k].name);
}

static int compare_dirs(struct diff *d, struct dtree_entry *a, struct dtree_entry *b,
			unsigned int depth, struct err *e)
{
	size_t i = 0, k = 0;
	int rc = expand_both(d, a, b, e);

	if (rc == 0)
		rc = dtree_count_empty(&d->empty, a, e);
	if (rc == 0)
		rc = dtree_count_empty(&d->empty, b, e);

	while (rc == 0 && (i < a->sub->n || k < b->sub->n)) {
		int side = next_side(a->sub, i, b->sub, k);
		struct dtree_entry *x = side <= 0 ? &a->sub->v[i++] : NULL;
		struct dtree_entry *y = side >= 0 ? &b->sub->v[k++] : NULL;
		size_t len = d->path.len;

		if (x)
			path_enter(&d->path, x->name);
		else if (y)
			path_enter(&d->path, y->name);
		rc = compare(d, x, y, depth + 1, e);
		buf_setlen(&d->path, len);
	}
	return rc;
}

static int compare(struct diff *d, struct dtree_entry *a, struct dtree_entry *b, unsigned int depth,
		   struct err *e)
{
	int rc;

	if (depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	if (!a || !b)
		return one_side(d, a ? a : b, !a, depth, e);
	if (a->known && b->known && dtree_same(a, b))
		return 0;
	if (a->kind == NODE_DIR && b->kind == NODE_DIR)
		return compare_dirs(d, a, b, depth, e);
	if (a->kind != NODE_DIR && b->kind != NODE_DIR) {
		note(d, a, b);
		return 0;
	}
	rc = one_side(d, a, false, depth, e);
	return rc < 0 ? rc : one_side(d, b, true, depth, e);
}

static int change_cmp(const void *a, const void *b)
{
	const struct dataset_change *x = a, *y = b;
	int cmp = strcmp(x->path, y->path);

	/* A path may be removed as a directory and added as a file. */
	return cmp ? cmp : (x->status < y->status) - (x->status > y->status);
}

int dataset_diff_trees(struct dtree_entry *a, struct dtree_entry *b, node_load_fn load,
		       void *load_arg, struct dataset_changes *out, struct err *e)
{
	struct diff d = {load, load_arg, out, BUF_INIT, 0};
	int rc = a || b ? compare(&d, a, b, 0, e) : 0;

	if (out->n > 1)
		qsort(out->v, out->n, sizeof(*out->v), change_cmp);
	buf_release(&d.path);
	return rc;
}

/* ---- renames ---- */

static bool can_move(const struct dataset_change *c, char status)
{
	int side = status == 'A';

	return c->status == status && c->bytes[side] && c->mode[side] != NODE_MODE_DIR &&
	       c->mode[side] != NODE_MODE_LINK;
}

static void make_rename(struct dataset_changes *c, struct dataset_change *from,
			struct dataset_change *to)
{
	to->status = 'R';
	to->from = from->path;
	to->mode[0] = from->mode[0];
	to->bytes[0] = from->bytes[0];
	to->id[0] = from->id[0];
	from->path = NULL; /* dropped below */
	c->added--;
	c->removed--;
	c->renamed++;
	c->bytes -= to->bytes[1];
}

/* First come, first served. */
void dataset_find_renames(struct dataset_changes *c)
{
	struct chunkset *gone = chunkset_new();
	size_t kept = 0;
	uint64_t at;

	for (size_t i = 0; i < c->n; i++)
		if (can_move(&c->v[i], 'D'))
			chunkset_add(gone, CHUNK_DATA, &c->v[i].id[0], i);
	for (size_t i = 0; i < c->n; i++)
		if (can_move(&c->v[i], 'A') &&
		    chunkset_get(gone, CHUNK_DATA, &c->v[i].id[1], &at) && c->v[at].path)
			make_rename(c, &c->v[at], &c->v[i]);
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].path)
			c->v[kept++] = c->v[i];
	c->n = kept;
	chunkset_free(gone);
}

int dataset_diff(const struct pointer *a, const struct pointer *b, node_load_fn load,
		 void *load_arg, bool renames, struct dataset_changes *out, struct err *e)
{
	struct dtree_entry x, y;
	int rc;

	memset(out, 0, sizeof(*out));
	memset(&x, 0, sizeof(x));
	memset(&y, 0, sizeof(y));
	if (a)
		dtree_from_pointer(&x, a);
	if (b)
		dtree_from_pointer(&y, b);
	rc = dataset_diff_trees(a ? &x : NULL, b ? &y : NULL, load, load_arg, out, e);
	if (rc == 0 && renames)
		dataset_find_renames(out);
	dtree_release(&x);
	dtree_release(&y);
	if (rc < 0)
		dataset_changes_release(out);
	return rc;
}
