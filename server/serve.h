/* SPDX-License-Identifier: MIT */
/*
 * serve.h - the server's end of gitprotocol-deepops(5) over stdin and stdout
 *
 * One process a connection, one thread.  Nothing a client sends is believed: ids are
 * recomputed, closure is checked at commit, sizes are bounded before anything
 * is allocated.  There is no request that deletes or overwrites.
 */
#ifndef SERVER_SERVE_H
#define SERVER_SERVE_H

#include "base/err.h"
#include "transport/transport.h"
#include "wire/msg.h"

struct serve_opts {
	const char *store_dir;
	enum msg_role role; /* MSG_ROLE_READ: requests that write are refused */
	const char *who;    /* for the audit log: user name */
};

/*
 * Serve until BYE or the end of input.  An error that is the client's has been
 * told to it in an ERR frame and is returned too.
 */
int serve(struct transport *t, const struct serve_opts *opts, struct err *e) MUST_CHECK;

#endif
