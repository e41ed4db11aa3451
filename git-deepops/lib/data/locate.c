/* SPDX-License-Identifier: MIT */
/* locate.c - what `[REV:]PATH` on a command line names; see locate.h */

#include "data/locate.h"

#include "base/path.h"

void locate_init(struct locate *l)
{
	buf_init(&l->root);
	buf_init(&l->inside);
	pointer_init(&l->pointer);
}

void locate_release(struct locate *l)
{
	buf_release(&l->root);
	buf_release(&l->inside);
	pointer_release(&l->pointer);
}

/* The pointer of a root means that root; a file of that form inside a dataset means itself. */
static void drop_suffix(const struct strvec *roots, struct buf *path)
{
	struct buf root = BUF_INIT;

	if (pointer_root_of(path->p, &root) && strvec_has(roots, root.p))
		buf_swap(path, &root);
	buf_release(&root);
}

/* 1 found, 0 nothing is tracked there. */
static int locate_at(struct repo *r, const struct repo_oid *commit, struct buf *path,
		     struct locate *out, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	const char *root, *inside = "";
	int rc;

	rc = dataset_roots(r, commit, &roots, e);
	if (rc == 0)
		drop_suffix(&roots, path);
	root = rc == 0 ? dataset_root_of(&roots, path->p, &inside) : NULL;
	if (root) {
		buf_sets(&out->root, root);
		buf_sets(&out->inside, inside);
		rc = dataset_pointer(r, commit, root, &out->pointer, e);
		rc = rc < 0 ? rc : 1;
	}
	strvec_release(&roots);
	return rc;
}

static int locate_in_work_tree(struct repo *r, const char *arg, struct locate *out, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = repo_user_path(r, arg, &path, e);

	if (rc == 0)
		rc = locate_at(r, NULL, &path, out, e);
	buf_release(&path);
	return rc;
}

static int locate_in_commit(struct repo *r, const char *arg, const char *colon, struct locate *out,
			    struct err *e)
{
	struct buf rev = BUF_INIT, path = BUF_INIT;
	struct repo_oid commit;
	const char *rest = colon + 1;
	int rc;

	buf_add(&rev, arg, (size_t)(colon - arg));
	rc = repo_resolve(r, rev.len ? rev.p : "HEAD", &commit, e);
	if (rc == 0)
		rc = str_startswith(rest, "./", NULL) || str_startswith(rest, "../", NULL)
			     ? repo_user_path(r, rest, &path, e)
			     : path_normalize(&path, rest, e);
	if (rc == 0)
		rc = locate_at(r, &commit, &path, out, e);
	buf_release(&rev);
	buf_release(&path);
	return rc;
}

int locate_parse(struct repo *r, const char *arg, struct locate *out, struct err *e)
{
	const char *colon = strchr(arg, ':');
	int rc = repo_worktree(r) ? locate_in_work_tree(r, arg, out, e) : 0;

	/* A name with a colon that is tracked wins over a revision of that name. */
	if (rc == 1)
		return 0;
	if (colon) {
		err_clear(e);
		rc = locate_in_commit(r, arg, colon, out, e);
	}
	if (rc != 0)
		return rc < 0 ? rc : 0;
	err_set(e, ERR_NOTFOUND, "%s: no dataset is tracked there", arg);
	err_hint(e, "git deepops status lists the datasets; git deepops track adds one");
	return ERR_NOTFOUND;
}
