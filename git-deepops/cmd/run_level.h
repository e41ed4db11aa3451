/* SPDX-License-Identifier: MIT */
/*
 * run_level.h - what `git deepops run` says of the server's judgement, before and after the command
 */
#ifndef CMD_RUN_LEVEL_H
#define CMD_RUN_LEVEL_H

#include "run/journal.h"

/* What is known to be refused; nothing here stops a run. */
void cmd_run_before(struct repo *r, const struct record *rec);
/* Append "level R1" and the like to the line of a run; what keeps it from R2 goes to `hints`, a line each. */
void cmd_run_level(struct repo *r, const struct journal_entry *j, struct buf *line,
		   struct strvec *hints);

#endif
