/* SPDX-License-Identifier: MIT */
/*
 * journal.h - refs/deepops/log/<writer>: append-only chains of records
 *
 * One commit a record, parent = the previous commit of the same journal.  Tree
 * (missing parts are absent): record.json, commit, code/, modules/<n>,
 * inputs/<n>, outputs/<n>, large/<n>, filtered/<n>, inputs.json and other lists,
 * machine, params.json, metrics.tsv, stdout, stderr, stdin, stdout.deepops,
 * stderr.deepops, stdin.deepops, metrics.jsonl.deepops, filtered/<n>.deepops.
 * gitformat-deepops-record(5).
 *
 *	journal_iter_init(&it, repo, &tip);
 *	while ((rc = journal_next(&it, &entry, e)) == 1)
 *		...				newest first; entry is the iterator's
 *	journal_iter_release(&it);
 */
#ifndef RUN_JOURNAL_H
#define RUN_JOURNAL_H

#include "repo/repo.h"
#include "repo/tree.h"
#include "run/record.h"

#define JOURNAL_REFS "refs/deepops/log/"
#define JOURNAL_REMOTE_REFS "refs/deepops/remotes/" /* <remote>/log/<writer> */

struct journal_entry {
	struct repo_oid commit, tree;
	struct repo_oid parent; /* zero at the start of the journal */
	struct chunkid id;      /* record id: of the bytes, also when they are bad */
	struct buf bytes;       /* record.json as stored */
	bool ok;                /* rec is filled; spilled lists are back in it */
	struct err why;         /* else: what is wrong with the record */
	struct record rec;
};

void journal_entry_init(struct journal_entry *j);
void journal_entry_release(struct journal_entry *j);

/*
 * Read one commit.  A commit that isn't a journal's (several parents, no record.json)
 * or a bad record gives ok = false and why, not an error: one bad record never hides later
 * ones.  ERR_NOTFOUND: the commit is not here (shallow).
 */
int journal_read(struct repo *r, const struct repo_oid *commit, struct journal_entry *out,
		 struct err *e) MUST_CHECK;

/* Only the entry before it; empty at the start, or where this is no journal's commit. */
int journal_parent(struct repo *r, const struct repo_oid *commit, struct repo_oid *parent,
		   struct err *e) MUST_CHECK;

struct journal_iter {
	struct repo *repo;
	struct repo_oid next;
	bool cut; /* ended where history is not here, not at the journal's start */
	struct journal_entry entry;
};
void journal_iter_init(struct journal_iter *it, struct repo *r, const struct repo_oid *tip);
/* 1 an entry, valid until the next call; 0 end; negative error. */
int journal_next(struct journal_iter *it, const struct journal_entry **out,
		 struct err *e) MUST_CHECK;
void journal_iter_release(struct journal_iter *it);

/*
 * Structure that a push is refused for: `entry` follows `before` (NULL: first of its
 * journal, or history not here) with seq and prev as they must be, writer as the ref says.
 * ERR_INPUT says what is wrong; a fork record may start anew.
 */
int journal_check_link(const struct journal_entry *entry, const struct journal_entry *before,
		       const char *writer, struct err *e) MUST_CHECK;

/* "refs/deepops/log/<16 hex>" or a remote's copy of one: borrowed writer id; NULL if not such a name. */
const char *journal_ref_writer(const char *ref);

/* ---- appending ---- */

/* This clone's writer id, made at first use (<deepops dir>/writer, 16 hex digits). */
int journal_writer(struct repo *r, char out[RECORD_WRITER_HEX + 1], struct err *e) MUST_CHECK;

/*
 * Append under the writer lock: sets writer, seq, prev and recipe in `rec`, sorts and spills
 * it, writes tree, commit and ref.  `parts` holds the rest of the tree and stays the
 * caller's.  Where the remote's copy of our journal is no ancestor of ours, a copied .git
 * writes under our name too: journal_fork() is done first.
 * `out` is read back from what was written.
 */
int journal_append(struct repo *r, struct record *rec, struct tree_builder *parts,
		   struct journal_entry *out, struct err *e) MUST_CHECK;

/* Is a record of this run in our own journal already (recover asks)? 1, 0. */
int journal_has_run(struct repo *r, const char *run, struct err *e) MUST_CHECK;

/*
 * A new writer from now on.  Its journal continues at our tip with a fork record that
 * names the old writer and its seq, so that records which the old name can no longer
 * push go with the new one.
 */
int journal_fork(struct repo *r, struct err *e) MUST_CHECK;

/* ---- what an entry names ---- */

/*
 * Pointers in the entry's tree: inputs/<n>, outputs/<n>, large/<n>, filtered/<n>.deepops, logs, stdin,
 * rows of metrics.
 * What is no file there, or too long for a pointer, is passed over.
 */
struct journal_pointer {
	const char *name; /* path in the journal tree */
	const char *what; /* path in the code tree, for messages */
	const struct buf *text;
};
typedef int (*journal_pointer_fn)(void *arg, const struct journal_pointer *p, struct err *e);
int journal_pointers(struct repo *r, const struct journal_entry *j, journal_pointer_fn cb,
		     void *arg, struct err *e) MUST_CHECK;

/*
 * One file of the entry's tree, appended; 1 found, 0 absent.  What has another type or mode, or more
 * than `max` bytes, is absent, too: a push can bring anything, and a reader goes on.
 */
int journal_file(struct repo *r, const struct journal_entry *j, const char *name, size_t max,
		 struct buf *out, struct err *e) MUST_CHECK;

/* Every journal ref, own ones first; the same tip under two names comes twice. */
typedef int (*journal_ref_fn)(void *arg, const char *ref, const struct repo_oid *tip,
			      struct err *e);
int journal_refs(struct repo *r, journal_ref_fn cb, void *arg, struct err *e) MUST_CHECK;

#endif
