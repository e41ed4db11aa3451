/* SPDX-License-Identifier: MIT */
/*
 * hex.h - lowercase hexadecimal, both ways; upper case is refused
 */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include "base/defs.h"

/* Write 2 * n digits and a NUL to `out`. */
void hex_encode(char *out, const uint8_t *bytes, size_t n);

/* Read exactly 2 * n lowercase digits; false if any other byte is there. */
bool hex_decode(uint8_t *bytes, const char *digits, size_t n);

#endif
