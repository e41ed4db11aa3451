/* SPDX-License-Identifier: MIT */
/* plain.c - files of a dataset that a commit puts into git itself; see plain.h */
#include "data/plain.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "repo/tree.h"

struct look {
	struct repo *r;
	const struct repo_oid *commit;
	struct repo_oid tree;
	plain_fn cb;
	void *arg;
	struct strvec said; /* roots */
	struct buf dir;     /* the directory that was looked at last, ... */
	struct buf root;    /* ... and the root that it is or lies in; empty: none */
};

static bool is_file(uint32_t mode)
{
	return mode == TREE_MODE_FILE || mode == TREE_MODE_EXEC;
}

/* 1: the commit has a pointer of `root`. */
static int has_pointer(struct look *l, const char *root, struct err *e)
{
	char *name = xstrfmt("%s%s", root, POINTER_SUFFIX);
	struct tree_entry found;
	struct buf same = BUF_INIT;
	int rc = 0;

	if (pointer_root_of(name, &same))
		rc = tree_find(l->r, &l->tree, name, &found, e);
	buf_release(&same);
	free(name);
	return rc == 1 ? is_file(found.mode) : rc;
}

static int say(struct look *l, const char *root, const char *path, struct err *e)
{
	if (strvec_has(&l->said, root))
		return 0;
	strvec_push(&l->said, root);
	return l->cb(l->arg, l->commit, root, path, e);
}

/* Fill l->root for the directory of `path`: neighbours in a tree share the answer. */
static int look_up(struct look *l, const char *path, struct err *e)
{
	struct buf dir = BUF_INIT, at = BUF_INIT;
	int rc = 0;

	path_dirname(&dir, path);
	if (buf_cmp(&dir, &l->dir) != 0) {
		buf_sets(&l->dir, dir.p);
		buf_reset(&l->root);
		for (const char *end = strchr(path, '/'); rc == 0 && end;
		     end = strchr(end + 1, '/')) {
			buf_reset(&at);
			buf_add(&at, path, (size_t)(end - path));
			rc = has_pointer(l, at.p, e);
		}
		if (rc == 1)
			buf_sets(&l->root, at.p);
	}
	buf_release(&dir);
	buf_release(&at);
	return MIN(rc, 0);
}

/* The pointer came: is something there that git has? */
static int look_behind(struct look *l, const char *root, struct err *e)
{
	struct tree_entry found;
	int rc = tree_find(l->r, &l->tree, root, &found, e);

	return rc == 1 && found.mode != TREE_MODE_GITLINK ? say(l, root, root, e) : MIN(rc, 0);
}

/* tree_diff_fn */
static int one_change(void *arg, const char *path, const struct tree_entry *was,
		      const struct tree_entry *now, struct err *e)
{
	struct look *l = arg;
	struct buf root = BUF_INIT;
	int rc = 0;

	(void)was;
	if (!now->mode || now->mode == TREE_MODE_GITLINK)
		return 0;
	if (is_file(now->mode) && pointer_root_of(path, &root))
		rc = look_behind(l, root.p, e);
	buf_release(&root);
	if (rc == 0)
		rc = look_up(l, path, e);
	if (rc == 0 && l->root.len)
		return say(l, l->root.p, path, e);
	if (rc == 0 && has_pointer(l, path, e) == 1) /* a dataset that is one file */
		rc = say(l, path, path, e);
	return rc;
}

int plain_in_commit(struct repo *r, const struct repo_oid *commit, plain_fn cb, void *arg,
		    struct err *e)
{
	struct look l = {r, commit, {{0}}, cb, arg, STRVEC_INIT, BUF_INIT, BUF_INIT};
	struct strvec parents = STRVEC_INIT;
	struct repo_oid parent, base;
	int rc = repo_commit_parents(r, commit, &parents, e);

	buf_addstr(&l.dir, "/"); /* no directory of a tree */
	if (rc == 0)
		rc = repo_commit_tree(r, commit, &l.tree, e);
	if (rc == 0 && parents.nr) {
		rc = repo_oid_parse(&parent, parents.v[0], e);
		if (rc == 0)
			rc = repo_commit_tree(r, &parent, &base, e);
	}
	if (rc == 0)
		rc = tree_diff(r, parents.nr ? &base : NULL, &l.tree, one_change, &l, e);
	strvec_release(&parents);
	strvec_release(&l.said);
	buf_release(&l.dir);
	buf_release(&l.root);
	return rc;
}

/* ---- what a push brings ---- */

struct ids {
	struct repo *r;
	struct repo_oid *v;
	size_t n, alloc;
};

static void add_id(struct ids *ids, const struct repo_oid *id)
{
	XGROW(ids->v, ids->n + 1, ids->alloc);
	ids->v[ids->n++] = *id;
}

/* repo_ref_fn */
static int add_tracking(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct ids *ids = arg;
	struct repo_oid commit;

	(void)name;
	(void)e;
	if (repo_peel_commit(ids->r, id, &commit, NULL) == 0)
		add_id(ids, &commit);
	return 0;
}

/* plain_fn */
static int refuse(void *arg, const struct repo_oid *commit, const char *root, const char *path,
		  struct err *e)
{
	char *word = path_word(root);

	(void)arg;
	err_set(e, ERR_INPUT, "commit %.12s puts data of '%s' into git itself, such as '%s'",
		commit->hex, root, path);
	err_hint(e,
		 "git rm -r -q --cached -- %s && git commit --amend (git rebase -i for an older "
		 "commit) takes it out and leaves it on disk; --no-verify pushes it all the same",
		 word);
	free(word);
	return ERR_INPUT;
}

/* repo_walk_fn */
static int one_commit(void *arg, const struct repo_oid *commit, struct err *e)
{
	int rc = plain_in_commit(arg, commit, refuse, NULL, e);

	if (rc == ERR_NOTFOUND ||
	    rc == ERR_LIMIT) { /* a shallow end, or deeper than any checkout */
		err_clear(e);
		rc = 0;
	}
	return rc;
}

int plain_check_push(struct repo *r, const char *remote, const struct strvec *tips, struct err *e)
{
	struct ids show = {.r = r}, hide = {.r = r};
	char *prefix = xstrfmt("refs/remotes/%s/", remote);
	int rc = repo_ref_each(r, prefix, add_tracking, &hide, e);
	struct repo_walk w = {.newest = true, .max = PUSH_MAX_COMMITS};

	for (size_t i = 0; rc == 0 && i < tips->nr; i++) {
		struct repo_oid tip;

		rc = repo_resolve(r, tips->v[i], &tip, e);
		if (rc == 0)
			add_id(&show, &tip);
	}
	w.show = show.v;
	w.nshow = show.n;
	w.hide = hide.v;
	w.nhide = hide.n;
	if (rc == 0 && show.n)
		rc = repo_walk(r, &w, one_commit, r, e);
	free(prefix);
	free(show.v);
	free(hide.v);
	return rc;
}
