/* SPDX-License-Identifier: MIT */
/*
 * tree_sides.h - two directories side by side, for the comparisons of repo/
 *
 *	tree_sides_init(&a, &b);
 *	...open a.t, b.t or both...
 *	while ((rc = tree_sides_next(&a, &b, e)) == 1)
 *		...			a.at and b.at have one name; mode 0: not on this side
 */
#ifndef REPO_TREE_SIDES_H
#define REPO_TREE_SIDES_H

#include "repo/rawobj.h"

struct tree_side {
	struct rawobj_tree t;
	struct tree_entry at, next;
	int has; /* there is a next one */
	bool used;
};

void tree_sides_init(struct tree_side *a, struct tree_side *b);
/* 1, 0 at the end, negative error. */
int tree_sides_next(struct tree_side *a, struct tree_side *b, struct err *e) MUST_CHECK;

#endif
