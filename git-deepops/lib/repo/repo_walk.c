/* SPDX-License-Identifier: MIT */
/*
 * repo_walk.c - history without a process and without libgit2, for hooks; see repo.h
 *
 * Commits are taken from a queue, the youngest first: by generation where the commit-graph knows
 * it, else by date.  What is hidden hides its parents.  It ends when only hidden commits are
 * waiting.  With generations that is exact.  By dates alone a commit may have been shown before
 * something hidden is found to lead to it, where a clock was wrong; so some more hidden ones are
 * looked at, as git does.
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "repo/commitgraph.h"
#include "repo/oidmap.h"
#include "repo/rawobj.h"
#include "repo/repo_internal.h"

#define SLOP 256 /* hidden commits looked at behind the last one shown */
#define NOT_IN_GRAPH UINT32_MAX

struct node {
	struct repo_oid id;
	uint32_t generation;
	int64_t date;
	size_t *parents; /* nodes; owned; NULL until it was taken from the queue */
	struct repo_oid *ids;
	size_t nparents;
	size_t children; /* shown ones that were not given yet */
	bool hidden, shown, taken;
};

struct walker {
	struct repo *repo;
	struct oidmap *at; /* where in v */
	struct node *v;
	size_t n, alloc;
	size_t *queue; /* a heap */
	size_t waiting, queue_alloc;
	size_t visible; /* of those waiting */
	bool first_parent;
};

static void walker_init(struct walker *w, struct repo *r)
{
	memset(w, 0, sizeof(*w));
	w->repo = r;
	w->at = oidmap_new();
	if (!r->graph_known) {
		char *objects = xstrfmt("%s/objects", r->commondir);

		r->graph = commitgraph_open(objects);
		r->graph_known = true;
		free(objects);
	}
}

static void walker_release(struct walker *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->v[i].parents);
		free(w->v[i].ids);
	}
	free(w->v);
	free(w->queue);
	oidmap_free(w->at);
}

/* ---- the queue ---- */

static bool younger(const struct walker *w, size_t a, size_t b)
{
	const struct node *x = &w->v[a], *y = &w->v[b];

	if (x->generation != y->generation)
		return x->generation > y->generation;
	return x->date != y->date ? x->date > y->date : a < b;
}

static void swap(struct walker *w, size_t a, size_t b)
{
	size_t keep = w->queue[a];

	w->queue[a] = w->queue[b];
	w->queue[b] = keep;
}

static void enqueue(struct walker *w, size_t node)
{
	size_t at = w->waiting++;

	XGROW(w->queue, w->waiting, w->queue_alloc);
	w->queue[at] = node;
	for (; at && younger(w, w->queue[at], w->queue[(at - 1) / 2]); at = (at - 1) / 2)
		swap(w, at, (at - 1) / 2);
	w->visible += !w->v[node].hidden;
}

static size_t dequeue(struct walker *w)
{
	size_t top = w->queue[0], at = 0;

	w->queue[0] = w->queue[--w->waiting];
	for (;;) {
		size_t best = at;

		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < w->waiting; child++)
			if (younger(w, w->queue[child], w->queue[best]))
				best = child;
		if (best == at)
			break;
		swap(w, at, best);
		at = best;
	}
	w->visible -= !w->v[top].hidden;
	return top;
}

/* ---- commits ---- */

/* 1 read, 0 it is not here (the edge of a shallow repository), or git can't read it either. */
static int read_node(struct walker *w, struct node *n, struct err *e)
{
	struct commitgraph_commit known;
	struct rawobj_commit c;
	int rc;

	w->repo->commits_read++;
	if (commitgraph_find(w->repo->graph, &n->id, &known)) {
		n->generation = known.generation;
		n->date = known.date;
		n->ids = known.parents;
		n->nparents = known.nparents;
		return 1;
	}
	rc = rawobj_commit_read(w->repo, &n->id, &c, e);
	if (rc == ERR_NOTFOUND || rc == ERR_INPUT || rc == ERR_CORRUPT || rc == ERR_LIMIT) {
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return rc;
	n->generation = NOT_IN_GRAPH;
	n->date = c.date;
	n->ids = c.parents;
	n->nparents = c.nparents;
	return 1;
}

/* The node of a commit, read and waiting when it is new.  1, 0: it can't be read. */
static int add_commit(struct walker *w, const struct repo_oid *id, bool hidden, size_t *out,
		      struct err *e)
{
	struct node *n;
	int rc;

	if (oidmap_get(w->at, id, out))
		return 1;
	XGROW(w->v, w->n + 1, w->alloc);
	n = &w->v[w->n];
	memset(n, 0, sizeof(*n));
	n->id = *id;
	n->hidden = hidden;
	rc = read_node(w, n, e);
	if (rc != 1)
		return rc;
	*out = w->n++;
	(void)oidmap_put(w->at, id, *out);
	enqueue(w, *out);
	return 1;
}

/* What a hidden commit leads to is hidden, as far as it was taken already. */
static void hide(struct walker *w, size_t node)
{
	size_t *todo = xcalloc(1, sizeof(*todo)), n = 1, alloc = 1;

	todo[0] = node;
	while (n) {
		struct node *at = &w->v[todo[--n]];

		if (at->hidden)
			continue;
		at->hidden = true;
		if (!at->taken) {
			w->visible--;
			continue;
		}
		for (size_t i = 0; i < at->nparents; i++) {
			XGROW(todo, n + 1, alloc);
			todo[n++] = at->parents[i];
		}
	}
	free(todo);
}

/* Take a commit from the queue: its parents wait from now on. */
static int take(struct walker *w, size_t node, struct err *e)
{
	struct repo_oid *ids = w->v[node].ids;
	size_t n = w->first_parent && !w->v[node].hidden ? MIN(w->v[node].nparents, 1)
							 : w->v[node].nparents;
	size_t *parents = xcalloc(n + 1, sizeof(*parents)), kept = 0;
	bool hidden = w->v[node].hidden;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		rc = add_commit(w, &ids[i], hidden, &parents[kept], e);
		if (rc != 1)
			continue;
		if (hidden)
			hide(w, parents[kept]);
		kept++;
	}
	w->v[node].parents = parents;
	w->v[node].nparents = kept;
	w->v[node].taken = true;
	free(w->v[node].ids);
	w->v[node].ids = NULL;
	return rc < 0 ? rc : 0;
}

/* ---- the walk ---- */

static int add_ends(struct walker *w, const struct repo_walk *o, struct err *e)
{
	struct repo_oid commit;
	size_t node;
	int rc = 1;

	for (size_t i = 0; rc >= 0 && i < o->nshow; i++) {
		rc = add_commit(w, &o->show[i], false, &node, e);
		if (rc == 0)
			rc = err_set(e, ERR_NOTFOUND, "commit %s is not here", o->show[i].hex);
	}
	for (size_t i = 0; rc >= 0 && i < o->nhide; i++) {
		/* What is no commit, or not here, hides nothing. */
		if (repo_oid_is_zero(&o->hide[i]) ||
		    rawobj_peel(w->repo, &o->hide[i], &commit, NULL) < 0)
			continue;
		rc = add_commit(w, &commit, true, &node, e);
		if (rc == 1)
			hide(w, node);
	}
	return rc < 0 ? rc : 0;
}

/* All that is not hidden, as far as is known, in the order in which it was taken. */
static int collect(struct walker *w, const struct repo_walk *o, size_t **list, size_t *n,
		   struct err *e)
{
	size_t alloc = 0, slop = 0;
	int rc = add_ends(w, o, e);

	while (rc == 0 && w->waiting && (w->visible || slop++ < SLOP)) {
		size_t node = dequeue(w);

		rc = take(w, node, e);
		if (rc < 0 || w->v[node].hidden)
			continue;
		slop = 0;
		XGROW(*list, *n + 1, alloc);
		(*list)[(*n)++] = node;
		w->v[node].shown = true;
		/* Far more than wanted: what is hidden later can't be so much. */
		if (!o->newest && *n > 2 * o->max + SLOP)
			rc = repo_walk_limit(o, e);
	}
	return rc;
}

/* Children before parents: a commit is due when all that are shown and lead to it were given. */
static int give(struct walker *w, const struct repo_walk *o, const size_t *list, size_t n,
		repo_walk_fn cb, void *arg, struct err *e)
{
	size_t given = 0, total = 0;
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		struct node *at = &w->v[list[i]];

		at->shown = !at->hidden;
		total += at->shown;
		for (size_t k = 0; at->shown && k < at->nparents; k++)
			w->v[at->parents[k]].children++;
	}
	if (!o->newest && total > o->max)
		return repo_walk_limit(o, e);
	for (size_t i = 0; i < n; i++)
		if (w->v[list[i]].shown && !w->v[list[i]].children)
			enqueue(w, list[i]);
	while (rc == 0 && w->waiting && !(o->newest && given == o->max)) {
		struct node *at = &w->v[dequeue(w)];

		given++;
		rc = cb(arg, &at->id, e);
		for (size_t k = 0; k < at->nparents; k++) {
			struct node *parent = &w->v[at->parents[k]];

			if (!--parent->children && parent->shown)
				enqueue(w, at->parents[k]);
		}
	}
	return rc < 0 ? rc : 0;
}

int repo_walk_here(struct repo *r, const struct repo_walk *o, repo_walk_fn cb, void *arg,
		   struct err *e)
{
	struct walker w;
	size_t *list = NULL, n = 0;
	int rc;

	walker_init(&w, r);
	w.first_parent = o->first_parent;
	rc = collect(&w, o, &list, &n, e);
	w.waiting = w.visible = 0;
	if (rc == 0)
		rc = give(&w, o, list, n, cb, arg, e);
	free(list);
	walker_release(&w);
	return rc;
}

int repo_is_ancestor_here(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
			  struct err *e)
{
	struct walker w;
	size_t from, to;
	bool found = false;
	int rc;

	walker_init(&w, r);
	rc = add_commit(&w, a, false, &to, e);
	if (rc == 1) {
		w.waiting = w.visible = 0; /* looked for, not looked from */
		rc = add_commit(&w, b, false, &from, e);
	}
	if (rc == 0)
		rc = err_set(e, ERR_NOTFOUND, "commit %s or %s is not here", a->hex, b->hex);
	while (rc >= 0 && w.waiting && !found) {
		size_t node = dequeue(&w);

		/* Nothing at or below the generation of `a` leads to it. */
		if (w.v[to].generation != NOT_IN_GRAPH &&
		    w.v[node].generation <= w.v[to].generation)
			break;
		rc = take(&w, node, e);
		for (size_t i = 0; rc >= 0 && i < w.v[node].nparents; i++)
			found = found || w.v[node].parents[i] == to;
	}
	walker_release(&w);
	return rc < 0 ? rc : found;
}
