/* SPDX-License-Identifier: MIT */
/* catalogue.c - the SQLite commit point of a store; see catalogue.h, gitformat-deepops-store(5) */
#include "store/catalogue.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/db.h"
#include "base/hash.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/wr.h"
#include "base/xalloc.h"

#define SESSION_DAYS 30
#define NONCE_BYTES 16
#define LOST_MAX (1 << 24)     /* more damage than this is a store to rebuild */
#define SEGMENTS_MAX (1 << 16) /* as is a catalogue with more segments */

struct catalogue {
	struct db *db;
	uint64_t generation; /* of the open transaction */
	bool dirty;          /* it changes what readers see: they must look again */
};

static const char schema[] =
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE pack(id BLOB PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	" generation INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE segment(id BLOB PRIMARY KEY, entries INTEGER NOT NULL,"
	" generation INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE lost(kind INTEGER NOT NULL, id BLOB NOT NULL, generation INTEGER NOT NULL,"
	" PRIMARY KEY(kind, id)) WITHOUT ROWID;"
	"CREATE TABLE session(nonce BLOB PRIMARY KEY, state INTEGER NOT NULL,"
	" generation INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE root(kind INTEGER NOT NULL, id BLOB NOT NULL, files INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL, state INTEGER NOT NULL, rooted INTEGER NOT NULL DEFAULT 0,"
	" pin_until INTEGER NOT NULL, generation INTEGER NOT NULL,"
	" PRIMARY KEY(kind, id)) WITHOUT ROWID;"
	"CREATE TABLE dataset(split_key BLOB PRIMARY KEY, id BLOB NOT NULL,"
	" generation INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE quota(scope TEXT PRIMARY KEY, max_bytes INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE scrub(pack BLOB PRIMARY KEY, depth INTEGER NOT NULL, at INTEGER NOT NULL,"
	" damaged INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE audit(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL,"
	" what TEXT NOT NULL, detail TEXT NOT NULL, prev BLOB NOT NULL, hash BLOB NOT NULL);"
	"INSERT INTO meta VALUES('generation', 0);";

/*
 * Prepare and bind: 'i' int64_t, 'k' const struct chunkid *, 'n' nonce, 't' text,
 * in the order of ?1, ?2, ...
 */
static int vprepare(struct catalogue *c, struct db_stmt **q, const char *sql, const char *types,
		    va_list ap, struct err *e)
{
	int rc = db_prepare(c->db, q, sql, e);

	for (int at = 1; rc == 0 && types[at - 1]; at++)
		switch (types[at - 1]) {
		case 'i':
			db_bind_int(*q, at, va_arg(ap, int64_t));
			break;
		case 'k':
			db_bind_blob(*q, at, va_arg(ap, const struct chunkid *)->b, HASH_BYTES);
			break;
		case 'n':
			db_bind_blob(*q, at, va_arg(ap, const uint8_t *), NONCE_BYTES);
			break;
		default:
			db_bind_text(*q, at, va_arg(ap, const char *));
		}
	return rc;
}

static int prepare(struct catalogue *c, struct err *e, struct db_stmt **q, const char *sql,
		   const char *types, ...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = vprepare(c, q, sql, types, ap, e);
	va_end(ap);
	return rc;
}

static int run(struct catalogue *c, struct err *e, const char *sql, const char *types, ...)
{
	struct db_stmt *q = NULL;
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = vprepare(c, &q, sql, types, ap, e);
	va_end(ap);
	if (rc == 0)
		rc = db_run(q, e);
	db_finish(&q);
	return rc < 0 ? err_wrap(e, "catalogue") : 0;
}

/* A column that must be a 32-byte blob. */
static int id_column(struct db_stmt *q, int col, struct chunkid *out, struct err *e)
{
	size_t n;
	const void *p = db_blob(q, col, &n);

	if (!p || n != HASH_BYTES)
		return err_set(e, ERR_CORRUPT, "catalogue: an id of %zu bytes", n);
	memcpy(out->b, p, HASH_BYTES);
	return 0;
}

/* One integer; 1 found, 0 no row. */
static int one_int(struct catalogue *c, const char *sql, int64_t *out, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = db_prepare(c->db, &q, sql, e);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1)
		*out = db_int(q, 0);
	db_finish(&q);
	return rc < 0 ? err_wrap(e, "catalogue") : rc;
}

/* ---- opening ---- */

static int make_schema(struct catalogue *c, struct err *e)
{
	int64_t version = 0;
	int rc = db_begin(c->db, e);

	if (rc == 0)
		rc = db_version(c->db, &version, e); /* another process may have been first */
	if (rc == 0 && version == 0)
		rc = db_exec(c->db, schema, e);
	if (rc == 0 && version == 0)
		rc = db_set_version(c->db, CATALOGUE_VERSION, e);
	rc = db_end(c->db, rc, e);
	return rc;
}

static int check_version(struct catalogue *c, enum catalogue_flags flags, struct err *e)
{
	int64_t version = 0;
	int rc = db_version(c->db, &version, e);

	if (rc == 0 && version == 0 && (flags & CATALOGUE_CREATE)) {
		rc = make_schema(c, e);
		version = CATALOGUE_VERSION;
	}
	if (rc < 0)
		return rc;
	if (version == 0)
		return err_set(e, ERR_CORRUPT, "not a catalogue");
	if (version > CATALOGUE_VERSION)
		return err_set(e, ERR_INPUT,
			       "catalogue version %" PRId64 " is newer than this program", version);
	return 0;
}

int catalogue_open(struct catalogue **out, const char *path, enum catalogue_flags flags,
		   struct err *e)
{
	enum db_flags how = DB_DURABLE;
	struct catalogue *c = xcalloc(1, sizeof(*c));
	int rc;

	if (flags & CATALOGUE_CREATE)
		how |= DB_CREATE;
	if (flags & CATALOGUE_READONLY)
		how |= DB_READONLY;
	rc = db_open(&c->db, path, how, e);
	if (rc == 0) {
		rc = check_version(c, flags, e);
		if (rc < 0)
			err_wrap(e, "%s", path);
	}
	if (rc < 0) {
		catalogue_close(c);
		c = NULL;
	}
	*out = c;
	return rc;
}

void catalogue_close(struct catalogue *c)
{
	if (!c)
		return;
	db_close(c->db);
	free(c);
}

/* ---- looking ---- */

static int catalogue_generation(struct catalogue *c, uint64_t *generation, struct err *e)
{
	int64_t v = -1;
	int rc = one_int(c, "SELECT value FROM meta WHERE key = 'generation'", &v, e);

	if (rc < 0)
		return rc;
	if (rc == 0 || v < 0)
		return err_set(e, ERR_CORRUPT, "catalogue has no generation");
	*generation = (uint64_t)v;
	return 0;
}

static int look_segments(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	struct db_stmt *q = NULL;
	size_t alloc = 0;
	int rc = prepare(c, e, &q, "SELECT id, entries FROM segment ORDER BY generation DESC, id",
			 "");

	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		if (out->n >= SEGMENTS_MAX) {
			rc = err_set(e, ERR_LIMIT, "catalogue names too many segments");
			break;
		}
		XGROW(out->segments, out->n + 1, alloc);
		out->segments[out->n].entries = (uint64_t)db_int(q, 1);
		rc = id_column(q, 0, &out->segments[out->n++].id, e);
	}
	db_finish(&q);
	return rc;
}

static int look_lost(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	struct db_stmt *q = NULL;
	struct chunkid id;
	int rc = prepare(c, e, &q, "SELECT kind, id FROM lost LIMIT ?1", "i", (int64_t)LOST_MAX);

	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		unsigned int kind = (unsigned int)db_int(q, 0);

		if (!out->lost)
			out->lost = chunkset_new();
		rc = id_column(q, 1, &id, e);
		if (rc == 0 && chunkid_kind_ok(kind))
			chunkset_add(out->lost, (enum chunk_kind)kind, &id, 0);
	}
	db_finish(&q);
	return rc;
}

static int look(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	int64_t suspect = 0;
	int rc = catalogue_generation(c, &out->generation, e);

	if (rc == 0)
		rc = one_int(c, "SELECT value FROM meta WHERE key = 'suspect'", &suspect, e);
	out->suspect = suspect != 0;
	if (rc >= 0)
		rc = look_segments(c, out, e);
	if (rc >= 0)
		rc = look_lost(c, out, e);
	return rc;
}

int catalogue_look(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	bool inside = c->generation != 0; /* within our own transaction it is consistent already */
	int rc;

	memset(out, 0, sizeof(*out));
	rc = inside ? 0 : db_exec(c->db, "BEGIN", e);
	if (rc == 0)
		rc = look(c, out, e);
	if (!inside)
		db_rollback(c->db);
	if (rc < 0) {
		catalogue_view_release(out);
		return err_wrap(e, "catalogue");
	}
	return 0;
}

void catalogue_view_release(struct catalogue_view *v)
{
	free(v->segments);
	chunkset_free(v->lost);
	memset(v, 0, sizeof(*v));
}

int catalogue_packs(struct catalogue *c, struct catalogue_pack **out, size_t *n, struct err *e)
{
	struct db_stmt *q = NULL;
	size_t alloc = 0;
	int rc = prepare(c, e, &q, "SELECT id, entries, bytes FROM pack ORDER BY id", "");

	*out = NULL;
	*n = 0;
	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		struct catalogue_pack p = {.entries = (uint64_t)db_int(q, 1),
					   .bytes = (uint64_t)db_int(q, 2)};

		rc = id_column(q, 0, &p.id, e);
		if (rc < 0)
			break;
		XGROW(*out, *n + 1, alloc);
		(*out)[(*n)++] = p;
	}
	db_finish(&q);
	if (rc < 0) {
		free(*out);
		*out = NULL;
	}
	return rc < 0 ? rc : 0;
}

int catalogue_bytes(struct catalogue *c, uint64_t *bytes, struct err *e)
{
	int64_t v = 0;
	int rc = one_int(c, "SELECT coalesce(sum(bytes), 0) FROM pack", &v, e);

	*bytes = (uint64_t)v;
	return rc < 0 ? rc : 0;
}

/* ---- transactions ---- */

int catalogue_begin(struct catalogue *c, struct err *e)
{
	uint64_t now = 0;
	int rc = db_begin(c->db, e);

	if (rc == 0) {
		rc = catalogue_generation(c, &now, e);
		if (rc < 0)
			db_rollback(c->db);
	}
	if (rc == 0)
		c->generation = now + 1;
	c->dirty = false;
	return rc;
}

static int commit(struct catalogue *c, struct err *e)
{
	int rc = 0;

	if (c->dirty)
		rc = run(c, e, "UPDATE meta SET value = ?1 WHERE key = 'generation'", "i",
			 (int64_t)c->generation);
	killpoint("store-before-catalogue");
	if (rc == 0)
		rc = db_commit(c->db, e);
	if (rc == 0) {
		c->generation = 0;
		killpoint("store-after-catalogue");
	}
	return rc;
}

void catalogue_rollback(struct catalogue *c)
{
	db_rollback(c->db);
	c->generation = 0;
}

int catalogue_end(struct catalogue *c, int rc, struct err *e)
{
	if (rc == 0)
		rc = commit(c, e);
	if (rc < 0)
		catalogue_rollback(c);
	return rc;
}

int catalogue_add_pack(struct catalogue *c, const struct catalogue_pack *p, struct err *e)
{
	c->dirty = true;
	return run(c, e, "INSERT OR REPLACE INTO pack VALUES(?1, ?2, ?3, ?4)", "kiii", &p->id,
		   (int64_t)p->entries, (int64_t)p->bytes, (int64_t)c->generation);
}

int catalogue_drop_pack(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	int rc = run(c, e, "DELETE FROM pack WHERE id = ?1", "k", id);

	c->dirty = true;
	return rc < 0 ? rc : run(c, e, "DELETE FROM scrub WHERE pack = ?1", "k", id);
}

int catalogue_has_pack(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = prepare(c, e, &q, "SELECT 1 FROM pack WHERE id = ?1", "k", id);

	if (rc == 0)
		rc = db_step(q, e);
	db_finish(&q);
	return rc;
}

int catalogue_add_segment(struct catalogue *c, const struct catalogue_segment *s, struct err *e)
{
	c->dirty = true;
	return run(c, e, "INSERT OR REPLACE INTO segment VALUES(?1, ?2, ?3)", "kii", &s->id,
		   (int64_t)s->entries, (int64_t)c->generation);
}

int catalogue_drop_segment(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	c->dirty = true;
	return run(c, e, "DELETE FROM segment WHERE id = ?1", "k", id);
}

int catalogue_set_suspect(struct catalogue *c, struct err *e)
{
	c->dirty = true;
	return run(c, e, "INSERT OR REPLACE INTO meta VALUES('suspect', 1)", "");
}

int catalogue_add_lost(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	c->dirty = true;
	return run(c, e, "INSERT OR REPLACE INTO lost VALUES(?1, ?2, ?3)", "iki",
		   (int64_t)key->kind, &key->id, (int64_t)c->generation);
}

int catalogue_drop_lost(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	c->dirty = true;
	return run(c, e, "DELETE FROM lost WHERE kind = ?1 AND id = ?2", "ik", (int64_t)key->kind,
		   &key->id);
}

/* ---- sessions, roots, datasets ---- */

int catalogue_session(struct catalogue *c, const uint8_t nonce[16], struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = prepare(c, e, &q, "SELECT state FROM session WHERE nonce = ?1", "n", nonce);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1)
		rc = db_int(q, 0) == CATALOGUE_SESSION_COMMITTED ? CATALOGUE_SESSION_COMMITTED
								 : CATALOGUE_SESSION_OPEN;
	db_finish(&q);
	return rc;
}

int catalogue_set_session(struct catalogue *c, const uint8_t nonce[16],
			  enum catalogue_session state, struct err *e)
{
	int64_t now = clock_now_seconds();
	int rc = run(c, e, "INSERT OR REPLACE INTO session VALUES(?1, ?2, ?3, ?4)", "niii", nonce,
		     (int64_t)state, (int64_t)c->generation, now);

	return rc < 0 ? rc
		      : run(c, e, "DELETE FROM session WHERE seen < ?1", "i",
			    now - SESSION_DAYS * CLOCK_DAY_SECONDS);
}

int catalogue_root(struct catalogue *c, const struct chunkkey *key, struct catalogue_root *out,
		   struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = prepare(c, e, &q,
			 "SELECT state, rooted, files, bytes, pin_until FROM root"
			 " WHERE kind = ?1 AND id = ?2",
			 "ik", (int64_t)key->kind, &key->id);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1) {
		out->key = *key;
		out->state = (enum catalogue_root_state)db_int(q, 0);
		out->rooted = db_int(q, 1) != 0;
		out->files = (uint64_t)db_int(q, 2);
		out->bytes = (uint64_t)db_int(q, 3);
		out->pin_until = db_int(q, 4);
		rc = 0;
	} else if (rc == 0) {
		rc = err_set(e, ERR_NOTFOUND, "%s %s is no root", chunkid_kind_name(key->kind),
			     chunkid_text(&key->id).s);
	}
	db_finish(&q);
	return rc;
}

int catalogue_put_root(struct catalogue *c, const struct catalogue_root *r, struct err *e)
{
	return run(c, e,
		   "INSERT INTO root(kind, id, files, bytes, state, pin_until, generation)"
		   " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(kind, id) DO UPDATE SET"
		   " files = ?3, bytes = ?4, state = ?5, pin_until = max(pin_until, ?6),"
		   " generation = ?7",
		   "ikiiiii", (int64_t)r->key.kind, &r->key.id, (int64_t)r->files,
		   (int64_t)r->bytes, (int64_t)r->state, r->pin_until, (int64_t)c->generation);
}

int catalogue_clear_rooted(struct catalogue *c, struct err *e)
{
	return run(c, e, "UPDATE root SET rooted = 0 WHERE rooted <> 0", "");
}

int catalogue_set_rooted(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	return run(c, e, "UPDATE root SET rooted = 1 WHERE kind = ?1 AND id = ?2", "ik",
		   (int64_t)key->kind, &key->id);
}

int catalogue_dataset(struct catalogue *c, const struct chunkid *split_key, struct chunkid *id,
		      struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = prepare(c, e, &q, "SELECT id FROM dataset WHERE split_key = ?1", "k", split_key);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1)
		rc = id_column(q, 0, id, e);
	else if (rc == 0)
		rc = err_set(e, ERR_NOTFOUND, "no dataset with split key %s",
			     chunkid_text(split_key).s);
	db_finish(&q);
	return rc;
}

int catalogue_put_dataset(struct catalogue *c, const struct chunkid *split_key,
			  const struct chunkid *id, struct err *e)
{
	return run(c, e, "INSERT OR REPLACE INTO dataset VALUES(?1, ?2, ?3)", "kki", split_key, id,
		   (int64_t)c->generation);
}

/* ---- quota, scrub, audit ---- */

int catalogue_quota(struct catalogue *c, uint64_t *max, struct err *e)
{
	int64_t v = 0;
	int rc = one_int(c, "SELECT max_bytes FROM quota WHERE scope = 'store'", &v, e);

	*max = rc == 1 && v >= 0 ? (uint64_t)v : UINT64_MAX;
	return rc < 0 ? rc : 0;
}

int catalogue_set_quota(struct catalogue *c, uint64_t max, struct err *e)
{
	if (max > INT64_MAX)
		return run(c, e, "DELETE FROM quota WHERE scope = 'store'", "");
	return run(c, e, "INSERT OR REPLACE INTO quota VALUES('store', ?1)", "i", (int64_t)max);
}

int catalogue_put_scrub(struct catalogue *c, const struct catalogue_scrub *scrub, struct err *e)
{
	return run(c, e,
		   "INSERT INTO scrub VALUES(?1, ?2, ?3, ?4) ON CONFLICT(pack) DO UPDATE SET"
		   " depth = ?2, at = ?3, damaged = ?4 WHERE ?2 >= depth OR ?4 > 0",
		   "kiii", &scrub->pack, (int64_t)scrub->depth, scrub->at_ms,
		   (int64_t)scrub->damaged);
}

int catalogue_get_scrub(struct catalogue *c, const struct chunkid *pack,
			struct catalogue_scrub *out, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = prepare(c, e, &q, "SELECT depth, at, damaged FROM scrub WHERE pack = ?1", "k",
			 pack);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1) {
		out->pack = *pack;
		out->depth = (int)db_int(q, 0);
		out->at_ms = db_int(q, 1);
		out->damaged = (uint64_t)db_int(q, 2);
	}
	db_finish(&q);
	return rc < 0 ? err_wrap(e, "catalogue") : rc;
}

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
	int rc = prepare(c, e, &q, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", "");

	*seq = 0;
	memset(hash, 0, sizeof(*hash));
	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1) {
		*seq = db_int(q, 0);
		rc = id_column(q, 1, hash, e);
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
	return run(c, e, "INSERT INTO audit VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)", "iitttkk", a.seq,
		   a.at, a.who, a.what, a.detail, &a.prev, &hash);
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
	rc = id_column(q, 5, &a.prev, e);
	if (rc == 0)
		rc = id_column(q, 6, &stored, e);
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
	rc = one_int(c, sql.p, &bad, &why);
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
		rc = catalogue_generation(c, &generation, e);
	if (rc >= 0)
		rc = check_audit(c, e);
	return rc < 0 ? err_wrap(e, "catalogue.db") : 0;
}
