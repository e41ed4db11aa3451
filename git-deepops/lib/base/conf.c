/* SPDX-License-Identifier: MIT */
/* conf.c - strict reader of git-config syntax; see conf.h */
#include "base/conf.h"

#include "base/limits.h"

/* One line being taken apart: p..end, without its LF. */
struct conf_text {
	const char *p, *end;
};

static int conf_bad(const struct conf *c, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", c->name, c->line, what);
}

void conf_init(struct conf *c, const void *text, size_t len, enum conf_flags flags,
	       const char *name)
{
	*c = (struct conf){.text = text,
			   .len = len,
			   .flags = flags,
			   .name = name,
			   .section = BUF_INIT,
			   .sub = BUF_INIT,
			   .key = BUF_INIT,
			   .value = BUF_INIT};
}

void conf_release(struct conf *c)
{
	buf_release(&c->section);
	buf_release(&c->sub);
	buf_release(&c->key);
	buf_release(&c->value);
}

static bool conf_lower(char ch)
{
	return ch >= 'a' && ch <= 'z';
}

static bool conf_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool conf_key_char(char ch)
{
	return conf_lower(ch) || conf_digit(ch) || (ch >= 'A' && ch <= 'Z') || ch == '-';
}

static bool conf_section_char(char ch)
{
	return conf_lower(ch) || conf_digit(ch) || ch == '-';
}

static void conf_skip_blanks(struct conf_text *t)
{
	while (t->p < t->end && (*t->p == ' ' || *t->p == '\t'))
		t->p++;
}

/* Nothing but blanks and a comment are left. */
static bool conf_only_comment(const struct conf *c, struct conf_text t)
{
	conf_skip_blanks(&t);
	return t.p == t.end || ((c->flags & CONF_COMMENTS) && (*t.p == ';' || *t.p == '#'));
}

/* The sub-section name, from behind its opening quote through the closing one. */
static int conf_sub(struct conf *c, struct conf_text *t, struct err *e)
{
	buf_reset(&c->sub);
	while (t->p < t->end && *t->p != '"') {
		if (*t->p == '\\') {
			t->p++;
			if (t->p == t->end || (*t->p != '"' && *t->p != '\\'))
				return conf_bad(c, e,
						"only \\\" and \\\\ may follow a backslash "
						"in a section name");
		}
		buf_addch(&c->sub, *t->p++);
	}
	if (t->p == t->end)
		return conf_bad(c, e, "section name has no closing quote");
	t->p++;
	c->has_sub = true;
	return 0;
}

/* `[section]` or `[section "sub"]`, from behind the bracket. */
static int conf_header(struct conf *c, struct conf_text *t, struct err *e)
{
	buf_reset(&c->section);
	buf_reset(&c->sub);
	c->has_sub = false;
	while (t->p < t->end && conf_section_char(*t->p))
		buf_addch(&c->section, *t->p++);
	if (!c->section.len)
		return conf_bad(c, e, "a section name is [a-z0-9-]");
	if (t->end - t->p >= 2 && t->p[0] == ' ' && t->p[1] == '"') {
		t->p += 2;
		if (conf_sub(c, t, e) < 0)
			return ERR_INPUT;
	}
	if (t->p == t->end || *t->p != ']')
		return conf_bad(c, e, "malformed section header");
	t->p++;
	if ((c->flags & CONF_EXACT) ? t->p != t->end : !conf_only_comment(c, *t))
		return conf_bad(c, e, "text after a section header");
	if (!strcasecmp(c->section.p, "include") || !strcasecmp(c->section.p, "includeif"))
		return conf_bad(c, e, "include is not allowed");
	return 0;
}

/* Between double quotes, from behind the opening one through the closing one. */
static int conf_quoted(struct conf *c, struct conf_text *t, struct err *e)
{
	for (; t->p < t->end && *t->p != '"'; t->p++) {
		char ch = *t->p;

		if (ch == '\\') {
			t->p++;
			ch = '\0';
			if (t->p < t->end)
				ch = *t->p;
			if (ch == 'n')
				ch = '\n';
			else if (ch == 't')
				ch = '\t';
			else if (ch != '"' && ch != '\\')
				return conf_bad(c, e, "unknown escape in a value");
		}
		buf_addch(&c->value, ch);
	}
	if (t->p == t->end)
		return conf_bad(c, e, "value has no closing quote");
	t->p++;
	return conf_only_comment(c, *t) ? 0 : conf_bad(c, e, "text after a quoted value");
}

/* What follows `=`, up to a comment; a value is quoted as a whole or not at all. */
static int conf_value(struct conf *c, struct conf_text *t, struct err *e)
{
	conf_skip_blanks(t);
	if (t->p < t->end && *t->p == '"') {
		t->p++;
		return conf_quoted(c, t, e);
	}
	for (; t->p < t->end && *t->p != ';' && *t->p != '#'; t->p++) {
		if (*t->p == '"' || *t->p == '\\')
			return conf_bad(c, e, "quote the value as a whole");
		buf_addch(&c->value, *t->p);
	}
	buf_rtrim(&c->value);
	return 0;
}

static int conf_setting(struct conf *c, struct conf_text *t, struct err *e)
{
	bool exact = c->flags & CONF_EXACT;

	if (!c->section.len)
		return conf_bad(c, e, "a key before the first section");
	buf_reset(&c->key);
	buf_reset(&c->value);
	while (t->p < t->end && conf_key_char(*t->p))
		buf_addch(&c->key, *t->p++);
	if (!c->key.len || conf_digit(c->key.p[0]) || c->key.p[0] == '-')
		return conf_bad(c, e, "neither a section nor `key = value'");
	if (exact) {
		if (t->end - t->p < 3 || memcmp(t->p, " = ", 3) != 0)
			return conf_bad(c, e, "expected `key = value'");
		buf_add(&c->value, t->p + 3, (size_t)(t->end - t->p) - 3);
		return c->value.len ? 0 : conf_bad(c, e, "empty value");
	}
	conf_skip_blanks(t);
	if (t->p == t->end || *t->p != '=')
		return conf_bad(c, e, "expected `key = value'");
	t->p++;
	return conf_value(c, t, e);
}

/* The next line without its LF in *t; 0 at the end. */
static int conf_take_line(struct conf *c, struct conf_text *t, struct err *e)
{
	const char *lf;

	if (c->pos >= c->len)
		return 0;
	c->line++;
	t->p = c->text + c->pos;
	lf = memchr(t->p, '\n', c->len - c->pos);
	t->end = lf ? lf : c->text + c->len;
	c->pos = (size_t)(t->end - c->text) + (lf ? 1 : 0);
	if ((size_t)(t->end - t->p) > CONF_MAX_LINE_BYTES)
		return conf_bad(c, e, "line too long");
	if (!lf && (c->flags & CONF_EXACT))
		return conf_bad(c, e, "no newline at the end");
	if (!(c->flags & CONF_EXACT) && t->end > t->p && t->end[-1] == '\r')
		t->end--; /* as git reads it: core.autocrlf checks text out like this */
	for (const char *s = t->p; s < t->end; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return conf_bad(c, e, "control byte");
	return 1;
}

/* The indentation is part of the exact form: none before a header, one tab before a key. */
static int conf_indent(struct conf *c, struct conf_text *t, struct err *e)
{
	if (!(c->flags & CONF_EXACT)) {
		conf_skip_blanks(t);
		return 0;
	}
	if (t->p == t->end)
		return conf_bad(c, e, "blank line");
	if (*t->p == '[')
		return 0;
	if (*t->p != '\t')
		return conf_bad(c, e, "expected a section, or a tab and a key");
	t->p++;
	return 0;
}

int conf_next(struct conf *c, struct conf_line *out, struct err *e)
{
	struct conf_text t;
	bool header;
	int rc;

	if (c->len > CONF_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "%s: more than %u KiB", c->name,
			       (unsigned int)(CONF_MAX_BYTES / KIB));
	do {
		rc = conf_take_line(c, &t, e);
		if (rc != 1)
			return rc;
		if (conf_indent(c, &t, e) < 0)
			return ERR_INPUT;
	} while ((c->flags & CONF_COMMENTS) && conf_only_comment(c, t));
	header = t.p < t.end && *t.p == '[';
	if (header)
		t.p++;
	rc = header ? conf_header(c, &t, e) : conf_setting(c, &t, e);
	if (rc < 0)
		return rc;
	out->section = c->section.p;
	out->sub = c->has_sub ? c->sub.p : NULL;
	out->key = header ? NULL : c->key.p;
	out->value = header ? NULL : c->value.p;
	out->line = c->line;
	return 1;
}

void conf_escape_sub(struct buf *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_addch(out, '\\');
		buf_addch(out, *s);
	}
}
