/* SPDX-License-Identifier: MIT */
/*
 * finder.h - the records that speak of a commit or a file
 *
 * The run index answers for what it knows; journal tails newer than it (records
 * that came with this push, or seconds ago) are read and searched in memory.
 * Nothing is written.
 *
 *	finder_open(&f, repo, tips, n, FINDER_READONLY, e);
 *	finder_by_commit(f, &commit, cb, arg, e);
 *	finder_close(&f);
 */
#ifndef POLICY_FINDER_H
#define POLICY_FINDER_H

#include "run/journal.h"
#include "run/runindex.h"
#include "run/treehash.h"

#define FINDER_MAX_TAIL 5000 /* entries read beside the index; more means it is not kept up */

struct finder;

enum finder_flags {
	FINDER_READONLY = 1 << 0, /* the index must be there and is not written */
};

/*
 * `tips`: journal tips that refs don't name yet (the pushed ones).  Their records are found like
 * others, but finder_came_along() knows them, and what they retract is not.  ERR_NOTFOUND: no
 * index; ERR_LIMIT: it is far behind.
 */
int finder_open(struct finder **out, struct repo *r, const struct repo_oid *tips, size_t n,
		enum finder_flags flags, struct err *e) MUST_CHECK;
void finder_close(struct finder **f); /* NULL is fine */

/*
 * Is it only in what is being pushed?  After the hook git may take one ref and refuse
 * another (objects missing, somebody else was faster), so such an entry proves nothing yet.
 */
bool finder_came_along(const struct finder *f, const struct journal_entry *entry);

/* A run that the last search passed over because it was retracted; NULL: none. */
const char *finder_skipped(const struct finder *f);
/* "run 7f3a12b4c5d6 was retracted by NAME (journal WRITER)", where there is one. */
void finder_say_skipped(const struct finder *f, struct buf *out);
/* From now on: does only its own journal retract a run, or anybody's? */
void finder_retract_by(struct finder *f, bool writer);

/* The index's cache of tree hashes. */
void finder_treehash_cache(struct finder *f, struct treehash_cache *out);

/* The index itself; borrowed. */
struct runindex *finder_index(struct finder *f);

/* Runs and reruns only, well-formed, not retracted; `cb` positive stops with 0. */
typedef int (*finder_fn)(void *arg, const struct journal_entry *entry, struct err *e);
/*
 * `skip` (may be NULL): asked before a record is read that was found to count when the server
 * looked; true passes it over.
 */
typedef bool (*finder_skip_fn)(void *arg, const struct runindex_row *row);
int finder_by_commit(struct finder *f, const struct repo_oid *commit, finder_skip_fn skip,
		     finder_fn cb, void *arg, struct err *e) MUST_CHECK;
/* Whose outputs hold this git blob, or this content or dataset. */
int finder_by_blob(struct finder *f, const struct repo_oid *blob, finder_fn cb, void *arg,
		   struct err *e) MUST_CHECK;
int finder_by_id(struct finder *f, const struct chunkid *id, finder_fn cb, void *arg,
		 struct err *e) MUST_CHECK;

#endif
