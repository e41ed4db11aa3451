/* SPDX-License-Identifier: MIT */
/* segment_write.c - the writing half of segments; see segment.h */
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/tempfile.h"
#include "base/wr.h"
#include "store/segment.h"

/* Output goes out block by block: hashed, summed, written; memory is one block and the sums. */
struct sink {
	int fd;
	struct hash *hash;
	struct buf block, crcs;
};

static int flush_block(struct sink *k, size_t len, struct err *e)
{
	int rc;

	wr_le32(&k->crcs, crc32c_update(0, k->block.p, len));
	hash_update(k->hash, k->block.p, len);
	rc = io_write_all(k->fd, k->block.p, len, e);
	buf_remove(&k->block, 0, len);
	return rc;
}

static int flush_full(struct sink *k, struct err *e)
{
	int rc = 0;

	while (rc == 0 && k->block.len >= SEGMENT_BLOCK_BYTES)
		rc = flush_block(k, SEGMENT_BLOCK_BYTES, e);
	return rc;
}

static int put_tables(struct sink *k, const struct segment_row *rows, size_t n,
		      const struct chunkid *packs, size_t npacks, struct err *e)
{
	size_t at = 0;
	int rc = 0;

	buf_addstr(&k->block, "DOPSSEGM");
	wr_le32(&k->block, SEGMENT_VERSION);
	wr_le32(&k->block, (uint32_t)npacks);
	wr_le32(&k->block, (uint32_t)n);
	wr_le32(&k->block, 0);
	for (size_t i = 0; i < npacks && rc == 0; i++) {
		buf_add(&k->block, packs[i].b, HASH_BYTES);
		rc = flush_full(k, e);
	}
	for (unsigned int slot = 0; slot < CHUNK_KINDS * SEGMENT_FANOUT; slot++) {
		unsigned int kind = 1 + slot / SEGMENT_FANOUT, byte = slot % SEGMENT_FANOUT;

		while (at < n && rows[at].kind == kind && rows[at].id.b[0] == byte)
			at++;
		wr_le32(&k->block, (uint32_t)at);
	}
	return rc < 0 ? rc : flush_full(k, e);
}

static uint32_t column_of(const struct segment_row *row, unsigned int column)
{
	switch (column) {
	case 0:
		return row->pack;
	case 1:
		return row->offset;
	case 2:
		return row->stored;
	default:
		return row->plain;
	}
}

static int put_columns(struct sink *k, const struct segment_row *rows, size_t n, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		buf_add(&k->block, rows[i].id.b, HASH_BYTES);
		rc = flush_full(k, e);
	}
	for (unsigned int column = 0; column < 4; column++)
		for (size_t i = 0; i < n && rc == 0; i++) {
			wr_le32(&k->block, column_of(&rows[i], column));
			rc = flush_full(k, e);
		}
	for (size_t i = 0; i < n && rc == 0; i++) {
		wr_u8(&k->block, rows[i].encoding);
		rc = flush_full(k, e);
	}
	return rc;
}

static int put_sums(struct sink *k, struct chunkid *name, struct err *e)
{
	int rc = k->block.len ? flush_block(k, k->block.len, e) : 0;

	hash_update(k->hash, k->crcs.p, k->crcs.len);
	hash_final(k->hash, name->b);
	buf_add(&k->crcs, name->b, HASH_BYTES);
	return rc < 0 ? rc : io_write_all(k->fd, k->crcs.p, k->crcs.len, e);
}

int segment_write(const char *dir, const struct segment_row *rows, size_t n,
		  const struct chunkid *packs, size_t npacks, struct chunkid *name, struct err *e)
{
	struct sink k = {-1, NULL, BUF_INIT, BUF_INIT};
	struct buf path = BUF_INIT;
	struct tempfile *t = NULL;
	int rc;

	if (n < 1 || n > SEGMENT_MAX_ENTRIES || npacks < 1 || npacks > SEGMENT_MAX_PACKS)
		return err_set(e, ERR_LIMIT, "segment of %zu rows in %zu packs", n, npacks);
	rc = tempfile_create(&t, dir, 0444, e);
	if (rc < 0)
		goto out;
	k.fd = tempfile_fd(t);
	k.hash = hash_new();
	rc = put_tables(&k, rows, n, packs, npacks, e);
	if (rc == 0)
		rc = put_columns(&k, rows, n, e);
	if (rc == 0)
		rc = put_sums(&k, name, e);
	if (rc < 0)
		goto out;
	killpoint("store-segment-written");
	buf_addf(&path, "%s/%s.seg", dir, chunkid_hex(name).s);
	rc = tempfile_commit(&t, path.p, TEMPFILE_REPLACE, e);
out:
	tempfile_abort(&t);
	hash_free(k.hash);
	buf_release(&k.block);
	buf_release(&k.crcs);
	buf_release(&path);
	return rc < 0 ? err_wrap(e, "segment in %s", dir) : 0;
}
