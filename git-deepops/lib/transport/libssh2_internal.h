/* SPDX-License-Identifier: MIT */
/*
 * libssh2_internal.h - one connection, shared by libssh2.c (stream), libssh2_hostkey.c and libssh2_auth.c
 */
#ifndef TRANSPORT_LIBSSH2_INTERNAL_H
#define TRANSPORT_LIBSSH2_INTERNAL_H

#include "transport/libssh2.h"

#include <libssh2.h>

#include "transport/sshconf.h"

/* Who left a packet half sent: nobody else may send before it went on. */
enum libssh2_pending { LIBSSH2_PENDING_NONE, LIBSSH2_PENDING_READ, LIBSSH2_PENDING_WRITE };

struct libssh2 {
	struct transport base;
	struct sshconf conf;
	int fd;
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	enum libssh2_pending pending;
	struct buf stage; /* read and not yet asked for */
	size_t stage_at;
	bool window_shut;            /* the last write found no window */
	uint64_t heard_ms, asked_ms; /* last bytes from there; last keep-alive from here */
};

/* "HOST: what (what libssh2 says)"; returns `code`. */
int libssh2_fail(struct libssh2 *c, enum err_code code, const char *what, struct err *e);

/*
 * Before the handshake: ask for key types that known_hosts holds for this host.
 * ERR_DENIED: none of them is one libssh2 knows.
 */
int libssh2_hostkey_prefer(struct libssh2 *c, LIBSSH2_KNOWNHOSTS **known, struct err *e) MUST_CHECK;
/* After it: the key must be the known one. */
int libssh2_hostkey_check(struct libssh2 *c, LIBSSH2_KNOWNHOSTS *known, struct err *e) MUST_CHECK;

/* Agent, then key files. */
int libssh2_auth(struct libssh2 *c, struct err *e) MUST_CHECK;

#endif
