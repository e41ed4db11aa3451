/* SPDX-License-Identifier: MIT */
/* judge_results.c - which results a push changes; see judge_internal.h */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

#define RESULTS_MAX 10000 /* changed in one push */

/* One comparison: a commit's tree against those it came from. */
struct comparison {
	struct judge_pass *p;
	const struct repo_oid *commit;
	struct repo_oid tree;
	struct repo_oid *bases; /* trees; a result counts where it differs from all of them */
	size_t n, alloc;
	size_t changed;
};

/* ---- which results changed ---- */

static bool is_file(uint32_t mode)
{
	return mode == TREE_MODE_FILE || mode == TREE_MODE_EXEC;
}

/* A run bit is no content, but a link is not the file that it looks like. */
static bool same_content(const struct tree_entry *a, const struct tree_entry *b)
{
	return a->mode && repo_oid_equal(&a->id, &b->id) && is_file(a->mode) == is_file(b->mode);
}

/* The same as in one of the other trees it came from? */
static int is_inherited(const struct comparison *c, const char *path, const struct tree_entry *now,
			bool *out, struct err *e)
{
	*out = false;
	for (size_t i = 1; i < c->n && !*out; i++) {
		struct tree_entry was;
		int rc = tree_find(c->p->j->in->repo, &c->bases[i], path, &was, e);

		if (rc < 0)
			return rc;
		*out = rc == 1 && same_content(&was, now);
	}
	return 0;
}

/* A link to a file of this tree, along no other link, has nothing below it. */
static int names_a_file(const struct comparison *c, const char *path, const struct tree_entry *link,
			bool *out, struct err *e)
{
	struct buf target = BUF_INIT, joined = BUF_INIT, clean = BUF_INIT;
	struct tree_entry found;
	const char *name;
	int rc = repo_read_blob(c->p->j->in->repo, &link->id, PATH_MAX_BYTES, &target, e);

	*out = false;
	for (name = target.p; str_startswith(name, "../", &name);)
		;
	if (rc == 0 && *target.p != '/' && !strstr(name, "..")) {
		path_dirname(&joined, path);
		buf_addf(&joined, "/%s", target.p);
		if (path_normalize(&clean, joined.p, NULL) == 0)
			rc = tree_find(c->p->j->in->repo, &c->tree, clean.p, &found, e);
		*out = rc == 1 && is_file(found.mode);
	}
	buf_release(&target);
	buf_release(&joined);
	buf_release(&clean);
	if (rc == ERR_LIMIT)
		err_clear(e); /* too long for a path: it names nothing */
	return rc < 0 && rc != ERR_LIMIT ? rc : 0;
}

/* A file that is a result; a link or submodule instead of one, or of a directory with some. */
static int is_result(const struct comparison *c, const char *path, const struct tree_entry *now,
		     bool *out, struct err *e)
{
	bool file = false;
	int rc = 0;

	*out = rules_is_result(c->p->rule, path);
	if (*out || is_file(now->mode) || !rules_leads_to_results(c->p->rule, path))
		return 0;
	if (now->mode == TREE_MODE_LINK)
		rc = names_a_file(c, path, now, &file, e);
	*out = !file;
	return rc;
}

static int one_change(void *arg, const char *path, const struct tree_entry *a,
		      const struct tree_entry *b, struct err *e)
{
	struct comparison *c = arg;
	struct judge_result r = {c->commit, &c->tree, path, b};
	bool result, inherited;
	int rc;

	/* Deleting a result needs no record. */
	if (!b->mode || same_content(a, b) || judge_expired(c->p))
		return 0;
	rc = is_result(c, path, b, &result, e);
	if (rc < 0 || !result)
		return rc;
	rc = is_inherited(c, path, b, &inherited, e);
	if (rc < 0 || inherited)
		return rc;
	if (++c->changed > RESULTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d changed results", RESULTS_MAX);
	return judge_result(c->p, &r, e);
}

static int add_base(struct comparison *c, const char *commit, struct err *e)
{
	struct repo_oid id;
	int rc;

	memcpy(id.hex, commit, sizeof(id.hex));
	XGROW(c->bases, c->n + 1, c->alloc);
	rc = repo_commit_tree(c->p->j->in->repo, &id, &c->bases[c->n], e);
	if (rc == 0)
		c->n++;
	return rc;
}

static int compare(struct comparison *c, struct err *e)
{
	struct repo *r = c->p->j->in->repo;
	int rc = repo_commit_tree(r, c->commit, &c->tree, e);

	if (rc == 0)
		rc = tree_diff(r, c->n ? &c->bases[0] : NULL, &c->tree, one_change, c, e);
	free(c->bases);
	c->bases = NULL;
	c->n = c->alloc = 0;
	return rc;
}

/*
 * What was judged may be taken over by a ref that has nothing of its own to be compared
 * with.  A commit that is settled stands for itself.  One inside judged history does not:
 * only ends were looked at there, and what it has must stand at one of them.
 */
static int add_settled(struct comparison *c, const char *commit, struct err *e)
{
	int rc = judge_is_settled(c->p, commit, e);

	if (rc == 1)
		return add_base(c, commit, e);
	for (size_t i = 0; rc == 0 && i < c->p->judged.nr; i++) {
		rc = add_base(c, c->p->judged.v[i], e);
		for (size_t k = 0; rc == 0 && k + 1 < c->n; k++) {
			if (!repo_oid_equal(&c->bases[k], &c->bases[c->n - 1]))
				continue;
			c->n--; /* the same tree once is enough */
			break;
		}
	}
	return rc;
}

/* Parents of new commits that are not new: what a new branch grew from, or it itself. */
static int add_boundary(struct comparison *c, struct err *e)
{
	struct strvec edge = STRVEC_INIT, parents = STRVEC_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->p->n; i++) {
		rc = repo_commit_parents(c->p->j->in->repo, &c->p->commits[i], &parents, e);
		for (; parents.nr; strvec_pop(&parents))
			if (!judge_is_new(c->p, parents.v[parents.nr - 1]))
				strvec_push(&edge, parents.v[parents.nr - 1]);
	}
	if (!c->p->n)
		strvec_push(&edge, c->p->new_tip.hex);
	strvec_sort(&edge);
	strvec_uniq(&edge);
	for (size_t i = 0; rc == 0 && i < edge.nr; i++)
		rc = add_settled(c, edge.v[i], e);
	strvec_release(&edge);
	strvec_release(&parents);
	return rc;
}

static int by_tip(struct comparison *c, struct err *e)
{
	int rc;

	c->commit = &c->p->new_tip;
	if (repo_oid_is_zero(&c->p->old_tip))
		rc = add_boundary(c, e);
	else
		rc = add_base(c, c->p->old_tip.hex, e);
	return rc == 0 ? compare(c, e) : rc;
}

/* Against all parents, or only the first. */
static int by_parents(struct comparison *c, const struct repo_oid *commit, bool first,
		      struct repo_oid *next, struct err *e)
{
	struct strvec parents = STRVEC_INIT;
	int rc = repo_commit_parents(c->p->j->in->repo, commit, &parents, e);

	c->commit = commit; /* the caller's until this returns */
	for (size_t i = 0; rc == 0 && i < parents.nr && (!first || !i); i++)
		rc = add_base(c, parents.v[i], e);
	if (rc == 0)
		rc = compare(c, e);
	next->hex[0] = '\0';
	if (parents.nr)
		memcpy(next->hex, parents.v[0], sizeof(next->hex));
	c->commit = NULL;
	strvec_release(&parents);
	return rc;
}

static int by_first_parents(struct comparison *c, struct err *e)
{
	struct repo_oid at = c->p->new_tip, next;
	int rc = 0;

	while (rc == 0 && at.hex[0] && judge_is_new(c->p, at.hex) && !judge_expired(c->p)) {
		rc = by_parents(c, &at, true, &next, e);
		at = next;
	}
	if (rc < 0 || !at.hex[0] || c->p->expired)
		return rc;
	/* Where the line comes from may have been beside it before. */
	c->commit = &at;
	rc = add_settled(c, at.hex, e);
	if (rc == 0)
		rc = compare(c, e);
	c->commit = NULL;
	return rc;
}

static int by_every(struct comparison *c, struct err *e)
{
	struct repo_oid next;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->p->n && !judge_expired(c->p); i++)
		rc = by_parents(c, &c->p->commits[i], false, &next, e);
	return rc;
}

int judge_results(struct judge_pass *p, struct err *e)
{
	struct comparison c = {.p = p};
	int rc = 0;

	if (!p->rule->results.nr || repo_oid_equal(&p->old_tip, &p->new_tip))
		return 0;
	if (!p->j->finder && (p->n || !judge_finder(p)))
		return 0; /* there is a finding */
	switch (p->rule->require) {
	case RULES_TIP:
		rc = by_tip(&c, e);
		break;
	case RULES_EVERY:
		rc = by_every(&c, e);
		break;
	case RULES_FIRST_PARENT:
		rc = by_first_parents(&c, e);
		break;
	}
	free(c.bases);
	if (rc == ERR_LIMIT) {
		judge_say(p, NULL, REASON_LIMIT_COMMITS, "%s", e ? e->msg : "too many results");
		err_clear(e);
		rc = 0;
	}
	return rc;
}
