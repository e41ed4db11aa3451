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
 * What of a run is known to be refused before its command starts, a line each: the rules of `ref`
 * ask for data that is not declared; the script lies outside the tree.  `rec` is not finished.
 */
void preview_before(struct repo *r, const struct policies *p, const char *ref,
		    const struct record *rec, struct strvec *out);

#endif
