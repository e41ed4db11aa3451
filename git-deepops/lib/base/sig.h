/* SPDX-License-Identifier: MIT */
/*
 * sig.h - what signals do here
 *
 * After sig_setup() SIGPIPE is ignored, and INT, TERM, HUP and QUIT remove the
 * temporary files and end the process by the same signal.
 *
 * Whoever has more to undo than files puts the work between sig_defer() and
 * sig_undefer(): there a signal only sets a flag.  Long loops and calls that
 * wait poll it with sig_pending() and leave through sig_err(), the caller
 * cleans up, and sig_undefer() then dies by the signal.
 *
 *	sig_defer();
 *	rc = in_directory(dir, e);
 *	path_remove_tree(dir, NULL);
 *	sig_undefer();
 */
#ifndef BASE_SIG_H
#define BASE_SIG_H

#include "base/err.h"

void sig_setup(void);
void sig_defer(void);
void sig_undefer(void);     /* of the outermost pair: raises what came in between */
int sig_pending(void);      /* signal number or 0 */
int sig_err(struct err *e); /* ERR_INTR "interrupted by SIGTERM" */

/*
 * git passes on to us what it gets itself.  Where a signal was dealt with already, the same one from
 * our parent is dropped, once, until `until_ms` of clock_mono_ms().
 */
void sig_expect_copy(int signo, uint64_t until_ms);

/* Called by the handler on its way out; async-signal-safe. One slot: tempfile.c. */
void sig_on_death(void (*fn)(void));

#endif
