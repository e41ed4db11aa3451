/* SPDX-License-Identifier: MIT */
/* params_internal.h - what the readers of params.h share */
#ifndef RUN_PARAMS_INTERNAL_H
#define RUN_PARAMS_INTERNAL_H

#include "run/params.h"

#define PARAMS_MAX_DEPTH 32
#define PARAMS_MAX_VALUES 10000 /* also of aliases that are written out */
#define PARAMS_MAX_NAME_BYTES 1024

/* "below.key" or "key"; appended. */
void params_name(struct buf *out, const char *below, const char *key, size_t len);
bool params_is_number(const char *s); /* as JSON writes it */
/*
 * Add one value; `text` is known to be a string where `string`.  ERR_INPUT: no name, or it stands
 * twice; ERR_LIMIT.
 */
int params_add(struct params *p, const char *name, const char *text, bool string,
	       struct err *e) MUST_CHECK;
int params_yaml(struct params *p, const char *name, const void *text, size_t len,
		struct err *e) MUST_CHECK;
int params_toml(struct params *p, const char *name, const void *text, size_t len,
		struct err *e) MUST_CHECK;

#endif
