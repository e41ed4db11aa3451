/* SPDX-License-Identifier: MIT */
/*
 * transport.c - the transport test suite: transport [-d|-e] KIND URL
 *
 * KIND is pipe, ssh or libssh2; the shell at the far end stands for the server
 * program.  Run by t3000-transport.sh over every kind, with a real sshd.  -d says
 * `hello` through the transport and prints how it describes itself, or its error; -e
 * moves bytes only.
 */
#include "../../unit/transport-echo.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/sig.h"

static const char *kind, *url;

static struct transport *start(const char *serve)
{
	struct transport *t = NULL;
	struct err e = ERR_INIT;
	struct transport_where w = {
		.url = url,
		.serve = serve,
		.kind = strcmp(kind, "pipe") != 0 ? kind : NULL,
		.ssh_command = getenv("GIT_SSH_COMMAND"),
	};

	ok(transport_open(&t, &w, &e) == 0, "%s starts '%s' (%s)", kind, serve, e.msg);
	return t;
}

static void test_describe(struct transport *t)
{
	char want[40];

	snprintf(want, sizeof(want), "%s%s to ", kind, strcmp(kind, "ssh") != 0 ? "" : " child");
	ok(str_startswith(transport_describe(t), want, NULL), "%s", transport_describe(t));
}

static void test_echo(void)
{
	struct transport *t = start("sh -c cat");

	if (!t)
		return;
	test_describe(t);
	echo(t, kind);
	transport_close(&t);
}

static void test_output(const char *label, const char *serve, const char *want)
{
	struct transport *t = start(serve);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (!t)
		return;
	ok(read_to_end(t, &out, &e), "%s: read to its end (%s)", label, e.msg);
	is_str(out.p, want, label);
	transport_close(&t);
	buf_release(&out);
}

static void test_download(void)
{
	enum { TOTAL = 20 * 1000 * 1000 };
	struct transport *t = start("head -c 20000000 /dev/zero; :");
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (!t)
		return;
	ok(read_to_end(t, &out, &e), "a long answer is read (%s)", e.msg);
	is_u64(out.len, TOTAL, "all of it");
	transport_close(&t);
	buf_release(&out);
}

static void test_explain(const char *label, const char *serve, int code, const char *part)
{
	struct transport *t = start(serve);
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	if (!t)
		return;
	ok(read_to_end(t, &out, &e), "%s ends (%s)", label, e.msg);
	is_u64((uint64_t)-transport_explain(t, &e), (uint64_t)-code, label);
	ok(strstr(e.msg, part) != NULL, "%s: %s", label, e.msg);
	transport_close(&t);
	buf_release(&out);
}

static void test_timeout(void)
{
	struct transport *t = start("sleep 1; echo late; :");
	struct err e = ERR_INIT;
	uint64_t before = clock_mono_ms();
	char p[8];
	int n = 0;

	if (!t)
		return;
	while (n == 0 && clock_mono_ms() - before < 200) {
		n = transport_read(t, p, sizeof(p), &e);
		if (n == 0)
			n = transport_wait(t, TRANSPORT_READ, 100, &e) < 0 ? -1 : 0;
	}
	ok(n == 0, "waiting for a silent peer ends in time");
	while (n == 0 && !transport_at_end(t)) {
		n = transport_read(t, p, sizeof(p), &e);
		if (n == 0)
			n = transport_wait(t, TRANSPORT_READ, 5000, &e) < 0 ? -1 : 0;
	}
	ok(n == 5 && !memcmp(p, "late\n", 5), "and its bytes come later (%s)", e.msg);
	transport_close(&t);
}

/* The peer stops reading and ends: writing must come to an end too. */
static void test_peer_leaves(void)
{
	static char block[65536];
	struct transport *t = start("head -c 10 >/dev/null; echo enough; :");
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	uint64_t before = clock_mono_ms();
	bool deaf = false;
	int n = 0;

	if (!t)
		return;
	while (n >= 0 && !deaf && !transport_at_end(t) && clock_mono_ms() - before < 10000) {
		n = transport_write(t, block, sizeof(block), &e);
		deaf = n < 0 && e.sys == EPIPE;
		buf_grow(&out, 100);
		n = transport_read(t, out.p + out.len, 100, &e);
		if (n > 0)
			buf_setlen(&out, out.len + (size_t)n);
		if (n == 0)
			n = transport_wait(t, TRANSPORT_READ | TRANSPORT_WRITE, 1000, &e);
	}
	ok(deaf || transport_at_end(t), "a peer that leaves is noticed (%s)", e.msg);
	ok(read_to_end(t, &out, &e), "its last words are read (%s)", e.msg);
	is_str(out.p, "enough\n", "and are complete");
	transport_close(&t);
	buf_release(&out);
}

static int describe(void)
{
	struct transport_where w = {
		.url = url,
		.serve = "echo hello; :",
		.kind = kind,
		.ssh_command = getenv("GIT_SSH_COMMAND"),
	};
	struct transport *t = NULL;
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = transport_open(&t, &w, &e);

	if (rc == 0) {
		puts(transport_describe(t));
		if (read_to_end(t, &out, &e) && !strcmp(out.p, "hello\n"))
			puts("hello");
		else
			rc = e.code ? e.code : transport_explain(t, &e);
	}
	if (rc < 0)
		fprintf(stderr, "fatal: %s\nhint: %s\n", e.msg, e.hint);
	transport_close(&t);
	buf_release(&out);
	return rc < 0 ? 128 : 0;
}

int main(int argc, char **argv)
{
	const char *option = argc == 4 ? argv[1] : "";

	if (argc != 3 && argc != 4)
		return 129;
	kind = argv[argc - 2];
	url = argv[argc - 1];
	sig_setup();
	if (!strcmp(option, "-d"))
		return describe();
	if (!strcmp(option, "-e")) {
		test_echo();
		test_download();
		return done_testing();
	}
	test_echo();
	test_output("output", "echo hello; :", "hello\n");
	test_output("the path, quoted", "printf %s", strchr(url, '/') ? strrchr(url, '/') : "");
	test_output("much on stderr",
		    "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done; :", "done\n");
	test_download();
	test_timeout();
	test_peer_leaves();
	test_explain("missing program", "/nonexistent/serve", ERR_NOTFOUND,
		     "is not installed there");
	test_explain("exit code", "exit 3; :", ERR_SYS, "exit code 3");
	test_explain("last words", "echo 'fatal: boom' >&2; exit 1; :", ERR_SYS, "boom");
	return done_testing();
}
