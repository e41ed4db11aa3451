/* SPDX-License-Identifier: MIT */
/*
 * doctor.h - what the checks of `git deepops doctor` share
 *
 * A check says what it found; only what keeps it from looking is an error.
 */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include "base/json.h"
#include "repo/repo.h"

enum doctor_state {
	DOCTOR_PRESENT,
	DOCTOR_ABSENT,   /* not set up, and nothing fails without it */
	DOCTOR_BYPASSED, /* set up, but git does not come by */
	DOCTOR_BROKEN,   /* something will fail */
};

struct doctor {
	struct repo *repo;
	struct json *list; /* NULL: for people, printed at once */
	bool broken;
};

/* `mend`: the command that mends it, or NULL. */
void cmd_doctor_say(struct doctor *d, enum doctor_state state, const char *part, const char *mend,
		    const char *fmt, ...) PRINTF_LIKE(5, 6);
/* Broken, in the words of the error and its hint. */
void cmd_doctor_err(struct doctor *d, const char *part, const struct err *why);

/* ---- doctor_place.c, doctor_remote.c, doctor_datasets.c ---- */
void cmd_doctor_place(struct doctor *d);
int cmd_doctor_remote(struct doctor *d, bool offline, struct err *e) MUST_CHECK;
int cmd_doctor_datasets(struct doctor *d, struct err *e) MUST_CHECK;

#endif
