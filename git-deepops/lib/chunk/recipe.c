/* SPDX-License-Identifier: MIT */
/* recipe.c - reading and checking lists of chunks; see recipe.h, gitformat-deepops-store(5) */
#include "chunk/recipe.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/rd.h"
#include "base/xalloc.h"
#include "chunk/recipe_internal.h"

struct recipe_head {
	uint16_t version;
	uint16_t profile;
	uint64_t bytes;
	uint32_t n;
	const uint8_t *entries;
};

void recipe_release(struct recipe *r)
{
	free(r->entries);
	r->profile = 0;
	r->bytes = 0;
	r->entries = NULL;
	r->n = r->alloc = 0;
}

void recipe_add(struct recipe *r, const struct chunkid *id, uint32_t bytes)
{
	XGROW(r->entries, r->n + 1, r->alloc);
	r->entries[r->n++] = (struct recipe_entry){*id, bytes};
	r->bytes += bytes;
}

bool recipe_ends_piece(const struct chunkid *id, size_t count)
{
	uint32_t head = (uint32_t)id->b[0] << 24 | (uint32_t)id->b[1] << 16 |
			(uint32_t)id->b[2] << 8 | id->b[3];

	return head % RECIPE_PIECE_MODULUS == 0 || count == RECIPE_PIECE_ENTRIES;
}

static int head_parse(struct recipe_head *h, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);
	const uint8_t *magic = rd_bytes(&r, 4);

	h->version = rd_le16(&r);
	h->profile = rd_le16(&r);
	h->bytes = rd_le64(&r);
	h->n = rd_le32(&r);
	if (!rd_ok(&r) || memcmp(magic, RECIPE_MAGIC, 4) != 0)
		return err_set(e, ERR_CORRUPT, "not a recipe");
	if (h->version != 1 && h->version != 2)
		return err_set(e, ERR_CORRUPT, "recipe version %u", h->version);
	if (!h->profile)
		return err_set(e, ERR_CORRUPT, "recipe without a profile");
	if (!h->n || h->n > RECIPE_MAX_ENTRIES || h->bytes > INT64_MAX)
		return err_set(e, ERR_CORRUPT, "recipe of %" PRIu32 " entries, %" PRIu64 " bytes",
			       h->n, h->bytes);
	h->entries = rd_bytes(&r, (size_t)h->n * RECIPE_ENTRY_BYTES);
	if (!rd_at_end(&r))
		return err_set(e, ERR_CORRUPT, "recipe length and content disagree");
	return 0;
}

/* Entry `i` of a list of (id, u32). */
static struct recipe_entry entry_at(const uint8_t *entries, size_t i)
{
	struct rd r = rd_from(entries + i * RECIPE_ENTRY_BYTES, RECIPE_ENTRY_BYTES);
	struct recipe_entry entry;

	memcpy(entry.id.b, rd_bytes(&r, HASH_BYTES), HASH_BYTES);
	entry.bytes = rd_le32(&r);
	return entry;
}

struct walk {
	recipe_entry_fn cb;
	void *arg;
	uint64_t offset, count;
};

static int walk_entries(struct walk *w, const uint8_t *entries, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		struct recipe_entry entry = entry_at(entries, i);
		int rc;

		if (!entry.bytes || entry.bytes > CHUNK_MAX_BYTES)
			return err_set(e, ERR_CORRUPT, "recipe names a chunk of %" PRIu32 " bytes",
				       entry.bytes);
		rc = w->cb(w->arg, w->offset, &entry, e);
		if (rc < 0)
			return rc;
		/* At most 2^31 entries of at most 2^20 bytes: no overflow. */
		w->offset += entry.bytes;
		w->count++;
	}
	return 0;
}

/* A piece must be cut exactly where recipe_ends_piece() says; the last may end anywhere. */
static int check_piece(const struct buf *piece, uint32_t n, bool last, struct err *e)
{
	const uint8_t *entries = (const uint8_t *)piece->p;

	if (!n || n > RECIPE_PIECE_ENTRIES || piece->len != (size_t)n * RECIPE_ENTRY_BYTES)
		return err_set(e, ERR_CORRUPT, "recipe piece of %zu bytes for %" PRIu32 " entries",
			       piece->len, n);
	for (size_t i = 0; i < n; i++) {
		struct recipe_entry entry = entry_at(entries, i);
		bool ends = recipe_ends_piece(&entry.id, i + 1);

		if (ends != (i + 1 == n) && !(last && i + 1 == n))
			return err_set(e, ERR_CORRUPT, "recipe piece is not cut where it must be");
	}
	return 0;
}

static int walk_pieces(struct walk *w, const struct recipe_head *h,
		       const struct recipe_source *from, struct err *e)
{
	struct buf piece = BUF_INIT;
	int rc = 0;

	if (!from || !from->load)
		return err_set(e, ERR_NOTFOUND, "pieces of a recipe");
	for (uint32_t i = 0; rc == 0 && i < h->n; i++) {
		struct recipe_entry entry = entry_at(h->entries, i);

		buf_reset(&piece);
		rc = from->load(from->arg, &entry.id, &piece, e);
		if (rc == 0)
			rc = check_piece(&piece, entry.bytes, i + 1 == h->n, e);
		if (rc == 0)
			rc = walk_entries(w, (const uint8_t *)piece.p, entry.bytes, e);
	}
	if (rc == 0 && w->count <= RECIPE_MAX_ENTRIES)
		rc = err_set(e, ERR_CORRUPT, "recipe in pieces that fits in one");
	buf_release(&piece);
	return rc;
}

int recipe_walk(const void *p, size_t len, const struct recipe_source *from, recipe_entry_fn cb,
		void *cb_arg, struct err *e)
{
	struct walk w = {cb, cb_arg, 0, 0};
	struct recipe_head h;
	int rc = head_parse(&h, p, len, e);

	if (rc == 0 && h.version == 1)
		rc = walk_entries(&w, h.entries, h.n, e);
	else if (rc == 0)
		rc = walk_pieces(&w, &h, from, e);
	if (rc == 0 && w.offset != h.bytes)
		return err_set(e, ERR_CORRUPT,
			       "recipe says %" PRIu64 " bytes, its chunks hold %" PRIu64, h.bytes,
			       w.offset);
	return rc;
}

int recipe_total(const void *p, size_t len, uint64_t *bytes, struct err *e)
{
	struct recipe_head h;
	int rc = head_parse(&h, p, len, e);

	if (rc == 0)
		*bytes = h.bytes;
	return rc;
}

static int collect(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct recipe *r = arg;

	if (r->n >= RECIPE_PARSE_MAX_ENTRIES)
		return err_set(e, ERR_LIMIT, "recipe has more than %d entries by byte %" PRIu64,
			       RECIPE_PARSE_MAX_ENTRIES, offset);
	recipe_add(r, &entry->id, entry->bytes);
	return 0;
}

int recipe_parse(struct recipe *r, const void *p, size_t len, recipe_load_fn load, void *arg,
		 struct err *e)
{
	struct recipe_source from = {load, arg};
	struct recipe_head h;
	int rc;

	recipe_release(r);
	rc = head_parse(&h, p, len, e);
	if (rc == 0)
		rc = recipe_walk(p, len, &from, collect, r, e);
	if (rc < 0) {
		recipe_release(r);
		return rc;
	}
	r->profile = h.profile;
	return 0;
}

int recipe_pieces(const void *p, size_t len, struct recipe *pieces, struct err *e)
{
	struct recipe_head h;
	int rc = head_parse(&h, p, len, e);

	if (rc < 0 || h.version == 1)
		return rc;
	for (uint32_t i = 0; i < h.n; i++) {
		struct recipe_entry entry = entry_at(h.entries, i);

		if (!entry.bytes || entry.bytes > RECIPE_PIECE_ENTRIES)
			return err_set(e, ERR_CORRUPT, "recipe piece of %" PRIu32 " entries",
				       entry.bytes);
		recipe_add(pieces, &entry.id, entry.bytes * RECIPE_ENTRY_BYTES);
	}
	return 0;
}
