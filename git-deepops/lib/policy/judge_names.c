/* SPDX-License-Identifier: MIT */
/*
 * judge_names.c - pointers of roots that no dataset may have; see judge_internal.h
 *
 * A file `.git.deepops` would let whoever checks the commit out write into .git.  Clients refuse
 * it, but not all are of this version, so it gets onto no ref, whatever the policy says.
 */
#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "policy/judge_internal.h"

struct names {
	struct judge_pass
		pass; /* of the ref that findings are said of; out NULL: only count them */
	const struct repo_oid *commit;
	size_t found, walked;
	bool cut; /* not all commits were looked at */
};

/* Tips that the walk starts from, and what was on the server before. */
struct names_tips {
	const struct judge_input *in;
	struct repo_oid *v;
	size_t n, alloc;
};

static void say(struct names *n, const char *path, const char *why)
{
	struct verdict_finding *f = judge_say(&n->pass, n->commit, REASON_DATA_NAME, "%s", why);
	char *word = path_word(path);

	if (f)
		f->fix = xstrfmt("git rm --cached -- %s && git commit --amend", word);
	free(word);
}

static int look_at(struct names *n, const char *path, uint32_t mode)
{
	struct err why = ERR_INIT;

	if ((mode != TREE_MODE_FILE && mode != TREE_MODE_EXEC) ||
	    pointer_check_name(path, &why) == 0)
		return 0;
	n->found++;
	if (n->pass.out)
		say(n, path, why.msg);
	return 0;
}

/* tree_diff_fn */
static int one_change(void *arg, const char *path, const struct tree_entry *was,
		      const struct tree_entry *now, struct err *e)
{
	(void)was;
	(void)e;
	return look_at(arg, path, now->mode);
}

/* tree_fn */
static int one_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	(void)e;
	return look_at(arg, entry->name, entry->mode);
}

/* repo_walk_fn */
static int one_commit(void *arg, const struct repo_oid *commit, struct err *e)
{
	struct names *n = arg;
	const struct judge_input *in = n->pass.j->in;
	struct strvec parents = STRVEC_INIT;
	struct repo_oid parent, base, tree;
	int rc;

	if (++n->walked > PUSH_MAX_COMMITS ||
	    (in->deadline_ms && clock_mono_ms() > in->deadline_ms)) {
		n->cut = true;
		return 1;
	}
	n->commit = commit;
	rc = repo_commit_parents(in->repo, commit, &parents, e);
	if (rc == 0)
		rc = repo_commit_tree(in->repo, commit, &tree, e);
	if (rc == 0 && parents.nr) {
		rc = repo_oid_parse(&parent, parents.v[0], e);
		if (rc == 0)
			rc = repo_commit_tree(in->repo, &parent, &base, e);
	}
	if (rc == 0)
		rc = tree_diff(in->repo, parents.nr ? &base : NULL, &tree, one_change, n, e);
	if (rc == ERR_LIMIT ||
	    rc == ERR_NOTFOUND) { /* too deep for any checkout, or a shallow end */
		err_clear(e);
		rc = 0;
	}
	strvec_release(&parents);
	return rc;
}

static void add_tip(struct names_tips *t, const struct repo_oid *id)
{
	struct repo_oid commit;

	/* A tag of a file or of a tree has no history. */
	if (repo_oid_is_zero(id) || repo_peel_commit(t->in->repo, id, &commit, NULL) < 0)
		return;
	XGROW(t->v, t->n + 1, t->alloc);
	t->v[t->n++] = commit;
}

/* repo_ref_fn: what the server had before the push. */
static int one_ref(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct names_tips *t = arg;

	(void)e;
	if (str_startswith(name, "refs/deepops/", NULL) ||
	    str_startswith(name, "refs/notes/", NULL))
		return 0;
	for (size_t i = 0; i < t->in->n; i++)
		if (!strcmp(t->in->updates[i].ref, name))
			id = &t->in->updates[i].old_id;
	add_tip(t, id);
	return 0;
}

static int walk(struct names *n, const struct repo_oid *show, size_t nshow,
		const struct names_tips *hide, struct err *e)
{
	struct repo *r = n->pass.j->in->repo;
	struct repo_walk w = {.show = show,
			      .nshow = nshow,
			      .hide = hide->v,
			      .nhide = hide->n,
			      .newest = true,
			      .max = PUSH_MAX_COMMITS + 1};
	struct repo_oid tree;
	int rc = nshow ? repo_walk(r, &w, one_commit, n, e) : 0;

	/* A history too long to be looked through: what its ends hold, at least. */
	for (size_t i = 0; rc == 0 && n->cut && i < nshow; i++) {
		n->commit = &show[i];
		rc = repo_commit_tree(r, &show[i], &tree, e);
		if (rc == 0)
			rc = tree_walk(r, &tree, one_entry, n, e);
	}
	if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static bool is_judged(const struct judge_update *u)
{
	return !str_startswith(u->ref, "refs/deepops/", NULL) &&
	       !str_startswith(u->ref, "refs/notes/deepops", NULL);
}

/* There is something: of each ref that brings it. */
static int say_each(struct judge *j, const struct names_tips *hide, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->in->n; i++) {
		const struct judge_update *u = &j->in->updates[i];
		struct names n = {.pass = {.j = j, .u = u}};
		struct names_tips tip = {.in = j->in};

		if (!is_judged(u))
			continue;
		add_tip(&tip, &u->new_id);
		rc = walk(&n, tip.v, tip.n, hide, e);
		if (rc == 0 && n.found) {
			n = (struct names){.pass = {.j = j, .u = u}};
			n.pass.out = verdict_add_ref(j->out, u->ref, u->old_id.hex, u->new_id.hex);
			n.pass.out->state = VERDICT_REFUSED;
			rc = walk(&n, tip.v, tip.n, hide, e);
		}
		free(tip.v);
	}
	return rc;
}

int judge_names(struct judge *j, struct err *e)
{
	struct names n = {.pass = {.j = j}};
	struct names_tips show = {.in = j->in}, hide = {.in = j->in};
	int rc = repo_ref_each(j->in->repo, "refs/", one_ref, &hide, e);

	for (size_t i = 0; i < j->in->n; i++)
		if (is_judged(&j->in->updates[i]))
			add_tip(&show, &j->in->updates[i].new_id);
	if (rc == 0)
		rc = walk(&n, show.v, show.n, &hide, e);
	if (rc == 0 && n.found)
		rc = say_each(j, &hide, e);
	free(show.v);
	free(hide.v);
	return rc;
}
