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
#include "policy/preview.h"
#include "run/lookup.h"
#include "run/note.h"

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

/* As the server will find it, and all that keeps it from R2. */
static void add_level(struct page *p, struct repo *repo, const struct journal_entry *j)
{
	struct err e = ERR_INIT;
	struct triple t;

	if (preview_record(repo, j, &t, &e) < 0) {
		linef(p, "level", "not known: %s", e.msg);
		return;
	}
	linef(p, "level", "R%u", t.level);
	for (size_t i = 0; i < t.n; i++)
		line(p, "for R2", t.v[i].text);
	triple_release(&t);
}

static void fill(struct page *p, struct repo *repo, const struct journal_entry *j,
		 const struct runindex_retraction *retracted)
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
	if (retracted->retracted)
		linef(p, "retracted", "by %s, journal %s",
		      *retracted->author ? retracted->author : "somebody", retracted->writer);
	line(p, "note", r->note);
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
	if (r->kind == RECORD_RUN || r->kind == RECORD_RERUN)
		add_level(p, repo, j);
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
	struct runindex_retraction retracted;
	int rc;

	if (as_json)
		return print_json(j, e);
	if (raw) {
		fwrite(j->bytes.p, 1, j->bytes.len, stdout);
		return 0;
	}
	rc = lookup_retracted(repo, j->rec.run, &retracted, e);
	if (rc == 0) {
		fill(&p, repo, j, &retracted);
		fwrite(p.out.p, 1, p.out.len, stdout);
	}
	buf_release(&p.out);
	return rc;
}

/* ---- the runs behind a commit ---- */

struct behind {
	struct strvec lines, runs;
	struct repo_oid only; /* the journal commit of the last one */
};

static int take_run(void *arg, const struct journal_entry *run, const struct note_line_opts *how,
		    struct err *e)
{
	struct behind *b = arg;
	struct buf line = BUF_INIT;
	const char *rest;

	(void)e;
	note_line(&run->rec, &run->id, how, &line);
	buf_rtrim(&line);
	if (str_startswith(line.p, NOTE_PREFIX, &rest))
		strvec_push(&b->lines, rest);
	strvec_push(&b->runs, run->rec.run);
	b->only = run->commit;
	buf_release(&line);
	return 0;
}

static int find_behind(struct repo *r, const struct repo_oid *commit, struct behind *b,
		       struct err *e)
{
	struct runindex *ix = NULL;
	int rc = runindex_open(&ix, r, 0, e);

	if (rc == 0)
		rc = runindex_update(ix, NULL, e);
	if (rc == 0)
		rc = note_runs(r, ix, commit, take_run, b, e);
	runindex_close(&ix);
	return rc;
}

/* One run: its record in `entry`, 1.  Several: a line for each, 0. */
static int show_commit(struct repo *r, const char *name, const struct repo_oid *commit, bool plain,
		       struct journal_entry *entry, struct err *e)
{
	struct behind b = {.lines = STRVEC_INIT, .runs = STRVEC_INIT};
	int rc = find_behind(r, commit, &b, e);

	if (rc == 0 && !b.runs.nr) {
		rc = err_set(e, ERR_NOTFOUND, "no recorded run stands behind commit %.12s",
			     commit->hex);
		err_hint(e, "git deepops run -- CMD records one; git deepops fetch brings those of "
			    "others");
	} else if (rc == 0 && b.runs.nr == 1) {
		rc = journal_read(r, &b.only, entry, e);
		rc = rc == 0 ? 1 : rc;
	} else if (rc == 0 && !plain) {
		rc = err_set(e, ERR_INPUT, "%zu runs stand behind '%s'", b.runs.nr, name);
		err_hint(e, "git deepops show %s", name);
	}
	for (size_t i = 0; rc == 0 && i < b.lines.nr; i++)
		printf("%s\n", b.lines.v[i]);
	strvec_release(&b.lines);
	strvec_release(&b.runs);
	return rc;
}

/* A run by its id, or what stands behind a commit.  1: in `entry`, 0: all is said. */
static int find(struct repo *r, const char *name, bool plain, struct journal_entry *entry,
		struct err *e)
{
	struct err no_commit = ERR_INIT;
	struct repo_oid commit;
	int rc = lookup_run(r, name, entry, e);

	if (rc == 0)
		return 1;
	if ((rc != ERR_INPUT && rc != ERR_NOTFOUND) ||
	    repo_resolve(r, name, &commit, &no_commit) < 0)
		return rc;
	err_clear(e);
	return show_commit(r, name, &commit, plain, entry, e);
}

int cmd_show(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops show [--json | --md | --raw] RUN | COMMIT",
					    NULL};
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
		return err_set(e, ERR_USAGE, "give one run, or a commit");
	if (as_json + md + raw > 1)
		return err_set(e, ERR_USAGE, "one of --json, --md and --raw");
	journal_entry_init(&entry);
	rc = find(ctx->repo, argv[1], !(as_json || md || raw), &entry, e);
	if (rc == 1)
		rc = show(ctx->repo, &entry, as_json, md, raw, e);
	journal_entry_release(&entry);
	return rc;
}
