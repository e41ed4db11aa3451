/* SPDX-License-Identifier: MIT */
/* job.c - one execution: options, order of the steps, the tree that is spooled; see job.h */
#include "run/job.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/random.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "run/job_internal.h"
#include "run/match.h"
#include "run/metrics.h"
#include "run/params.h"
#include "run/supervise.h"

void job_opts_init(struct job_opts *o)
{
	static const struct strvec none = STRVEC_INIT;

	memset(o, 0, sizeof(*o));
	o->argv = o->inputs = o->outputs = o->metrics = o->params = none;
	o->sets = o->tags = o->envs = o->secrets = none;
}

void job_opts_release(struct job_opts *o)
{
	struct strvec *all[] = {&o->argv, &o->inputs, &o->outputs, &o->metrics, &o->params,
				&o->sets, &o->tags,   &o->envs,    &o->secrets};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		strvec_release(all[i]);
}

const struct record *job_record(const struct job *job)
{
	return &job->rec;
}

const struct strvec *job_warnings(const struct job *job)
{
	return &job->warnings;
}

int job_status(const struct job *job)
{
	return job->end.status;
}

/* ---- the store ---- */

int job_txn(struct job *j, struct store_txn **out, struct err *e)
{
	struct store *s;
	int rc = 0;

	if (!j->txn) {
		s = dataset_store(j->data, e);
		rc = s ? store_hold(s, e) : (e ? e->code : ERR_SYS);
		if (rc == 0) {
			j->held = s;
			rc = store_begin(s, NULL, &j->txn, e);
		}
	}
	*out = j->txn;
	return rc;
}

int job_commit_data(struct job *j, struct err *e)
{
	int rc;

	if (!j->txn)
		return 0;
	if (store_txn_count(j->txn) == 0) {
		store_abort(j->txn, false);
		j->txn = NULL;
		return 0;
	}
	rc = store_commit(j->txn, NULL, e);
	if (rc == 0)
		j->txn = NULL; /* freed with the commit */
	return rc;
}

/* ---- options ---- */

int job_path(const struct job *j, const char *typed, struct buf *out, struct err *e)
{
	int rc = repo_user_path(j->repo, typed, out, e);

	if (rc == 0 && !strcmp(out->p, "."))
		buf_reset(out);
	if (rc == 0 && out->len && !path_is_safe(out->p, out->len))
		rc = err_set(e, ERR_INPUT, "'%s' lies in a .git or cannot be recorded", typed);
	return rc;
}

static int add_output(struct job *j, const char *typed, enum record_output_role role, struct err *e)
{
	struct buf path = BUF_INIT, file = BUF_INIT;
	struct record_output *out;
	const char *match;
	int rc = match_split(typed, &file, &match, e);

	if (rc == 0)
		rc = job_path(j, file.p, &path, e);
	if (rc == 0 && !path.len)
		rc = err_set(e, ERR_INPUT, "the whole work tree cannot be an output");
	if (rc == 0 && role == RECORD_ROLE_METRICS && !metrics_known(path.p))
		rc = err_set(e, ERR_USAGE, "-m %s: metrics are .json, .jsonl, .csv or .tsv",
			     path.p);
	if (rc == 0)
		rc = job_refuse_link(j, role == RECORD_ROLE_METRICS ? "-m" : "-o", path.p, e);
	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++)
		if (!strcmp(j->rec.outputs[i].path, path.p))
			rc = err_set(e, ERR_USAGE, "output %s is named twice", path.p);
	if (rc == 0) {
		out = record_add_output(&j->rec);
		record_set(&out->path, path.p);
		record_set(&out->match, match);
		out->role = role;
	}
	buf_release(&path);
	buf_release(&file);
	return rc;
}

static void fill_command(struct job *j)
{
	const char *prefix = repo_prefix(j->repo);
	struct buf word = BUF_INIT;

	for (size_t i = 0; i < j->o->argv.nr; i++) {
		strvec_push(&j->words, j->o->argv.v[i]);
		buf_reset(&word);
		job_relative_word(j, j->o->argv.v[i], i == 0, &word);
		strvec_push(&j->rec.argv, word.p);
	}
	if (*prefix)
		record_set(&j->rec.cwd, prefix);
	record_set(&j->rec.title, j->o->title && *j->o->title ? j->o->title : NULL);
	for (size_t i = 0; i < j->o->tags.nr; i++)
		strvec_push(&j->rec.tags, j->o->tags.v[i]);
	j->rec.no_data = j->o->no_data;
	buf_release(&word);
}

/* `git deepops` puts git's own programs in front of PATH: a run does not depend on how we are called. */
static void forget_git_core(void)
{
	const char *path = getenv("PATH");
	char *rest = NULL;

	while (path) {
		size_t len = strcspn(path, ":");

		if (!path[len] || len < 9 || strncmp(path + len - 9, "/git-core", 9) != 0)
			break;
		path += len + 1;
		free(rest);
		rest = xstrdup(path);
		path = rest;
	}
	if (rest)
		setenv("PATH", rest, 1);
	free(rest);
}

static struct job *make(struct repo *r, enum record_kind kind)
{
	struct job *j = xcalloc(1, sizeof(*j));
	char run[RECORD_RUN_HEX + 1];

	forget_git_core();

	j->repo = j->site = r;
	record_init(&j->rec);
	capture_init(&j->machine);
	buf_init(&j->commit);
	buf_init(&j->stdin_bytes);
	buf_init(&j->stdin_head);
	buf_init(&j->stdin_pointer);
	strvec_init(&j->large_texts);
	scrub_init(&j->secrets);
	strvec_init(&j->words);
	params_init(&j->params);
	strvec_init(&j->env);
	strvec_init(&j->warnings);
	random_hex(run, RECORD_RUN_HEX);
	record_set(&j->rec.run, run);
	j->rec.kind = kind;
	record_set(&j->rec.tool, "git-deepops " DEEPOPS_VERSION);
	return j;
}

/* The index only saves time here; a broken disk is found out by what needs it. */
static int open_parts(struct job *j, struct err *e)
{
	int rc = dataset_open(&j->data, j->repo, e);

	j->site_data = j->data;
	if (rc == 0 && j->site != j->repo)
		rc = dataset_open(&j->site_data, j->site, e);
	if (runindex_open(&j->ix, j->repo, 0, NULL) < 0)
		j->ix = NULL;
	return rc;
}

int job_new(struct job **out, struct repo *r, const struct job_opts *o, struct err *e)
{
	struct job *j = make(r, RECORD_RUN);
	int rc = 0;

	j->o = o;
	for (size_t i = 0; rc == 0 && i < o->outputs.nr; i++)
		rc = add_output(j, o->outputs.v[i], RECORD_ROLE_OUTPUT, e);
	for (size_t i = 0; rc == 0 && i < o->metrics.nr; i++)
		rc = add_output(j, o->metrics.v[i], RECORD_ROLE_METRICS, e);
	if (rc == 0)
		rc = job_read_secrets(j, e);
	if (rc == 0)
		fill_command(j);
	if (rc == 0)
		rc = open_parts(j, e);
	if (rc < 0)
		job_free(&j);
	*out = j;
	return rc;
}

int job_new_rerun(struct job **out, struct repo *r, const struct job_rerun *rr, struct err *e)
{
	static const struct job_opts none = {.argv = STRVEC_INIT,
					     .inputs = STRVEC_INIT,
					     .outputs = STRVEC_INIT,
					     .metrics = STRVEC_INIT,
					     .params = STRVEC_INIT,
					     .sets = STRVEC_INIT,
					     .tags = STRVEC_INIT,
					     .envs = STRVEC_INIT,
					     .secrets = STRVEC_INIT};
	struct job *j = make(r, RECORD_RERUN);
	int rc = job_take_over(j, rr->of, e);

	j->o = &none;
	j->of = rr->of;
	j->site = rr->site;
	if (rc == 0)
		rc = open_parts(j, e);
	if (rc < 0)
		job_free(&j);
	*out = j;
	return rc;
}

void job_free(struct job **p)
{
	struct job *j = *p;

	if (!j)
		return;
	store_abort(j->txn, false);
	if (j->spooled)
		spool_close(&j->spool);
	if (j->has_snap)
		snapshot_release(&j->snap);
	if (j->site_data != j->data)
		dataset_close(j->site_data);
	dataset_close(j->data);
	runindex_close(&j->ix);
	for (size_t i = 0; i < j->npins; i++) {
		free(j->pins[i].path);
		buf_release(&j->pins[i].text);
		pointer_release(&j->pins[i].p);
	}
	free(j->pins);
	for (size_t i = 0; i < j->nreplace; i++)
		free((char *)(uintptr_t)j->replace[i].path);
	free(j->replace);
	for (size_t i = 0; i < j->nprograms; i++)
		free(j->programs[i].path);
	free(j->programs);
	free(j->filtered);
	record_release(&j->rec);
	capture_release(&j->machine);
	buf_release(&j->commit);
	buf_release(&j->stdin_bytes);
	buf_release(&j->stdin_head);
	buf_release(&j->stdin_pointer);
	strvec_release(&j->large_texts);
	scrub_release(&j->secrets);
	strvec_release(&j->words);
	params_release(&j->params);
	strvec_release(&j->env);
	strvec_release(&j->warnings);
	free(j);
	*p = NULL;
}

/* ---- before ---- */

static int add_inputs(struct job *j, struct tree_builder *b, struct err *e)
{
	char name[32];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->rec.ninputs; i++) {
		const struct job_pin *pin = job_find_pin(j, j->rec.inputs[i].path);

		snprintf(name, sizeof(name), "inputs/%zu", i);
		rc = tree_builder_add_blob(b, name, pin->text.p, pin->text.len, e);
	}
	for (size_t i = 0; rc == 0 && i < j->large_texts.nr; i++) {
		snprintf(name, sizeof(name), "large/%zu", i);
		rc = tree_builder_add_blob(b, name, j->large_texts.v[i],
					   strlen(j->large_texts.v[i]), e);
	}
	return rc;
}

static int add_code(struct job *j, struct tree_builder *b, struct err *e)
{
	char name[48];

	if (!j->has_snap)
		return 0;
	tree_builder_add(b, "code", TREE_MODE_DIR, &j->snap.tree);
	for (size_t i = 0; i < j->snap.nmodules; i++) {
		snprintf(name, sizeof(name), "modules/%zu", i);
		tree_builder_add(b, name, TREE_MODE_DIR, &j->snap.modules[i].tree);
	}
	for (size_t i = 0; j->filtered && i < j->snap.filtered.nr; i++) {
		snprintf(name, sizeof(name), "filtered/%zu%s", i,
			 j->filtered[i].pointer ? POINTER_SUFFIX : "");
		if (j->filtered[i].is)
			tree_builder_add(b, name, TREE_MODE_FILE, &j->filtered[i].blob);
	}
	if (!j->commit.len)
		return 0;
	return tree_builder_add_blob(b, "commit", j->commit.p, j->commit.len, e);
}

static int take_old_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	static const char *const kept[] = {"code",  "modules",  "commit", "inputs",
					   "large", "filtered", "stdin",  ("stdin" POINTER_SUFFIX)};
	struct tree_builder *b = arg;

	(void)e;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (!strcmp(entry->name, kept[i]))
			tree_builder_add(b, entry->name, entry->mode, &entry->id);
	return 0;
}

/* The journal tree as far as it is known before the command runs. */
static int write_parts(struct job *j, struct err *e)
{
	struct tree_builder *b = tree_builder_new(j->repo);
	struct buf json = BUF_INIT;
	int rc;

	if (j->of)
		rc = tree_list(j->repo, &j->of->tree, take_old_entry, b, e);
	else
		rc = add_inputs(j, b, e);
	if (rc == 0 && !j->of)
		rc = add_code(j, b, e);
	if (rc == 0 && !j->of)
		rc = job_add_stdin(j, b, e);
	if (rc == 0)
		rc = tree_builder_add_blob(b, "machine", j->machine.text.p, j->machine.text.len, e);
	if (rc == 0 && j->rec.params.n) {
		job_params_json(j, &json);
		rc = tree_builder_add_blob(b, "params.json", json.p, json.len, e);
	}
	if (rc == 0)
		rc = tree_builder_write(b, &j->parts, e);
	tree_builder_free(b);
	buf_release(&json);
	return rc;
}

int job_prepare(struct job *j, struct err *e)
{
	int rc = 0;

	killpoint("run-begin");
	if (!j->of) {
		rc = job_pin_inputs(j, e);
		killpoint("run-inputs-read");
		if (rc == 0)
			rc = job_read_params(j, e);
		if (rc == 0)
			rc = job_capture_code(j, e);
		if (rc == 0)
			rc = job_capture_stdin(j, e);
		killpoint("run-code-captured");
	}
	if (rc == 0)
		rc = job_capture_host(j, e);
	if (rc == 0)
		rc = job_mask_record(j, e);
	if (rc == 0 && !j->of)
		rc = job_scan_record(j, e);
	if (rc < 0 || j->o->dry_run)
		return rc;
	rc = job_commit_data(j, e);
	killpoint("run-data-stored");
	record_sort(&j->rec);
	return rc < 0 ? rc : write_parts(j, e);
}

/* ---- while it runs ---- */

static int make_spool(struct job *j, struct err *e)
{
	struct buf path = BUF_INIT, json = BUF_INIT;
	int rc = spool_create(&j->spool, j->repo, j->rec.run, e);

	j->spooled = rc == 0;
	killpoint("run-spool-made");
	if (rc == 0 && j->params.values.n) {
		params_json(&j->params, &json);
		spool_path(&j->spool, "params.json", &path);
		rc = tempfile_write(path.p, 0600, json.p, json.len, e);
	}
	if (rc == 0)
		rc = spool_write_record(&j->spool, &j->rec, &j->parts, e);
	killpoint("run-spooled");
	buf_release(&path);
	buf_release(&json);
	return rc;
}

static void command_env(struct job *j)
{
	struct buf path = BUF_INIT;

	strvec_pushf(&j->env, "DEEPOPS_RUN=%s", j->rec.run);
	spool_path(&j->spool, "metrics.jsonl", &path);
	strvec_pushf(&j->env, "DEEPOPS_METRICS=%s", path.p);
	buf_reset(&path);
	spool_path(&j->spool, "params.json", &path);
	if (j->params.values.n)
		strvec_pushf(&j->env, "DEEPOPS_PARAMS=%s", path.p);
	buf_release(&path);
}

static int on_start(void *arg, pid_t pid, struct err *e)
{
	struct job *j = arg;

	return spool_write_child(&j->spool, pid, e);
}

static int64_t cpu_ms(const struct rusage *u)
{
	return (int64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
	       (int64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

static void say_of_output(struct job *j, const struct supervise *s)
{
	if (s->log_error.code)
		strvec_pushf(&j->warnings, "%s", s->log_error.msg);
	for (int i = 0; i < SUPERVISE_STREAMS; i++)
		if (s->out_error[i].code)
			strvec_pushf(&j->warnings, "%s; the rest is in the log alone",
				     s->out_error[i].msg);
	if (s->left_behind)
		strvec_pushf(&j->warnings, "something that the command started still runs: what it "
					   "does from now on is not recorded");
}

static void take_watch(struct job *j, const struct execwatch *w)
{
	j->rec.watched = execwatch_is_complete(w) ? RECORD_WATCHED_EVERY
			 : execwatch_saw(w)       ? RECORD_WATCHED_SAMPLED
						  : RECORD_WATCHED_NONE;
	if (execwatch_tamed(w))
		job_notice(
			j,
			"%s ran without the privileges of its owner, since runs are watched: git "
			"config deepops.watch sample",
			execwatch_tamed(w));
}

static int supervise(struct job *j, struct err *e)
{
	struct supervise s = {
		.argv = &j->words,
		.env = &j->env,
		.secrets = &j->secrets,
		.log_fd = {j->spool.log_fd[0], j->spool.log_fd[1]},
		.in = PROC_INHERIT,
		.watch = execwatch_new(job_note_program, j, job_watch_how(j)),
		.started = on_start,
		.arg = j,
	};
	struct buf dir = BUF_INIT;
	uint64_t began = clock_mono_ms();
	int rc;

	path_join(&dir, repo_worktree(j->site), j->rec.cwd ? j->rec.cwd : "");
	s.dir = dir.p;
	if (j->of) { /* what the shell says of the user's own directory */
		strvec_pushf(&j->env, "PWD=%s", dir.p);
		strvec_push(&j->env, "OLDPWD");
	}
	rc = j->of ? job_rerun_stdin(j, &s.in, e) : 0;
	if (rc == 0)
		rc = supervise_run(&s, e);
	if (s.in >= 0)
		close(s.in);
	buf_release(&dir);
	take_watch(j, s.watch);
	execwatch_free(s.watch);
	if (rc < 0)
		return rc;
	killpoint("run-ended");
	say_of_output(j, &s);
	j->end = (struct spool_end){
		s.status, clock_now_ms() - (int64_t)(clock_mono_ms() - s.ended_ms),
		(int64_t)(s.ended_ms - began), cpu_ms(&s.usage), (int64_t)s.usage.ru_maxrss * 1024};
	/* A clock set back while it ran must not make the record end before it began. */
	if (j->end.ended < j->rec.started)
		j->end.ended = j->rec.started + j->end.wall_ms;
	return 0;
}

int job_execute(struct job *j, struct err *e)
{
	int rc;

	j->rec.started = clock_now_ms();
	rc = make_spool(j, e);
	if (rc == 0) {
		if (j->held)
			store_let_go(j->held); /* the spool names what was stored */
		command_env(j);
		rc = supervise(j, e);
	}
	if (rc < 0) {
		struct err ignored = ERR_INIT;

		/* It never ran: there is nothing to record. */
		if (j->spooled && spool_remove(&j->spool, &ignored) == 0)
			j->spooled = false;
		return rc;
	}
	j->ended = true;
	rc = spool_write_end(&j->spool, &j->end, e);
	killpoint("run-end-spooled");
	return rc;
}
