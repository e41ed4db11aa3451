/* SPDX-License-Identifier: MIT */
/*
 * segment.h - immutable sorted index of chunks; format: gitformat-deepops-store(5), SEGMENTS
 *
 *	segment_write(dir, rows, n, packs, npacks, &name, e);	<dir>/<name>.seg, durable
 *	segment_open(&s, path, &name, e);			maps it
 *	if (segment_find(s, kind, &id, &row, e) == 1)
 *		... segment_pack(s, row.pack), row.offset
 *	segment_close(&s);
 *
 * A lookup is a fan-out step and a binary search in the mapped id column.  Each
 * 64 KiB block is checked against its CRC-32C when it is first touched, so
 * opening costs the same whatever the size and damage never steers a reader.
 * Reading is thread-safe.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "base/buf.h"
#include "base/err.h"
#include "chunk/chunkid.h"

#define SEGMENT_VERSION 1
#define SEGMENT_HEADER_BYTES 24 /* magic[8] version packs entries 0 */
#define SEGMENT_FANOUT 256      /* by the first byte of the id, for each kind */
#define SEGMENT_BLOCK_BYTES 65536
#define SEGMENT_MAX_PACKS (1 << 22)

struct segment_row {
	struct chunkid id;
	uint8_t kind;
	uint8_t encoding;
	uint32_t pack; /* number in the pack table */
	uint32_t offset;
	uint32_t stored;
	uint32_t plain;
};

/* (kind, id) order; a total order, for qsort too. */
int segment_row_cmp(const struct segment_row *a, const struct segment_row *b);

/*
 * Write `dir`/<name>.seg; rows strictly ascending, pack < npacks, n >= 1.  An
 * existing file of that name has the same bytes and is kept.
 */
int segment_write(const char *dir, const struct segment_row *rows, size_t n,
		  const struct chunkid *packs, size_t npacks, struct chunkid *name,
		  struct err *e) MUST_CHECK;

struct segment;

/* ERR_NOTFOUND if absent.  Checks the header, the tables and the size, nothing else. */
int segment_open(struct segment **out, const char *path, const struct chunkid *name,
		 struct err *e) MUST_CHECK;
/* The same over memory that outlives it; for tests. */
int segment_from(struct segment **out, const void *p, size_t len, struct err *e) MUST_CHECK;
struct segment *segment_hold(struct segment *s); /* one more segment_close() is needed */
void segment_close(struct segment **s);          /* NULL is fine */

/* 1 and *row, 0 not here, ERR_CORRUPT. */
int segment_find(struct segment *s, enum chunk_kind kind, const struct chunkid *id,
		 struct segment_row *row, struct err *e) MUST_CHECK;
/* Row i of segment_count(), in order. */
int segment_row_at(struct segment *s, size_t i, struct segment_row *row, struct err *e) MUST_CHECK;
size_t segment_count(const struct segment *s);
size_t segment_npacks(const struct segment *s);
const struct chunkid *segment_pack(const struct segment *s, size_t i);
/*
 * What its user found about the file of pack i; remembered as long as the segment is open, as
 * a stat for every lookup would cost more than the lookup.
 */
enum segment_pack_state { SEGMENT_PACK_UNKNOWN, SEGMENT_PACK_HERE, SEGMENT_PACK_MISSING };
enum segment_pack_state segment_pack_state(const struct segment *s, size_t i);
void segment_note_pack(struct segment *s, size_t i, enum segment_pack_state state);
bool segment_misses_pack(const struct segment *s); /* one was noted as missing */
const struct chunkid *segment_id(const struct segment *s);

/* Everything: SHA-256 and name, every block, order and bounds of every row. */
int segment_check(struct segment *s, struct err *e) MUST_CHECK;

/* segments/<64 digits>.seg, relative to the store; appended. */
void segment_name(struct buf *out, const struct chunkid *name);

#endif
