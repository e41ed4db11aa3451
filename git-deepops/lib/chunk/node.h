/* SPDX-License-Identifier: MIT */
/*
 * node.h - one piece of a dataset's Merkle tree: sorted entries, canonical text
 *
 *	deepops-node 1\n
 *	<mode> <kind> sha256:<id> <bytes> <files> <name>\n ...
 *
 * Modes 100644 100755 120000 040000; kinds file, link, node, part; name
 * C-quoted when it needs it.  Files and links have <files> = 1; a link's content
 * is its target.  Sorted bytewise by raw name, no duplicates.  A directory with
 * more than NODE_MAX_ENTRIES entries or NODE_MAX_BYTES of text is a node of
 * `part` entries (mode 040000): name ranges, cut before a name whose SHA-256's
 * first 4 bytes (big-endian) mod 1024 are 0, forced at the limits; a part is
 * named by its first name.  Should the parts be too many for one node, they are
 * ranged the same way by the next 4 bytes of the SHA-256 of their names, and so
 * on; all parts of a directory stand at the same depth.  An empty directory is
 * the header alone.  gitformat-deepops-pointer(5).
 */
#ifndef CHUNK_NODE_H
#define CHUNK_NODE_H

#include "base/buf.h"
#include "base/err.h"
#include "chunk/chunkid.h"

enum node_kind { NODE_FILE, NODE_LINK, NODE_DIR, NODE_PART };

#define NODE_MODE_FILE 0100644
#define NODE_MODE_EXEC 0100755
#define NODE_MODE_LINK 0120000
#define NODE_MODE_DIR 0040000

struct node_entry {
	uint32_t mode;
	enum node_kind kind;
	struct chunkid id;
	uint64_t bytes; /* of the file, or the sum below */
	uint64_t files;
	const char *name; /* raw bytes, NUL-terminated, no slash */
	size_t name_len;
};

/* Reading: strict cursor over the text of one node; the text must outlive it. */
struct node_iter {
	const char *p, *end;
	struct buf name, last;
	size_t count;
	bool parts; /* this node is a node of parts */
};

int node_iter_init(struct node_iter *it, const void *text, size_t len, struct err *e) MUST_CHECK;
/* 1 an entry (name borrowed until the next call), 0 end, negative ERR_CORRUPT. */
int node_next(struct node_iter *it, struct node_entry *out, struct err *e) MUST_CHECK;
void node_iter_release(struct node_iter *it); /* fine in every state */

/* Read a whole node: what its entries sum to. ERR_CORRUPT if it is no canonical node. */
int node_sum(const void *text, size_t len, uint64_t *bytes, uint64_t *files,
	     struct err *e) MUST_CHECK;

/* Keep the text of a node under its id; append to `text` the verified text of node `id`. */
typedef int (*node_store_fn)(void *arg, const struct chunkid *id, const struct buf *text,
			     struct err *e);
typedef int (*node_load_fn)(void *arg, const struct chunkid *id, struct buf *text, struct err *e);

/*
 * Build one directory from entries sorted by name (any number), splitting into
 * parts as needed; every node's text goes through `store` (NULL: only compute
 * ids).  *out gets id, bytes, files, kind NODE_DIR, mode 040000; its name is
 * untouched.  Entries that no node may hold, or out of order, are ERR_INPUT.
 */
int node_build(const struct node_entry *entries, size_t n, node_store_fn store, void *arg,
	       struct node_entry *out, struct err *e) MUST_CHECK;

/*
 * All entries of a directory in name order, parts resolved through `load`; `cb`
 * negative stops.  ERR_CORRUPT if parts are not cut where they must be, or do
 * not hold what is said of them: one set of entries has one id.  That may be
 * found after `cb` has seen entries.
 */
typedef int (*node_entry_fn)(void *arg, const struct node_entry *entry, struct err *e);
int node_walk_dir(const struct chunkid *id, node_load_fn load, void *load_arg, node_entry_fn cb,
		  void *cb_arg, struct err *e) MUST_CHECK;

/*
 * The dataset id: id of the root node as if the dataset were not split.
 * Shards in pointer order (bytewise by name): name "." is the whole tree; "/" the files directly in the
 * root; "a/b" the directory a/b; "a/" the files directly in a split directory a.
 * *out gets the id and the totals.  Also verifies that each shard's node sums
 * to what the shard says, that no two shards overlap, and that they stand in
 * order (ERR_CORRUPT).  Of a shard that is a directory only the top node is
 * read: what lies below it must have been verified when it was stored.
 */
struct node_shard {
	const char *name;
	struct chunkid id;
	uint64_t files, bytes;
};

struct node_dataset {
	struct chunkid id;
	uint64_t files, bytes;
};

int node_dataset_id(const struct node_shard *shards, size_t n, node_load_fn load, void *arg,
		    struct node_dataset *out, struct err *e) MUST_CHECK;

/*
 * Key of a split: SHA-256 over "deepops-split 1\n" and a line
 * `sha256:<id> <bytes> <files> <name quoted>\n` a shard.  Server and hook both
 * compute it, so that the dataset id proven at commit is found without reading
 * nodes.
 */
void node_split_key(const struct node_shard *shards, size_t n, struct chunkid *key);

#endif
