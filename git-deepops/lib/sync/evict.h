/* SPDX-License-Identifier: MIT */
/*
 * evict.h - making the local store smaller without losing anything
 *
 * Two things may go:
 *
 *	data that the remote, asked now, holds complete and rooted: a cache.  Only as
 *	much as brings the store below its limit, versions that the work tree does not
 *	use first.  What is merely pinned there stays here: nothing names it yet.
 *
 *	chunks that no pointer anywhere in the clone names: what was tracked and never
 *	committed, or belongs to a command that is running.  They go when two looks at
 *	least a grace period apart found them so (<deepops dir>/gc.db).
 */
#ifndef SYNC_EVICT_H
#define SYNC_EVICT_H

#include "store/remote.h"
#include "sync/sync.h"

struct evict_opts {
	bool dry_run;
	uint64_t limit;        /* bytes that the store may have */
	int64_t grace_seconds; /* for chunks that nothing names */
};

struct evict_result {
	uint64_t before;        /* bytes of the store */
	uint64_t unnamed;       /* bytes that nothing names and that go now */
	uint64_t unnamed_later; /* and those that have to wait */
	uint64_t cached;        /* bytes that go because the remote has them */
	uint64_t only_here;     /* datasets that the remote does not hold rooted */
	struct err remote;      /* why the remote could not be asked, if it had to be */
};

int evict_run(struct repo *r, struct store *s, const struct evict_opts *opts,
	      struct evict_result *out, struct err *e) MUST_CHECK;

/* Take what only `gone` names of these pointers out of the store, not what the `kept` ones share. */
int evict_pointers(struct store *s, const struct sync_plan *gone, const struct sync_plan *kept,
		   uint64_t *freed, struct err *e) MUST_CHECK;

#endif
