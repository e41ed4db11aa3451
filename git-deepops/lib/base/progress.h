/* SPDX-License-Identifier: MIT */
/*
 * progress.h - one line about long work, on stderr
 *
 * Shown after 1 s, redrawn at most 4 times a second, only when stderr is a
 * terminal and we are in its foreground, or when forced.  Library code takes a
 * struct progress * that may be NULL.  Thread-safe.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include "base/defs.h"

struct progress;

enum progress_unit { PROGRESS_COUNT, PROGRESS_BYTES };
enum progress_show { PROGRESS_AUTO, PROGRESS_FORCE, PROGRESS_NEVER };

void progress_set_show(enum progress_show show); /* --progress, --no-progress, -q */

/* total 0: not known.  Never NULL. */
struct progress *progress_start(const char *title, uint64_t total, enum progress_unit unit);
void progress_add(struct progress *p, uint64_t n);
void progress_stop(struct progress **p); /* final line if anything was shown; *p = NULL */

#endif
