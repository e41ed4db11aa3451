/* SPDX-License-Identifier: MIT */
/*
 * store.h - a directory of chunks: packs, segments, catalogue
 *
 * The same code is the client's local store (.git/deepops) and the server's
 * (<repo>/deepops).  Layout and byte formats: gitformat-deepops-store(5).
 *
 *	format			store uuid, version, feature sets
 *	packs/ab/<sha256>.pack	immutable, self-describing
 *	segments/<sha256>.seg	immutable sorted index over the packs of one commit (or a merge)
 *	catalogue.db		SQLite: names packs and segments; its transaction is the only commit point
 *	incoming/<nonce>/	staging of one session
 *	lock			shared by every open txn, exclusive for evict and rebuild
 *
 *	struct store_txn *t;
 *	store_begin(s, NULL, &t, e);
 *	store_put(t, CHUNK_DATA, &id, p, len, true, e);		any thread
 *	store_commit(t, NULL, e);				seals packs, segment, one transaction; frees t
 *
 * Durability order: packs, segment, catalogue.  What store_commit acknowledged
 * is there after any crash; what it did not is absent or complete.
 * Reading is thread-safe; one txn may be fed by many threads; several
 * processes may commit at once (the catalogue serialises them).
 *
 * Memory of a txn: some 150 bytes a chunk.  Without STORE_VERIFY it commits what
 * it has by itself every STORE_TXN_CHUNKS chunks, so it stays small whatever the
 * size of the data; with STORE_VERIFY the feeder commits every so many chunks.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "chunk/chunkid.h"
#include "chunk/node.h"
#include "chunk/zframe.h"

struct pool;
struct store;
struct store_txn;

#define STORE_TXN_CHUNKS (128 * KIB)

enum store_flags {
	STORE_CREATE = 1 << 0, /* make it if absent */
	STORE_VERIFY = 1 << 1, /* server: everything put is decoded, hashed, closed before commit */
	STORE_READONLY = 1 << 2, /* hooks: writes nothing but the rollback of a hot journal */
};

/*
 * ERR_NOTFOUND if absent; ERR_INPUT names an unknown incompatible feature.  A catalogue or
 * segment that is missing or unreadable: ERR_CORRUPT with the hint that repairs it; only
 * store_rebuild makes them anew.
 */
int store_open(struct store **out, const char *dir, enum store_flags flags,
	       struct err *e) MUST_CHECK;
void store_close(struct store *s); /* NULL is fine */
const char *store_dir(const struct store *s);
const uint8_t *store_uuid(const struct store *s); /* 16 bytes */
int store_generation(struct store *s, uint64_t *generation, struct err *e) MUST_CHECK;
/*
 * Bytes that may still be stored; UINT64_MAX without a quota.  What sessions have put and not committed counts
 * against the others, not here.  max UINT64_MAX: lift it; the audit log keeps `who`.
 */
int store_quota_left(struct store *s, uint64_t *left, struct err *e) MUST_CHECK;
int store_set_quota(struct store *s, uint64_t max, const char *who, struct err *e) MUST_CHECK;
int store_quota(struct store *s, uint64_t *max, struct err *e) MUST_CHECK; /* UINT64_MAX: none */

/* What sessions under way, and those that were cut off and may be resumed, have put and not committed. */
struct store_waiting {
	uint64_t sessions, bytes;
	int64_t oldest_seconds; /* when it was begun, or resumed last */
};
void store_waiting(struct store *s, struct store_waiting *out);

/*
 * See commits that other processes made since open.  store_load and friends do it by themselves
 * on a miss, store_has once a clock tick (some ms).
 */
int store_refresh(struct store *s, struct err *e) MUST_CHECK;

struct store_info {
	uint32_t plain;
	uint32_t stored;
	uint8_t encoding;
};

/* 1 and *info (may be NULL) if committed and not condemned or lost, 0 if not. */
int store_has(struct store *s, enum chunk_kind kind, const struct chunkid *id,
	      struct store_info *info, struct err *e) MUST_CHECK;

/*
 * Append the plain bytes to `out`, verified: DATA and NODE against their id, RECIPE for form only (its key
 * is the hash of the file: readers hash what they assemble).
 * ERR_NOTFOUND: not here.  ERR_CORRUPT: names pack and id.
 */
int store_load(struct store *s, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
	       struct err *e) MUST_CHECK;

/*
 * The same for DATA that is not compared with its id, only with the CRC: for callers who hash the
 * file that it is a piece of, and load it with store_load if that is wrong.
 */
int store_load_unhashed(struct store *s, const struct chunkid *id, struct buf *out,
			struct err *e) MUST_CHECK;

/* Append the encoded bytes as stored, CRC checked, for sending on without decoding. */
int store_load_stored(struct store *s, enum chunk_kind kind, const struct chunkid *id,
		      struct store_info *info, struct buf *out, struct err *e) MUST_CHECK;

/*
 * Sort `order`, indices into keys[0..n), by where the chunks lie: pack, then offset; those
 * not here come last.  For reading many in one sweep.
 */
int store_order(struct store *s, const struct chunkkey *keys, size_t *order, size_t n,
		struct err *e) MUST_CHECK;

/* ---- writing ---- */

/*
 * What was stored, or found here, is removed by nobody until store_let_go or store_close: for who
 * names it only afterwards, in a pointer or a ref.  Holding twice is holding once.  ERR_DENIED:
 * store_evict or store_rebuild is running.
 */
int store_hold(struct store *s, struct err *e) MUST_CHECK;
void store_let_go(struct store *s);

#define STORE_NONCE_BYTES 16

/*
 * Begin, or with the nonce of a session that was cut off resume: what was synced
 * then is there.  NULL nonce: a random one.  ERR_DENIED: another process has this session, or
 * store_evict or store_rebuild is running.
 */
int store_begin(struct store *s, const uint8_t *nonce, struct store_txn **out,
		struct err *e) MUST_CHECK;

/*
 * Encode and append unless the store or this txn has it.  1 stored, 0 was there.  `id` is believed: the
 * caller has just computed it (a recipe's: the file's hash).  So a recipe that is here with other
 * bytes is replaced: it may be a lie.
 */
int store_put(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id, const void *p,
	      size_t len, bool try_compress, struct err *e) MUST_CHECK;

/*
 * Take encoded bytes from outside: decode within limits, verify the id (DATA, NODE: also
 * that a node parses), append as they are.  A recipe is verified at commit.  1 stored, 0 was there.
 */
int store_put_stored(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		     const struct store_info *info, const void *stored, struct err *e) MUST_CHECK;

/*
 * A file that is hashed while its chunks come, so that nobody has to read it again to prove its recipe:
 *
 *	struct store_stream *s = store_stream_new();
 *	store_put_piece(txn, s, ...) ...	every chunk of the file, in its order
 *	store_put_recipe(txn, s, ...);		and the stream is ready for the next file
 *	store_stream_free(s);
 *
 * It only saves work.  A recipe that the pieces since the last one do not make up, some of them being
 * here already for instance, is proven at commit as any other.  The stream outlives the txn: the pieces
 * may be put in several.
 */
struct store_stream;
struct store_stream *store_stream_new(void);
void store_stream_free(struct store_stream *s); /* NULL is fine */
/* As store_put_stored for DATA and RECIPE. */
int store_put_piece(struct store_txn *t, struct store_stream *s, const struct chunkid *id,
		    const struct store_info *info, const void *stored, struct err *e) MUST_CHECK;
int store_put_recipe(struct store_txn *t, struct store_stream *s, const struct chunkid *id,
		     const struct store_info *info, const void *stored, struct err *e) MUST_CHECK;

/*
 * As store_put_stored for bytes that the caller has verified already (remote_get): no decoding.  A
 * recipe is put although one is here, which may be another: for a txn that is not committed.
 */
int store_put_encoded(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		      const struct store_info *info, const void *stored, struct err *e) MUST_CHECK;

/* As store_has / store_load, seeing this txn's chunks too. */
int store_txn_has(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		  struct store_info *info, struct err *e) MUST_CHECK;
/* Did this txn put it itself? */
bool store_txn_own(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id);
int store_txn_load(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		   struct buf *out, struct err *e) MUST_CHECK;

/*
 * A recipe's key is the hash of the file, so the bytes of one that comes from outside say nothing.
 * Do the chunks that `recipe` names, committed or in `t` (may be NULL), make up this file?  1, 0
 * not all of them are here, ERR_CORRUPT: they make another.  `pool` reads ahead; may be NULL.
 */
int store_makes_file(struct store *s, struct store_txn *t, const struct chunkid *file,
		     const struct buf *recipe, struct pool *pool, struct err *e) MUST_CHECK;

/* Make what was put so far survive a crash (for cumulative ACKs). */
int store_sync(struct store_txn *t, struct err *e) MUST_CHECK;

uint64_t store_txn_bytes(const struct store_txn *t); /* stored bytes appended */
uint64_t store_txn_count(const struct store_txn *t); /* chunks appended */

/* ---- roots: complete markers and pins (server) ---- */

enum store_root_state {
	STORE_ROOT_NONE,
	STORE_ROOT_PENDING,
	STORE_ROOT_COMPLETE,
	STORE_ROOT_ROOTED
};

/*
 * In place of a kind where roots are asked for: the id is a split key, COMPLETE when its dataset id
 * has been proven, else NONE.
 */
#define STORE_ROOT_SPLIT 0

#define STORE_PIN_SECONDS (90 * INT64_C(86400))

struct store_rootref {
	enum chunk_kind kind;
	struct chunkid id;
};

struct store_root {
	enum store_root_state state; /* ROOTED: complete and named by a ref or hold */
	uint64_t files, bytes;       /* verified */
	int64_t pin_until;           /* seconds; 0: none */
};

/* A root is a node (kind CHUNK_NODE) or a file (CHUNK_DATA or CHUNK_RECIPE, by its file id; kind given as CHUNK_DATA). */
int store_root(struct store *s, enum chunk_kind kind, const struct chunkid *id,
	       struct store_root *out, struct err *e) MUST_CHECK;
/* As many at once, at the price of one look into the catalogue. */
int store_roots(struct store *s, const struct store_rootref *refs, size_t n, struct store_root *out,
		struct err *e) MUST_CHECK;
/* The proven dataset id of a split (node_split_key); ERR_NOTFOUND. */
int store_split_dataset(struct store *s, const struct chunkid *split_key, struct chunkid *dataset,
			struct err *e) MUST_CHECK;
/* Say which roots refs name: used by post-receive and `server index` only. */
int store_mark_rooted(struct store *s, const struct store_rootref *roots, size_t n,
		      bool replace_all, struct err *e) MUST_CHECK;

/* ---- has it been read and hashed since it was written? (PROVE answers) ---- */

enum store_hashed {
	STORE_HASHED_NOT,     /* not all of it; or not within the budget */
	STORE_HASHED_DAMAGED, /* something of it is damaged or not here */
	STORE_HASHED_ALL
};

/*
 * Ask for everything below a root (CHUNK_NODE, or a file by its id as CHUNK_DATA):
 *
 *	struct store_hasher *h = store_hasher_new(s, &opts);
 *	store_hasher_ask(h, &root, &answer, e) ...
 *	store_hasher_free(h);
 *
 * What counts are packs whose bytes were read from their file in packs/, which is named only when it is
 * durable, compared with the SHA-256 in the name, and decoded and compared chunk by chunk with the ids.
 * The catalogue keeps the time; a file changed after it counts as unread.  What a session hashed while it
 * received and stored it was in memory then and counts for nothing.  Of a pack that is damaged, the
 * chunks asked for are read one by one, every time.  Damage that is found is marked as lost unless the
 * store is open for reading only.
 */
struct store_hash_opts {
	bool now;         /* read and hash what is not known, as far as *budget goes */
	int64_t since_ms; /* what was hashed before this does not count */
	uint64_t *
		budget; /* bytes that may still be hashed; a chunk looked up costs STORE_LOOKUP_BYTES */
	const char *who; /* for the audit log */
};
#define STORE_LOOKUP_BYTES 1024
struct store_hasher;
struct store_hasher *store_hasher_new(struct store *s, const struct store_hash_opts *opts);
int store_hasher_ask(struct store_hasher *h, const struct store_rootref *root,
		     enum store_hashed *out, struct err *e) MUST_CHECK;
void store_hasher_free(struct store_hasher *h); /* NULL is fine */

/* What a commit is to certify, and what it found missing. */
#define STORE_MISSING_MAX 4096
struct store_split { /* one directory dataset: its pointer's shards */
	struct node_shard *shards;
	size_t n;
};
struct store_commit {
	const struct store_split *splits;
	size_t nsplits;
	const struct store_rootref *files; /* file datasets, kind CHUNK_DATA */
	size_t nfiles;
	/*
	 * Filled with at most STORE_MISSING_MAX missing keys a round; NULL: not wanted.  A file that
	 * some node names and that is here neither whole nor as a recipe is given as
	 * (CHUNK_DATA, file id), above CHUNK_MAX_BYTES as (CHUNK_RECIPE, file id): send what you have of
	 * the two.
	 */
	struct chunkset *missing;
	const char *who; /* for the audit log */
	/* ERR_LIMIT when proving would hash more than this; what was hashed is taken off.  NULL: no limit. */
	uint64_t *hash_left;
};
#define STORE_COMMIT_INIT                                                                          \
	{                                                                                          \
		NULL, 0, NULL, 0, NULL, NULL, NULL                                                 \
	}

/*
 * With STORE_VERIFY: check closure of every root and of every node and recipe of
 * this txn, re-hash assembled files.  Something missing: returns 1, `missing` is filled,
 * the txn stays open for more puts.  0: committed and durable, t is freed.
 * Negative: nothing changed, t is still the caller's to abort.  Without STORE_VERIFY c may be NULL.
 * Idempotent by nonce: committing a nonce that is committed already returns 0.
 */
int store_commit(struct store_txn *t, const struct store_commit *c, struct err *e) MUST_CHECK;
/* Forget it.  keep: leave what was synced for a resume. */
void store_abort(struct store_txn *t, bool keep);

/*
 * Are all of a committed node's descendants certain to be here? (bit of NODES answers)  Without
 * known damage that follows from its being committed; with damage the tree is walked.
 */
int store_node_certified(struct store *s, const struct chunkid *id,
			 struct err *e) MUST_CHECK; /* 1, 0 */

/* ---- care ---- */

enum store_fsck_depth { STORE_FSCK_QUICK, STORE_FSCK_PACKS, STORE_FSCK_DEEP };
struct store_damage {
	const char *file;    /* relative to the store */
	struct chunkkey key; /* kind 0: the file as a whole */
	const char *what;
};
typedef int (*store_damage_fn)(void *arg, const struct store_damage *d, struct err *e);
/* Report every damage to `cb`; changes nothing.  `seen` counts chunks (may be NULL).  Returns 0 or an error other than damage. */
int store_fsck(struct store *s, enum store_fsck_depth depth, store_damage_fn cb, void *arg,
	       uint64_t *chunks, uint64_t *bytes, struct err *e) MUST_CHECK;

/*
 * Read packs again, those whose last deep look is longest ago first, and note it for each: so a run
 * that is cut off, or a slice of so many bytes a night, goes on where the last one ended.  What is damaged
 * twice in a row and has no sound copy goes to `cb` and is marked as lost; the rest of its pack is written
 * anew, the old file kept as <name>.bad, unless somebody uses the store: then the next scrub does it.
 */
struct store_scrub_opts {
	uint64_t max_bytes; /* 0: everything; a first pack is always read */
	const char *who;    /* for the audit log */
	store_damage_fn cb;
	void *arg;
};
struct store_scrubbed {
	uint64_t packs, bytes;  /* read */
	uint64_t lost;          /* chunks newly marked */
	uint64_t damaged, left; /* packs: found damaged; of those not written anew */
	uint64_t unread;        /* packs of the store that were never hashed, now */
	int64_t oldest_ms;      /* the look that is longest ago, of the others; 0 without any */
};
int store_scrub(struct store *s, const struct store_scrub_opts *opts, struct store_scrubbed *out,
		struct err *e) MUST_CHECK;

/*
 * These chunks are damaged or gone: from now on they answer "not here", roots above them
 * count as pending, and a new put stores them again, which heals all that.
 */
int store_mark_lost(struct store *s, const struct chunkkey *keys, size_t n, const char *who,
		    struct err *e) MUST_CHECK;

/*
 * Make catalogue and segments anew from the packs alone.  `depth` as for store_fsck: a quick one
 * believes a footer that is right, the others salvage a pack that holds a single bad entry
 * too.  The old catalogue is kept as catalogue.db.bad-<time>, a pack that needs salvage as
 * <name>.bad.  From an old one that is sound come roots, pins, quota and the log; without it the
 * next push certifies anew.  Either way nothing is believed to be whole until store_settle says
 * so.  ERR_DENIED while a txn is open.
 */
int store_rebuild(const char *dir, enum store_fsck_depth depth, uint64_t *chunks,
		  struct err *e) MUST_CHECK;

/*
 * A catalogue that was rebuilt, or took in what nobody proved, is suspect: each question about a
 * root walks the tree below it.  Look at everything once: if all that nodes and recipes name is
 * here, it is suspect no longer.  1 it is not suspect (any more), 0 something is missing.
 */
int store_settle(struct store *s, struct err *e) MUST_CHECK;

/* Every committed chunk: any order. */
typedef int (*store_each_fn)(void *arg, const struct chunkkey *key, const struct store_info *info,
			     struct err *e);
int store_each(struct store *s, store_each_fn cb, void *arg, struct err *e) MUST_CHECK;

/*
 * Remove chunks for which keep() says 0, rewriting packs; local cache eviction.  *freed in
 * bytes.  ERR_DENIED while any txn is open or the store is held, in this process or another.
 * choose() (may be NULL) is called before, under the lock: what it finds named then nobody takes
 * up or gives up meanwhile.  Roots above what goes are pending from then on.
 */
typedef int (*store_choose_fn)(void *arg, struct err *e);
typedef int (*store_keep_fn)(void *arg, const struct chunkkey *key);
int store_evict(struct store *s, store_choose_fn choose, store_keep_fn keep, void *arg,
		uint64_t *freed, struct err *e) MUST_CHECK;
/* Does a server keep roots here for those who push?  1, 0. */
int store_has_roots(struct store *s, struct err *e) MUST_CHECK;

/*
 * Since when does nothing name a chunk?  Kept in <dir>/gc.db, which may be lost: then each grace
 * period begins anew.  A session that would store the chunk and finds it here renews it: the row
 * goes.  Only under the lock, from choose():
 *
 *	store_unnamed_begin(&u, s, now, e);
 *	store_unnamed_note(u, &key, &since, e) ...	for every chunk that nothing names
 *	store_unnamed_end(u, true, e);			forgets all that were not noted
 */
struct store_unnamed;
int store_unnamed_begin(struct store_unnamed **out, struct store *s, int64_t now,
			struct err *e) MUST_CHECK;
int store_unnamed_note(struct store_unnamed *u, const struct chunkkey *key, int64_t *since,
		       struct err *e) MUST_CHECK;
/* keep false: as if nobody had looked.  NULL is fine. */
int store_unnamed_end(struct store_unnamed *u, bool keep, struct err *e) MUST_CHECK;

uint64_t store_bytes(struct store *s); /* of all packs */

#endif
