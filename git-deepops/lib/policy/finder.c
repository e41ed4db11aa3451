/* SPDX-License-Identifier: MIT */
/* finder.c - the records that speak of a commit or a file; see finder.h */
#include "policy/finder.h"

#include "base/xalloc.h"
#include "repo/oidmap.h"

struct finder {
	struct repo *repo;
	struct runindex *index;
	struct oidmap *known;       /* where in tail */
	struct journal_entry *tail; /* not in the index: of refs, then of what is being pushed */
	size_t n, alloc;
	size_t nrefs;                     /* so many are of refs */
	char skipped[RECORD_RUN_HEX + 1]; /* a retracted run that the last search found */
};

/* What is looked for; one member is set. */
struct wanted {
	const struct repo_oid *commit, *blob;
	const char *id; /* sha256:... */
};

struct search {
	struct finder *f;
	finder_fn cb;
	void *arg;
	bool stopped;
};

struct ids {
	struct repo_oid *v;
	size_t n, alloc;
};

/* What neither the index nor the tail holds, from `tip` down.  Cheap: no record is read yet. */
static int find_tail(struct finder *f, const struct repo_oid *tip, struct ids *out, struct err *e)
{
	struct repo_oid at = *tip;
	int rc = 0;

	while (rc == 0 && at.hex[0] && !repo_oid_is_zero(&at) && !oidmap_get(f->known, &at, NULL) &&
	       !runindex_has_journal_commit(f->index, &at)) {
		if (f->n + out->n >= FINDER_MAX_TAIL)
			return err_set(e, ERR_LIMIT, "more than %d records are not in the index",
				       FINDER_MAX_TAIL);
		XGROW(out->v, out->n + 1, out->alloc);
		out->v[out->n++] = at;
		rc = journal_parent(f->repo, &at, &at, e);
	}
	return rc;
}

static int read_tail(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	struct finder *f = arg;
	struct ids new = {NULL, 0, 0};
	int rc = find_tail(f, tip, &new, e);

	(void)ref;
	for (size_t i = 0; rc == 0 && i < new.n; i++) {
		struct journal_entry *entry;

		XGROW(f->tail, f->n + 1, f->alloc);
		entry = &f->tail[f->n];
		journal_entry_init(entry);
		rc = journal_read(f->repo, &new.v[i], entry, e);
		if (rc < 0) {
			journal_entry_release(entry);
		} else {
			(void)oidmap_put(f->known, &new.v[i], f->n);
			f->n++;
		}
	}
	free(new.v);
	return rc;
}

int finder_open(struct finder **out, struct repo *r, const struct repo_oid *tips, size_t n,
		enum finder_flags flags, struct err *e)
{
	bool readonly = flags & FINDER_READONLY;
	struct finder *f = xcalloc(1, sizeof(*f));
	int rc;

	f->repo = r;
	f->known = oidmap_new();
	rc = runindex_open(&f->index, r, readonly ? RUNINDEX_READONLY : 0, e);
	if (rc == 0 && !readonly)
		rc = runindex_update(f->index, NULL, e);
	if (rc == 0)
		rc = journal_refs(r, read_tail, f, e);
	f->nrefs = f->n;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = read_tail(f, "", &tips[i], e);
	if (rc < 0) {
		finder_close(&f);
		return rc;
	}
	*out = f;
	return 0;
}

void finder_close(struct finder **p)
{
	struct finder *f = *p;

	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		journal_entry_release(&f->tail[i]);
	free(f->tail);
	oidmap_free(f->known);
	runindex_close(&f->index);
	free(f);
	*p = NULL;
}

bool finder_came_along(const struct finder *f, const struct journal_entry *entry)
{
	size_t at;

	return oidmap_get(f->known, &entry->commit, &at) && at >= f->nrefs;
}

const char *finder_skipped(const struct finder *f)
{
	return *f->skipped ? f->skipped : NULL;
}

void finder_treehash_cache(struct finder *f, struct treehash_cache *out)
{
	runindex_treehash_cache(f->index, out);
}

struct runindex *finder_index(struct finder *f)
{
	return f->index;
}

static bool is_run(const struct journal_entry *j)
{
	return j->ok && (j->rec.kind == RECORD_RUN || j->rec.kind == RECORD_RERUN);
}

static int retracted(struct finder *f, const char *run, bool *out, struct err *e)
{
	*out = false;
	for (size_t i = 0; i < f->nrefs; i++) {
		const struct journal_entry *j = &f->tail[i];

		if (j->ok && j->rec.kind == RECORD_RETRACT && j->rec.parent &&
		    !strcmp(j->rec.parent, run))
			*out = true;
	}
	return *out ? 0 : runindex_retracted(f->index, run, out, e);
}

static int give(struct search *s, const struct journal_entry *j, struct err *e)
{
	bool gone = false;
	int rc = 0;

	if (s->stopped || !is_run(j))
		return 0;
	rc = retracted(s->f, j->rec.run, &gone, e);
	if (rc == 0 && !gone)
		rc = s->cb(s->arg, j, e);
	else if (rc == 0)
		snprintf(s->f->skipped, sizeof(s->f->skipped), "%s", j->rec.run);
	s->stopped = rc > 0;
	return rc < 0 ? rc : 0;
}

static int give_row(void *arg, const struct runindex_row *row, struct err *e)
{
	struct search *s = arg;
	struct journal_entry j;
	int rc;

	if (s->stopped)
		return 0;
	journal_entry_init(&j);
	rc = journal_read(s->f->repo, &row->journal, &j, e);
	if (rc == 0)
		rc = give(s, &j, e);
	journal_entry_release(&j);
	return rc;
}

static bool has_output(const struct record *r, const struct wanted *w)
{
	for (size_t i = 0; i < r->noutputs; i++) {
		const struct record_output *o = &r->outputs[i];

		if (w->blob && o->blob && !strcmp(o->blob, w->blob->hex))
			return true;
		if (w->id && o->id && !strcmp(o->id, w->id))
			return true;
	}
	return false;
}

static bool wanted(const struct journal_entry *j, const struct wanted *w)
{
	if (w->commit)
		return j->rec.code.commit && !strcmp(j->rec.code.commit, w->commit->hex);
	return has_output(&j->rec, w);
}

static int search_tail(struct search *s, const struct wanted *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->f->n && !s->stopped; i++)
		if (is_run(&s->f->tail[i]) && wanted(&s->f->tail[i], w))
			rc = give(s, &s->f->tail[i], e);
	return rc;
}

int finder_by_commit(struct finder *f, const struct repo_oid *commit, finder_fn cb, void *arg,
		     struct err *e)
{
	struct search s = {f, cb, arg, false};
	struct wanted w = {.commit = commit};
	int rc;

	f->skipped[0] = '\0';
	rc = search_tail(&s, &w, e);

	return rc < 0 || s.stopped ? rc : runindex_by_commit(f->index, commit, give_row, &s, e);
}

int finder_by_blob(struct finder *f, const struct repo_oid *blob, finder_fn cb, void *arg,
		   struct err *e)
{
	struct search s = {f, cb, arg, false};
	struct wanted w = {.blob = blob};
	int rc;

	f->skipped[0] = '\0';
	rc = search_tail(&s, &w, e);

	if (rc < 0 || s.stopped)
		return rc;
	return runindex_by_output_blob(f->index, NULL, blob, give_row, &s, e);
}

int finder_by_id(struct finder *f, const struct chunkid *id, finder_fn cb, void *arg, struct err *e)
{
	struct chunkid_text text = chunkid_text(id);
	struct search s = {f, cb, arg, false};
	struct wanted w = {.id = text.s};
	int rc;

	f->skipped[0] = '\0';
	rc = search_tail(&s, &w, e);

	if (rc < 0 || s.stopped)
		return rc;
	return runindex_by_output_id(f->index, NULL, id, give_row, &s, e);
}
