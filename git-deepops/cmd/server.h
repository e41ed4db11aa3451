/* SPDX-License-Identifier: MIT */
/*
 * server.h - the parts of `git deepops server`, one file each
 */
#ifndef CMD_SERVER_H
#define CMD_SERVER_H

#include "cmd.h"
#include "policy/rules.h"

int cmd_server_install(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);
int cmd_server_quota(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);
int cmd_server_scrub(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);
int cmd_server_doctor(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);

struct cmd_server_setup {
	const char *policy_file; /* becomes the floor; NULL: none given */
	bool mode_given;
	enum rules_mode mode;
	bool quiet;
};
/* Make a bare repository a server's: store, config, floor policy, hooks, index. */
int cmd_server_setup(struct repo *r, const struct cmd_server_setup *s, struct err *e) MUST_CHECK;

/* The bare repository at argv[1], the only operand. */
int cmd_server_open(struct repo **r, int argc, char **argv, struct err *e) MUST_CHECK;

#endif
