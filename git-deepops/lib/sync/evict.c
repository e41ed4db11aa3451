/* SPDX-License-Identifier: MIT */
/* evict.c - making the local store smaller without losing anything; see evict.h */

#include "sync/evict.h"

#include "base/clock.h"
#include "base/killpoint.h"
#include "base/xalloc.h"
#include "sync/kept.h"
#include "sync/reach.h"
#include "sync/sync_internal.h"

struct evict {
	struct repo *repo;
	struct store *store;
	const struct evict_opts *opts;
	struct evict_result *out;
	struct sync_plan plan;
	size_t current;         /* the first items of the plan: what the work tree uses */
	struct chunkset *safe;  /* versions that the remote keeps, by their split keys */
	bool final;             /* under the store's lock: this look counts */
	struct chunkset *all;   /* every chunk of the store, with its stored bytes */
	struct chunkset *named; /* what pointers name */
	struct chunkset *gone;  /* what is to go */
	struct chunkset *kept;  /* and what is not, whatever `gone` says */
};

static void sets_release(struct evict *v)
{
	chunkset_free(v->all);
	chunkset_free(v->named);
	chunkset_free(v->gone);
	chunkset_free(v->kept);
	sync_plan_release(&v->plan);
}

static void sets_init(struct evict *v)
{
	sync_plan_init(&v->plan);
	v->all = chunkset_new();
	v->named = chunkset_new();
	v->gone = chunkset_new();
	v->kept = chunkset_new();
}

int evict_allowed(struct repo *r, struct store *s, struct err *e)
{
	int roots = store_has_roots(s, e);

	if (roots < 0)
		return roots;
	if (!roots && !repo_is_bare(r))
		return 0;
	err_set(e, ERR_DENIED, "others push to %s: nothing is removed from it", repo_commondir(r));
	return err_hint(e, "run it in the clone whose copies are to go");
}

static int on_stored(void *arg, const struct chunkkey *key, const struct store_info *info,
		     struct err *e)
{
	struct evict *v = arg;

	(void)e;
	chunkset_add(v->all, (enum chunk_kind)key->kind, &key->id, info->stored);
	return 0;
}

/* ---- what nothing names ---- */

static int choose_unnamed(struct evict *v, struct err *e)
{
	struct store_unnamed *u;
	int64_t now = clock_now_seconds();
	struct chunkkey key;
	uint64_t bytes;
	size_t it = 0;
	int rc = store_unnamed_begin(&u, v->store, now, e), rc2;

	while (rc == 0 && chunkset_next(v->all, &it, &key, &bytes)) {
		int64_t since = now;

		if (chunkset_has(v->named, (enum chunk_kind)key.kind, &key.id))
			continue;
		rc = store_unnamed_note(u, &key, &since, e);
		if (rc < 0)
			break;
		if (now - since >= v->opts->grace_seconds) {
			chunkset_add(v->gone, (enum chunk_kind)key.kind, &key.id, bytes);
			v->out->unnamed += bytes;
		} else {
			v->out->unnamed_later += bytes;
		}
	}
	/* A dry run is no look that counts. */
	rc2 = store_unnamed_end(u, rc == 0 && v->final, rc == 0 ? e : NULL);
	return rc < 0 ? rc : rc2;
}

/* ---- what the remote has ---- */

static uint64_t left(const struct evict *v)
{
	uint64_t gone = v->out->unnamed + v->out->cached;

	return v->out->before > gone ? v->out->before - gone : 0;
}

static void split_key(const struct pointer *p, struct chunkkey *out)
{
	out->kind = p->kind == POINTER_TREE ? CHUNK_NODE : CHUNK_DATA;
	pointer_split_key(p, &out->id);
}

static bool is_safe(const struct chunkset *safe, const struct pointer *p)
{
	struct chunkkey key;

	split_key(p, &key);
	return chunkset_has(safe, (enum chunk_kind)key.kind, &key.id);
}

void evict_note_safe(struct chunkset *safe, const struct pointer *p)
{
	struct chunkkey key;

	split_key(p, &key);
	chunkset_add(safe, (enum chunk_kind)key.kind, &key.id, 0);
}

/* Ask for every version that anything names. */
static int ask(struct evict *v, struct remote *remote, struct err *e)
{
	enum kept *states = xcalloc(v->plan.n + 1, sizeof(*states));
	int rc = kept_ask(remote, v->plan.items, v->plan.n, states, e);

	for (size_t i = 0; rc == 0 && i < v->plan.n; i++)
		if (states[i] == KEPT_SAFE)
			evict_note_safe(v->safe, &v->plan.items[i].pointer);
	free(states);
	return rc;
}

/* Versions only here are kept with all they share with others, also those named since we asked. */
static int keep_unsafe(struct evict *v, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->plan.n; i++) {
		const struct pointer *p = &v->plan.items[i].pointer;

		if (is_safe(v->safe, p))
			continue;
		v->out->only_here++;
		rc = reach_add(v->store, p, v->kept, e);
	}
	return rc;
}

static void add_gone(struct evict *v, const struct chunkset *keys)
{
	struct chunkkey key;
	uint64_t bytes;
	size_t it = 0;

	while (chunkset_next(keys, &it, &key, NULL)) {
		enum chunk_kind kind = (enum chunk_kind)key.kind;

		if (!chunkset_get(v->all, kind, &key.id, &bytes) ||
		    chunkset_has(v->kept, kind, &key.id) ||
		    !chunkset_add(v->gone, kind, &key.id, bytes))
			continue;
		v->out->cached += bytes;
	}
}

/* Versions that the work tree does not use, then those it does, until the rest fits. */
static int choose_cached(struct evict *v, struct err *e)
{
	int rc = 0;

	if (!v->safe || left(v) <= v->opts->limit)
		return 0;
	rc = keep_unsafe(v, e);
	for (size_t n = 0; rc == 0 && n < v->plan.n && left(v) > v->opts->limit; n++) {
		const struct pointer *p = &v->plan.items[(v->current + n) % v->plan.n].pointer;
		struct chunkset *keys;

		if (!is_safe(v->safe, p))
			continue;
		keys = chunkset_new();
		rc = reach_add(v->store, p, keys, e);
		if (rc == 0)
			add_gone(v, keys);
		chunkset_free(keys);
	}
	return rc;
}

/* An unreachable remote is no failure: then everything stays. */
static int open_remote(struct evict *v, struct remote **remote)
{
	struct remote_where view;
	struct where w;
	int rc;

	where_init(&w);
	rc = where_resolve(v->repo, NULL, WHERE_TO, &w, &v->out->remote);
	if (rc == 0) {
		view = where_view(&w);
		rc = remote_open(remote, &view, &v->out->remote);
	}
	where_release(&w);
	return rc;
}

/* Before the store is locked: a remote may take its time. */
static void ask_remote(struct evict *v)
{
	struct remote *remote = NULL;

	if (left(v) <= v->opts->limit || !v->plan.n || open_remote(v, &remote) < 0)
		return;
	v->safe = chunkset_new();
	if (ask(v, remote, &v->out->remote) < 0) {
		chunkset_free(v->safe);
		v->safe = NULL;
	}
	remote_close(&remote);
}

/* ---- all of it ---- */

static int keeps(void *arg, const struct chunkkey *key)
{
	const struct evict *v = arg;

	return !chunkset_has(v->gone, (enum chunk_kind)key->kind, &key->id) ||
	       chunkset_has(v->kept, (enum chunk_kind)key->kind, &key->id);
}

/* What is here, what names it, and what of it nothing does. */
static int look(struct evict *v, struct err *e)
{
	int rc = reach_plan(v->repo, &v->plan, &v->current, e);

	v->out->before = store_bytes(v->store);
	if (rc == 0)
		rc = store_each(v->store, on_stored, v, e);
	for (size_t i = 0; rc == 0 && i < v->plan.n; i++)
		rc = reach_add(v->store, &v->plan.items[i].pointer, v->named, e);
	return rc < 0 ? rc : choose_unnamed(v, e);
}

/* store_choose_fn: all anew, for from here on nobody stores anything or finds it here. */
static int choose(void *arg, struct err *e)
{
	struct evict *v = arg;
	struct err remote = v->out->remote;
	int rc;

	sets_release(v);
	sets_init(v);
	memset(v->out, 0, sizeof(*v->out));
	v->out->remote = remote;
	v->final = true;
	rc = look(v, e);
	return rc < 0 ? rc : choose_cached(v, e);
}

int evict_run(struct repo *r, struct store *s, const struct evict_opts *opts,
	      struct evict_result *out, struct err *e)
{
	struct evict v = {.repo = r, .store = s, .opts = opts, .out = out};
	uint64_t freed;
	int rc = evict_allowed(r, s, e);

	memset(out, 0, sizeof(*out));
	sets_init(&v);
	if (rc == 0)
		rc = look(&v, e);
	if (rc == 0)
		ask_remote(&v);
	killpoint("gc-looked");
	if (rc == 0)
		rc = opts->dry_run ? choose_cached(&v, e)
				   : store_evict(s, choose, keeps, &v, &freed, e);
	if (rc == ERR_DENIED)
		err_hint(e, "try again when no other git deepops command is at work here");
	sets_release(&v);
	chunkset_free(v.safe);
	return rc;
}

/* ---- drop ---- */

struct dropping {
	struct evict v;
	const struct sync_plan *gone, *stay;
	const struct chunkset *safe; /* may be NULL */
};

static bool plan_has(const struct sync_plan *plan, const struct pointer *p)
{
	return is_safe(plan->seen, p);
}

/* store_choose_fn: what any other version needs that is not safe elsewhere stays. */
static int choose_dropped(void *arg, struct err *e)
{
	struct dropping *d = arg;
	struct evict *v = &d->v;
	int rc = reach_plan(v->repo, &v->plan, &v->current, e);

	for (size_t i = 0; rc == 0 && i < d->gone->n; i++)
		rc = reach_add(v->store, &d->gone->items[i].pointer, v->gone, e);
	for (size_t i = 0; rc == 0 && i < d->stay->n; i++)
		rc = reach_add(v->store, &d->stay->items[i].pointer, v->kept, e);
	for (size_t i = 0; rc == 0 && i < v->plan.n; i++) {
		const struct pointer *p = &v->plan.items[i].pointer;

		if (!plan_has(d->gone, p) && !(d->safe && is_safe(d->safe, p)))
			rc = reach_add(v->store, p, v->kept, e);
	}
	return rc;
}

int evict_pointers(struct repo *r, struct store *s, const struct evict_drop *what, uint64_t *freed,
		   struct err *e)
{
	struct dropping d = {.v = {.repo = r, .store = s},
			     .gone = what->gone,
			     .stay = what->stay,
			     .safe = what->safe};
	int rc = evict_allowed(r, s, e);

	*freed = 0;
	sets_init(&d.v);
	if (rc == 0)
		rc = store_evict(s, choose_dropped, keeps, &d, freed, e);
	sets_release(&d.v);
	return rc;
}
