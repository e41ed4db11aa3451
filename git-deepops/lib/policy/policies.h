/* SPDX-License-Identifier: MIT */
/*
 * policies.h - the two policies of a repository; both must pass
 *
 * The floor, <deepops dir>/policy, which no push can touch, and .deepops/policy in
 * the HEAD branch's tip as it was before the push.  HEAD's branch is its full symbolic
 * target: revparse would find a pushed refs/heads/HEAD.  An unborn or detached HEAD
 * means the floor alone.  Without either, the default warns on HEAD's branch.
 */
#ifndef POLICY_POLICIES_H
#define POLICY_POLICIES_H

#include "policy/rules.h"
#include "repo/repo.h"

enum policies_which { POLICIES_FLOOR, POLICIES_TREE, POLICIES_COUNT };

struct policies {
	struct rules rules[POLICIES_COUNT]; /* empty where there is none */
	struct err bad[POLICIES_COUNT];     /* code != 0: malformed, so nothing can be judged */
	char *head;                         /* full name of HEAD's branch; NULL: detached */
};

struct policies_from {
	const char *floor_path;        /* NULL: the repository's */
	const struct buf *floor_text;  /* instead of a file; NULL: the file */
	const char *floor_name;        /* of floor_text, for messages; NULL: it has none */
	const char *head;              /* NULL: look it up */
	const struct repo_oid *commit; /* whose tree has the policy; NULL: unborn or none */
};

void policies_init(struct policies *p);
void policies_release(struct policies *p);
/* Reading fails only for reasons of the system; a malformed file sets bad[]. */
int policies_load(struct policies *p, struct repo *r, const struct policies_from *from,
		  struct err *e) MUST_CHECK;

/* The HEAD branch of a bare repository and its tip; both empty when detached, the tip zero when unborn. */
int policies_head(struct repo *r, struct buf *head, struct repo_oid *tip, struct err *e) MUST_CHECK;

/* Is a .deepops/policy in this commit's tree malformed?  1 and `why` set, 0 no or absent. */
int policies_tree_is_bad(struct repo *r, const struct repo_oid *commit, struct err *why,
			 struct err *e) MUST_CHECK;

/* The rule of one policy that governs `ref`; NULL: none, or its mode is off. */
const struct rules_rule *policies_rule(const struct policies *p, enum policies_which which,
				       const char *ref);
/* Are two refs governed by the same rule in both policies? */
bool policies_same(const struct policies *p, const char *a, const char *b);

#endif
