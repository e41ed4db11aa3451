/* SPDX-License-Identifier: MIT */
/*
 * kept.h - may the copies here go?  What the remote keeps, asked now
 *
 * A local copy is no longer needed when every byte of the version is on the remote, a ref or a hold
 * names it there, and the server has read and hashed those bytes since they were written: a marker
 * alone says that they were right when they came.
 */
#ifndef SYNC_KEPT_H
#define SYNC_KEPT_H

#include "store/remote.h"
#include "sync/sync.h"

enum kept {
	KEPT_NOT,      /* not complete there */
	KEPT_PINNED,   /* complete, but nothing names it: for a while only */
	KEPT_DAMAGED,  /* what was complete is damaged: the next push mends it */
	KEPT_UNPROVEN, /* the server has not read all of it: its budget is spent */
	KEPT_SAFE,
};

/* Two questions for all items together.  The server reads now what it has not. */
int kept_ask(struct remote *remote, const struct sync_item *items, size_t n, enum kept *out,
	     struct err *e) MUST_CHECK;
/* What to say of a version in a state other than KEPT_SAFE: "not complete there". */
const char *kept_text(enum kept state);

#endif
