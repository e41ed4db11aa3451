/* SPDX-License-Identifier: MIT */
/*
 * job_results.c - what earlier runs wrote and nobody has committed yet; see job_internal.h
 *
 * In a clone that runs one seed after the other the results of the first lie in the
 * work tree when the second starts.  They are no code: exactly what a record says was
 * written there is taken out of the captured tree, which then is HEAD's again, and pinned
 * as an input of role `tracked`, since the code could read it.  A file that looks like
 * code stays code, whoever wrote it.
 */
#include "base/path.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

#define RESULTS_MAX 1000 /* more of them stay in the tree: each is looked for in the index */

struct result {
	char *path;
	uint32_t mode; /* in the snapshot */
	struct repo_oid blob;
	uint32_t old_mode; /* in HEAD; 0: it is new */
	struct repo_oid old;
	bool aside;
};

struct results {
	struct job *j;
	struct result *v;
	size_t n, alloc;
};

static int collect(void *arg, const char *path, const struct tree_entry *a,
		   const struct tree_entry *b, struct err *e)
{
	struct results *r = arg;
	struct result *one;

	(void)e;
	if (r->n > RESULTS_MAX || (b->mode != TREE_MODE_FILE && b->mode != TREE_MODE_EXEC))
		return 0;
	XGROW(r->v, r->n + 1, r->alloc);
	one = &r->v[r->n++];
	memset(one, 0, sizeof(*one));
	one->path = xstrdup(path);
	one->mode = b->mode;
	one->blob = b->id;
	one->old_mode = a->mode;
	if (a->mode)
		one->old = a->id;
	return 0;
}

static bool looks_like_code(const char *path)
{
	static const char *const ends[] = {
		".py",  ".pyx", ".pyi",  ".ipynb", ".sh",  ".bash", ".zsh", ".r",           ".R",
		".Rmd", ".jl",  ".js",   ".mjs",   ".ts",  ".c",    ".cc",  ".cpp",         ".cu",
		".cuh", ".h",   ".hpp",  ".go",    ".rs",  ".java", ".lua", ".pl",          ".rb",
		".m",   ".so",  ".toml", ".yaml",  ".yml", ".cfg",  ".ini", POINTER_SUFFIX,
	};
	const char *name = path_basename(path);

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (str_endswith(name, ends[i]))
			return true;
	return name[0] == '.' || str_startswith(name, "Makefile", NULL) || !strchr(name, '.');
}

static int found(void *arg, const struct runindex_row *row, struct err *e)
{
	(void)row;
	(void)e;
	*(bool *)arg = true;
	return 0;
}

/* A file, of which git's id is in the index. */
static int look_at_file(struct job *j, struct result *one, struct err *e)
{
	bool known = false;
	int rc;

	if (one->mode != TREE_MODE_FILE || looks_like_code(one->path))
		return 0;
	rc = runindex_by_output_blob(j->ix, one->path, &one->blob, found, &known, e);
	if (rc == 0 && known)
		rc = job_pin_file(j, one->path, RECORD_ROLE_TRACKED, e);
	one->aside = rc == 0 && known;
	return rc;
}

/* A new directory as a whole: its id is that of the files alone. */
static int look_at_dir(struct results *r, const char *dir, struct err *e)
{
	struct dataset_snap_opts so = {NULL, false, true};
	struct dataset_snap snap;
	bool known = false, code = false;
	int rc;

	for (size_t i = 0; i < r->n; i++)
		code = code || (path_is_in(r->v[i].path, dir) &&
				(r->v[i].old_mode || r->v[i].mode != TREE_MODE_FILE ||
				 looks_like_code(r->v[i].path)));
	if (code)
		return 0;
	rc = dataset_snapshot(r->j->data, NULL, dir, &so, &snap, e);
	if (rc < 0) {
		err_clear(e); /* then it is code */
		return 0;
	}
	rc = runindex_by_output_id(r->j->ix, dir, &snap.id, found, &known, e);
	dataset_snap_release(&snap);
	if (rc == 0 && known)
		rc = job_pin_dir(r->j, dir, RECORD_ROLE_TRACKED, e);
	for (size_t i = 0; rc == 0 && known && i < r->n; i++)
		r->v[i].aside = r->v[i].aside || path_is_in(r->v[i].path, dir);
	return rc;
}

int job_is_result(struct job *j, const char *path, const struct chunkid *id, struct err *e)
{
	bool known = false;
	int rc = !j->ix || looks_like_code(path)
			 ? 0
			 : runindex_by_output_id(j->ix, path, id, found, &known, e);

	return rc < 0 ? rc : known;
}

static int look_at_dirs(struct results *r, struct err *e)
{
	struct strvec seen = STRVEC_INIT;
	struct buf dir = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		const char *path = r->v[i].path;

		for (const char *slash = strchr(path, '/');
		     rc == 0 && slash && !r->v[i].aside && !r->v[i].old_mode;
		     slash = strchr(slash + 1, '/')) {
			buf_reset(&dir);
			buf_add(&dir, path, (size_t)(slash - path));
			if (strvec_has(&seen, dir.p))
				continue;
			strvec_push(&seen, dir.p);
			rc = look_at_dir(r, dir.p, e);
		}
	}
	strvec_release(&seen);
	buf_release(&dir);
	return rc;
}

static int put_aside(struct results *r, struct err *e)
{
	struct snapshot *s = &r->j->snap;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		const struct result *one = &r->v[i];
		struct repo_oid tree;

		if (!one->aside)
			continue;
		rc = tree_update(r->j->repo, &s->tree, one->path, one->old_mode,
				 one->old_mode ? &one->old : NULL, &tree, e);
		if (rc == 0)
			s->tree = tree;
	}
	s->dirty = s->large.nr || !repo_oid_equal(&s->tree, &s->base_tree);
	for (size_t i = 0; i < s->nmodules; i++)
		s->dirty = s->dirty || s->modules[i].dirty;
	return rc;
}

int job_set_results_aside(struct job *j, struct err *e)
{
	struct results r = {.j = j};
	bool unborn = repo_oid_is_zero(&j->snap.base_tree);
	int rc;

	if (!j->ix || !j->snap.dirty)
		return 0;
	rc = runindex_update(j->ix, NULL, e);
	if (rc == 0)
		rc = tree_diff(j->repo, unborn ? NULL : &j->snap.base_tree, &j->snap.tree, collect,
			       &r, e);
	for (size_t i = 0; rc == 0 && r.n <= RESULTS_MAX && i < r.n; i++)
		rc = look_at_file(j, &r.v[i], e);
	if (rc == 0 && r.n <= RESULTS_MAX)
		rc = look_at_dirs(&r, e);
	if (rc == 0)
		rc = put_aside(&r, e);
	for (size_t i = 0; i < r.n; i++)
		free(r.v[i].path);
	free(r.v);
	return rc;
}
