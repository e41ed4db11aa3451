/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - what a fuzz target defines
 *
 * tests/fuzz/fuzz-NAME.c holds one function; the corpus stands in
 * tests/fuzz/corpus/NAME/ (what once did harm) and tests/vectors/NAME/.  A target decodes; what is accepted is encoded again
 * and must give the same bytes (fuzz_check).
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold; abort() is what a fuzzer reports. */
static inline void fuzz_check(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "fuzz: %s\n", what);
		abort();
	}
}

#endif
