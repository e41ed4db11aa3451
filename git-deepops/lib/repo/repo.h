/* SPDX-License-Identifier: MIT */
/*
 * repo.h - the git repository: where it is, its objects, trees, refs, config
 *
 * libgit2 for objects, refs, trees, config and in the hooks; the git command
 * (repo_git) for index, work tree and history walks on the client.  repo/ is the only
 * layer that includes git2.h.  Ids are lowercase hex text, so that a longer
 * hash needs no new type; SHA-256 repositories are refused by name at open.
 * Paths from git are bytes.  Not thread-safe.
 */
#ifndef REPO_REPO_H
#define REPO_REPO_H

#include "base/buf.h"
#include "base/err.h"
#include "base/proc.h"
#include "base/strvec.h"

#define REPO_OID_HEX 40

struct repo_oid {
	char hex[REPO_OID_HEX + 1];
};

struct repo;

enum repo_open_flags {
	REPO_NEED_WORKTREE = 1 << 0, /* a bare repository is ERR_INPUT */
	REPO_HOOK = 1 << 1,    /* from the environment with quarantine; nothing can be written */
	REPO_BARE_AT = 1 << 2, /* open exactly `path` (server commands) */
};

/* `path` NULL: discover from the working directory as git does. "not a git repository" is ERR_NOTFOUND. */
int repo_open(struct repo **out, const char *path, enum repo_open_flags flags,
	      struct err *e) MUST_CHECK;
void repo_close(struct repo *r);

const char *repo_gitdir(const struct repo *r);    /* absolute, no trailing slash */
const char *repo_commondir(const struct repo *r); /* where refs and .git/deepops live */
const char *repo_worktree(const struct repo *r);  /* absolute; NULL if bare */
int repo_worktree_fd(struct repo *r); /* O_PATH|O_DIRECTORY descriptor, owned by r; -1 if bare */
const char *repo_prefix(const struct repo *r);      /* cwd inside the work tree: "" or "sub/dir" */
const char *repo_deepops_dir(const struct repo *r); /* <commondir>/deepops */
bool repo_is_bare(const struct repo *r);

/* Path as the user typed it (relative to cwd, or absolute) to work-tree relative, normalised; ERR_INPUT if outside. */
int repo_user_path(struct repo *r, const char *user, struct buf *out, struct err *e) MUST_CHECK;

/* ---- config (repository, global, system; includes followed as git does) ---- */
int repo_config_get(struct repo *r, const char *key, struct buf *out,
		    struct err *e) MUST_CHECK; /* 1 found, 0 not */
int repo_config_bool(struct repo *r, const char *key, bool fallback, bool *out,
		     struct err *e) MUST_CHECK;
int repo_config_all(struct repo *r, const char *key, struct strvec *out, struct err *e) MUST_CHECK;
int repo_config_set(struct repo *r, const char *key, const char *value,
		    struct err *e) MUST_CHECK; /* repository file */
int repo_config_add(struct repo *r, const char *key, const char *value,
		    struct err *e) MUST_CHECK; /* unless there */

/* ---- the git command ---- */
/*
 * Fill p->args with "git" and the options that make it act on this repository, and
 * unset what a hook's environment would make it act on instead (GIT_INDEX_FILE
 * and the like; in a REPO_HOOK repository the quarantine stays visible).
 * `-c` options that the user gave to the outer git are kept.  Caller adds arguments.
 */
void repo_git(struct repo *r, struct proc *p);
/* The same for a repository that is not open: `git_dir` and `worktree` (NULL: bare), absolute. */
void repo_git_at(struct proc *p, const char *git_dir, const char *worktree);
/* Run git with NULL-terminated args, stdout to `out` (may be NULL); non-zero exit is ERR_SYS with git's first stderr line. */
int repo_git_run(struct repo *r, struct buf *out, struct err *e, ...)
	__attribute__((sentinel)) MUST_CHECK;
int repo_git_runv(struct repo *r, const struct strvec *args, const struct buf *input,
		  struct buf *out, struct err *e) MUST_CHECK;
/*
 * repo_git_runv of a command that changes git's index: waits ten seconds for whoever has it
 * locked, and has the index and its objects synced.
 */
int repo_git_index(struct repo *r, const struct strvec *args, struct err *e) MUST_CHECK;
/* Run a prepared git command to its end as repo_git_runv does; p is released. */
int repo_git_finish(struct proc *p, const struct buf *input, struct buf *out,
		    struct err *e) MUST_CHECK;

/* ---- objects ---- */
int repo_resolve(struct repo *r, const char *rev, struct repo_oid *out,
		 struct err *e) MUST_CHECK; /* any revision, peeled to a commit */
int repo_commit_tree(struct repo *r, const struct repo_oid *commit, struct repo_oid *tree,
		     struct err *e) MUST_CHECK;
int repo_read_blob(struct repo *r, const struct repo_oid *id, size_t max, struct buf *out,
		   struct err *e) MUST_CHECK; /* appends */
int repo_read_raw(struct repo *r, const struct repo_oid *id, const char *type, size_t max,
		  struct buf *out,
		  struct err *e) MUST_CHECK; /* "commit": the bytes that hash to id */
int repo_write_blob(struct repo *r, const void *p, size_t len, struct repo_oid *out,
		    struct err *e) MUST_CHECK;
/* Any object from its exact bytes: type "blob", "tree", "commit", "tag".  Not validated. */
int repo_write_raw(struct repo *r, const char *type, const void *p, size_t len,
		   struct repo_oid *out, struct err *e) MUST_CHECK;
bool repo_has_object(struct repo *r, const struct repo_oid *id);
/*
 * Ids as text.  The formats have 40 digits or 64, as the repository that they speak of; a struct
 * repo_oid is of this one.  All text becomes an id by these functions, so that one of another
 * length is never cut to the name of something else.
 */
bool repo_oid_text_ok(const char *hex); /* lowercase hex digits, 40 or 64 of them */
bool repo_oid_ok(const char *hex);      /* REPO_OID_HEX of them: what struct repo_oid holds */
/* The id that begins `at`; the place behind the byte `end` that follows it.  NULL, and *out is zero: none. */
const char *repo_oid_take(struct repo_oid *out, const char *at, char end);
/* ERR_NOTFOUND, and *out is zero: nothing here has such an id. */
int repo_oid_parse(struct repo_oid *out, const char *hex, struct err *e) MUST_CHECK;
bool repo_oid_here(struct repo *r, const char *hex, struct repo_oid *out); /* the object is here */
bool repo_oid_is_zero(const struct repo_oid *id);
bool repo_oid_equal(const struct repo_oid *a, const struct repo_oid *b);

/* ---- commits ---- */
/* "Name <mail> 1700000000 +0100" as git would write it now; who: "author" or "committer". */
int repo_ident(struct repo *r, const char *who, struct buf *out, struct err *e) MUST_CHECK;

struct repo_commit {
	struct repo_oid tree;
	const struct repo_oid *parents; /* may be NULL when nparents is 0 */
	size_t nparents;
	const char *author, *committer; /* as repo_ident gives them; NULL: now, by the user */
	const char *message;            /* UTF-8, ends with a newline */
};
int repo_write_commit(struct repo *r, const struct repo_commit *c, struct repo_oid *out,
		      struct err *e) MUST_CHECK;
/* The commit that an object is or, a tag, names; by id alone. ERR_INPUT: something else. */
int repo_peel_commit(struct repo *r, const struct repo_oid *id, struct repo_oid *commit,
		     struct err *e) MUST_CHECK;
/* Parents in order, as 40-digit text. */
int repo_commit_parents(struct repo *r, const struct repo_oid *commit, struct strvec *out,
			struct err *e) MUST_CHECK;
/* 1 if `a` is `b` or an ancestor of it, 0 if not. */
int repo_is_ancestor(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
		     struct err *e) MUST_CHECK;

/*
 * Commits reachable from `show` and not from `hide`, children before parents.
 * More than `max` is ERR_LIMIT, or with `newest` the end.  Ids that are no commits here are left out of
 * `hide` and are ERR_NOTFOUND in `show`.  `cb` negative stops, positive stops with 0.
 */
struct repo_walk {
	const struct repo_oid *show, *hide;
	size_t nshow, nhide;
	bool first_parent, newest;
	size_t max;
};
typedef int (*repo_walk_fn)(void *arg, const struct repo_oid *commit, struct err *e);
int repo_walk(struct repo *r, const struct repo_walk *w, repo_walk_fn cb, void *arg,
	      struct err *e) MUST_CHECK;

/* ---- refs ---- */
/* Exact name, no revparse. 1 found, 0 absent. Peeled only through symbolic refs. */
int repo_ref_get(struct repo *r, const char *name, struct repo_oid *out, struct err *e) MUST_CHECK;
int repo_ref_symbolic(struct repo *r, const char *name, struct buf *target,
		      struct err *e) MUST_CHECK; /* 1 symbolic, 0 not */
/* The same through all links, as far as git follows them: the name that a write to `name` changes. */
int repo_ref_referent(struct repo *r, const char *name, struct buf *target,
		      struct err *e) MUST_CHECK; /* 1 symbolic, 0 not */
/*
 * Compare-and-swap: expect NULL = any, zero id = must not exist. ERR_EXISTS when it moved meanwhile.
 * Waits for a lock that another process holds; one on a ref of ours (refs/deepops/, refs/notes/deepops) that
 * has stood still for seconds was left by a process that was killed, and is removed.
 */
int repo_ref_set(struct repo *r, const char *name, const struct repo_oid *to,
		 const struct repo_oid *expect, const char *why, struct err *e) MUST_CHECK;
/* Remove a ref of ours; absent is fine.  Locks: as repo_ref_set. */
int repo_ref_delete(struct repo *r, const char *name, struct err *e) MUST_CHECK;
typedef int (*repo_ref_fn)(void *arg, const char *name, const struct repo_oid *id, struct err *e);
/* Every ref whose name begins with `prefix`, symbolic ones resolved, in name order. */
int repo_ref_each(struct repo *r, const char *prefix, repo_ref_fn cb, void *arg,
		  struct err *e) MUST_CHECK;
/* HEAD: branch name in full ("refs/heads/main", also when unborn), empty when detached; *id zero when unborn. */
int repo_head(struct repo *r, struct buf *branch, struct repo_oid *id, struct err *e) MUST_CHECK;

const char *repo_library(void); /* version of libgit2 */

#endif
