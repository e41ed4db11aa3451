/* SPDX-License-Identifier: MIT */
/* pre_receive.c - git-deepops-pre-receive: a push passes or is refused; see git-deepops-server(1) */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/num.h"
#include "base/sig.h"
#include "policy/override.h"
#include "policy/push.h"

#define DEADLINE_SECONDS 4 /* one forge gives all hooks of a push 5 */
#define GRACE_SECONDS 2    /* between noticing the deadline and being ended */

static struct buf too_slow = BUF_INIT; /* written before it is needed, for a signal handler */

/* The deadline that loops ask for was missed: say no before the forge ends us. */
static void out_of_time(int sig)
{
	(void)sig;
	if (write(STDERR_FILENO, too_slow.p, too_slow.len) < 0)
		_exit(2);
	_exit(1);
}

static uint64_t deadline_seconds(struct repo *r)
{
	struct buf text = BUF_INIT;
	uint64_t seconds = DEADLINE_SECONDS;

	if (repo_config_get(r, "deepops.hookDeadline", &text, NULL) == 1 &&
	    num_parse_u64(text.p, 1, 3600, &seconds, NULL) < 0)
		seconds = DEADLINE_SECONDS;
	buf_release(&text);
	return seconds;
}

static void limit_time(uint64_t seconds)
{
	struct rlimit cpu = {seconds + GRACE_SECONDS, seconds + 2UL * GRACE_SECONDS};
	struct sigaction sa = {.sa_handler = out_of_time};

	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGXCPU, &sa, NULL);
	setrlimit(RLIMIT_CPU, &cpu);
	alarm((unsigned int)(seconds + GRACE_SECONDS));
}

static void text_of(const struct push *p, const struct verdict *v, struct buf *out)
{
	if (p->json)
		verdict_json(v, out);
	else
		verdict_text(v, push_prefix(p), out);
}

static void say(const struct buf *text)
{
	(void)!io_write_all(STDERR_FILENO, text->p, text->len, NULL);
}

/* What could not be judged is refused, with a code and a way out. */
static void refusal(const struct push *p, enum reason reason, const char *why, struct buf *out)
{
	struct verdict v;
	struct verdict_ref *r;

	verdict_init(&v);
	r = verdict_add_ref(&v, p->n ? p->updates[0].ref : "the server", "", "");
	r->state = VERDICT_REFUSED;
	verdict_add(r, reason, "%s", why);
	text_of(p, &v, out);
	verdict_release(&v);
}

static int refuse(const struct push *p, enum reason reason, const struct err *e)
{
	struct buf text = BUF_INIT;

	refusal(p, reason, e->msg, &text);
	say(&text);
	buf_release(&text);
	return 1;
}

static int judge(const struct push *p, struct repo *r)
{
	struct judge_input in = {.repo = r,
				 .updates = p->updates,
				 .n = p->n,
				 .pusher = p->pusher,
				 .server = true,
				 .now_ms = clock_now_ms()};
	struct evidence_store store;
	struct evidence evidence;
	struct err e = ERR_INIT;
	struct buf text = BUF_INIT;
	struct verdict v;
	uint64_t seconds = deadline_seconds(r);
	bool refused;
	int rc;

	refusal(p, REASON_LIMIT_TIME, "judging it took too long", &too_slow);
	limit_time(seconds);
	in.deadline_ms = clock_mono_ms() + seconds * 1000;
	evidence_of_store(&evidence, &store, repo_deepops_dir(r));
	in.evidence = &evidence;
	verdict_init(&v);
	rc = judge_push(&in, &v, &e);
	refused = verdict_refused(&v);
	if (rc == 0)
		text_of(p, &v, &text);
	if (rc < 0)
		refused = refuse(p, REASON_INTERNAL, &e);
	else if (!refused && override_keep(r, &v, &e) < 0)
		refused = refuse(p, REASON_OVERRIDE_DENIED, &e);
	else
		say(&text);
	buf_release(&text);
	verdict_release(&v);
	evidence_store_release(&store);
	return refused;
}

int main(void)
{
	struct err e = ERR_INIT;
	struct repo *r = NULL;
	struct push p;
	int rc;

	sig_setup();
	rc = push_receive(&p, &e);
	if (rc < 0) {
		rc = refuse(&p, rc == ERR_LIMIT ? REASON_LIMIT_REFS : REASON_INTERNAL, &e);
	} else if (p.n) {
		/* The quarantine is seen through the environment, and only through it. */
		rc = repo_open(&r, NULL, REPO_HOOK, &e);
		if (rc == 0)
			rc = push_who(&p, r, &e);
		if (rc == 0)
			rc = push_resolve(&p, r, &e);
		if (rc == 0)
			rc = push_look_up(&p, r, &e);
		rc = rc < 0 ? refuse(&p, REASON_INTERNAL, &e) : judge(&p, r);
	}
	repo_close(r);
	push_release(&p);
	return rc;
}
