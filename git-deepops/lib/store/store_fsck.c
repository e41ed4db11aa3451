/* SPDX-License-Identifier: MIT */
/* store_fsck.c - finding damage; see store.h */
/*
 * QUICK reads the catalogue, all segments, and header and footer of every pack;
 * PACKS reads every byte and checks the sums; DEEP decodes every chunk, compares
 * it with its id, and assembles every file.
 * Every pack belongs to one segment, so memory is one segment's row numbers and
 * one pack with its rows.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define SHARE_ROWS 16 /* rows for a task: about a megabyte */

struct fsck {
	struct store *s;
	enum store_fsck_depth depth;
	struct pool *pool; /* DEEP: for hashing */
	store_damage_fn cb;
	void *arg;
	uint64_t chunks, bytes;
	int64_t began_ms;

	struct catalogue_pack *packs; /* sorted by id */
	uint64_t *damaged;            /* bad entries of packs[i]; UINT64_MAX: no segment names it */
	size_t npacks;

	/* The pack under the hand, and the segment that names its rows, NULL if that is damaged. */
	struct segment *seg;
	struct buf file; /* its name */
	struct buf content;
	struct pack_dir dir;
	bool missing, readable; /* no file; header and footer are right */
	uint64_t *bad;
};

static int report(struct fsck *f, const char *file, const struct segment_row *row, const char *what,
		  struct err *e)
{
	struct store_damage d = {.file = file, .what = what};

	if (row) {
		d.key.kind = row->kind;
		d.key.id = row->id;
	}
	return f->cb(f->arg, &d, e);
}

/* ---- one pack ---- */

static int read_pack(struct fsck *f, const struct catalogue_pack *pack, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd, rc;

	store_path(f->s, &path, f->file.p);
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	buf_release(&path);
	f->missing = fd < 0 && errno == ENOENT;
	if (fd < 0)
		return f->missing ? err_set(e, ERR_CORRUPT, "the file is missing")
				  : err_sys(e, "open");
	if (f->depth == STORE_FSCK_QUICK)
		rc = pack_read_dir(&f->dir, fd, e);
	else
		rc = io_read_fd(fd, PACK_MAX_BYTES, &f->content, e);
	close(fd);
	if (rc == 0 && f->depth != STORE_FSCK_QUICK)
		rc = pack_parse(&f->dir, f->content.p, f->content.len, e);
	if (rc == 0 && !chunkid_equal(&f->dir.name, &pack->id))
		rc = err_set(e, ERR_CORRUPT, "content is not what the name says");
	return rc;
}

/* Check one entry in the bytes that were read; the footer may be gone. */
static int check_entry(struct fsck *f, const struct segment_row *row, struct err *why)
{
	struct pack_row want = store_pack_row(row);
	size_t end = (size_t)row->offset + PACK_ENTRY_BYTES + row->stored;
	struct store_scratch *x;
	int rc;

	if (end > f->content.len)
		return err_set(why, ERR_CORRUPT, "beyond the end of the file");
	rc = pack_entry_check(&want, f->content.p + row->offset, why);
	if (rc < 0 || f->depth != STORE_FSCK_DEEP)
		return rc;
	x = store_scratch_get(f->s);
	rc = store_decode(x, &want, f->content.p + row->offset + PACK_ENTRY_BYTES, &x->plain, why);
	store_scratch_put(f->s, x);
	return rc;
}

static int row_order(const void *key, const void *row)
{
	return pack_row_cmp(key, row);
}

/* Quick: does the directory say what the segment says? */
static int check_against_dir(struct fsck *f, const struct segment_row *row, struct err *why)
{
	struct pack_row key = {.id = row->id, .kind = row->kind};
	const struct pack_row *hit = NULL;

	if (f->dir.n)
		hit = bsearch(&key, f->dir.rows, f->dir.n, sizeof(key), row_order);
	if (!hit || hit->offset != row->offset || hit->stored != row->stored ||
	    hit->plain != row->plain || hit->encoding != row->encoding)
		return err_set(why, ERR_CORRUPT, "segment and directory of the pack disagree");
	return 0;
}

static int check_row(struct fsck *f, const struct segment_row *row, struct err *e)
{
	struct err why = ERR_INIT;
	int rc = 0;

	if (f->missing)
		rc = err_set(&why, ERR_CORRUPT, "its pack is missing");
	else if (f->depth != STORE_FSCK_QUICK)
		rc = check_entry(f, row, &why);
	else if (f->readable)
		rc = check_against_dir(f, row, &why);
	if (rc == 0)
		return 0;
	++*f->bad;
	return report(f, f->file.p, row, why.msg, e);
}

/* ---- the rows of one pack ---- */

/* Some of them, for a task: which deserve a second look. */
struct share {
	struct fsck *f;
	const struct segment_row *rows;
	bool *suspect;
	size_t n;
};

static void check_share(void *arg)
{
	struct share *s = arg;

	for (size_t i = 0; i < s->n; i++)
		s->suspect[i] = check_entry(s->f, &s->rows[i], NULL) < 0;
}

/* Most of DEEP is hashing, which needs no order; messages do, so they come from a second look. */
static void find_suspects(struct fsck *f, const struct segment_row *rows, size_t n, bool *suspect)
{
	struct pool_group *group = pool_group_new(f->pool);
	struct share *shares = xcalloc(n / SHARE_ROWS + 1, sizeof(*shares));

	for (size_t i = 0, at = 0; at < n; i++, at += SHARE_ROWS) {
		shares[i] = (struct share){f, rows + at, suspect + at, MIN(n - at, SHARE_ROWS)};
		pool_group_submit(group, check_share, &shares[i]);
	}
	pool_group_free(group);
	free(shares);
}

static int check_rows(struct fsck *f, const struct segment_row *rows, size_t n, struct err *e)
{
	bool *suspect = xcalloc(n + 1, sizeof(*suspect));
	bool deep = f->pool && !f->missing;
	int rc = 0;

	if (deep)
		find_suspects(f, rows, n, suspect);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		f->chunks++;
		f->bytes += rows[i].stored;
		if (!deep || suspect[i])
			rc = check_row(f, &rows[i], e);
	}
	free(suspect);
	return rc;
}

/* pack_bad_fn: entries that no row of the segment names any more are damage too. */
static int unnamed_bad(void *arg, const struct pack_row *row, const char *what, struct err *e)
{
	struct fsck *f = arg;
	struct segment_row as = {.kind = row->kind, .id = row->id}, named;
	int rc = f->seg ? segment_find(f->seg, row->kind, &row->id, &named, e) : 0;

	if (rc < 0)
		return rc;
	if (rc == 1 && named.offset == row->offset &&
	    chunkid_equal(segment_pack(f->seg, named.pack), &f->dir.name))
		return 0; /* check_row told of it */
	++*f->bad;
	return report(f, f->file.p, &as, what, e);
}

/* The pack at its place in the catalogue; NULL if it is not in there. */
static struct catalogue_pack *find_pack(struct fsck *f, const struct chunkid *id)
{
	size_t lo = 0, hi = f->npacks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = chunkid_cmp(&f->packs[mid].id, id);

		if (cmp == 0)
			return &f->packs[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* Check one pack and those of the segment's rows that lie in it: numbers[0..n). */
static int check_pack(struct fsck *f, struct segment *seg, const struct chunkid *id,
		      const uint32_t *numbers, size_t n, struct err *e)
{
	struct catalogue_pack *pack = find_pack(f, id), unknown = {.id = *id};
	struct segment_row *rows = xcalloc(n + 1, sizeof(*rows));
	uint64_t bad_unknown = 0;
	struct err why = ERR_INIT;
	int rc = 0;

	f->seg = seg;
	f->bad = pack ? &f->damaged[pack - f->packs] : &bad_unknown;
	*f->bad = 0;
	buf_reset(&f->file);
	buf_reset(&f->content);
	pack_name(&f->file, id);
	if (!pack)
		rc = report(f, f->file.p, NULL, "not in the catalogue", e);
	f->readable = read_pack(f, pack ? pack : &unknown, &why) == 0;
	if (rc >= 0 && !f->readable) {
		++*f->bad;
		rc = report(f, f->file.p, NULL, why.msg, e);
	}
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = segment_row_at(seg, numbers[i], &rows[i], e);
	if (rc >= 0)
		rc = check_rows(f, rows, n, e);
	if (rc >= 0 && f->readable && f->depth != STORE_FSCK_QUICK)
		rc = pack_check(&f->dir, f->content.p, unnamed_bad, f, e);
	pack_dir_release(&f->dir);
	free(rows);
	return rc < 0 ? rc : 0;
}

/* ---- one segment ---- */

/* Row numbers of a segment, grouped by pack: first[p] .. first[p + 1] in order. */
static int group_rows(struct segment *seg, uint32_t *first, uint32_t *order, struct err *e)
{
	size_t n = segment_count(seg), npacks = segment_npacks(seg);
	uint32_t *next = xcalloc(npacks + 1, sizeof(*next));
	struct segment_row row;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = segment_row_at(seg, i, &row, e);
		if (rc == 0)
			first[row.pack + 1]++;
	}
	for (size_t p = 0; p < npacks; p++) {
		first[p + 1] += first[p];
		next[p] = first[p];
	}
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = segment_row_at(seg, i, &row, e);
		if (rc == 0)
			order[next[row.pack]++] = (uint32_t)i;
	}
	free(next);
	return rc;
}

static int check_segment(struct fsck *f, struct segment *seg, struct err *e)
{
	size_t npacks = segment_npacks(seg);
	uint32_t *first, *order;
	struct buf name = BUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	segment_name(&name, segment_id(seg));
	if (segment_check(seg, &why) < 0) {
		/* What it says can't be relied on: its packs are checked without it. */
		rc = report(f, name.p, NULL, why.msg, e);
		buf_release(&name);
		return rc < 0 ? rc : 0;
	}
	first = xcalloc(npacks + 1, sizeof(*first));
	order = xcalloc(segment_count(seg), sizeof(*order));
	rc = group_rows(seg, first, order, e);
	for (size_t p = 0; p < npacks && rc == 0; p++)
		rc = check_pack(f, seg, segment_pack(seg, p), order + first[p],
				first[p + 1] - first[p], e);
	free(first);
	free(order);
	buf_release(&name);
	return rc;
}

/* ---- packs that count for nothing ---- */

/*
 * Not named by the catalogue, and not waiting in a session's directory under a second name for a
 * resume or the next sweep.  cat_lock held.
 */
static bool is_stray(struct fsck *f, const char *rel)
{
	struct buf path = BUF_INIT;
	struct chunkid id;
	struct stat st;
	bool stray = chunkid_from_hex(&id, rel + strlen("packs/ab/"), HASH_HEX_BYTES) &&
		     catalogue_has_pack(f->s->cat, &id, NULL) == 0;

	store_path(f->s, &path, rel);
	stray = stray && stat(path.p, &st) == 0 && st.st_nlink == 1;
	buf_release(&path);
	return stray;
}

static int find_strays(struct fsck *f, struct strvec *packs, struct strvec *strays, struct err *e)
{
	bool write = !(f->s->flags & STORE_READONLY);
	int rc = 0;

	/* Whoever commits holds the write lock from before a pack has its name. */
	pthread_mutex_lock(&f->s->cat_lock);
	if (write)
		rc = catalogue_begin(f->s->cat, e);
	for (size_t i = 0; i < packs->nr && rc == 0; i++)
		if (is_stray(f, packs->v[i]))
			strvec_push(strays, packs->v[i]);
	if (write)
		catalogue_rollback(f->s->cat);
	pthread_mutex_unlock(&f->s->cat_lock);
	return rc;
}

static int check_strays(struct fsck *f, struct err *e)
{
	struct strvec packs = STRVEC_INIT, unknown = STRVEC_INIT, strays = STRVEC_INIT;
	struct chunkid id;
	int rc = store_list_packs(f->s, &packs, e);

	for (size_t i = 0; i < packs.nr && rc == 0; i++)
		if (!chunkid_from_hex(&id, packs.v[i] + strlen("packs/ab/"), HASH_HEX_BYTES) ||
		    !find_pack(f, &id))
			strvec_push(&unknown, packs.v[i]);
	if (rc == 0 && unknown.nr)
		rc = find_strays(f, &unknown, &strays, e);
	for (size_t i = 0; i < strays.nr && rc >= 0; i++)
		rc = report(f, strays.v[i], NULL, "the catalogue does not name it", e);
	strvec_release(&packs);
	strvec_release(&unknown);
	strvec_release(&strays);
	return rc;
}

/* ---- files ---- */

/* store_each_fn: a recipe's chunks must be here and give its file. */
static int check_recipe(void *arg, const struct chunkkey *key, const struct store_info *info,
			struct err *e)
{
	struct fsck *f = arg;
	struct store_assembly a = {.s = f->s, .budget = UINT64_MAX, .pool = f->pool};
	struct segment_row row = {.kind = key->kind, .id = key->id};
	struct store_place at;
	struct err why = ERR_INIT;
	struct buf pack = BUF_INIT;
	uint64_t bytes;
	int rc;

	(void)info;
	if (key->kind != CHUNK_RECIPE)
		return 0;
	rc = store_assemble(&a, &key->id, &bytes, &why);
	if (rc == 1)
		return 0;
	if (rc == 0)
		rc = err_set(&why, ERR_CORRUPT, "recipe %s names chunks that are not here",
			     chunkid_text(&key->id).s);
	if (rc != ERR_CORRUPT) {
		if (e)
			*e = why;
		return rc;
	}
	rc = store_find(f->s, CHUNK_RECIPE, &key->id, 0, &at, e);
	if (rc == 1) {
		pack_name(&pack, &at.pack);
		rc = report(f, pack.p, &row, why.msg, e);
	}
	buf_release(&pack);
	return rc < 0 ? rc : 0;
}

/* ---- the whole ---- */

static int check_catalogue(struct fsck *f, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	pthread_mutex_lock(&f->s->cat_lock);
	rc = catalogue_check(f->s->cat, &why);
	if (rc == 0)
		rc = catalogue_packs(f->s->cat, &f->packs, &f->npacks, &why);
	pthread_mutex_unlock(&f->s->cat_lock);
	f->damaged = xcalloc(f->npacks + 1, sizeof(*f->damaged));
	for (size_t i = 0; i < f->npacks; i++)
		f->damaged[i] = UINT64_MAX;
	return rc < 0 ? report(f, "catalogue.db", NULL, why.msg, e) : 0;
}

/* Note when each pack was last read through; a store that can't be written to does without. */
static void record_scrub(struct fsck *f)
{
	struct catalogue *cat = f->s->cat;
	struct catalogue_scrub scrub = {.depth = (int)f->depth, .at_ms = f->began_ms};
	int rc;

	if ((f->s->flags & STORE_READONLY) || f->depth == STORE_FSCK_QUICK)
		return;
	pthread_mutex_lock(&f->s->cat_lock);
	rc = catalogue_begin(cat, NULL);
	for (size_t i = 0; i < f->npacks && rc == 0; i++) {
		scrub.pack = f->packs[i].id;
		scrub.damaged = f->damaged[i];
		rc = catalogue_put_scrub(cat, &scrub, NULL);
	}
	(void)!catalogue_end(cat, rc,
			     NULL); /* when packs were looked at last is no more than a note */
	pthread_mutex_unlock(&f->s->cat_lock);
}

int store_fsck(struct store *s, enum store_fsck_depth depth, store_damage_fn cb, void *arg,
	       uint64_t *chunks, uint64_t *bytes, struct err *e)
{
	struct fsck f = {.s = s,
			 .depth = depth,
			 .cb = cb,
			 .arg = arg,
			 .began_ms = clock_now_ms(),
			 .file = BUF_INIT,
			 .content = BUF_INIT};
	struct segment **v;
	size_t n;
	int rc = store_refresh(s, e);

	if (rc < 0)
		return rc;
	if (depth == STORE_FSCK_DEEP)
		f.pool = pool_new(0, 0);
	v = store_hold_segments(s, &n);
	rc = check_catalogue(&f, e);
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = check_segment(&f, v[i], e);
	for (size_t i = 0; i < f.npacks && rc >= 0; i++)
		if (f.damaged[i] == UINT64_MAX) /* its segment is damaged */
			rc = check_pack(&f, NULL, &f.packs[i].id, NULL, 0, e);
	if (rc >= 0)
		rc = check_strays(&f, e);
	if (rc >= 0 && depth == STORE_FSCK_DEEP)
		rc = store_each(s, check_recipe, &f, e);
	if (rc >= 0)
		record_scrub(&f);
	store_drop_segments(v, n);
	pool_free(f.pool);
	if (chunks)
		*chunks = f.chunks;
	if (bytes)
		*bytes = f.bytes;
	free(f.packs);
	free(f.damaged);
	buf_release(&f.file);
	buf_release(&f.content);
	return rc < 0 ? rc : 0;
}
