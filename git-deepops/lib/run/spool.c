/* SPDX-License-Identifier: MIT */
/* spool.c - runs that are not in the journal yet; see spool.h */
#include "run/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/num.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"

#define SMALL_FILE_BYTES 4096
#define NO_WRITER "0000000000000000"

static const char *const log_names[SPOOL_LOG_COUNT] = {"stdout", "stderr"};

void spool_path(const struct spool *s, const char *name, struct buf *out)
{
	path_join(out, s->dir.p, name);
}

static void set_up(struct spool *s, struct repo *r, const char *run)
{
	s->repo = r;
	snprintf(s->run, sizeof(s->run), "%s", run);
	buf_init(&s->dir);
	buf_addf(&s->dir, "%s/spool/%s", repo_deepops_dir(r), run);
	s->lock = -1;
	for (int i = 0; i < SPOOL_LOG_COUNT; i++)
		s->log_fd[i] = -1;
}

static int take_lock(struct spool *s, struct err *e)
{
	struct buf path = BUF_INIT;

	spool_path(s, "lock", &path);
	s->lock = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, 0, e);
	buf_release(&path);
	return s->lock < 0 ? s->lock : 0;
}

static int open_logs(struct spool *s, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	for (int i = 0; rc == 0 && i < SPOOL_LOG_COUNT; i++) {
		buf_reset(&path);
		spool_path(s, log_names[i], &path);
		s->log_fd[i] =
			open(path.p, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (s->log_fd[i] < 0)
			rc = err_sys(e, "%s", path.p);
	}
	buf_release(&path);
	return rc;
}

int spool_create(struct spool *s, struct repo *r, const char *run, struct err *e)
{
	int rc;

	set_up(s, r, run);
	rc = path_mkdirs(s->dir.p, 0777, e);
	if (rc == 0 && chmod(s->dir.p, 0700) < 0)
		rc = err_sys(e, "%s", s->dir.p);
	/* What is written in it is synced; so its name must be too. */
	if (rc == 0)
		rc = io_fsync_parent(s->dir.p, e);
	if (rc == 0)
		rc = take_lock(s, e);
	if (rc == 0)
		rc = open_logs(s, e);
	if (rc < 0)
		spool_close(s);
	return rc < 0 ? err_wrap(e, "spool") : 0;
}

int spool_open(struct spool *s, struct repo *r, const char *run, struct err *e)
{
	int rc;

	set_up(s, r, run);
	rc = take_lock(s, e);
	if (rc == 0)
		rc = open_logs(s, e);
	if (rc < 0)
		spool_close(s);
	return rc;
}

void spool_close(struct spool *s)
{
	for (int i = 0; i < SPOOL_LOG_COUNT; i++) {
		if (s->log_fd[i] >= 0)
			close(s->log_fd[i]);
		s->log_fd[i] = -1;
	}
	lockfile_release(s->lock);
	s->lock = -1;
	buf_release(&s->dir);
}

static void ref_name(const struct spool *s, char out[sizeof(SPOOL_REFS) + RECORD_RUN_HEX])
{
	snprintf(out, sizeof(SPOOL_REFS) + RECORD_RUN_HEX, SPOOL_REFS "%s", s->run);
}

int spool_remove(struct spool *s, struct err *e)
{
	char ref[sizeof(SPOOL_REFS) + RECORD_RUN_HEX];
	int rc;

	ref_name(s, ref);
	rc = path_remove_tree(s->dir.p, e);
	/* A directory that came back without its ref would be a run that nobody can finish. */
	if (rc == 0)
		rc = io_fsync_parent(s->dir.p, e);
	if (rc == 0)
		rc = repo_ref_delete(s->repo, ref, e);
	spool_close(s);
	return rc < 0 ? err_wrap(e, "spool") : 0;
}

static int write_small(struct spool *s, const char *name, const char *text, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc;

	spool_path(s, name, &path);
	rc = tempfile_write(path.p, 0600, text, strlen(text), e);
	buf_release(&path);
	return rc;
}

static int read_file(struct spool *s, const char *name, size_t max, struct buf *out, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc;

	spool_path(s, name, &path);
	rc = io_read_file(AT_FDCWD, path.p, max, out, e);
	buf_release(&path);
	return rc;
}

static int write_lists(struct spool *s, const struct record_lists *lists, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++)
		if (lists->v[i].len)
			rc = write_small(s, record_list_file((enum record_movable)i), lists->v[i].p,
					 e);
	return rc;
}

/* What is found out after the command must still fit: nothing may fail then for want of room. */
static int format_with_room(const struct record *rec, struct buf *text, struct err *e)
{
	int rc = record_format(rec, text, e);

	if (rc == ERR_LIMIT || (rc == 0 && text->len > RECORD_BEFORE_BYTES)) {
		rc = err_set(e, ERR_LIMIT,
			     "arguments, environment and parameters are too long for a record");
		err_hint(e, "put a long list into a file and name that with -i");
	}
	return rc;
}

int spool_write_record(struct spool *s, struct record *rec, const struct repo_oid *parts,
		       struct err *e)
{
	struct buf text = BUF_INIT;
	struct record_lists lists;
	char ref[sizeof(SPOOL_REFS) + RECORD_RUN_HEX];
	int rc;

	record_lists_init(&lists);
	record_set(&rec->writer, NO_WRITER);
	rec->seq = 1;
	record_set(&rec->prev, NULL);
	ref_name(s, ref);
	rc = repo_ref_set(s->repo, ref, parts, NULL, "deepops: spool", e);
	if (rc == 0)
		rc = write_small(s, "worktree", repo_worktree(s->repo), e);
	if (rc == 0)
		rc = record_spill(rec, &lists, e);
	if (rc == 0)
		rc = format_with_room(rec, &text, e);
	if (rc == 0)
		rc = write_lists(s, &lists, e);
	if (rc == 0)
		rc = write_small(s, "record.json", text.p, e);
	if (rc == 0)
		rc = record_unspill(rec, &lists, e);
	buf_release(&text);
	record_lists_release(&lists);
	return rc < 0 ? err_wrap(e, "spool") : 0;
}

int spool_read_worktree(struct spool *s, struct buf *out, struct err *e)
{
	return read_file(s, "worktree", PATH_MAX_BYTES, out, e);
}

static int read_lists(struct spool *s, struct record *rec, struct err *e)
{
	struct record_lists lists;
	int rc = 0;

	record_lists_init(&lists);
	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++)
		if (rec->moved[i])
			rc = read_file(s, record_list_file((enum record_movable)i), JSON_MAX_BYTES,
				       &lists.v[i], e);
	if (rc == 0)
		rc = record_unspill(rec, &lists, e);
	record_lists_release(&lists);
	return rc;
}

int spool_read_record(struct spool *s, struct record *rec, struct repo_oid *parts, struct err *e)
{
	char ref[sizeof(SPOOL_REFS) + RECORD_RUN_HEX];
	struct buf text = BUF_INIT;
	int rc = read_file(s, "record.json", RECORD_MAX_BYTES, &text, e);

	ref_name(s, ref);
	if (rc == 0)
		rc = record_parse(rec, text.p, text.len, e);
	if (rc == 0)
		rc = read_lists(s, rec, e);
	if (rc == 0) {
		rc = repo_ref_get(s->repo, ref, parts, e);
		rc = rc == 0 ? err_set(e, ERR_CORRUPT, "no ref %s", ref) : MIN(rc, 0);
	}
	buf_release(&text);
	return rc;
}

/* Exactly n decimal numbers separated by single blanks, then LF. */
static bool split_numbers(const char *text, uint64_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(text, " \n");

		if (num_parse_u64n(text, len, 0, INT64_MAX, &out[i], NULL) < 0 ||
		    text[len] != (i + 1 < n ? ' ' : '\n'))
			return false;
		text += len + 1;
	}
	return true;
}

/* Field 22 of /proc/<pid>/stat: with it a pid names one process for ever.  0: no such process. */
static uint64_t start_time(pid_t pid)
{
	struct buf text = BUF_INIT;
	char path[64], *at;
	uint64_t ticks = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (io_read_file(AT_FDCWD, path, SMALL_FILE_BYTES, &text, NULL) == 0) {
		at = strrchr(text.p, ')'); /* the name before it may hold anything */
		for (int field = 2; at && field < 22; field++) {
			at = strchr(at + 1, ' ');
			if (at && field == 2 && at[1] == 'Z')
				at = NULL; /* a zombie runs no more */
		}
		if (at &&
		    num_parse_u64n(at + 1, strcspn(at + 1, " "), 0, UINT64_MAX, &ticks, NULL) < 0)
			ticks = 0;
	}
	buf_release(&text);
	return ticks;
}

int spool_write_child(struct spool *s, pid_t pid, struct err *e)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %" PRIu64 "\n", (int)pid, start_time(pid));
	return write_small(s, "child", text, e);
}

int spool_child_lives(struct spool *s, pid_t *pid, struct err *e)
{
	struct buf text = BUF_INIT;
	uint64_t v[2]; /* pid, start time */
	int rc = read_file(s, "child", SMALL_FILE_BYTES, &text, e);

	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0 && split_numbers(text.p, v, 2) && v[1]) {
		*pid = (pid_t)v[0];
		rc = start_time(*pid) == v[1];
	}
	buf_release(&text);
	return rc;
}

int spool_write_end(struct spool *s, const struct spool_end *end, struct err *e)
{
	char text[160];

	snprintf(text, sizeof(text), "%d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
		 end->status, end->ended, end->wall_ms, end->cpu_ms, end->max_rss);
	return write_small(s, "end", text, e);
}

int spool_read_end(struct spool *s, struct spool_end *end, struct err *e)
{
	struct buf text = BUF_INIT;
	uint64_t v[5]; /* status, ended, wall, cpu, memory */
	int rc = read_file(s, "end", SMALL_FILE_BYTES, &text, e);

	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0) {
		rc = split_numbers(text.p, v, ARRAY_SIZE(v));
		if (rc)
			*end = (struct spool_end){(int)v[0], (int64_t)v[1], (int64_t)v[2],
						  (int64_t)v[3], (int64_t)v[4]};
	}
	buf_release(&text);
	return rc;
}

struct sweep {
	struct repo *repo;
	struct strvec stale;
};

static int look_at_ref(void *arg, const char *ref, const struct repo_oid *id, struct err *e)
{
	struct sweep *sw = arg;
	const char *run = ref + strlen(SPOOL_REFS);
	char *dir = xstrfmt("%s/spool/%s", repo_deepops_dir(sw->repo), run);

	(void)id;
	(void)e;
	if (access(dir, F_OK) < 0 && errno == ENOENT)
		strvec_push(&sw->stale, ref);
	free(dir);
	return 0;
}

int spool_sweep(struct repo *r, struct err *e)
{
	struct sweep sw = {r, STRVEC_INIT};
	int rc = repo_ref_each(r, SPOOL_REFS, look_at_ref, &sw, e);

	for (size_t i = 0; rc == 0 && i < sw.stale.nr; i++)
		rc = repo_ref_delete(r, sw.stale.v[i], e);
	strvec_release(&sw.stale);
	return rc;
}

int spool_list(struct repo *r, struct strvec *runs, struct err *e)
{
	char *path = xstrfmt("%s/spool", repo_deepops_dir(r));
	DIR *d = opendir(path);
	struct dirent *ent;
	int rc = 0;

	if (!d && errno != ENOENT)
		rc = err_sys(e, "%s", path);
	while (d && (ent = readdir(d)))
		if (strlen(ent->d_name) == RECORD_RUN_HEX &&
		    ent->d_name[strspn(ent->d_name, "0123456789abcdef")] == '\0')
			strvec_push(runs, ent->d_name);
	if (d)
		closedir(d);
	free(path);
	strvec_sort(runs);
	return rc;
}
