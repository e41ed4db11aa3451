/* SPDX-License-Identifier: MIT */
/* rules_lint.c - what in a policy does not do what it seems to; see rules.h */
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "policy/rules.h"

static void warn(const struct rules *r, const struct rules_rule *rule, struct strvec *out,
		 const char *what)
{
	strvec_pushf(out, "%s:%u: rule \"%s\": %s", r->name ? r->name : "policy", rule->line,
		     rule->name, what);
}

/* `**` that is not a whole component is only a star: it does not cross a slash. */
static bool half_double_star(const char *pattern)
{
	for (const char *p = strstr(pattern, "**"); p; p = strstr(p + 2, "**")) {
		bool left = p == pattern || p[-1] == '/';
		bool right = !p[2] || p[2] == '/';

		if (!left || !right)
			return true;
	}
	return false;
}

static void lint_patterns(const struct rules *r, const struct rules_rule *rule,
			  const struct strvec *patterns, const char *key, struct strvec *out)
{
	for (size_t i = 0; i < patterns->nr; i++) {
		const char *p = patterns->v[i];
		struct buf what = BUF_INIT;

		if (half_double_star(p))
			buf_addf(&what,
				 "%s = %s: ** beside other characters does not cross a slash, so "
				 "nested files are missed",
				 key, p);
		else if (str_endswith(p, "/") && strcmp(key, "ref") != 0)
			buf_addf(&what, "%s = %s: matches what is in directories of that name only",
				 key, p);
		else if (p[0] == '!' && !i)
			buf_addf(&what, "%s = %s: there is nothing before it to take back", key, p);
		if (what.len)
			warn(r, rule, out, what.p);
		buf_release(&what);
	}
}

/* An earlier rule that takes every ref this pattern names literally. */
static void lint_shadowed(const struct rules *r, size_t at, struct strvec *out)
{
	for (size_t j = 0; j < r->v[at].refs.nr; j++) {
		const char *ref = r->v[at].refs.v[j];

		for (size_t i = 0; i < at; i++) {
			bool same = false;

			for (size_t k = 0; k < r->v[i].refs.nr; k++)
				same = same || !strcmp(r->v[i].refs.v[k], ref) ||
				       (!strpbrk(ref, "*?[\\") &&
					wildmatch(r->v[i].refs.v[k], ref));
			if (same) {
				strvec_pushf(out,
					     "%s:%u: rule \"%s\": ref = %s is taken by rule \"%s\" "
					     "before it",
					     r->name ? r->name : "policy", r->v[at].line,
					     r->v[at].name, ref, r->v[i].name);
				break;
			}
		}
	}
}

/* Keys that say something of results, where there are none. */
static void lint_without_results(const struct rules *r, const struct rules_rule *rule,
				 struct strvec *out)
{
	static const char *const keys[] = {"match", "require", "exempt", "ignored", "metric"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char *what = xstrfmt("%s has no effect without results", keys[i]);

		if (rules_has(rule, keys[i]))
			warn(r, rule, out, what);
		free(what);
	}
}

static void lint_rule(const struct rules *r, const struct rules_rule *rule, struct strvec *out)
{
	const char *beyond = rules_unsupported(rule);

	if (!rule->mode_given)
		warn(r, rule, out, "no mode, so it only warns");
	if (rule->mode == RULES_OFF)
		return;
	if (!rule->results.nr)
		warn(r, rule, out, "no results: only what records say of new commits is judged");
	if (!rule->results.nr)
		lint_without_results(r, rule, out);
	if (rule->override_by.nr && rule->override == RULES_NO_OVERRIDE)
		warn(r, rule, out, "overrideBy without override = option or signed");
	if (rule->override != RULES_NO_OVERRIDE && !rule->override_by.nr)
		warn(r, rule, out, "override without overrideBy: anybody known may");
	if (beyond) {
		struct buf what = BUF_INIT;

		buf_addf(&what, "asks for %s, which this version can't verify: it refuses %s",
			 beyond, "every push");
		warn(r, rule, out, what.p);
		buf_release(&what);
	}
}

bool rules_trusts_names(const struct rules *r)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->v[i].mode != RULES_OFF && r->v[i].override == RULES_OVERRIDE_OPTION)
			return true;
	}
	return false;
}

void rules_lint(const struct rules *r, struct strvec *warnings)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct rules_rule *rule = &r->v[i];

		lint_rule(r, rule, warnings);
		lint_patterns(r, rule, &rule->refs, "ref", warnings);
		lint_patterns(r, rule, &rule->results, "results", warnings);
		lint_patterns(r, rule, &rule->exempt, "exempt", warnings);
		lint_shadowed(r, i, warnings);
	}
}
