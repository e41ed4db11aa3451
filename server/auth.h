/* SPDX-License-Identifier: MIT */
/*
 * auth.h - which repository, and what a forced command lets its user do
 *
 * An authorized_keys line such as
 *
 *	restrict,command="git-deepops-serve --user alice --role push /srv/p.git" ssh-ed25519 ...
 *
 * makes sshd run that, whatever the client asked for; what it asked for is in
 * SSH_ORIGINAL_COMMAND.  Only its program word counts: it chooses between
 * git-receive-pack, git-upload-pack and the chunk server; path and role are
 * the forced command's.
 */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

/*
 * The git directory that `path` means, found as git's own servers do: path/.git, path,
 * path.git/.git, path.git; "~/x" and "~user/x" are below a home.  ERR_NOTFOUND names the path.
 */
int auth_find_repo(const char *path, struct buf *git_dir, struct err *e) MUST_CHECK;

/*
 * With a forced command and a client that wants git: become it (does not return).  0: the chunk
 * server is wanted.  ERR_DENIED: something else is, or the role forbids it.
 */
int auth_dispatch(const char *original_command, const char *git_dir, enum msg_role role,
		  struct err *e) MUST_CHECK;

#endif
