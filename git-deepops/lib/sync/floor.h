/* SPDX-License-Identifier: MIT */
/*
 * floor.h - the server's floor policy, as it was when it was last asked for
 *
 *	struct floor f;
 *	floor_init(&f);
 *	floor_get(repo, &where, FLOOR_MAX_SECONDS, &f);
 *	if (f.state == FLOOR_TEXT)
 *		... policy_parse(f.text.p, f.text.len) ...	the bytes of a stranger
 *	if (f.why.len)
 *		... "as of <f.asked>: <f.why>" ...		it could not be asked now
 *	floor_release(&f);
 *
 * It is the floor of the repository that the store stands beside.  Every push and fetch that connects anyway
 * keeps it: <deepops dir>/floor/<key of the place>, with the store's uuid and the time.  What is kept is
 * disposable: if it is absent, cut off or malformed, nothing is known.  No function here fails: the
 * reason why nothing is known is part of the answer.
 */
#ifndef SYNC_FLOOR_H
#define SYNC_FLOOR_H

#include "base/buf.h"
#include "repo/repo.h"
#include "store/remote.h"
#include "sync/where.h"

#define FLOOR_MAX_SECONDS 3600 /* what is kept that long is as good as new */

enum floor_state {
	FLOOR_UNKNOWN, /* `why` says why */
	FLOOR_NONE,    /* the server has none */
	FLOOR_TEXT,
};

struct floor {
	enum floor_state state;
	struct buf text;
	int64_t asked;    /* seconds since 1970; 0 for FLOOR_UNKNOWN */
	uint8_t uuid[16]; /* of the store; zero if there was none yet */
	struct buf why;   /* one line: why it is not known, or not from now; empty else */
};

void floor_init(struct floor *f);
void floor_release(struct floor *f);

/* What is kept, however old: no connection. */
void floor_kept(struct repo *r, const struct where *w, struct floor *out);
/* Over a connection that is open: ask, and keep the answer. */
void floor_ask(struct repo *r, const struct where *w, struct remote *remote, struct floor *out);
/*
 * What is kept if it is at most `max_seconds` old, else over a connection of its own; where that can't be
 * had, what is kept, with `why`.
 */
void floor_get(struct repo *r, const struct where *w, int64_t max_seconds, struct floor *out);
/* For who is connected anyway: floor_ask, if what is kept is older than FLOOR_MAX_SECONDS or another store's. */
void floor_refresh(struct repo *r, const struct where *w, struct remote *remote);

#endif
