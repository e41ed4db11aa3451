/* SPDX-License-Identifier: MIT */
/*
 * gitargs.h - how the git that runs our hook was called
 *
 * `git push -n` runs pre-push and does not tell it.  The command line of the
 * `git push` among our ancestors does; it is read as git's own parser would.
 */
#ifndef REPO_GITARGS_H
#define REPO_GITARGS_H

#include "base/err.h"
#include "base/strvec.h"

enum gitargs_push { GITARGS_NO_PUSH, GITARGS_PUSH, GITARGS_PUSH_DRY_RUN };

/* Is this argument vector a `git push`, and a dry run?  Pure. */
enum gitargs_push gitargs_parse(const struct strvec *argv);

/*
 * Options that `git pull` or `git push` has and ours of that name passes on: moved from argv to `taken`, with
 * their values, as they were written.  What is none of git's stays, and so does what ours takes itself.
 */
enum gitargs_command { GITARGS_OF_PUSH, GITARGS_OF_PULL };
void gitargs_take(enum gitargs_command command, int *argc, char **argv, struct strvec *taken);
/* Was --name given, in full? */
bool gitargs_has(const struct strvec *taken, const char *name);

/*
 * The nearest ancestor of this process that is a `git push`.  ERR_NOTFOUND when
 * there is none, or when /proc does not show it.
 */
int gitargs_of_ancestor(enum gitargs_push *out, struct err *e) MUST_CHECK;

#endif
