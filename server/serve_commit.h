/* SPDX-License-Identifier: MIT */
/*
 * serve_commit.h - the roots that COMMIT frames name, gathered
 *
 *	serve_commit_add(&c, payload, len, more, e);	once a frame
 *	view = serve_commit_view(&c);		borrows
 *	serve_commit_reset(&c);			for the next commit
 */
#ifndef SERVER_SERVE_COMMIT_H
#define SERVER_SERVE_COMMIT_H

#include "store/store.h"

struct serve_commit { /* all zero is empty */
	struct store_split *splits;
	struct store_rootref *files;
	size_t nsplits, splits_alloc, nfiles, files_alloc;
	size_t roots;       /* of all, held to COMMIT_MAX_ROOTS */
	size_t shards_left; /* still to come of the last split */
	size_t bytes;       /* of payload, held to COMMIT_MAX_BYTES */
	bool open;          /* a frame with FRAME_MORE came last */
};

/* ERR_PROTO, ERR_LIMIT: items that do not add up. Names are copied. `more`: the message goes on. */
int serve_commit_add(struct serve_commit *c, const void *payload, size_t len, bool more,
		     struct err *e) MUST_CHECK;
struct store_commit serve_commit_view(const struct serve_commit *c);
void serve_commit_reset(struct serve_commit *c);
void serve_commit_release(struct serve_commit *c);

#endif
