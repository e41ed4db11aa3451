/* SPDX-License-Identifier: MIT */
/* server.c - `git deepops server`: on the host of a bare repository; see git-deepops-server(1) */
#include "server.h"

#include <ctype.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "policy/after.h"
#include "wire/msg.h"

static const char *const usage[] = {"git deepops server install [--policy FILE] [--mode MODE] REPO",
				    "git deepops server doctor [--keys FILE] [--json] REPO",
				    "git deepops server index [--rebuild] REPO",
				    "git deepops server quota [--max SIZE] [--json] REPO",
				    "git deepops server scrub [--slice SIZE] [--json] REPO",
				    "git deepops server authorize REPO USER ROLE",
				    NULL};

int cmd_server_open(struct repo **r, int argc, char **argv, struct err *e)
{
	int rc;

	*r = NULL;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "one repository is wanted");
	rc = repo_open(r, argv[1], REPO_BARE_AT, e);
	if (rc == 0 && !repo_is_bare(*r)) {
		repo_close(*r);
		*r = NULL;
		rc = err_set(e, ERR_INPUT, "%s is not a bare repository", argv[1]);
	}
	return rc;
}

static int server_index(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const index_usage[] = {"git deepops server index [--rebuild] REPO",
						  NULL};
	struct after_index what = {.rebuild = false};
	struct opt opts[] = {OPT_BOOL("rebuild", 0, &what.rebuild, "read all journals again"),
			     OPT_END};
	struct repo *r;
	int rc = cmd_parse(ctx, &argc, argv, opts, index_usage, 0, e);

	if (rc)
		return rc;
	rc = cmd_server_open(&r, argc, argv, e);
	if (rc < 0)
		return rc;
	rc = after_index(r, &what, e);
	if (rc == 0)
		printf("records %" PRIu64 ", roots %" PRIu64 "\n", what.records, what.roots);
	repo_close(r);
	return rc;
}

/* ---- authorize ---- */

static bool name_ok(const char *user)
{
	return *user && *user != '-' &&
	       user[strspn(user, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "@._+-")] == '\0';
}

/* One public key, as ssh-keygen writes it: no options, which could undo ours. */
static int read_key(struct buf *key, struct err *e)
{
	int rc = io_read_fd(STDIN_FILENO, 16 * KIB, key, e);

	buf_rtrim(key);
	if (rc == 0 && (strchr(key->p, '\n') || !strchr(key->p, ' ') ||
			!(buf_startswith(key, "ssh-") || buf_startswith(key, "ecdsa-") ||
			  buf_startswith(key, "sk-"))))
		rc = err_set(e, ERR_INPUT, "standard input is not one public key");
	for (size_t i = 0; rc == 0 && i < key->len; i++)
		if (iscntrl((unsigned char)key->p[i]))
			rc = err_set(e, ERR_INPUT, "the public key holds a control character");
	return rc;
}

static int print_line(struct repo *r, const char *user, const char *role, const struct buf *key,
		      struct err *e)
{
	struct buf command = BUF_INIT, program = BUF_INIT;
	int rc = path_beside_program(&program, "git-deepops-serve", e);

	if (rc == 0) {
		path_shell_quote(&command, program.p);
		buf_addf(&command, " --user %s --role %s ", user, role);
		path_shell_quote(&command, repo_gitdir(r));
		fputs("restrict,command=\"", stdout);
		for (const char *p = command.p; *p; p++)
			printf("%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
		printf("\" %s\n", key->p);
	}
	buf_release(&command);
	buf_release(&program);
	return rc;
}

static int server_authorize(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const authorize_usage[] = {"git deepops server authorize REPO USER ROLE",
						      NULL};
	struct opt opts[] = {OPT_END};
	struct buf key = BUF_INIT;
	enum msg_role role;
	struct repo *r;
	int rc = cmd_parse(ctx, &argc, argv, opts, authorize_usage, 0, e);

	if (rc)
		return rc;
	if (argc != 4)
		return err_set(e, ERR_USAGE, "repository, user and role are wanted");
	if (!name_ok(argv[2]))
		return err_set(e, ERR_INPUT, "'%s' is not a user name", argv[2]);
	if (!msg_role_parse(argv[3], &role))
		return err_set(e, ERR_INPUT, "'%s' is not one of read push maintain", argv[3]);
	rc = cmd_server_open(&r, 2, argv, e);
	if (rc < 0)
		return rc;
	rc = read_key(&key, e);
	if (rc == 0)
		rc = print_line(r, argv[2], argv[3], &key, e);
	buf_release(&key);
	repo_close(r);
	return rc;
}

int cmd_server(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const struct {
		const char *name;
		cmd_fn run;
	} parts[] = {
		{"authorize", server_authorize}, {"doctor", cmd_server_doctor},
		{"index", server_index},         {"install", cmd_server_install},
		{"quota", cmd_server_quota},     {"scrub", cmd_server_scrub},
	};
	struct opt opts[] = {OPT_END};
	int rc;

	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(parts); i++) {
		if (!strcmp(argv[1], parts[i].name)) {
			ctx->name = "server";
			return parts[i].run(ctx, argc - 1, argv + 1, e);
		}
	}
	rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_STOP_AT_OPERAND, e);
	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "unknown command `server %s'", argv[1]);
	return err_set(e, ERR_USAGE, "install, doctor, index, quota, scrub or authorize is wanted");
}
