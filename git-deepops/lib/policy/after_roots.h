/* SPDX-License-Identifier: MIT */
/*
 * after_roots.h - which roots of the chunk store refs and journals name
 */
#ifndef POLICY_AFTER_ROOTS_H
#define POLICY_AFTER_ROOTS_H

#include "chunk/chunkid.h"
#include "policy/push.h"
#include "repo/repo.h"
#include "repo/tree.h"
#include "store/store.h"

struct after_roots {
	struct repo *repo;
	struct chunkset *set;  /* (kind, id) of roots, value 0 */
	struct tree_news news; /* trees that were looked at */
};

void after_roots_init(struct after_roots *a, struct repo *r);
void after_roots_release(struct after_roots *a);

/* Of everything there is. */
int after_roots_all(struct after_roots *a, struct err *e) MUST_CHECK;
/* Of what one push brought. */
int after_roots_push(struct after_roots *a, const struct push *p, struct err *e) MUST_CHECK;

/* Write them to the store; replace: and only them.  Counted in *n. */
int after_roots_mark(struct after_roots *a, struct store *s, bool replace, uint64_t *n,
		     struct err *e) MUST_CHECK;

#endif
