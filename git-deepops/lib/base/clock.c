/* SPDX-License-Identifier: MIT */
/* clock.c - time; see clock.h */
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/num.h"

/* 0000-01-01 to 9999-12-31: what four digits of a year can say. */
#define CLOCK_MIN_MS INT64_C(-62167219200000)
#define CLOCK_MAX_MS INT64_C(253402300799999)

static pthread_once_t offset_once = PTHREAD_ONCE_INIT;
static int64_t offset_ms;

static void offset_setup(void)
{
	const char *s = getenv("DEEPOPS_TEST_CLOCK_OFFSET");
	uint64_t seconds;
	bool negative;

	if (!s)
		return;
	negative = *s == '-';
	if (num_parse_u64(s + negative, 0, UINT64_C(1) << 40, &seconds, NULL) == 0)
		offset_ms = (negative ? -1 : 1) * (int64_t)seconds * 1000;
}

int64_t clock_now_ms(void)
{
	struct timespec t;

	pthread_once(&offset_once, offset_setup);
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + offset_ms;
}

int64_t clock_now_seconds(void)
{
	return clock_now_ms() / 1000;
}

uint64_t clock_mono_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t read_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t clock_stamp_ns(void)
{
	return read_ns(CLOCK_REALTIME_COARSE);
}

int64_t clock_exact_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

int64_t clock_tick_ns(void)
{
	return read_ns(CLOCK_MONOTONIC_COARSE);
}

void clock_text(char out[CLOCK_TEXT_BYTES], int64_t ms)
{
	struct tm tm;
	time_t seconds;
	int64_t milli;

	ms = MAX(CLOCK_MIN_MS, MIN(CLOCK_MAX_MS, ms));
	milli = ms % 1000;
	if (milli < 0)
		milli += 1000;
	seconds = (time_t)((ms - milli) / 1000);
	gmtime_r(&seconds, &tm);
	/* The remainders change nothing but tell the compiler how wide each field is. */
	snprintf(out, CLOCK_TEXT_BYTES, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)(tm.tm_mon + 1) % 100,
		 (unsigned int)tm.tm_mday % 100, (unsigned int)tm.tm_hour % 100,
		 (unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100,
		 (unsigned int)milli % 1000);
}

static int digits(const char *s, size_t n)
{
	int v = 0;

	for (; n; s++, n--)
		v = v * 10 + (*s - '0');
	return v;
}

static bool clock_shape_ok(const char *s)
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	size_t i;

	for (i = 0; s[i] && shape[i]; i++) {
		if (shape[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
			return false;
	}
	return !s[i] && !shape[i];
}

int clock_parse(const char *s, int64_t *ms, struct err *e)
{
	char again[CLOCK_TEXT_BYTES];
	struct tm tm = {0};
	int64_t v;

	if (!clock_shape_ok(s))
		return err_set(e, ERR_INPUT, "not a UTC time: '%.40s'", s);
	tm.tm_year = digits(s, 4) - 1900;
	tm.tm_mon = digits(s + 5, 2) - 1;
	tm.tm_mday = digits(s + 8, 2);
	tm.tm_hour = digits(s + 11, 2);
	tm.tm_min = digits(s + 14, 2);
	tm.tm_sec = digits(s + 17, 2);
	v = (int64_t)timegm(&tm) * 1000 + digits(s + 20, 3);
	/* timegm turns 30 February into 2 March: only what comes back unchanged exists. */
	clock_text(again, v);
	if (strcmp(again, s) != 0)
		return err_set(e, ERR_INPUT, "no such time: '%.40s'", s);
	*ms = v;
	return 0;
}

int clock_parse_moment(const char *s, int64_t *ms, struct err *e)
{
	char text[CLOCK_TEXT_BYTES] = "";
	size_t len = strlen(s);

	if (len == strlen("2026-11-22"))
		snprintf(text, sizeof(text), "%sT00:00:00.000Z", s);
	else if (len == strlen("2026-11-22T22:16:44Z") && s[len - 1] == 'Z')
		snprintf(text, sizeof(text), "%.19s.000Z", s);
	else if (len < sizeof(text))
		snprintf(text, sizeof(text), "%s", s);
	return clock_parse(text, ms, e);
}
