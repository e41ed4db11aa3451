/* SPDX-License-Identifier: MIT */
/*
 * statcache.h - what was last known of the work tree, in .git/deepops/state.db
 *
 * Two tables, both rebuildable: the content id of every file whose lstat data
 * has not changed since it was hashed, one row for up to 4,096 names of a
 * directory; and the base of a root, the pointer its work tree last equalled.
 * Nothing is believed that could be wrong: an entry changed in the clock tick in
 * which it was read is not kept (git's racy rule), a database that cannot be
 * read is set aside as state.db.broken and begun anew.
 *
 *	statcache_open(&c, path, worktree);
 *	statcache_apply(c, root, &tree);	fills in ids of unchanged files
 *	... hash the others ...
 *	statcache_save(c, root, &tree);
 *	statcache_close(c);
 *
 * No function fails: without its cache the program is slow, not wrong.  One thread.
 */
#ifndef DATA_STATCACHE_H
#define DATA_STATCACHE_H

#include "data/dtree.h"
#include "data/pointer.h"

struct statcache;

/* `path` of the database; rows belong to `worktree` (absolute), as worktrees share it. Opened at first use. */
struct statcache *statcache_open(const char *path, const char *worktree);
void statcache_close(struct statcache *c); /* NULL is fine */

/* Set id and `known` of each file of a scanned tree whose stat data match; directories stay unknown. */
void statcache_apply(struct statcache *c, const char *root, struct dtree_entry *tree);
/* Keep the ids of all known files of the tree with stats; rows of directories that are gone go too. */
void statcache_save(struct statcache *c, const char *root, struct dtree_entry *tree);
/* The same for a root that is a file. 1: *id filled. */
bool statcache_file(struct statcache *c, const char *root, const struct dtree_stat *st,
		    uint64_t bytes, struct chunkid *id);
void statcache_save_file(struct statcache *c, const char *root, const struct dtree_stat *st,
			 uint64_t bytes, const struct chunkid *id);

/* The pointer the work tree at `root` last equalled; false if not known. *partial: only some of its files. */
bool statcache_base(struct statcache *c, const char *root, struct pointer *out, bool *partial);
void statcache_set_base(struct statcache *c, const char *root, const struct pointer *p,
			bool partial);
/* From here until statcache_set_base() only some files are those of any version, `p` where they are not the new one's. */
void statcache_set_unfinished(struct statcache *c, const char *root, const struct pointer *p);
bool statcache_is_unfinished(struct statcache *c, const char *root);
/* Everything about a root. */
void statcache_forget(struct statcache *c, const char *root);

#endif
