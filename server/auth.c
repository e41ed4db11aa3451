/* SPDX-License-Identifier: MIT */
/* auth.c - who is asking, for which repository, by which program; see auth.h */
#include "auth.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"

#define GITFILE_MAX_BYTES (PATH_MAX_BYTES + 16)

static const struct {
	const char *name;
	enum auth_program program;
	enum msg_role least;
} programs[] = {
	{"git-deepops-serve", AUTH_SERVE, MSG_ROLE_READ},
	{"git-upload-pack", AUTH_UPLOAD_PACK, MSG_ROLE_READ},
	{"git-upload-archive", AUTH_UPLOAD_ARCHIVE, MSG_ROLE_READ},
	{"git-receive-pack", AUTH_RECEIVE_PACK, MSG_ROLE_PUSH},
};

int auth_program(const char *command, enum auth_program *program, struct err *e)
{
	size_t len = strcspn(command, " ");
	const char *slash = memrchr(command, '/', len);
	struct buf word = BUF_INIT;
	char shown[80];

	buf_add(&word, command, len);
	if (slash)
		buf_remove(&word, 0, (size_t)(slash + 1 - command));
	if (!strcmp(word.p, "git") && command[len] == ' ') {
		command += len + 1;
		buf_addf(&word, "-%.*s", (int)MIN(strcspn(command, " "), (size_t)40), command);
	}
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (!strcmp(word.p, programs[i].name)) {
			*program = programs[i].program;
			buf_release(&word);
			return 0;
		}
	}
	err_sanitize(shown, sizeof(shown), word.p);
	buf_release(&word);
	return err_set(e, ERR_DENIED, "this key does not run '%s'", shown);
}

int auth_allows(enum msg_role role, enum auth_program program, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		if (programs[i].program == program && role < programs[i].least)
			return err_set(e, ERR_DENIED, "role %s may not run %s", msg_role_name(role),
				       programs[i].name);
	}
	return 0;
}

/* ---- the repository ---- */

static bool has(const char *dir, const char *name, bool directory)
{
	struct buf path = BUF_INIT;
	struct stat st;
	bool there;

	path_join(&path, dir, name);
	there = lstat(path.p, &st) == 0;
	/* HEAD may be a symbolic link, as old repositories have it; objects may be one to a directory. */
	if (there && directory)
		there = stat(path.p, &st) == 0 && S_ISDIR(st.st_mode);
	buf_release(&path);
	return there;
}

static bool is_gitdir(const char *dir)
{
	return has(dir, "HEAD", false) && has(dir, "objects", true) && has(dir, "refs", true);
}

/* Replace `path` by what the file at `path`/`name` (name NULL: `path` itself) says after `prefix`. */
static void follow(struct buf *path, const char *name, const char *prefix)
{
	struct buf file = BUF_INIT, text = BUF_INIT, dir = BUF_INIT;
	struct stat st;
	const char *rest;

	buf_addbuf(&file, path);
	if (name)
		buf_addf(&file, "/%s", name);
	if (stat(file.p, &st) == 0 && S_ISREG(st.st_mode) &&
	    io_read_file(AT_FDCWD, file.p, GITFILE_MAX_BYTES, &text, NULL) == 0) {
		buf_rtrim(&text);
		if (str_startswith(text.p, prefix, &rest)) {
			path_dirname(&dir, file.p);
			buf_reset(path);
			path_join(path, *rest == '/' ? "" : dir.p, rest);
		}
	}
	buf_release(&file);
	buf_release(&text);
	buf_release(&dir);
}

/* ~ and ~user in front. */
static int expand_home(struct buf *out, const char *path, struct err *e)
{
	size_t len = strcspn(path, "/");
	const struct passwd *pw;
	char *user;

	if (*path != '~') {
		buf_addstr(out, path);
		return 0;
	}
	user = xstrndup(path + 1, len - 1);
	/* cppcheck-suppress [getpwnamCalled,getpwuidCalled] ; one thread */
	pw = *user ? getpwnam(user) : getpwuid(geteuid());
	free(user);
	if (!pw)
		return err_set(e, ERR_NOTFOUND, "no home directory for '%.*s'", (int)MIN(len, 80U),
			       path);
	buf_addf(out, "%s%s", pw->pw_dir, path + len);
	return 0;
}

int auth_find_repo(struct buf *gitdir, const char *path, struct err *e)
{
	static const char *const suffixes[] = {"/.git", "", ".git/.git", ".git"};
	struct buf base = BUF_INIT;
	int rc = expand_home(&base, path, e);
	bool found = false;

	for (size_t i = 0; rc == 0 && !found && i < ARRAY_SIZE(suffixes); i++) {
		buf_reset(gitdir);
		buf_addbuf(gitdir, &base);
		buf_addstr(gitdir, suffixes[i]);
		follow(gitdir, NULL, "gitdir: "); /* of a submodule or a linked work tree */
		follow(gitdir, "commondir", "");  /* the latter's repository */
		found = is_gitdir(gitdir->p);
	}
	buf_release(&base);
	if (rc == 0 && !found)
		rc = err_set(e, ERR_NOTFOUND, "%s is not a git repository", path);
	return rc;
}

bool auth_has_worktree(const char *gitdir)
{
	char *real = realpath(gitdir, NULL);
	bool worktree = real && (!strcmp(path_basename(real), ".git") || strstr(real, "/.git/"));

	free(real);
	return worktree;
}

int auth_set_umask(const char *gitdir, struct err *e)
{
	struct stat st;

	if (stat(gitdir, &st) < 0)
		return err_sys(e, "%s", gitdir);
	umask(~st.st_mode & (S_IRWXG | S_IRWXO));
	return 0;
}
