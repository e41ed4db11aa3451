/* SPDX-License-Identifier: MIT */
/*
 * u-transport.c - unit tests of transport/transport, pipe and sshchild
 *
 * A script stands for ssh and for the server program; the same transports over
 * a real sshd: t3000-transport.sh.
 */
#include "transport/transport.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/sig.h"
#include "base/strvec.h"
#include "base/tempfile.h"
#include "transport/sshchild.h"

#include "tap.h"
#include "transport-echo.h"

static char dir[] = "/tmp/u-transport.XXXXXX";

/* Write an executable script and return its path. */
static const char *script(const char *name, const char *body)
{
	static char path[200];
	struct err e = ERR_INIT;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ok(tempfile_write(path, 0755, body, strlen(body), &e) == 0, "%s %s", name, e.msg);
	return path;
}

static int open_it(struct transport **t, const char *url, const char *serve, const char *ssh,
		   struct err *e)
{
	struct transport_where w = {.url = url, .serve = serve, .kind = "ssh", .ssh_command = ssh};

	return transport_open(t, &w, e);
}

static void explain(const char *label, const char *url, const char *serve, const char *ssh,
		    int code, const char *msg)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;

	ok(open_it(&t, url, serve, ssh, &e) == 0 && read_to_end(t, &out, &e), "%s: starts", label);
	is_u64((uint64_t)-transport_explain(t, &e), (uint64_t)-code, label);
	is_str(e.msg, msg, label);
	transport_close(&t);
	buf_release(&out);
}

static void test_pipe(void)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;

	ok(open_it(&t, "/some/where", "sh -c cat", NULL, &e) == 0, "a local peer");
	is_str(transport_describe(t), "pipe to sh -c cat", "describes itself");
	echo(t, "pipe");
	transport_close(&t);
	explain("missing", "/a", "/nonexistent/serve", NULL, ERR_NOTFOUND,
		"this machine: /nonexistent/serve is not installed there");
	explain("words", "/a", "printf 'fatal: none\\nhint: x\\n' >&2; exit 3; :", NULL, ERR_SYS,
		"printf 'fatal: none\\nhint: x\\n' >&2; exit 3; :: none");
	explain("silent", "/a", "exit 3; :", NULL, ERR_SYS,
		"this machine: exit 3; : ended with exit code 3");
}

static void test_chatter(void)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;

	/* More on stderr than a pipe holds must not block the other streams. */
	ok(open_it(&t, "/a", "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done; :", NULL,
		   &e) == 0,
	   "a noisy peer");
	ok(read_to_end(t, &out, &e), "is read to its end");
	is_str(out.p, "done\n", "all of it");
	ok(t->said.len <= TRANSPORT_STDERR_BYTES, "the noise is kept in part");
	transport_close(&t);
	buf_release(&out);
}

static void test_ssh(void)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	const char *ssh = script("ssh", "#!/bin/sh\nprintf '%s|' \"$@\"\n");

	ok(open_it(&t, "ssh://me@host:2200/a b'c", NULL, ssh, &e) == 0 && read_to_end(t, &out, &e),
	   "ssh is started");
	is_str(out.p, "-p|2200|me@host|git-deepops-serve '/a b'\\''c'|", "as git would start it");
	is_str(transport_describe(t), "ssh child to host", "describes itself");
	transport_close(&t);
	buf_reset(&out);
	ssh = script("plink", "#!/bin/sh\nprintf '%s|' \"$@\"\n");
	ok(open_it(&t, "ssh://host:2200/a", "/opt/serve -x", ssh, &e) == 0 &&
		   read_to_end(t, &out, &e),
	   "plink is started");
	is_str(out.p, "-P|2200|host|/opt/serve -x '/a'|", "with its own word for the port");
	transport_close(&t);
	buf_release(&out);
}

static void test_ssh_echo(void)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;
	const char *ssh = script("ssh", "#!/bin/sh\nshift\neval \"$1\"\n");

	ok(open_it(&t, "host:p", "sh -c cat", ssh, &e) == 0, "an ssh peer");
	echo(t, "ssh");
	transport_close(&t);
}

static void test_ssh_failures(void)
{
	explain("unknown host key", "host:p", NULL,
		"echo 'No ED25519 host key is known for host and you have requested strict "
		"checking.' >&2; echo 'Host key verification failed.' >&2; exit 255; :",
		ERR_DENIED,
		"ssh to host: No ED25519 host key is known for host and you have requested strict "
		"checking.; Host key verification failed.");
	explain("login", "host:p", NULL,
		"echo 'me@host: Permission denied (publickey).' >&2; exit 255; :", ERR_DENIED,
		"ssh to host: me@host: Permission denied (publickey).");
	explain("missing program", "host:p", NULL,
		"echo 'bash: line 1: git-deepops-serve: command not found' >&2; exit 127; :",
		ERR_NOTFOUND, "host: git-deepops-serve is not installed there");
	explain("cut", "host:p", NULL, "kill -9 $$; :", ERR_SYS,
		"host: git-deepops-serve ended with exit code 137");
}

static void test_refusals(void)
{
	struct transport *t = NULL;
	struct transport_where w = {.url = "host:p", .kind = "telnet"};
	struct err e = ERR_INIT;

	ok(transport_open(&t, &w, &e) == ERR_INPUT && !t, "an unknown kind");
	is_str(e.msg, "deepops.sshTransport is 'telnet', not auto, libssh2 or ssh", "is named");
	ok(open_it(&t, "ssh://-x/a", NULL, NULL, &e) == ERR_INPUT && !t, "a host like an option");
}

int main(void)
{
	struct err e = ERR_INIT;

	sig_setup();
	if (!mkdtemp(dir))
		return 1;
	test_pipe();
	test_chatter();
	test_ssh();
	test_ssh_echo();
	test_ssh_failures();
	test_refusals();
	ok(path_remove_tree(dir, &e) == 0, "clean up %s", e.msg);
	return done_testing();
}
