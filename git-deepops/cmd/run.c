/* SPDX-License-Identifier: MIT */
/* run.c - `git deepops run`; see git-deepops-run(1) */
#include <stdio.h>

#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "cmd/run_level.h"
#include "data/dataset.h"
#include "run/job.h"

#define SHOWN_METRICS 4
#define OUTPUT_LARGE_BYTES ((int64_t)1 << 20) /* an output for which git is the wrong place */

/* Those that came since the last call. */
static void say_warnings(const struct job *job, size_t *said)
{
	const struct strvec *w = job_warnings(job);

	for (; *said < w->nr; (*said)++)
		log_warn("%s", w->v[*said]);
}

static void add_end(const struct record *r, struct buf *out)
{
	if (r->exit == 0)
		buf_addstr(out, "ok");
	else if (r->exit != RECORD_NONE)
		buf_addf(out, "exit %" PRId64, r->exit);
	else
		buf_addf(out, "signal %" PRId64, r->signal);
	buf_addf(out, " in %" PRId64 ".%03" PRId64 " s", r->wall_ms / 1000, r->wall_ms % 1000);
}

static void say_result(struct repo *repo, const struct journal_entry *entry)
{
	const struct record *r = &entry->rec;
	const struct record_pairs *m = r->metrics_best.n ? &r->metrics_best : &r->metrics_final;
	struct strvec hints = STRVEC_INIT;
	struct buf line = BUF_INIT;

	buf_addf(&line, "run %.12s: ", r->run);
	add_end(r, &line);
	for (size_t i = 0; i < m->n && i < SHOWN_METRICS; i++)
		buf_addf(&line, ", %s=%s", m->v[i].name, m->v[i].value);
	cmd_run_level(repo, entry, &line, &hints);
	log_note("%s", line.p);
	for (size_t i = 0; i < hints.nr; i++)
		log_hint("%s", hints.v[i]);
	strvec_release(&hints);
	buf_release(&line);
}

/* Is it versioned by git, as the user wants it? */
static bool in_index(struct repo *repo, const char *path)
{
	struct err e = ERR_INIT;
	char *spec = xstrfmt(":(top,literal)%s", path);
	int rc = repo_git_run(repo, NULL, &e, "ls-files", "--error-unmatch", "--", spec, NULL);

	free(spec);
	return rc == 0;
}

/* A model that is no dataset yet: `git add -A` would put all of it into git, where it stays for ever. */
static void hint_track(const char *output)
{
	char *word = path_word(output);

	log_hint("git deepops track %s keeps that output out of git", word);
	free(word);
}

static void say_large_outputs(struct repo *repo, const struct record *r)
{
	struct strvec large = STRVEC_INIT, loose = STRVEC_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < r->noutputs; i++)
		if (r->outputs[i].id && r->outputs[i].bytes >= OUTPUT_LARGE_BYTES)
			strvec_push(&large, r->outputs[i].path);
	if (large.nr && dataset_unignored(repo, &large, &loose, NULL, &e) == 0)
		for (size_t i = 0; i < loose.nr; i++)
			if (!in_index(repo, loose.v[i]))
				hint_track(loose.v[i]);
	strvec_release(&large);
	strvec_release(&loose);
}

static void say_plan(const struct record *r)
{
	log_print("code %s%s", r->code.tree ? r->code.tree : "not captured",
		  r->code.dirty ? " (differs from HEAD)" : "");
	for (size_t i = 0; i < r->ninputs; i++)
		log_print("%s %s %.19s %" PRId64 " files, %" PRId64 " bytes",
			  record_input_role_name(r->inputs[i].role), r->inputs[i].path,
			  r->inputs[i].id, r->inputs[i].files, r->inputs[i].bytes);
	for (size_t i = 0; i < r->noutputs; i++)
		log_print("%s %s%s%s", record_output_role_name(r->outputs[i].role),
			  r->outputs[i].path, r->outputs[i].match ? " " : "",
			  r->outputs[i].match ? r->outputs[i].match : "");
	for (size_t i = 0; i < r->params.n; i++)
		log_print("param %s=%s", r->params.v[i].name, r->params.v[i].value);
	log_print("machine %s %s", r->machine_class, r->machine_capture);
}

static int execute(struct job *job, struct repo *repo, struct err *e)
{
	struct journal_entry entry;
	size_t said = 0;
	int rc;

	journal_entry_init(&entry);
	say_warnings(job, &said);
	rc = job_execute(job, e);
	if (rc == 0)
		rc = job_finish(job, &entry, e);
	say_warnings(job, &said);
	if (rc == 0) {
		say_result(repo, &entry);
		say_large_outputs(repo, &entry.rec);
		cmd_init_remind(repo);
		rc = proc_exit_code(job_status(job));
	}
	journal_entry_release(&entry);
	return rc;
}

static int run(struct cmd_ctx *ctx, const struct job_opts *o, struct err *e)
{
	struct job *job;
	size_t said = 0;
	int rc = job_new(&job, ctx->repo, o, e);

	if (rc < 0)
		return rc;
	rc = job_prepare(job, e);
	if (rc == 0)
		cmd_run_before(ctx->repo, job_record(job));
	if (rc == 0 && o->dry_run) {
		say_warnings(job, &said);
		say_plan(job_record(job));
	} else if (rc == 0) {
		rc = execute(job, ctx->repo, e);
	}
	job_free(&job);
	return rc;
}

int cmd_run(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops run [OPTION...] [--] COMMAND [ARG...]",
					    NULL};
	struct job_opts o;
	struct opt opts[] = {
		OPT_LIST("input", 'i', &o.inputs, "path", "dataset or file that the command reads"),
		OPT_LIST("output", 'o', &o.outputs, "path[:match]",
			 "file or directory that it writes, and how a rerun may differ"),
		OPT_LIST("metrics", 'm', &o.metrics, "file[:match]",
			 "output that holds metrics: .json, .jsonl, .csv, .tsv"),
		OPT_LIST("params", 'p', &o.params, "file", "parameters: .json, .yaml, .toml"),
		OPT_LIST("set", 'S', &o.sets, "name=value", "set a parameter"),
		OPT_STR("title", 0, &o.title, "text", "what this run is, in a line"),
		OPT_LIST("tag", 0, &o.tags, "tag", "mark the run"),
		OPT_LIST("env", 0, &o.envs, "name", "record this environment variable too"),
		OPT_LIST("secret", 0, &o.secrets, "name",
			 "keep the value of this variable out of arguments and logs"),
		OPT_BOOL("no-data", 0, &o.no_data, "declare that the command reads no data"),
		OPT_BOOL("allow-partial", 0, &o.allow_partial,
			 "run although the code cannot be captured: level R0"),
		OPT_BOOL("dry-run", 'n', &o.dry_run, "show what would be recorded, run nothing"),
		OPT_END};
	int rc;

	job_opts_init(&o);
	rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_STOP_AT_OPERAND, e);
	if (rc == 0 && argc < 2)
		rc = err_set(e, ERR_USAGE, "no command given");
	if (rc == 0 && o.no_data && o.inputs.nr)
		rc = err_set(e, ERR_USAGE, "--no-data contradicts --input");
	for (int i = 1; rc == 0 && i < argc; i++)
		strvec_push(&o.argv, argv[i]);
	if (rc == 0)
		rc = run(ctx, &o, e);
	job_opts_release(&o);
	return rc;
}
