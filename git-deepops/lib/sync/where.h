/* SPDX-License-Identifier: MIT */
/*
 * where.h - which chunk remote belongs to a git remote
 *
 * In this order: remote.<name>.deepopsUrl, deepops.remote (a URL for every git
 * remote that has deepops = true), both in git config; `remote` in the committed
 * .deepops/config; else beside the git remote's own URL.  The committed file is an outsider's input: only an
 * allow-list of keys is read from it, and any other place than the git remote's own (user, host,
 * port and path) is used only when its URL stands in deepops.confirmed in git config
 * (`git deepops remote add` puts it there).
 */
#ifndef SYNC_WHERE_H
#define SYNC_WHERE_H

#include "repo/repo.h"
#include "store/remote.h"

struct where {
	struct buf name;    /* git remote: "origin" */
	struct buf git_url; /* of it, as git uses it, that the data stands beside */
	bool one_of_many;   /* git_url is not all that pushing to `name` reaches */
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

/* Every URL that a push to the git remote `name` reaches, as git uses it. */
int where_push_urls(struct repo *r, const char *name, struct strvec *urls,
		    struct err *e) MUST_CHECK;

enum where_ours {
	WHERE_OURS,
	WHERE_MIRROR,   /* remote.<name>.deepops is false: no data by intention */
	WHERE_UNSAID,   /* a remote of which nothing is said */
	WHERE_STRANGER, /* no remote has this URL */
};

/*
 * A push to `name` (a remote, or a URL in any spelling) reaches the git URL `url`: where does its
 * data go?  One of several URLs of a remote may be a remote of its own, which then counts.
 * `out` is resolved only for WHERE_OURS; out->name is set for all but WHERE_STRANGER.
 */
int where_resolve_push(struct repo *r, const char *name, const char *url, struct where *out,
		       enum where_ours *ours, struct err *e) MUST_CHECK;

/*
 * The remotes but `name` that have the commit which gave the dataset or pointer `path` its version in HEAD, by
 * their tracking branches: who may have its data.  None where it can't be told.
 */
void where_others_with(struct repo *r, const char *name, const char *path, struct strvec *others);

/* Do two URLs lead to the same repository, as far as can be told from here? */
bool where_is_same_place(struct repo *r, const char *a, const char *b);

/* remote.<name>.deepops is true: hooks act on it. */
int where_is_ours(struct repo *r, const char *name, bool *ours, struct err *e) MUST_CHECK;

/* It is false, not merely absent: no data by intention. */
int where_is_mirror(struct repo *r, const char *name, bool *mirror, struct err *e) MUST_CHECK;

/* The view remote_open() takes; borrows from `w`. */
struct remote_where where_view(const struct where *w);

#endif
