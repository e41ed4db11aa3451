/* SPDX-License-Identifier: MIT */
/*
 * samecode.h - is the code of a commit the code that ran?
 *
 * Both sides are trees: what ran, `code` of a journal entry, and that of a commit.  Left out on both
 * sides alike:
 *	outputs of the run, where the commit holds what the record says of them, or no longer
 *		has them; a program that ran is code, though it is declared as an output
 *	lines that git-deepops itself writes into .gitignore and .gitattributes
 *	what `skip` names
 */
#ifndef RUN_SAMECODE_H
#define RUN_SAMECODE_H

#include "data/pointer.h"
#include "repo/tree.h"
#include "run/journal.h"

struct samecode {
	struct repo *repo;
	const struct journal_entry *entry;
	const struct repo_oid *tree;
	/* `a` as it ran, `b` as the commit has it; mode 0: not there.  NULL: nothing. */
	bool (*skip)(void *arg, const char *path, const struct tree_entry *a,
		     const struct tree_entry *b);
	void *skip_arg;
	/*
	 * Dataset id of a pointer, and the text of a node; ERR_NOTFOUND.  NULL: nobody can be asked, and
	 * a dataset is taken for the output where its numbers of files and bytes are.
	 */
	int (*dataset)(void *arg, const struct pointer *p, struct chunkid *id, struct err *e);
	node_load_fn node;
	void *data_arg;
	/*
	 * For a verdict: files that ran with other bytes than git has, or that the code tree has only by
	 * id, have to be the commit's, too.
	 */
	bool exact;
};

/* 1: it is other code, and `differs` (may be NULL) says what; 0: the same. */
int samecode_differs(const struct samecode *s, struct buf *differs, struct err *e) MUST_CHECK;

#endif
