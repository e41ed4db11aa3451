/* SPDX-License-Identifier: MIT */
/* supervise.c - run one command and listen to it; see supervise.h */
#include "run/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/proc.h"
#include "base/sig.h"
#include "run/scrub.h"

#define PIECE_BYTES 65536
#define LINGER_MS 2000 /* for output of what the command left behind */

struct stream {
	int from; /* our end of the pipe; -1: ended */
	int to;   /* our own stdout or stderr; -1: nowhere */
	int log;
	struct scrub_stream scrub;
};

struct watch {
	struct supervise *s;
	pid_t pid;
	int signals;    /* signalfd */
	bool ended;     /* status and usage are known */
	bool terminal;  /* we gave it the terminal */
	uint64_t since; /* when it ended, ms */
	struct stream streams[2];
};

/* ---- output ---- */

static void close_stream(struct stream *st)
{
	if (st->from >= 0)
		close(st->from);
	st->from = -1;
}

static void log_piece(struct supervise *s, struct stream *st, const struct buf *b)
{
	if (b->len && s->log_error.code == 0 &&
	    io_write_all(st->log, b->p, b->len, &s->log_error) < 0)
		err_wrap(&s->log_error, "log of the command");
}

static void pump(struct supervise *s, struct stream *st)
{
	static char piece[PIECE_BYTES];
	struct buf clean = BUF_INIT;
	ssize_t n = read(st->from, piece, sizeof(piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_stream(st);
		return;
	}
	/*
	 * Nobody reads us any more: the command must learn that as it would without
	 * us, by SIGPIPE, or `run -- yes | head` never ends.
	 */
	if (st->to >= 0 && io_write_all(st->to, piece, (size_t)n, NULL) < 0)
		close_stream(st);
	scrub_feed(&st->scrub, piece, (size_t)n, &clean);
	log_piece(s, st, &clean);
	buf_release(&clean);
}

/* ---- signals and the terminal ---- */

static void forwarded(sigset_t *set)
{
	static const int list[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		sigaddset(set, list[i]);
}

/* Writing the terminal's foreground group from the background would stop us. */
static void set_foreground(pid_t group)
{
	sigset_t ttou, old;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	tcsetpgrp(STDIN_FILENO, group);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* ^Z stopped the command: stop too, and go on with it when the shell continues us. */
static void stop_with_it(struct watch *w)
{
	if (!w->terminal)
		return;
	set_foreground(getpgrp());
	kill(getpid(), SIGSTOP);
	set_foreground(w->pid);
	kill(-w->pid, SIGCONT);
}

static void look_after_child(struct watch *w)
{
	int status;
	pid_t got = wait4(w->pid, &status, WNOHANG | WUNTRACED, &w->s->usage);

	if (got != w->pid)
		return;
	if (WIFSTOPPED(status)) {
		stop_with_it(w);
		return;
	}
	w->s->status = status;
	w->ended = true;
	w->since = clock_mono_ms();
}

static void take_signals(struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			look_after_child(w);
		else if (!w->ended)
			kill(-w->pid, (int)info.ssi_signo);
	}
}

/* ---- the loop ---- */

static bool listening(const struct watch *w)
{
	bool open = w->streams[0].from >= 0 || w->streams[1].from >= 0;

	if (!w->ended)
		return true;
	return open && clock_mono_ms() - w->since < LINGER_MS;
}

static int watch_loop(struct watch *w, struct err *e)
{
	look_after_child(w); /* it may have ended before the signal was blocked */
	while (listening(w)) {
		struct pollfd f[3] = {{.fd = w->streams[0].from, .events = POLLIN},
				      {.fd = w->streams[1].from, .events = POLLIN},
				      {.fd = w->signals, .events = POLLIN}};

		if (poll(f, 3, w->ended ? LINGER_MS : -1) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		for (int i = 0; i < 2; i++)
			if (w->streams[i].from >= 0 && f[i].revents)
				pump(w->s, &w->streams[i]);
		if (f[2].revents)
			take_signals(w);
	}
	return 0;
}

static void finish_stream(struct supervise *s, struct stream *st)
{
	struct buf rest = BUF_INIT;

	close_stream(st);
	scrub_finish(&st->scrub, &rest);
	log_piece(s, st, &rest);
	buf_release(&rest);
}

static int start(struct watch *w, struct proc *p, struct err *e)
{
	struct supervise *s = w->s;
	int rc;

	for (size_t i = 0; i < s->argv->nr; i++)
		strvec_push(&p->args, s->argv->v[i]);
	for (size_t i = 0; i < s->env->nr; i++)
		strvec_push(&p->env, s->env->v[i]);
	p->dir = s->dir;
	p->out = p->err = PROC_PIPE;
	p->new_group = true;
	rc = proc_start(p, e);
	if (rc < 0)
		return rc;
	w->pid = p->pid;
	for (int i = 0; i < 2; i++) {
		w->streams[i].from = i ? p->err : p->out;
		w->streams[i].to = s->quiet ? -1 : (i ? STDERR_FILENO : STDOUT_FILENO);
		w->streams[i].log = s->log_fd[i];
		scrub_stream_init(&w->streams[i].scrub, s->secrets);
	}
	p->out = p->err = PROC_INHERIT; /* the streams own them now */
	if (isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
		w->terminal = true;
		set_foreground(w->pid);
	}
	return 0;
}

int supervise_run(struct supervise *s, struct err *e)
{
	struct watch w = {.s = s};
	struct proc p = PROC_INIT;
	sigset_t set, old;
	int rc;

	forwarded(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	w.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (w.signals < 0)
		rc = err_sys(e, "signalfd");
	else if (sig_pending())
		rc = sig_err(e); /* deferred before: the command must not begin */
	else
		rc = start(&w, &p, e);
	if (rc == 0) {
		if (s->started)
			rc = s->started(s->arg, w.pid, e);
		if (rc < 0)
			kill(-w.pid, SIGKILL);
		killpoint("run-started");
		if (watch_loop(&w, e) < 0)
			rc = e ? e->code : ERR_SYS;
		for (int i = 0; i < 2; i++)
			finish_stream(s, &w.streams[i]);
		if (w.terminal)
			set_foreground(getpgrp());
	}
	if (w.signals >= 0)
		close(w.signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	proc_release(&p);
	return rc;
}
