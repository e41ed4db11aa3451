/* SPDX-License-Identifier: MIT */
/* io.c - whole reads and writes, fsync, copies; see io.h */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/path.h"
#include "base/sig.h"

#define IO_BLOCK_BYTES (128 * KIB)
#define IO_SPACE_LOW_BYTES (16 * MIB) /* less, and the next command stops half-way */

static pthread_once_t fsync_once = PTHREAD_ONCE_INIT;
static bool fsync_off;

static void fsync_setup(void)
{
	const char *s = getenv("DEEPOPS_FSYNC");

	fsync_off = s && !strcmp(s, "0");
}

bool io_syncs(void)
{
	pthread_once(&fsync_once, fsync_setup);
	return !fsync_off;
}

/* After a call returned -1: 0 means try again, otherwise the error. */
static int io_failed(const char *what, struct err *e)
{
	if (errno != EINTR)
		return err_sys(e, "%s", what);
	return sig_pending() ? sig_err(e) : 0;
}

int io_read_full(int fd, void *p, size_t n, size_t *got, struct err *e)
{
	*got = 0;
	while (*got < n) {
		ssize_t k = read(fd, (char *)p + *got, n - *got);

		if (k == 0)
			break;
		if (k > 0) {
			*got += (size_t)k;
		} else {
			int rc = io_failed("read", e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int io_pread_full(int fd, void *p, size_t n, uint64_t off, struct err *e)
{
	size_t got = 0;

	if (off > INT64_MAX || n > INT64_MAX - off)
		return err_set(e, ERR_CORRUPT, "offset %" PRIu64 " beyond any file", off);
	while (got < n) {
		ssize_t k = pread(fd, (char *)p + got, n - got, (off_t)(off + got));

		if (k == 0)
			return err_set(e, ERR_CORRUPT, "file ends at byte %" PRIu64, off + got);
		if (k > 0) {
			got += (size_t)k;
		} else {
			int rc = io_failed("read", e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int io_write_all(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t k = write(fd, at, n);

		if (k >= 0) {
			at += k;
			n -= (size_t)k;
		} else {
			int rc = io_failed("write", e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int io_pwrite_all(int fd, const void *p, size_t n, uint64_t off, struct err *e)
{
	const char *at = p;

	while (n) {
		ssize_t k = pwrite(fd, at, n, (off_t)off);

		if (k >= 0) {
			at += k;
			off += (uint64_t)k;
			n -= (size_t)k;
		} else {
			int rc = io_failed("write", e);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int io_read_fd(int fd, size_t max, struct buf *out, struct err *e)
{
	size_t start = out->len, got;

	for (;;) {
		/* One byte more than allowed is enough to know that it is too much. */
		size_t want = MIN(max - (out->len - start) + 1, IO_BLOCK_BYTES);
		int rc;

		buf_grow(out, want);
		rc = io_read_full(fd, out->p + out->len, want, &got, e);
		if (rc < 0)
			return rc;
		buf_setlen(out, out->len + got);
		if (out->len - start > max)
			return err_set(e, ERR_LIMIT, "more than %zu bytes", max);
		if (got < want)
			return 0;
	}
}

int io_read_file(int dirfd, const char *path, size_t max, struct buf *out, struct err *e)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int rc;

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "%s: no such file", path);
	if (fd < 0)
		return err_sys(e, "%s", path);
	rc = io_read_fd(fd, max, out, e);
	close(fd);
	if (rc < 0)
		err_wrap(e, "%s", path);
	return rc;
}

int io_fsync(int fd, struct err *e)
{
	if (!io_syncs())
		return 0;
	while (fsync(fd) < 0) {
		if (errno != EINTR)
			return err_sys(e, "fsync");
	}
	return 0;
}

int io_fsync_dir(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_sys(e, "%s", path);
	rc = io_fsync(fd, e);
	close(fd);
	if (rc < 0)
		err_wrap(e, "%s", path);
	return rc;
}

int io_fsync_parent(const char *path, struct err *e)
{
	struct buf dir = BUF_INIT;
	int rc;

	path_dirname(&dir, path);
	rc = io_fsync_dir(dir.p, e);
	buf_release(&dir);
	return rc;
}

int io_close(int fd, struct err *e)
{
	/* Linux has closed the descriptor even when it says EINTR: never again. */
	if (close(fd) < 0 && errno != EINTR)
		return err_sys(e, "close");
	return 0;
}

/* Share the blocks; both files at their start, `to` empty. */
bool io_reflink(int from, int to)
{
	if (lseek(from, 0, SEEK_CUR) != 0 || lseek(to, 0, SEEK_CUR) != 0)
		return false;
	if (ioctl(to, FICLONE, from) < 0)
		return false;
	return lseek(from, 0, SEEK_END) >= 0 && lseek(to, 0, SEEK_END) >= 0;
}

/* As far as the kernel will; what is left is for read and write, which report errors. */
static void io_copy_in_kernel(int from, int to)
{
	while (!sig_pending() && copy_file_range(from, NULL, to, NULL, GIB, 0) > 0)
		;
}

int io_copy(int from, int to, struct err *e)
{
	struct buf block = BUF_INIT;
	size_t got;
	int rc;

	if (io_reflink(from, to))
		return 0;
	io_copy_in_kernel(from, to);
	buf_grow(&block, IO_BLOCK_BYTES);
	do {
		rc = io_read_full(from, block.p, IO_BLOCK_BYTES, &got, e);
		if (rc == 0)
			rc = io_write_all(to, block.p, got, e);
	} while (rc == 0 && got == IO_BLOCK_BYTES);
	buf_release(&block);
	return rc;
}

bool io_space_is_low(const char *path, uint64_t *left)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return false;
	*left = (uint64_t)fs.f_bavail * fs.f_frsize;
	return *left < IO_SPACE_LOW_BYTES;
}
