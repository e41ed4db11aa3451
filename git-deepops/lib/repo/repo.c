/* SPDX-License-Identifier: MIT */
/* repo.c - opening a repository and finding its places; see repo.h */
#include "repo/repo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/share.h"
#include "base/xalloc.h"
#include "repo/commitgraph.h"
#include "repo/repo_internal.h"

#define OBJECT_CACHE_BYTES ((ssize_t)8 << 20) /* of 128 MiB that a client may use */

static int code_of(int rc)
{
	switch (rc) {
	case GIT_ENOTFOUND:
		return ERR_NOTFOUND;
	case GIT_EINVALIDSPEC:
	case GIT_EAMBIGUOUS:
		return ERR_INPUT;
	case GIT_EEXISTS:
	case GIT_EMODIFIED:
		return ERR_EXISTS;
	case GIT_EOWNER:
		return ERR_DENIED;
	case GIT_EMISMATCH:
		return ERR_CORRUPT;
	default:
		return ERR_SYS;
	}
}

int repo_lgerr(struct err *e, int rc, const char *fmt, ...)
{
	const git_error *last = git_error_last();
	struct buf context = BUF_INIT;
	va_list ap;
	int code;

	va_start(ap, fmt);
	buf_vaddf(&context, fmt, ap);
	va_end(ap);
	code = err_set(e, (enum err_code)code_of(rc), "%s: %s", context.p,
		       last && last->message ? last->message : "unknown libgit2 error");
	buf_release(&context);
	return code;
}

/*
 * libgit2 built on mbedTLS, as in Debian, reads all of the machine's certificates as it
 * starts: half of the start-up time of every command and hook, for connections
 * that are never made through it.  This stands before the library's function of
 * this name, and leaves the list empty.  With another TLS library nobody calls it.
 */
int mbedtls_x509_crt_parse_file(void *chain, const char *path);
int mbedtls_x509_crt_parse_file(void *chain, const char *path)
{
	(void)chain;
	(void)path;
	return 0;
}

/*
 * Exactly the extensions that change nothing for us.  Never objectformat or
 * refstorage: libgit2 would then open a SHA-256 repository as if it were SHA-1.
 */
static void setup_libgit2(void)
{
	static const char *extensions[] = {"worktreeconfig", "partialclone", "preciousobjects"};

	git_libgit2_init();
	git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, ARRAY_SIZE(extensions));
	git_libgit2_opts(GIT_OPT_SET_CACHE_MAX_SIZE, OBJECT_CACHE_BYTES);
	/* A ref must never name an object that a power cut can take back. */
	git_libgit2_opts(GIT_OPT_ENABLE_FSYNC_GITDIR, io_syncs());
}

static bool last_error_says(const char *text)
{
	const git_error *last = git_error_last();

	return last && last->message && strstr(last->message, text);
}

static int extension_err(const char *where, struct err *e)
{
	static const char key[] = "extensions.";
	const char *at = strstr(git_error_last()->message, key);
	const char *name = at ? at + sizeof(key) - 1 : "unknown";

	if (str_startswith(name, "objectformat", NULL))
		return err_set(e, ERR_INPUT,
			       "%s is a SHA-256 repository (extensions.objectFormat), which "
			       "git-deepops cannot read",
			       where);
	if (str_startswith(name, "refstorage", NULL))
		return err_set(e, ERR_INPUT,
			       "%s is a reftable repository (extensions.refStorage), which "
			       "git-deepops cannot read",
			       where);
	return err_set(e, ERR_INPUT,
		       "%s uses the git extension '%s', which git-deepops cannot read", where,
		       name);
}

/*
 * libgit2 knows neither `safe.directory = *` nor patterns, and reports a foreign
 * owner as a missing config value: git itself is the judge.
 */
static bool git_trusts(const char *path)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&p.args, "git", "rev-parse", "--git-dir", NULL);
	p.dir = path;
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 64 * KIB, &out, NULL);
	proc_release(&p);
	buf_release(&out);
	return rc == 0;
}

static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);
	size_t n;

	if (!real)
		real = xstrdup(path);
	for (n = strlen(real); n > 1 && real[n - 1] == '/'; n--)
		real[n - 1] = '\0';
	return real;
}

/* git takes only absolute paths: that of the work tree's top, or of a bare repository. */
static int foreign_err(const char *where, struct err *e)
{
	git_buf found = {0};
	struct buf word = BUF_INIT;
	char *path = NULL;
	const char *rest;
	size_t n;

	if (git_repository_discover(&found, where, 0, getenv("GIT_CEILING_DIRECTORIES")) == 0)
		path = real_path(found.ptr);
	else
		path = real_path(where);
	n = strlen(path);
	rest = path_basename(path);
	if (!strcmp(rest, ".git") && n > 5)
		path[n - 5] = '\0';
	path_shell_quote(&word, path);
	err_set(e, ERR_DENIED, "the repository at '%s' belongs to another user", path);
	err_hint(e, "git config --global --add safe.directory %s", word.p);
	git_buf_dispose(&found);
	buf_release(&word);
	free(path);
	return ERR_DENIED;
}

static int open_git(struct repo *r, const char *path, unsigned int flags, struct err *e)
{
	const char *ceiling = getenv("GIT_CEILING_DIRECTORIES");
	const char *where = path ? path : getenv("GIT_DIR");
	int rc = git_repository_open_ext(&r->git, path, flags, ceiling);

	if (rc == GIT_EOWNER || (rc == GIT_ENOTFOUND && last_error_says("safe.directory"))) {
		if (!git_trusts(path)) {
			return foreign_err(where, e);
		}
		git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
		rc = git_repository_open_ext(&r->git, path, flags, ceiling);
		git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1);
	}
	if (rc == 0)
		return 0;
	if (last_error_says("unsupported extension"))
		return extension_err(where, e);
	if (rc == GIT_ENOTFOUND)
		return err_set(e, ERR_NOTFOUND,
			       "not a git repository (or any of the parent "
			       "directories): %s",
			       where);
	return repo_lgerr(e, rc, "%s", where);
}

/* A hook sees the pushed objects only through what receive-pack put in the environment. */
static int open_hook(struct repo *r, struct err *e)
{
	int rc;

	if (!getenv("GIT_DIR"))
		return err_set(e, ERR_INPUT, "GIT_DIR is not set: not run by git as a hook");
	r->hook = true;
	r->from_env = true;
	/* receive-pack has checked the owner already, by rules that libgit2 knows only in part */
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
	rc = open_git(r, NULL, GIT_REPOSITORY_OPEN_FROM_ENV, e);
	git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1);
	return rc;
}

static int open_client(struct repo *r, const char *path, enum repo_open_flags flags, struct err *e)
{
	const char *git_dir = path ? NULL : getenv("GIT_DIR");
	unsigned int how = 0;

	if (getenv("GIT_DISCOVERY_ACROSS_FILESYSTEM"))
		how |= GIT_REPOSITORY_OPEN_CROSS_FS;
	if (git_dir || (flags & REPO_BARE_AT))
		how |= GIT_REPOSITORY_OPEN_NO_SEARCH;
	r->from_env = git_dir || (!path && getenv("GIT_WORK_TREE"));
	if (!path)
		path = git_dir ? git_dir : ".";
	return open_git(r, path, how, e);
}

/* As git: GIT_WORK_TREE, core.worktree, with GIT_DIR alone the working directory, else beside .git. */
static char *find_worktree(struct repo *r)
{
	const char *env = r->from_env ? getenv("GIT_WORK_TREE") : NULL;
	const char *found = git_repository_workdir(r->git);
	git_config_entry *entry = NULL;
	bool configured;

	if (env)
		return real_path(env);
	if (!found)
		return NULL;
	configured = git_config_get_entry(&entry, r->cfg, "core.worktree") == 0;
	git_config_entry_free(entry);
	return real_path(r->from_env && !configured ? "." : found);
}

/* Where we stand inside the work tree; "" at its top and also outside of it. */
static char *find_prefix(const char *worktree)
{
	char *cwd = worktree ? getcwd(NULL, 0) : NULL;
	const char *rest;
	char *prefix = NULL;

	if (cwd && !strcmp(worktree, "/"))
		prefix = xstrdup(cwd + 1);
	else if (cwd && str_startswith(cwd, worktree, &rest) && *rest == '/')
		prefix = xstrdup(rest + 1);
	free(cwd);
	return prefix ? prefix : xstrdup("");
}

static int find_places(struct repo *r, enum repo_open_flags flags, struct err *e)
{
	int rc = git_repository_odb(&r->odb, r->git);

	if (rc < 0)
		return repo_lgerr(e, rc, "object database");
	r->gitdir = real_path(git_repository_path(r->git));
	r->commondir = real_path(git_repository_commondir(r->git));
	r->deepops = xstrfmt("%s/deepops", r->commondir);
	rc = repo_config_init(r, e);
	if (rc < 0)
		return rc;
	r->worktree = r->hook ? NULL : find_worktree(r);
	r->prefix = find_prefix(r->worktree);
	if ((flags & REPO_NEED_WORKTREE) && !r->worktree)
		return err_set(e, ERR_INPUT, "%s is a bare repository: this needs a work tree",
			       r->gitdir);
	if (!r->worktree)
		return 0;
	r->worktree_fd = open(r->worktree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->worktree_fd < 0 ? err_sys(e, "%s", r->worktree) : 0;
}

int repo_open(struct repo **out, const char *path, enum repo_open_flags flags, struct err *e)
{
	struct repo *r = xcalloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	r->worktree_fd = -1;
	strvec_init(&r->overrides);
	setup_libgit2();
	rc = (flags & REPO_HOOK) ? open_hook(r, e) : open_client(r, path, flags, e);
	if (rc == 0)
		rc = find_places(r, flags, e);
	if (rc == 0)
		share_umask(r->commondir);
	if (rc < 0)
		repo_close(r);
	else
		*out = r;
	return rc;
}

void repo_close(struct repo *r)
{
	if (!r)
		return;
	if (r->worktree_fd >= 0)
		close(r->worktree_fd);
	free(r->gitdir);
	free(r->commondir);
	free(r->worktree);
	free(r->deepops);
	free(r->prefix);
	free(r->ident[0]);
	free(r->ident[1]);
	strvec_release(&r->overrides);
	commitgraph_close(r->graph);
	repo_refs_free(r->refs);
	git_config_free(r->cfg);
	git_odb_free(r->odb);
	git_repository_free(r->git);
	git_libgit2_shutdown();
	free(r);
}

const char *repo_gitdir(const struct repo *r)
{
	return r->gitdir;
}

const char *repo_commondir(const struct repo *r)
{
	return r->commondir;
}

const char *repo_worktree(const struct repo *r)
{
	return r->worktree;
}

int repo_worktree_fd(struct repo *r)
{
	return r->worktree_fd;
}

const char *repo_prefix(const struct repo *r)
{
	return r->prefix;
}

const char *repo_deepops_dir(const struct repo *r)
{
	return r->deepops;
}

bool repo_is_bare(const struct repo *r)
{
	return !r->worktree;
}

/*
 * Where an absolute path leads when the directories in it may be symbolic
 * links: the deepest one that exists is resolved, the rest is kept as it is,
 * so that the last component may be a link inside the work tree.
 */
static void resolve_parents(struct buf *path)
{
	struct buf dir = BUF_INIT;
	struct buf rest = BUF_INIT;
	char *real = NULL;

	buf_addbuf(&dir, path);
	while (dir.len > 1 && !real) {
		char *slash = strrchr(dir.p, '/');
		char *tail = xstrfmt("%s%s", slash, rest.p);

		buf_sets(&rest, tail);
		free(tail);
		buf_setlen(&dir, (size_t)(slash - dir.p));
		real = realpath(dir.len ? dir.p : "/", NULL);
	}
	if (real) {
		buf_sets(path, strcmp(real, "/") ? real : "");
		buf_addbuf(path, &rest);
	}
	free(real);
	buf_release(&dir);
	buf_release(&rest);
}

static bool below_worktree(const struct repo *r, const char *path, const char **rest)
{
	if (!str_startswith(path, r->worktree, rest))
		return false;
	if (**rest == '/')
		(*rest)++;
	else if (**rest && strcmp(r->worktree, "/") != 0)
		return false;
	return true;
}

int repo_user_path(struct repo *r, const char *user, struct buf *out, struct err *e)
{
	struct buf full = BUF_INIT;
	const char *rest;
	int rc;

	buf_reset(out);
	if (!r->worktree)
		return err_set(e, ERR_INPUT, "%s is a bare repository: '%s' has no place in it",
			       r->gitdir, user);
	if (!*user)
		return err_set(e, ERR_INPUT, "an empty path names nothing");
	buf_addch(&full, '/');
	if (*user == '/') {
		rc = path_normalize(&full, user + 1, e);
	} else {
		struct buf typed = BUF_INIT;

		path_join(&typed, r->prefix, user);
		rc = path_normalize(out, typed.p, e);
		if (rc == 0 && !strcmp(out->p, "."))
			buf_reset(out);
		buf_release(&typed);
	}
	if (rc == 0 && *user == '/') {
		if (!below_worktree(r, full.p, &rest))
			resolve_parents(&full);
		if (below_worktree(r, full.p, &rest))
			buf_sets(out, rest);
		else
			rc = ERR_INPUT;
	}
	if (rc < 0) {
		rc = err_set(e, ERR_INPUT, "'%s' is outside of the work tree at '%s'", user,
			     r->worktree);
		buf_reset(out);
	}
	buf_release(&full);
	return rc;
}

const char *repo_library(void)
{
	int major, minor, rev;
	static char text[32];

	git_libgit2_version(&major, &minor, &rev);
	snprintf(text, sizeof(text), "%d.%d.%d", major, minor, rev);
	return text;
}
