/* SPDX-License-Identifier: MIT */
/*
 * ingest.h - the content of one file into chunks and a recipe
 *
 * Files up to INGEST_ALONE_BYTES are read, hashed and cut by the calling task.
 * Larger ones are read, cut and hashed as a whole by the caller while the pool hashes
 * and compresses their chunks; call that from outside the pool's tasks only.
 * Memory: some 2 MiB a thread and 8 MiB a large file, whatever its size.
 */
#ifndef DATA_INGEST_H
#define DATA_INGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/progress.h"
#include "chunk/chunkid.h"
#include "data/dtree.h"
#include "store/store.h"

#define INGEST_ALONE_BYTES (8 * MIB)

struct ingest {
	struct pool *pool;
	struct store_txn *txn; /* NULL: compute ids, store nothing */
	struct progress *progress;
};

/*
 * Read regular file `fd` from its start.  *id and *bytes are what was read, *st its lstat data from
 * before.  `size`: what is expected.  ERR_EXISTS: it is not what it was when opened.
 */
int ingest_fd(const struct ingest *in, int fd, struct dtree_stat *st, struct chunkid *id,
	      uint64_t *bytes, struct err *e) MUST_CHECK;

/* Is the whole content of a file in the store or the txn: its chunk, or recipe and all its chunks? */
int ingest_has(struct store_txn *txn, const struct chunkid *id, struct err *e) MUST_CHECK;

#endif
