/* SPDX-License-Identifier: MIT */
/*
 * sync_internal.h - what the files of sync/ share
 */
#ifndef SYNC_INTERNAL_H
#define SYNC_INTERNAL_H

#include "base/limits.h"
#include "store/remote.h"
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

/* Trees of `tips`, which the plan then covers. */
int sync_plan_tips(struct sync_plan *p, struct repo *r, const struct strvec *tips, bool lenient,
		   struct err *e) MUST_CHECK;
/* Leniently, commits that the plan's tips lead to and `covered` (ids) do not. */
int sync_plan_history(struct sync_plan *p, struct repo *r, const struct strvec *covered,
		      struct err *e) MUST_CHECK;
/* Leniently, pointers of own journal entries after `covered` (empty: of all). */
int sync_plan_journal(struct sync_plan *p, struct repo *r, const struct repo_oid *covered,
		      struct err *e) MUST_CHECK;

/*
 * What one store, at one place, was seen to have: <deepops dir>/sent/<store uuid>-<key of the place>.
 * Never by the name of a remote: that may lead elsewhere tomorrow.  Only ever saves questions, so it
 * counts for nothing (known = false) if it is absent, malformed, cut off, two weeks old, or if
 * the store's generation went back.
 */
struct sync_memory {
	struct buf path; /* empty: the store has no uuid yet, nothing is remembered */
	bool known;
	bool went_back; /* the generation did: put back to an older state */
	struct strvec commits;
	struct repo_oid journal;      /* empty if none */
	struct store_rootref *probes; /* must still be complete there */
	size_t nprobes;
	struct strvec absent, absent_names; /* pointers that could not be sent, to be tried again */
	uint64_t generation;
	int64_t since;
	char shallow[65];
};

void sync_memory_init(struct sync_memory *m);
void sync_memory_release(struct sync_memory *m);
void sync_memory_load(struct sync_memory *m, struct repo *r, const struct where *w,
		      const struct remote *remote);
/* One that says nothing of a store: <deepops dir>/sent/<name>. */
void sync_memory_load_named(struct sync_memory *m, struct repo *r, const char *name);
/* As if nothing had been known. */
void sync_memory_forget(struct sync_memory *m);
/* Add what a push of `plan` made good, at the store's `generation`. */
int sync_memory_save(struct sync_memory *m, struct repo *r, const struct sync_plan *plan,
		     uint64_t generation, struct err *e) MUST_CHECK;

/* The directory of such files; a short name for `text` (a place); write one, the oldest go. */
#define SYNC_KEY_HEX 16
void sync_memory_dir(struct repo *r, struct buf *out);
void sync_memory_key(const char *text, char key[SYNC_KEY_HEX + 1]);
int sync_memory_write(const char *path, const struct buf *text, struct err *e) MUST_CHECK;
/*
 * A last line with the SHA-256 of what stands before.  unseal: false, and the file says nothing, if it was cut
 * off, is of another version or holds NUL; else the line is taken off.
 */
void sync_memory_seal(struct buf *text);
bool sync_memory_unseal(struct buf *text, const char *first_line);

/*
 * Ask for the roots of the plan and, in the same question, for the `nprobes` probes.  If one of
 * these is not complete nothing is sent and *lost is set; else all is sent and committed.
 */
int sync_send(struct repo *r, struct remote *remote, struct sync_plan *p,
	      const struct sync_memory *m, const struct sync_opts *opts, struct sync_result *out,
	      bool *lost, struct err *e) MUST_CHECK;

/* The own journal's ref and tip; 1 found, 0 when nothing was recorded in this clone. */
int sync_own_journal(struct repo *r, struct buf *ref, struct repo_oid *tip,
		     struct err *e) MUST_CHECK;

/* Something of a later version was met: see struct sync_plan. */
void sync_plan_later(struct sync_plan *p, const char *name);

/* Open the local store, made if it is not there. */
int sync_open_store(struct repo *r, struct store **out, struct err *e) MUST_CHECK;

/* Loader of DATA chunks for recipe_parse(); arg is the struct store. */
int sync_load_data(void *arg, const struct chunkid *id, struct buf *out, struct err *e);

#endif
