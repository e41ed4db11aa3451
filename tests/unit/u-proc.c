/* SPDX-License-Identifier: MIT */
/* u-proc.c - children: descriptors, environment, failures; see base/proc.h */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/proc.h"
#include "base/sig.h"
#include "tap.h"

/* Output of `sh -c script`; returns proc_capture's result. */
static int sh(const char *script, const struct buf *in, struct buf *out, struct err *e)
{
	struct proc p = PROC_INIT;
	int rc;

	buf_reset(out);
	strvec_pushl(&p.args, "sh", "-c", script, NULL);
	rc = proc_capture(&p, in, MIB, out, e);
	proc_release(&p);
	return rc;
}

static void test_capture(void)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT, in = BUF_INIT;

	ok(sh("echo hello; exit 3", NULL, &out, &e) == 3, "exit code");
	is_str(out.p, "hello\n", "output");
	ok(sh("kill -9 $$", NULL, &out, &e) == 128 + SIGKILL, "signal");
	/* More than two pipes hold: only a loop over both ends gets through. */
	for (int i = 0; i < 100000; i++)
		buf_addstr(&in, "0123456789");
	ok(sh("cat", &in, &out, &e) == 0 && !buf_cmp(&in, &out), "1 MB through cat");
	buf_addstr(&in, "0123456789012345678901234567890123456789012345678");
	while (in.len <= MIB)
		buf_addstr(&in, "0123456789");
	ok(sh("cat", &in, &out, &e) == ERR_LIMIT, "limit: %s", e.msg);
	ok(sh("exit 0", &in, &out, &e) == 0, "a child that does not read its input");
	buf_reset(&in);
	ok(sh("cat; echo end", &in, &out, &e) == 0, "empty input is end of file");
	is_str(out.p, "end\n", "and the child goes on");
	buf_release(&in);
	buf_release(&out);
}

static void test_failures(void)
{
	struct err e = ERR_INIT;
	struct proc p = PROC_INIT;

	strvec_push(&p.args, "no-such-program-here");
	ok(proc_start(&p, &e) == ERR_NOTFOUND, "absent: %s", e.msg);
	proc_release(&p);
	p = (struct proc)PROC_INIT;
	strvec_push(&p.args, "/etc/passwd");
	ok(proc_start(&p, &e) == ERR_SYS && e.sys == EACCES, "not executable: %s", e.msg);
	proc_release(&p);
	p = (struct proc)PROC_INIT;
	strvec_push(&p.args, "true");
	p.dir = "/no/such/dir";
	ok(proc_start(&p, &e) == ERR_SYS && e.sys == ENOENT, "no such directory: %s", e.msg);
	proc_release(&p);
}

static void test_environment(void)
{
	struct err e = ERR_INIT;
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;

	setenv("U_PROC_A", "old", 1);
	setenv("U_PROC_B", "gone", 1);
	strvec_pushl(&p.args, "sh", "-c", "echo $U_PROC_A ${U_PROC_B-unset}; pwd", NULL);
	strvec_pushl(&p.env, "U_PROC_A=first", "U_PROC_A=new", "U_PROC_B", NULL);
	p.dir = "/";
	ok(proc_capture(&p, NULL, KIB, &out, &e) == 0, "runs");
	is_str(out.p, "new unset\n/\n", "environment and directory");
	proc_release(&p);
	buf_release(&out);
}

/* Descriptors beyond stdio that whoever started us left open for all. */
static int inherited(void)
{
	int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0 && !(flags & FD_CLOEXEC);
	}
	return n;
}

/* What a child must not get from us: our pipes, blocked and ignored signals. */
static void test_clean_start(void)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	char want[16];
	sigset_t term;

	snprintf(want, sizeof(want), "%d\n", 4 + inherited()); /* 0..2 and what ls reads */
	ok(sh("ls /proc/self/fd | wc -l", NULL, &out, &e) == 0, "runs");
	is_str(out.p, want, "no descriptor of ours");
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	ok(sh("kill -TERM $$", NULL, &out, &e) == 128 + SIGTERM, "no signal is blocked");
	sigprocmask(SIG_UNBLOCK, &term, NULL);
	ok(sh("kill -PIPE $$", NULL, &out, &e) == 128 + SIGPIPE, "our SIG_IGN stays here");
	buf_release(&out);
}

/* Our own stdio closed: the pipes must not land on 0..2 of the child crosswise. */
static void test_closed_stdio(void)
{
	struct err e = ERR_INIT;
	struct buf in = BUF_INIT, out = BUF_INIT;
	int saved[2] = {dup(0), dup(1)};
	int rc;

	fflush(stdout);
	close(0);
	close(1);
	buf_addstr(&in, "through\n");
	rc = sh("cat", &in, &out, &e);
	dup2(saved[0], 0);
	dup2(saved[1], 1);
	ok(rc == 0, "runs with 0 and 1 closed");
	is_str(out.p, "through\n", "and the bytes arrive");
	close(saved[0]);
	close(saved[1]);
	buf_release(&in);
	buf_release(&out);
}

int main(void)
{
	sig_setup();
	test_capture();
	test_failures();
	test_environment();
	test_clean_start();
	test_closed_stdio();
	return done_testing();
}
