/* SPDX-License-Identifier: MIT */
/* u-num.c - numbers, hex, time text */
#include <stdlib.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/random.h"
#include "tap.h"

static void test_u64(void)
{
	static const char *const bad[] = {
		"", "-1", "+1", " 1", "1 ", "01", "0x1", "1e3", "a", "1.0", "18446744073709551616"};
	struct err e = ERR_INIT;
	uint64_t v = 0;

	ok(num_parse_u64("18446744073709551615", 0, UINT64_MAX, &v, &e) == 0 && v == UINT64_MAX,
	   "the largest");
	ok(num_parse_u64("0", 0, 9, &v, &e) == 0 && v == 0, "zero");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(num_parse_u64(bad[i], 0, UINT64_MAX, &v, &e) == ERR_INPUT, "'%s' refused",
		   bad[i]);
	ok(num_parse_u64("10", 1, 9, &v, &e) == ERR_INPUT, "above the range");
	is_str(e.msg, "'10' is not between 1 and 9", "says the range");
	ok(num_parse_u64("0", 1, 9, &v, &e) == ERR_INPUT, "below the range");
	ok(num_parse_u64n("123x", 3, 0, 999, &v, &e) == 0 && v == 123, "a part of a string");
}

static void test_size(void)
{
	static const char *const bad[] = {"",    "k",   "1kb",  "1 k",
					  "-1k", "01k", "1.5M", "17179869184G"};
	struct err e = ERR_INIT;
	uint64_t v = 0;

	ok(num_parse_size("3", &v, &e) == 0 && v == 3, "bytes");
	ok(num_parse_size("64k", &v, &e) == 0 && v == 64 * KIB, "k");
	ok(num_parse_size("2MiB", &v, &e) == 0 && v == 2 * MIB, "MiB");
	ok(num_parse_size("1T", &v, &e) == 0 && v == 1024 * GIB, "T");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(num_parse_size(bad[i], &v, &e) == ERR_INPUT, "'%s' refused", bad[i]);
}

static void test_human(void)
{
	is_str(num_human_bytes(0).s, "0 bytes", "0");
	is_str(num_human_bytes(1).s, "1 byte", "1");
	is_str(num_human_bytes(1536).s, "1.5 KiB", "1536");
	is_str(num_human_bytes(UINT64_MAX).s, "16.0 EiB", "the largest");
}

static void test_hex(void)
{
	static const uint8_t bytes[] = {0x00, 0x9f, 0xff};
	uint8_t back[3];
	char text[7], many[81];

	hex_encode(text, bytes, sizeof(bytes));
	is_str(text, "009fff", "encode");
	ok(hex_decode(back, text, 3) && !memcmp(back, bytes, 3), "decode");
	ok(!hex_decode(back, "009FFF", 3), "upper case refused");
	ok(!hex_decode(back, "00g0ff", 3) && !hex_decode(back, "00", 3), "other bytes, short text");
	random_hex(many, 80);
	ok(strlen(many) == 80 && strspn(many, "0123456789abcdef") == 80, "80 random digits");
}

static void test_clock(void)
{
	static const char *const bad[] = {"2026-11-22T22:16:44Z",     "2026-11-22 22:16:44.123Z",
					  "2026-02-30T00:00:00.000Z", "2026-11-22T24:00:00.000Z",
					  "2026-11-22T22:16:60.000Z", "2026-11-22T22:16:44.123Z ",
					  "2026-11-22T22:16:44.123z", ""};
	static const int64_t times[] = {0,
					-1,
					1,
					INT64_C(1795385804123),
					-INT64_C(62167219200000),
					INT64_C(253402300799999)};
	char text[CLOCK_TEXT_BYTES];
	struct err e = ERR_INIT;
	int64_t ms = 0, before;

	clock_text(text, INT64_C(1795385804123));
	is_str(text, "2026-11-22T22:16:44.123Z", "text");
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		clock_text(text, times[i]);
		ok(clock_parse(text, &ms, &e) == 0 && ms == times[i], "%s and back", text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(clock_parse(bad[i], &ms, &e) == ERR_INPUT, "'%s' refused", bad[i]);
	before = clock_now_ms();
	ok(before > INT64_C(1500000000000) && clock_now_ms() >= before, "wall clock");
	ok(clock_mono_ms() > 0, "monotonic clock");
}

static void test_real(void)
{
	static const char *const bad[] = {"", " 1", "1 ", "1x", "-", "e5", "\n1"};
	double v;

	ok(num_parse_real("-2.5e-1", &v) && v == -0.25, "a real number");
	ok(num_parse_real("nan", &v) && v != v, "nan is one");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!num_parse_real(bad[i], &v), "none: number %zu", i);
}

int main(void)
{
	test_real();
	test_u64();
	test_size();
	test_human();
	test_hex();
	test_clock();
	return done_testing();
}
