/* SPDX-License-Identifier: MIT */
/*
 * store_internal.h - struct store and struct store_txn; for the store_*.c files only
 *
 * Locks, in the order they are taken: txn->lock, cat_lock, view_lock.  fd_lock
 * and scratch_lock are leaves.
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <sys/stat.h>

#include "base/pool.h"
#include "base/strvec.h"
#include "store/catalogue.h"
#include "store/pack.h"
#include "store/segment.h"
#include "store/store.h"

#define STORE_LOCK_WAIT_MS 5000 /* for an eviction or a creation to be over */
#define STORE_NONCE_DIGITS ((size_t)2 * STORE_NONCE_BYTES) /* name of a session's directory */
#define STORE_OPEN_PACKS 64                                /* descriptors kept for reading */
#define STORE_SEALED_PACKS 16 /* and for packs of a txn that wait for their fsync */

/* What lookups use; replaced as a whole under view_lock. */
struct store_view {
	uint64_t generation;
	bool suspect;
	struct segment **segments; /* newest first */
	size_t n;
	struct chunkset *lost; /* NULL: none */
};

struct store_pack_fd {
	struct chunkid name;
	int fd; /* -1: free slot */
	unsigned int users;
	uint64_t used; /* tick of last use */
};

/* Working memory of one thread for one call. */
struct store_scratch {
	struct zframe *z;
	struct buf stored; /* an encoded chunk, with its pack header when read from a pack */
	struct buf plain;
	struct store_scratch *next;
};

struct store {
	char *dir;
	char *cat_path; /* of catalogue.db */
	enum store_flags flags;
	uint8_t uuid[16];

	pthread_mutex_t cat_lock;
	struct catalogue *cat;
	struct stat cat_stat;   /* catalogue.db when the view was last known to be current */
	bool cat_stat_sure;     /* it was old enough for its time to tell changes apart */
	struct chunkset *sound; /* `seen` of walks at this generation; cat_lock */

	pthread_rwlock_t view_lock;
	struct store_view view;

	int hold_fd; /* of store_hold; -1 */

	int64_t tick_seen; /* atomic; of the coarse clock, when a miss last looked for changes */

	pthread_mutex_t fd_lock;
	struct store_pack_fd fds[STORE_OPEN_PACKS];
	uint64_t tick;

	pthread_mutex_t scratch_lock;
	struct store_scratch *scratch;
};

enum { STORE_PACK_DATA, STORE_PACK_META, STORE_PACK_CLASSES }; /* nodes and recipes apart */

struct store_txn {
	struct store *s;
	uint8_t nonce[STORE_NONCE_BYTES];
	char *dir;      /* incoming/<nonce> */
	int store_fd;   /* shared lock of the store */
	int session_fd; /* exclusive lock of the session */
	bool replay;    /* this nonce was committed before */
	uint64_t quota; /* bytes left when it began */

	pthread_mutex_t lock;       /* all below */
	pthread_cond_t idle;        /* writing became 0 */
	unsigned int writing;       /* pieces of packs that threads are writing without the lock */
	struct pack_writer **packs; /* every pack of the txn; their rows are its index */
	size_t npacks, alloc;
	struct pack_writer *open[STORE_PACK_CLASSES]; /* of them, still written to */
	size_t open_no[STORE_PACK_CLASSES];
	size_t *sealed; /* numbers of packs in the order they were sealed: */
	size_t nsealed, sealed_alloc;
	size_t closed; /* so many of them are synced and closed */
	unsigned int next_file;
	bool dir_dirty;          /* has names that are not durable */
	struct chunkset *have;   /* key -> pack number << 32 | row number */
	struct chunkset *proved; /* nodes and recipes that passed the closure check */
	struct chunkset
		*better;        /* recipes that are here with other bytes: the txn's replace them */
	struct chunkset *found; /* here already, to be renewed; NULL: gc waits for nothing */
	uint64_t bytes, count;
};

/* A chunk's place in a committed pack. */
struct store_place {
	struct segment_row row;
	struct chunkid pack;
};

/* The `format` file. */
struct store_format {
	uint8_t uuid[16];
	bool readonly; /* a feature that writers must know is not known here: */
	char readonly_feature[64];
};
/* ERR_NOTFOUND: no store there; ERR_INPUT: malformed, or names what this program lacks. */
int store_format_parse(const struct buf *text, struct store_format *out, struct err *e) MUST_CHECK;
int store_format_read(const char *dir, struct store_format *out, struct err *e) MUST_CHECK;
int store_format_write(const char *dir, struct err *e) MUST_CHECK; /* with a new uuid */

/* The store's directories that are missing; and `dir`, which may be new too, stays in its own. */
int store_create_dirs(const char *dir, struct err *e) MUST_CHECK;

/* dir + "/" + rel; replaces out. */
void store_path(const struct store *s, struct buf *out, const char *rel);
/* Lock of the store: shared by txns, exclusive for care; descriptor or ERR_DENIED. */
int store_lock(const char *dir, bool exclusive, uint64_t wait_ms, struct err *e) MUST_CHECK;

struct store_scratch *store_scratch_get(struct store *s);
void store_scratch_put(struct store *s, struct store_scratch *x);
void store_scratch_free(struct store *s); /* all of them */

/* Is the file there? Whoever deletes packs by hand must be able to fetch them again. */
bool store_pack_is_here(struct store *s, struct segment *seg, uint32_t pack);
/* The nth place (newest first) of a key in the view as it is: 1, 0. */
int store_find(struct store *s, enum chunk_kind kind, const struct chunkid *id, unsigned int nth,
	       struct store_place *out, struct err *e) MUST_CHECK;
/* Is this another clock tick (1 to 4 ms) than at the last call?  A stat a miss would be most of its cost. */
bool store_tick_passed(struct store *s);
/* If the catalogue changed since the last look, look again: 1 it did, 0 not. */
int store_refresh_if_changed(struct store *s, struct err *e) MUST_CHECK;
/* What a pack must hold for this row of a segment; the crc is the pack's alone. */
struct pack_row store_pack_row(const struct segment_row *row);
/* store_refresh with cat_lock held. */
int store_refresh_locked(struct store *s, struct err *e) MUST_CHECK;
/* The segments of the view, held open whatever happens to it. */
struct segment **store_hold_segments(struct store *s, size_t *n);
void store_drop_segments(struct segment **held, size_t n);
bool store_names_segment(struct store *s, const struct chunkid *id);
bool store_is_lost(struct store *s, enum chunk_kind kind, const struct chunkid *id);
bool store_is_damaged(struct store *s); /* something is lost, or the catalogue was rebuilt */

/* Read header and payload of `row` at the descriptor into `out` (replaced), CRC checked. */
int store_read_entry(int fd, const struct pack_row *row, struct buf *out, struct err *e) MUST_CHECK;
/* Decode and verify against the id; a recipe for form only.  Appends to `out`. */
int store_decode(struct store_scratch *x, const struct pack_row *row, const void *stored,
		 struct buf *out, struct err *e) MUST_CHECK;
/* Decode only. */
int store_decode_unhashed(struct store_scratch *x, const struct pack_row *row, const void *stored,
			  struct buf *out, struct err *e) MUST_CHECK;
/* As store_load_unhashed, seeing the txn's chunks too. */
int store_txn_load_unhashed(struct store_txn *t, const struct chunkid *id, struct buf *out,
			    struct err *e) MUST_CHECK;

/* As store_put_stored; what was stored is left in x->plain, decoded. */
int store_put_decoded(struct store_txn *t, const struct chunkkey *key,
		      const struct store_info *info, const void *stored, struct store_scratch *x,
		      struct err *e) MUST_CHECK;

/* Does gc.db hold any chunk?  Else there is nothing to renew. */
bool store_waits_unnamed(struct store *s);
/* The session would have stored this committed chunk: it is in use again.  1, or an error. */
int store_txn_found(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		    struct err *e) MUST_CHECK;
/* Enter what was found; txn->lock held or no other user. */
int store_txn_renew(struct store_txn *t, struct err *e) MUST_CHECK;

/* A session directory for work that is no txn: after a crash a sweep clears it up too. */
int store_make_staging(struct store *s, char **dir, int *lock_fd, struct err *e) MUST_CHECK;
void store_remove_staging(const char *dir);
/* Remove a session with all it left; its lock is held. */
void store_discard(struct store *s, const char *dir);
/* store_quota_left, less what sessions other than the one in `own` have put. */
int store_quota_for(struct store *s, const char *own, uint64_t *left, struct err *e) MUST_CHECK;
/*
 * Sessions that were cut off wait for a resume, but not at the price of what others want to put: the oldest
 * go while all of them have more than is free, on the disk and of the quota.
 */
void store_make_room(struct store *s, const char *own);
/* Take the pack over; its number. */
size_t store_txn_add_pack(struct store_txn *t, struct pack_writer *w);
/* The pack with this number is sealed: it waits for its fsync with the descriptor open. */
void store_txn_sealed(struct store_txn *t, size_t number);
/* Sync and close the sealed packs that have waited longest, all but `keep`; txn->lock held or no other user. */
int store_txn_close(struct store_txn *t, size_t keep, struct err *e) MUST_CHECK;
/* Seal and sync every pack of the txn; txn->lock held. */
int store_txn_seal(struct store_txn *t, struct err *e) MUST_CHECK;
/* Forget packs and chunks, which are committed or given up; txn->lock held or no other user. */
void store_txn_reset(struct store_txn *t);
void store_txn_free(struct store_txn *t);
/* The whole commit of what is there, without closure check: packs, segment, catalogue. */
struct store_proof;
int store_commit_packs(struct store_txn *t, const struct store_proof *proof, const char *who,
		       struct err *e) MUST_CHECK;
/* Give a finished pack file its name in packs/. Marks the directory in `touched`. */
int store_publish(struct store *s, const char *staged, const struct chunkid *name,
		  bool touched[256], struct err *e) MUST_CHECK;
int store_sync_pack_dirs(struct store *s, const bool touched[256], struct err *e) MUST_CHECK;

/* Paths relative to the store of everything that looks like a pack, sorted. */
int store_list_packs(struct store *s, struct strvec *out, struct err *e) MUST_CHECK;

/* What the closure check proved and the catalogue is to say. */
struct store_proof {
	struct catalogue_root *roots;
	size_t nroots, roots_alloc;
	struct store_proof_dataset {
		struct chunkid split_key, id;
	} * datasets;
	size_t ndatasets, datasets_alloc;
};
/* 0 proved; 1 something is missing. */
int store_prove(struct store_txn *t, const struct store_commit *c, struct store_proof *out,
		struct err *e) MUST_CHECK;

/* t NULL: committed chunks only. */
int store_see(struct store *s, struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
	      struct store_info *info, struct err *e) MUST_CHECK;
int store_see_load(struct store *s, struct store_txn *t, enum chunk_kind kind,
		   const struct chunkid *id, struct buf *out, struct err *e) MUST_CHECK;
/* Hashing what recipes name, for as long as the budget lasts. */
struct store_assembly {
	struct store *s;
	struct store_txn *t;      /* may be NULL */
	const struct buf *recipe; /* in place of the one that is here; may be NULL */
	struct chunkset *missing; /* may be NULL; gets what is not there */
	uint64_t budget;          /* bytes that may still be hashed */
	struct pool *pool;        /* reads ahead; may be NULL */
};
/* ERR_LIMIT when that is more than is left of the budget. */
int store_spend(struct store_assembly *a, uint64_t cost, struct err *e) MUST_CHECK;
/* Assemble the file and compare with its id: 1 it is that file, *bytes long, 0 something is missing,
 * ERR_CORRUPT it is not, ERR_LIMIT. */
int store_assemble(struct store_assembly *a, const struct chunkid *file, uint64_t *bytes,
		   struct err *e) MUST_CHECK;
/*
 * Is everything below (NODE, id) or of the file (DATA, id) here?  1, 0 and what is not in `missing`.  `seen` spares
 * walks that follow the nodes that this one saw, while nothing changes; only the first tells what is missing.
 */
int store_walk(struct store *s, struct store_txn *t, const struct chunkkey *root,
	       struct chunkset *seen, struct chunkset *missing, struct err *e) MUST_CHECK;

/*
 * Read a pack from its file, past the page cache where the kernel lets us, compare it with its name, and
 * decode and hash every chunk.  The outcome is in out->damaged: bad entries, or 1 for a file that is not
 * what its name says; `bytes` is what was read.
 */
int store_hash_pack(struct store *s, const struct chunkid *pack, struct pool *pool,
		    struct catalogue_scrub *out, uint64_t *bytes, struct err *e) MUST_CHECK;
/*
 * Write the packs of this set (kind CHUNK_DATA) anew with what the segments name of them and is not lost, all of
 * which must be readable; the old files become <name>.bad.  ERR_DENIED while a txn is open.
 */
int store_salvage(struct store *s, const struct chunkset *packs, struct err *e) MUST_CHECK;

/* Enter looks at packs that the catalogue still names. */
int store_note_scrubs(struct store *s, const struct catalogue_scrub *scrubs, size_t n,
		      struct err *e) MUST_CHECK;
/* Does this look still stand: deep, nothing found, the file unchanged since? */
bool store_scrub_holds(const struct store *s, const struct catalogue_scrub *scrub);

/* A segment in the making: rows of several sources over one pack table. */
struct store_index {
	struct segment_row *rows;
	size_t n, alloc;
	struct chunkid *packs;
	size_t npacks, packs_alloc;
};
void store_index_release(struct store_index *x);
uint32_t store_index_add_pack(struct store_index *x, const struct chunkid *name);
void store_index_add_rows(struct store_index *x, uint32_t pack, const struct pack_row *rows,
			  size_t n);
/* Without what lies in packs whose file is missing. */
int store_index_add_segment(struct store *s, struct store_index *x, struct segment *seg,
			    struct err *e) MUST_CHECK;
/* Sort, keep the first pack's row of each key, write, enter in the catalogue. Empty: nothing. */
int store_index_write(struct store *s, struct catalogue *cat, struct store_index *x,
		      struct err *e) MUST_CHECK;

#endif
