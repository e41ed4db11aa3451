/* SPDX-License-Identifier: MIT */
/* u-io.c - whole reads and writes, temp files, locks, signals, kill points */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "tap.h"

static char scratch[] = "/tmp/u-io.XXXXXX";

static const char *in_scratch(const char *name)
{
	static struct buf b[4];
	static unsigned int turn;
	struct buf *p = &b[turn++ % 4];

	if (!p->p)
		buf_init(p);
	buf_reset(p);
	path_join(p, scratch, name);
	return p->p;
}

struct full_path {
	char s[128];
};

static struct full_path in_dir(const char *dir, const char *name)
{
	struct full_path p;

	snprintf(p.s, sizeof(p.s), "%s/%s", dir, name);
	return p;
}

/* Number of files whose name begins with `.tmp-`. */
static int count_temps(void)
{
	DIR *d = opendir(scratch);
	struct dirent *entry;
	int n = 0;

	while (d && (entry = readdir(d)) != NULL)
		n += str_startswith(entry->d_name, ".tmp-", NULL);
	closedir(d);
	return n;
}

static bool holds(const char *name, const char *content)
{
	struct buf b = BUF_INIT;
	bool same = io_read_file(AT_FDCWD, in_scratch(name), 4096, &b, NULL) == 0 &&
		    !strcmp(b.p, content);

	buf_release(&b);
	return same;
}

static void test_read_write(void)
{
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT;
	char four[4];
	size_t got;
	int fd = open(in_scratch("f"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	ok(io_write_all(fd, "hello", 5, &e) == 0, "write");
	ok(io_pwrite_all(fd, "J", 1, 0, &e) == 0, "write at an offset");
	ok(io_pread_full(fd, four, 4, 1, &e) == 0 && !memcmp(four, "ello", 4), "read at an offset");
	ok(io_pread_full(fd, four, 4, 2, &e) == ERR_CORRUPT, "past the end is corrupt");
	is_str(e.msg, "file ends at byte 5", "and says where");
	ok(io_pread_full(fd, four, 4, UINT64_MAX, &e) == ERR_CORRUPT, "an absurd offset");
	lseek(fd, 3, SEEK_SET);
	ok(io_read_full(fd, four, 4, &got, &e) == 0 && got == 2, "a short file is not an error");
	ok(io_fsync(fd, &e) == 0 && io_close(fd, &e) == 0, "sync and close");
	ok(io_fsync_dir(scratch, &e) == 0 && io_fsync_parent(in_scratch("f"), &e) == 0,
	   "sync the directory");
	ok(io_fsync_dir(in_scratch("f"), &e) == ERR_SYS && e.sys == ENOTDIR, "a file is none");
	ok(io_close(fd, &e) == ERR_SYS && e.sys == EBADF, "closed twice");
	buf_sets(&b, "> ");
	ok(io_read_file(AT_FDCWD, in_scratch("f"), 5, &b, &e) == 0,
	   "whole file, exactly the limit");
	is_str(b.p, "> Jello", "appended");
	ok(io_read_file(AT_FDCWD, in_scratch("f"), 4, &b, &e) == ERR_LIMIT, "one byte too many");
	ok(io_read_file(AT_FDCWD, in_scratch("none"), 4, &b, &e) == ERR_NOTFOUND, "absent");
	buf_release(&b);
}

static void test_copy(void)
{
	struct err e = ERR_INIT;
	struct buf big = BUF_INIT, back = BUF_INIT;
	int from, to;

	for (int i = 0; i < 100000; i++)
		buf_addf(&big, "%d\n", i);
	ok(tempfile_write(in_scratch("big"), 0644, big.p, big.len, &e) == 0, "a larger file");
	from = open(in_scratch("big"), O_RDONLY | O_CLOEXEC);
	to = open(in_scratch("copy"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	ok(io_copy(from, to, &e) == 0, "copied");
	lseek(from, 7, SEEK_SET);
	ok(io_copy(from, to, &e) == 0, "the rest appended");
	close(to);
	close(from);
	ok(io_read_file(AT_FDCWD, in_scratch("copy"), 4 * big.len, &back, &e) == 0 &&
		   back.len == 2 * big.len - 7 && !memcmp(back.p, big.p, big.len) &&
		   !memcmp(back.p + big.len, big.p + 7, big.len - 7),
	   "from and to the current offsets");
	buf_release(&big);
	buf_release(&back);
}

static void test_tempfile(void)
{
	struct err e = ERR_INIT;
	struct tempfile *t = NULL, *u = NULL;
	struct stat st;
	int root;

	ok(tempfile_write(in_scratch("x"), 0640, "one", 3, &e) == 0 && holds("x", "one"),
	   "written");
	ok(stat(in_scratch("x"), &st) == 0 && (st.st_mode & 0777) == 0640, "with its mode");
	ok(tempfile_write(in_scratch("x"), 0640, "two", 3, &e) == 0 && holds("x", "two"),
	   "replaced");
	ok(tempfile_create(&t, scratch, 0644, &e) == 0 && count_temps() == 1, "a temp file");
	ok(io_write_all(tempfile_fd(t), "three", 5, &e) == 0, "filled");
	ok(tempfile_commit(&t, in_scratch("x"), TEMPFILE_NOREPLACE, &e) == ERR_EXISTS && !t &&
		   holds("x", "two") && count_temps() == 0,
	   "an existing target stays");
	ok(tempfile_create(&t, scratch, 0644, &e) == 0 &&
		   tempfile_create(&u, scratch, 0644, &e) == 0,
	   "two at once");
	ok(tempfile_close(t, &e) == 0 && tempfile_fd(t) < 0 && count_temps() == 2, "closed");
	ok(tempfile_rename(&t, in_scratch("y"), TEMPFILE_NOREPLACE, &e) == 0 && !t &&
		   holds("y", ""),
	   "renamed");
	tempfile_abort(&u);
	tempfile_abort(&u);
	ok(count_temps() == 0, "an aborted one goes");
	ok(tempfile_create(&t, in_scratch("none"), 0644, &e) == ERR_SYS && !t, "no such directory");
	ok(tempfile_write(in_scratch("none/f"), 0644, "", 0, &e) == ERR_SYS,
	   "nor for a whole file");

	root = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(path_mkdirs_beneath(root, "in/side", 0755, &e) == 0 &&
		   tempfile_create_beneath(&t, root, "in/side", 0755, &e) == 0 &&
		   !holds("in/side/f", ""),
	   "beneath a root");
	ok(tempfile_commit(&t, "in/side/f", TEMPFILE_REPLACE, &e) == 0 && holds("in/side/f", ""),
	   "renamed there");
	ok(symlinkat("in", root, "ln") == 0 &&
		   tempfile_create_beneath(&t, root, "ln", 0644, &e) == ERR_SYS && e.sys == ELOOP,
	   "not through a symlink");
	close(root);
}

static void *replace_many(void *arg)
{
	const int *id = arg;
	char name[32], content[32];

	for (int i = 0; i < 50; i++) {
		struct tempfile *t = NULL;

		/* Half are given up, so that nodes are used again by other threads. */
		snprintf(name, sizeof(name), "t%d-%d", *id, i);
		snprintf(content, sizeof(content), "%d of %d", i, *id);
		if (tempfile_create(&t, scratch, 0644, NULL) == 0)
			tempfile_abort(&t);
		if (tempfile_write(in_dir(scratch, name).s, 0644, content, strlen(content), NULL) <
		    0)
			return arg;
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t threads[4];
	int ids[4];
	bool fine = true;
	void *failed;

	for (int i = 0; i < 4; i++) {
		ids[i] = i;
		fine &= pthread_create(&threads[i], NULL, replace_many, &ids[i]) == 0;
	}
	for (int i = 0; i < 4; i++)
		fine &= pthread_join(threads[i], &failed) == 0 && !failed;
	ok(fine && count_temps() == 0, "four threads write files at once");
	for (int i = 0; i < 200; i++) {
		char name[32], content[32];

		snprintf(name, sizeof(name), "t%d-%d", i % 4, i / 4);
		snprintf(content, sizeof(content), "%d of %d", i / 4, i % 4);
		fine &= holds(name, content);
	}
	ok(fine, "each with its own content");
}

/* Fork, run fn, return the wait status. */
static int in_child(void (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		fn();
		exit(7);
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

static struct tempfile *child_temp(void)
{
	struct tempfile *t = NULL;

	if (tempfile_create(&t, scratch, 0644, NULL) < 0)
		_exit(1);
	return t;
}

static void die_by_exit(void)
{
	child_temp();
}

static void die_by_term(void)
{
	sig_setup();
	child_temp();
	raise(SIGTERM);
}

static void die_by_kill(void)
{
	child_temp();
	raise(SIGKILL);
}

static void defer_then_die(void)
{
	struct err e = ERR_INIT;

	sig_setup();
	sig_defer();
	sig_defer();
	raise(SIGTERM);
	if (sig_pending() != SIGTERM || sig_err(&e) != ERR_INTR ||
	    strcmp(e.msg, "interrupted by SIGTERM") != 0)
		_exit(1);
	sig_undefer();
	if (sig_pending() != SIGTERM)
		_exit(2);
	sig_undefer();
}

static void interrupted_read(void)
{
	struct err e = ERR_INIT;
	char c;
	int fds[2];
	size_t got;

	sig_setup();
	sig_defer();
	if (pipe(fds) < 0 || fork() == 0) {
		usleep(50000);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	_exit(io_read_full(fds[0], &c, 1, &got, &e) == ERR_INTR ? 9 : 1);
}

static void nohup(void)
{
	signal(SIGHUP, SIG_IGN);
	sig_setup();
	raise(SIGHUP);
}

/* As git does: one signal from the parent is dropped, the next is not. */
static void copy_of_a_signal(void)
{
	int up[2], status;
	char c;
	pid_t pid;

	if (pipe(up) < 0 || (pid = fork()) < 0)
		_exit(1);
	if (pid == 0) {
		sigset_t term, none;

		sig_setup();
		sigemptyset(&none);
		sigemptyset(&term);
		sigaddset(&term, SIGTERM);
		sigprocmask(SIG_BLOCK, &term, NULL);
		sig_expect_copy(SIGTERM, clock_mono_ms() + 60000);
		for (const char *p = "xy"; *p; p++)
			if (write(up[1], p, 1) != 1 || sigsuspend(&none) == 0)
				_exit(2);
		sigprocmask(SIG_UNBLOCK, &term, NULL); /* and the second one kills */
		_exit(4);
	}
	for (int i = 0; i < 2; i++)
		if (read(up[0], &c, 1) != 1 || kill(pid, SIGTERM) < 0)
			_exit(5);
	waitpid(pid, &status, 0);
	_exit(c == 'y' && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 9 : 6);
}

static void killed_second_time(void)
{
	setenv("DEEPOPS_KILL_AT", "track-a:2", 1);
	killpoint("track-a");
	killpoint("track-ab");
	killpoint("track");
	if (access(in_scratch("passed"), F_OK) == 0)
		_exit(1);
	close(open(in_scratch("passed"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	killpoint("track-a");
}

static void test_death(void)
{
	struct tempfile *t = NULL;
	int status;

	ok(tempfile_create(&t, scratch, 0644, NULL) == 0, "the parent has one");
	in_child(die_by_exit);
	ok(count_temps() == 1, "a child's exit removes its own and not ours");
	status = in_child(die_by_term);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && count_temps() == 1,
	   "SIGTERM removes them and kills");
	status = in_child(die_by_kill);
	ok(WIFSIGNALED(status) && count_temps() == 2, "SIGKILL leaves one");
	close(open(in_scratch(".tmp-2147483646-notes"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	tempfile_sweep(scratch);
	ok(unlink(in_scratch(".tmp-2147483646-notes")) == 0,
	   "a sweep leaves what is only called alike");
	ok(count_temps() == 1, "removes that one, and not ours");
	tempfile_abort(&t);
	ok(count_temps() == 0, "nothing is left");
	status = in_child(defer_then_die);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "deferred until the last undefer");
	status = in_child(interrupted_read);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 9, "a waiting read is woken");
	status = in_child(nohup);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 7, "an ignored signal stays ignored");
	status = in_child(copy_of_a_signal);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 9, "a copy that was announced is dropped");
	status = in_child(killed_second_time);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
		   !access(in_scratch("passed"), F_OK),
	   "a kill point counts exact names");
}

static void lock_in_child(void)
{
	_exit(lockfile_acquire(in_scratch("lock"), LOCKFILE_EXCLUSIVE, 60, NULL) == ERR_DENIED ? 3
											       : 4);
}

static void share_in_child(void)
{
	_exit(lockfile_acquire(in_scratch("lock"), LOCKFILE_SHARED, 0, NULL) >= 0 ? 3 : 4);
}

static void test_lock(void)
{
	struct err e = ERR_INIT;
	int fd = lockfile_acquire(in_scratch("lock"), LOCKFILE_EXCLUSIVE, 0, &e);
	int other;

	ok(fd >= 0, "locked");
	ok(WEXITSTATUS(in_child(lock_in_child)) == 3, "another process waits and is denied");
	other = lockfile_acquire(in_scratch("lock"), LOCKFILE_SHARED, 0, &e);
	ok(other == ERR_DENIED && strstr(e.msg, "lock: locked by another process") != NULL,
	   "also through another descriptor");
	lockfile_release(fd);
	fd = lockfile_acquire(in_scratch("lock"), LOCKFILE_SHARED, UINT64_MAX, &e);
	ok(fd >= 0 && WEXITSTATUS(in_child(share_in_child)) == 3, "shared by two");
	lockfile_release(fd);
	lockfile_release(-1);
	ok(lockfile_acquire(in_scratch("none/lock"), LOCKFILE_SHARED, 0, &e) == ERR_SYS,
	   "no such directory");
}

int main(void)
{
	umask(022); /* modes are asked for below */
	if (!ok(mkdtemp(scratch) != NULL, "scratch directory"))
		return done_testing();
	test_read_write();
	test_copy();
	test_tempfile();
	test_threads();
	test_death();
	test_lock();
	ok(path_remove_tree(scratch, NULL) == 0, "cleaned up");
	return done_testing();
}
