/* SPDX-License-Identifier: MIT */
/* snapshot_module.c - gitlinks: submodules and nested repositories; see snapshot_internal.h */
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "base/urltext.h"
#include "base/xalloc.h"
#include "repo/snapshot_internal.h"

#define SMALL_PACK 100 /* objects; git, too, unpacks fewer than that */

/* git as it would act for somebody standing in `dir`. */
static int run_in(const char *dir, struct buf *out, struct err *e, ...)
{
	struct proc p = PROC_INIT;
	const char *arg;
	va_list ap;
	int rc;

	repo_git_clean(&p);
	strvec_push(&p.args, "git");
	va_start(ap, e);
	while ((arg = va_arg(ap, const char *)))
		strvec_push(&p.args, arg);
	va_end(ap);
	p.dir = dir;
	p.in = PROC_NULL;
	buf_reset(out);
	rc = repo_git_finish(&p, NULL, out, e);
	if (rc == 0 && out->len && out->p[out->len - 1] == '\n')
		buf_setlen(out, out->len - 1); /* and no other: a path may end in one */
	return rc;
}

int snapshot_module_has_commit(struct snapshot_site *s, const char *path, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	char *dir = xstrfmt("%s/%s", s->worktree, path);
	int rc;

	repo_git_clean(&p);
	strvec_pushl(&p.args, "git", "rev-parse", "--quiet", "--verify", "HEAD^{commit}", NULL);
	p.dir = dir;
	p.in = PROC_NULL;
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 4096, &out, e);
	if (rc > 1)
		rc = err_set(e, ERR_INPUT, "git can't read the repository in '%s%s'", s->prefix,
			     path);
	else if (rc >= 0)
		rc = rc == 0;
	proc_release(&p);
	buf_release(&out);
	free(dir);
	return rc;
}

/* ---- a populated gitlink ---- */

static int read_oid(const char *dir, const char *rev, struct repo_oid *id, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = run_in(dir, &out, e, "rev-parse", "--verify", rev, NULL);

	if (rc == 0 && !repo_oid_take(id, out.p, '\0'))
		rc = err_set(e, ERR_INPUT, "'%.70s' is no SHA-1 object id", out.p);
	buf_release(&out);
	return rc;
}

/* Its own repository, its own HEAD, its own index. */
static int open_module(struct snapshot_site *m, const char *path, struct err *e)
{
	struct buf out = BUF_INIT;
	char *index = NULL;
	int rc = run_in(m->worktree, &out, e, "rev-parse", "--show-prefix", NULL);

	if (rc == 0 && out.len)
		rc = err_set(e, ERR_INPUT, "its .git is no repository");
	if (rc == 0)
		rc = run_in(m->worktree, &out, e, "rev-parse", "--absolute-git-dir", NULL);
	if (rc == 0) {
		m->gitdir = xstrdup(out.p);
		rc = run_in(m->worktree, &out, e, "rev-parse", "--path-format=absolute",
			    "--git-path", "objects", NULL);
	}
	if (rc == 0) {
		m->objects = xstrdup(out.p);
		rc = read_oid(m->worktree, "HEAD^{commit}", &m->head, e);
	}
	if (rc == 0)
		rc = read_oid(m->worktree, "HEAD^{tree}", &m->head_tree, e);
	if (rc == 0) {
		index = xstrfmt("%s/index", m->gitdir);
		rc = snapshot_site_copy_index(m, index, e);
	}
	free(index);
	buf_release(&out);
	return rc < 0 ? err_wrap(e, "repository in '%s'", path) : 0;
}

static char *origin_url(const char *dir)
{
	struct buf out = BUF_INIT, url = BUF_INIT;
	bool found = run_in(dir, &out, NULL, "config", "--get", "remote.origin.url", NULL) == 0;

	if (found) /* records are published */
		urltext_recorded(&url, out.p);
	buf_release(&out);
	return found ? buf_detach(&url, NULL) : NULL;
}

/* ---- objects ---- */

static int list_missing(struct snapshot_site *m, const struct repo_oid *tree, struct buf *ids,
			size_t *n, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	*n = 0;
	strvec_pushl(&args, "rev-list", "--objects", "--no-object-names", tree->hex, NULL);
	rc = snapshot_site_run(m, &args, NULL, &out, e);
	for (size_t at = 0; rc == 0 && at + REPO_OID_HEX < out.len; at += REPO_OID_HEX + 1) {
		struct repo_oid id;

		memcpy(id.hex, out.p + at, REPO_OID_HEX);
		id.hex[REPO_OID_HEX] = '\0';
		if (!repo_has_object(m->snap->r, &id)) {
			buf_addf(ids, "%s\n", id.hex);
			(*n)++;
		}
	}
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

/* pack-objects in the module, unpacked or kept in the outer repository; nothing is held in memory. */
static int move_objects(struct snapshot_site *m, int ids, size_t n, struct err *e)
{
	struct proc pack = PROC_INIT;
	struct proc store = PROC_INIT;
	int status = 0;
	int rc;

	snapshot_site_git(m, &pack);
	strvec_pushl(&pack.args, "pack-objects", "--stdout", "-q", NULL);
	pack.in = ids;
	pack.out = PROC_PIPE;
	rc = proc_start(&pack, e);
	if (rc == 0) {
		repo_git(m->snap->r, &store);
		if (n < SMALL_PACK)
			strvec_pushl(&store.args, "unpack-objects", "-q", NULL);
		else
			strvec_pushl(&store.args, "index-pack", "--stdin", NULL);
		store.in = pack.out;
		rc = repo_git_finish(&store, NULL, NULL, e);
		if (proc_wait(&pack, &status, rc == 0 ? e : NULL) < 0 && rc == 0)
			rc = ERR_SYS;
		if (rc == 0 && proc_exit_code(status) != 0)
			rc = err_set(e, ERR_SYS, "git pack-objects ended with %d",
				     proc_exit_code(status));
	}
	proc_release(&pack);
	return rc;
}

/* The tree goes with the journal, so all of it has to be in the outer repository. */
static int import_tree(struct snapshot_site *m, const struct repo_oid *tree, struct err *e)
{
	struct buf ids = BUF_INIT;
	size_t n;
	int fd;
	int rc = list_missing(m, tree, &ids, &n, e);

	if (rc == 0 && n) {
		fd = memfd_create("object-ids", MFD_CLOEXEC);
		if (fd < 0)
			rc = err_sys(e, "memory file");
		else
			rc = io_write_all(fd, ids.p, ids.len, e);
		if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
			rc = err_sys(e, "memory file");
		if (rc == 0)
			rc = move_objects(m, fd, n, e);
		if (fd >= 0)
			close(fd);
	}
	buf_release(&ids);
	return rc;
}

/* ---- every gitlink ---- */

static struct snapshot_module *add_module(struct snapshot *out, const struct snapshot_site *s,
					  const struct snapshot_entry *entry)
{
	struct snapshot_module *m;

	out->modules = xrealloc(out->modules, out->nmodules + 1, sizeof(*out->modules));
	m = &out->modules[out->nmodules++];
	memset(m, 0, sizeof(*m));
	m->path = xstrfmt("%s%s", s->prefix, entry->path);
	m->commit = entry->id;
	return m;
}

/* What was excluded or replaced of the outer tree is so in the inner one. */
static void inherit_skips(const struct snapshot_site *s, struct snapshot_site *inner,
			  const char *path)
{
	for (size_t i = 0; i < s->skip.nr; i++) {
		const char *rest;

		if (str_startswith(s->skip.v[i], path, &rest) && *rest == '/')
			strvec_push(&inner->skip, rest + 1);
	}
}

static int capture_inner(struct snapshot_site *s, const struct snapshot_entry *entry,
			 bool populated, struct repo_oid *tree, bool *dirty, struct err *e)
{
	char *prefix = xstrfmt("%s%s/", s->prefix, entry->path);
	char *worktree = xstrfmt("%s/%s", s->worktree, entry->path);
	struct snapshot_site *inner = snapshot_site_new(
		s->snap, populated ? SNAPSHOT_MODULE : SNAPSHOT_PLAIN, prefix, worktree);
	int rc = 0;

	inherit_skips(s, inner, entry->path);
	if (populated) {
		rc = open_module(inner, entry->path, e);
	} else {
		inner->gitdir = xstrdup(s->gitdir);
		inner->objects = s->objects ? xstrdup(s->objects) : NULL;
	}
	if (rc == 0)
		rc = snapshot_capture(inner, tree, e);
	if (rc == 0 && inner->objects)
		rc = import_tree(inner, tree, e);
	*dirty = populated ? !repo_oid_equal(tree, &inner->head_tree) : inner->nentries > 0;
	free(prefix);
	free(worktree);
	return rc;
}

static int capture_module(struct snapshot_site *s, const struct snapshot_entry *entry,
			  struct err *e)
{
	char *dot_git = xstrfmt("%s/.git", entry->path);
	struct snapshot_module *m;
	struct repo_oid tree;
	struct stat st;
	bool populated = snapshot_site_stat(s, dot_git, &st) == 0;
	bool dirty = false;
	int rc;

	if (snapshot_site_stat(s, entry->path, &st) == 0 && S_ISDIR(st.st_mode))
		rc = capture_inner(s, entry, populated, &tree, &dirty, e);
	else
		rc = repo_write_raw(s->snap->r, "tree", "", 0, &tree, e);
	if (rc == 0) {
		m = add_module(s->snap->out, s, entry);
		m->tree = tree;
		m->populated = populated;
		m->dirty = dirty;
		if (populated) {
			char *dir = xstrfmt("%s/%s", s->worktree, entry->path);

			m->url = origin_url(dir);
			free(dir);
		}
	}
	free(dot_git);
	return rc;
}

int snapshot_module_capture_all(struct snapshot_site *s, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->nentries; i++)
		if (s->entries[i].mode == TREE_MODE_GITLINK)
			rc = capture_module(s, &s->entries[i], e);
	return rc;
}
