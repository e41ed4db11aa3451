/* SPDX-License-Identifier: MIT */
/* runindex.c - filling runs.db from journals; see runindex.h */
#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run/runindex_internal.h"
#include "run/treehash.h"

#define SCHEMA_VERSION 3
#define BATCH 64 /* entries of one transaction: readers wait no longer than that */
#define SUMMARY_METRICS 4
#define LISTED_ITEMS 1000 /* inputs and outputs that a row shows; the record has all */

static const char schema[] =
	"CREATE TABLE entry ("
	" id INTEGER PRIMARY KEY, journal TEXT UNIQUE NOT NULL, record TEXT, run TEXT, kind TEXT,"
	" writer TEXT, seq INTEGER, code_commit TEXT, code_tree TEXT, title TEXT, author TEXT,"
	" program TEXT, parent TEXT, started INTEGER, wall INTEGER, exit INTEGER, signal INTEGER,"
	" dirty INTEGER, level TEXT, judge TEXT, metrics TEXT, params TEXT, inputs TEXT, outputs "
	"TEXT,"
	" summary TEXT, listed INTEGER NOT NULL DEFAULT 0, base_tree TEXT, found INTEGER);"
	"CREATE INDEX entry_run ON entry(run);"
	"CREATE INDEX entry_record ON entry(record);"
	"CREATE INDEX entry_commit ON entry(code_commit);"
	"CREATE INDEX entry_tree ON entry(code_tree);"
	"CREATE INDEX entry_base ON entry(base_tree);"
	"CREATE INDEX entry_parent ON entry(parent) WHERE parent IS NOT NULL;"
	"CREATE INDEX entry_started ON entry(listed, started);"
	"CREATE TABLE item (entry INTEGER NOT NULL, io TEXT NOT NULL, path TEXT, id TEXT, blob "
	"TEXT);"
	"CREATE INDEX item_entry ON item(entry, io);"
	/* What a run wrote, each once however often the record lists it: one row a run. */
	"CREATE TABLE wrote (what TEXT NOT NULL, entry INTEGER NOT NULL,"
	" PRIMARY KEY (what, entry)) WITHOUT ROWID;"
	/* Which commits' notes show a run. */
	"CREATE TABLE shown (run TEXT NOT NULL, noted TEXT NOT NULL,"
	" PRIMARY KEY (run, noted)) WITHOUT ROWID;"
	"CREATE INDEX shown_noted ON shown(noted);"
	/* What a judge found of a record that can't change. */
	"CREATE TABLE verdict (record TEXT PRIMARY KEY, judge TEXT NOT NULL, findings BLOB NOT "
	"NULL)"
	" WITHOUT ROWID;"
	"CREATE TABLE named (entry INTEGER NOT NULL, what TEXT NOT NULL, name TEXT NOT NULL,"
	" value TEXT, number REAL);"
	"CREATE INDEX named_entry ON named(entry, what, name);"
	"CREATE INDEX named_number ON named(what, name, number);"
	"CREATE TABLE treehash (git TEXT PRIMARY KEY, hash BLOB NOT NULL) WITHOUT ROWID;";

/* ---- opening ---- */

static int make_schema(struct db *db, struct err *e)
{
	int64_t version;
	int rc = db_version(db, &version, e);

	if (rc < 0 || version == SCHEMA_VERSION)
		return rc;
	if (version != 0)
		return err_set(e, ERR_CORRUPT, "runs.db has version %" PRId64, version);
	rc = db_begin(db, e);
	if (rc == 0)
		rc = db_exec(db, schema, e);
	if (rc == 0)
		rc = db_set_version(db, SCHEMA_VERSION, e);
	rc = db_end(db, rc, e);
	return rc;
}

/*
 * Durable in a clone, too: after a power failure an index that was not synced may say that it has
 * seen a journal, and lack its runs.
 */
static int open_db(struct runindex *ix, struct err *e)
{
	unsigned int flags = DB_CREATE | DB_DURABLE;
	int64_t version;
	int rc;

	if (!ix->readonly) {
		rc = path_mkdirs(repo_deepops_dir(ix->repo), 0777, e);
		if (rc == 0)
			rc = db_open(&ix->db, ix->path.p, flags, e);
		if (rc == 0)
			rc = make_schema(ix->db, e);
	} else {
		rc = db_open(&ix->db, ix->path.p, DB_READONLY, e);
		if (rc == 0)
			rc = db_version(ix->db, &version, e);
		if (rc == 0 && version != SCHEMA_VERSION)
			rc = err_set(e, ERR_CORRUPT, "runs.db has version %" PRId64, version);
	}
	if (rc < 0) {
		db_close(ix->db);
		ix->db = NULL;
	}
	return rc;
}

/* Journals are the truth: a broken index is kept for a look and made anew. */
static int set_aside(struct runindex *ix, struct err *e)
{
	struct buf away = BUF_INIT;
	int rc = 0;

	db_close(ix->db);
	ix->db = NULL;
	buf_addf(&away, "%s.broken-%" PRId64, ix->path.p, clock_now_seconds());
	if (rename(ix->path.p, away.p) < 0)
		rc = err_sys(e, "rename %s", ix->path.p);
	buf_addstr(&away, "-journal"); /* a rollback journal belongs to its database */
	if (rc == 0) {
		struct buf old = BUF_INIT;

		buf_addf(&old, "%s-journal", ix->path.p);
		(void)rename(old.p, away.p); /* usually there is none */
		buf_release(&old);
		rc = open_db(ix, e);
	}
	buf_release(&away);
	return rc;
}

int runindex_open(struct runindex **out, struct repo *r, enum runindex_flags flags, struct err *e)
{
	struct runindex *ix = xcalloc(1, sizeof(*ix));
	int rc;

	ix->repo = r;
	ix->readonly = flags & RUNINDEX_READONLY;
	buf_init(&ix->path);
	path_join(&ix->path, repo_deepops_dir(r), "runs.db");
	rc = open_db(ix, e);
	if (rc == ERR_CORRUPT && !ix->readonly) {
		err_clear(e);
		rc = set_aside(ix, e);
	}
	if (rc < 0) {
		runindex_close(&ix);
		return err_wrap(e, "run index");
	}
	*out = ix;
	return 0;
}

/* One transaction; what could not be written is computed again next time. */
static int write_hashes(struct runindex *ix, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc;

	if (!ix->nhashes || !ix->db)
		return 0;
	rc = db_begin(ix->db, e);
	if (rc == 0)
		rc = db_prepare(ix->db, &q,
				"INSERT OR IGNORE INTO treehash (git, hash) VALUES (?1, ?2)", e);
	for (size_t i = 0; rc == 0 && i < ix->nhashes; i++) {
		db_bind_text(q, 1, ix->hashes[i].git.hex);
		db_bind_blob(q, 2, ix->hashes[i].hash.b, sizeof(ix->hashes[i].hash.b));
		rc = db_run(q, e);
	}
	db_finish(&q);
	rc = db_end(ix->db, rc, e);
	ix->nhashes = 0;
	return rc;
}

void runindex_close(struct runindex **p)
{
	struct runindex *ix = *p;

	if (!ix)
		return;
	write_hashes(ix, NULL);
	db_close(ix->db);
	buf_release(&ix->path);
	free(ix->hashes);
	free(ix);
	*p = NULL;
}

/* ---- one entry ---- */

static void bind_int(struct db_stmt *q, int at, int64_t v)
{
	if (v == RECORD_NONE)
		db_bind_null(q, at);
	else
		db_bind_int(q, at, v);
}

static void bind_json(struct db_stmt *q, int at, struct json *j)
{
	struct buf b = BUF_INIT;

	json_text(j, false, &b);
	db_bind_text(q, at, b.p);
	buf_release(&b);
	json_unref(j);
}

/* What users name need not be UTF-8: in JSON it stands as in the record. */
static void put_text(struct json *o, const char *key, const char *value)
{
	struct buf name = BUF_INIT, text = BUF_INIT;

	record_add_text(&name, key);
	record_add_text(&text, value);
	json_put_str(o, name.p, text.p);
	buf_release(&name);
	buf_release(&text);
}

static struct json *pairs_json(const struct record_pairs *p)
{
	struct json *o = json_mkobj();

	for (size_t i = 0; i < p->n; i++)
		put_text(o, p->v[i].name, p->v[i].value);
	return o;
}

static struct json *inputs_json(const struct record *r)
{
	struct json *arr = json_mkarr();

	for (size_t i = 0; i < MIN(r->ninputs, LISTED_ITEMS); i++) {
		const struct record_input *in = &r->inputs[i];
		struct json *o = json_mkobj();

		put_text(o, "path", in->path);
		json_put_str(o, "role", record_input_role_name(in->role));
		json_put_str(o, "id", in->id);
		json_put_int(o, "files", in->files);
		json_put_int(o, "bytes", in->bytes);
		json_push(arr, o);
	}
	return arr;
}

static struct json *outputs_json(const struct record *r)
{
	struct json *arr = json_mkarr();

	for (size_t i = 0; i < MIN(r->noutputs, LISTED_ITEMS); i++) {
		const struct record_output *out = &r->outputs[i];
		struct json *o = json_mkobj();

		put_text(o, "path", out->path);
		json_put_str(o, "role", record_output_role_name(out->role));
		json_put_str(o, "id", out->id);
		json_put_str(o, "blob", out->blob);
		if (out->bytes != RECORD_NONE)
			json_put_int(o, "bytes", out->bytes);
		json_push(arr, o);
	}
	return arr;
}

static void summary(const struct record *r, struct buf *out)
{
	for (size_t i = 0; i < r->metrics_final.n && i < SUMMARY_METRICS; i++)
		buf_addf(out, "%s%s=%s", i ? " " : "", r->metrics_final.v[i].name,
			 r->metrics_final.v[i].value);
}

static void bind_record(struct db_stmt *q, const struct journal_entry *j)
{
	const struct record *r = &j->rec;
	bool runs = r->kind == RECORD_RUN || r->kind == RECORD_RERUN;
	struct buf b = BUF_INIT;

	db_bind_text(q, 3, r->run);
	db_bind_text(q, 4, record_kind_name(r->kind));
	db_bind_text(q, 5, r->writer);
	bind_int(q, 6, r->seq);
	db_bind_text(q, 7, r->code.commit);
	db_bind_text(q, 8, r->code.tree);
	db_bind_text(q, 9, r->title);
	db_bind_text(q, 10, r->author);
	db_bind_text(q, 11, record_program(r));
	db_bind_text(q, 12, r->parent);
	bind_int(q, 13, r->started);
	bind_int(q, 14, r->wall_ms);
	bind_int(q, 15, r->exit);
	bind_int(q, 16, r->signal);
	db_bind_int(q, 17, r->code.dirty);
	bind_json(q, 18, pairs_json(&r->metrics_final));
	bind_json(q, 19, pairs_json(&r->params));
	bind_json(q, 20, inputs_json(r));
	bind_json(q, 21, outputs_json(r));
	summary(r, &b);
	db_bind_text(q, 22, b.p);
	db_bind_int(q, 23, runs);
	db_bind_text(q, 24, r->code.base_tree);
	buf_release(&b);
}

static int add_item(struct db_stmt *q, int64_t entry, const char *io, const char *const v[3],
		    struct err *e)
{
	db_bind_int(q, 1, entry);
	db_bind_text(q, 2, io);
	for (int i = 0; i < 3; i++)
		db_bind_text(q, 3 + i, v[i]);
	return db_run(q, e);
}

/* Contents and blobs of outputs. */
static int add_wrote(struct runindex *ix, int64_t entry, const struct record *r, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, "INSERT OR IGNORE INTO wrote (what, entry) VALUES (?1, ?2)",
			    e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < 2 * r->noutputs; i++) {
		const struct record_output *out = &r->outputs[i / 2];
		const char *what = i % 2 ? out->blob : out->id;

		if (!what)
			continue;
		db_bind_text(q, 1, what);
		db_bind_int(q, 2, entry);
		rc = db_run(q, e);
	}
	db_finish(&q);
	return rc;
}

static int add_items(struct runindex *ix, int64_t entry, const struct record *r, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q,
			    "INSERT INTO item (entry, io, path, id, blob) VALUES (?1,?2,?3,?4,?5)",
			    e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < r->ninputs; i++)
		rc = add_item(q, entry, "in",
			      (const char *const[]){r->inputs[i].path, r->inputs[i].id, NULL}, e);
	for (size_t i = 0; rc == 0 && i < r->noutputs; i++)
		rc = add_item(q, entry, "out",
			      (const char *const[]){r->outputs[i].path, r->outputs[i].id,
						    r->outputs[i].blob},
			      e);
	db_finish(&q);
	return rc < 0 ? rc : add_wrote(ix, entry, r, e);
}

static int add_named(struct db_stmt *q, int64_t entry, const char *what, const char *name,
		     const char *value, struct err *e)
{
	double number;

	db_bind_int(q, 1, entry);
	db_bind_text(q, 2, what);
	db_bind_text(q, 3, name);
	db_bind_text(q, 4, value);
	if (value && num_parse_real(value, &number))
		db_bind_real(q, 5, number);
	else
		db_bind_null(q, 5);
	return db_run(q, e);
}

static int add_names(struct runindex *ix, int64_t entry, const struct record *r, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(
		ix->db, &q,
		"INSERT INTO named (entry, what, name, value, number) VALUES (?1,?2,?3,?4,?5)", e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < r->metrics_final.n; i++)
		rc = add_named(q, entry, "metric", r->metrics_final.v[i].name,
			       r->metrics_final.v[i].value, e);
	for (size_t i = 0; rc == 0 && i < r->params.n; i++)
		rc = add_named(q, entry, "param", r->params.v[i].name, r->params.v[i].value, e);
	for (size_t i = 0; rc == 0 && i < r->tags.nr; i++)
		rc = add_named(q, entry, "tag", r->tags.v[i], NULL, e);
	db_finish(&q);
	return rc;
}

static int add_entry(struct runindex *ix, const struct journal_entry *j, struct err *e)
{
	static const char insert[] =
		"INSERT INTO entry (journal, record, run, kind, writer, seq, code_commit, "
		"code_tree,"
		" title, author, program, parent, started, wall, exit, signal, dirty, "
		"metrics,"
		" params, inputs, outputs, summary, listed, base_tree) VALUES "
		"(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"
		"?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24) RETURNING id";
	static const char bare[] =
		"INSERT INTO entry (journal, record) VALUES (?1, ?2) RETURNING id";
	struct db_stmt *q;
	int64_t id = 0;
	int rc = db_prepare(ix->db, &q, j->ok ? insert : bare, e);

	if (rc < 0)
		return rc;
	db_bind_text(q, 1, j->commit.hex);
	db_bind_text(q, 2, chunkid_text(&j->id).s);
	if (j->ok)
		bind_record(q, j);
	rc = db_step(q, e);
	if (rc == 1) {
		id = db_int(q, 0);
		rc = db_run(q, e);
	}
	db_finish(&q);
	if (rc == 0 && j->ok)
		rc = add_items(ix, id, &j->rec, e);
	if (rc == 0 && j->ok)
		rc = add_names(ix, id, &j->rec, e);
	return rc;
}

/* ---- bringing it up to date ---- */

bool runindex_has_journal_commit(struct runindex *ix, const struct repo_oid *commit)
{
	struct db_stmt *q;
	bool found;

	if (db_prepare(ix->db, &q, "SELECT 1 FROM entry WHERE journal = ?1", NULL) < 0)
		return false;
	db_bind_text(q, 1, commit->hex);
	found = db_step(q, NULL) == 1;
	db_finish(&q);
	return found;
}

/* Entries that are not known, from a tip down, the newest first. */
struct chain {
	struct repo_oid *v;
	size_t n, alloc;
};

static int find_new(struct runindex *ix, const struct repo_oid *tip, struct chain *c, struct err *e)
{
	struct repo_oid at = *tip;
	int rc = 0;

	while (rc == 0 && at.hex[0] && !runindex_has_journal_commit(ix, &at)) {
		XGROW(c->v, c->n + 1, c->alloc);
		c->v[c->n++] = at;
		rc = journal_parent(ix->repo, &at, &at, e);
	}
	if (rc == ERR_NOTFOUND && c->n > 1) { /* history that is not here */
		err_clear(e);
		c->n--;
		rc = 0;
	}
	return rc;
}

static int add_batch(struct runindex *ix, const struct repo_oid *ids, size_t n, struct err *e)
{
	struct journal_entry entry;
	int rc = db_begin(ix->db, e);

	if (rc < 0)
		return rc;
	journal_entry_init(&entry);
	for (size_t i = n; rc == 0 && i-- > 0;) {
		if (runindex_has_journal_commit(ix, &ids[i]))
			continue; /* another process was faster */
		rc = journal_read(ix->repo, &ids[i], &entry, e);
		if (rc == 0)
			rc = add_entry(ix, &entry, e);
		ix->added += rc == 0;
	}
	journal_entry_release(&entry);
	return db_end(ix->db, rc, e);
}

/*
 * The oldest first, so that an entry that is known has all before it known too, whenever
 * this is cut off; and so that ids grow as records were first seen.
 */
static int update_ref(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	struct runindex *ix = arg;
	struct chain c = {NULL, 0, 0};
	int rc = find_new(ix, tip, &c, e);

	while (rc == 0 && c.n) {
		size_t n = MIN(c.n, BATCH);

		rc = add_batch(ix, c.v + c.n - n, n, e);
		c.n -= n;
	}
	free(c.v);
	return rc < 0 ? err_wrap(e, "%s", ref) : 0;
}

int runindex_update(struct runindex *ix, uint64_t *added, struct err *e)
{
	int rc;

	ix->added = 0;
	rc = journal_refs(ix->repo, update_ref, ix, e);
	if (rc == ERR_CORRUPT && !ix->readonly) {
		err_clear(e);
		rc = set_aside(ix, e);
		if (rc == 0)
			rc = journal_refs(ix->repo, update_ref, ix, e);
	}
	if (added)
		*added = ix->added;
	return rc < 0 ? err_wrap(e, "run index") : 0;
}

int runindex_rebuild(struct runindex *ix, struct err *e)
{
	int rc = db_begin(ix->db, e);

	if (rc == 0)
		rc = db_exec(ix->db,
			     "DELETE FROM named; DELETE FROM item;"
			     " DELETE FROM wrote; DELETE FROM verdict; DELETE FROM entry;",
			     e);
	rc = db_end(ix->db, rc, e);
	return rc < 0 ? err_wrap(e, "run index") : runindex_update(ix, NULL, e);
}

/* ---- verdicts ---- */

int runindex_verdict_get(struct runindex *ix, const char *record, const char *judge,
			 struct buf *out)
{
	struct db_stmt *q;
	const void *p;
	size_t n;
	int found;

	if (db_prepare(ix->db, &q, "SELECT findings FROM verdict WHERE record = ?1 AND judge = ?2",
		       NULL) < 0)
		return 0;
	db_bind_text(q, 1, record);
	db_bind_text(q, 2, judge);
	found = db_step(q, NULL) == 1;
	if (found) {
		p = db_blob(q, 0, &n);
		buf_add(out, p ? p : "", n);
	}
	db_finish(&q);
	return found;
}

int runindex_verdict_put(struct runindex *ix, const char *record, const char *judge,
			 const struct buf *findings, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q,
			    "INSERT OR REPLACE INTO verdict (record, judge, findings)"
			    " VALUES (?1, ?2, ?3)",
			    e);

	if (rc < 0)
		return rc;
	db_bind_text(q, 1, record);
	db_bind_text(q, 2, judge);
	db_bind_blob(q, 3, findings->p, findings->len);
	rc = db_run(q, e);
	db_finish(&q);
	return rc;
}

int runindex_found(struct runindex *ix, const struct repo_oid *journal, unsigned int level,
		   struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, "UPDATE entry SET found = ?2 WHERE journal = ?1", e);

	if (rc < 0)
		return rc;
	db_bind_text(q, 1, journal->hex);
	db_bind_int(q, 2, level);
	rc = db_run(q, e);
	db_finish(&q);
	return rc;
}

int runindex_get_found(struct runindex *ix, const struct repo_oid *journal, unsigned int *level)
{
	struct db_stmt *q;
	int found;

	if (db_prepare(ix->db, &q, "SELECT found FROM entry WHERE journal = ?1", NULL) < 0)
		return 0;
	db_bind_text(q, 1, journal->hex);
	found = db_step(q, NULL) == 1 && !db_is_null(q, 0);
	if (found)
		*level = (unsigned int)db_int(q, 0);
	db_finish(&q);
	return found;
}

int runindex_levels(struct runindex *ix, const struct runindex_level *v, size_t n,
		    const char *judge, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = db_begin(ix->db, e);

	if (rc < 0)
		return rc;
	rc = db_prepare(ix->db, &q, "UPDATE entry SET level = ?2, judge = ?3 WHERE journal = ?1",
			e);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		db_bind_text(q, 1, v[i].journal.hex);
		db_bind_text(q, 2, v[i].level);
		db_bind_text(q, 3, judge);
		rc = db_run(q, e);
	}
	db_finish(&q);
	return db_end(ix->db, rc, e);
}

/* ---- which commits show a run ---- */

static int shown_run(struct runindex *ix, const char *sql, const char *commit, const char *run,
		     struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, sql, e);

	if (rc < 0)
		return rc;
	db_bind_text(q, 1, commit);
	if (run)
		db_bind_text(q, 2, run);
	rc = db_run(q, e);
	db_finish(&q);
	return rc;
}

int runindex_shown(struct runindex *ix, const struct strvec *commits, const struct strvec *pairs,
		   struct err *e)
{
	int rc = db_begin(ix->db, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < commits->nr; i++)
		rc = shown_run(ix, "DELETE FROM shown WHERE noted = ?1", commits->v[i], NULL, e);
	for (size_t i = 0; rc == 0 && i < pairs->nr; i++) {
		const char *blank = strchr(pairs->v[i], ' ');
		char *commit = xstrndup(pairs->v[i], (size_t)(blank - pairs->v[i]));

		rc = shown_run(ix, "INSERT OR IGNORE INTO shown (noted, run) VALUES (?1, ?2)",
			       commit, blank + 1, e);
		free(commit);
	}
	return db_end(ix->db, rc, e);
}

/* ---- tree hashes ---- */

static int hash_get(void *arg, const struct repo_oid *id, struct chunkid *hash)
{
	struct runindex *ix = arg;
	struct db_stmt *q;
	const void *p;
	size_t n;
	int found = 0;

	if (db_prepare(ix->db, &q, "SELECT hash FROM treehash WHERE git = ?1", NULL) < 0)
		return 0;
	db_bind_text(q, 1, id->hex);
	if (db_step(q, NULL) == 1) {
		p = db_blob(q, 0, &n);
		if (n == sizeof(hash->b)) {
			memcpy(hash->b, p, n);
			found = 1;
		}
	}
	db_finish(&q);
	return found;
}

static void hash_put(void *arg, const struct repo_oid *id, const struct chunkid *hash)
{
	struct runindex *ix = arg;

	if (ix->readonly)
		return;
	XGROW(ix->hashes, ix->nhashes + 1, ix->hashes_alloc);
	ix->hashes[ix->nhashes].git = *id;
	ix->hashes[ix->nhashes].hash = *hash;
	ix->nhashes++;
}

void runindex_treehash_cache(struct runindex *ix, struct treehash_cache *out)
{
	out->get = hash_get;
	out->put = hash_put;
	out->arg = ix;
}

int runindex_flush(struct runindex *ix, struct err *e)
{
	return write_hashes(ix, e);
}
