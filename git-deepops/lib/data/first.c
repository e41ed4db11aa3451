/* SPDX-License-Identifier: MIT */
/* first.c - the first error of many threads; see first.h */
#include "data/first.h"

void first_fail(struct first *f, int rc, const struct err *e)
{
	pthread_mutex_lock(&f->lock);
	if (f->rc == 0) {
		f->rc = rc;
		f->err = *e;
	}
	pthread_mutex_unlock(&f->lock);
}

bool first_failed(struct first *f)
{
	bool yes;

	pthread_mutex_lock(&f->lock);
	yes = f->rc < 0;
	pthread_mutex_unlock(&f->lock);
	return yes;
}

int first_result(struct first *f, struct err *e)
{
	int rc;

	pthread_mutex_lock(&f->lock);
	rc = f->rc;
	if (rc < 0 && e)
		*e = f->err;
	pthread_mutex_unlock(&f->lock);
	return rc;
}
