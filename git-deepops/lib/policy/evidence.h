/* SPDX-License-Identifier: MIT */
/*
 * evidence.h - what a judge may ask about data
 *
 * The hook asks the chunk store beside the repository; `git deepops check`
 * asks the chunk remote for markers and nodes, the local store for nodes first.  Neither
 * reads file content; only targets of links.
 */
#ifndef POLICY_EVIDENCE_H
#define POLICY_EVIDENCE_H

#include "data/pointer.h"
#include "store/remote.h"
#include "store/store.h"

#define EVIDENCE_PIN_SECONDS INT64_C(86400) /* an unrooted marker must last a day more */

struct evidence {
	/* The marker of a root; state NONE where there is none. */
	int (*root)(void *arg, enum chunk_kind kind, const struct chunkid *id,
		    struct store_root *out, struct err *e);
	/* The dataset id of a pointer, proven; ERR_NOTFOUND where it is not known. */
	int (*dataset)(void *arg, const struct pointer *p, struct chunkid *id, struct err *e);
	/* Append the text of a dataset's node (node_load_fn); ERR_NOTFOUND. */
	int (*node)(void *arg, const struct chunkid *id, struct buf *text, struct err *e);
	/* A node or a link's target (dataset_links_load_fn) that needs no question to a remote. NULL: none is. */
	int (*near)(void *arg, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
		    struct err *e);
	void *arg;
};

/* A store directory, opened read-only when first asked. */
struct evidence_store {
	const char *dir;
	struct store *store;
};
void evidence_of_store(struct evidence *out, struct evidence_store *s, const char *dir);
/* This client's store, as if all of it were sent: its nodes say what there is. */
void evidence_of_sent(struct evidence *out, struct evidence_store *s, const char *dir);
void evidence_store_release(struct evidence_store *s);

/* A remote for markers, and for nodes that `local` (may be NULL) lacks: they prove dataset ids. */
struct evidence_remote {
	struct remote *remote;
	struct store *local;
};
void evidence_of_remote(struct evidence *out, struct evidence_remote *r);

enum evidence_state {
	EVIDENCE_KEPT,    /* complete, and named by a ref or pinned long enough */
	EVIDENCE_MISSING, /* not complete */
	EVIDENCE_EXPIRED  /* complete, but it may be deleted any moment */
};
struct evidence_found {
	enum evidence_state state;
	size_t bad, total; /* shards that are not kept, of all */
};
/* Are all roots of a pointer kept?  `now` in seconds. */
int evidence_pointer(const struct evidence *ev, const struct pointer *p, int64_t now,
		     struct evidence_found *out, struct err *e) MUST_CHECK;

#endif
