/* SPDX-License-Identifier: MIT */
/* proc.c - child processes: argv arrays, never a shell string; see proc.h */
#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/share.h"
#include "base/sig.h"
#include "base/xalloc.h"

#define PROC_EXEC_FAILED 127
#define PROC_READ_BYTES 65536

extern char **environ;

/*
 * Move a descriptor out of 0..2, where it can be when our own stdio is closed:
 * the dup2 of another end would overwrite it.
 */
static int proc_raise(int *fd, struct err *e)
{
	int low = *fd;

	if (low < 0 || low > 2)
		return 0;
	*fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
	if (*fd < 0)
		err_sys(e, "descriptor %d", low);
	close(low);
	return *fd < 0 ? ERR_SYS : 0;
}

/* The child's descriptor in *child, and our end of a pipe in *ours (-1: none). */
static int proc_end(int *slot, bool child_reads, int *child, int *ours, struct err *e)
{
	int p[2];

	*ours = -1;
	*child = -1;
	switch (*slot) {
	case PROC_INHERIT:
		return 0;
	case PROC_NULL:
		*child = open("/dev/null", (child_reads ? O_RDONLY : O_WRONLY) | O_CLOEXEC);
		return *child < 0 ? err_sys(e, "/dev/null") : 0;
	case PROC_PIPE:
		if (pipe2(p, O_CLOEXEC) < 0)
			return err_sys(e, "pipe");
		*child = p[child_reads ? 0 : 1];
		*ours = p[child_reads ? 1 : 0];
		return 0;
	default:
		/* A copy, so that every child end is closed the same way afterwards. */
		*child = fcntl(*slot, F_DUPFD_CLOEXEC, 3);
		return *child < 0 ? err_sys(e, "descriptor %d", *slot) : 0;
	}
}

static void proc_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool proc_same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strcspn(b, "=") == n && !strncmp(a, b, n);
}

/* Ours with p->env on top; the strings stay owned by environ and p->env. */
static char **proc_environ(const struct proc *p)
{
	size_t have = 0, n = 0;
	char **env;

	while (environ[have])
		have++;
	env = xcalloc(have + p->env.nr + 1, sizeof(*env));
	for (size_t i = 0; i < have; i++) {
		bool replaced = false;

		for (size_t j = 0; j < p->env.nr && !replaced; j++)
			replaced = proc_same_name(environ[i], p->env.v[j]);
		if (!replaced)
			env[n++] = environ[i];
	}
	for (size_t j = 0; j < p->env.nr; j++) {
		bool later = !strchr(p->env.v[j], '=');

		for (size_t k = j + 1; k < p->env.nr && !later; k++)
			later = proc_same_name(p->env.v[j], p->env.v[k]);
		if (!later)
			env[n++] = p->env.v[j];
	}
	return env;
}

/*
 * In the child, before signals are unblocked: no handler of ours may run, and
 * our own SIG_IGN of SIGPIPE must not leak; what nohup ignores stays ignored.
 */
static void proc_reset_signals(void)
{
	for (int s = 1; s < NSIG; s++) {
		struct sigaction sa;

		if (sigaction(s, NULL, &sa) == 0 && (sa.sa_handler != SIG_IGN || s == SIGPIPE) &&
		    sa.sa_handler != SIG_DFL)
			signal(s, SIG_DFL);
	}
}

/* ---- finding the program ---- */

struct proc_program {
	char **env;
	char *path;   /* what to exec; NULL: not found */
	char **shell; /* "sh", path, the arguments: for a script without #! */
};

static const char *proc_env(char **env, const char *name)
{
	for (; *env; env++)
		if (proc_same_name(*env, name) && strchr(*env, '='))
			return strchr(*env, '=') + 1;
	return NULL;
}

static bool proc_is_program(int dirfd, const char *path)
{
	struct stat st;

	return fstatat(dirfd, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
	       faccessat(dirfd, path, X_OK, AT_EACCESS) == 0;
}

/* `name` has no slash.  Relative directories are those below p->dir, where the child will be. */
static char *proc_search(const struct proc *p, char **env, const char *name)
{
	int dirfd = p->dir ? open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD;
	const char *path = proc_env(env, "PATH");
	struct buf full = BUF_INIT;
	bool found = false;

	for (path = path ? path : "/bin:/usr/bin"; !found; path++) {
		size_t len = strcspn(path, ":");

		buf_reset(&full);
		buf_add(&full, path, len);
		buf_addf(&full, "%s%s", len ? "/" : "./", name);
		found = (dirfd >= 0 || dirfd == AT_FDCWD) && proc_is_program(dirfd, full.p);
		path += len;
		if (!*path)
			break;
	}
	if (dirfd >= 0)
		close(dirfd);
	if (!found)
		buf_release(&full);
	return found ? buf_detach(&full, NULL) : NULL;
}

static void proc_find(const struct proc *p, struct proc_program *out)
{
	char *const *args = p->args.v;

	out->env = proc_environ(p);
	out->path = *args[0] && !strchr(args[0], '/') ? proc_search(p, out->env, args[0])
						      : xstrdup(args[0]);
	out->shell = xcalloc(p->args.nr + 2, sizeof(*out->shell));
	out->shell[0] = (char *)(uintptr_t) "sh";
	out->shell[1] = out->path;
	for (size_t i = 1; i < p->args.nr; i++)
		out->shell[i + 1] = args[i];
}

static void proc_program_release(struct proc_program *x)
{
	free(x->env);
	free(x->path);
	free(x->shell);
}

/* ---- starting it ---- */

/* In the child: descriptors, signals, directory, exec.  Only async-signal-safe calls. */
NORETURN static void proc_child(const struct proc *p, const int fd[3], const struct proc_program *x,
				int report)
{
	sigset_t none;
	int saved;

	for (int i = 0; i < 3; i++)
		if (fd[i] >= 0 && dup2(fd[i], i) < 0)
			goto fail;
	if (p->new_group)
		setpgid(0, 0);
	proc_reset_signals();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (p->dir && chdir(p->dir) < 0)
		goto fail;
	if (p->in_child)
		p->in_child(p->arg);
	share_own_umask();
	errno = ENOENT;
	if (x->path)
		execve(x->path, p->args.v, x->env);
	if (x->path && errno == ENOEXEC)
		execve("/bin/sh", x->shell, x->env);
fail:
	saved = errno;
	while (write(report, &saved, sizeof(saved)) < 0 && errno == EINTR)
		;
	_exit(PROC_EXEC_FAILED);
}

/* errno of a child that could not exec, 0 once it did (the pipe closes on exec). */
static int proc_report(int fd)
{
	int failed = 0;
	ssize_t n;

	do
		n = read(fd, &failed, sizeof(failed));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(failed) ? failed : 0;
}

static int proc_reap(pid_t pid, int *status)
{
	pid_t got;

	do
		got = waitpid(pid, status, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -1 : 0;
}

/*
 * Fork with every signal blocked, so that a handler of ours cannot run in the
 * child before exec and remove temp files that belong to the parent.
 */
static pid_t proc_fork(const struct proc *p, const int fd[3], const struct proc_program *x,
		       int report)
{
	sigset_t all, old;
	pid_t pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (!pid)
		proc_child(p, fd, x, report);
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

/* A relative path is meant from p->dir. */
static bool proc_is_there(const struct proc *p, const char *path)
{
	int dirfd = p->dir ? open(p->dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD;
	bool there = path && (dirfd >= 0 || !p->dir) && faccessat(dirfd, path, F_OK, 0) == 0;

	if (dirfd >= 0)
		close(dirfd);
	return there;
}

/* What exec said, for people. */
static int proc_failed(const struct proc *p, const struct proc_program *x, int failed,
		       struct err *e)
{
	const char *name = p->args.v[0];

	errno = failed;
	if (failed != ENOENT || (p->dir && access(p->dir, F_OK) < 0))
		return err_sys(e, "%s", p->dir && failed == ENOENT ? p->dir : name);
	if (proc_is_there(p, x->path))
		return err_set(
			e, ERR_NOTFOUND,
			"%s: the interpreter that its first line or its header names is not here",
			name);
	err_set(e, ERR_NOTFOUND, "%s: command not found", name);
	if (p->args.nr == 1 && strpbrk(name, " |&;<>()$`*?\""))
		err_hint(e, "a line for a shell is one argument of a shell: sh -c '...'");
	return ERR_NOTFOUND;
}

static int proc_spawn(struct proc *p, const int fd[3], struct err *e)
{
	struct proc_program x;
	int report[2], failed, status, rc = 0;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	if (proc_raise(&report[1], e) < 0) {
		close(report[0]);
		return ERR_SYS;
	}
	proc_find(p, &x);
	p->pid = proc_fork(p, fd, &x, report[1]);
	failed = p->pid < 0 ? errno : 0;
	close(report[1]);
	if (p->pid > 0) {
		if (p->new_group)
			setpgid(p->pid, p->pid); /* both sides: whoever comes first */
		if (p->in_parent)
			p->in_parent(p->arg, report[0]);
		failed = proc_report(report[0]);
		if (failed)
			proc_reap(p->pid, &status);
	}
	close(report[0]);
	if (failed) {
		p->pid = 0;
		rc = proc_failed(p, &x, failed, e);
	}
	proc_program_release(&x);
	return rc;
}

int proc_start(struct proc *p, struct err *e)
{
	int *slots[3] = {&p->in, &p->out, &p->err};
	int child[3] = {-1, -1, -1}, ours[3] = {-1, -1, -1};
	int rc = 0;

	if (!p->args.nr)
		return err_set(e, ERR_INPUT, "no command to start");
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = proc_end(slots[i], i == 0, &child[i], &ours[i], e);
	for (int i = 0; i < 3 && rc == 0; i++)
		rc = proc_raise(&child[i], e);
	if (rc == 0)
		rc = proc_spawn(p, child, e);
	for (int i = 0; i < 3; i++) {
		proc_close(&child[i]);
		if (rc < 0)
			proc_close(&ours[i]);
		else if (*slots[i] == PROC_PIPE)
			*slots[i] = ours[i];
		else
			*slots[i] = PROC_INHERIT; /* nothing of ours to close in proc_wait */
	}
	return rc;
}

int proc_wait(struct proc *p, int *status, struct err *e)
{
	proc_close(&p->in);
	proc_close(&p->out);
	proc_close(&p->err);
	if (proc_reap(p->pid, status) < 0)
		return err_sys(e, "waiting for %s", p->args.v[0]);
	p->pid = 0;
	return 0;
}

int proc_exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Write as much of input as the pipe takes; closes it at the end or when the child stopped reading. */
static int proc_feed(struct proc *p, const struct buf *input, size_t *done, struct err *e)
{
	ssize_t n = write(p->in, input->p + *done, input->len - *done);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != EPIPE)
		return err_sys(e, "writing to %s", p->args.v[0]);
	*done = n < 0 ? input->len : *done + (size_t)n;
	if (*done == input->len)
		proc_close(&p->in);
	return 0;
}

static int proc_drain(struct proc *p, size_t max, struct buf *out, struct err *e)
{
	ssize_t n;

	buf_grow(out, PROC_READ_BYTES);
	n = read(p->out, out->p + out->len, PROC_READ_BYTES);
	if (n < 0)
		return errno == EINTR ? 0 : err_sys(e, "reading from %s", p->args.v[0]);
	if (n == 0) {
		proc_close(&p->out);
		return 0;
	}
	if ((size_t)n > max - MIN(max, out->len))
		return err_set(e, ERR_LIMIT, "%s: more than %zu bytes of output", p->args.v[0],
			       max);
	buf_setlen(out, out->len + (size_t)n);
	return 0;
}

static int proc_pump(struct proc *p, const struct buf *input, size_t max, struct buf *out,
		     struct err *e)
{
	size_t fed = 0, limit = max;
	int rc = 0;

	if (p->in >= 0)
		fcntl(p->in, F_SETFL, O_NONBLOCK);
	if (out && __builtin_add_overflow(out->len, max, &limit))
		limit = SIZE_MAX; /* `max` bytes more than `out` already holds */
	while (rc == 0 && (p->in >= 0 || p->out >= 0)) {
		struct pollfd f[2] = {{.fd = p->in, .events = POLLOUT},
				      {.fd = p->out, .events = POLLIN}};

		if (poll(f, 2, -1) < 0) {
			if (errno != EINTR)
				return err_sys(e, "poll");
			if (sig_pending())
				return sig_err(e);
			continue;
		}
		if (f[0].revents)
			rc = proc_feed(p, input, &fed, e);
		if (rc == 0 && out && f[1].revents)
			rc = proc_drain(p, limit, out, e);
	}
	return rc;
}

int proc_capture(struct proc *p, const struct buf *input, size_t max, struct buf *out,
		 struct err *e)
{
	struct err ignored = ERR_INIT;
	int rc, status;

	if (input)
		p->in = PROC_PIPE;
	if (out)
		p->out = PROC_PIPE;
	rc = proc_start(p, e);
	if (rc < 0)
		return rc;
	if (input && !input->len)
		proc_close(&p->in);
	rc = proc_pump(p, input, max, out, e);
	if (rc < 0) {
		kill(p->pid, SIGTERM);
		if (proc_wait(p, &status, &ignored) < 0)
			p->pid = 0;
		return rc;
	}
	rc = proc_wait(p, &status, e);
	return rc < 0 ? rc : proc_exit_code(status);
}

int proc_exec(const struct strvec *args, struct err *e)
{
	proc_reset_signals();
	share_own_umask();
	execvp(args->v[0], args->v);
	if (errno == ENOENT)
		return err_set(e, ERR_NOTFOUND, "%s: command not found", args->v[0]);
	return err_sys(e, "%s", args->v[0]);
}

pid_t proc_helper(void (*fn)(void *arg), void *arg)
{
	sigset_t all, old;
	pid_t pid;
	int saved;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old); /* no handler of ours may run in it */
	pid = fork();
	if (!pid) {
		fn(arg);
		_exit(0);
	}
	saved = errno;
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return pid;
}

void proc_release(struct proc *p)
{
	proc_close(&p->in);
	proc_close(&p->out);
	proc_close(&p->err);
	strvec_release(&p->args);
	strvec_release(&p->env);
}

static void proc_detach_stdio(const char *log_path, size_t max_bytes)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log_fd;
	struct stat st;

	if (stat(log_path, &st) == 0 && (uint64_t)st.st_size > max_bytes)
		flags |= O_TRUNC;
	if (null < 0)
		return;
	log_fd = open(log_path, flags, 0644);
	if (log_fd >= 0)
		share_path(log_path, log_fd);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(log_fd >= 0 ? log_fd : null, STDERR_FILENO);
	if (log_fd > STDERR_FILENO)
		close(log_fd);
	if (null > STDERR_FILENO)
		close(null);
}

int proc_background(const char *log_path, size_t max_bytes, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid)
		return 0;
	setsid();
	proc_detach_stdio(log_path, max_bytes);
	return 1;
}
