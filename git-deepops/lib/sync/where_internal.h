/* SPDX-License-Identifier: MIT */
/*
 * where_internal.h - what where.c and where_match.c share
 */
#ifndef SYNC_WHERE_INTERNAL_H
#define SYNC_WHERE_INTERNAL_H

#include "sync/where.h"

/* The lines that a git command prints (NULL-terminated arguments). */
int where_lines(struct repo *r, struct strvec *lines, struct err *e, ...)
	__attribute__((sentinel)) MUST_CHECK;

/* A relative path is meant from the top of the work tree, as git has it. */
void where_absolute(struct repo *r, struct buf *url);

/* What remote.<name>.deepops says. */
int where_said(struct repo *r, const char *name, enum where_ours *ours, struct err *e) MUST_CHECK;

/*
 * The remote other than `but` (NULL: any) that has `url` in some spelling, among those to fetch from
 * and to push to: `name` and its own spelling; where several have it, one that is ours, then a
 * mirror.  Both stay empty and *ours WHERE_STRANGER if none has it.
 */
int where_match(struct repo *r, const char *url, const char *but, struct buf *name,
		struct buf *spelling, enum where_ours *ours, struct err *e) MUST_CHECK;

#endif
