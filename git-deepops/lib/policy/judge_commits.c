/* SPDX-License-Identifier: MIT */
/* judge_commits.c - new commits, and what was recorded of them; see judge_internal.h */
#include "base/limits.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

struct tips {
	struct judge_pass *p;
	struct repo_oid *v;
	size_t n, alloc;
};

static void add_tip(struct tips *t, const struct repo_oid *id)
{
	XGROW(t->v, t->n + 1, t->alloc);
	t->v[t->n++] = *id;
}

/*
 * Only refs under the identical rules in both policies have been judged as this
 * one is; a commit that waits on an unprotected branch has not.
 */
static int add_governed(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct tips *t = arg;
	const struct judge_input *in = t->p->j->in;
	struct repo_oid old = *id, commit;

	if (!policies_same(&t->p->j->policies, name, t->p->u->ref))
		return 0;
	for (size_t i = 0; i < in->n; i++)
		if (!strcmp(in->updates[i].ref, name))
			old = in->updates[i].old_id;
	if (repo_oid_is_zero(&old))
		return 0;
	if (repo_peel_commit(in->repo, &old, &commit, e) == 0) {
		add_tip(t, &commit);
		strvec_push(&t->p->judged, commit.hex);
	} else {
		err_clear(e); /* a tag of something else excludes nothing */
	}
	return 0;
}

static int add_commit(void *arg, const struct repo_oid *commit, struct err *e)
{
	struct judge_pass *p = arg;

	(void)e;
	XGROW(p->commits, p->n + 1, p->alloc);
	p->commits[p->n++] = *commit;
	strvec_push(&p->sorted, commit->hex);
	return 0;
}

int judge_new_commits(struct judge_pass *p, struct err *e)
{
	struct repo *r = p->j->in->repo;
	struct tips hide = {.p = p};
	struct repo_walk w = {.show = &p->new_tip, .nshow = 1, .max = PUSH_MAX_COMMITS};
	struct repo_oid since;
	int rc = repo_ref_each(r, "refs/", add_governed, &hide, e);

	if (!repo_oid_is_zero(&p->old_tip)) {
		add_tip(&hide, &p->old_tip);
		strvec_push(&p->judged, p->old_tip.hex);
	}
	strvec_sort(&p->judged);
	strvec_uniq(&p->judged);
	if (p->rule->since_commit && repo_oid_here(r, p->rule->since_commit, &since))
		add_tip(&hide, &since);
	w.hide = hide.v;
	w.nhide = hide.n;
	if (rc == 0)
		rc = repo_walk(r, &w, add_commit, p, e);
	free(hide.v);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		judge_say(p, NULL, REASON_LIMIT_COMMITS, "more than %d new commits",
			  PUSH_MAX_COMMITS);
		p->n = 0;
		return 0;
	}
	strvec_sort(&p->sorted);
	return rc < 0 ? rc : 1;
}

static int cmp_id(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static bool is_among(const struct strvec *sorted, const char *commit)
{
	return sorted->nr && bsearch(commit, sorted->v, sorted->nr, sizeof(*sorted->v), cmp_id);
}

bool judge_is_new(const struct judge_pass *p, const char *commit)
{
	return is_among(&p->sorted, commit);
}

int judge_is_settled(const struct judge_pass *p, const char *commit, struct err *e)
{
	struct repo_oid since, at;
	int rc;

	if (is_among(&p->judged, commit))
		return 1;
	if (!p->rule->since_commit)
		return 0;
	if (!repo_oid_here(p->j->in->repo, p->rule->since_commit, &since))
		return 0;
	rc = repo_oid_parse(&at, commit, e);
	return rc < 0 ? rc : repo_is_ancestor(p->j->in->repo, &at, &since, e);
}

/* A run of a commit that lacks something; it may turn out not to matter. */
struct bad_run {
	char writer[RECORD_WRITER_HEX + 1];
	char *record;
	enum reason reason;
	char *text, *fix;
};

struct experiment {
	struct judge_pass *p;
	const struct repo_oid *commit;
	struct strvec good; /* journals with a run of the commit that passes; two are enough */
	struct bad_run *bad;
	size_t n, alloc;
};

/* `fix` NULL: a way on even where the record can't be mended, to say that it does not count. */
static void add_bad(struct experiment *x, const struct journal_entry *entry, enum reason reason,
		    const char *text, const char *fix)
{
	struct bad_run *b;

	XGROW(x->bad, x->n + 1, x->alloc);
	b = &x->bad[x->n++];
	snprintf(b->writer, sizeof(b->writer), "%s", entry->rec.writer);
	b->record = xstrdup(chunkid_text(&entry->id).s);
	b->reason = reason;
	b->text = xstrdup(text);
	b->fix = fix ? xstrdup(fix)
		     : xstrfmt("git deepops retract %.12s && git push", entry->rec.run);
}

static void experiment_release(struct experiment *x)
{
	for (size_t i = 0; i < x->n; i++) {
		free(x->bad[i].record);
		free(x->bad[i].text);
		free(x->bad[i].fix);
	}
	free(x->bad);
	strvec_release(&x->good);
}

/*
 * Whoever may push can record something bad of anybody's commit.  So a run does not matter once
 * another journal has a good one of the same commit.
 */
static bool is_outweighed(const struct experiment *x, const char *writer)
{
	return x->good.nr > 1 || (x->good.nr && strcmp(x->good.v[0], writer) != 0);
}

/* More of what that journal has already, by what the server found. */
static bool is_more_of_it(void *arg, const struct runindex_row *row)
{
	const struct experiment *x = arg;

	/* One that reads nothing may be refused for that. */
	return strvec_has(&x->good, row->writer) && strstr(row->inputs, "\"role\":\"input\"");
}

static int one_experiment(void *arg, const struct journal_entry *entry, struct err *e)
{
	struct experiment *x = arg;
	const struct rules_rule *rule = x->p->rule;
	const struct triple *t;
	bool lacks = judge_lacks_data(rule, &entry->rec), good = true;
	int rc = 0;

	if (x->good.nr > 1 || judge_expired(x->p))
		return 1;
	if (is_outweighed(x, entry->rec.writer))
		return 0;
	rc = judge_record(x->p->j, entry, &t, e);
	if (rc < 0)
		return rc;
	if (lacks) {
		struct buf text = BUF_INIT;

		buf_addf(&text, "run %.12s read no data, and noData = refuse", entry->rec.run);
		add_bad(x, entry, REASON_DATA_NONE, text.p, NULL);
		buf_release(&text);
		good = false;
	}
	for (size_t i = 0; t->level < rule->level && i < t->n; i++) {
		if (triple_is_leg(&t->v[i]) && !(lacks && t->v[i].reason == REASON_DATA_NONE))
			add_bad(x, entry, t->v[i].reason, t->v[i].text, t->v[i].fix);
		good = false;
	}
	if (good && !strvec_has(&x->good, entry->rec.writer))
		strvec_push(&x->good, entry->rec.writer);
	return 0;
}

/* That a good run was taken back may be all there is to it, and by whom. */
static void say_bad(struct experiment *x)
{
	const struct finder *f = x->p->j->finder;
	bool first = true;

	for (size_t i = 0; i < x->n; i++) {
		const struct bad_run *b = &x->bad[i];
		struct verdict_finding *said;
		struct buf text = BUF_INIT;

		if (is_outweighed(x, b->writer))
			continue;
		buf_addstr(&text, b->text);
		if (first && finder_skipped(f)) {
			buf_addstr(&text, "; ");
			finder_say_skipped(f, &text);
		}
		first = false;
		said = judge_say(x->p, x->commit, b->reason, "%s", text.p);
		if (said) {
			said->record = xstrdup(b->record);
			said->fix = xstrdup(b->fix);
		}
		buf_release(&text);
	}
}

int judge_experiments(struct judge_pass *p, struct err *e)
{
	struct finder *f = p->n ? judge_finder(p) : NULL;
	int rc = 0;

	for (size_t i = 0; f && rc == 0 && i < p->n && !judge_expired(p); i++) {
		struct experiment x = {.p = p, .commit = &p->commits[i], .good = STRVEC_INIT};

		rc = finder_by_commit(f, &p->commits[i], is_more_of_it, one_experiment, &x, e);
		if (rc == 0)
			say_bad(&x);
		else
			err_wrap(e, "commit %.12s", p->commits[i].hex);
		experiment_release(&x);
	}
	return rc;
}
