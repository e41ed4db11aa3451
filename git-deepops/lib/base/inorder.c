/* SPDX-License-Identifier: MIT */
/* inorder.c - work done by a pool, taken in order; see inorder.h */
#include "base/inorder.h"

#include "base/xalloc.h"

struct place { /* beside each slot */
	struct inorder *o;
	struct pool_group *group; /* of its one task; NULL: no pool, or never used */
	void *slot;
	int rc;
	struct err err;
};

struct inorder {
	struct pool *pool;
	struct inorder_line line;
	struct place *places;
	size_t next, oldest; /* counted up; place number modulo line.n */
};

struct inorder *inorder_new(struct pool *pool, const struct inorder_line *line)
{
	struct inorder *o = xcalloc(1, sizeof(*o));

	o->pool = pool;
	o->line = *line;
	o->places = xcalloc(line->n, sizeof(*o->places));
	for (size_t i = 0; i < line->n; i++) {
		o->places[i].o = o;
		o->places[i].slot = (char *)line->slots + i * line->size;
	}
	return o;
}

static void work(void *arg)
{
	struct place *p = arg;

	err_clear(&p->err);
	p->rc = p->o->line.work(p->slot, &p->err);
}

static struct place *oldest(struct inorder *o)
{
	struct place *p = &o->places[o->oldest++ % o->line.n];

	if (p->group)
		pool_group_wait(p->group);
	return p;
}

static int take_oldest(struct inorder *o, struct err *e)
{
	struct place *p = oldest(o);

	if (p->rc == 0)
		return o->line.take(o->line.arg, p->slot, e);
	if (e)
		*e = p->err;
	return p->rc;
}

int inorder_next(struct inorder *o, void **slot, struct err *e)
{
	int rc = o->next - o->oldest == o->line.n ? take_oldest(o, e) : 0;

	*slot = o->places[o->next % o->line.n].slot;
	return rc;
}

int inorder_submit(struct inorder *o, struct err *e)
{
	struct place *p = &o->places[o->next++ % o->line.n];

	if (!o->pool) {
		work(p);
		return take_oldest(o, e);
	}
	if (!p->group)
		p->group = pool_group_new(o->pool);
	pool_group_submit(p->group, work, p);
	return 0;
}

int inorder_finish(struct inorder *o, struct err *e)
{
	int rc = 0;

	while (rc == 0 && o->oldest < o->next)
		rc = take_oldest(o, e);
	return rc;
}

void inorder_drop(struct inorder *o)
{
	while (o->oldest < o->next)
		(void)oldest(o);
}

void inorder_free(struct inorder *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->line.n; i++)
		pool_group_free(o->places[i].group); /* waits */
	free(o->places);
	free(o);
}
