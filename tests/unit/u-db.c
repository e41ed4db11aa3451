/* SPDX-License-Identifier: MIT */
/* u-db.c - statements, types, hot journals and broken files; see base/db.h */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/db.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "tap.h"

static char *dir;

static char *at(const char *name)
{
	return xstrfmt("%s/%s", dir, name);
}

static void test_types(void)
{
	struct err e = ERR_INIT;
	struct db *db;
	struct db_stmt *q, *same;
	char *path = at("types.db");
	int64_t version = -1;
	size_t n;

	ok(db_open(&db, path, 0, &e) == ERR_NOTFOUND, "absent without DB_CREATE: %s", e.msg);
	ok(db_open(&db, path, DB_CREATE, &e) == 0, "created");
	ok(db_exec(db, "CREATE TABLE t(i INTEGER, s TEXT, b BLOB, r REAL)", &e) == 0, "table");
	ok(db_prepare(db, &q, "INSERT INTO t VALUES(?1,?2,?3,?4)", &e) == 0, "prepare");
	db_bind_int(q, 1, INT64_MIN);
	db_bind_text(q, 2, "text");
	db_bind_blob(q, 3, "a\0b", 3);
	db_bind_real(q, 4, 0.5);
	ok(db_run(q, &e) == 0, "insert");
	db_bind_null(q, 1);
	db_bind_text(q, 2, NULL);
	db_bind_blob(q, 3, "", 0);
	ok(db_run(q, &e) == 0, "insert again with the same statement");
	same = q;
	db_finish(&q);
	ok(db_prepare(db, &q, "INSERT INTO t VALUES(?1,?2,?3,?4)", &e) == 0 && q == same,
	   "the statement is cached");
	db_finish(&q);

	ok(db_prepare(db, &q, "SELECT i, s, b, r FROM t ORDER BY rowid", &e) == 0, "select");
	ok(db_step(q, &e) == 1 && db_int(q, 0) == INT64_MIN, "integer");
	is_str(db_text(q, 1), "text", "text");
	ok(!memcmp(db_blob(q, 2, &n), "a\0b", 3) && n == 3, "blob");
	is_str(db_text(q, 3), "0.5", "real");
	ok(db_step(q, &e) == 1 && db_is_null(q, 0), "null");
	is_str(db_text(q, 1), "", "text of a null is empty");
	ok(db_blob(q, 2, &n) && n == 0, "an empty blob is not NULL");
	ok(db_step(q, &e) == 0, "end");
	db_finish(&q);

	ok(db_begin(db, &e) == 0 && db_exec(db, "DELETE FROM t", &e) == 0, "delete all");
	ok(db_end(db, ERR_LIMIT, &e) == ERR_LIMIT, "but something else failed");
	ok(db_prepare(db, &q, "SELECT count(*) FROM t", &e) == 0 && db_step(q, &e) == 1 &&
		   db_int(q, 0) == 2,
	   "rolled back");
	db_finish(&q);
	ok(db_begin(db, &e) == 0 && db_exec(db, "DELETE FROM t WHERE i IS NULL", &e) == 0,
	   "delete one");
	ok(db_end(db, 0, &e) == 0 && db_begin(db, &e) == 0, "committed, and none is open");
	db_rollback(db);
	ok(db_end(db, 0, &e) < 0, "a commit without a transaction fails");
	ok(db_prepare(db, &q, "SELECT count(*) FROM t", &e) == 0 && db_step(q, &e) == 1 &&
		   db_int(q, 0) == 1,
	   "one is left");
	db_finish(&q);
	ok(db_set_version(db, 7, &e) == 0 && db_version(db, &version, &e) == 0 && version == 7,
	   "version");
	ok(db_exec(db, "nonsense", &e) < 0 && strstr(e.msg, "types.db"), "error names the file");
	ok(db_begin(db, &e) == 0 && db_exec(db, "DELETE FROM t", &e) == 0, "delete in a txn");
	db_rollback(db);
	db_rollback(db);
	ok(db_prepare(db, &q, "SELECT count(*) FROM t", &e) == 0 && db_step(q, &e) == 1 &&
		   db_int(q, 0) == 1,
	   "rolled back");
	db_finish(&q);
	db_close(db);

	ok(db_open(&db, path, DB_READONLY, &e) == 0 && db_exec(db, "DELETE FROM t", &e) < 0,
	   "read-only refuses to write");
	db_close(db);
	free(path);
}

/* Die inside a transaction whose pages are already in the file. */
static void crash(const char *path)
{
	struct db *db;

	if (db_open(&db, path, DB_CREATE, NULL) < 0 ||
	    db_exec(db, "PRAGMA cache_size=2; BEGIN IMMEDIATE; UPDATE big SET v = v || 'x'", NULL))
		_exit(1);
	kill(getpid(), SIGKILL);
}

static void test_hot_journal(void)
{
	struct err e = ERR_INIT;
	char *path = at("hot.db"), *journal = at("hot.db-journal");
	struct db *db;
	struct db_stmt *q;
	int status;
	pid_t pid;

	ok(db_open(&db, path, DB_CREATE | DB_DURABLE, &e) == 0, "database: %s", e.msg);
	ok(db_exec(db,
		   "CREATE TABLE big(v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
		   "i+1 "
		   "FROM n WHERE i < 2000) INSERT INTO big SELECT printf('%0100d', i) FROM n",
		   &e) == 0,
	   "filled");
	db_close(db);
	fflush(stdout);
	pid = fork();
	if (!pid)
		crash(path);
	waitpid(pid, &status, 0);
	ok(WIFSIGNALED(status) && access(journal, F_OK) == 0, "a hot journal is left behind");
	ok(db_open(&db, path, DB_READONLY, &e) == 0, "opens: %s", e.msg);
	ok(db_prepare(db, &q, "SELECT count(*) FROM big WHERE v LIKE '%x'", &e) == 0 &&
		   db_step(q, &e) == 1 && db_int(q, 0) == 0,
	   "nothing uncommitted is seen");
	db_finish(&q);
	db_close(db);
	free(path);
	free(journal);
}

static void test_broken(void)
{
	struct err e = ERR_INIT;
	char *path = at("broken.db");
	struct db *db;
	FILE *f = fopen(path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is no database ", f);
	fclose(f);
	ok(db_open(&db, path, 0, &e) == ERR_CORRUPT && !db, "not a database: %s", e.msg);
	unlink(path);
	free(path);
}

int main(void)
{
	char template[] = "/tmp/u-db-XXXXXX";

	dir = mkdtemp(template);
	test_types();
	test_hot_journal();
	test_broken();
	ok(path_remove_tree(dir, NULL) == 0, "cleaned up");
	return done_testing();
}
