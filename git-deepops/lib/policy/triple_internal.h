/* SPDX-License-Identifier: MIT */
/*
 * triple_internal.h - the predicates behind triple.h, one file a leg
 *
 * Each appends findings and returns 0, or a negative error when it could not
 * look.
 */
#ifndef POLICY_TRIPLE_INTERNAL_H
#define POLICY_TRIPLE_INTERNAL_H

#include "policy/triple.h"

struct triple_pass {
	const struct triple_ctx *ctx;
	const struct journal_entry *j;
	const struct record *rec; /* &j->rec */
	struct triple *out;
};

struct triple_finding *triple_add(struct triple_pass *p, enum reason reason, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

int triple_code(struct triple_pass *p, struct err *e);    /* C1 to C5, C8 */
int triple_origin(struct triple_pass *p, struct err *e);  /* C6, C7 */
int triple_data(struct triple_pass *p, struct err *e);    /* D1 to D5 */
int triple_machine(struct triple_pass *p, struct err *e); /* M1 to M3 */
int triple_exec(struct triple_pass *p, struct err *e);    /* X1 to X5, X7 */

/* The file or link at `path` of the code tree or a module's; 1 found, 0 absent. */
int triple_find(struct triple_pass *p, const char *path, struct tree_entry *out, struct err *e);

/* Is this path of the tree a program or script of the run, as it was seen or by its words? */
bool triple_is_program(const struct record *r, const char *path);

#endif
