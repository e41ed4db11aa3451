/* SPDX-License-Identifier: MIT */
/* restore.c - a run's code and data in a fresh directory; see restore.h */
#include "run/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"

#define CONFIG_MAX_BYTES (1024 * KIB)
#define FILTERED_MAX_BYTES (64 * MIB)

struct restore {
	struct dataset_env *d;
	struct repo *from;
	const struct journal_entry *of;
	const char *dir;
	int dirfd;
	struct strvec *warnings;
};

/* ---- a repository that borrows objects ---- */

static int git_init(const char *dir, struct err *e)
{
	struct proc p = PROC_INIT;
	int rc;

	strvec_pushl(&p.args, "git", "init", "-q", "--template=", "--", dir, NULL);
	rc = proc_capture(&p, NULL, 0, NULL, e);
	proc_release(&p);
	return rc > 0 ? err_set(e, ERR_SYS, "git init %s: exit %d", dir, rc) : rc;
}

static int borrow_objects(struct restore *x, struct err *e)
{
	struct buf path = BUF_INIT, line = BUF_INIT;
	int rc;

	buf_addf(&path, "%s/.git/objects/info", x->dir);
	rc = path_mkdirs(path.p, 0777, e);
	buf_addstr(&path, "/alternates");
	buf_addf(&line, "%s/objects\n", repo_commondir(x->from));
	if (rc == 0)
		rc = tempfile_write(path.p, 0644, line.p, line.len, e);
	buf_release(&path);
	buf_release(&line);
	return rc;
}

/* What decides about the bytes of a checkout and may stand in the repository's own configuration. */
static int copy_config(struct restore *x, struct repo *site, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	repo_git(x->from, &p);
	strvec_pushl(&p.args, "config", "--local", "-z", "--get-regexp",
		     "^(core\\.(autocrlf|eol|safecrlf|symlinks)|filter\\..*)$", NULL);
	rc = proc_capture(&p, NULL, CONFIG_MAX_BYTES, &out, e); /* exit 1: there is none */
	proc_release(&p);
	for (const char *at = out.p; rc >= 0 && at < out.p + out.len;) {
		const char *value = strchr(at, '\n');
		char *key;

		if (!value)
			break;
		key = xstrndup(at, (size_t)(value - at));
		rc = repo_config_set(site, key, value + 1, e);
		free(key);
		at = value + strlen(value) + 1;
	}
	buf_release(&out);
	return MIN(rc, 0);
}

/* Tags of the history, for `git describe`: setuptools_scm, versioneer. */
static int copy_tags(struct restore *x, struct repo *site, const char *commit, struct err *e)
{
	struct proc p = PROC_INIT, to = PROC_INIT;
	struct buf refs = BUF_INIT;
	int rc;

	repo_git(x->from, &p);
	strvec_pushl(&p.args, "for-each-ref", "--format=create %(refname) %(objectname)", NULL);
	strvec_pushf(&p.args, "--merged=%s", commit);
	strvec_push(&p.args, "refs/tags");
	rc = repo_git_finish(&p, NULL, &refs, e);
	if (rc == 0 && refs.len) {
		repo_git(site, &to);
		strvec_pushl(&to.args, "update-ref", "--stdin", NULL);
		rc = repo_git_finish(&to, &refs, NULL, e);
	}
	buf_release(&refs);
	return rc;
}

/* What a script that asks git for its version is told: branch, commit, tags. */
static int point_head(struct restore *x, struct repo *site, struct err *e)
{
	const struct record_code *code = &x->of->rec.code;
	struct repo_oid commit;
	struct err own = ERR_INIT;
	char *ref;
	int rc = 0;

	if (code->branch) {
		ref = xstrfmt("refs/heads/%s", code->branch);
		if (repo_git_run(site, NULL, &own, "symbolic-ref", "HEAD", ref, NULL) < 0)
			strvec_pushf(x->warnings, "the branch is not %s: %s", code->branch,
				     own.msg);
		free(ref);
	}
	if (!code->commit || !repo_oid_here(x->from, code->commit, &commit))
		return 0; /* journals bring the tree, not the history */
	if (code->branch)
		rc = repo_git_run(site, NULL, e, "update-ref", "HEAD", commit.hex, NULL);
	else
		rc = repo_git_run(site, NULL, e, "update-ref", "--no-deref", "HEAD", commit.hex,
				  NULL);
	if (rc == 0 && copy_tags(x, site, commit.hex, &own) < 0)
		strvec_pushf(x->warnings, "the tags are not there: %s", own.msg);
	return rc;
}

/* ---- code ---- */

static int check_out(struct repo *site, const char *tree, struct err *e)
{
	struct repo_oid id;
	int rc = repo_oid_parse(&id, tree, e);

	if (rc == 0)
		rc = repo_git_run(site, NULL, e, "read-tree", id.hex, NULL);
	return rc < 0 ? rc : repo_git_run(site, NULL, e, "checkout-index", "-a", "-f", "-q", NULL);
}

/* A submodule's tree at its path, through an index of its own. */
static int check_out_module(struct restore *x, struct repo *site, const struct record_module *m,
			    struct err *e)
{
	static const char *const steps[][3] = {{"read-tree", NULL, NULL},
					       {"checkout-index", "-a", "-f"}};
	struct buf path = BUF_INIT, index = BUF_INIT;
	int rc = path_is_safe(m->path, strlen(m->path))
			 ? path_mkdirs_beneath(x->dirfd, m->path, 0777, e)
			 : err_set(e, ERR_INPUT, "submodule path %s", m->path);

	path_join(&path, x->dir, m->path);
	path_join(&index, repo_gitdir(site), "index.module");
	for (size_t i = 0; rc == 0 && m->tree && i < ARRAY_SIZE(steps); i++) {
		struct proc p = PROC_INIT;

		repo_git_at(&p, repo_gitdir(site), path.p);
		strvec_pushf(&p.env, "GIT_INDEX_FILE=%s", index.p);
		for (size_t k = 0; k < 3 && steps[i][k]; k++)
			strvec_push(&p.args, steps[i][k]);
		if (i == 0)
			strvec_push(&p.args, m->tree);
		p.dir = path.p;
		rc = repo_git_finish(&p, NULL, NULL, e);
	}
	(void)unlink(index.p);
	buf_release(&path);
	buf_release(&index);
	return rc < 0 ? err_wrap(e, "submodule %s", m->path) : 0;
}

static bool is_as_ran(struct restore *x, const struct record_filtered *f)
{
	struct buf text = BUF_INIT;
	struct chunkid id;
	int fd = path_open_beneath(x->dirfd, f->path, O_RDONLY, 0, NULL);
	bool same = fd >= 0 && io_read_fd(fd, SIZE_MAX / 4, &text, NULL) == 0;

	if (same) {
		chunkid_of(&id, text.p, text.len);
		same = !strcmp(chunkid_text(&id).s, f->id);
	}
	if (fd >= 0)
		close(fd);
	buf_release(&text);
	return same;
}

/* The bytes that were kept, into the file that git checked out. */
static int put_back(struct restore *x, size_t n, const char *path, struct err *e)
{
	struct buf text = BUF_INIT;
	char name[32];
	int fd, rc;

	snprintf(name, sizeof(name), "filtered/%zu", n);
	rc = journal_file(x->from, x->of, name, FILTERED_MAX_BYTES, &text, e);
	if (rc == 1) {
		fd = path_open_beneath(x->dirfd, path, O_WRONLY | O_TRUNC, 0, e);
		rc = fd < 0 ? fd : io_write_all(fd, text.p, text.len, e);
		if (fd >= 0)
			close(fd);
	}
	buf_release(&text);
	return MIN(rc, 0);
}

/* git's smudge filters brought back what they could; what was kept replaces the rest. */
static int bring_filtered(struct restore *x, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->of->rec.code.nfiltered; i++) {
		const struct record_filtered *f = &x->of->rec.code.filtered[i];

		if (is_as_ran(x, f))
			continue;
		rc = put_back(x, i, f->path, e);
		if (rc == 0 && !is_as_ran(x, f))
			strvec_pushf(x->warnings,
				     "%s: git's filters did not bring back the bytes that ran",
				     f->path);
	}
	return rc;
}

/* ---- data ---- */

static int write_piece(void *arg, const void *p, size_t len, struct err *e)
{
	return io_write_all(tempfile_fd(arg), p, len, e);
}

static int restore_file(struct restore *x, const char *path, const struct pointer *p, struct err *e)
{
	struct tempfile *t = NULL;
	struct buf dir = BUF_INIT;
	const char *slash = strrchr(path, '/');
	mode_t mode = p->mode == 0100755 ? 0755 : 0644;
	int rc;

	buf_add(&dir, path, slash ? (size_t)(slash - path) : 0);
	rc = dir.len ? path_mkdirs_beneath(x->dirfd, dir.p, 0777, e) : 0;
	if (rc == 0)
		rc = tempfile_create_beneath(&t, x->dirfd, dir.p, mode, e);
	if (rc == 0)
		rc = dataset_read(x->d, &p->id, p->bytes, write_piece, t, e);
	if (rc == 0)
		rc = tempfile_close(t, e);
	if (rc == 0)
		rc = tempfile_rename(&t, path, TEMPFILE_REPLACE, e);
	tempfile_abort(&t);
	buf_release(&dir);
	return rc;
}

static int restore_pointer(struct restore *x, const char *path, const struct buf *text,
			   struct err *e)
{
	struct buf full = BUF_INIT, parent = BUF_INIT;
	struct pointer p;
	int rc;

	if (!path_is_safe(path, strlen(path)))
		return err_set(e, ERR_INPUT, "path %s", path);
	pointer_init(&p);
	rc = pointer_parse(&p, text->p, text->len, path, e);
	if (rc == 0 && p.kind == POINTER_FILE) {
		rc = restore_file(x, path, &p, e);
	} else if (rc == 0) {
		path_dirname(&parent, path);
		if (strcmp(parent.p, ".") != 0)
			rc = path_mkdirs_beneath(x->dirfd, parent.p, 0777, e);
		path_join(&full, x->dir, path);
		if (rc == 0)
			rc = dataset_export(x->d, &p, full.p, e);
	}
	pointer_release(&p);
	buf_release(&full);
	buf_release(&parent);
	return rc < 0 ? err_wrap(e, "%s", path) : 0;
}

static int one_pointer(void *arg, const struct journal_pointer *p, struct err *e)
{
	if (!str_startswith(p->name, "inputs/", NULL) && !str_startswith(p->name, "large/", NULL) &&
	    !str_startswith(p->name, "filtered/", NULL))
		return 0;
	return restore_pointer(arg, p->what, p->text, e);
}

/* ---- directories that git does not keep ---- */

static int make_place(struct restore *x, const char *path, struct err *e)
{
	if (!*path || !strcmp(path, "."))
		return 0;
	if (!path_is_safe(path, strlen(path)))
		return err_set(e, ERR_INPUT, "path %s", path);
	return path_mkdirs_beneath(x->dirfd, path, 0777, e);
}

/* Where the command ran, and where its outputs went: such a directory may have held nothing else. */
static int make_places(struct restore *x, struct err *e)
{
	const struct record *r = &x->of->rec;
	int rc = r->cwd ? make_place(x, r->cwd, e) : 0;

	for (size_t i = 0; rc == 0 && i < r->noutputs; i++) {
		struct buf parent = BUF_INIT;

		path_dirname(&parent, r->outputs[i].path);
		rc = make_place(x, parent.p, e);
		buf_release(&parent);
	}
	return rc;
}

/* ---- all of it ---- */

static int fill(struct restore *x, struct repo *site, struct err *e)
{
	const struct record_code *code = &x->of->rec.code;
	int rc = copy_config(x, site, e);

	if (rc == 0)
		rc = point_head(x, site, e);
	if (rc == 0)
		rc = check_out(site, code->tree, e);
	for (size_t i = 0; rc == 0 && i < code->nmodules; i++)
		rc = check_out_module(x, site, &code->modules[i], e);
	if (rc == 0)
		rc = journal_pointers(x->from, x->of, one_pointer, x, e);
	if (rc == 0)
		rc = make_places(x, e);
	if (rc == 0)
		rc = bring_filtered(x, e);
	return rc;
}

int restore_run(struct dataset_env *d, const struct journal_entry *of, const char *dir,
		struct repo **site, struct strvec *warnings, struct err *e)
{
	struct restore x = {d, dataset_repo(d), of, dir, -1, warnings};
	int rc;

	*site = NULL;
	if (!of->rec.code.tree)
		return err_set(e, ERR_INPUT, "run %.12s has no code tree", of->rec.run);
	rc = git_init(dir, e);
	if (rc == 0)
		rc = borrow_objects(&x, e);
	if (rc == 0) {
		x.dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (x.dirfd < 0)
			rc = err_sys(e, "%s", dir);
	}
	if (rc == 0)
		rc = repo_open(site, dir, REPO_NEED_WORKTREE, e);
	if (rc == 0)
		rc = fill(&x, *site, e);
	if (x.dirfd >= 0)
		close(x.dirfd);
	if (rc < 0) {
		repo_close(*site);
		*site = NULL;
	}
	return rc < 0 ? err_wrap(e, "restoring run %.12s", of->rec.run) : 0;
}
