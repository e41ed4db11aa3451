/* SPDX-License-Identifier: MIT */
/*
 * pool.h - worker threads with a bounded queue
 *
 *	struct pool *pool = pool_new(0, 0);
 *	struct pool_group *g = pool_group_new(pool);
 *
 *	for (...)
 *		pool_group_submit(g, hash_one, &files[i]);
 *	pool_group_free(g);		waits for its tasks
 *	pool_free(pool);
 *
 * When the queue is full, the task runs in the caller: so a task may itself
 * submit and wait without deadlock, and the memory in flight stays bounded.
 * Errors are the task's business: keep the first under a lock of your own.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/defs.h"

struct pool;
typedef void (*pool_fn)(void *arg);

/*
 * threads 0: as many as there are CPUs for us, at most 16; queue 0: room for 4 tasks a thread.
 * If the system gives fewer threads, or none, callers do the work.
 */
struct pool *pool_new(unsigned int threads, unsigned int queue);
void pool_free(struct pool *p); /* after its groups; NULL is fine */

/* Tasks that are waited for together; several groups may share a pool. */
struct pool_group;
struct pool_group *pool_group_new(struct pool *p);
void pool_group_submit(struct pool_group *g, pool_fn fn, void *arg);
void pool_group_wait(struct pool_group *g); /* runs queued tasks meanwhile, of any group */
void pool_group_free(struct pool_group *g); /* waits first; NULL is fine */

#endif
