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
 *
 * tests/fault/sweep.sh raises n until there is no hit: SQLite's loop.  tests/fault/durable
 * reads the trace: no fault can show that an fsync is missing, as the kernel keeps what was
 * written until the power fails.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
WRAP(mkdir, "mkdir", (const char *path, mode_t mode), (path, mode), trace("create", AT_FDCWD, path))
WRAP(mkdirat, "mkdir", (int fd, const char *path, mode_t mode), (fd, path, mode),
     trace("create", fd, path))

#define WRAP_WRITE(name, call, args, pass, half)                                                   \
	static ssize_t(*real_##name) args;                                                         \
	ssize_t name args;                                                                         \
	ssize_t name args                                                                          \
	{                                                                                          \
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
		return real_##name pass;                                                           \
	}

WRAP_WRITE(write, "write", (int fd, const void *p, size_t n), (fd, p, n), (fd, p, (n + 1) / 2))
WRAP_WRITE(pwrite, "pwrite", (int fd, const void *p, size_t n, off_t off), (fd, p, n, off),
	   (fd, p, (n + 1) / 2, off))
WRAP_WRITE(pwrite64, "pwrite", (int fd, const void *p, size_t n, off_t off), (fd, p, n, off),
	   (fd, p, (n + 1) / 2, off))

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
		return opened;                                                                     \
	}

WRAP_OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
WRAP_OPEN(openat64, fd, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
