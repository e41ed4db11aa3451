/* SPDX-License-Identifier: MIT */
/* log.c - messages for people on stderr; see log.h */
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

static enum log_level log_current = LOG_NORMAL;

static void log_line(const char *prefix, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

void log_set_level(enum log_level level)
{
	log_current = level;
}

enum log_level log_level(void)
{
	return log_current;
}

/* One write a line, so that lines of several processes do not mix. */
static void log_emit_to(FILE *to, const char *prefix, const char *text)
{
	size_t n = strlen(prefix), room = strlen(text) + 1;
	struct buf line = BUF_INIT;

	buf_grow(&line, n + room + 1);
	buf_addstr(&line, prefix);
	err_sanitize(line.p + n, room, text);
	buf_setlen(&line, n + strlen(line.p + n));
	buf_addch(&line, '\n');
	fwrite(line.p, 1, line.len, to);
	buf_release(&line);
}

static void log_emit(const char *prefix, const char *text)
{
	log_emit_to(stderr, prefix, text);
}

void log_print(const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	log_emit_to(stdout, "", text.p);
	buf_release(&text);
}

static void log_line(const char *prefix, const char *fmt, va_list ap)
{
	struct buf text = BUF_INIT;

	buf_vaddf(&text, fmt, ap);
	log_emit(prefix, text.p);
	buf_release(&text);
}

#define LOG_BODY(prefix, least)                                                                    \
	va_list ap;                                                                                \
                                                                                                   \
	if (log_level() < (least))                                                                 \
		return;                                                                            \
	va_start(ap, fmt);                                                                         \
	log_line(prefix, fmt, ap);                                                                 \
	va_end(ap)

void log_warn(const char *fmt, ...)
{
	LOG_BODY("warning: ", LOG_NORMAL);
}

void log_note(const char *fmt, ...)
{
	LOG_BODY("", LOG_NORMAL);
}

void log_verbose(const char *fmt, ...)
{
	LOG_BODY("", LOG_VERBOSE);
}

void log_hint(const char *fmt, ...)
{
	LOG_BODY("hint: ", LOG_NORMAL);
}

void log_fatal(const struct err *e)
{
	log_emit("fatal: ", e->msg);
	if (e->hint[0])
		log_emit("hint: ", e->hint);
}
