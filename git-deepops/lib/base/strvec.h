/* SPDX-License-Identifier: MIT */
/*
 * strvec.h - growable array of owned strings, always NULL-terminated
 *
 * v.v can be passed as an argv at any time.
 */
#ifndef BASE_STRVEC_H
#define BASE_STRVEC_H

#include "base/defs.h"

struct strvec {
	char **v;
	size_t nr;
	size_t alloc;
};

extern char *strvec_empty[];
#define STRVEC_INIT                                                                                \
	{                                                                                          \
		strvec_empty, 0, 0                                                                 \
	}

void strvec_init(struct strvec *v);
void strvec_release(struct strvec *v);
const char *strvec_push(struct strvec *v, const char *s);
const char *strvec_pushf(struct strvec *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *strvec_pushn(struct strvec *v, const char *s, size_t n); /* n bytes, no NUL inside */
void strvec_pushl(struct strvec *v, ...) __attribute__((sentinel));  /* ends with NULL */
void strvec_pushv(struct strvec *v, const char *const *items);
void strvec_pop(struct strvec *v);
void strvec_sort(struct strvec *v);                     /* bytewise */
void strvec_uniq(struct strvec *v);                     /* of a sorted one */
bool strvec_has(const struct strvec *v, const char *s); /* linear */

#endif
