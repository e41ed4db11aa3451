/* SPDX-License-Identifier: MIT */
/*
 * vector-catalogue.h - catalogues as the SQL that makes them
 *
 * Accepted if the code opens and checks the database, and would have made the same tables.
 */
#ifndef TEST_VECTOR_CATALOGUE_H
#define TEST_VECTOR_CATALOGUE_H

#include <stdlib.h>

#include "base/buf.h"
#include "base/db.h"
#include "base/path.h"
#include "base/strvec.h"
#include "store/catalogue.h"
#include "vector-must.h"

/* A table and its columns, a row each. */
#define VECTOR_COLUMNS                                                                             \
	"SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk"   \
	" FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"                \
	" ORDER BY m.name, c.cid"

static inline int vector_columns(const char *path, struct strvec *out, struct err *e)
{
	struct db_stmt *q = NULL;
	struct db *db;
	int rc = db_open(&db, path, DB_READONLY, e);

	if (rc == 0)
		rc = db_prepare(db, &q, VECTOR_COLUMNS, e);
	while (rc >= 0 && (rc = db_step(q, e)) == 1)
		strvec_push(out, db_text(q, 0));
	if (db)
		db_finish(&q);
	db_close(db);
	return rc;
}

static inline int vector_make_db(const char *path, const void *p, size_t len, struct err *e)
{
	struct buf sql = BUF_INIT;
	struct db *db;
	int rc = db_open(&db, path, DB_CREATE, e);

	buf_add(&sql, p, len);
	if (rc == 0 && (db_exec(db, sql.p, e) < 0 || memchr(p, 0, len)))
		rc = err_set(e, ERR_INPUT, "not SQL that makes a catalogue");
	db_close(db);
	buf_release(&sql);
	return rc;
}

/* Opened and checked by the code, which would have made the same tables (and may find more). */
static inline int vector_check_catalogue(const char *path, const char *fresh, struct err *e)
{
	struct strvec got = STRVEC_INIT, want = STRVEC_INIT;
	struct catalogue_view view = {.n = 0};
	struct catalogue *c = NULL;
	int rc = catalogue_open(&c, fresh, CATALOGUE_CREATE, e);

	catalogue_close(c);
	c = NULL;
	if (rc == 0)
		rc = catalogue_open(&c, path, CATALOGUE_READONLY, e);
	if (rc == 0)
		rc = catalogue_check(c, e);
	if (rc == 0)
		rc = catalogue_look(c, &view, e);
	if (rc == 0)
		rc = vector_columns(path, &got, e);
	if (rc == 0)
		rc = vector_columns(fresh, &want, e);
	for (size_t i = 0; rc == 0 && i < want.nr; i++)
		if (!strvec_has(&got, want.v[i]))
			rc = err_set(e, ERR_CORRUPT, "no column %s", want.v[i]);
	catalogue_view_release(&view);
	catalogue_close(c);
	strvec_release(&got);
	strvec_release(&want);
	return rc;
}

static inline int vector_catalogue(const void *p, size_t len, struct err *e)
{
	char dir[] = "/tmp/deepops-vector-XXXXXX";
	struct buf path = BUF_INIT, fresh = BUF_INIT;
	int rc;

	vector_must(mkdtemp(dir) != NULL, "mkdtemp");
	path_join(&path, dir, "catalogue.db");
	path_join(&fresh, dir, "fresh.db");
	rc = vector_make_db(path.p, p, len, e);
	if (rc == 0)
		rc = vector_check_catalogue(path.p, fresh.p, e);
	vector_must(path_remove_tree(dir, NULL) == 0, "clean up");
	buf_release(&path);
	buf_release(&fresh);
	return rc;
}

#endif
