/* SPDX-License-Identifier: MIT */
/* err.c - error objects on caller-owned storage; see err.h */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>

#include "base/utf8.h"

static void err_format(char *out, size_t n, const char *fmt, va_list ap) PRINTF_LIKE(3, 0);

static void err_format(char *out, size_t n, const char *fmt, va_list ap)
{
	if (vsnprintf(out, n, fmt, ap) < 0)
		out[0] = '\0';
}

/* Append "text", cut to what fits. */
static void err_append(char *out, size_t n, const char *text)
{
	size_t len = strlen(out);
	size_t add = strlen(text);

	if (add > n - 1 - len)
		add = n - 1 - len;
	memcpy(out + len, text, add);
	out[len + add] = '\0';
}

int(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	err_clear(e);
	e->code = code;
	va_start(ap, fmt);
	err_format(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	return code;
}

int(err_sys)(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	char text[128];
	va_list ap;

	if (!e)
		return ERR_SYS;
	err_clear(e);
	e->code = ERR_SYS;
	e->sys = sys;
	va_start(ap, fmt);
	err_format(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_append(e->msg, sizeof(e->msg), ": ");
	err_append(e->msg, sizeof(e->msg), strerror_r(sys, text, sizeof(text)));
	errno = sys;
	return ERR_SYS;
}

int(err_wrap)(struct err *e, const char *fmt, ...)
{
	char old[sizeof(e->msg)];
	va_list ap;

	if (!e)
		return ERR_SYS;
	memcpy(old, e->msg, sizeof(old));
	va_start(ap, fmt);
	err_format(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_append(e->msg, sizeof(e->msg), ": ");
	err_append(e->msg, sizeof(e->msg), old);
	return e->code;
}

int(err_hint)(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return ERR_SYS;
	va_start(ap, fmt);
	err_format(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
	return e->code;
}

void err_clear(struct err *e)
{
	if (!e)
		return;
	e->code = 0;
	e->sys = 0;
	e->msg[0] = '\0';
	e->hint[0] = '\0';
}

void err_sanitize(char *out, size_t n, const char *text)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + strlen(text);
	size_t i = 0;

	if (!n)
		return;
	while (s < end) {
		size_t whole = utf8_length(s, (size_t)(end - s));
		size_t shown = utf8_shown(s, (size_t)(end - s));

		if (i + MAX(shown, (size_t)1) >= n)
			break;
		if (shown)
			memcpy(out + i, s, shown);
		else
			out[i] = '?';
		i += MAX(shown, (size_t)1);
		s += MAX(whole, (size_t)1);
	}
	out[i] = '\0';
}
