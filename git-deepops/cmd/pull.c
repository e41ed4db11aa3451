/* SPDX-License-Identifier: MIT */
/* pull.c - git deepops pull: git pull, then the data its pointers name */

#include "cmd.h"

#include "base/log.h"
#include "base/num.h"
#include "data/dataset.h"
#include "repo/gitargs.h"
#include "run/note.h"
#include "sync/bring.h"

static const char *const usage[] = {"git deepops pull [options] [REMOTE [REFSPEC...]]", NULL};

static int git_pull(struct repo *r, const struct strvec *options, int argc, char **argv,
		    struct err *e)
{
	struct proc p = PROC_INIT;
	int rc;

	repo_git(r, &p);
	strvec_push(&p.args, "pull");
	if (log_level() == LOG_QUIET)
		strvec_push(&p.args, "--quiet");
	for (size_t i = 0; i < options->nr; i++)
		strvec_push(&p.args, options->v[i]);
	for (int i = 1; i < argc; i++)
		strvec_push(&p.args, argv[i]);
	rc = proc_capture(&p, NULL, 0, NULL, e);
	proc_release(&p);
	return MIN(rc, 1);
}

static int checkout_root(struct dataset_env *d, const char *root, struct err *e)
{
	struct dataset_checkout_opts opts = {.link = DATASET_LINK_AUTO};
	struct dataset_checkout_result res;
	struct pointer p;
	int rc;

	memset(&res, 0, sizeof(res));
	strvec_init(&res.blocked);
	pointer_init(&p);
	rc = dataset_pointer(dataset_repo(d), NULL, root, &p, e);
	if (rc == 0)
		rc = dataset_checkout(d, root, &p, &opts, &res, e);
	for (size_t i = 0; rc == ERR_EXISTS && i < res.blocked.nr; i++)
		log_note("%s", res.blocked.v[i]);
	if (rc == 0 && res.written)
		log_note("%s: %" PRIu64 " file%s written, %s", root, res.written,
			 res.written == 1 ? "" : "s", num_human_bytes(res.bytes).s);
	dataset_checkout_result_release(&res);
	pointer_release(&p);
	return rc;
}

/* Two roots may hold the same data: the plan counts that once, the work tree needs it twice. */
static int checkout_roots(struct repo *r, struct err *e)
{
	struct dataset_env *d;
	struct strvec roots = STRVEC_INIT;
	int rc = dataset_open(&d, r, e);

	if (rc < 0)
		return rc;
	rc = dataset_roots(r, NULL, &roots, e);
	for (size_t i = 0; rc == 0 && i < roots.nr; i++)
		rc = checkout_root(d, roots.v[i], e);
	if (rc == 0)
		cmd_track_exclude(r, &roots);
	if (rc == 0)
		cmd_track_warn(r, &roots, "git deepops track adds its line to .gitignore");
	strvec_release(&roots);
	dataset_close(d);
	return rc;
}

static int pull_data(struct repo *r, const char *remote, struct err *e)
{
	struct sync_fetch_opts opts = {.nodes_only = false};
	struct sync_result result;
	struct sync_plan plan;
	struct where where;
	int rc;

	sync_plan_init(&plan);
	where_init(&where);
	rc = bring_current(r, NULL, &plan, NULL, e);
	if (rc == 0 && plan.n)
		rc = where_resolve(r, remote, WHERE_FROM, &where, e);
	if (rc == 0 && plan.n)
		rc = sync_fetch(r, &where, plan.items, plan.n, &opts, &result, e);
	if (rc == 0 && plan.n)
		rc = checkout_roots(r, e);
	where_release(&where);
	sync_plan_release(&plan);
	return rc;
}

/* Records came with it, and what the server found of them.  Derived: no reason to fail. */
static void refresh_notes(struct repo *r)
{
	struct buf branch = BUF_INIT;
	struct err e = ERR_INIT;
	struct repo_oid head;
	int rc = repo_head(r, &branch, &head, &e);

	if (rc == 0 && !repo_oid_is_zero(&head))
		rc = note_refresh(r, &head, 1, &e);
	if (rc < 0)
		log_warn("%s (git deepops notes rebuild)", e.msg);
	buf_release(&branch);
}

int cmd_pull(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct opt opts[] = {OPT_END};
	struct strvec options = STRVEC_INIT;
	int rc;

	gitargs_take(GITARGS_OF_PULL, &argc, argv, &options);
	rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);
	if (rc == 0)
		rc = git_pull(ctx->repo, &options, argc, argv, e);
	strvec_release(&options);
	if (rc) /* git has said why, or the usage was asked for */
		return rc;
	refresh_notes(ctx->repo);
	rc = pull_data(ctx->repo, argc > 1 ? argv[1] : NULL, e);
	if (rc == 0)
		cmd_init_remind(ctx->repo);
	return rc;
}
