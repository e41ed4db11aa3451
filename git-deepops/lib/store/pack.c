/* SPDX-License-Identifier: MIT */
/* pack.c - container of encoded chunks: format and reader; see pack.h, gitformat-deepops-store(5) */
/*
 *	"DOPSPACK" u32 version=1 uid[16]
 *	n x ( "DOPE" u8 kind u8 encoding u16 0 id[32] u32 stored u32 plain u32 crc  payload )
 *	"DOPF" u32 n
 *	n x ( u8 kind u8 encoding u16 0 id[32] u32 offset u32 stored u32 plain u32 crc ), sorted
 *	u64 offset of "DOPF"   SHA-256 over header and footer up to here
 *
 * The SHA-256 does not run over the payloads: each is bound by its id, its CRC
 * and its row already, and a second pass of hashing would cost as much as the
 * first (0.65 s a GiB).
 */
#include "store/pack.h"

#include <sys/stat.h>

#include "base/crc32c.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/rd.h"
#include "base/wr.h"
#include "base/xalloc.h"
#include "chunk/zframe.h"

#define ENTRY_MAGIC "DOPE"
#define ENTRY_CRC_BYTES 48 /* of the header, before the CRC itself */
#define FOOTER_FIXED_BYTES (8 + PACK_TRAILER_BYTES)
#define PACK_MIN_BYTES                                                                             \
	(PACK_HEADER_BYTES + PACK_ENTRY_BYTES + 1 + PACK_ROW_BYTES + FOOTER_FIXED_BYTES)
/* Scanning hostile leftovers: each false magic may cost a CRC over 1 MiB; stop at this multiple. */
#define SALVAGE_WORK 64

int pack_row_cmp(const struct pack_row *a, const struct pack_row *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return chunkid_cmp(&a->id, &b->id);
}

void pack_name(struct buf *out, const struct chunkid *name)
{
	struct chunkid_text hex = chunkid_hex(name);

	buf_addf(out, "packs/%.2s/%s.pack", hex.s, hex.s);
}

/* What entries and rows have in common. */
static int check_row(const struct pack_row *row, unsigned int zero, struct err *e)
{
	if (!chunkid_kind_ok(row->kind))
		return err_set(e, ERR_CORRUPT, "unknown kind %u", row->kind);
	if (row->encoding != ZFRAME_RAW && row->encoding != ZFRAME_ZSTD)
		return err_set(e, ERR_CORRUPT, "unknown encoding %u", row->encoding);
	if (zero)
		return err_set(e, ERR_CORRUPT, "reserved field is not 0");
	if (row->plain < 1 || row->plain > CHUNK_MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "plain length %" PRIu32, row->plain);
	if (row->stored < 1 || row->stored > CHUNK_MAX_STORED_BYTES)
		return err_set(e, ERR_CORRUPT, "stored length %" PRIu32, row->stored);
	if (row->encoding == ZFRAME_RAW && row->stored != row->plain)
		return err_set(e, ERR_CORRUPT, "raw chunk with two lengths");
	return 0;
}

/* ---- entries ---- */

static void put_le32(uint8_t *at, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		at[i] = (uint8_t)(v >> (8 * i));
}

void pack_entry_format(struct pack_entry *out, const struct pack_row *row, const void *payload)
{
	uint8_t *h = out->header;
	uint32_t crc;

	memcpy(h, ENTRY_MAGIC, 4);
	h[4] = row->kind;
	h[5] = row->encoding;
	h[6] = h[7] = 0;
	memcpy(h + 8, row->id.b, HASH_BYTES);
	put_le32(h + 40, row->stored);
	put_le32(h + 44, row->plain);
	crc = crc32c_update(crc32c_update(0, h, ENTRY_CRC_BYTES), payload, row->stored);
	put_le32(h + 48, crc);
	out->row = *row;
	out->row.crc = crc;
}

/* Strict; fills everything but row->offset. ERR_CORRUPT. */
static int pack_entry_parse(struct pack_row *row, const void *header, struct err *e)
{
	struct rd r = rd_from(header, PACK_ENTRY_BYTES);
	const uint8_t *magic = rd_bytes(&r, 4);
	unsigned int zero;

	if (memcmp(magic, ENTRY_MAGIC, 4) != 0)
		return err_set(e, ERR_CORRUPT, "no entry magic");
	row->kind = rd_u8(&r);
	row->encoding = rd_u8(&r);
	zero = rd_le16(&r);
	memcpy(row->id.b, rd_bytes(&r, HASH_BYTES), HASH_BYTES);
	row->stored = rd_le32(&r);
	row->plain = rd_le32(&r);
	row->crc = rd_le32(&r);
	return check_row(row, zero, e);
}

int pack_entry_check(const struct pack_row *row, const void *p, struct err *e)
{
	const uint8_t *bytes = p;
	struct pack_row got = *row;
	uint32_t crc;
	int rc = pack_entry_parse(&got, p, e);

	if (rc < 0)
		return rc;
	if (pack_row_cmp(&got, row) != 0 || got.stored != row->stored || got.plain != row->plain ||
	    got.encoding != row->encoding)
		return err_set(e, ERR_CORRUPT, "entry and index disagree");
	crc = crc32c_update(crc32c_update(0, p, ENTRY_CRC_BYTES), bytes + PACK_ENTRY_BYTES,
			    row->stored);
	if (crc != got.crc)
		return err_set(e, ERR_CORRUPT, "checksum mismatch");
	return 0;
}

/* ---- header and footer ---- */

void pack_dir_release(struct pack_dir *d)
{
	free(d->rows);
	memset(d, 0, sizeof(*d));
}

static int parse_header(const uint8_t *header, struct err *e)
{
	struct rd r = rd_from(header, PACK_HEADER_BYTES);
	const uint8_t *magic = rd_bytes(&r, 8);
	uint32_t version = rd_le32(&r);

	if (memcmp(magic, "DOPSPACK", 8) != 0)
		return err_set(e, ERR_CORRUPT, "not a pack");
	if (version != PACK_VERSION)
		return err_set(e, ERR_CORRUPT, "pack version %" PRIu32 " is not known", version);
	return 0;
}

/* Find the footer from the trailer of a pack of `size` bytes: its offset and number of rows. */
static int parse_trailer(const uint8_t *trailer, uint64_t size, uint64_t *off, size_t *n,
			 struct err *e)
{
	struct rd r = rd_from(trailer, PACK_TRAILER_BYTES);
	uint64_t rows;

	*off = rd_le64(&r);
	if (*off < PACK_HEADER_BYTES || *off > size - FOOTER_FIXED_BYTES)
		return err_set(e, ERR_CORRUPT, "footer offset is outside");
	rows = size - FOOTER_FIXED_BYTES - *off;
	if (rows % PACK_ROW_BYTES != 0 || rows == 0 || rows / PACK_ROW_BYTES > PACK_MAX_ENTRIES)
		return err_set(e, ERR_CORRUPT, "footer has a wrong size");
	*n = rows / PACK_ROW_BYTES;
	return 0;
}

static int parse_row(struct rd *r, struct pack_row *row, struct err *e)
{
	unsigned int zero;

	row->kind = rd_u8(r);
	row->encoding = rd_u8(r);
	zero = rd_le16(r);
	memcpy(row->id.b, rd_bytes(r, HASH_BYTES), HASH_BYTES);
	row->offset = rd_le32(r);
	row->stored = rd_le32(r);
	row->plain = rd_le32(r);
	row->crc = rd_le32(r);
	return check_row(row, zero, e);
}

static int by_offset(const void *a, const void *b)
{
	const struct pack_row *x = *(const struct pack_row *const *)a;
	const struct pack_row *y = *(const struct pack_row *const *)b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Rows in file order; caller frees. */
static const struct pack_row **rows_by_offset(const struct pack_dir *d)
{
	const struct pack_row **v = xcalloc(d->n, sizeof(const struct pack_row *));

	for (size_t i = 0; i < d->n; i++)
		v[i] = &d->rows[i];
	qsort(v, d->n, sizeof(const struct pack_row *), by_offset);
	return v;
}

/* Do the entries that the rows name fill the pack from header to footer without gap or overlap? */
static int check_layout(const struct pack_dir *d, uint64_t footer, struct err *e)
{
	const struct pack_row **v = rows_by_offset(d);
	uint64_t at = PACK_HEADER_BYTES;
	int rc = 0;

	for (size_t i = 0; i < d->n && rc == 0; i++) {
		if (v[i]->offset != at)
			rc = err_set(e, ERR_CORRUPT, "directory leaves a gap at offset %" PRIu64,
				     at);
		at += PACK_ENTRY_BYTES + (uint64_t)v[i]->stored;
	}
	if (rc == 0 && at != footer)
		rc = err_set(e, ERR_CORRUPT,
			     "entries end at %" PRIu64 ", footer begins at %" PRIu64, at, footer);
	free(v);
	return rc;
}

/* `footer` holds everything from "DOPF" to the end of the pack. */
static int parse_footer(struct pack_dir *out, const uint8_t *header, const uint8_t *footer,
			size_t n, struct err *e)
{
	size_t len = FOOTER_FIXED_BYTES + n * PACK_ROW_BYTES;
	struct rd r = rd_from(footer, len);
	struct hash *h = hash_new();
	const uint8_t *magic = rd_bytes(&r, 4);

	hash_update(h, header, PACK_HEADER_BYTES);
	hash_update(h, footer, len - HASH_BYTES);
	hash_final(h, out->name.b);
	hash_free(h);
	if (memcmp(out->name.b, footer + len - HASH_BYTES, HASH_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "footer does not match its SHA-256");
	if (memcmp(magic, "DOPF", 4) != 0 || rd_le32(&r) != n)
		return err_set(e, ERR_CORRUPT, "footer has a wrong header");
	out->rows = xcalloc(n, sizeof(*out->rows));
	for (out->n = 0; out->n < n; out->n++) {
		int rc = parse_row(&r, &out->rows[out->n], e);

		if (rc < 0)
			return err_wrap(e, "directory row %zu", out->n);
		if (out->n && pack_row_cmp(&out->rows[out->n - 1], &out->rows[out->n]) >= 0)
			return err_set(e, ERR_CORRUPT, "directory is not sorted");
	}
	return 0;
}

int pack_parse(struct pack_dir *out, const void *p, size_t len, struct err *e)
{
	const uint8_t *bytes = p;
	uint64_t off = 0;
	size_t n = 0;
	int rc;

	memset(out, 0, sizeof(*out));
	if (len < PACK_MIN_BYTES)
		return err_set(e, ERR_CORRUPT, "cut short");
	if (len > PACK_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "pack of %zu bytes", len);
	rc = parse_header(bytes, e);
	if (rc == 0)
		rc = parse_trailer(bytes + len - PACK_TRAILER_BYTES, len, &off, &n, e);
	if (rc == 0)
		rc = parse_footer(out, bytes, bytes + off, n, e);
	if (rc == 0)
		rc = check_layout(out, off, e);
	if (rc < 0)
		pack_dir_release(out);
	return rc;
}

int pack_read_dir(struct pack_dir *out, int fd, struct err *e)
{
	uint8_t header[PACK_HEADER_BYTES], trailer[PACK_TRAILER_BYTES], *footer = NULL;
	uint64_t off = 0, size;
	struct stat st;
	size_t n = 0, len;
	int rc;

	memset(out, 0, sizeof(*out));
	if (fstat(fd, &st) < 0)
		return err_sys(e, "fstat");
	size = (uint64_t)st.st_size;
	if (size < PACK_MIN_BYTES)
		return err_set(e, ERR_CORRUPT, "cut short");
	if (size > PACK_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "pack of %" PRIu64 " bytes", size);
	rc = io_pread_full(fd, header, sizeof(header), 0, e);
	if (rc == 0)
		rc = io_pread_full(fd, trailer, sizeof(trailer), size - sizeof(trailer), e);
	if (rc == 0)
		rc = parse_header(header, e);
	if (rc == 0)
		rc = parse_trailer(trailer, size, &off, &n, e);
	if (rc < 0)
		return rc;
	len = FOOTER_FIXED_BYTES + n * PACK_ROW_BYTES;
	footer = xmalloc(len);
	rc = io_pread_full(fd, footer, len, off, e);
	if (rc == 0)
		rc = parse_footer(out, header, footer, n, e);
	if (rc == 0)
		rc = check_layout(out, off, e);
	free(footer);
	if (rc < 0)
		pack_dir_release(out);
	return rc;
}

/* pack_entry_check, and that entry and directory give one checksum. */
static int check_listed(const struct pack_row *row, const uint8_t *entry, struct err *e)
{
	struct rd r = rd_from(entry + ENTRY_CRC_BYTES, 4);
	int rc = pack_entry_check(row, entry, e);

	if (rc == 0 && rd_le32(&r) != row->crc)
		rc = err_set(e, ERR_CORRUPT, "entry and directory disagree");
	return rc;
}

int pack_check(const struct pack_dir *d, const void *p, pack_bad_fn bad, void *arg, struct err *e)
{
	const struct pack_row **v = rows_by_offset(d);
	const uint8_t *bytes = p;
	int rc = 0;

	for (size_t i = 0; i < d->n && rc >= 0; i++) {
		struct err why = ERR_INIT;

		if (check_listed(v[i], bytes + v[i]->offset, &why) < 0)
			rc = bad(arg, v[i], why.msg, e);
	}
	free(v);
	return rc < 0 ? rc : 0;
}

/* ---- salvage ---- */

/* Is there a good entry at p? Adds the bytes looked at to *work. */
static bool entry_at(const uint8_t *p, size_t left, struct pack_row *row, uint64_t *work)
{
	if (left < PACK_ENTRY_BYTES || pack_entry_parse(row, p, NULL) < 0 ||
	    row->stored > left - PACK_ENTRY_BYTES)
		return false;
	*work += row->stored;
	return pack_entry_check(row, p, NULL) == 0;
}

int pack_salvage(const void *p, size_t len, pack_row_fn cb, void *arg, struct err *e)
{
	const uint8_t *bytes = p, *hit;
	uint64_t work = 0;
	size_t at = 0;

	if (len > PACK_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "pack of %zu bytes", len);
	while ((hit = memmem(bytes + at, len - at, ENTRY_MAGIC, 4)) != NULL &&
	       work <= SALVAGE_WORK * (uint64_t)len) {
		struct pack_row row;
		int rc;

		at = (size_t)(hit - bytes);
		if (!entry_at(hit, len - at, &row, &work)) {
			at++;
			continue;
		}
		row.offset = (uint32_t)at;
		rc = cb(arg, &row, e);
		if (rc < 0)
			return rc;
		at += PACK_ENTRY_BYTES + (size_t)row.stored;
	}
	return 0;
}
