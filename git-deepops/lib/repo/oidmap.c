/* SPDX-License-Identifier: MIT */
/* oidmap.c - a map from git object ids to numbers; see oidmap.h */
#include "repo/oidmap.h"

#include "base/random.h"
#include "base/xalloc.h"

struct slot {
	struct repo_oid id; /* hex[0] == '\0': free */
	size_t value;
};

struct oidmap {
	struct slot *v;
	size_t n, size; /* size: a power of two */
	uint64_t seed;  /* who pushes can choose ids, and must not choose where they land */
};

struct oidmap *oidmap_new(void)
{
	struct oidmap *m = xcalloc(1, sizeof(*m));

	m->size = 64;
	m->v = xcalloc(m->size, sizeof(*m->v));
	random_bytes(&m->seed, sizeof(m->seed));
	return m;
}

void oidmap_free(struct oidmap *m)
{
	if (!m)
		return;
	free(m->v);
	free(m);
}

/* FNV-1a over the digits, from a seed. */
static size_t hash_of(const struct oidmap *m, const struct repo_oid *id)
{
	uint64_t h = m->seed ^ UINT64_C(0xcbf29ce484222325);

	for (const char *p = id->hex; *p; p++)
		h = (h ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ (h >> 32));
}

static struct slot *find(const struct oidmap *m, const struct repo_oid *id)
{
	size_t at = hash_of(m, id) & (m->size - 1);

	while (m->v[at].id.hex[0] && !repo_oid_equal(&m->v[at].id, id))
		at = (at + 1) & (m->size - 1);
	return &m->v[at];
}

static void grow(struct oidmap *m)
{
	struct slot *old = m->v;
	size_t n = m->size;

	m->size *= 2;
	m->v = xcalloc(m->size, sizeof(*m->v));
	for (size_t i = 0; i < n; i++)
		if (old[i].id.hex[0])
			*find(m, &old[i].id) = old[i];
	free(old);
}

bool oidmap_put(struct oidmap *m, const struct repo_oid *id, size_t value)
{
	struct slot *s = find(m, id);

	if (s->id.hex[0])
		return false;
	s->id = *id;
	s->value = value;
	if (++m->n * 4 > m->size * 3)
		grow(m);
	return true;
}

bool oidmap_get(const struct oidmap *m, const struct repo_oid *id, size_t *value)
{
	const struct slot *s = find(m, id);

	if (!s->id.hex[0])
		return false;
	if (value)
		*value = s->value;
	return true;
}

size_t oidmap_count(const struct oidmap *m)
{
	return m->n;
}
