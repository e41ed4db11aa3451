/* SPDX-License-Identifier: MIT */
/* workfile.c - small text files in the work tree that we share with the user; see workfile.h */
#include "repo/workfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
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

int workfile_add_line(struct repo *r, const char *path, const char *line, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = workfile_read(r, path, &text, e);

	if (rc >= 0 && find_line(&text, line)) {
		rc = 0;
	} else if (rc >= 0) {
		if (text.len && text.p[text.len - 1] != '\n')
			buf_addch(&text, '\n');
		buf_addf(&text, "%s\n", line);
		rc = workfile_write(r, path, 0666, &text, e);
		if (rc == 0)
			rc = 1;
	}
	buf_release(&text);
	return rc;
}

int workfile_remove_line(struct repo *r, const char *path, const char *line, struct err *e)
{
	struct buf text = BUF_INIT;
	bool changed = false;
	char *at;
	int rc = workfile_read(r, path, &text, e);

	while (rc > 0 && (at = find_line(&text, line))) {
		size_t n = strcspn(at, "\n");

		buf_remove(&text, (size_t)(at - text.p), n + (at[n] == '\n'));
		changed = true;
	}
	if (changed)
		rc = workfile_write(r, path, 0666, &text, e);
	buf_release(&text);
	return rc < 0 ? rc : changed;
}
