/* SPDX-License-Identifier: MIT */
/*
 * zframe.h - one chunk, encoded for storage: raw or a single zstd frame
 *
 * The only file that knows zstd.  Encoding numbers are part of the pack format:
 * 0 raw, 1 zstd; 2 and 3 byte-grouped floats, 4 delta are reserved and refused.
 * A context is not thread-safe: one per thread.
 */
#ifndef CHUNK_ZFRAME_H
#define CHUNK_ZFRAME_H

#include "base/buf.h"
#include "base/err.h"

enum zframe_encoding { ZFRAME_RAW = 0, ZFRAME_ZSTD = 1 };
#define ZFRAME_LEVEL 1     /* measured: quality of level 3 at half its time on tables and weights */
#define ZFRAME_MIN_GAIN 33 /* keep raw unless 1/33 (3 %) is won */

struct zframe;
struct zframe *zframe_new(void);
void zframe_free(struct zframe *z);

/* Append the encoded bytes of p[0..len) to `out`; returns the encoding used. Never fails. */
enum zframe_encoding zframe_encode(struct zframe *z, const void *p, size_t len, bool try_compress,
				   struct buf *out);

/* One chunk as it is stored; what comes from outside need not be consistent. */
struct zframe_stored {
	unsigned int encoding;
	const void *p;
	size_t len;
	size_t plain; /* length it must decode to */
};

/*
 * Append exactly `plain` bytes to `out`.  Refused (ERR_CORRUPT): unknown
 * encoding, more than one frame, trailing bytes, declared size absent or not
 * `plain`, dictionary, skippable frame, window above 2^21.  plain <= CHUNK_MAX_BYTES.
 */
int zframe_decode(struct zframe *z, const struct zframe_stored *in, struct buf *out,
		  struct err *e) MUST_CHECK;

#endif
