/* SPDX-License-Identifier: MIT */
/*
 * chunker.h - content-defined cut points in a byte stream
 *
 * FastCDC with normalised chunking (Xia et al., USENIX ATC 2016, section 3, and
 * TPDS 2020), Gear hash over a 64-bit state.  gear[i] is the first 8 bytes,
 * big-endian, of SHA-256("deepops-gear" || le16(i)).  The table, the masks and
 * the lengths are profile 1 and part of the format: gitformat-deepops-store(5),
 * tests/vectors/chunker/.  A profile's parameters never change.
 *
 * Profile 1: min 16 KiB, average 64 KiB, max 256 KiB, normalisation level 2: a
 * cut before 64 KiB needs 18 one-mask bits clear, one after it 14.  Masks take
 * the top bits, which have seen the most input bytes.  The first 16 KiB of a
 * chunk are skipped; the state is warmed from the 64 bytes before.
 *
 *	struct chunker c;
 *	chunker_init(&c);
 *	while ((n = read(...)) > 0)
 *		for (p = buf; n; p += k, n -= k) {
 *			k = chunker_scan(&c, p, n, &cut);
 *			append p[0..k) to the chunk; if (cut) the chunk ends here
 *		}
 */
#ifndef CHUNK_CHUNKER_H
#define CHUNK_CHUNKER_H

#include "base/defs.h"
#include "base/limits.h"

#define CHUNKER_PROFILE 1
#define CHUNKER_MIN_BYTES (16 * KIB)
#define CHUNKER_AVG_BYTES (64 * KIB)
#define CHUNKER_CUT_MAX_BYTES (256 * KIB)

struct chunker {
	uint64_t state;
	size_t have; /* bytes in the current chunk so far */
};

void chunker_init(struct chunker *c);

/*
 * Look for the next cut in p[0..len), len > 0.  Returns how many bytes belong
 * to the current chunk (1..len) and sets *cut if the chunk ends there.  Never
 * fails, never allocates; the same bytes give the same cuts however they are
 * split over calls.
 */
size_t chunker_scan(struct chunker *c, const uint8_t *p, size_t len, bool *cut);

/*
 * Is a file with these first bytes and this size kept whole (profile 1)?  Up to
 * 64 KiB always; up to 1 MiB if its magic says it is already compressed (JPEG,
 * PNG, GIF, WebP, zip, gzip, zstd, xz, bzip2, FLAC, Ogg, MP4, PDF).  `head` is
 * the first MIN(size, 16) bytes.
 */
bool chunker_keeps_whole(const uint8_t *head, size_t head_len, uint64_t size);
/* Is there no point in trying to compress it? Same magics. */
bool chunker_is_compressed(const uint8_t *head, size_t head_len);

const uint64_t *chunker_gear(void); /* 256 entries, for the vectors test */

#endif
