/* SPDX-License-Identifier: MIT */
/* u-err.c - error objects, log lines through a pipe, allocation failure */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "tap.h"

static void test_set_and_wrap(void)
{
	struct err e = ERR_INIT;
	char longtext[600];

	ok(err_set(&e, ERR_NOTFOUND, "chunk %d", 7) == ERR_NOTFOUND, "err_set returns its code");
	is_str(e.msg, "chunk 7", "message is formatted");
	ok(err_hint(&e, "run %s", "x") == ERR_NOTFOUND, "err_hint returns the code");
	ok(err_wrap(&e, "dataset %s", "a") == ERR_NOTFOUND, "err_wrap keeps the code");
	is_str(e.msg, "dataset a: chunk 7", "context stands in front");
	is_str(e.hint, "run x", "hint survives a wrap");
	err_set(&e, ERR_LIMIT, "other");
	is_str(e.hint, "", "a new error has no old hint");

	errno = ENOSPC;
	ok(err_sys(&e, "write %s", "f") == ERR_SYS && e.sys == ENOSPC && errno == ENOSPC,
	   "err_sys keeps errno");
	is_str(e.msg, "write f: No space left on device", "and says it");

	memset(longtext, 'x', sizeof(longtext) - 1);
	longtext[sizeof(longtext) - 1] = '\0';
	err_set(&e, ERR_INPUT, "%s", longtext);
	err_wrap(&e, "short");
	ok(strlen(e.msg) == sizeof(e.msg) - 1 && !strncmp(e.msg, "short: xxx", 10),
	   "too long a message loses its tail, not its context");

	ok(err_set(NULL, ERR_PROTO, "x") == ERR_PROTO && err_sys(NULL, "x") == ERR_SYS &&
		   err_wrap(NULL, "x") == ERR_SYS && err_hint(NULL, "x") == ERR_SYS,
	   "no error object is fine");
	err_clear(NULL);
}

static void test_sanitize(void)
{
	char out[16];

	err_sanitize(out, sizeof(out), "a\x1b[1m\nb\x7f");
	is_str(out, "a?[1m?b?", "control bytes are replaced");
	err_sanitize(out, sizeof(out), "x\xc2\x9by\xc3\xa9");
	is_str(out, "x?y\xc3\xa9", "C1 controls too, letters not");
	err_sanitize(out, sizeof(out),
		     "a\xe2\x80\xae"
		     "b\xe2\x81\xa6"
		     "c\xd8\x9c"
		     "d\xe2\x80\xa8");
	is_str(out, "a?b?c?d?", "what turns text around or breaks lines, too");
	err_sanitize(out, sizeof(out),
		     "a\x9b"
		     "b\xe2\x80"
		     "c\xff\xf0\x9f\x98\x80");
	is_str(out, "a?b??c?\xf0\x9f\x98\x80", "and bytes that are no UTF-8");
	err_sanitize(out, 4, "ab\xc3\xa9z");
	is_str(out, "ab", "no half character at the end");
	err_sanitize(out, 4, "abcdef");
	is_str(out, "abc", "cut to the room there is");
}

/* Run fn in a child and return what it wrote to stderr. */
static int in_child(void (*fn)(void), char *out, size_t n)
{
	int fds[2], status = 0;
	size_t got = 0;
	ssize_t k;
	pid_t pid;

	out[0] = '\0';
	fflush(stdout);
	if (pipe(fds) < 0 || (pid = fork()) < 0)
		return -1;
	if (!pid) {
		dup2(fds[1], 2);
		close(fds[0]);
		fn();
		_exit(0);
	}
	close(fds[1]);
	while (got + 1 < n && (k = read(fds[0], out + got, n - 1 - got)) > 0)
		got += (size_t)k;
	out[got] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

static void log_some(void)
{
	struct err e = ERR_INIT;

	log_warn("w%d\x1b", 1);
	log_verbose("not shown");
	log_set_level(LOG_QUIET);
	log_warn("not shown");
	log_set_level(LOG_VERBOSE);
	log_verbose("v");
	log_hint("h");
	err_set(&e, ERR_INPUT, "bad\nline");
	err_hint(&e, "mend");
	log_fatal(&e);
}

static void allocate_three(void)
{
	setenv("DEEPOPS_OOM_AT", "3", 1);
	free(xmalloc(1));
	free(xstrdup("x"));
	free(xcalloc(1, 1));
}

static void allocate_overflow(void)
{
	free(xrealloc(NULL, SIZE_MAX / 2, 3));
}

int main(void)
{
	char out[512];
	int status;

	test_set_and_wrap();
	test_sanitize();
	in_child(log_some, out, sizeof(out));
	is_str(out, "warning: w1?\nv\nhint: h\nfatal: bad?line\nhint: mend\n",
	       "log lines by level, one line each");
	status = in_child(allocate_three, out, sizeof(out));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 128, "the third allocation ends it");
	is_str(out, "fatal: out of memory\n", "and says why");
	status = in_child(allocate_overflow, out, sizeof(out));
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 128, "an overflowing product ends it");
	return done_testing();
}
