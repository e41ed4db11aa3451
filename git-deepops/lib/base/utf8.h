/* SPDX-License-Identifier: MIT */
/*
 * utf8.h - one character of text from anywhere: is it one, and is it fit for a terminal?
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/defs.h"

/* Bytes of the character at p[0..left), left > 0; 0: malformed (Unicode 15, table 3-7). */
size_t utf8_length(const unsigned char *p, size_t left);

/*
 * The same, and 0 as well for what a terminal obeys or shows as something else than is there: control
 * characters (C0, DEL, C1), line and paragraph separators, marks that turn the direction of text (U+202E makes
 * "cod.exe" look like "exe.doc"), and tags, which nobody sees.
 */
size_t utf8_shown(const unsigned char *p, size_t left);

#endif
