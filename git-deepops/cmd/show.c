/* SPDX-License-Identifier: MIT */
/* show.c - `git deepops show`; see git-deepops-show(1) */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/markdown.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "run/level.h"
#include "run/lookup.h"

/* One page for two kinds of readers: `key  value` lines, or a Markdown table. */
struct page {
	struct buf out;
	bool md;
};

/* Control bytes never reach a terminal; in Markdown nothing of it is markup. */
static void add_escaped(struct page *p, const char *text)
{
	char *clean;

	if (p->md) {
		markdown_escape(&p->out, text);
		return;
	}
	clean = xmalloc(strlen(text) + 1);
	err_sanitize(clean, strlen(text) + 1, text);
	buf_addstr(&p->out, clean);
	free(clean);
}

static void line(struct page *p, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	if (p->md)
		buf_addf(&p->out, "| %s | ", key);
	else
		buf_addf(&p->out, "%-10s ", key);
	add_escaped(p, value);
	buf_addstr(&p->out, p->md ? " |\n" : "\n");
}

static void linef(struct page *p, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void linef(struct page *p, const char *key, const char *fmt, ...)
{
	struct buf value = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&value, fmt, ap);
	va_end(ap);
	line(p, key, value.p);
	buf_release(&value);
}

static void add_words(struct page *p, const char *key, const struct strvec *words)
{
	struct buf value = BUF_INIT;

	for (size_t i = 0; i < words->nr; i++) {
		if (i)
			buf_addch(&value, ' ');
		if (strpbrk(words->v[i], " \t\n'\"\\$`*?") || !*words->v[i])
			path_shell_quote(&value, words->v[i]);
		else
			buf_addstr(&value, words->v[i]);
	}
	line(p, key, value.p);
	buf_release(&value);
}

static void add_pairs(struct page *p, const char *key, const struct record_pairs *pairs)
{
	for (size_t i = 0; i < pairs->n; i++)
		linef(p, key, "%s=%s", pairs->v[i].name, pairs->v[i].value);
}

static void add_time(struct page *p, const char *key, int64_t ms)
{
	char text[CLOCK_TEXT_BYTES];

	if (ms == RECORD_NONE)
		return;
	clock_text(text, ms);
	line(p, key, text);
}

static void add_end(struct page *p, const struct record *r)
{
	if (r->exit != RECORD_NONE)
		linef(p, "exit", "%" PRId64, r->exit);
	else if (r->signal != RECORD_NONE)
		linef(p, "signal", "%" PRId64, r->signal);
	else
		line(p, "exit", "unknown end");
	if (r->wall_ms != RECORD_NONE)
		linef(p, "time",
		      "%" PRId64 ".%03" PRId64 " s, cpu %" PRId64 ".%03" PRId64
		      " s, memory %" PRId64 " MiB",
		      r->wall_ms / 1000, r->wall_ms % 1000, r->cpu_ms / 1000, r->cpu_ms % 1000,
		      r->max_rss >> 20);
}

static void add_code(struct page *p, const struct record *r)
{
	const struct record_code *c = &r->code;

	if (c->commit)
		linef(p, "commit", "%s%s%s%s", c->commit, c->branch ? " (" : "",
		      c->branch ? c->branch : "", c->branch ? ")" : "");
	if (c->tree)
		linef(p, "code", "%s %s", c->tree, c->dirty ? "dirty" : "clean");
	line(p, "tree", c->tree_sha256);
	for (size_t i = 0; i < c->nmodules; i++)
		linef(p, "module", "%s %s", c->modules[i].path, c->modules[i].commit);
	for (size_t i = 0; i < c->nlarge; i++)
		linef(p, "large", "%s %s", c->large[i].path, c->large[i].id);
}

static void add_data(struct page *p, const struct record *r)
{
	for (size_t i = 0; i < r->ninputs; i++)
		linef(p, record_input_role_name(r->inputs[i].role), "%s %s, %" PRId64 " files",
		      r->inputs[i].path, r->inputs[i].id, r->inputs[i].files);
	if (r->no_data)
		line(p, "input", "none, by declaration");
	for (size_t i = 0; i < r->noutputs; i++)
		linef(p, record_output_role_name(r->outputs[i].role), "%s %s", r->outputs[i].path,
		      r->outputs[i].id ? r->outputs[i].id : "is not recorded");
	for (size_t i = 0; i < r->changed.nr; i++)
		line(p, "changed", r->changed.v[i]);
	for (size_t i = 0; i < r->notices.nr; i++)
		line(p, "notice", r->notices.v[i]);
}

static void add_rerun(struct page *p, const struct record *r)
{
	if (!r->rerun_of)
		return;
	line(p, "rerun of", r->rerun_of);
	line(p, "verdict", r->verdict ? record_verdict_name(r->verdict) : NULL);
	for (size_t i = 0; i < r->ncompared; i++)
		linef(p, "compared", "%s %s", r->compared[i].path,
		      record_verdict_name(r->compared[i].verdict));
}

static void add_level(struct page *p, const struct record *r)
{
	struct buf raise = BUF_INIT;
	int level = level_of(r, &raise);

	linef(p, "level", "R%d%s%s", level, raise.len ? ": " : "", raise.p);
	buf_release(&raise);
}

static void fill(struct page *p, const struct journal_entry *j, bool retracted)
{
	const struct record *r = &j->rec;

	if (p->md)
		buf_addf(&p->out, "| run | %s |\n| --- | --- |\n", r->run);
	else
		line(p, "run", r->run);
	line(p, "record", chunkid_text(&j->id).s);
	if (r->kind != RECORD_RUN)
		line(p, "kind", record_kind_name(r->kind));
	line(p, "title", r->title);
	line(p, "author", r->author);
	add_words(p, "tags", &r->tags);
	add_words(p, "command", &r->argv);
	line(p, "directory", r->cwd);
	add_time(p, "started", r->started);
	add_end(p, r);
	line(p, "retracted", retracted ? "by a later record" : NULL);
	add_code(p, r);
	add_data(p, r);
	add_pairs(p, "param", &r->params);
	add_pairs(p, "metric", &r->metrics_final);
	add_pairs(p, "seed", &r->seeds);
	if (r->machine_capture)
		linef(p, "machine", "%s %s", r->machine_class, r->machine_capture);
	line(p, "host", r->host);
	add_rerun(p, r);
	line(p, "partial", r->partial);
	add_level(p, r);
}

static int print_json(const struct journal_entry *j, struct err *e)
{
	struct buf out = BUF_INIT;
	struct json *doc = NULL;
	int rc = json_parse(&doc, j->bytes.p, j->bytes.len, RECORD_MAX_BYTES, e);

	if (rc == 0) {
		json_text(doc, true, &out);
		fwrite(out.p, 1, out.len, stdout);
	}
	json_unref(doc);
	buf_release(&out);
	return rc;
}

static int show(struct repo *repo, const struct journal_entry *j, bool as_json, bool md, bool raw,
		struct err *e)
{
	struct page p = {BUF_INIT, md};
	bool retracted;
	int rc;

	if (as_json)
		return print_json(j, e);
	if (raw) {
		fwrite(j->bytes.p, 1, j->bytes.len, stdout);
		return 0;
	}
	rc = lookup_retracted(repo, j->rec.run, &retracted, e);
	if (rc == 0) {
		fill(&p, j, retracted);
		fwrite(p.out.p, 1, p.out.len, stdout);
	}
	buf_release(&p.out);
	return rc;
}

int cmd_show(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops show [--json | --md | --raw] RUN", NULL};
	bool as_json = false, md = false, raw = false;
	struct opt opts[] = {OPT_BOOL("json", 0, &as_json, "print the record, indented"),
			     OPT_BOOL("md", 0, &md, "print a Markdown table"),
			     OPT_BOOL("raw", 0, &raw, "print the bytes that the record id is of"),
			     OPT_END};
	struct journal_entry entry;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "give one run");
	if (as_json + md + raw > 1)
		return err_set(e, ERR_USAGE, "one of --json, --md and --raw");
	journal_entry_init(&entry);
	rc = lookup_run(ctx->repo, argv[1], &entry, e);
	if (rc == 0)
		rc = show(ctx->repo, &entry, as_json, md, raw, e);
	journal_entry_release(&entry);
	return rc;
}
