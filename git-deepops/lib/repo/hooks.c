/* SPDX-License-Identifier: MIT */
/* hooks.c - our client hooks beside everybody else's; see hooks.h */
#include "repo/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"

#define HOOK_MAX_BYTES ((size_t)1 << 20)
#define PREVIOUS_FIRST 50 /* <hook>.d/50-previous */
#define PREVIOUS_LAST 59

const char *const hooks_names[] = {"pre-push", "post-commit", "post-checkout", "post-merge", NULL};

static const char driver[] =
#include "hooks/client/driver.sh.inc"
	;
static const char server_driver[] =
#include "hooks/server/driver.sh.inc"
	;

static bool is_server_hook(const char *name)
{
	return str_endswith(name, "-receive");
}

void hooks_place_release(struct hooks_place *p)
{
	buf_release(&p->dir);
}

/* husky runs .husky/<hook> from the files it generates in .husky/_ at each install. */
static void leave_husky(struct buf *dir)
{
	if (str_endswith(dir->p, "/.husky/_"))
		buf_setlen(dir, dir->len - 2);
}

int hooks_find(struct repo *r, struct hooks_place *out, struct err *e)
{
	struct buf git = BUF_INIT;
	char *own = xstrfmt("%s/hooks", repo_commondir(r));
	const char *rest;
	int rc;

	buf_init(&out->dir);
	rc = repo_git_run(r, &git, e, "rev-parse", "--path-format=absolute", "--git-path", "hooks",
			  NULL);
	buf_rtrim(&git);
	if (rc == 0) {
		buf_sets(&out->dir, git.p);
		if (!strcmp(git.p, own)) {
			out->kind = HOOKS_IN_GITDIR;
		} else if (repo_worktree(r) && str_startswith(git.p, repo_worktree(r), &rest) &&
			   *rest == '/' && !str_startswith(rest, "/.git/", NULL)) {
			out->kind = HOOKS_IN_WORKTREE;
			leave_husky(&out->dir);
		} else {
			out->kind = HOOKS_ELSEWHERE;
		}
	}
	free(own);
	buf_release(&git);
	return rc;
}

void hooks_line(const char *name, struct buf *out)
{
	buf_addf(out, "git deepops hook %s \"$@\"", name);
}

static bool calls_us(const struct buf *text, const char *name)
{
	char *with_git = xstrfmt("deepops hook %s", name);
	char *by_variable = is_server_hook(name) ? xstrfmt("git-deepops-%s", name)
						 : xstrfmt("\"$program\" hook %s", name);
	bool calls = strstr(text->p, with_git) || strstr(text->p, by_variable);

	free(with_git);
	free(by_variable);
	return calls;
}

static int read_hook(const struct hooks_place *p, const char *name, struct buf *text,
		     struct stat *st, struct err *e)
{
	char *path = xstrfmt("%s/%s", p->dir.p, name);
	int rc = stat(path, st);

	if (rc < 0 && errno != ENOENT && errno != ENOTDIR)
		rc = err_sys(e, "%s", path);
	else if (rc < 0)
		rc = 0;
	else if (!S_ISREG(st->st_mode))
		rc = err_set(e, ERR_INPUT, "%s is no file", path);
	else
		rc = io_read_file(AT_FDCWD, path, HOOK_MAX_BYTES, text, e) < 0 ? ERR_SYS : 1;
	free(path);
	return rc;
}

int hooks_look(const struct hooks_place *p, const char *name, enum hooks_state *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct stat st;
	int rc = read_hook(p, name, &text, &st, e);

	*out = HOOKS_ABSENT;
	if (rc > 0 && !calls_us(&text, name))
		*out = HOOKS_FOREIGN;
	else if (rc > 0)
		*out = st.st_mode & S_IXUSR ? HOOKS_OURS : HOOKS_NOT_EXECUTABLE;
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

/* ---- writing ---- */

static void make_driver(const char *name, const char *program, struct buf *out)
{
	const char *at = is_server_hook(name) ? server_driver : driver;
	const char *next;

	while ((next = strchr(at, '@'))) {
		buf_add(out, at, (size_t)(next - at));
		if (str_startswith(next, "@HOOK@", &at)) {
			buf_addstr(out, name);
		} else if (str_startswith(next, "@PROGRAM@", &at)) {
			path_shell_quote(out, program);
		} else {
			buf_addch(out, '@'); /* "$@" */
			at = next + 1;
		}
	}
	buf_addstr(out, at);
}

static int write_hook(const struct hooks_place *p, const char *name, const struct buf *text,
		      struct err *e)
{
	char *path = xstrfmt("%s/%s", p->dir.p, name);
	int rc = path_mkdirs(p->dir.p, 0777, e);

	if (rc == 0)
		rc = tempfile_write(path, 0777, text->p, text->len, e);
	free(path);
	return rc;
}

/* A relative link would point elsewhere from one directory deeper. */
static int move_hook(const char *from, const char *to, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlink(from, target, sizeof(target));
	char *deeper;
	int rc;

	if (n <= 0 || (size_t)n == sizeof(target) || target[0] == '/')
		return rename(from, to) < 0 ? err_sys(e, "rename %s", from) : 0;
	deeper = xstrfmt("../%.*s", (int)n, target);
	rc = symlink(deeper, to) < 0 ? err_sys(e, "%s", to) : 0;
	if (rc == 0 && unlink(from) < 0)
		rc = err_sys(e, "remove %s", from);
	free(deeper);
	return rc;
}

/* Do both files hold the same bytes, and run alike? */
static bool same_file(const char *a, const char *b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool same = io_read_file(AT_FDCWD, a, HOOK_MAX_BYTES, &x, NULL) == 0 &&
		    io_read_file(AT_FDCWD, b, HOOK_MAX_BYTES, &y, NULL) == 0 &&
		    buf_cmp(&x, &y) == 0 && !access(a, X_OK) == !access(b, X_OK);

	buf_release(&x);
	buf_release(&y);
	return same;
}

/*
 * A free place for a hook in `dir`: 50-previous, or 51-previous and so on where a tool wrote its hook over ours
 * once more.  1: found, 0: the same hook was moved aside already.
 */
static int find_place(const char *dir, const char *from, struct buf *to, struct err *e)
{
	struct stat st;

	for (int i = PREVIOUS_FIRST; i <= PREVIOUS_LAST; i++) {
		buf_reset(to);
		buf_addf(to, "%s/%d-previous", dir, i);
		if (lstat(to->p, &st) < 0)
			return 1;
		if (same_file(from, to->p))
			return 0;
	}
	err_set(e, ERR_EXISTS, "%s/%d-previous to %d-previous are all there", dir, PREVIOUS_FIRST,
		PREVIOUS_LAST);
	return err_hint(e, "each of them runs before ours: remove those that nobody needs");
}

/* The hook that was there keeps its run bit, or the lack of it: then git ignored it, too. */
static int move_aside(const struct hooks_place *p, const char *name, struct err *e)
{
	char *from = xstrfmt("%s/%s", p->dir.p, name);
	char *dir = xstrfmt("%s/%s.d", p->dir.p, name);
	struct buf to = BUF_INIT;
	int rc = path_mkdirs(dir, 0777, e);

	if (rc == 0)
		rc = find_place(dir, from, &to, e);
	if (rc == 1)
		rc = move_hook(from, to.p, e);
	free(from);
	free(dir);
	buf_release(&to);
	return rc;
}

static int install_driver(const struct hooks_place *p, const char *name, const char *program,
			  const struct buf *old, bool found, enum hooks_result *out, struct err *e)
{
	struct buf text = BUF_INIT;
	bool ours = found && buf_startswith(old, "#!/bin/sh\n# ") &&
		    strstr(old->p, " hook of git-deepops.");
	int rc = 0;

	make_driver(name, program, &text);
	*out = ours ? HOOKS_KEPT : found ? HOOKS_CHAINED : HOOKS_INSTALLED;
	if (found && !ours && calls_us(old, name)) {
		*out = HOOKS_KEPT; /* the user wrote the line in a hook of their own */
	} else {
		if (found && !ours)
			rc = move_aside(p, name, e);
		if (rc == 0)
			rc = write_hook(p, name, &text, e);
	}
	buf_release(&text);
	return rc;
}

static bool is_shell(const struct buf *text)
{
	size_t len = strcspn(text->p, "\n");
	char *first = xstrndup(text->p, len);
	bool shell = !buf_startswith(text, "#!") || str_endswith(first, "sh") ||
		     str_endswith(first, "sh -e") || strstr(first, "husky");

	free(first);
	return shell;
}

/* In a script of the user's ours is the last line, so that it must be reached: not after an exit. */
static bool ends_early(const struct buf *text)
{
	const char *last = text->p;

	for (const char *at = text->p; *at;) {
		if (*at != '\n' && *at != '#')
			last = at;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return str_startswith(last, "exit", NULL) || str_startswith(last, "exec ", NULL);
}

static int append_line(const struct hooks_place *p, const char *name, const struct buf *old,
		       bool found, enum hooks_result *out, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = 0;

	if (found && calls_us(old, name)) {
		*out = HOOKS_KEPT;
	} else if (found && (!is_shell(old) || ends_early(old))) {
		*out = HOOKS_REFUSED;
	} else {
		*out = found ? HOOKS_APPENDED : HOOKS_INSTALLED;
		if (found)
			buf_addbuf(&text, old);
		else
			buf_addstr(&text, "#!/bin/sh\n");
		if (text.len && text.p[text.len - 1] != '\n')
			buf_addch(&text, '\n');
		hooks_line(name, &text);
		buf_addch(&text, '\n');
		rc = write_hook(p, name, &text, e);
	}
	buf_release(&text);
	return rc;
}

int hooks_install(const struct hooks_place *p, const char *name, const char *program,
		  enum hooks_result *out, struct err *e)
{
	struct buf old = BUF_INIT;
	struct stat st;
	int rc = read_hook(p, name, &old, &st, e);
	bool found = rc > 0;

	if (rc >= 0)
		rc = 0;
	if (rc == 0 && p->kind == HOOKS_ELSEWHERE)
		*out = found && calls_us(&old, name) ? HOOKS_KEPT : HOOKS_REFUSED;
	else if (rc == 0 && p->kind == HOOKS_IN_WORKTREE)
		rc = append_line(p, name, &old, found, out, e);
	else if (rc == 0)
		rc = install_driver(p, name, program, &old, found, out, e);
	buf_release(&old);
	return rc < 0 ? err_wrap(e, "%s hook", name) : 0;
}
