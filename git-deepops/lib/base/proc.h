/* SPDX-License-Identifier: MIT */
/*
 * proc.h - child processes: argv arrays, never a shell string
 *
 *	struct proc p = PROC_INIT;
 *	strvec_pushl(&p.args, "git", "rev-parse", "HEAD", NULL);
 *	rc = proc_capture(&p, 64 * KIB, &out, e);	start, read stdout, wait
 *	proc_release(&p);
 *
 * The only place that forks.  Descriptors not named are closed on exec.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"

enum {
	PROC_INHERIT = -1, /* use ours */
	PROC_PIPE = -2,    /* make a pipe; our end is stored in its place after proc_start */
	PROC_NULL = -3,    /* /dev/null */
};

struct proc {
	/*
	 * args.v[0] is searched in PATH as git does: a directory that may not be entered, or a
	 * file that is no program, does not end the search.
	 */
	struct strvec args;
	struct strvec env; /* "NAME=value" set, "NAME" unset, on top of ours */
	const char *dir;   /* chdir there first; NULL: here */
	int in, out, err;  /* descriptor (ours, not closed), or PROC_* */
	bool new_group;    /* own process group */
	pid_t pid;
	/*
	 * Called in the child before exec (only what is safe after fork), and here before the
	 * outcome of exec is read from `report_fd`.  May be NULL.
	 */
	void (*in_child)(void *arg);
	void (*in_parent)(void *arg, int report_fd);
	void *arg;
};

#define PROC_INIT                                                                                  \
	{                                                                                          \
		STRVEC_INIT, STRVEC_INIT, NULL, PROC_INHERIT, PROC_INHERIT, PROC_INHERIT, false,   \
			0, NULL, NULL, NULL                                                        \
	}

/* Fork and exec.  A program that can't be started is ERR_NOTFOUND or ERR_SYS here, not exit 127 later. */
int proc_start(struct proc *p, struct err *e) MUST_CHECK;

/* Wait; *status as waitpid gives it.  Closes our pipe ends first. */
int proc_wait(struct proc *p, int *status, struct err *e) MUST_CHECK;

/* Exit code as a shell shows it: the code, or 128 + signal. */
int proc_exit_code(int status);

/*
 * Start, feed `input` (may be NULL), collect stdout (at most max bytes, else
 * ERR_LIMIT) into `out` (may be NULL: inherit), wait.  Returns the exit code
 * (0..255) or a negative error.  stderr goes where p->err says.
 */
int proc_capture(struct proc *p, const struct buf *input, size_t max, struct buf *out,
		 struct err *e) MUST_CHECK;

/* Become this program: returns only if it can't be started. */
int proc_exec(const struct strvec *args, struct err *e);

/* A child of ours that runs `fn` with all signals blocked, and ends with it.  -1: errno says why. */
pid_t proc_helper(void (*fn)(void *arg), void *arg);

void proc_release(struct proc *p); /* also kills nothing: wait first */

/*
 * Go on in a child of its own session, which nobody waits for: 1 in it, 0 in us.
 * Its stdin and stdout are /dev/null, stderr is appended to `log_path` (begun anew beyond
 * max_bytes): whoever waits for our end of a pipe is free.  Before threads only.
 */
int proc_background(const char *log_path, size_t max_bytes, struct err *e) MUST_CHECK;

#endif
