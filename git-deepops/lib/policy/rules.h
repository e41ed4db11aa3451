/* SPDX-License-Identifier: MIT */
/*
 * rules.h - a policy file: which refs are judged, and by what
 *
 * Syntax: gitformat-deepops-policy(5).  A file is a list of [rule "name"]
 * sections; the first whose `ref` matches governs a ref.  Unknown keys, wrong
 * values, includes and repeated keys (other than ref, results, exempt,
 * overrideBy) are errors: a rule that was not understood must not be weaker than it
 * looks.
 *
 *	struct rules rules;
 *	rules_init(&rules);
 *	rc = rules_parse(&rules, text, len, ".deepops/policy", e);
 *	rule = rules_match(&rules, "refs/heads/main");		borrowed; NULL: not governed
 *	rules_release(&rules);
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"

#define RULES_TREE_PATH ".deepops/policy" /* in the HEAD branch's tree */
#define RULES_SETTINGS ".deepops/"        /* holds no results, whatever the patterns */
#define RULES_FLOOR_FILE "policy"         /* in the deepops directory of the bare repository */
#define RULES_MAX_LEVEL 2                 /* what this version can verify */
#define RULES_MAX_TRUST 0

enum rules_mode { RULES_OFF, RULES_WARN, RULES_ENFORCE };
enum rules_require { RULES_TIP, RULES_EVERY, RULES_FIRST_PARENT };
enum rules_signed { RULES_UNSIGNED, RULES_SIGNED_RECORD, RULES_SIGNED_PUSH };
enum rules_override { RULES_NO_OVERRIDE, RULES_OVERRIDE_OPTION, RULES_OVERRIDE_SIGNED };
enum rules_compare { RULES_GE, RULES_GT, RULES_LE, RULES_LT };

struct rules_gate {   /* metric = val_acc >= 0.90 */
	char *metric; /* NULL: none */
	enum rules_compare compare;
	double value;
	char *text; /* as written */
};

struct rules_rule {
	char *name;
	unsigned int line;  /* of its header */
	unsigned int given; /* keys that stand in it, for rules_has() */
	struct strvec refs;
	enum rules_mode mode;
	bool mode_given;
	char *since_commit; /* 40 or 64 hex digits: history that is not judged */
	int64_t since_ms;   /* before that time only warnings; 0: none */
	unsigned int level, trust;
	bool machine_image; /* machine = image */
	struct strvec results, exempt;
	bool match_tree; /* match = tree */
	enum rules_require require;
	bool no_data_allowed, ignored_refused, rewind_allowed;
	bool retract_writer; /* only the journal that has a run may retract it */
	struct rules_gate gate;
	enum rules_signed signing;
	enum rules_override override;
	struct strvec override_by;
};

struct rules {
	char *name; /* for messages; NULL: the built-in default */
	struct rules_rule *v;
	size_t n, alloc;
};

void rules_init(struct rules *r);
void rules_release(struct rules *r);

/* ERR_INPUT "name:line: what", ERR_LIMIT. */
int rules_parse(struct rules *r, const void *text, size_t len, const char *name,
		struct err *e) MUST_CHECK;
/* One rule on `ref`, R2: what a repository without any policy has (warn), and a bare --mode enforce. */
void rules_default(struct rules *r, const char *ref, enum rules_mode mode);
/* The text of such a file. */
void rules_default_text(struct buf *out, const char *ref, enum rules_mode mode);

const struct rules_rule *rules_match(const struct rules *r, const char *ref);

/* Does this key stand in the rule, or is its value the default? */
bool rules_has(const struct rules_rule *rule, const char *key);

/* Is this path a result / left out of comparisons?  Result means: and not exempt. */
bool rules_is_result(const struct rules_rule *rule, const char *path);
bool rules_is_exempt(const struct rules_rule *rule, const char *path);
/*
 * A file and its pointer are one place.  Is what stands at `path` in the place of a result: a
 * result itself, the pointer of one, the file whose pointer a pattern names (model.npz where the
 * pattern is model.npz.deepops, but nothing where it is *.deepops, which names no file), or
 * something below such a file, were it a directory?
 */
bool rules_is_place(const struct rules_rule *rule, const char *path);
/* Were this path a directory or a dataset, could results stand in it, at any depth? */
bool rules_may_hold(const struct rules_rule *rule, const char *path);
/* Were this path a directory, could results stand in it?  What is a link there hides them. */
bool rules_leads_to_results(const struct rules_rule *rule, const char *path);

/* What the rule asks that this version can't verify, as words; NULL: nothing. */
const char *rules_unsupported(const struct rules_rule *rule);

/* May somebody override by no more than a name, which the server has to know from somewhere? */
bool rules_trusts_names(const struct rules *r);
/* Warnings for people: patterns that don't do what they seem to, rules that never match. */
void rules_lint(const struct rules *r, struct strvec *warnings);

const char *rules_mode_name(enum rules_mode m);
const char *rules_require_name(enum rules_require v);
const char *rules_signed_name(enum rules_signed v);
const char *rules_override_name(enum rules_override v);

#endif
