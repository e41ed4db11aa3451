/* SPDX-License-Identifier: MIT */
/*
 * wildmatch.h - gitignore-style patterns, git as the oracle in its tests
 *
 * `*` and `?` do not match `/`; `**` as a whole component matches any number of
 * components; `[...]` classes; backslash escapes.  A pattern with a slash that
 * is not its last byte is anchored to the root, another matches at any depth;
 * a trailing slash matches directories only; `!` negates.
 */
#ifndef BASE_WILDMATCH_H
#define BASE_WILDMATCH_H

#include "base/defs.h"
#include "base/strvec.h"

/* fnmatch with pathname semantics and `**`; whole string. */
bool wildmatch(const char *pattern, const char *path);

/*
 * Does one gitignore line select `path` (a file unless is_dir), itself or through one of
 * its parent directories?  Negation is the caller's: wildmatch_list().
 */
bool wildmatch_ignore(const char *pattern, const char *path, bool is_dir);

/* Last matching line wins, `!` un-selects (but not below an excluded directory, as git). */
bool wildmatch_list(const struct strvec *patterns, const char *path, bool is_dir);

#endif
