/* SPDX-License-Identifier: MIT */
/* share.c - what is made in a directory that a group shares is the group's as well; see share.h */
#include "base/share.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/path.h"

static bool is_shared(const struct stat *dir)
{
	return (dir->st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP);
}

/* What the owner may the group may. */
static mode_t shared_mode(const struct stat *st)
{
	mode_t mode = st->st_mode & 07777;

	mode |= (mode & S_IRWXU) >> 3;
	return S_ISDIR(st->st_mode) ? mode | S_ISGID : mode;
}

static void share(const struct stat *dir, int fd)
{
	struct stat st;

	if (is_shared(dir) && fstat(fd, &st) == 0 && shared_mode(&st) != (st.st_mode & 07777))
		(void)!fchmod(fd, shared_mode(&st));
}

void share_path(const char *path, int fd)
{
	struct buf parent = BUF_INIT;
	struct stat dir;

	path_dirname(&parent, path);
	if (stat(parent.len ? parent.p : ".", &dir) == 0)
		share(&dir, fd);
	buf_release(&parent);
}

void share_dir(const char *path)
{
	struct buf parent = BUF_INIT;
	struct stat dir, st;

	path_dirname(&parent, path);
	if (stat(parent.len ? parent.p : ".", &dir) == 0 && is_shared(&dir) &&
	    lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
		(void)!chmod(path, shared_mode(&st));
	buf_release(&parent);
}

static mode_t own_umask;
static bool umask_changed;

void share_umask(const char *dir)
{
	struct stat st;

	if (umask_changed || stat(dir, &st) < 0 || !is_shared(&st))
		return;
	own_umask = umask(0);
	umask(own_umask & ~(mode_t)S_IRWXG);
	umask_changed = true;
}

void share_own_umask(void)
{
	if (umask_changed)
		umask(own_umask);
}
