/* SPDX-License-Identifier: MIT */
/*
 * preview.h - what a server will find of a record, said where it was made
 *
 * The same predicates as on the server (triple.h), over this repository; data counts as sent, since the
 * next push sends it.
 */
#ifndef POLICY_PREVIEW_H
#define POLICY_PREVIEW_H

#include "policy/policies.h"
#include "policy/triple.h"

/* To be released with triple_release(). */
int preview_record(struct repo *r, const struct journal_entry *j, struct triple *out,
		   struct err *e) MUST_CHECK;

/*
 * The same level for many records, as a listing needs it: judged once, then kept in the index.
 *
 *	p = preview_open(repo, index);
 *	... in a callback of the index: preview_level(p, row)
 *	preview_close(&p);		writes what was found; NULL is fine
 */
struct preview;
struct preview *preview_open(struct repo *r, struct runindex *ix);
/* "R0" to "R2", static; "" for a record that can't be judged now. */
const char *preview_level(struct preview *p, const struct runindex_row *row);
/* Before the index is asked for levels, all rows must have one. */
int preview_all(struct preview *p, struct err *e) MUST_CHECK;
void preview_close(struct preview **p);

/*
 * What of a run is known to be refused before its command starts, a line each: the rules of `ref`
 * ask for data that is not declared; the script lies outside the tree.  `rec` is not finished.
 */
void preview_before(struct repo *r, const struct policies *p, const char *ref,
		    const struct record *rec, struct strvec *out);

#endif
