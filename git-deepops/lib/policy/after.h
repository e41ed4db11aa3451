/* SPDX-License-Identifier: MIT */
/*
 * after.h - what a server does once a push has been accepted
 *
 * Records overrides in the server's own journal, brings the run index and its
 * tree hashes up to date, marks data that refs and journals now name as rooted,
 * and projects notes with the level that only a server knows.  All of it can be
 * done again at any time (`git deepops server index`); pushes are serialised by a
 * lock.
 */
#ifndef POLICY_AFTER_H
#define POLICY_AFTER_H

#include "policy/push.h"

/* After one push.  Goes on after an error of one part; the first error is returned. */
int after_push(struct repo *r, const struct push *p, struct err *e) MUST_CHECK;

struct after_index {
	bool rebuild; /* forget the index first; derived data is what may be broken */
	uint64_t records, hashed, roots; /* out: new records, trees hashed, roots marked */
};
/* Everything, from all refs and journals. */
int after_index(struct repo *r, struct after_index *what, struct err *e) MUST_CHECK;

#endif
