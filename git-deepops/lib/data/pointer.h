/* SPDX-License-Identifier: MIT */
/*
 * pointer.h - `<path>.deepops`: the small file in git that stands for one dataset version
 *
 * Format: gitformat-deepops-pointer(5).  A reader refuses everything that is
 * not the canonical form: conflict markers, unknown keys, other spacing, other
 * order.  pointer_format(pointer_parse(x)) == x for all accepted x.
 */
#ifndef DATA_POINTER_H
#define DATA_POINTER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"
#include "chunk/chunkid.h"
#include "chunk/node.h"

#define POINTER_SUFFIX ".deepops"
/*
 * The line of .gitattributes for pointers: bytes as they are, whatever autocrlf and
 * filters of the user's say of all files; git's drivers for them, git-deepops-init(1).
 */
#define POINTER_ATTRIBUTES "*" POINTER_SUFFIX " -text -filter merge=deepops diff=deepops"

enum pointer_kind { POINTER_TREE, POINTER_FILE };

struct pointer_selection {   /* [selection] section, always last */
	struct chunkid base; /* dataset id selected from */
	char *query;
	char *seed;     /* decimal */
	char *split;    /* "train=0.8,val=0.1,test=0.1" */
	char *part;     /* name of this part */
	char *group_by; /* or NULL */
};

struct pointer {
	enum pointer_kind kind;
	struct node_shard *shards; /* POINTER_TREE: sorted by raw name, names owned */
	size_t n, alloc;
	struct chunkid id; /* POINTER_FILE */
	uint64_t bytes;    /* POINTER_FILE: size; POINTER_TREE: sum over shards */
	uint64_t files;    /* POINTER_FILE: 1; POINTER_TREE: sum */
	uint32_t mode;     /* POINTER_FILE: 0100644 or 0100755 */
	bool has_selection;
	struct pointer_selection selection;
};

void pointer_init(struct pointer *p);
void pointer_release(struct pointer *p);
void pointer_copy(struct pointer *to, const struct pointer *from);
/* `name` for messages ("data.deepops"). ERR_INPUT names line and fault. */
int pointer_parse(struct pointer *p, const void *text, size_t len, const char *name,
		  struct err *e) MUST_CHECK;
void pointer_format(const struct pointer *p, struct buf *out);
/* Append a shard (name copied); pointer_sort() before formatting. */
void pointer_add_shard(struct pointer *p, const char *name, const struct node_shard *s);
void pointer_sort(struct pointer *p);
bool pointer_equal(const struct pointer *a,
		   const struct pointer *b); /* same content, split and selection included */

/* Key by which the server knows the dataset id: node_split_key of the shards; the content id for a file. */
void pointer_split_key(const struct pointer *p, struct chunkid *key);
/* Dataset id, reading the shards' top nodes through `load`. */
int pointer_dataset_id(const struct pointer *p, node_load_fn load, void *arg, struct chunkid *id,
		       struct err *e) MUST_CHECK;

/*
 * The one rule for the name of a dataset's root: a safe path without control bytes, not ".", and not what git or
 * git-deepops keeps for itself.  ERR_INPUT says why not.  A root outside of it would let whoever
 * commits a pointer write into .git.
 */
int pointer_check_root(const char *path, struct err *e) MUST_CHECK;
/* The line of .gitignore that names just this root; what is special there is escaped. */
void pointer_ignore_line(const char *root, struct buf *out);
/* "data/train.deepops" -> "data/train"; false if that is no pointer's name, or its root cannot be one. */
bool pointer_root_of(const char *pointer_path, struct buf *root);
/*
 * ERR_INPUT: the path has the form of a pointer, but of a root that pointer_check_root() refuses.  0 for
 * every other path.  Client and server refuse such a file wherever they meet it.
 */
int pointer_check_name(const char *path, struct err *e) MUST_CHECK;
/*
 * Is this entry of a git tree a pointer, as far as its name says?  `mode`: git's.  A run bit
 * changes nothing: some file systems give one to every file.  The one answer for what is sent,
 * judged, brought and kept.
 */
bool pointer_is_entry(uint32_t mode, const char *name);

#endif
