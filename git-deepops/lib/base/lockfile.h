/* SPDX-License-Identifier: MIT */
/*
 * lockfile.h - advisory lock that the kernel drops with the process
 *
 * flock(2) on a file that stays; no stale locks, nothing to clean up.
 */
#ifndef BASE_LOCKFILE_H
#define BASE_LOCKFILE_H

#include "base/err.h"

enum lockfile_mode { LOCKFILE_SHARED, LOCKFILE_EXCLUSIVE };

/*
 * Lock `path` (created 0644, and for the group where that shares the directory), waiting at most wait_ms (0: try once, UINT64_MAX:
 * for ever).  Returns a descriptor for lockfile_release, or ERR_DENIED when
 * somebody else holds it ("… is locked by another process").
 */
int lockfile_acquire(const char *path, enum lockfile_mode mode, uint64_t wait_ms,
		     struct err *e) MUST_CHECK;
void lockfile_release(int fd); /* -1 is fine */

#endif
