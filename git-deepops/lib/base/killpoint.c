/* SPDX-License-Identifier: MIT */
/* killpoint.c - places where a test can make the process die; see killpoint.h */
#include "base/killpoint.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

static pthread_once_t kill_once = PTHREAD_ONCE_INIT;
static const char *kill_name; /* NULL: never */
static size_t kill_name_len;
static uint64_t kill_at = 1;
static atomic_ullong kill_count;

static void kill_setup(void)
{
	const char *s = getenv("DEEPOPS_KILL_AT");
	const char *colon;

	if (!s)
		return;
	colon = strchr(s, ':');
	kill_name_len = colon ? (size_t)(colon - s) : strlen(s);
	if (!colon || num_parse_u64(colon + 1, 1, UINT64_MAX, &kill_at, NULL) == 0)
		kill_name = s;
}

void killpoint(const char *name)
{
	pthread_once(&kill_once, kill_setup);
	if (!kill_name || strlen(name) != kill_name_len ||
	    memcmp(name, kill_name, kill_name_len) != 0)
		return;
	if (atomic_fetch_add(&kill_count, 1) + 1 == kill_at)
		kill(getpid(), SIGKILL);
}
