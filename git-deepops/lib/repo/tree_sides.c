/* SPDX-License-Identifier: MIT */
/* tree_sides.c - two directories side by side; see tree_sides.h */
#include "repo/tree_sides.h"

void tree_sides_init(struct tree_side *a, struct tree_side *b)
{
	memset(a, 0, sizeof(*a));
	memset(b, 0, sizeof(*b));
	rawobj_tree_of(&a->t, NULL, 0);
	rawobj_tree_of(&b->t, NULL, 0);
	a->used = b->used = true;
}

/* git's order: as bytes, a directory as if its name ended in a slash. */
static int entry_cmp(const struct tree_entry *a, const struct tree_entry *b)
{
	size_t la = strlen(a->name);
	size_t lb = strlen(b->name);
	int c = memcmp(a->name, b->name, MIN(la, lb));
	unsigned char ca;
	unsigned char cb;

	if (c)
		return c;
	ca = (unsigned char)a->name[MIN(la, lb)];
	cb = (unsigned char)b->name[MIN(la, lb)];
	if (!ca && a->mode == TREE_MODE_DIR)
		ca = '/';
	if (!cb && b->mode == TREE_MODE_DIR)
		cb = '/';
	return (int)ca - (int)cb;
}

static int advance(struct tree_side *s, struct err *e)
{
	if (!s->used)
		return 0;
	s->has = rawobj_tree_next(&s->t, &s->next, e);
	s->used = false;
	return s->has < 0 ? s->has : 0;
}

int tree_sides_next(struct tree_side *a, struct tree_side *b, struct err *e)
{
	int rc = advance(a, e), c;

	if (rc == 0)
		rc = advance(b, e);
	if (rc < 0 || (!a->has && !b->has))
		return rc;
	c = !a->has ? 1 : !b->has ? -1 : entry_cmp(&a->next, &b->next);
	a->used = c <= 0;
	b->used = c >= 0;
	memset(&a->at, 0, sizeof(a->at));
	memset(&b->at, 0, sizeof(b->at));
	if (a->used)
		a->at = a->next;
	if (b->used)
		b->at = b->next;
	return 1;
}
