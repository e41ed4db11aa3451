/* SPDX-License-Identifier: MIT */
/*
 * plain.h - files of a dataset that a commit puts into git itself
 *
 * A commit that holds the pointer `data.deepops` and also files at `data`, or below it, keeps the
 * data twice: once behind the pointer, once in git's history, which nobody gets out again
 * after a push.  It happens by `git add -f`, by a lost line in .gitignore, by `git mv` of a directory.
 */
#ifndef DATA_PLAIN_H
#define DATA_PLAIN_H

#include "repo/repo.h"

/*
 * What `commit` adds or changes against its first parent; each root once, with a file that is there.
 * `cb` negative stops.  Reads only trees that differ.
 */
typedef int (*plain_fn)(void *arg, const struct repo_oid *commit, const char *root,
			const char *path, struct err *e);
int plain_in_commit(struct repo *r, const struct repo_oid *commit, plain_fn cb, void *arg,
		    struct err *e) MUST_CHECK;

/*
 * ERR_INPUT, with the command that mends it: a commit that `tips` bring to `remote` (its tracking
 * refs say what is there) holds such files.  At most PUSH_MAX_COMMITS are looked at, newest first.
 */
int plain_check_push(struct repo *r, const char *remote, const struct strvec *tips,
		     struct err *e) MUST_CHECK;

#endif
