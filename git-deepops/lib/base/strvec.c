/* SPDX-License-Identifier: MIT */
/* strvec.c - growable array of owned strings; see strvec.h */
#include "base/strvec.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/xalloc.h"

char *strvec_empty[1] = {NULL};

void strvec_init(struct strvec *v)
{
	v->v = strvec_empty;
	v->nr = 0;
	v->alloc = 0;
}

void strvec_release(struct strvec *v)
{
	for (size_t i = 0; i < v->nr; i++)
		free(v->v[i]);
	if (v->alloc)
		free(v->v);
	strvec_init(v);
}

/* Takes `s` over. */
static const char *strvec_push_owned(struct strvec *v, char *s)
{
	if (v->nr + 2 > v->alloc) {
		char **owned = v->alloc ? v->v : NULL;

		v->alloc += v->alloc / 2 + 8;
		v->v = xrealloc(owned, v->alloc, sizeof(*v->v));
	}
	v->v[v->nr++] = s;
	v->v[v->nr] = NULL;
	return s;
}

const char *strvec_push(struct strvec *v, const char *s)
{
	return strvec_push_owned(v, xstrdup(s));
}

const char *strvec_pushn(struct strvec *v, const char *s, size_t n)
{
	return strvec_push_owned(v, xstrndup(s, n));
}

const char *strvec_pushf(struct strvec *v, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return strvec_push_owned(v, buf_detach(&b, NULL));
}

void strvec_pushl(struct strvec *v, ...)
{
	const char *s;
	va_list ap;

	va_start(ap, v);
	while ((s = va_arg(ap, const char *)) != NULL)
		strvec_push(v, s);
	va_end(ap);
}

void strvec_pushv(struct strvec *v, const char *const *items)
{
	for (; *items; items++)
		strvec_push(v, *items);
}

void strvec_pop(struct strvec *v)
{
	if (!v->nr)
		return;
	free(v->v[--v->nr]);
	v->v[v->nr] = NULL;
}

static int strvec_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void strvec_sort(struct strvec *v)
{
	if (v->nr)
		qsort(v->v, v->nr, sizeof(*v->v), strvec_cmp);
}

void strvec_uniq(struct strvec *v)
{
	size_t kept = 0;

	if (!v->nr)
		return;
	for (size_t i = 0; i < v->nr; i++) {
		if (kept && !strcmp(v->v[kept - 1], v->v[i]))
			free(v->v[i]);
		else
			v->v[kept++] = v->v[i];
	}
	v->nr = kept;
	v->v[kept] = NULL;
}

bool strvec_has(const struct strvec *v, const char *s)
{
	for (size_t i = 0; i < v->nr; i++)
		if (!strcmp(v->v[i], s))
			return true;
	return false;
}
