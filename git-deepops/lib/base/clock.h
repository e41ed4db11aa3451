/* SPDX-License-Identifier: MIT */
/*
 * clock.h - time, in one place so that tests can shift it
 *
 * DEEPOPS_TEST_CLOCK_OFFSET=<seconds, may be negative> shifts the wall clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

#define CLOCK_TEXT_BYTES 25 /* 2026-11-22T22:16:44.123Z and NUL */
#define CLOCK_DAY_SECONDS INT64_C(86400)

int64_t clock_now_ms(void); /* wall clock, ms since 1970-01-01 UTC */
int64_t clock_now_seconds(void);
uint64_t clock_mono_ms(void); /* CLOCK_BOOTTIME */

/* For comparing with the times of files, in ns since 1970; never shifted by tests. */
int64_t clock_stamp_ns(void); /* coarse: the clock that the kernel stamps files with */
int64_t clock_exact_ns(void);
/* Coarse monotonic: the same value within one tick of the kernel's clock. */
int64_t clock_tick_ns(void);

/* RFC 3339 UTC with three decimals and Z. */
void clock_text(char out[CLOCK_TEXT_BYTES], int64_t ms);
/* The exact inverse; anything else is ERR_INPUT. */
int clock_parse(const char *s, int64_t *ms, struct err *e) MUST_CHECK;
/* As people write it, in UTC: YYYY-MM-DD, YYYY-MM-DDTHH:MM:SSZ, or with three decimals. */
int clock_parse_moment(const char *s, int64_t *ms, struct err *e) MUST_CHECK;

#endif
