/* SPDX-License-Identifier: MIT */
/* lockfile.c - flock on a file that stays; see lockfile.h */
#include "base/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/share.h"
#include "base/sig.h"

#define LOCKFILE_POLL_MS 20

/* flock has no time limit of its own, and a timer signal would disturb other calls. */
static int lockfile_wait(int fd, int op, uint64_t wait_ms, struct err *e)
{
	static const struct timespec pause = {0, LOCKFILE_POLL_MS * 1000000L};
	uint64_t start = clock_mono_ms();

	while (flock(fd, op | LOCK_NB) < 0) {
		if (sig_pending())
			return sig_err(e);
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return err_sys(e, "lock");
		if (clock_mono_ms() - start >= wait_ms)
			return err_set(e, ERR_DENIED, "locked by another process");
		nanosleep(&pause, NULL);
	}
	return 0;
}

int lockfile_acquire(const char *path, enum lockfile_mode mode, uint64_t wait_ms, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0644);
	int rc;

	if (fd < 0)
		return err_sys(e, "%s", path);
	share_path(path, fd);
	rc = lockfile_wait(fd, mode == LOCKFILE_SHARED ? LOCK_SH : LOCK_EX, wait_ms, e);
	if (rc < 0) {
		close(fd);
		err_wrap(e, "%s", path);
		return rc;
	}
	return fd;
}

void lockfile_release(int fd)
{
	if (fd >= 0)
		close(fd);
}
