/* SPDX-License-Identifier: MIT */
/*
 * bring.h - the data of the current pointers, fetched and checked out
 *
 * What `fetch`, `pull` and `rerun` share.
 */
#ifndef SYNC_BRING_H
#define SYNC_BRING_H

#include "sync/sync.h"

/*
 * Items for the pointers of the index.  With paths (work-tree relative), only those datasets
 * that a path is, holds or lies in; a path inside a dataset adds an anchored glob to
 * `inside` (may be NULL: then it is ERR_INPUT).  ERR_NOTFOUND: a path with nothing tracked.
 */
int bring_current(struct repo *r, const struct strvec *paths, struct sync_plan *plan,
		  struct strvec *inside, struct err *e) MUST_CHECK;

/* Items for every pointer in every branch, tag and journal; leniently. */
int bring_all(struct repo *r, struct sync_plan *plan, struct err *e) MUST_CHECK;

/* Items for what runs that are going on, or wait to be recovered, have pinned. */
int bring_spooled(struct repo *r, struct sync_plan *plan, struct err *e) MUST_CHECK;

/* The nodes of `n` versions of one dataset, for who has to read their lists of files but not the files. */
int bring_nodes(struct repo *r, const char *root, const struct pointer *versions, size_t n,
		struct err *e) MUST_CHECK;

#endif
