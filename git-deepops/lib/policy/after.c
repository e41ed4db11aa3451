/* SPDX-License-Identifier: MIT */
/* after.c - what a server does once a push has been accepted; see after.h */
#include "policy/after.h"

#include "base/clock.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/after_roots.h"
#include "policy/override.h"
#include "policy/triple_kept.h"
#include "run/note.h"
#include "run/treehash.h"

struct after {
	struct repo *repo;
	const struct push *push; /* NULL: everything */
	struct runindex *index;
	struct treehash_cache cache;
	struct evidence_store store;
	struct evidence evidence;
	bool rebuild;
	uint64_t hashed;
	uint64_t judged_ms; /* spent on looking at records */
};

/*
 * What one push may take of the time of all: records beyond it are judged when they are needed,
 * and by `server index`.
 */
#define JUDGE_PUSH_MS 30000

static int lock(struct repo *r, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd;

	path_join(&path, repo_deepops_dir(r), "after.lock");
	fd = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, UINT64_MAX, e);
	buf_release(&path);
	return fd;
}

/* ---- tree hashes, and verdicts ---- */

static int hash_entry(struct after *a, const struct journal_entry *entry, struct err *e)
{
	struct treehash_opts o = {.cache = &a->cache};
	struct repo_oid tree;
	struct chunkid hash;
	int rc;

	if (!entry->rec.code.tree)
		return 0;
	rc = repo_oid_parse(&tree, entry->rec.code.tree, e);
	if (rc == 0)
		rc = treehash_of(a->repo, &tree, &o, &hash, e);
	/* The record names what it did not bring, or what can't be read: that's its fault. */
	if (rc == ERR_NOTFOUND || rc == ERR_LIMIT || rc == ERR_CORRUPT || rc == ERR_INPUT) {
		err_clear(e);
		return 0;
	}
	a->hashed += rc == 0;
	return rc;
}

static struct triple_ctx triple_ctx(struct after *a, bool keep)
{
	return (struct triple_ctx){.repo = a->repo,
				   .evidence = &a->evidence,
				   .cache = &a->cache,
				   .now_ms = clock_now_ms(),
				   .kept = a->index,
				   .keep = keep};
}

/* Judged here once, so that no later push is kept waiting for it. */
static int judge_entry(struct after *a, const struct journal_entry *entry, struct err *e)
{
	struct triple_ctx ctx = triple_ctx(a, true);
	struct triple t = {.n = 0};
	int rc = triple_judge(&ctx, entry, &t, e);

	if (rc == 0) {
		rc = runindex_found(a->index, &entry->commit,
				    record_succeeded(&entry->rec) ? t.level : 0, e);
		triple_release(&t);
	}
	return rc;
}

/* Found to count, and its verdict is kept: `server index` need not look again. */
static bool is_settled(struct after *a, const struct journal_entry *entry)
{
	struct triple t = {.n = 0};
	unsigned int level;
	bool kept = runindex_get_found(a->index, &entry->commit, &level) == 1 && level >= 2 &&
		    triple_kept_get(a->index, entry, &t) == 1;

	triple_release(&t);
	return kept;
}

static int look_at_entry(struct after *a, const struct journal_entry *entry, struct err *e)
{
	uint64_t start = clock_mono_ms();
	int rc;

	if (!entry->ok || (entry->rec.kind != RECORD_RUN && entry->rec.kind != RECORD_RERUN) ||
	    (a->push && a->judged_ms > JUDGE_PUSH_MS))
		return 0;
	if (!a->push && !a->rebuild && is_settled(a, entry))
		return 0;
	rc = hash_entry(a, entry, e);
	if (rc == 0) /* what was hashed is found only once it is written */
		rc = runindex_flush(a->index, e);
	if (rc == 0)
		rc = judge_entry(a, entry, e);
	a->judged_ms += clock_mono_ms() - start;
	if (rc < 0) /* one record that can't be looked at now takes nothing from the others */
		log_warn("%s", e ? e->msg : "a record can't be judged");
	err_clear(e);
	return 0;
}

static int look_at_chain(struct after *a, const struct repo_oid *tip, const struct repo_oid *until,
			 struct err *e)
{
	const struct journal_entry *entry;
	struct journal_iter it;
	int rc;

	journal_iter_init(&it, a->repo, tip);
	while ((rc = journal_next(&it, &entry, e)) == 1) {
		if (until && repo_oid_equal(&entry->commit, until)) {
			rc = 0;
			break;
		}
		rc = look_at_entry(a, entry, e);
		if (rc < 0)
			break;
	}
	journal_iter_release(&it);
	return rc;
}

static int look_at_ref(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	(void)ref;
	return look_at_chain(arg, tip, NULL, e);
}

static int look_at_records(struct after *a, struct err *e)
{
	int rc = 0;

	if (!a->push)
		rc = journal_refs(a->repo, look_at_ref, a, e);
	for (size_t i = 0; a->push && rc == 0 && i < a->push->n; i++) {
		const struct judge_update *u = &a->push->updates[i];

		if (journal_ref_writer(u->ref) && !repo_oid_is_zero(&u->new_id))
			rc = look_at_chain(a, &u->new_id, &u->old_id, e);
	}
	return rc < 0 ? rc : runindex_flush(a->index, e);
}

/* ---- notes ---- */

/* "R2/T0": what this server found, trust being none without signatures. */
static int level_of_run(void *arg, const struct journal_entry *run, char out[16], struct err *e)
{
	struct after *a = arg;
	struct triple_ctx ctx = triple_ctx(a, false);
	struct triple t = {.n = 0};
	int rc = triple_judge(&ctx, run, &t, e);

	out[0] = '\0';
	if (rc == 0) {
		snprintf(out, 16, "R%u/T0", t.level);
		triple_release(&t);
	}
	return rc;
}

struct commits {
	struct after *a;
	struct strvec ids;
};

static int add_commit(void *arg, const struct repo_oid *commit, struct err *e)
{
	(void)e;
	strvec_push(&((struct commits *)arg)->ids, commit->hex);
	return 0;
}

/* Commits that new records name and that are here: the branch may still be on its way. */
static int named_commits(struct commits *c, const struct judge_update *u, struct err *e)
{
	const struct journal_entry *entry;
	struct journal_iter it;
	struct repo_oid commit;
	int rc;

	journal_iter_init(&it, c->a->repo, &u->new_id);
	while ((rc = journal_next(&it, &entry, e)) == 1) {
		if (repo_oid_equal(&entry->commit, &u->old_id)) {
			rc = 0;
			break;
		}
		if (entry->ok && entry->rec.kind == RECORD_RETRACT && entry->rec.parent)
			rc = runindex_shown_on(c->a->index, entry->rec.parent, add_commit, c, e);
		if (rc < 0)
			break;
		if (!entry->ok || !entry->rec.code.commit)
			continue;
		if (repo_oid_here(c->a->repo, entry->rec.code.commit, &commit))
			strvec_push(&c->ids, commit.hex);
	}
	journal_iter_release(&it);
	return rc;
}

/* Commits that are new on a branch show the runs whose outputs they bring in. */
static int new_commits(struct commits *c, const struct judge_update *u, struct err *e)
{
	struct repo_oid tip;
	struct repo_walk w = {.show = &tip, .nshow = 1, .hide = &u->old_id, .max = 1000};
	int rc = repo_peel_commit(c->a->repo, &u->new_id, &tip, e);

	w.nhide = repo_oid_is_zero(&u->old_id) ? 0 : 1;
	if (rc == 0) /* also where it is not new: a push by override has a word on it */
		rc = add_commit(c, &tip, e);
	if (rc == 0)
		rc = repo_walk(c->a->repo, &w, add_commit, c, e);
	if (rc == ERR_LIMIT || rc == ERR_INPUT) { /* an import: `server index` has them */
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int push_commits(struct commits *c, struct err *e)
{
	const struct push *p = c->a->push;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		const struct judge_update *u = &p->updates[i];

		if (repo_oid_is_zero(&u->new_id))
			continue;
		if (journal_ref_writer(u->ref))
			rc = named_commits(c, u, e);
		else if (str_startswith(u->ref, "refs/heads/", NULL))
			rc = new_commits(c, u, e);
	}
	strvec_sort(&c->ids);
	strvec_uniq(&c->ids);
	return rc;
}

static int notes(struct after *a, struct err *e)
{
	struct commits c = {a, STRVEC_INIT};
	struct note_opts o = {NULL, 0, level_of_run, a};
	struct repo_oid *ids = NULL;
	int rc = 0;

	if (a->push) {
		rc = push_commits(&c, e);
		ids = xcalloc(c.ids.nr + 1, sizeof(*ids));
		for (size_t i = 0; rc == 0 && i < c.ids.nr; i++)
			rc = repo_oid_parse(&ids[i], c.ids.v[i], e);
		o.commits = ids;
		o.n = c.ids.nr;
	}
	if (rc == 0 && (!a->push || o.n))
		rc = note_project(a->repo, a->index, &o, e);
	free(ids);
	strvec_release(&c.ids);
	return rc;
}

/* ---- roots ---- */

static int roots(struct after *a, uint64_t *marked, struct err *e)
{
	struct after_roots found;
	struct store *s;
	int rc = store_open(&s, repo_deepops_dir(a->repo), 0, e);

	if (rc == ERR_NOTFOUND) { /* a repository without a chunk store has no roots */
		err_clear(e);
		return 0;
	}
	if (rc < 0)
		return rc;
	after_roots_init(&found, a->repo);
	rc = a->push ? after_roots_push(&found, a->push, e) : after_roots_all(&found, e);
	if (rc == 0)
		rc = after_roots_mark(&found, s, !a->push, marked, e);
	after_roots_release(&found);
	store_close(s);
	return rc;
}

/* ---- the whole ---- */

/* Keep the first error of several parts that don't need each other. */
static int keep_first(int first, int rc, struct err *e, struct err *this_one)
{
	if (rc < 0 && first == 0) {
		if (e)
			*e = *this_one;
		first = rc;
	}
	err_clear(this_one);
	return first;
}

/* Parts that may take long: others wait for one another here, and nobody's push for them. */
static int run_parts(struct after *a, uint64_t *marked, struct err *e)
{
	struct err one = ERR_INIT;
	int fd = lock(a->repo, e), rc = 0;

	if (fd < 0)
		return fd;
	rc = keep_first(rc, roots(a, marked, &one), e, &one);
	if (a->index)
		rc = keep_first(rc, look_at_records(a, &one), e, &one);
	if (a->index)
		rc = keep_first(rc, notes(a, &one), e, &one);
	lockfile_release(fd);
	return rc;
}

static void begin(struct after *a)
{
	evidence_of_store(&a->evidence, &a->store, repo_deepops_dir(a->repo));
}

static void end(struct after *a)
{
	evidence_store_release(&a->store);
	runindex_close(&a->index);
}

/* Overrides are records, so the index that follows has them.  One that failed is tried again. */
static int records(struct after *a, struct after_index *what, struct err *e)
{
	struct err one = ERR_INIT;
	int rc = keep_first(0, override_record(a->repo, NULL, &one), e, &one), opened;

	opened = runindex_open(&a->index, a->repo, 0, &one);
	if (opened == 0)
		opened = what->rebuild ? runindex_rebuild(a->index, &one)
				       : runindex_update(a->index, &what->records, &one);
	if (opened == 0 && what->rebuild)
		opened = runindex_count(a->index, &what->records, &one);
	return keep_first(rc, opened, e, &one);
}

static int follow(struct after *a, struct after_index *what, struct err *e)
{
	struct err one = ERR_INIT;
	int rc;

	begin(a);
	/* The index is what the next push is judged by: it waits for nothing but its own lock. */
	rc = records(a, what, e);
	if (a->index)
		runindex_treehash_cache(a->index, &a->cache);
	rc = keep_first(rc, run_parts(a, &what->roots, &one), e, &one);
	what->hashed = a->hashed;
	end(a);
	return rc;
}

int after_push(struct repo *r, const struct push *p, struct err *e)
{
	struct after a = {.repo = r, .push = p};
	struct after_index what = {.rebuild = false};

	return follow(&a, &what, e);
}

/* With generation numbers a hook walks a long history in a fraction of the time; without, it walks. */
static void write_commit_graph(struct repo *r)
{
	if (repo_git_run(r, NULL, NULL, "commit-graph", "write", "--reachable", NULL) < 0)
		log_verbose("git wrote no commit-graph");
}

int after_index(struct repo *r, struct after_index *what, struct err *e)
{
	struct after a = {.repo = r, .rebuild = what->rebuild};

	write_commit_graph(r);
	return follow(&a, what, e);
}
