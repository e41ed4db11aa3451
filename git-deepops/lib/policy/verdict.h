/* SPDX-License-Identifier: MIT */
/*
 * verdict.h - what was found about a push, and the text that says so
 *
 * One text for the hook, `git deepops check` and CI: ASCII, at most 72 columns,
 * control bytes gone, the first line stands alone.
 *
 *	deepops: push to refs/heads/main refused (1 of 3 commits)
 *	  [E-DATA-INCOMPLETE]
 *	  4f2a91c  Raise lr to 3e-4
 *	    data: data/train (sha256:9f2c...) is recorded but 1 of its 3
 *	      shards is not on the remote
 *	    fix:  git deepops push --data-only && git push
 *	  why: rule "main" asks R2/T0 (.deepops/policy:3)
 *	  override: git push -o deepops.override="<reason>"
 */
#ifndef POLICY_VERDICT_H
#define POLICY_VERDICT_H

#include "base/buf.h"
#include "policy/reason.h"
#include "policy/rules.h"
#include "repo/repo.h"

#define VERDICT_COLUMNS 72
#define VERDICT_SHOWN 5 /* findings printed of a ref; JSON has all that were kept */
#define VERDICT_KEPT 100
#define VERDICT_TEXT_BYTES 600 /* of a finding; longer ones lose their middle */

struct verdict_finding {
	enum reason reason;
	char *commit;  /* 40 digits; NULL: about the ref or a record */
	char *subject; /* of the commit */
	char *record;  /* sha256:...; NULL */
	char *text;    /* what is wrong, naming the thing */
	char *fix;     /* a command; NULL: reason_info()->mend */
};

enum verdict_state { VERDICT_ACCEPTED, VERDICT_WARNED, VERDICT_OVERRIDDEN, VERDICT_REFUSED };

/* One ref judged by one rule; a ref with two rules stands here twice. */
struct verdict_ref {
	char *ref;
	char *old_id, *new_id;
	enum verdict_state state;
	size_t commits, bad; /* new commits, and those with a finding */
	struct verdict_finding *v;
	size_t n, alloc;
	size_t dropped; /* findings beyond VERDICT_KEPT */
	char *why;      /* rule "main" asks R2/T0 (.deepops/policy:3); NULL: no rule */
	char *override; /* how, for whom; NULL: there is none */
	char *by;       /* OVERRIDDEN: who */
};

struct verdict {
	struct verdict_ref *v;
	size_t n, alloc;
	char *override_reason; /* given with the push; NULL */
};

void verdict_init(struct verdict *v);
void verdict_release(struct verdict *v);

/* Borrowed until the next call. */
struct verdict_ref *verdict_add_ref(struct verdict *v, const char *ref, const char *old_id,
				    const char *new_id);
/* Append a finding, NULL when the ref has enough of them (it is counted). */
struct verdict_finding *verdict_add(struct verdict_ref *r, enum reason reason, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Take the last ref out again. */
void verdict_drop_last(struct verdict *v);

bool verdict_refused(const struct verdict *v);

/* Nothing for accepted refs.  `prefix` (may be "") goes before every line, not counted. */
void verdict_text(const struct verdict *v, const char *prefix, struct buf *out);
void verdict_json(const struct verdict *v, struct buf *out);

#endif
