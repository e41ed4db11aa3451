/* SPDX-License-Identifier: MIT */
/*
 * inorder.h - work done by a pool in any order, taken in the order in which it was given
 *
 *	struct inorder *o = inorder_new(pool, &line);
 *	for (...) {
 *		rc = inorder_next(o, &slot, e);		takes the oldest first if none is free
 *		... fill the slot ...
 *		rc = inorder_submit(o, e);
 *	}
 *	rc = inorder_finish(o, e);			takes what is still on its way
 *	inorder_free(o);
 *
 * `work` runs in tasks of the pool, several at once, `take` in the caller's thread, one after another.
 * Where either fails, what was given behind that stays on its way: it can be taken, dropped or freed.
 * Without a pool both run in the caller's thread.  Not for use in a task of the same pool.
 */
#ifndef BASE_INORDER_H
#define BASE_INORDER_H

#include "base/err.h"
#include "base/pool.h"

struct inorder;

struct inorder_line {
	void *slots; /* the caller's, n of `size` bytes: as much as may be on its way */
	size_t n, size;
	int (*work)(void *slot, struct err *e);
	int (*take)(void *arg, void *slot, struct err *e);
	void *arg;
};

struct inorder *inorder_new(struct pool *pool, const struct inorder_line *line); /* copied */
/* The slot to be filled next. */
int inorder_next(struct inorder *o, void **slot, struct err *e) MUST_CHECK;
/* It is filled. */
int inorder_submit(struct inorder *o, struct err *e) MUST_CHECK;
int inorder_finish(struct inorder *o, struct err *e) MUST_CHECK;
/* Wait for what is on its way and take none of it: the line is as new. */
void inorder_drop(struct inorder *o);
void inorder_free(struct inorder *o); /* drops first; NULL is fine */

#endif
