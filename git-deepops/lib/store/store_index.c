/* SPDX-License-Identifier: MIT */
/* store_index.c - gathering rows for a new segment; see store_internal.h */
#include "base/limits.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

void store_index_release(struct store_index *x)
{
	free(x->rows);
	free(x->packs);
	memset(x, 0, sizeof(*x));
}

uint32_t store_index_add_pack(struct store_index *x, const struct chunkid *name)
{
	XGROW(x->packs, x->npacks + 1, x->packs_alloc);
	x->packs[x->npacks] = *name;
	return (uint32_t)x->npacks++;
}

/* Exactly: these are the largest arrays there are. */
static void reserve(struct store_index *x, size_t more)
{
	if (x->n + more <= x->alloc)
		return;
	x->alloc = x->n + more;
	x->rows = xrealloc(x->rows, x->alloc, sizeof(*x->rows));
}

void store_index_add_rows(struct store_index *x, uint32_t pack, const struct pack_row *rows,
			  size_t n)
{
	reserve(x, n);
	for (size_t i = 0; i < n; i++) {
		struct segment_row *row = &x->rows[x->n++];

		row->id = rows[i].id;
		row->kind = rows[i].kind;
		row->encoding = rows[i].encoding;
		row->pack = pack;
		row->offset = rows[i].offset;
		row->stored = rows[i].stored;
		row->plain = rows[i].plain;
	}
}

int store_index_add_segment(struct store *s, struct store_index *x, struct segment *seg,
			    struct err *e)
{
	uint32_t *number = xcalloc(segment_npacks(seg), sizeof(*number));
	int rc = 0;

	reserve(x, segment_count(seg));
	for (uint32_t i = 0; i < segment_npacks(seg); i++)
		if (store_pack_is_here(s, seg, i))
			number[i] = store_index_add_pack(x, segment_pack(seg, i));
	for (size_t i = 0; i < segment_count(seg) && rc == 0; i++) {
		struct segment_row *row = &x->rows[x->n];

		rc = segment_row_at(seg, i, row, e);
		if (rc == 0 && store_pack_is_here(s, seg, row->pack)) {
			row->pack = number[row->pack];
			x->n++;
		}
	}
	free(number);
	return rc;
}

/* By key, then by pack: packs were added newest first. */
static int row_cmp(const void *a, const void *b)
{
	const struct segment_row *x = a, *y = b;
	int cmp = segment_row_cmp(x, y);

	if (cmp == 0)
		cmp = x->pack < y->pack ? -1 : x->pack > y->pack;
	return cmp;
}

static void sort_unique(struct store_index *x)
{
	size_t to = 0;

	qsort(x->rows, x->n, sizeof(*x->rows), row_cmp);
	for (size_t i = 0; i < x->n; i++)
		if (to == 0 || segment_row_cmp(&x->rows[to - 1], &x->rows[i]) != 0)
			x->rows[to++] = x->rows[i];
	x->n = to;
}

int store_index_write(struct store *s, struct catalogue *cat, struct store_index *x, struct err *e)
{
	struct catalogue_segment entry;
	struct buf dir = BUF_INIT;
	int rc;

	if (x->n == 0)
		return 0;
	sort_unique(x);
	store_path(s, &dir, "segments");
	rc = segment_write(dir.p, x->rows, x->n, x->packs, x->npacks, &entry.id, e);
	entry.entries = x->n;
	if (rc == 0)
		rc = catalogue_add_segment(cat, &entry, e);
	buf_release(&dir);
	return rc;
}
