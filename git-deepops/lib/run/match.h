/* SPDX-License-Identifier: MIT */
/*
 * match.h - how a rerun's output may differ from the recorded one
 *
 * Declared before the first run, behind a colon: bitwise (also when nothing is
 * said), ignore, abs=X, rel=X.  abs and rel compare texts (JSON, CSV, ...) word by
 * word: what is a number on both sides may differ by X, or by X times the recorded
 * one; everything else must be equal.
 */
#ifndef RUN_MATCH_H
#define RUN_MATCH_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "run/record.h"

#define MATCH_MAX_BYTES (64 * MIB) /* of a text compared with a tolerance */

/*
 * "model.pt:abs=0.1": the path goes to `path`; the policy, borrowed from `typed`, or NULL to *match.
 * ERR_USAGE: behind the last colon of the name stands no policy.  A name with a colon is typed with
 * one: "a:b:bitwise".
 */
int match_split(const char *typed, struct buf *path, const char **match, struct err *e) MUST_CHECK;
/* Is it one of the policies above? */
bool match_known(const char *policy);

/* Both contents are here.  `detail` gets where they part, for people. */
enum record_verdict match_compare(const char *policy, const struct buf *recorded,
				  const struct buf *again, struct buf *detail);

#endif
