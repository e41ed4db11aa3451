/* SPDX-License-Identifier: MIT */
/*
 * random.h - random bytes from the kernel
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include "base/defs.h"

void random_bytes(void *out, size_t n);    /* never fails: ends the process without getrandom */
void random_hex(char *out, size_t digits); /* digits even; NUL-terminated */

#endif
