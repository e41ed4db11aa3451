/* SPDX-License-Identifier: MIT */
/* u-runfiles.c - what runs read and compare: metrics, parameters, tolerances */
#include "run/match.h"
#include "run/metrics.h"
#include "run/params.h"
#include "tap.h"

static void pairs_text(const struct record_pairs *p, struct buf *out)
{
	buf_reset(out);
	for (size_t i = 0; i < p->n; i++)
		buf_addf(out, "%s%s=%s", i ? " " : "", p->v[i].name, p->v[i].value);
}

/* ---- metrics ---- */

static void metrics_are(const char *name, const char *text, const char *want)
{
	struct err e = ERR_INIT;
	struct buf got = BUF_INIT;
	struct metrics m;

	metrics_init(&m);
	if (metrics_parse(&m, name, text, strlen(text), &e) < 0)
		buf_addf(&got, "error: %s", e.msg);
	else
		pairs_text(&m.final, &got);
	is_str(got.p, want, name);
	metrics_release(&m);
	buf_release(&got);
}

/* However long their names are, they leave room for the rest of the record. */
static void metrics_that_are_too_many(void)
{
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct metrics m;
	size_t bytes = 0;

	for (int i = 0; i < 190; i++)
		buf_addf(&text, "%s\"%0200d\":%d", i ? "," : "{", i, i);
	buf_addf(&text, ",\"%0300d\":1}", 1);
	metrics_init(&m);
	ok(metrics_parse(&m, "m.json", text.p, text.len, &e) == 0, "long names: %s", e.msg);
	for (size_t i = 0; i < m.final.n; i++)
		bytes += strlen("{\"name\":\"\",\"value\":\"\"},") + strlen(m.final.v[i].name) +
			 strlen(m.final.v[i].value);
	ok(m.cut && m.final.n > 20 && bytes <= RECORD_METRICS_BYTES, "%zu of them are kept",
	   m.final.n);
	metrics_release(&m);
	buf_release(&text);
}

static void test_metrics(void)
{
	struct metrics m;
	struct buf best = BUF_INIT;
	struct err e = ERR_INIT;
	const char lines[] = "{\"acc\": 0.5}\n{\"acc\": 0.9}\n{\"acc\": 0.7}\n";

	metrics_are("m.json", "{\"a\": 1, \"b\": {\"c\": 0.1, \"d\": true, \"e\": \"x\"}}",
		    "a=1 b.c=0.1");
	metrics_are("m.json", "{\"n\": NaN, \"p\": Infinity, \"m\": -Infinity, \"s\": \"NaN\"}",
		    "n=nan p=inf m=-inf s=nan");
	metrics_are("m.json", "{\"big\": 9007199254740993, \"small\": 1e-30}",
		    "big=9007199254740993 small=1e-30");
	metrics_are("m.csv", "n\n100000000000000000000000000000\n", "n=1e+29");
	metrics_are("m.json", "{\"history\": [1, 2, 3]}", "history=3");
	metrics_are("m.json", "{\"escaped \\\" NaN\": 1}", "escaped \" NaN=1");
	metrics_are("m.jsonl", lines, "acc=0.7");
	metrics_are("m.csv", "epoch,\"the, loss\"\r\n1,0.5\r\n2,\"0.25\"\r\n",
		    "epoch=2 the, loss=0.25");
	metrics_are("m.tsv", "a\tb\n1\t2\n", "a=1 b=2");
	metrics_are("m.csv", "a,b\n1\n", "error: m.csv:2: 1 fields, the header has 2");
	metrics_are("m.xml", "<a/>", "error: m.xml: metrics are .json, .jsonl, .csv or .tsv");
	metrics_that_are_too_many();
	metrics_init(&m);
	ok(metrics_parse_lines(&m, "x", lines, strlen(lines), &e) == 0, "lines");
	ok(metrics_best(&m, "acc", true, &best), "there is a best");
	is_str(best.p, "0.9", "the highest");
	ok(metrics_best(&m, "acc", false, &best), "and a lowest");
	is_str(best.p, "0.5", "the lowest");
	ok(!metrics_best(&m, "ac", true, &best), "a prefix is another name");
	metrics_release(&m);
	buf_release(&best);
}

/* ---- parameters ---- */

static void params_are(const char *name, const char *text, const char *want)
{
	struct err e = ERR_INIT;
	struct buf got = BUF_INIT;
	struct record r;

	record_init(&r);
	if (params_parse(&r.params, name, text, strlen(text), &e) < 0)
		buf_addf(&got, "error: %s", e.msg);
	else
		pairs_text(&r.params, &got);
	is_str(got.p, want, name);
	record_release(&r);
	buf_release(&got);
}

static void test_params(void)
{
	params_are(
		"p.json",
		"{\"lr\": 0.001, \"m\": {\"l\": [1, 2]}, \"s\": \"x\", \"n\": null, \"b\": false}",
		"lr=0.001 m.l.0=1 m.l.1=2 s=x n=null b=false");
	params_are(
		"p.yaml",
		"# c\n---\nlr: 1e-3 # rate\nm:\n  a: 'it''s'\n  b:\n    c: \"x # y\"\nd: [1, 2]\n",
		"lr=1e-3 m.a=it's m.b.c=x # y d=[1, 2]");
	params_are("p.yaml", "l:\n- 1\n- 2\nk:\n  - a\nz: 3\n", "l.0=1 l.1=2 k.0=a z=3");
	params_are("p.yaml", "a: http://x:80/y\n", "a=http://x:80/y");
	params_are("p.yaml", "a: &x 1\n", "error: p.yaml:1: anchors and tags are not understood");
	params_are("p.yaml", "a: |\n  text\n", "error: p.yaml:1: block scalars are not understood");
	params_are("p.yaml", "a: {b: 1}\n", "error: p.yaml:1: flow mappings are not understood");
	params_are("p.yaml", "a:\n\t- 1\n", "error: p.yaml:2: a tab in the indentation");
	params_are("p.yaml", "a: 1\n  b: 2\n", "error: p.yaml:2: indentation that opens nothing");
	params_are("p.yaml", "a: 1\na: 2\n", "error: p.yaml:2: a stands twice");
	params_are("p.yaml", "just words\n",
		   "error: p.yaml:1: neither `key: value' nor a list item");
	params_are("p.yaml", "a:\n  - b: 1\n",
		   "error: p.yaml:2: a mapping inside a list is not understood");
	params_are("p.toml", "a = 1\n# c\n[m.n]\nb = \"x\\ty\" # t\nc = [1, 2]\nd = 1979-05-27\n",
		   "a=1 m.n.b=x\ty m.n.c=[1, 2] m.n.d=1979-05-27");
	params_are("p.toml", "[[x]]\n", "error: p.toml:1: a table of this form is not understood");
	params_are("p.toml", "a = \"\"\"x\n",
		   "error: p.toml:1: a value of this form is not understood");
	params_are("p.toml", "a = {b = 1}\n",
		   "error: p.toml:1: a value of this form is not understood");
	params_are("p.json", "{\"a.b\": 1, \"a\": {\"b\": 2}}", "error: p.json: a.b stands twice");
	params_are("p.json", "{\"\": 1}", "error: p.json: a value without a name");
	params_are("p.yaml", "a: 1\n: c\n", "error: p.yaml:2: a key without a name");
	params_are("p.ini", "a = 1\n", "error: p.ini: parameters are .json, .yaml or .toml");
}

/* ---- tolerances ---- */

static enum record_verdict compare(const char *policy, const char *was, const char *now,
				   struct buf *detail)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	enum record_verdict v;

	buf_reset(detail);
	buf_addstr(&a, was);
	buf_addstr(&b, now);
	v = match_compare(policy, &a, &b, detail);
	buf_release(&a);
	buf_release(&b);
	return v;
}

static void test_match(void)
{
	static const char *const typos[] = {"m.json:tol=0.1", "out:abs0.1",  "out:rel=1%",
					    "out:abs=-1",     "out:ignored", "dir/a:b"};
	const char *policy;
	struct err e = ERR_INIT;
	struct buf d = BUF_INIT;

	ok(compare(NULL, "a", "a", &d) == RECORD_IDENTICAL, "equal bytes are identical");
	ok(compare(NULL, "abc", "abd", &d) == RECORD_DIFFERENT, "others are not");
	is_str(d.p, "differs from byte 2 on", "and it says where");
	ok(compare("abs=0.1", "{\"a\": 1.00}", "{\"a\": 1.05}", &d) == RECORD_WITHIN_TOLERANCE,
	   "within abs");
	ok(compare("abs=0.1", "{\"a\": 1.00}", "{\"a\": 1.2}", &d) == RECORD_DIFFERENT,
	   "beyond abs");
	is_str(d.p, "1.2, was 1.00", "what and what was");
	ok(compare("rel=0.1", "1000 x", "1050 x", &d) == RECORD_WITHIN_TOLERANCE, "within rel");
	ok(compare("rel=0.1", "1000 x", "1050 y", &d) == RECORD_DIFFERENT, "words must be equal");
	ok(compare("abs=1", "1 2", "1 2 3", &d) == RECORD_DIFFERENT, "and as many");
	ok(compare("abs=1", "nan 5", "NaN 5", &d) == RECORD_WITHIN_TOLERANCE, "nan is nan");
	ok(compare("abs=1", "nan", "1", &d) == RECORD_DIFFERENT, "and no number");
	ok(compare("abs=1", "inf", "-inf", &d) == RECORD_DIFFERENT, "inf has a sign");
	ok(match_known("rel=1e-3") && match_known("ignore") && !match_known("abs=-1") &&
		   !match_known("abs=") && !match_known("close"),
	   "policies are known or not");
	buf_reset(&d);
	ok(match_split("dir/a:b:abs=0.5", &d, &policy, &e) == 0, "split: %s", e.msg);
	is_str(policy, "abs=0.5", "the policy is behind the last colon");
	is_str(d.p, "dir/a:b", "the path before it");
	buf_reset(&d);
	ok(match_split("di:r/ab", &d, &policy, &e) == 0 && !policy && !strcmp(d.p, "di:r/ab"),
	   "or there is none");
	for (size_t i = 0; i < ARRAY_SIZE(typos); i++)
		ok(match_split(typos[i], &d, &policy, &e) == ERR_USAGE, "%s: %s", typos[i], e.hint);
	buf_release(&d);
}

int main(void)
{
	test_metrics();
	test_params();
	test_match();
	return done_testing();
}
