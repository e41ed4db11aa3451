/* SPDX-License-Identifier: MIT */
/*
 * rawobj.h - commits, trees and tags from their bytes, as tolerantly as git reads them
 *
 * libgit2 refuses objects that git takes, keeps and checks out: a tree mode with further
 * bits, a commit without an author, an address without a mail.  Such objects are in many old
 * histories, and anybody may push them, so nothing of ours may stop at one.  What git itself
 * can't read is ERR_CORRUPT.  The only place that knows how long an object id is in a tree.
 *
 *	rc = rawobj_tree_open(&t, repo, &id, e);
 *	while (rc == 0 && (rc = rawobj_tree_next(&t, &entry, e)) == 1)
 *		...				entry.name is valid until rawobj_tree_close()
 *	rawobj_tree_close(&t);
 */
#ifndef REPO_RAWOBJ_H
#define REPO_RAWOBJ_H

#include "repo/repo.h"
#include "repo/tree.h"

struct rawobj_commit {
	struct repo_oid tree;
	struct repo_oid *parents; /* owned */
	size_t nparents;
	int64_t date; /* of the committer, seconds; 0 where git finds none */
};

int rawobj_commit_read(struct repo *r, const struct repo_oid *id, struct rawobj_commit *out,
		       struct err *e) MUST_CHECK;
void rawobj_commit_release(struct rawobj_commit *c);
/* From the bytes of a commit. */
int rawobj_commit_parse(struct rawobj_commit *out, const char *text, struct err *e) MUST_CHECK;

/* Follow tags from `id` to a commit.  ERR_INPUT: it ends at something else. */
int rawobj_peel(struct repo *r, const struct repo_oid *id, struct repo_oid *commit,
		struct err *e) MUST_CHECK;

struct rawobj_tree {
	void *object;     /* of libgit2, holds the bytes; NULL: others do */
	struct buf bytes; /* fetched by git, in a partial clone */
	const unsigned char *at, *end;
};

int rawobj_tree_open(struct rawobj_tree *t, struct repo *r, const struct repo_oid *id,
		     struct err *e) MUST_CHECK;
/* The bytes of a tree; they are the caller's and outlive `t`. */
void rawobj_tree_of(struct rawobj_tree *t, const void *bytes, size_t len);
/* 1 an entry, its mode as git takes it; 0 end.  Entries come as they stand, sorted or not. */
int rawobj_tree_next(struct rawobj_tree *t, struct tree_entry *out, struct err *e) MUST_CHECK;
/*
 * Take from `units` what reading this tree costs: one, and one for each 4 KiB.  False, and none
 * are left, where there are too few.
 */
bool rawobj_tree_spend(const struct rawobj_tree *t, uint64_t *units);
void rawobj_tree_close(struct rawobj_tree *t); /* fine when opening failed */

#endif
