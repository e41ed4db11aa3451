/* SPDX-License-Identifier: MIT */
/* store_evict.c - removing chunks that nobody wants to keep; see store.h */
/*
 * Packs never change: one that loses entries is replaced by a new one with the
 * rest, its bytes copied as they are.  Segment by segment, each in a catalogue
 * transaction of its own, for every pack belongs to one segment.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/killpoint.h"
#include "base/lockfile.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

struct evict {
	struct store *s;
	store_choose_fn choose; /* NULL: keep() needs nothing before */
	store_keep_fn keep;     /* NULL: all */
	void *arg;
	const struct chunkset *salvage; /* packs to write anew whatever they hold; NULL: none */
	uint64_t freed;
	bool changed;
	char *dir; /* staging of new packs */
	unsigned int next_file;

	/* Of the segment under the hand. */
	struct store_index index; /* what it will hold */
	bool *shrinks;            /* pack p of the old segment loses entries */
	struct pack_writer **written;
	struct chunkid *names;
	size_t nwritten, alloc, names_alloc;
	struct segment_row *moved; /* rows to copy, by pack and offset */
	size_t nmoved;
};

static bool is_salvaged(const struct evict *v, struct segment *seg, size_t p)
{
	return v->salvage && chunkset_has(v->salvage, CHUNK_DATA, segment_pack(seg, p));
}

/* Which rows stay: sets shrinks[] and collects the kept rows in index. 1 if anything goes. */
static int choose_rows(struct evict *v, struct segment *seg, struct err *e)
{
	uint64_t *used = xcalloc(segment_npacks(seg), sizeof(*used));
	bool goes = false;
	int rc = 0;

	for (size_t i = 0; i < segment_count(seg) && rc == 0; i++) {
		struct segment_row row;
		struct chunkkey key;

		rc = segment_row_at(seg, i, &row, e);
		if (rc < 0)
			break;
		key.kind = row.kind;
		key.id = row.id;
		if (!store_pack_is_here(v->s, seg, row.pack) ||
		    store_is_lost(v->s, row.kind, &row.id) || (v->keep && !v->keep(v->arg, &key))) {
			v->shrinks[row.pack] = goes = true;
			continue;
		}
		used[row.pack]++;
		XGROW(v->index.rows, v->index.n + 1, v->index.alloc);
		v->index.rows[v->index.n++] = row;
	}
	for (size_t p = 0; p < segment_npacks(seg); p++)
		if (is_salvaged(v, seg, p))
			v->shrinks[p] = goes = true;
	for (size_t p = 0; p < segment_npacks(seg); p++)
		if (used[p] == 0) /* only superseded copies were left in it */
			v->shrinks[p] = goes = true;
	free(used);
	return rc < 0 ? rc : goes;
}

static int by_place(const void *a, const void *b)
{
	const struct segment_row *x = a, *y = b;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Split the kept rows: those of packs that stay keep their place in index, the others are moved. */
static void split_rows(struct evict *v, struct segment *seg)
{
	uint32_t *number = xcalloc(segment_npacks(seg), sizeof(*number));
	size_t to = 0;

	for (size_t p = 0; p < segment_npacks(seg); p++)
		if (!v->shrinks[p])
			number[p] = store_index_add_pack(&v->index, segment_pack(seg, p));
	v->moved = xcalloc(v->index.n + 1, sizeof(*v->moved));
	v->nmoved = 0;
	for (size_t i = 0; i < v->index.n; i++) {
		struct segment_row row = v->index.rows[i];

		if (v->shrinks[row.pack]) {
			v->moved[v->nmoved++] = row;
		} else {
			row.pack = number[row.pack];
			v->index.rows[to++] = row;
		}
	}
	v->index.n = to;
	qsort(v->moved, v->nmoved, sizeof(*v->moved), by_place);
	free(number);
}

/* ---- copying ---- */

/* The one written to last is full, or nothing comes any more: its descriptor is for the next one. */
static int finish_pack(struct evict *v, struct err *e)
{
	struct pack_writer *w = v->nwritten ? v->written[v->nwritten - 1] : NULL;
	int rc;

	if (!w)
		return 0;
	XGROW(v->names, v->nwritten, v->names_alloc);
	rc = pack_seal(w, &v->names[v->nwritten - 1], e);
	if (rc == 0)
		rc = pack_sync(w, e);
	return rc < 0 ? rc : pack_close(w, e);
}

static int next_pack(struct evict *v, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc;

	if (v->nwritten == v->alloc) {
		v->alloc = 2 * v->alloc + 16;
		v->written = xrealloc(v->written, v->alloc, sizeof(struct pack_writer *));
	}
	buf_addf(&path, "%s/%u", v->dir, v->next_file++);
	rc = finish_pack(v, e);
	if (rc == 0)
		rc = pack_create(&v->written[v->nwritten], path.p, e);
	if (rc == 0)
		v->nwritten++;
	buf_release(&path);
	return rc;
}

static int copy_entry(struct evict *v, int fd, const struct segment_row *row, struct buf *tmp,
		      struct err *e)
{
	struct pack_row want = store_pack_row(row);
	const char *payload;
	struct pack_entry entry;
	int rc = store_read_entry(fd, &want, tmp, e);

	if (rc < 0)
		return rc;
	if (v->nwritten == 0 || pack_is_full(v->written[v->nwritten - 1]))
		rc = next_pack(v, e);
	if (rc < 0)
		return rc;
	payload = tmp->p + PACK_ENTRY_BYTES;
	pack_entry_format(&entry, &want, payload);
	return pack_add(v->written[v->nwritten - 1], &entry, payload, e);
}

static int copy_rows(struct evict *v, struct segment *seg, struct err *e)
{
	struct buf path = BUF_INIT, tmp = BUF_INIT;
	uint32_t open_pack = UINT32_MAX;
	int fd = -1, rc = 0;

	for (size_t i = 0; i < v->nmoved && rc == 0; i++) {
		const struct segment_row *row = &v->moved[i];

		if (row->pack != open_pack) {
			if (fd >= 0)
				close(fd);
			open_pack = row->pack;
			buf_reset(&path);
			buf_addf(&path, "%s/", v->s->dir);
			pack_name(&path, segment_pack(seg, open_pack));
			fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
			if (fd < 0)
				rc = err_sys(e, "open");
		}
		if (rc == 0)
			rc = copy_entry(v, fd, row, &tmp, e);
	}
	if (rc < 0)
		err_wrap(e, "%s", path.p);
	if (fd >= 0)
		close(fd);
	buf_release(&path);
	buf_release(&tmp);
	return rc;
}

/* ---- the change in the catalogue; cat_lock held ---- */

static int enter(struct evict *v, struct segment *seg, struct err *e)
{
	struct catalogue *cat = v->s->cat;
	bool touched[256] = {false};
	int rc = 0;

	for (size_t i = 0; i < v->nwritten && rc == 0; i++) {
		struct catalogue_pack pack = {.id = v->names[i],
					      .bytes = pack_bytes(v->written[i])};
		const struct pack_row *rows;
		size_t n;

		rows = pack_rows(v->written[i], &n);
		pack.entries = n;
		rc = store_publish(v->s, pack_path(v->written[i]), &pack.id, touched, e);
		if (rc == 0)
			rc = catalogue_add_pack(cat, &pack, e);
		store_index_add_rows(&v->index, store_index_add_pack(&v->index, &pack.id), rows, n);
	}
	if (rc == 0)
		rc = store_sync_pack_dirs(v->s, touched, e);
	for (size_t p = 0; p < segment_npacks(seg) && rc == 0; p++)
		if (v->shrinks[p])
			rc = catalogue_drop_pack(cat, segment_pack(seg, p), e);
	if (rc == 0)
		rc = catalogue_drop_segment(cat, segment_id(seg), e);
	return rc < 0 ? rc : store_index_write(v->s, cat, &v->index, e);
}

/*
 * Give the packs that go a second name in staging: if a crash comes between the
 * catalogue and their removal, the next sweep finds them there.  Without hard links they
 * stay until a rebuild takes them in again.
 */
static void stage_old(struct evict *v, struct segment *seg)
{
	struct buf from = BUF_INIT, to = BUF_INIT;

	for (size_t p = 0; p < segment_npacks(seg); p++) {
		if (!v->shrinks[p] || is_salvaged(v, seg, p))
			continue;
		buf_reset(&from);
		buf_addf(&from, "%s/", v->s->dir);
		pack_name(&from, segment_pack(seg, p));
		buf_reset(&to);
		buf_addf(&to, "%s/%u", v->dir, v->next_file++);
		if (link(from.p, to.p) < 0)
			break;
	}
	buf_release(&from);
	buf_release(&to);
}

static int change_catalogue(struct evict *v, struct segment *seg, struct err *e)
{
	struct store *s = v->s;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		rc = enter(v, seg, e);
		if (rc == 0 &&
		    v->keep) /* from now on being committed proves nothing of what is below */
			rc = catalogue_set_suspect(s->cat, e);
		rc = catalogue_end(s->cat, rc, e);
	}
	if (rc == 0)
		rc = store_refresh_locked(s, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

static uint64_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* A damaged pack is evidence, and may hold what some other tool can read. */
static void set_aside(const char *path)
{
	char *bad = xstrfmt("%s.bad", path);

	(void)!rename(path, bad);
	free(bad);
}

static void remove_old(struct evict *v, struct segment *seg)
{
	struct buf path = BUF_INIT;

	killpoint("store-evict-unlink");
	for (size_t p = 0; p < segment_npacks(seg); p++) {
		if (!v->shrinks[p])
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/", v->s->dir);
		pack_name(&path, segment_pack(seg, p));
		v->freed += size_of(path.p);
		if (is_salvaged(v, seg, p))
			set_aside(path.p);
		else
			unlink(path.p);
	}
	buf_reset(&path);
	buf_addf(&path, "%s/", v->s->dir);
	segment_name(&path, segment_id(seg));
	unlink(path.p);
	for (size_t i = 0; i < v->nwritten; i++) {
		uint64_t kept = pack_bytes(v->written[i]);

		v->freed -= MIN(v->freed, kept);
		unlink(pack_path(v->written[i]));
	}
	buf_release(&path);
}

static int evict_segment(struct evict *v, struct segment *seg, struct err *e)
{
	int rc;

	v->shrinks = xcalloc(segment_npacks(seg), sizeof(*v->shrinks));
	rc = choose_rows(v, seg, e);
	if (rc == 1) {
		split_rows(v, seg);
		rc = copy_rows(v, seg, e);
		if (rc == 0)
			rc = finish_pack(v, e);
		stage_old(v, seg);
		if (rc == 0)
			rc = change_catalogue(v, seg, e);
		if (rc == 0) {
			v->changed = true;
			remove_old(v, seg);
		}
	}
	for (size_t i = 0; i < v->nwritten; i++)
		pack_free(&v->written[i]);
	v->nwritten = 0;
	store_index_release(&v->index);
	free(v->moved);
	free(v->shrinks);
	v->moved = NULL;
	return rc;
}

/* ---- roots ---- */

/* Of the complete roots those that lack something now; moved to the front, their number in *n. */
static int find_broken(struct store *s, struct chunkkey *roots, size_t *n, struct err *e)
{
	struct chunkset *sound = chunkset_new();
	size_t to = 0;
	int rc = 0;

	for (size_t i = 0; i < *n && rc >= 0; i++) {
		rc = store_walk(s, NULL, &roots[i], sound, NULL, e);
		if (rc == 0)
			roots[to++] = roots[i];
	}
	chunkset_free(sound);
	*n = to;
	return MIN(rc, 0);
}

static int demote(struct store *s, const struct chunkkey *roots, size_t n, struct err *e)
{
	struct buf detail = BUF_INIT;
	int rc = catalogue_begin(s->cat, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = catalogue_demote_root(s->cat, &roots[i], e);
	buf_addf(&detail, "roots %zu", n);
	if (rc == 0)
		rc = catalogue_audit(s->cat, NULL, "evict", detail.p, e);
	rc = catalogue_end(s->cat, rc, e);
	buf_release(&detail);
	return rc;
}

/*
 * Since the first removal the catalogue is suspect, which is enough to keep anybody from believing
 * these markers.  But they would be believed again once the store is settled.
 */
static int demote_roots(struct store *s, struct err *e)
{
	struct chunkkey *roots = NULL;
	size_t n = 0;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_each_root(s->cat, &roots, &n, e);
	pthread_mutex_unlock(&s->cat_lock);
	if (rc == 0)
		rc = find_broken(s, roots, &n, e);
	pthread_mutex_lock(&s->cat_lock);
	if (rc == 0 && n)
		rc = demote(s, roots, n, e);
	pthread_mutex_unlock(&s->cat_lock);
	free(roots);
	return rc;
}

static int evict(struct evict *v, struct err *e)
{
	struct store *s = v->s;
	struct segment **segments = NULL;
	int lock_fd, session_fd = -1, rc;
	size_t n = 0;

	if (s->flags & STORE_READONLY)
		return err_set(e, ERR_DENIED, "store %s is open for reading only", s->dir);
	lock_fd = store_lock(s->dir, true, v->choose ? STORE_LOCK_WAIT_MS : 0, e);
	if (lock_fd < 0)
		return lock_fd;
	rc = store_refresh(s, e);
	if (rc == 0 && v->choose)
		rc = v->choose(v->arg, e);
	if (rc == 0)
		rc = store_make_staging(s, &v->dir, &session_fd, e);
	if (rc == 0)
		segments = store_hold_segments(s, &n);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = evict_segment(v, segments[i], e);
	store_drop_segments(segments, n);
	if (rc == 0 && v->changed && v->keep)
		rc = demote_roots(s, e);
	if (v->dir)
		store_remove_staging(v->dir);
	lockfile_release(session_fd);
	lockfile_release(lock_fd);
	free(v->written);
	free(v->names);
	free(v->dir);
	return rc;
}

int store_evict(struct store *s, store_choose_fn choose, store_keep_fn keep, void *arg,
		uint64_t *freed, struct err *e)
{
	struct evict v = {.s = s, .choose = choose, .keep = keep, .arg = arg};
	int rc = evict(&v, e);

	*freed = v.freed;
	return rc;
}

int store_salvage(struct store *s, const struct chunkset *packs, struct err *e)
{
	struct evict v = {.s = s, .salvage = packs};

	return evict(&v, e);
}
