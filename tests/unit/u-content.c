/* SPDX-License-Identifier: MIT */
/*
 * u-content.c - a file out of the store, beside one that holds much of it; see data/content.h
 *
 * A chunk that the store lacks can only have come from the file beside it.
 */
#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "chunk/recipe.h"
#include "data/content.h"
#include "store-lib.h"

#define CHUNK 3000
#define CHUNKS 40
#define CHANGED 7 /* of the second version; its content is number 100 */

static struct store *store;
static struct chunkid ids[2];
static struct buf texts[2];

static uint64_t number(int version, uint64_t i)
{
	return version && i == CHANGED ? 100 : i;
}

/* Put version 0 or 1; without the chunks of `lacks` on. */
static void put_version(struct store_txn *x, int version, uint64_t lacks)
{
	struct recipe r = {.profile = 1};
	struct buf recipe = BUF_INIT, one = BUF_INIT;
	struct err e = ERR_INIT;

	for (uint64_t i = 0; i < CHUNKS; i++) {
		struct chunkid id = lib_id(number(version, i), CHUNK);

		lib_content(number(version, i), CHUNK, &one);
		buf_addbuf(&texts[version], &one);
		recipe_add(&r, &id, CHUNK);
		if (i < lacks)
			must(lib_put(x, number(version, i), CHUNK, &e), &e);
	}
	chunkid_of(&ids[version], texts[version].p, texts[version].len);
	must(recipe_format(&r, NULL, NULL, &recipe, &e), &e);
	must(store_put(x, CHUNK_RECIPE, &ids[version], recipe.p, recipe.len, true, &e), &e);
	recipe_release(&r);
	buf_release(&recipe);
	buf_release(&one);
}

static int scratch(const void *p, size_t len)
{
	char path[] = "/tmp/u-content-XXXXXX";
	int fd = mkstemp(path);
	struct err e = ERR_INIT;

	if (fd < 0)
		abort();
	unlink(path);
	must(io_write_all(fd, p, len, &e), &e);
	return fd;
}

/* Write version 1 beside a file of these bytes, said to be version 0. */
static int write_beside(struct pool *pool, const void *p, size_t len, struct buf *got,
			struct err *e)
{
	struct content_sink sink = {.store = store, .pool = pool, .like_id = ids[0]};
	int fd = scratch("", 0), rc;

	err_clear(e);
	sink.like_fd = p ? scratch(p, len) : -1;
	rc = content_write(&sink, fd, &ids[1], texts[1].len, e);
	buf_reset(got);
	lseek(fd, 0, SEEK_SET);
	if (rc == 0)
		must(io_read_fd(fd, MIB, got, e), e);
	close(fd);
	if (sink.like_fd >= 0)
		close(sink.like_fd);
	return rc;
}

static void test_all_here(struct pool *pool, const char *with)
{
	struct buf got = BUF_INIT, wrong = BUF_INIT;
	struct err e = ERR_INIT;

	ok(write_beside(pool, NULL, 0, &got, &e) == 0 && !buf_cmp(&got, &texts[1]),
	   "%s, nothing beside it: %s", with, e.msg);
	ok(write_beside(pool, texts[0].p, texts[0].len, &got, &e) == 0 && !buf_cmp(&got, &texts[1]),
	   "the version before beside it: %s", e.msg);
	ok(write_beside(pool, texts[0].p, texts[0].len / 2, &got, &e) == 0 &&
		   !buf_cmp(&got, &texts[1]),
	   "half of it");
	buf_add(&wrong, texts[0].p, texts[0].len);
	wrong.p[5 * CHUNK + 1] ^= 1;
	ok(write_beside(pool, wrong.p, wrong.len, &got, &e) == 0 && !buf_cmp(&got, &texts[1]),
	   "that version with a byte changed: %s", e.msg);
	buf_release(&got);
	buf_release(&wrong);
}

static void test_lacking(struct pool *pool, const char *with)
{
	struct buf got = BUF_INIT, wrong = BUF_INIT;
	struct err e = ERR_INIT;

	ok(write_beside(pool, NULL, 0, &got, &e) == ERR_NOTFOUND, "%s: some of it is not here",
	   with);
	ok(write_beside(pool, texts[0].p, texts[0].len, &got, &e) == 0 && !buf_cmp(&got, &texts[1]),
	   "but in the file beside it: %s", e.msg);
	buf_add(&wrong, texts[0].p, texts[0].len);
	wrong.p[wrong.len - 1] ^= 1;
	ok(write_beside(pool, wrong.p, wrong.len, &got, &e) < 0,
	   "which is not believed when a byte is wrong: %s", e.msg);
	buf_release(&got);
	buf_release(&wrong);
}

static void run(const char *name, uint64_t lacks, void (*test)(struct pool *pool, const char *with))
{
	struct pool *pool = pool_new(3, 0);
	struct err e = ERR_INIT;
	struct store_txn *x;

	store = lib_open(name, 0);
	must(store_begin(store, NULL, &x, &e), &e);
	for (int i = 0; i < 2; i++) {
		buf_init(&texts[i]);
		put_version(x, i, lacks);
	}
	must(store_commit(x, NULL, &e), &e);
	test(NULL, "no pool");
	test(pool, "a pool");
	for (int i = 0; i < 2; i++)
		buf_release(&texts[i]);
	store_close(store);
	pool_free(pool);
}

int main(void)
{
	lib_begin();
	run("all", CHUNKS, test_all_here);
	run("lacking", CHUNKS / 2, test_lacking);
	lib_end();
	return done_testing();
}
