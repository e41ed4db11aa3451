/* SPDX-License-Identifier: MIT */
/* untrack.c - `git deepops untrack`: stop tracking, keep the data; see git-deepops-untrack(1) */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "repo/workfile.h"

static int drop_pointer(struct repo *r, const char *root, struct err *e)
{
	char *spec = xstrfmt(":(top,literal)%s" POINTER_SUFFIX, root);
	char *path = xstrfmt("%s/%s" POINTER_SUFFIX, repo_worktree(r), root);
	int rc = repo_git_run(r, NULL, e, "rm", "-q", "-f", "--cached", "--sparse", "--", spec,
			      NULL);

	if (rc == 0 && unlink(path) < 0 && errno != ENOENT)
		rc = err_sys(e, "%s" POINTER_SUFFIX, root);
	free(spec);
	free(path);
	return rc;
}

static int drop_ignore(struct repo *r, const char *root, struct err *e)
{
	struct buf line = BUF_INIT;
	int rc;

	pointer_ignore_line(root, &line);
	rc = workfile_remove_line(r, ".gitignore", line.p, e);
	if (rc == 1)
		rc = repo_git_run(r, NULL, e, "add", "-f", "--sparse", "--",
				  ":(top,literal).gitignore", NULL);
	buf_release(&line);
	return rc;
}

static int untrack_one(struct dataset_env *d, const char *root, struct err *e)
{
	struct repo *r = dataset_repo(d);
	int rc = drop_pointer(r, root, e);

	if (rc == 0)
		rc = drop_ignore(r, root, e);
	if (rc < 0)
		return rc;
	dataset_forget(d, root);
	if (log_level() > LOG_QUIET)
		printf("no longer tracked: %s\n", root);
	return 0;
}

static int untrack(struct dataset_env *d, int n, char **paths, struct err *e)
{
	struct strvec roots = STRVEC_INIT, picked = STRVEC_INIT, insides = STRVEC_INIT;
	int rc = dataset_roots(dataset_repo(d), NULL, &roots, e);

	if (rc == 0)
		rc = dataset_pick(dataset_repo(d), &roots, n, paths, &picked, &insides, e);
	for (size_t i = 0; rc == 0 && i < picked.nr; i++) {
		if (!*insides.v[i])
			continue;
		rc = err_set(e, ERR_INPUT, "'%s/%s' is a part of dataset '%s'", picked.v[i],
			     insides.v[i], picked.v[i]);
		err_hint(e, "git deepops untrack %s stops tracking all of it", picked.v[i]);
	}
	strvec_sort(&picked);
	strvec_uniq(&picked);
	for (size_t i = 0; rc == 0 && i < picked.nr; i++)
		rc = untrack_one(d, picked.v[i], e);
	strvec_release(&roots);
	strvec_release(&picked);
	strvec_release(&insides);
	return rc;
}

int cmd_untrack(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops untrack [--] PATH...", NULL};
	struct opt opts[] = {OPT_END};
	struct dataset_env *d;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc < 2)
		return err_set(e, ERR_USAGE, "no dataset was named");
	rc = dataset_open(&d, ctx->repo, e);
	if (rc < 0)
		return rc;
	rc = untrack(d, argc - 1, argv + 1, e);
	dataset_close(d);
	return rc;
}
