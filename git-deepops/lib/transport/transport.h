/* SPDX-License-Identifier: MIT */
/*
 * transport.h - a two-way byte stream to a program on a host, non-blocking
 *
 *	transport_open(&t, &where, e);		starts the program; says nothing to it yet
 *	n = transport_read(t, p, size, e);	> 0 bytes; 0: nothing now, or the end (transport_at_end)
 *	n = transport_write(t, p, size, e);	> 0 bytes; 0: no room now
 *	transport_wait(t, TRANSPORT_READ | TRANSPORT_WRITE, ms, e);
 *	transport_half_close(t, e);		no more writes; the peer sees the end
 *	transport_close(&t);
 *
 * Kinds: a child over pipes (pipe.h), an `ssh` child (sshchild.h), libssh2 in
 * this process (libssh2.h).  transport_open chooses as gitprotocol-deepops(5)
 * says.  What the program or ssh writes to stderr is kept (the last few KiB)
 * and told by transport_explain().  One thread a transport.
 */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include "base/buf.h"
#include "base/err.h"

struct transport;

/* Where and how; strings are borrowed during transport_open only. */
struct transport_where {
	const char *url;         /* url.h */
	const char *serve;       /* server program, words for a shell; NULL: git-deepops-serve */
	const char *kind;        /* "auto" "libssh2" "ssh"; NULL: auto; for ssh URLs only */
	const char *ssh_command; /* NULL: ssh */
	bool ssh_command_is_program; /* GIT_SSH: a program; else words for a shell */
};

#define TRANSPORT_SERVE "git-deepops-serve"

/* ERR_INPUT: url.  ERR_DENIED: host key, login.  Others name host or program. */
int transport_open(struct transport **out, const struct transport_where *where,
		   struct err *e) MUST_CHECK;
void transport_close(struct transport **t); /* waits for the child; NULL inside is fine */

enum transport_events { TRANSPORT_READ = 1, TRANSPORT_WRITE = 2 };
#define TRANSPORT_FOREVER (-1)

int transport_read(struct transport *t, void *p, size_t n, struct err *e) MUST_CHECK;
bool transport_at_end(const struct transport *t);
/* A peer that reads no more is ERR_SYS with sys EPIPE. At most INT_MAX bytes are taken. */
int transport_write(struct transport *t, const void *p, size_t n, struct err *e) MUST_CHECK;
/* Until one of the events may succeed (1) or `timeout_ms` passed (0).  Also moves stderr. */
int transport_wait(struct transport *t, unsigned int events, int timeout_ms,
		   struct err *e) MUST_CHECK;
int transport_half_close(struct transport *t, struct err *e) MUST_CHECK;

/*
 * After an unexpected end: say why, from exit status and stderr.  Sets and
 * returns ERR_NOTFOUND (no such program there), ERR_DENIED, or ERR_SYS.
 */
int transport_explain(struct transport *t, struct err *e);

/* For people: "pipe to git-deepops-serve", "ssh child to host (ProxyJump is set)". */
const char *transport_describe(const struct transport *t);

/* ---- for the implementations ---- */

#define TRANSPORT_STDERR_BYTES 4096

struct transport_ops {
	int (*read)(struct transport *t, void *p, size_t n, struct err *e);
	int (*write)(struct transport *t, const void *p, size_t n, struct err *e);
	int (*wait)(struct transport *t, unsigned int events, int timeout_ms, struct err *e);
	int (*half_close)(struct transport *t, struct err *e);
	/* Collect the exit code (128 + n for a signal), -1 if unknown; stop what still runs. */
	int (*finish)(struct transport *t);
	void (*free)(struct transport *t); /* finish was called */
};

struct transport { /* first member of each kind's struct */
	const struct transport_ops *ops;
	bool at_end, finished;
	int exit_code;
	char *host;      /* NULL: local */
	char *program;   /* as it was started there, for messages */
	struct buf said; /* tail of stderr */
	struct buf describe;
};

void transport_init(struct transport *t, const struct transport_ops *ops, const char *host,
		    const char *program);
void transport_said(struct transport *t, const char *p, size_t n); /* stderr bytes */

#endif
