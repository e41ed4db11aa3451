/* SPDX-License-Identifier: MIT */
/* post_receive.c - git-deepops-post-receive: derived things follow a push; see git-deepops-server(1) */
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sig.h"
#include "policy/after.h"

#define LOG_NAME "post-receive.log"
#define LOG_MAX_BYTES (1 * MIB) /* then it starts anew: it is for looking at the last trouble */

/* In the background: nobody reads what is said here but the log. */
static void follow(struct repo *r, const struct push *p)
{
	struct err e = ERR_INIT;
	char now[CLOCK_TEXT_BYTES];

	if (after_push(r, p, &e) == 0)
		return;
	clock_text(now, clock_now_ms());
	err_wrap(&e, "%s", now);
	err_hint(&e, "git deepops server index %s", repo_gitdir(r));
	log_fatal(&e);
}

/* 1 in the background process, 0 in git's, which ends: a child that keeps stderr keeps the push. */
static int leave(struct repo *r, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc;

	path_join(&path, repo_deepops_dir(r), LOG_NAME);
	rc = proc_background(path.p, LOG_MAX_BYTES, e);
	buf_release(&path);
	return rc;
}

int main(void)
{
	struct err e = ERR_INIT;
	struct repo *r = NULL;
	struct push p;
	int rc;

	sig_setup();
	rc = push_receive(&p, &e);
	if (rc == 0 && p.n)
		rc = repo_open(&r, ".", REPO_BARE_AT, &e);
	if (rc == 0 && r)
		rc = push_resolve(&p, r, &e);
	/* The push is done whatever happens here: never a failure, and no waiting. */
	if (rc == 0 && r)
		rc = leave(r, &e);
	if (rc == 1)
		follow(r, &p);
	else if (rc < 0)
		log_fatal(&e);
	repo_close(r);
	push_release(&p);
	return 0;
}
