/* SPDX-License-Identifier: MIT */
/*
 * supervise.h - run one command: own process group, output teed, signals forwarded
 *
 * The command's stdout and stderr are pipes: each piece goes to ours at once and
 * unchanged, and scrubbed to a log file.  A program that asks isatty() sees no
 * terminal there.  Output that nobody takes holds the command up, as it would
 * without us, but never the signals.
 *
 * INT, TERM, HUP, QUIT, USR1, USR2 and WINCH sent to us go to the whole group of the
 * command.  git passes on to us what it gets itself: the same signal from our parent
 * and from elsewhere within a second is one.
 *
 * The terminal stays with our own group, so that ^C ends whatever it would end
 * without us and a pager beside us can read keys.  It goes to the command when that
 * reads from it or changes it, and comes back with the end.  ^Z stops both, whoever
 * has the terminal, and the shell's fg or bg goes on with both.
 */
#ifndef RUN_SUPERVISE_H
#define RUN_SUPERVISE_H

#include <sys/resource.h>

#include "base/err.h"
#include "base/strvec.h"
#include "run/execwatch.h"
#include "run/scrub.h"

#define SUPERVISE_STREAMS 2 /* stdout, stderr */

struct supervise {
	const struct strvec *argv;
	const struct strvec *env;    /* on top of ours, as proc.h has it */
	const char *dir;             /* working directory */
	const struct scrub *secrets; /* masked in the logs */
	int log_fd[SUPERVISE_STREAMS];
	int in;                  /* standard input of the command, or PROC_INHERIT */
	struct execwatch *watch; /* told of the programs that are started; NULL: nobody */
	/* Called once with the pid, before anything is read. */
	int (*started)(void *arg, pid_t pid, struct err *e);
	void *arg;
	/* results */
	int status;          /* as waitpid gives it */
	uint64_t ended_ms;   /* of clock_mono_ms() */
	struct rusage usage; /* of the command and what it waited for */
	bool left_behind;    /* something that it started still holds its output */
	/* The first failure of a log, and of our own streams; code 0 if all is well. */
	struct err log_error, out_error[SUPERVISE_STREAMS];
};

/* ERR_NOTFOUND, ERR_SYS: it could not be started. */
int supervise_run(struct supervise *s, struct err *e) MUST_CHECK;

#endif
