/* SPDX-License-Identifier: MIT */
/*
 * readahead.h - the chunks of one file, loaded ahead by a pool, handed over in order
 *
 *	struct readahead *r = readahead_new(pool, load, take, arg);
 *	rc = recipe_walk(text, len, &from, readahead_add, r, e);
 *	if (rc == 0)
 *		rc = readahead_finish(r, e);
 *	readahead_free(r);
 *
 * For content that is hashed as a whole: only that has to go chunk after chunk, reading and
 * decoding need not.  `load` runs in tasks of the pool, several at once and in any order, `take`
 * in the caller's thread, in the order of the file.  Without a pool both run there.
 * READAHEAD_CHUNKS are on their way at the most: some 2 MiB, or 32 if they are as long as
 * chunks can be.  Not for use in a task of the same pool.
 */
#ifndef CHUNK_READAHEAD_H
#define CHUNK_READAHEAD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "chunk/recipe.h"

#define READAHEAD_CHUNKS 32

struct readahead;

/* Append the chunk's bytes to `plain`, which is empty. */
typedef int (*readahead_load_fn)(void *arg, uint64_t offset, const struct recipe_entry *entry,
				 struct buf *plain, struct err *e);
typedef int (*readahead_take_fn)(void *arg, const struct recipe_entry *entry,
				 const struct buf *plain, struct err *e);

/* `pool` may be NULL.  Both functions get `arg`. */
struct readahead *readahead_new(struct pool *pool, readahead_load_fn load, readahead_take_fn take,
				void *arg);
/* A recipe_entry_fn whose first argument is the readahead.  Errors are those of either function. */
int readahead_add(void *r, uint64_t offset, const struct recipe_entry *entry,
		  struct err *e) MUST_CHECK;
/* Take what is still on its way. */
int readahead_finish(struct readahead *r, struct err *e) MUST_CHECK;
/* Waits for the tasks; what they loaded is dropped. */
void readahead_free(struct readahead *r);

#endif
