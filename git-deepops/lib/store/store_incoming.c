/* SPDX-License-Identifier: MIT */
/* store_incoming.c - what sessions have put and not committed: how much it is, and when it goes; see store.h */
#include <dirent.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define GRACE_SECONDS 600 /* for a connection that was just cut to come back */
#define MOST_WAITING 500  /* each is looked at whenever a session begins */

struct session {
	char *dir;
	int64_t at; /* seconds: when it was begun, or resumed last */
	uint64_t bytes;
};

struct sessions {
	struct session *v;
	size_t n, alloc;
	uint64_t bytes;
};

static void sessions_release(struct sessions *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->v[i].dir);
	free(all->v);
}

/* The files of one session: packs in the making. */
static void measure(struct session *one)
{
	DIR *d = opendir(one->dir);
	struct dirent *entry;
	struct stat st;

	while (d && (entry = readdir(d)) != NULL) {
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			one->bytes += (uint64_t)st.st_size;
		if (!strcmp(entry->d_name, "keep") || !one->at)
			one->at = st.st_mtime;
	}
	if (d)
		closedir(d);
}

static void add_session(struct sessions *all, const char *dir)
{
	struct session one = {xstrdup(dir), 0, 0};

	measure(&one);
	XGROW(all->v, all->n + 1, all->alloc);
	all->v[all->n++] = one;
	all->bytes += one.bytes;
}

/* All but `own`, which may be NULL.  What cannot be read counts for nothing. */
static void list_sessions(struct store *s, const char *own, struct sessions *all)
{
	struct buf path = BUF_INIT;
	struct dirent *entry;
	DIR *d;

	memset(all, 0, sizeof(*all));
	store_path(s, &path, "incoming");
	d = opendir(path.p);
	while (d && (entry = readdir(d)) != NULL) {
		if (strlen(entry->d_name) != STORE_NONCE_DIGITS)
			continue;
		store_path(s, &path, "incoming/");
		buf_addstr(&path, entry->d_name);
		if (!own || strcmp(path.p, own) != 0)
			add_session(all, path.p);
	}
	if (d)
		closedir(d);
	buf_release(&path);
}

void store_waiting(struct store *s, struct store_waiting *out)
{
	struct sessions all;

	list_sessions(s, NULL, &all);
	*out = (struct store_waiting){.sessions = all.n, .bytes = all.bytes};
	for (size_t i = 0; i < all.n; i++) {
		if (i == 0 || all.v[i].at < out->oldest_seconds)
			out->oldest_seconds = all.v[i].at;
	}
	sessions_release(&all);
}

int store_quota_for(struct store *s, const char *own, uint64_t *left, struct err *e)
{
	struct sessions others;
	int rc = store_quota_left(s, left, e);

	if (rc < 0 || *left == UINT64_MAX)
		return rc;
	list_sessions(s, own, &others);
	*left -= MIN(*left, others.bytes);
	sessions_release(&others);
	return 0;
}

/* ---- making room ---- */

static int by_age(const void *a, const void *b)
{
	const struct session *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* What is free beside the bytes that wait, which the quota does not count yet. */
static uint64_t room_beside(struct store *s, uint64_t waiting)
{
	struct statvfs vfs;
	uint64_t quota, most = UINT64_MAX;

	if (statvfs(s->dir, &vfs) == 0)
		most = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	if (store_quota_left(s, &quota, NULL) == 0 && quota != UINT64_MAX)
		most = MIN(most, quota - MIN(quota, waiting));
	return most;
}

/* Nobody has it open: it goes. */
static bool drop(struct store *s, const struct session *one)
{
	struct buf path = BUF_INIT;
	int fd;

	path_join(&path, one->dir, "lock");
	fd = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, 0, NULL);
	buf_release(&path);
	if (fd < 0)
		return false;
	store_discard(s, one->dir);
	lockfile_release(fd);
	return true;
}

void store_make_room(struct store *s, const char *own)
{
	int64_t now = clock_now_seconds();
	struct sessions all;

	list_sessions(s, own, &all);
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_age);
	for (size_t i = 0; i < all.n; i++) {
		bool many = all.n - i > MOST_WAITING;

		if (!many &&
		    (all.bytes <= room_beside(s, all.bytes) || now - all.v[i].at < GRACE_SECONDS))
			break; /* the others are younger */
		if (drop(s, &all.v[i]))
			all.bytes -= all.v[i].bytes;
	}
	sessions_release(&all);
}
