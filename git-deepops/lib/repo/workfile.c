/* SPDX-License-Identifier: MIT */
/* workfile.c - small text files in the work tree that we share with the user; see workfile.h */
#include "repo/workfile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/tempfile.h"

#define WORKFILE_MAX_BYTES ((size_t)16 << 20)

int workfile_read(struct repo *r, const char *path, struct buf *out, struct err *e)
{
	int fd = path_open_beneath(repo_worktree_fd(r), path, O_RDONLY, 0, e);
	int rc;

	if (fd == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (fd < 0) /* its message names the path */
		return fd;
	rc = io_read_fd(fd, WORKFILE_MAX_BYTES, out, e);
	close(fd);
	return rc < 0 ? err_wrap(e, "%s", path) : 1;
}

static int write_new(struct repo *r, const char *path, const char *dir, mode_t mode,
		     const struct buf *content, struct err *e)
{
	struct tempfile *t = NULL;
	int rc = tempfile_create_beneath(&t, repo_worktree_fd(r), dir, mode, e);

	if (rc == 0)
		rc = io_write_all(tempfile_fd(t), content->p, content->len, e);
	if (rc == 0)
		return tempfile_commit(&t, path, TEMPFILE_REPLACE, e);
	tempfile_abort(&t);
	return rc;
}

int workfile_write(struct repo *r, const char *path, mode_t mode, const struct buf *content,
		   struct err *e)
{
	struct buf dir = BUF_INIT;
	struct stat st;
	int rc = 0;

	if (fstatat(repo_worktree_fd(r), path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		mode = st.st_mode & 07777;
	path_dirname(&dir, path);
	if (!strcmp(dir.p, "."))
		buf_reset(&dir);
	else
		rc = path_mkdirs_beneath(repo_worktree_fd(r), dir.p, 0777, e);
	if (rc == 0)
		rc = write_new(r, path, dir.p, mode, content, e);
	buf_release(&dir);
	return rc < 0 ? err_wrap(e, "%s", path) : 0;
}

/* Where `line` stands as a whole line, with CRLF too; NULL if it does not. */
static char *find_line(const struct buf *text, const char *line)
{
	size_t len = strlen(line);

	for (char *at = text->p; *at;) {
		size_t n = strcspn(at, "\n");
		size_t bare = n && at[n - 1] == '\r' ? n - 1 : n;

		if (bare == len && !memcmp(at, line, len))
			return at;
		at += n + (at[n] == '\n');
	}
	return NULL;
}

/* Append what is not there yet.  True: something was. */
static bool append_lines(struct buf *text, const struct strvec *lines)
{
	bool changed = false;

	for (size_t i = 0; i < lines->nr; i++) {
		if (find_line(text, lines->v[i]))
			continue;
		if (text->len && text->p[text->len - 1] != '\n')
			buf_addch(text, '\n');
		buf_addf(text, "%s\n", lines->v[i]);
		changed = true;
	}
	return changed;
}

static bool cut_line(struct buf *text, const char *line)
{
	bool changed = false;
	char *at;

	while ((at = find_line(text, line)) != NULL) {
		size_t n = strcspn(at, "\n");

		buf_remove(text, (size_t)(at - text->p), n + (at[n] == '\n'));
		changed = true;
	}
	return changed;
}

int workfile_add_lines(struct repo *r, const char *path, const struct strvec *lines, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = workfile_read(r, path, &text, e);

	if (rc >= 0) {
		rc = append_lines(&text, lines);
		if (rc == 1 && workfile_write(r, path, 0666, &text, e) < 0)
			rc = e->code;
	}
	buf_release(&text);
	return rc;
}

int workfile_add_line(struct repo *r, const char *path, const char *line, struct err *e)
{
	struct strvec one = STRVEC_INIT;
	int rc;

	strvec_push(&one, line);
	rc = workfile_add_lines(r, path, &one, e);
	strvec_release(&one);
	return rc;
}

int workfile_remove_line(struct repo *r, const char *path, const char *line, struct err *e)
{
	struct buf text = BUF_INIT;
	bool changed = false;
	int rc = workfile_read(r, path, &text, e);

	if (rc > 0)
		changed = cut_line(&text, line);
	if (changed)
		rc = workfile_write(r, path, 0666, &text, e);
	buf_release(&text);
	return rc < 0 ? rc : changed;
}

int workfile_lock(struct repo *r, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = path_mkdirs(repo_deepops_dir(r), 0777, e);

	buf_addf(&path, "%s/worktree-lock", repo_deepops_dir(r));
	if (rc == 0)
		rc = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, UINT64_MAX, e);
	buf_release(&path);
	return rc;
}

/* ---- .git/info/exclude ---- */

/* Its text, and where it is; absent is empty. */
static int read_exclude(struct repo *r, struct buf *path, struct buf *text, struct err *e)
{
	char *real;
	int rc;

	buf_addf(path, "%s/info", repo_commondir(r));
	rc = path_mkdirs(path->p, 0777, e);
	buf_addstr(path, "/exclude");
	if (rc == 0)
		rc = io_read_file(AT_FDCWD, path->p, WORKFILE_MAX_BYTES, text, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	real = realpath(path->p, NULL);
	if (real) /* the user's link to a file elsewhere stays one */
		buf_sets(path, real);
	free(real);
	return rc;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0666;
}

int workfile_exclude(struct repo *r, const struct strvec *lines, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc = read_exclude(r, &path, &text, e);

	if (rc == 0 && append_lines(&text, lines))
		rc = tempfile_write(path.p, mode_of(path.p), text.p, text.len, e);
	buf_release(&path);
	buf_release(&text);
	return rc;
}

int workfile_unexclude(struct repo *r, const char *line, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc = read_exclude(r, &path, &text, e);

	if (rc == 0 && cut_line(&text, line))
		rc = tempfile_write(path.p, mode_of(path.p), text.p, text.len, e);
	buf_release(&path);
	buf_release(&text);
	return rc;
}
