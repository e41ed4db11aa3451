/* SPDX-License-Identifier: MIT */
/*
 * pack.h - container of encoded chunks; format: gitformat-deepops-store(5), PACKS
 *
 *	pack_create(&w, path, e);
 *	pack_entry_format(&en, kind, &id, &info, stored);	any thread: computes the CRC
 *	pack_append(w, &en, stored, e);				one thread at a time, only copies
 *	if (pack_take(w, &piece))
 *		pack_write(w, &piece, e);			any thread, then back under the lock:
 *	pack_written(w, &piece, rc);
 *	pack_sync(w, e);					what was appended survives a crash
 *	pack_seal(w, &name, e);					footer; then pack_sync and link it in place
 *	pack_free(&w);
 *
 * A pack is never changed after pack_seal.  Every entry carries its own magic,
 * key, lengths and CRC-32C, so damage stays local and what a crash tore can be
 * found by scanning.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "chunk/chunkid.h"

#define PACK_VERSION 1
#define PACK_UID_BYTES 16
#define PACK_HEADER_BYTES 28  /* magic[8] version uid[16] */
#define PACK_ENTRY_BYTES 52   /* header of an entry, before its payload */
#define PACK_ROW_BYTES 52     /* of the directory */
#define PACK_TRAILER_BYTES 40 /* u64 footer offset, SHA-256 */

/* One entry as the directory names it. */
struct pack_row {
	struct chunkid id;
	uint8_t kind;
	uint8_t encoding;
	uint32_t offset; /* of the entry's header in the pack */
	uint32_t stored;
	uint32_t plain;
	uint32_t crc; /* CRC-32C over the first 48 bytes of the header and the payload */
};

/* (kind, id) order of directories and segments. */
int pack_row_cmp(const struct pack_row *a, const struct pack_row *b);

/* ---- entries ---- */

struct pack_entry {
	struct pack_row row; /* offset set by pack_append */
	uint8_t header[PACK_ENTRY_BYTES];
};

/* Lay out the header of `row` (offset and crc are ignored) for the payload, row.stored bytes. */
void pack_entry_format(struct pack_entry *out, const struct pack_row *row, const void *payload);
/* Parse header and payload of the entry expected to be `row` in p[0..PACK_ENTRY_BYTES + stored). */
int pack_entry_check(const struct pack_row *row, const void *p, struct err *e) MUST_CHECK;

/* ---- writing ---- */

struct pack_writer;

/* A new file with O_EXCL. */
int pack_create(struct pack_writer **out, const char *path, struct err *e) MUST_CHECK;
int pack_append(struct pack_writer *w, struct pack_entry *entry, const void *payload,
		struct err *e) MUST_CHECK;
/* pack_append and what follows it, for a writer that nobody shares. */
int pack_add(struct pack_writer *w, struct pack_entry *entry, const void *payload,
	     struct err *e) MUST_CHECK;
/*
 * Appended bytes on their way to the kernel.  pack_take moves them out of the writer if they are
 * worth a write; pack_write needs no lock; pack_written takes the outcome and the buffer back.
 * Between take and written: no sync, no close, no reading of the file.  A failed write makes the
 * writer useless: every later call fails too.
 */
struct pack_piece {
	struct buf bytes;
	uint64_t offset;
};
bool pack_take(struct pack_writer *w, struct pack_piece *piece);
int pack_write(const struct pack_writer *w, const struct pack_piece *piece,
	       struct err *e) MUST_CHECK;
void pack_written(struct pack_writer *w, struct pack_piece *piece, int rc);
bool pack_is_full(const struct pack_writer *w); /* target size or entry limit reached */
void pack_set_target(uint64_t bytes); /* smaller packs than PACK_TARGET_BYTES: for tests */
int pack_flush(struct pack_writer *w, struct err *e) MUST_CHECK; /* the rest, to the kernel */
int pack_sync(struct pack_writer *w, struct err *e) MUST_CHECK;  /* to the disk */
/* Write the footer and flush; at least one entry.  *name is the pack's file name. */
int pack_seal(struct pack_writer *w, struct chunkid *name, struct err *e) MUST_CHECK;
/* Close the descriptor of a sealed and synced pack, keep the rows. */
int pack_close(struct pack_writer *w, struct err *e) MUST_CHECK;
void pack_free(struct pack_writer **w); /* the file stays; NULL is fine */

const char *pack_path(const struct pack_writer *w);
int pack_fd(const struct pack_writer *w); /* -1 after pack_close */
uint64_t pack_bytes(const struct pack_writer *w);
const struct pack_row *pack_rows(const struct pack_writer *w, size_t *n); /* in file order */

/*
 * Take up a staging file that a crash left.  A sealed one is taken as it is (pack_seal then
 * only tells its name); of another the whole entries are kept and the torn tail cut off.  A file
 * without one good entry gives *out NULL.
 */
int pack_recover(struct pack_writer **out, const char *path, struct err *e) MUST_CHECK;

/* ---- reading ---- */

struct pack_dir {
	struct chunkid name;
	struct pack_row *rows; /* sorted by pack_row_cmp */
	size_t n;
};
void pack_dir_release(struct pack_dir *d);

/* Header and footer of a whole pack in memory: everything but the entries is checked. */
int pack_parse(struct pack_dir *out, const void *p, size_t len, struct err *e) MUST_CHECK;
/* The same from a file, reading only header and footer. */
int pack_read_dir(struct pack_dir *out, int fd, struct err *e) MUST_CHECK;

/* Check every entry of a pack in memory; each bad one goes to `bad`, whose negative result stops. */
typedef int (*pack_bad_fn)(void *arg, const struct pack_row *row, const char *what, struct err *e);
int pack_check(const struct pack_dir *d, const void *p, pack_bad_fn bad, void *arg,
	       struct err *e) MUST_CHECK;

/* Find good entries in whatever is left of a pack, by magic and CRC; `cb` negative stops. */
typedef int (*pack_row_fn)(void *arg, const struct pack_row *row, struct err *e);
int pack_salvage(const void *p, size_t len, pack_row_fn cb, void *arg, struct err *e) MUST_CHECK;

/* packs/ab/<64 digits>.pack, relative to the store; appended. */
void pack_name(struct buf *out, const struct chunkid *name);

#endif
