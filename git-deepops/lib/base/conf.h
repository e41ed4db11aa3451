/* SPDX-License-Identifier: MIT */
/*
 * conf.h - strict reader of git-config syntax
 *
 * For policy, .deepops/config, machine specs and, strictest, pointers.  Unlike
 * git's reader: case matters, one header style `[section "sub"]`, `include` and
 * `includeIf` sections are errors, no line continuation, no duplicate keys
 * unless the caller says so.
 *
 *	struct conf_line l;
 *	struct conf c;
 *	conf_init(&c, text, len, CONF_COMMENTS, "policy");
 *	while ((rc = conf_next(&c, &l, e)) == 1)
 *		...				l.section, l.sub, l.key, l.value valid until the next call
 *	conf_release(&c);
 *
 * A header gives a line of its own with key NULL.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"
#include "base/err.h"

enum conf_flags {
	/* `;` and `#` comments, blank lines, any indent; values may be quoted as a whole */
	CONF_COMMENTS = 1 << 0,
	/* pointer form: one tab, `key = value`, no quotes, LF, last LF present */
	CONF_EXACT = 1 << 1,
};

struct conf_line {
	const char *section; /* [a-z0-9-]+ */
	const char *sub;     /* unescaped bytes, no NUL; NULL without one */
	const char *key;     /* [a-zA-Z][a-zA-Z0-9-]*; NULL on a header line */
	const char *value;   /* never NULL when key is set */
	unsigned int line;   /* from 1 */
};

struct conf {
	const char *text;
	size_t len, pos;
	unsigned int line;
	enum conf_flags flags;
	const char *name; /* for messages: "<name>:<line>: …" */
	struct buf section, sub, key, value;
	bool has_sub;
};

void conf_init(struct conf *c, const void *text, size_t len, enum conf_flags flags,
	       const char *name);
/* 1 a line, 0 end, negative error ERR_INPUT "name:line: what". */
int conf_next(struct conf *c, struct conf_line *out, struct err *e) MUST_CHECK;
void conf_release(struct conf *c);

/* Append `s` escaped for a section name between double quotes: `"` and `\` get a backslash. */
void conf_escape_sub(struct buf *out, const char *s);

#endif
