/* SPDX-License-Identifier: MIT */
/* u-pool.c - every task runs once, also those that tasks submit; see base/pool.h */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/pool.h"
#include "tap.h"

static struct pool *pool;

static void count(void *arg)
{
	usleep(100); /* so that a group that does not wait is caught */
	atomic_fetch_add((atomic_uint *)arg, 1);
}

struct parent {
	atomic_uint children, complete;
};

/* A task that submits more than the queue holds and waits for it. */
static void fan_out(void *arg)
{
	struct parent *parent = arg;
	struct pool_group *g = pool_group_new(pool);
	atomic_uint mine = 0;

	for (int i = 0; i < 50; i++)
		pool_group_submit(g, count, &mine);
	pool_group_wait(g);
	atomic_fetch_add(&parent->complete, atomic_load(&mine) == 50);
	pool_group_submit(g, count, &mine);
	pool_group_free(g);
	atomic_fetch_add(&parent->children, atomic_load(&mine));
}

static void test_groups(unsigned int threads)
{
	struct pool_group *g;
	struct parent parent = {0};
	atomic_uint ran = 0;

	pool = pool_new(threads, 2);
	g = pool_group_new(pool);
	for (int i = 0; i < 200; i++)
		pool_group_submit(g, count, &ran);
	pool_group_wait(g);
	is_u64(atomic_load(&ran), 200, "each task ran once");
	for (int i = 0; i < 20; i++)
		pool_group_submit(g, fan_out, &parent);
	pool_group_free(g);
	is_u64(atomic_load(&parent.complete), 20, "a group waits for its own");
	is_u64(atomic_load(&parent.children), 20 * 51, "and may be used again");
	pool_free(pool);
}

/* ---- who runs a task ---- */

static pthread_barrier_t barrier;

static void meet(void *arg)
{
	for (int *times = arg; *times > 0; --*times)
		pthread_barrier_wait(&barrier);
}

static void note_thread(void *arg)
{
	*(pthread_t *)arg = pthread_self();
}

static void test_full_queue(void)
{
	struct pool_group *g;
	pthread_t first, second;
	int twice = 2;

	pool = pool_new(1, 1);
	g = pool_group_new(pool);
	pthread_barrier_init(&barrier, NULL, 2);
	pool_group_submit(g, meet, &twice);
	pthread_barrier_wait(&barrier); /* the worker is busy now */
	pool_group_submit(g, note_thread, &first);
	pool_group_submit(g, note_thread, &second);
	ok(pthread_equal(second, pthread_self()), "with a full queue the caller runs the task");
	pthread_barrier_wait(&barrier);
	pool_group_free(g);
	pthread_barrier_destroy(&barrier);
	pool_free(pool);
}

static void test_at_once(void)
{
	int once[3] = {1, 1, 1};
	struct pool_group *g;

	pool = pool_new(2, 2);
	g = pool_group_new(pool);
	pthread_barrier_init(&barrier, NULL, 3);
	alarm(30); /* tasks that run one after the other never meet */
	for (int i = 0; i < 3; i++)
		pool_group_submit(g, meet, &once[i]);
	pool_group_free(g);
	alarm(0);
	ok(!once[0] && !once[1] && !once[2], "two workers and who waits run tasks at once");
	pthread_barrier_destroy(&barrier);
	pool_free(pool);
}

int main(void)
{
	test_groups(1);
	test_groups(4);
	test_full_queue();
	test_at_once();
	pool_group_free(NULL);
	pool_free(NULL);
	return done_testing();
}
