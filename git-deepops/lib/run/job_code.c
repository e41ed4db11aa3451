/* SPDX-License-Identifier: MIT */
/* job_code.c - the exact code that is about to run; see job_internal.h */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/urltext.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "run/job_internal.h"
#include "run/secrets.h"
#include "run/treehash.h"

#define COMMIT_MAX_RAW_BYTES (4 * MIB)

/* ---- what does not count as code ---- */

static void excluded_paths(const struct job *j, struct strvec *out)
{
	for (size_t i = 0; i < j->rec.noutputs; i++) {
		strvec_push(out, j->rec.outputs[i].path);
		strvec_pushf(out, "%s" POINTER_SUFFIX, j->rec.outputs[i].path);
	}
}

/* A log that a shell redirected us into changes with each word that the command prints. */
static void exclude_own_output(const struct job *j, struct strvec *out)
{
	char name[32], path[PATH_MAX_BYTES + 1];
	const char *rest;
	struct stat st;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		ssize_t n;

		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
			    ? readlink(name, path, PATH_MAX_BYTES)
			    : -1;
		if (n <= 0)
			continue;
		path[n] = '\0';
		if (str_startswith(path, repo_worktree(j->repo), &rest) && *rest == '/' &&
		    !strvec_has(out, rest + 1))
			strvec_push(out, rest + 1);
	}
}

static int snapshot_limit(struct job *j, uint64_t *limit, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = repo_config_get(j->repo, "deepops.snapshotLimit", &text, e);

	*limit = SNAPSHOT_LIMIT_BYTES;
	if (rc == 1 && num_parse_size(text.p, limit, e) < 0)
		rc = err_wrap(e, "deepops.snapshotLimit");
	buf_release(&text);
	return MIN(rc, 0);
}

static int take_snapshot(struct job *j, struct err *e)
{
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;
	struct strvec exclude = STRVEC_INIT;
	int rc = snapshot_limit(j, &o.limit, e);

	excluded_paths(j, &exclude);
	exclude_own_output(j, &exclude);
	o.exclude = &exclude;
	o.replace = j->replace;
	o.nreplace = j->nreplace;
	if (rc == 0)
		rc = snapshot_take(j->repo, &o, &j->snap, e);
	j->has_snap = rc == 0;
	strvec_release(&exclude);
	return rc;
}

/* ---- secrets ---- */

struct scan {
	struct job *j;
	struct buf content;
};

static int scan_entry(void *arg, const char *path, const struct tree_entry *a,
		      const struct tree_entry *b, struct err *e)
{
	struct scan *s = arg;
	int rc;

	(void)a;
	if (b->mode != TREE_MODE_FILE && b->mode != TREE_MODE_EXEC)
		return 0;
	buf_reset(&s->content);
	rc = repo_read_blob(s->j->repo, &b->id, SECRETS_MAX_FILE_BYTES, &s->content, e);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return rc;
	return job_scan_file(s->j, path, s->content.p, s->content.len, e);
}

/* What a submodule's commit holds was published by it; without that commit all of it is looked at. */
static int scan_module(struct scan *s, const struct snapshot_module *m, struct err *e)
{
	struct repo_oid base;
	bool known = repo_has_object(s->j->repo, &m->commit);
	int rc = known ? repo_commit_tree(s->j->repo, &m->commit, &base, e) : 0;

	if (rc == 0)
		rc = tree_diff(s->j->repo, known ? &base : NULL, &m->tree, scan_entry, s, e);
	return rc < 0 ? err_wrap(e, "submodule %s", m->path) : 0;
}

/* Files that only the snapshot has: what HEAD holds was published by whoever committed it. */
static int scan_secrets(struct job *j, struct err *e)
{
	struct scan s = {j, BUF_INIT};
	bool unborn = repo_oid_is_zero(&j->snap.base_tree);
	int rc = 0;

	if (j->has_snap)
		rc = tree_diff(j->repo, unborn ? NULL : &j->snap.base_tree, &j->snap.tree,
			       scan_entry, &s, e);
	for (size_t i = 0; rc == 0 && j->has_snap && i < j->snap.nmodules; i++)
		if (j->snap.modules[i].dirty)
			rc = scan_module(&s, &j->snap.modules[i], e);
	buf_release(&s.content);
	return rc;
}

/* ---- the record's code group ---- */

static int fill_remote(struct job *j, struct err *e)
{
	struct buf url = BUF_INIT, clean = BUF_INIT;
	int rc = repo_config_get(j->repo, "remote.origin.url", &url, e);

	if (rc == 1) {
		urltext_recorded(&clean, url.p);
		record_set(&j->rec.code.remote, clean.p);
	}
	buf_release(&url);
	buf_release(&clean);
	return MIN(rc, 0);
}

static int fill_branch(struct job *j, struct err *e)
{
	struct buf branch = BUF_INIT;
	struct repo_oid head;
	const char *name;
	int rc = repo_head(j->repo, &branch, &head, e);

	if (rc == 0 && branch.len) {
		name = branch.p;
		(void)str_startswith(branch.p, "refs/heads/", &name);
		record_set(&j->rec.code.branch, name);
	}
	buf_release(&branch);
	return rc;
}

static void fill_modules(struct job *j)
{
	for (size_t i = 0; i < j->snap.nmodules; i++) {
		const struct snapshot_module *m = &j->snap.modules[i];
		struct record_module *out = record_add_module(&j->rec);

		record_set(&out->path, m->path);
		record_set(&out->commit, m->commit.hex);
		record_set(&out->tree, m->tree.hex);
		out->dirty = m->dirty;
	}
}

/* The bytes of one file as a blob, or above the limit as a pointer's. */
static int keep_filtered(struct job *j, const struct snapshot_file *f, struct job_kept *out,
			 struct err *e)
{
	struct buf text = BUF_INIT;
	struct store_txn *txn = NULL;
	struct chunkid id, want;
	struct stat st;
	uint64_t size = 0;
	int fd = job_open(j->repo, f->path, &st, e), rc;

	if (fd < 0)
		return fd;
	memcpy(want.b, f->sha256, sizeof(want.b));
	out->pointer = f->bytes > SNAPSHOT_LIMIT_BYTES;
	if (out->pointer) {
		rc = job_txn(j, &txn, e);
		if (rc == 0)
			rc = dataset_put_fd(j->data, txn, fd, &id, &size, e);
		if (rc == 0)
			job_file_pointer(&id, size, f->mode, &text);
	} else {
		rc = io_read_fd(fd, SNAPSHOT_LIMIT_BYTES, &text, e);
		if (rc == 0)
			chunkid_of(&id, text.p, text.len);
	}
	close(fd);
	if (rc == 0 && !chunkid_equal(&id, &want))
		rc = err_set(e, ERR_INPUT, "it changes while it is captured");
	if (rc == 0)
		rc = repo_write_blob(j->repo, text.p, text.len, &out->blob, e);
	out->is = rc == 0;
	buf_release(&text);
	return rc < 0 ? err_wrap(e, "%s", f->path) : 0;
}

/*
 * What git's line ends, ident and encodings change is kept as it ran.  What a filter driver changes is
 * not: git-crypt's plain text must not be pushed.
 */
static int keep_all_filtered(struct job *j, struct err *e)
{
	size_t n = j->snap.filtered.nr;
	int rc = 0;

	if (n)
		j->filtered = xcalloc(n, sizeof(*j->filtered));
	for (size_t i = 0; rc == 0 && i < n && !j->o->dry_run; i++)
		if (!j->snap.filtered.v[i].driver)
			rc = keep_filtered(j, &j->snap.filtered.v[i], &j->filtered[i], e);
	return rc;
}

static void fill_filtered(struct job *j)
{
	for (size_t i = 0; i < j->snap.filtered.nr; i++) {
		const struct snapshot_file *f = &j->snap.filtered.v[i];
		struct record_filtered *out = record_add_filtered(&j->rec);
		struct chunkid id;

		memcpy(id.b, f->sha256, sizeof(id.b));
		record_set(&out->path, f->path);
		record_set_digest(&out->id, &id);
	}
}

static int fill_large(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->snap.large.nr; i++) {
		const struct snapshot_file *f = &j->snap.large.v[i];
		struct record_large *out;
		struct store_txn *txn = NULL;
		struct buf text = BUF_INIT;
		struct chunkid id;
		struct stat st;
		uint64_t bytes = 0;
		int fd = job_open(j->repo, f->path, &st, e), rc;

		if (fd < 0)
			return fd;
		rc = job_txn(j, &txn, e);
		if (rc == 0)
			rc = dataset_put_fd(j->data, txn, fd, &id, &bytes, e);
		close(fd);
		if (rc < 0)
			return err_wrap(e, "%s", f->path);
		rc = job_is_result(j, f->path, &id, e);
		if (rc > 0)
			rc = job_pin_file(j, f->path, RECORD_ROLE_TRACKED, e);
		if (rc < 0)
			return rc;
		if (job_find_pin(j, f->path))
			continue;
		out = record_add_large(&j->rec);
		record_set(&out->path, f->path);
		record_set_digest(&out->id, &id);
		out->bytes = (int64_t)bytes;
		record_setf(&out->mode, "%o", f->mode);
		job_file_pointer(&id, bytes, f->mode, &text);
		strvec_push(&j->large_texts, text.p);
		buf_release(&text);
	}
	return 0;
}

static int fill_tree_hash(struct job *j, struct err *e)
{
	const struct record_code *code = &j->rec.code;
	struct treehash_large *large = xcalloc(code->nlarge + 1, sizeof(*large));
	struct treehash_cache cache;
	struct treehash_opts o = {NULL, large, code->nlarge, 0};
	struct chunkid id;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < code->nlarge; i++) {
		large[i].path = code->large[i].path;
		large[i].mode =
			!strcmp(code->large[i].mode, "100755") ? TREE_MODE_EXEC : TREE_MODE_FILE;
		rc = chunkid_parse(&large[i].id, code->large[i].id, e);
	}
	if (j->ix) {
		runindex_treehash_cache(j->ix, &cache);
		o.cache = &cache;
	}
	if (rc == 0)
		rc = treehash_of(j->repo, &j->snap.tree, &o, &id, e);
	if (rc == 0)
		record_set_digest(&j->rec.code.tree_sha256, &id);
	if (rc == 0 && j->ix)
		rc = runindex_flush(j->ix, e);
	free(large);
	return rc;
}

static int fill_code(struct job *j, struct err *e)
{
	const struct snapshot *s = &j->snap;
	struct record_code *code = &j->rec.code;
	struct chunkid ignored;
	int rc;

	if (!repo_oid_is_zero(&s->commit)) {
		record_set(&code->commit, s->commit.hex);
		record_set(&code->base_tree, s->base_tree.hex);
		rc = repo_read_raw(j->repo, &s->commit, "commit", COMMIT_MAX_RAW_BYTES, &j->commit,
				   e);
		if (rc < 0)
			return rc;
	}
	record_set(&code->tree, s->tree.hex);
	if (s->ignored) {
		memcpy(ignored.b, s->ignored_digest, sizeof(ignored.b));
		code->ignored_count = (int64_t)s->ignored;
		record_set_digest(&code->ignored_digest, &ignored);
	}
	fill_modules(j);
	fill_filtered(j);
	rc = keep_all_filtered(j, e);
	if (rc == 0)
		rc = fill_large(j, e);
	code->dirty = code->nlarge || !repo_oid_equal(&s->tree, &s->base_tree);
	for (size_t i = 0; i < s->nmodules; i++)
		code->dirty = code->dirty || s->modules[i].dirty;
	return rc < 0 ? rc : fill_tree_hash(j, e);
}

/* ---- code from outside ---- */

/* Is `path`, which is there, inside of the work tree, or a device that holds nothing? */
static bool is_harmless(const struct job *j, const char *path)
{
	char *real = realpath(path, NULL);
	const char *rest;
	bool harmless =
		!real || str_startswith(real, "/dev/", NULL) ||
		(str_startswith(real, repo_worktree(j->repo), &rest) && (*rest == '/' || !*rest));

	free(real);
	return harmless;
}

/* What such a link leads to is in no capture; one that leads nowhere is what it is everywhere. */
static void fill_links(struct job *j)
{
	char target[PATH_MAX_BYTES + 1];
	struct buf full = BUF_INIT;

	for (size_t i = 0; i < j->snap.links.nr; i++) {
		const char *path = j->snap.links.v[i];
		ssize_t n = readlinkat(repo_worktree_fd(j->repo), path, target, PATH_MAX_BYTES);

		buf_reset(&full);
		path_join(&full, repo_worktree(j->repo), path);
		if (n <= 0 || is_harmless(j, full.p))
			continue;
		target[n] = '\0';
		strvec_pushf(&j->rec.code.outside, "%s -> %s", path, target);
	}
	buf_release(&full);
}

/* A directory of PYTHONPATH: its packages are captured, loose modules in it are not. */
static void fill_pythonpath(struct job *j)
{
	const char *path = getenv("PYTHONPATH");
	struct buf dir = BUF_INIT;

	while (path && *path) {
		size_t len = strcspn(path, ":");

		buf_reset(&dir);
		buf_add(&dir, path, len);
		if (len && !is_harmless(j, dir.p) && !str_endswith(dir.p, "-packages"))
			strvec_pushf(&j->rec.code.outside, "PYTHONPATH: %s", dir.p);
		path += len + (path[len] == ':');
	}
	buf_release(&dir);
}

int job_capture_code(struct job *j, struct err *e)
{
	int rc = take_snapshot(j, e);

	if (rc < 0 && rc != ERR_INTR && j->o->allow_partial) {
		record_set(&j->rec.partial, e ? e->msg : "capture failed");
		strvec_pushf(&j->warnings, "the code is not recorded: %s", j->rec.partial);
		err_clear(e);
	} else if (rc < 0) {
		err_wrap(e, "the code cannot be captured");
		if (e && !e->hint[0])
			err_hint(e, "mend it, or say --allow-partial for a record of level R0");
		return rc;
	}
	rc = j->has_snap ? job_set_results_aside(j, e) : 0;
	if (rc == 0)
		rc = scan_secrets(j, e);
	if (rc == 0 && j->has_snap)
		rc = fill_code(j, e);
	if (rc == 0) {
		fill_links(j);
		fill_pythonpath(j);
		record_limit(&j->rec.code.outside, RECORD_OUTSIDE_BYTES);
	}
	if (rc == 0)
		rc = fill_branch(j, e);
	return rc < 0 ? rc : fill_remote(j, e);
}
