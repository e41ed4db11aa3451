/* SPDX-License-Identifier: MIT */
/* dataset_checkout.c - pointer to work tree; see dataset.h */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "data/content.h"
#include "data/dataset_internal.h"
#include "data/first.h"
#include "data/ingest.h"
#include "data/plan.h"
#include "data/scan.h"

#define BATCH_FILES 64
#define BATCH_BYTES (4 * MIB)

/* Carrying out a plan beneath rootfd. */
struct job {
	enum dataset_link link;
	struct content_sink sink; /* its pool is for large files only */
	int rootfd;
	struct pool *pool;
	struct pool_group *group;
	struct first first;
};

struct batch {
	struct job *j;
	struct plan_step *steps;
	size_t n;
};

/* Left to the main thread, which spreads the chunks of one file over the pool. */
static bool is_large(const struct plan_step *s)
{
	return s->to->bytes > INGEST_ALONE_BYTES;
}

/* ---- one file ---- */

static bool same_stat(const struct stat *st, const struct dtree_stat *was, uint64_t bytes)
{
	struct dtree_stat now;

	scan_stat(&now, st);
	return now.mtime_ns == was->mtime_ns && now.ctime_ns == was->ctime_ns &&
	       now.ino == was->ino && (uint64_t)st->st_size == bytes;
}

/* Is what stands at `name` still what the plan saw? */
static int check_still(int dirfd, const char *name, const struct plan_step *step, struct err *e)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%s", step->path);
	if (same_stat(&st, &step->was, step->was_bytes))
		return 0;
	return err_set(e, ERR_EXISTS, "'%s' changed during the checkout", step->path);
}

static int take_target(void *arg, const void *p, size_t len, struct err *e)
{
	struct buf *target = arg;

	if (!len || len > PATH_MAX_BYTES || memchr(p, '\0', len))
		return err_set(e, ERR_CORRUPT, "link target is not a path");
	buf_add(target, p, len);
	return 0;
}

static int make_link(struct job *j, int dirfd, const char *name, const struct plan_step *step,
		     struct err *e)
{
	struct buf target = BUF_INIT;
	int rc = content_read(j->sink.store, &step->to->id, step->to->bytes, take_target, &target,
			      e);

	if (rc == 0 && step->replaces && unlinkat(dirfd, name, 0) < 0)
		rc = err_sys(e, "%s", step->path);
	if (rc == 0 && symlinkat(target.p, dirfd, name) < 0)
		rc = err_sys(e, "%s", step->path);
	buf_release(&target);
	return rc;
}

/* Hash what the clone holds: its source was only known by its lstat data. */
static int clone_is(int fd, const struct chunkid *id, struct err *e)
{
	struct ingest in = {NULL, NULL, NULL};
	struct dtree_stat st;
	struct chunkid got;
	uint64_t bytes;
	int rc = lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "lseek") : 0;

	if (rc == 0)
		rc = ingest_fd(&in, fd, &st, &got, &bytes, e);
	return rc < 0 ? rc : chunkid_equal(&got, id);
}

/* 1: `fd` shares the blocks of the step's twin and holds what it should; 0: it is empty. */
static int clone_twin(const struct job *j, int fd, const struct plan_step *step, struct err *e)
{
	struct stat st;
	int from, rc = 0;

	if (!step->twin || j->link == DATASET_LINK_COPY)
		return 0;
	from = path_open_beneath(j->rootfd, step->twin->path, O_RDONLY | O_NONBLOCK, 0, e);
	if (from < 0)
		return from;
	if (fstat(from, &st) == 0 && same_stat(&st, &step->twin->was, step->twin->bytes)) {
		if (io_reflink(from, fd))
			rc = clone_is(fd, &step->to->id, e);
		else if (j->link == DATASET_LINK_REFLINK)
			rc = err_set(e, ERR_INPUT, "this file system cannot share blocks");
	}
	close(from);
	if (rc == 0 && (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		rc = err_sys(e, "ftruncate");
	return rc;
}

/* The version that stands in its place mostly has most of its chunks. */
static void open_before(struct content_sink *sink, int dirfd, const char *name,
			const struct plan_step *step)
{
	if (!step->work || step->work->kind != NODE_FILE || !step->work->known)
		return;
	sink->like_fd =
		openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	sink->like_id = step->work->id;
}

static int make_file(struct job *j, int dirfd, const char *name, const struct plan_step *step,
		     struct err *e)
{
	struct content_sink sink = j->sink;
	mode_t mode = step->to->mode == NODE_MODE_EXEC ? 0777 : 0666;
	struct tempfile *t = NULL;
	int rc = tempfile_create_beneath(&t, dirfd, "", mode, e);

	if (!is_large(step))
		sink.pool = NULL; /* this is one of the pool's tasks */
	else
		open_before(&sink, dirfd, name, step);
	if (rc == 0)
		rc = clone_twin(j, tempfile_fd(t), step, e);
	if (rc == 0)
		rc = content_write(&sink, tempfile_fd(t), &step->to->id, step->to->bytes, e);
	if (rc >= 0)
		rc = tempfile_close(t, e);
	killpoint("checkout-file-written");
	if (rc == 0)
		rc = tempfile_rename(&t, name,
				     step->replaces ? TEMPFILE_REPLACE : TEMPFILE_NOREPLACE, e);
	tempfile_abort(&t);
	if (sink.like_fd >= 0)
		close(sink.like_fd);
	return rc;
}

static int do_step(struct job *j, int dirfd, struct plan_step *step, struct err *e)
{
	const char *name = path_basename(step->path);
	struct stat st;
	int rc = step->replaces ? check_still(dirfd, name, step, e) : 0;

	if (rc == 0 && path_is_dotgit(name, strlen(name)))
		rc = err_set(e, ERR_INPUT, "'%s' cannot be a file of a dataset", step->path);
	if (rc < 0)
		return rc;
	rc = step->to->kind == NODE_LINK ? make_link(j, dirfd, name, step, e)
					 : make_file(j, dirfd, name, step, e);
	if (rc < 0)
		return err_wrap(e, "%s", step->path);
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "%s", step->path);
	scan_stat(step->keep, &st);
	step->keep->trust = DTREE_TRUST_IF_PAST;
	return 0;
}

/* ---- all files ---- */

static int open_parent(struct job *j, const char *path, struct err *e)
{
	struct buf dir = BUF_INIT;
	int fd;

	path_dirname(&dir, path);
	fd = path_open_to_write(j->rootfd, strcmp(dir.p, ".") ? dir.p : "", e);
	buf_release(&dir);
	return fd;
}

static void run_batch(void *arg)
{
	struct batch *b = arg;
	struct err e = ERR_INIT;
	int dirfd = open_parent(b->j, b->steps[0].path, &e);
	int rc = dirfd < 0 ? dirfd : 0;

	for (size_t i = 0; rc == 0 && i < b->n && !first_failed(&b->j->first); i++)
		rc = do_step(b->j, dirfd, &b->steps[i], &e);
	if (rc < 0)
		first_fail(&b->j->first, rc, &e);
	if (dirfd >= 0)
		close(dirfd);
	free(b);
}

static bool same_parent(const char *a, const char *b)
{
	const char *x = path_basename(a), *y = path_basename(b);

	return x - a == y - b && !strncmp(a, b, (size_t)(x - a));
}

static void submit_batches(struct job *j, struct plan *p)
{
	for (size_t at = 0; at < p->n;) {
		uint64_t bytes = 0;
		struct batch *b;
		size_t n = 0;

		if (is_large(&p->steps[at])) {
			at++;
			continue;
		}
		for (; at + n < p->n && n < BATCH_FILES && bytes < BATCH_BYTES; n++) {
			if (is_large(&p->steps[at + n]) ||
			    !same_parent(p->steps[at].path, p->steps[at + n].path))
				break;
			bytes += p->steps[at + n].to->bytes;
		}
		b = xmalloc(sizeof(*b));
		*b = (struct batch){j, &p->steps[at], n};
		pool_group_submit(j->group, run_batch, b);
		at += n;
	}
}

static int write_large(struct job *j, struct plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		int dirfd;

		if (!is_large(&p->steps[i]))
			continue;
		dirfd = open_parent(j, p->steps[i].path, e);
		if (dirfd < 0)
			return dirfd;
		rc = do_step(j, dirfd, &p->steps[i], e);
		close(dirfd);
	}
	return rc;
}

static int write_all(struct job *j, struct plan *p, struct err *e)
{
	int rc, late;

	j->group = pool_group_new(j->pool);
	submit_batches(j, p);
	rc = write_large(j, p, e);
	pool_group_wait(j->group);
	pool_group_free(j->group);
	late = first_result(&j->first, rc < 0 ? NULL : e);
	return rc < 0 ? rc : late;
}

static int remove_all(struct job *j, struct plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->nremovals; i++) {
		const struct plan_step *s = &p->removals[i];
		int dirfd = open_parent(j, s->path, e);

		if (dirfd < 0)
			return dirfd;
		rc = check_still(dirfd, path_basename(s->path), s, e);
		if (rc == 0 && unlinkat(dirfd, path_basename(s->path), 0) < 0)
			rc = err_sys(e, "%s", s->path);
		close(dirfd);
	}
	for (size_t i = 0; rc == 0 && i < p->rmdirs.nr; i++) {
		int dirfd = open_parent(j, p->rmdirs.v[i], e);

		if (dirfd < 0)
			return dirfd;
		/* What the user put there keeps the directory, and so does a disk mounted there. */
		if (unlinkat(dirfd, path_basename(p->rmdirs.v[i]), AT_REMOVEDIR) < 0 &&
		    errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT && errno != EBUSY)
			rc = err_sys(e, "%s", p->rmdirs.v[i]);
		close(dirfd);
	}
	return rc;
}

static int make_dirs(struct job *j, struct plan *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->dirs.nr; i++)
		rc = path_mkdirs_beneath(j->rootfd, p->dirs.v[i], 0777, e);
	return rc;
}

/* ---- the whole ---- */

/* Nothing is touched unless everything that will be written is here. */
static int check_content(struct dataset_env *d, const struct plan *p, struct err *e)
{
	struct chunkset *missing = chunkset_new();
	const char *first = NULL;
	size_t files = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		size_t before = chunkset_count(missing);

		rc = dataset_want_file(d, &p->steps[i].to->id, p->steps[i].to->bytes, missing, e);
		if (chunkset_count(missing) == before)
			continue;
		files++;
		if (!first)
			first = p->steps[i].path;
	}
	chunkset_free(missing);
	if (rc < 0 || !files)
		return rc;
	if (files == 1)
		err_set(e, ERR_NOTFOUND, "content of '%s' is not in the local store", first);
	else
		err_set(e, ERR_NOTFOUND, "content of '%s' and %zu more is not in the local store",
			first, files - 1);
	err_hint(e, DATASET_FETCH_HINT);
	return ERR_NOTFOUND;
}

/* `before`: what the files that are not written yet belong to; NULL: nobody asks. */
static int carry_out(struct dataset_env *d, int rootfd, struct plan *p, const struct plan_input *in,
		     const struct pointer *before, struct err *e)
{
	const struct dataset_checkout_opts *opts = in->opts;
	struct job j = {.link = opts->link,
			.sink = {dataset_store(d, e), dataset_pool(d), d->progress, -1, {{0}}},
			.rootfd = rootfd,
			.pool = dataset_pool(d),
			.first = FIRST_INIT};
	int rc = j.sink.store ? check_content(d, p, e) : e->code;

	if (rc < 0 || opts->dry_run)
		return rc;
	if (before && (p->n || p->nremovals))
		statcache_set_unfinished(dataset_cache(d), in->root, before);
	if (rc == 0)
		rc = remove_all(&j, p, e);
	killpoint("checkout-removed");
	if (rc == 0)
		rc = make_dirs(&j, p, e);
	killpoint("checkout-dirs-made");
	return rc < 0 ? rc : write_all(&j, p, e);
}

/* Was the pointer in the work tree changed since the data was in step with it?  Then track refuses too. */
static bool has_moved_on(struct dataset_env *d, const char *root)
{
	struct err ignored = ERR_INIT;
	struct pointer own;
	bool moved;

	pointer_init(&own);
	moved = dataset_pointer(d->repo, NULL, root, &own, &ignored) == 0 &&
		dataset_is_behind(d, root, &own);
	pointer_release(&own);
	return moved;
}

static void hint_local(const char *root, struct err *e)
{
	char *word = path_word(root);

	err_hint(e, "git deepops track %s records them; git deepops checkout --force gives them up",
		 word);
	free(word);
}

static int blocked_error(struct dataset_env *d, const struct plan *p, const char *root,
			 struct err *e)
{
	err_set(e, ERR_EXISTS, "%zu local change%s in '%s' would be lost", p->blocked.nr,
		p->blocked.nr == 1 ? "" : "s", root);
	if (has_moved_on(d, root))
		err_hint(e, "commit them on a branch from the version they were made on and merge "
			    "that, or give them up with git deepops checkout --force");
	else
		hint_local(root, e);
	return ERR_EXISTS;
}

static void take_result(struct dataset_checkout_result *out, const struct plan *p)
{
	out->written = p->n;
	out->removed = p->nremovals;
	out->unchanged = p->unchanged;
	out->bytes = p->bytes;
}

/* One checkout from the trees on; `work` may be empty, `base` not known. */
static int run_plan(struct dataset_env *d, int rootfd, const struct plan_input *in,
		    const struct pointer *before, struct dataset_checkout_result *out,
		    bool *partial, struct err *e)
{
	struct plan p;
	int rc = plan_make(&p, in, e);

	if (rc < 0)
		return rc;
	*partial = p.partial;
	strvec_pushv(&out->blocked, (const char *const *)p.blocked.v);
	rc = p.blocked.nr ? blocked_error(d, &p, in->root, e)
			  : carry_out(d, rootfd, &p, in, before, e);
	if (rc == 0)
		take_result(out, &p);
	plan_release(&p);
	return rc;
}

void dataset_checkout_result_release(struct dataset_checkout_result *r)
{
	strvec_release(&r->blocked);
}

/* `changed`: the stat cache is behind; `partial`: files were left out. */
static void remember(struct dataset_env *d, const struct pointer *p, const struct plan_input *in,
		     bool changed, bool partial)
{
	struct dtree_entry *to = in->to;

	if (changed && to->kind == NODE_DIR)
		statcache_save(dataset_cache(d), in->root, to);
	else if (changed)
		statcache_save_file(dataset_cache(d), in->root, in->to_stat, to->bytes, &to->id);
	statcache_set_base(dataset_cache(d), in->root, p, partial);
}

/* Everything but reading the work tree. */
static int checkout_trees(struct dataset_env *d, const char *root, const struct pointer *p,
			  const struct dataset_checkout_opts *opts, struct dataset_work *work,
			  struct dataset_checkout_result *out, struct err *e)
{
	struct plan_input in = {
		.root = root, .load = dataset_load_node, .load_arg = d, .opts = opts};
	struct dtree_entry to, base;
	struct dtree_stat st;
	struct pointer base_pointer;
	const struct pointer *before;
	bool partial = false, left_out = false, had_all = false;
	int rc;

	pointer_init(&base_pointer);
	memset(&base, 0, sizeof(base));
	memset(&st, 0, sizeof(st));
	dtree_from_pointer(&to, p);
	/* A work tree that had all of this version and lacks some of it: somebody removed that. */
	if (statcache_base(dataset_cache(d), root, &base_pointer, &partial))
		had_all = work && !partial && dataset_same_shards(&base_pointer, p);
	if (base_pointer.files || base_pointer.n)
		dtree_from_pointer(&base, &base_pointer);
	else if (opts->base)
		dtree_from_pointer(&base, opts->base);
	if (base.mode)
		in.base = &base;
	in.to = &to;
	in.to_stat = &st;
	in.work = work ? &work->tree : NULL;
	in.work_stat = work ? &work->st : NULL;
	before = base_pointer.files || base_pointer.n ? &base_pointer : opts->base ? opts->base : p;
	rc = run_plan(d, repo_worktree_fd(d->repo), &in, before, out, &left_out, e);
	if (rc == 0 && !opts->dry_run)
		remember(d, p, &in, out->written || out->removed, left_out && !had_all);
	dtree_release(&to);
	dtree_release(&base);
	pointer_release(&base_pointer);
	return rc;
}

static int make_parents(int rootfd, const char *root, struct err *e)
{
	struct buf dir = BUF_INIT;
	int rc = 0;

	path_dirname(&dir, root);
	if (strcmp(dir.p, ".") != 0)
		rc = path_mkdirs_beneath(rootfd, dir.p, 0777, e);
	buf_release(&dir);
	return rc;
}

int dataset_checkout(struct dataset_env *d, const char *root, const struct pointer *p,
		     const struct dataset_checkout_opts *opts, struct dataset_checkout_result *out,
		     struct err *e)
{
	struct dataset_work work;
	bool there;
	int rc;

	memset(out, 0, sizeof(*out));
	strvec_init(&out->blocked);
	rc = pointer_check_root(root, e);
	if (rc < 0)
		return rc;
	rc = dataset_work_read(d, NULL, root, true, &work, e);
	there = rc == 0;
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = opts->dry_run ? 0 : make_parents(repo_worktree_fd(d->repo), root, e);
	}
	if (rc == 0 && there && work.tree.kind == NODE_DIR)
		rc = dtree_build(&work.tree, NULL, NULL, e);
	if (rc == 0)
		rc = checkout_trees(d, root, p, opts, there ? &work : NULL, out, e);
	if (there)
		dataset_work_release(&work);
	return rc;
}

int dataset_export(struct dataset_env *d, const struct pointer *p, const char *dir, struct err *e)
{
	struct dataset_checkout_opts opts = {.link = DATASET_LINK_AUTO};
	struct plan_input in = {.root = path_basename(dir),
				.load = dataset_load_node,
				.load_arg = d,
				.opts = &opts};
	struct dataset_checkout_result out;
	struct buf parent = BUF_INIT;
	struct dtree_entry to;
	struct dtree_stat st;
	bool partial;
	int rootfd, rc;

	memset(&out, 0, sizeof(out));
	strvec_init(&out.blocked);
	path_dirname(&parent, dir);
	if (rmdir(dir) < 0 && errno != ENOENT) {
		buf_release(&parent);
		return err_sys(e, "%s", dir);
	}
	rootfd = open(parent.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rootfd < 0)
		rc = err_sys(e, "%s", parent.p);
	dtree_from_pointer(&to, p);
	in.to = &to;
	in.to_stat = &st;
	if (rootfd >= 0) {
		rc = run_plan(d, rootfd, &in, NULL, &out, &partial, e);
		close(rootfd);
	}
	dtree_release(&to);
	dataset_checkout_result_release(&out);
	buf_release(&parent);
	return rc;
}
