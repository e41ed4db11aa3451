/* SPDX-License-Identifier: MIT */
/* rerun.c - `git deepops rerun`; see git-deepops-rerun(1) */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/proc.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "run/freshdir.h"
#include "run/job.h"
#include "run/lookup.h"
#include "run/restore.h"
#include "sync/sync.h"

#define SHOWN_MACHINE_KEYS 10

struct rerun {
	struct repo *repo;
	struct journal_entry of;
	struct sync_plan plan; /* only as a list of pointers */
	bool keep, exit_code;
};

/* ---- data that is not here yet ---- */

static bool needs_content(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->noutputs; i++) {
		const struct record_output *out = &r->outputs[i];

		if (!strcmp(out->path, path))
			return out->match && (str_startswith(out->match, "abs=", NULL) ||
					      str_startswith(out->match, "rel=", NULL));
	}
	return false;
}

/* Inputs and large files, and outputs that a tolerance has to look into. */
static int take_pointer(void *arg, const struct journal_pointer *p, struct err *e)
{
	struct rerun *x = arg;

	if (!str_startswith(p->name, "inputs/", NULL) && !str_startswith(p->name, "large/", NULL) &&
	    !str_startswith(p->name, "filtered/", NULL) && strcmp(p->name, "stdin.deepops") != 0 &&
	    !(str_startswith(p->name, "outputs/", NULL) && needs_content(&x->of.rec, p->what)))
		return 0;
	return sync_plan_add(&x->plan, p->what, p->text->p, p->text->len, false, e);
}

static int anything_missing(struct dataset_env *d, const struct sync_plan *plan, bool *missing,
			    struct err *e)
{
	const struct dataset_missing_opts o = {NULL, NULL, NULL};
	struct chunkset *set = chunkset_new();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < plan->n; i++)
		rc = dataset_missing(d, &plan->items[i].pointer, &o, set, e);
	*missing = chunkset_count(set) > 0;
	chunkset_free(set);
	return rc;
}

static int bring_data(struct rerun *x, struct dataset_env *d, struct err *e)
{
	const struct sync_fetch_opts o = {.nodes_only = false};
	struct sync_result result = {0};
	struct where w;
	bool missing = false;
	int rc = journal_pointers(x->repo, &x->of, take_pointer, x, e);

	if (rc == 0)
		rc = anything_missing(d, &x->plan, &missing, e);
	if (rc < 0 || !missing)
		return rc;
	where_init(&w);
	rc = where_resolve(x->repo, NULL, WHERE_FROM, &w, e);
	if (rc == 0)
		rc = sync_fetch(x->repo, &w, x->plan.items, x->plan.n, &o, &result, e);
	where_release(&w);
	return rc;
}

/* ---- what is said ---- */

static void say_comparison(const struct record *r)
{
	struct buf keys = BUF_INIT;

	if (!r->ncompared)
		puts("nothing to compare: the run declared no outputs");
	for (size_t i = 0; i < r->ncompared; i++)
		log_print("%s: %s%s%s", r->compared[i].path,
			  record_verdict_name(r->compared[i].verdict),
			  r->compared[i].detail ? ": " : "",
			  r->compared[i].detail ? r->compared[i].detail : "");
	if (!r->machine_diff.nr)
		return;
	for (size_t i = 0; i < r->machine_diff.nr && i < SHOWN_MACHINE_KEYS; i++)
		buf_addf(&keys, " %s", r->machine_diff.v[i]);
	log_print("machine: differs in %zu facts:%s%s", r->machine_diff.nr, keys.p,
		  r->machine_diff.nr > SHOWN_MACHINE_KEYS ? " ..." : "");
	buf_release(&keys);
}

static void say_verdict(enum record_verdict v)
{
	printf("verdict: %s\n", record_verdict_name(v));
}

/* ---- doing it ---- */

/* Git ignores it, so no run holds it: what it had is in the capture of the machine. */
static void hint_at_environment(const struct rerun *x, struct err *e)
{
	const char *program = x->of.rec.argv.v[0];

	if (strchr(program, '/') && program[0] != '/')
		err_hint(e,
			 "%s is not of the code that ran: make its environment, whose packages git "
			 "deepops show %.12s "
			 "--json names a digest of, and rerun with its bin directory in PATH",
			 program, x->of.rec.run);
}

static int execute(struct rerun *x, struct repo *site, struct err *e)
{
	struct job_rerun rr = {&x->of, site};
	struct journal_entry entry;
	struct job *job;
	int rc = job_new_rerun(&job, x->repo, &rr, e);

	if (rc < 0)
		return rc;
	journal_entry_init(&entry);
	rc = job_prepare(job, e);
	if (rc == 0) {
		rc = job_execute(job, e);
		if (rc == ERR_NOTFOUND && !e->hint[0])
			hint_at_environment(x, e);
	}
	if (rc == 0)
		rc = job_finish(job, &entry, e);
	for (size_t i = 0; i < job_warnings(job)->nr; i++)
		log_warn("%s", job_warnings(job)->v[i]);
	if (rc == 0) {
		bool same = entry.rec.verdict == RECORD_IDENTICAL ||
			    entry.rec.verdict == RECORD_WITHIN_TOLERANCE;

		say_comparison(&entry.rec);
		say_verdict(entry.rec.verdict);
		rc = x->exit_code ? !same : proc_exit_code(job_status(job));
	}
	journal_entry_release(&entry);
	job_free(&job);
	return rc;
}

static int in_fresh_dir(struct rerun *x, struct dataset_env *d, struct err *e)
{
	struct strvec warnings = STRVEC_INIT;
	struct freshdir fresh = FRESHDIR_INIT;
	struct repo *site = NULL;
	struct err ignored = ERR_INIT;
	int rc;

	sig_defer(); /* the directory must go */
	rc = freshdir_make(&fresh, x->repo, x->of.rec.run, e);
	if (rc == 0) {
		log_verbose("restoring run %.12s in %s", x->of.rec.run, fresh.dir.p);
		rc = restore_run(d, &x->of, fresh.dir.p, &site, &warnings, e);
	}
	for (size_t i = 0; i < warnings.nr; i++)
		log_warn("%s", warnings.v[i]);
	if (rc == 0)
		rc = execute(x, site, e);
	repo_close(site);
	if (x->keep && fresh.dir.len)
		log_note("kept: %s", fresh.dir.p);
	if (freshdir_end(&fresh, x->keep, &ignored) < 0)
		log_warn("%s", ignored.msg);
	strvec_release(&warnings);
	sig_undefer();
	return rc;
}

static int rerun(struct rerun *x, const char *name, struct err *e)
{
	struct dataset_env *d = NULL;
	int rc = lookup_run(x->repo, name, &x->of, e);

	if (rc == 0 && x->of.rec.kind != RECORD_RUN && x->of.rec.kind != RECORD_RERUN)
		rc = err_set(e, ERR_INPUT, "%s is a record of kind %s, not a run", name,
			     record_kind_name(x->of.rec.kind));
	if (rc == 0)
		rc = dataset_open(&d, x->repo, e);
	if (rc == 0)
		rc = bring_data(x, d, e);
	if (rc == 0)
		rc = in_fresh_dir(x, d, e);
	dataset_close(d);
	if (rc < 0)
		say_verdict(RECORD_NOT_EXECUTED);
	return rc;
}

int cmd_rerun(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops rerun [--exit-code] [--keep] RUN", NULL};
	struct rerun x = {.repo = ctx->repo};
	struct opt opts[] = {
		OPT_BOOL("exit-code", 0, &x.exit_code,
			 "exit 0 if the outputs are identical or within tolerance, 1 if not"),
		OPT_BOOL("keep", 0, &x.keep, "leave the directory it ran in, and name it"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "give one run");
	journal_entry_init(&x.of);
	sync_plan_init(&x.plan);
	rc = rerun(&x, argv[1], e);
	sync_plan_release(&x.plan);
	journal_entry_release(&x.of);
	return rc;
}
