/* SPDX-License-Identifier: MIT */
/* u-chunker.c - cut points: a plain restatement of the rule, any read size, gear table */
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/xalloc.h"
#include "chunk/chunker.h"
#include "tap.h"

#define DATA_BYTES (8 * MIB)

/* Reproducible bytes (xorshift64*). */
static uint8_t *some_bytes(size_t n, uint64_t seed)
{
	uint8_t *p = xmalloc(n);

	for (size_t i = 0; i < n; i++) {
		seed ^= seed >> 12;
		seed ^= seed << 25;
		seed ^= seed >> 27;
		p[i] = (uint8_t)(seed * UINT64_C(0x2545f4914f6cdd1d) >> 56);
	}
	return p;
}

/* The page's rule, word by word, over bytes that are all in memory. */
static size_t next_cut(const uint8_t *p, size_t len)
{
	uint64_t state = 0;

	if (len <= CHUNKER_MIN_BYTES)
		return len;
	for (size_t i = CHUNKER_MIN_BYTES - 64; i < len && i < CHUNKER_CUT_MAX_BYTES; i++) {
		state = state * 2 + chunker_gear()[p[i]];
		if (i < CHUNKER_MIN_BYTES)
			continue;
		if (state >> (i < CHUNKER_AVG_BYTES ? 64 - 18 : 64 - 14) == 0)
			return i + 1;
	}
	return MIN(len, (size_t)CHUNKER_CUT_MAX_BYTES);
}

/* Cut points found with reads of `step` bytes (0: sizes that vary). */
static size_t cuts_by(const uint8_t *p, size_t len, size_t step, size_t *cuts)
{
	struct chunker c;
	size_t n = 0, at = 0, wild = 1;

	chunker_init(&c);
	while (at < len) {
		size_t block = step ? step : 1 + (wild = wild * 48271 % 2147483647) % 70000;
		size_t end = MIN(len, at + block);

		while (at < end) {
			bool cut;

			at += chunker_scan(&c, p + at, end - at, &cut);
			if (cut)
				cuts[n++] = at;
		}
	}
	return n;
}

static void test_boundaries(const char *what, const uint8_t *p, size_t len)
{
	static const size_t steps[] = {1, 63, 64, 4096, 65537, 1000003, 0, DATA_BYTES};
	size_t want[1024], got[1024], n = 0;

	for (size_t at = 0; at < len;) {
		size_t k = next_cut(p + at, len - at);

		at += k;
		if (at < len || k == CHUNKER_CUT_MAX_BYTES)
			want[n++] = at;
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t k = cuts_by(p, len, steps[i], got);

		/* The last chunk may end by chance exactly where a cut falls. */
		if (k == n + 1 && got[n] == len)
			k = n;
		ok(k == n && !memcmp(got, want, n * sizeof(*got)),
		   "%s: %zu cuts, the same in reads of %zu", what, k, steps[i]);
	}
}

static void test_gear(void)
{
	bool same = true;

	for (unsigned int i = 0; i < 256; i++) {
		uint8_t in[14] = "deepops-gear", out[HASH_BYTES];
		uint64_t v = 0;

		in[12] = (uint8_t)i;
		in[13] = 0;
		hash_sha256(out, in, sizeof(in));
		for (int k = 0; k < 8; k++)
			v = v << 8 | out[k];
		same &= chunker_gear()[i] == v;
	}
	ok(same, "the gear table is what the format says");
}

static void test_whole(void)
{
	static const char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
	static const char webp[] = "RIFF\1\2\3\4WEBPVP8 ", wav[] = "RIFF\1\2\3\4WAVEfmt ";
	static const char bzip[] = "BZh91AY&SY......", text[] = "BZh is a city...";
	static const char mp4[] = "\0\0\0\x18"
				  "ftypmp42....";

	ok(chunker_keeps_whole((const uint8_t *)text, 16, 64 * KIB), "64 KiB of anything");
	ok(!chunker_keeps_whole((const uint8_t *)text, 16, 64 * KIB + 1), "not more");
	ok(chunker_keeps_whole((const uint8_t *)png, 16, MIB), "1 MiB of PNG");
	ok(!chunker_keeps_whole((const uint8_t *)png, 16, MIB + 1), "not more");
	ok(chunker_is_compressed((const uint8_t *)webp, 16) &&
		   !chunker_is_compressed((const uint8_t *)wav, 16),
	   "WebP, not every RIFF");
	ok(chunker_is_compressed((const uint8_t *)bzip, 16) &&
		   !chunker_is_compressed((const uint8_t *)text, 16),
	   "bzip2, not every BZh");
	ok(chunker_is_compressed((const uint8_t *)mp4, 16), "MP4");
	ok(!chunker_is_compressed((const uint8_t *)png, 7) && !chunker_is_compressed(NULL, 0),
	   "a head cut short");
}

/* Not a check of speed, which a busy machine would fail: the figure is for who reads it. */
static void show_speed(const uint8_t *p, size_t len)
{
	static size_t cuts[1024];
	uint64_t start = clock_mono_ms(), ms;

	for (int i = 0; i < 8; i++)
		cuts_by(p, len, len, cuts);
	ms = MAX(clock_mono_ms() - start, 1);
	printf("# %.2f GiB/s\n", 8 * (double)len / (double)GIB * 1000 / (double)ms);
}

int main(void)
{
	uint8_t *p = some_bytes(DATA_BYTES, 1);

	test_gear();
	test_whole();
	test_boundaries("random", p, DATA_BYTES);
	memset(p, 0, MIB);
	test_boundaries("with zeros", p, DATA_BYTES);
	for (size_t i = 0; i < DATA_BYTES; i++)
		p[i] = (uint8_t)(i % 1000 < 500 ? 'a' + i % 26 : p[i] & 7);
	test_boundaries("repetitive", p, 2 * MIB + 12345);
	test_boundaries("small", p, 16 * KIB);
	test_boundaries("one byte more", p, 16 * KIB + 1);
	show_speed(p, DATA_BYTES);
	free(p);
	return done_testing();
}
