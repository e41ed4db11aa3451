/* SPDX-License-Identifier: MIT */
/* judge_place.c - what a clone with its data reads at a path; see judge_internal.h */
#include "base/limits.h"
#include "base/path.h"
#include "data/dtree.h"
#include "policy/judge_internal.h"

static bool is_file(uint32_t mode)
{
	return mode == TREE_MODE_FILE || mode == TREE_MODE_EXEC;
}

int judge_pointer_at(struct judge *j, const char *path, const struct tree_entry *entry,
		     struct pointer *out, struct err *e)
{
	struct buf root = BUF_INIT, text = BUF_INIT;
	int rc = 0;

	if (is_file(entry->mode) && pointer_root_of(path, &root)) {
		rc = repo_read_blob(j->in->repo, &entry->id, POINTER_MAX_BYTES, &text, e);
		if (rc == 0)
			rc = pointer_parse(out, text.p, text.len, path, NULL) == 0;
		else if (rc == ERR_LIMIT)
			rc = 0; /* too big for a pointer */
		if (rc == 0)
			err_clear(e);
	}
	buf_release(&root);
	buf_release(&text);
	return rc;
}

/* SHA-256 of a blob; what is beyond the bounds of a push is not known. */
static int blob_content(struct judge *j, const struct repo_oid *id, struct judge_content *out,
			struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	out->known = j->cache.get && j->cache.get(j->cache.arg, id, &out->id) == 1;
	if (out->known)
		return 0;
	rc = repo_read_blob(j->in->repo, id, MIN(j->hash_left, (uint64_t)JUDGE_RESULT_BYTES), &text,
			    e);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		return 0;
	}
	if (rc == 0) {
		j->hash_left -= text.len;
		chunkid_of(&out->id, text.p, text.len);
		out->known = true;
	}
	buf_release(&text);
	return rc;
}

static int pointer_content(struct judge *j, const struct pointer *ptr, struct judge_content *out,
			   struct err *e)
{
	int rc = j->evidence.dataset(j->evidence.arg, ptr, &out->id, e);

	out->kind = ptr->kind == POINTER_FILE ? JUDGE_FILE : JUDGE_DATASET;
	out->known = rc == 0;
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0; /* its data is not on the remote */
	}
	return rc;
}

int judge_content_of(struct judge *j, const char *path, const struct tree_entry *entry,
		     struct judge_content *out, struct pointer *ptr, struct err *e)
{
	int rc;

	memset(out, 0, sizeof(*out));
	if (!is_file(entry->mode)) {
		out->kind = JUDGE_NO_FILE;
		return 0;
	}
	rc = judge_pointer_at(j, path, entry, ptr, e);
	if (rc < 0)
		return rc;
	out->kind = JUDGE_FILE;
	out->pointer = rc == 1;
	return out->pointer ? pointer_content(j, ptr, out, e) : blob_content(j, &entry->id, out, e);
}

/* ---- what stands at a place ---- */

static bool same(const struct judge_content *a, const struct judge_content *b)
{
	return a->known && b->known && a->kind == b->kind && chunkid_equal(&a->id, &b->id);
}

static int stands_as(struct judge *j, const struct repo_oid *tree, const char *path,
		     const struct judge_content *want, struct err *e)
{
	struct judge_content got;
	struct tree_entry found;
	struct pointer ptr;
	int rc = tree_find(j->in->repo, tree, path, &found, e);

	if (rc != 1 || found.mode == TREE_MODE_DIR)
		return MIN(rc, 0);
	pointer_init(&ptr);
	rc = judge_content_of(j, path, &found, &got, &ptr, e);
	pointer_release(&ptr);
	return rc < 0 ? rc : same(&got, want);
}

/* In the dataset of `path`, as `rest`. */
static int stands_in(struct judge *j, const struct repo_oid *tree, const char *pointer,
		     const char *rest, const struct judge_content *want, struct err *e)
{
	struct dtree_entry root, *at;
	struct tree_entry found;
	struct pointer ptr;
	int rc = tree_find(j->in->repo, tree, pointer, &found, e);

	if (rc != 1)
		return rc;
	pointer_init(&ptr);
	rc = judge_pointer_at(j, pointer, &found, &ptr, e);
	if (rc == 1 && ptr.kind == POINTER_TREE) {
		dtree_from_pointer(&root, &ptr);
		rc = dtree_find(&root, rest, j->evidence.node, j->evidence.arg, &at, e);
		if (rc == ERR_NOTFOUND)
			err_clear(e);
		rc = rc == ERR_NOTFOUND ? 0
		     : rc < 0           ? rc
					: at->kind == NODE_FILE && want->kind == JUDGE_FILE &&
					chunkid_equal(&at->id, &want->id);
		dtree_release(&root);
	} else {
		rc = MIN(rc, 0);
	}
	pointer_release(&ptr);
	return rc;
}

int judge_stands(struct judge *j, const struct repo_oid *tree, const char *place,
		 const struct judge_content *want, struct err *e)
{
	struct buf at = BUF_INIT;
	int rc;

	if (!want->known)
		return 0;
	rc = stands_as(j, tree, place, want, e);
	for (size_t len = strlen(place); rc == 0 && len; len--) {
		if (place[len] && place[len] != '/')
			continue;
		buf_reset(&at);
		buf_add(&at, place, len);
		buf_addstr(&at, POINTER_SUFFIX);
		rc = place[len] ? stands_in(j, tree, at.p, place + len + 1, want, e)
				: stands_as(j, tree, at.p, want, e);
	}
	buf_release(&at);
	return rc;
}

/* ---- what stands in a dataset ---- */

struct inside {
	struct judge *j;
	const struct rules_rule *rule;
	judge_inside_fn cb;
	void *arg;
	struct buf path;
};

static int inside_entry(struct inside *w, struct dtree_entry *a, struct dtree_entry *b,
			unsigned int depth, struct err *e);

static int inside_dir(struct inside *w, struct dtree_entry *a, struct dtree_entry *b,
		      unsigned int depth, struct err *e)
{
	const struct evidence *ev = &w->j->evidence;
	int rc = dtree_expand(b, ev->node, ev->arg, e);

	if (rc < 0)
		return rc;
	if (a && (a->kind != NODE_DIR || dtree_expand(a, ev->node, ev->arg, e) < 0)) {
		err_clear(e); /* an old version that is not kept: then all is new */
		a = NULL;
	}
	for (size_t i = 0; rc == 0 && i < b->sub->n; i++) {
		struct dtree_entry *x = &b->sub->v[i];
		size_t len = path_enter(&w->path, x->name);

		rc = inside_entry(w, a ? dtree_lookup(a->sub, x->name, strlen(x->name)) : NULL, x,
				  depth + 1, e);
		if (x->kind == NODE_DIR && x->sub && x->known)
			dtree_unload(x);
		buf_setlen(&w->path, len);
	}
	return rc;
}

static int inside_entry(struct inside *w, struct dtree_entry *a, struct dtree_entry *b,
			unsigned int depth, struct err *e)
{
	struct judge_content c = {.known = true, .id = b->id};

	if (a && a->known && b->known && dtree_same(a, b))
		return 0;
	if (depth > TREE_MAX_DEPTH || !w->j->entries_left)
		return err_set(e, ERR_LIMIT, "there is more in %s than a push may look at",
			       w->path.p);
	w->j->entries_left--;
	if (b->kind == NODE_DIR)
		return rules_may_hold(w->rule, w->path.p) || rules_is_place(w->rule, w->path.p)
			       ? inside_dir(w, a, b, depth, e)
			       : 0;
	if (!rules_is_place(w->rule, w->path.p) &&
	    (b->kind != NODE_LINK || !rules_leads_to_results(w->rule, w->path.p)))
		return 0;
	c.kind = b->kind == NODE_LINK ? JUDGE_NO_FILE : JUDGE_FILE;
	return w->cb(w->arg, w->path.p, &c, e);
}

int judge_inside(struct judge *j, const struct rules_rule *rule, const struct judge_dataset *d,
		 judge_inside_fn cb, void *arg, struct err *e)
{
	struct inside w = {j, rule, cb, arg, BUF_INIT};
	struct dtree_entry a, b;
	int rc;

	dtree_from_pointer(&b, d->now);
	if (d->before)
		dtree_from_pointer(&a, d->before);
	buf_sets(&w.path, d->root);
	rc = inside_dir(&w, d->before ? &a : NULL, &b, 0, e);
	if (d->before)
		dtree_release(&a);
	dtree_release(&b);
	buf_release(&w.path);
	return rc;
}
