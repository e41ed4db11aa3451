/* SPDX-License-Identifier: MIT */
/*
 * tap.h - checks for unit tests, printed as TAP for prove(1)
 *
 *	int main(void)
 *	{
 *		ok(x == 1, "x is %d", x);
 *		is_str(got, "want", "label");
 *		return done_testing();
 *	}
 */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"

static int tap_count, tap_failed;

static PRINTF_LIKE(2, 3) UNUSED bool ok(bool good, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	if (!good)
		tap_failed++;
	printf("%sok %d - ", good ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout); /* a forked child must not print it again */
	return good;
}

static UNUSED bool is_str(const char *got, const char *want, const char *label)
{
	bool good = ok(got && want ? !strcmp(got, want) : got == want, "%s", label);

	if (!good)
		printf("#  got: %s\n# want: %s\n", got ? got : "(null)", want ? want : "(null)");
	return good;
}

static UNUSED bool is_u64(uint64_t got, uint64_t want, const char *label)
{
	bool good = ok(got == want, "%s", label);

	if (!good)
		printf("#  got: %" PRIu64 "\n# want: %" PRIu64 "\n", got, want);
	return good;
}

static UNUSED int done_testing(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
