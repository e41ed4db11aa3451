/* SPDX-License-Identifier: MIT */
/*
 * freshdir.h - the directory of a rerun, which goes even if its process is killed
 *
 * <deepops dir>/reruns/<name> holds its path and is locked while the rerun lives:
 * freshdir_sweep() removes every directory whose file nobody locks.
 */
#ifndef RUN_FRESHDIR_H
#define RUN_FRESHDIR_H

#include "base/buf.h"
#include "base/err.h"
#include "repo/repo.h"

struct freshdir {
	struct buf dir;    /* the directory, empty */
	struct buf notice; /* the file that names it */
	int lock;
};
#define FRESHDIR_INIT                                                                              \
	{                                                                                          \
		BUF_INIT, BUF_INIT, -1                                                             \
	}

/* Below $TMPDIR, else /var/tmp. */
int freshdir_make(struct freshdir *f, struct repo *r, const char *run, struct err *e) MUST_CHECK;
/* Forget it; the directory goes, too, unless `keep`.  Fine in every state. */
int freshdir_end(struct freshdir *f, bool keep, struct err *e) MUST_CHECK;
/* Remove what killed reruns left; `removed` counts. */
int freshdir_sweep(struct repo *r, size_t *removed, struct err *e) MUST_CHECK;

#endif
