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
	metrics_begin(&m, name);
	if (metrics_parse(&m, name, text, strlen(text), &e) < 0) {
		buf_addf(&got, "error: %s", e.msg);
	} else {
		metrics_end(&m);
		metrics_finish(&m);
		pairs_text(&m.final, &got);
		for (size_t i = 0; i < m.notices.nr; i++)
			buf_addf(&got, "%s%s", got.len ? "; " : "", m.notices.v[i]);
	}
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
	metrics_finish(&m);
	ok(m.notices.nr == 1 && m.final.n > 20 && bytes <= RECORD_METRICS_BYTES,
	   "%zu of them are kept", m.final.n);
	metrics_release(&m);
	buf_release(&text);
}

static void best_is(const char *metric, bool min, const char *lines, const char *want)
{
	struct err e = ERR_INIT;
	struct metrics m;

	metrics_init(&m);
	metrics_want(&m, metric, min);
	ok(metrics_parse_lines(&m, "x", lines, strlen(lines), &e) == 0, "lines");
	is_str(m.best.p, want, "the best one");
	metrics_release(&m);
}

static void test_what_is_no_number(void)
{
	metrics_are(
		"m.json",
		"{\"a\": \"nan\", \"b\": \"infinity\", \"c\": \"0x10\", \"d\": 1, \"n\": \"NaN\"}",
		"d=1 n=nan");
	metrics_are("m.json", "{\"day\": \"20240131\", \"a\": 1}",
		    "a=1; m.json: day: '20240131' is a text, no number: it is left out");
	metrics_are("m.json", "{}", "m.json: there is no number with a name in it");
	metrics_are("m.json", "{\"a\": \"x\"}", "m.json: there is no number with a name in it");
	metrics_are("m.json", "\xef\xbb\xbf{\"a\": 1}", "a=1");
	metrics_are("m.jsonl", "\xef\xbb\xbf{\"a\": 1}\n", "a=1");
	metrics_are("m.csv", "epoch, loss\n1, 0.5 \n2,\tinf\n", "epoch=2 loss=inf");
	metrics_are("m.csv", "n,a,b\n1,0x10,nan(1)\n", "n=1");
	metrics_are("m.csv", "n,acc,top5\n1,95%,99%\n",
		    "n=1; m.csv: acc: '95%' is a text, no number: it is left out");
	metrics_are("m.tsv", "n\tacc\n1\t0,5\n",
		    "n=1; m.tsv: acc: '0,5' is a text, no number: it is left out");
	metrics_are("m.csv", "day,n\n2024-01-31,1\n", "n=1");
	metrics_are("m.csv", "epoch;loss\n1;0,5\n",
		    "error: m.csv: ';' separates its columns, where the name says that ',' does");
	metrics_are("m.tsv", "epoch,loss\n1,0.5\n",
		    "error: m.tsv: ',' separates its columns, where the name says that a tab does");
	metrics_are("m.csv", "0,2.5\n1,2.25\n",
		    "error: m.csv: the first line must name the columns: '0' is a number");
	metrics_are("m.csv", "epoch,loss\n", "m.csv: there is no number with a name in it");
	metrics_are("m.csv", "", "m.csv: there is no number with a name in it");
}

static void parse_file(struct metrics *m, const char *name, const char *text)
{
	struct err e = ERR_INIT;

	metrics_begin(m, name);
	ok(metrics_parse(m, name, text, strlen(text), &e) == 0, "%s %s", name, e.msg);
	metrics_end(m);
}

static void test_one_name_twice(void)
{
	struct buf got = BUF_INIT;
	struct metrics m;

	metrics_are("m.csv", "a,b,a\n1,2,3\n",
		    "b=2; metric a stands twice in one row of m.csv: it is left out");
	metrics_are("m.json", "{\"a.b\": 1, \"a\": {\"b\": 2, \"c\": 3}}",
		    "a.c=3; metric a.b stands twice in one row of m.json: it is left out");
	metrics_init(&m);
	metrics_want(&m, "loss", true);
	parse_file(&m, "log.csv", "n,loss\n1,inf\n");
	parse_file(&m, "m.jsonl", "{\"loss\": 0.5, \"acc\": 1}\n");
	metrics_finish(&m);
	pairs_text(&m.final, &got);
	is_str(got.p, "n=1 acc=1", "neither value counts");
	is_str(m.best.p, "", "nor is one of them the best");
	is_str(m.series.p, "n\t1\t1\nacc\t1\t1\n", "and the series has none");
	ok(m.notices.nr == 1, "one notice");
	is_str(m.notices.nr ? m.notices.v[0] : "",
	       "metric loss is in log.csv and in m.jsonl: it is left out; give the file that does "
	       "not count with -o",
	       "it names both files");
	metrics_release(&m);
	buf_release(&got);
}

static void test_room_for_the_best(void)
{
	struct buf text = BUF_INIT;
	struct metrics m;

	for (int i = 0; i < 300; i++)
		buf_addf(&text, "%s\"m%03d\": %d", i ? ", " : "{", i, i);
	buf_addstr(&text, ", \"acc\": 0.5}");
	metrics_init(&m);
	metrics_want(&m, "acc", false);
	parse_file(&m, "m.json", text.p);
	metrics_finish(&m);
	ok(m.final.n == METRICS_MAX_FINAL, "%zu are kept", m.final.n);
	ok(record_pair_get(&m.final, "m198") && !record_pair_get(&m.final, "m199"), "the first");
	is_str(m.best.p, "0.5", "and the one that was asked for");
	ok(record_pair_get(&m.final, "acc") != NULL, "is among them");
	is_str(m.notices.nr ? m.notices.v[0] : "",
	       "there are more metrics than a record holds: 101 of them are left out",
	       "the others are counted");
	metrics_release(&m);
	buf_reset(&text);
	for (int i = 0; text.len < METRICS_MAX_SERIES_BYTES * 2; i++)
		buf_addf(&text, "{\"a\": %d}\n", -i);
	metrics_init(&m);
	metrics_want(&m, "a", true);
	parse_file(&m, "m.jsonl", text.p);
	metrics_finish(&m);
	is_str(m.best.p, m.final.v[0].value, "the best of all rows, though the series is cut");
	ok(m.notices.nr == 1 &&
		   str_startswith(m.notices.v[0], "the series of metrics is cut", NULL),
	   "a notice says so");
	metrics_release(&m);
	buf_release(&text);
}

static void test_metrics(void)
{
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
	/* A row that says nothing costs itself alone. */
	metrics_are("m.jsonl", "{\"loss\": 9}\nepoch done\n \t\n{\"loss\": 1}\n",
		    "loss=1; m.jsonl:2: line 1 column 5: invalid token near 'epoch': the row is "
		    "skipped");
	metrics_are("m.csv", "a,b\n1,2\n3\n5,6\n",
		    "a=5 b=6; m.csv:3: 1 fields, the header has 2: the row is skipped");
	metrics_are("m.xml", "<a/>", "error: m.xml: metrics are .json, .jsonl, .csv or .tsv");
	metrics_that_are_too_many();
	best_is("acc", false, lines, "0.9");
	best_is("acc", true, lines, "0.5");
	best_is("ac", false, lines, "");
	best_is("a", true, "{\"a\": NaN}\n{\"a\": -1}\n", "-1");
	test_what_is_no_number();
	test_one_name_twice();
	test_room_for_the_best();
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

static void test_toml_values(void)
{
	params_are("p.toml", "a = 1\n# c\n[m.n]\nb = \"x\\ty\" # t\nc = [1, 2]\nd = 1979-05-27\n",
		   "a=1 m.n.b=x\ty m.n.c.0=1 m.n.c.1=2 m.n.d=1979-05-27");
	params_are("p.toml", "\xef\xbb\xbflr = 0.1# c\r\nn = 'a # b' # c", "lr=0.1 n=a # b");
	params_are("p.toml", "a = [ # c\n  1,\n  [2, 'x'], # d\n\n  {b = 3},\n]\ne = []\nf = [[]]",
		   "a.0=1 a.1.0=2 a.1.1=x a.2.b=3 e=[] f.0=[]");
	params_are("p.toml", "a = {b = 1, c.d = \"x, }\", e = {}}\nf = {}",
		   "a.b=1 a.c.d=x, } a.e={} f={}");
	params_are("p.toml", "a = \"\"\"\nx \\\n   y\n\"z\"\"\"\"\nb = '''\nC:\\d''e'''",
		   "a=x y\n\"z\" b=C:\\d''e");
	params_are("p.toml", "a = \"\\u00e9\\U0001F600\\\\\"\nb = 'C:\\d'",
		   "a=\xc3\xa9\xf0\x9f\x98\x80\\ b=C:\\d");
	params_are("p.toml",
		   "a = 1979-05-27 07:32:00.5-08:00 # c\nb = 07:32:00\nc = [1979-05-27T00:00:00Z]",
		   "a=1979-05-27 07:32:00.5-08:00 b=07:32:00 c.0=1979-05-27T00:00:00Z");
	params_are("p.toml", "a = 1_000\nb = 0xff\nc = +5\nd = 0o17\ne = -inf\nf = 1e-3",
		   "a=1000 b=255 c=5 d=15 e=-inf f=1e-3");
	params_typed(
		"p.toml", "a = 1_000\nb = \"20\"\nc = true\nd = ''\ne = 1979-05-27\n", NULL,
		"{\"a\": 1000, \"b\": \"20\", \"c\": true, \"d\": \"\", \"e\": \"1979-05-27\"}\n");
}

static void test_toml_tables(void)
{
	params_are("p.toml", "a.b.c = 1\na.b.d = 2\n\"x y\".'z' = 3\n[ t . \"u\" ]\n1-2_a = 4",
		   "a.b.c=1 a.b.d=2 x y.z=3 t.u.1-2_a=4");
	params_are("p.toml", "[[l]]\nn = 1\n[l.opt]\nlr = 2\n[[l]]\nn = 3\n[[l.sub]]\nx = 4\n[[l]]",
		   "l.0.n=1 l.0.opt.lr=2 l.1.n=3 l.1.sub.0.x=4 l.2={}");
	params_are("p.toml", "[a.b]\nx = 1\n[a]\ny = 2\n[e]\n", "a.b.x=1 a.y=2 e={}");
}

static void test_toml_refused(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"[a]\nx = 1\n[b]\n[a]\n", "4: a stands twice"},
		{"a = 1\n\na = 2\n", "3: a stands twice"},
		{"[a.b]\n[a]\nb.c = 1\n", "3: a.b stands twice"},
		{"a.b = 1\n[a]\n", "2: a stands twice"},
		{"a = 1\na.b = 1\n", "2: a stands twice"},
		{"a = {b = 1}\n[a.c]\n", "2: a stands twice"},
		{"a = {b = 1, b = 2}\n", "1: a.b stands twice"},
		{"a = [1]\n[[a]]\n", "2: a stands twice"},
		{"[[a]]\n[a]\n", "2: a stands twice"},
		{"[a]\n[[a]]\n", "2: a stands twice"},
		{"\"a.b\" = 1\na.b = 2\n", "2: a.b stands twice"},
		{"a = [[1, 2], [3]\n", "2: an array without its end, or without a comma"},
		{"a = [1 2]\n", "1: an array without its end, or without a comma"},
		{"a = \"\"\"x\n\n", "1: a string without its end"},
		{"a = 'x\n'\n", "1: a string without its end"},
		{"a = \"\\q\"\n", "1: an escape that is not understood"},
		{"a = \"\\ud800\"\n", "1: an escape that is no character"},
		{"a = 1 b = 2\n", "1: text behind a value or table"},
		{"a = yes\n", "1: a value that is not understood"},
		{"a = 007\n", "1: a value that is not understood"},
		{"a = 1__0\n", "1: a value that is not understood"},
		{"a = \n", "1: a key without a value"},
		{"a\n", "1: not `key = value'"},
		{"= 1\n", "1: not `key = value' or [table]"},
		{"\"\" = 1\n", "1: a key without a name"},
		{"[a\n", "1: a table name without its end"},
		{"a = {b = 1\n}\n", "1: an inline table without its end, or without a comma"},
	};
	struct buf want = BUF_INIT, deep = BUF_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_reset(&want);
		buf_addf(&want, "error: p.toml:%s", cases[i].want);
		params_are("p.toml", cases[i].text, want.p);
	}
	buf_addstr(&deep, "a = ");
	for (int i = 0; i < 100000; i++)
		buf_addch(&deep, '[');
	params_are("p.toml", deep.p, "error: p.toml:1: nested too deep");
	buf_reset(&deep);
	for (int i = 0; i < 40; i++)
		buf_addstr(&deep, "a.");
	params_are("p.toml", deep.p, "error: p.toml:1: nested too deep");
	buf_reset(&deep);
	buf_addf(&deep, "%02000d = 1", 1);
	params_are("p.toml", deep.p, "error: p.toml:1: a name that is too long");
	buf_reset(&deep);
	buf_addf(&deep, "%0600d:\n %0600d: 1", 1, 2);
	params_are("p.yaml", deep.p, "error: p.yaml:2: a name of more than 1024 bytes");
	buf_release(&want);
	buf_release(&deep);
}

static void test_toml(void)
{
	test_toml_values();
	test_toml_tables();
	test_toml_refused();
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
	test_toml();
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
