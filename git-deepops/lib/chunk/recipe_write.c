/* SPDX-License-Identifier: MIT */
/* recipe_write.c - writing lists of chunks in constant memory; see recipe.h */
#include <stdlib.h>

#include "base/wr.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "chunk/recipe_internal.h"

/*
 * Whether the list fits in one recipe is known only when it ends or passes
 * RECIPE_MAX_ENTRIES: until then entries wait in `entries`, cut points in
 * `counts`.
 */
struct recipe_writer {
	uint16_t profile;
	recipe_store_fn store;
	void *arg;
	uint64_t bytes, total;
	struct buf entries;   /* not yet stored: version 1 as a whole, or the last pieces */
	struct recipe pieces; /* stored; entry.bytes is the number of entries in it */
	uint32_t open;        /* entries in the piece being filled */
	uint32_t *counts;     /* sizes of complete pieces in `entries` */
	size_t complete, alloc;
};

struct recipe_writer *recipe_writer_new(uint16_t profile, recipe_store_fn store, void *arg)
{
	struct recipe_writer *w = xcalloc(1, sizeof(*w));

	w->profile = profile;
	w->store = store;
	w->arg = arg;
	buf_init(&w->entries);
	return w;
}

/* Store the first `n` entries that wait as one piece. */
static int flush_piece(struct recipe_writer *w, uint32_t n, struct err *e)
{
	struct buf piece = BUF_INIT;
	struct chunkid id;
	int rc;

	if (w->pieces.n == RECIPE_MAX_ENTRIES)
		return err_set(e, ERR_LIMIT, "file of more than %" PRIu64 " bytes", w->bytes);
	buf_add(&piece, w->entries.p, (size_t)n * RECIPE_ENTRY_BYTES);
	chunkid_of(&id, piece.p, piece.len);
	rc = w->store(w->arg, &id, &piece, e);
	if (rc == 0) {
		recipe_add(&w->pieces, &id, n);
		buf_remove(&w->entries, 0, piece.len);
	}
	buf_release(&piece);
	return rc;
}

static int flush_complete(struct recipe_writer *w, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->complete; i++)
		rc = flush_piece(w, w->counts[i], e);
	w->complete = 0;
	return rc;
}

int recipe_writer_add(struct recipe_writer *w, const struct chunkid *id, uint32_t bytes,
		      struct err *e)
{
	if (!bytes || bytes > CHUNK_MAX_BYTES)
		return err_set(e, ERR_INPUT, "chunk of %" PRIu32 " bytes", bytes);
	buf_add(&w->entries, id->b, HASH_BYTES);
	wr_le32(&w->entries, bytes);
	w->bytes += bytes;
	w->total++;
	w->open++;
	if (recipe_ends_piece(id, w->open)) {
		XGROW(w->counts, w->complete + 1, w->alloc);
		w->counts[w->complete++] = w->open;
		w->open = 0;
	}
	return w->total > RECIPE_MAX_ENTRIES && w->complete ? flush_complete(w, e) : 0;
}

static void add_header(struct buf *out, uint16_t version, const struct recipe_writer *w, uint32_t n)
{
	buf_addstr(out, RECIPE_MAGIC);
	wr_le16(out, version);
	wr_le16(out, w->profile);
	wr_le64(out, w->bytes);
	wr_le32(out, n);
}

int recipe_writer_finish(struct recipe_writer *w, struct buf *out, struct err *e)
{
	int rc = 0;

	if (!w->total)
		return err_set(e, ERR_INPUT, "recipe of no chunks");
	if (w->total <= RECIPE_MAX_ENTRIES) {
		add_header(out, 1, w, (uint32_t)w->total);
		buf_addbuf(out, &w->entries);
		return 0;
	}
	if (w->open)
		rc = flush_piece(w, w->open, e);
	if (rc < 0)
		return rc;
	add_header(out, 2, w, (uint32_t)w->pieces.n);
	for (size_t i = 0; i < w->pieces.n; i++) {
		buf_add(out, w->pieces.entries[i].id.b, HASH_BYTES);
		wr_le32(out, w->pieces.entries[i].bytes);
	}
	return 0;
}

void recipe_writer_free(struct recipe_writer *w)
{
	if (!w)
		return;
	buf_release(&w->entries);
	recipe_release(&w->pieces);
	free(w->counts);
	free(w);
}

int recipe_format(const struct recipe *r, recipe_store_fn store, void *arg, struct buf *out,
		  struct err *e)
{
	struct recipe_writer *w = recipe_writer_new(r->profile, store, arg);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		rc = recipe_writer_add(w, &r->entries[i].id, r->entries[i].bytes, e);
	if (rc == 0)
		rc = recipe_writer_finish(w, out, e);
	recipe_writer_free(w);
	return rc;
}
