/* SPDX-License-Identifier: MIT */
/*
 * job.h - one execution from capture to journal
 *
 *	job_new(&job, repo, &opts, e);
 *	job_prepare(job, e);		code, inputs, machine; nothing has run yet
 *	job_execute(job, e);		spool, run, wait
 *	job_finish(job, &entry, e);	outputs, metrics, logs, record, note
 *	job_free(&job);
 *
 * Data before pointers: everything that the record will name is durable in the
 * store or in git before the command starts, and the record itself is spooled.
 * What the user should know but what stops nothing is in job_warnings().
 */
#ifndef RUN_JOB_H
#define RUN_JOB_H

#include "base/strvec.h"
#include "repo/repo.h"
#include "run/journal.h"
#include "run/record.h"

struct job_opts {
	struct strvec argv;
	struct strvec inputs;           /* as typed, relative to the working directory */
	struct strvec outputs, metrics; /* PATH[:MATCH] */
	struct strvec params, sets;     /* files; name=value */
	struct strvec tags, envs, secrets;
	const char *title;
	bool no_data, allow_partial, dry_run;
};

void job_opts_init(struct job_opts *o);
void job_opts_release(struct job_opts *o);

struct job;

/* `o` is borrowed until job_free.  ERR_USAGE and ERR_INPUT name the option that is wrong. */
int job_new(struct job **out, struct repo *r, const struct job_opts *o, struct err *e) MUST_CHECK;
void job_free(struct job **job);

int job_prepare(struct job *job, struct err *e) MUST_CHECK;
int job_execute(struct job *job, struct err *e) MUST_CHECK;
int job_finish(struct job *job, struct journal_entry *out, struct err *e) MUST_CHECK;

const struct record *job_record(const struct job *job);
const struct strvec *job_warnings(const struct job *job);
int job_status(const struct job *job); /* as waitpid gives it, after job_execute */

/*
 * Execute `of` again in `site`, a repository that restore.h made in a fresh directory.
 * job_prepare then captures the machine only; the environment of this process becomes the recorded
 * one.  job_finish compares each output with the recorded one: the verdict is in out->rec.
 */
struct job_rerun {
	const struct journal_entry *of;
	struct repo *site;
};
int job_new_rerun(struct job **out, struct repo *r, const struct job_rerun *rr,
		  struct err *e) MUST_CHECK;

/*
 * Finish what a dead supervisor left in the spool.  1: recorded, *out is filled; 0: there was
 * nothing to record (it never started, or the journal has it already).  ERR_DENIED: it still runs.
 * What could not be recorded of it is appended to `warnings`.
 */
int job_recover(struct repo *r, const char *run, struct journal_entry *out, struct strvec *warnings,
		struct err *e) MUST_CHECK;

#endif
