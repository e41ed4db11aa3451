/* SPDX-License-Identifier: MIT */
/*
 * path.h - names of files that others chose: checked, confined, quoted
 *
 * Every path from a pointer, node, record or peer is first path_is_safe() and
 * then opened with path_open_beneath(), which the kernel confines.
 */
#ifndef BASE_PATH_H
#define BASE_PATH_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Relative, no empty, "." or ".." component, no NUL, no component that is
 * path_is_dotgit(), components <= 255 bytes, <= 4096 bytes, depth <= 128.
 */
bool path_is_safe(const char *path, size_t len);
/* One component of such a path. */
bool path_name_is_safe(const char *name, size_t len);
/*
 * Would some file system open ".git" for this component?  In any case, with the code points in it that
 * HFS+ ignores, as NTFS spells it (".git.", "git~1", ".git::$INDEX_ALLOCATION", behind a
 * backslash): what git itself refuses in a path.
 */
bool path_is_dotgit(const char *name, size_t len);

/*
 * openat2(RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS) with O_CLOEXEC; falls
 * back to walking with O_NOFOLLOW where the kernel lacks it.  Returns a
 * descriptor or ERR_SYS (sys: EXDEV escaped, ELOOP symlink), ERR_NOTFOUND,
 * ERR_EXISTS (O_EXCL).  "" is the root itself.
 */
int path_open_beneath(int rootfd, const char *path, int flags, mode_t mode,
		      struct err *e) MUST_CHECK;

/* The directory `dir`, to make or remove something in it: ERR_INPUT where it is or lies in a ".git". */
int path_open_to_write(int rootfd, const char *dir, struct err *e) MUST_CHECK;
/* mkdir -p of every component of `path` beneath rootfd, symlinks and ".git" refused. */
int path_mkdirs_beneath(int rootfd, const char *path, mode_t mode, struct err *e) MUST_CHECK;
/* mkdir -p of a path we chose ourselves; `mode` is the last one's.  Shared with the group where that shares the place: share.h. */
int path_mkdirs(const char *path, mode_t mode, struct err *e) MUST_CHECK;
/*
 * Remove a directory tree that is ours (temporary directories); absent is fine.  A directory where a file system
 * is mounted is emptied, and stays.
 */
int path_remove_tree(const char *path, struct err *e) MUST_CHECK;

/* Append dir + "/" + name; a dir of "" or "." gives name alone. */
void path_join(struct buf *out, const char *dir, const char *name);
/* Is `path` the directory `dir`, or below it? Everything is in "". */
bool path_is_in(const char *path, const char *dir);
/* Go down to `name` in a path that is walked; buf_setlen to what this returns goes back up. */
size_t path_enter(struct buf *path, const char *name);
/* Last component, borrowed. */
const char *path_basename(const char *path);
/* Everything before the last slash, "." if none; appended. */
void path_dirname(struct buf *out, const char *path);
/* The program `name` in the directory that this program was started from; appended. */
int path_beside_program(struct buf *out, const char *name, struct err *e) MUST_CHECK;
/* The first file `name` in a directory of $PATH that may be executed, appended; false: there is none. */
bool path_in_path(struct buf *out, const char *name);
/* Append `path` with "." ".." and double slashes resolved textually; ERR_INPUT if it climbs out. */
int path_normalize(struct buf *out, const char *path, struct err *e) MUST_CHECK;

/*
 * git's C-quoting.  A byte below 0x20 or from 0x7f on, '"', '\', or a leading
 * or trailing blank makes the name quoted: \a \b \t \n \v \f \r \" \\ and \ooo.
 * path_quote appends the name as it is when nothing needs quoting.
 */
void path_quote(struct buf *out, const char *name, size_t len);
/*
 * The inverse, strict: what is not the canonical form of its value is
 * ERR_INPUT.  `text` without a leading '"' stands for itself.  The value may
 * not hold NUL.
 */
int path_unquote(struct buf *out, const char *text, size_t len, struct err *e) MUST_CHECK;

/* A single-quoted shell word, as git sends paths to ssh. */
void path_shell_quote(struct buf *out, const char *s);
/*
 * One word of a command that is printed for people to paste; to be freed.  Bare where that is safe, else quoted;
 * bytes that a terminal must not get as $'\ooo', which bash, ksh and zsh read.
 */
char *path_word(const char *s);

/* Well-formed UTF-8 without control bytes. */
bool path_is_clean_utf8(const char *s, size_t len);
/* For JSON: as it is where it is clean and does not look quoted, else C-quoted; path_unquote() undoes both. */
void path_text(struct buf *out, const char *s);

#endif
