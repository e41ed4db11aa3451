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
 * The nearest ancestor of this process that is a `git push`.  ERR_NOTFOUND when
 * there is none, or when /proc does not show it.
 */
int gitargs_of_ancestor(enum gitargs_push *out, struct err *e) MUST_CHECK;

#endif
