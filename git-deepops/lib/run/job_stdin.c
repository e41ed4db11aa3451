/* SPDX-License-Identifier: MIT */
/*
 * job_stdin.c - what the command reads from its standard input; see job_internal.h
 *
 * A file is kept before the command starts, from where it is read.  A pipe is not
 * copied: whoever reads ahead takes from a loop around us what belongs to its next
 * turn.  Whether anything was read of a file shows in its offset afterwards.  Of a
 * pipe it shows in what can be read next, which tee(2) tells without reading: the same
 * as before, or nothing ever while the writer is still there.  What was not read is
 * recorded as `null`; where that cannot be told it was read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

#define PEEK_BYTES (64 * KIB)
#define STDIN_WHOLE_BYTES (64 * KIB) /* in the journal as it is; more is in the store */

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* What stands in the pipe, up to what ours takes; true: its writer has ended. */
static bool peek(struct buf *out)
{
	struct pollfd f = {.fd = STDIN_FILENO, .events = POLLIN};
	char piece[4096];
	int p[2];
	ssize_t n;

	if (poll(&f, 1, 0) > 0 && (f.revents & POLLIN) && pipe2(p, O_CLOEXEC | O_NONBLOCK) == 0) {
		(void)tee(STDIN_FILENO, p[1], PEEK_BYTES, SPLICE_F_NONBLOCK);
		while ((n = read(p[0], piece, sizeof(piece))) > 0)
			buf_add(out, piece, (size_t)n);
		close(p[0]);
		close(p[1]);
	}
	return f.revents & POLLHUP;
}

static int keep_file(struct job *j, const struct stat *st, struct err *e)
{
	struct store_txn *txn = NULL;
	struct chunkid id;
	uint64_t bytes = 0;
	off_t at = lseek(STDIN_FILENO, 0, SEEK_CUR);
	struct buf whole = BUF_INIT;
	int fd, rc = 0;

	j->stdin_at = at;
	if (at < 0 || at >= st->st_size)
		return 0;
	if (st->st_size - at <= (off_t)STDIN_WHOLE_BYTES) {
		size_t n = (size_t)(st->st_size - at);

		buf_grow(&whole, n);
		buf_setlen(&whole, n);
		rc = io_pread_full(STDIN_FILENO, whole.p, n, (uint64_t)at, e);
		if (rc == 0) {
			chunkid_of(&id, whole.p, n);
			record_set_digest(&j->rec.stdin_id, &id);
			buf_swap(&j->stdin_bytes, &whole);
		}
	} else if (at == 0) {
		/* Another description: reading it must not move the offset that the command starts at. */
		fd = open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
		rc = fd < 0 ? err_sys(e, "standard input") : job_txn(j, &txn, e);
		if (rc == 0)
			rc = dataset_put_fd(j->data, txn, fd, &id, &bytes, e);
		if (rc == 0) {
			record_set_digest(&j->rec.stdin_id, &id);
			job_file_pointer(&id, bytes, 0100644, &j->stdin_pointer);
		}
		if (fd >= 0)
			close(fd);
	}
	buf_release(&whole);
	return rc < 0 ? job_survive(j, "standard input is not kept", e) : 0;
}

int job_capture_stdin(struct job *j, struct err *e)
{
	struct stat st;

	if (fstat(STDIN_FILENO, &st) < 0 || is_null(&st)) {
		j->rec.command_stdin = RECORD_STDIN_NULL;
		return 0;
	}
	j->stdin_stat = st;
	if (S_ISFIFO(st.st_mode))
		(void)peek(&j->stdin_head);
	if (S_ISREG(st.st_mode)) {
		j->rec.command_stdin = RECORD_STDIN_FILE;
		return keep_file(j, &st, e);
	}
	if (isatty(STDIN_FILENO))
		j->rec.command_stdin = RECORD_STDIN_TERMINAL;
	else
		j->rec.command_stdin =
			S_ISFIFO(st.st_mode) ? RECORD_STDIN_PIPE : RECORD_STDIN_INHERIT;
	return 0;
}

/* Was nothing taken from it?  What cannot be told was read. */
static bool is_unread(const struct job *j)
{
	const struct buf *was = &j->stdin_head;
	struct buf now = BUF_INIT;
	bool ended, unread;

	if (j->rec.command_stdin == RECORD_STDIN_FILE)
		return lseek(STDIN_FILENO, 0, SEEK_CUR) == j->stdin_at;
	ended = peek(&now);
	if (was->len)
		unread = now.len >= was->len && !memcmp(now.p, was->p, was->len);
	else
		unread = !now.len && !ended && !j->script_from_stdin;
	buf_release(&now);
	return unread;
}

void job_recheck_stdin(struct job *j)
{
	struct stat now;

	if (j->of || j->recovered ||
	    (j->rec.command_stdin != RECORD_STDIN_FILE &&
	     j->rec.command_stdin != RECORD_STDIN_PIPE))
		return;
	if (is_unread(j)) {
		j->rec.command_stdin = RECORD_STDIN_NULL;
		record_set(&j->rec.stdin_id, NULL);
	} else if (j->rec.stdin_id && fstat(STDIN_FILENO, &now) == 0 &&
		   (now.st_size != j->stdin_stat.st_size ||
		    now.st_mtim.tv_sec != j->stdin_stat.st_mtim.tv_sec ||
		    now.st_mtim.tv_nsec != j->stdin_stat.st_mtim.tv_nsec)) {
		record_set(&j->rec.stdin_id, NULL);
		job_notice(j, "standard input changed while it was read, and is not kept");
	}
}

int job_add_stdin(const struct job *j, struct tree_builder *parts, struct err *e)
{
	int rc = 0;

	if (j->stdin_bytes.len)
		rc = tree_builder_add_blob(parts, "stdin", j->stdin_bytes.p, j->stdin_bytes.len, e);
	if (rc == 0 && j->stdin_pointer.len)
		rc = tree_builder_add_blob(parts, "stdin" POINTER_SUFFIX, j->stdin_pointer.p,
					   j->stdin_pointer.len, e);
	return rc;
}

/* ---- rerun ---- */

static int write_piece(void *arg, const void *p, size_t len, struct err *e)
{
	return io_write_all(*(int *)arg, p, len, e);
}

/* A file without a name that holds what the first run read. */
static int kept_input(struct job *j, struct err *e)
{
	struct buf text = BUF_INIT;
	struct pointer p;
	int fd = open(repo_worktree(j->site), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), rc;

	if (fd < 0)
		return err_sys(e, "standard input");
	pointer_init(&p);
	rc = journal_file(j->repo, j->of, "stdin" POINTER_SUFFIX, POINTER_MAX_BYTES, &text, e);
	if (rc == 1) {
		rc = pointer_parse(&p, text.p, text.len, "stdin" POINTER_SUFFIX, e);
		if (rc == 0)
			rc = dataset_read(j->data, &p.id, p.bytes, write_piece, &fd, e);
	} else if (rc == 0) {
		rc = journal_file(j->repo, j->of, "stdin", STDIN_WHOLE_BYTES, &text, e);
		if (rc == 1)
			rc = io_write_all(fd, text.p, text.len, e);
	}
	if (rc >= 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, "standard input");
	pointer_release(&p);
	buf_release(&text);
	if (rc < 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

int job_rerun_stdin(struct job *j, int *in, struct err *e)
{
	const struct record *was = &j->of->rec;

	*in = PROC_NULL;
	if (was->stdin_id) {
		*in = kept_input(j, e);
		return *in < 0 ? err_wrap(e, "what the first run read") : 0;
	}
	if (was->command_stdin == RECORD_STDIN_PIPE || was->command_stdin == RECORD_STDIN_FILE)
		job_notice(j, "the first run read a %s that was not kept: this one reads nothing",
			   record_stdin_name(was->command_stdin));
	else if (was->command_stdin == RECORD_STDIN_TERMINAL)
		*in = PROC_INHERIT;
	if (*in == PROC_NULL)
		j->rec.command_stdin = RECORD_STDIN_NULL;
	return 0;
}
