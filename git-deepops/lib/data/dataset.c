/* SPDX-License-Identifier: MIT */
/* dataset.c - the environment, pointers in the repository, reading entries; see dataset.h */
#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"
#include "data/dataset_links.h"
#include "repo/tree.h"

int dataset_open(struct dataset_env **out, struct repo *r, struct err *e)
{
	(void)e;
	*out = xcalloc(1, sizeof(**out));
	(*out)->repo = r;
	strvec_init(&(*out)->leave_out);
	return 0;
}

void dataset_close(struct dataset_env *d)
{
	if (!d)
		return;
	statcache_close(d->cache);
	pool_free(d->pool);
	store_close(d->store);
	strvec_release(&d->leave_out);
	free(d);
}

struct repo *dataset_repo(struct dataset_env *d)
{
	return d->repo;
}

struct pool *dataset_pool(struct dataset_env *d)
{
	if (!d->pool)
		d->pool = pool_new(0, 0);
	return d->pool;
}

struct store *dataset_store(struct dataset_env *d, struct err *e)
{
	if (!d->store && store_open(&d->store, repo_deepops_dir(d->repo), STORE_CREATE, e) < 0)
		return NULL;
	return d->store;
}

struct statcache *dataset_cache(struct dataset_env *d)
{
	if (!d->cache) {
		char *path = xstrfmt("%s/state.db", repo_deepops_dir(d->repo));

		d->cache = statcache_open(path, repo_worktree(d->repo));
		free(path);
	}
	return d->cache;
}

void dataset_set_progress(struct dataset_env *d, struct progress *p)
{
	d->progress = p;
}

int dataset_not_here(struct err *e, const char *what, const struct chunkid *id)
{
	err_set(e, ERR_NOTFOUND, "%s %s is not in the local store", what, chunkid_short(id).s);
	err_hint(e, DATASET_FETCH_HINT);
	return ERR_NOTFOUND;
}

int dataset_load_node(void *env, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct store *s = dataset_store(env, e);
	int rc;

	if (!s)
		return e->code;
	rc = store_load(s, CHUNK_NODE, id, text, e);
	return rc == ERR_NOTFOUND ? dataset_not_here(e, "node", id) : rc;
}

int dataset_store_node(void *txn, const struct chunkid *id, const struct buf *text, struct err *e)
{
	int rc = store_put(txn, CHUNK_NODE, id, text->p, text->len, true, e);

	return rc < 0 ? rc : 0;
}

/* ---- pointers in the repository ---- */

/* A pointer with the skip-worktree bit counts as left out unless somebody put it there all the same. */
static bool is_left_out(struct repo *r, char tag, const char *name)
{
	return tag == 'S' && faccessat(repo_worktree_fd(r), name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

/* Add the root of the pointer `name`; what has its form without being one stops everything. */
static int add_root(struct strvec *roots, const char *name, struct err *e)
{
	struct buf root = BUF_INIT;
	int rc = pointer_check_name(name, e);

	if (rc == 0 && pointer_root_of(name, &root))
		strvec_push(roots, root.p);
	buf_release(&root);
	return rc;
}

static int roots_in_index(struct repo *r, bool left_out, struct strvec *roots, struct err *e)
{
	struct buf list = BUF_INIT;
	int rc = repo_git_run(r, &list, e, "ls-files", "-z", "-t", "--cached", "--full-name", "--",
			      ":(top,glob)**/?*" POINTER_SUFFIX, NULL);

	/* Each is a tag, a blank and the path. */
	for (size_t at = 0; rc == 0 && at + 2 < list.len; at += strlen(list.p + at) + 1) {
		const char *name = list.p + at + 2;

		if (is_left_out(r, list.p[at], name) != left_out)
			continue;
		rc = add_root(roots, name, e);
		if (rc < 0) {
			char *word = path_word(name);

			err_hint(e, "git rm -f --cached -- %s takes it out of git's index", word);
			free(word);
		}
	}
	strvec_sort(roots);
	strvec_uniq(roots); /* an unmerged pointer stands three times in the index */
	buf_release(&list);
	return rc;
}

int dataset_roots_sparse(struct repo *r, struct strvec *roots, struct err *e)
{
	return roots_in_index(r, true, roots, e);
}

static int take_root(void *arg, const struct tree_entry *entry, struct err *e)
{
	if (entry->mode != TREE_MODE_FILE && entry->mode != TREE_MODE_EXEC)
		return 0;
	return add_root(arg, entry->name, e);
}

int dataset_roots(struct repo *r, const struct repo_oid *commit, struct strvec *roots,
		  struct err *e)
{
	struct repo_oid tree;
	int rc;

	if (!commit)
		return roots_in_index(r, false, roots, e);
	rc = repo_commit_tree(r, commit, &tree, e);
	if (rc == 0)
		rc = tree_walk(r, &tree, take_root, roots, e);
	if (rc == ERR_INPUT)
		err_wrap(e, "commit %.12s", commit->hex);
	strvec_sort(roots);
	strvec_uniq(roots);
	return rc;
}

const char *dataset_root_of(const struct strvec *roots, const char *path, const char **inside)
{
	for (size_t i = 0; i < roots->nr; i++) {
		size_t n = strlen(roots->v[i]);

		if (strncmp(roots->v[i], path, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		*inside = path + n + (path[n] == '/');
		return roots->v[i];
	}
	return NULL;
}

/* Does `path` name `root`?  *inside is what it names of it. */
static bool names_root(const char *path, const char *root, const char **inside)
{
	size_t n = strlen(root);

	*inside = "";
	if (path_is_in(root, path))
		return true;
	if (strncmp(root, path, n) != 0)
		return false;
	if (!strcmp(path + n, POINTER_SUFFIX))
		return true;
	*inside = path + n + 1;
	return path[n] == '/';
}

static int pick_one(const struct strvec *roots, const char *path, struct strvec *picked,
		    struct strvec *insides, struct err *e)
{
	size_t before = picked->nr;
	const char *inside;

	for (size_t i = 0; i < roots->nr; i++) {
		if (!names_root(path, roots->v[i], &inside))
			continue;
		strvec_push(picked, roots->v[i]);
		strvec_push(insides, inside);
	}
	if (picked->nr > before)
		return 0;
	err_set(e, ERR_INPUT, "no dataset at '%s'", path);
	return err_hint(e, "git deepops status lists the datasets; git deepops track adds one");
}

int dataset_pick(struct repo *r, const struct strvec *roots, int npaths, char **paths,
		 struct strvec *picked, struct strvec *insides, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; !npaths && i < roots->nr; i++) {
		strvec_push(picked, roots->v[i]);
		strvec_push(insides, "");
	}
	for (int i = 0; rc == 0 && i < npaths; i++) {
		buf_reset(&path);
		rc = repo_user_path(r, paths[i], &path, e);
		if (rc == 0)
			rc = pick_one(roots, path.p, picked, insides, e);
	}
	buf_release(&path);
	return rc;
}

static int read_at_commit(struct repo *r, const struct repo_oid *commit, const char *name,
			  struct buf *text, struct err *e)
{
	struct tree_entry entry = {.mode = 0};
	struct repo_oid tree;
	int rc = repo_commit_tree(r, commit, &tree, e);

	if (rc < 0)
		return rc;
	rc = tree_find(r, &tree, name, &entry, e);
	if (rc == 0 || (rc == 1 && entry.mode != TREE_MODE_FILE && entry.mode != TREE_MODE_EXEC))
		return err_set(e, ERR_NOTFOUND, "no '%s' in commit %.12s", name, commit->hex);
	return rc < 0 ? rc : repo_read_blob(r, &entry.id, POINTER_MAX_BYTES, text, e);
}

static int read_in_worktree(struct repo *r, const char *name, struct buf *text, struct err *e)
{
	int fd = path_open_beneath(repo_worktree_fd(r), name, O_RDONLY | O_NONBLOCK, 0, e);
	int rc;

	if (fd == ERR_NOTFOUND)
		return err_set(e, ERR_NOTFOUND, "'%s' is not in the work tree", name);
	if (fd < 0 && e->sys == ELOOP)
		return dataset_links_refuse(repo_worktree_fd(r), name, e);
	if (fd < 0)
		return fd;
	rc = io_read_fd(fd, POINTER_MAX_BYTES, text, e);
	close(fd);
	return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

int dataset_pointer(struct repo *r, const struct repo_oid *commit, const char *root,
		    struct pointer *out, struct err *e)
{
	char *name = xstrfmt("%s%s", root, POINTER_SUFFIX);
	struct buf text = BUF_INIT;
	int rc = pointer_check_root(root, e);

	if (rc == 0)
		rc = commit ? read_at_commit(r, commit, name, &text, e)
			    : read_in_worktree(r, name, &text, e);
	if (rc == 0) {
		rc = pointer_parse(out, text.p, text.len, name, e);
		if (rc < 0 && commit)
			err_wrap(e, "commit %.12s", commit->hex);
	}
	if (rc < 0 && !commit && e && !e->hint[0]) {
		struct buf word = BUF_INIT;

		path_shell_quote(&word, name);
		err_hint(e, "git checkout -- %s brings back the one that git has", word.p);
		buf_release(&word);
	}
	buf_release(&text);
	free(name);
	return rc;
}

int dataset_write_pointer(struct repo *r, const char *root, const struct pointer *p, struct err *e)
{
	char *name = xstrfmt("%s%s", root, POINTER_SUFFIX);
	struct buf text = BUF_INIT, dir = BUF_INIT;
	struct tempfile *t = NULL;
	int rc = pointer_check_root(root, e);

	pointer_format(p, &text);
	path_dirname(&dir, name);
	if (rc == 0)
		rc = tempfile_create_beneath(&t, repo_worktree_fd(r), dir.p, 0666, e);
	if (rc == 0)
		rc = io_write_all(tempfile_fd(t), text.p, text.len, e);
	if (rc == 0)
		rc = tempfile_commit(&t, name, TEMPFILE_REPLACE, e);
	tempfile_abort(&t);
	buf_release(&text);
	buf_release(&dir);
	free(name);
	return rc < 0 ? err_wrap(e, "pointer of %s", root) : 0;
}

int dataset_id(struct dataset_env *d, const struct pointer *p, struct chunkid *id, struct err *e)
{
	return pointer_dataset_id(p, dataset_load_node, d, id, e);
}

bool dataset_same_shards(const struct pointer *a, const struct pointer *b)
{
	if (a->kind != b->kind || a->n != b->n)
		return false;
	if (a->kind == POINTER_FILE)
		return a->mode == b->mode && chunkid_equal(&a->id, &b->id);
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->shards[i].name, b->shards[i].name) != 0 ||
		    !chunkid_equal(&a->shards[i].id, &b->shards[i].id))
			return false;
	return true;
}

/* ---- base ---- */

int dataset_synced(struct dataset_env *d, const char *root, const struct pointer *p, struct err *e)
{
	(void)e;
	statcache_set_base(dataset_cache(d), root, p, false);
	return 0;
}

bool dataset_is_partial(struct dataset_env *d, const char *root)
{
	struct pointer base;
	bool partial = false;

	pointer_init(&base);
	if (!statcache_base(dataset_cache(d), root, &base, &partial))
		partial = false;
	pointer_release(&base);
	return partial;
}

bool dataset_is_unfinished(struct dataset_env *d, const char *root)
{
	return statcache_is_unfinished(dataset_cache(d), root);
}

bool dataset_is_behind(struct dataset_env *d, const char *root, const struct pointer *p)
{
	struct pointer base;
	bool partial, behind;

	pointer_init(&base);
	behind = statcache_base(dataset_cache(d), root, &base, &partial) &&
		 !dataset_same_shards(&base, p);
	pointer_release(&base);
	return behind;
}

void dataset_forget(struct dataset_env *d, const char *root)
{
	statcache_forget(dataset_cache(d), root);
}

/* ---- entries ---- */

struct walk {
	node_load_fn load;
	void *load_arg;
	dataset_walk_fn cb;
	void *arg;
	struct buf path;
	uint64_t empty;
};

static void to_node(struct node_entry *n, const struct dtree_entry *d)
{
	n->mode = d->mode;
	n->kind = d->kind;
	n->id = d->id;
	n->bytes = d->bytes;
	n->files = d->files;
	n->name = d->name;
	n->name_len = d->name ? strlen(d->name) : 0;
}

/* Give a split directory, which is known by its shards only, its id. */
static int resolve(struct dtree_entry *dir, node_load_fn load, void *arg, struct err *e)
{
	int rc = 0;

	if (dir->known)
		return 0;
	rc = dtree_expand(dir, load, arg, e);
	for (size_t i = 0; rc == 0 && i < dir->sub->n; i++)
		rc = resolve(&dir->sub->v[i], load, arg, e);
	return rc < 0 ? rc : dtree_build(dir, NULL, NULL, e);
}

static int report(struct walk *w, struct dtree_entry *entry, struct err *e)
{
	struct node_entry node;

	to_node(&node, entry);
	return w->cb(w->arg, w->path.p, &node, e);
}

static int walk_all(struct walk *w, struct dtree_entry *entry, unsigned int depth, struct err *e)
{
	int rc;

	if (entry->kind != NODE_DIR)
		return report(w, entry, e);
	if (depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "dataset is more than %d directories deep",
			       TREE_MAX_DEPTH);
	rc = dtree_expand(entry, w->load, w->load_arg, e);
	if (rc == 0)
		rc = dtree_count_empty(&w->empty, entry, e);
	if (rc == 0 && !entry->sub->n && w->path.len)
		rc = report(w, entry, e);
	for (size_t i = 0; rc == 0 && i < entry->sub->n; i++) {
		size_t len = path_enter(&w->path, entry->sub->v[i].name);

		rc = walk_all(w, &entry->sub->v[i], depth + 1, e);
		buf_setlen(&w->path, len);
	}
	if (rc == 0 && entry->known)
		dtree_unload(entry);
	return rc;
}

static int walk_one(struct walk *w, struct dtree_entry *entry, struct err *e)
{
	int rc;

	if (entry->kind != NODE_DIR)
		return report(w, entry, e);
	rc = dtree_expand(entry, w->load, w->load_arg, e);
	for (size_t i = 0; rc == 0 && i < entry->sub->n; i++) {
		size_t len = path_enter(&w->path, entry->sub->v[i].name);

		rc = resolve(&entry->sub->v[i], w->load, w->load_arg, e);
		if (rc == 0)
			rc = report(w, &entry->sub->v[i], e);
		buf_setlen(&w->path, len);
	}
	return rc;
}

int dataset_walk(const struct pointer *p, const struct dataset_walk_opts *opts, node_load_fn load,
		 void *load_arg, dataset_walk_fn cb, void *arg, struct err *e)
{
	const char *inside = opts && opts->inside ? opts->inside : "";
	struct walk w = {load, load_arg, cb, arg, BUF_INIT, 0};
	struct dtree_entry root, *at;
	int rc;

	dtree_from_pointer(&root, p);
	rc = dtree_find(&root, inside, load, load_arg, &at, e);
	buf_addstr(&w.path, inside);
	if (rc == 0)
		rc = opts && opts->depth_one ? walk_one(&w, at, e) : walk_all(&w, at, 0, e);
	buf_release(&w.path);
	dtree_release(&root);
	return rc;
}

int dataset_find(const struct pointer *p, const char *inside, node_load_fn load, void *load_arg,
		 struct node_entry *out, struct err *e)
{
	struct dtree_entry root, *at;
	int rc;

	dtree_from_pointer(&root, p);
	rc = dtree_find(&root, inside, load, load_arg, &at, e);
	if (rc == 0)
		rc = resolve(at, load, load_arg, e);
	if (rc == 0) {
		to_node(out, at);
		out->name = NULL;
		out->name_len = 0;
	}
	dtree_release(&root);
	return rc;
}
