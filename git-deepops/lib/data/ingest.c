/* SPDX-License-Identifier: MIT */
/* ingest.c - the content of one file into chunks and a recipe; see ingest.h */
#include "data/ingest.h"

#include <stdatomic.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "chunk/chunker.h"
#include "chunk/recipe.h"
#include "data/first.h"
#include "data/scan.h"

/* Room for a read behind the unfinished chunk that is carried over. */
#define BLOCK_READ_BYTES (1 * MIB)
#define BLOCK_BYTES (BLOCK_READ_BYTES + CHUNKER_CUT_MAX_BYTES)
/* Chunks after which the list goes to the recipe's writer: some 256 MiB of file. */
#define BATCH_CHUNKS 4096

/* Bytes of a file, shared by the tasks that hash its chunks. */
struct block {
	atomic_uint refs;
	uint8_t data[BLOCK_BYTES];
};

/* One file on its way in. */
struct flow {
	const struct ingest *in;
	int fd;
	struct hash *whole;
	uint64_t bytes;
	struct recipe_writer *recipe;
	struct recipe batch; /* chunks that are not yet in `recipe`: workers fill in the ids */
	struct chunker chunker;
	struct block *block;
	size_t start,
		have; /* of the unfinished chunk in block->data: its begin, and all bytes there */
	bool try_compress;
	struct pool_group *group; /* NULL: chunks are done by the caller */
	pthread_mutex_t lock;     /* of batch.entries */
	struct first first;
};

/* One chunk for a worker. */
struct piece {
	struct flow *f;
	struct block *block;
	const uint8_t *p;
	size_t len, at; /* at: which entry of the batch */
};

static struct block *block_new(void)
{
	struct block *b = xmalloc(sizeof(*b));

	atomic_init(&b->refs, 1);
	return b;
}

static void block_drop(struct block *b)
{
	if (b && atomic_fetch_sub(&b->refs, 1) == 1)
		free(b);
}

static int put(const struct ingest *in, const void *p, size_t len, bool try_compress,
	       struct chunkid *id, struct err *e)
{
	int rc;

	chunkid_of(id, p, len);
	if (!in->txn)
		return 0;
	rc = store_put(in->txn, CHUNK_DATA, id, p, len, try_compress, e);
	killpoint("track-chunk-put");
	return rc < 0 ? rc : 0;
}

static void do_piece(void *arg)
{
	struct piece *c = arg;
	struct flow *f = c->f;
	struct err e = ERR_INIT;
	struct chunkid id;
	int rc;

	if (!first_failed(&f->first)) {
		rc = put(f->in, c->p, c->len, f->try_compress, &id, &e);
		if (rc < 0)
			first_fail(&f->first, rc, &e);
		pthread_mutex_lock(&f->lock);
		f->batch.entries[c->at].id = id;
		pthread_mutex_unlock(&f->lock);
	}
	block_drop(c->block);
	free(c);
}

/* Wait for the batch's ids and hand it to the recipe. */
static int flush_batch(struct flow *f, struct err *e)
{
	int rc = 0;

	if (f->group)
		pool_group_wait(f->group);
	rc = first_result(&f->first, e);
	for (size_t i = 0; rc == 0 && i < f->batch.n; i++)
		rc = recipe_writer_add(f->recipe, &f->batch.entries[i].id,
				       f->batch.entries[i].bytes, e);
	f->batch.n = 0;
	return rc;
}

static void submit_piece(struct flow *f, const uint8_t *p, size_t len)
{
	struct piece *c = xmalloc(sizeof(*c));

	*c = (struct piece){f, f->block, p, len, f->batch.n - 1};
	atomic_fetch_add(&f->block->refs, 1);
	pool_group_submit(f->group, do_piece, c);
}

/* The chunk at f->start of `len` bytes is complete. */
static int emit(struct flow *f, size_t len, struct err *e)
{
	const uint8_t *p = f->block->data + f->start;
	struct chunkid id;
	int rc = 0;

	f->start += len;
	memset(&id, 0, sizeof(id));
	if (!f->group)
		rc = put(f->in, p, len, f->try_compress, &id, e);
	pthread_mutex_lock(&f->lock);
	recipe_add(&f->batch, &id, (uint32_t)len);
	pthread_mutex_unlock(&f->lock);
	if (f->group)
		submit_piece(f, p, len);
	return rc == 0 && f->batch.n >= BATCH_CHUNKS ? flush_batch(f, e) : rc;
}

/* Cut what was just read, the last `n` bytes of the block. */
static int cut(struct flow *f, size_t n, struct err *e)
{
	const uint8_t *p = f->block->data + f->have - n;
	int rc = 0;

	while (rc == 0 && n) {
		bool ends;
		size_t k = chunker_scan(&f->chunker, p, n, &ends);

		p += k;
		n -= k;
		if (ends)
			rc = emit(f, (size_t)(p - f->block->data) - f->start, e);
	}
	return rc;
}

/* Make room for the next read: the unfinished chunk goes to the front. */
static void turn_block(struct flow *f)
{
	struct block *old = f->block;
	size_t carry = f->have - f->start;

	if (f->group)
		f->block = block_new();
	memmove(f->block->data, old->data + f->start, carry);
	f->start = 0;
	f->have = carry;
	if (f->group)
		block_drop(old);
}

static int flow_run(struct flow *f, struct err *e)
{
	size_t got;
	int rc;

	do {
		turn_block(f);
		rc = io_read_full(f->fd, f->block->data + f->have, BLOCK_READ_BYTES, &got, e);
		if (rc < 0)
			return rc;
		hash_update(f->whole, f->block->data + f->have, got);
		f->have += got;
		f->bytes += got;
		progress_add(f->in->progress, got);
		rc = f->in->txn ? cut(f, got, e) : 0;
		if (!f->in->txn)
			f->start = f->have;
	} while (rc == 0 && got == BLOCK_READ_BYTES);
	if (rc == 0 && f->have > f->start)
		rc = emit(f, f->have - f->start, e);
	return rc;
}

static int keep_recipe_piece(void *arg, const struct chunkid *id, const struct buf *piece,
			     struct err *e)
{
	int rc = store_put(arg, CHUNK_DATA, id, piece->p, piece->len, true, e);

	return rc < 0 ? rc : 0;
}

static int put_recipe(const struct ingest *in, struct recipe_writer *w, const struct chunkid *id,
		      struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = recipe_writer_finish(w, &text, e);

	killpoint("track-recipe-put");
	if (rc == 0)
		rc = store_put(in->txn, CHUNK_RECIPE, id, text.p, text.len, true, e);
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

/* A file of more than a chunk: `head` says whether compressing can win. */
static int ingest_stream(const struct ingest *in, int fd, uint64_t size, bool try_compress,
			 struct chunkid *id, uint64_t *bytes, struct err *e)
{
	struct flow f = {.in = in,
			 .fd = fd,
			 .whole = hash_new(),
			 .batch = RECIPE_INIT,
			 .block = block_new(),
			 .try_compress = try_compress,
			 .lock = PTHREAD_MUTEX_INITIALIZER,
			 .first = FIRST_INIT};
	int rc;

	chunker_init(&f.chunker);
	f.recipe = recipe_writer_new(CHUNKER_PROFILE, keep_recipe_piece, in->txn);
	if (in->txn && size > INGEST_ALONE_BYTES)
		f.group = pool_group_new(in->pool);
	rc = flow_run(&f, e);
	if (rc == 0)
		rc = flush_batch(&f, e);
	pool_group_free(f.group); /* waits */
	hash_final(f.whole, id->b);
	*bytes = f.bytes;
	if (rc == 0 && in->txn)
		rc = put_recipe(in, f.recipe, id, e);
	recipe_release(&f.batch);
	recipe_writer_free(f.recipe);
	hash_free(f.whole);
	block_drop(f.block);
	return rc;
}

static int cut_mem(const struct ingest *in, const uint8_t *p, size_t len, bool try_compress,
		   struct recipe_writer *w, struct err *e)
{
	struct chunker c;
	int rc = 0;

	chunker_init(&c);
	for (size_t at = 0, end; rc == 0 && at < len; at = end) {
		bool ends = false;
		struct chunkid id;

		for (end = at; end < len && !ends;)
			end += chunker_scan(&c, p + end, len - end, &ends);
		rc = put(in, p + at, end - at, try_compress, &id, e);
		if (rc == 0)
			rc = recipe_writer_add(w, &id, (uint32_t)(end - at), e);
	}
	return rc;
}

/* Content that is in memory as a whole. */
static int ingest_mem(const struct ingest *in, const uint8_t *p, size_t len, struct chunkid *id,
		      struct err *e)
{
	bool compressed = chunker_is_compressed(p, MIN(len, 16));
	struct recipe_writer *w;
	int rc;

	if (!len || !in->txn || chunker_keeps_whole(p, MIN(len, 16), len)) {
		chunkid_of(id, p, len);
		return len && in->txn ? put(in, p, len, !compressed, id, e) : 0;
	}
	w = recipe_writer_new(CHUNKER_PROFILE, keep_recipe_piece, in->txn);
	rc = cut_mem(in, p, len, !compressed, w, e);
	chunkid_of(id, p, len);
	if (rc == 0)
		rc = put_recipe(in, w, id, e);
	recipe_writer_free(w);
	return rc;
}

static int ingest_small(const struct ingest *in, int fd, size_t size, struct chunkid *id,
			uint64_t *bytes, struct err *e)
{
	uint8_t *p = xmalloc(size + 1);
	size_t got;
	int rc = io_read_full(fd, p, size, &got, e); /* if it grew, its new size tells */

	*bytes = got;
	if (rc == 0 && got == size) {
		rc = ingest_mem(in, p, got, id, e);
		progress_add(in->progress, got);
	}
	free(p);
	return rc;
}

static bool unchanged(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_content(const struct ingest *in, int fd, uint64_t size, struct chunkid *id,
			uint64_t *bytes, struct err *e)
{
	uint8_t head[16];
	int rc;

	if (size <= CHUNK_MAX_BYTES)
		return ingest_small(in, fd, (size_t)size, id, bytes, e);
	rc = io_pread_full(fd, head, sizeof(head), 0, e);
	if (rc == ERR_CORRUPT)
		return err_set(e, ERR_EXISTS, "changed while it was read");
	if (rc < 0)
		return rc;
	return ingest_stream(in, fd, size, !chunker_is_compressed(head, sizeof(head)), id, bytes,
			     e);
}

int ingest_fd(const struct ingest *in, int fd, struct dtree_stat *st, struct chunkid *id,
	      uint64_t *bytes, struct err *e)
{
	struct stat before, after;
	int rc;

	if (fstat(fd, &before) < 0)
		return err_sys(e, "fstat");
	if (!S_ISREG(before.st_mode))
		return err_set(e, ERR_EXISTS, "changed while it was read");
	scan_stat(st, &before);
	rc = read_content(in, fd, (uint64_t)before.st_size, id, bytes, e);
	if (rc < 0)
		return rc;
	if (fstat(fd, &after) < 0)
		return err_sys(e, "fstat");
	if (!unchanged(&before, &after) || *bytes != (uint64_t)before.st_size)
		return err_set(e, ERR_EXISTS, "changed while it was read");
	return 0;
}

/* ---- is it there ---- */

static int load_data(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	return store_txn_load(arg, CHUNK_DATA, id, out, e);
}

static int has_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	int rc = store_txn_has(arg, CHUNK_DATA, &entry->id, NULL, e);

	(void)offset;
	return rc == 0 ? ERR_NOTFOUND : MIN(rc, 0);
}

static int has_recipe(struct store_txn *txn, const struct chunkid *id, struct err *e)
{
	struct recipe_source from = {load_data, txn};
	struct buf text = BUF_INIT;
	int rc = store_txn_load(txn, CHUNK_RECIPE, id, &text, e);

	if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, has_chunk, txn, e);
	buf_release(&text);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
		return 0; /* then it is stored again */
	return rc < 0 ? rc : 1;
}

int ingest_has(struct store_txn *txn, const struct chunkid *id, struct err *e)
{
	int rc;

	if (chunkid_is_empty_file(id))
		return 1;
	rc = store_txn_has(txn, CHUNK_DATA, id, NULL, e);
	return rc == 0 ? has_recipe(txn, id, e) : rc;
}
