/* SPDX-License-Identifier: MIT */
/*
 * db.h - SQLite, the little of it that we use
 *
 *	struct db_stmt *q;
 *	db_prepare(db, &q, "SELECT state FROM root WHERE id = ?1", e);
 *	db_bind_blob(q, 1, id, 32);
 *	while ((rc = db_step(q, e)) == 1)
 *		state = db_int(q, 0);
 *	db_finish(&q);
 *
 *	rc = db_begin(db, e);
 *	if (rc == 0)
 *		rc = db_exec(db, "DELETE FROM root", e);
 *	rc = db_end(db, rc, e);
 *
 * Statements are cached by text for the life of the connection: db_finish
 * resets and returns them.  Values bound are copied.  Busy waits up to 60 s.
 */
#ifndef BASE_DB_H
#define BASE_DB_H

#include "base/err.h"

struct db;
struct db_stmt;

/* Without DB_DURABLE and DB_WAL nothing is synced: for caches that can be rebuilt. */
enum db_flags {
	DB_CREATE = 1 << 0,
	DB_DURABLE = 1 << 1,  /* synchronous=EXTRA: a commit that returned is on disk */
	DB_WAL = 1 << 2,      /* write-ahead log; default is the rollback journal */
	DB_READONLY = 1 << 3, /* query_only, after a hot journal was rolled back */
};

/* ERR_NOTFOUND without DB_CREATE if absent; ERR_CORRUPT if not a database. Threads: serialise yourself. */
int db_open(struct db **out, const char *path, enum db_flags flags, struct err *e) MUST_CHECK;
void db_close(struct db *db);

int db_exec(struct db *db, const char *sql, struct err *e) MUST_CHECK; /* several statements */
int db_prepare(struct db *db, struct db_stmt **out, const char *sql, struct err *e) MUST_CHECK;
int db_step(struct db_stmt *q, struct err *e) MUST_CHECK; /* 1 row, 0 done, <0 error */
int db_run(struct db_stmt *q,
	   struct err *e) MUST_CHECK; /* step to the end, then reset, ignoring rows */
void db_finish(struct db_stmt **q);

void db_bind_int(struct db_stmt *q, int at, int64_t v);      /* `at` from 1 */
void db_bind_text(struct db_stmt *q, int at, const char *s); /* NULL binds NULL */
void db_bind_blob(struct db_stmt *q, int at, const void *p, size_t n);
void db_bind_real(struct db_stmt *q, int at, double v);
void db_bind_null(struct db_stmt *q, int at);

int64_t db_int(struct db_stmt *q, int col);      /* `col` from 0 */
const char *db_text(struct db_stmt *q, int col); /* borrowed until the next step; "" for NULL */
const void *db_blob(struct db_stmt *q, int col, size_t *n); /* borrowed; NULL for NULL */
bool db_is_null(struct db_stmt *q, int col);

int db_begin(struct db *db, struct err *e) MUST_CHECK; /* BEGIN IMMEDIATE */
int db_commit(struct db *db, struct err *e) MUST_CHECK;
void db_rollback(struct db *db); /* fine when none is open */
/* Commit if `rc` is 0, else roll back.  Returns rc, or the error of a commit that failed. */
int db_end(struct db *db, int rc, struct err *e) MUST_CHECK;

/* PRAGMA user_version; db_open does not touch it. */
int db_version(struct db *db, int64_t *version, struct err *e) MUST_CHECK;
int db_set_version(struct db *db, int64_t version, struct err *e) MUST_CHECK;

const char *db_library(void); /* version of SQLite */

#endif
