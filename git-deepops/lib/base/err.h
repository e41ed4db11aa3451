/* SPDX-License-Identifier: MIT */
/*
 * err.h - the error object: a code, a message that names the thing, a hint
 *
 * Library functions return int: 0 (or a count, where the header says so) or a
 * negative enum err_code, and take `struct err *` last.  They never print and
 * never exit.  main.c prints `fatal: <msg>` and, if there is one, `hint: <hint>`.
 *
 *	if (rc < 0)
 *		return err_wrap(e, "dataset %s", name);
 *
 * Messages: name the object, state the fact, lower case, no full stop.  Wrap
 * once per layer that adds a fact.  All functions accept e == NULL.
 * Nothing allocates, so errors can be made when memory is short.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>

#include "base/defs.h"

enum err_code {
	ERR_SYS = -1, /* the system said no: e->sys is errno */
	ERR_NOTFOUND = -2,
	ERR_CORRUPT = -3, /* stored bytes are not what their name says */
	ERR_LIMIT = -4,   /* beyond a maximum of limits.h */
	ERR_PROTO = -5,   /* the peer breaks the protocol */
	ERR_DENIED = -6,  /* refused: role, policy, host key */
	ERR_INPUT = -7,   /* what the user or a file gave us is malformed */
	ERR_EXISTS = -8,
	ERR_USAGE = -9, /* wrong flag or argument: exit 129 */
	ERR_INTR = -10, /* a signal asked us to stop */
};

struct err {
	int code; /* 0: no error */
	int sys;  /* errno where code is ERR_SYS, else 0 */
	char msg[480];
	char hint[320]; /* the command that mends it, or empty */
};

#define ERR_INIT                                                                                   \
	{                                                                                          \
		0, 0, "", ""                                                                       \
	}

/* Set code and message (replacing any), clear the hint.  Return `code`. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Message + ": " + strerror(errno); code ERR_SYS.  Keeps errno.  Return ERR_SYS. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * Put "context: " in front of the message.  Return e->code (ERR_SYS if e is
 * NULL: who must keep the code for such callers returns its own rc instead).
 */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Set the hint: a command or sentence that mends it.  Return e->code. */
int err_hint(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * All four return something negative.  Compilers and analysers do not see that
 * across files and would follow paths where an error was set but 0 returned, so
 * the calls go through what they do see.
 */
static inline int err_negative(int rc)
{
	return rc < 0 ? rc : ERR_SYS;
}

#define err_set(...) err_negative(err_set(__VA_ARGS__))
#define err_sys(...) err_negative(err_sys(__VA_ARGS__))
#define err_wrap(...) err_negative(err_wrap(__VA_ARGS__))
#define err_hint(...) err_negative(err_hint(__VA_ARGS__))

/* Forget the error. */
void err_clear(struct err *e);

/*
 * Copy `text` to `out` (size n, always terminated), control characters, what is no UTF-8 and what turns the
 * direction of text (utf8.h) replaced by '?'.
 */
void err_sanitize(char *out, size_t n, const char *text);

#endif
