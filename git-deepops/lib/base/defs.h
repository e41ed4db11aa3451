/* SPDX-License-Identifier: MIT */
/*
 * defs.h - attributes and small macros used everywhere
 *
 * Nothing here has state.  PRINTF_LIKE makes the compiler check format
 * strings, MUST_CHECK makes an ignored result a warning.
 */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
