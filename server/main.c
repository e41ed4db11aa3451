/* SPDX-License-Identifier: MIT */
/* main.c - git-deepops-serve: the chunk server beside a git repository */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/path.h"
#include "base/sig.h"
#include "serve.h"
#include "transport/pipe.h"

#define EXIT_FATAL 128
#define EXIT_USAGE 129

static const char *const usage[] = {"git-deepops-serve [options] REPO", NULL};

struct args {
	const char *role_name, *user;
	bool version;
	enum msg_role role;
};

/* The user name reaches hooks through the environment: that is who pushes. */
static int set_user(const char *user, struct err *e)
{
	if (user && setenv("DEEPOPS_USER", user, 1) < 0)
		return err_sys(e, "DEEPOPS_USER");
	return 0;
}

static int serve_stdio(const char *git_dir, const struct args *a, struct err *e)
{
	struct buf dir = BUF_INIT;
	struct serve_opts opts = {NULL, a->role, a->user};
	struct transport *t = NULL;
	int rc;

	path_join(&dir, git_dir, "deepops");
	opts.store_dir = dir.p;
	if (!opts.who)
		opts.who = getenv("DEEPOPS_USER");
	rc = pipe_stdio(&t, e);
	if (rc == 0)
		rc = serve(t, &opts, e);
	transport_close(&t);
	buf_release(&dir);
	return rc;
}

static int run(const struct args *a, const char *path, struct err *e)
{
	const char *original = getenv("SSH_ORIGINAL_COMMAND");
	struct buf git_dir = BUF_INIT;
	int rc = auth_find_repo(path, &git_dir, e);

	if (rc == 0)
		rc = set_user(a->user, e);
	/* Only a forced command names a user or a role: without one the shell has obeyed the client. */
	if (rc == 0 && original && (a->user || a->role_name))
		rc = auth_dispatch(original, git_dir.p, a->role, e);
	if (rc == 0)
		rc = serve_stdio(git_dir.p, a, e);
	buf_release(&git_dir);
	return rc;
}

static int parse(int *argc, char **argv, struct args *a, struct err *e)
{
	struct opt opts[] = {
		OPT_STR("role", 0, &a->role_name, "role", "read, push (default) or maintain"),
		OPT_STR("user", 0, &a->user, "name", "who the key belongs to"),
		OPT_BOOL("version", 0, &a->version, "print the version"), OPT_END};
	struct buf text = BUF_INIT;
	int rc = opt_parse(argc, argv, opts, usage, 0, &text, e);

	if (rc > 0)
		fputs(text.p, stdout);
	buf_release(&text);
	if (rc == 0 && !a->version && *argc != 2)
		rc = err_set(e, ERR_USAGE, "one repository is wanted");
	a->role = MSG_ROLE_PUSH;
	if (rc == 0 && a->role_name && !msg_role_parse(a->role_name, &a->role))
		rc = err_set(e, ERR_USAGE, "unknown role '%s'", a->role_name);
	return rc;
}

int main(int argc, char **argv)
{
	struct args a = {NULL, NULL, false, MSG_ROLE_PUSH};
	struct err e = ERR_INIT;
	int rc;

	sig_setup();
	rc = parse(&argc, argv, &a, &e);
	if (rc > 0)
		return 0;
	if (rc == 0 && a.version) {
		puts("git-deepops-serve " DEEPOPS_VERSION);
		return 0;
	}
	if (rc == 0)
		rc = run(&a, argv[1], &e);
	if (rc == 0)
		return 0;
	log_fatal(&e);
	return rc == ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
}
