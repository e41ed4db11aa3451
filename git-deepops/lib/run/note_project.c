/* SPDX-License-Identifier: MIT */
/* note_project.c - from journals to refs/notes/deepops; see note.h */
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "repo/notes.h"
#include "repo/settings.h"
#include "repo/tree.h"
#include "run/note.h"
#include "run/samecode.h"

#define SUMMARY_PREFIX "Deepops-Runs: "
#define WALK_MAX_COMMITS 100000 /* of branches, for a whole projection */

struct shown { /* one run that a commit shows */
	struct repo_oid journal;
	char *record;
	int64_t started;
	char *run;
	bool ok;
	bool override; /* no run: the word of a push that passed by one */
	bool retracted;
	bool elsewhere; /* it stood on another commit: we show it for its outputs */
	bool has_best;
	double best;
	char level[16];
};

#define COMMIT_MAX_PATHS 100000 /* that one commit brings in; each is a question to the index */
/*
 * Trees read to see what a commit brings in, in units of tree.h: so much for each commit in any
 * case, and more for one that needs it, as long as all together leave some.
 */
#define UNITS_EACH 200
#define UNITS_MORE 20000
#define UNITS_SHARED 100000

struct project {
	struct repo *repo;
	struct runindex *ix;
	const struct note_opts *o;
	struct settings settings;  /* which metric is best */
	struct strvec server_refs; /* refs/deepops/remotes/<remote>/notes/deepops */
	/* while one commit is worked on */
	const struct repo_oid *commit;
	struct repo_oid tree; /* its */
	bool elsewhere;
	size_t paths;               /* of it that were asked for */
	uint64_t shared;            /* units left */
	struct strvec noted, shown; /* commits, and "commit run" */
	struct oidmap *strange; /* blobs that no run wrote: a tree may name one again and again */
	struct shown *v;
	size_t n, alloc;
};

static void forget_runs(struct project *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].record);
		free(p->v[i].run);
	}
	p->n = 0;
}

/* ---- which runs ---- */

static void read_best(const struct project *p, const struct runindex_row *row, struct shown *s)
{
	struct json *metrics = NULL;
	const char *text;

	if (!p->settings.best_metric ||
	    json_parse(&metrics, row->metrics, strlen(row->metrics), JSON_MAX_BYTES, NULL) < 0)
		return;
	text = json_get_str(metrics, p->settings.best_metric);
	s->has_best = text && num_parse_real(text, &s->best);
	json_unref(metrics);
}

static int take_row(void *arg, const struct runindex_row *row, struct err *e)
{
	struct project *p = arg;
	struct shown *s;

	bool override = !strcmp(row->kind, "override");

	(void)e;
	if (strcmp(row->kind, "run") != 0 && strcmp(row->kind, "rerun") != 0 && !override)
		return 0;
	XGROW(p->v, p->n + 1, p->alloc);
	s = &p->v[p->n++];
	memset(s, 0, sizeof(*s));
	s->journal = row->journal;
	s->record = xstrdup(row->record);
	s->run = xstrdup(row->run);
	s->started = row->started;
	s->override = override;
	s->retracted = row->retracted;
	s->ok = row->exit == 0 && !row->retracted;
	/* On a commit of the same tree it stood as well as on this one. */
	s->elsewhere = p->elsewhere && strcmp(row->base_tree, p->tree.hex) != 0;
	read_best(p, row, s);
	return 0;
}

/* A path that the commit brings in: whose output is it? */
static int take_output(void *arg, const char *path, const struct tree_entry *a,
		       const struct tree_entry *b, struct err *e)
{
	struct project *p = arg;
	struct buf root = BUF_INIT;
	int rc;

	(void)a;
	if (!b->mode || b->mode == TREE_MODE_GITLINK)
		return 0;
	if (++p->paths > COMMIT_MAX_PATHS)
		return err_set(e, ERR_LIMIT, "more than %d files", COMMIT_MAX_PATHS);
	rc = oidmap_get(p->strange, &b->id, NULL) ? 0 : runindex_has_output(p->ix, &b->id, e);
	if (rc == 0)
		(void)oidmap_put(p->strange, &b->id, 0);
	if (rc <= 0)
		return rc;
	if (!pointer_root_of(path, &root))
		buf_sets(&root, path);
	rc = runindex_by_output_blob(p->ix, root.p, &b->id, take_row, p, e);
	buf_release(&root);
	return rc;
}

/* One that ran on the commit first, then one of its outputs. */
static int cmp_record(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;
	int c = strcmp(x->record, y->record);

	return c ? c : x->elsewhere - y->elsewhere;
}

/* A run is found by its commit and by each of its outputs.  Sorted, as a sweep has thousands. */
static void drop_repeated(struct project *p)
{
	size_t kept = 0;

	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), cmp_record);
	for (size_t i = 0; i < p->n; i++) {
		if (kept && !strcmp(p->v[kept - 1].record, p->v[i].record)) {
			free(p->v[i].record);
			free(p->v[i].run);
		} else {
			p->v[kept++] = p->v[i];
		}
	}
	p->n = kept;
}

/* What the commit brings in, as far as that can be looked at. */
static int collect_outputs(struct project *p, const struct repo_oid *before,
			   const struct repo_oid *tree, struct err *e)
{
	uint64_t units = UNITS_EACH + MIN(p->shared, UNITS_MORE), spent = units;
	const struct tree_bounds bounds = {&units};
	int rc;

	p->paths = 0;
	rc = tree_diff_within(p->repo, before, tree, &bounds, take_output, p, e);
	spent -= units;
	p->shared -= spent > UNITS_EACH ? MIN(p->shared, spent - UNITS_EACH) : 0;
	/* An import, a tree without an end, or one that git can't read either. */
	if (rc == ERR_LIMIT || rc == ERR_CORRUPT) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int collect(struct project *p, struct err *e)
{
	struct strvec parents = STRVEC_INIT;
	struct repo_oid parent, before;
	bool has_parent;
	int rc;

	p->elsewhere = false;
	rc = runindex_by_commit(p->ix, p->commit, take_row, p, e);
	p->elsewhere = true;
	if (rc == 0)
		rc = repo_commit_parents(p->repo, p->commit, &parents, e);
	has_parent = rc == 0 && parents.nr > 0;
	if (rc == 0)
		rc = repo_commit_tree(p->repo, p->commit, &p->tree, e);
	if (has_parent && rc == 0) {
		rc = repo_oid_parse(&parent, parents.v[0], e);
		if (rc == 0)
			rc = repo_commit_tree(p->repo, &parent, &before, e);
		if (rc == ERR_NOTFOUND) { /* the edge of a shallow clone brings in nothing */
			err_clear(e);
			rc = 0;
			goto out;
		}
	}
	/* An empty commit brings in nothing, and is nobody's experiment. */
	if (rc == 0 && (!has_parent || !repo_oid_equal(&before, &p->tree)))
		rc = runindex_by_tree(p->ix, &p->tree, take_row, p, e);
	if (rc == 0)
		rc = collect_outputs(p, has_parent ? &before : NULL, &p->tree, e);
out:
	drop_repeated(p);
	strvec_release(&parents);
	return rc;
}

/* ---- what the server said ---- */

static int level_from_server(struct project *p, struct err *e)
{
	struct buf note = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < p->server_refs.nr; i++) {
		buf_reset(&note);
		rc = notes_read(p->repo, p->server_refs.v[i], p->commit, &note, e);
		for (const char *at = note.p; rc == 1 && *at;) {
			size_t len = strcspn(at, "\n");
			char rec[13], level[16];

			if (note_line_parse(at, len, rec, level)) {
				for (size_t k = 0; k < p->n; k++)
					if (!strncmp(p->v[k].record + strlen("sha256:"), rec, 12))
						memcpy(p->v[k].level, level, sizeof(level));
			}
			at += len + (at[len] == '\n');
		}
	}
	buf_release(&note);
	return rc < 0 ? rc : 0;
}

/* ---- stale or not ---- */

/* A result of this or of another run is no code: those of a sweep are committed together. */
static int see_output(void *arg, const struct runindex_row *row, struct err *e)
{
	(void)e;
	if (!strcmp(row->kind, "run") || !strcmp(row->kind, "rerun"))
		*(bool *)arg = true;
	return 0;
}

static bool is_some_output(void *arg, const char *path, const struct tree_entry *a,
			   const struct tree_entry *b)
{
	struct project *p = arg;
	const struct tree_entry *const sides[] = {a, b};
	struct buf root = BUF_INIT;
	bool all = true;

	if (!pointer_root_of(path, &root))
		buf_sets(&root, path);
	for (size_t i = 0; i < ARRAY_SIZE(sides) && all; i++) {
		bool seen = !sides[i]->mode;

		if (!seen && oidmap_get(p->strange, &sides[i]->id, NULL)) {
			all = false;
			break;
		}

		if (!seen && runindex_by_output_blob(p->ix, root.p, &sides[i]->id, see_output,
						     &seen, NULL) < 0)
			seen = false;
		all = seen;
	}
	buf_release(&root);
	return all;
}

/* 1: the commit's tree is what ran, results aside; 0: it is not. */
static int same_code(struct project *p, const struct journal_entry *entry, struct err *e)
{
	struct repo_oid tree;
	struct samecode s = {.repo = p->repo,
			     .entry = entry,
			     .tree = &tree,
			     .skip = is_some_output,
			     .skip_arg = p};
	int rc = repo_commit_tree(p->repo, p->commit, &tree, e);

	if (rc == 0)
		rc = samecode_differs(&s, NULL, e);
	return rc < 0 ? rc : !rc;
}

/* ---- lines ---- */

/* How a run is shown on this commit; the entry is the caller's to release. */
static int look_at(struct project *p, const struct shown *s, struct journal_entry *entry,
		   struct note_line_opts *o, struct err *e)
{
	int rc = journal_read(p->repo, &s->journal, entry, e), same = 1;

	if (rc == 0 && entry->ok && s->elsewhere && !s->override)
		rc = same = same_code(p, entry, e);
	o->best = p->settings.best_metric;
	o->stale = s->elsewhere && !same;
	o->same = s->elsewhere && same;
	o->retracted = s->retracted;
	return MIN(rc, 0);
}

static int add_line(struct project *p, const struct shown *s, struct buf *out, struct err *e)
{
	char level[sizeof(s->level)];
	struct note_line_opts o = {NULL, level, false, false, false};
	struct journal_entry entry;
	int rc;

	memcpy(level, s->level, sizeof(level));
	journal_entry_init(&entry);
	rc = look_at(p, s, &entry, &o, e);
	if (rc == 0 && entry.ok && s->override)
		note_override(&entry.rec, &entry.id, out);
	else if (rc == 0 && entry.ok && p->o->level && !s->retracted)
		rc = p->o->level(p->o->arg, &entry, level, e);
	if (rc >= 0 && entry.ok && !s->override)
		note_line(&entry.rec, &entry.id, &o, out);
	journal_entry_release(&entry);
	return rc < 0 ? rc : 0;
}

static int cmp_started(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->started != y->started)
		return x->started < y->started ? -1 : 1;
	return strcmp(x->record, y->record);
}

static const struct shown *find_best(const struct project *p)
{
	const struct shown *best = NULL;

	for (size_t i = 0; i < p->n; i++) {
		const struct shown *s = &p->v[i];

		if (s->ok && s->has_best &&
		    (!best ||
		     (p->settings.best_is_min ? s->best < best->best : s->best > best->best)))
			best = s;
	}
	return best;
}

static void add_summary(const struct project *p, struct buf *out)
{
	size_t good = 0, gone = 0, runs = 0;

	for (size_t i = 0; i < p->n; i++) {
		runs += !p->v[i].override;
		good += p->v[i].ok && !p->v[i].override;
		gone += p->v[i].retracted;
	}
	buf_addf(out, SUMMARY_PREFIX "%zu ok=%zu failed=%zu", runs, good, runs - good - gone);
	if (gone)
		buf_addf(out, " retracted=%zu", gone);
	buf_addch(out, '\n');
}

/* Foreign lines of the old note stay; ours are written anew. */
static void keep_foreign(const struct buf *old, struct buf *out)
{
	for (const char *at = old->p; *at;) {
		size_t len = strcspn(at, "\n");

		if (!str_startswith(at, NOTE_PREFIX, NULL) &&
		    !str_startswith(at, SUMMARY_PREFIX, NULL) &&
		    !str_startswith(at, NOTE_OVERRIDE, NULL)) {
			buf_add(out, at, len);
			buf_addch(out, '\n');
		}
		at += len + (at[len] == '\n');
	}
}

static int add_lines(struct project *p, struct buf *out, struct err *e)
{
	size_t from = p->n > NOTE_ALL_UP_TO ? p->n - NOTE_ALL_UP_TO : 0;
	const struct shown *best;
	int rc = 0;

	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), cmp_started);
	best = from ? find_best(p) : NULL;
	if (best && best < p->v + from)
		rc = add_line(p, best, out, e);
	for (size_t i = from; rc == 0 && i < p->n; i++)
		rc = add_line(p, &p->v[i], out, e);
	if (rc == 0 && from)
		add_summary(p, out);
	return rc;
}

/* Which runs this commit shows: when one is retracted, its notes are found again. */
static void remember_shown(struct project *p)
{
	strvec_push(&p->noted, p->commit->hex);
	for (size_t i = 0; i < p->n; i++)
		strvec_pushf(&p->shown, "%s %s", p->commit->hex, p->v[i].run);
}

static int edit_note(void *arg, const struct repo_oid *object, const struct buf *old,
		     struct buf *out, struct err *e)
{
	struct project *p = arg;
	int rc;

	p->commit = object;
	rc = collect(p, e);
	if (rc == 0 && !p->o->level)
		rc = level_from_server(p, e);
	if (rc == 0) {
		keep_foreign(old, out);
		rc = add_lines(p, out, e);
	}
	if (rc == 0)
		remember_shown(p);
	forget_runs(p);
	return rc < 0 ? err_wrap(e, "note of %.12s", object->hex) : 0;
}

/* ---- which commits ---- */

struct oids {
	struct project *p;
	struct repo_oid *v;
	size_t n, alloc;
};

static int push_oid(void *arg, const struct repo_oid *id, struct err *e)
{
	struct oids *o = arg;

	(void)e;
	XGROW(o->v, o->n + 1, o->alloc);
	o->v[o->n++] = *id;
	return 0;
}

/* A commit that a record names need not be here: unpushed elsewhere, or beyond a shallow edge. */
static int push_present(void *arg, const struct repo_oid *id, struct err *e)
{
	struct oids *o = arg;

	return repo_has_object(o->p->repo, id) ? push_oid(arg, id, e) : 0;
}

static int push_ref(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	(void)name;
	return push_oid(arg, id, e);
}

static int cmp_oid(const void *a, const void *b)
{
	return strcmp(((const struct repo_oid *)a)->hex, ((const struct repo_oid *)b)->hex);
}

static void sort_uniq(struct oids *o)
{
	size_t n = 0;

	if (o->n)
		qsort(o->v, o->n, sizeof(*o->v), cmp_oid);
	for (size_t i = 0; i < o->n; i++)
		if (!n || !repo_oid_equal(&o->v[n - 1], &o->v[i]))
			o->v[n++] = o->v[i];
	o->n = n;
}

static int all_commits(struct project *p, struct oids *out, struct err *e)
{
	struct oids tips = {p, NULL, 0, 0};
	struct repo_walk w = {.max = WALK_MAX_COMMITS};
	int rc = repo_ref_each(p->repo, "refs/heads/", push_ref, &tips, e);

	if (rc == 0)
		rc = repo_ref_each(p->repo, "refs/remotes/", push_ref, &tips, e);
	sort_uniq(&tips);
	w.show = tips.v;
	w.nshow = tips.n;
	if (rc == 0 && tips.n)
		rc = repo_walk(p->repo, &w, push_oid, out, e);
	if (rc == 0)
		rc = runindex_commits(p->ix, push_present, out, e);
	sort_uniq(out);
	free(tips.v);
	return rc;
}

static int take_server_ref(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct project *p = arg;

	(void)id;
	(void)e;
	if (str_endswith(name, "/notes/deepops"))
		strvec_push(&p->server_refs, name);
	return 0;
}

int note_project(struct repo *r, struct runindex *ix, const struct note_opts *o, struct err *e)
{
	struct project p = {.repo = r,
			    .ix = ix,
			    .o = o,
			    .server_refs = STRVEC_INIT,
			    .shared = UNITS_SHARED,
			    .noted = STRVEC_INIT,
			    .shown = STRVEC_INIT,
			    .strange = oidmap_new()};
	struct oids all = {&p, NULL, 0, 0};
	struct notes_edit edit = {NOTE_REF, "Notes by git deepops\n", o->commits, o->n, edit_note,
				  &p};
	int rc;

	/* A malformed file is no reason to show no notes: doctor and push complain. */
	settings_init(&p.settings);
	rc = settings_load(r, &p.settings, e);
	if (rc == ERR_INPUT || rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	}
	if (rc == 0 && !o->level)
		rc = repo_ref_each(r, "refs/deepops/remotes/", take_server_ref, &p, e);
	if (rc == 0 && !o->commits) {
		rc = all_commits(&p, &all, e);
		edit.objects = all.v;
		edit.n = all.n;
	}
	if (rc == 0 && edit.n)
		rc = notes_update(r, &edit, e);
	if (rc == 0)
		rc = runindex_shown(ix, &p.noted, &p.shown, e);
	strvec_release(&p.noted);
	strvec_release(&p.shown);
	free(all.v);
	free(p.v);
	oidmap_free(p.strange);
	settings_release(&p.settings);
	strvec_release(&p.server_refs);
	return rc < 0 ? err_wrap(e, "notes") : 0;
}

int note_runs(struct repo *r, struct runindex *ix, const struct repo_oid *commit, note_run_fn cb,
	      void *arg, struct err *e)
{
	struct project p = {.repo = r,
			    .ix = ix,
			    .commit = commit,
			    .shared = UNITS_SHARED,
			    .strange = oidmap_new()};
	int rc = collect(&p, e);

	settings_init(&p.settings);
	if (p.n)
		qsort(p.v, p.n, sizeof(*p.v), cmp_started);
	for (size_t i = 0; rc == 0 && i < p.n; i++) {
		struct note_line_opts o = {NULL, NULL, false, false, false};
		struct journal_entry entry;

		if (p.v[i].override)
			continue;
		journal_entry_init(&entry);
		rc = look_at(&p, &p.v[i], &entry, &o, e);
		if (rc == 0 && entry.ok)
			rc = cb(arg, &entry, &o, e);
		journal_entry_release(&entry);
	}
	forget_runs(&p);
	free(p.v);
	oidmap_free(p.strange);
	settings_release(&p.settings);
	return rc;
}

static int open_index(struct repo *r, struct runindex **ix, struct err *e)
{
	int rc = runindex_open(ix, r, 0, e);

	return rc == 0 ? runindex_update(*ix, NULL, e) : rc;
}

static int project_some(struct repo *r, struct runindex *ix, const struct oids *found,
			struct err *e)
{
	struct note_opts o = {found->v, found->n, NULL, NULL};

	return found->n ? note_project(r, ix, &o, e) : 0;
}

int note_refresh_run(struct repo *r, const char *run, struct err *e)
{
	struct project p = {.repo = r};
	struct oids found = {&p, NULL, 0, 0};
	struct runindex *ix = NULL;
	int rc = open_index(r, &ix, e);

	if (rc == 0)
		rc = runindex_shown_on(ix, run, push_present, &found, e);
	if (rc == 0)
		rc = project_some(r, ix, &found, e);
	runindex_close(&ix);
	free(found.v);
	return rc;
}

int note_refresh_commit(struct repo *r, const struct repo_oid *commit, struct err *e)
{
	struct note_opts o = {commit, 1, NULL, NULL};
	struct runindex *ix = NULL;
	uint64_t runs = 0;
	int rc = open_index(r, &ix, e);

	if (rc == 0)
		rc = runindex_count(ix, &runs, e);
	if (rc == 0 && runs)
		rc = note_project(r, ix, &o, e);
	runindex_close(&ix);
	return rc;
}

int note_refresh(struct repo *r, const struct repo_oid *tips, size_t n, struct err *e)
{
	struct project p = {.repo = r};
	struct oids found = {&p, NULL, 0, 0};
	struct repo_walk w = {
		.show = tips, .nshow = n, .newest = true, .max = NOTE_REFRESH_COMMITS};
	struct runindex *ix = NULL;
	uint64_t runs = 0;
	int rc = open_index(r, &ix, e);

	if (rc == 0)
		rc = runindex_count(ix, &runs, e);
	if (rc == 0 && runs)
		rc = repo_walk(r, &w, push_oid, &found, e);
	if (rc == 0)
		rc = project_some(r, ix, &found, e);
	runindex_close(&ix);
	free(found.v);
	return rc;
}
