/* SPDX-License-Identifier: MIT */
/* buf.c - growable byte buffer; see buf.h */
#include "base/buf.h"

#include <stdio.h>

#include "base/xalloc.h"

char buf_empty[1] = "";

void buf_init(struct buf *b)
{
	b->p = buf_empty;
	b->len = 0;
	b->alloc = 0;
}

void buf_release(struct buf *b)
{
	if (b->alloc)
		free(b->p);
	buf_init(b);
}

void buf_reset(struct buf *b)
{
	buf_setlen(b, 0);
}

void buf_grow(struct buf *b, size_t extra)
{
	size_t need;

	/* A sum that overflows asks xrealloc for more than there can be: it ends the process. */
	if (__builtin_add_overflow(b->len, extra, &need) || need == SIZE_MAX)
		need = SIZE_MAX - 1;
	if (need + 1 <= b->alloc)
		return;
	if (!b->alloc)
		b->p = NULL;
	XGROW(b->p, need + 1, b->alloc);
	b->p[b->len] = '\0';
}

void buf_setlen(struct buf *b, size_t len)
{
	b->len = len;
	if (b->alloc)
		b->p[len] = '\0';
}

char *buf_detach(struct buf *b, size_t *len)
{
	char *p = b->alloc ? b->p : xstrdup("");

	if (len)
		*len = b->len;
	buf_init(b);
	return p;
}

void buf_swap(struct buf *a, struct buf *b)
{
	struct buf t = *a;

	*a = *b;
	*b = t;
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!len)
		return;
	buf_grow(b, len);
	memcpy(b->p + b->len, data, len);
	buf_setlen(b, b->len + len);
}

void buf_addch(struct buf *b, int c)
{
	buf_grow(b, 1);
	b->p[b->len] = (char)c;
	buf_setlen(b, b->len + 1);
}

void buf_addstr(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addbuf(struct buf *b, const struct buf *other)
{
	size_t len = other->len;

	/* Grow first: `other` may be `b`, whose bytes would move. */
	buf_grow(b, len);
	buf_add(b, other->p, len);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void buf_vaddf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	buf_grow(b, 64);
	n = vsnprintf(b->p + b->len, b->alloc - b->len, fmt, ap);
	if (n > 0 && (size_t)n >= b->alloc - b->len) {
		buf_grow(b, (size_t)n);
		n = vsnprintf(b->p + b->len, b->alloc - b->len, fmt, again);
	}
	va_end(again);
	buf_setlen(b, b->len + (n > 0 ? (size_t)n : 0));
}

void buf_sets(struct buf *b, const char *s)
{
	buf_reset(b);
	buf_addstr(b, s);
}

void buf_remove(struct buf *b, size_t pos, size_t len)
{
	if (!len)
		return;
	memmove(b->p + pos, b->p + pos + len, b->len - pos - len);
	buf_setlen(b, b->len - len);
}

void buf_rtrim(struct buf *b)
{
	size_t len = b->len;

	while (len && strchr(" \t\r\n", b->p[len - 1]) && b->p[len - 1])
		len--;
	buf_setlen(b, len);
}

int buf_cmp(const struct buf *a, const struct buf *b)
{
	int c = memcmp(a->p, b->p, MIN(a->len, b->len));

	if (c)
		return c;
	return (a->len > b->len) - (a->len < b->len);
}

bool buf_startswith(const struct buf *b, const char *prefix)
{
	size_t n = strlen(prefix);

	return b->len >= n && !memcmp(b->p, prefix, n);
}

bool str_startswith(const char *s, const char *prefix, const char **rest)
{
	size_t n = strlen(prefix);

	if (strncmp(s, prefix, n) != 0)
		return false;
	if (rest)
		*rest = s + n;
	return true;
}

bool str_endswith(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n >= k && !memcmp(s + n - k, suffix, k);
}
