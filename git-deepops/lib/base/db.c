/* SPDX-License-Identifier: MIT */
/* db.c - SQLite, the little of it that we use; see db.h */
#include "base/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/io.h"
#include "base/share.h"
#include "base/xalloc.h"

#define DB_BUSY_MS 60000 /* a server's commit under load; longer means somebody is stuck */

struct db_stmt {
	struct db *db;
	sqlite3_stmt *s;
	char *sql;
	bool busy; /* handed out by db_prepare and not yet finished */
	struct db_stmt *next;
};

struct db {
	sqlite3 *h;
	char *path;
	struct db_stmt *stmts;
};

/* SQLite's last error, in our terms. */
static int db_fail(struct db *db, int rc, struct err *e)
{
	enum err_code code = ERR_SYS;

	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		code = ERR_CORRUPT;
		break;
	case SQLITE_CANTOPEN:
		code = ERR_NOTFOUND;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_READONLY:
	case SQLITE_PERM:
		code = ERR_DENIED;
		break;
	case SQLITE_TOOBIG:
		code = ERR_LIMIT;
		break;
	case SQLITE_CONSTRAINT:
		code = ERR_EXISTS;
		break;
	default:
		break;
	}
	err_set(e, code, "%s: %s", db->path, db->h ? sqlite3_errmsg(db->h) : sqlite3_errstr(rc));
	if (e && code == ERR_SYS)
		e->sys = db->h ? sqlite3_system_errno(db->h) : 0;
	return code;
}

static int db_configure(struct db *db, enum db_flags flags, struct err *e)
{
	const char *sync = flags & DB_DURABLE ? "EXTRA" : flags & DB_WAL ? "NORMAL" : "OFF";
	char *sql;
	int rc;

	sqlite3_busy_timeout(db->h, DB_BUSY_MS);
	if (!io_syncs())
		sync = "OFF";
	sql = xstrfmt("PRAGMA synchronous=%s; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
		      "%s%s",
		      sync, flags & DB_WAL ? "PRAGMA journal_mode=WAL;" : "",
		      flags & DB_READONLY ? "PRAGMA query_only=ON;" : "");
	rc = db_exec(db, sql, e);
	free(sql);
	/* The first read is what finds a file that is no database, and rolls a hot journal back. */
	return rc < 0 ? rc : db_exec(db, "SELECT count(*) FROM sqlite_schema", e);
}

/*
 * SQLite makes databases 0644, and their journals like them.  Only a file that is new: closing
 * another would drop SQLite's locks on it.
 */
static void make_shared(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return; /* there already, or SQLite tells why not */
	share_path(path, fd);
	close(fd);
}

int db_open(struct db **out, const char *path, enum db_flags flags, struct err *e)
{
	int open_flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	struct db *db;
	int rc;

	*out = NULL;
	if (!(flags & DB_CREATE) && access(path, F_OK) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(e, ERR_NOTFOUND, "%s: no such database", path);
		return err_sys(e, "%s", path);
	}
	db = xcalloc(1, sizeof(*db));
	db->path = xstrdup(path);
	if (flags & DB_CREATE) {
		open_flags |= SQLITE_OPEN_CREATE;
		make_shared(path);
	}
	rc = sqlite3_open_v2(path, &db->h, open_flags, NULL);
	rc = rc == SQLITE_OK ? db_configure(db, flags, e) : db_fail(db, rc, e);
	if (rc < 0) {
		db_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	while (db->stmts) {
		struct db_stmt *q = db->stmts;

		db->stmts = q->next;
		sqlite3_finalize(q->s);
		free(q->sql);
		free(q);
	}
	sqlite3_close(db->h);
	free(db->path);
	free(db);
}

int db_exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : db_fail(db, rc, e);
}

/* A free cached statement with this text. */
static struct db_stmt *db_cached(struct db *db, const char *sql)
{
	for (struct db_stmt *q = db->stmts; q; q = q->next)
		if (!q->busy && !strcmp(q->sql, sql))
			return q;
	return NULL;
}

int db_prepare(struct db *db, struct db_stmt **out, const char *sql, struct err *e)
{
	struct db_stmt *q = db_cached(db, sql);

	*out = NULL;
	if (!q) {
		sqlite3_stmt *s = NULL;
		int rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);

		if (rc != SQLITE_OK)
			return db_fail(db, rc, e);
		q = xcalloc(1, sizeof(*q));
		q->db = db;
		q->s = s;
		q->sql = xstrdup(sql);
		q->next = db->stmts;
		db->stmts = q;
	}
	q->busy = true;
	*out = q;
	return 0;
}

int db_step(struct db_stmt *q, struct err *e)
{
	int rc = sqlite3_step(q->s);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	return db_fail(q->db, rc, e);
}

int db_run(struct db_stmt *q, struct err *e)
{
	int rc;

	while ((rc = db_step(q, e)) == 1)
		;
	sqlite3_reset(q->s);
	return rc;
}

void db_finish(struct db_stmt **q)
{
	if (!*q)
		return;
	sqlite3_reset((*q)->s);
	sqlite3_clear_bindings((*q)->s);
	(*q)->busy = false;
	*q = NULL;
}

/*
 * A bind fails only for a wrong index, which is a bug in the statement's text,
 * or out of memory; both end the process, as xalloc does.
 */
static void db_bound(const struct db_stmt *q, int rc)
{
	if (rc == SQLITE_OK)
		return;
	fprintf(stderr, "fatal: binding to \"%s\": %s\n", q->sql, sqlite3_errstr(rc));
	abort();
}

void db_bind_int(struct db_stmt *q, int at, int64_t v)
{
	db_bound(q, sqlite3_bind_int64(q->s, at, v));
}

void db_bind_text(struct db_stmt *q, int at, const char *s)
{
	db_bound(q, sqlite3_bind_text(q->s, at, s, -1, SQLITE_TRANSIENT));
}

void db_bind_blob(struct db_stmt *q, int at, const void *p, size_t n)
{
	db_bound(q, n ? sqlite3_bind_blob64(q->s, at, p, n, SQLITE_TRANSIENT)
		      : sqlite3_bind_zeroblob(q->s, at, 0));
}

void db_bind_real(struct db_stmt *q, int at, double v)
{
	db_bound(q, sqlite3_bind_double(q->s, at, v));
}

void db_bind_null(struct db_stmt *q, int at)
{
	db_bound(q, sqlite3_bind_null(q->s, at));
}

int64_t db_int(struct db_stmt *q, int col)
{
	return sqlite3_column_int64(q->s, col);
}

const char *db_text(struct db_stmt *q, int col)
{
	const unsigned char *s = sqlite3_column_text(q->s, col);

	return s ? (const char *)s : "";
}

const void *db_blob(struct db_stmt *q, int col, size_t *n)
{
	const void *p = sqlite3_column_blob(q->s, col);

	*n = (size_t)sqlite3_column_bytes(q->s, col);
	/* SQLite gives NULL for an empty blob too; only a NULL column may look like one. */
	return p || db_is_null(q, col) ? p : "";
}

bool db_is_null(struct db_stmt *q, int col)
{
	return sqlite3_column_type(q->s, col) == SQLITE_NULL;
}

int db_begin(struct db *db, struct err *e)
{
	return db_exec(db, "BEGIN IMMEDIATE", e);
}

int db_commit(struct db *db, struct err *e)
{
	return db_exec(db, "COMMIT", e);
}

void db_rollback(struct db *db)
{
	if (!sqlite3_get_autocommit(db->h))
		sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
}

int db_end(struct db *db, int rc, struct err *e)
{
	if (rc == 0)
		rc = db_commit(db, e);
	if (rc < 0)
		db_rollback(db);
	return rc;
}

int db_version(struct db *db, int64_t *version, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(db, &q, "PRAGMA user_version", e);

	if (rc < 0)
		return rc;
	rc = db_step(q, e);
	if (rc == 1)
		*version = db_int(q, 0);
	db_finish(&q);
	return rc < 0 ? rc : 0;
}

int db_set_version(struct db *db, int64_t version, struct err *e)
{
	char sql[64];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %" PRId64, version);
	return db_exec(db, sql, e);
}

const char *db_library(void)
{
	return sqlite3_libversion();
}
