/* SPDX-License-Identifier: MIT */
/*
 * judge.h - may this push pass?  The one engine of hook, `check` and CI
 *
 * Order: policies; what may be done to a ref at all; the structure of new
 * records; for each governed ref and each of its two rules the new commits, the
 * results that changed, and the triple of each record that is needed; overrides.
 * It only reads.  Cost follows what is new, not the history.
 *
 *	struct verdict v;
 *	verdict_init(&v);
 *	rc = judge_push(&in, &v, e);		negative: could not be judged at all
 *	verdict_text(&v, "", &text);
 */
#ifndef POLICY_JUDGE_H
#define POLICY_JUDGE_H

#include "policy/evidence.h"
#include "policy/policies.h"
#include "policy/verdict.h"
#include "run/record.h"

struct judge_update {
	const char *ref;
	struct repo_oid old_id, new_id; /* zero: made, deleted */
};

struct judge_pusher {
	const char *name;            /* NULL: not known */
	bool certified;              /* by a push certificate with a good signature and nonce */
	const char *override_reason; /* NULL: none given */
};

struct judge_input {
	struct repo *repo;
	const struct judge_update *updates;
	size_t n;
	const struct policies_from *policies; /* NULL: as the repository and its HEAD have them */
	const struct evidence *evidence;
	struct judge_pusher pusher;
	bool server;    /* also what may be done to refs, and journals; the index is only read */
	int64_t now_ms; /* wall clock */
	uint64_t deadline_ms; /* clock_mono_ms() by which to be done; 0: none */
};

/* Did it read no data where the rule asks for some? */
bool judge_lacks_data(const struct rules_rule *rule, const struct record *r);

int judge_push(const struct judge_input *in, struct verdict *out, struct err *e) MUST_CHECK;

#endif
