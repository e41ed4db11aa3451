/* SPDX-License-Identifier: MIT */
/*
 * judge_internal.h - what the parts of judge.h share
 */
#ifndef POLICY_JUDGE_INTERNAL_H
#define POLICY_JUDGE_INTERNAL_H

#include "policy/finder.h"
#include "policy/judge.h"
#include "policy/triple.h"

struct judge_triple { /* a record judged before */
	struct chunkid id;
	struct triple triple;
};

struct judge {
	const struct judge_input *in;
	struct policies policies;
	struct verdict *out;
	struct finder *finder; /* opened when first needed */
	struct treehash_cache cache;
	struct evidence evidence;  /* in->evidence, watched */
	uint64_t hash_left;        /* bytes of results that may still be hashed */
	uint64_t entries_left;     /* of datasets that may still be looked at */
	size_t decoys;             /* records looked at that did not count */
	bool store_failed;         /* it could not be asked */
	enum reason finder_reason; /* where opening failed */
	struct err finder_why;     /* code != 0: it did */
	struct judge_triple *seen;
	size_t nseen, seen_alloc;
	struct chunkset *unlinked; /* for triple_ctx */
	size_t records;            /* new ones in this push */
};

#define JUDGE_HASH_BYTES (256 * MIB)  /* of results in git, a push */
#define JUDGE_RESULT_BYTES (64 * MIB) /* of one result in git */
#define JUDGE_ENTRIES 4000000         /* of datasets in which results may stand, a push */
#define JUDGE_DECOYS 2000             /* records with a result's content that don't count, a push */

enum judge_kind { JUDGE_FILE, JUDGE_DATASET, JUDGE_NO_FILE /* a link, a submodule */ };

/* What a clone with its data reads at a place, whether git or the store has the bytes. */
struct judge_content {
	enum judge_kind kind;
	bool pointer;      /* in git stands a well-formed pointer */
	bool known;        /* else its data is not on the remote, or it is too big to be hashed */
	struct chunkid id; /* SHA-256 of the file, or dataset id */
};

/* A result as a commit has it. */
struct judge_result {
	const struct repo_oid *commit, *tree;
	const char *path;
	const struct tree_entry *entry; /* NULL: it stands in a dataset */
	const struct pointer *ptr;      /* with content.pointer, and of the dataset it stands in */
	const char *holder;             /* path of that dataset's pointer */
	const struct judge_content *whole; /* that dataset */
	struct judge_content content;
};

/* One ref under one rule. */
struct judge_pass {
	struct judge *j;
	const struct judge_update *u;
	const struct rules *rules;
	const struct rules_rule *rule;
	struct verdict_ref *out;
	struct repo_oid old_tip, new_tip; /* commits; old_tip zero: none */
	struct repo_oid *commits;         /* new ones, children first */
	size_t n, alloc;
	struct strvec sorted; /* their ids, for lookup */
	struct strvec judged; /* old tips of all refs that are judged as this one is, sorted */
	bool expired;
};

/* ---- judge_ref.c ---- */
/* May this be done to the ref at all?  Findings go to a new verdict_ref. */
int judge_ref(struct judge *j, const struct judge_update *u, struct err *e) MUST_CHECK;
/* ---- judge_names.c ---- */
/* Refuse, on every ref and whatever the rules, pointers of roots that no dataset may have. */
int judge_names(struct judge *j, struct err *e) MUST_CHECK;
/* ---- judge_journal.c ---- */
int judge_journal(struct judge *j, const struct judge_update *u, struct err *e) MUST_CHECK;
/* ---- judge_commits.c ---- */
/* Fill p->commits and p->judged.  1: go on, 0: there is a finding. */
int judge_new_commits(struct judge_pass *p, struct err *e) MUST_CHECK;
bool judge_is_new(const struct judge_pass *p, const char *commit);
/*
 * Was this very commit judged, or is it left out by the rule?  Where only ends are judged,
 * what lies inside judged history was not.
 */
int judge_is_settled(const struct judge_pass *p, const char *commit, struct err *e) MUST_CHECK;
/* Every experiment recorded of a new commit has its triple. */
int judge_experiments(struct judge_pass *p, struct err *e) MUST_CHECK;
/* ---- judge_place.c ---- */
/* Is this entry a well-formed pointer?  1 yes, 0 no. */
int judge_pointer_at(struct judge *j, const char *path, const struct tree_entry *entry,
		     struct pointer *out, struct err *e) MUST_CHECK;
/* `ptr`: initialised; filled where out->pointer. */
int judge_content_of(struct judge *j, const char *path, const struct tree_entry *entry,
		     struct judge_content *out, struct pointer *ptr, struct err *e) MUST_CHECK;
/* Does a clone of this tree read just that at `place`, as a file, by a pointer or in a dataset? 1, 0. */
int judge_stands(struct judge *j, const struct repo_oid *tree, const char *place,
		 const struct judge_content *want, struct err *e) MUST_CHECK;
struct judge_dataset {
	const char *root;
	const struct pointer *before, *now; /* before: NULL where there was none */
};
/*
 * Each place of a result in a dataset that the version before had not as it is now.
 * ERR_NOTFOUND: its nodes are not on the remote; ERR_LIMIT.
 */
typedef int (*judge_inside_fn)(void *arg, const char *path, const struct judge_content *content,
			       struct err *e);
int judge_inside(struct judge *j, const struct rules_rule *rule, const struct judge_dataset *d,
		 judge_inside_fn cb, void *arg, struct err *e) MUST_CHECK;
/* ---- judge_plain.c ---- */
/* No new commit puts a dataset's files into git itself. */
int judge_plain(struct judge_pass *p, struct err *e) MUST_CHECK;
/* ---- judge_results.c ---- */
int judge_results(struct judge_pass *p, struct err *e) MUST_CHECK;
/* ---- judge_cover.c ---- */
/* Is the file that now stands at `path` of `tree` what a run wrote that counts?  Else a finding. */
int judge_result(struct judge_pass *p, const struct judge_result *r, struct err *e) MUST_CHECK;

/* Is the data of its pointer kept on the remote?  1 yes, or it has none; 0 there is a finding. */
int judge_kept(struct judge_pass *p, const struct judge_result *r, struct err *e) MUST_CHECK;
/* The finder, or NULL after a finding that says why not. */
struct finder *judge_finder(struct judge_pass *p);
/* Judged once a push, however many results it covers. */
int judge_record(struct judge *j, const struct journal_entry *entry, const struct triple **out,
		 struct err *e) MUST_CHECK;
/* Append a finding about a commit (NULL: about the ref). */
struct verdict_finding *judge_say(struct judge_pass *p, const struct repo_oid *commit,
				  enum reason reason, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Time is up: there is a finding, stop. */
bool judge_expired(struct judge_pass *p);

#endif
