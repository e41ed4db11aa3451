/* SPDX-License-Identifier: MIT */
/*
 * io.h - whole reads and writes, file to buffer, fsync
 *
 * EINTR is retried (after sig_pending() was asked); short reads and writes are
 * completed.  Nothing here names the file in errors unless it got a name:
 * callers wrap.  DEEPOPS_FSYNC=0 turns every fsync into a no-op, for tests.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Read up to `n` bytes until full or end of file; *got tells. */
int io_read_full(int fd, void *p, size_t n, size_t *got, struct err *e) MUST_CHECK;
/* Read exactly `n` bytes at `off`; a shorter file is ERR_CORRUPT. */
int io_pread_full(int fd, void *p, size_t n, uint64_t off, struct err *e) MUST_CHECK;
int io_write_all(int fd, const void *p, size_t n, struct err *e) MUST_CHECK;
int io_pwrite_all(int fd, const void *p, size_t n, uint64_t off, struct err *e) MUST_CHECK;

/* Append everything up to end of file to `out`; more than `max` bytes is ERR_LIMIT. */
int io_read_fd(int fd, size_t max, struct buf *out, struct err *e) MUST_CHECK;
/* Open `path` relative to `dirfd` (AT_FDCWD allowed) and append its content.  ERR_NOTFOUND if absent. */
int io_read_file(int dirfd, const char *path, size_t max, struct buf *out,
		 struct err *e) MUST_CHECK;

/* fsync; on failure the file must be regarded as lost, never retried. */
int io_fsync(int fd, struct err *e) MUST_CHECK;
/* Make the names in a directory durable: opens, syncs, closes. */
int io_fsync_dir(const char *path, struct err *e) MUST_CHECK;
/* The directory that `path` stands in, so that its own name is durable. */
int io_fsync_parent(const char *path, struct err *e) MUST_CHECK;
/* Does fsync do anything? For the libraries that sync on their own. */
bool io_syncs(void);
/* close(2) whose error counts. */
int io_close(int fd, struct err *e) MUST_CHECK;

/* Copy `from` to `to` from their current offsets to end of file: reflink, copy_file_range or read/write. */
int io_copy(int from, int to, struct err *e) MUST_CHECK;

/* Make `to` share all of `from`'s blocks; false where the file system cannot. */
bool io_reflink(int from, int to);

/* May next to nothing more be written where `path` is?  *left is how many bytes; false also if it cannot be told. */
bool io_space_is_low(const char *path, uint64_t *left);

#endif
