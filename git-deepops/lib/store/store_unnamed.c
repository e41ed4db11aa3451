/* SPDX-License-Identifier: MIT */
/* store_unnamed.c - since when nothing names a chunk, and who uses it again; see store.h */
#include <unistd.h>

#include "base/db.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define RENEW_BATCH 65536 /* keys in memory before they are entered */

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS unnamed (kind INTEGER, id BLOB, since INTEGER, seen INTEGER,"
	" PRIMARY KEY (kind, id)) WITHOUT ROWID";

struct store_unnamed {
	struct db *db;
	int64_t now;
};

static int open_db(struct db **db, const char *path, struct err *e)
{
	int rc = db_open(db, path, DB_CREATE, e);

	if (rc == 0) {
		rc = db_exec(*db, schema, e);
		if (rc < 0)
			db_close(*db);
	}
	if (rc < 0)
		*db = NULL;
	return rc;
}

int store_unnamed_begin(struct store_unnamed **out, struct store *s, int64_t now, struct err *e)
{
	char *path = xstrfmt("%s/gc.db", s->dir);
	struct db *db = NULL;
	int rc = open_db(&db, path, e);

	if (rc == ERR_CORRUPT && unlink(path) == 0) { /* every grace period begins anew */
		err_clear(e);
		rc = open_db(&db, path, e);
	}
	free(path);
	if (rc == 0)
		rc = db_begin(db, e);
	*out = NULL;
	if (rc < 0) {
		db_close(db);
		return rc;
	}
	*out = xcalloc(1, sizeof(**out));
	(*out)->db = db;
	(*out)->now = now;
	return 0;
}

int store_unnamed_note(struct store_unnamed *u, const struct chunkkey *key, int64_t *since,
		       struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(u->db, &q,
			    "INSERT INTO unnamed VALUES (?1, ?2, ?3, ?3) ON CONFLICT DO UPDATE SET"
			    " seen = ?3 RETURNING since",
			    e);

	*since = u->now;
	if (rc < 0)
		return rc;
	db_bind_int(q, 1, key->kind);
	db_bind_blob(q, 2, key->id.b, sizeof(key->id.b));
	db_bind_int(q, 3, u->now);
	rc = db_step(q, e);
	if (rc == 1)
		*since = db_int(q, 0);
	db_finish(&q);
	return MIN(rc, 0);
}

static int forget_others(struct store_unnamed *u, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(u->db, &q, "DELETE FROM unnamed WHERE seen <> ?1", e);

	if (rc < 0)
		return rc;
	db_bind_int(q, 1, u->now);
	rc = db_run(q, e);
	db_finish(&q);
	return rc;
}

int store_unnamed_end(struct store_unnamed *u, bool keep, struct err *e)
{
	int rc = 0;

	if (!u)
		return 0;
	if (keep) {
		rc = forget_others(u, e);
		rc = db_end(u->db, rc, e);
	} else {
		db_rollback(u->db);
	}
	db_close(u->db);
	free(u);
	return rc;
}

/* ---- a session finds what it would have stored ---- */

/* Does gc wait for anything to become old?  Mostly there is not even the file. */
bool store_waits_unnamed(struct store *s)
{
	char *path = xstrfmt("%s/gc.db", s->dir);
	struct db_stmt *q = NULL;
	struct db *db = NULL;
	bool waits = false;

	if (access(path, F_OK) == 0 && db_open(&db, path, 0, NULL) == 0 &&
	    db_prepare(db, &q, "SELECT 1 FROM unnamed LIMIT 1", NULL) == 0)
		waits = db_step(q, NULL) == 1;
	if (q)
		db_finish(&q);
	db_close(db);
	free(path);
	return waits;
}

static int forget(struct db *db, const struct chunkset *keys, struct err *e)
{
	struct db_stmt *q = NULL;
	struct chunkkey key;
	size_t it = 0;
	int rc = db_begin(db, e);

	if (rc == 0)
		rc = db_prepare(db, &q, "DELETE FROM unnamed WHERE kind = ?1 AND id = ?2", e);
	while (rc == 0 && chunkset_next(keys, &it, &key, NULL)) {
		db_bind_int(q, 1, key.kind);
		db_bind_blob(q, 2, key.id.b, sizeof(key.id.b));
		rc = db_run(q, e);
	}
	if (q)
		db_finish(&q);
	return db_end(db, rc, e);
}

int store_txn_renew(struct store_txn *t, struct err *e)
{
	char *path = xstrfmt("%s/gc.db", t->s->dir);
	struct db *db = NULL;
	int rc = 0;

	if (t->found && chunkset_count(t->found)) {
		rc = db_open(&db, path, 0, e);
		if (rc == 0)
			rc = forget(db, t->found, e);
		else if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
			rc = 0; /* gc begins anew */
		db_close(db);
		chunkset_free(t->found);
		t->found = chunkset_new();
	}
	free(path);
	return rc;
}

int store_txn_found(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		    struct err *e)
{
	int rc = 0;

	if (!t->found)
		return 1;
	pthread_mutex_lock(&t->lock);
	chunkset_add(t->found, kind, id, 0);
	if (chunkset_count(t->found) >= RENEW_BATCH)
		rc = store_txn_renew(t, e);
	pthread_mutex_unlock(&t->lock);
	return rc < 0 ? rc : 1;
}
