/* SPDX-License-Identifier: MIT */
/* content.c - the bytes of one file out of the local store; see content.h */
#include "data/content.h"

#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/readahead.h"
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

struct writer {
	const struct content_sink *sink;
	int fd;
	bool each; /* hash each chunk too, not only the whole */
	struct hash *whole;
	struct chunkset *like; /* chunks of sink->like_fd; value: their offset; NULL: none */
};

/* Of a file of some 8 GiB; 16 MiB of memory.  What comes behind is read from the store. */
#define LIKE_MAX_CHUNKS 131072

/* recipe_entry_fn */
static int note_place(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct chunkset *like = arg;

	(void)e;
	chunkset_add(like, CHUNK_DATA, &entry->id, offset);
	return chunkset_count(like) < LIKE_MAX_CHUNKS ? 0 : ERR_LIMIT;
}

/* Where the chunks of the file before are; its recipe need not be here. */
static struct chunkset *places(const struct content_sink *sink)
{
	struct recipe_source from = {load_data, sink->store};
	struct chunkset *like;
	struct buf recipe = BUF_INIT;

	if (sink->like_fd < 0)
		return NULL;
	like = chunkset_new();
	if (store_load(sink->store, CHUNK_RECIPE, &sink->like_id, &recipe, NULL) == 0)
		(void)!recipe_walk(recipe.p, recipe.len, &from, note_place, like, NULL);
	buf_release(&recipe);
	return like;
}

static bool read_like(const struct writer *w, const struct recipe_entry *entry, struct buf *plain)
{
	uint64_t at;

	if (!w->like || !chunkset_get(w->like, CHUNK_DATA, &entry->id, &at))
		return false;
	buf_grow(plain, entry->bytes);
	if (io_pread_full(w->sink->like_fd, plain->p, entry->bytes, at, NULL) < 0)
		return false;
	buf_setlen(plain, entry->bytes);
	return true;
}

static bool all_zero(const struct buf *b)
{
	return b->len && !b->p[0] && !memcmp(b->p, b->p + 1, b->len - 1);
}

static int load_piece(struct writer *w, const struct recipe_entry *entry, struct buf *plain,
		      struct err *e)
{
	int rc;

	if (w->each)
		return load_data(w->sink->store, &entry->id, plain, e);
	if (read_like(w, entry, plain))
		return 0;
	rc = store_load_unhashed(w->sink->store, &entry->id, plain, e);
	return rc == ERR_NOTFOUND ? dataset_not_here(e, "chunk", &entry->id) : rc;
}

/* readahead_load_fn: the bytes are in the file before they are known to be right; its name is not. */
static int load_and_write(void *arg, uint64_t offset, const struct recipe_entry *entry,
			  struct buf *plain, struct err *e)
{
	struct writer *w = arg;
	int rc = load_piece(w, entry, plain, e);

	if (rc == 0 && plain->len != entry->bytes)
		rc = err_set(e, ERR_CORRUPT, "chunk %s is not as long as its recipe says",
			     chunkid_short(&entry->id).s);
	if (rc == 0 && !all_zero(plain))
		rc = io_pwrite_all(w->fd, plain->p, plain->len, offset, e);
	return rc;
}

/* readahead_take_fn */
static int hash_piece(void *arg, const struct recipe_entry *entry, const struct buf *plain,
		      struct err *e)
{
	struct writer *w = arg;

	(void)entry;
	(void)e;
	hash_update(w->whole, plain->p, plain->len);
	progress_add(w->sink->progress, plain->len);
	return 0;
}

/* `each`: hash each chunk too. */
static int write_pieces(const struct content_sink *sink, int fd, const struct buf *recipe,
			const struct chunkid *id, bool each, struct err *e)
{
	struct recipe_source from = {load_data, sink->store};
	struct writer w = {sink, fd, each, hash_new(), each ? NULL : places(sink)};
	struct readahead *r = readahead_new(sink->pool, load_and_write, hash_piece, &w);
	struct chunkid got;
	int rc = recipe_walk(recipe->p, recipe->len, &from, readahead_add, r, e);

	if (rc == 0)
		rc = readahead_finish(r, e);
	readahead_free(r);
	chunkset_free(w.like);
	hash_final(w.whole, got.b);
	hash_free(w.whole);
	if (rc == 0 && !chunkid_equal(&got, id))
		rc = wrong_content(e, id);
	return rc;
}

/*
 * The hash of the whole proves every piece of it, wherever it came from.  Only if that is wrong are
 * the pieces taken from the store and looked at one by one, which finds a sound copy or says which
 * one is damaged.
 */
static int write_recipe(const struct content_sink *sink, int fd, const struct buf *recipe,
			const struct chunkid *id, uint64_t bytes, struct err *e)
{
	int rc = write_pieces(sink, fd, recipe, id, false, e);

	if (rc != ERR_CORRUPT)
		return rc;
	err_clear(e);
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
