/* SPDX-License-Identifier: MIT */
/*
 * job_before.c - what lies where outputs go; see job_internal.h
 *
 * A declared output is no code, so what stands there when the command starts is in
 * no other part of the record: a checkpoint that is resumed, a notebook that is
 * executed in place, a table that is appended to.  Where it is not what HEAD has it
 * is pinned as an input of role `before`, and a rerun begins with it.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/xalloc.h"
#include "run/job_internal.h"

/* Is it the file that HEAD has, of the same mode?  git's id is compared: flags of the index may lie. */
static int is_as_in_head(struct job *j, const char *path, const struct stat *st, struct err *e)
{
	struct buf branch = BUF_INIT, id = BUF_INIT;
	struct tree_entry entry = {0};
	struct repo_oid head, tree;
	struct proc p = PROC_INIT;
	int rc = repo_head(j->repo, &branch, &head, e);

	buf_release(&branch);
	if (rc < 0 || repo_oid_is_zero(&head))
		return rc;
	rc = repo_commit_tree(j->repo, &head, &tree, e);
	if (rc == 0)
		rc = tree_find(j->repo, &tree, path, &entry, e);
	if (rc <= 0 || entry.mode != (st->st_mode & S_IXUSR ? TREE_MODE_EXEC : TREE_MODE_FILE))
		return MIN(rc, 0);
	repo_git(j->repo, &p);
	strvec_pushl(&p.args, "hash-object", "--", path, NULL);
	p.dir = repo_worktree(j->repo);
	rc = repo_git_finish(&p, NULL, &id, e);
	buf_rtrim(&id);
	rc = rc < 0 ? rc : !strcmp(id.p, entry.id.hex);
	buf_release(&id);
	return rc;
}

static int before_one(struct job *j, const struct strvec *roots, const char *path, struct err *e)
{
	struct stat st;
	int rc;

	if (job_find_pin(j, path))
		return 0; /* -i names it, too */
	if (fstatat(repo_worktree_fd(j->repo), path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys(e, "%s", path);
	if (strvec_has(roots, path))
		return job_pin_dataset_before(j, path, e);
	if (S_ISDIR(st.st_mode))
		return job_pin_dir(j, path, RECORD_ROLE_BEFORE, e); /* an empty one, too */
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "no regular file");
	rc = is_as_in_head(j, path, &st, e);
	if (rc < 0)
		err_clear(e); /* git cannot tell (a filter that fails): it is kept */
	return rc > 0 ? 0 : job_pin_file(j, path, RECORD_ROLE_BEFORE, e);
}

int job_pin_before(struct job *j, const struct strvec *roots, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++) {
		const char *path = j->rec.outputs[i].path;
		char *what;

		if (before_one(j, roots, path, e) == 0)
			continue;
		what = xstrfmt("what lay at output %s before the run is not recorded", path);
		rc = job_survive(j, what, e);
		free(what);
	}
	return rc;
}
