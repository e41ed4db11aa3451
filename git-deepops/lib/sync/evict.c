/* SPDX-License-Identifier: MIT */
/* evict.c - making the local store smaller without losing anything; see evict.h */

#include "sync/evict.h"

#include "base/clock.h"
#include "base/db.h"
#include "base/xalloc.h"
#include "sync/reach.h"
#include "sync/sync_internal.h"

struct evict {
	struct repo *repo;
	struct store *store;
	const struct evict_opts *opts;
	struct evict_result *out;
	struct sync_plan plan;
	size_t current;         /* the first items of the plan: what the work tree uses */
	struct chunkset *all;   /* every chunk of the store, with its stored bytes */
	struct chunkset *named; /* what pointers name */
	struct chunkset *gone;  /* what is to go */
	struct chunkset *kept;  /* and what is not, whatever `gone` says */
	struct db *db;
};

static int on_stored(void *arg, const struct chunkkey *key, const struct store_info *info,
		     struct err *e)
{
	struct evict *v = arg;

	(void)e;
	chunkset_add(v->all, (enum chunk_kind)key->kind, &key->id, info->stored);
	return 0;
}

/* ---- what nothing names ---- */

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS unnamed (kind INTEGER, id BLOB, since INTEGER, seen INTEGER,"
	" PRIMARY KEY (kind, id)) WITHOUT ROWID";

static int open_db(struct evict *v, struct err *e)
{
	char *path = xstrfmt("%s/gc.db", repo_deepops_dir(v->repo));
	int rc = db_open(&v->db, path, DB_CREATE, e);

	if (rc == 0)
		rc = db_exec(v->db, schema, e);
	free(path);
	return rc;
}

/* Since when is this chunk known to be unnamed?  Remember that it still is. */
static int look_up(struct evict *v, const struct chunkkey *key, int64_t now, int64_t *since,
		   struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(v->db, &q,
			    "INSERT INTO unnamed VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET"
			    " seen = ?3 RETURNING since",
			    e);

	if (rc < 0)
		return rc;
	db_bind_int(q, 1, key->kind);
	db_bind_blob(q, 2, key->id.b, sizeof(key->id.b));
	db_bind_int(q, 3, now);
	rc = db_step(q, e);
	if (rc == 1)
		*since = db_int(q, 0);
	db_finish(&q);
	return rc < 0 ? rc : 0;
}

static int forget_others(struct evict *v, int64_t now, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(v->db, &q, "DELETE FROM unnamed WHERE seen <> ?1", e);

	if (rc < 0)
		return rc;
	db_bind_int(q, 1, now);
	rc = db_run(q, e);
	db_finish(&q);
	return rc;
}

static int choose_unnamed(struct evict *v, struct err *e)
{
	int64_t now = clock_now_seconds();
	struct chunkkey key;
	uint64_t bytes;
	size_t it = 0;
	int rc = db_begin(v->db, e);

	while (rc == 0 && chunkset_next(v->all, &it, &key, &bytes)) {
		int64_t since = now;

		if (chunkset_has(v->named, (enum chunk_kind)key.kind, &key.id))
			continue;
		rc = look_up(v, &key, now, &since, e);
		if (rc < 0)
			break;
		if (now - since >= v->opts->grace_seconds) {
			chunkset_add(v->gone, (enum chunk_kind)key.kind, &key.id, bytes);
			v->out->unnamed += bytes;
		} else {
			v->out->unnamed_later += bytes;
		}
	}
	if (rc == 0)
		rc = forget_others(v, now, e);
	if (rc == 0 && !v->opts->dry_run)
		return db_commit(v->db, e);
	db_rollback(v->db); /* a dry run is no look that counts */
	return rc;
}

/* ---- what the remote has ---- */

static uint64_t left(const struct evict *v)
{
	uint64_t gone = v->out->unnamed + v->out->cached;

	return v->out->before > gone ? v->out->before - gone : 0;
}

/* Ask for every version; those only here are kept with all they share with others. */
static int ask_rooted(struct evict *v, struct remote *remote, bool *rooted, struct err *e)
{
	struct buf why = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->plan.n; i++) {
		const struct pointer *p = &v->plan.items[i].pointer;

		rc = sync_is_rooted(remote, p, &rooted[i], &why, e);
		if (rc == 0 && !rooted[i]) {
			v->out->only_here++;
			rc = reach_add(v->store, p, v->kept, e);
		}
	}
	buf_release(&why);
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
static int choose_cached(struct evict *v, const bool *rooted, struct err *e)
{
	int rc = 0;

	for (size_t n = 0; rc == 0 && n < v->plan.n && left(v) > v->opts->limit; n++) {
		size_t i = (v->current + n) % v->plan.n;
		struct chunkset *keys;

		if (!rooted[i])
			continue;
		keys = chunkset_new();
		rc = reach_add(v->store, &v->plan.items[i].pointer, keys, e);
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

static int trim_cache(struct evict *v, struct err *e)
{
	struct remote *remote = NULL;
	bool *rooted;
	int rc;

	if (left(v) <= v->opts->limit || !v->plan.n || open_remote(v, &remote) < 0)
		return 0;
	rooted = xcalloc(v->plan.n, sizeof(*rooted));
	rc = ask_rooted(v, remote, rooted, e);
	if (rc == 0)
		rc = choose_cached(v, rooted, e);
	remote_close(&remote);
	free(rooted);
	return rc;
}

/* ---- all of it ---- */

static int keeps(void *arg, const struct chunkkey *key)
{
	const struct evict *v = arg;

	return !chunkset_has(v->gone, (enum chunk_kind)key->kind, &key->id) ||
	       chunkset_has(v->kept, (enum chunk_kind)key->kind, &key->id);
}

static int choose(struct evict *v, struct err *e)
{
	int rc = reach_plan(v->repo, &v->plan, &v->current, e);

	if (rc == 0)
		rc = store_each(v->store, on_stored, v, e);
	for (size_t i = 0; rc == 0 && i < v->plan.n; i++)
		rc = reach_add(v->store, &v->plan.items[i].pointer, v->named, e);
	if (rc == 0)
		rc = open_db(v, e);
	if (rc == 0)
		rc = choose_unnamed(v, e);
	return rc < 0 ? rc : trim_cache(v, e);
}

int evict_run(struct repo *r, struct store *s, const struct evict_opts *opts,
	      struct evict_result *out, struct err *e)
{
	struct evict v = {.repo = r, .store = s, .opts = opts, .out = out};
	uint64_t freed;
	int rc;

	memset(out, 0, sizeof(*out));
	out->before = store_bytes(s);
	sync_plan_init(&v.plan);
	v.all = chunkset_new();
	v.named = chunkset_new();
	v.gone = chunkset_new();
	v.kept = chunkset_new();
	rc = choose(&v, e);
	if (rc == 0 && !opts->dry_run && chunkset_count(v.gone))
		rc = store_evict(s, keeps, &v, &freed, e);
	db_close(v.db);
	chunkset_free(v.all);
	chunkset_free(v.named);
	chunkset_free(v.gone);
	chunkset_free(v.kept);
	sync_plan_release(&v.plan);
	return rc;
}

int evict_pointers(struct store *s, const struct sync_plan *gone, const struct sync_plan *kept,
		   uint64_t *freed, struct err *e)
{
	struct evict v = {.store = s};
	int rc = 0;

	v.gone = chunkset_new();
	v.kept = chunkset_new();
	for (size_t i = 0; rc == 0 && i < gone->n; i++)
		rc = reach_add(s, &gone->items[i].pointer, v.gone, e);
	for (size_t i = 0; rc == 0 && i < kept->n; i++)
		rc = reach_add(s, &kept->items[i].pointer, v.kept, e);
	if (rc == 0)
		rc = store_evict(s, keeps, &v, freed, e);
	chunkset_free(v.gone);
	chunkset_free(v.kept);
	return rc;
}
