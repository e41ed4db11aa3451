/* SPDX-License-Identifier: MIT */
/* store_scrub.c - reading packs again, to know that they still hold what was written; see store.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define SHARE_ROWS 16 /* rows for a task: about a megabyte */
#define NS_PER_MS INT64_C(1000000)

/* ---- one pack ---- */

/* Some rows of a pack in memory, for a task: how many are bad. */
struct share {
	struct store *s;
	const char *pack;
	const struct pack_row *rows;
	size_t n, bad;
};

static int check_row(struct share *share, struct store_scratch *x, const struct pack_row *row)
{
	const char *entry = share->pack + row->offset;
	int rc = pack_entry_check(row, entry, NULL);

	buf_reset(&x->plain);
	return rc < 0 ? rc : store_decode(x, row, entry + PACK_ENTRY_BYTES, &x->plain, NULL);
}

static void check_share(void *arg)
{
	struct share *share = arg;
	struct store_scratch *x = store_scratch_get(share->s);

	for (size_t i = 0; i < share->n; i++)
		share->bad += check_row(share, x, &share->rows[i]) < 0;
	store_scratch_put(share->s, x);
}

static uint64_t count_bad(struct store *s, struct pool *pool, const struct pack_dir *dir,
			  const char *pack)
{
	struct pool_group *group = pool_group_new(pool);
	size_t n = dir->n / SHARE_ROWS + 1;
	struct share *shares = xcalloc(n, sizeof(*shares));
	uint64_t bad = 0;

	for (size_t i = 0, at = 0; i < n; i++, at += SHARE_ROWS) {
		shares[i] =
			(struct share){s, pack, dir->rows + at, MIN(dir->n - at, SHARE_ROWS), 0};
		pool_group_submit(group, check_share, &shares[i]);
	}
	pool_group_free(group);
	for (size_t i = 0; i < n; i++)
		bad += shares[i].bad;
	free(shares);
	return bad;
}

/* ERR_CORRUPT: the file is missing, cannot be read, or is not what its name says. */
static int read_pack(const struct store *s, const struct chunkid *name, struct buf *content,
		     struct pack_dir *dir)
{
	struct buf path = BUF_INIT;
	int fd, rc;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, name);
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	buf_release(&path);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? ERR_SYS : ERR_CORRUPT;
	/* What is only in memory says nothing about the disk.  A file system without this reads as it can. */
	(void)!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	rc = io_read_fd(fd, PACK_MAX_BYTES, content, NULL);
	close(fd);
	if (rc == 0)
		rc = pack_parse(dir, content->p, content->len, NULL);
	if (rc == 0 && !chunkid_equal(&dir->name, name))
		rc = ERR_CORRUPT;
	return rc < 0 ? ERR_CORRUPT : 0;
}

int store_hash_pack(struct store *s, const struct chunkid *pack, struct pool *pool,
		    struct catalogue_scrub *out, uint64_t *bytes, struct err *e)
{
	struct buf content = BUF_INIT;
	struct pack_dir dir = {.n = 0};
	int rc;

	*out = (struct catalogue_scrub){
		.pack = *pack, .depth = STORE_FSCK_DEEP, .at_ms = clock_now_ms()};
	rc = read_pack(s, pack, &content, &dir);
	if (rc == 0)
		out->damaged = count_bad(s, pool, &dir, content.p);
	else if (rc == ERR_CORRUPT)
		out->damaged = 1;
	*bytes = content.len;
	pack_dir_release(&dir);
	buf_release(&content);
	return rc == ERR_SYS ? err_set(e, ERR_SYS, "too many open files") : 0;
}

bool store_scrub_holds(const struct store *s, const struct catalogue_scrub *scrub)
{
	struct buf path = BUF_INIT;
	struct stat st;
	bool holds = scrub->depth == STORE_FSCK_DEEP && scrub->damaged == 0;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, &scrub->pack);
	/* A copy put in its place, by a restore for instance, was written after that look. */
	holds = holds && stat(path.p, &st) == 0 &&
		st.st_ctim.tv_sec * INT64_C(1000) + st.st_ctim.tv_nsec / NS_PER_MS <= scrub->at_ms;
	buf_release(&path);
	return holds;
}

int store_note_scrubs(struct store *s, const struct catalogue_scrub *scrubs, size_t n,
		      struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		for (size_t i = 0; rc >= 0 && i < n; i++) {
			rc = catalogue_has_pack(s->cat, &scrubs[i].pack, e);
			if (rc == 1)
				rc = catalogue_put_scrub(s->cat, &scrubs[i], e);
		}
		rc = catalogue_end(s->cat, rc, e);
	}
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

/* ---- all packs, or a slice of them ---- */

#define NOTE_PACKS 64 /* packs hashed between two catalogue transactions */

/* A pack and when it was hashed last. */
struct turn {
	struct catalogue_pack pack;
	int64_t at_ms; /* 0: never, or the file changed since */
};

struct scrub {
	struct store *s;
	const struct store_scrub_opts *opts;
	struct store_scrubbed *out;
	struct pool *pool;
	struct turn *turns;
	size_t n;
	struct catalogue_scrub fresh[NOTE_PACKS];
	size_t nfresh;
	struct chunkset *damaged; /* packs */
	struct chunkkey *lost;
	size_t nlost, lost_alloc;
};

static int by_age(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->at_ms < y->at_ms ? -1 : x->at_ms > y->at_ms;
}

/* Every pack of the catalogue, the longest unread first. */
static int list_turns(struct scrub *c, struct err *e)
{
	struct catalogue_pack *packs = NULL;
	struct catalogue_scrub last;
	int rc;

	pthread_mutex_lock(&c->s->cat_lock);
	rc = catalogue_packs(c->s->cat, &packs, &c->n, e);
	c->turns = xcalloc(c->n + 1, sizeof(*c->turns));
	for (size_t i = 0; i < c->n && rc >= 0; i++) {
		c->turns[i].pack = packs[i];
		rc = catalogue_get_scrub(c->s->cat, &packs[i].id, &last, e);
		if (rc == 1 && (last.damaged || store_scrub_holds(c->s, &last)))
			c->turns[i].at_ms = last.at_ms;
	}
	pthread_mutex_unlock(&c->s->cat_lock);
	free(packs);
	qsort(c->turns, c->n, sizeof(*c->turns), by_age);
	return MIN(rc, 0);
}

static int tell(struct scrub *c, const struct chunkid *pack, const struct segment_row *row,
		const char *what, struct err *e)
{
	struct buf file = BUF_INIT;
	struct store_damage d = {.what = what};
	int rc;

	pack_name(&file, pack);
	d.file = file.p;
	if (row)
		d.key = (struct chunkkey){row->kind, row->id};
	rc = c->opts->cb(c->opts->arg, &d, e);
	buf_release(&file);
	return rc;
}

/* Is there a sound copy of this chunk, in this pack or another? 0, ERR_CORRUPT. */
static int try_chunk(struct scrub *c, const struct segment_row *row, struct err *why)
{
	struct store_assembly a = {.s = c->s, .budget = UINT64_MAX, .pool = c->pool};
	struct buf text = BUF_INIT;
	uint64_t bytes;
	int rc = store_load(c->s, (enum chunk_kind)row->kind, &row->id, &text, why);

	buf_release(&text);
	/* A recipe is believed only for its file; chunks that it lacks are told elsewhere. */
	if (rc == 0 && row->kind == CHUNK_RECIPE)
		rc = MIN(store_assemble(&a, &row->id, &bytes, why), 0);
	return rc;
}

static int check_chunk(struct scrub *c, const struct chunkid *pack, const struct segment_row *row,
		       struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	if (store_is_lost(c->s, row->kind, &row->id))
		return 0;
	rc = try_chunk(c, row, &why);
	if (rc == 0)
		return 0;
	if (rc == ERR_SYS && why.sys == EIO) /* a sector that the disk cannot read */
		rc = ERR_CORRUPT;
	if (rc != ERR_CORRUPT && rc != ERR_NOTFOUND) {
		if (e)
			*e = why;
		return rc;
	}
	XGROW(c->lost, c->nlost + 1, c->lost_alloc);
	c->lost[c->nlost++] = (struct chunkkey){row->kind, row->id};
	return tell(c, pack, row, why.msg, e);
}

/* What the segments name of a damaged pack, chunk by chunk.  Rare: all rows are looked through. */
static int check_chunks(struct scrub *c, const struct chunkid *pack, struct err *e)
{
	struct segment **v;
	size_t n;
	int rc = tell(c, pack, NULL, "damaged", e);

	v = store_hold_segments(c->s, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		for (size_t k = 0; k < segment_count(v[i]) && rc == 0; k++) {
			struct segment_row row;

			rc = segment_row_at(v[i], k, &row, e);
			if (rc == 0 && chunkid_equal(segment_pack(v[i], row.pack), pack))
				rc = check_chunk(c, pack, &row, e);
		}
	store_drop_segments(v, n);
	return rc;
}

static int flush_notes(struct scrub *c, struct err *e)
{
	int rc = c->nfresh ? store_note_scrubs(c->s, c->fresh, c->nfresh, e) : 0;

	c->nfresh = 0;
	return rc;
}

static int scrub_pack(struct scrub *c, const struct catalogue_pack *pack, struct err *e)
{
	struct catalogue_scrub *look = &c->fresh[c->nfresh];
	uint64_t bytes;
	int rc = store_hash_pack(c->s, &pack->id, c->pool, look, &bytes, e);

	/* Once more: memory and cables err, too. */
	if (rc == 0 && look->damaged)
		rc = store_hash_pack(c->s, &pack->id, c->pool, look, &bytes, e);
	if (rc < 0)
		return rc;
	c->out->packs++;
	c->out->bytes += bytes;
	if (look->damaged) {
		c->out->damaged++;
		chunkset_add(c->damaged, CHUNK_DATA, &pack->id, 0);
		rc = check_chunks(c, &pack->id, e);
	}
	c->nfresh++;
	return rc == 0 && c->nfresh == NOTE_PACKS ? flush_notes(c, e) : rc;
}

static int scrub_packs(struct scrub *c, struct err *e)
{
	uint64_t most = c->opts->max_bytes ? c->opts->max_bytes : UINT64_MAX, asked = 0;
	int rc = 0, noted;

	for (size_t i = 0; i < c->n && rc == 0; i++) {
		asked += c->turns[i].pack.bytes;
		if (i > 0 && asked > most)
			break;
		rc = scrub_pack(c, &c->turns[i].pack, e);
	}
	noted = flush_notes(c, rc < 0 ? NULL : e);
	return rc < 0 ? rc : noted;
}

/* Lost first: what is written anew is then without it. */
static int mend(struct scrub *c, struct err *e)
{
	int rc = c->nlost ? store_mark_lost(c->s, c->lost, c->nlost, c->opts->who, e) : 0;

	c->out->lost = c->nlost;
	c->out->left = c->out->damaged;
	if (rc < 0 || !c->out->damaged)
		return rc;
	rc = store_salvage(c->s, c->damaged, e);
	if (rc == ERR_DENIED) { /* somebody is pushing */
		err_clear(e);
		return 0;
	}
	if (rc == 0)
		c->out->left = 0;
	return rc;
}

static int count_turns(struct scrub *c, struct err *e)
{
	int rc;

	free(c->turns);
	rc = list_turns(c, e);
	for (size_t i = 0; i < c->n && rc == 0; i++) {
		int64_t at = c->turns[i].at_ms;

		c->out->unread += at == 0;
		if (at && !c->out->oldest_ms)
			c->out->oldest_ms = at; /* they are in order */
	}
	return rc;
}

int store_scrub(struct store *s, const struct store_scrub_opts *opts, struct store_scrubbed *out,
		struct err *e)
{
	struct scrub c = {.s = s, .opts = opts, .out = out};
	int rc;

	memset(out, 0, sizeof(*out));
	if (s->flags & STORE_READONLY)
		return err_set(e, ERR_DENIED, "store %s is open for reading only", s->dir);
	rc = store_refresh(s, e);
	if (rc < 0)
		return rc;
	c.pool = pool_new(0, 0);
	c.damaged = chunkset_new();
	rc = list_turns(&c, e);
	if (rc == 0)
		rc = scrub_packs(&c, e);
	if (rc == 0)
		rc = mend(&c, e);
	if (rc == 0)
		rc = count_turns(&c, e);
	pool_free(c.pool);
	chunkset_free(c.damaged);
	free(c.turns);
	free(c.lost);
	return rc;
}
