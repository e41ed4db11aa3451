/* SPDX-License-Identifier: MIT */
/* u-scan.c - which lstat data may be believed: git's racy rule, whatever the clock does meanwhile */
#include "base/clock.h"
#include "data/scan.h"
#include "tap.h"

#define SECOND INT64_C(1000000000)

/* With times made from the current tick: asked again until no tick passed while it was asked. */
static bool is_past(int64_t mtime_offset, int64_t ctime_offset)
{
	int64_t before;
	bool past;

	do {
		before = clock_stamp_ns();
		past = scan_is_past(before + mtime_offset, before + ctime_offset);
	} while (clock_stamp_ns() != before);
	return past;
}

/* Of a file system that keeps whole seconds: so many seconds before the current one. */
static bool is_past_coarse(int64_t seconds)
{
	int64_t before;
	bool past;

	do {
		before = clock_stamp_ns();
		past = scan_is_past((before / SECOND - seconds) * SECOND, 1);
	} while (clock_stamp_ns() / SECOND != before / SECOND);
	return past;
}

int main(void)
{
	ok(!is_past(0, 0), "written in this tick: it could be written again in it");
	ok(!is_past(SECOND / 3, 0) && !is_past(0, SECOND / 3), "from the future");
	ok(!is_past(INT64_C(86400) * SECOND + 1, 1), "from tomorrow");
	ok(is_past(-SECOND / 3 - 1, -SECOND / 3 - 1), "from a tick before");
	ok(!is_past(-SECOND / 3 - 1, 0), "old by mtime, which anybody can set, but not by ctime");
	ok(!is_past(0, -SECOND / 3 - 1), "nor the other way round");
	ok(!is_past_coarse(0) && !is_past_coarse(1), "whole seconds: this one, and that before");
	ok(is_past_coarse(3), "whole seconds: three ago");
	return done_testing();
}
