/* SPDX-License-Identifier: MIT */
/*
 * execwatch.h - which programs a command starts, seen from outside
 *
 *	w = execwatch_new(fn, arg);
 *	p.in_child = execwatch_in_child; p.in_parent = execwatch_in_parent; p.arg = w;
 *	proc_start(&p, e);
 *	... poll execwatch_fd(w) (-1: none) for POLLIN: execwatch_take(w)
 *	... every execwatch_pause_ms(w) (-1: never): execwatch_sample(w, pid)
 *	execwatch_free(w);
 *
 * Best is a seccomp filter that tells us of each execve before it happens and lets
 * it go on: nothing is missed, the command is not traced, and only execve is slower
 * (by some 50 us).  As an ordinary user that needs no_new_privs, under which setuid
 * programs (sudo) have no effect: for such commands there is EXECWATCH_KEEP_PRIVILEGES.  Where the
 * filter cannot be installed (an older kernel, a run within a run), /proc is looked at
 * in growing intervals, and what lives between two looks is missed.
 *
 * Whoever waits in execve waits for us.  A small process holds the same descriptor
 * and lets everything go on should we die, or once we no longer ask; it ends with the
 * last process that has the filter.
 */
#ifndef RUN_EXECWATCH_H
#define RUN_EXECWATCH_H

#include <sys/types.h>

#include "base/strvec.h"

#define EXECWATCH_MAX_ARGS 64 /* of a program that are read: enough to find its script */

struct execwatch_seen {
	const char *path; /* absolute, as it was named: links are not followed */
	const char *cwd;
	const struct strvec *argv; /* the first ones; without a copy of the environment */
	bool foreign_root; /* of a process with another root directory: the path is its own */
};
typedef void (*execwatch_fn)(void *arg, const struct execwatch_seen *seen);

struct execwatch;

enum execwatch_how {
	EXECWATCH_BEST,
	EXECWATCH_KEEP_PRIVILEGES, /* the filter only where it takes no privileges from anybody */
	EXECWATCH_SAMPLED,         /* no filter */
};
struct execwatch *execwatch_new(execwatch_fn fn, void *arg, enum execwatch_how how);
void execwatch_free(struct execwatch *w);
/* For proc.h. */
void execwatch_in_child(void *w);
void execwatch_in_parent(void *w, int report_fd);

int execwatch_fd(const struct execwatch *w);
void execwatch_take(struct execwatch *w);
int execwatch_pause_ms(const struct execwatch *w);
void execwatch_sample(struct execwatch *w, pid_t top);
/* Was each exec seen, up to now? */
bool execwatch_is_complete(const struct execwatch *w);
/* Was anything seen at all? */
bool execwatch_saw(const struct execwatch *w);
/* A setuid program was started that no_new_privs keeps from its privileges; NULL: none was. */
const char *execwatch_tamed(const struct execwatch *w);

#endif
