/* SPDX-License-Identifier: MIT */
/* u-progress.c - shown late, seldom, and only when wanted; see base/progress.h */
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/progress.h"
#include "tap.h"

/* What a piece of work writes to stderr. */
static void work(enum progress_show show, unsigned int ms, struct buf *out)
{
	char template[] = "/tmp/u-progress-XXXXXX";
	int fd = mkstemp(template), saved = dup(STDERR_FILENO);
	struct progress *p;

	unlink(template);
	dup2(fd, STDERR_FILENO);
	progress_set_show(show);
	p = progress_start("Reading", 3000, PROGRESS_BYTES);
	progress_add(p, 1000);
	usleep(ms * 1000);
	progress_add(p, 1000);
	progress_add(p, 1000);
	progress_stop(&p);
	dup2(saved, STDERR_FILENO);
	lseek(fd, 0, SEEK_SET);
	buf_reset(out);
	if (io_read_fd(fd, 10000, out, NULL) < 0)
		buf_sets(out, "(unreadable)");
	close(fd);
	close(saved);
	ok(!p, "stopped");
}

int main(void)
{
	struct buf out = BUF_INIT;
	size_t draws = 0;

	work(PROGRESS_AUTO, 0, &out);
	is_str(out.p, "", "nothing when stderr is no terminal");
	work(PROGRESS_FORCE, 0, &out);
	is_str(out.p, "", "nothing for short work");
	work(PROGRESS_FORCE, 1010, &out);
	for (size_t i = 0; i < out.len; i++)
		draws += out.p[i] == '\r';
	is_u64(draws, 2, "one line for three steps, one at the end");
	ok(strstr(out.p, "\rReading:  66% (") != NULL, "share: %s", out.p + 1);
	ok(strstr(out.p, "Reading: 100% (") && strstr(out.p, " s, done."), "final line");
	progress_add(NULL, 1);
	buf_release(&out);
	return done_testing();
}
