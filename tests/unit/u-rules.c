/* SPDX-License-Identifier: MIT */
/* u-rules.c - policies: what is read, refused, matched and warned of; see policy/rules.h */
#include "policy/rules.h"
#include "tap.h"

static const char full[] = "; a comment\n"
			   "[rule \"main\"]\n"
			   "\tref = refs/heads/main\n"
			   "\tref = refs/heads/release/*   # a list\n"
			   "\tmode = enforce\n"
			   "\tsince = 2026-01-31\n"
			   "\tlevel = R2/T0\n"
			   "\tmachine = capture\n"
			   "\tresults = metrics.json\n"
			   "\tresults = models/**/*.deepops\n"
			   "\tmatch = tree\n"
			   "\trequire = first-parent\n"
			   "\texempt = docs/**\n"
			   "\tnoData = allow\n"
			   "\tignored = refuse\n"
			   "\tmetric = val_acc >= 0.90\n"
			   "\tsigned = push\n"
			   "\trewind = allow\n"
			   "\toverride = option\n"
			   "\toverrideBy = alice@example.org\n"
			   "[rule \"rest\"]\n"
			   "\tref = refs/heads/**\n";

static void test_full(void)
{
	struct err e = ERR_INIT;
	struct rules r;
	const struct rules_rule *m;

	rules_init(&r);
	ok(rules_parse(&r, full, strlen(full), "policy", &e) == 0, "reads: %s", e.msg);
	m = rules_match(&r, "refs/heads/release/1");
	ok(m && !strcmp(m->name, "main") && m->line == 2, "the rule of a ref");
	ok(m->mode == RULES_ENFORCE && m->level == 2 && m->trust == 0 && !m->machine_image,
	   "mode, "
	   "level");
	ok(m->match_tree && m->require == RULES_FIRST_PARENT && m->no_data_allowed, "match, "
										    "require");
	ok(m->ignored_refused && m->rewind_allowed && m->signing == RULES_SIGNED_PUSH, "switches");
	ok(m->override == RULES_OVERRIDE_OPTION && m->override_by.nr == 1, "override");
	ok(m->since_ms == INT64_C(1769817600000) && !m->since_commit, "since");
	ok(m->gate.compare == RULES_GE && m->gate.value > 0.89 && m->gate.value < 0.91, "gate");
	is_str(m->gate.metric, "val_acc", "metric");
	ok(rules_is_result(m, "metrics.json") && rules_is_result(m, "a/metrics.json"), "results");
	ok(rules_is_result(m, "models/a/b/x.deepops") && !rules_is_result(m, "models/x"), "deep");
	ok(!rules_is_result(m, "docs/metrics.json") && rules_is_exempt(m, "docs/a"), "exempt");
	m = rules_match(&r, "refs/heads/a/b");
	ok(m && !strcmp(m->name, "rest") && m->mode == RULES_WARN, "the next one; its mode");
	ok(!rules_match(&r, "refs/tags/v1"), "a ref without a rule");
	rules_release(&r);
}

/* The length of an id is that of the repository. */
static void test_since_id(void)
{
	static const int good[] = {40, 64}, wrong[] = {39, 41, 63, 65};
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct rules r;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		rules_init(&r);
		buf_reset(&text);
		buf_addf(&text, "[rule \"a\"]\n\tref = refs/heads/a\n\tsince = %0*d\n", good[i], 7);
		ok(rules_parse(&r, text.p, text.len, "p", &e) == 0, "%d digits: %s", good[i],
		   e.msg);
		ok(r.n == 1 && r.v[0].since_commit &&
			   strlen(r.v[0].since_commit) == (size_t)good[i],
		   "kept whole");
		rules_release(&r);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		rules_init(&r);
		buf_reset(&text);
		buf_addf(&text, "[rule \"a\"]\n\tref = refs/heads/a\n\tsince = %0*d\n", wrong[i],
			 7);
		ok(rules_parse(&r, text.p, text.len, "p", &e) < 0, "refused: %s", e.msg);
		rules_release(&r);
		err_clear(&e);
	}
	buf_release(&text);
}

/* Paths that would hide results if they were links. */
static void test_leads(void)
{
	static const char text[] = "[rule \"a\"]\n\tref = refs/heads/a\n"
				   "\tresults = /metrics.json\n"
				   "\tresults = models/*/m.json\n"
				   "\tresults = deep/**/x.json\n"
				   "\tresults = **/out/y.json\n"
				   "\tresults = whole/\n"
				   "\tresults = *.csv\n"
				   "\texempt = models/tmp\n";
	static const struct {
		const char *path;
		bool leads;
	} v[] = {
		{"metrics.json", true}, {"models", true},
		{"models/a", true},     {"models/a/m.json", true},
		{"models/a/b", false},  {"models/tmp", false},
		{"deep", true},         {"deep/a", true},
		{"deep/a/b", true},     {"out", true},
		{"a/b/out", true},      {"a/out/b", false},
		{"whole", true},        {"a/whole", true},
		{"data", false},        {"elsewhere", false},
	};
	struct err e = ERR_INIT;
	struct rules r;

	rules_init(&r);
	ok(rules_parse(&r, text, strlen(text), "p", &e) == 0, "reads: %s", e.msg);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		ok(rules_leads_to_results(&r.v[0], v[i].path) == v[i].leads, "%s %s", v[i].path,
		   v[i].leads ? "leads to results" : "does not");
	rules_release(&r);
}

/* One wrong line at a time, in an otherwise good file. */
static void bad(const char *line, const char *want)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct rules r;

	rules_init(&r);
	buf_addf(&text, "[rule \"a\"]\n\tref = refs/heads/a\n%s\n", line);
	ok(rules_parse(&r, text.p, text.len, "p", &e) < 0, "refused: %s", line);
	is_str(e.msg, want, line);
	rules_release(&r);
	buf_release(&text);
}

static void test_bad(void)
{
	bad("\tmode = on", "p:3: mode = on: not one of off warn enforce");
	bad("\tmode = warn\n\tmode = warn", "p:4: mode is given twice");
	bad("\tMode = warn", "p:3: unknown key Mode");
	bad("\tforce = yes", "p:3: unknown key force");
	bad("\tref = main", "p:3: ref = main: a full ref name begins with refs/");
	bad("\tref = refs/deepops/log/*", "p:3: ref = refs/deepops/log/*: journals have no rules");
	bad("\tlevel = 2", "p:3: level = 2: not R0 to R4, with /T0 to /T3");
	bad("\tlevel = R2/T4", "p:3: level = R2/T4: not R0 to R4, with /T0 to /T3");
	bad("\tlevel = R2T1", "p:3: level = R2T1: not R0 to R4, with /T0 to /T3");
	bad("\tsince = yesterday",
	    "p:3: since = yesterday: neither a full commit id nor YYYY-MM-DD[THH:MM:SSZ]");
	bad("\tsince = 2026-13-01",
	    "p:3: since = 2026-13-01: neither a full commit id nor YYYY-MM-DD[THH:MM:SSZ]");
	bad("\tresults =", "p:3: results = : an empty pattern");
	bad("\tmetric = acc", "p:3: metric = acc: not NAME >= NUMBER");
	bad("\tmetric = acc >= much", "p:3: metric = acc >= much: not NAME >= NUMBER");
	bad("\tmetric = acc >= nan", "p:3: metric = acc >= nan: not NAME >= NUMBER");
	bad("\tmetric = acc == 1", "p:3: metric = acc == 1: the comparison is not >= > <= or <");
	bad("[rule \"a\"]\n\tref = refs/heads/b", "p:3: rule \"a\" is there twice");
	bad("[rule \"b\"]", "p:3: rule \"b\" names no ref");
	bad("[rule]\n\tref = refs/heads/b", "p:3: expected [rule \"name\"]");
	bad("[policy \"b\"]", "p:3: expected [rule \"name\"]");
	bad("[include]\n\tpath = /etc/passwd", "p:3: include is not allowed");
}

static void unsupported(const char *line, const char *want)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct rules r;

	rules_init(&r);
	buf_addf(&text, "[rule \"a\"]\n\tref = refs/heads/a\n\t%s\n", line);
	ok(rules_parse(&r, text.p, text.len, "p", &e) == 0, "well-formed: %s", line);
	is_str(rules_unsupported(&r.v[0]), want, line);
	rules_release(&r);
	buf_release(&text);
}

static void test_lint(void)
{
	static const char text[] = "[rule \"all\"]\n\tref = refs/heads/**\n"
				   "\tmode = enforce\n\tresults = models/**.deepops\n"
				   "[rule \"main\"]\n\tref = refs/heads/main\n\tresults = x\n"
				   "\toverrideBy = a\n";
	struct err e = ERR_INIT;
	struct strvec w = STRVEC_INIT;
	struct rules r;

	rules_init(&r);
	ok(rules_parse(&r, text, strlen(text), "p", &e) == 0, "well-formed");
	rules_lint(&r, &w);
	is_u64(w.nr, 4, "warnings");
	for (size_t i = w.nr; i < 4; i++)
		strvec_push(&w, "");
	is_str(w.v[0],
	       "p:1: rule \"all\": results = models/**.deepops: ** beside other characters does "
	       "not cross a slash, so nested files are missed",
	       "half a double star");
	is_str(w.v[1], "p:5: rule \"main\": no mode, so it only warns", "no mode");
	is_str(w.v[2], "p:5: rule \"main\": overrideBy without override = option or signed",
	       "overrideBy");
	is_str(w.v[3],
	       "p:5: rule \"main\": ref = refs/heads/main is taken by rule \"all\" before it",
	       "shadowed");
	strvec_release(&w);
	rules_release(&r);
}

static void test_default(void)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct rules a, b;

	rules_init(&a);
	rules_init(&b);
	rules_default(&a, "refs/heads/main", RULES_ENFORCE);
	rules_default_text(&text, "refs/heads/main", RULES_ENFORCE);
	ok(rules_parse(&b, text.p, text.len, "p", &e) == 0, "its text is well-formed: %s", e.msg);
	ok(b.n == 1 && b.v[0].mode == a.v[0].mode && b.v[0].level == a.v[0].level &&
		   !strcmp(b.v[0].refs.v[0], a.v[0].refs.v[0]),
	   "and says the same");
	rules_release(&a);
	rules_release(&b);
	buf_release(&text);
}

/* One result pattern, a path, and what is said of it. */
static void test_places(void)
{
	static const struct {
		const char *results, *path;
		bool place, holds;
	} v[] = {
		{"metrics.json", "metrics.json", true, true},
		{"metrics.json", "a/metrics.json.deepops", true, true},
		{"metrics.json", "metrics.json.bak", false, true},
		{"/metrics.json", "a/metrics.json", false, false},
		{"/metrics.json", "metrics.json.deepops", true, false},
		{"model.npz.deepops", "model.npz", true, true},
		{"model.npz.deepops", "a/model.npz/part", true, true},
		{"model.npz.deepops", "model.npz2", false, true},
		{"*.deepops", "train.py", false, false},
		{"*.deepops", "data.deepops", true, true},
		{"m*.deepops", "main.py", false, false},
		{"out/*.json", "out", false, true},
		{"out/*.json", "data", false, false},
		{"**/x.json", "any/where", false, true},
		{"**/x.json", ".deepops/x.json", false, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct err e = ERR_INIT;
		struct rules rules;
		char text[200];

		rules_init(&rules);
		snprintf(text, sizeof(text), "[rule \"x\"]\n\tref = refs/heads/x\n\tresults = %s\n",
			 v[i].results);
		ok(rules_parse(&rules, text, strlen(text), "p", &e) == 0 &&
			   rules_is_place(&rules.v[0], v[i].path) == v[i].place &&
			   rules_may_hold(&rules.v[0], v[i].path) == v[i].holds,
		   "%s: is %s the place of one, could it hold some?", v[i].results, v[i].path);
		rules_release(&rules);
	}
}

int main(void)
{
	test_places();
	test_full();
	test_since_id();
	test_leads();
	test_bad();
	unsupported("level = R3", "levels above R2");
	unsupported("level = R2/T1", "signatures of records");
	unsupported("signed = record", "signatures of records");
	unsupported("machine = image", "machine images");
	unsupported("signed = push", NULL);
	unsupported("level = R2/T0", NULL);
	test_lint();
	test_default();
	return done_testing();
}
