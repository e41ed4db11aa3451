/* SPDX-License-Identifier: MIT */
/* recover.c - `git deepops recover`; see git-deepops-recover(1) */
#include <stdio.h>

#include "base/log.h"
#include "cmd.h"
#include "run/freshdir.h"
#include "run/job.h"
#include "run/spool.h"

static void say(const struct record *r)
{
	if (r->exit != RECORD_NONE)
		printf("run %.12s: recorded, exit %" PRId64 "\n", r->run, r->exit);
	else if (r->signal != RECORD_NONE)
		printf("run %.12s: recorded, signal %" PRId64 "\n", r->run, r->signal);
	else
		printf("run %.12s: recorded, its end is not known\n", r->run);
}

/* One that cannot be recovered does not keep the others from it: the first error is returned. */
static int recover_all(struct repo *r, const struct strvec *runs, struct err *e)
{
	struct journal_entry entry;
	int first = 0;

	for (size_t i = 0; i < runs->nr; i++) {
		struct err one = ERR_INIT;
		struct strvec warnings = STRVEC_INIT;
		int rc;

		journal_entry_init(&entry);
		rc = job_recover(r, runs->v[i], &entry, &warnings, &one);
		for (size_t k = 0; k < warnings.nr; k++)
			log_warn("run %.12s: %s", runs->v[i], warnings.v[k]);
		strvec_release(&warnings);
		if (rc == 1) {
			say(&entry.rec);
		} else if (rc == ERR_DENIED) {
			log_note("%s", one.msg);
		} else if (rc < 0) {
			log_warn("%s", one.msg);
			if (!first) {
				first = rc;
				*e = one;
			}
		}
		journal_entry_release(&entry);
	}
	return first;
}

int cmd_recover(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops recover", NULL};
	struct opt opts[] = {OPT_END};
	struct strvec runs = STRVEC_INIT;
	size_t removed = 0;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "too many arguments");
	rc = freshdir_sweep(ctx->repo, &removed, e);
	if (removed)
		log_note("removed %zu directories of reruns that were killed", removed);
	if (rc == 0)
		rc = spool_sweep(ctx->repo, e);
	if (rc == 0)
		rc = spool_list(ctx->repo, &runs, e);
	if (rc == 0 && !runs.nr)
		log_note("nothing to recover");
	if (rc == 0)
		rc = recover_all(ctx->repo, &runs, e);
	strvec_release(&runs);
	return rc;
}
