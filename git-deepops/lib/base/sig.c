/* SPDX-License-Identifier: MIT */
/* sig.c - what signals do here; see sig.h */
#include "base/sig.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"

/* Lock-free atomics: the handler and every thread may touch them. */
static atomic_int deferred;
static atomic_int pending;
static atomic_int copied; /* 0: none is expected */
static _Atomic uint64_t copy_until_ms;
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

/* What sig_expect_copy() announced: only async-signal-safe calls. */
static bool is_copy(int signo, const siginfo_t *info)
{
	return signo == atomic_load(&copied) && info->si_code == SI_USER &&
	       info->si_pid == getppid() && clock_mono_ms() < atomic_load(&copy_until_ms);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	int keep = errno;

	(void)context;
	if (is_copy(signo, info))
		atomic_store(&copied, 0);
	else if (atomic_load(&deferred) > 0)
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
	act.sa_sigaction = on_signal;
	act.sa_flags = SA_SIGINFO;
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

void sig_expect_copy(int signo, uint64_t until_ms)
{
	atomic_store(&copy_until_ms, until_ms);
	atomic_store(&copied, signo);
}

void sig_on_death(void (*fn)(void))
{
	atomic_store(&on_death, fn);
}
