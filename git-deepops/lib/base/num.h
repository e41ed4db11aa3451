/* SPDX-License-Identifier: MIT */
/*
 * num.h - checked arithmetic and strict text to number
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/err.h"

/* *out = a + b (a * b); false on overflow, *out then unspecified. */
static inline bool num_add(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline bool num_mul(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

/*
 * The whole string is a decimal number in [min, max]: no sign, no blanks, no
 * leading zeros, no octal.  ERR_INPUT names the string.
 */
int num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out,
		  struct err *e) MUST_CHECK;

/* Same over `len` bytes that need not be terminated. */
int num_parse_u64n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out,
		   struct err *e) MUST_CHECK;

/*
 * The whole string is a number as C's strtod reads it, nan and inf too; no blanks.  False if it is not.
 */
bool num_parse_real(const char *s, double *out);

/* As num_parse_u64 with an optional suffix k, M, G, T (powers of 1024; KiB, MiB … too). */
int num_parse_size(const char *s, uint64_t *bytes, struct err *e) MUST_CHECK;

/* "12.3 MiB" into `out`; for people only. */
struct num_text {
	char s[24];
};
struct num_text num_human_bytes(uint64_t bytes);

#endif
