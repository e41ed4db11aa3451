/* SPDX-License-Identifier: MIT */
/* plan.c - what a checkout has to do; see plan.h */
#include "data/plan.h"

#include "base/limits.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"

/* Below this, sharing blocks saves less than the calls cost. */
#define TWIN_MIN_BYTES (64 * KIB)

/* One name in the three trees; stats belong to entries that are files or links. */
struct spot {
	struct dtree_entry *to, *work, *base;
	struct dtree_stat *to_stat, *work_stat;
};

struct planner {
	struct plan *p;
	const struct plan_input *in;
	struct buf path; /* "<root>/…" */
	size_t root_len;
	unsigned int depth;
	uint64_t empty; /* wanted directories without a file in them */
};

static bool is_dir(const struct dtree_entry *x)
{
	return x && x->kind == NODE_DIR;
}

static const struct dtree *entries_of(const struct dtree_entry *x)
{
	return x && x->kind == NODE_DIR ? x->sub : NULL;
}

static bool is_leaf(const struct dtree_entry *x)
{
	return x && x->kind != NODE_DIR;
}

/* The path inside the dataset. */
static const char *inside(const struct planner *pl)
{
	return pl->path.p + MIN(pl->path.len, pl->root_len + 1);
}

static bool wanted(const struct planner *pl)
{
	const struct dataset_checkout_opts *o = pl->in->opts;

	return dataset_wanted(o->include, o->exclude, inside(pl));
}

static bool unmodified(const struct spot *s)
{
	return is_leaf(s->base) && dtree_same(s->work, s->base);
}

static void add_step(struct planner *pl, const struct spot *s)
{
	struct plan *p = pl->p;
	struct plan_step *step;

	XGROW(p->steps, p->n + 1, p->alloc);
	step = &p->steps[p->n++];
	memset(step, 0, sizeof(*step));
	step->path = xstrdup(pl->path.p);
	step->to = s->to;
	step->keep = s->to_stat;
	p->bytes += s->to->bytes;
	if (!is_leaf(s->work))
		return;
	step->work = s->work;
	step->replaces = true;
	step->was = *s->work_stat;
	step->was_bytes = s->work->bytes;
}

static void add_removal(struct planner *pl, const struct spot *s)
{
	struct plan *p = pl->p;
	struct plan_step *step;

	XGROW(p->removals, p->nremovals + 1, p->removals_alloc);
	step = &p->removals[p->nremovals++];
	memset(step, 0, sizeof(*step));
	step->path = xstrdup(pl->path.p);
	step->replaces = true;
	step->was = *s->work_stat;
	step->was_bytes = s->work->bytes;
}

static void add_twin(struct planner *pl, const struct spot *s)
{
	struct plan *p = pl->p;

	if (s->work->kind != NODE_FILE || s->work->bytes < TWIN_MIN_BYTES ||
	    !chunkset_add(p->twin_ids, CHUNK_DATA, &s->work->id, p->ntwins))
		return;
	XGROW(p->twins, p->ntwins + 1, p->twins_alloc);
	p->twins[p->ntwins++] =
		(struct plan_twin){xstrdup(pl->path.p), *s->work_stat, s->work->bytes};
}

/* Only when the plan is complete: a twin may come behind the file that can use it. */
static void match_twins(struct plan *p)
{
	uint64_t at;

	for (size_t i = 0; i < p->n; i++)
		if (p->steps[i].to->kind == NODE_FILE &&
		    chunkset_get(p->twin_ids, CHUNK_DATA, &p->steps[i].to->id, &at))
			p->steps[i].twin = &p->twins[at];
}

static void block(struct planner *pl)
{
	strvec_push(&pl->p->blocked, inside(pl));
}

static int load_base(struct planner *pl, struct spot *s, struct err *e)
{
	int rc;

	if (!is_dir(s->base))
		return 0;
	rc = dtree_expand(s->base, pl->in->load, pl->in->load_arg, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	err_clear(e);
	s->base = NULL;
	return 0;
}

/* The spot of two entries of one name, of which one may be NULL, in directory `dir`. */
static struct spot spot_at(const struct spot *dir, const char *name, struct dtree_entry *to,
			   struct dtree_entry *work)
{
	struct spot s = {to, work, NULL, NULL, NULL};

	if (is_dir(dir->base))
		s.base = dtree_lookup(dir->base->sub, name, strlen(name));
	if (to)
		s.to_stat = &dir->to->sub->stats[to - dir->to->sub->v];
	if (work)
		s.work_stat = &dir->work->sub->stats[work - dir->work->sub->v];
	return s;
}

static int clear_way(struct planner *pl, struct spot *s, struct err *e);

static int clear_dir(struct planner *pl, struct spot *s, struct err *e)
{
	size_t len = pl->path.len;
	int rc = load_base(pl, s, e);

	for (size_t i = 0; rc == 0 && i < s->work->sub->n; i++) {
		struct dtree_entry *w = &s->work->sub->v[i];
		struct spot below = spot_at(s, w->name, NULL, w);

		buf_addf(&pl->path, "/%s", w->name);
		rc = clear_way(pl, &below, e);
		buf_setlen(&pl->path, len);
	}
	strvec_push(&pl->p->rmdirs, pl->path.p);
	return rc;
}

/* What stands here must go, as something of another kind comes: everything in it counts. */
static int clear_way(struct planner *pl, struct spot *s, struct err *e)
{
	if (is_dir(s->work))
		return clear_dir(pl, s, e);
	if (unmodified(s) || pl->in->opts->force)
		add_removal(pl, s);
	else
		block(pl);
	return 0;
}

/* ---- directories ---- */

static int plan_spot(struct planner *pl, struct spot *s, struct err *e);

/* All names of both directories, once for files and once for directories. */
static int plan_names(struct planner *pl, const struct spot *dir, bool dirs, struct err *e)
{
	const struct dtree *t = entries_of(dir->to);
	const struct dtree *w = entries_of(dir->work);
	size_t i = 0, k = 0, len = pl->path.len;
	int rc = 0;

	while (rc == 0 && ((t && i < t->n) || (w && k < w->n))) {
		bool have_t = t && i < t->n, have_w = w && k < w->n;
		int cmp = have_t && have_w ? strcmp(t->v[i].name, w->v[k].name) : have_t ? -1 : 1;
		struct dtree_entry *to = have_t && cmp <= 0 ? &t->v[i++] : NULL;
		struct dtree_entry *work = have_w && cmp >= 0 ? &w->v[k++] : NULL;
		const char *name = "";
		struct spot s;

		if ((is_dir(to) || (!to && is_dir(work))) != dirs)
			continue;
		if (to)
			name = to->name;
		else if (work)
			name = work->name;
		s = spot_at(dir, name, to, work);
		buf_addf(&pl->path, "/%s", name);
		rc = plan_spot(pl, &s, e);
		buf_setlen(&pl->path, len);
	}
	return rc;
}

static int plan_dir(struct planner *pl, struct spot *s, struct err *e)
{
	int rc = 0;

	if (pl->depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_CORRUPT, "%s: more than %d directories deep", pl->in->root,
			       TREE_MAX_DEPTH);
	if (is_dir(s->to)) {
		rc = dtree_expand(s->to, pl->in->load, pl->in->load_arg, e);
		if (rc == 0)
			rc = dtree_count_empty(&pl->empty, s->to, e);
		if (rc < 0)
			return rc == ERR_CORRUPT ? err_wrap(e, "%s", pl->path.p) : rc;
		dtree_stats(s->to->sub);
	}
	rc = load_base(pl, s, e);
	pl->depth++;
	if (rc == 0)
		rc = plan_names(pl, s, false, e);
	if (rc == 0)
		rc = plan_names(pl, s, true, e);
	pl->depth--;
	if (is_dir(s->base) && s->base->known)
		dtree_unload(s->base); /* nobody looks at it again */
	return rc;
}

/* A directory that stays may hold files whose blocks can be shared. */
static void add_twins_below(struct planner *pl, const struct dtree_entry *dir)
{
	size_t len = pl->path.len;

	for (size_t i = 0; i < dir->sub->n; i++) {
		struct spot s = {.work = &dir->sub->v[i], .work_stat = &dir->sub->stats[i]};

		buf_addf(&pl->path, "/%s", s.work->name);
		if (is_dir(s.work))
			add_twins_below(pl, s.work);
		else
			add_twin(pl, &s);
		buf_setlen(&pl->path, len);
	}
}

static bool is_unchanged_dir(const struct spot *s)
{
	return is_dir(s->work) && s->work->known && s->to->known && dtree_same(s->to, s->work);
}

static int plan_wanted_dir(struct planner *pl, struct spot *s, struct err *e)
{
	size_t steps = pl->p->n, dirs = pl->p->dirs.nr;
	bool making = !is_dir(s->work);
	int rc;

	if (is_unchanged_dir(s)) {
		pl->p->unchanged += s->to->files;
		add_twins_below(pl, s->work);
		return 0;
	}
	if (is_leaf(s->work)) {
		rc = clear_way(pl, s, e);
		if (rc < 0)
			return rc;
		s->work = NULL;
	}
	if (making)
		strvec_push(&pl->p->dirs, pl->path.p);
	rc = plan_dir(pl, s, e);
	/* A directory of which nothing is wanted is not made. */
	if (rc == 0 && making && s->to->sub->n && pl->p->n == steps && pl->p->dirs.nr == dirs + 1)
		strvec_pop(&pl->p->dirs);
	/* What has no step needs no more memory; the root stands for the whole. */
	if (rc == 0 && pl->p->n == steps && s->to->known && s->to != pl->in->to)
		dtree_unload(s->to);
	return rc;
}

/* ---- one name ---- */

static int plan_file(struct planner *pl, struct spot *s, struct err *e)
{
	int rc = 0;

	if (is_leaf(s->work) && dtree_same(s->to, s->work)) {
		*s->to_stat = *s->work_stat;
		add_twin(pl, s);
		pl->p->unchanged++;
		return 0;
	}
	if (!wanted(pl)) {
		pl->p->partial |= !s->work;
		return 0;
	}
	if (is_dir(s->work))
		rc = clear_way(pl, s, e);
	else if (s->work && !unmodified(s) && !pl->in->opts->force)
		block(pl);
	add_step(pl, s);
	return rc;
}

/* Nothing is wanted here: goes if it came from the base as it is. */
static int plan_gone(struct planner *pl, struct spot *s, struct err *e)
{
	int rc;

	if (is_dir(s->work)) {
		rc = plan_dir(pl, s, e);
		if (is_dir(s->base))
			strvec_push(&pl->p->rmdirs, pl->path.p);
		return rc;
	}
	if (!s->base || !wanted(pl))
		return 0;
	if (unmodified(s) || pl->in->opts->force)
		add_removal(pl, s);
	else
		block(pl);
	return 0;
}

static int plan_spot(struct planner *pl, struct spot *s, struct err *e)
{
	if (s->to && pl->path.len >= PATH_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "%s: a path of %zu bytes, below '%.*s'", pl->in->root,
			       pl->path.len, 80, pl->path.p);
	if (is_dir(s->to))
		return plan_wanted_dir(pl, s, e);
	return s->to ? plan_file(pl, s, e) : plan_gone(pl, s, e);
}

int plan_make(struct plan *p, const struct plan_input *in, struct err *e)
{
	struct planner pl = {p, in, BUF_INIT, strlen(in->root), 0, 0};
	struct spot s = {in->to, in->work, in->base, in->to_stat, in->work_stat};
	int rc;

	memset(p, 0, sizeof(*p));
	p->twin_ids = chunkset_new();
	strvec_init(&p->dirs);
	strvec_init(&p->rmdirs);
	strvec_init(&p->blocked);
	buf_addstr(&pl.path, in->root);
	rc = plan_spot(&pl, &s, e);
	buf_release(&pl.path);
	match_twins(p);
	if (rc < 0)
		plan_release(p);
	return rc;
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->steps[i].path);
	for (size_t i = 0; i < p->nremovals; i++)
		free(p->removals[i].path);
	for (size_t i = 0; i < p->ntwins; i++)
		free(p->twins[i].path);
	free(p->twins);
	chunkset_free(p->twin_ids);
	free(p->steps);
	free(p->removals);
	strvec_release(&p->dirs);
	strvec_release(&p->rmdirs);
	strvec_release(&p->blocked);
	memset(p, 0, sizeof(*p));
}
