/* SPDX-License-Identifier: MIT */
/*
 * buf.h - growable byte buffer, never NULL, always NUL-terminated
 *
 *	struct buf b = BUF_INIT;
 *	buf_addf(&b, "%s/%u", dir, n);
 *	use(b.p, b.len);
 *	buf_release(&b);
 *
 * b.p[b.len] is always '\0' and not counted; content may hold NUL bytes.
 * b.p belongs to the buffer and moves when it grows.  Out of memory ends the
 * process (xalloc.h): cap sizes that come from outside before calling.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <sys/types.h>

#include "base/defs.h"

struct buf {
	char *p;
	size_t len;
	size_t alloc; /* 0: p is the shared empty string and not owned */
};

extern char buf_empty[];
#define BUF_INIT                                                                                   \
	{                                                                                          \
		buf_empty, 0, 0                                                                    \
	}

void buf_init(struct buf *b);
void buf_release(struct buf *b);              /* free contents; b is as after init */
void buf_reset(struct buf *b);                /* length 0, keeps memory */
void buf_grow(struct buf *b, size_t extra);   /* room for `extra` more bytes */
void buf_setlen(struct buf *b, size_t len);   /* len <= alloc - 1, or 0 */
char *buf_detach(struct buf *b, size_t *len); /* caller frees; len may be NULL */
void buf_swap(struct buf *a, struct buf *b);

void buf_add(struct buf *b, const void *data, size_t len);
void buf_addch(struct buf *b, int c);
void buf_addstr(struct buf *b, const char *s);
void buf_addbuf(struct buf *b, const struct buf *other);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vaddf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void buf_sets(struct buf *b, const char *s);            /* replace content */
void buf_remove(struct buf *b, size_t pos, size_t len); /* cut out a range inside */
void buf_rtrim(struct buf *b);                          /* drop trailing blanks and newlines */

int buf_cmp(const struct buf *a, const struct buf *b); /* bytewise, shorter first */
bool buf_startswith(const struct buf *b, const char *prefix);
bool str_startswith(const char *s, const char *prefix, const char **rest); /* rest may be NULL */
bool str_endswith(const char *s, const char *suffix);

#endif
