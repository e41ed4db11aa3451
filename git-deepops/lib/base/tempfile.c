/* SPDX-License-Identifier: MIT */
/* tempfile.c - durable creation and replacement of files; see tempfile.h */
#include "base/tempfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/random.h"
#include "base/share.h"
#include "base/sig.h"
#include "base/xalloc.h"

#define TEMPFILE_PREFIX ".tmp-"

/*
 * Nodes are put on the list once and used again, never freed: the signal
 * handler may walk it at any instant and takes no lock.  `active` is set last
 * and cleared first.
 */
struct tempfile {
	struct tempfile *next;
	atomic_bool active;
	pid_t owner;
	int dirfd;
	int fd; /* -1 once closed */
	char name[64];
	char *path;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(struct tempfile *) all;

/* Only unlinkat and getpid: called from the signal handler. */
static void remove_live(void)
{
	pid_t self = getpid();

	for (struct tempfile *t = atomic_load(&all); t; t = t->next)
		if (atomic_load(&t->active) && t->owner == self)
			unlinkat(t->dirfd, t->name, 0);
}

static void tempfile_setup(void)
{
	atexit(remove_live);
	sig_on_death(remove_live);
}

/* A node that nobody uses, not yet active. */
static struct tempfile *take_node(int dirfd)
{
	struct tempfile *t;

	pthread_once(&once, tempfile_setup);
	pthread_mutex_lock(&lock);
	for (t = atomic_load(&all); t && t->dirfd >= 0; t = t->next)
		;
	if (!t) {
		t = xcalloc(1, sizeof(*t));
		t->next = atomic_load(&all);
		t->dirfd = dirfd;
		atomic_store(&all, t);
	}
	t->dirfd = dirfd;
	pthread_mutex_unlock(&lock);
	return t;
}

static void give_back(struct tempfile **tp)
{
	struct tempfile *t = *tp;
	int dirfd = t->dirfd;

	*tp = NULL;
	atomic_store(&t->active, false);
	if (t->fd >= 0)
		close(t->fd);
	free(t->path);
	t->path = NULL;
	pthread_mutex_lock(&lock);
	t->dirfd = -1;
	pthread_mutex_unlock(&lock);
	close(dirfd);
}

/* Takes dirfd over. */
static int create_in(struct tempfile **out, int dirfd, const char *dir, mode_t mode, struct err *e)
{
	struct tempfile *t = take_node(dirfd);
	struct buf path = BUF_INIT;
	char digits[17];
	int rc;

	random_hex(digits, 16);
	snprintf(t->name, sizeof(t->name), TEMPFILE_PREFIX "%ld-%s", (long)getpid(), digits);
	path_join(&path, dir, t->name);
	t->path = buf_detach(&path, NULL);
	t->owner = getpid();
	t->fd = -1;
	/* Before the file exists: a signal in between must find it. */
	atomic_store(&t->active, true);
	t->fd = openat(dirfd, t->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (t->fd < 0) {
		rc = err_sys(e, "a new file in %s", *dir ? dir : "the top directory");
		give_back(&t);
		return rc;
	}
	/* Tells tempfile_sweep() on another host or pid namespace that we are alive. */
	(void)flock(t->fd, LOCK_EX | LOCK_NB);
	*out = t;
	return 0;
}

int tempfile_create(struct tempfile **out, const char *dir, mode_t mode, struct err *e)
{
	int dirfd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	int rc;

	*out = NULL;
	if (dirfd < 0)
		return err_sys(e, "%s", dir);
	rc = create_in(out, dirfd, dir, mode, e);
	if (rc == 0 && (mode & S_IRGRP))
		share_path((*out)->path, (*out)->fd);
	return rc;
}

int tempfile_create_beneath(struct tempfile **out, int rootfd, const char *dir, mode_t mode,
			    struct err *e)
{
	int dirfd = path_open_to_write(rootfd, dir, e);

	*out = NULL;
	if (dirfd < 0)
		return dirfd;
	return create_in(out, dirfd, dir, mode, e);
}

int tempfile_fd(const struct tempfile *t)
{
	return t->fd;
}

int tempfile_close(struct tempfile *t, struct err *e)
{
	int fd = t->fd;

	if (fd < 0)
		return 0;
	t->fd = -1;
	return io_close(fd, e) < 0 ? err_wrap(e, "%s", t->path) : 0;
}

static int tempfile_sync(struct tempfile *t, struct err *e)
{
	if (t->fd >= 0 && io_fsync(t->fd, e) < 0)
		return err_wrap(e, "%s", t->path);
	return tempfile_close(t, e);
}

/* rename(2) that refuses an existing target, also where the file system cannot. */
static int rename_noreplace(int dirfd, const char *from, const char *to)
{
	if (renameat2(dirfd, from, dirfd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(dirfd, from, dirfd, to, 0) < 0)
		return -1;
	return unlinkat(dirfd, from, 0);
}

/* The rename alone; *t stays, and is no longer removed at exit if it worked. */
static int rename_to(struct tempfile *t, const char *path, enum tempfile_how how, struct err *e)
{
	const char *name = path_basename(path);
	int rc;

	if (how == TEMPFILE_NOREPLACE)
		rc = rename_noreplace(t->dirfd, t->name, name);
	else
		rc = renameat(t->dirfd, t->name, t->dirfd, name);
	if (rc == 0) {
		atomic_store(&t->active, false);
		return 0;
	}
	if (how == TEMPFILE_NOREPLACE && errno == EEXIST)
		return err_set(e, ERR_EXISTS, "%s: exists already", path);
	return err_sys(e, "%s", path);
}

int tempfile_rename(struct tempfile **t, const char *path, enum tempfile_how how, struct err *e)
{
	int rc = rename_to(*t, path, how, e);

	if (rc < 0)
		tempfile_abort(t);
	else
		give_back(t);
	return rc;
}

int tempfile_commit(struct tempfile **t, const char *path, enum tempfile_how how, struct err *e)
{
	int rc = tempfile_sync(*t, e);

	if (rc == 0)
		rc = rename_to(*t, path, how, e);
	if (rc < 0) {
		tempfile_abort(t);
		return rc;
	}
	rc = io_fsync((*t)->dirfd, e);
	give_back(t);
	return rc < 0 ? err_wrap(e, "directory of %s", path) : 0;
}

void tempfile_abort(struct tempfile **t)
{
	if (!*t)
		return;
	unlinkat((*t)->dirfd, (*t)->name, 0);
	give_back(t);
}

int tempfile_write(const char *path, mode_t mode, const void *content, size_t len, struct err *e)
{
	struct buf dir = BUF_INIT;
	struct tempfile *t = NULL;
	int rc;

	path_dirname(&dir, path);
	rc = tempfile_create(&t, dir.p, mode, e);
	if (rc == 0) {
		rc = io_write_all(tempfile_fd(t), content, len, e);
		if (rc < 0)
			err_wrap(e, "%s", path);
	}
	if (rc == 0)
		rc = tempfile_commit(&t, path, TEMPFILE_REPLACE, e);
	tempfile_abort(&t);
	buf_release(&dir);
	return rc;
}

static bool parse_name(const char *name, uint64_t *pid)
{
	const char *rest, *dash;

	return str_startswith(name, TEMPFILE_PREFIX, &rest) && (dash = strchr(rest, '-')) != NULL &&
	       num_parse_u64n(rest, (size_t)(dash - rest), 1, INT32_MAX, pid, NULL) == 0 &&
	       strlen(dash + 1) == 16 && strspn(dash + 1, "0123456789abcdef") == 16;
}

bool tempfile_is_name(const char *name)
{
	uint64_t pid;

	return parse_name(name, &pid);
}

/* Is this one of a process that is no more? */
static bool is_orphan(int dirfd, const char *name)
{
	uint64_t pid;
	bool dead;
	int fd;

	if (!parse_name(name, &pid))
		return false;
	if (kill((pid_t)pid, 0) == 0 || errno != ESRCH)
		return false;
	fd = openat(dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	dead = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	return dead;
}

/* Takes the descriptor over. */
static void sweep_fd(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *entry;

	if (!d) {
		close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (is_orphan(dirfd(d), entry->d_name))
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
}

void tempfile_sweep(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		sweep_fd(fd);
}

void tempfile_sweep_at(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		sweep_fd(fd);
}

int tempfile_make_dir(struct buf *out, const char *what, struct err *e)
{
	const char *tmp = getenv("TMPDIR");

	buf_addf(out, "%s/deepops-%s-XXXXXX", tmp && *tmp ? tmp : "/tmp", what);
	return mkdtemp(out->p) ? 0 : err_sys(e, "%s", out->p);
}
