/* SPDX-License-Identifier: MIT */
/*
 * oidmap.h - a map from git object ids to numbers, in memory
 *
 *	map = oidmap_new();
 *	if (oidmap_put(map, &id, n))	it was not there
 *	...
 *	oidmap_free(map);
 */
#ifndef REPO_OIDMAP_H
#define REPO_OIDMAP_H

#include "repo/repo.h"

struct oidmap;

struct oidmap *oidmap_new(void);
void oidmap_free(struct oidmap *m); /* NULL is fine */
/* False, and nothing changes, when the id is there already. */
bool oidmap_put(struct oidmap *m, const struct repo_oid *id, size_t value);
bool oidmap_get(const struct oidmap *m, const struct repo_oid *id,
		size_t *value); /* value: or NULL */
size_t oidmap_count(const struct oidmap *m);

#endif
