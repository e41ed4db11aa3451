/* SPDX-License-Identifier: MIT */
/* pool.c - worker threads with a bounded queue; see pool.h */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "base/xalloc.h"

#define POOL_MAX_THREADS 16 /* beyond that our work is bound by disk or network */
#define POOL_QUEUE_PER_THREAD 4

struct pool_task {
	pool_fn fn;
	void *arg;
	struct pool_group *group;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work; /* the queue is not empty, or we stop */
	pthread_cond_t done; /* a task ended */
	struct pool_task *ring;
	size_t head, queued, room;
	pthread_t *threads;
	unsigned int nr;
	bool stop;
};

struct pool_group {
	struct pool *pool;
	size_t open; /* submitted and not ended; under pool->lock */
};

static unsigned int pool_cpus(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return (unsigned int)MAX(1, MIN(n, POOL_MAX_THREADS));
}

/* Take the oldest task; the lock is held. */
static struct pool_task pool_take(struct pool *p)
{
	struct pool_task t = p->ring[p->head];

	p->head = (p->head + 1) % p->room;
	p->queued--;
	return t;
}

/* Run a task; the lock is held before and after. */
static void pool_run(struct pool *p, struct pool_task t)
{
	pthread_mutex_unlock(&p->lock);
	t.fn(t.arg);
	pthread_mutex_lock(&p->lock);
	t.group->open--;
	pthread_cond_broadcast(&p->done);
}

static void *pool_worker(void *arg)
{
	struct pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->queued && !p->stop)
			pthread_cond_wait(&p->work, &p->lock);
		if (!p->queued)
			break;
		pool_run(p, pool_take(p));
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals are the main thread's: workers start with all of them blocked. */
static void pool_start(struct pool *p, unsigned int threads)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->nr < threads && pthread_create(&p->threads[p->nr], NULL, pool_worker, p) == 0)
		p->nr++;
	/* Fewer threads, or none: callers then do the work. */
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct pool *pool_new(unsigned int threads, unsigned int queue)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	if (!threads)
		threads = pool_cpus();
	p->room = queue ? queue : (size_t)threads * POOL_QUEUE_PER_THREAD;
	p->ring = xcalloc(p->room, sizeof(*p->ring));
	p->threads = xcalloc(threads, sizeof(*p->threads));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	pool_start(p, threads);
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nr; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p->ring);
	free(p);
}

struct pool_group *pool_group_new(struct pool *p)
{
	struct pool_group *g = xcalloc(1, sizeof(*g));

	g->pool = p;
	return g;
}

void pool_group_submit(struct pool_group *g, pool_fn fn, void *arg)
{
	struct pool *p = g->pool;
	struct pool_task t = {fn, arg, g};

	pthread_mutex_lock(&p->lock);
	g->open++;
	if (p->nr && p->queued < p->room) {
		p->ring[(p->head + p->queued++) % p->room] = t;
		pthread_cond_signal(&p->work);
	} else {
		pool_run(p, t);
	}
	pthread_mutex_unlock(&p->lock);
}

void pool_group_wait(struct pool_group *g)
{
	struct pool *p = g->pool;

	pthread_mutex_lock(&p->lock);
	while (g->open) {
		if (p->queued)
			pool_run(p, pool_take(p));
		else
			pthread_cond_wait(&p->done, &p->lock);
	}
	pthread_mutex_unlock(&p->lock);
}

void pool_group_free(struct pool_group *g)
{
	if (!g)
		return;
	pool_group_wait(g);
	free(g);
}
