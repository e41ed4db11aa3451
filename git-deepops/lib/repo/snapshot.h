/* SPDX-License-Identifier: MIT */
/*
 * snapshot.h - the exact code tree of a dirty work tree, as a git tree
 *
 *	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;
 *	struct snapshot s;
 *	o.exclude = &outputs_and_metrics;
 *	rc = snapshot_take(r, &o, &s, e);		before the command
 *	...
 *	rc = snapshot_check(&s, &changed, e);		after it: what changed meanwhile
 *	snapshot_release(&s);
 *
 * HEAD plus staged, unstaged and untracked changes, built in a private copy of
 * the index: the user's index, refs, stash and work tree are not touched.  The
 * tree is exact after git's clean filters; where the bytes on disk differ from
 * those that git stores, `filtered` has their SHA-256.  All or nothing: what
 * can't be captured is an error that names it.
 *
 * Sources: HEAD's entries for paths in `exclude`; `replace` for pointers that
 * the caller brought up to date; index entries that a sparse checkout left out
 * of the work tree; the work tree for all else, also where a path is marked
 * assume-unchanged.  `.deepops/snapshot` in the work tree (gitignore syntax)
 * leaves untracked files out, `!pattern` takes ignored ones in.
 *
 * Every gitlink becomes a module, whether .gitmodules knows it or not, and so does
 * the gitlink inside a gitlink; all objects are in the outer repository
 * afterwards.  An unpopulated submodule is captured as the empty tree (that is what
 * ran).  A nested repository without a commit is captured as plain files.
 */
#ifndef REPO_SNAPSHOT_H
#define REPO_SNAPSHOT_H

#include "base/hash.h"
#include "repo/repo.h"

#define SNAPSHOT_LIMIT_BYTES (UINT64_C(5) << 20) /* default of deepops.snapshotLimit */
#define SNAPSHOT_MAX_UNTRACKED 20000             /* more is a forgotten venv/, not code */
#define SNAPSHOT_MAX_UNTRACKED_BYTES (UINT64_C(2) << 30)

struct snapshot_replace {
	const char *path;
	struct repo_oid blob;
};

struct snapshot_opts {
	/*
	 * Work-tree relative paths of declared outputs and metrics, files or
	 * directories: they stand as in HEAD or are absent.  May be NULL.
	 */
	const struct strvec *exclude;
	const struct snapshot_replace *replace; /* content of pointers of modified inputs */
	size_t nreplace;
	uint64_t limit;         /* untracked files above this many bytes go to `large` */
	uint64_t max_untracked; /* more untracked files than this are refused */
};
#define SNAPSHOT_OPTS_INIT                                                                         \
	{                                                                                          \
		NULL, NULL, 0, SNAPSHOT_LIMIT_BYTES, SNAPSHOT_MAX_UNTRACKED                        \
	}

struct snapshot_file {
	char *path; /* work-tree relative bytes, inside modules too */
	uint64_t bytes;
	uint32_t mode;              /* 0100644, 0100755 */
	uint8_t sha256[HASH_BYTES]; /* of the bytes on disk; only in `filtered` */
	bool driver;                /* a filter driver of the user's: it may hide them on purpose */
};

struct snapshot_files {
	struct snapshot_file *v; /* in bytewise order of path */
	size_t nr, alloc;
};

struct snapshot_module {
	char *path;             /* of the gitlink, work-tree relative */
	char *url;              /* of its origin without user info; NULL if it has none */
	struct repo_oid commit; /* the gitlink's id */
	struct repo_oid tree;   /* what its directory held */
	bool populated;         /* false: the directory is empty */
	bool dirty;             /* tree differs from the commit's */
};

struct snapshot_private;

struct snapshot {
	struct repo_oid commit;    /* HEAD; zero if unborn */
	struct repo_oid base_tree; /* its tree; zero if unborn */
	struct repo_oid tree;      /* the code tree */
	bool dirty; /* tree differs from base_tree, or a module is dirty, or large.nr */
	struct snapshot_files
		large; /* left out of `tree`: the caller puts them in the chunk store */
	struct snapshot_files filtered;  /* in `tree`, but with other bytes than on disk */
	struct strvec links;             /* symbolic links in `tree` and in modules; sorted */
	struct snapshot_module *modules; /* in bytewise order of path */
	size_t nmodules;
	/*
	 * Ignored names outside datasets as `git status --ignored=matching` shows them (a
	 * wholly ignored directory is one name with a slash): their number, and
	 * the SHA-256 of the sorted names, a NUL after each.
	 */
	uint64_t ignored;
	uint8_t ignored_digest[HASH_BYTES];
	struct snapshot_private *priv;
};

/* Objects are durable before it returns.  On error *s is empty and needs no release. */
int snapshot_take(struct repo *r, const struct snapshot_opts *o, struct snapshot *s,
		  struct err *e) MUST_CHECK;

/*
 * Append the captured paths whose content is no longer what was captured, in
 * bytewise order; excluded and replaced paths are not looked at.  Files that
 * appeared since are not named: the snapshot did not have them.
 */
int snapshot_check(struct snapshot *s, struct strvec *changed, struct err *e) MUST_CHECK;

void snapshot_release(struct snapshot *s);

#endif
