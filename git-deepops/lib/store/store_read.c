/* SPDX-License-Identifier: MIT */
/* store_read.c - finding and loading chunks; see store.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/store_internal.h"

struct store_scratch *store_scratch_get(struct store *s)
{
	struct store_scratch *x;

	pthread_mutex_lock(&s->scratch_lock);
	x = s->scratch;
	if (x)
		s->scratch = x->next;
	pthread_mutex_unlock(&s->scratch_lock);
	if (!x) {
		x = xcalloc(1, sizeof(*x));
		x->z = zframe_new();
		buf_init(&x->stored);
		buf_init(&x->plain);
	}
	buf_reset(&x->stored);
	buf_reset(&x->plain);
	return x;
}

void store_scratch_put(struct store *s, struct store_scratch *x)
{
	pthread_mutex_lock(&s->scratch_lock);
	x->next = s->scratch;
	s->scratch = x;
	pthread_mutex_unlock(&s->scratch_lock);
}

void store_scratch_free(struct store *s)
{
	while (s->scratch) {
		struct store_scratch *x = s->scratch;

		s->scratch = x->next;
		zframe_free(x->z);
		buf_release(&x->stored);
		buf_release(&x->plain);
		free(x);
	}
}

/* ---- finding ---- */

bool store_pack_is_here(struct store *s, struct segment *seg, uint32_t pack)
{
	enum segment_pack_state state = segment_pack_state(seg, pack);
	struct buf path = BUF_INIT;

	if (state == SEGMENT_PACK_UNKNOWN) {
		buf_addf(&path, "%s/", s->dir);
		pack_name(&path, segment_pack(seg, pack));
		state = access(path.p, F_OK) < 0 && errno == ENOENT ? SEGMENT_PACK_MISSING
								    : SEGMENT_PACK_HERE;
		segment_note_pack(seg, pack, state);
		buf_release(&path);
	}
	return state == SEGMENT_PACK_HERE;
}

int store_find(struct store *s, enum chunk_kind kind, const struct chunkid *id, unsigned int nth,
	       struct store_place *out, struct err *e)
{
	const struct store_view *v = &s->view;
	int rc = 0;

	pthread_rwlock_rdlock(&s->view_lock);
	if (v->lost && chunkset_has(v->lost, kind, id))
		goto out;
	for (size_t i = 0; i < v->n && rc == 0; i++) {
		rc = segment_find(v->segments[i], kind, id, &out->row, e);
		if (rc < 0)
			err_wrap(e, "%s/segments/%s.seg", s->dir,
				 chunkid_hex(segment_id(v->segments[i])).s);
		if (rc != 1)
			continue;
		rc = store_pack_is_here(s, v->segments[i], out->row.pack) && nth-- == 0;
		if (rc == 1)
			out->pack = *segment_pack(v->segments[i], out->row.pack);
	}
out:
	pthread_rwlock_unlock(&s->view_lock);
	return rc;
}

int store_has(struct store *s, enum chunk_kind kind, const struct chunkid *id,
	      struct store_info *info, struct err *e)
{
	struct store_place at;
	int rc = store_find(s, kind, id, 0, &at, e);

	if (rc == 0 && store_tick_passed(s)) {
		rc = store_refresh_if_changed(s, e);
		if (rc == 1)
			rc = store_find(s, kind, id, 0, &at, e);
	}
	if (rc == 1 && info) {
		info->plain = at.row.plain;
		info->stored = at.row.stored;
		info->encoding = at.row.encoding;
	}
	return rc;
}

/* ---- descriptors of packs ---- */

/* The slot of this pack, or the best one to use for it. */
static struct store_pack_fd *find_slot(struct store *s, const struct chunkid *name)
{
	struct store_pack_fd *best = NULL;

	for (size_t i = 0; i < STORE_OPEN_PACKS; i++) {
		struct store_pack_fd *slot = &s->fds[i];

		if (slot->fd >= 0 && chunkid_equal(&slot->name, name))
			return slot;
		if (slot->users == 0 &&
		    (!best || (best->fd >= 0 && (slot->fd < 0 || slot->used < best->used))))
			best = slot;
	}
	return best;
}

static int open_pack(struct store *s, const struct chunkid *name, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, name);
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		fd = errno == ENOENT ? err_set(e, ERR_NOTFOUND, "the file is missing")
				     : err_sys(e, "open");
	buf_release(&path);
	return fd;
}

/* A descriptor for reading; *slot tells release_pack what to do with it. */
static int acquire_pack(struct store *s, const struct chunkid *name, struct store_pack_fd **slot,
			struct err *e)
{
	int fd;

	pthread_mutex_lock(&s->fd_lock);
	*slot = find_slot(s, name);
	if (*slot && (*slot)->fd >= 0 && chunkid_equal(&(*slot)->name, name)) {
		fd = (*slot)->fd;
	} else {
		fd = open_pack(s, name, e);
		if (fd >= 0 && *slot) {
			if ((*slot)->fd >= 0)
				close((*slot)->fd);
			(*slot)->fd = fd;
			(*slot)->name = *name;
		}
	}
	if (fd >= 0 && *slot) {
		(*slot)->users++;
		(*slot)->used = ++s->tick;
	}
	pthread_mutex_unlock(&s->fd_lock);
	return fd;
}

static void release_pack(struct store *s, struct store_pack_fd *slot, int fd)
{
	if (!slot) {
		close(fd);
		return;
	}
	pthread_mutex_lock(&s->fd_lock);
	slot->users--;
	pthread_mutex_unlock(&s->fd_lock);
}

/* ---- loading ---- */

struct pack_row store_pack_row(const struct segment_row *row)
{
	return (struct pack_row){.id = row->id,
				 .kind = row->kind,
				 .encoding = row->encoding,
				 .offset = row->offset,
				 .stored = row->stored,
				 .plain = row->plain};
}

int store_read_entry(int fd, const struct pack_row *row, struct buf *out, struct err *e)
{
	size_t len = PACK_ENTRY_BYTES + (size_t)row->stored;
	int rc;

	buf_reset(out);
	buf_grow(out, len); /* row->stored was bounded where the row was read */
	rc = io_pread_full(fd, out->p, len, row->offset, e);
	if (rc < 0)
		return rc;
	buf_setlen(out, len);
	return pack_entry_check(row, out->p, e);
}

static int check_content(const struct pack_row *row, const void *plain, size_t len, struct err *e)
{
	struct chunkid got;
	uint64_t bytes;

	if (row->kind == CHUNK_RECIPE)
		return recipe_total(plain, len, &bytes, e);
	chunkid_of(&got, plain, len);
	return chunkid_equal(&got, &row->id)
		       ? 0
		       : err_set(e, ERR_CORRUPT, "content does not match its id");
}

int store_decode_unhashed(struct store_scratch *x, const struct pack_row *row, const void *stored,
			  struct buf *out, struct err *e)
{
	struct zframe_stored in = {row->encoding, stored, row->stored, row->plain};
	size_t from = out->len;
	int rc = zframe_decode(x->z, &in, out, e);

	if (rc < 0)
		buf_setlen(out, from);
	return rc;
}

int store_decode(struct store_scratch *x, const struct pack_row *row, const void *stored,
		 struct buf *out, struct err *e)
{
	size_t from = out->len;
	int rc = store_decode_unhashed(x, row, stored, out, e);

	if (rc == 0)
		rc = check_content(row, out->p + from, out->len - from, e);
	if (rc < 0)
		buf_setlen(out, from);
	return rc;
}

/* One chunk to load, in the form that is wanted. */
struct want {
	enum chunk_kind kind;
	const struct chunkid *id;
	struct store_info *info; /* not NULL: as stored */
	bool unhashed;           /* the caller will see whether the content is right */
	struct buf *out;
};

static int load_at(struct store *s, const struct store_place *at, const struct want *w,
		   struct err *e)
{
	struct store_scratch *x = store_scratch_get(s);
	struct pack_row row = store_pack_row(&at->row);
	struct store_pack_fd *slot;
	int rc, fd = acquire_pack(s, &at->pack, &slot, e);

	rc = fd < 0 ? fd : store_read_entry(fd, &row, &x->stored, e);
	if (fd >= 0)
		release_pack(s, slot, fd);
	if (rc == 0 && w->info) {
		w->info->plain = row.plain;
		w->info->stored = row.stored;
		w->info->encoding = row.encoding;
		buf_add(w->out, x->stored.p + PACK_ENTRY_BYTES, row.stored);
	} else if (rc == 0) {
		rc = (w->unhashed ? store_decode_unhashed : store_decode)(
			x, &row, x->stored.p + PACK_ENTRY_BYTES, w->out, e);
	}
	store_scratch_put(s, x);
	return rc;
}

static int name_damage(const struct store_place *at, struct err *e)
{
	struct buf pack = BUF_INIT;

	pack_name(&pack, &at->pack);
	err_wrap(e, "%s: %s %s at offset %" PRIu32, pack.p, chunkid_kind_name(at->row.kind),
		 chunkid_text(&at->row.id).s, at->row.offset);
	buf_release(&pack);
	return ERR_CORRUPT;
}

/* Try every copy the view knows; 0, or 1 if it knows none, or the first copy's error. */
static int load_any(struct store *s, const struct want *w, struct err *e)
{
	struct store_place at;
	int first = 1;

	for (unsigned int nth = 0;; nth++) {
		struct err why = ERR_INIT;
		int rc = store_find(s, w->kind, w->id, nth, &at, nth ? NULL : e);

		if (rc <= 0)
			return rc < 0 && nth == 0 ? rc : first;
		rc = load_at(s, &at, w, &why);
		if (rc == 0)
			return 0;
		if (nth > 0)
			continue;
		first = rc;
		if (e)
			*e = why;
		if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND)
			name_damage(&at, e);
	}
}

static int load(struct store *s, const struct want *w, struct err *e)
{
	int rc = load_any(s, w, e);

	if (rc == 1 || rc == ERR_NOTFOUND) {
		/* Another process may have committed it, or moved it to another pack. */
		int changed = store_refresh_if_changed(s, rc == 1 ? e : NULL);

		if (changed == 1)
			rc = load_any(s, w, e);
		else if (changed < 0 && rc == 1)
			return changed;
	}
	if (rc == 1)
		return err_set(e, ERR_NOTFOUND, "%s %s is not here", chunkid_kind_name(w->kind),
			       chunkid_text(w->id).s);
	return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc;
}

int store_load(struct store *s, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
	       struct err *e)
{
	struct want w = {.kind = kind, .id = id, .out = out};

	return load(s, &w, e);
}

int store_load_unhashed(struct store *s, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct want w = {.kind = CHUNK_DATA, .id = id, .unhashed = true, .out = out};

	return load(s, &w, e);
}

int store_load_stored(struct store *s, enum chunk_kind kind, const struct chunkid *id,
		      struct store_info *info, struct buf *out, struct err *e)
{
	struct store_info ignored;
	struct want w = {.kind = kind, .id = id, .info = info ? info : &ignored, .out = out};

	return load(s, &w, e);
}

/* ---- many ---- */

struct ordered {
	size_t index;
	bool here;
	struct chunkid pack;
	uint32_t offset;
};

static int by_place(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int cmp = (int)y->here - (int)x->here;

	if (cmp == 0)
		cmp = chunkid_cmp(&x->pack, &y->pack);
	if (cmp == 0)
		cmp = x->offset < y->offset ? -1 : x->offset > y->offset;
	return cmp;
}

int store_order(struct store *s, const struct chunkkey *keys, size_t *order, size_t n,
		struct err *e)
{
	struct ordered *v = xcalloc(n ? n : 1, sizeof(*v));
	int rc = 0;

	for (size_t i = 0; i < n && rc >= 0; i++) {
		const struct chunkkey *key = &keys[order[i]];
		struct store_place at;

		v[i].index = order[i];
		rc = store_find(s, key->kind, &key->id, 0, &at, e);
		v[i].here = rc == 1;
		if (rc == 1) {
			v[i].pack = at.pack;
			v[i].offset = at.row.offset;
		}
	}
	if (rc >= 0) {
		qsort(v, n, sizeof(*v), by_place);
		for (size_t i = 0; i < n; i++)
			order[i] = v[i].index;
	}
	free(v);
	return rc < 0 ? rc : 0;
}

/* Is this row's key also in a newer segment, or lost? */
static int is_hidden(struct store *s, struct segment **newer, size_t n,
		     const struct segment_row *row, struct err *e)
{
	struct segment_row other;
	int rc = store_is_lost(s, row->kind, &row->id);

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = segment_find(newer[i], row->kind, &row->id, &other, e);
		if (rc == 1 && !store_pack_is_here(s, newer[i], other.pack))
			rc = 0;
	}
	return rc;
}

static int each_row(struct store *s, struct segment **v, size_t at, store_each_fn cb, void *arg,
		    struct err *e)
{
	int rc = 0;

	for (size_t k = 0; k < segment_count(v[at]) && rc >= 0; k++) {
		struct segment_row row;

		rc = segment_row_at(v[at], k, &row, e);
		if (rc == 0 && !store_pack_is_here(s, v[at], row.pack))
			continue;
		if (rc == 0)
			rc = is_hidden(s, v, at, &row, e);
		if (rc == 0) {
			struct chunkkey key = {row.kind, row.id};
			struct store_info info = {row.plain, row.stored, row.encoding};

			rc = cb(arg, &key, &info, e);
		}
	}
	return rc;
}

int store_each(struct store *s, store_each_fn cb, void *arg, struct err *e)
{
	int rc = store_refresh(s, e);
	struct segment **v;
	size_t n;

	if (rc < 0)
		return rc;
	v = store_hold_segments(s, &n);
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = each_row(s, v, i, cb, arg, e);
	store_drop_segments(v, n);
	return rc < 0 ? rc : 0;
}
