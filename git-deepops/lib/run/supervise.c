/* SPDX-License-Identifier: MIT */
/* supervise.c - run one command and listen to it; see supervise.h */
#include "run/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#include "base/xalloc.h"
#include "run/scrub.h"

#define PIECE_BYTES 65536
#define LINGER_MS 2000      /* for output of what the command left behind */
#define SAME_EVENT_MS 2000  /* between a signal from outside and git's copy of it */
#define FORWARDED_SIGNALS 7 /* without those about stopping */

struct stream {
	int from; /* our end of the pipe; -1: ended */
	int to;   /* our own stdout or stderr; -1: nowhere */
	int log;
	size_t at, end; /* of `piece`: what `to` has still to take */
	struct scrub_stream scrub;
	char piece[PIECE_BYTES];
};

struct arrival {     /* the last one of a signal */
	uint64_t at; /* ms; 0: none, or its copy has come too */
	bool from_parent;
};

struct watch {
	struct supervise *s;
	pid_t pid;
	int signals;  /* signalfd */
	int stop;     /* another, of SIGTSTP: polled, never read */
	int terminal; /* -1: there is none */
	bool handed;  /* the command has the terminal */
	bool stopped; /* and is stopped */
	bool ended;   /* status and usage are known */
	bool enough;  /* a signal after the end: no more output */
	uint64_t sampled_ms;
	bool told; /* a signal that is to end it was passed on */
	struct arrival last[FORWARDED_SIGNALS];
	struct stream streams[SUPERVISE_STREAMS];
};

static const int forwarded[FORWARDED_SIGNALS] = {SIGINT,  SIGTERM, SIGHUP,  SIGQUIT,
						 SIGUSR1, SIGUSR2, SIGWINCH};

/* ---- output ---- */

static void close_stream(struct stream *st)
{
	if (st->from >= 0)
		close(st->from);
	st->from = -1;
}

static bool has_pending(const struct stream *st)
{
	return st->at < st->end;
}

static void log_piece(struct supervise *s, struct stream *st, const struct buf *b)
{
	if (b->len && s->log_error.code == 0 &&
	    io_write_all(st->log, b->p, b->len, &s->log_error) < 0)
		err_wrap(&s->log_error, "log of the command");
}

static void take_output(struct supervise *s, struct stream *st)
{
	struct buf clean = BUF_INIT;
	ssize_t n = read(st->from, st->piece, sizeof(st->piece));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		close_stream(st);
		return;
	}
	st->at = 0;
	st->end = st->to >= 0 ? (size_t)n : 0;
	scrub_feed(&st->scrub, st->piece, (size_t)n, &clean);
	log_piece(s, st, &clean);
	buf_release(&clean);
}

/*
 * poll() said that it takes something.  Of a pipe that means PIPE_BUF bytes at least: a write of no
 * more does not block, and signals go on being forwarded.
 */
static void pass_on(struct watch *w, int i)
{
	struct stream *st = &w->streams[i];
	size_t n = MIN(st->end - st->at, (size_t)PIPE_BUF);
	ssize_t done = write(st->to, st->piece + st->at, n);

	if (done >= 0) {
		st->at += (size_t)done;
		return;
	}
	if (errno == EINTR || errno == EAGAIN)
		return;
	st->at = st->end;
	st->to = -1;
	/*
	 * Nobody reads us any more: the command must learn that as it would without
	 * us, by SIGPIPE, or `run -- yes | head` never ends.  Anything else is ours to
	 * say, and the log goes on.
	 */
	if (errno == EPIPE)
		close_stream(st);
	else
		err_sys(&w->s->out_error[i], "%s", i ? "stderr" : "stdout");
}

/* ---- the terminal ---- */

/* Writing the terminal's foreground group from the background would stop us. */
static void set_foreground(struct watch *w, pid_t group)
{
	sigset_t ttou, old;

	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	sigprocmask(SIG_BLOCK, &ttou, &old);
	tcsetpgrp(w->terminal, group);
	sigprocmask(SIG_SETMASK, &old, NULL);
	w->handed = group == w->pid;
}

static bool in_foreground(const struct watch *w)
{
	return w->terminal >= 0 && tcgetpgrp(w->terminal) == getpgrp();
}

static void go_on(struct watch *w)
{
	w->stopped = false;
	kill(-w->pid, SIGCONT);
}

/*
 * Stop as the command did, with git and whatever else the shell knows as one job with us, so that
 * it sees the job stop.  Returns when the job goes on.
 */
static void stop_job(struct watch *w, int signo)
{
	if (w->handed)
		set_foreground(w, getpgrp());
	kill(0, signo);
}

/* It wants the terminal, or ^Z was typed while it had it. */
static void look_at_stop(struct watch *w, int signo)
{
	bool wants = signo == SIGTTIN || signo == SIGTTOU, had = w->handed;

	w->stopped = true;
	if (wants && w->terminal >= 0) {
		if (!in_foreground(w))
			stop_job(w, signo); /* a job in the background: fg will bring it here */
	} else if (had) {
		stop_job(w, SIGSTOP);
	} else {
		return; /* somebody stopped it by hand, and will go on with it so */
	}
	if (in_foreground(w))
		set_foreground(w, w->pid);
	else if (wants)
		return;
	go_on(w);
}

static void look_after_child(struct watch *w)
{
	int status;
	pid_t got = wait4(w->pid, &status, WNOHANG | WUNTRACED, &w->s->usage);

	if (got != w->pid)
		return;
	if (WIFSTOPPED(status)) {
		look_at_stop(w, WSTOPSIG(status));
		return;
	}
	w->s->status = status;
	w->ended = true;
	w->s->ended_ms = clock_mono_ms();
}

/* ---- signals ---- */

/* What we were told to ignore (nohup) stays ignored, here as in the command. */
static void watched(sigset_t *set)
{
	struct sigaction act;

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		if (sigaction(forwarded[i], NULL, &act) < 0 || act.sa_handler != SIG_IGN)
			sigaddset(set, forwarded[i]);
	sigaddset(set, SIGCHLD);
}

static void stop_signal(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTSTP);
}

/* The terminal sends to git and to us, and git sends us what it got. */
static bool is_copy(struct watch *w, const struct signalfd_siginfo *info)
{
	bool from_parent = info->ssi_code == SI_USER && info->ssi_pid == (uint32_t)getppid();
	uint64_t now = clock_mono_ms();
	struct arrival *last = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		if (forwarded[i] == (int)info->ssi_signo)
			last = &w->last[i];
	if (!last)
		return false;
	if (last->at && now - last->at < SAME_EVENT_MS && last->from_parent != from_parent) {
		last->at = 0;
		return true;
	}
	last->at = now;
	last->from_parent = from_parent;
	return false;
}

/* git may be slower than the end of the command: its copy must not kill us while we record that. */
static void announce_copies(const struct watch *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		if (w->last[i].at && !w->last[i].from_parent)
			sig_expect_copy(forwarded[i], w->last[i].at + SAME_EVENT_MS);
}

static void forward(struct watch *w, int signo)
{
	if (w->ended && signo != SIGWINCH)
		w->enough = true;
	if (w->ended)
		return;
	kill(-w->pid, signo);
	if (signo == SIGWINCH || signo == SIGUSR1 || signo == SIGUSR2)
		return;
	w->told = true;
	if (w->stopped)
		go_on(w); /* for want of the terminal: it would not even die */
}

/*
 * ^Z, typed while the terminal is ours.  The others of our group got it themselves.  It is left
 * pending until we let it stop us: a SIGCONT that comes before that takes it away, where one
 * that comes before a SIGSTOP of our own making would be lost, and fg with it.
 */
static void stop_both(struct watch *w)
{
	sigset_t set;

	if (!w->ended)
		kill(-w->pid, SIGTSTP);
	stop_signal(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!w->ended)
		go_on(w);
}

static void take_signals(struct watch *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			look_after_child(w);
		else if (!is_copy(w, &info))
			forward(w, (int)info.ssi_signo);
	}
}

/* ---- the loop ---- */

static bool listening(const struct watch *w)
{
	bool open = false, pending = false;

	for (int i = 0; i < SUPERVISE_STREAMS; i++) {
		open = open || w->streams[i].from >= 0;
		pending = pending || has_pending(&w->streams[i]);
	}
	if (!w->ended)
		return true;
	if (w->enough)
		return false;
	/* A slow reader may take its time, but not with what was told to end. */
	if (pending && !w->told)
		return true;
	return (pending || open) && clock_mono_ms() - w->s->ended_ms < LINGER_MS;
}

static int pause_ms(const struct watch *w)
{
	int ms = w->s->watch ? execwatch_pause_ms(w->s->watch) : -1;

	if (w->ended)
		return LINGER_MS;
	if (ms < 0 || !w->sampled_ms)
		return ms;
	ms -= (int)MIN(clock_mono_ms() - w->sampled_ms, (uint64_t)ms);
	return ms;
}

/* Each program as it is started; or those that are there, in growing intervals. */
static void watch_programs(struct watch *w, bool told)
{
	struct execwatch *x = w->s->watch;

	if (!x)
		return;
	if (told)
		execwatch_take(x);
	if (w->ended || execwatch_pause_ms(x) < 0 || (w->sampled_ms && pause_ms(w) > 0))
		return;
	execwatch_sample(x, w->pid);
	w->sampled_ms = clock_mono_ms();
}

static int watch_loop(struct watch *w, struct err *e)
{
	look_after_child(w); /* it may have ended before the signal was blocked */
	while (listening(w)) {
		struct pollfd f[SUPERVISE_STREAMS + 3];

		f[SUPERVISE_STREAMS + 2] = (struct pollfd){
			.fd = w->s->watch ? execwatch_fd(w->s->watch) : -1, .events = POLLIN};
		f[SUPERVISE_STREAMS] = (struct pollfd){.fd = w->signals, .events = POLLIN};
		f[SUPERVISE_STREAMS + 1] = (struct pollfd){.fd = w->stop, .events = POLLIN};
		for (int i = 0; i < SUPERVISE_STREAMS; i++) {
			struct stream *st = &w->streams[i];

			f[i] = has_pending(st) ? (struct pollfd){.fd = st->to, .events = POLLOUT}
					       : (struct pollfd){.fd = st->from, .events = POLLIN};
		}
		if (poll(f, ARRAY_SIZE(f), pause_ms(w)) < 0) {
			if (errno != EINTR)
				return err_sys(e, "poll");
			continue;
		}
		watch_programs(w, f[SUPERVISE_STREAMS + 2].revents != 0);
		for (int i = 0; i < SUPERVISE_STREAMS; i++) {
			if (!f[i].revents)
				continue;
			if (has_pending(&w->streams[i]))
				pass_on(w, i);
			else
				take_output(w->s, &w->streams[i]);
		}
		if (f[SUPERVISE_STREAMS].revents)
			take_signals(w);
		if (f[SUPERVISE_STREAMS + 1].revents)
			stop_both(w);
	}
	return 0;
}

static void finish_stream(struct supervise *s, struct stream *st)
{
	struct buf rest = BUF_INIT;

	s->left_behind = s->left_behind || st->from >= 0;
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
	p->in = s->in;
	p->out = p->err = PROC_PIPE;
	p->new_group = true;
	if (s->watch) {
		p->in_child = execwatch_in_child;
		p->in_parent = execwatch_in_parent;
		p->arg = s->watch;
	}
	rc = proc_start(p, e);
	if (rc < 0)
		return rc;
	w->pid = p->pid;
	for (int i = 0; i < SUPERVISE_STREAMS; i++) {
		struct stream *st = &w->streams[i];

		st->from = i ? p->err : p->out;
		st->to = i ? STDERR_FILENO : STDOUT_FILENO;
		st->log = s->log_fd[i];
		st->at = st->end = 0;
		scrub_stream_init(&st->scrub, s->secrets);
	}
	p->out = p->err = PROC_INHERIT; /* the streams own them now */
	return 0;
}

static int supervise_watch(struct watch *w, struct proc *p, struct err *e)
{
	struct supervise *s = w->s;
	int rc = start(w, p, e);

	if (rc < 0)
		return rc;
	if (s->started)
		rc = s->started(s->arg, w->pid, e);
	if (rc < 0)
		kill(-w->pid, SIGKILL);
	killpoint("run-started");
	if (watch_loop(w, e) < 0)
		rc = e ? e->code : ERR_SYS;
	for (int i = 0; i < SUPERVISE_STREAMS; i++)
		finish_stream(s, &w->streams[i]);
	if (w->handed)
		set_foreground(w, getpgrp());
	return rc;
}

int supervise_run(struct supervise *s, struct err *e)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	struct proc p = PROC_INIT;
	sigset_t set, old;
	int rc;

	w->s = s;
	watched(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	w->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	stop_signal(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->stop = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	w->terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (w->signals < 0 || w->stop < 0)
		rc = err_sys(e, "signalfd");
	else if (sig_pending())
		rc = sig_err(e); /* deferred before: the command must not begin */
	else
		rc = supervise_watch(w, &p, e);
	if (w->signals >= 0)
		close(w->signals);
	if (w->stop >= 0)
		close(w->stop);
	if (w->terminal >= 0)
		close(w->terminal);
	announce_copies(w);
	sigprocmask(SIG_SETMASK, &old, NULL);
	proc_release(&p);
	free(w);
	return rc;
}
