/* SPDX-License-Identifier: MIT */
/* job_notice.c - what goes wrong with one thing and must not cost the record; see job_internal.h */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/path.h"
#include "run/job_internal.h"

void job_notice(struct job *j, const char *fmt, ...)
{
	struct buf line = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	strvec_push(&j->warnings, line.p);
	strvec_push(&j->rec.notices, line.p);
	buf_release(&line);
}

/* Our own store has no room or may not be written: later it may, and nothing is lost until then. */
static bool is_of_store(const struct err *e)
{
	return e->code == ERR_SYS && (e->sys == ENOSPC || e->sys == EDQUOT || e->sys == EROFS);
}

int job_survive(struct job *j, const char *what, struct err *e)
{
	if (e->code == ERR_INTR || is_of_store(e))
		return err_wrap(e, "%s", what);
	job_notice(j, "%s: %s", what, e->msg);
	err_clear(e);
	return 0;
}

/* ---- links ---- */

/* The first part of `path` that is a symbolic link, appended; false if there is none. */
static bool first_link(struct repo *r, const char *path, struct buf *out)
{
	struct stat st;

	for (const char *end = path; *end;) {
		end += strcspn(end + 1, "/") + 1;
		buf_reset(out);
		buf_add(out, path, (size_t)(end - path));
		if (fstatat(repo_worktree_fd(r), out->p, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return false;
		if (S_ISLNK(st.st_mode))
			return true;
	}
	return false;
}

static void hint_for_link(struct repo *r, const char *option, const char *path, const char *link,
			  struct err *e)
{
	struct buf full = BUF_INIT, typed = BUF_INIT;
	const char *rest;
	char *real;

	path_join(&full, repo_worktree(r), link);
	real = realpath(full.p, NULL);
	if (real && str_startswith(real, repo_worktree(r), &rest) && *rest == '/') {
		buf_addf(&typed, "%s%s", rest + 1, path + strlen(link));
		buf_reset(&full);
		path_shell_quote(&full, typed.p);
		err_hint(e, "name what it stands for: %s %s (from the top of the work tree)",
			 option, full.p);
	} else {
		err_hint(e,
			 "it leads out of the work tree (%s): a run keeps only what lies in it; "
			 "a directory that is mounted there is fine",
			 real ? real : "to nothing");
	}
	buf_release(&full);
	free(real);
	buf_release(&typed);
}

int job_refuse_link(const struct job *j, const char *option, const char *path, struct err *e)
{
	struct buf link = BUF_INIT;
	int rc = 0;

	if (*path && first_link(j->repo, path, &link)) {
		if (!strcmp(link.p, path))
			rc = err_set(e, ERR_INPUT, "%s %s: it is a symbolic link", option, path);
		else
			rc = err_set(e, ERR_INPUT, "%s %s: '%s' is a symbolic link", option, path,
				     link.p);
		hint_for_link(j->repo, option, path, link.p, e);
	}
	buf_release(&link);
	return rc;
}
