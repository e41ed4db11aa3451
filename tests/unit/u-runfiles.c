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
	metrics_are("m.json", "{\"acc\": [0.9, 0.1], \"m\": [[1, 2]]}",
		    "acc.0=0.9 acc.1=0.1 m.0.0=1 m.0.1=2");
	metrics_are("m.csv",
		    "\xef\xbb\xbf"
		    "epoch, loss\n1,0.5\n",
		    "epoch=1 loss=0.5");
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
	struct params p;

	params_init(&p);
	if (params_parse(&p, name, text, strlen(text), &e) < 0) {
		buf_addf(&got, "error: %s", e.msg);
		ok(str_startswith(e.hint, "-i ", NULL), "with the way to keep the file whole");
	} else {
		pairs_text(&p.values, &got);
	}
	is_str(got.p, want, name);
	params_release(&p);
	buf_release(&got);
}

/* What the command gets. */
static void params_typed(const char *name, const char *text, const char *set, const char *want)
{
	struct err e = ERR_INIT;
	struct buf got = BUF_INIT;
	struct params p;

	params_init(&p);
	ok(params_parse(&p, name, text, strlen(text), &e) == 0, "%s %s", name, e.msg);
	ok(!set || params_override(&p, set, &e) == 0, "-S %s", set ? set : "");
	params_json(&p, &got);
	is_str(got.p, want, text);
	params_release(&p);
	buf_release(&got);
}

static void test_params(void)
{
	params_are(
		"p.json",
		"{\"lr\": 0.001, \"m\": {\"l\": [1, 2]}, \"s\": \"x\", \"n\": null, \"b\": false, "
		"\"e\": {}, \"f\": []}",
		"lr=0.001 m.l.0=1 m.l.1=2 s=x n=null b=false e={} f=[]");
	params_are("p.json", "\xef\xbb\xbf{\"a\": 1}", "a=1");
	params_are("p.json", "{\"a.b\": 1, \"a\": {\"b\": 2}}", "error: p.json: a.b stands twice");
	params_are("p.json", "{\"\": 1}", "error: p.json: a value without a name");
	params_are("p.toml", "a = 1\n# c\n[m.n]\nb = \"x\\ty\" # t\nc = [1, 2]\nd = 1979-05-27\n",
		   "a=1 m.n.b=x\ty m.n.c=[1, 2] m.n.d=1979-05-27");
	params_are("p.toml", "[[x]]\n", "error: p.toml:1: a table of this form is not understood");
	params_are("p.toml", "a = \"\"\"x\n",
		   "error: p.toml:1: a value of this form is not understood");
	params_are("p.toml", "a = {b = 1}\n",
		   "error: p.toml:1: a value of this form is not understood");
	params_are("p.ini", "a = 1\n", "error: p.ini: parameters are .json, .yaml or .toml");
	params_typed("p.json", "{\"n\": 20, \"s\": \"20\", \"e\": \"\", \"b\": true, \"z\": null}",
		     NULL, "{\"b\": true, \"e\": \"\", \"n\": 20, \"s\": \"20\", \"z\": null}\n");
	params_typed("p.json", "{\"s\": \"20\"}", "s=1e-3", "{\"s\": 1e-3}\n");
	params_typed(
		"p.yaml", "a: 1e-3\nb: '7'\nc: yes\nd: True\ne:\nf: []\ng: 0x10\n", "h=false",
		"{\"a\": 1e-3, \"b\": \"7\", \"c\": \"yes\", \"d\": true, \"e\": null, \"f\": [], "
		"\"g\": \"0x10\", \"h\": false}\n");
}

static void test_yaml(void)
{
	params_are(
		"p.yaml",
		"# c\n---\nlr: 1e-3 # rate\nm:\n  a: 'it''s'\n  b:\n    c: \"x # y\"\nd: [1, 2]\n",
		"lr=1e-3 m.a=it's m.b.c=x # y d.0=1 d.1=2");
	params_are("p.yaml", "l:\n- 1\n- 2\nk:\n  - a\nz: 3\n", "l.0=1 l.1=2 k.0=a z=3");
	params_are("p.yaml", "a: http://x:80/y\nlr : 0.1\n", "a=http://x:80/y lr=0.1");
	params_are("p.yaml", "note: don't stop # x\nsize: 5\" disk # y\n",
		   "note=don't stop size=5\" disk");
	params_are("p.yaml", "scheduler:\nn: ~\n", "scheduler=null n=null");
	params_are("p.yaml", "\xef\xbb\xbflr: 1\r\nb: 2\r\n", "lr=1 b=2");
	params_are("p.yaml", "d: &d {a: 1, b: 2}\ne:\n  <<: *d\n  b: 3\nf: *d\n",
		   "d.a=1 d.b=2 e.b=3 e.a=1 f.a=1 f.b=2");
	params_are("p.yaml", "l:\n- name: x\n  k: [3, 3]\n- name: y\n",
		   "l.0.name=x l.0.k.0=3 l.0.k.1=3 l.1.name=y");
	params_are("p.yaml", "t: |\n  a\n  b\n\"q k\": >-\n  c\n  d\n", "t=a\nb\n q k=c d");
	params_are("p.yaml", "a: !!float 1\n...\n", "a=1");
	params_are("p.yaml", "# nothing\n", "");
	params_are("p.yaml", "a: !!python/object:os.system x\n",
		   "error: p.yaml:1: a tag that is not understood");
	params_are("p.yaml", "a: !env HOME\n", "error: p.yaml:1: a tag that is not understood");
	params_are("p.yaml", "a: 1\n---\nb: 2\n", "error: p.yaml:3: a second document");
	params_are("p.yaml", "a: 1\na: 2\n", "error: p.yaml:2: a key that stands twice");
	params_are("p.yaml", "a: {x: 1}\na: {y: 2}\n", "error: p.yaml:2: a key that stands twice");
	params_are("p.yaml", "a: [[1, 2], [3]\n",
		   "error: p.yaml:2: did not find expected ',' or ']'");
	params_are("p.yaml", "just words\n", "error: p.yaml:1: neither `key: value' nor a mapping");
	params_are("p.yaml", "? [a]\n: 1\n", "error: p.yaml:1: a key that is no text");
	params_are("p.yaml", "a: 1\n: c\n", "error: p.yaml:2: did not find expected key");
	params_are("p.yaml", "a: \"x\\0y\"\n", "error: p.yaml:1: a NUL byte");
	params_are("p.yaml", "a: &a [*a]\n", "error: p.yaml:1: nested too deep");
	params_are("p.yaml",
		   "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		   "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		   "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
		   "error: p.yaml:1: more than 10000 values");
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
	test_yaml();
	test_match();
	return done_testing();
}
