/* SPDX-License-Identifier: MIT */
/* num.c - strict text to number; see num.h */
#include "base/num.h"

#include <stdlib.h>

#include <stdio.h>

#include "base/limits.h"

int num_parse_u64n(const char *s, size_t len, uint64_t min, uint64_t max, uint64_t *out,
		   struct err *e)
{
	int shown = (int)MIN(len, (size_t)40);
	uint64_t v = 0;

	if (!len || (len > 1 && s[0] == '0'))
		return err_set(e, ERR_INPUT, "not a number: '%.*s'", shown, s);
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return err_set(e, ERR_INPUT, "not a number: '%.*s'", shown, s);
		if (!num_mul(v, 10, &v) || !num_add(v, (uint64_t)(s[i] - '0'), &v))
			return err_set(e, ERR_INPUT, "number too large: '%.*s'", shown, s);
	}
	if (v < min || v > max)
		return err_set(e, ERR_INPUT, "'%.*s' is not between %" PRIu64 " and %" PRIu64,
			       shown, s, min, max);
	*out = v;
	return 0;
}

int num_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out, struct err *e)
{
	return num_parse_u64n(s, strlen(s), min, max, out, e);
}

bool num_parse_real(const char *s, double *out)
{
	char *end;

	/* strtod skips blanks in front; a locale never says what the point is: setlocale is not called. */
	if (!*s || *s == ' ' || (*s >= '\t' && *s <= '\r'))
		return false;
	*out = strtod(s, &end);
	return end != s && !*end;
}

int num_parse_size(const char *s, uint64_t *bytes, struct err *e)
{
	static const struct {
		const char *text;
		uint64_t unit;
	} suffixes[] = {
		{"", 1},      {"k", KIB}, {"K", KIB},   {"KiB", KIB},      {"M", MIB},
		{"MiB", MIB}, {"G", GIB}, {"GiB", GIB}, {"T", 1024 * GIB}, {"TiB", 1024 * GIB},
	};
	size_t digits = strspn(s, "0123456789");
	uint64_t n;

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		if (strcmp(s + digits, suffixes[i].text) != 0)
			continue;
		if (num_parse_u64n(s, digits, 0, UINT64_MAX, &n, e) < 0)
			return err_set(e, ERR_INPUT, "not a size: '%.40s'", s);
		if (!num_mul(n, suffixes[i].unit, bytes))
			return err_set(e, ERR_INPUT, "size too large: '%.40s'", s);
		return 0;
	}
	return err_set(e, ERR_INPUT, "not a size: '%.40s'", s);
}

struct num_text num_human_bytes(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct num_text t;
	uint64_t unit = KIB;
	size_t i = 0;

	if (bytes < KIB) {
		snprintf(t.s, sizeof(t.s), "%u byte%s", (unsigned int)bytes, bytes == 1 ? "" : "s");
		return t;
	}
	while (i + 1 < ARRAY_SIZE(units) && bytes / unit >= 1024) {
		unit *= 1024;
		i++;
	}
	snprintf(t.s, sizeof(t.s), "%.1f %s", (double)bytes / (double)unit, units[i]);
	return t;
}
