/* SPDX-License-Identifier: MIT */
/* catalogue_check.c - the log and its chain, and whether the rows are as they must be; see catalogue.h */
#include "base/clock.h"
#include "base/hash.h"
#include "base/wr.h"
#include "store/catalogue_internal.h"

/* ---- the log ---- */

struct audit {
	int64_t seq, at;
	const char *who, *what, *detail;
	struct chunkid prev;
};

/* hash = SHA-256(prev || le64 seq || le64 at || three times le32 length and bytes) */
static void audit_hash(const struct audit *a, struct chunkid *out)
{
	const char *text[] = {a->who, a->what, a->detail};
	struct buf b = BUF_INIT;

	buf_add(&b, a->prev.b, HASH_BYTES);
	wr_le64(&b, (uint64_t)a->seq);
	wr_le64(&b, (uint64_t)a->at);
	for (size_t i = 0; i < ARRAY_SIZE(text); i++) {
		wr_le32(&b, (uint32_t)strlen(text[i]));
		buf_addstr(&b, text[i]);
	}
	hash_sha256(out->b, b.p, b.len);
	buf_release(&b);
}

/* Where the chain stands: number and hash of its last link (0 and zeros at the start). */
static int audit_last(struct catalogue *c, int64_t *seq, struct chunkid *hash, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q,
				   "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", "");

	*seq = 0;
	memset(hash, 0, sizeof(*hash));
	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1) {
		*seq = db_int(q, 0);
		rc = catalogue_id_column(q, 1, hash, e);
	}
	db_finish(&q);
	return rc;
}

int catalogue_audit(struct catalogue *c, const char *who, const char *what, const char *detail,
		    struct err *e)
{
	struct audit a = {0, clock_now_ms(), who ? who : "", what, detail, {{0}}};
	struct chunkid hash;
	int rc = audit_last(c, &a.seq, &a.prev, e);

	if (rc < 0)
		return rc;
	a.seq++;
	audit_hash(&a, &hash);
	return catalogue_run(c, e, "INSERT INTO audit VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
			     "iitttkk", a.seq, a.at, a.who, a.what, a.detail, &a.prev, &hash);
}

static int check_link(struct db_stmt *q, struct audit *last, struct chunkid *last_hash,
		      struct err *e)
{
	struct audit a = {.seq = db_int(q, 0), .at = db_int(q, 1)};
	struct chunkid stored, hash;
	int rc;

	a.who = db_text(q, 2);
	a.what = db_text(q, 3);
	a.detail = db_text(q, 4);
	rc = catalogue_id_column(q, 5, &a.prev, e);
	if (rc == 0)
		rc = catalogue_id_column(q, 6, &stored, e);
	if (rc < 0)
		return rc;
	audit_hash(&a, &hash);
	if (a.seq != last->seq + 1 || !chunkid_equal(&a.prev, last_hash) ||
	    !chunkid_equal(&hash, &stored))
		return err_set(e, ERR_CORRUPT, "audit log is broken at entry %" PRId64, a.seq);
	last->seq = a.seq;
	*last_hash = hash;
	return 0;
}

#define NO_INT(col) "typeof(" col ") <> 'integer' OR " col " < 0"
#define NO_COUNT(col) "typeof(" col ") <> 'integer' OR " col " < 1"
#define NO_BLOB(col, n) "typeof(" col ") <> 'blob' OR length(" col ") <> " n
#define NO_ID(col) NO_BLOB(col, "32")
#define NO_TEXT(col) "typeof(" col ") <> 'text'"

/* What no writer writes, each table's rules in a row. */
static const struct row_rule {
	const char *table, *bad;
} row_rules[] = {
	{"meta", NO_TEXT("key")},
	{"meta", NO_INT("value")},
	{"pack", NO_ID("id")},
	{"pack", NO_COUNT("entries")},
	{"pack", NO_COUNT("bytes")},
	{"pack", NO_INT("generation")},
	{"segment", NO_ID("id")},
	{"segment", NO_COUNT("entries")},
	{"segment", NO_INT("generation")},
	{"lost", "kind NOT IN (1, 2, 3)"},
	{"lost", NO_ID("id")},
	{"lost", NO_INT("generation")},
	{"session", NO_BLOB("nonce", "16")},
	{"session", "state NOT IN (1, 2)"},
	{"session", NO_INT("generation")},
	{"session", NO_INT("seen")},
	{"root", "kind NOT IN (1, 2)"},
	{"root", NO_ID("id")},
	{"root", NO_INT("files")},
	{"root", NO_INT("bytes")},
	{"root", "state NOT IN (1, 2, 3)"},
	{"root", "rooted NOT IN (0, 1)"},
	{"root", NO_INT("pin_until")},
	{"root", NO_INT("generation")},
	{"dataset", NO_ID("split_key")},
	{"dataset", NO_ID("id")},
	{"dataset", NO_INT("generation")},
	{"quota", NO_TEXT("scope")},
	{"quota", NO_INT("max_bytes")},
	{"scrub", NO_ID("pack")},
	{"scrub", "depth NOT IN (1, 2)"},
	{"scrub", NO_INT("at")},
	{"scrub", NO_INT("damaged")},
	{"audit", NO_COUNT("seq")},
	{"audit", NO_INT("at")},
	{"audit", NO_TEXT("who")},
	{"audit", NO_TEXT("what")},
	{"audit", NO_TEXT("detail")},
};

/* All rules of the table of rule *at in one pass; *at moves on to the next table's. */
static int check_rows(struct catalogue *c, size_t *at, struct err *e)
{
	const char *table = row_rules[*at].table;
	struct err why = ERR_INIT;
	struct buf sql = BUF_INIT;
	int64_t bad = 0;
	int rc;

	buf_addf(&sql, "SELECT count(*) FROM %s WHERE %s", table, row_rules[(*at)++].bad);
	for (; *at < ARRAY_SIZE(row_rules) && !strcmp(row_rules[*at].table, table); (*at)++)
		buf_addf(&sql, " OR %s", row_rules[*at].bad);
	rc = catalogue_one_int(c, sql.p, &bad, &why);
	if (rc == ERR_SYS && !why.sys) /* not the file system's: a table or column is not there */
		rc = err_set(&why, ERR_CORRUPT, "table %s is not as it should be", table);
	else if (rc == 1 && bad)
		rc = err_set(&why, ERR_CORRUPT, "malformed rows in %s: %" PRId64, table, bad);
	buf_release(&sql);
	if (rc < 0 && e)
		*e = why;
	return rc;
}

static int check_audit(struct catalogue *c, struct err *e)
{
	struct audit last = {0};
	struct chunkid hash = {{0}};
	struct db_stmt *q = NULL;
	int rc = db_prepare(c->db, &q,
			    "SELECT seq, at, who, what, detail, prev, hash FROM audit ORDER BY seq",
			    e);

	while (rc >= 0 && (rc = db_step(q, e)) == 1)
		rc = check_link(q, &last, &hash, e);
	db_finish(&q);
	return rc;
}

int catalogue_check(struct catalogue *c, struct err *e)
{
	struct db_stmt *q = NULL;
	uint64_t generation;
	int rc = db_prepare(c->db, &q, "PRAGMA quick_check(1)", e);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1 && strcmp(db_text(q, 0), "ok") != 0)
		rc = err_set(e, ERR_CORRUPT, "%s", db_text(q, 0));
	db_finish(&q);
	for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE(row_rules);)
		rc = check_rows(c, &i, e);
	if (rc >= 0)
		rc = catalogue_read_generation(c, &generation, e);
	if (rc >= 0)
		rc = check_audit(c, e);
	return rc < 0 ? err_wrap(e, "catalogue.db") : 0;
}
