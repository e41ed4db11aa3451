/* SPDX-License-Identifier: MIT */
/*
 * auth.h - who is asking, for which repository, by which program
 *
 * sshd has authenticated the user before we run.  As a forced command in
 * authorized_keys,
 *
 *	restrict,command="git-deepops-serve --user alice --role push /srv/p.git" ssh-ed25519 …
 *
 * repository, user and role are what stands there; of what the client asked
 * for (SSH_ORIGINAL_COMMAND) only the program's name counts.
 */
#ifndef AUTH_H
#define AUTH_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/msg.h"

enum auth_program { AUTH_SERVE, AUTH_UPLOAD_PACK, AUTH_RECEIVE_PACK, AUTH_UPLOAD_ARCHIVE };

/*
 * Which program a client's command line names: `git-upload-pack 'x'`, `git
 * upload-pack 'x'`, `/opt/bin/git-deepops-serve 'x'`.  ERR_DENIED for others.
 */
int auth_program(const char *command, enum auth_program *program, struct err *e) MUST_CHECK;
/* May this role run it? ERR_DENIED names both. */
int auth_allows(enum msg_role role, enum auth_program program, struct err *e) MUST_CHECK;

/*
 * The git directory that `path` names, as git finds it: ~ and ~user, then
 * path/.git, path, path.git/.git, path.git.  ERR_NOTFOUND: no repository there.
 */
int auth_find_repo(struct buf *gitdir, const char *path, struct err *e) MUST_CHECK;

/*
 * Is it the .git of a work tree?  Its deepops/ is then the local store of
 * that clone, a cache that others must not push to.
 */
bool auth_has_worktree(const char *gitdir);

/* Files that we make are for whom the repository directory itself is for: sets the umask. */
int auth_set_umask(const char *gitdir, struct err *e) MUST_CHECK;

#endif
