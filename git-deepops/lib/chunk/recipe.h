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
 * A recipe is a chunk and so at most CHUNK_MAX_BYTES: RECIPE_MAX_ENTRIES
 * entries, some 2 GiB.  A longer list, and only a longer one, is stored as
 * pieces: version 2, whose entries are (id of a CHUNK_DATA chunk that holds
 * consecutive 36-byte entries, u32 n in it).  A piece ends after an entry whose
 * id's first 4 bytes (big-endian) mod 8192 are 0, or at RECIPE_PIECE_ENTRIES,
 * so that an edit inside a huge file changes one or two pieces.  See
 * gitformat-deepops-store(5).  recipe_* hide the difference behind callbacks.
 *
 * Files of any size in constant memory: write with recipe_writer_*, read with
 * recipe_walk().  `struct recipe` holds a whole list and is for what is known
 * to be small.
 */
#ifndef CHUNK_RECIPE_H
#define CHUNK_RECIPE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "chunk/chunkid.h"

#define RECIPE_HEADER_BYTES 20
#define RECIPE_MAX_ENTRIES 29126   /* (RECIPE_MAX_BYTES - header) / RECIPE_ENTRY_BYTES */
#define RECIPE_PIECE_ENTRIES 29127 /* a piece has no header */

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

/* Append the plain bytes of chunk (CHUNK_DATA, id), verified, to `out`; for pieces. */
typedef int (*recipe_load_fn)(void *arg, const struct chunkid *id, struct buf *out, struct err *e);
/* Keep a piece (a CHUNK_DATA chunk with these bytes). */
typedef int (*recipe_store_fn)(void *arg, const struct chunkid *id, const struct buf *piece,
			       struct err *e);
/* `offset`: where in the file this chunk's bytes begin.  Negative stops the walk. */
typedef int (*recipe_entry_fn)(void *arg, uint64_t offset, const struct recipe_entry *entry,
			       struct err *e);

void recipe_release(struct recipe *r);
void recipe_add(struct recipe *r, const struct chunkid *id, uint32_t bytes);
/* Serialise; pieces of a long list go through `store` first. */
int recipe_format(const struct recipe *r, recipe_store_fn store, void *arg, struct buf *out,
		  struct err *e) MUST_CHECK;
/*
 * Strict: ERR_CORRUPT for anything but the canonical bytes.  `r` is replaced.
 * `load` may be NULL: then version 2 is ERR_NOTFOUND.  More than
 * RECIPE_PARSE_MAX_ENTRIES is ERR_LIMIT: walk instead.
 */
#define RECIPE_PARSE_MAX_ENTRIES 4000000 /* 160 MB of memory, a file of some 256 GiB */
int recipe_parse(struct recipe *r, const void *p, size_t len, recipe_load_fn load, void *arg,
		 struct err *e) MUST_CHECK;
/* The pieces a version 2 recipe names (nothing for version 1): their ids and lengths in bytes. */
int recipe_pieces(const void *p, size_t len, struct recipe *pieces, struct err *e) MUST_CHECK;

/* What the header says, checked as far as the bytes themselves allow. */
int recipe_total(const void *p, size_t len, uint64_t *bytes, struct err *e) MUST_CHECK;

/* All entries in order with one piece in memory; as strict as recipe_parse(). */
struct recipe_source {
	recipe_load_fn load; /* may be NULL, as above */
	void *arg;
};

int recipe_walk(const void *p, size_t len, const struct recipe_source *from, recipe_entry_fn cb,
		void *cb_arg, struct err *e) MUST_CHECK;

/*
 *	w = recipe_writer_new(profile, store, arg);
 *	recipe_writer_add(w, &id, bytes, e) ...		pieces go through `store` as they fill
 *	recipe_writer_finish(w, &out, e);		appends the recipe
 *	recipe_writer_free(w);
 */
struct recipe_writer;
struct recipe_writer *recipe_writer_new(uint16_t profile, recipe_store_fn store, void *arg);
int recipe_writer_add(struct recipe_writer *w, const struct chunkid *id, uint32_t bytes,
		      struct err *e) MUST_CHECK;
int recipe_writer_finish(struct recipe_writer *w, struct buf *out, struct err *e) MUST_CHECK;
void recipe_writer_free(struct recipe_writer *w);

#endif
