/* SPDX-License-Identifier: MIT */
/*
 * dataset.h - datasets of one repository: snapshot, status, diff, checkout, keys, merge
 *
 *	struct dataset_env *d;
 *	dataset_open(&d, repo, e);			store, stat cache and threads, opened when used
 *	store_begin(dataset_store(d), NULL, &txn, e);
 *	dataset_snapshot(d, txn, "data", &opts, &snap, e);
 *	store_commit(txn, NULL, e);			only now may snap.pointer be written down
 *	dataset_synced(d, "data", &snap.pointer, e);
 *	dataset_close(d);
 *
 * A root is the work-tree relative path of a dataset ("data/train"), its
 * pointer `<root>.deepops`.  Paths inside a dataset are relative to the root,
 * slash-separated bytes.  A `kind = file` dataset has one path: "".
 *
 * Everything reads nodes through a node_load_fn, so that it works on a store, on a remote or
 * on a test's table: dataset_load_node with the env as its argument reads the local store.
 * One thread uses an env; it runs its own workers inside.
 */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/strvec.h"
#include "chunk/chunkid.h"
#include "chunk/node.h"
#include "data/pointer.h"
#include "repo/repo.h"
#include "store/store.h"

struct dataset_env;

/* Nothing is opened or created before it is needed. `r` must outlive the env. */
int dataset_open(struct dataset_env **out, struct repo *r, struct err *e) MUST_CHECK;
void dataset_close(struct dataset_env *d); /* writes the stat cache; NULL is fine */
struct repo *dataset_repo(struct dataset_env *d);
struct pool *dataset_pool(struct dataset_env *d);
/* The local store, .git/deepops, created at first use.  NULL with `e` set on error. */
struct store *dataset_store(struct dataset_env *d, struct err *e) MUST_CHECK;
/* Count bytes read (snapshot) or written (checkout) here; NULL: nowhere. Borrowed. */
void dataset_set_progress(struct dataset_env *d, struct progress *p);

/* What brings the bytes that the local store lacks. */
#define DATASET_FETCH_HINT                                                                         \
	"git deepops fetch; of other versions than the current one: git deepops fetch --all"

/* node_load_fn over the local store; `env` is a struct dataset_env. Missing: ERR_NOTFOUND with the hint to fetch. */
int dataset_load_node(void *env, const struct chunkid *id, struct buf *text,
		      struct err *e) MUST_CHECK;

/* ---- pointers in the repository ---- */

/*
 * Roots whose pointer is in the index or, with a commit, in its tree; sorted. `commit` NULL: index,
 * without those that a sparse checkout leaves out.
 */
int dataset_roots(struct repo *r, const struct repo_oid *commit, struct strvec *roots,
		  struct err *e) MUST_CHECK;
/* Those that a sparse checkout leaves out. */
int dataset_roots_sparse(struct repo *r, struct strvec *roots, struct err *e) MUST_CHECK;
/* The root among `roots` that is `path` or holds it; *inside is what follows ("" at the root). NULL: none. */
const char *dataset_root_of(const struct strvec *roots, const char *path, const char **inside);
/*
 * Which of `roots` the user's `paths` name: a root or its pointer, something inside one,
 * or a directory that holds some; no paths: all.  In `picked`, in the order of `roots`, with
 * what was named inside of it in `insides` ("": all of it), one by one.
 * ERR_INPUT: a path that names no dataset.
 */
int dataset_pick(struct repo *r, const struct strvec *roots, int npaths, char **paths,
		 struct strvec *picked, struct strvec *insides, struct err *e) MUST_CHECK;
/*
 * Those of `roots` that no rule lets git ignore; in `only_here` (may be NULL) those ignored by a rule of this
 * machine alone, such as .git/info/exclude, which other clones don't have.
 */
int dataset_unignored(struct repo *r, const struct strvec *roots, struct strvec *out,
		      struct strvec *only_here, struct err *e) MUST_CHECK;
/* Add their lines to .gitignore, in one write. */
int dataset_ignore(struct repo *r, const struct strvec *roots, struct err *e) MUST_CHECK;
/* And to .git/info/exclude, which no branch, reset or template takes away. */
int dataset_exclude(struct repo *r, const struct strvec *roots, struct err *e) MUST_CHECK;
/* Take the line out of both.  1: .gitignore has changed. */
int dataset_unignore(struct repo *r, const char *root, struct err *e) MUST_CHECK;
/* Each entry of git's index that is one of `roots` or below it: git versions that data as well. */
typedef void (*dataset_in_git_fn)(void *arg, const char *root, const char *path, bool submodule);
int dataset_in_git(struct repo *r, const struct strvec *roots, dataset_in_git_fn cb, void *arg,
		   struct err *e) MUST_CHECK;
/*
 * Each pointer of `roots` whose bytes git's attributes would change on their way in or out: line endings, a
 * filter such as git-lfs, an encoding.  Then no clone can read it.  `what` is the attribute, `mend` a command.
 */
typedef void (*dataset_attr_fn)(void *arg, const char *pointer, const char *what, const char *mend);
int dataset_attributes(struct repo *r, const struct strvec *roots, dataset_attr_fn cb, void *arg,
		       struct err *e) MUST_CHECK;
/* The pointer of `root`: from the work tree, or from a commit.  ERR_NOTFOUND if it has none. */
int dataset_pointer(struct repo *r, const struct repo_oid *commit, const char *root,
		    struct pointer *out, struct err *e) MUST_CHECK;
/* Write `<root>.deepops` in the work tree, atomically. */
int dataset_write_pointer(struct repo *r, const char *root, const struct pointer *p,
			  struct err *e) MUST_CHECK;
/* The id records, notes and messages use. Nodes from the local store. */
int dataset_id(struct dataset_env *d, const struct pointer *p, struct chunkid *id,
	       struct err *e) MUST_CHECK;

/* ---- snapshot: work tree to pointer ---- */

struct dataset_snap_opts {
	const struct pointer *previous; /* its split is kept; NULL: choose one */
	bool reshard;                   /* choose the split anew */
	bool ids_only; /* compute pointer and id, store nothing (txn may be NULL) */
};

struct dataset_snap {
	struct pointer pointer;
	struct chunkid id;   /* dataset id */
	uint64_t read_files; /* files whose content was read; others were known by the stat cache */
	struct strvec warnings; /* names that are not UTF-8, sentences without a full stop */
};

void dataset_snap_release(struct dataset_snap *s);
/*
 * Read the directory or file `root` and put what the store lacks into `txn`: chunks, recipes, nodes.
 * ERR_NOTFOUND: no such path.  ERR_INPUT names a device, socket, FIFO, a
 * symbolic link as root, or a name git reserves.  ERR_SYS names an unreadable
 * file.  ERR_EXISTS names a file that changed while it was read.  In every such
 * case abort the txn: nothing is recorded.
 */
int dataset_snapshot(struct dataset_env *d, struct store_txn *txn, const char *root,
		     const struct dataset_snap_opts *opts, struct dataset_snap *out,
		     struct err *e) MUST_CHECK;
/* The content of one open file (from its start) or of memory, as dataset_snapshot would store it. */
int dataset_put_fd(struct dataset_env *d, struct store_txn *txn, int fd, struct chunkid *id,
		   uint64_t *bytes, struct err *e) MUST_CHECK;
/* Say that the work tree now equals `p`, its own pointer: the base that later local changes are told by. */
int dataset_synced(struct dataset_env *d, const char *root, const struct pointer *p,
		   struct err *e) MUST_CHECK;
/* Was only a part of `root` checked out (include, exclude)?  Then its work tree is no version to record. */
bool dataset_is_partial(struct dataset_env *d, const char *root);
/* Was the last checkout of `root` cut off?  Then nobody chose what is there.  It counts as partial, too. */
bool dataset_is_unfinished(struct dataset_env *d, const char *root);
/* Was the work tree last equal to another version than `p`?  Recording it would undo what `p` brought. */
bool dataset_is_behind(struct dataset_env *d, const char *root, const struct pointer *p);
/* Forget the base and the stat cache of a root that is no longer tracked. */
void dataset_forget(struct dataset_env *d, const char *root);

/* ---- reading ---- */

/* Piecewise in order; `cb` negative stops.  Verified: the last call is made only if the whole hashes to `id`. */
typedef int (*dataset_bytes_fn)(void *arg, const void *p, size_t len, struct err *e);
int dataset_read(struct dataset_env *d, const struct chunkid *id, uint64_t bytes,
		 dataset_bytes_fn cb, void *arg, struct err *e) MUST_CHECK;

/*
 * Every entry below `inside` ("" = all) in path order: files and links, and
 * directories that are empty.  entry->name is the last component; `path` is the whole.
 * For a file dataset one entry with path "".  With `depth_one` only the names directly there,
 * directories with their totals.  `inside` absent: ERR_NOTFOUND.
 */
typedef int (*dataset_walk_fn)(void *arg, const char *path, const struct node_entry *entry,
			       struct err *e);
struct dataset_walk_opts {
	const char *inside; /* NULL: "" */
	bool depth_one;
};
int dataset_walk(const struct pointer *p, const struct dataset_walk_opts *opts, node_load_fn load,
		 void *load_arg, dataset_walk_fn cb, void *arg, struct err *e) MUST_CHECK;
/* One entry by path; name is set to NULL.  ERR_NOTFOUND. */
int dataset_find(const struct pointer *p, const char *inside, node_load_fn load, void *load_arg,
		 struct node_entry *out, struct err *e) MUST_CHECK;

/* ---- differences ---- */

struct dataset_change {
	char status;      /* 'A' 'D' 'M' 'R' */
	char *path;       /* new path; of an empty directory with a trailing slash */
	char *from;       /* R: old path; else NULL */
	uint32_t mode[2]; /* old, new; 0: absent */
	uint64_t bytes[2];
	struct chunkid id[2];
};

struct dataset_changes {
	struct dataset_change *v; /* sorted by path */
	size_t n, alloc;
	uint64_t added, removed, changed, renamed;
	uint64_t bytes; /* of new content: files added and changed */
};

#define DATASET_CHANGES_INIT                                                                       \
	{                                                                                          \
		NULL, 0, 0, 0, 0, 0, 0, 0                                                          \
	}

void dataset_changes_release(struct dataset_changes *c);
/* Reads only nodes that differ.  NULL for a side: the empty dataset.  `renames`: pair A and D of equal content. */
int dataset_diff(const struct pointer *a, const struct pointer *b, node_load_fn load,
		 void *load_arg, bool renames, struct dataset_changes *out,
		 struct err *e) MUST_CHECK;

/* Pair what is added with what of the same content is removed: status 'R'. */
void dataset_find_renames(struct dataset_changes *c);

enum dataset_state {
	DATASET_CLEAN,
	DATASET_MODIFIED,
	DATASET_MISSING,     /* nothing of it is in the work tree */
	DATASET_PARTIAL,     /* some files are absent, the others as they should be */
	DATASET_NEW_POINTER, /* the work tree is as the base says; the pointer has moved on */
};
const char *dataset_state_name(enum dataset_state s); /* "clean" … "new pointer" */

struct dataset_status {
	enum dataset_state state;
	bool counted;                   /* changes could be listed: the pointer's nodes are here */
	struct dataset_changes changes; /* from the pointer to the work tree, without renames */
};

void dataset_status_release(struct dataset_status *s);
/*
 * Compare the work tree at `root` with `p`, any version.  Content is re-read only where the stat cache
 * does not know it.
 */
int dataset_status(struct dataset_env *d, const char *root, const struct pointer *p,
		   struct dataset_status *out, struct err *e) MUST_CHECK;

/* The same, with what .deepopsignore leaves out counted as added: no version has it. */
int dataset_status_all(struct dataset_env *d, const char *root, const struct pointer *p,
		       struct dataset_status *out, struct err *e) MUST_CHECK;

/* ---- checkout: pointer to work tree ---- */

enum dataset_link { DATASET_LINK_AUTO, DATASET_LINK_COPY, DATASET_LINK_REFLINK };

struct dataset_checkout_opts {
	bool dry_run;           /* plan and check only */
	bool force;             /* overwrite and remove local changes */
	enum dataset_link link; /* AUTO: reflink from an identical file where possible */
	const struct pointer *
		base; /* what the work tree is thought to hold where no record of that is left; NULL: unknown */
	const struct strvec *include; /* globs on the path inside the dataset; NULL: all */
	const struct strvec *exclude;
};

struct dataset_checkout_result {
	uint64_t written, removed, unchanged; /* files */
	uint64_t bytes;                       /* written */
	struct strvec blocked;                /* local changes that stopped it, with ERR_EXISTS */
};

void dataset_checkout_result_release(struct dataset_checkout_result *r);
/*
 * Make the work tree at `root` as `p` says.  ERR_EXISTS: local changes stand in
 * the way, out->blocked names them and nothing was touched.  ERR_NOTFOUND: chunks are not
 * here, nothing was touched, the hint says fetch.  Files that are neither in `p` nor in the
 * base stay.
 */
int dataset_checkout(struct dataset_env *d, const char *root, const struct pointer *p,
		     const struct dataset_checkout_opts *opts, struct dataset_checkout_result *out,
		     struct err *e) MUST_CHECK;
/* As dataset_checkout into the empty or absent directory `dir` (any path), with no base and no stat cache. */
int dataset_export(struct dataset_env *d, const struct pointer *p, const char *dir,
		   struct err *e) MUST_CHECK;

/* ---- keys: what must be stored for a pointer ---- */

/*
 * Every key of `p`, each once, children before parents: chunks, pieces and recipe of a file,
 * then the node that names it.  `bytes`: plain length, 0 where not known.
 * `seen` (may be NULL) holds keys that are skipped together with what is below
 * them, and receives those reported: share it between pointers.
 * `have` (may be NULL) is asked once for each node before it is entered: 1 skips it and all below.
 */
typedef int (*dataset_key_fn)(void *arg, enum chunk_kind kind, const struct chunkid *id,
			      uint64_t bytes, struct err *e);
typedef int (*dataset_have_fn)(void *arg, const struct chunkid *node, struct err *e);
struct dataset_keys_opts {
	struct chunkset *seen;
	dataset_have_fn have;
	void *have_arg;
};
int dataset_keys(struct dataset_env *d, const struct pointer *p,
		 const struct dataset_keys_opts *opts, dataset_key_fn cb, void *arg,
		 struct err *e) MUST_CHECK;

/*
 * Keys of `p` that the local store lacks, into `missing` (value: plain bytes if
 * known, else 0).  What a missing node or recipe names is not known yet: fetch, then ask again
 * until the set comes back empty.  A file's content is asked for as (DATA, id) when it may be
 * whole (<= 1 MiB) and as (RECIPE, id) when it is larger; a file <= 1 MiB whose DATA key the
 * remote lacks has a recipe: put its id in `not_whole` (may be NULL).
 * include/exclude as for checkout.
 */
struct dataset_missing_opts {
	const struct strvec *include, *exclude; /* or NULL */
	const struct chunkset *not_whole;
};
int dataset_missing(struct dataset_env *d, const struct pointer *p,
		    const struct dataset_missing_opts *opts, struct chunkset *missing,
		    struct err *e) MUST_CHECK;

/* ---- merge ---- */

/*
 * Three-way, entry by entry, in the split of `ours`; new nodes go into `txn`.  `base` NULL: nothing in
 * common.  Where both sides changed a path differently ours is taken and the
 * path listed in `conflicts`; *out is valid in every case.  Returns the number of conflicts (0: clean).
 */
struct dataset_sides {
	const struct pointer *base, *ours, *theirs;
};
int dataset_merge(struct dataset_env *d, struct store_txn *txn, const struct dataset_sides *sides,
		  struct pointer *out, struct strvec *conflicts, struct err *e) MUST_CHECK;

#endif
