/* SPDX-License-Identifier: MIT */
/*
 * sshconf.h - what ~/.ssh/config says about a host, as `ssh -G` resolves it
 *
 * ssh itself reads its configuration: Host and Match blocks, includes, tokens.
 * We read the answer, one `key value` a line, and ask whether libssh2 can
 * honour all of it.  Keys we don't know are ssh's own business and ignored.
 */
#ifndef TRANSPORT_SSHCONF_H
#define TRANSPORT_SSHCONF_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"
#include "transport/transport.h"
#include "transport/url.h"

struct sshconf {
	char *hostname, *user;
	uint16_t port;
	char *family;             /* "any" "inet" "inet6" */
	struct strvec identities; /* files */
	bool identities_only;
	char *agent;                            /* socket; NULL: none */
	struct strvec known_hosts;              /* files */
	char *own_known_hosts;                  /* the one of them that a user adds to */
	char *key_alias;                        /* HostKeyAlias; NULL: none */
	char *ciphers, *macs, *kex, *host_keys; /* comma lists, best first */
	unsigned int connect_seconds, alive_seconds, alive_count;
	struct buf why_not; /* first setting that libssh2 can't honour; empty: it can */
};

void sshconf_init(struct sshconf *c);
void sshconf_release(struct sshconf *c);

/* Parse what `ssh -G` prints.  ERR_INPUT: that is no OpenSSH talking. */
int sshconf_parse(struct sshconf *c, const char *text, struct err *e) MUST_CHECK;

/* Run the configured ssh with -G for this host and parse its answer. */
int sshconf_resolve(struct sshconf *c, const struct url *u, const struct transport_where *where,
		    struct err *e) MUST_CHECK;

/* The name under which the host's key is known: alias, host, or [host]:port. */
void sshconf_known_name(const struct sshconf *c, struct buf *out);

/* The words of `list` that `can` has too, in the order of `list`, comma-separated. */
void sshconf_common(struct buf *out, const char *list, const char *const *can, size_t n);

#endif
