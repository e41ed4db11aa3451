/* SPDX-License-Identifier: MIT */
/* utf8.c - one character of text from anywhere; see utf8.h */
#include "base/utf8.h"

static bool well_formed(const unsigned char *p, size_t n)
{
	if (*p < 0xc2 || *p > 0xf4)
		return false;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
		return false;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = *p < 0x80 ? 1 : *p <= 0xdf ? 2 : *p <= 0xef ? 3 : 4;

	if (n == 1)
		return 1;
	return left >= n && well_formed(p, n) ? n : 0;
}

static uint32_t code_point(const unsigned char *p, size_t n)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = *p & masks[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static bool is_deceptive(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} ranges[] = {
		{0, 0x1f},          /* C0 */
		{0x7f, 0x9f},       /* DEL, C1 */
		{0x61c, 0x61c},     /* Arabic letter mark */
		{0x200e, 0x200f},   /* direction marks */
		{0x2028, 0x202e},   /* separators, embeddings, overrides */
		{0x2066, 0x2069},   /* isolates */
		{0xfeff, 0xfeff},   /* byte order mark */
		{0xe0000, 0xe007f}, /* tags */
	};

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

size_t utf8_shown(const unsigned char *p, size_t left)
{
	size_t n = utf8_length(p, left);

	return n && !is_deceptive(code_point(p, n)) ? n : 0;
}
