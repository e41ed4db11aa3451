/* SPDX-License-Identifier: MIT */
/*
 * settings.h - .deepops/config: settings for everybody who clones, committed beside the code
 *
 * Format: gitformat-deepops-config(5).  Whoever can push can write this file, so only
 * the keys below are read from it; unknown sections and keys are skipped, a known key that is
 * given twice or has a malformed value is an error.
 *
 *	struct settings s;
 *	settings_init(&s);
 *	rc = settings_load(repo, &s, e);
 *	... s.remote ...			NULL: not given
 *	settings_release(&s);
 */
#ifndef REPO_SETTINGS_H
#define REPO_SETTINGS_H

#include "repo/repo.h"

#define SETTINGS_PATH ".deepops/config"

struct settings {
	char *remote;      /* [deepops] remote: where data is kept */
	char *best_metric; /* [metric] best = max:NAME or min:NAME */
	bool best_is_min;
};

void settings_init(struct settings *s);
void settings_release(struct settings *s);

/* `s` is freshly initialised.  ERR_INPUT ".deepops/config:line: what", ERR_LIMIT. */
int settings_parse(struct settings *s, const void *text, size_t len, struct err *e) MUST_CHECK;

/* Of the work tree; without one there, of HEAD's tree; all NULL without either. */
int settings_load(struct repo *r, struct settings *s, struct err *e) MUST_CHECK;

#endif
