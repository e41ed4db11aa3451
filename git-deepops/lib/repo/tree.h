/* SPDX-License-Identifier: MIT */
/*
 * tree.h - reading and building git trees without an index
 */
#ifndef REPO_TREE_H
#define REPO_TREE_H

#include "repo/oidmap.h"
#include "repo/repo.h"

#define TREE_MODE_FILE 0100644
#define TREE_MODE_EXEC 0100755
#define TREE_MODE_LINK 0120000
#define TREE_MODE_GITLINK 0160000
#define TREE_MODE_DIR 0040000

struct tree_entry {
	uint32_t mode;
	struct repo_oid id;
	const char *name; /* walk: full path; borrowed during the callback */
};

/* 1 found, 0 absent. `path` with slashes. */
int tree_find(struct repo *r, const struct repo_oid *tree, const char *path, struct tree_entry *out,
	      struct err *e) MUST_CHECK; /* out->name is not set */
typedef int (*tree_fn)(void *arg, const struct tree_entry *entry, struct err *e);
/* Every blob, link and gitlink below `tree` in tree order, with full paths; depth capped. */
int tree_walk(struct repo *r, const struct repo_oid *tree, tree_fn cb, void *arg,
	      struct err *e) MUST_CHECK;
/* Entries of one level only. */
int tree_list(struct repo *r, const struct repo_oid *tree, tree_fn cb, void *arg,
	      struct err *e) MUST_CHECK;
/* Paths whose entry differs: cb gets old (mode 0: added) and new (mode 0: deleted). Reads only trees that differ. `a` NULL: empty. */
typedef int (*tree_diff_fn)(void *arg, const char *path, const struct tree_entry *a,
			    const struct tree_entry *b, struct err *e);
int tree_diff(struct repo *r, const struct repo_oid *a, const struct repo_oid *b, tree_diff_fn cb,
	      void *arg, struct err *e) MUST_CHECK;
/*
 * The same with bounds that several comparisons share.  A few small trees can name each other
 * 10^10 times, and a push can bring thousands of such commits.
 *	units	left to be spent: one for each directory read, and one for each 4 KiB of it;
 *		ERR_LIMIT when there are none.  NULL: TREE_MAX_UNITS for this one
 */
struct tree_bounds {
	uint64_t *units;
};
int tree_diff_within(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
		     const struct tree_bounds *bounds, tree_diff_fn cb, void *arg,
		     struct err *e) MUST_CHECK;

/*
 * Every blob, link and gitlink that `b` has and `a` (NULL: empty) has not at that place, by its
 * bare name, at any depth.  Directories of `b` that are in `done` were looked at before and are
 * passed over; those looked at are added.  So a history costs what it has of different trees,
 * and no tree is without an end.  Each directory of `a` that is read costs `units` as above;
 * when there are none left, all of a new directory of `b` is told.
 */
struct tree_news {
	struct oidmap *done;
	uint64_t units;
};
int tree_news(struct repo *r, struct tree_news *n, const struct repo_oid *a,
	      const struct repo_oid *b, tree_fn cb, void *arg, struct err *e) MUST_CHECK;

/* Building: collect path -> (mode, id), then write. Paths may be given in any order. */
struct tree_builder;
struct tree_builder *tree_builder_new(struct repo *r);
void tree_builder_add(
	struct tree_builder *b, const char *path, uint32_t mode,
	const struct repo_oid *id); /* id of a blob, or of a whole tree for TREE_MODE_DIR */
int tree_builder_add_blob(struct tree_builder *b, const char *path, const void *p, size_t len,
			  struct err *e) MUST_CHECK;
int tree_builder_write(struct tree_builder *b, struct repo_oid *tree, struct err *e) MUST_CHECK;
void tree_builder_free(struct tree_builder *b);
/* `tree` with `path` set to (mode, id), or removed when id is NULL. */
int tree_update(struct repo *r, const struct repo_oid *tree, const char *path, uint32_t mode,
		const struct repo_oid *id, struct repo_oid *out, struct err *e) MUST_CHECK;

#endif
