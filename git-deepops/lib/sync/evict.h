/* SPDX-License-Identifier: MIT */
/*
 * evict.h - making the local store smaller without losing anything
 *
 * Two things may go:
 *
 *	data that the remote, asked now, keeps (kept.h): a cache.  Only as much as brings
 *	the store below its limit, versions that the work tree does not use first.  What is
 *	merely pinned there stays here: nothing names it yet.
 *
 *	chunks that no pointer anywhere in the clone names: what was tracked and never
 *	committed, or belongs to a command that is running.  They go when two looks at
 *	least a grace period apart found them so, and nobody stored them again in between.
 *
 * What names something is looked up under the store's lock, which shuts out everybody who
 * stores, or has found something here and not named it yet (store_hold).  The remote is asked
 * before; what is named since then counts as being nowhere else.
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
	uint64_t only_here;     /* versions that the remote does not keep */
	struct err remote;      /* why the remote could not be asked, if it had to be */
};

int evict_run(struct repo *r, struct store *s, const struct evict_opts *opts,
	      struct evict_result *out, struct err *e) MUST_CHECK;

/*
 * ERR_DENIED: others push to this repository, so what is in its store is theirs.  Both functions
 * here ask this first.
 */
int evict_allowed(struct repo *r, struct store *s, struct err *e) MUST_CHECK;

/* Versions that the remote keeps (kept.h), as both functions need to know them. */
void evict_note_safe(struct chunkset *safe, const struct pointer *p);

struct evict_drop {
	const struct sync_plan *gone; /* these versions */
	const struct sync_plan *stay; /* the work tree's other datasets */
	const struct chunkset *safe;  /* versions that may lose what they share; NULL: none */
};
/*
 * Take what `gone` names out of the store, but nothing that is also named by `stay` or by any other
 * version in this clone that is not safe.
 */
int evict_pointers(struct repo *r, struct store *s, const struct evict_drop *what, uint64_t *freed,
		   struct err *e) MUST_CHECK;

#endif
