/* SPDX-License-Identifier: MIT */
/* content.c - the bytes of one file out of the local store; see content.h */
#include "data/content.h"

#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "data/dataset_internal.h"

static int load_data(void *store, const struct chunkid *id, struct buf *out, struct err *e)
{
	int rc = store_load(store, CHUNK_DATA, id, out, e);

	return rc == ERR_NOTFOUND ? dataset_not_here(e, "chunk", id) : rc;
}

static int wrong_content(struct err *e, const struct chunkid *id)
{
	err_set(e, ERR_CORRUPT, "assembled content does not hash to %s", chunkid_short(id).s);
	return err_hint(e, "git deepops fsck --deep --repair, then git deepops fetch");
}

/* 1: the file is one chunk, now in `out`; 0: it has a recipe, now in `out`. */
static int load_top(struct store *s, const struct chunkid *id, uint64_t bytes, struct buf *out,
		    struct err *e)
{
	bool whole = false;
	uint64_t total = 0;
	int rc = 0;

	if (bytes <= CHUNK_MAX_BYTES)
		rc = store_has(s, CHUNK_DATA, id, NULL, e);
	if (rc < 0)
		return rc;
	whole = rc == 1;
	rc = store_load(s, whole ? CHUNK_DATA : CHUNK_RECIPE, id, out, e);
	if (rc == 0 && whole)
		total = out->len;
	else if (rc == 0)
		rc = recipe_total(out->p, out->len, &total, e);
	if (rc == 0 && total != bytes)
		rc = wrong_content(e, id);
	return rc < 0 ? rc : whole;
}

/* ---- in order ---- */

struct reader {
	struct store *store;
	struct hash *whole;
	struct buf held; /* the last chunk so far: not handed out before the next one is here */
	content_fn cb;
	void *arg;
};

static int read_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct reader *r = arg;
	int rc = 0;

	(void)offset;
	if (r->held.len)
		rc = r->cb(r->arg, r->held.p, r->held.len, e);
	buf_reset(&r->held);
	if (rc == 0)
		rc = load_data(r->store, &entry->id, &r->held, e);
	if (rc == 0)
		hash_update(r->whole, r->held.p, r->held.len);
	return rc;
}

static int read_recipe(struct reader *r, const struct buf *recipe, const struct chunkid *id,
		       struct err *e)
{
	struct recipe_source from = {load_data, r->store};
	struct chunkid got;
	int rc;

	r->whole = hash_new();
	rc = recipe_walk(recipe->p, recipe->len, &from, read_chunk, r, e);
	hash_final(r->whole, got.b);
	hash_free(r->whole);
	if (rc == 0 && !chunkid_equal(&got, id))
		rc = wrong_content(e, id);
	return rc < 0 ? rc : r->cb(r->arg, r->held.p, r->held.len, e);
}

int content_read(struct store *s, const struct chunkid *id, uint64_t bytes, content_fn cb,
		 void *arg, struct err *e)
{
	struct reader r = {s, NULL, BUF_INIT, cb, arg};
	struct buf top = BUF_INIT;
	int rc;

	if (chunkid_is_empty_file(id))
		return 0;
	rc = load_top(s, id, bytes, &top, e);
	if (rc == 1)
		rc = cb(arg, top.p, top.len, e);
	else if (rc == 0)
		rc = read_recipe(&r, &top, id, e);
	else if (rc == ERR_NOTFOUND)
		rc = dataset_not_here(e, "content", id);
	buf_release(&r.held);
	buf_release(&top);
	return rc;
}

/* ---- many at once ---- */

/* Chunks on their way; some 8 MiB at the most. */
#define WRITER_SLOTS 32

struct slot {
	struct writer *w;
	struct pool_group *group; /* of the one task that fills it; NULL: never used */
	struct buf data;
	struct recipe_entry entry;
	uint64_t offset;
	int rc;
	struct err err;
};

struct writer {
	const struct content_sink *sink;
	int fd;
	bool each; /* hash each chunk too, not only the whole */
	struct hash *whole;
	struct slot slots[WRITER_SLOTS];
	size_t next, oldest; /* counted up; slot number modulo WRITER_SLOTS */
};

static bool all_zero(const struct buf *b)
{
	return b->len && !b->p[0] && !memcmp(b->p, b->p + 1, b->len - 1);
}

static int load_piece(struct writer *w, const struct chunkid *id, struct buf *out, struct err *e)
{
	int rc;

	if (w->each)
		return load_data(w->sink->store, id, out, e);
	rc = store_load_unhashed(w->sink->store, id, out, e);
	return rc == ERR_NOTFOUND ? dataset_not_here(e, "chunk", id) : rc;
}

static void fill_slot(void *arg)
{
	struct slot *s = arg;

	buf_reset(&s->data);
	s->rc = load_piece(s->w, &s->entry.id, &s->data, &s->err);
	if (s->rc == 0 && s->data.len != s->entry.bytes)
		s->rc = err_set(&s->err, ERR_CORRUPT, "chunk %s is not as long as its recipe says",
				chunkid_short(&s->entry.id).s);
	if (s->rc == 0 && !all_zero(&s->data))
		s->rc = io_pwrite_all(s->w->fd, s->data.p, s->data.len, s->offset, &s->err);
}

/* Hash the oldest chunk, waiting for it if need be. */
static int retire(struct writer *w, struct err *e)
{
	struct slot *s = &w->slots[w->oldest++ % WRITER_SLOTS];

	if (s->group)
		pool_group_wait(s->group);
	if (s->rc < 0) {
		*e = s->err;
		return s->rc;
	}
	hash_update(w->whole, s->data.p, s->data.len);
	progress_add(w->sink->progress, s->data.len);
	return 0;
}

static int write_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct writer *w = arg;
	struct slot *s = &w->slots[w->next % WRITER_SLOTS];
	bool alone = !w->sink->pool;
	int rc = 0;

	if (w->next - w->oldest == WRITER_SLOTS)
		rc = retire(w, e);
	if (rc < 0)
		return rc;
	s->w = w;
	s->entry = *entry;
	s->offset = offset;
	w->next++;
	if (alone) {
		fill_slot(s);
		return retire(w, e);
	}
	if (!s->group)
		s->group = pool_group_new(w->sink->pool);
	pool_group_submit(s->group, fill_slot, s);
	return 0;
}

static void writer_release(struct writer *w)
{
	for (size_t i = 0; i < WRITER_SLOTS; i++) {
		pool_group_free(w->slots[i].group);
		buf_release(&w->slots[i].data);
	}
	hash_free(w->whole);
	free(w);
}

/* `each`: hash each chunk too. */
static int write_pieces(const struct content_sink *sink, int fd, const struct buf *recipe,
			const struct chunkid *id, bool each, struct err *e)
{
	struct recipe_source from = {load_data, sink->store};
	struct writer *w = xcalloc(1, sizeof(*w));
	struct chunkid got;
	int rc;

	w->sink = sink;
	w->fd = fd;
	w->each = each;
	w->whole = hash_new();
	for (size_t i = 0; i < WRITER_SLOTS; i++)
		buf_init(&w->slots[i].data);
	rc = recipe_walk(recipe->p, recipe->len, &from, write_chunk, w, e);
	while (rc == 0 && w->oldest < w->next)
		rc = retire(w, e);
	hash_final(w->whole, got.b);
	if (rc == 0 && !chunkid_equal(&got, id))
		rc = wrong_content(e, id);
	writer_release(w);
	return rc;
}

/*
 * The hash of the whole proves every piece of it.  Only if that is wrong are the pieces looked
 * at one by one, which finds a sound copy or says which one is damaged.
 */
static int write_recipe(const struct content_sink *sink, int fd, const struct buf *recipe,
			const struct chunkid *id, uint64_t bytes, struct err *e)
{
	int rc = write_pieces(sink, fd, recipe, id, false, e);

	if (rc != ERR_CORRUPT)
		return rc;
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)bytes) < 0)
		return err_sys(e, "ftruncate");
	return write_pieces(sink, fd, recipe, id, true, e);
}

int content_write(const struct content_sink *sink, int fd, const struct chunkid *id, uint64_t bytes,
		  struct err *e)
{
	struct buf top = BUF_INIT;
	int rc;

	if (chunkid_is_empty_file(id))
		return 0;
	rc = load_top(sink->store, id, bytes, &top, e);
	if (rc == 1) {
		progress_add(sink->progress, top.len);
		rc = io_write_all(fd, top.p, top.len, e);
	} else if (rc == 0) {
		/* Sets the size too where the file ends in a hole. */
		rc = ftruncate(fd, (off_t)bytes) < 0 ? err_sys(e, "ftruncate") : 0;
		if (rc == 0)
			rc = write_recipe(sink, fd, &top, id, bytes, e);
	} else if (rc == ERR_NOTFOUND) {
		rc = dataset_not_here(e, "content", id);
	}
	buf_release(&top);
	return rc;
}
