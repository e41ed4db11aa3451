/* SPDX-License-Identifier: MIT */
/* judge_results.c - a changed result is the output of a record; see judge_internal.h */
#include <math.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

#define RESULTS_MAX 10000  /* changed in one push */
#define CANDIDATES_MAX 100 /* records with the same content, newest first */

/* One comparison: a commit's tree against those it came from. */
struct comparison {
	struct judge_pass *p;
	const struct repo_oid *commit;
	struct repo_oid tree;
	struct repo_oid *bases; /* trees; a result counts where it differs from all of them */
	size_t n, alloc;
	size_t changed;
	struct finder *finder;
};

/* A result, and the best record that was found for it. */
struct cover {
	struct comparison *c;
	const char *path;
	struct repo_oid blob;
	bool covered;
	size_t candidates;
	enum reason reason;
	char *why; /* of the first record that has the content but does not count */
	char *fix;
	char *record;
};

/* ---- does this record count? ---- */

/* Takes `text`. */
static void reject(struct cover *v, const struct journal_entry *entry, enum reason reason,
		   char *text, const char *fix)
{
	if (v->why) {
		free(text);
		return;
	}
	v->reason = reason;
	v->why = text;
	v->fix = fix ? xstrdup(fix) : NULL;
	v->record = xstrdup(chunkid_text(&entry->id).s);
}

static bool passes_gate(const struct rules_gate *g, const struct record *r)
{
	const char *text = record_pair_get(&r->metrics_final, g->metric);
	double v;

	if (!text || !num_parse_real(text, &v) || isnan(v))
		return false;
	switch (g->compare) {
	case RULES_GE:
		return v >= g->value;
	case RULES_GT:
		return v > g->value;
	case RULES_LE:
		return v <= g->value;
	case RULES_LT:
		return v < g->value;
	}
	return false;
}

struct tree_match {
	const struct judge_pass *p;
	const struct record *rec;
	char *first; /* path that differs */
};

static bool is_output(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->noutputs; i++) {
		const char *rest;

		if (str_startswith(path, r->outputs[i].path, &rest) &&
		    (!*rest || *rest == '/' || !strcmp(rest, POINTER_SUFFIX)))
			return true;
	}
	return false;
}

static int note_difference(void *arg, const char *path, const struct tree_entry *a,
			   const struct tree_entry *b, struct err *e)
{
	struct tree_match *m = arg;

	(void)a;
	(void)b;
	(void)e;
	if (!m->first && !is_output(m->rec, path) && !rules_is_result(m->p->rule, path) &&
	    !rules_is_exempt(m->p->rule, path))
		m->first = xstrdup(path);
	return 0;
}

/* match = tree: what ran is what is pushed, but for results and what doesn't matter. */
static int same_code(struct cover *v, const struct journal_entry *entry, bool *same, struct err *e)
{
	struct tree_match m = {v->c->p, &entry->rec, NULL};
	struct repo_oid ran;
	int rc;

	memcpy(ran.hex, entry->rec.code.tree, sizeof(ran.hex));
	rc = tree_diff(v->c->p->j->in->repo, &ran, &v->c->tree, note_difference, &m, e);
	*same = rc == 0 && !m.first;
	if (m.first)
		reject(v, entry, REASON_CODE_STALE,
		       xstrfmt("%s comes from other code: %s differs", v->path, m.first), NULL);
	free(m.first);
	return rc;
}

/* What the rule asks beyond the level. */
static int meets_rule(struct cover *v, const struct journal_entry *entry, bool *meets,
		      struct err *e)
{
	const struct rules_rule *rule = v->c->p->rule;
	const struct record *r = &entry->rec;

	*meets = false;
	if (r->no_data && !r->ninputs && !rule->no_data_allowed && rule->level > 1)
		reject(v, entry, REASON_DATA_NONE,
		       xstrfmt("%s comes from a run without data, and noData = refuse", v->path),
		       NULL);
	else if (rule->ignored_refused && r->code.ignored_count > 0)
		reject(v, entry, REASON_CODE_IGNORED,
		       xstrfmt("%s comes from a run beside %" PRId64 " ignored files", v->path,
			       r->code.ignored_count),
		       NULL);
	else if (rule->gate.metric && !passes_gate(&rule->gate, r))
		reject(v, entry, REASON_EXEC_METRIC,
		       xstrfmt("%s comes from run %.12s, which misses %s", v->path, r->run,
			       rule->gate.text),
		       NULL);
	else
		*meets = true;
	return *meets && rule->match_tree && r->code.tree ? same_code(v, entry, meets, e) : 0;
}

static int candidate(void *arg, const struct journal_entry *entry, struct err *e)
{
	struct cover *v = arg;
	const struct triple *t;
	bool meets;
	int rc;

	if (++v->candidates > CANDIDATES_MAX)
		return 1;
	if (!record_succeeded(&entry->rec)) {
		bool known = entry->rec.exit != RECORD_NONE || entry->rec.signal != RECORD_NONE;

		reject(v, entry, known ? REASON_EXEC_FAILED : REASON_EXEC_END,
		       xstrfmt("%s comes from run %.12s, which %s", v->path, entry->rec.run,
			       known ? "failed" : "has no known end"),
		       NULL);
		return 0;
	}
	rc = judge_record(v->c->p->j, entry, &t, e);
	if (rc < 0)
		return rc;
	if (t->level < v->c->p->rule->level) {
		reject(v, entry, t->v[0].reason, xstrdup(t->v[0].text), t->v[0].fix);
		return 0;
	}
	rc = meets_rule(v, entry, &meets, e);
	v->covered = rc == 0 && meets;
	return rc < 0 ? rc : v->covered;
}

/* ---- one result ---- */

/* A pointer is compared by the dataset it stands for, never by its bytes alone. */
static int cover_pointer(struct cover *v, struct err *e)
{
	const struct evidence *ev = v->c->p->j->in->evidence;
	struct buf text = BUF_INIT, root = BUF_INIT;
	struct pointer ptr;
	struct chunkid id;
	int rc = 0;

	pointer_init(&ptr);
	if (!pointer_root_of(v->path, &root))
		goto out;
	rc = repo_read_blob(v->c->p->j->in->repo, &v->blob, POINTER_MAX_BYTES, &text, e);
	if (rc == 0 && pointer_parse(&ptr, text.p, text.len, v->path, NULL) == 0) {
		rc = ev->dataset(ev->arg, &ptr, &id, e);
		if (rc == 0)
			rc = finder_by_id(v->c->finder, &id, candidate, v, e);
	}
	if (rc == ERR_NOTFOUND || rc == ERR_LIMIT) {
		err_clear(e); /* not on the remote, or no pointer: then nothing covers it */
		rc = 0;
	}
out:
	pointer_release(&ptr);
	buf_release(&text);
	buf_release(&root);
	return rc;
}

static void say_uncovered(struct cover *v)
{
	struct verdict_finding *f;

	if (v->why)
		f = judge_say(v->c->p, v->c->commit, v->reason, "%s", v->why);
	else
		f = judge_say(v->c->p, v->c->commit, REASON_EXEC_NORECORD,
			      "%s was changed, and no recorded run wrote it", v->path);
	if (!f)
		return;
	f->record = v->record ? xstrdup(v->record) : NULL;
	if (v->fix)
		f->fix = xstrdup(v->fix);
	else if (!v->why)
		f->fix = xstrfmt("git deepops run -o %s -- CMD, commit it, push", v->path);
}

static int judge_result(struct comparison *c, const char *path, const struct repo_oid *blob,
			struct err *e)
{
	struct cover v = {.c = c, .path = path, .blob = *blob};
	int rc = finder_by_blob(c->finder, blob, candidate, &v, e);

	if (rc == 0 && !v.covered)
		rc = cover_pointer(&v, e);
	if (rc == 0 && !v.covered)
		say_uncovered(&v);
	free(v.why);
	free(v.fix);
	free(v.record);
	return rc;
}

/* ---- which results changed ---- */

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
		*out = rc == 1 && was.mode == now->mode && repo_oid_equal(&was.id, &now->id);
	}
	return 0;
}

static int one_change(void *arg, const char *path, const struct tree_entry *a,
		      const struct tree_entry *b, struct err *e)
{
	struct comparison *c = arg;
	bool inherited;
	int rc;

	/* Deleting a result needs no record; a mode is no content. */
	if (!b->mode || !rules_is_result(c->p->rule, path) ||
	    (a->mode && repo_oid_equal(&a->id, &b->id)) || judge_expired(c->p))
		return 0;
	rc = is_inherited(c, path, b, &inherited, e);
	if (rc < 0 || inherited)
		return rc;
	if (++c->changed > RESULTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d changed results", RESULTS_MAX);
	return judge_result(c, path, &b->id, e);
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

/* Parents of new commits that are not new: what a new branch grew from. */
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
	strvec_sort(&edge);
	strvec_uniq(&edge);
	for (size_t i = 0; rc == 0 && i < edge.nr; i++)
		rc = add_base(c, edge.v[i], e);
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

	if (!p->rule->results.nr)
		return 0;
	c.finder = p->j->finder; /* opened for the experiments */
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
