/* SPDX-License-Identifier: MIT */
/*
 * runindex_internal.h - members of struct runindex, for runindex.c and runindex_query.c
 */
#ifndef RUN_RUNINDEX_INTERNAL_H
#define RUN_RUNINDEX_INTERNAL_H

#include "base/db.h"
#include "run/runindex.h"

struct runindex_hash {
	struct repo_oid git;
	struct chunkid hash;
};

struct runindex {
	struct repo *repo;
	struct db *db;
	struct buf path;
	bool readonly;
	uint64_t added;
	struct runindex_hash *hashes; /* put, not written yet */
	size_t nhashes, hashes_alloc;
};

#endif
