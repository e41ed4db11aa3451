/* SPDX-License-Identifier: MIT */
/*
 * level.h - the most that a record itself allows, before a store is asked
 *
 * For the line after a run and for listings.  What a server grants is
 * judged by policy/ against the store and can only be lower.
 */
#ifndef RUN_LEVEL_H
#define RUN_LEVEL_H

#include "run/record.h"

/* 0 to 2.  `raise` (may be NULL) gets what keeps it from the next level, as one sentence, or nothing. */
int level_of(const struct record *r, struct buf *raise);

#endif
