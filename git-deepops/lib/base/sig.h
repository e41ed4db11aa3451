/* SPDX-License-Identifier: MIT */
/*
 * sig.h - what signals do here
 *
 * sig_setup(): SIGPIPE ignored; INT, TERM, HUP, QUIT remove temp files and
 * kill the process by the same signal, except between sig_defer() and
 * sig_undefer(), when they only set a flag that long loops poll with
 * sig_pending() and leave through sig_err().
 */
#ifndef BASE_SIG_H
#define BASE_SIG_H

#include "base/err.h"

void sig_setup(void);
void sig_defer(void);
void sig_undefer(void);     /* raises what came in between */
int sig_pending(void);      /* signal number or 0 */
int sig_err(struct err *e); /* ERR_INTR "interrupted by SIGTERM" */

/* Called by the handler on its way out; async-signal-safe. One slot: tempfile.c. */
void sig_on_death(void (*fn)(void));

#endif
