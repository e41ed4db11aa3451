/* SPDX-License-Identifier: MIT */
/*
 * cmd.h - what a subcommand is
 *
 * main.c holds one sorted table; nothing registers itself: a new command is a
 * line there and a prototype below.  A subcommand
 * returns its exit code (0, 1 = "the answer is no") or a negative enum
 * err_code with `e` set: main prints it and exits 128, or 129 for ERR_USAGE.
 *
 *	int cmd_track(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
 *	{
 *		struct opt opts[] = { ... };
 *		int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);
 *		if (rc)
 *			return rc;		help or completion was printed, or a usage error
 */
#ifndef CMD_H
#define CMD_H

#include "base/err.h"
#include "base/opt.h"
#include "repo/repo.h"

enum cmd_needs {
	CMD_REPO = 1 << 0,     /* ctx->repo is open */
	CMD_WORKTREE = 1 << 1, /* and has a work tree */
	CMD_HIDDEN = 1 << 2,   /* not listed: hook, textconv and merge drivers */
};

struct cmd_ctx {
	const char *name;
	struct repo *repo;
};

typedef int (*cmd_fn)(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);

struct cmd {
	const char *name;
	cmd_fn run;
	unsigned int needs;
	const char *summary; /* one line for help and the man page */
};

#define CMD_DONE 1000 /* cmd_parse printed help or completion: return 0 */

/*
 * opt_parse plus the options every command has (-h, -q, -v, --progress,
 * --no-progress).  0: go on; CMD_DONE: return it (main turns it into exit 0); negative: error.
 */
int cmd_parse(struct cmd_ctx *ctx, int *argc, char **argv, const struct opt *opts,
	      const char *const *usage, enum opt_flags flags, struct err *e) MUST_CHECK;

#define INIT_NOTES "refs/notes/deepops*" /* notes.displayRef */
/* Has init been here?  Where not, git push sends neither data nor records. */
bool cmd_init_done(struct repo *r);
/* Where it has not, and there is a remote to push to: says so. */
void cmd_init_remind(struct repo *r);
/* Let git ignore `roots` in this clone on every branch; a warning where that cannot be. */
void cmd_track_exclude(struct repo *r, const struct strvec *roots);
/* Warn of those of `roots` that git does not ignore, for which `git add` would take the data itself. */
void cmd_track_warn(struct repo *r, const struct strvec *roots, const char *why);

/* The commands, sorted as in main.c's table. */
#define CMD_ARGS struct cmd_ctx *ctx, int argc, char **argv, struct err *e
int cmd_cat(CMD_ARGS);
int cmd_check(CMD_ARGS);
int cmd_checkout(CMD_ARGS);
int cmd_diff(CMD_ARGS);
int cmd_doctor(CMD_ARGS);
int cmd_drop(CMD_ARGS);
int cmd_du(CMD_ARGS);
int cmd_explain(CMD_ARGS);
int cmd_fetch(CMD_ARGS);
int cmd_fsck(CMD_ARGS);
int cmd_gc(CMD_ARGS);
int cmd_help(CMD_ARGS);
int cmd_hook(CMD_ARGS);
int cmd_init(CMD_ARGS);
int cmd_logs(CMD_ARGS);
int cmd_ls(CMD_ARGS);
int cmd_machine(CMD_ARGS);
int cmd_merge_driver(CMD_ARGS);
int cmd_notes(CMD_ARGS);
int cmd_policy(CMD_ARGS);
int cmd_pull(CMD_ARGS);
int cmd_push(CMD_ARGS);
int cmd_recover(CMD_ARGS);
int cmd_remote(CMD_ARGS);
int cmd_rerun(CMD_ARGS);
int cmd_retract(CMD_ARGS);
int cmd_run(CMD_ARGS);
int cmd_runs(CMD_ARGS);
int cmd_server(CMD_ARGS);
int cmd_sha256sums(CMD_ARGS);
int cmd_show(CMD_ARGS);
int cmd_status(CMD_ARGS);
int cmd_textconv(CMD_ARGS);
int cmd_track(CMD_ARGS);
int cmd_untrack(CMD_ARGS);
int cmd_version(CMD_ARGS);

#endif
