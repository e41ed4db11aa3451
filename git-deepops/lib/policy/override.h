/* SPDX-License-Identifier: MIT */
/*
 * override.h - a push that passed by override is on record, whatever happens after it
 *
 * The hook decides before git moves the refs, and may write no ref and no object.  So it
 * leaves a file, <deepops dir>/overrides/<time>-<run>.json (with .cert beside it, where the push
 * was signed), on disk before the push passes; where that fails, the push is refused.
 * post-receive and `git deepops server index` append it to the server's own journal and remove
 * it; a crash in between does nothing but delay that.  A push that git refused after the hook
 * leaves a file whose commit is not there: it is dropped after a day.
 */
#ifndef POLICY_OVERRIDE_H
#define POLICY_OVERRIDE_H

#include "policy/push.h"

/* In the hook: one file for each ref that passed by override. */
int override_keep(struct repo *r, const struct verdict *v, struct err *e) MUST_CHECK;

/* Files to records; their number is added to *n (may be NULL). */
int override_record(struct repo *r, uint64_t *n, struct err *e) MUST_CHECK;

#endif
