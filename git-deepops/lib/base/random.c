/* SPDX-License-Identifier: MIT */
/* random.c - random bytes from the kernel; see random.h */
#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/hex.h"

void random_bytes(void *out, size_t n)
{
	uint8_t *p = out;

	while (n) {
		ssize_t got = getrandom(p, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			fputs("fatal: no random bytes from the kernel\n", stderr);
			exit(128);
		}
		p += got;
		n -= (size_t)got;
	}
}

void random_hex(char *out, size_t digits)
{
	uint8_t bytes[32];

	out[0] = '\0';
	while (digits >= 2) {
		size_t n = MIN(digits / 2, sizeof(bytes));

		random_bytes(bytes, n);
		hex_encode(out, bytes, n);
		out += 2 * n;
		digits -= 2 * n;
	}
}
