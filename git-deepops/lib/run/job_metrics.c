/* SPDX-License-Identifier: MIT */
/* job_metrics.c - numbers that the command left behind; see job_internal.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "repo/settings.h"
#include "run/job_internal.h"
#include "run/metrics.h"

#define PIECE_BYTES (4 * MIB) /* of a file of lines that is too long to be held whole */
#define STREAM "$DEEPOPS_METRICS"

static bool is_table(const char *name)
{
	return str_endswith(name, ".csv") || str_endswith(name, ".tsv");
}

static bool is_lines(const char *name)
{
	return is_table(name) || str_endswith(name, ".jsonl") || str_endswith(name, ".ndjson") ||
	       !strcmp(name, STREAM);
}

static int parse(struct metrics *m, const char *name, const struct buf *text, struct err *e)
{
	if (!strcmp(name, STREAM))
		return metrics_parse_lines(m, name, text->p, text->len, e);
	return metrics_parse(m, name, text->p, text->len, e);
}

static uint64_t count_lines(const struct buf *text)
{
	uint64_t n = 0;

	for (const char *at = text->p; (at = memchr(at, '\n', text->len - (size_t)(at - text->p)));
	     at++)
		n++;
	return n;
}

/*
 * A file of lines, however long: pieces that end with a line, each with the header of a table.  What
 * is wrong with one piece does not cost those behind it; the first error is returned.
 */
static int parse_pieces(struct metrics *m, const char *name, int fd, struct err *e)
{
	struct buf text = BUF_INIT, header = BUF_INIT;
	size_t got = 1;
	int rc = 0, first = 0;

	while (rc == 0 && got) {
		size_t had = text.len, used;
		struct buf piece = BUF_INIT;
		struct err one = ERR_INIT;
		const char *eol;

		buf_grow(&text, PIECE_BYTES);
		buf_setlen(&text, had + PIECE_BYTES);
		rc = io_read_full(fd, text.p + had, PIECE_BYTES, &got, e);
		buf_setlen(&text, had + got);
		eol = memrchr(text.p, '\n', text.len);
		used = !got || !eol ? text.len : (size_t)(eol + 1 - text.p);
		if (is_table(name) && !header.len)
			buf_add(&header, text.p, MIN(strcspn(text.p, "\n") + 1, text.len));
		else
			buf_addbuf(&piece, &header);
		buf_add(&piece, text.p, used);
		if (rc == 0 && used && parse(m, name, &piece, &one) < 0 && !first) {
			first = one.code;
			*e = one;
		}
		m->lines_before += count_lines(&piece) - is_table(name);
		buf_remove(&text, 0, used);
		buf_release(&piece);
	}
	buf_release(&text);
	buf_release(&header);
	return rc < 0 ? rc : first;
}

static int parse_file(struct metrics *m, const char *name, int fd, uint64_t bytes, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	m->lines_before = 0;
	metrics_begin(m, name);
	if (bytes > JSON_MAX_BYTES && is_lines(name)) {
		rc = parse_pieces(m, name, fd, e);
	} else {
		rc = io_read_fd(fd, JSON_MAX_BYTES, &text, e);
		if (rc < 0)
			err_wrap(e, "%s", name);
		else
			rc = parse(m, name, &text, e);
	}
	m->lines_before = 0;
	/* Training scripts that give nothing to $DEEPOPS_METRICS are the rule. */
	if (rc == 0 && (bytes || strcmp(name, STREAM) != 0))
		metrics_end(m);
	buf_release(&text);
	return rc;
}

static void notice_error(struct job *j, struct err *e)
{
	job_notice(j, "%s", e->msg);
	err_clear(e);
}

/* A metrics file that cannot be read costs its metrics, never the record. */
static void read_metrics_file(struct job *j, struct metrics *m, const char *path)
{
	struct err e = ERR_INIT;
	struct stat st;
	int fd = job_open(j->site, path, &st, &e);

	if (fd >= 0) {
		if (parse_file(m, path, fd, (uint64_t)st.st_size, &e) < 0)
			notice_error(j, &e);
		close(fd);
	} else if (fd != ERR_NOTFOUND) {
		notice_error(j, &e);
	}
}

/* Too long for the reader of numbers: the whole of it is kept as long logs are. */
static int keep_stream(struct job *j, int fd, struct tree_builder *parts, struct err *e)
{
	struct buf pointer = BUF_INIT;
	struct store_txn *txn = NULL;
	struct chunkid id;
	uint64_t bytes;
	int rc = job_txn(j, &txn, e);

	if (rc == 0)
		rc = dataset_put_fd(j->data, txn, fd, &id, &bytes, e);
	if (rc == 0) {
		job_file_pointer(&id, bytes, 0100644, &pointer);
		rc = tree_builder_add_blob(parts, "metrics.jsonl" POINTER_SUFFIX, pointer.p,
					   pointer.len, e);
	}
	buf_release(&pointer);
	return rc < 0 ? job_survive(j, STREAM " is not kept", e) : 0;
}

/* The command could put anything at that name. */
static int open_stream(struct job *j, struct stat *st, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd;

	spool_path(&j->spool, "metrics.jsonl", &path);
	fd = open(path.p, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		fd = err_sys(e, STREAM);
	else if (fd < 0)
		fd = ERR_NOTFOUND;
	if (fd >= 0 && (fstat(fd, st) < 0 || !S_ISREG(st->st_mode))) {
		close(fd);
		fd = err_set(e, ERR_INPUT, STREAM ": no regular file");
	}
	buf_release(&path);
	return fd;
}

static int read_metrics_stream(struct job *j, struct metrics *m, struct tree_builder *parts,
			       struct err *e)
{
	struct err bad = ERR_INIT;
	struct stat st;
	int fd = open_stream(j, &st, &bad), rc = 0;

	if (fd < 0) {
		if (fd != ERR_NOTFOUND)
			notice_error(j, &bad);
		return 0;
	}
	if (parse_file(m, STREAM, fd, (uint64_t)st.st_size, &bad) < 0)
		notice_error(j, &bad);
	if ((uint64_t)st.st_size > JSON_MAX_BYTES)
		rc = job_mask_log(j, STREAM, &fd, e);
	if (rc == 0 && (uint64_t)st.st_size > JSON_MAX_BYTES)
		rc = keep_stream(j, fd, parts, e);
	close(fd);
	return rc;
}

static int keep_series(struct job *j, const struct metrics *m, struct tree_builder *parts,
		       struct err *e)
{
	struct buf tsv = BUF_INIT;
	struct chunkid id;
	int rc = 0;

	metrics_tsv(m, &tsv);
	job_mask_text(j, &tsv);
	if (tsv.len) {
		chunkid_of(&id, tsv.p, tsv.len);
		record_set_digest(&j->rec.series, &id);
		rc = tree_builder_add_blob(parts, "metrics.tsv", tsv.p, tsv.len, e);
	}
	buf_release(&tsv);
	return rc;
}

/* The metric by which runs are compared must have room. */
static void want_best(struct job *j, struct metrics *m)
{
	struct settings settings;
	struct err bad = ERR_INIT;

	settings_init(&settings);
	if (settings_load(j->repo, &settings, &bad) < 0)
		strvec_push(&j->warnings, bad.msg);
	else if (settings.best_metric)
		metrics_want(m, settings.best_metric, settings.best_is_min);
	settings_release(&settings);
}

int job_collect_metrics(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct metrics m;
	int rc;

	metrics_init(&m);
	want_best(j, &m);
	for (size_t i = 0; i < j->rec.noutputs; i++)
		if (j->rec.outputs[i].role == RECORD_ROLE_METRICS && j->rec.outputs[i].id)
			read_metrics_file(j, &m, j->rec.outputs[i].path);
	rc = read_metrics_stream(j, &m, parts, e);
	metrics_finish(&m);
	for (size_t i = 0; i < m.notices.nr; i++)
		job_notice(j, "%s", m.notices.v[i]);
	for (size_t i = 0; i < m.final.n; i++)
		record_add_pair(&j->rec.metrics_final, m.final.v[i].name, m.final.v[i].value);
	if (m.best.len)
		record_add_pair(&j->rec.metrics_best, m.wanted, m.best.p);
	if (rc == 0)
		rc = keep_series(j, &m, parts, e);
	metrics_release(&m);
	return rc;
}
