/* SPDX-License-Identifier: MIT */
/* fetch.c - git deepops fetch: bring chunks for the current pointers into the local store */

#include "cmd.h"

#include "base/log.h"
#include "base/num.h"
#include "sync/bring.h"

static const char *const usage[] = {"git deepops fetch [options] [--] [PATH...]", NULL};

struct fetch_args {
	const char *remote;
	struct strvec include, exclude;
	bool all;
};

static int collect(struct cmd_ctx *ctx, struct fetch_args *a, int argc, char **argv,
		   struct sync_plan *plan, struct err *e)
{
	struct strvec paths = STRVEC_INIT;
	struct buf path = BUF_INIT;
	int rc = 0;

	for (int i = 1; rc == 0 && i < argc; i++) {
		buf_reset(&path);
		rc = repo_user_path(ctx->repo, argv[i], &path, e);
		if (rc == 0)
			strvec_push(&paths, path.p);
	}
	if (rc == 0)
		rc = a->all ? bring_all(ctx->repo, plan, e)
			    : bring_current(ctx->repo, &paths, plan, &a->include, e);
	buf_release(&path);
	strvec_release(&paths);
	return rc;
}

static int fetch_plan(struct cmd_ctx *ctx, const struct fetch_args *a, const struct sync_plan *plan,
		      struct err *e)
{
	struct sync_fetch_opts opts = {.include = &a->include, .exclude = &a->exclude};
	struct sync_result result;
	struct where where;
	int rc;

	where_init(&where);
	rc = where_resolve(ctx->repo, a->remote, WHERE_FROM, &where, e);
	if (rc == 0)
		rc = sync_fetch(ctx->repo, &where, plan->items, plan->n, &opts, &result, e);
	if (rc == 0 && result.skipped)
		log_warn("%" PRIu64 " older datasets are not on the remote", result.skipped);
	if (rc == 0)
		log_note("fetched %" PRIu64 " chunks, %s", result.chunks,
			 num_human_bytes(result.bytes).s);
	where_release(&where);
	return rc;
}

int cmd_fetch(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct fetch_args a = {NULL, STRVEC_INIT, STRVEC_INIT, false};
	struct opt opts[] = {
		OPT_LIST("include", 'I', &a.include, "glob", "only files inside that match"),
		OPT_LIST("exclude", 'X', &a.exclude, "glob", "not files inside that match"),
		OPT_BOOL("all", 0, &a.all, "datasets of every branch, tag and run"),
		OPT_STR("remote", 0, &a.remote, "name", "git remote to fetch from"), OPT_END};
	struct sync_plan plan;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	sync_plan_init(&plan);
	if (rc == 0 && a.all && argc > 1)
		rc = err_set(e, ERR_USAGE, "--all takes no paths");
	if (rc == 0)
		rc = collect(ctx, &a, argc, argv, &plan, e);
	if (rc == 0 && plan.n)
		rc = fetch_plan(ctx, &a, &plan, e);
	sync_plan_release(&plan);
	strvec_release(&a.include);
	strvec_release(&a.exclude);
	return rc;
}
