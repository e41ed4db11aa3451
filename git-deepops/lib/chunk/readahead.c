/* SPDX-License-Identifier: MIT */
/* readahead.c - the chunks of one file, loaded ahead by a pool; see readahead.h */
#include "chunk/readahead.h"

#include "base/inorder.h"
#include "base/xalloc.h"

struct slot {
	struct readahead *r;
	struct recipe_entry entry;
	uint64_t offset;
	struct buf plain;
};

struct readahead {
	readahead_load_fn load;
	readahead_take_fn take;
	void *arg;
	struct inorder *line;
	struct slot slots[READAHEAD_CHUNKS];
};

static int load(void *slot, struct err *e)
{
	struct slot *s = slot;

	buf_reset(&s->plain);
	return s->r->load(s->r->arg, s->offset, &s->entry, &s->plain, e);
}

static int take(void *arg, void *slot, struct err *e)
{
	const struct readahead *r = arg;
	const struct slot *s = slot;

	return r->take(r->arg, &s->entry, &s->plain, e);
}

struct readahead *readahead_new(struct pool *pool, readahead_load_fn load_chunk,
				readahead_take_fn take_chunk, void *arg)
{
	struct readahead *r = xcalloc(1, sizeof(*r));
	const struct inorder_line line = {r->slots, READAHEAD_CHUNKS, sizeof(*r->slots), load, take,
					  r};

	r->load = load_chunk;
	r->take = take_chunk;
	r->arg = arg;
	for (size_t i = 0; i < READAHEAD_CHUNKS; i++) {
		r->slots[i].r = r;
		buf_init(&r->slots[i].plain);
	}
	r->line = inorder_new(pool, &line);
	return r;
}

int readahead_add(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct readahead *r = arg;
	void *next;
	struct slot *s;
	int rc = inorder_next(r->line, &next, e);

	if (rc < 0)
		return rc;
	s = next;
	s->entry = *entry;
	s->offset = offset;
	return inorder_submit(r->line, e);
}

int readahead_finish(struct readahead *r, struct err *e)
{
	return inorder_finish(r->line, e);
}

void readahead_free(struct readahead *r)
{
	inorder_free(r->line);
	for (size_t i = 0; i < READAHEAD_CHUNKS; i++)
		buf_release(&r->slots[i].plain);
	free(r);
}
