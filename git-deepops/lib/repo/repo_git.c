/* SPDX-License-Identifier: MIT */
/* repo_git.c - running the git command; see repo.h */
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define STDERR_MAX_BYTES (1 << 20)

/*
 * What git exports to its hooks and what would make a nested git act on other
 * objects, another index or another repository (git rev-parse --local-env-vars).
 * GIT_CONFIG_PARAMETERS and GIT_CONFIG_COUNT stay: they are the user's `-c`.
 */
static const char *const place_vars[] = {
	"GIT_DIR",
	"GIT_WORK_TREE",
	"GIT_INDEX_FILE",
	"GIT_PREFIX",
	"GIT_COMMON_DIR",
	"GIT_NAMESPACE",
	"GIT_SHALLOW_FILE",
	"GIT_GRAFT_FILE",
	"GIT_IMPLICIT_WORK_TREE",
	"GIT_CONFIG",
	"GIT_INTERNAL_SUPER_PREFIX",
	"GIT_INTERNAL_TOPLEVEL_PREFIX",
};
static const char *const object_vars[] = {
	"GIT_OBJECT_DIRECTORY",
	"GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_QUARANTINE_PATH",
};

static void unset_all(struct proc *p, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		strvec_push(&p->env, names[i]);
}

void repo_git_clean(struct proc *p)
{
	unset_all(p, place_vars, ARRAY_SIZE(place_vars));
	unset_all(p, object_vars, ARRAY_SIZE(object_vars));
}

void repo_git_at(struct proc *p, const char *git_dir, const char *worktree)
{
	repo_git_clean(p);
	strvec_push(&p->args, "git");
	strvec_pushf(&p->args, "--git-dir=%s", git_dir);
	if (worktree)
		strvec_pushf(&p->args, "--work-tree=%s", worktree);
	p->dir = worktree ? worktree : git_dir;
}

/*
 * Where git would find the repository by itself it is left to: a hook that a
 * nested push runs then sees the environment it would see from a plain push.
 */
void repo_git(struct repo *r, struct proc *p)
{
	if (r->worktree && !r->from_env) {
		repo_git_clean(p);
		strvec_push(&p->args, "git");
		p->dir = r->worktree;
		return;
	}
	if (!r->hook) {
		repo_git_at(p, r->gitdir, r->worktree);
		return;
	}
	unset_all(p, place_vars, ARRAY_SIZE(place_vars));
	strvec_push(&p->args, "git");
	strvec_pushf(&p->args, "--git-dir=%s", r->gitdir);
	p->dir = r->gitdir;
}

/* The first word after "git" and its options. */
static const char *subcommand(const struct proc *p)
{
	for (size_t i = 1; i < p->args.nr; i++) {
		if (!strcmp(p->args.v[i], "-c") || !strcmp(p->args.v[i], "-C"))
			i++;
		else if (p->args.v[i][0] != '-')
			return p->args.v[i];
	}
	return "";
}

/* The line that says why: the first that is no warning or hint, without its "fatal: ". */
static void first_line(struct buf *text)
{
	char *at = text->p;
	const char *rest;
	size_t len;

	while (*at && (*at == '\n' || str_startswith(at, "warning: ", NULL) ||
		       str_startswith(at, "hint: ", NULL))) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	rest = at;
	if (!str_startswith(at, "fatal: ", &rest))
		(void)str_startswith(at, "error: ", &rest);
	buf_remove(text, 0, (size_t)(rest - text->p));
	len = strcspn(text->p, "\n");
	buf_setlen(text, MIN(len, text->len));
}

static int exit_err(const struct proc *p, int code, int stderr_fd, struct err *e)
{
	struct buf text = BUF_INIT;

	if (lseek(stderr_fd, 0, SEEK_SET) == 0 &&
	    io_read_fd(stderr_fd, STDERR_MAX_BYTES, &text, NULL) == 0)
		first_line(&text);
	if (text.len)
		err_set(e, ERR_SYS, "git %s: %s", subcommand(p), text.p);
	else
		err_set(e, ERR_SYS, "git %s ended with %d", subcommand(p), code);
	buf_release(&text);
	return ERR_SYS;
}

int repo_git_finish(struct proc *p, const struct buf *input, struct buf *out, struct err *e)
{
	struct buf ignored = BUF_INIT;
	/* A file, not a pipe: nobody has to drain it while git reads and writes. */
	int fd = memfd_create("git-stderr", MFD_CLOEXEC);
	int rc;

	if (fd < 0) {
		rc = err_sys(e, "memory file");
	} else {
		p->err = fd;
		rc = proc_capture(p, input, REPO_GIT_OUTPUT_MAX_BYTES, out ? out : &ignored, e);
		if (rc > 0)
			rc = exit_err(p, rc, fd, e);
		else if (rc < 0)
			err_wrap(e, "git %s", subcommand(p));
		close(fd);
	}
	buf_release(&ignored);
	proc_release(p);
	return rc;
}

int repo_git_runv(struct repo *r, const struct strvec *args, const struct buf *input,
		  struct buf *out, struct err *e)
{
	struct proc p = PROC_INIT;

	repo_git(r, &p);
	for (size_t i = 0; i < args->nr; i++)
		strvec_push(&p.args, args->v[i]);
	if (!input)
		p.in = PROC_NULL;
	return repo_git_finish(&p, input, out, e);
}

#define INDEX_WAIT_MS 10000
#define INDEX_NAP_US 50000

int repo_git_index(struct repo *r, const struct strvec *args, struct err *e)
{
	struct strvec synced = STRVEC_INIT;
	uint64_t start = clock_mono_ms();
	int rc;

	/* By itself git syncs neither the index nor loose objects: an empty index stops every command. */
	if (io_syncs())
		strvec_pushl(&synced, "-c", "core.fsync=added", NULL);
	for (size_t i = 0; i < args->nr; i++)
		strvec_push(&synced, args->v[i]);
	/* git itself does not wait: two commands at once, an editor's or a prompt's `git status`. */
	while ((rc = repo_git_runv(r, &synced, NULL, NULL, e)) < 0 &&
	       strstr(e->msg, "index.lock") && clock_mono_ms() - start < INDEX_WAIT_MS &&
	       !sig_pending()) {
		err_clear(e);
		usleep(INDEX_NAP_US);
	}
	strvec_release(&synced);
	return rc;
}

int repo_git_run(struct repo *r, struct buf *out, struct err *e, ...)
{
	struct strvec args = STRVEC_INIT;
	const char *arg;
	va_list ap;
	int rc;

	va_start(ap, e);
	while ((arg = va_arg(ap, const char *)))
		strvec_push(&args, arg);
	va_end(ap);
	rc = repo_git_runv(r, &args, NULL, out, e);
	strvec_release(&args);
	return rc;
}
