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
 *
 * tests/fault/sweep.sh raises n until there is no hit: SQLite's loop.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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

__attribute__((constructor)) static void fault_setup(void)
{
	const char *spec = getenv("DEEPOPS_FAULT"), *in = getenv("DEEPOPS_FAULT_IN");
	char what[16], plus[2] = "";

	if (!spec || (in && strcmp(in, program_invocation_short_name) != 0))
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

#define WRAP(type, name, call, args, pass)                                                         \
	static type(*real_##name) args;                                                            \
	type name args;                                                                            \
	type name args                                                                             \
	{                                                                                          \
		FIND(name);                                                                        \
		if (fault_now(call) == FAULT_ERRNO)                                                \
			return -1;                                                                 \
		return real_##name pass;                                                           \
	}

WRAP(int, fsync, "fsync", (int fd), (fd))
WRAP(int, fdatasync, "fdatasync", (int fd), (fd))
WRAP(int, rename, "rename", (const char *from, const char *to), (from, to))
WRAP(int, renameat, "rename", (int f, const char *from, int t, const char *to), (f, from, t, to))
WRAP(int, renameat2, "rename", (int f, const char *from, int t, const char *to, unsigned int flags),
     (f, from, t, to, flags))
WRAP(int, unlink, "unlink", (const char *path), (path))
WRAP(int, unlinkat, "unlink", (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, "mkdir", (int fd, const char *path, mode_t mode), (fd, path, mode))

#define WRAP_WRITE(name, call, args, pass, half)                                                   \
	static ssize_t(*real_##name) args;                                                         \
	ssize_t name args;                                                                         \
	ssize_t name args                                                                          \
	{                                                                                          \
		FIND(name);                                                                        \
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
#define WRAP_OPEN(name, args, pass)                                                                \
	static int(*real_##name) args;                                                             \
	int name args;                                                                             \
	int name args                                                                              \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
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
		return real_##name pass;                                                           \
	}

WRAP_OPEN(open, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(open64, (const char *path, int flags, ...), (path, flags, mode))
WRAP_OPEN(openat, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
WRAP_OPEN(openat64, (int fd, const char *path, int flags, ...), (fd, path, flags, mode))
