/* SPDX-License-Identifier: MIT */
/* u-readahead.c - loaded in any order, taken in the file's; see chunk/readahead.h */
#include <stdatomic.h>
#include <unistd.h>

#include "chunk/readahead.h"
#include "tap.h"

#define NONE UINT64_MAX

struct file {
	uint64_t load_fails, take_fails; /* at this offset */
	uint64_t taken;                  /* the offset that is due */
	uint64_t wrong;
	atomic_uint loaded;
	atomic_uint ahead; /* loaded, not yet taken: at the most */
	atomic_uint most;
};

static int load(void *arg, uint64_t offset, const struct recipe_entry *entry, struct buf *plain,
		struct err *e)
{
	struct file *f = arg;
	unsigned int ahead = atomic_fetch_add(&f->ahead, 1) + 1, most = atomic_load(&f->most);

	while (ahead > most && !atomic_compare_exchange_weak(&f->most, &most, ahead))
		;
	/* Those that come first take longest. */
	usleep(offset % 7 ? 50 : 2000);
	atomic_fetch_add(&f->loaded, 1);
	if (offset == f->load_fails)
		return err_set(e, ERR_CORRUPT, "load %" PRIu64, offset);
	buf_addf(plain, "%" PRIu64 " %" PRIu32, offset, entry->bytes);
	return 0;
}

static int take(void *arg, const struct recipe_entry *entry, const struct buf *plain, struct err *e)
{
	struct file *f = arg;
	struct buf want = BUF_INIT;

	atomic_fetch_sub(&f->ahead, 1);
	buf_addf(&want, "%" PRIu64 " %" PRIu32, f->taken, entry->bytes);
	f->wrong += buf_cmp(&want, plain) != 0;
	buf_release(&want);
	if (f->taken == f->take_fails)
		return err_set(e, ERR_INPUT, "take %" PRIu64, f->taken);
	f->taken++;
	return 0;
}

static int run(struct pool *pool, struct file *f, uint64_t n, struct err *e)
{
	struct readahead *r = readahead_new(pool, load, take, f);
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		struct recipe_entry entry = {.bytes = (uint32_t)(1000 + i)};

		rc = readahead_add(r, i, &entry, e);
	}
	if (rc == 0)
		rc = readahead_finish(r, e);
	readahead_free(r);
	return rc;
}

static void test_order(struct pool *pool, const char *with)
{
	const uint64_t counts[] = {0, 1, READAHEAD_CHUNKS, 5 * READAHEAD_CHUNKS + 3};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct file f = {.load_fails = NONE, .take_fails = NONE};

		ok(run(pool, &f, counts[i], NULL) == 0 && f.taken == counts[i] && !f.wrong,
		   "%s: %" PRIu64 " chunks, in order", with, counts[i]);
		is_u64(atomic_load(&f.loaded), counts[i], "each was loaded once");
		ok(atomic_load(&f.most) <= READAHEAD_CHUNKS, "no more than there is room for");
	}
}

static void test_errors(struct pool *pool, const char *with)
{
	struct file f = {.load_fails = 70, .take_fails = NONE};
	struct err e = ERR_INIT;

	ok(run(pool, &f, 200, &e) == ERR_CORRUPT, "%s: an error of load ends it", with);
	is_str(e.msg, "load 70", "with its message");
	is_u64(f.taken, 70, "behind what came before it");
	f = (struct file){.load_fails = 100, .take_fails = 90};
	ok(run(pool, &f, 200, &e) == ERR_INPUT, "%s: so does one of take", with);
	is_str(e.msg, "take 90", "the first in the order of the file");
	f = (struct file){.load_fails = 199, .take_fails = NONE};
	ok(run(pool, &f, 200, &e) == ERR_CORRUPT && f.taken == 199,
	   "%s: the last chunk's error is not lost", with);
	f.load_fails = 0;
	ok(run(pool, &f, 200, NULL) == ERR_CORRUPT, "%s: also without an err", with);
}

int main(void)
{
	struct pool *pool = pool_new(4, 8);

	test_order(pool, "a pool");
	test_order(NULL, "no pool");
	test_errors(pool, "a pool");
	test_errors(NULL, "no pool");
	pool_free(pool);
	return done_testing();
}
