/* SPDX-License-Identifier: MIT */
/*
 * triple_kept.h - verdicts on records that are made once
 *
 * A record and the tree of its entry never change, so what follows from them alone is kept in
 * the run index: findings about code, machine and execution.  Whether data is there is asked each
 * time.  Not kept is what time or another look can change: a run that ended in the future.
 */
#ifndef POLICY_TRIPLE_KEPT_H
#define POLICY_TRIPLE_KEPT_H

#include "policy/triple.h"

/* Another version may find otherwise, and so may this one after a change to what it asks. */
#define TRIPLE_KEPT_JUDGE "git-deepops " DEEPOPS_VERSION " 1"

/* 1: `out`, which is empty, got the findings; 0: there are none that can be used. */
int triple_kept_get(struct runindex *ix, const struct journal_entry *j, struct triple *out);
/* Keep all that `t` has; the caller leaves findings about data out. */
int triple_kept_put(struct runindex *ix, const struct journal_entry *j, const struct triple *t,
		    struct err *e) MUST_CHECK;

#endif
