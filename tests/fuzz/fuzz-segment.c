/* SPDX-License-Identifier: MIT */
/* fuzz-segment.c - the decoder of segments, as tests/vectors/vectors.h drives it */
#include "../vectors/vectors.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "fuzz.h"

#define FANOUT_BYTES (CHUNK_KINDS * SEGMENT_FANOUT * 4)
#define ROW_BYTES 49

/* Make the checksums right where the header's counts fit the size, so that what they guard is reached. */
static void mend(uint8_t *p, size_t len)
{
	struct rd r = rd_from(p + 12, 8);
	uint64_t packs = rd_le32(&r), rows = rd_le32(&r), body, blocks;

	body = SEGMENT_HEADER_BYTES + packs * HASH_BYTES + FANOUT_BYTES + rows * ROW_BYTES;
	blocks = (body + SEGMENT_BLOCK_BYTES - 1) / SEGMENT_BLOCK_BYTES;
	if (len != body + 4 * blocks + HASH_BYTES)
		return;
	for (uint64_t b = 0; b < blocks; b++) {
		uint64_t at = b * SEGMENT_BLOCK_BYTES;
		uint32_t crc = crc32c_update(0, p + at, MIN(SEGMENT_BLOCK_BYTES, body - at));

		for (unsigned int i = 0; i < 4; i++)
			p[body + 4 * b + i] = (uint8_t)(crc >> (8 * i));
	}
	hash_sha256(p + len - HASH_BYTES, p, len - HASH_BYTES);
}

/* Lookups in whatever opens are right or refused. */
static void look_up(const uint8_t *p, size_t len)
{
	struct segment *s = NULL;
	struct segment_row row;
	struct chunkid id;

	if (segment_from(&s, p, len, NULL) < 0)
		return;
	chunkid_of(&id, "hello\n", 6);
	for (unsigned int kind = 1; kind <= CHUNK_KINDS; kind++)
		if (segment_find(s, (enum chunk_kind)kind, &id, &row, NULL) == 1)
			fuzz_check(row.pack < segment_npacks(s), "pack number out of bounds");
	segment_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	uint8_t *copy;

	(void)vector_segment(data, size, &e);
	look_up(data, size);
	if (size < SEGMENT_HEADER_BYTES + HASH_BYTES)
		return 0;
	copy = xmemdup(data, size);
	mend(copy, size);
	(void)vector_segment(copy, size, &e);
	look_up(copy, size);
	free(copy);
	return 0;
}
