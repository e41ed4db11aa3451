/* SPDX-License-Identifier: MIT */
/* freshdir.c - see freshdir.h */
#include "run/freshdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/random.h"
#include "base/xalloc.h"

#define NAME_START "deepops-rerun-"

static void notices_dir(struct repo *r, struct buf *out)
{
	path_join(out, repo_deepops_dir(r), "reruns");
}

/* Named before it is made: a kill in between leaves a name of nothing. */
static int announce(struct freshdir *f, struct repo *r, struct err *e)
{
	int rc, fd;

	notices_dir(r, &f->notice);
	rc = path_mkdirs(f->notice.p, 0777, e);
	buf_addf(&f->notice, "/%s", path_basename(f->dir.p));
	if (rc == 0)
		f->lock = lockfile_acquire(f->notice.p, LOCKFILE_EXCLUSIVE, 0, e);
	if (rc < 0 || f->lock < 0)
		return rc < 0 ? rc : f->lock;
	fd = open(f->notice.p, O_WRONLY | O_TRUNC | O_CLOEXEC);
	rc = fd < 0 ? err_sys(e, "%s", f->notice.p) : io_write_all(fd, f->dir.p, f->dir.len, e);
	if (fd >= 0)
		close(fd);
	return rc;
}

int freshdir_make(struct freshdir *f, struct repo *r, const char *run, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	char word[9];
	int rc;

	random_hex(word, 8);
	buf_addf(&f->dir, "%s/" NAME_START "%.12s-%s", tmp && *tmp ? tmp : "/var/tmp", run, word);
	rc = announce(f, r, e);
	if (rc == 0 && mkdir(f->dir.p, 0700) < 0)
		rc = err_sys(e, "%s", f->dir.p);
	return rc;
}

int freshdir_end(struct freshdir *f, bool keep, struct err *e)
{
	int rc = keep || !f->dir.len ? 0 : path_remove_tree(f->dir.p, e);

	if (rc == 0 && f->lock >= 0 && unlink(f->notice.p) < 0 && errno != ENOENT)
		rc = err_sys(e, "%s", f->notice.p);
	lockfile_release(f->lock);
	f->lock = -1;
	buf_release(&f->dir);
	buf_release(&f->notice);
	return rc;
}

/* 1: its rerun is dead, and it is gone now. */
static int sweep_one(const char *notice, struct err *e)
{
	struct buf dir = BUF_INIT;
	int lock = lockfile_acquire(notice, LOCKFILE_EXCLUSIVE, 0, e), rc;

	if (lock == ERR_DENIED) {
		err_clear(e);
		return 0;
	}
	if (lock < 0)
		return lock;
	rc = io_read_file(AT_FDCWD, notice, PATH_MAX_BYTES, &dir, e);
	if (rc == 0 && dir.p[0] == '/' && str_startswith(path_basename(dir.p), NAME_START, NULL))
		rc = path_remove_tree(dir.p, e);
	if (rc == 0 && unlink(notice) < 0 && errno != ENOENT)
		rc = err_sys(e, "%s", notice);
	lockfile_release(lock);
	buf_release(&dir);
	return rc < 0 ? rc : 1;
}

int freshdir_sweep(struct repo *r, size_t *removed, struct err *e)
{
	struct buf path = BUF_INIT, one = BUF_INIT;
	struct dirent *ent;
	DIR *d;
	int rc = 0;

	*removed = 0;
	notices_dir(r, &path);
	d = opendir(path.p);
	if (!d && errno != ENOENT)
		rc = err_sys(e, "%s", path.p);
	while (d && rc >= 0 && (ent = readdir(d))) {
		if (!str_startswith(ent->d_name, NAME_START, NULL))
			continue;
		buf_reset(&one);
		path_join(&one, path.p, ent->d_name);
		rc = sweep_one(one.p, e);
		*removed += rc == 1;
	}
	if (d)
		closedir(d);
	buf_release(&path);
	buf_release(&one);
	return MIN(rc, 0);
}
