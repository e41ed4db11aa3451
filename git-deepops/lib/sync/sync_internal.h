/* SPDX-License-Identifier: MIT */
/*
 * sync_internal.h - what the files of sync/ share
 */
#ifndef SYNC_INTERNAL_H
#define SYNC_INTERNAL_H

#include "base/limits.h"
#include "sync/sync.h"

/* Growable array of ids of one kind. */
struct sync_ids {
	struct chunkid *v;
	size_t n, alloc;
};

#define SYNC_IDS_INIT                                                                              \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

void sync_ids_add(struct sync_ids *ids, const struct chunkid *id);
void sync_ids_release(struct sync_ids *ids);

/*
 * What was asked for already is remembered to save questions, not for ever: memory must not
 * grow with the data.  Empties a set of more than `most` keys.
 */
#define SYNC_SEEN_MAX ((size_t)256 * 1024)
void sync_forget(struct chunkset **seen, size_t most);

/* How many ids one negotiation batch asks for: as many as may be in flight. */
#define SYNC_BATCH_IDS ((size_t)8 * BATCH_MAX_IDS)

/*
 * What the last data push to a git remote covered: <deepops dir>/pushed/<remote>, lines
 * `commit <id>` and `journal <id>`.  Only ever saves questions: absent or malformed means
 * nothing is confirmed.
 */
struct sync_confirmed {
	struct strvec commits;
	struct repo_oid journal; /* empty if none */
};

void sync_confirmed_read(struct sync_confirmed *c, struct repo *r, const char *remote);
int sync_confirmed_write(struct repo *r, const char *remote, const struct sync_plan *p,
			 struct err *e) MUST_CHECK;
void sync_confirmed_release(struct sync_confirmed *c);

/* The own journal's ref and tip; 1 found, 0 when nothing was recorded in this clone. */
int sync_own_journal(struct repo *r, struct buf *ref, struct repo_oid *tip,
		     struct err *e) MUST_CHECK;

/* Open the local store, made if it is not there. */
int sync_open_store(struct repo *r, struct store **out, struct err *e) MUST_CHECK;

/* Loader of DATA chunks for recipe_parse(); arg is the struct store. */
int sync_load_data(void *arg, const struct chunkid *id, struct buf *out, struct err *e);

#endif
