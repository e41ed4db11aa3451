/* SPDX-License-Identifier: MIT */
/*
 * sshchild.h - transport through the user's own ssh program
 *
 * Brings everything that ssh is configured to do: jump hosts, hardware keys,
 * certificates, connection sharing.  The command line is git's: words for a
 * shell from GIT_SSH_COMMAND or core.sshCommand, or a program from GIT_SSH;
 * `-p port` (`-P port` for plink and its kin); [user@]host; the remote command
 * with its path in single quotes.
 */
#ifndef TRANSPORT_SSHCHILD_H
#define TRANSPORT_SSHCHILD_H

#include "base/strvec.h"
#include "transport/transport.h"
#include "transport/url.h"

int sshchild_open(struct transport **out, const struct url *u, const struct transport_where *where,
		  struct err *e) MUST_CHECK;

/* The argv up to and including the host; `option` (may be NULL) goes in front of it. */
void sshchild_args(struct strvec *argv, const struct url *u, const struct transport_where *where,
		   const char *option);

/* "git-deepops-serve '/path'", for the shell at the far end. */
void sshchild_remote_command(struct buf *out, const struct url *u, const char *serve);

#endif
