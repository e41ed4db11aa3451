/* SPDX-License-Identifier: MIT */
/*
 * recipe.h - which chunks make up one multi-chunk file
 *
 *	"DOPR" | u16 version=1 | u16 profile | u64 bytes | u32 n | n x (id[32], u32 length)
 *
 * Keyed in a store by (CHUNK_RECIPE, SHA-256 of the file), which is not the hash
 * of these bytes: a store accepts a recipe only after hashing the assembled
 * content.  n >= 1; lengths 1..CHUNK_MAX_BYTES, their sum is `bytes`.
 *
 * A recipe is a chunk and so at most CHUNK_MAX_BYTES: 29,126 entries, some
 * 2 GiB.  A longer list is stored as pieces: version 2, whose entries are
 * (id of a CHUNK_DATA chunk that holds consecutive 36-byte entries, u32 n in
 * it); see gitformat-deepops-store(5).  recipe_* hide the difference behind a
 * loader callback.
 */
#ifndef CHUNK_RECIPE_H
#define CHUNK_RECIPE_H

#include "base/buf.h"
#include "base/err.h"
#include "chunk/chunkid.h"

struct recipe_entry {
	struct chunkid id;
	uint32_t bytes;
};

struct recipe {
	uint16_t profile;
	uint64_t bytes;
	struct recipe_entry *entries;
	size_t n, alloc;
};

#define RECIPE_INIT                                                                                \
	{                                                                                          \
		0, 0, NULL, 0, 0                                                                   \
	}

/* Append the plain bytes of chunk (CHUNK_DATA, id) to `out`; for pieces. */
typedef int (*recipe_load_fn)(void *arg, const struct chunkid *id, struct buf *out, struct err *e);
/* Keep a piece (a CHUNK_DATA chunk with these bytes). */
typedef int (*recipe_store_fn)(void *arg, const struct chunkid *id, const struct buf *piece,
			       struct err *e);

void recipe_release(struct recipe *r);
void recipe_add(struct recipe *r, const struct chunkid *id, uint32_t bytes);
/* Serialise; pieces of a long list go through `store` first. */
int recipe_format(const struct recipe *r, recipe_store_fn store, void *arg, struct buf *out,
		  struct err *e) MUST_CHECK;
/* Strict: ERR_CORRUPT for anything but the canonical bytes.  `r` is replaced. `load` may be NULL: then version 2 is ERR_NOTFOUND. */
int recipe_parse(struct recipe *r, const void *p, size_t len, recipe_load_fn load, void *arg,
		 struct err *e) MUST_CHECK;
/* The ids of the pieces a version 2 recipe names (nothing for version 1), appended to `ids`. */
int recipe_pieces(const void *p, size_t len, struct recipe *pieces, struct err *e) MUST_CHECK;

#endif
