/* SPDX-License-Identifier: MIT */
/*
 * dtree.h - a dataset as a tree in memory: from a pointer, from the work tree, or merged
 *
 * A tree is a `struct dtree_entry` for its root.  A directory's entries are in
 * `sub`; a directory that is known by its node id is loaded only when
 * dtree_expand() asks, so that comparing two trees touches what differs.
 *
 *	struct dtree_entry root;
 *	dtree_from_pointer(&root, &pointer);
 *	dtree_expand(&root, load, arg, e);
 *	for (size_t i = 0; i < root.sub->n; i++)
 *		... root.sub->v[i]
 *	dtree_release(&root);
 *
 * Different directories may be worked on by different threads.
 */
#ifndef DATA_DTREE_H
#define DATA_DTREE_H

#include "base/buf.h"
#include "base/err.h"
#include "chunk/node.h"
#include "data/pointer.h"

struct dtree;

struct dtree_entry {
	const char *name; /* owned by the directory it is in; NULL for a root */
	struct chunkid id;
	uint64_t bytes, files; /* of a directory: totals, valid with `known` */
	struct dtree *sub;     /* NODE_DIR: entries, owned; NULL: not loaded */
	uint32_t mode;
	enum node_kind kind; /* never NODE_PART */
	bool known;          /* id is valid */
	bool alone;          /* while a tree is read: too large for a batch */
};

/* What lstat said, for the stat cache; nanoseconds since 1970. */
enum dtree_trust {
	DTREE_TRUST_NEVER,   /* could have changed within the same clock tick */
	DTREE_TRUST_ALWAYS,  /* older than the tick in which it was read */
	DTREE_TRUST_IF_PAST, /* decide when the cache is written */
};
struct dtree_stat {
	int64_t mtime_ns, ctime_ns;
	uint64_t ino;
	enum dtree_trust trust;
};

struct dtree {
	struct dtree_entry *v; /* sorted bytewise by name */
	size_t n, alloc;
	struct dtree_stat *stats; /* one for each of v; NULL unless dtree_stats() made it */
	struct dtree_block *blocks;
	struct chunkid loose; /* files directly here, of a split directory */
	uint64_t loose_bytes, loose_files;
	bool has_loose; /* not yet among v */
	bool cached;    /* the stat cache holds just this */
};

/* An empty directory as root. */
void dtree_init(struct dtree_entry *root);
void dtree_release(struct dtree_entry *root);
/* What `p` says; nothing is loaded. A file dataset gives a root of kind NODE_FILE. */
void dtree_from_pointer(struct dtree_entry *root, const struct pointer *p);

/* Add what a node says of an entry to `arg`, a struct dtree: for node_each(). */
int dtree_take(void *arg, const struct node_entry *n, struct err *e);
/* Add the entries of one part of a large directory, checked as dtree_expand() does. */
int dtree_take_part(struct dtree *d, const struct node_entry *part, node_load_fn load, void *arg,
		    struct err *e) MUST_CHECK;
/*
 * Make `dir->sub` hold all entries, loose files of a split directory too.  ERR_CORRUPT: they don't sum to
 * what was said of `dir`.  So a tree can have no more files than its pointer says, whatever its
 * nodes name; dtree_count_empty() bounds the directories.
 */
int dtree_expand(struct dtree_entry *dir, node_load_fn load, void *arg, struct err *e) MUST_CHECK;

/*
 * An expanded directory without a file in it counts in *n, which begins at 0 for a whole walk; ERR_LIMIT beyond
 * TREE_MAX_EMPTY_DIRS: forty small nodes can name each other a million million times.
 */
int dtree_count_empty(uint64_t *n, const struct dtree_entry *dir, struct err *e) MUST_CHECK;

/* Give the memory of a loaded directory back; it must be `known`, so that it can be loaded again. */
void dtree_unload(struct dtree_entry *dir);

/* Append an entry (name copied, everything else zero); the pointer is good until the next one. */
struct dtree_entry *dtree_add(struct dtree *d, const char *name, size_t len);
/* Append a copy of `from` without its sub. */
struct dtree_entry *dtree_add_copy(struct dtree *d, const struct dtree_entry *from);
struct dtree *dtree_new(void);
void dtree_sort(struct dtree *d);  /* stats move along */
void dtree_trim(struct dtree *d);  /* all names are there: give back room for more */
void dtree_stats(struct dtree *d); /* make or grow the array, zeroed */
/* NULL if absent. */
struct dtree_entry *dtree_lookup(const struct dtree *d, const char *name, size_t len);
/* The entry at slash-separated `path` ("": the root itself), loading on the way. ERR_NOTFOUND. */
int dtree_find(struct dtree_entry *root, const char *path, node_load_fn load, void *arg,
	       struct dtree_entry **out, struct err *e) MUST_CHECK;

/* Compute id, bytes and files of `dir` and all below that are not known; nodes go to `store` (NULL: nowhere). */
int dtree_build(struct dtree_entry *dir, node_store_fn store, void *arg, struct err *e) MUST_CHECK;
/* As node_build of the entries of `dir` that are not directories. */
int dtree_build_loose(const struct dtree *d, node_store_fn store, void *arg, struct node_entry *out,
		      struct err *e) MUST_CHECK;
/* Files and links below, by counting: everything must be loaded. */
uint64_t dtree_count(const struct dtree_entry *e);

/* Same content and kind: ids are compared; both must be known. */
bool dtree_same(const struct dtree_entry *a, const struct dtree_entry *b);

#endif
