/* SPDX-License-Identifier: MIT */
/*
 * log.h - messages for people, on stderr, for cmd/, sync/, hooks/ and server/ only
 *
 * Control bytes are replaced.  Lower layers return warnings in their results
 * instead of calling this.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_VERBOSE };

void log_set_level(enum log_level level);
enum log_level log_level(void);

void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);    /* "warning: …", not when quiet */
void log_note(const char *fmt, ...) PRINTF_LIKE(1, 2);    /* plain line, not when quiet */
void log_verbose(const char *fmt, ...) PRINTF_LIKE(1, 2); /* with -v */
void log_hint(const char *fmt, ...) PRINTF_LIKE(1, 2);    /* "hint: …" */
/* A line of output on stdout, whatever the level; what a repository says goes through this to a terminal. */
void log_print(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_fatal(const struct err *e); /* "fatal: msg", then its hint; does not exit */

#endif
