/* SPDX-License-Identifier: MIT */
/* chunkset.c - set of (kind, id) keys with a value each; see chunkid.h */
#include <stdlib.h>

#include "base/random.h"
#include "base/xalloc.h"
#include "chunk/chunkid.h"

/*
 * Items stand in the order they came in; `slots` maps a hash to item number
 * plus one, by linear probing.  So a walk gives insertion order, and growing
 * moves small numbers only.
 */
struct chunkset_item {
	struct chunkkey key;
	uint64_t value;
};

struct chunkset {
	struct chunkset_item *items;
	size_t nr, alloc;
	uint32_t *slots;
	size_t mask; /* number of slots - 1, a power of two less one */
	uint64_t seed;
};

#define CHUNKSET_FIRST_SLOTS 64

struct chunkset *chunkset_new(void)
{
	struct chunkset *s = xcalloc(1, sizeof(*s));

	s->slots = xcalloc(CHUNKSET_FIRST_SLOTS, sizeof(*s->slots));
	s->mask = CHUNKSET_FIRST_SLOTS - 1;
	random_bytes(&s->seed, sizeof(s->seed));
	return s;
}

/*
 * Ids are hashes, but who chooses contents can make many ids that share a few
 * bytes: the secret seed keeps a peer from making long probe sequences.
 */
static size_t chunkset_hash(const struct chunkset *s, unsigned int kind, const struct chunkid *id)
{
	uint64_t a, b;

	memcpy(&a, id->b, sizeof(a));
	memcpy(&b, id->b + sizeof(a), sizeof(b));
	a = (a ^ s->seed) * UINT64_C(0x9e3779b97f4a7c15);
	b = (b + kind + (a >> 32)) * (s->seed | 1);
	return (size_t)(a ^ b >> 29);
}

/* The slot that holds the key, or the free one where it belongs. */
static uint32_t *chunkset_slot(const struct chunkset *s, unsigned int kind,
			       const struct chunkid *id)
{
	size_t at = chunkset_hash(s, kind, id) & s->mask;

	while (s->slots[at]) {
		const struct chunkkey *key = &s->items[s->slots[at] - 1].key;

		if (key->kind == kind && chunkid_equal(&key->id, id))
			break;
		at = (at + 1) & s->mask;
	}
	return &s->slots[at];
}

static void chunkset_widen(struct chunkset *s)
{
	free(s->slots);
	s->mask = s->mask * 2 + 1;
	s->slots = xcalloc(s->mask + 1, sizeof(*s->slots));
	for (size_t i = 0; i < s->nr; i++)
		*chunkset_slot(s, s->items[i].key.kind, &s->items[i].key.id) = (uint32_t)(i + 1);
}

bool chunkset_add(struct chunkset *s, enum chunk_kind kind, const struct chunkid *id,
		  uint64_t value)
{
	uint32_t *slot = chunkset_slot(s, kind, id);

	if (*slot)
		return false;
	XGROW(s->items, s->nr + 1, s->alloc);
	s->items[s->nr] = (struct chunkset_item){{(uint8_t)kind, *id}, value};
	*slot = (uint32_t)++s->nr;
	if (s->nr * 2 > s->mask)
		chunkset_widen(s);
	return true;
}

bool chunkset_has(const struct chunkset *s, enum chunk_kind kind, const struct chunkid *id)
{
	return *chunkset_slot(s, kind, id) != 0;
}

bool chunkset_get(const struct chunkset *s, enum chunk_kind kind, const struct chunkid *id,
		  uint64_t *value)
{
	uint32_t at = *chunkset_slot(s, kind, id);

	if (!at)
		return false;
	*value = s->items[at - 1].value;
	return true;
}

size_t chunkset_count(const struct chunkset *s)
{
	return s->nr;
}

bool chunkset_next(const struct chunkset *s, size_t *it, struct chunkkey *key, uint64_t *value)
{
	if (*it >= s->nr)
		return false;
	if (key)
		*key = s->items[*it].key;
	if (value)
		*value = s->items[*it].value;
	++*it;
	return true;
}

void chunkset_free(struct chunkset *s)
{
	if (!s)
		return;
	free(s->items);
	free(s->slots);
	free(s);
}
