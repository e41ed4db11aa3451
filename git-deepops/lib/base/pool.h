/* SPDX-License-Identifier: MIT */
/*
 * pool.h - worker threads with a bounded queue
 *
 * pool_submit() runs the task in the caller when the queue is full, so a task
 * may itself submit without deadlock, and memory in flight stays bounded.
 * Errors are the task's business: keep the first under a lock of your own.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/defs.h"

struct pool;
typedef void (*pool_fn)(void *arg);

/* threads 0: number of CPUs we may use, at most 16. queue 0: 4 a thread. */
struct pool *pool_new(unsigned int threads, unsigned int queue);
unsigned int pool_threads(const struct pool *p);
/* 0..threads-1 inside a task run by a worker, `threads` when run by a caller. */
unsigned int pool_self(const struct pool *p);
void pool_submit(struct pool *p, pool_fn fn, void *arg);
void pool_wait(struct pool *p); /* until everything submitted so far is done */
void pool_free(struct pool *p); /* waits; NULL is fine */

/* A group of tasks that can be waited for on its own. */
struct pool_group;
struct pool_group *pool_group_new(struct pool *p);
void pool_group_submit(struct pool_group *g, pool_fn fn, void *arg);
void pool_group_wait(struct pool_group *g); /* helps running tasks meanwhile */
void pool_group_free(struct pool_group *g);

#endif
