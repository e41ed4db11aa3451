/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - our hooks beside everybody else's
 *
 * Where git looks for hooks decides what may be done there:
 *
 *	.git/hooks		ours: a driver is installed; a hook that was there becomes
 *				<hook>.d/50-previous and runs first, with the same input
 *	.husky, or another	the user's, committed: a line is appended to a shell script,
 *	core.hooksPath in the	or a script with that line made
 *	work tree
 *	core.hooksPath anywhere	somebody else's: nothing is written, the line to add is shown
 *	else
 */
#ifndef REPO_HOOKS_H
#define REPO_HOOKS_H

#include "repo/repo.h"

/* NULL-terminated: pre-push, post-commit, post-checkout, post-merge */
extern const char *const hooks_names[];

enum hooks_place_kind { HOOKS_IN_GITDIR, HOOKS_IN_WORKTREE, HOOKS_ELSEWHERE };

struct hooks_place {
	enum hooks_place_kind kind;
	struct buf dir; /* absolute: where scripts are to be written */
};

void hooks_place_release(struct hooks_place *p);
int hooks_find(struct repo *r, struct hooks_place *out, struct err *e) MUST_CHECK;

enum hooks_state {
	HOOKS_ABSENT,
	HOOKS_OURS,           /* calls us */
	HOOKS_FOREIGN,        /* another program is there and does not call us */
	HOOKS_NOT_EXECUTABLE, /* calls us, but git silently ignores it */
};
int hooks_look(const struct hooks_place *p, const char *name, enum hooks_state *out,
	       struct err *e) MUST_CHECK;

enum hooks_result {
	HOOKS_KEPT,      /* calls us already; a driver of ours was brought up to date */
	HOOKS_INSTALLED, /* written */
	HOOKS_CHAINED,   /* written, and the one that was there runs first */
	HOOKS_APPENDED,  /* the line was added to a script of the user's */
	HOOKS_REFUSED,   /* nothing was written: hooks_line() has to be added by hand */
};
/*
 * `program`: absolute path of git-deepops, for when it is not in PATH; for pre-receive and
 * post-receive in a bare repository, of the program that the hook is.
 */
int hooks_install(const struct hooks_place *p, const char *name, const char *program,
		  enum hooks_result *out, struct err *e) MUST_CHECK;

/* The line that calls us: git deepops hook pre-push "$@" */
void hooks_line(const char *name, struct buf *out);

#endif
