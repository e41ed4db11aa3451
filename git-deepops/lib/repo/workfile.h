/* SPDX-License-Identifier: MIT */
/*
 * workfile.h - small text files in the work tree that we share with the user
 *
 * .gitignore, .gitattributes, .deepops/config: lines are added to what is
 * there, atomically, and never twice.  A symbolic link in the place is an error:
 * what it points to may be anybody's.
 */
#ifndef REPO_WORKFILE_H
#define REPO_WORKFILE_H

#include "repo/repo.h"

/* Append `line` (without LF) to the file, made with its directory if absent.  1 added, 0 was there. */
int workfile_add_line(struct repo *r, const char *path, const char *line, struct err *e) MUST_CHECK;
/* Those of `lines` that are not there, in one write.  1 something was added, 0 all were there. */
int workfile_add_lines(struct repo *r, const char *path, const struct strvec *lines,
		       struct err *e) MUST_CHECK;
/* Take every such line out.  1 removed, 0 was not there. */
int workfile_remove_line(struct repo *r, const char *path, const char *line,
			 struct err *e) MUST_CHECK;
/* The whole content, appended; 1 found, 0 absent. */
int workfile_read(struct repo *r, const char *path, struct buf *out, struct err *e) MUST_CHECK;
/* Replace the whole content; `mode` for a new file, an old one keeps its own. */
int workfile_write(struct repo *r, const char *path, mode_t mode, const struct buf *content,
		   struct err *e) MUST_CHECK;

/*
 * Nobody else who asks for it changes these files until it is released, and git's index with them: a line
 * that another process adds between reading and renaming would be lost.  Waits as long as it takes.
 * Returns a descriptor for lockfile_release().
 */
int workfile_lock(struct repo *r, struct err *e) MUST_CHECK;

/* Lines of .git/info/exclude: rules of this clone alone, under no version. */
int workfile_exclude(struct repo *r, const struct strvec *lines, struct err *e) MUST_CHECK;
int workfile_unexclude(struct repo *r, const char *line, struct err *e) MUST_CHECK;

#endif
