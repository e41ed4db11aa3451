/* SPDX-License-Identifier: MIT */
/*
 * locate.h - what `[REV:]PATH` on a command line names
 *
 * PATH is a dataset, something inside one, or its pointer file.  Without REV the pointer is
 * that of the work tree and PATH is relative to the current directory; with REV
 * it is relative to the top, or to the current directory when it begins with ./ or ../, as git has it.
 */
#ifndef DATA_LOCATE_H
#define DATA_LOCATE_H

#include "data/dataset.h"

struct locate {
	struct buf root;   /* "data/train" */
	struct buf inside; /* below it, "" at the root */
	struct pointer pointer;
};

void locate_init(struct locate *l);
void locate_release(struct locate *l);
/* ERR_NOTFOUND: no dataset there, or no such revision, naming it. */
int locate_parse(struct repo *r, const char *arg, struct locate *out, struct err *e) MUST_CHECK;

#endif
