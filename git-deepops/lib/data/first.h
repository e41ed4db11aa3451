/* SPDX-License-Identifier: MIT */
/*
 * first.h - the first error of many threads
 *
 *	struct first f = FIRST_INIT;
 *	in tasks:	if (rc < 0) first_fail(&f, rc, &e);
 *			if (first_failed(&f)) return;
 *	at the end:	return first_result(&f, e);
 */
#ifndef DATA_FIRST_H
#define DATA_FIRST_H

#include <pthread.h>

#include "base/err.h"

struct first {
	pthread_mutex_t lock;
	int rc;
	struct err err;
};

#define FIRST_INIT                                                                                 \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, 0, ERR_INIT                                             \
	}

void first_fail(struct first *f, int rc, const struct err *e);
bool first_failed(struct first *f);
/* 0, or the first code with its error copied to *e. */
int first_result(struct first *f, struct err *e) MUST_CHECK;

#endif
