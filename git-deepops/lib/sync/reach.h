/* SPDX-License-Identifier: MIT */
/*
 * reach.h - what the local store is kept for
 *
 * Sets of keys that pointers name, and the pointers that anything in this clone
 * may come back to.  Unlike dataset_keys(), what is not here is no error: a clone
 * rarely has all nodes of all versions.
 */
#ifndef SYNC_REACH_H
#define SYNC_REACH_H

#include "sync/sync.h"

/* Add every key that `p` names, as far as nodes and recipes are here to say so. */
int reach_add(struct store *s, const struct pointer *p, struct chunkset *set,
	      struct err *e) MUST_CHECK;

/*
 * Every pointer in any commit that a ref or a reflog leads to, in the index, in the work tree, in
 * any journal and in a run that goes on or waits to be recovered: leniently, malformed ones left
 * out.  One of a later version than ours is ERR_INPUT.  The first `*current` items are those of
 * the index and the work tree.
 */
int reach_plan(struct repo *r, struct sync_plan *plan, size_t *current, struct err *e) MUST_CHECK;

#endif
