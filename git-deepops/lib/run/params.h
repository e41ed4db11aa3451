/* SPDX-License-Identifier: MIT */
/*
 * params.h - parameters out of .json, .yaml, .yml and .toml files, and -S overrides
 *
 * Values are kept as the text that the user wrote (quotes taken off), and it is known which of them
 * are strings though they look like a number, a boolean or null.  Nested names are joined by dots,
 * list items by their number; an empty list or mapping is the value "[]" or "{}".
 *
 * YAML is read by libyaml, with aliases and merge keys; tags other than the standard ones and
 * further documents are refused.  Of TOML 1.0, integers that are not decimal and underscores between
 * digits are written as JSON has them; dates are texts.  What is not understood is refused, naming the line: it must not be recorded wrong.
 */
#ifndef RUN_PARAMS_H
#define RUN_PARAMS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"
#include "run/record.h"

struct params {
	struct record_pairs values;
	struct strvec strings; /* names of values that are strings and do not look so */
};

void params_init(struct params *p);
void params_release(struct params *p);
/* Append to `p`; ERR_INPUT names file, line and what is not understood. */
int params_parse(struct params *p, const char *name, const void *text, size_t len,
		 struct err *e) MUST_CHECK;
/* "name=value" of -S; replaces what a file said. */
int params_override(struct params *p, const char *assignment, struct err *e) MUST_CHECK;
/* One flat JSON object, sorted, with its LF: numbers, booleans and null are what they are. */
void params_json(const struct params *p, struct buf *out);
/* Which values are strings, out of what params_json() wrote. */
int params_strings(struct params *p, const void *text, size_t len, struct err *e) MUST_CHECK;

#endif
