/* SPDX-License-Identifier: MIT */
/* job_outputs.c - outputs after the command; see job_internal.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "run/job_internal.h"

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

/* The record has what was made; a pointer that cannot be brought up to date costs nothing of it. */
static int write_pointer(struct job *j, const char *path, const struct pointer *p, struct err *e)
{
	struct err own = ERR_INIT;
	char *what;
	int rc;

	if (dataset_write_pointer(j->repo, path, p, &own) == 0 &&
	    dataset_synced(j->data, path, p, &own) == 0)
		return 0;
	if (own.code == ERR_INTR)
		return err_set(e, ERR_INTR, "%s", own.msg);
	own.sys = 0; /* that of the work tree is not our store */
	what = xstrfmt("the pointer of output %s is not up to date (git deepops track)", path);
	rc = job_survive(j, what, &own);
	free(what);
	return rc;
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
			rc = write_pointer(j, out->path, &snap.pointer, e);
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
	rc = job_check_output(j, fd, (uint64_t)st.st_size, e);
	if (rc == 0)
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
static int find_output(struct job *j, const struct record_output *out, struct stat *st)
{
	if (j->site_gone) {
		job_notice(j, "output %s went with the work tree it was in", out->path);
		return 0;
	}
	if (fstatat(repo_worktree_fd(j->site), out->path, st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			strvec_pushf(&j->warnings, "output %s was not written", out->path);
		else
			job_notice(j, "output %s is not recorded: %s", out->path, strerror(errno));
		return 0;
	}
	if (is_from_before(j, out->path)) {
		strvec_pushf(&j->warnings, "output %s was not written", out->path);
		return 0;
	}
	if (S_ISLNK(st->st_mode)) {
		job_notice(j,
			   "output %s is a symbolic link and not recorded: declare what it names",
			   out->path);
		return 0;
	}
	if (j->recovered && j->ended && S_ISREG(st->st_mode) &&
	    st->st_mtim.tv_sec * 1000 > j->end.ended + 1000) {
		job_notice(j, "output %s was written after the run ended", out->path);
		return 0;
	}
	if (j->recovered && !j->ended)
		job_notice(j, "output %s is as recover found it: when the run ended is not known",
			   out->path);
	return 1;
}

/* What the command left there cannot be kept. */
static int leave_out(struct job *j, struct record_output *out, struct err *e)
{
	char *what = xstrfmt("output %s is not recorded", out->path);
	int rc = job_survive(j, what, e);

	free(what);
	record_set(&out->id, NULL);
	record_set(&out->blob, NULL);
	out->files = out->bytes = RECORD_NONE;
	return rc;
}

static int one_output(struct job *j, const struct strvec *roots, size_t n,
		      struct tree_builder *parts, struct err *e)
{
	struct record_output *out = &j->rec.outputs[n];
	struct buf text = BUF_INIT;
	struct stat st;
	int rc = find_output(j, out, &st);

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

/* A filter that fails, or a file that went away since, costs this id alone. */
static int blob_of_one(struct job *j, struct record_output *out, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf id = BUF_INIT;
	char *what;
	int rc;

	repo_git(j->site, &p);
	strvec_pushl(&p.args, "hash-object", "--", out->path, NULL);
	rc = hash_objects(j, &p, NULL, &id, e);
	buf_rtrim(&id);
	if (rc == 0 && repo_oid_ok(id.p)) {
		record_set(&out->blob, id.p);
	} else if (rc < 0) {
		what = xstrfmt("git's id of output %s is not known", out->path);
		rc = job_survive(j, what, e);
		free(what);
	}
	buf_release(&id);
	return rc;
}

/* An id a line, in the order asked; false: git said something else. */
static bool take_blobs(struct job *j, const size_t *asked, size_t n, const char *ids)
{
	char hex[REPO_OID_HEX + 1];

	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(ids, "\n");

		snprintf(hex, sizeof(hex), "%.*s", (int)MIN(len, (size_t)REPO_OID_HEX), ids);
		if (len != REPO_OID_HEX || !repo_oid_ok(hex))
			return false;
		record_set(&j->rec.outputs[asked[i]].blob, hex);
		ids += len + (ids[len] == '\n');
	}
	return true;
}

/* All at once: --stdin-paths takes a name a line, and ends at the first file that it cannot read. */
static int blobs_of_many(struct job *j, const size_t *asked, size_t n, struct err *e)
{
	struct buf names = BUF_INIT, ids = BUF_INIT;
	struct proc p = PROC_INIT;
	struct err own = ERR_INIT;
	bool done;
	int rc;

	for (size_t i = 0; i < n; i++)
		buf_addf(&names, "%s\n", j->rec.outputs[asked[i]].path);
	repo_git(j->site, &p);
	strvec_pushl(&p.args, "hash-object", "--stdin-paths", NULL);
	rc = hash_objects(j, &p, &names, &ids, &own);
	done = rc == 0 && take_blobs(j, asked, n, ids.p);
	rc = rc == ERR_INTR ? err_set(e, ERR_INTR, "%s", own.msg) : 0;
	for (size_t i = 0; rc == 0 && !done && i < n; i++)
		rc = blob_of_one(j, &j->rec.outputs[asked[i]], e);
	buf_release(&names);
	buf_release(&ids);
	return rc;
}

/* After git's clean filters, so that the id can be compared with what is committed. */
static int fill_blobs(struct job *j, struct err *e)
{
	size_t *asked = xcalloc(j->rec.noutputs + 1, sizeof(*asked)), n = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++) {
		struct record_output *out = &j->rec.outputs[i];

		if (!is_plain(j, out))
			continue;
		if (strpbrk(out->path, "\n\""))
			rc = blob_of_one(j, out, e);
		else
			asked[n++] = i;
	}
	if (rc == 0 && n)
		rc = blobs_of_many(j, asked, n, e);
	free(asked);
	return rc;
}

int job_collect_outputs(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	int rc = j->rec.noutputs ? dataset_roots(j->site, NULL, &roots, e) : 0;

	if (rc < 0)
		rc = job_survive(j, "which outputs are tracked is not known", e);
	for (size_t i = 0; rc == 0 && i < j->rec.noutputs; i++)
		rc = one_output(j, &roots, i, parts, e);
	if (rc == 0)
		rc = fill_blobs(j, e);
	if (rc == 0)
		rc = job_collect_metrics(j, parts, e);
	strvec_release(&roots);
	return rc;
}
