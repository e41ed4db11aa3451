/* SPDX-License-Identifier: MIT */
/* job_logs.c - what the command printed; see job_internal.h */
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

#define LOG_WHOLE_BYTES (64 * KIB) /* in the journal as it is */
#define LOG_PART_BYTES (32 * KIB)  /* of head and of tail beyond that */
#define HASH_PIECE_BYTES (256 * KIB)

static int hash_log(int fd, struct chunkid *id, uint64_t *bytes, struct err *e)
{
	char *piece = xmalloc(HASH_PIECE_BYTES);
	struct hash *h = hash_new();
	size_t got = 1;
	int rc = lseek(fd, 0, SEEK_SET) < 0 ? err_sys(e, "seek") : 0;

	*bytes = 0;
	while (rc == 0 && got) {
		rc = io_read_full(fd, piece, HASH_PIECE_BYTES, &got, e);
		if (rc == 0) {
			hash_update(h, piece, got);
			*bytes += got;
		}
	}
	hash_final(h, id->b);
	hash_free(h);
	free(piece);
	return rc;
}

static int read_part(int fd, uint64_t off, size_t n, struct buf *out, struct err *e)
{
	size_t before = out->len;
	int rc;

	buf_grow(out, n);
	buf_setlen(out, before + n);
	rc = io_pread_full(fd, out->p + before, n, off, e);
	return rc;
}

/* Head and tail for a look; the whole goes to the store. */
static int keep_long_log(struct job *j, int fd, const char *name, uint64_t bytes, struct buf *text,
			 struct tree_builder *parts, struct err *e)
{
	struct buf pointer = BUF_INIT;
	struct store_txn *txn = NULL;
	struct chunkid id;
	uint64_t stored;
	char *entry = xstrfmt("%s" POINTER_SUFFIX, name);
	int rc = read_part(fd, 0, LOG_PART_BYTES, text, e);

	if (rc == 0) {
		buf_addf(text, "\n[... %" PRIu64 " bytes are in the store ...]\n",
			 bytes - 2 * LOG_PART_BYTES);
		rc = read_part(fd, bytes - LOG_PART_BYTES, LOG_PART_BYTES, text, e);
	}
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, "seek");
	if (rc == 0)
		rc = job_txn(j, &txn, e);
	if (rc == 0)
		rc = dataset_put_fd(j->data, txn, fd, &id, &stored, e);
	if (rc == 0) {
		job_file_pointer(&id, stored, 0100644, &pointer);
		rc = tree_builder_add_blob(parts, entry, pointer.p, pointer.len, e);
	}
	buf_release(&pointer);
	free(entry);
	return rc;
}

static int keep_log(struct job *j, int i, struct record_log *log, struct tree_builder *parts,
		    struct err *e)
{
	const char *name = i ? "stderr" : "stdout";
	struct buf text = BUF_INIT;
	struct chunkid id;
	uint64_t bytes;
	int rc = job_mask_log(j, name, &j->spool.log_fd[i], e), fd = j->spool.log_fd[i];

	if (rc == 0)
		rc = hash_log(fd, &id, &bytes, e);
	if (rc == 0) {
		record_set_digest(&log->id, &id);
		log->bytes = (int64_t)bytes;
	}
	if (rc == 0 && bytes > LOG_WHOLE_BYTES)
		rc = keep_long_log(j, fd, name, bytes, &text, parts, e);
	else if (rc == 0 && bytes)
		rc = read_part(fd, 0, (size_t)bytes, &text, e);
	if (rc == 0 && text.len)
		rc = tree_builder_add_blob(parts, name, text.p, text.len, e);
	buf_release(&text);
	if (rc < 0) {
		record_set(&log->id, NULL);
		log->bytes = RECORD_NONE;
		rc = job_survive(
			j, i ? "the log of stderr is not kept" : "the log of stdout is not kept",
			e);
	}
	return rc;
}

int job_collect_logs(struct job *j, struct tree_builder *parts, struct err *e)
{
	int rc = keep_log(j, 0, &j->rec.out_log, parts, e);

	return rc < 0 ? rc : keep_log(j, 1, &j->rec.err_log, parts, e);
}
