/* SPDX-License-Identifier: MIT */
/* fuzz-pack.c - the decoder of packs, as tests/vectors/vectors.h drives it, and salvage */
#include "../vectors/vectors.h"
#include "base/hash.h"
#include "fuzz.h"

/* pack_row_fn: what salvage finds lies inside and follows what it found before. */
static int check_found(void *arg, const struct pack_row *row, struct err *e)
{
	size_t *end = arg;

	(void)e;
	fuzz_check(row->offset >= *end, "salvaged entries overlap");
	*end = row->offset + PACK_ENTRY_BYTES + (size_t)row->stored;
	return 0;
}

/* Make the SHA-256 in the footer right, so that what it guards is reached. */
static void mend(uint8_t *p, size_t len)
{
	struct rd r = rd_from(p + len - PACK_TRAILER_BYTES, 8);
	uint64_t off = rd_le64(&r);
	struct hash *h;

	if (off < PACK_HEADER_BYTES || off > len - PACK_TRAILER_BYTES)
		return;
	h = hash_new();
	hash_update(h, p, PACK_HEADER_BYTES);
	hash_update(h, p + off, len - off - HASH_BYTES);
	hash_final(h, p + len - HASH_BYTES);
	hash_free(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	size_t end = 0;
	uint8_t *copy;

	(void)vector_pack(data, size, &e);
	fuzz_check(pack_salvage(data, size, check_found, &end, &e) == 0 && end <= size,
		   "salvage beyond the end");
	if (size < PACK_HEADER_BYTES + PACK_TRAILER_BYTES)
		return 0;
	copy = xmemdup(data, size);
	mend(copy, size);
	(void)vector_pack(copy, size, &e);
	free(copy);
	return 0;
}
