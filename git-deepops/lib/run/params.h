/* SPDX-License-Identifier: MIT */
/*
 * params.h - parameters out of .json, .yaml, .yml and .toml files, and -S overrides
 *
 * Values stay the text that the user wrote (quotes taken off); nested names are
 * joined by dots, list items by their number.  Of YAML and TOML the part that
 * configuration files use: mappings, lists, one-line scalars and one-line lists.
 * Anchors, tags, block scalars, flow mappings and multi-line strings are refused,
 * naming the line: what is not understood must not be recorded wrong.
 */
#ifndef RUN_PARAMS_H
#define RUN_PARAMS_H

#include "base/buf.h"
#include "base/err.h"
#include "run/record.h"

/* Append to `out`; ERR_INPUT names file, line and what is not understood. */
int params_parse(struct record_pairs *out, const char *name, const void *text, size_t len,
		 struct err *e) MUST_CHECK;
/* "name=value" of -S; replaces what a file said. */
int params_override(struct record_pairs *out, const char *assignment, struct err *e) MUST_CHECK;
/* One flat JSON object of strings, sorted, with its LF. */
void params_json(const struct record_pairs *p, struct buf *out);

#endif
