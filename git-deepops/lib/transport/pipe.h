/* SPDX-License-Identifier: MIT */
/*
 * pipe.h - transport over the pipes of a child process, or over our own stdin and stdout
 *
 * pipe_open starts the server program for a local repository.  sshchild.c
 * starts ssh through pipe_start.  The server itself talks through pipe_stdio.
 */
#ifndef TRANSPORT_PIPE_H
#define TRANSPORT_PIPE_H

#include "base/proc.h"
#include "transport/transport.h"

/*
 * The chunk server for the repository at `path`.  `serve` (words for a shell)
 * or git-deepops-serve, looked for beside this program first, then in PATH.
 */
int pipe_open(struct transport **out, const char *path, const char *serve,
	      struct err *e) MUST_CHECK;

/*
 * Start p->args with pipes on all three of its descriptors and own it.  `host`
 * NULL: local.  `program` is what runs at the far end, for messages.
 */
int pipe_start(struct transport **out, const struct proc *p, const char *host, const char *program,
	       struct err *e) MUST_CHECK;

/* Our own stdin and stdout, made non-blocking. */
int pipe_stdio(struct transport **out, struct err *e) MUST_CHECK;

/* Words for a shell and arguments for them, as an argv. */
void pipe_shell_args(struct strvec *argv, const char *words);

#endif
