/* SPDX-License-Identifier: MIT */
/*
 * catalogue.h - the SQLite commit point of a store: which packs and segments count
 *
 *	catalogue_begin(c, e);			BEGIN IMMEDIATE: writers wait for each other here
 *	catalogue_add_pack(...) catalogue_add_segment(...) catalogue_put_root(...)
 *	catalogue_end(c, rc, e);		one more generation, if readers would see a difference
 *
 * Schema and meaning: gitformat-deepops-store(5), CATALOGUE.  Rollback journal
 * and synchronous=EXTRA: any later reader, the hook too, first rolls back what a
 * crash left half done, and a commit is durable with the removal of its journal.  Not thread-safe: the store serialises.
 */
#ifndef STORE_CATALOGUE_H
#define STORE_CATALOGUE_H

#include "base/err.h"
#include "chunk/chunkid.h"

#define CATALOGUE_VERSION 1 /* PRAGMA user_version */

struct catalogue;

enum catalogue_flags { CATALOGUE_CREATE = 1 << 0, CATALOGUE_READONLY = 1 << 1 };

/* ERR_NOTFOUND if absent; ERR_CORRUPT if it is not a catalogue; ERR_INPUT if it is newer than we are. */
int catalogue_open(struct catalogue **out, const char *path, enum catalogue_flags flags,
		   struct err *e) MUST_CHECK;
void catalogue_close(struct catalogue *c); /* NULL is fine */
/* SQLite's own check, every row by its table's rules, and that the audit chain is unbroken. */
int catalogue_check(struct catalogue *c, struct err *e) MUST_CHECK;

/*
 * Take over what packs can't tell from the catalogue at `path`: roots, datasets, quota, log.  To
 * be called first, outside a transaction.  1 done, 0 that one is not sound, or not there.
 */
int catalogue_inherit(struct catalogue *c, const char *path, struct err *e) MUST_CHECK;

/* ---- what a reader needs, in one consistent look ---- */

/* Tells whether anything that readers see has changed since the last look. */
int catalogue_read_generation(struct catalogue *c, uint64_t *generation, struct err *e) MUST_CHECK;
/* Between these, all that is read is of one moment, and each read costs no transaction of its own. */
int catalogue_hold(struct catalogue *c, struct err *e) MUST_CHECK;
void catalogue_let_go(struct catalogue *c);

struct catalogue_segment {
	struct chunkid id;
	uint64_t entries;
};
struct catalogue_view {
	uint64_t generation;
	bool suspect;                       /* rebuilt: closure is not known by being here */
	struct catalogue_segment *segments; /* newest first */
	size_t n;
	struct chunkset *lost; /* NULL: none */
};
int catalogue_look(struct catalogue *c, struct catalogue_view *out, struct err *e) MUST_CHECK;
void catalogue_view_release(struct catalogue_view *v);

struct catalogue_pack {
	struct chunkid id;
	uint64_t entries, bytes;
};
/* All packs, in order of id; caller frees. */
int catalogue_packs(struct catalogue *c, struct catalogue_pack **out, size_t *n,
		    struct err *e) MUST_CHECK;
int catalogue_bytes(struct catalogue *c, uint64_t *bytes,
		    struct err *e) MUST_CHECK; /* of all packs */

/* ---- changing: between begin and commit only ---- */

int catalogue_begin(struct catalogue *c, struct err *e) MUST_CHECK;
void catalogue_rollback(struct catalogue *c);
/* Commit if `rc` is 0, else roll back.  Returns rc, or the error of a commit that failed. */
int catalogue_end(struct catalogue *c, int rc, struct err *e) MUST_CHECK;

int catalogue_add_pack(struct catalogue *c, const struct catalogue_pack *p,
		       struct err *e) MUST_CHECK;
int catalogue_drop_pack(struct catalogue *c, const struct chunkid *id, struct err *e) MUST_CHECK;
int catalogue_has_pack(struct catalogue *c, const struct chunkid *id, struct err *e) MUST_CHECK;
int catalogue_add_segment(struct catalogue *c, const struct catalogue_segment *s,
			  struct err *e) MUST_CHECK;
int catalogue_drop_segment(struct catalogue *c, const struct chunkid *id, struct err *e) MUST_CHECK;
int catalogue_set_suspect(struct catalogue *c, struct err *e) MUST_CHECK;
int catalogue_clear_suspect(struct catalogue *c, struct err *e) MUST_CHECK;

int catalogue_add_lost(struct catalogue *c, const struct chunkkey *key, struct err *e) MUST_CHECK;
int catalogue_drop_lost(struct catalogue *c, const struct chunkkey *key, struct err *e) MUST_CHECK;

enum catalogue_session {
	CATALOGUE_SESSION_NONE,
	CATALOGUE_SESSION_OPEN,
	CATALOGUE_SESSION_COMMITTED
};
/* Returns an enum catalogue_session. */
int catalogue_session(struct catalogue *c, const uint8_t nonce[16], struct err *e) MUST_CHECK;
/* Also forgets sessions last seen more than 30 days ago. */
int catalogue_set_session(struct catalogue *c, const uint8_t nonce[16],
			  enum catalogue_session state, struct err *e) MUST_CHECK;

enum catalogue_root_state {
	CATALOGUE_ROOT_PENDING = 1,
	CATALOGUE_ROOT_COMPLETE = 2,
	CATALOGUE_ROOT_CONDEMNED = 3,
};
struct catalogue_root {
	struct chunkkey key;
	enum catalogue_root_state state;
	bool rooted;
	uint64_t files, bytes;
	int64_t pin_until;
};
int catalogue_root(struct catalogue *c, const struct chunkkey *key, struct catalogue_root *out,
		   struct err *e) MUST_CHECK; /* ERR_NOTFOUND */
/* Insert, or set state and totals of an existing one; its pin only ever moves later, rooted stays. */
int catalogue_put_root(struct catalogue *c, const struct catalogue_root *r,
		       struct err *e) MUST_CHECK;
/* Is this the catalogue of a store that others push to?  1, 0. */
int catalogue_has_roots(struct catalogue *c, struct err *e) MUST_CHECK;
/* The keys of all complete roots; caller frees. */
int catalogue_each_root(struct catalogue *c, struct chunkkey **out, size_t *n,
			struct err *e) MUST_CHECK;
/* It is no longer complete: pending until it is proven again. */
int catalogue_demote_root(struct catalogue *c, const struct chunkkey *key,
			  struct err *e) MUST_CHECK;
int catalogue_clear_rooted(struct catalogue *c, struct err *e) MUST_CHECK;
int catalogue_set_rooted(struct catalogue *c, const struct chunkkey *key, struct err *e) MUST_CHECK;

int catalogue_dataset(struct catalogue *c, const struct chunkid *split_key, struct chunkid *id,
		      struct err *e) MUST_CHECK; /* ERR_NOTFOUND */
int catalogue_put_dataset(struct catalogue *c, const struct chunkid *split_key,
			  const struct chunkid *id, struct err *e) MUST_CHECK;

/* Most bytes of packs; UINT64_MAX: no limit. */
int catalogue_quota(struct catalogue *c, uint64_t *max, struct err *e) MUST_CHECK;
int catalogue_set_quota(struct catalogue *c, uint64_t max, struct err *e) MUST_CHECK;
/* When somebody began to read a pack through for the last time, how deep, and how many bad entries it had. */
struct catalogue_scrub {
	struct chunkid pack;
	int depth; /* enum store_fsck_depth */
	int64_t at_ms;
	uint64_t damaged;
};
/* A look that was less deep and found nothing does not take the place of a deeper one. */
int catalogue_put_scrub(struct catalogue *c, const struct catalogue_scrub *scrub,
			struct err *e) MUST_CHECK;
/* 1 and *out, or 0: it never was. */
int catalogue_get_scrub(struct catalogue *c, const struct chunkid *pack,
			struct catalogue_scrub *out, struct err *e) MUST_CHECK;
/* Append to the hash-chained log. */
int catalogue_audit(struct catalogue *c, const char *who, const char *what, const char *detail,
		    struct err *e) MUST_CHECK;

#endif
