/* SPDX-License-Identifier: MIT */
/* dataset_snap.c - work tree to pointer; see dataset.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/killpoint.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"
#include "data/first.h"
#include "data/ingest.h"
#include "data/leaveout.h"
#include "data/scan.h"
#include "data/split.h"

/* A task's share of a directory: enough that handing it over costs nothing beside it. */
#define BATCH_FILES 64
#define BATCH_BYTES (4 * MIB)

/* Reading the content of one work tree. */
struct reading {
	struct ingest in;
	int rootfd;
	struct pool_group *group;
	struct first first;
	pthread_mutex_t lock; /* of what follows */
	uint64_t read_files;
};

struct batch {
	struct reading *r;
	char *path; /* of the directory, beneath rootfd */
	struct dtree *dir;
	size_t from, to; /* entries */
};

void dataset_work_release(struct dataset_work *w)
{
	dtree_release(&w->tree);
	strvec_release(&w->warnings);
}

/* ---- one entry ---- */

static int open_entry(int dirfd, const char *name, struct err *e)
{
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ELOOP)
		return err_set(e, ERR_EXISTS, "changed while it was read");
	return err_sys(e, "open");
}

static int read_fd(struct reading *r, int fd, struct dtree_entry *f, struct dtree_stat *st,
		   struct err *e)
{
	int rc = ingest_fd(&r->in, fd, st, &f->id, &f->bytes, e);

	close(fd);
	f->known = rc == 0;
	pthread_mutex_lock(&r->lock);
	r->read_files++;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

/* The stat cache may know the id of what the store has lost or given up since. */
static int is_done(struct reading *r, const struct dtree_entry *f, struct err *e)
{
	if (!f->known)
		return 0;
	return r->in.txn ? ingest_has(r->in.txn, &f->id, e) : 1;
}

static int do_file(struct reading *r, int dirfd, struct dtree_entry *f, struct dtree_stat *st,
		   struct err *e)
{
	int rc = is_done(r, f, e);
	int fd;

	if (rc != 0)
		return MIN(rc, 0);
	fd = open_entry(dirfd, f->name, e);
	return fd < 0 ? fd : read_fd(r, fd, f, st, e);
}

static int do_link(struct reading *r, int dirfd, const struct dtree_entry *f, struct err *e)
{
	char target[PATH_MAX_BYTES + 1];
	struct chunkid id;
	ssize_t n;
	int rc;

	if (!r->in.txn)
		return 0;
	n = readlinkat(dirfd, f->name, target, sizeof(target));
	if (n < 0)
		return err_sys(e, "readlink");
	chunkid_of(&id, target, (size_t)n);
	if (!chunkid_equal(&id, &f->id))
		return err_set(e, ERR_EXISTS, "changed while it was read");
	rc = store_put(r->in.txn, CHUNK_DATA, &id, target, (size_t)n, false, e);
	return rc < 0 ? rc : 0;
}

/* ---- a directory ---- */

/*
 * Left to the main thread, which spreads the chunks of one file over the pool.
 * Decided for a whole directory before a worker gets it: workers write sizes.
 */
static void mark_alone(struct dtree *d)
{
	for (size_t i = 0; i < d->n; i++)
		d->v[i].alone = d->v[i].kind == NODE_FILE && d->v[i].bytes > INGEST_ALONE_BYTES;
}

static int cannot_read(struct reading *r, const char *dir, const char *name, struct err *e)
{
	char *path = xstrfmt("%s/%s", dir, name);
	int rc = err_wrap(e, "%s", path);

	if (e && e->sys == EACCES)
		leaveout_hint(r->rootfd, path, e);
	free(path);
	return rc;
}

static int do_entries(struct batch *b, int dirfd, struct err *e)
{
	for (size_t i = b->from; i < b->to; i++) {
		struct dtree_entry *f = &b->dir->v[i];
		int rc = 0;

		if (first_failed(&b->r->first))
			return 0;
		if (f->kind == NODE_LINK)
			rc = do_link(b->r, dirfd, f, e);
		else if (f->kind == NODE_FILE && !f->alone)
			rc = do_file(b->r, dirfd, f, &b->dir->stats[i], e);
		if (rc < 0)
			return cannot_read(b->r, b->path, f->name, e);
	}
	return 0;
}

static void run_batch(void *arg)
{
	struct batch *b = arg;
	struct err e = ERR_INIT;
	int dirfd = path_open_beneath(b->r->rootfd, b->path, O_RDONLY | O_DIRECTORY, 0, &e);
	int rc = dirfd < 0 ? dirfd : do_entries(b, dirfd, &e);

	if (rc < 0)
		first_fail(&b->r->first, rc, &e);
	if (dirfd >= 0)
		close(dirfd);
	free(b->path);
	free(b);
}

static void submit_batch(struct reading *r, const char *path, struct dtree *d, size_t from,
			 size_t to)
{
	struct batch *b = xmalloc(sizeof(*b));

	*b = (struct batch){r, xstrdup(path), d, from, to};
	pool_group_submit(r->group, run_batch, b);
}

static bool needs_work(const struct reading *r, const struct dtree_entry *f)
{
	if (f->kind == NODE_DIR || f->alone)
		return false;
	return r->in.txn || !f->known;
}

static void submit_files(struct reading *r, const char *path, struct dtree *d)
{
	uint64_t bytes = 0;
	size_t from = 0, files = 0;

	for (size_t i = 0; i < d->n; i++) {
		if (!needs_work(r, &d->v[i]))
			continue;
		if (!files)
			from = i;
		bytes += d->v[i].known ? 0 : d->v[i].bytes;
		if (++files < BATCH_FILES && bytes < BATCH_BYTES)
			continue;
		submit_batch(r, path, d, from, i + 1);
		bytes = files = 0;
	}
	if (files)
		submit_batch(r, path, d, from, d->n);
}

typedef int (*each_dir_fn)(struct reading *r, const char *path, struct dtree *d, struct err *e);

static int each_dir(struct reading *r, struct buf *path, struct dtree *d, each_dir_fn fn,
		    struct err *e)
{
	int rc = fn(r, path->p, d, e);
	size_t len = path->len;

	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		if (d->v[i].kind != NODE_DIR)
			continue;
		buf_addf(path, "/%s", d->v[i].name);
		rc = each_dir(r, path, d->v[i].sub, fn, e);
		buf_setlen(path, len);
	}
	return rc;
}

static int small_files(struct reading *r, const char *path, struct dtree *d, struct err *e)
{
	(void)e;
	mark_alone(d);
	submit_files(r, path, d);
	return 0;
}

static int large_files(struct reading *r, const char *path, struct dtree *d, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		int dirfd;

		if (!d->v[i].alone)
			continue;
		dirfd = path_open_beneath(r->rootfd, path, O_RDONLY | O_DIRECTORY, 0, e);
		if (dirfd < 0)
			return dirfd;
		rc = do_file(r, dirfd, &d->v[i], &d->stats[i], e);
		close(dirfd);
		if (rc < 0)
			return cannot_read(r, path, d->v[i].name, e);
	}
	return rc;
}

static int read_tree(struct reading *r, const char *root, struct dtree *d, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc, late;

	buf_addstr(&path, root);
	r->group = pool_group_new(r->in.pool);
	rc = each_dir(r, &path, d, small_files, e);
	if (rc == 0)
		rc = each_dir(r, &path, d, large_files, e);
	pool_group_wait(r->group);
	pool_group_free(r->group);
	late = first_result(&r->first, rc < 0 ? NULL : e);
	buf_release(&path);
	return rc < 0 ? rc : late;
}

static int read_single(struct dataset_env *d, struct reading *r, const char *root,
		       struct dataset_work *w, struct err *e)
{
	int rc, fd;

	w->tree.known = statcache_file(dataset_cache(d), root, &w->st, w->tree.bytes, &w->tree.id);
	rc = is_done(r, &w->tree, e);
	if (rc != 0)
		return MIN(rc, 0);
	fd = path_open_beneath(r->rootfd, root, O_RDONLY | O_NONBLOCK, 0, e);
	rc = fd < 0 ? fd : read_fd(r, fd, &w->tree, &w->st, e);
	if (rc < 0)
		return fd < 0 ? rc : err_wrap(e, "%s", root);
	statcache_save_file(dataset_cache(d), root, &w->st, w->tree.bytes, &w->tree.id);
	return 0;
}

static int read_leave_out(struct dataset_env *d, struct err *e)
{
	int rc = d->leave_out_read ? 0 : leaveout_read(d->repo, &d->leave_out, e);

	d->leave_out_read = d->leave_out_read || rc == 0;
	return rc;
}

int dataset_work_read(struct dataset_env *d, struct store_txn *txn, const char *root, bool all,
		      struct dataset_work *w, struct err *e)
{
	struct scan s = {.pool = dataset_pool(d),
			 .rootfd = repo_worktree_fd(d->repo),
			 .root = root,
			 .leave_out = &d->leave_out,
			 .all = all};
	struct reading r = {.in = {s.pool, txn, d->progress},
			    .rootfd = s.rootfd,
			    .first = FIRST_INIT,
			    .lock = PTHREAD_MUTEX_INITIALIZER};
	int rc;

	memset(w, 0, sizeof(*w));
	strvec_init(&w->warnings);
	rc = read_leave_out(d, e);
	if (rc < 0)
		return rc;
	rc = scan_run(&s, &w->tree, &w->st, e);
	strvec_pushv(&w->warnings, (const char *const *)s.warnings.v);
	scan_release(&s);
	if (rc < 0)
		return rc;
	if (w->tree.kind == NODE_DIR) {
		statcache_apply(dataset_cache(d), root, &w->tree);
		rc = read_tree(&r, root, w->tree.sub, e);
		/* What was hashed before an error need not be hashed again. */
		statcache_save(dataset_cache(d), root, &w->tree);
	} else {
		rc = read_single(d, &r, root, w, e);
	}
	w->read_files = r.read_files;
	if (rc < 0)
		dataset_work_release(w);
	return rc;
}

int dataset_work_pointer(struct dataset_work *w, const struct pointer *like, struct store_txn *txn,
			 struct pointer *out, struct err *e)
{
	struct split_io io = {txn ? dataset_store_node : NULL, txn, NULL, NULL};
	struct strvec dirs = STRVEC_INIT;
	int rc;

	pointer_release(out);
	if (w->tree.kind != NODE_DIR) {
		out->kind = POINTER_FILE;
		out->id = w->tree.id;
		out->bytes = w->tree.bytes;
		out->files = 1;
		out->mode = w->tree.mode;
		return 0;
	}
	if (like && like->kind == POINTER_TREE)
		split_of(like, &dirs);
	else
		split_choose(&w->tree, &dirs);
	rc = split_apply(&w->tree, &dirs, &io, out, e);
	strvec_release(&dirs);
	return rc;
}

/* ---- snapshot ---- */

void dataset_snap_release(struct dataset_snap *s)
{
	pointer_release(&s->pointer);
	strvec_release(&s->warnings);
}

/* A refresh that finds what the selection said leaves it a selection. */
static void keep_selection(struct pointer *p, const struct pointer *previous)
{
	if (previous && previous->has_selection && dataset_same_shards(p, previous))
		pointer_copy(p, previous);
}

/* What is recorded must be within what every reader takes. */
static int check_empty(const struct dtree_entry *dir, uint64_t *n, struct err *e)
{
	int rc = dtree_count_empty(n, dir, e);

	for (size_t i = 0; rc == 0 && dir->sub && i < dir->sub->n; i++)
		rc = check_empty(&dir->sub->v[i], n, e);
	return rc;
}

static int snap_work(struct dataset_work *w, struct store_txn *txn,
		     const struct dataset_snap_opts *opts, struct dataset_snap *out, struct err *e)
{
	const struct pointer *like = opts->reshard ? NULL : opts->previous;
	uint64_t empty = 0;
	int rc = dataset_work_pointer(w, like, txn, &out->pointer, e);

	killpoint("track-nodes-put");
	if (rc == 0 && w->tree.kind == NODE_DIR)
		rc = dtree_build(&w->tree, NULL, NULL, e); /* above the shards: for the id only */
	if (rc == 0)
		rc = check_empty(&w->tree, &empty, e);
	if (rc < 0)
		return rc;
	out->id = w->tree.id;
	out->read_files = w->read_files;
	strvec_pushv(&out->warnings, (const char *const *)w->warnings.v);
	keep_selection(&out->pointer, opts->previous);
	return 0;
}

int dataset_snapshot(struct dataset_env *d, struct store_txn *txn, const char *root,
		     const struct dataset_snap_opts *opts, struct dataset_snap *out, struct err *e)
{
	struct dataset_work w;
	int rc;

	memset(out, 0, sizeof(*out));
	strvec_init(&out->warnings);
	rc = dataset_work_read(d, opts->ids_only ? NULL : txn, root, false, &w, e);
	if (rc < 0)
		return rc;
	killpoint("track-content-put");
	rc = snap_work(&w, opts->ids_only ? NULL : txn, opts, out, e);
	dataset_work_release(&w);
	if (rc < 0)
		dataset_snap_release(out);
	return rc;
}

int dataset_put_fd(struct dataset_env *d, struct store_txn *txn, int fd, struct chunkid *id,
		   uint64_t *bytes, struct err *e)
{
	struct ingest in = {dataset_pool(d), txn, d->progress};
	struct dtree_stat st;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "lseek");
	return ingest_fd(&in, fd, &st, id, bytes, e);
}
