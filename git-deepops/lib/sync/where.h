/* SPDX-License-Identifier: MIT */
/*
 * where.h - which chunk remote belongs to a git remote
 *
 * In this order: remote.<name>.deepopsUrl, deepops.remote (a URL for every git
 * remote that has deepops = true), both in git config; `remote` in the committed
 * .deepops/config; else beside the git remote's own URL.  The committed file is an outsider's input: only an
 * allow-list of keys is read from it, and a remote on another host than the git
 * remote's, or a local path, is used only when its URL stands in
 * deepops.confirmed in git config (`git deepops remote add` puts it there).
 */
#ifndef SYNC_WHERE_H
#define SYNC_WHERE_H

#include "repo/repo.h"
#include "store/remote.h"

struct where {
	struct buf name; /* git remote: "origin" */
	struct buf url, serve, transport, ssh_command;
	bool ssh_command_is_program;
};

void where_init(struct where *w);
void where_release(struct where *w);

/* Data goes where commits go to and comes from where they come from: not always the same. */
enum where_way { WHERE_TO, WHERE_FROM };

/*
 * `name` NULL: the remote that a plain `git push` or `git fetch` of the current branch would
 * use: branch.<name>.pushRemote and remote.pushDefault (to), branch.<name>.remote, the only
 * remote, origin.  ERR_NOTFOUND: no such remote, with the hint that adds one.
 * ERR_DENIED: the committed file names a place that was not confirmed.
 */
int where_resolve(struct repo *r, const char *name, enum where_way way, struct where *out,
		  struct err *e) MUST_CHECK;

/* remote.<name>.deepops is true: hooks act on it. */
int where_is_ours(struct repo *r, const char *name, bool *ours, struct err *e) MUST_CHECK;

/* The view remote_open() takes; borrows from `w`. */
struct remote_where where_view(const struct where *w);

#endif
