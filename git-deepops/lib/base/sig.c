/* SPDX-License-Identifier: MIT */
/* sig.c - what signals do here; see sig.h */
#include "base/sig.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* Lock-free atomics: the handler and every thread may touch them. */
static atomic_int deferred;
static atomic_int pending;
static _Atomic(void (*)(void)) on_death;

static void die_by(int signo)
{
	void (*fn)(void) = atomic_load(&on_death);

	if (fn)
		fn();
	signal(signo, SIG_DFL);
	/* Inside the handler it is blocked and kills when the handler returns. */
	raise(signo);
}

static void on_signal(int signo)
{
	int keep = errno;

	if (atomic_load(&deferred) > 0)
		atomic_store(&pending, signo);
	else
		die_by(signo);
	errno = keep;
}

void sig_setup(void)
{
	static const int fatal[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction act = {0}, old;

	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	/* No SA_RESTART: a deferred signal must wake the call that waits. */
	act.sa_handler = on_signal;
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
		sigaddset(&act.sa_mask, fatal[i]);
	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		/* nohup and background shells hand us signals to be left ignored. */
		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(fatal[i], &act, NULL);
	}
}

void sig_defer(void)
{
	atomic_fetch_add(&deferred, 1);
}

void sig_undefer(void)
{
	int signo;

	if (atomic_fetch_sub(&deferred, 1) != 1)
		return;
	signo = atomic_exchange(&pending, 0);
	if (signo)
		die_by(signo);
}

int sig_pending(void)
{
	return atomic_load(&pending);
}

int sig_err(struct err *e)
{
	const char *name = sigabbrev_np(sig_pending());

	return err_set(e, ERR_INTR, "interrupted by %s%s", name ? "SIG" : "a signal",
		       name ? name : "");
}

void sig_on_death(void (*fn)(void))
{
	atomic_store(&on_death, fn);
}
