/* SPDX-License-Identifier: MIT */
/* sshchild.c - transport through the user's own ssh program; see sshchild.h */
#include "transport/sshchild.h"

#include "base/path.h"
#include "transport/pipe.h"

/* Programs that take -P where ssh takes -p; git knows the same three. */
static const char *const plinks[] = {"plink", "putty", "tortoiseplink"};

/* Last path component of the first word of the command, without ".exe". */
static void program_name(struct buf *out, const struct transport_where *where)
{
	const char *cmd = where->ssh_command ? where->ssh_command : "ssh";
	size_t len = where->ssh_command_is_program ? strlen(cmd) : strcspn(cmd, " \t");
	const char *slash = memrchr(cmd, '/', len);

	if (slash) {
		len -= (size_t)(slash + 1 - cmd);
		cmd = slash + 1;
	}
	buf_add(out, cmd, len);
	if (str_endswith(out->p, ".exe"))
		buf_setlen(out, out->len - strlen(".exe"));
}

static const char *port_option(const struct transport_where *where)
{
	struct buf name = BUF_INIT;
	const char *option = "-p";

	program_name(&name, where);
	for (size_t i = 0; i < ARRAY_SIZE(plinks); i++) {
		if (!strcmp(name.p, plinks[i]))
			option = "-P";
	}
	buf_release(&name);
	return option;
}

void sshchild_args(struct strvec *argv, const struct url *u, const struct transport_where *where,
		   const char *option)
{
	if (!where->ssh_command)
		strvec_push(argv, "ssh");
	else if (where->ssh_command_is_program)
		strvec_push(argv, where->ssh_command);
	else
		pipe_shell_args(argv, where->ssh_command);
	if (option)
		strvec_push(argv, option);
	if (u->port) {
		strvec_push(argv, port_option(where));
		strvec_pushf(argv, "%u", u->port);
	}
	if (u->user)
		strvec_pushf(argv, "%s@%s", u->user, u->host);
	else
		strvec_push(argv, u->host);
}

void sshchild_remote_command(struct buf *out, const struct url *u, const char *serve)
{
	buf_addf(out, "%s ", serve ? serve : TRANSPORT_SERVE);
	path_shell_quote(out, u->path);
}

int sshchild_open(struct transport **out, const struct url *u, const struct transport_where *where,
		  struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf command = BUF_INIT;
	int rc;

	sshchild_args(&p.args, u, where, NULL);
	sshchild_remote_command(&command, u, where->serve);
	strvec_push(&p.args, command.p);
	rc = pipe_start(out, &p, u->host, where->serve ? where->serve : TRANSPORT_SERVE, e);
	if (rc == 0)
		buf_addf(&(*out)->describe, "ssh child to %s", u->host);
	buf_release(&command);
	proc_release(&p);
	return rc;
}
