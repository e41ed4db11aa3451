/* SPDX-License-Identifier: MIT */
/*
 * split.h - into which shards a dataset is cut
 *
 * A split is the set of *split directories*: those that are not a shard but are
 * made of shards ("" is the root).  It is chosen once and then kept, so that two
 * branches cut alike: gitformat-deepops-pointer(5), THE SPLIT.
 */
#ifndef DATA_SPLIT_H
#define DATA_SPLIT_H

#include "base/err.h"
#include "base/strvec.h"
#include "data/dtree.h"
#include "data/pointer.h"

/* Choose for a tree all of whose directories are loaded.  `dirs` is replaced, sorted. */
void split_choose(const struct dtree_entry *root, struct strvec *dirs);
/* That of a pointer. */
void split_of(const struct pointer *p, struct strvec *dirs);

/*
 * Make `out` the pointer of directory `root` in this split.  Nodes of shards
 * that are not known yet are built and go to `store`; split directories that are only
 * known by id are loaded.  ERR_LIMIT: too many shards.
 */
struct split_io {
	node_store_fn store; /* NULL: nowhere */
	void *store_arg;
	node_load_fn load; /* NULL: everything is loaded */
	void *load_arg;
};
int split_apply(struct dtree_entry *root, const struct strvec *dirs, const struct split_io *io,
		struct pointer *out, struct err *e) MUST_CHECK;

#endif
