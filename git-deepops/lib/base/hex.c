/* SPDX-License-Identifier: MIT */
/* hex.c - lowercase hexadecimal; see hex.h */
#include "base/hex.h"

void hex_encode(char *out, const uint8_t *bytes, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool hex_decode(uint8_t *bytes, const char *digits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(digits[2 * i]);
		int lo = hi < 0 ? -1 : hex_value(digits[2 * i + 1]);

		if (lo < 0)
			return false;
		bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}
