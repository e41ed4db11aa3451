/* SPDX-License-Identifier: MIT */
/* path.c - names of files: checked, confined, created, removed; see path.h */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/share.h"
#include "base/xalloc.h"

#define PATH_DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

bool path_name_is_safe(const char *name, size_t len)
{
	if (!len || len > NAME_MAX_BYTES || memchr(name, '/', len) || memchr(name, '\0', len))
		return false;
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return false;
	return !path_is_dotgit(name, len);
}

/* The second line: no caller checks its paths so badly that something is made in a `.git`. */
static int check_no_dotgit(const char *path, struct err *e)
{
	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");

		if (path_is_dotgit(at, n))
			return err_set(e, ERR_INPUT, "'%s' leads into the .git of a repository",
				       path);
		at += n + (at[n] == '/');
	}
	return 0;
}

bool path_is_safe(const char *path, size_t len)
{
	unsigned int depth = 0;
	const char *end = path + len;

	if (!len || len > PATH_MAX_BYTES)
		return false;
	for (;;) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;

		if (++depth > TREE_MAX_DEPTH || !path_name_is_safe(path, (size_t)(stop - path)))
			return false;
		if (!slash)
			return true;
		path = slash + 1;
	}
}

/* Open one component for walking; a symlink there is ELOOP, as openat2 says it. */
static int open_dir_at(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, PATH_DIR_FLAGS);
	struct stat st;

	if (fd < 0 && errno == ENOTDIR && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
		return -1;
	}
	return fd;
}

/*
 * Call `step` on every component but the last with its parent's descriptor,
 * following with no symlink; returns the descriptor of the last one's parent
 * and points *last at it.  -1 with errno on failure.
 */
typedef int (*path_step_fn)(int dirfd, const char *name, mode_t mode);

static int walk_to_parent(int rootfd, char *path, path_step_fn step, mode_t mode, char **last)
{
	int fd = fcntl(rootfd, F_DUPFD_CLOEXEC, 0);
	char *slash;

	while (fd >= 0 && (slash = strchr(path, '/')) != NULL) {
		int next = -1;

		*slash = '\0';
		if (!strcmp(path, "..") || !*path)
			errno = EXDEV;
		else if (!step || step(fd, path, mode) == 0)
			next = open_dir_at(fd, path);
		*slash = '/';
		close(fd);
		fd = next;
		path = slash + 1;
	}
	*last = path;
	return fd;
}

/* For kernels before 5.6: component by component. */
static int open_by_walking(int rootfd, const char *path, int flags, mode_t mode)
{
	char *copy = xstrdup(path), *last;
	int dirfd = walk_to_parent(rootfd, copy, NULL, 0, &last);
	int fd = -1, keep;

	if (dirfd >= 0 && !strcmp(last, ".."))
		errno = EXDEV;
	else if (dirfd >= 0)
		fd = openat(dirfd, *last ? last : ".", flags | O_NOFOLLOW, mode);
	keep = errno;
	if (dirfd >= 0)
		close(dirfd);
	free(copy);
	errno = keep;
	return fd;
}

static int open_confined(int rootfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (unsigned int)flags,
		.mode = flags & (O_CREAT | O_TMPFILE) & ~O_DIRECTORY ? mode : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, rootfd, path, &how, sizeof(how));

	/* EPERM is what older container filters say of a call they do not know. */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = open_by_walking(rootfd, path, flags, mode);
	return fd;
}

int path_open_beneath(int rootfd, const char *path, int flags, mode_t mode, struct err *e)
{
	int extra = flags & O_PATH ? O_CLOEXEC : O_CLOEXEC | O_NOCTTY;
	int fd = open_confined(rootfd, *path ? path : ".", flags | extra, mode);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "%s: no such file", path);
	if (errno == EEXIST)
		return err_set(e, ERR_EXISTS, "%s: exists already", path);
	return err_sys(e, "%s", path);
}

static int make_dir_at(int dirfd, const char *name, mode_t mode)
{
	return mkdirat(dirfd, name, mode) < 0 && errno != EEXIST ? -1 : 0;
}

int path_open_to_write(int rootfd, const char *dir, struct err *e)
{
	int rc = check_no_dotgit(dir, e);

	return rc < 0 ? rc : path_open_beneath(rootfd, dir, O_RDONLY | O_DIRECTORY, 0, e);
}

int path_mkdirs_beneath(int rootfd, const char *path, mode_t mode, struct err *e)
{
	/* A final slash makes the last component one to walk through, and so to create. */
	char *copy, *last;
	int rc = check_no_dotgit(path, e), fd;

	if (rc < 0)
		return rc;
	copy = xstrfmt("%s/", path);
	fd = walk_to_parent(rootfd, copy, make_dir_at, mode, &last);
	if (fd < 0)
		rc = err_sys(e, "%s", path);

	if (fd >= 0)
		close(fd);
	free(copy);
	return rc;
}

int path_mkdirs(const char *path, mode_t mode, struct err *e)
{
	char *copy = xstrdup(path);
	char *p = copy;
	struct stat st;
	int rc = 0;

	do {
		mode_t one;

		p = strchr(p + 1, '/');
		one = p && p[1] ? 0777 : mode; /* a private directory may have shared parents */
		if (p)
			*p = '\0';
		if (mkdir(copy, one) == 0) {
			if (one & S_IRWXG)
				share_dir(copy);
		} else if (errno != EEXIST && errno != EISDIR) {
			rc = err_sys(e, "%s", copy);
			break;
		}
		if (p)
			*p = '/';
	} while (p && p[1]);
	if (rc == 0 && stat(path, &st) < 0) {
		rc = err_sys(e, "%s", path); /* gone again */
	} else if (rc == 0 && !S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		rc = err_sys(e, "%s", path);
	}
	free(copy);
	return rc;
}

/* What we checked out or a run left may lack the permissions that removing needs. */
static int open_own_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, PATH_DIR_FLAGS);
	struct stat st;

	if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
		fd = openat(dirfd, name, PATH_DIR_FLAGS);
	if (fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700 && fchmod(fd, 0700) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* 1: a file system is mounted there or below; it was emptied, and its directory stays. */
static int remove_at(int dirfd, const char *name, struct err *e);

/* An error before that something stays, and that before nothing. */
static int worse(int before, int now)
{
	return now < 0 ? now : MAX(before, now);
}

/* Remove everything in the directory `fd`, which is consumed. */
static int remove_entries(int fd, struct err *e)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	int rc = 0;

	if (!dir) {
		close(fd);
		return err_sys(e, "directory");
	}
	while (rc >= 0 && (d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			rc = worse(rc, remove_at(fd, d->d_name, e));
	closedir(dir);
	return rc;
}

static int remove_at(int dirfd, const char *name, struct err *e)
{
	int fd, rc;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "%s", name);
	fd = open_own_dir(dirfd, name);
	if (fd < 0)
		return err_sys(e, "%s", name);
	rc = remove_entries(fd, e);
	if (rc < 0)
		return err_wrap(e, "%s", name);
	if (rc == 1 || unlinkat(dirfd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return rc;
	return errno == EBUSY ? 1 : err_sys(e, "%s", name);
}

int path_remove_tree(const char *path, struct err *e)
{
	int rc = remove_at(AT_FDCWD, path, e);

	return MIN(rc, 0);
}

void path_join(struct buf *out, const char *dir, const char *name)
{
	if (*dir && strcmp(dir, ".") != 0) {
		buf_addstr(out, dir);
		if (!str_endswith(dir, "/"))
			buf_addch(out, '/');
	}
	buf_addstr(out, name);
}

bool path_is_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (!strncmp(path, dir, n) && (!path[n] || path[n] == '/'));
}

size_t path_enter(struct buf *path, const char *name)
{
	size_t len = path->len;

	if (len)
		buf_addch(path, '/');
	buf_addstr(path, name);
	return len;
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void path_dirname(struct buf *out, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		buf_addch(out, '.');
	else if (slash == path)
		buf_addch(out, '/');
	else
		buf_add(out, path, (size_t)(slash - path));
}

int path_beside_program(struct buf *out, const char *name, struct err *e)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n <= 0)
		return err_sys(e, "/proc/self/exe");
	self[n] = '\0';
	path_dirname(out, self);
	buf_addf(out, "/%s", name);
	return 0;
}

bool path_in_path(struct buf *out, const char *name)
{
	const char *path = getenv("PATH");
	size_t before = out->len;

	while (path && *path) {
		size_t len = strcspn(path, ":");
		struct stat st;

		buf_setlen(out, before);
		buf_add(out, path, len);
		buf_addf(out, "/%s", name);
		if (len && stat(out->p + before, &st) == 0 && S_ISREG(st.st_mode) &&
		    access(out->p + before, X_OK) == 0)
			return true;
		path += len + (path[len] == ':');
	}
	buf_setlen(out, before);
	return false;
}

int path_normalize(struct buf *out, const char *path, struct err *e)
{
	const char *p = path;
	size_t base = out->len;

	if (*p == '/') {
		buf_addch(out, '/');
		base++;
	}
	for (;;) {
		size_t n;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (!n)
			break;
		if (n == 2 && !memcmp(p, "..", 2)) {
			if (out->len == base)
				return err_set(e, ERR_INPUT, "'%s' leads out of its directory",
					       path);
			while (out->len > base && out->p[out->len - 1] != '/')
				buf_setlen(out, out->len - 1);
			if (out->len > base)
				buf_setlen(out, out->len - 1);
		} else if (n != 1 || *p != '.') {
			if (out->len > base)
				buf_addch(out, '/');
			buf_add(out, p, n);
		}
		p += n;
	}
	if (out->len == base && *path != '/')
		buf_addch(out, '.');
	return 0;
}
