/* SPDX-License-Identifier: MIT */
/* auth.c - which repository, and what a forced command lets its user do; see auth.h */

#include "auth.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/path.h"

static bool is_git_dir(const char *dir)
{
	static const char *const parts[] = {"HEAD", "objects", "refs"};
	struct buf path = BUF_INIT;
	bool all = true;

	for (size_t i = 0; all && i < ARRAY_SIZE(parts); i++) {
		struct stat st;

		buf_reset(&path);
		path_join(&path, dir, parts[i]);
		all = stat(path.p, &st) == 0 && (i == 0 || S_ISDIR(st.st_mode));
	}
	buf_release(&path);
	return all;
}

static int expand_home(const char *path, struct buf *out, struct err *e)
{
	const char *slash = strchr(path, '/'), *home;
	struct buf user = BUF_INIT;

	if (*path != '~') {
		buf_addstr(out, path);
		return 0;
	}
	buf_add(&user, path + 1, slash ? (size_t)(slash - path - 1) : strlen(path + 1));
	if (user.len) {
		const struct passwd *pw = getpwnam(user.p);

		home = pw ? pw->pw_dir : NULL;
	} else {
		home = getenv("HOME");
	}
	buf_release(&user);
	if (!home)
		return err_set(e, ERR_NOTFOUND, "%s: no such home directory", path);
	buf_addf(out, "%s%s", home, slash ? slash : "");
	return 0;
}

int auth_find_repo(const char *path, struct buf *git_dir, struct err *e)
{
	static const char *const suffixes[] = {"/.git", "", ".git/.git", ".git"};
	struct buf base = BUF_INIT;
	int rc;

	if (strlen(path) > PATH_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "repository path of %zu bytes", strlen(path));
	rc = expand_home(path, &base, e);
	for (size_t i = 0; rc == 0 && !git_dir->len && i < ARRAY_SIZE(suffixes); i++) {
		buf_addf(git_dir, "%s%s", base.p, suffixes[i]);
		if (!is_git_dir(git_dir->p))
			buf_reset(git_dir);
	}
	buf_release(&base);
	if (rc == 0 && !git_dir->len)
		rc = err_set(e, ERR_NOTFOUND, "%s is not a git repository", path);
	return rc;
}

/* "git-receive-pack '/x'" and "git receive-pack '/x'" both mean receive-pack. */
static void program_word(const char *command, struct buf *out)
{
	const char *rest;

	if (str_startswith(command, "git-", &rest) || str_startswith(command, "git ", &rest))
		command = rest;
	buf_add(out, command, strcspn(command, " \t"));
}

static int run_git(const char *service, const char *git_dir, struct err *e)
{
	execlp("git", "git", service, git_dir, (char *)NULL);
	return err_sys(e, "git %s", service);
}

int auth_dispatch(const char *original_command, const char *git_dir, enum msg_role role,
		  struct err *e)
{
	struct buf word = BUF_INIT;
	int rc = 0;

	program_word(original_command, &word);
	if (!strcmp(word.p, "receive-pack"))
		rc = role >= MSG_ROLE_PUSH
			     ? run_git("receive-pack", git_dir, e)
			     : err_set(e, ERR_DENIED, "role %s may not push", msg_role_name(role));
	else if (!strcmp(word.p, "upload-pack"))
		rc = run_git("upload-pack", git_dir, e);
	else if (strcmp(word.p, "deepops-serve") != 0)
		rc = err_set(e, ERR_DENIED, "this key may fetch, push and move data only");
	buf_release(&word);
	return rc;
}
