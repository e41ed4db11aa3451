/* SPDX-License-Identifier: MIT */
/* vector-must.h - what is a bug whatever the input was */
#ifndef TEST_VECTOR_MUST_H
#define TEST_VECTOR_MUST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void vector_must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "accepted input does not round-trip: %s\n", what);
	abort();
}

#endif
