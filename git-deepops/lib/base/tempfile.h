/* SPDX-License-Identifier: MIT */
/*
 * tempfile.h - durable creation and replacement of files
 *
 *	struct tempfile *t;
 *	tempfile_create(&t, dir, 0644, e);		.tmp-<pid>-<random> in the same directory
 *	io_write_all(tempfile_fd(t), ...);
 *	tempfile_commit(&t, final_path, TEMPFILE_REPLACE, e);	fsync, close, rename, fsync directory
 *
 * On any error call tempfile_abort(&t) (fine on NULL): the file is removed.
 * Live temp files are also removed at exit and on INT, TERM, HUP, QUIT by the
 * process that made them, never by a forked child.  After SIGKILL a .tmp-* may
 * stay; tempfile_sweep() removes those of dead processes (an flock tells it of
 * live ones on another host or in another pid namespace).
 * Thread-safe.
 */
#ifndef BASE_TEMPFILE_H
#define BASE_TEMPFILE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct tempfile;

enum tempfile_how {
	TEMPFILE_REPLACE,   /* an existing target is replaced */
	TEMPFILE_NOREPLACE, /* an existing target is ERR_EXISTS, temp removed */
};

int tempfile_create(struct tempfile **out, const char *dir, mode_t mode, struct err *e) MUST_CHECK;
/* Beneath `rootfd` (path_open_to_write rules), in directory `dir` ("" = rootfd itself). */
int tempfile_create_beneath(struct tempfile **out, int rootfd, const char *dir, mode_t mode,
			    struct err *e) MUST_CHECK;
int tempfile_fd(const struct tempfile *t);

/*
 * Durable: fsync, close, rename to the last component of `path` in the directory it was created
 * in, fsync of that directory.  Frees *t in every case.
 */
int tempfile_commit(struct tempfile **t, const char *path, enum tempfile_how how,
		    struct err *e) MUST_CHECK;
/*
 * The same in two steps without any fsync, for what can be made again: files of the work tree
 * (git does not sync them either) and caches.  tempfile_rename frees *t in every case.
 */
int tempfile_close(struct tempfile *t, struct err *e) MUST_CHECK;
int tempfile_rename(struct tempfile **t, const char *path, enum tempfile_how how,
		    struct err *e) MUST_CHECK;
void tempfile_abort(struct tempfile **t);

/* Write `content` durably to `path`, replacing it. */
int tempfile_write(const char *path, mode_t mode, const void *content, size_t len,
		   struct err *e) MUST_CHECK;

/* Has `name` the form of the temporary files made here? Nobody else's data is called so. */
bool tempfile_is_name(const char *name);

/* A directory of our own in $TMPDIR or /tmp, "<tmp>/deepops-<what>-XXXXXX"; appended, not removed at exit. */
int tempfile_make_dir(struct buf *out, const char *what, struct err *e) MUST_CHECK;

/* Remove the temporary files in `dir` whose process is gone. */
void tempfile_sweep(const char *dir);
void tempfile_sweep_at(int dirfd); /* not closed, and its offset not moved */

#endif
