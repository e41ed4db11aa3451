/* SPDX-License-Identifier: MIT */
/* u-pool.c - every task runs once, also those that tasks submit; see base/pool.h */
#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "tap.h"

static struct pool *pool;
static atomic_uint ran, bad_self;

static void count(void *arg)
{
	atomic_fetch_add(&ran, *(unsigned int *)arg);
	if (pool_self(pool) > pool_threads(pool))
		atomic_fetch_add(&bad_self, 1);
}

/* A task that submits more than the queue holds and waits for it. */
static void fan_out(void *arg)
{
	struct pool_group *g = pool_group_new(pool);
	unsigned int before = atomic_load(&ran);

	for (int i = 0; i < 50; i++)
		pool_group_submit(g, count, arg);
	pool_group_wait(g);
	if (atomic_load(&ran) < before + 50)
		atomic_fetch_add(&bad_self, 1);
	pool_group_free(g);
}

int main(void)
{
	unsigned int one = 1;

	for (unsigned int threads = 1; threads <= 4; threads += 3) {
		pool = pool_new(threads, 2);
		atomic_store(&ran, 0);
		ok(pool_threads(pool) == threads && pool_self(pool) == threads, "%u threads",
		   threads);
		for (int i = 0; i < 1000; i++)
			pool_submit(pool, count, &one);
		pool_wait(pool);
		is_u64(atomic_load(&ran), 1000, "each ran once");
		for (int i = 0; i < 20; i++)
			pool_submit(pool, fan_out, &one);
		pool_wait(pool);
		is_u64(atomic_load(&ran), 2000, "tasks of tasks too");
		is_u64(atomic_load(&bad_self), 0,
		       "groups wait for their own, workers are numbered");
		for (int i = 0; i < 10; i++)
			pool_submit(pool, count, &one);
		pool_free(pool);
		is_u64(atomic_load(&ran), 2010, "free waits");
	}
	pool_free(NULL);
	return done_testing();
}
