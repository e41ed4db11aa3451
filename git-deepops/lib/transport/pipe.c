/* SPDX-License-Identifier: MIT */
/* pipe.c - transport over the pipes of a child process; see pipe.h */
#include "transport/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/path.h"
#include "base/sig.h"
#include "base/xalloc.h"

#define PIPE_BYTES (1 * MIB) /* asked of the kernel; its default is 64 KiB */
#define PIPE_GRACE_MS 5000   /* for a child to end after its input did */
#define PIPE_TERM_GRACE_MS 1000
#define NS_PER_MS 1000000L

/* proc.in is where we write, proc.out where we read, proc.err its stderr; -1: closed. */
struct pipe {
	struct transport base;
	struct proc proc;
	bool child; /* proc was started */
};

static struct pipe *of(struct transport *t)
{
	return (struct pipe *)t;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int pipe_read(struct transport *t, void *p, size_t n, struct err *e)
{
	ssize_t got = read(of(t)->proc.out, p, MIN(n, (size_t)INT_MAX));

	if (got > 0)
		return (int)got;
	if (got == 0) {
		t->at_end = true;
		return 0;
	}
	if (errno == EAGAIN || errno == EINTR)
		return sig_pending() ? sig_err(e) : 0;
	return err_sys(e, "read from %s", t->program);
}

static int pipe_write(struct transport *t, const void *p, size_t n, struct err *e)
{
	ssize_t put;

	if (of(t)->proc.in < 0) {
		errno = EPIPE;
		return err_sys(e, "write to %s", t->program);
	}
	put = write(of(t)->proc.in, p, MIN(n, (size_t)INT_MAX));
	if (put >= 0)
		return (int)put;
	if (errno == EAGAIN || errno == EINTR)
		return sig_pending() ? sig_err(e) : 0;
	return err_sys(e, "write to %s", t->program);
}

/* Take what stands in the child's stderr. */
static void take_stderr(struct pipe *c)
{
	char text[1024];
	ssize_t n;

	while (c->proc.err >= 0 && (n = read(c->proc.err, text, sizeof(text))) != 0) {
		if (n > 0)
			transport_said(&c->base, text, (size_t)n);
		else if (errno != EINTR)
			return;
	}
	close_fd(&c->proc.err);
}

static int pipe_wait(struct transport *t, unsigned int events, int timeout_ms, struct err *e)
{
	struct pipe *c = of(t);
	struct pollfd fds[3] = {
		{(events & TRANSPORT_READ) ? c->proc.out : -1, POLLIN, 0},
		{(events & TRANSPORT_WRITE) ? c->proc.in : -1, POLLOUT, 0},
		{c->proc.err, POLLIN, 0},
	};
	int rc = poll(fds, ARRAY_SIZE(fds), timeout_ms);

	if (rc < 0 && errno == EINTR)
		return sig_pending() ? sig_err(e) : 1;
	if (rc < 0)
		return err_sys(e, "wait for %s", t->program);
	if (fds[2].revents)
		take_stderr(c);
	return rc > 0;
}

static int pipe_half_close(struct transport *t, struct err *e)
{
	(void)e;
	close_fd(&of(t)->proc.in);
	return 0;
}

/* Has the child ended within `ms`? It stays to be waited for. */
static bool ends_within(struct pipe *c, int ms)
{
	struct timespec nap = {0, NS_PER_MS};
	siginfo_t info;

	for (int spent = 0; spent <= ms; spent += (int)(nap.tv_nsec / NS_PER_MS)) {
		info.si_pid = 0;
		if (waitid(P_PID, (id_t)c->proc.pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid)
			return true;
		take_stderr(c);
		nanosleep(&nap, NULL);
		if (nap.tv_nsec < 50 * NS_PER_MS)
			nap.tv_nsec *= 2;
	}
	return false;
}

static int pipe_finish(struct transport *t)
{
	struct pipe *c = of(t);
	int status = 0;

	close_fd(&c->proc.in);
	close_fd(&c->proc.out);
	if (!c->child)
		return -1;
	if (!ends_within(c, PIPE_GRACE_MS)) {
		kill(c->proc.pid, SIGTERM);
		if (!ends_within(c, PIPE_TERM_GRACE_MS))
			kill(c->proc.pid, SIGKILL);
	}
	/* Not until its end: a shared ssh connection in the background keeps stderr open. */
	take_stderr(c);
	close_fd(&c->proc.err);
	if (proc_wait(&c->proc, &status, NULL) < 0)
		return -1;
	return proc_exit_code(status);
}

static void pipe_free(struct transport *t)
{
	proc_release(&of(t)->proc);
	free(t);
}

static const struct transport_ops ops = {
	pipe_read, pipe_write, pipe_wait, pipe_half_close, pipe_finish, pipe_free,
};

static int set_nonblocking(int fd, struct err *e)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_sys(e, "make a pipe non-blocking");
	/* A larger pipe saves switches between the processes; sockets and old kernels have none. */
	(void)fcntl(fd, F_SETPIPE_SZ, (int)PIPE_BYTES);
	return 0;
}

static struct pipe *pipe_new(const char *host, const char *program)
{
	struct pipe *c = xcalloc(1, sizeof(*c));

	transport_init(&c->base, &ops, host, program);
	c->proc = (struct proc)PROC_INIT;
	c->proc.in = c->proc.out = c->proc.err = -1;
	return c;
}

int pipe_start(struct transport **out, const struct proc *p, const char *host, const char *program,
	       struct err *e)
{
	struct pipe *c = pipe_new(host, program);
	struct transport *t = &c->base;
	int rc;

	strvec_pushv(&c->proc.args, (const char *const *)p->args.v);
	strvec_pushv(&c->proc.env, (const char *const *)p->env.v);
	c->proc.in = c->proc.out = c->proc.err = PROC_PIPE;
	rc = proc_start(&c->proc, e);
	c->child = rc == 0;
	if (rc == 0)
		rc = set_nonblocking(c->proc.out, e);
	if (rc == 0)
		rc = set_nonblocking(c->proc.in, e);
	if (rc == 0)
		rc = set_nonblocking(c->proc.err, e);
	if (rc < 0) {
		transport_close(&t);
		return rc;
	}
	*out = t;
	return 0;
}

int pipe_stdio(struct transport **out, struct err *e)
{
	struct pipe *c = pipe_new(NULL, "the client");
	struct transport *t = &c->base;

	c->proc.out = STDIN_FILENO;
	c->proc.in = STDOUT_FILENO;
	if (set_nonblocking(STDIN_FILENO, e) < 0 || set_nonblocking(STDOUT_FILENO, e) < 0) {
		transport_close(&t);
		return ERR_SYS;
	}
	*out = t;
	return 0;
}

void pipe_shell_args(struct strvec *argv, const char *words)
{
	strvec_pushl(argv, "sh", "-c", NULL);
	strvec_pushf(argv, "%s \"$@\"", words);
	strvec_push(argv, words);
}

/* git-deepops-serve in the directory this program was started from; false if it is not there. */
static bool find_beside(struct buf *out)
{
	return path_beside_program(out, TRANSPORT_SERVE, NULL) == 0 && access(out->p, X_OK) == 0;
}

int pipe_open(struct transport **out, const char *path, const char *serve, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf beside = BUF_INIT;
	int rc;

	if (serve)
		pipe_shell_args(&p.args, serve);
	else
		strvec_push(&p.args, find_beside(&beside) ? beside.p : TRANSPORT_SERVE);
	strvec_push(&p.args, path);
	/* Ours, if we run under a forced command ourselves: no business of a local server. */
	strvec_push(&p.env, "SSH_ORIGINAL_COMMAND");
	rc = pipe_start(out, &p, NULL, serve ? serve : TRANSPORT_SERVE, e);
	if (rc == 0)
		buf_addf(&(*out)->describe, "pipe to %s", (*out)->program);
	buf_release(&beside);
	proc_release(&p);
	return rc;
}
