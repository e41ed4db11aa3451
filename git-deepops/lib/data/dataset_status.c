/* SPDX-License-Identifier: MIT */
/* dataset_status.c - does the work tree equal a pointer; see dataset.h */
#include "base/wildmatch.h"
#include "data/dataset_internal.h"

const char *dataset_state_name(enum dataset_state s)
{
	switch (s) {
	case DATASET_CLEAN:
		return "clean";
	case DATASET_MODIFIED:
		return "modified";
	case DATASET_MISSING:
		return "missing";
	case DATASET_PARTIAL:
		return "partial";
	case DATASET_NEW_POINTER:
		return "new pointer";
	}
	return "unknown";
}

void dataset_status_release(struct dataset_status *s)
{
	dataset_changes_release(&s->changes);
}

/* Is the work tree what the base says, while the pointer says something else? */
static int equals_base(struct dataset_work *w, const struct pointer *base, bool *same,
		       struct err *e)
{
	struct pointer now;
	int rc;

	pointer_init(&now);
	rc = dataset_work_pointer(w, base, NULL, &now, e);
	*same = rc == 0 && dataset_same_shards(&now, base);
	pointer_release(&now);
	return rc;
}

/*
 * Files that are only absent were not checked out, unless the work tree once had
 * all of this very version: then somebody removed them.
 */
static bool is_partial(const struct dataset_status *s, const struct pointer *p,
		       const struct pointer *base, bool has_base, bool partial)
{
	if (!s->counted || s->changes.added || s->changes.changed)
		return false;
	return !has_base || partial || !dataset_same_shards(base, p);
}

static int classify(struct dataset_env *d, const char *root, const struct pointer *p,
		    struct dataset_work *w, struct dataset_status *out, struct err *e)
{
	bool partial = false, same = false, has_base;
	struct pointer base;
	int rc = 0;

	pointer_init(&base);
	has_base = statcache_base(dataset_cache(d), root, &base, &partial);
	if (has_base && !dataset_same_shards(&base, p))
		rc = equals_base(w, &base, &same, e);
	if (same)
		out->state = DATASET_NEW_POINTER;
	else if (is_partial(out, p, &base, has_base, partial))
		out->state = DATASET_PARTIAL;
	else
		out->state = DATASET_MODIFIED;
	pointer_release(&base);
	return rc;
}

static int count_changes(struct dataset_env *d, const struct pointer *p, struct dataset_work *w,
			 struct dataset_status *out, struct err *e)
{
	struct dtree_entry old;
	int rc = 0;

	if (w->tree.kind == NODE_DIR)
		rc = dtree_build(&w->tree, NULL, NULL, e);
	if (rc < 0)
		return rc;
	dtree_from_pointer(&old, p);
	rc = dataset_diff_trees(&old, &w->tree, dataset_load_node, d, &out->changes, e);
	dtree_release(&old);
	if (rc == ERR_NOTFOUND) { /* not fetched: it differs, but nobody can say where */
		dataset_changes_release(&out->changes);
		err_clear(e);
		return 0;
	}
	out->counted = rc == 0;
	return rc;
}

static int compare_work(struct dataset_env *d, const char *root, const struct pointer *p,
			struct dataset_work *w, struct dataset_status *out, struct err *e)
{
	struct pointer now;
	bool same;
	int rc;

	pointer_init(&now);
	rc = dataset_work_pointer(w, p, NULL, &now, e);
	same = rc == 0 && dataset_same_shards(&now, p);
	pointer_release(&now);
	if (same) {
		out->state = DATASET_CLEAN;
		out->counted = true;
		return 0;
	}
	if (rc == 0 || rc == ERR_LIMIT) /* too many shards: it differs all the same */
		rc = count_changes(d, p, w, out, e);
	return rc < 0 ? rc : classify(d, root, p, w, out, e);
}

static int status_of(struct dataset_env *d, const char *root, const struct pointer *p, bool all,
		     struct dataset_status *out, struct err *e)
{
	struct dataset_work w;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = dataset_work_read(d, NULL, root, all, &w, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		out->state = DATASET_MISSING;
		out->counted = true;
		out->changes.removed = p->files;
		return 0;
	}
	if (rc < 0)
		return rc;
	rc = compare_work(d, root, p, &w, out, e);
	dataset_work_release(&w);
	if (rc < 0)
		dataset_status_release(out);
	return rc;
}

int dataset_status(struct dataset_env *d, const char *root, const struct pointer *p,
		   struct dataset_status *out, struct err *e)
{
	return status_of(d, root, p, false, out, e);
}

int dataset_status_all(struct dataset_env *d, const char *root, const struct pointer *p,
		       struct dataset_status *out, struct err *e)
{
	return status_of(d, root, p, true, out, e);
}

static bool matches_any(const struct strvec *globs, const char *path)
{
	for (size_t i = 0; i < globs->nr; i++)
		if (wildmatch_ignore(globs->v[i], path, false))
			return true;
	return false;
}

bool dataset_wanted(const struct strvec *include, const struct strvec *exclude, const char *path)
{
	if (include && include->nr && !matches_any(include, path))
		return false;
	return !exclude || !matches_any(exclude, path);
}
