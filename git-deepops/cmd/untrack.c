/* SPDX-License-Identifier: MIT */
/* untrack.c - `git deepops untrack`: stop tracking, keep the data; see git-deepops-untrack(1) */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "repo/workfile.h"

static int drop_pointer(struct repo *r, const char *root, struct err *e)
{
	char *name = xstrfmt("%s" POINTER_SUFFIX, path_basename(root));
	struct buf dir = BUF_INIT;
	int rc, dirfd;

	path_dirname(&dir, root);
	dirfd = path_open_to_write(repo_worktree_fd(r), strcmp(dir.p, ".") ? dir.p : "", e);
	rc = dirfd == ERR_NOTFOUND ? 0 : MIN(dirfd, 0); /* a sparse checkout leaves it out */
	if (rc == 0)
		err_clear(e);
	if (rc == 0 && dirfd >= 0 && unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		rc = err_sys(e, "%s" POINTER_SUFFIX, root);
	if (dirfd >= 0)
		close(dirfd);
	buf_release(&dir);
	free(name);
	return rc;
}

static int unstage(struct repo *r, const char *root, struct err *e)
{
	char *spec = xstrfmt(":(top,literal)%s" POINTER_SUFFIX, root);
	struct strvec args = STRVEC_INIT;
	int rc;

	strvec_pushl(&args, "rm", "-q", "-f", "--cached", "--sparse", "--", spec, NULL);
	rc = repo_git_index(r, &args, e);
	strvec_release(&args);
	free(spec);
	return rc;
}

static int drop_ignore(struct repo *r, const char *root, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc = dataset_unignore(r, root, e);

	strvec_pushl(&args, "add", "-f", "--sparse", "--", ":(top,literal).gitignore", NULL);
	if (rc == 1)
		rc = repo_git_index(r, &args, e);
	strvec_release(&args);
	return rc;
}

/* What is not in the work tree is not kept there: after a drop, or in a clone that fetched nothing. */
static void warn_absent(struct dataset_env *d, const char *root)
{
	struct stat st;
	bool none =
		fstatat(repo_worktree_fd(dataset_repo(d)), root, &st, AT_SYMLINK_NOFOLLOW) < 0 &&
		(errno == ENOENT || errno == ENOTDIR);
	char *pointer = NULL, *word = NULL, *file = NULL;

	if (!none && !dataset_is_partial(d, root) && !dataset_is_unfinished(d, root))
		return;
	pointer = xstrfmt("%s" POINTER_SUFFIX, root);
	word = path_word(root);
	file = path_word(pointer);
	log_warn("%s of '%s' is in the work tree: only versions in git's history name the rest",
		 none ? "nothing" : "only a part", root);
	log_hint("git checkout HEAD -- %s && git deepops checkout %s brings back what HEAD has",
		 file, word);
	free(file);
	free(word);
	free(pointer);
}

/* The index goes last: as long as it names the dataset, the command can be run again. */
static int untrack_one(struct dataset_env *d, const char *root, struct err *e)
{
	struct repo *r = dataset_repo(d);
	int rc = drop_pointer(r, root, e);

	if (rc == 0)
		rc = drop_ignore(r, root, e);
	if (rc == 0)
		rc = unstage(r, root, e);
	if (rc < 0)
		return rc;
	warn_absent(d, root); /* before the dataset is forgotten, with what is known of it */
	dataset_forget(d, root);
	if (log_level() > LOG_QUIET)
		log_print("no longer tracked: %s", root);
	return 0;
}

static int untrack(struct dataset_env *d, int n, char **paths, struct err *e)
{
	struct strvec roots = STRVEC_INIT, picked = STRVEC_INIT, insides = STRVEC_INIT;
	int rc = dataset_roots(dataset_repo(d), NULL, &roots, e), lock;
	char *word;

	if (rc == 0)
		rc = dataset_pick(dataset_repo(d), &roots, n, paths, &picked, &insides, e);
	for (size_t i = 0; rc == 0 && i < picked.nr; i++) {
		if (!*insides.v[i])
			continue;
		word = path_word(picked.v[i]);
		rc = err_set(e, ERR_INPUT, "'%s/%s' is a part of dataset '%s'", picked.v[i],
			     insides.v[i], picked.v[i]);
		err_hint(e, "git deepops untrack %s stops tracking all of it", word);
		free(word);
	}
	strvec_sort(&picked);
	strvec_uniq(&picked);
	lock = rc < 0 ? rc : workfile_lock(dataset_repo(d), e);
	rc = MIN(lock, 0);
	for (size_t i = 0; rc == 0 && i < picked.nr; i++)
		rc = untrack_one(d, picked.v[i], e);
	lockfile_release(lock);
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
