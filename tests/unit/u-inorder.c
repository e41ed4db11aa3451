/* SPDX-License-Identifier: MIT */
/* u-inorder.c - done in any order, taken in the one it was given; see base/inorder.h */
#include <stdatomic.h>
#include <unistd.h>

#include "base/inorder.h"
#include "tap.h"

#define SLOTS 8

struct slot {
	unsigned int given, done;
};

static struct slot slots[SLOTS];
static atomic_uint worked;
static unsigned int taken, wrong, fails; /* fails: which one's work does; 0: none */

static int work(void *arg, struct err *e)
{
	struct slot *s = arg;

	usleep(s->given % 5 ? 20 : 1000); /* some are late */
	s->done = s->given;
	atomic_fetch_add(&worked, 1);
	return s->given == fails ? err_set(e, ERR_INPUT, "number %u", s->given) : 0;
}

static int take(void *arg, void *slot, struct err *e)
{
	const struct slot *s = slot;
	unsigned int *due = arg;

	(void)e;
	wrong += s->done != *due;
	*due = s->done + 1;
	taken++;
	return 0;
}

/* Give numbers [from, to). */
static int give(struct inorder *o, unsigned int from, unsigned int to, struct err *e)
{
	void *slot;
	int rc = 0;

	for (unsigned int i = from; rc == 0 && i < to; i++) {
		rc = inorder_next(o, &slot, e);
		if (rc < 0)
			break;
		((struct slot *)slot)->given = i;
		rc = inorder_submit(o, e);
	}
	return rc;
}

static void test_line(struct pool *pool, const char *with)
{
	unsigned int due = 1;
	const struct inorder_line line = {slots, SLOTS, sizeof(*slots), work, take, &due};
	struct inorder *o = inorder_new(pool, &line);
	struct err e = ERR_INIT;

	taken = wrong = fails = 0;
	atomic_store(&worked, 0);
	ok(give(o, 1, 101, &e) == 0 && inorder_finish(o, &e) == 0 && taken == 100 && !wrong,
	   "%s: all are taken, in order", with);
	is_u64(atomic_load(&worked), 100, "each was worked on once");

	ok(give(o, 101, 104, &e) == 0, "a few more");
	inorder_drop(o);
	ok(taken == (pool ? 100 : 103) && atomic_load(&worked) == 103,
	   "dropped: what was not taken yet is not, but waited for");
	due = 104;
	ok(give(o, 104, 130, &e) == 0 && inorder_finish(o, &e) == 0 && !wrong && due == 130,
	   "and the line goes on");

	fails = 133;
	ok(give(o, 130, 160, &e) == ERR_INPUT && !strcmp(e.msg, "number 133") && due == 133,
	   "an error comes in its turn");
	fails = 0;
	due = pool ? 134 : due;
	ok(inorder_finish(o, NULL) == 0 && !wrong, "what is behind it can be taken");
	inorder_free(o);
}

int main(void)
{
	struct pool *pool = pool_new(4, 4);

	test_line(pool, "a pool");
	test_line(NULL, "no pool");
	pool_free(pool);
	inorder_free(NULL);
	return done_testing();
}
