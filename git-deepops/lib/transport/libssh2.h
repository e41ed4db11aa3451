/* SPDX-License-Identifier: MIT */
/*
 * libssh2.h - transport through libssh2, in this process
 *
 * Faster to start than an ssh child.  Host, user, keys, agent, known hosts and
 * algorithms are what `ssh -G` resolves.  A host key that is unknown or has
 * changed is always refused.  What libssh2 1.10 can't do (RSA keys, etm-only
 * MACs, jump hosts, hardware keys, certificates, patterns in known_hosts) is
 * left to the child: gitprotocol-deepops(5) has the list.
 */
#ifndef TRANSPORT_LIBSSH2_H
#define TRANSPORT_LIBSSH2_H

#include "transport/transport.h"
#include "transport/url.h"

/*
 * On an error *final says that an ssh child would fare no better: the host is
 * unreachable, or its key is not the known one.
 */
int libssh2_transport_open(struct transport **out, const struct url *u,
			   const struct transport_where *where, bool *final,
			   struct err *e) MUST_CHECK;

const char *libssh2_library(void); /* its version, for `git deepops version` */

#endif
