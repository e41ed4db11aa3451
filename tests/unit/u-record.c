/* SPDX-License-Identifier: MIT */
/* u-record.c - the record's type table, both ways, and what a reader must refuse */
#include "run/record.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "tap.h"

#define D64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OID "0123456789abcdef0123456789abcdef01234567"

/* A small record of kind run with something of every type. */
static void fill(struct record *r)
{
	struct record_input *in;
	struct record_output *out;

	r->kind = RECORD_RUN;
	record_set(&r->run, "00112233445566778899aabbccddeeff");
	record_set(&r->writer, "0011223344556677");
	record_set(&r->tool, "git-deepops 0.1.0");
	r->seq = 1;
	strvec_pushl(&r->argv, "python3", "caf\xc3\xa9.py", "\xff", "\"q", "a\nb", NULL);
	record_set(&r->code.commit, OID);
	record_set(&r->code.tree, OID);
	record_set(&r->code.tree_sha256, "sha256:" D64);
	r->code.dirty = true;
	in = record_add_input(r);
	record_set(&in->path, "data/train");
	in->role = RECORD_ROLE_INPUT;
	record_set(&in->id, "sha256:" D64);
	in->files = 3;
	in->bytes = 12;
	out = record_add_output(r);
	record_set(&out->path, "z.npz");
	out->role = RECORD_ROLE_OUTPUT;
	out = record_add_output(r);
	record_set(&out->path, "metrics.json");
	out->role = RECORD_ROLE_METRICS;
	record_set(&out->blob, OID);
	record_add_pair(&r->metrics_final, "loss", "0.21");
	record_add_pair(&r->metrics_final, "acc", "0.931");
	record_add_pair(&r->metrics_final, "acc", "0.94");
	strvec_pushl(&r->tags, "b", "a", "b", NULL);
	record_set(&r->machine_capture, "sha256:" D64);
	r->started = 1700000000123;
	r->ended = 1700000001123;
	r->exit = 0;
	record_sort(r);
}

static bool parses(const char *text, struct err *e)
{
	struct record r;
	int rc;

	err_clear(e);
	record_init(&r);
	rc = record_parse(&r, text, strlen(text), e);
	record_release(&r);
	return rc == 0;
}

static void round_trip(void)
{
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct record a, b;
	struct err e = ERR_INIT;

	record_init(&a);
	record_init(&b);
	fill(&a);
	ok(record_format(&a, &one, &e) == 0, "formats: %s", e.msg);
	ok(record_parse(&b, one.p, one.len, &e) == 0, "parses: %s", e.msg);
	ok(record_format(&b, &two, &e) == 0 && !buf_cmp(&one, &two), "and is the same again");
	is_str(b.argv.v[2], "\xff", "bytes come back");
	is_str(b.argv.v[3], "\"q", "a leading quote comes back");
	is_str(b.argv.v[4], "a\nb", "a newline comes back");
	is_str(record_pair_get(&b.metrics_final, "acc"), "0.94", "the last value of a name wins");
	is_str(b.outputs[0].path, "metrics.json", "lists are sorted by path");
	is_u64(b.tags.nr, 2, "sets have no duplicates");
	ok(b.started == 1700000000123, "times keep their milliseconds");
	ok(record_succeeded(&b), "it succeeded");
	record_release(&a);
	record_release(&b);
	buf_release(&one);
	buf_release(&two);
}

/* Replace the first `from` in the canonical text by `to`: must be refused. */
static void refuse(const struct buf *good, const char *from, const char *to, const char *label)
{
	struct buf bad = BUF_INIT;
	struct err e = ERR_INIT;
	const char *at = strstr(good->p, from);

	if (!ok(at != NULL, "there is a place for: %s", label))
		return;
	buf_add(&bad, good->p, (size_t)(at - good->p));
	buf_addstr(&bad, to);
	buf_addstr(&bad, at + strlen(from));
	ok(!parses(bad.p, &e), "refused: %s (%s)", label, e.msg);
	buf_release(&bad);
}

static void refusals(void)
{
	struct buf good = BUF_INIT;
	struct record r;
	struct err e = ERR_INIT;

	record_init(&r);
	fill(&r);
	if (record_format(&r, &good, &e) < 0)
		ok(false, "%s", e.msg);
	ok(parses(good.p, &e), "the good one is accepted: %s", e.msg);
	refuse(&good, "}\n", "}", "no final LF");
	refuse(&good, "}\n", "}\n\n", "two LF");
	refuse(&good, "{\"code\"", "{ \"code\"", "a blank");
	refuse(&good, "\"dirty\":true", "\"dirty\":false", "a flag that is false");
	refuse(&good, "\"dirty\":true", "\"durty\":true", "an unknown key in a group");
	refuse(&good, "\"kind\":\"run\"", "\"kind\":\"walk\"", "an unknown name");
	refuse(&good, "\"kind\":\"run\",", "", "a missing field");
	refuse(&good, "deepops.run/1", "deepops.run/2", "another schema");
	refuse(&good, "\"seq\":1", "\"seq\":2", "seq 2 without prev");
	refuse(&good, "\"seq\":1", "\"seq\":1.0", "a real");
	refuse(&good, "\"seq\":1", "\"seq\":01", "a leading zero");
	refuse(&good, "\"exit\":0", "\"exit\":-1", "a negative integer");
	refuse(&good, "\"exit\":0", "\"exit\":0,\"exit\":0", "a duplicate key");
	refuse(&good, "\"exit\":0", "\"exit\":0,\"signal\":9", "exit and signal");
	refuse(&good, "2023-11-14T22:13:21.123Z", "2023-11-14T22:13:21Z", "a time without ms");
	refuse(&good, "sha256:0", "sha256:G", "a bad digest");
	refuse(&good, "[\"a\",\"b\"]", "[\"b\",\"a\"]", "an unsorted set");
	refuse(&good, "[\"a\",\"b\"]", "[]", "an empty list");
	refuse(&good, "\"python3\"", "\"\\\"python3\\\"\"", "quoting that is not needed");
	refuse(&good, "\"python3\"", "\"pyth\\u006fn3\"", "another escape");
	refuse(&good, "\"argv\":[", "\"argv\":null,\"x\":[", "null");
	refuse(&good, ",\"metrics\":{", ",\"machina\":{},\"metrics\":{", "an unknown group");
	refuse(&good, ",\"metrics\":{", ",\"logs\":{},\"metrics\":{", "an empty group");
	refuse(&good, "{\"name\":\"loss\",\"value\":\"0.21\"}", "{\"name\":\"loss\"}",
	       "half a pair");
	refuse(&good, "\"value\":\"0.21\"", "\"value\":\"\"", "a pair without a value");
	record_release(&r);
	buf_release(&good);
}

static void add_inputs(struct record *r, int n)
{
	for (int i = 0; i < n; i++) {
		struct record_input *one = record_add_input(r);

		record_setf(&one->path, "in/%04d", i);
		one->role = RECORD_ROLE_TRACKED;
		record_set(&one->id, "sha256:" D64);
		one->files = one->bytes = 1;
	}
	record_sort(r);
}

static void limits(void)
{
	struct buf text = BUF_INIT;
	struct record_lists lists;
	struct record r, back;
	struct err e = ERR_INIT;

	record_init(&r);
	record_init(&back);
	record_lists_init(&lists);
	fill(&r);
	add_inputs(&r, 300);
	ok(record_format(&r, &text, &e) == ERR_LIMIT, "301 inputs are too many: %s", e.msg);
	is_u64(text.len, 0, "and nothing is appended");
	ok(record_spill(&r, &lists, &e) == 0 && lists.v[RECORD_INPUTS].len &&
		   r.moved[RECORD_INPUTS] && !r.moved[RECORD_OUTPUTS],
	   "they move out");
	ok(record_format(&r, &text, &e) == 0, "then it fits: %s", e.msg);
	ok(record_parse(&back, text.p, text.len, &e) == 0, "and parses: %s", e.msg);
	ok(record_unspill(&back, &lists, &e) == 0 && back.ninputs == 301, "they come back: %s",
	   e.msg);
	record_release(&back);
	ok(record_parse(&back, text.p, text.len, &e) == 0, "parse again");
	buf_addch(&lists.v[RECORD_INPUTS], ' ');
	ok(record_unspill(&back, &lists, &e) == ERR_CORRUPT, "a changed list is refused: %s",
	   e.msg);
	buf_reset(&text);
	for (int i = 0; i < 70 * 1024; i++)
		buf_addch(&text, 'x');
	record_set(&r.title, text.p);
	buf_reset(&text);
	ok(record_format(&r, &text, &e) == ERR_LIMIT, "64 KiB is the limit: %s", e.msg);
	record_release(&r);
	record_release(&back);
	buf_release(&text);
	record_lists_release(&lists);
}

static void lists_text(const struct record *r, struct buf *out)
{
	buf_addf(out, "%zu inputs, %zu outputs\n", r->ninputs, r->noutputs);
	for (size_t i = 0; i < r->ncompared; i++)
		buf_addf(out, "%s %u\n", r->compared[i].path, r->compared[i].verdict);
	for (size_t i = 0; i < r->code.nfiltered; i++)
		buf_addf(out, "%s %s\n", r->code.filtered[i].path, r->code.filtered[i].id);
	for (size_t i = 0; i < r->code.nlarge; i++)
		buf_addf(out, "%s %" PRId64 "\n", r->code.large[i].path, r->code.large[i].bytes);
	for (size_t i = 0; i < r->code.nmodules; i++)
		buf_addf(out, "%s %s\n", r->code.modules[i].path, r->code.modules[i].commit);
	for (size_t i = 0; i < r->nprograms; i++)
		buf_addf(out, "%s %s\n", r->programs[i].path,
			 record_from_name(r->programs[i].from));
	for (size_t i = 0; i < r->env_names.nr; i++)
		buf_addf(out, "%s\n", r->env_names.v[i]);
	for (size_t i = 0; i < r->params.n; i++)
		buf_addf(out, "%s=%s\n", r->params.v[i].name, r->params.v[i].value);
}

static void add_program(struct record *r, int i)
{
	struct record_program *p = record_add_program(r);

	record_setf(&p->path, "/usr/bin/%04d", i);
	p->from = RECORD_FROM_SYSTEM;
	strvec_pushf(&r->env_names, "SERVICE_%04d_PORT", i);
}

static void add_param(struct record *r, int i)
{
	char name[32];

	snprintf(name, sizeof(name), "layer.%04d.size", i);
	record_add_pair(&r->params, name, "64");
}

/* Every list that may grow without end leaves the record, and comes back as it was. */
static void every_list(void)
{
	struct buf before = BUF_INIT, after = BUF_INIT, text = BUF_INIT;
	struct record_lists lists;
	struct record r;
	struct err e = ERR_INIT;
	int rc;

	record_init(&r);
	record_lists_init(&lists);
	fill(&r);
	add_inputs(&r, 40);
	for (int i = 0; i < 400; i++) {
		struct record_compared *c = record_add_compared(&r);
		struct record_filtered *f = record_add_filtered(&r);
		struct record_large *l = record_add_large(&r);
		struct record_module *m = record_add_module(&r);

		record_setf(&c->path, "some/path/%04d", i);
		c->verdict = RECORD_IDENTICAL;
		record_setf(&f->path, "some/path/%04d", i);
		record_set(&f->id, "sha256:" D64);
		record_setf(&l->path, "other/path/%04d", i);
		record_set(&l->id, "sha256:" D64);
		l->bytes = i;
		record_set(&l->mode, "100644");
		record_setf(&m->path, "module/%04d", i);
		record_setf(&m->commit, "%040d", i);
		add_program(&r, i);
		add_param(&r, i);
	}
	record_sort(&r);
	ok(record_format(&r, &text, &e) == ERR_LIMIT, "too much for a record: %s", e.msg);
	lists_text(&r, &before);
	rc = record_spill(&r, &lists, &e);
	ok(rc == 0 && record_format(&r, &text, &e) == 0, "all move out: %s", e.msg);
	ok(text.len <= RECORD_SPILL_BYTES, "%zu bytes stay", text.len);
	for (unsigned int i = RECORD_PROGRAMS; i <= RECORD_PER_OUTPUT; i++)
		ok(r.moved[i] && lists.v[i].len, "%s", record_list_file((enum record_movable)i));
	ok(record_unspill(&r, &lists, &e) == 0, "and come back: %s", e.msg);
	lists_text(&r, &after);
	is_str(after.p, before.p, "as they were");
	record_release(&r);
	record_lists_release(&lists);
	buf_release(&before);
	buf_release(&after);
	buf_release(&text);
}

/* A list beside the record speaks of the same repository as the record. */
static void mixed_ids(void)
{
	struct buf text = BUF_INIT;
	struct record_lists lists;
	struct record r, back;
	struct err e = ERR_INIT;

	record_init(&r);
	record_init(&back);
	record_lists_init(&lists);
	fill(&r);
	for (int i = 0; i < RECORD_MAX_ITEMS + 1; i++) {
		struct record_module *m = record_add_module(&r);

		record_setf(&m->path, "module/%04d", i);
		record_setf(&m->commit, "%064d", i);
	}
	ok(record_format(&r, &text, &e) == ERR_INPUT, "not written: %s", e.msg);
	ok(strstr(e.msg, "code.modules[0]") != NULL, "the first that differs is named");
	err_clear(&e);
	ok(record_spill(&r, &lists, &e) == 0 && r.moved[RECORD_MODULES], "they move out: %s",
	   e.msg);
	ok(record_format(&r, &text, &e) == 0 && record_parse(&back, text.p, text.len, &e) == 0,
	   "the rest is of one length: %s", e.msg);
	ok(record_unspill(&back, &lists, &e) == ERR_INPUT, "and they do not come back: %s", e.msg);
	record_release(&r);
	record_release(&back);
	record_lists_release(&lists);
	buf_release(&text);
}

/* Names and parameters leave only where there is no other way. */
static void many_names(void)
{
	struct record_lists lists;
	struct buf text = BUF_INIT;
	struct record r;
	struct err e = ERR_INIT;
	int rc;

	record_init(&r);
	record_lists_init(&lists);
	fill(&r);
	for (int i = 0; i < 3000; i++) {
		add_param(&r, i);
		strvec_pushf(&r.env_names, "SERVICE_%04d_PORT_TCP_ADDR", i);
	}
	record_sort(&r);
	ok(record_format(&r, &text, &e) == ERR_LIMIT, "3000 names are too much: %s", e.msg);
	rc = record_spill(&r, &lists, &e);
	ok(rc == 0 && record_format(&r, &text, &e) == 0, "they move out: %s", e.msg);
	ok(text.len <= RECORD_BEFORE_BYTES, "%zu bytes stay", text.len);
	ok(r.moved[RECORD_ENV_NAMES] && r.moved[RECORD_PARAMS] && !r.params.n, "both of them");
	ok(record_unspill(&r, &lists, &e) == 0 && r.params.n == 3000 && r.env_names.nr == 3000,
	   "and come back: %s", e.msg);
	record_release(&r);
	record_lists_release(&lists);
	buf_release(&text);
}

static void cut_lists(void)
{
	struct strvec v = STRVEC_INIT;

	strvec_pushl(&v, "one", "two", NULL);
	record_limit(&v, 1000);
	is_u64(v.nr, 2, "what fits stays");
	record_limit(&v, 7);
	is_str(v.v[1], "and 1 more", "what does not is counted");
	strvec_release(&v);
	for (int i = 0; i < 250; i++)
		strvec_pushf(&v, "%d", i);
	record_limit(&v, 100000);
	is_u64(v.nr, RECORD_MAX_ITEMS + 1, "no more than a record's items");
	is_str(v.v[RECORD_MAX_ITEMS], "and 150 more", "and the others counted");
	strvec_release(&v);
}

static void text_bytes(void)
{
	static const char *const texts[] = {"plain",       "",           "a\"b", "\"a", "\xff\n",
					    "caf\xc3\xa9", "back\\slash"};
	struct record r;

	record_init(&r);
	fill(&r);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct buf without = BUF_INIT, with = BUF_INIT;
		struct err e = ERR_INIT;

		record_set(&r.note, "x");
		ok(record_format(&r, &without, &e) == 0, "%s", e.msg);
		strvec_push(&r.argv, texts[i]);
		ok(record_format(&r, &with, &e) == 0, "%s", e.msg);
		is_u64(record_text_bytes(texts[i]) + 1, with.len - without.len, texts[i]);
		strvec_pop(&r.argv);
		buf_release(&without);
		buf_release(&with);
	}
	record_release(&r);
}

static void recipe(void)
{
	struct chunkid a, b;
	struct record r;

	record_init(&r);
	fill(&r);
	record_recipe(&r, &a);
	record_set(&r.title, "another title");
	r.exit = 1;
	record_recipe(&r, &b);
	ok(chunkid_equal(&a, &b), "the recipe does not depend on what happened");
	record_add_pair(&r.params, "lr", "0.1");
	record_recipe(&r, &b);
	ok(!chunkid_equal(&a, &b), "it depends on parameters");
	record_release(&r);
}

/* "key|type|present" as the page has it: "`key`, type, present::" */
static void page_term(struct buf *out, const char *row, size_t len)
{
	unsigned int bars = 0;

	buf_reset(out);
	buf_addstr(out, "\n`");
	for (size_t i = 0; i < len; i++)
		if (row[i] == '|')
			buf_addstr(out, bars++ ? ", " : "`, ");
		else
			buf_addch(out, row[i]);
	buf_addstr(out, "::\n");
}

/* The page's list is this table: same rows, same number of them. */
static void page(void)
{
	struct buf text = BUF_INIT, table = BUF_INIT, row = BUF_INIT;
	struct err e = ERR_INIT;
	size_t rows = 0, described = 0;

	if (io_read_file(AT_FDCWD, "git-deepops/docs/gitformat-deepops-record.5.adoc", 1 << 20,
			 &text, &e) < 0)
		ok(false, "%s", e.msg);
	record_describe(&table);
	for (const char *at = table.p; *at; at += strcspn(at, "\n") + 1) {
		page_term(&row, at, strcspn(at, "\n"));
		ok(strstr(text.p, row.p) != NULL, "the page has %.*s", (int)strcspn(at, "\n"), at);
		described++;
	}
	for (const char *at = strstr(text.p, "\n`schema`, "); at && at[1] != '\n';
	     at = strchr(at + 1, '\n'))
		rows += at[1] == '`';
	is_u64(rows, described, "and no other fields");
	buf_release(&text);
	buf_release(&table);
	buf_release(&row);
}

int main(void)
{
	page();
	round_trip();
	refusals();
	limits();
	every_list();
	mixed_ids();
	many_names();
	cut_lists();
	text_bytes();
	recipe();
	return done_testing();
}
