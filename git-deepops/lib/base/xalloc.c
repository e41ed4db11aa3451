/* SPDX-License-Identifier: MIT */
/* xalloc.c - allocation that ends the process when memory is out; see xalloc.h */
#include "base/xalloc.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/num.h"

static pthread_once_t oom_once = PTHREAD_ONCE_INIT;
static uint64_t oom_at; /* 0: never */
static atomic_ullong oom_count;

static void oom_setup(void)
{
	const char *at = getenv("DEEPOPS_OOM_AT");

	if (at && num_parse_u64(at, 1, UINT64_MAX, &oom_at, NULL) < 0)
		oom_at = 0;
}

static bool oom_now(void)
{
	pthread_once(&oom_once, oom_setup);
	return oom_at && atomic_fetch_add(&oom_count, 1) + 1 == oom_at;
}

void xalloc_die(void)
{
	fputs("fatal: out of memory\n", stderr);
	exit(128);
}

void *xmalloc(size_t n)
{
	void *p = oom_now() ? NULL : malloc(n ? n : 1);

	if (!p)
		xalloc_die();
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	void *p = oom_now() ? NULL : calloc(n ? n : 1, size ? size : 1);

	if (!p)
		xalloc_die();
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (oom_now() || __builtin_mul_overflow(n, size, &bytes))
		xalloc_die();
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		xalloc_die();
	return p;
}

void *xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n)
		memcpy(copy, p, n);
	return copy;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *xstrfmt(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = oom_now() ? -1 : vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0 || !s)
		xalloc_die();
	return s;
}
