/* SPDX-License-Identifier: MIT */
/* tree_news.c - what a tree has that another has not; see tree.h */
#include "base/xalloc.h"
#include "repo/tree_sides.h"

struct pair { /* directories that stand at the same place; a empty: none */
	struct repo_oid a, b;
};

/* Directories still to be compared: a list, not the stack, since trees may nest for ever. */
struct todo {
	struct pair *v;
	size_t n, alloc;
};

static void add(struct todo *todo, const struct repo_oid *a, const struct repo_oid *b)
{
	struct pair *p;

	XGROW(todo->v, todo->n + 1, todo->alloc);
	p = &todo->v[todo->n++];
	memset(p, 0, sizeof(*p));
	if (a)
		p->a = *a;
	p->b = *b;
}

static int one_name(struct todo *todo, const struct tree_side *a, const struct tree_side *b,
		    tree_fn cb, void *arg, struct err *e)
{
	if (!b->at.mode || (a->at.mode == b->at.mode && repo_oid_equal(&a->at.id, &b->at.id)))
		return 0;
	if (b->at.mode != TREE_MODE_DIR)
		return cb(arg, &b->at, e);
	add(todo, a->at.mode == TREE_MODE_DIR ? &a->at.id : NULL, &b->at.id);
	return 0;
}

static int open_old(struct repo *r, struct tree_news *n, const struct repo_oid *id,
		    struct rawobj_tree *t, struct err *e)
{
	int rc;

	if (!id->hex[0] || !n->units)
		return 0;
	rc = rawobj_tree_open(t, r, id, e);
	if (rc == ERR_NOTFOUND) { /* the edge of a shallow repository */
		err_clear(e);
		return 0;
	}
	if (rc == 0 && !rawobj_tree_spend(t, &n->units))
		rawobj_tree_close(t);
	return rc;
}

static int one_pair(struct repo *r, struct tree_news *n, struct todo *todo, tree_fn cb, void *arg,
		    struct err *e)
{
	struct pair p = todo->v[--todo->n];
	struct tree_side a, b;
	int rc;

	if (!oidmap_put(n->done, &p.b, 0))
		return 0;
	tree_sides_init(&a, &b);
	rc = open_old(r, n, &p.a, &a.t, e);
	if (rc == 0)
		rc = rawobj_tree_open(&b.t, r, &p.b, e);
	while (rc == 0 && (rc = tree_sides_next(&a, &b, e)) == 1)
		rc = one_name(todo, &a, &b, cb, arg, e);
	rawobj_tree_close(&a.t);
	rawobj_tree_close(&b.t);
	return rc;
}

int tree_news(struct repo *r, struct tree_news *n, const struct repo_oid *a,
	      const struct repo_oid *b, tree_fn cb, void *arg, struct err *e)
{
	struct todo todo = {NULL, 0, 0};
	int rc = 0;

	if (!a || !repo_oid_equal(a, b))
		add(&todo, a, b);
	while (rc == 0 && todo.n)
		rc = one_pair(r, n, &todo, cb, arg, e);
	free(todo.v);
	return rc;
}
