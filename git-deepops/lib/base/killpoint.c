/* SPDX-License-Identifier: MIT */
/* killpoint.c - places where a test can make the process die or wait; see killpoint.h */
#include "base/killpoint.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"

#define STOP_POLL_NS 5000000L
#define STOP_MAX_POLLS 24000 /* two minutes: a test that forgot us */

/* Which passage of which point a variable names. */
struct passage {
	const char *name; /* NULL: never */
	size_t len;
	uint64_t at;
	atomic_ullong count;
};

static pthread_once_t kill_once = PTHREAD_ONCE_INIT;
static struct passage kill_passage, stop_passage;

static void read_passage(struct passage *p, const char *variable)
{
	const char *s = getenv(variable);
	const char *colon;

	p->at = 1;
	if (!s)
		return;
	colon = strchr(s, ':');
	p->len = colon ? (size_t)(colon - s) : strlen(s);
	if (!colon || num_parse_u64(colon + 1, 1, UINT64_MAX, &p->at, NULL) == 0)
		p->name = s;
}

static void kill_setup(void)
{
	read_passage(&kill_passage, "DEEPOPS_KILL_AT");
	read_passage(&stop_passage, "DEEPOPS_STOP_AT");
}

static bool is_now(struct passage *p, const char *name)
{
	if (!p->name || strlen(name) != p->len || memcmp(name, p->name, p->len) != 0)
		return false;
	return atomic_fetch_add(&p->count, 1) + 1 == p->at;
}

/* Say that we are here, and wait until we may go on. */
static void stop(void)
{
	static const struct timespec pause = {0, STOP_POLL_NS};
	const char *file = getenv("DEEPOPS_STOP_FILE");
	char path[4096];
	int fd;

	if (!file || snprintf(path, sizeof(path), "%s.here", file) >= (int)sizeof(path))
		return;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), "%s.go", file);
	for (int i = 0; i < STOP_MAX_POLLS && access(path, F_OK) < 0; i++)
		nanosleep(&pause, NULL);
}

void killpoint(const char *name)
{
	pthread_once(&kill_once, kill_setup);
	if (is_now(&stop_passage, name))
		stop();
	if (is_now(&kill_passage, name))
		kill(getpid(), SIGKILL);
}
