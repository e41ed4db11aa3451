/* SPDX-License-Identifier: MIT */
/*
 * runindex.h - <deepops dir>/runs.db: journals in a form that can be asked
 *
 * Rebuildable: journals are the truth.  runindex_update() reads what is new
 * since the heads it knows; a broken file is set aside (runs.db.broken-<time>)
 * and built again.  The same code on a client (own and fetched journals) and
 * in a bare repository.
 *
 *	runindex_open(&ix, repo, 0, e);
 *	runindex_update(ix, e);
 *	runindex_by_commit(ix, &commit, cb, arg, e);
 *	runindex_close(&ix);
 */
#ifndef RUN_RUNINDEX_H
#define RUN_RUNINDEX_H

#include "repo/repo.h"
#include "run/journal.h"
#include "run/record.h"

struct runindex;

enum runindex_flags {
	RUNINDEX_READONLY = 1 << 0, /* hooks: never written; ERR_NOTFOUND when absent */
};

int runindex_open(struct runindex **out, struct repo *r, enum runindex_flags flags,
		  struct err *e) MUST_CHECK;
void runindex_close(struct runindex **ix); /* NULL is fine */

/* Bring it up to the journals' heads.  `added` (may be NULL) counts new rows. */
int runindex_update(struct runindex *ix, uint64_t *added, struct err *e) MUST_CHECK;
/* Forget everything and read all journals again. */
int runindex_rebuild(struct runindex *ix, struct err *e) MUST_CHECK;

/* Is this entry known?  Hooks walk from a pushed tip to the first that is. */
bool runindex_has_journal_commit(struct runindex *ix, const struct repo_oid *commit);

struct runindex_row {            /* strings valid during the callback only; "" where absent */
	struct repo_oid journal; /* read the rest with journal_read() */
	const char *record;      /* sha256:... */
	const char *run;
	const char *kind;
	const char *writer;
	int64_t seq;
	const char *commit, *code_tree, *base_tree;
	const char *title, *author, *program;
	const char *parent;
	int64_t started, wall_ms; /* RECORD_NONE where absent */
	int64_t exit, signal;
	bool dirty;
	const char *level; /* what `judge` found, "R0" to "R2"; "": nobody looked */
	const char *judge;
	/* Canonical JSON for `runs --json`: objects by name, arrays of objects. */
	const char *metrics, *params, *inputs, *outputs;
	const char *summary; /* of the metrics, for a table */
	bool retracted;      /* by a later record */
	int found;           /* runindex_found(); -1: nobody looked */
};
typedef int (*runindex_fn)(void *arg, const struct runindex_row *row, struct err *e);

/*
 * Runs and reruns, newest first by start time.  `cb` negative stops.
 *	where	"metric.acc>0.9 AND tag:baseline AND input:data/train AND exit=0": terms joined
 *		by AND, see git-deepops-runs(1); ERR_INPUT names the term that is not understood
 *	sort	NULL, "started", "wall", "seq", "title", or "metric.<name>", "-" in front: descending
 */
struct runindex_list {
	const char *where, *sort;
	uint64_t limit; /* 0: all */
};
int runindex_list(struct runindex *ix, const struct runindex_list *l, runindex_fn cb, void *arg,
		  struct err *e) MUST_CHECK;
int runindex_count(struct runindex *ix, uint64_t *runs, struct err *e) MUST_CHECK;
int runindex_by_commit(struct runindex *ix, const struct repo_oid *commit, runindex_fn cb,
		       void *arg, struct err *e) MUST_CHECK;
/* Records among whose outputs is this git blob (path NULL: any), or this content or dataset id. */
int runindex_by_output_blob(struct runindex *ix, const char *path, const struct repo_oid *blob,
			    runindex_fn cb, void *arg, struct err *e) MUST_CHECK;
/* Is there any such record?  1, 0. */
int runindex_has_output(struct runindex *ix, const struct repo_oid *blob, struct err *e) MUST_CHECK;
int runindex_by_output_id(struct runindex *ix, const char *path, const struct chunkid *id,
			  runindex_fn cb, void *arg, struct err *e) MUST_CHECK;
/* Runs whose code was this tree, or that stood on a commit that has it. */
int runindex_by_tree(struct runindex *ix, const struct repo_oid *tree, runindex_fn cb, void *arg,
		     struct err *e) MUST_CHECK;

/* Who said first that this run does not count; `writer`: looked for only there, NULL: anywhere. */
struct runindex_retraction {
	bool retracted;
	char writer[RECORD_WRITER_HEX + 1];
	char author[128]; /* as that record has it, cut */
};
int runindex_retraction(struct runindex *ix, const char *run, const char *writer,
			struct runindex_retraction *out, struct err *e) MUST_CHECK;

/*
 * A unique prefix (>= 4 digits) of a run id or record id, with or without "sha256:".
 * ERR_NOTFOUND; ERR_INPUT when it is ambiguous, with the candidates in the hint.
 */
int runindex_find(struct runindex *ix, const char *prefix, struct repo_oid *journal,
		  struct err *e) MUST_CHECK;

/* Commits that runs and overrides name, each once. */
typedef int (*runindex_commit_fn)(void *arg, const struct repo_oid *commit, struct err *e);
int runindex_commits(struct runindex *ix, runindex_commit_fn cb, void *arg,
		     struct err *e) MUST_CHECK;

/* Commits whose notes show a run: written with the notes, asked when the run's words change. */
int runindex_shown(struct runindex *ix, const struct strvec *commits,
		   const struct strvec *pairs, /* "<commit> <run>" */
		   struct err *e) MUST_CHECK;
int runindex_shown_on(struct runindex *ix, const char *run, runindex_commit_fn cb, void *arg,
		      struct err *e) MUST_CHECK;

/*
 * What a judge of the name `judge` found of a record, as far as that follows from bytes that
 * can't change; policy/ knows the form.  And the level that a server found when it last
 * looked: a hint by which good records are found first, never a verdict.
 */
int runindex_verdict_get(struct runindex *ix, const char *record, const char *judge,
			 struct buf *out); /* 1 found, 0 not */
int runindex_verdict_put(struct runindex *ix, const char *record, const char *judge,
			 const struct buf *findings, struct err *e) MUST_CHECK;
int runindex_found(struct runindex *ix, const struct repo_oid *journal, unsigned int level,
		   struct err *e) MUST_CHECK;
int runindex_get_found(struct runindex *ix, const struct repo_oid *journal,
		       unsigned int *level); /* 1 known, 0 not */

/*
 * Levels for listings, kept so that each record is judged once.  Who judges is above this layer:
 * the name of the judge stands with each level, and a row of another judge is to be judged anew.
 */
struct runindex_level {
	struct repo_oid journal;
	char level[4];
};
int runindex_levels(struct runindex *ix, const struct runindex_level *v, size_t n,
		    const char *judge, struct err *e) MUST_CHECK;
/* Runs and reruns that have no level of this judge. */
int runindex_unjudged(struct runindex *ix, const char *judge, runindex_fn cb, void *arg,
		      struct err *e) MUST_CHECK;

/*
 * Hashes of git trees and blobs, for treehash.h.  What put is given is written by
 * runindex_flush() (and by runindex_close()), in one transaction.
 */
struct treehash_cache;
void runindex_treehash_cache(struct runindex *ix, struct treehash_cache *out);
int runindex_flush(struct runindex *ix, struct err *e) MUST_CHECK;

#endif
