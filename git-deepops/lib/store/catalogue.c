/* SPDX-License-Identifier: MIT */
/* catalogue.c - the SQLite commit point of a store; see catalogue.h, gitformat-deepops-store(5) */
#include "store/catalogue_internal.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/xalloc.h"

#define SESSION_DAYS 30
#define NONCE_BYTES 16
#define LOST_MAX (1 << 24)     /* more damage than this is a store to rebuild */
#define SEGMENTS_MAX (1 << 16) /* as is a catalogue with more segments */

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

int catalogue_prepare(struct catalogue *c, struct err *e, struct db_stmt **q, const char *sql,
		      const char *types, ...)
{
	va_list ap;
	int rc;

	va_start(ap, types);
	rc = vprepare(c, q, sql, types, ap, e);
	va_end(ap);
	return rc;
}

int catalogue_run(struct catalogue *c, struct err *e, const char *sql, const char *types, ...)
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

int catalogue_id_column(struct db_stmt *q, int col, struct chunkid *out, struct err *e)
{
	size_t n;
	const void *p = db_blob(q, col, &n);

	if (!p || n != HASH_BYTES)
		return err_set(e, ERR_CORRUPT, "catalogue: an id of %zu bytes", n);
	memcpy(out->b, p, HASH_BYTES);
	return 0;
}

/* One integer; 1 found, 0 no row. */
int catalogue_one_int(struct catalogue *c, const char *sql, int64_t *out, struct err *e)
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

int catalogue_read_generation(struct catalogue *c, uint64_t *generation, struct err *e)
{
	int64_t v = -1;
	int rc = catalogue_one_int(c, "SELECT value FROM meta WHERE key = 'generation'", &v, e);

	if (rc < 0)
		return rc;
	if (rc == 0 || v < 0)
		return err_set(e, ERR_CORRUPT, "catalogue has no generation");
	*generation = (uint64_t)v;
	return 0;
}

int catalogue_hold(struct catalogue *c, struct err *e)
{
	return db_exec(c->db, "BEGIN", e);
}

void catalogue_let_go(struct catalogue *c)
{
	db_rollback(c->db);
}

static int look_segments(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	struct db_stmt *q = NULL;
	size_t alloc = 0;
	int rc = catalogue_prepare(
		c, e, &q, "SELECT id, entries FROM segment ORDER BY generation DESC, id", "");

	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		if (out->n >= SEGMENTS_MAX) {
			rc = err_set(e, ERR_LIMIT, "catalogue names too many segments");
			break;
		}
		XGROW(out->segments, out->n + 1, alloc);
		out->segments[out->n].entries = (uint64_t)db_int(q, 1);
		rc = catalogue_id_column(q, 0, &out->segments[out->n++].id, e);
	}
	db_finish(&q);
	return rc;
}

static int look_lost(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	struct db_stmt *q = NULL;
	struct chunkid id;
	int rc = catalogue_prepare(c, e, &q, "SELECT kind, id FROM lost LIMIT ?1", "i",
				   (int64_t)LOST_MAX);

	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		unsigned int kind = (unsigned int)db_int(q, 0);

		if (!out->lost)
			out->lost = chunkset_new();
		rc = catalogue_id_column(q, 1, &id, e);
		if (rc == 0 && chunkid_kind_ok(kind))
			chunkset_add(out->lost, (enum chunk_kind)kind, &id, 0);
	}
	db_finish(&q);
	return rc;
}

static int look(struct catalogue *c, struct catalogue_view *out, struct err *e)
{
	int64_t suspect = 0;
	int rc = catalogue_read_generation(c, &out->generation, e);

	if (rc == 0)
		rc = catalogue_one_int(c, "SELECT value FROM meta WHERE key = 'suspect'", &suspect,
				       e);
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
	rc = inside ? 0 : catalogue_hold(c, e);
	if (rc == 0)
		rc = look(c, out, e);
	if (!inside)
		catalogue_let_go(c);
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
	int rc = catalogue_prepare(c, e, &q, "SELECT id, entries, bytes FROM pack ORDER BY id", "");

	*out = NULL;
	*n = 0;
	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		struct catalogue_pack p = {.entries = (uint64_t)db_int(q, 1),
					   .bytes = (uint64_t)db_int(q, 2)};

		rc = catalogue_id_column(q, 0, &p.id, e);
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
	int rc = catalogue_one_int(c, "SELECT coalesce(sum(bytes), 0) FROM pack", &v, e);

	*bytes = (uint64_t)v;
	return rc < 0 ? rc : 0;
}

/* ---- transactions ---- */

int catalogue_begin(struct catalogue *c, struct err *e)
{
	uint64_t now = 0;
	int rc = db_begin(c->db, e);

	if (rc == 0) {
		rc = catalogue_read_generation(c, &now, e);
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
		rc = catalogue_run(c, e, "UPDATE meta SET value = ?1 WHERE key = 'generation'", "i",
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
	return catalogue_run(c, e, "INSERT OR REPLACE INTO pack VALUES(?1, ?2, ?3, ?4)", "kiii",
			     &p->id, (int64_t)p->entries, (int64_t)p->bytes,
			     (int64_t)c->generation);
}

int catalogue_drop_pack(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	int rc = catalogue_run(c, e, "DELETE FROM pack WHERE id = ?1", "k", id);

	c->dirty = true;
	return rc < 0 ? rc : catalogue_run(c, e, "DELETE FROM scrub WHERE pack = ?1", "k", id);
}

int catalogue_has_pack(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q, "SELECT 1 FROM pack WHERE id = ?1", "k", id);

	if (rc == 0)
		rc = db_step(q, e);
	db_finish(&q);
	return rc;
}

int catalogue_add_segment(struct catalogue *c, const struct catalogue_segment *s, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "INSERT OR REPLACE INTO segment VALUES(?1, ?2, ?3)", "kii",
			     &s->id, (int64_t)s->entries, (int64_t)c->generation);
}

int catalogue_drop_segment(struct catalogue *c, const struct chunkid *id, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "DELETE FROM segment WHERE id = ?1", "k", id);
}

int catalogue_set_suspect(struct catalogue *c, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "INSERT OR REPLACE INTO meta VALUES('suspect', 1)", "");
}

int catalogue_clear_suspect(struct catalogue *c, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "DELETE FROM meta WHERE key = 'suspect'", "");
}

int catalogue_has_roots(struct catalogue *c, struct err *e)
{
	int64_t any = 0;
	int rc = catalogue_one_int(c, "SELECT EXISTS(SELECT 1 FROM root)", &any, e);

	return rc < 0 ? rc : any != 0;
}

int catalogue_add_lost(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "INSERT OR REPLACE INTO lost VALUES(?1, ?2, ?3)", "iki",
			     (int64_t)key->kind, &key->id, (int64_t)c->generation);
}

int catalogue_drop_lost(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	c->dirty = true;
	return catalogue_run(c, e, "DELETE FROM lost WHERE kind = ?1 AND id = ?2", "ik",
			     (int64_t)key->kind, &key->id);
}

/* ---- sessions, roots, datasets ---- */

int catalogue_session(struct catalogue *c, const uint8_t nonce[16], struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q, "SELECT state FROM session WHERE nonce = ?1", "n",
				   nonce);

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
	int rc = catalogue_run(c, e, "INSERT OR REPLACE INTO session VALUES(?1, ?2, ?3, ?4)",
			       "niii", nonce, (int64_t)state, (int64_t)c->generation, now);

	return rc < 0 ? rc
		      : catalogue_run(c, e, "DELETE FROM session WHERE seen < ?1", "i",
				      now - SESSION_DAYS * CLOCK_DAY_SECONDS);
}

int catalogue_root(struct catalogue *c, const struct chunkkey *key, struct catalogue_root *out,
		   struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q,
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
	return catalogue_run(
		c, e,
		"INSERT INTO root(kind, id, files, bytes, state, pin_until, generation)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(kind, id) DO UPDATE SET"
		" files = ?3, bytes = ?4, state = ?5, pin_until = max(pin_until, ?6),"
		" generation = ?7",
		"ikiiiii", (int64_t)r->key.kind, &r->key.id, (int64_t)r->files, (int64_t)r->bytes,
		(int64_t)r->state, r->pin_until, (int64_t)c->generation);
}

int catalogue_clear_rooted(struct catalogue *c, struct err *e)
{
	return catalogue_run(c, e, "UPDATE root SET rooted = 0 WHERE rooted <> 0", "");
}

int catalogue_set_rooted(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	return catalogue_run(c, e, "UPDATE root SET rooted = 1 WHERE kind = ?1 AND id = ?2", "ik",
			     (int64_t)key->kind, &key->id);
}

int catalogue_dataset(struct catalogue *c, const struct chunkid *split_key, struct chunkid *id,
		      struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q, "SELECT id FROM dataset WHERE split_key = ?1", "k",
				   split_key);

	if (rc == 0)
		rc = db_step(q, e);
	if (rc == 1)
		rc = catalogue_id_column(q, 0, id, e);
	else if (rc == 0)
		rc = err_set(e, ERR_NOTFOUND, "no dataset with split key %s",
			     chunkid_text(split_key).s);
	db_finish(&q);
	return rc;
}

int catalogue_put_dataset(struct catalogue *c, const struct chunkid *split_key,
			  const struct chunkid *id, struct err *e)
{
	return catalogue_run(c, e, "INSERT OR REPLACE INTO dataset VALUES(?1, ?2, ?3)", "kki",
			     split_key, id, (int64_t)c->generation);
}

int catalogue_each_root(struct catalogue *c, struct chunkkey **out, size_t *n, struct err *e)
{
	struct db_stmt *q = NULL;
	size_t alloc = 0;
	int rc = catalogue_prepare(c, e, &q, "SELECT kind, id FROM root WHERE state = ?1", "i",
				   (int64_t)CATALOGUE_ROOT_COMPLETE);

	*out = NULL;
	*n = 0;
	while (rc >= 0 && (rc = db_step(q, e)) == 1) {
		XGROW(*out, *n + 1, alloc);
		(*out)[*n].kind = (uint8_t)db_int(q, 0);
		rc = catalogue_id_column(q, 1, &(*out)[(*n)++].id, e);
	}
	db_finish(&q);
	return rc < 0 ? rc : 0;
}

int catalogue_demote_root(struct catalogue *c, const struct chunkkey *key, struct err *e)
{
	return catalogue_run(c, e, "UPDATE root SET state = ?1 WHERE kind = ?2 AND id = ?3", "iik",
			     (int64_t)CATALOGUE_ROOT_PENDING, (int64_t)key->kind, &key->id);
}

/* ---- what outlives a rebuild ---- */

static int copy_tables(struct catalogue *c, const char *path, struct err *e)
{
	static const char *const tables[] = {"root", "dataset", "quota", "audit"};
	int rc = catalogue_run(c, e, "ATTACH DATABASE ?1 AS old", "t", path);
	struct buf sql = BUF_INIT;

	if (rc < 0)
		return rc;
	rc = db_begin(c->db, e);
	for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0; i++) {
		buf_reset(&sql);
		buf_addf(&sql, "INSERT INTO main.%s SELECT * FROM old.%s", tables[i], tables[i]);
		rc = db_exec(c->db, sql.p, e);
	}
	rc = db_end(c->db, rc, e);
	buf_release(&sql);
	return rc < 0 ? rc : db_exec(c->db, "DETACH DATABASE old", e);
}

int catalogue_inherit(struct catalogue *c, const char *path, struct err *e)
{
	struct catalogue *old;
	int rc = catalogue_open(&old, path, CATALOGUE_READONLY, NULL);

	if (rc == 0)
		rc = catalogue_check(old, NULL);
	catalogue_close(old);
	if (rc < 0)
		return 0;
	rc = copy_tables(c, path, e);
	return rc < 0 ? rc : 1;
}

/* ---- quota, scrub, audit ---- */

int catalogue_quota(struct catalogue *c, uint64_t *max, struct err *e)
{
	int64_t v = 0;
	int rc = catalogue_one_int(c, "SELECT max_bytes FROM quota WHERE scope = 'store'", &v, e);

	*max = rc == 1 && v >= 0 ? (uint64_t)v : UINT64_MAX;
	return rc < 0 ? rc : 0;
}

int catalogue_set_quota(struct catalogue *c, uint64_t max, struct err *e)
{
	if (max > INT64_MAX)
		return catalogue_run(c, e, "DELETE FROM quota WHERE scope = 'store'", "");
	return catalogue_run(c, e, "INSERT OR REPLACE INTO quota VALUES('store', ?1)", "i",
			     (int64_t)max);
}

int catalogue_put_scrub(struct catalogue *c, const struct catalogue_scrub *scrub, struct err *e)
{
	return catalogue_run(
		c, e,
		"INSERT INTO scrub VALUES(?1, ?2, ?3, ?4) ON CONFLICT(pack) DO UPDATE SET"
		" depth = ?2, at = ?3, damaged = ?4 WHERE ?2 >= depth OR ?4 > 0",
		"kiii", &scrub->pack, (int64_t)scrub->depth, scrub->at_ms, (int64_t)scrub->damaged);
}

int catalogue_get_scrub(struct catalogue *c, const struct chunkid *pack,
			struct catalogue_scrub *out, struct err *e)
{
	struct db_stmt *q = NULL;
	int rc = catalogue_prepare(c, e, &q, "SELECT depth, at, damaged FROM scrub WHERE pack = ?1",
				   "k", pack);

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
