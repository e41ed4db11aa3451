/* SPDX-License-Identifier: MIT */
/* readahead.c - the chunks of one file, loaded ahead by a pool; see readahead.h */
#include "chunk/readahead.h"

#include "base/xalloc.h"

struct slot {
	struct readahead *r;
	struct pool_group *group; /* of the one task that fills it; NULL: no pool, or never used */
	struct recipe_entry entry;
	uint64_t offset;
	struct buf plain;
	int rc;
	struct err err;
};

struct readahead {
	struct pool *pool;
	readahead_load_fn load;
	readahead_take_fn take;
	void *arg;
	size_t next, oldest; /* counted up; slot number modulo READAHEAD_CHUNKS */
	struct slot slots[READAHEAD_CHUNKS];
};

struct readahead *readahead_new(struct pool *pool, readahead_load_fn load, readahead_take_fn take,
				void *arg)
{
	struct readahead *r = xcalloc(1, sizeof(*r));

	r->pool = pool;
	r->load = load;
	r->take = take;
	r->arg = arg;
	for (size_t i = 0; i < READAHEAD_CHUNKS; i++) {
		r->slots[i].r = r;
		buf_init(&r->slots[i].plain);
	}
	return r;
}

static void fill(void *arg)
{
	struct slot *s = arg;

	buf_reset(&s->plain);
	s->rc = s->r->load(s->r->arg, s->offset, &s->entry, &s->plain, &s->err);
}

static int take_oldest(struct readahead *r, struct err *e)
{
	struct slot *s = &r->slots[r->oldest++ % READAHEAD_CHUNKS];

	if (s->group)
		pool_group_wait(s->group);
	if (s->rc == 0)
		return r->take(r->arg, &s->entry, &s->plain, e);
	if (e)
		*e = s->err;
	return s->rc;
}

int readahead_add(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct readahead *r = arg;
	struct slot *s = &r->slots[r->next % READAHEAD_CHUNKS];
	int rc = r->next - r->oldest == READAHEAD_CHUNKS ? take_oldest(r, e) : 0;

	if (rc < 0)
		return rc;
	s->entry = *entry;
	s->offset = offset;
	r->next++;
	if (!r->pool) {
		fill(s);
		return take_oldest(r, e);
	}
	if (!s->group)
		s->group = pool_group_new(r->pool);
	pool_group_submit(s->group, fill, s);
	return 0;
}

int readahead_finish(struct readahead *r, struct err *e)
{
	int rc = 0;

	while (rc == 0 && r->oldest < r->next)
		rc = take_oldest(r, e);
	return rc;
}

void readahead_free(struct readahead *r)
{
	for (size_t i = 0; i < READAHEAD_CHUNKS; i++) {
		pool_group_free(r->slots[i].group);
		buf_release(&r->slots[i].plain);
	}
	free(r);
}
