/* SPDX-License-Identifier: MIT */
/* snapshot.c - the exact code tree of a dirty work tree; see snapshot.h */
#include "repo/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"
#include "base/path.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "repo/snapshot_internal.h"

void snapshot_add_file(struct snapshot_files *files, const struct snapshot_site *s,
		       const char *path, const struct stat *st)
{
	struct snapshot_file *f;

	XGROW(files->v, files->nr + 1, files->alloc);
	f = &files->v[files->nr++];
	memset(f, 0, sizeof(*f));
	f->path = xstrfmt("%s%s", s->prefix, path);
	f->bytes = (uint64_t)st->st_size;
	f->mode = st->st_mode & S_IXUSR ? TREE_MODE_EXEC : TREE_MODE_FILE;
}

void snapshot_add_large(struct snapshot_site *s, const char *path, const struct stat *st)
{
	struct snapshot_private *snap = s->snap;

	XGROW(snap->large, snap->nlarge + 1, snap->large_alloc);
	snap->large[snap->nlarge].site = s;
	snap->large[snap->nlarge].path = xstrdup(path);
	snap->large[snap->nlarge++].st = *st;
	snapshot_add_file(&snap->out->large, s, path, st);
}

/* ---- untracked files ---- */

/* The top-level name that most untracked files share: what was forgotten in .gitignore. */
static void find_crowd(const struct strvec *files, struct buf *name)
{
	size_t best = 0;

	for (size_t i = 0; i < files->nr;) {
		size_t len = strcspn(files->v[i], "/");
		size_t j = i;

		while (j < files->nr && !strncmp(files->v[j], files->v[i], len) &&
		       (files->v[j][len] == '/' || !files->v[j][len]))
			j++;
		if (j - i > best) {
			best = j - i;
			buf_reset(name);
			buf_add(name, files->v[i], len);
		}
		i = j;
	}
}

static int too_many(const struct snapshot_site *s, struct err *e)
{
	struct buf name = BUF_INIT;
	char *path, *word;

	find_crowd(&s->untracked, &name);
	if (s->snap->untracked > s->snap->opts->max_untracked)
		err_set(e, ERR_LIMIT, "%" PRIu64 " untracked files are no code: most are in '%s%s'",
			s->snap->untracked, s->prefix, name.p);
	else
		err_set(e, ERR_LIMIT, "%s in untracked files are no code: most files are in '%s%s'",
			num_human_bytes(s->snap->untracked_bytes).s, s->prefix, name.p);
	path = xstrfmt("%s%s", s->prefix, name.p);
	word = path_word(path);
	err_hint(
		e,
		"add it to .gitignore or .deepops/snapshot, or if it is data: git deepops track %s",
		word);
	free(path);
	free(word);
	buf_release(&name);
	return ERR_LIMIT;
}

/* Count them all, keep the small ones in s->untracked, hand the others to the caller. */
static int sort_untracked(struct snapshot_site *s, struct err *e)
{
	struct snapshot_private *snap = s->snap;
	struct strvec small = STRVEC_INIT;
	int rc = 0;

	snap->untracked += s->untracked.nr;
	if (snap->untracked > snap->opts->max_untracked)
		return too_many(s, e);
	for (size_t i = 0; rc == 0 && i < s->untracked.nr; i++) {
		const char *path = s->untracked.v[i];
		struct stat st;

		if (snapshot_site_stat(s, path, &st) < 0) {
			if (errno != ENOENT && errno != ENOTDIR)
				rc = err_sys(e, "%s%s", s->prefix, path);
			continue; /* gone since, as an editor's files go: the command will not see it */
		}
		snap->untracked_bytes += (uint64_t)st.st_size;
		if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > snap->opts->limit)
			snapshot_add_large(s, path, &st);
		else
			strvec_push(&small, path);
	}
	if (rc == 0 && snap->untracked_bytes > SNAPSHOT_MAX_UNTRACKED_BYTES)
		rc = too_many(s, e);
	strvec_release(&s->untracked);
	s->untracked = small;
	return rc;
}

/* A large file that can't be read would be found only after the command has run. */
static int check_large(struct snapshot_private *snap, struct err *e)
{
	for (size_t i = 0; i < snap->nlarge; i++) {
		const struct snapshot_large_stat *l = &snap->large[i];
		int fd = path_open_beneath(l->site->fd, l->path, O_RDONLY, 0, e);

		if (fd < 0)
			return err_wrap(e, "%s%s", l->site->prefix, l->path);
		close(fd);
	}
	return 0;
}

/* ---- the private index ---- */

static void add_z(struct buf *out, const struct strvec *paths)
{
	for (size_t i = 0; i < paths->nr; i++)
		buf_add(out, paths->v[i], strlen(paths->v[i]) + 1);
}

static int take_from_worktree(struct snapshot_site *s, const struct strvec *gitlinks, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf paths = BUF_INIT;
	int rc = 0;

	add_z(&paths, &s->changed);
	add_z(&paths, &s->untracked);
	add_z(&paths, gitlinks);
	if (paths.len) {
		strvec_pushl(&args, "update-index", "--add", "--remove", "--replace", "-z",
			     "--stdin", NULL);
		rc = snapshot_site_run(s, &args, &paths, NULL, e);
		s->touched = true;
	}
	strvec_release(&args);
	buf_release(&paths);
	return rc;
}

static void add_info(struct buf *out, uint32_t mode, const struct repo_oid *id, const char *path)
{
	static const char zero[] = "0000000000000000000000000000000000000000";

	buf_addf(out, "%o %s\t%s", mode, id ? id->hex : zero, path);
	buf_addch(out, '\0');
}

/* Excluded paths stand as in HEAD, or are absent: out they go, then in what HEAD has. */
static int add_reset(struct snapshot_site *s, struct buf *out, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc = 0;

	for (size_t i = 0; i < s->reset.nr; i++)
		add_info(out, 0, NULL, s->reset.v[i]);
	if (s->reset.nr && !repo_oid_is_zero(&s->head_tree)) {
		strvec_pushl(&args, "ls-tree", "-r", "-z", "--full-tree", s->head_tree.hex, "--",
			     NULL);
		for (size_t i = 0; i < s->skip.nr; i++)
			strvec_push(&args, s->skip.v[i]);
		rc = snapshot_site_run(s, &args, NULL, out,
				       e); /* appends; update-index reads this form, too */
	}
	strvec_release(&args);
	return rc;
}

static int take_from_elsewhere(struct snapshot_site *s, struct err *e)
{
	const struct snapshot_opts *o = s->snap->opts;
	struct strvec args = STRVEC_INIT;
	struct buf info = BUF_INIT;
	int rc;

	for (size_t i = 0; i < s->deleted.nr; i++)
		add_info(&info, 0, NULL, s->deleted.v[i]);
	rc = add_reset(s, &info, e);
	for (size_t i = 0; s->kind == SNAPSHOT_MAIN && i < o->nreplace; i++)
		add_info(&info, TREE_MODE_FILE, &o->replace[i].blob, o->replace[i].path);
	if (rc == 0 && info.len) {
		strvec_pushl(&args, "update-index", "-z", "--index-info", NULL);
		rc = snapshot_site_run(s, &args, &info, NULL, e);
		s->touched = true;
	}
	strvec_release(&args);
	buf_release(&info);
	return rc;
}

static int write_tree(struct snapshot_site *s, struct repo_oid *tree, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	if (!s->touched && !s->staged && !repo_oid_is_zero(&s->head_tree)) {
		*tree = s->head_tree;
		return 0;
	}
	strvec_push(&args, "write-tree");
	rc = snapshot_site_run(s, &args, NULL, &out, e);
	buf_rtrim(&out);
	if (rc == 0 && !repo_oid_take(tree, out.p, '\0'))
		rc = err_set(e, ERR_CORRUPT, "git write-tree printed '%.60s'", out.p);
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

/* ---- nested repositories without a commit ---- */

/* git can neither link to one nor add what is in it: its files become ours. */
static int take_plain(struct snapshot_site *s, const char *path, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	char *prefix = xstrfmt("%s%s/", s->prefix, path);
	char *worktree = xstrfmt("%s/%s", s->worktree, path);
	struct snapshot_site *inner = snapshot_site_new(s->snap, SNAPSHOT_PLAIN, prefix, worktree);
	struct repo_oid tree;
	int rc;

	inner->gitdir = xstrdup(s->gitdir);
	inner->objects = s->objects ? xstrdup(s->objects) : NULL;
	rc = snapshot_capture(inner, &tree, e);
	if (rc == 0 && inner->nentries) {
		strvec_push(&args, "read-tree");
		strvec_pushf(&args, "--prefix=%s/", path);
		strvec_push(&args, tree.hex);
		rc = snapshot_site_run(s, &args, NULL, NULL, e);
		s->touched = true;
		/* Checked through the inner site, whose index knows their times. */
		strvec_push(&s->skip, path);
	}
	strvec_release(&args);
	free(prefix);
	free(worktree);
	return rc;
}

static int sort_nested(struct snapshot_site *s, struct strvec *gitlinks, struct strvec *plain,
		       struct err *e)
{
	for (size_t i = 0; i < s->nested.nr; i++) {
		int rc = snapshot_module_has_commit(s, s->nested.v[i], e);

		if (rc < 0)
			return rc;
		strvec_push(rc ? gitlinks : plain, s->nested.v[i]);
	}
	return 0;
}

/* Make the private index what stands in the work tree. */
static int update_index(struct snapshot_site *s, struct err *e)
{
	struct strvec gitlinks = STRVEC_INIT;
	struct strvec plain = STRVEC_INIT;
	int rc = sort_untracked(s, e);

	if (rc == 0)
		rc = sort_nested(s, &gitlinks, &plain, e);
	if (rc == 0)
		rc = take_from_worktree(s, &gitlinks, e);
	if (rc == 0)
		rc = take_from_elsewhere(s, e);
	for (size_t i = 0; rc == 0 && i < plain.nr; i++)
		rc = take_plain(s, plain.v[i], e);
	if (rc == 0 && s->touched)
		rc = snapshot_site_list(s, e);
	strvec_release(&gitlinks);
	strvec_release(&plain);
	return rc;
}

int snapshot_capture(struct snapshot_site *s, struct repo_oid *tree, struct err *e)
{
	int rc;

	s->fd = open(s->worktree, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0)
		return err_sys(e, "%s", s->worktree);
	rc = snapshot_site_list(s, e);
	if (rc == 0)
		rc = snapshot_status_clear_bits(s, e);
	if (rc == 0)
		rc = snapshot_status_read(s, e);
	for (size_t i = 0; rc == 0 && i < s->ignored.nr; i++)
		strvec_pushf(&s->snap->ignored, "%s%s", s->prefix, s->ignored.v[i]);
	if (rc == 0)
		rc = update_index(s, e);
	for (size_t i = 0; rc == 0 && i < s->nentries; i++)
		if (s->entries[i].mode == TREE_MODE_LINK)
			strvec_pushf(&s->snap->out->links, "%s%s", s->prefix, s->entries[i].path);
	if (rc == 0)
		rc = snapshot_filter_check(s, e);
	if (rc == 0)
		rc = snapshot_module_capture_all(s, e);
	if (rc == 0)
		rc = write_tree(s, tree, e);
	return rc;
}

/* ---- the whole ---- */

static int make_dir(struct snapshot_private *snap, struct err *e)
{
	char random[17];
	int rc;

	random_hex(random, 16);
	snap->dir = xstrfmt("%s/tmp/snapshot-%ld-%s", repo_deepops_dir(snap->r), (long)getpid(),
			    random);
	rc = path_mkdirs(snap->dir, 0700, e);
	return rc < 0 ? err_wrap(e, "%s", snap->dir) : 0;
}

static void add_skips(struct snapshot_site *s, const struct snapshot_opts *o)
{
	for (size_t i = 0; o->exclude && i < o->exclude->nr; i++)
		strvec_push(&s->skip, o->exclude->v[i]);
	for (size_t i = 0; i < o->nreplace; i++)
		strvec_push(&s->skip, o->replace[i].path);
}

static int find_head(struct repo *r, struct snapshot_site *s, struct err *e)
{
	struct buf branch = BUF_INIT;
	int rc = repo_head(r, &branch, &s->head, e);

	if (rc == 0 && !repo_oid_is_zero(&s->head))
		rc = repo_commit_tree(r, &s->head, &s->head_tree, e);
	buf_release(&branch);
	return rc;
}

static int take_main(struct snapshot_private *snap, struct err *e)
{
	struct repo *r = snap->r;
	struct snapshot_site *s;
	char *index = xstrfmt("%s/index", repo_gitdir(r));
	int rc = make_dir(snap, e);

	if (rc == 0) {
		s = snapshot_site_new(snap, SNAPSHOT_MAIN, "", repo_worktree(r));
		s->gitdir = xstrdup(repo_gitdir(r));
		add_skips(s, snap->opts);
		rc = find_head(r, s, e);
		if (rc == 0)
			rc = snapshot_site_copy_index(s, index, e);
		if (rc == 0)
			rc = snapshot_capture(s, &snap->out->tree, e);
		snap->out->commit = s->head;
		snap->out->base_tree = s->head_tree;
	}
	free(index);
	return rc < 0 ? rc : check_large(snap, e);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct snapshot_file *)a)->path,
		      ((const struct snapshot_file *)b)->path);
}

static int by_module_path(const void *a, const void *b)
{
	return strcmp(((const struct snapshot_module *)a)->path,
		      ((const struct snapshot_module *)b)->path);
}

static void finish(struct snapshot *out)
{
	struct strvec *ignored = &out->priv->ignored;
	struct hash *h = hash_new();

	strvec_sort(&out->links);
	strvec_uniq(&out->links);
	strvec_sort(ignored);
	for (size_t i = 0; i < ignored->nr; i++)
		hash_update(h, ignored->v[i], strlen(ignored->v[i]) + 1);
	hash_final(h, out->ignored_digest);
	hash_free(h);
	out->ignored = ignored->nr;
	if (out->large.nr)
		qsort(out->large.v, out->large.nr, sizeof(*out->large.v), by_path);
	if (out->filtered.nr)
		qsort(out->filtered.v, out->filtered.nr, sizeof(*out->filtered.v), by_path);
	if (out->nmodules)
		qsort(out->modules, out->nmodules, sizeof(*out->modules), by_module_path);
	out->dirty = out->large.nr || !repo_oid_equal(&out->tree, &out->base_tree);
	for (size_t i = 0; i < out->nmodules; i++)
		out->dirty = out->dirty || out->modules[i].dirty;
}

int snapshot_take(struct repo *r, const struct snapshot_opts *o, struct snapshot *out,
		  struct err *e)
{
	struct snapshot_private *snap;
	int rc;

	memset(out, 0, sizeof(*out));
	strvec_init(&out->links);
	if (!repo_worktree(r))
		return err_set(e, ERR_INPUT, "%s is bare: there is no code to capture",
			       repo_gitdir(r));
	snap = xcalloc(1, sizeof(*snap));
	snap->r = r;
	snap->opts = o;
	snap->out = out;
	snap->outer_objects = xstrfmt("%s/objects", repo_commondir(r));
	strvec_init(&snap->ignored);
	out->priv = snap;
	rc = take_main(snap, e);
	snap->opts = NULL;
	if (rc == 0)
		finish(out);
	else
		snapshot_release(out);
	return rc < 0 ? err_wrap(e, "code snapshot") : 0;
}

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_ino == b->st_ino &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

int snapshot_check(struct snapshot *out, struct strvec *changed, struct err *e)
{
	struct snapshot_private *snap = out->priv;
	int rc = 0;

	for (struct snapshot_site *s = snap->first; rc == 0 && s; s = s->next)
		rc = snapshot_status_since(s, changed, e);
	for (size_t i = 0; rc == 0 && i < snap->nlarge; i++) {
		const struct snapshot_large_stat *l = &snap->large[i];
		struct stat st;

		if (snapshot_site_stat(l->site, l->path, &st) < 0 || !same_stat(&st, &l->st))
			strvec_pushf(changed, "%s%s", l->site->prefix, l->path);
	}
	strvec_sort(changed);
	strvec_uniq(changed);
	return rc < 0 ? err_wrap(e, "look at the code again") : 0;
}

static void release_files(struct snapshot_files *files)
{
	for (size_t i = 0; i < files->nr; i++)
		free(files->v[i].path);
	free(files->v);
}

void snapshot_release(struct snapshot *out)
{
	struct snapshot_private *snap = out->priv;

	strvec_release(&out->links);
	release_files(&out->large);
	release_files(&out->filtered);
	for (size_t i = 0; i < out->nmodules; i++) {
		free(out->modules[i].path);
		free(out->modules[i].url);
	}
	free(out->modules);
	memset(out, 0, sizeof(*out));
	if (!snap)
		return;
	for (struct snapshot_site *s = snap->first, *next; s; s = next) {
		next = s->next;
		snapshot_site_free(s);
	}
	for (size_t i = 0; i < snap->nlarge; i++)
		free(snap->large[i].path);
	if (snap->dir && path_remove_tree(snap->dir, NULL) < 0)
		errno = 0; /* gc removes what is left */
	free(snap->large);
	free(snap->dir);
	free(snap->outer_objects);
	strvec_release(&snap->ignored);
	free(snap);
}
