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
	bool retract_writer;              /* only its own journal retracts a run */
	char skipped[RECORD_RUN_HEX + 1]; /* a retracted run that the last search found */
	struct runindex_retraction by;    /* and who said so */
};

/* What is looked for; one member is set. */
struct wanted {
	const struct repo_oid *commit, *blob;
	const char *id; /* sha256:... */
};

struct search {
	struct finder *f;
	finder_fn cb;
	finder_skip_fn skip;
	void *arg;
	bool good; /* of the index: those that were found to count, or the others */
	bool stopped;
};

/* One question to the index. */
typedef int (*index_fn)(struct search *s, const struct wanted *w, struct err *e);

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

void finder_say_skipped(const struct finder *f, struct buf *out)
{
	buf_addf(out, "run %.12s was retracted by %s (journal %s)", f->skipped,
		 *f->by.author ? f->by.author : "somebody", f->by.writer);
}

void finder_retract_by(struct finder *f, bool writer)
{
	f->retract_writer = writer;
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

static bool may_retract(const struct finder *f, const struct record *by, const char *writer)
{
	return !f->retract_writer || !strcmp(by->writer, writer);
}

static int retraction(struct finder *f, const struct record *run, struct runindex_retraction *out,
		      struct err *e)
{
	int rc = runindex_retraction(f->index, run->run, f->retract_writer ? run->writer : NULL,
				     out, e);

	for (size_t i = 0; rc == 0 && i < f->nrefs && !out->retracted; i++) {
		const struct journal_entry *j = &f->tail[i];

		if (!j->ok || j->rec.kind != RECORD_RETRACT || !j->rec.parent ||
		    strcmp(j->rec.parent, run->run) != 0 || !may_retract(f, &j->rec, run->writer))
			continue;
		out->retracted = true;
		snprintf(out->writer, sizeof(out->writer), "%s", j->rec.writer);
		snprintf(out->author, sizeof(out->author), "%s",
			 j->rec.author ? j->rec.author : "");
	}
	return rc;
}

static int give(struct search *s, const struct journal_entry *j, struct err *e)
{
	struct runindex_retraction by;
	int rc = 0;

	if (s->stopped || !is_run(j))
		return 0;
	rc = retraction(s->f, &j->rec, &by, e);
	if (rc == 0 && !by.retracted) {
		rc = s->cb(s->arg, j, e);
	} else if (rc == 0 && !*s->f->skipped) {
		snprintf(s->f->skipped, sizeof(s->f->skipped), "%s", j->rec.run);
		s->f->by = by;
	}
	s->stopped = rc > 0;
	return rc < 0 ? rc : 0;
}

static int give_row(void *arg, const struct runindex_row *row, struct err *e)
{
	struct search *s = arg;
	struct journal_entry j;
	int rc;

	if (s->stopped || (row->found >= 2) != s->good)
		return 0;
	if (s->good && s->skip && s->skip(s->arg, row))
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

/*
 * What the server found to count when it looked comes first, then what it has not looked at
 * yet, then the rest: any number of worthless records hides no good one.
 */
static int search(struct search *s, const struct wanted *w, index_fn ask, struct err *e)
{
	int rc;

	s->f->skipped[0] = '\0';
	s->good = true;
	rc = ask(s, w, e);
	if (rc == 0 && !s->stopped)
		rc = search_tail(s, w, e);
	s->good = false;
	return rc < 0 || s->stopped ? MIN(rc, 0) : ask(s, w, e);
}

static int ask_commit(struct search *s, const struct wanted *w, struct err *e)
{
	return runindex_by_commit(s->f->index, w->commit, give_row, s, e);
}

static int ask_blob(struct search *s, const struct wanted *w, struct err *e)
{
	return runindex_by_output_blob(s->f->index, NULL, w->blob, give_row, s, e);
}

static int ask_id(struct search *s, const struct wanted *w, struct err *e)
{
	struct chunkid id;
	int rc = chunkid_parse(&id, w->id, e);

	return rc < 0 ? rc : runindex_by_output_id(s->f->index, NULL, &id, give_row, s, e);
}

int finder_by_commit(struct finder *f, const struct repo_oid *commit, finder_skip_fn skip,
		     finder_fn cb, void *arg, struct err *e)
{
	struct search s = {.f = f, .cb = cb, .skip = skip, .arg = arg};
	struct wanted w = {.commit = commit};

	return search(&s, &w, ask_commit, e);
}

int finder_by_blob(struct finder *f, const struct repo_oid *blob, finder_fn cb, void *arg,
		   struct err *e)
{
	struct search s = {.f = f, .cb = cb, .arg = arg};
	struct wanted w = {.blob = blob};

	return search(&s, &w, ask_blob, e);
}

int finder_by_id(struct finder *f, const struct chunkid *id, finder_fn cb, void *arg, struct err *e)
{
	struct chunkid_text text = chunkid_text(id);
	struct search s = {.f = f, .cb = cb, .arg = arg};
	struct wanted w = {.id = text.s};

	return search(&s, &w, ask_id, e);
}
