/* SPDX-License-Identifier: MIT */
/*
 * xalloc.h - allocation that ends the process when memory is out
 *
 * Fair for a command and for a server with one process per connection: temp
 * files are removed by atexit.  A size that comes from bytes we read must be
 * capped (ERR_LIMIT) before it gets here.  DEEPOPS_OOM_AT=N fails the Nth
 * allocation, for tests.
 */
#ifndef BASE_XALLOC_H
#define BASE_XALLOC_H

#include <stdlib.h>

#include "base/defs.h"

/* "fatal: out of memory", exit 128: for libraries that return NULL. */
NORETURN void xalloc_die(void);

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size)
	__attribute__((returns_nonnull)); /* zeroed, overflow-checked */
void *xrealloc(void *p, size_t n, size_t size)
	__attribute__((returns_nonnull)); /* n * size, checked */
char *xstrdup(const char *s) __attribute__((returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((returns_nonnull));
char *xstrfmt(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));

/* Make room for `need` items in array `p` of capacity `alloc` (a size_t lvalue). */
#define XGROW(p, need, alloc)                                                                      \
	do {                                                                                       \
		if ((need) > (alloc)) {                                                            \
			size_t want_ = (alloc) + (alloc) / 2 + 8;                                  \
			(alloc) = want_ < (need) ? (need) : want_;                                 \
			(p) = xrealloc((p), (alloc), sizeof(*(p)));                                \
		}                                                                                  \
	} while (0)

#endif
