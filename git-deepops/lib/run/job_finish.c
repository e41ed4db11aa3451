/* SPDX-License-Identifier: MIT */
/* job_finish.c - from a command that ended to a record in the journal; see job.h */
#include <stdlib.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "run/job_internal.h"
#include "run/note.h"

#define SHOWN_CHANGES 5

static void fill_exec(struct job *j)
{
	struct record *r = &j->rec;

	if (!j->ended)
		return;
	r->ended = j->end.ended;
	r->wall_ms = j->end.wall_ms;
	r->cpu_ms = j->end.cpu_ms;
	r->max_rss = j->end.max_rss;
	if (WIFSIGNALED(j->end.status))
		r->signal = WTERMSIG(j->end.status);
	else
		r->exit = WEXITSTATUS(j->end.status);
}

/* What was captured must be what ran to the end. */
static int recheck(struct job *j, struct err *e)
{
	int rc = 0;

	if (j->recovered) {
		strvec_push(&j->rec.changed, "not checked: the supervisor died");
		return 0;
	}
	if (j->has_snap && snapshot_check(&j->snap, &j->rec.changed, e) < 0) {
		strvec_push(&j->rec.changed, "not checked");
		rc = job_survive(j, "whether the code changed is not known", e);
	}
	if (rc == 0)
		rc = job_recheck_inputs(j, e);
	for (size_t i = 0; i < j->rec.changed.nr && i < SHOWN_CHANGES; i++)
		strvec_pushf(&j->warnings, "%s changed while the command ran", j->rec.changed.v[i]);
	record_limit(&j->rec.changed, RECORD_CHANGED_BYTES);
	return rc;
}

struct taken {
	const struct job *job;
	struct tree_builder *parts;
};

/* Standard input was kept before it was known whether it would be read. */
static int take_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct taken *t = arg;
	bool input = !strcmp(entry->name, "stdin") || !strcmp(entry->name, "stdin" POINTER_SUFFIX);

	(void)e;
	if (!input || t->job->rec.stdin_id)
		tree_builder_add(t->parts, entry->name, entry->mode, &entry->id);
	return 0;
}

/* Derived things: a failure is said, the record stands. */
static void project(struct job *j)
{
	struct repo_oid commit;
	struct note_opts o = {&commit, 1, NULL, NULL};
	struct err e = ERR_INIT;

	if (!j->ix || !j->rec.code.commit)
		return;
	if (repo_oid_parse(&commit, j->rec.code.commit, &e) < 0 ||
	    runindex_update(j->ix, NULL, &e) < 0 || note_project(j->repo, j->ix, &o, &e) < 0)
		strvec_pushf(&j->warnings, "%s (git deepops notes rebuild)", e.msg);
}

/* Record, journal, index, note; the spool is removed. */
static int job_conclude(struct job *j, struct journal_entry *out, struct err *e)
{
	struct tree_builder *parts = tree_builder_new(j->repo);
	struct taken taken = {j, parts};
	int rc;

	fill_exec(j);
	job_recheck_stdin(j);
	rc = tree_list(j->repo, &j->parts, take_entry, &taken, e);
	record_set(&j->rec.closure_method, "none");
	if (rc == 0)
		rc = recheck(j, e);
	if (rc == 0)
		rc = job_fill_programs(j, parts, e);
	if (rc == 0)
		rc = job_collect_outputs(j, parts, e);
	if (rc == 0)
		rc = job_collect_logs(j, parts, e);
	if (rc == 0)
		rc = job_commit_data(j, e);
	killpoint("run-outputs-stored");
	if (rc == 0 && j->of)
		rc = job_compare_outputs(j, e);
	record_limit(&j->rec.notices, RECORD_NOTICES_BYTES);
	strvec_sort(&j->rec.code.outside);
	strvec_uniq(&j->rec.code.outside);
	record_limit(&j->rec.code.outside, RECORD_OUTSIDE_BYTES);
	if (rc == 0)
		rc = job_mask_outcome(j, e);
	if (rc == 0)
		rc = journal_append(j->repo, &j->rec, parts, out, e);
	tree_builder_free(parts);
	if (rc < 0)
		return rc;
	killpoint("run-recorded");
	project(j);
	killpoint("run-noted");
	/* What the command left running may hold a file there open, which NFS does not let go. */
	if (spool_remove(&j->spool, e) < 0) {
		strvec_pushf(&j->warnings, "%s (git deepops recover clears it away)", e->msg);
		err_clear(e);
	}
	j->spooled = false;
	return 0;
}

int job_finish(struct job *j, struct journal_entry *out, struct err *e)
{
	int rc = job_conclude(j, out, e);

	if (rc < 0) {
		err_wrap(e, "run %.12s", j->rec.run);
		err_hint(e, "the run is kept: git deepops recover records it");
	}
	return rc;
}

/* ---- what a dead supervisor left ---- */

static int still_runs(struct spool *s, struct err *e)
{
	pid_t pid = 0;
	int rc = spool_child_lives(s, &pid, e);

	if (rc == 1)
		return err_set(e, ERR_DENIED, "run %.12s: its command still runs as process %d",
			       s->run, (int)pid);
	return rc;
}

/*
 * The repository as seen from where the command ran: *site, to be closed, where that is not ours.
 * 1: that work tree is no more, or cannot be opened: `e` says why.
 */
static int open_site(struct repo *r, struct spool *s, struct repo **site, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = spool_read_worktree(s, &path, e);

	*site = NULL;
	if (rc == 0 && (!repo_worktree(r) || strcmp(path.p, repo_worktree(r)) != 0)) {
		rc = repo_open(site, path.p, REPO_NEED_WORKTREE, e);
		if (rc == 0 && strcmp(repo_commondir(*site), repo_commondir(r)) != 0) {
			repo_close(*site);
			*site = NULL;
			rc = err_set(e, ERR_NOTFOUND, "%s is another repository now", path.p);
		}
	}
	buf_release(&path);
	return rc < 0 && rc != ERR_INTR ? 1 : rc;
}

/* Its spool is open, and the journal has not got it. */
static int recover_spooled(struct repo *r, struct spool *s, struct journal_entry *out,
			   struct strvec *warnings, struct err *e)
{
	static const struct job_opts none = {.argv = STRVEC_INIT};
	struct job *j = xcalloc(1, sizeof(*j));
	struct err why = ERR_INIT;
	struct repo *other;
	int rc = open_site(r, s, &other, &why);

	j->repo = j->site = other ? other : r;
	j->o = &none;
	j->spool = *s;
	j->spooled = true;
	j->recovered = true;
	j->site_gone = rc == 1;
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
	rc = rc < 0 ? err_set(e, rc, "%s", why.msg) : dataset_open(&j->data, j->repo, e);
	j->site_data = j->data;
	if (rc == 0)
		rc = spool_read_record(&j->spool, &j->rec, &j->parts, e);
	if (rc == 0 && j->site_gone)
		job_notice(j, "where it ran: %s", why.msg);
	if (rc == 0)
		rc = job_load_programs(j, e);
	if (rc == 0)
		job_find_secrets(j);
	if (rc == 0)
		rc = spool_read_end(&j->spool, &j->end, e);
	j->ended = rc == 1;
	/* The directory of a rerun goes with its supervisor: its outputs cannot be told. */
	j->site_gone = j->site_gone || (rc >= 0 && j->rec.kind == RECORD_RERUN);
	if (runindex_open(&j->ix, r, 0, NULL) < 0)
		j->ix = NULL;
	if (rc >= 0)
		rc = job_conclude(j, out, e);
	for (size_t i = 0; i < j->warnings.nr; i++)
		strvec_push(warnings, j->warnings.v[i]);
	job_free(&j);
	repo_close(other);
	return rc < 0 ? rc : 1;
}

static int unrecoverable(struct repo *r, const char *run, struct err *e)
{
	struct buf path = BUF_INIT, word = BUF_INIT;

	buf_addf(&path, "%s/spool/%s", repo_deepops_dir(r), run);
	path_shell_quote(&word, path.p);
	err_wrap(e, "run %.12s", run);
	if (e && (e->code == ERR_CORRUPT || e->code == ERR_INPUT))
		err_hint(e, "to give it up: rm -r %s", word.p);
	buf_release(&path);
	buf_release(&word);
	return e ? e->code : ERR_INPUT;
}

int job_recover(struct repo *r, const char *run, struct journal_entry *out, struct strvec *warnings,
		struct err *e)
{
	struct record rec;
	struct repo_oid parts;
	struct spool s;
	int rc = spool_open(&s, r, run, e);

	if (rc < 0)
		return rc == ERR_DENIED
			       ? err_set(e, ERR_DENIED, "run %.12s: its supervisor still runs", run)
			       : err_wrap(e, "run %.12s", run);
	record_init(&rec);
	rc = still_runs(&s, e);
	if (rc == 0)
		rc = journal_has_run(r, run, e);
	if (rc == 1)
		return spool_remove(&s, e);
	if (rc == 0)
		rc = spool_read_record(&s, &rec, &parts, e);
	record_release(&rec);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return spool_remove(&s, e);
	}
	if (rc < 0) {
		spool_close(&s);
		return unrecoverable(r, run, e);
	}
	rc = recover_spooled(r, &s, out, warnings, e);
	return rc < 0 ? unrecoverable(r, run, e) : rc;
}
