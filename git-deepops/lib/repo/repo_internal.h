/* SPDX-License-Identifier: MIT */
/*
 * repo_internal.h - the members of struct repo and the adapter to libgit2's errors
 *
 * For the files of repo/ only.
 */
#ifndef REPO_REPO_INTERNAL_H
#define REPO_REPO_INTERNAL_H

#include <git2.h>

#include "repo/repo.h"

#define REPO_GIT_OUTPUT_MAX_BYTES (UINT64_C(1) << 30) /* a listing of ten million paths */

struct repo {
	git_repository *git;
	git_odb *odb;
	git_config *cfg;
	struct strvec overrides; /* "key\nvalue" from GIT_CONFIG_COUNT and git -c, in order */
	char *gitdir, *commondir, *worktree, *deepops, *prefix;
	char *ident[2]; /* author, committer: what git said once */
	int worktree_fd;
	bool hook;     /* nothing may be written */
	bool from_env; /* GIT_DIR or GIT_WORK_TREE chose it: git must be told again */
	bool partial;  /* has a promisor remote: a missing object may be fetched by git */
	bool partial_known;
	struct commitgraph *graph; /* opened by the first walk; NULL: none */
	bool graph_known;
	struct repo_refs *refs; /* in a hook, once all were asked for */
	uint64_t commits_read;  /* by walks in this process: what tests hold them to */
};

/* "context: libgit2's message" with the nearest of our codes.  `rc` is libgit2's. */
int repo_lgerr(struct err *e, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
int repo_oid_to(git_oid *out, const struct repo_oid *id, struct err *e) MUST_CHECK;
void repo_oid_from(struct repo_oid *out, const git_oid *id);
/* ERR_DENIED in a hook: it must not be able to leave anything behind. */
int repo_may_write(const struct repo *r, const char *what, struct err *e) MUST_CHECK;
/* Unset what a hook's environment says about places and objects. */
void repo_git_clean(struct proc *p);
void repo_refs_free(struct repo_refs *refs);
/* repo_walk() and repo_is_ancestor() in this process. */
int repo_walk_here(struct repo *r, const struct repo_walk *w, repo_walk_fn cb, void *arg,
		   struct err *e) MUST_CHECK;
int repo_is_ancestor_here(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
			  struct err *e) MUST_CHECK;
int repo_walk_limit(const struct repo_walk *w, struct err *e);
/* Fill r->cfg and r->overrides. */
int repo_config_init(struct repo *r, struct err *e) MUST_CHECK;

#endif
