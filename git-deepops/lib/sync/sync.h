/* SPDX-License-Identifier: MIT */
/*
 * sync.h - data, journal, branch: what a push sends and a fetch brings
 *
 *	sync_push_data(repo, &where, &want, &opts, &result, e);
 *	sync_push_journal(repo, &where, result.asked_all, &records, e);
 *
 * The order is the contract: nothing that names bytes leaves before the bytes
 * are durable on the remote.  Everything can be interrupted and run again: the
 * remote keeps what it acknowledged.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "base/strvec.h"
#include "data/pointer.h"
#include "repo/repo.h"
#include "store/store.h"
#include "sync/where.h"

/* ---- what to send ---- */

struct sync_item {
	char *name; /* for messages: "data.deepops", "run 7f3a12: data" */
	struct pointer pointer;
	bool lenient; /* skip it if it is neither there nor here */
	bool sent;    /* by a push: the remote lacked something of it */
	bool absent;  /* by a push: lenient, and skipped */
};

struct sync_plan {
	struct sync_item *items;
	size_t n, alloc;
	struct chunkset *seen;   /* split keys */
	struct repo_oid journal; /* own tip covered by the plan; empty if none */
	struct strvec tips;      /* commits covered */
	uint64_t unread;         /* pointers that a partial clone has not here */
	char *later; /* the first pointer or record of a later version: what it names is not known; NULL: none */
};

void sync_plan_init(struct sync_plan *p);
void sync_plan_release(struct sync_plan *p);

/* A pointer's text; a malformed one is ERR_INPUT naming it. Same pointer twice counts once. */
int sync_plan_add(struct sync_plan *p, const char *name, const void *text, size_t len, bool lenient,
		  struct err *e) MUST_CHECK;
int sync_plan_add_pointer(struct sync_plan *p, const char *name, const struct pointer *version,
			  struct err *e) MUST_CHECK;
/* The dataset at `root` as the work tree's pointer has it. */
int sync_plan_add_dataset(struct sync_plan *p, struct repo *r, const char *root,
			  struct err *e) MUST_CHECK;

/* Leniently, every pointer in the history of every branch, tag and tracking branch. */
int sync_plan_refs(struct sync_plan *p, struct repo *r, struct err *e) MUST_CHECK;
/* The same for everything that a ref but a journal, the stash or a reflog leads to. */
int sync_plan_reflogs(struct sync_plan *p, struct repo *r, struct err *e) MUST_CHECK;

/* ---- sending ---- */

/* What a push has to make good; the own journal always. */
struct sync_want {
	struct strvec tips;  /* commits that leave: what their trees name must be complete there */
	struct strvec older; /* the same of tags: skipped where it is neither there nor here */
	bool all; /* every version that any ref or journal here names, whatever went before */
};

struct sync_opts {
	bool dry_run;
	uint64_t bytes_per_second; /* 0: no limit */
};

struct sync_result {
	uint64_t chunks, bytes; /* sent, or with dry_run would be (stored bytes) */
	uint64_t datasets;      /* that were not complete there */
	uint64_t skipped;       /* lenient ones neither there nor here */
	uint64_t unread;        /* pointers of other commits that a partial clone has not here */
	char skipped_name[128]; /* the first of them, fit for a terminal */
	bool asked_all; /* nothing was known of this store: the whole history was asked about */
	bool forgotten; /* because it lacks what it was seen to have */
};

/*
 * Make good on the remote: what the trees of want->tips name, and leniently what their history and
 * the own journal name beyond what this store was seen to have (sync_internal.h).  Tracking refs say
 * nothing of data: branches get there without it.  Connects only if there is data at all.
 */
int sync_push_data(struct repo *r, const struct where *w, const struct sync_want *want,
		   const struct sync_opts *opts, struct sync_result *out, struct err *e) MUST_CHECK;

/* Say on stderr what could not be sent. */
void sync_warn_skipped(const struct sync_result *res);

/* Do the trees of the commits in want hold any dataset? What can't be read counts as none. */
bool sync_names_data(struct repo *r, const struct sync_want *want);

/*
 * Push the own journal, at most PUSH_MAX_RECORDS records at a time, in a push of its own
 * (no tags, hooks of ours quiet).  A journal that the remote refuses as not its own continues
 * under a new writer.  *records is how many went.  What a git URL has is remembered by that URL;
 * with `ask` it is asked all the same.
 */
int sync_push_journal(struct repo *r, const struct where *w, bool ask, uint64_t *records,
		      struct err *e) MUST_CHECK;

/* Set in the environment of nested git commands: our hooks then do nothing. */
#define SYNC_GUARD_ENV "DEEPOPS_IN_PUSH"

/* ---- bringing ---- */

struct sync_fetch_opts {
	const struct strvec *include, *exclude; /* globs on paths inside a dataset; NULL: none */
	bool nodes_only;                        /* the lists of files, without the files */
};

/*
 * Bring into the local store what it lacks of `items`.  ERR_NOTFOUND names the dataset whose
 * bytes the remote lacks.  Connects only when something is missing.
 */
int sync_fetch(struct repo *r, const struct where *w, const struct sync_item *items, size_t n,
	       const struct sync_fetch_opts *opts, struct sync_result *out,
	       struct err *e) MUST_CHECK;

#endif
