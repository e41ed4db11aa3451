/* SPDX-License-Identifier: MIT */
/* kept.c - may the copies here go?  see kept.h */
#include "sync/kept.h"

#include "base/xalloc.h"
#include "wire/msg.h"

/* Roots of many versions; root i belongs to item owner[i]. */
struct roots {
	struct store_rootref *v;
	size_t *owner;
	size_t n, alloc, owner_alloc;
};

static void add(struct roots *r, enum chunk_kind kind, const struct chunkid *id, size_t owner)
{
	if (chunkid_is_empty_file(id))
		return;
	XGROW(r->v, r->n + 1, r->alloc);
	XGROW(r->owner, r->n + 1, r->owner_alloc);
	r->v[r->n] = (struct store_rootref){kind, *id};
	r->owner[r->n++] = owner;
}

static void add_item(struct roots *r, const struct pointer *p, size_t owner)
{
	if (p->kind == POINTER_FILE)
		add(r, CHUNK_DATA, &p->id, owner);
	for (size_t i = 0; p->kind != POINTER_FILE && i < p->n; i++)
		add(r, CHUNK_NODE, &p->shards[i].id, owner);
}

static void release(struct roots *r)
{
	free(r->v);
	free(r->owner);
}

static void worsen(enum kept *state, enum kept one)
{
	*state = MIN(*state, one);
}

static int ask_markers(struct remote *remote, const struct roots *r, enum kept *out, struct err *e)
{
	enum store_root_state *states = xcalloc(r->n + 1, sizeof(*states));
	int rc = r->n ? remote_roots(remote, r->v, r->n, states, e) : 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		worsen(&out[r->owner[i]], states[i] == STORE_ROOT_ROOTED     ? KEPT_SAFE
					  : states[i] == STORE_ROOT_COMPLETE ? KEPT_PINNED
									     : KEPT_NOT);
	free(states);
	return rc;
}

static int ask_proofs(struct remote *remote, const struct roots *r, enum kept *out, struct err *e)
{
	enum store_hashed *answers = xcalloc(r->n + 1, sizeof(*answers));
	const struct msg_prove how = {.hash = true};
	int rc = r->n ? remote_prove(remote, &how, r->v, r->n, answers, e) : 0;

	for (size_t i = 0; rc == 0 && i < r->n; i++)
		worsen(&out[r->owner[i]], answers[i] == STORE_HASHED_ALL       ? KEPT_SAFE
					  : answers[i] == STORE_HASHED_DAMAGED ? KEPT_DAMAGED
									       : KEPT_UNPROVEN);
	free(answers);
	return rc;
}

int kept_ask(struct remote *remote, const struct sync_item *items, size_t n, enum kept *out,
	     struct err *e)
{
	struct roots all = {NULL, NULL, 0, 0, 0}, rooted = {NULL, NULL, 0, 0, 0};
	int rc;

	for (size_t i = 0; i < n; i++) {
		out[i] = KEPT_SAFE;
		add_item(&all, &items[i].pointer, i);
	}
	rc = ask_markers(remote, &all, out, e);
	for (size_t i = 0; i < n; i++)
		if (out[i] == KEPT_SAFE)
			add_item(&rooted, &items[i].pointer, i);
	if (rc == 0)
		rc = ask_proofs(remote, &rooted, out, e);
	release(&all);
	release(&rooted);
	return rc;
}

const char *kept_text(enum kept state)
{
	switch (state) {
	case KEPT_PINNED:
		return "only pinned there: no ref names it";
	case KEPT_DAMAGED:
		return "damaged there";
	case KEPT_UNPROVEN:
		return "not proven yet: the server has to read it first, which takes several tries";
	case KEPT_SAFE:
		return "safe";
	case KEPT_NOT:
		break;
	}
	return "not complete there";
}
