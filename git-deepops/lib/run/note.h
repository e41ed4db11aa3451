/* SPDX-License-Identifier: MIT */
/*
 * note.h - the line `git log` shows for a run, and its projection to refs/notes/deepops
 *
 *	Deepops-Run: 7f3a12b4c5d6 ok train.py acc=0.931 t=1h12m code=clean data=train@9f2c... rec=...
 *
 * gitformat-deepops-record(5).  Fields by single blanks in fixed order; bytes of
 * values outside [!-~], `%` and `=` are percent-encoded; ids have 12 digits;
 * level= stands just before rec=.  A projection: it can be rebuilt from journals
 * at any time.
 */
#ifndef RUN_NOTE_H
#define RUN_NOTE_H

#include "run/record.h"
#include "run/runindex.h"

#define NOTE_REF "refs/notes/deepops"
#define NOTE_PREFIX "Deepops-Run: "
#define NOTE_OVERRIDE "Deepops-Override: "
#define NOTE_MAX_METRICS 5
#define NOTE_ALL_UP_TO 5 /* from one more on: best, latest 5, summary */

struct note_line_opts {
	const char *best;  /* metric that comes first; NULL: none */
	const char *level; /* NULL: not known */
	bool stale;        /* the commit's tree is not what ran, outputs aside */
	bool same;         /* it is, though the run stood on another commit */
	bool retracted; /* it does not count: said instead of how it ended, and without a level */
};
/* Append one line with its LF. */
void note_line(const struct record *rec, const struct chunkid *id, const struct note_line_opts *o,
	       struct buf *out);
/* The same for a push that passed by override; `rec` is the server's record of it. */
void note_override(const struct record *rec, const struct chunkid *id, struct buf *out);
/* 12 digits of rec= and the level= of a line; false if it isn't one of ours. */
bool note_line_parse(const char *line, size_t len, char rec[13], char level[16]);

/*
 * Write notes in one notes commit: a commit shows the runs that stood on it or on one of the same
 * tree (before it was amended, say), and the runs whose outputs it brings in (compared with its
 * first parent).  `level` says what the server found for
 * a run that is shown (out: "" for none); NULL: take the level= of the server's copy,
 * refs/deepops/remotes/<remote>/notes/deepops.
 */
typedef int (*note_level_fn)(void *arg, const struct journal_entry *run, char out[16],
			     struct err *e);
struct note_opts {
	const struct repo_oid *commits; /* NULL: those that records name, and all of branches */
	size_t n;
	note_level_fn level;
	void *arg;
};
int note_project(struct repo *r, struct runindex *ix, const struct note_opts *o,
		 struct err *e) MUST_CHECK;

/* The runs that a commit shows, the oldest first; `cb` negative stops. */
typedef int (*note_run_fn)(void *arg, const struct journal_entry *run,
			   const struct note_line_opts *how, struct err *e);
int note_runs(struct repo *r, struct runindex *ix, const struct repo_oid *commit, note_run_fn cb,
	      void *arg, struct err *e) MUST_CHECK;

/* Notes of the commits that show a run, when something was said of it. */
int note_refresh_run(struct repo *r, const char *run, struct err *e) MUST_CHECK;
/* The note of one commit, which was made just now. */
int note_refresh_commit(struct repo *r, const struct repo_oid *commit, struct err *e) MUST_CHECK;

/*
 * What push, pull and merge do: bring the index up to the journals, and the notes of the newest
 * NOTE_REFRESH_COMMITS commits of `tips` up to the index.
 */
#define NOTE_REFRESH_COMMITS 200
int note_refresh(struct repo *r, const struct repo_oid *tips, size_t n, struct err *e) MUST_CHECK;

#endif
