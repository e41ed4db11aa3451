/* SPDX-License-Identifier: MIT */
/* runs.c - `git deepops runs`; see git-deepops-runs(1) */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "policy/preview.h"
#include "run/runindex.h"

#define DEFAULT_LIMIT 50 /* of the table; machines want all */
#define RANGE_MAX_BYTES (64 * MIB)
#define DEFAULT_COLUMNS "run,started,end,time,level,what,metrics"

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct listing {
	enum format format;
	struct strvec columns;
	bool in_range;
	struct strvec commits; /* of the range, sorted */
	struct buf out;
	uint64_t shown;
	bool cut; /* by our own limit: say so */
	struct preview *levels;
	/* table: cells of all rows, columns.nr each, and the width of each column */
	struct strvec cells;
	size_t *widths;
};

/* ---- cells ---- */

static void duration(int64_t ms, struct buf *out)
{
	int64_t s = ms / 1000;

	if (ms == RECORD_NONE)
		buf_addstr(out, "-");
	else if (s >= 3600)
		buf_addf(out, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else if (s >= 60)
		buf_addf(out, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else
		buf_addf(out, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
}

static void how_it_ended(const struct runindex_row *row, struct buf *out)
{
	if (row->exit == 0)
		buf_addstr(out, "ok");
	else if (row->exit != RECORD_NONE)
		buf_addf(out, "exit %" PRId64, row->exit);
	else if (row->signal != RECORD_NONE)
		buf_addf(out, "signal %" PRId64, row->signal);
	else
		buf_addstr(out, "unknown");
	if (row->retracted)
		buf_addstr(out, ", retracted");
}

/* "metric.acc" out of the row's JSON. */
static void member(const char *json, const char *name, struct buf *out)
{
	struct buf key = BUF_INIT;
	struct json *j = NULL;
	const char *value = NULL;

	record_add_text(&key, name);
	if (json_parse(&j, json, strlen(json), JSON_MAX_BYTES, NULL) == 0)
		value = json_get_str(j, key.p);
	buf_addstr(out, value ? value : "");
	buf_release(&key);
	json_unref(j);
}

static void started(const struct runindex_row *row, struct buf *out)
{
	char text[CLOCK_TEXT_BYTES];

	if (row->started == RECORD_NONE)
		return;
	clock_text(text, row->started);
	buf_add(out, text, 10); /* 2026-11-22T22:16:44.123Z: to the minute is enough here */
	buf_addch(out, ' ');
	buf_add(out, text + 11, 5);
}

static void digits(const char *id, size_t n, struct buf *out)
{
	(void)str_startswith(id, "sha256:", &id);
	buf_addf(out, "%.*s", (int)n, id);
}

/* One column of one row; false for a column that there is not. */
static bool cell(const struct runindex_row *row, const char *column, struct buf *out)
{
	const char *rest;

	if (!strcmp(column, "run"))
		digits(row->run, 12, out);
	else if (!strcmp(column, "record"))
		digits(row->record, 12, out);
	else if (!strcmp(column, "commit"))
		buf_addf(out, "%.12s%s", row->commit, row->dirty ? "+" : "");
	else if (!strcmp(column, "code_tree"))
		buf_addf(out, "%.12s", row->code_tree);
	else if (!strcmp(column, "started"))
		started(row, out);
	else if (!strcmp(column, "end"))
		how_it_ended(row, out);
	else if (!strcmp(column, "time"))
		duration(row->wall_ms, out);
	else if (!strcmp(column, "level"))
		buf_addstr(out, *row->level ? row->level : "-");
	else if (!strcmp(column, "what"))
		buf_addstr(out, *row->title ? row->title : row->program);
	else if (!strcmp(column, "title"))
		buf_addstr(out, row->title);
	else if (!strcmp(column, "author"))
		buf_addstr(out, row->author);
	else if (!strcmp(column, "kind"))
		buf_addstr(out, row->kind);
	else if (!strcmp(column, "writer"))
		buf_addstr(out, row->writer);
	else if (!strcmp(column, "metrics"))
		buf_addstr(out, row->summary);
	else if (str_startswith(column, "metric.", &rest) && *rest)
		member(row->metrics, rest, out);
	else if (str_startswith(column, "param.", &rest) && *rest)
		member(row->params, rest, out);
	else
		return false;
	return true;
}

static int split_columns(struct listing *l, const char *text, struct err *e)
{
	struct runindex_row none = {.run = "",
				    .record = "",
				    .kind = "",
				    .writer = "",
				    .commit = "",
				    .code_tree = "",
				    .title = "",
				    .author = "",
				    .program = "",
				    .parent = "",
				    .level = "",
				    .metrics = "{}",
				    .params = "{}",
				    .inputs = "[]",
				    .outputs = "[]",
				    .summary = ""};
	int rc = 0;

	while (rc == 0 && *text) {
		size_t len = strcspn(text, ",");
		struct buf ignored = BUF_INIT;
		const char *name = strvec_pushn(&l->columns, text, len);

		if (!cell(&none, name, &ignored))
			rc = err_set(e, ERR_USAGE, "unknown column `%s'", name);
		buf_release(&ignored);
		text += len + (text[len] == ',');
	}
	if (rc == 0 && !l->columns.nr)
		rc = err_set(e, ERR_USAGE, "no columns");
	return rc;
}

/* ---- formats ---- */

static void add_table_row(struct listing *l, const struct runindex_row *row)
{
	struct buf raw = BUF_INIT;

	for (size_t i = 0; i < l->columns.nr; i++) {
		char *clean;
		size_t len;

		buf_reset(&raw);
		cell(row, l->columns.v[i], &raw);
		clean = xmalloc(raw.len + 1);
		err_sanitize(clean, raw.len + 1, raw.p);
		strvec_push(&l->cells, clean);
		len = strlen(clean);
		if (len > l->widths[i])
			l->widths[i] = len;
		free(clean);
	}
	buf_release(&raw);
}

static void print_table(struct listing *l)
{
	for (size_t i = 0; i < l->cells.nr; i++) {
		size_t column = i % l->columns.nr;
		bool last = column + 1 == l->columns.nr;

		if (last)
			buf_addf(&l->out, "%s\n", l->cells.v[i]);
		else
			buf_addf(&l->out, "%-*s  ", (int)l->widths[column], l->cells.v[i]);
	}
}

static void csv_field(struct buf *out, const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		buf_addstr(out, s);
		return;
	}
	buf_addch(out, '"');
	for (; *s; s++) {
		if (*s == '"')
			buf_addch(out, '"');
		buf_addch(out, *s);
	}
	buf_addch(out, '"');
}

static void csv_header(struct listing *l)
{
	for (size_t i = 0; i < l->columns.nr; i++) {
		csv_field(&l->out, l->columns.v[i]);
		buf_addch(&l->out, i + 1 == l->columns.nr ? '\n' : ',');
	}
}

static void add_csv_row(struct listing *l, const struct runindex_row *row)
{
	struct buf value = BUF_INIT;

	for (size_t i = 0; i < l->columns.nr; i++) {
		buf_reset(&value);
		cell(row, l->columns.v[i], &value);
		csv_field(&l->out, value.p);
		buf_addch(&l->out, i + 1 == l->columns.nr ? '\n' : ',');
	}
	buf_release(&value);
}

static void put_time(struct json *o, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT_BYTES];

	if (ms == RECORD_NONE)
		return;
	clock_text(text, ms);
	json_put_str(o, key, text);
}

static void put_int(struct json *o, const char *key, int64_t v)
{
	if (v != RECORD_NONE)
		json_put_int(o, key, v);
}

/* What is not clean UTF-8 stands as in the record. */
static void put_text(struct json *o, const char *key, const char *s)
{
	struct buf text = BUF_INIT;

	record_add_text(&text, s);
	json_put_str(o, key, *s ? text.p : NULL);
	buf_release(&text);
}

/* The index keeps metrics and the like as lines of JSON. */
static void add_member(struct buf *out, const char *key, const char *line)
{
	buf_addf(out, ",\"%s\":", key);
	buf_add(out, line, strcspn(line, "\n"));
}

/* They go out as they are, which makes long lists fast. */
static void add_json_row(struct listing *l, const struct runindex_row *row)
{
	struct json *o = json_mkobj();

	put_text(o, "id", row->run);
	put_text(o, "record", row->record);
	put_text(o, "kind", row->kind);
	put_text(o, "code_tree", row->code_tree);
	put_text(o, "commit", row->commit);
	json_put_bool(o, "dirty", row->dirty);
	put_text(o, "title", row->title);
	put_text(o, "author", row->author);
	put_int(o, "exit", row->exit);
	put_int(o, "signal", row->signal);
	if (row->retracted)
		json_put_bool(o, "retracted", true);
	put_time(o, "started", row->started);
	put_int(o, "wall_ms", row->wall_ms);
	put_text(o, "level", row->level);
	json_put_str(o, "trust", "T0");
	buf_addstr(&l->out, l->shown ? ",\n" : "");
	json_text(o, false, &l->out);
	buf_rtrim(&l->out);
	buf_setlen(&l->out, l->out.len - 1); /* open the object again */
	add_member(&l->out, "metrics", row->metrics);
	add_member(&l->out, "params", row->params);
	add_member(&l->out, "inputs", row->inputs);
	add_member(&l->out, "outputs", row->outputs);
	buf_addch(&l->out, '}');
	json_unref(o);
}

/* ---- rows ---- */

static int cmp_text(const void *key, const void *item)
{
	const char *const *s = item;

	return strcmp(key, *s);
}

static int add_row(void *arg, const struct runindex_row *found, struct err *e)
{
	struct listing *l = arg;
	struct runindex_row judged = *found;
	const struct runindex_row *row = &judged;

	(void)e;
	if (l->in_range && (!l->commits.nr || !bsearch(row->commit, l->commits.v, l->commits.nr,
						       sizeof(*l->commits.v), cmp_text)))
		return 0;
	judged.level = preview_level(l->levels, found);
	switch (l->format) {
	case FORMAT_TABLE:
		add_table_row(l, row);
		break;
	case FORMAT_JSON:
		add_json_row(l, row);
		break;
	case FORMAT_CSV:
		add_csv_row(l, row);
		break;
	}
	l->shown++;
	return 0;
}

static int read_range(struct listing *l, struct repo *r, const char *range, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc;

	if (range[0] == '-')
		return err_set(e, ERR_USAGE, "unknown option `%s'", range);
	rc = repo_git_run(r, &out, e, "rev-list", range, "--", NULL);
	for (const char *at = out.p; rc == 0 && *at;) {
		size_t len = strcspn(at, "\n");

		strvec_pushn(&l->commits, at, len);
		at += len + (at[len] == '\n');
	}
	strvec_sort(&l->commits);
	l->in_range = true;
	buf_release(&out);
	return rc;
}

/* Levels that are asked for must be there before the rest is asked. */
static int find_levels(struct listing *l, const struct runindex_list *q, struct err *e)
{
	bool asked =
		(q->where && strstr(q->where, "level")) || (q->sort && strstr(q->sort, "level"));

	return asked ? preview_all(l->levels, e) : 0;
}

static int list(struct listing *l, struct repo *r, const struct runindex_list *q, struct err *e)
{
	struct runindex *ix = NULL;
	uint64_t all = 0;
	int rc = runindex_open(&ix, r, 0, e);

	if (rc == 0)
		rc = runindex_update(ix, NULL, e);
	if (rc == 0) {
		l->levels = preview_open(r, ix);
		rc = find_levels(l, q, e);
	}
	if (rc == 0 && l->format == FORMAT_JSON)
		buf_addstr(&l->out, "{\"version\":1,\"runs\":[");
	if (rc == 0 && l->format == FORMAT_CSV)
		csv_header(l);
	if (rc == 0)
		rc = runindex_list(ix, q, add_row, l, e);
	if (rc == 0)
		rc = runindex_count(ix, &all, e);
	preview_close(&l->levels);
	runindex_close(&ix);
	if (rc < 0)
		return rc;
	if (l->format == FORMAT_TABLE)
		print_table(l);
	if (l->format == FORMAT_JSON)
		buf_addstr(&l->out, "]}\n");
	fwrite(l->out.p, 1, l->out.len, stdout);
	if (l->cut && l->shown == q->limit && all > l->shown)
		log_note("%" PRIu64 " of %" PRIu64 " runs; -n 0 shows all", l->shown, all);
	return 0;
}

static void release(struct listing *l)
{
	strvec_release(&l->columns);
	strvec_release(&l->commits);
	strvec_release(&l->cells);
	buf_release(&l->out);
	free(l->widths);
}

int cmd_runs(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops runs [OPTION...] [RANGE]", NULL};
	struct listing l = {.columns = STRVEC_INIT,
			    .commits = STRVEC_INIT,
			    .cells = STRVEC_INIT,
			    .out = BUF_INIT};
	struct runindex_list q = {NULL, NULL, UINT64_MAX};
	const char *columns = DEFAULT_COLUMNS;
	bool as_json = false, as_csv = false;
	struct opt opts[] = {
		OPT_STR("where", 0, &q.where, "expr", "only runs for which this holds"),
		OPT_STR("sort", 0, &q.sort, "key", "order by this; with `-' in front, descending"),
		OPT_STR("columns", 0, &columns, "list", "what to show, separated by commas"),
		OPT_U64("number", 'n', &q.limit, "count", "at most that many; 0: all"),
		OPT_BOOL("json", 0, &as_json, "print one JSON document"),
		OPT_BOOL("csv", 0, &as_csv, "print comma-separated values with a header"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 2 || (as_json && as_csv))
		return err_set(e, ERR_USAGE, argc > 2 ? "too many arguments" : "--json or --csv");
	l.format = as_json ? FORMAT_JSON : as_csv ? FORMAT_CSV : FORMAT_TABLE;
	l.cut = q.limit == UINT64_MAX && l.format == FORMAT_TABLE && argc < 2;
	if (q.limit == UINT64_MAX)
		q.limit = l.cut ? DEFAULT_LIMIT : 0;
	rc = split_columns(&l, columns, e);
	l.widths = xcalloc(l.columns.nr + 1, sizeof(*l.widths));
	if (rc == 0 && argc == 2)
		rc = read_range(&l, ctx->repo, argv[1], e);
	if (rc == 0)
		rc = list(&l, ctx->repo, &q, e);
	release(&l);
	return rc;
}
