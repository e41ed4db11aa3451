/* SPDX-License-Identifier: MIT */
/* segment.c - immutable sorted index of chunks; see segment.h, gitformat-deepops-store(5) */
/*
 *	"DOPSSEGM" u32 version=1 u32 npacks u32 n u32 0
 *	npacks x name[32]
 *	3 x 256 x u32		fan-out: rows up to and with (kind, first byte), cumulative
 *	n x id[32]
 *	n x u32 pack, n x u32 offset, n x u32 stored, n x u32 plain, n x u8 encoding
 *	u32 CRC-32C of each 64 KiB block of all above, the last one short
 *	SHA-256 of all above
 *
 * The kind of a row follows from the fan-out.
 */
#include "store/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "chunk/zframe.h"

#define FANOUT_SLOTS ((size_t)CHUNK_KINDS * SEGMENT_FANOUT)
#define FANOUT_BYTES (4 * FANOUT_SLOTS)
#define ROW_BYTES 49 /* 32 + 4 x 4 + 1 */

struct segment {
	unsigned int users;        /* atomic */
	unsigned char *pack_state; /* per pack, atomic: enum segment_pack_state */
	bool misses_pack;          /* atomic */
	const uint8_t *p;
	size_t len;
	bool mapped;
	struct chunkid name;
	size_t n, npacks;
	size_t body;                 /* bytes the block checksums cover */
	const uint8_t *fanout, *ids; /* inside p */
	const uint8_t *columns;      /* pack, offset, stored, plain, encoding */
	const uint8_t *crcs;
	unsigned char *checked; /* per block, atomic: its CRC was found right */
};

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int segment_row_cmp(const struct segment_row *a, const struct segment_row *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return chunkid_cmp(&a->id, &b->id);
}

void segment_name(struct buf *out, const struct chunkid *name)
{
	buf_addf(out, "segments/%s.seg", chunkid_hex(name).s);
}

/* ---- opening ---- */

static size_t block_count(size_t body)
{
	return (body + SEGMENT_BLOCK_BYTES - 1) / SEGMENT_BLOCK_BYTES;
}

/* Make sure that bytes [from, from + n) of the body are what was written. */
static int touch(struct segment *s, size_t from, size_t n, struct err *e)
{
	size_t last = (from + n - 1) / SEGMENT_BLOCK_BYTES;

	for (size_t b = from / SEGMENT_BLOCK_BYTES; b <= last; b++) {
		size_t at = b * SEGMENT_BLOCK_BYTES, len = MIN(SEGMENT_BLOCK_BYTES, s->body - at);

		if (__atomic_load_n(&s->checked[b], __ATOMIC_ACQUIRE))
			continue;
		if (crc32c_update(0, s->p + at, len) != le32(s->crcs + 4 * b))
			return err_set(e, ERR_CORRUPT, "block %zu does not match its checksum", b);
		__atomic_store_n(&s->checked[b], 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static uint32_t fanout_at(const struct segment *s, size_t i)
{
	return le32(s->fanout + 4 * i);
}

static int check_fanout(const struct segment *s, struct err *e)
{
	uint32_t last = 0;

	for (size_t i = 0; i < FANOUT_SLOTS; i++) {
		if (fanout_at(s, i) < last)
			return err_set(e, ERR_CORRUPT, "fan-out is not ascending");
		last = fanout_at(s, i);
	}
	if (last != s->n)
		return err_set(e, ERR_CORRUPT, "fan-out and number of rows disagree");
	return 0;
}

/* Set the pointers from the header; the length must be exactly what it says. */
static int lay_out(struct segment *s, struct err *e)
{
	const uint8_t *p = s->p;
	uint32_t version;

	if (s->len < SEGMENT_HEADER_BYTES || memcmp(p, "DOPSSEGM", 8) != 0)
		return err_set(e, ERR_CORRUPT, "not a segment");
	version = le32(p + 8);
	if (version != SEGMENT_VERSION)
		return err_set(e, ERR_CORRUPT, "segment version %" PRIu32 " is not known", version);
	s->npacks = le32(p + 12);
	s->n = le32(p + 16);
	if (le32(p + 20) != 0)
		return err_set(e, ERR_CORRUPT, "reserved field is not 0");
	if (s->npacks < 1 || s->npacks > SEGMENT_MAX_PACKS || s->n < 1 ||
	    s->n > SEGMENT_MAX_ENTRIES)
		return err_set(e, ERR_LIMIT, "%zu rows in %zu packs", s->n, s->npacks);
	/* Both are capped above: no overflow. */
	s->body = SEGMENT_HEADER_BYTES + s->npacks * HASH_BYTES + FANOUT_BYTES + s->n * ROW_BYTES;
	if (s->len != s->body + 4 * block_count(s->body) + HASH_BYTES)
		return err_set(e, ERR_CORRUPT, "wrong size for %zu rows in %zu packs", s->n,
			       s->npacks);
	s->fanout = p + SEGMENT_HEADER_BYTES + s->npacks * HASH_BYTES;
	s->ids = s->fanout + FANOUT_BYTES;
	s->columns = s->ids + s->n * HASH_BYTES;
	s->crcs = p + s->body;
	return 0;
}

static int open_body(struct segment *s, struct err *e)
{
	int rc = lay_out(s, e);

	if (rc < 0)
		return rc;
	s->checked = xcalloc(block_count(s->body), 1);
	s->pack_state = xcalloc(s->npacks, 1);
	rc = touch(s, 0, (size_t)(s->ids - s->p), e);
	return rc < 0 ? rc : check_fanout(s, e);
}

static struct segment *new_segment(void)
{
	struct segment *s = xcalloc(1, sizeof(*s));

	s->users = 1;
	return s;
}

struct segment *segment_hold(struct segment *s)
{
	__atomic_add_fetch(&s->users, 1, __ATOMIC_RELAXED);
	return s;
}

int segment_from(struct segment **out, const void *p, size_t len, struct err *e)
{
	struct segment *s = new_segment();
	int rc;

	s->p = p;
	s->len = len;
	rc = open_body(s, e);
	if (rc < 0)
		segment_close(&s);
	else
		memcpy(s->name.b, s->crcs + 4 * block_count(s->body), HASH_BYTES);
	*out = s;
	return rc;
}

/* Segments never change once named, so a mapping can't be cut short under us. */
static int map_file(struct segment *s, int fd, struct err *e)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "fstat");
	if (st.st_size < SEGMENT_HEADER_BYTES)
		return err_set(e, ERR_CORRUPT, "cut short");
	s->len = (size_t)st.st_size;
	p = mmap(NULL, s->len, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return err_sys(e, "mmap");
	s->p = p;
	s->mapped = true;
	return 0;
}

int segment_open(struct segment **out, const char *path, const struct chunkid *name, struct err *e)
{
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct segment *s;

	*out = NULL;
	if (fd < 0) {
		if (access(path, F_OK) < 0)
			return err_set(e, ERR_NOTFOUND, "%s is not there", path);
		return err_sys(e, "%s", path);
	}
	s = new_segment();
	rc = map_file(s, fd, e);
	close(fd);
	if (rc == 0)
		rc = open_body(s, e);
	if (rc == 0 && memcmp(s->crcs + 4 * block_count(s->body), name->b, HASH_BYTES) != 0)
		rc = err_set(e, ERR_CORRUPT, "content is not what the name says");
	if (rc < 0) {
		segment_close(&s);
		return err_wrap(e, "%s", path);
	}
	s->name = *name;
	*out = s;
	return 0;
}

void segment_close(struct segment **s)
{
	struct segment *old = *s;

	*s = NULL;
	if (!old || __atomic_sub_fetch(&old->users, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (old->mapped)
		munmap((void *)(uintptr_t)old->p, old->len);
	free(old->checked);
	free(old->pack_state);
	free(old);
}

size_t segment_count(const struct segment *s)
{
	return s->n;
}

size_t segment_npacks(const struct segment *s)
{
	return s->npacks;
}

const struct chunkid *segment_pack(const struct segment *s, size_t i)
{
	return (const struct chunkid *)(s->p + SEGMENT_HEADER_BYTES + i * HASH_BYTES);
}

enum segment_pack_state segment_pack_state(const struct segment *s, size_t i)
{
	return (enum segment_pack_state)__atomic_load_n(&s->pack_state[i], __ATOMIC_RELAXED);
}

void segment_note_pack(struct segment *s, size_t i, enum segment_pack_state state)
{
	__atomic_store_n(&s->pack_state[i], (unsigned char)state, __ATOMIC_RELAXED);
	if (state == SEGMENT_PACK_MISSING)
		__atomic_store_n(&s->misses_pack, true, __ATOMIC_RELEASE);
}

bool segment_misses_pack(const struct segment *s)
{
	return __atomic_load_n(&s->misses_pack, __ATOMIC_ACQUIRE);
}

const struct chunkid *segment_id(const struct segment *s)
{
	return &s->name;
}

/* ---- rows ---- */

/* Read row i's columns; id and kind are the caller's. */
static int read_columns(struct segment *s, size_t i, struct segment_row *row, struct err *e)
{
	uint32_t *into[] = {&row->pack, &row->offset, &row->stored, &row->plain};
	const uint8_t *column = s->columns;
	int rc;

	for (size_t k = 0; k < ARRAY_SIZE(into); k++, column += 4 * s->n) {
		rc = touch(s, (size_t)(column + 4 * i - s->p), 4, e);
		if (rc < 0)
			return rc;
		*into[k] = le32(column + 4 * i);
	}
	rc = touch(s, (size_t)(column + i - s->p), 1, e);
	if (rc < 0)
		return rc;
	row->encoding = column[i];
	if (row->pack >= s->npacks || row->plain < 1 || row->plain > CHUNK_MAX_BYTES ||
	    row->stored < 1 || row->stored > CHUNK_MAX_STORED_BYTES ||
	    row->offset > PACK_MAX_BYTES || row->encoding > ZFRAME_ZSTD ||
	    (row->encoding == ZFRAME_RAW && row->stored != row->plain))
		return err_set(e, ERR_CORRUPT, "row %zu is out of bounds", i);
	return 0;
}

int segment_find(struct segment *s, enum chunk_kind kind, const struct chunkid *id,
		 struct segment_row *row, struct err *e)
{
	size_t slot = ((size_t)kind - 1) * SEGMENT_FANOUT + id->b[0];
	size_t lo = slot ? fanout_at(s, slot - 1) : 0, hi = fanout_at(s, slot);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const uint8_t *at = s->ids + mid * HASH_BYTES;
		int rc = touch(s, (size_t)(at - s->p), HASH_BYTES, e), cmp;

		if (rc < 0)
			return rc;
		cmp = memcmp(at, id->b, HASH_BYTES);
		if (cmp == 0) {
			row->kind = (uint8_t)kind;
			row->id = *id;
			rc = read_columns(s, mid, row, e);
			return rc < 0 ? rc : 1;
		}
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return 0;
}

int segment_row_at(struct segment *s, size_t i, struct segment_row *row, struct err *e)
{
	const uint8_t *at = s->ids + i * HASH_BYTES;
	int rc = touch(s, (size_t)(at - s->p), HASH_BYTES, e);

	if (rc < 0)
		return rc;
	row->kind = 1;
	while (row->kind < CHUNK_KINDS && i >= fanout_at(s, (size_t)row->kind * SEGMENT_FANOUT - 1))
		row->kind++;
	memcpy(row->id.b, at, HASH_BYTES);
	return read_columns(s, i, row, e);
}

static int check_rows(struct segment *s, struct err *e)
{
	struct segment_row row, last;

	for (size_t i = 0; i < s->n; i++) {
		size_t slot;
		int rc = segment_row_at(s, i, &row, e);

		if (rc < 0)
			return rc;
		if (i && segment_row_cmp(&last, &row) >= 0)
			return err_set(e, ERR_CORRUPT, "row %zu is out of order", i);
		slot = (size_t)(row.kind - 1) * SEGMENT_FANOUT + row.id.b[0];
		if (i >= fanout_at(s, slot) || (slot && i < fanout_at(s, slot - 1)))
			return err_set(e, ERR_CORRUPT, "row %zu is not where the fan-out says", i);
		last = row;
	}
	return 0;
}

int segment_check(struct segment *s, struct err *e)
{
	uint8_t sum[HASH_BYTES];

	hash_sha256(sum, s->p, s->len - HASH_BYTES);
	if (memcmp(sum, s->p + s->len - HASH_BYTES, HASH_BYTES) != 0 ||
	    memcmp(sum, s->name.b, HASH_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "content does not match its SHA-256");
	for (size_t b = 0; b < block_count(s->body); b++)
		if (crc32c_update(0, s->p + b * SEGMENT_BLOCK_BYTES,
				  MIN(SEGMENT_BLOCK_BYTES, s->body - b * SEGMENT_BLOCK_BYTES)) !=
		    le32(s->crcs + 4 * b))
			return err_set(e, ERR_CORRUPT, "block %zu does not match its checksum", b);
	return check_rows(s, e);
}
