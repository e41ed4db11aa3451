/* SPDX-License-Identifier: MIT */
/* job_outputs.c - outputs, metrics and logs after the command; see job_internal.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/settings.h"
#include "repo/tree.h"
#include "run/job_internal.h"
#include "run/metrics.h"

#define LOG_WHOLE_BYTES (64 * KIB) /* in the journal as it is */
#define LOG_PART_BYTES (32 * KIB)  /* of head and of tail beyond that */
#define HASH_PIECE_BYTES (256 * KIB)

/* ---- outputs ---- */

static int add_pointer(struct tree_builder *parts, const char *kind, size_t n,
		       const struct buf *text, struct err *e)
{
	char name[32];

	snprintf(name, sizeof(name), "%s/%zu", kind, n);
	return tree_builder_add_blob(parts, name, text->p, text->len, e);
}

static void fill_output(struct record_output *out, const struct chunkid *id, uint64_t files,
			uint64_t bytes)
{
	record_set_digest(&out->id, id);
	out->files = (int64_t)files;
	out->bytes = (int64_t)bytes;
}

/* A dataset of the repository: its pointer in the work tree is brought up to date. */
static int tracked_output(struct job *j, struct record_output *out, struct buf *text, struct err *e)
{
	struct dataset_snap_opts so = {NULL, false, false};
	struct dataset_snap snap = {.warnings = STRVEC_INIT};
	struct store_txn *txn = NULL;
	struct pointer old;
	uint8_t oid[20];
	char hex[REPO_OID_HEX + 1];
	int rc;

	pointer_init(&old);
	rc = dataset_pointer(j->repo, NULL, out->path, &old, e);
	so.previous = &old;
	if (rc == 0)
		rc = job_txn(j, &txn, e);
	if (rc == 0)
		rc = dataset_snapshot(j->data, txn, out->path, &so, &snap, e);
	if (rc < 0)
		goto out;
	pointer_format(&snap.pointer, text);
	fill_output(out, &snap.id, snap.pointer.files, snap.pointer.bytes);
	hash_git_object(oid, "blob", text->p, text->len);
	hex_encode(hex, oid, sizeof(oid));
	record_set(&out->blob, hex);
	if (!pointer_equal(&old, &snap.pointer)) {
		/* The data first: a pointer must not stand in the work tree before its bytes are kept. */
		rc = job_commit_data(j, e);
		if (rc == 0)
			rc = dataset_write_pointer(j->repo, out->path, &snap.pointer, e);
		if (rc == 0)
			rc = dataset_synced(j->data, out->path, &snap.pointer, e);
	}
	dataset_snap_release(&snap);
out:
	pointer_release(&old);
	return rc;
}

static int directory_output(struct job *j, struct record_output *out, struct buf *text,
			    struct err *e)
{
	bool own = j->site_data == j->data;
	/* A rerun's directory lies in another repository: compared by its id, not kept. */
	struct dataset_snap_opts so = {NULL, false, !own};
	struct dataset_snap snap = {.warnings = STRVEC_INIT};
	struct store_txn *txn = NULL;
	int rc = own ? job_txn(j, &txn, e) : 0;

	if (rc == 0)
		rc = dataset_snapshot(j->site_data, txn, out->path, &so, &snap, e);
	if (rc < 0)
		return rc;
	if (own)
		pointer_format(&snap.pointer, text);
	fill_output(out, &snap.id, snap.pointer.files, snap.pointer.bytes);
	dataset_snap_release(&snap);
	return 0;
}

static int file_output(struct job *j, struct record_output *out, struct buf *text, struct err *e)
{
	struct store_txn *txn = NULL;
	struct chunkid id;
	struct stat st;
	uint64_t bytes;
	int fd = job_open(j->site, out->path, &st, e), rc;

	if (fd < 0)
		return fd;
	rc = job_txn(j, &txn, e);
	if (rc == 0)
		rc = dataset_put_fd(j->data, txn, fd, &id, &bytes, e);
	close(fd);
	if (rc == 0) {
		job_file_pointer(&id, bytes, st.st_mode & S_IXUSR ? 0100755 : 0100644, text);
		fill_output(out, &id, 1, bytes);
	}
	return rc;
}

/* ---- was it written? ---- */

/* A file system with times to the second says nothing about what is below one. */
static bool is_older(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec || !a->tv_nsec)
		return a->tv_sec < b->tv_sec;
	return a->tv_nsec < b->tv_nsec;
}

/* Is anything at `name`, or below it, not older than `since`?  What can't be looked at may be. */
static bool is_touched(int at, const char *name, const struct timespec *since, int depth)
{
	struct dirent *ent;
	struct stat st;
	bool touched;
	DIR *d;
	int fd;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_older(&st.st_ctim, since) ||
	    depth > (int)TREE_MAX_DEPTH)
		return true;
	if (!S_ISDIR(st.st_mode))
		return false;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	touched = !d;
	while (d && !touched && (ent = readdir(d)))
		if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
			touched = is_touched(dirfd(d), ent->d_name, since, depth + 1);
	if (d)
		closedir(d);
	else if (fd >= 0)
		close(fd);
	return touched;
}

/*
 * Nothing of it changed since the record was spooled, just before the command started: it is not
 * what this run made.  Times of files are compared, so that no clock is asked.
 */
static bool is_from_before(const struct job *j, const char *path)
{
	struct buf spooled = BUF_INIT;
	struct stat st;
	bool before;

	spool_path(&j->spool, "record.json", &spooled);
	before = stat(spooled.p, &st) == 0 &&
		 !is_touched(repo_worktree_fd(j->site), path, &st.st_ctim, 0);
	buf_release(&spooled);
	return before;
}

/* 1: there is something to record; 0: the command wrote nothing there that can be. */
static int find_output(struct job *j, const struct record_output *out, struct stat *st,
		       struct err *e)
{
	if (j->site_gone) {
		strvec_pushf(&j->warnings, "output %s went with the work tree it was in",
			     out->path);
		return 0;
	}
	if (fstatat(repo_worktree_fd(j->site), out->path, st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			return err_sys(e, "output %s", out->path);
		strvec_pushf(&j->warnings, "output %s was not written", out->path);
		return 0;
	}
	if (is_from_before(j, out->path)) {
		strvec_pushf(&j->warnings, "output %s was not written", out->path);
		return 0;
	}
	if (S_ISLNK(st->st_mode)) {
		strvec_pushf(&j->warnings,
			     "output %s is a symbolic link and not recorded: declare what it names",
			     out->path);
		return 0;
	}
	if (j->recovered && S_ISREG(st->st_mode) &&
	    st->st_mtim.tv_sec * 1000 > j->end.ended + 1000) {
		strvec_pushf(&j->warnings, "output %s was written after the run ended", out->path);
		return 0;
	}
	return 1;
}

/*
 * What the command left cannot be recorded (a socket, a file that nobody may read): that is said,
 * and must not cost the record, which could never be finished.
 */
static int leave_out(struct job *j, struct record_output *out, struct err *e)
{
	if (!e || (e->code != ERR_INPUT && e->code != ERR_NOTFOUND &&
		   !(e->code == ERR_SYS && (e->sys == EACCES || e->sys == EPERM))))
		return err_wrap(e, "output %s", out->path);
	strvec_pushf(&j->warnings, "output %s is not recorded: %s", out->path, e->msg);
	err_clear(e);
	record_set(&out->id, NULL);
	record_set(&out->blob, NULL);
	out->files = out->bytes = RECORD_NONE;
	return 0;
}

static int one_output(struct job *j, const struct strvec *roots, size_t n,
		      struct tree_builder *parts, struct err *e)
{
	struct record_output *out = &j->rec.outputs[n];
	struct buf text = BUF_INIT;
	struct stat st;
	int rc = find_output(j, out, &st, e);

	if (rc <= 0)
		return rc;
	if (strvec_has(roots, out->path))
		rc = tracked_output(j, out, &text, e);
	else if (S_ISDIR(st.st_mode))
		rc = directory_output(j, out, &text, e);
	else
		rc = file_output(j, out, &text, e);
	if (rc < 0)
		rc = leave_out(j, out, e);
	else if (text.len)
		rc = add_pointer(parts, "outputs", n, &text, e);
	buf_release(&text);
	return rc;
}

/* ---- git's id of plain files ---- */

/* A file that was recorded as one; a directory may hold one file as well. */
static bool is_plain(const struct job *j, const struct record_output *out)
{
	struct stat st;

	return out->id && !out->blob && out->files == 1 &&
	       fstatat(repo_worktree_fd(j->site), out->path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode);
}

static int hash_objects(struct job *j, struct proc *p, const struct buf *input, struct buf *ids,
			struct err *e)
{
	p->dir = repo_worktree(j->site);
	return repo_git_finish(p, input, ids, e);
}

/* --stdin-paths takes a name a line: one that holds a newline is asked for alone. */
static int blob_of_odd_name(struct job *j, struct record_output *out, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf id = BUF_INIT;
	int rc;

	repo_git(j->site, &p);
	strvec_pushl(&p.args, "hash-object", "--", out->path, NULL);
	rc = hash_objects(j, &p, NULL, &id, e);
	buf_rtrim(&id);
	if (rc == 0 && repo_oid_ok(id.p))
		record_set(&out->blob, id.p);
	buf_release(&id);
	return rc;
}

/* An id a line, in the order asked. */
static int take_blobs(struct job *j, const size_t *asked, size_t n, const char *ids, struct err *e)
{
	char hex[REPO_OID_HEX + 1];

	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(ids, "\n");

		snprintf(hex, sizeof(hex), "%.*s", (int)MIN(len, (size_t)REPO_OID_HEX), ids);
		if (len != REPO_OID_HEX || !repo_oid_ok(hex))
			return err_set(e, ERR_CORRUPT, "git hash-object printed '%.60s'", ids);
		record_set(&j->rec.outputs[asked[i]].blob, hex);
		ids += len + (ids[len] == '\n');
	}
	return 0;
}

/* After git's clean filters, so that the id can be compared with what is committed. */
static int fill_blobs(struct job *j, struct err *e)
{
	size_t *asked = xcalloc(j->rec.noutputs + 1, sizeof(*asked)), n = 0;
	struct buf names = BUF_INIT, ids = BUF_INIT;
	struct proc p = PROC_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++) {
		struct record_output *out = &j->rec.outputs[i];

		if (!is_plain(j, out))
			continue;
		if (strpbrk(out->path, "\n\"")) {
			rc = blob_of_odd_name(j, out, e);
		} else {
			buf_addf(&names, "%s\n", out->path);
			asked[n++] = i;
		}
	}
	if (rc == 0 && n) {
		repo_git(j->site, &p);
		strvec_pushl(&p.args, "hash-object", "--stdin-paths", NULL);
		rc = hash_objects(j, &p, &names, &ids, e);
		if (rc == 0)
			rc = take_blobs(j, asked, n, ids.p, e);
	}
	free(asked);
	buf_release(&names);
	buf_release(&ids);
	return rc;
}

/* ---- metrics ---- */

static void warn_about(struct job *j, struct err *e)
{
	strvec_pushf(&j->warnings, "%s", e->msg);
	err_clear(e);
}

/* A metrics file that cannot be read costs its metrics, never the record. */
static void read_metrics_file(struct job *j, struct metrics *m, const char *path)
{
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct stat st;
	int fd = job_open(j->site, path, &st, &e);

	if (fd >= 0) {
		int rc = io_read_fd(fd, JSON_MAX_BYTES, &text, &e);

		if (rc < 0)
			err_wrap(&e, "%s", path);
		else
			rc = metrics_parse(m, path, text.p, text.len, &e);
		if (rc < 0)
			warn_about(j, &e);
		close(fd);
	} else if (fd != ERR_NOTFOUND) {
		warn_about(j, &e);
	}
	buf_release(&text);
}

static void read_metrics_stream(struct job *j, struct metrics *m)
{
	struct err e = ERR_INIT;
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc;

	spool_path(&j->spool, "metrics.jsonl", &path);
	rc = io_read_file(AT_FDCWD, path.p, JSON_MAX_BYTES, &text, &e);
	if (rc == 0)
		rc = metrics_parse_lines(m, "$DEEPOPS_METRICS", text.p, text.len, &e);
	if (rc < 0 && rc != ERR_NOTFOUND)
		warn_about(j, &e);
	buf_release(&path);
	buf_release(&text);
}

static int keep_series(struct job *j, const struct metrics *m, struct tree_builder *parts,
		       struct err *e)
{
	struct buf tsv = BUF_INIT;
	struct chunkid id;
	int rc = 0;

	metrics_tsv(m, &tsv);
	if (tsv.len) {
		chunkid_of(&id, tsv.p, tsv.len);
		record_set_digest(&j->rec.series, &id);
		rc = tree_builder_add_blob(parts, "metrics.tsv", tsv.p, tsv.len, e);
	}
	buf_release(&tsv);
	return rc;
}

static int collect_metrics(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct settings settings;
	struct err bad = ERR_INIT;
	struct buf value = BUF_INIT;
	struct metrics m;
	int rc;

	metrics_init(&m);
	for (size_t i = 0; i < j->rec.noutputs; i++)
		if (j->rec.outputs[i].role == RECORD_ROLE_METRICS && j->rec.outputs[i].id)
			read_metrics_file(j, &m, j->rec.outputs[i].path);
	read_metrics_stream(j, &m);
	if (m.cut)
		strvec_push(&j->warnings, "there are more metrics than a record holds");
	for (size_t i = 0; i < m.final.n; i++)
		record_add_pair(&j->rec.metrics_final, m.final.v[i].name, m.final.v[i].value);
	rc = keep_series(j, &m, parts, e);
	settings_init(&settings);
	if (settings_load(j->repo, &settings, &bad) < 0)
		strvec_push(&j->warnings, bad.msg);
	else if (settings.best_metric &&
		 metrics_best(&m, settings.best_metric, !settings.best_is_min, &value))
		record_add_pair(&j->rec.metrics_best, settings.best_metric, value.p);
	settings_release(&settings);
	buf_release(&value);
	metrics_release(&m);
	return rc;
}

int job_collect_outputs(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	int rc = j->rec.noutputs ? dataset_roots(j->site, NULL, &roots, e) : 0;

	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++)
		rc = one_output(j, &roots, i, parts, e);
	if (rc == 0)
		rc = fill_blobs(j, e);
	if (rc == 0)
		rc = collect_metrics(j, parts, e);
	strvec_release(&roots);
	return rc;
}

/* ---- logs ---- */

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

static int keep_log(struct job *j, int fd, const char *name, struct record_log *log,
		    struct tree_builder *parts, struct err *e)
{
	struct buf text = BUF_INIT;
	struct chunkid id;
	uint64_t bytes;
	int rc = hash_log(fd, &id, &bytes, e);

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
	return rc < 0 ? err_wrap(e, "log %s", name) : 0;
}

int job_collect_logs(struct job *j, struct tree_builder *parts, struct err *e)
{
	int rc = keep_log(j, j->spool.log_fd[0], "stdout", &j->rec.out_log, parts, e);

	return rc < 0 ? rc : keep_log(j, j->spool.log_fd[1], "stderr", &j->rec.err_log, parts, e);
}
