/* SPDX-License-Identifier: MIT */
/*
 * lookup.h - the run that a user names
 */
#ifndef RUN_LOOKUP_H
#define RUN_LOOKUP_H

#include "run/journal.h"
#include "run/runindex.h"

/*
 * `name` is a unique prefix of a run id or record id.  The index is brought up to date first.
 * ERR_NOTFOUND, ERR_INPUT (ambiguous, or its record is malformed).
 */
int lookup_run(struct repo *r, const char *name, struct journal_entry *out,
	       struct err *e) MUST_CHECK;

/* Has a later record taken this run back?  `run`: its whole id. */
int lookup_retracted(struct repo *r, const char *run, struct runindex_retraction *out,
		     struct err *e) MUST_CHECK;

#endif
