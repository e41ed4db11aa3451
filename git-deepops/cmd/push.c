/* SPDX-License-Identifier: MIT */
/* push.c - git deepops push: data, then journal, then branch */

#include "cmd.h"

#include "base/killpoint.h"
#include "base/log.h"
#include "base/num.h"
#include "sync/sync.h"

static const char *const usage[] = {"git deepops push [options] [REMOTE] [REFSPEC...]", NULL};

/* Commits that a pattern such as refs/heads/... stands for. */
static int add_pattern(struct repo *r, const char *pattern, struct strvec *tips, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(r, &out, e, "for-each-ref", "--format=%(objectname)", pattern, NULL);

	for (char *line = out.p; rc == 0 && *line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		strvec_push(tips, line);
		line = end ? end + 1 : line + strlen(line);
	}
	buf_release(&out);
	return rc;
}

/* The commit that [+]SRC[:DST] sends; a deletion sends none. */
static int add_refspec(struct repo *r, const char *refspec, struct strvec *tips, struct err *e)
{
	struct buf src = BUF_INIT;
	struct repo_oid commit;
	const char *colon;
	int rc = 0;

	refspec += *refspec == '+';
	colon = strchr(refspec, ':');
	buf_add(&src, refspec, colon ? (size_t)(colon - refspec) : strlen(refspec));
	if (strchr(src.p, '*')) {
		rc = add_pattern(r, src.p, tips, e);
	} else if (src.len) {
		rc = repo_resolve(r, src.p, &commit, e);
		if (rc == 0)
			strvec_push(tips, commit.hex);
	}
	buf_release(&src);
	return rc;
}

static int collect_tips(struct repo *r, int argc, char **argv, struct strvec *tips, struct err *e)
{
	struct buf branch = BUF_INIT;
	struct repo_oid head;
	int rc = 0;

	for (int i = 2; rc == 0 && i < argc; i++)
		rc = add_refspec(r, argv[i], tips, e);
	if (rc == 0 && argc <= 2) {
		rc = repo_head(r, &branch, &head, e);
		if (rc == 0 && !repo_oid_is_zero(&head))
			strvec_push(tips, head.hex);
	}
	buf_release(&branch);
	return rc;
}

static int push_branch(struct repo *r, int argc, char **argv, bool dry_run, struct err *e)
{
	struct proc p = PROC_INIT;
	int rc;

	repo_git(r, &p);
	strvec_push(&p.args, "push");
	if (dry_run)
		strvec_push(&p.args, "--dry-run");
	if (log_level() == LOG_QUIET)
		strvec_push(&p.args, "--quiet");
	for (int i = 1; i < argc; i++)
		strvec_push(&p.args, argv[i]);
	strvec_push(&p.env, SYNC_GUARD_ENV "=1");
	killpoint("push-before-branch");
	rc = proc_capture(&p, NULL, 0, NULL, e);
	proc_release(&p);
	return rc > 0 ? 1 : rc; /* git has said why */
}

static void report(const struct sync_result *res, uint64_t records, bool dry_run)
{
	if (res->skipped)
		log_warn("%" PRIu64 " older datasets are neither here nor on the remote",
			 res->skipped);
	if (res->datasets || dry_run)
		log_note("data: %s%" PRIu64 " chunks, %s, of %" PRIu64 " datasets",
			 dry_run ? "would send " : "", res->chunks, num_human_bytes(res->bytes).s,
			 res->datasets);
	if (records)
		log_note("records: %" PRIu64 " sent", records);
}

static int push_all(struct repo *r, const struct where *w, int argc, char **argv,
		    const struct sync_opts *opts, bool data_only, struct err *e)
{
	struct sync_plan plan;
	struct sync_result result = {0, 0, 0, 0};
	struct strvec tips = STRVEC_INIT;
	uint64_t records = 0;
	int rc;

	sync_plan_init(&plan);
	rc = collect_tips(r, argc, argv, &tips, e);
	if (rc == 0)
		rc = sync_plan_commits(&plan, r, w->name.p, &tips, e);
	if (rc == 0)
		rc = sync_plan_journal(&plan, r, w->name.p, e);
	if (rc == 0)
		rc = sync_push_data(r, w, &plan, opts, &result, e);
	if (rc == 0 && !data_only && !opts->dry_run)
		rc = sync_push_journal(r, w, &records, e);
	if (rc == 0)
		report(&result, records, opts->dry_run);
	if (rc == 0 && !data_only)
		rc = push_branch(r, argc, argv, opts->dry_run, e);
	strvec_release(&tips);
	sync_plan_release(&plan);
	return rc;
}

/* To a public mirror, by a slip of the fingers, must go neither data nor records. */
static int must_be_ours(struct repo *r, const struct where *w, struct err *e)
{
	bool ours;
	int rc = where_is_ours(r, w->name.p, &ours, e);

	if (rc < 0 || ours)
		return rc;
	err_set(e, ERR_DENIED, "%s takes no data: remote.%s.deepops is not true", w->name.p,
		w->name.p);
	if (!cmd_init_done(r))
		return err_hint(e, "git deepops init");
	return err_hint(e,
			"git config remote.%s.deepops true; or for the branch alone: git push %s",
			w->name.p, w->name.p);
}

int cmd_push(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	bool data_only = false;
	struct sync_opts sync = {false, 0};
	struct opt opts[] = {
		OPT_BOOL("data-only", 0, &data_only, "send data only, no records and no branch"),
		OPT_BOOL("dry-run", 'n', &sync.dry_run, "say what would be sent, send nothing"),
		OPT_SIZE("bwlimit", 0, &sync.bytes_per_second, "rate",
			 "send at most that many bytes a second (k, M, G)"),
		OPT_END};
	struct where where;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	where_init(&where);
	rc = where_resolve(ctx->repo, argc > 1 ? argv[1] : NULL, WHERE_TO, &where, e);
	if (rc == 0)
		rc = must_be_ours(ctx->repo, &where, e);
	if (rc == 0)
		rc = push_all(ctx->repo, &where, argc, argv, &sync, data_only, e);
	where_release(&where);
	return rc;
}
