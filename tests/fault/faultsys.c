/* SPDX-License-Identifier: MIT */
/*
 * faultsys.c - makes one system call of a program fail; loaded with LD_PRELOAD
 *
 *	DEEPOPS_FAULT=<call>:<n>[+]:<what>
 *
 * The nth <call> of the process does not happen but ends with errno <what> (a
 * number), or kills the process (`kill`), or writes half (`short`); with `+`
 * every later one too.  Calls: open (for writing), write, pwrite, fsync,
 * fdatasync, rename, unlink, close, mkdir; each stands for all its variants
 * (openat, renameat2, ...).  close does close first: the descriptor is gone
 * whatever it says.
 *
 *	DEEPOPS_FAULT_IN=<name>		only in programs of that name
 *	DEEPOPS_FAULT_HIT=<path>	file created when the fault happened
 *	DEEPOPS_FAULT_TRACE=<path>	what is written, synced, created and named, in order
 *	DEEPOPS_FAULT_DATA=1		in the trace, too: the bytes, where files are cut, which names are directories
 *
 * tests/fault/sweep.sh raises n until there is no hit: SQLite's loop.  tests/fault/durable
 * and tests/fault/powerloss read the trace: no fault can show that an fsync is missing, as the
 * kernel keeps what was written until the power fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault_kind { FAULT_NONE, FAULT_ERRNO, FAULT_KILL, FAULT_SHORT };

static struct {
	char call[16];
	unsigned long at;
	bool later; /* every one from the nth on */
	enum fault_kind kind;
	int sys;
} fault;

static atomic_ulong fault_count;
static int trace_fd = -1;
static bool trace_bytes;

__attribute__((constructor)) static void fault_setup(void)
{
	const char *spec = getenv("DEEPOPS_FAULT"), *in = getenv("DEEPOPS_FAULT_IN");
	const char *trace = getenv("DEEPOPS_FAULT_TRACE");
	char what[16], plus[2] = "";

	if (in && strcmp(in, program_invocation_short_name) != 0)
		return;
	if (trace)
		trace_fd = (int)syscall(SYS_openat, AT_FDCWD, trace,
					O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	trace_bytes = trace_fd >= 0 && getenv("DEEPOPS_FAULT_DATA");
	if (!spec)
		return;
	if (sscanf(spec, "%15[a-z]:%lu%1[+]:%15s", fault.call, &fault.at, plus, what) != 4 &&
	    sscanf(spec, "%15[a-z]:%lu:%15s", fault.call, &fault.at, what) != 3) {
		fprintf(stderr, "faultsys: cannot read DEEPOPS_FAULT=%s\n", spec);
		_exit(125);
	}
	fault.later = *plus;
	fault.sys = (int)strtol(what, NULL, 10);
	fault.kind = !strcmp(what, "kill")    ? FAULT_KILL
		     : !strcmp(what, "short") ? FAULT_SHORT
					      : FAULT_ERRNO;
}

/* By system calls of our own, so as not to count. */
static void fault_mark(void)
{
	const char *path = getenv("DEEPOPS_FAULT_HIT");
	long fd;

	if (!path)
		return;
	fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd >= 0)
		syscall(SYS_close, fd);
}

/* What /proc says that a descriptor, or the current directory, stands for. */
static void trace_fd_path(int fd, char *out, size_t n)
{
	char link[64];
	ssize_t len;

	if (fd == AT_FDCWD)
		snprintf(link, sizeof(link), "/proc/self/cwd");
	else
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, out, n - 1);
	out[len > 0 ? len : 0] = '\0';
}

/* One line: the word, then the path, of `name` in the directory `fd` or (NULL) of `fd` itself. */
static void trace(const char *word, int fd, const char *name)
{
	char dir[PATH_MAX], line[2 * PATH_MAX + 32];
	int sys = errno, n;

	if (trace_fd < 0)
		return;
	dir[0] = '\0';
	if (!name || *name != '/')
		trace_fd_path(fd, dir, sizeof(dir));
	n = snprintf(line, sizeof(line), "%s %s%s%s\n", word, dir, name && *dir ? "/" : "",
		     name ? name : "");
	if (n > 0 && (size_t)n < sizeof(line))
		syscall(SYS_write, trace_fd, line, (size_t)n);
	errno = sys;
}

/* "data OFFSET LENGTH PATH", the bytes and LF, in one write: other processes append to the file, too. */
static void trace_data(int fd, const void *p, ssize_t n, off_t off)
{
	char path[PATH_MAX], head[PATH_MAX + 64];
	struct iovec v[3] = {{head, 0}, {NULL, 0}, {(void *)(uintptr_t) "\n", 1}};
	int sys = errno, len;

	if (!trace_bytes || n <= 0)
		return;
	if (off < 0)
		off = lseek(fd, 0, SEEK_CUR) - n; /* where write() has been */
	trace_fd_path(fd, path, sizeof(path));
	len = snprintf(head, sizeof(head), "data %lld %zd %s\n", (long long)off, n, path);
	if (*path == '/' && off >= 0 && len > 0 && (size_t)len < sizeof(head)) {
		v[0].iov_len = (size_t)len;
		v[1].iov_base = (void *)(uintptr_t)p;
		v[1].iov_len = (size_t)n;
		syscall(SYS_writev, trace_fd, v, 3);
	}
	errno = sys;
}

static void trace_cut(int fd, off_t length)
{
	char word[64];

	if (!trace_bytes)
		return;
	snprintf(word, sizeof(word), "cut %lld", (long long)length);
	trace(word, fd, NULL);
}

/* Will opening with O_CREAT make the file? */
static bool trace_is_new(int dirfd, const char *path, int flags)
{
	int sys = errno;
	bool new =
		trace_fd >= 0 && (flags & O_CREAT) && syscall(SYS_faccessat, dirfd, path, F_OK) < 0;

	errno = sys;
	return new;
}

/* Is this the one? Sets errno where it is to fail. */
static enum fault_kind fault_now(const char *call)
{
	unsigned long n;

	if (!fault.kind || strcmp(call, fault.call) != 0)
		return FAULT_NONE;
	n = atomic_fetch_add(&fault_count, 1) + 1;
	if (n != fault.at && !(fault.later && n > fault.at))
		return FAULT_NONE;
	fault_mark();
	if (fault.kind == FAULT_KILL)
		kill(getpid(), SIGKILL);
	errno = fault.sys;
	return fault.kind;
}

/* The next definition of the function we stand in; `slot` is where the pointer to it is kept. */
static void fault_find(void *slot, const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		abort();
	memcpy(slot, &fn, sizeof(fn));
}

#define FIND(name)                                                                                 \
	do {                                                                                       \
		if (!real_##name)                                                                  \
			fault_find(&real_##name, #name);                                           \
	} while (0)

/* `done` traces what a call that succeeded did. */
#define WRAP(name, call, args, pass, done)                                                         \
	static int(*real_##name) args;                                                             \
	int name args;                                                                             \
	int name args                                                                              \
	{                                                                                          \
		int rc;                                                                            \
                                                                                                   \
		FIND(name);                                                                        \
		if (fault_now(call) == FAULT_ERRNO)                                                \
			return -1;                                                                 \
		rc = real_##name pass;                                                             \
		if (rc == 0) {                                                                     \
			done;                                                                      \
		}                                                                                  \
		return rc;                                                                         \
	}

#define TRACE_MOVE(f, from, t, to)                                                                 \
	trace("from", f, from);                                                                    \
	trace("to", t, to)

WRAP(fsync, "fsync", (int fd), (fd), trace("sync", fd, NULL))
WRAP(fdatasync, "fdatasync", (int fd), (fd), trace("sync", fd, NULL))
WRAP(rename, "rename", (const char *from, const char *to), (from, to),
     TRACE_MOVE(AT_FDCWD, from, AT_FDCWD, to))
WRAP(renameat, "rename", (int f, const char *from, int t, const char *to), (f, from, t, to),
     TRACE_MOVE(f, from, t, to))
WRAP(renameat2, "rename", (int f, const char *from, int t, const char *to, unsigned int flags),
     (f, from, t, to, flags), TRACE_MOVE(f, from, t, to))
WRAP(link, "link", (const char *from, const char *to), (from, to), trace("of", AT_FDCWD, from);
     trace("link", AT_FDCWD, to))
WRAP(linkat, "link", (int f, const char *from, int t, const char *to, int flags),
     (f, from, t, to, flags), trace("of", f, from);
     trace("link", t, to))
WRAP(unlink, "unlink", (const char *path), (path), trace("unlink", AT_FDCWD, path))
WRAP(unlinkat, "unlink", (int fd, const char *path, int flags), (fd, path, flags),
     trace("unlink", fd, path))
WRAP(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode),
     trace(trace_bytes ? "mkdir" : "create", AT_FDCWD, path))
WRAP(mkdirat, "mkdir", (int fd, const char *path, mode_t mode), (fd, path, mode),
     trace(trace_bytes ? "mkdir" : "create", fd, path))

WRAP(rmdir, "unlink", (const char *path), (path), trace("unlink", AT_FDCWD, path))
WRAP(ftruncate, "write", (int fd, off_t length), (fd, length), trace_cut(fd, length))
WRAP(ftruncate64, "write", (int fd, off_t length), (fd, length), trace_cut(fd, length))
/* What `core.fsyncMethod=batch` of git does for each object before it syncs once for all. */
WRAP(sync_file_range, "fsync", (int fd, off_t off, off_t n, unsigned int flags),
     (fd, off, n, flags), trace("sync", fd, NULL))

#define WRAP_WRITE(name, call, args, pass, half, at)                                               \
	static ssize_t(*real_##name) args;                                                         \
	ssize_t name args;                                                                         \
	ssize_t name args                                                                          \
	{                                                                                          \
		ssize_t done;                                                                      \
                                                                                                   \
		FIND(name);                                                                        \
		trace("write", fd, NULL);                                                          \
		switch (fault_now(call)) {                                                         \
		case FAULT_ERRNO:                                                                  \
			return -1;                                                                 \
		case FAULT_SHORT:                                                                  \
			return real_##name half;                                                   \
		case FAULT_NONE:                                                                   \
		case FAULT_KILL:                                                                   \
			break;                                                                     \
		}                                                                                  \
		done = real_##name pass;                                                           \
		trace_data(fd, p, done, at);                                                       \
		return done;                                                                       \
	}

WRAP_WRITE(write, "write", (int fd, const void *p, size_t n), (fd, p, n), (fd, p, (n + 1) / 2), -1)
WRAP_WRITE(pwrite, "pwrite", (int fd, const void *p, size_t n, off_t off), (fd, p, n, off),
	   (fd, p, (n + 1) / 2, off), off)
WRAP_WRITE(pwrite64, "pwrite", (int fd, const void *p, size_t n, off_t off), (fd, p, n, off),
	   (fd, p, (n + 1) / 2, off), off)

static int (*real_close)(int fd);

int close(int fd)
{
	enum fault_kind kind = fault_now("close");
	int sys = errno, rc;

	FIND(close);
	rc = real_close(fd);
	if (kind != FAULT_ERRNO)
		return rc;
	errno = sys;
	return -1;
}

/* The optional mode is passed on whether it was given or not, as glibc itself does. */
#define WRAP_OPEN(name, dirfd, args, pass)                                                         \
	static int(*real_##name) args;                                                             \
	int name args;                                                                             \
	int name args                                                                              \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		bool created;                                                                      \
		int opened;                                                                        \
                                                                                                   \
		FIND(name);                                                                        \
		if (flags & (O_CREAT | O_TMPFILE)) {                                               \
			va_list ap;                                                                \
                                                                                                   \
			va_start(ap, flags);                                                       \
			mode = va_arg(ap, mode_t);                                                 \
			va_end(ap);                                                                \
		}                                                                                  \
		if ((flags & (O_WRONLY | O_RDWR)) && fault_now("open") == FAULT_ERRNO)             \
			return -1;                                                                 \
		created = trace_is_new(dirfd, path, flags);                                        \
		opened = real_##name pass;                                                         \
		if (opened >= 0 && created)                                                        \
			trace("create", dirfd, path);                                              \
		else if (opened >= 0 && (flags & O_TRUNC))                                         \
			trace_cut(opened, 0);                                                      \
		return opened;                                                                     \
	}

WRAP_OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
WRAP_OPEN(openat64, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
