/* SPDX-License-Identifier: MIT */
/*
 * content.h - the bytes of one file out of the local store
 *
 * The opposite of ingest.h.  The whole file is verified here, which proves its chunks:
 * content that does not hash to its id is ERR_CORRUPT.  What is not here is
 * ERR_NOTFOUND with the hint to fetch.
 */
#ifndef DATA_CONTENT_H
#define DATA_CONTENT_H

#include "base/err.h"
#include "base/pool.h"
#include "base/progress.h"
#include "chunk/chunkid.h"
#include "store/store.h"

/* In order and in pieces of at most 1 MiB; the last one comes only if the whole is right. */
typedef int (*content_fn)(void *arg, const void *p, size_t len, struct err *e);
int content_read(struct store *s, const struct chunkid *id, uint64_t bytes, content_fn cb,
		 void *arg, struct err *e) MUST_CHECK;

/*
 * Write it to the empty file `fd`, leaving holes for zeros.  With a pool the chunks
 * are read, checked and written by it while the caller hashes: for large files, and not from a task.
 */
struct content_sink {
	struct store *store;
	struct pool *pool; /* or NULL */
	struct progress *progress;
	/*
	 * A file that may hold much of the same, as the version before does: its descriptor, and its id when it
	 * was last looked at.  Chunks that both have are read from it, which costs less than to decode
	 * them.  Should it hold something else by now, they come from the store after all.
	 */
	int like_fd; /* -1: none */
	struct chunkid like_id;
};
int content_write(const struct content_sink *s, int fd, const struct chunkid *id, uint64_t bytes,
		  struct err *e) MUST_CHECK;

#endif
