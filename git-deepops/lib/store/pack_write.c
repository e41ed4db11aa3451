/* SPDX-License-Identifier: MIT */
/* pack_write.c - the writing half of packs; see pack.h */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/share.h"
#include "base/wr.h"
#include "base/xalloc.h"
#include "store/pack.h"

#define WRITE_BYTES MIB           /* one write(2); larger gains nothing */
#define WRITEBACK_BYTES (8 * MIB) /* tell the kernel to begin writing this often */

struct pack_writer {
	char *path;
	int fd;
	bool bad, sealed;
	struct chunkid name; /* once sealed */
	struct buf pending;  /* appended, not yet written or taken */
	struct buf spare;    /* memory of a piece that was written */
	uint64_t written;    /* bytes written or taken */
	uint64_t kicked;     /* of them, writeback was started for */
	uint8_t header[PACK_HEADER_BYTES];
	struct pack_row *rows;
	size_t n, alloc;
};

static struct pack_writer *new_writer(const char *path, int fd)
{
	struct pack_writer *w = xcalloc(1, sizeof(*w));

	w->path = xstrdup(path);
	w->fd = fd;
	buf_init(&w->pending);
	buf_init(&w->spare);
	return w;
}

int pack_create(struct pack_writer **out, const char *path, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	struct pack_writer *w;
	uint8_t uid[PACK_UID_BYTES];

	if (fd < 0)
		return err_sys(e, "pack %s", path);
	share_path(path, fd);
	w = new_writer(path, fd);
	random_bytes(uid, sizeof(uid));
	buf_add(&w->pending, "DOPSPACK", 8);
	wr_le32(&w->pending, PACK_VERSION);
	buf_add(&w->pending, uid, sizeof(uid));
	memcpy(w->header, w->pending.p, sizeof(w->header));
	*out = w;
	killpoint("store-pack-create");
	return 0;
}

int pack_flush(struct pack_writer *w, struct err *e)
{
	if (w->bad)
		return err_set(e, ERR_SYS, "pack %s: an earlier write failed", w->path);
	if (w->pending.len == 0)
		return 0;
	w->bad = true; /* until it is known to have worked */
	if (io_pwrite_all(w->fd, w->pending.p, w->pending.len, w->written, e) < 0)
		return err_wrap(e, "pack %s", w->path);
	w->written += w->pending.len;
	buf_reset(&w->pending);
	w->bad = false;
	return 0;
}

/* So that the fsync at the end finds most of its work done; a hint, its failure is nothing. */
static void start_writeback(struct pack_writer *w)
{
	if (w->written - w->kicked < WRITEBACK_BYTES)
		return;
	(void)sync_file_range(w->fd, (off_t)w->kicked, (off_t)(w->written - w->kicked),
			      SYNC_FILE_RANGE_WRITE);
	w->kicked = w->written;
}

int pack_append(struct pack_writer *w, struct pack_entry *entry, const void *payload, struct err *e)
{
	uint64_t at = pack_bytes(w);

	if (w->bad)
		return err_set(e, ERR_SYS, "pack %s: an earlier write failed", w->path);
	if (w->n >= PACK_MAX_ENTRIES || at > PACK_TARGET_BYTES)
		return err_set(e, ERR_LIMIT, "pack %s is full", w->path);
	entry->row.offset = (uint32_t)at;
	buf_add(&w->pending, entry->header, sizeof(entry->header));
	buf_add(&w->pending, payload, entry->row.stored);
	XGROW(w->rows, w->n + 1, w->alloc);
	w->rows[w->n++] = entry->row;
	return 0;
}

bool pack_take(struct pack_writer *w, struct pack_piece *piece)
{
	if (w->pending.len < WRITE_BYTES)
		return false;
	piece->offset = w->written;
	piece->bytes = w->pending;
	w->pending = w->spare;
	buf_init(&w->spare);
	w->written += piece->bytes.len;
	return true;
}

int pack_write(const struct pack_writer *w, const struct pack_piece *piece, struct err *e)
{
	int rc = io_pwrite_all(w->fd, piece->bytes.p, piece->bytes.len, piece->offset, e);

	return rc < 0 ? err_wrap(e, "pack %s", w->path) : 0;
}

void pack_written(struct pack_writer *w, struct pack_piece *piece, int rc)
{
	if (rc < 0)
		w->bad = true;
	else
		start_writeback(w);
	buf_reset(&piece->bytes);
	buf_swap(&w->spare, &piece->bytes);
	buf_release(&piece->bytes);
}

int pack_add(struct pack_writer *w, struct pack_entry *entry, const void *payload, struct err *e)
{
	struct pack_piece piece;
	int rc = pack_append(w, entry, payload, e);

	if (rc == 0 && pack_take(w, &piece)) {
		rc = pack_write(w, &piece, e);
		pack_written(w, &piece, rc);
	}
	return rc;
}

static uint64_t pack_target = PACK_TARGET_BYTES;

void pack_set_target(uint64_t bytes)
{
	pack_target = MIN(bytes, PACK_TARGET_BYTES);
}

bool pack_is_full(const struct pack_writer *w)
{
	return w->n >= PACK_MAX_ENTRIES || pack_bytes(w) >= pack_target;
}

int pack_sync(struct pack_writer *w, struct err *e)
{
	int rc = pack_flush(w, e);

	if (rc < 0)
		return rc;
	if (io_fsync(w->fd, e) < 0) {
		w->bad = true;
		return err_wrap(e, "pack %s", w->path);
	}
	return 0;
}

static int row_cmp(const void *a, const void *b)
{
	return pack_row_cmp(a, b);
}

static void add_row(struct buf *out, const struct pack_row *row)
{
	wr_u8(out, row->kind);
	wr_u8(out, row->encoding);
	wr_le16(out, 0);
	buf_add(out, row->id.b, HASH_BYTES);
	wr_le32(out, row->offset);
	wr_le32(out, row->stored);
	wr_le32(out, row->plain);
	wr_le32(out, row->crc);
}

static void add_footer(struct pack_writer *w, uint64_t offset, struct chunkid *name)
{
	size_t from = w->pending.len;
	struct pack_row *sorted = xmemdup(w->rows, w->n * sizeof(*sorted));
	struct hash *h = hash_new();

	qsort(sorted, w->n, sizeof(*sorted), row_cmp);
	buf_addstr(&w->pending, "DOPF");
	wr_le32(&w->pending, (uint32_t)w->n);
	for (size_t i = 0; i < w->n; i++)
		add_row(&w->pending, &sorted[i]);
	wr_le64(&w->pending, offset);
	hash_update(h, w->header, sizeof(w->header));
	hash_update(h, w->pending.p + from, w->pending.len - from);
	hash_final(h, name->b);
	hash_free(h);
	buf_add(&w->pending, name->b, HASH_BYTES);
	free(sorted);
}

int pack_seal(struct pack_writer *w, struct chunkid *name, struct err *e)
{
	int rc;

	if (!w->sealed) {
		if (w->n == 0)
			return err_set(e, ERR_INPUT, "pack %s is empty", w->path);
		add_footer(w, pack_bytes(w), &w->name);
		rc = pack_flush(w, e);
		if (rc < 0)
			return rc;
		w->sealed = true;
		buf_release(&w->pending);
		buf_release(&w->spare);
		killpoint("store-pack-seal");
	}
	*name = w->name;
	return 0;
}

int pack_close(struct pack_writer *w, struct err *e)
{
	int fd = w->fd;

	w->fd = -1;
	if (fd >= 0 && io_close(fd, e) < 0)
		return err_wrap(e, "pack %s", w->path);
	return 0;
}

void pack_free(struct pack_writer **w)
{
	if (!*w)
		return;
	if ((*w)->fd >= 0)
		close((*w)->fd);
	buf_release(&(*w)->pending);
	buf_release(&(*w)->spare);
	free((*w)->rows);
	free((*w)->path);
	free(*w);
	*w = NULL;
}

const char *pack_path(const struct pack_writer *w)
{
	return w->path;
}

int pack_fd(const struct pack_writer *w)
{
	return w->fd;
}

uint64_t pack_bytes(const struct pack_writer *w)
{
	return w->written + w->pending.len;
}

const struct pack_row *pack_rows(const struct pack_writer *w, size_t *n)
{
	*n = w->n;
	return w->rows;
}

/* ---- recovery ---- */

/* pack_bad_fn: one bad entry is enough. */
static int refuse(void *arg, const struct pack_row *row, const char *what, struct err *e)
{
	(void)arg;
	(void)row;
	return err_set(e, ERR_CORRUPT, "%s", what);
}

/* A sealed pack may have its second name in packs/ already: it is taken as it is. */
static bool recover_sealed(struct pack_writer *w, const struct buf *whole)
{
	struct pack_dir d;

	if (pack_parse(&d, whole->p, whole->len, NULL) < 0)
		return false;
	if (pack_check(&d, whole->p, refuse, NULL, NULL) < 0) {
		pack_dir_release(&d);
		return false;
	}
	w->name = d.name;
	w->rows = d.rows;
	w->n = w->alloc = d.n;
	w->written = w->kicked = whole->len;
	w->sealed = true;
	return true;
}

/* pack_row_fn: keep entries as long as each begins where the one before ended. */
static int keep_row(void *arg, const struct pack_row *row, struct err *e)
{
	struct pack_writer *w = arg;

	if (row->offset != w->written || w->n >= PACK_MAX_ENTRIES)
		return err_set(e, ERR_NOTFOUND, "end of the whole entries");
	XGROW(w->rows, w->n + 1, w->alloc);
	w->rows[w->n++] = *row;
	w->written += PACK_ENTRY_BYTES + (uint64_t)row->stored;
	return 0;
}

static int recover_torn(struct pack_writer *w, const struct buf *whole, struct err *e)
{
	int rc;

	if (whole->len <= PACK_HEADER_BYTES || memcmp(whole->p, "DOPSPACK\1\0\0", 12) != 0)
		return 0;
	memcpy(w->header, whole->p, PACK_HEADER_BYTES);
	w->written = PACK_HEADER_BYTES;
	rc = pack_salvage(whole->p, whole->len, keep_row, w, e);
	if (rc < 0 && rc != ERR_NOTFOUND)
		return rc;
	if (w->n == 0)
		return 0;
	close(w->fd);
	w->fd = open(w->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (w->fd < 0)
		return err_sys(e, "open");
	if (ftruncate(w->fd, (off_t)w->written) < 0)
		return err_sys(e, "ftruncate");
	return 0;
}

int pack_recover(struct pack_writer **out, const char *path, struct err *e)
{
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct buf whole = BUF_INIT;
	struct pack_writer *w;

	*out = NULL;
	if (fd < 0)
		return err_sys(e, "pack %s", path);
	w = new_writer(path, fd);
	rc = io_read_fd(fd, PACK_MAX_BYTES, &whole, e);
	if (rc == 0 && !recover_sealed(w, &whole))
		rc = recover_torn(w, &whole, e);
	if (rc < 0)
		err_wrap(e, "pack %s", path);
	if (rc == 0 && w->n > 0)
		*out = w;
	else
		pack_free(&w);
	buf_release(&whole);
	return rc;
}
