/* SPDX-License-Identifier: MIT */
/*
 * supervise.h - run one command: own process group, output teed, signals forwarded
 *
 * The command's stdout and stderr are pipes: each piece goes to ours at once and
 * unchanged, and scrubbed to a log file.  A program that asks isatty() sees no
 * terminal there.  stdin is ours; when it is a terminal the command's group is in its
 * foreground, so that ^C reaches the command as it always does.
 * INT, TERM, HUP, QUIT, USR1 and USR2 sent to us go to the whole group.
 */
#ifndef RUN_SUPERVISE_H
#define RUN_SUPERVISE_H

#include <sys/resource.h>

#include "base/err.h"
#include "base/strvec.h"

struct supervise {
	const struct strvec *argv;
	const struct strvec *env;     /* on top of ours, as proc.h has it */
	const char *dir;              /* working directory */
	const struct strvec *secrets; /* masked in the logs */
	int log_fd[2];                /* stdout, stderr: where to tee */
	bool quiet;                   /* logs only: nothing goes to our own stdout and stderr */
	/* Called once with the pid, before anything is read. */
	int (*started)(void *arg, pid_t pid, struct err *e);
	void *arg;
	/* results */
	int status;           /* as waitpid gives it */
	struct rusage usage;  /* of the command and what it waited for */
	struct err log_error; /* a log could not be written: code 0 if all is well */
};

/* ERR_NOTFOUND, ERR_SYS: it could not be started. */
int supervise_run(struct supervise *s, struct err *e) MUST_CHECK;

#endif
