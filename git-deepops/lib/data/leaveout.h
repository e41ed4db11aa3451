/* SPDX-License-Identifier: MIT */
/*
 * leaveout.h - `.deepopsignore`: what of a directory is no part of its dataset
 *
 * A file at the top of the work tree, with the syntax of gitignore(5) and paths from the top, for
 * what lies beside the data: lost+found of a disk that is mounted there, .DS_Store, __pycache__.  git
 * versions it, so that every clone leaves out the same.
 */
#ifndef DATA_LEAVEOUT_H
#define DATA_LEAVEOUT_H

#include "base/err.h"
#include "base/strvec.h"
#include "repo/repo.h"

#define LEAVEOUT_FILE ".deepopsignore"

/* Its patterns, appended; none where there is no such file. */
int leaveout_read(struct repo *r, struct strvec *patterns, struct err *e) MUST_CHECK;

/*
 * What stands at `path`, beneath the work tree `rootfd`, cannot be recorded: a hint with the line that leaves it
 * out, and where it is somebody else's, whose.  Returns e's code.
 */
int leaveout_hint(int rootfd, const char *path, struct err *e);

#endif
