/* SPDX-License-Identifier: MIT */
/*
 * dataset_internal.h - what the files of dataset.h share
 */
#ifndef DATA_DATASET_INTERNAL_H
#define DATA_DATASET_INTERNAL_H

#include "data/dataset.h"
#include "data/dtree.h"
#include "data/statcache.h"

struct dataset_env {
	struct repo *repo;
	struct store *store;
	struct statcache *cache;
	struct pool *pool;
	struct progress *progress;
	struct strvec leave_out; /* of .deepopsignore, once it was read */
	bool leave_out_read;
};

struct statcache *dataset_cache(struct dataset_env *d);

/* What stands at a root of the work tree, every id known. */
struct dataset_work {
	struct dtree_entry tree; /* kind NODE_DIR or NODE_FILE */
	struct dtree_stat st;    /* of a root that is a file */
	struct strvec warnings;
	uint64_t read_files;
};

void dataset_work_release(struct dataset_work *w);
/* `all`: also what .deepopsignore leaves out.  Scan, take ids from the stat cache, read the rest; with `txn` also store what the store lacks. ERR_NOTFOUND: absent. */
int dataset_work_read(struct dataset_env *d, struct store_txn *txn, const char *root, bool all,
		      struct dataset_work *out, struct err *e) MUST_CHECK;
/* The pointer of `work` in the split of `like` (NULL: chosen); nodes to `txn` if there is one. */
int dataset_work_pointer(struct dataset_work *work, const struct pointer *like,
			 struct store_txn *txn, struct pointer *out, struct err *e) MUST_CHECK;
/* Same files, and same split: the selection does not count. */
bool dataset_same_shards(const struct pointer *a, const struct pointer *b);

/* Differences between two trees; either may be NULL.  Loads on the way, and not always all of a directory. */
int dataset_diff_trees(struct dtree_entry *a, struct dtree_entry *b, node_load_fn load,
		       void *load_arg, struct dataset_changes *out, struct err *e) MUST_CHECK;

/* Does include and exclude leave `path`? NULL lists: everything. */
bool dataset_wanted(const struct strvec *include, const struct strvec *exclude, const char *path);

/* Add to `missing` what the local store lacks of this file's content. */
int dataset_want_file(struct dataset_env *d, const struct chunkid *id, uint64_t bytes,
		      struct chunkset *missing, struct err *e) MUST_CHECK;
/* ERR_NOTFOUND with the hint to fetch. */
int dataset_not_here(struct err *e, const char *what, const struct chunkid *id);

/* node_store_fn into a struct store_txn. */
int dataset_store_node(void *txn, const struct chunkid *id, const struct buf *text,
		       struct err *e) MUST_CHECK;

#endif
