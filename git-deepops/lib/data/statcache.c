/* SPDX-License-Identifier: MIT */
/* statcache.c - what was last known of the work tree; see statcache.h */
#include "data/statcache.h"

#include <stdio.h>

#include "base/crc32c.h"
#include "base/db.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/rd.h"
#include "base/wr.h"
#include "base/xalloc.h"
#include "data/scan.h"

/* A changed file rewrites the row it is in: 4,096 names are some 400 KiB. */
#define ROW_MAX_NAMES 4096
#define FILE_ROW "/" /* as `dir` (x'2f' below): the root itself is the file */

/*
 * A row's data: for each file, sorted by name,
 *	u64 mtime_ns, u64 ctime_ns, u64 ino, u64 bytes, u32 mode, id[32], u16 length, name
 * and a CRC-32C of all that: the database is not synced, a torn one must not be believed.
 * The tables carry the version of this form in their name.
 */
static const char schema[] =
	"CREATE TABLE IF NOT EXISTS stat_v1 (tree BLOB, dir BLOB, part INTEGER, data BLOB,"
	" PRIMARY KEY (tree, dir, part));"
	"CREATE TABLE IF NOT EXISTS base_v1 (tree BLOB PRIMARY KEY, pointer BLOB,"
	" partial INTEGER);";

struct statcache {
	char *path, *worktree;
	struct db *db;
	bool off;           /* cannot be used: every answer is "not known" */
	struct strvec gone; /* directories with rows that the applied tree lacks */
};

struct statcache *statcache_open(const char *path, const char *worktree)
{
	struct statcache *c = xcalloc(1, sizeof(*c));

	c->path = xstrdup(path);
	c->worktree = xstrdup(worktree ? worktree : "");
	strvec_init(&c->gone);
	return c;
}

void statcache_close(struct statcache *c)
{
	if (!c)
		return;
	db_close(c->db);
	strvec_release(&c->gone);
	free(c->path);
	free(c->worktree);
	free(c);
}

static void set_aside(struct statcache *c)
{
	char *aside = xstrfmt("%s.broken", c->path);

	db_close(c->db);
	c->db = NULL;
	if (rename(c->path, aside) < 0)
		c->off = true;
	free(aside);
}

static int open_db(struct statcache *c, struct err *e)
{
	int rc = db_open(&c->db, c->path, DB_CREATE, e);

	return rc < 0 ? rc : db_exec(c->db, schema, e);
}

/* The database, or NULL: then there is no cache. */
static struct db *ready(struct statcache *c)
{
	struct buf dir = BUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	if (c->db || c->off)
		return c->db;
	path_dirname(&dir, c->path);
	rc = path_mkdirs(dir.p, 0777, &e);
	if (rc == 0)
		rc = open_db(c, &e);
	if (rc == ERR_CORRUPT) {
		set_aside(c);
		rc = open_db(c, &e);
	}
	if (rc < 0) {
		db_close(c->db);
		c->db = NULL;
		c->off = true;
	}
	buf_release(&dir);
	return c->db;
}

/* Something went wrong in the middle: no more cache for this process. */
static void give_up(struct statcache *c, int rc)
{
	if (rc == ERR_CORRUPT)
		set_aside(c);
	c->off = true;
	db_close(c->db);
	c->db = NULL;
}

/* Prepare `sql` whose first parameter is the key of (worktree, root). */
static int prepare(struct statcache *c, struct db_stmt **q, const char *sql, const char *root,
		   struct err *e)
{
	char *key = xstrfmt("%s\n%s", c->worktree, root);
	int rc = db_prepare(c->db, q, sql, e);

	if (rc == 0)
		db_bind_blob(*q, 1, key, strlen(key));
	free(key);
	return rc;
}

/* ---- rows ---- */

struct cached {
	struct dtree_stat st;
	uint64_t bytes;
	uint32_t mode;
	const uint8_t *id;
	const char *name; /* not terminated */
	size_t len;
};

static bool row_ok(const void *data, size_t len)
{
	struct rd tail;

	if (!data || len < 4)
		return false;
	tail = rd_from((const uint8_t *)data + len - 4, 4);
	return rd_le32(&tail) == crc32c_update(0, data, len - 4);
}

static bool row_next(struct rd *r, struct cached *out)
{
	if (!rd_left(r))
		return false;
	out->st.mtime_ns = (int64_t)rd_le64(r);
	out->st.ctime_ns = (int64_t)rd_le64(r);
	out->st.ino = rd_le64(r);
	out->bytes = rd_le64(r);
	out->mode = rd_le32(r);
	out->id = rd_bytes(r, HASH_BYTES);
	out->len = rd_le16(r);
	out->name = (const char *)rd_bytes(r, out->len);
	return rd_ok(r);
}

static void row_add(struct buf *row, const struct dtree_stat *st, uint64_t bytes, uint32_t mode,
		    const struct dtree_entry *f)
{
	size_t len = strlen(f->name);

	wr_le64(row, (uint64_t)st->mtime_ns);
	wr_le64(row, (uint64_t)st->ctime_ns);
	wr_le64(row, st->ino);
	wr_le64(row, bytes);
	wr_le32(row, mode);
	buf_add(row, f->id.b, sizeof(f->id.b));
	wr_le16(row, (uint16_t)len);
	buf_add(row, f->name, len);
}

static bool same_stat(const struct cached *c, const struct dtree_stat *st, uint64_t bytes)
{
	return c->st.mtime_ns == st->mtime_ns && c->st.ctime_ns == st->ctime_ns &&
	       c->st.ino == st->ino && c->bytes == bytes;
}

/* ---- applying ---- */

static size_t count_files(const struct dtree *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->v[i].kind == NODE_FILE;
	return n;
}

/* A directory without files needs no row. */
static void mark_fileless(struct dtree *d)
{
	d->cached = count_files(d) == 0;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].sub)
			mark_fileless(d->v[i].sub);
}

/* The directory a row is about, loaded entries only. */
static struct dtree *find_dir(struct dtree_entry *tree, const char *path)
{
	struct dtree_entry *at = tree;

	while (*path && at && at->sub) {
		size_t len = strcspn(path, "/");

		at = dtree_lookup(at->sub, path, len);
		path += len;
		path += *path == '/';
	}
	return at ? at->sub : NULL;
}

/* Merge a row with the entries from *at on; both are sorted. Returns how many entries of the row match. */
static size_t apply_row(struct dtree *d, size_t *at, const void *data, size_t len, size_t *names)
{
	struct rd r = rd_from(data, len - 4);
	struct cached c;
	size_t hits = 0;

	for (; row_next(&r, &c); (*names)++) {
		int cmp = 1;

		for (; *at < d->n; (*at)++) {
			cmp = strncmp(d->v[*at].name, c.name, c.len);
			if (cmp == 0 && d->v[*at].name[c.len])
				cmp = 1;
			if (cmp >= 0)
				break;
		}
		if (*at == d->n || cmp != 0 || d->v[*at].kind != NODE_FILE ||
		    d->v[*at].mode != c.mode || !same_stat(&c, &d->stats[*at], d->v[*at].bytes))
			continue;
		memcpy(d->v[*at].id.b, c.id, HASH_BYTES);
		d->v[*at].known = true;
		hits++;
	}
	return hits;
}

struct apply {
	struct buf dir; /* that the last row was of */
	struct dtree *d;
	size_t at, hits, names;
};

static void apply_done(struct apply *a)
{
	if (a->d)
		a->d->cached = a->hits == a->names && a->hits == count_files(a->d);
}

static void apply_next(struct statcache *c, struct apply *a, struct dtree_entry *tree,
		       struct db_stmt *q)
{
	const char *dir = db_text(q, 0);
	size_t len;
	const void *data;

	if (!a->dir.alloc || strcmp(a->dir.p, dir) != 0) {
		apply_done(a);
		buf_sets(&a->dir, dir);
		a->d = find_dir(tree, dir);
		a->at = a->hits = a->names = 0;
		if (!a->d || !a->d->stats) {
			a->d = NULL;
			strvec_push(&c->gone, dir);
		}
	}
	data = db_blob(q, 1, &len);
	if (a->d && row_ok(data, len))
		a->hits += apply_row(a->d, &a->at, data, len, &a->names);
	else
		a->names++; /* rewrites the row */
}

void statcache_apply(struct statcache *c, const char *root, struct dtree_entry *tree)
{
	struct apply a = {BUF_INIT, NULL, 0, 0, 0};
	struct db_stmt *q = NULL;
	struct err e = ERR_INIT;
	int rc;

	strvec_release(&c->gone);
	mark_fileless(tree->sub);
	if (!ready(c))
		return;
	rc = prepare(
		c, &q,
		"SELECT CAST(dir AS TEXT), data FROM stat_v1 WHERE tree = ?1 ORDER BY dir, part",
		root, &e);
	if (rc == 0) {
		while ((rc = db_step(q, &e)) == 1)
			apply_next(c, &a, tree, q);
		apply_done(&a);
	}
	db_finish(&q);
	buf_release(&a.dir);
	if (rc < 0)
		give_up(c, rc);
}

/* ---- saving ---- */

struct save {
	struct statcache *c;
	const char *root;
	struct buf path; /* of the directory at hand, inside the root */
	struct err e;
};

static int delete_rows(struct save *s, const char *dir)
{
	struct db_stmt *q = NULL;
	int rc = prepare(s->c, &q, "DELETE FROM stat_v1 WHERE tree = ?1 AND dir = ?2", s->root,
			 &s->e);

	if (rc == 0) {
		db_bind_blob(q, 2, dir, strlen(dir));
		rc = db_run(q, &s->e);
	}
	db_finish(&q);
	return rc;
}

static int insert_row(struct save *s, const char *dir, int part, struct buf *row)
{
	struct db_stmt *q = NULL;
	int rc = prepare(s->c, &q,
			 "INSERT INTO stat_v1 (tree, dir, part, data) VALUES (?1, ?2, ?3, ?4)",
			 s->root, &s->e);

	wr_le32(row, crc32c_update(0, row->p, row->len));
	if (rc == 0) {
		db_bind_blob(q, 2, dir, strlen(dir));
		db_bind_int(q, 3, part);
		db_bind_blob(q, 4, row->p, row->len);
		rc = db_run(q, &s->e);
	}
	db_finish(&q);
	return rc;
}

static bool trusted(const struct dtree_stat *st)
{
	switch (st->trust) {
	case DTREE_TRUST_ALWAYS:
		return true;
	case DTREE_TRUST_IF_PAST:
		return scan_is_past(st->mtime_ns, st->ctime_ns);
	case DTREE_TRUST_NEVER:
		break;
	}
	return false;
}

static int save_dir(struct save *s, struct dtree *d)
{
	struct buf row = BUF_INIT;
	size_t names = 0;
	int part = 0, rc = delete_rows(s, s->path.p);

	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		const struct dtree_entry *f = &d->v[i];

		if (f->kind != NODE_FILE || !f->known || !trusted(&d->stats[i]))
			continue;
		row_add(&row, &d->stats[i], f->bytes, f->mode, f);
		if (++names % ROW_MAX_NAMES)
			continue;
		rc = insert_row(s, s->path.p, part++, &row);
		buf_reset(&row);
	}
	if (rc == 0 && row.len)
		rc = insert_row(s, s->path.p, part, &row);
	buf_release(&row);
	d->cached = true;
	return rc;
}

static int save_tree(struct save *s, struct dtree *d)
{
	size_t len = s->path.len;
	int rc = d->cached || !d->stats ? 0 : save_dir(s, d);

	for (size_t i = 0; rc == 0 && i < d->n; i++) {
		if (!d->v[i].sub)
			continue;
		path_enter(&s->path, d->v[i].name);
		rc = save_tree(s, d->v[i].sub);
		buf_setlen(&s->path, len);
	}
	return rc;
}

static bool all_cached(const struct dtree *d)
{
	if (!d->cached)
		return false;
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].sub && !all_cached(d->v[i].sub))
			return false;
	return true;
}

void statcache_save(struct statcache *c, const char *root, struct dtree_entry *tree)
{
	struct save s = {c, root, BUF_INIT, ERR_INIT};
	int rc;

	if ((!c->gone.nr && all_cached(tree->sub)) || !ready(c))
		return;
	rc = db_begin(c->db, &s.e);
	for (size_t i = 0; rc == 0 && i < c->gone.nr; i++)
		rc = delete_rows(&s, c->gone.v[i]);
	if (rc == 0)
		rc = save_tree(&s, tree->sub);
	if (rc == 0)
		rc = db_commit(c->db, &s.e);
	if (rc < 0)
		give_up(c, rc);
	strvec_release(&c->gone);
	buf_release(&s.path);
}

bool statcache_file(struct statcache *c, const char *root, const struct dtree_stat *st,
		    uint64_t bytes, struct chunkid *id)
{
	struct db_stmt *q = NULL;
	struct err e = ERR_INIT;
	struct cached hit;
	const void *data;
	size_t len;
	bool found = false;

	if (!ready(c))
		return false;
	if (prepare(c, &q, "SELECT data FROM stat_v1 WHERE tree = ?1 AND dir = x'2f'", root, &e) ==
		    0 &&
	    db_step(q, &e) == 1) {
		data = db_blob(q, 0, &len);
		if (row_ok(data, len)) {
			struct rd r = rd_from(data, len - 4);

			found = row_next(&r, &hit) && same_stat(&hit, st, bytes);
		}
		if (found)
			memcpy(id->b, hit.id, HASH_BYTES);
	}
	db_finish(&q);
	return found;
}

void statcache_save_file(struct statcache *c, const char *root, const struct dtree_stat *st,
			 uint64_t bytes, const struct chunkid *id)
{
	struct save s = {c, root, BUF_INIT, ERR_INIT};
	struct dtree_entry f = {.name = "", .id = *id};
	struct buf row = BUF_INIT;
	int rc;

	if (!trusted(st) || !ready(c))
		return;
	row_add(&row, st, bytes, 0, &f);
	rc = db_begin(c->db, &s.e);
	if (rc == 0)
		rc = delete_rows(&s, FILE_ROW);
	if (rc == 0)
		rc = insert_row(&s, FILE_ROW, 0, &row);
	if (rc == 0)
		rc = db_commit(c->db, &s.e);
	if (rc < 0)
		give_up(c, rc);
	buf_release(&row);
}

/* ---- base ---- */

enum base_extent { BASE_WHOLE, BASE_PARTIAL, BASE_UNFINISHED }; /* the column `partial` */

static bool read_base(struct statcache *c, const char *root, struct pointer *out,
		      enum base_extent *extent)
{
	struct db_stmt *q = NULL;
	struct err e = ERR_INIT;
	bool found = false;
	const void *text;
	size_t len;

	pointer_release(out);
	if (!ready(c))
		return false;
	if (prepare(c, &q, "SELECT pointer, partial FROM base_v1 WHERE tree = ?1", root, &e) == 0 &&
	    db_step(q, &e) == 1) {
		text = db_blob(q, 0, &len);
		*extent = (enum base_extent)db_int(q, 1);
		found = text && pointer_parse(out, text, len, "base", &e) == 0;
	}
	db_finish(&q);
	return found;
}

static void write_base(struct statcache *c, const char *root, const struct pointer *p,
		       enum base_extent extent)
{
	struct buf text = BUF_INIT;
	struct db_stmt *q = NULL;
	struct err e = ERR_INIT;
	struct pointer now;
	enum base_extent was;
	int rc;

	pointer_init(&now);
	if (read_base(c, root, &now, &was) && was == extent && pointer_equal(&now, p)) {
		pointer_release(&now);
		return;
	}
	pointer_release(&now);
	if (!ready(c))
		return;
	pointer_format(p, &text);
	rc = prepare(c, &q,
		     "INSERT OR REPLACE INTO base_v1 (tree, pointer, partial) VALUES (?1, ?2, ?3)",
		     root, &e);
	if (rc == 0) {
		db_bind_blob(q, 2, text.p, text.len);
		db_bind_int(q, 3, extent);
		rc = db_run(q, &e);
	}
	db_finish(&q);
	buf_release(&text);
	if (rc < 0)
		give_up(c, rc);
}

bool statcache_base(struct statcache *c, const char *root, struct pointer *out, bool *partial)
{
	enum base_extent extent;
	bool found = read_base(c, root, out, &extent);

	if (found)
		*partial = extent != BASE_WHOLE;
	return found;
}

void statcache_set_base(struct statcache *c, const char *root, const struct pointer *p,
			bool partial)
{
	write_base(c, root, p, partial ? BASE_PARTIAL : BASE_WHOLE);
}

void statcache_set_unfinished(struct statcache *c, const char *root, const struct pointer *p)
{
	write_base(c, root, p, BASE_UNFINISHED);
}

bool statcache_is_unfinished(struct statcache *c, const char *root)
{
	enum base_extent extent;
	struct pointer base;
	bool found;

	pointer_init(&base);
	found = read_base(c, root, &base, &extent);
	pointer_release(&base);
	return found && extent == BASE_UNFINISHED;
}

void statcache_forget(struct statcache *c, const char *root)
{
	static const char *const sql[] = {"DELETE FROM stat_v1 WHERE tree = ?1",
					  "DELETE FROM base_v1 WHERE tree = ?1"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(sql) && ready(c); i++) {
		struct db_stmt *q = NULL;
		struct err e = ERR_INIT;

		rc = prepare(c, &q, sql[i], root, &e);
		if (rc == 0)
			rc = db_run(q, &e);
		db_finish(&q);
		if (rc < 0)
			give_up(c, rc);
	}
}
