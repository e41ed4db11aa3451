/* SPDX-License-Identifier: MIT */
/*
 * params_toml.c - TOML 1.0; see params.h
 *
 * One pass.  Every table, and every key, is in a list of paths with what it is, because TOML allows a
 * table to be written in several places and forbids to write it, or a key, twice.  Paths are the names
 * of values, joined by dots; so "a.b" and a.b are one name, and a file that has both is refused.
 */
#include <stdlib.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "run/params_internal.h"

#define BLANKS " \t"
#define DIGITS "0123456789"
#define BARE_KEY "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define NUMBER_MAX_CHARS 100

enum kind {
	SUPER,  /* a table that is only part of a header's path */
	TABLE,  /* a table with its header */
	DOTTED, /* a table that a dotted key made */
	ARRAY,  /* an array of tables */
	VALUE   /* anything that is complete where it stands */
};

struct path {
	char *name;
	enum kind kind;
	size_t items; /* of an ARRAY */
};

struct toml {
	struct params *p;
	const char *name;
	const char *at; /* terminated text */
	unsigned int line;
	int depth;
	struct path *paths;
	size_t npaths, alloc;
};

static int bad(const struct toml *t, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", t->name, t->line, what);
}

static int twice(const struct toml *t, const char *name, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s stands twice", t->name, t->line, name);
}

static int add(struct toml *t, const char *name, const char *text, bool string, struct err *e)
{
	if (params_add(t->p, name, text, string, e) < 0)
		return err_wrap(e, "%s:%u", t->name, t->line);
	return 0;
}

/* ---- paths ---- */

static struct path *find_path(struct toml *t, const char *name)
{
	for (size_t i = 0; i < t->npaths; i++)
		if (!strcmp(t->paths[i].name, name))
			return &t->paths[i];
	return NULL;
}

static int add_path(struct toml *t, const char *name, enum kind kind, struct err *e)
{
	if (t->npaths >= PARAMS_MAX_VALUES)
		return bad(t, "too many keys", e);
	XGROW(t->paths, t->npaths + 1, t->alloc);
	t->paths[t->npaths++] = (struct path){xstrdup(name), kind, 0};
	return 0;
}

/* One more table of the array `name`, which becomes the table's own path. */
static int add_item(struct toml *t, struct buf *name, struct err *e)
{
	struct path *array = find_path(t, name->p);
	int rc = 0;

	if (!array) {
		rc = add_path(t, name->p, ARRAY, e);
		array = find_path(t, name->p);
	}
	if (rc < 0)
		return rc;
	if (array->kind != ARRAY)
		return twice(t, name->p, e);
	buf_addf(name, ".%zu", array->items++);
	return find_path(t, name->p) ? twice(t, name->p, e) : add_path(t, name->p, TABLE, e);
}

/* A table on the way of a header; of an array it is the last one. */
static int pass_table(struct toml *t, struct buf *name, struct err *e)
{
	struct path *found = find_path(t, name->p);

	if (!found)
		return add_path(t, name->p, SUPER, e);
	if (found->kind == ARRAY)
		buf_addf(name, ".%zu", found->items - 1);
	return found->kind == VALUE ? twice(t, name->p, e) : 0;
}

static int open_table(struct toml *t, struct buf *name, struct err *e)
{
	struct path *found = find_path(t, name->p);

	if (!found)
		return add_path(t, name->p, TABLE, e);
	if (found->kind != SUPER)
		return twice(t, name->p, e);
	found->kind = TABLE;
	return 0;
}

static int pass_dotted(struct toml *t, struct buf *name, struct err *e)
{
	struct path *found = find_path(t, name->p);

	if (!found)
		return add_path(t, name->p, DOTTED, e);
	return found->kind == DOTTED ? 0 : twice(t, name->p, e);
}

static bool has_content(const struct toml *t, const char *name)
{
	const char *rest;

	for (size_t i = 0; i < t->npaths; i++)
		if (str_startswith(t->paths[i].name, name, &rest) && *rest == '.')
			return true;
	return false;
}

/* What a table without anything says is its name. */
static int add_empty_tables(struct toml *t, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->npaths; i++)
		if (t->paths[i].kind == TABLE && !has_content(t, t->paths[i].name))
			rc = add(t, t->paths[i].name, "{}", false, e);
	return rc;
}

/* ---- blanks ---- */

static void skip_blanks(struct toml *t)
{
	t->at += strspn(t->at, BLANKS);
}

static bool at_newline(const struct toml *t)
{
	return *t->at == '\n' || (*t->at == '\r' && t->at[1] == '\n');
}

static void take_newline(struct toml *t)
{
	t->at += 1 + (*t->at == '\r');
	t->line++;
}

static void skip_comment(struct toml *t)
{
	if (*t->at == '#')
		t->at += strcspn(t->at, "\n");
}

/* Blanks, comments and ends of lines. */
static void skip_lines(struct toml *t)
{
	for (;;) {
		skip_blanks(t);
		skip_comment(t);
		if (!at_newline(t))
			return;
		take_newline(t);
	}
}

static int end_line(struct toml *t, struct err *e)
{
	skip_blanks(t);
	skip_comment(t);
	if (*t->at && !at_newline(t))
		return bad(t, "text behind a value or table", e);
	return 0;
}

/* ---- strings ---- */

static void add_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_addch(out, (int)c);
		return;
	}
	if (c < 0x800) {
		buf_addch(out, (int)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_addch(out, (int)(0xe0 | c >> 12));
		} else {
			buf_addch(out, (int)(0xf0 | c >> 18));
			buf_addch(out, (int)(0x80 | (c >> 12 & 0x3f)));
		}
		buf_addch(out, (int)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_addch(out, (int)(0x80 | (c & 0x3f)));
}

/* All `len` bytes are digits of that base, and the number fits. */
static bool based_number(const char *s, size_t len, unsigned int base, uint64_t *out)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";

	*out = 0;
	for (size_t i = 0; i < len; i++) {
		const char *p = memchr(digits, s[i], sizeof(digits) - 1);

		if (!p || (size_t)(p - digits) % 16 >= base || !num_mul(*out, base, out) ||
		    !num_add(*out, (size_t)(p - digits) % 16, out))
			return false;
	}
	return len > 0;
}

/* \uXXXX, \UXXXXXXXX; `at` stands behind the letter. */
static int unicode_escape(struct toml *t, size_t digits, struct buf *out, struct err *e)
{
	uint64_t c;

	if (strnlen(t->at, digits) < digits || !based_number(t->at, digits, 16, &c))
		return bad(t, "an escape that is not understood", e);
	if (!c || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return bad(t, "an escape that is no character", e);
	t->at += digits;
	add_utf8(out, (uint32_t)c);
	return 0;
}

/* `at` stands on the backslash. */
static int escape(struct toml *t, bool lines, struct buf *out, struct err *e)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *blank = t->at + 1 + strspn(t->at + 1, BLANKS "\r");
	const char *p;
	char c = *++t->at;

	if (lines && *blank == '\n') { /* the line goes on behind all blanks */
		for (t->at = blank; *t->at && strchr(BLANKS "\r\n", *t->at); t->at++)
			t->line += *t->at == '\n';
		return 0;
	}
	if (!c)
		return bad(t, "a string without its end", e);
	t->at++;
	if (c == 'u' || c == 'U')
		return unicode_escape(t, c == 'u' ? 4 : 8, out, e);
	p = strchr(from, c);
	if (!p)
		return bad(t, "an escape that is not understood", e);
	buf_addch(out, to[p - from]);
	return 0;
}

static int string_char(struct toml *t, char quote, bool lines, struct buf *out, struct err *e)
{
	unsigned char c = (unsigned char)*t->at;

	if (!c || (!lines && at_newline(t)))
		return bad(t, "a string without its end", e);
	if (c == '\\' && quote == '"')
		return escape(t, lines, out, e);
	if (at_newline(t)) {
		take_newline(t);
		buf_addch(out, '\n');
		return 0;
	}
	if ((c < ' ' && c != '\t') || c == 0x7f)
		return bad(t, "a control character in a string", e);
	buf_addch(out, c);
	t->at++;
	return 0;
}

/* Three quotes end it, of four or five the first ones belong to it. */
static int string_of_lines(struct toml *t, char quote, struct buf *out, struct err *e)
{
	unsigned int first = t->line;
	int rc = 0;

	t->at += 3;
	if (at_newline(t))
		take_newline(t);
	while (rc == 0) {
		size_t n = 0;

		while (n < 5 && t->at[n] == quote)
			n++;
		for (size_t i = 0; i < (n < 3 ? n : n - 3); i++)
			buf_addch(out, quote);
		t->at += n;
		if (n >= 3)
			return 0;
		if (!n && !*t->at)
			t->line = first;
		if (!n)
			rc = string_char(t, quote, true, out, e);
	}
	return rc;
}

/* A string of one line: what keys may be. */
static int string_of_line(struct toml *t, struct buf *out, struct err *e)
{
	char quote = *t->at++;
	int rc = 0;

	while (rc == 0 && *t->at != quote)
		rc = string_char(t, quote, false, out, e);
	t->at += rc == 0;
	return rc;
}

/* ---- keys ---- */

static int simple_key(struct toml *t, struct buf *out, struct err *e)
{
	size_t n = strspn(t->at, BARE_KEY);

	buf_reset(out);
	if (*t->at == '"' || *t->at == '\'') {
		if (string_of_line(t, out, e) < 0)
			return ERR_INPUT;
		return out->len ? 0 : bad(t, "a key without a name", e);
	}
	if (!n)
		return bad(t, "not `key = value' or [table]", e);
	buf_add(out, t->at, n);
	t->at += n;
	return 0;
}

/* A key with its dots, appended to `name`; all but the last part go through `pass`. */
static int dotted_key(struct toml *t, struct buf *name,
		      int (*pass)(struct toml *, struct buf *, struct err *), struct err *e)
{
	struct buf part = BUF_INIT;
	int rc = 0, parts = 0;

	for (;;) {
		skip_blanks(t);
		rc = simple_key(t, &part, e);
		if (rc == 0 && ++parts > PARAMS_MAX_DEPTH)
			rc = bad(t, "nested too deep", e);
		if (rc < 0)
			break;
		if (name->len)
			buf_addch(name, '.');
		buf_addbuf(name, &part);
		if (name->len > PARAMS_MAX_NAME_BYTES) {
			rc = bad(t, "a name that is too long", e);
			break;
		}
		skip_blanks(t);
		if (*t->at != '.')
			break;
		t->at++;
		rc = pass(t, name, e);
		if (rc < 0)
			break;
	}
	buf_release(&part);
	return rc;
}

/* ---- values ---- */

/* `s` begins like a pattern in which 0 stands for a digit; its length, or 0. */
static size_t shape(const char *s, const char *pattern)
{
	size_t n = 0;

	for (; pattern[n]; n++)
		if (pattern[n] == '0' ? s[n] < '0' || s[n] > '9' : s[n] != pattern[n])
			return 0;
	return n;
}

/* 07:32:00.999 */
static size_t time_length(const char *s)
{
	size_t n = shape(s, "00:00:00");

	if (n && s[n] == '.' && s[n + 1] >= '0' && s[n + 1] <= '9')
		n += 1 + strspn(s + n + 1, DIGITS);
	return n;
}

/* A date, a time, or both with an offset or not. */
static size_t date_length(const char *s)
{
	size_t n = shape(s, "0000-00-00"), time;

	if (!n)
		return time_length(s);
	time = s[n] && strchr("Tt ", s[n]) ? time_length(s + n + 1) : 0;
	if (!time)
		return n;
	n += 1 + time;
	if (s[n] == 'Z' || s[n] == 'z')
		return n + 1;
	if (s[n] == '+' || s[n] == '-')
		n += shape(s + n + 1, "00:00") ? 6 : 0;
	return n;
}

/* Without the underscores that stand between two digits; false: one stands elsewhere. */
static bool without_underscores(const char *s, size_t len, const char *digits, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] != '_')
			buf_addch(out, s[i]);
		else if (!i || i + 1 == len || !strchr(digits, s[i - 1]) ||
			 !strchr(digits, s[i + 1]))
			return false;
	}
	return true;
}

/* 0xff, 0o17, 0b1: in decimal digits. */
static bool based_integer(const char *s, struct buf *out)
{
	unsigned int base = s[1] == 'x' ? 16 : s[1] == 'o' ? 8 : 2;
	uint64_t v;

	if (s[0] != '0' || !s[1] || !strchr("xob", s[1]) ||
	    !based_number(s + 2, strlen(s + 2), base, &v) || v > INT64_MAX)
		return false;
	buf_reset(out);
	buf_addf(out, "%" PRIu64, v);
	return true;
}

/* A number, true, false, inf or nan, as JSON writes it where JSON has it. */
static bool plain_text(const char *s, size_t len, struct buf *out)
{
	static const char *const words[] = {"true", "false", "inf", "nan", "-inf", "-nan"};
	bool hex = len > 2 && s[0] == '0' && s[1] == 'x';

	if (len && *s == '+' && len > 1 && s[1] != '-') {
		s++;
		len--;
		if (!strchr("0123456789in", *s))
			return false;
	}
	if (!len || len > NUMBER_MAX_CHARS ||
	    !without_underscores(s, len, hex ? DIGITS "abcdefABCDEF" : DIGITS, out))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(out->p, words[i]))
			return true;
	return params_is_number(out->p) || based_integer(out->p, out);
}

static int plain(struct toml *t, const char *name, struct err *e)
{
	size_t len = date_length(t->at);
	struct buf text = BUF_INIT;
	int rc;

	if (len && !strchr(BLANKS "\r\n#,]}", t->at[len]))
		len = 0;
	if (len)
		buf_add(&text, t->at, len);
	else
		len = strcspn(t->at, BLANKS "\r\n#,]}");
	if (text.len || plain_text(t->at, len, &text))
		rc = add(t, name, text.p, false, e);
	else
		rc = bad(t, len ? "a value that is not understood" : "a key without a value", e);
	t->at += rc == 0 ? len : 0;
	buf_release(&text);
	return rc;
}

static int value(struct toml *t, const char *name, struct err *e);

static int array(struct toml *t, const char *name, struct err *e)
{
	struct buf item = BUF_INIT;
	size_t n = 0;
	int rc = 0;

	t->at++;
	for (;;) {
		skip_lines(t);
		if (*t->at == ']')
			break;
		buf_reset(&item);
		buf_addf(&item, "%s.%zu", name, n++);
		rc = value(t, item.p, e);
		if (rc < 0)
			break;
		skip_lines(t);
		if (*t->at == ']')
			break;
		if (*t->at != ',') {
			rc = bad(t, "an array without its end, or without a comma", e);
			break;
		}
		t->at++;
	}
	buf_release(&item);
	t->at += rc == 0;
	return rc == 0 && !n ? add(t, name, "[]", false, e) : rc;
}

/* `key = value` below a table. */
static int assignment(struct toml *t, const char *table, struct err *e)
{
	struct buf name = BUF_INIT;
	int rc;

	buf_addstr(&name, table);
	rc = dotted_key(t, &name, pass_dotted, e);
	if (rc == 0 && *t->at != '=')
		rc = bad(t, "not `key = value'", e);
	if (rc == 0 && find_path(t, name.p))
		rc = twice(t, name.p, e);
	if (rc == 0)
		rc = add_path(t, name.p, VALUE, e);
	if (rc == 0) {
		t->at++;
		skip_blanks(t);
		rc = value(t, name.p, e);
	}
	buf_release(&name);
	return rc;
}

/* {a = 1, b.c = 2}, on one line. */
static int inline_table(struct toml *t, const char *name, struct err *e)
{
	int rc;

	t->at++;
	skip_blanks(t);
	if (*t->at == '}') {
		t->at++;
		return add(t, name, "{}", false, e);
	}
	for (;;) {
		rc = assignment(t, name, e);
		if (rc < 0)
			return rc;
		skip_blanks(t);
		if (*t->at != ',')
			break;
		t->at++;
	}
	if (*t->at != '}')
		return bad(t, "an inline table without its end, or without a comma", e);
	t->at++;
	return 0;
}

static int string_value(struct toml *t, const char *name, struct err *e)
{
	struct buf text = BUF_INIT;
	char q = *t->at;
	int rc = t->at[1] == q && t->at[2] == q ? string_of_lines(t, q, &text, e)
						: string_of_line(t, &text, e);

	if (rc == 0)
		rc = add(t, name, text.p, true, e);
	buf_release(&text);
	return rc;
}

/* Comes back through array() and inline_table(). */
static int value(struct toml *t, const char *name, struct err *e)
{
	int rc;

	if (*t->at == '"' || *t->at == '\'')
		return string_value(t, name, e);
	if (*t->at != '[' && *t->at != '{')
		return plain(t, name, e);
	if (++t->depth > PARAMS_MAX_DEPTH)
		return bad(t, "nested too deep", e);
	rc = *t->at == '[' ? array(t, name, e) : inline_table(t, name, e);
	t->depth--;
	return rc;
}

/* ---- the document ---- */

/* [table] and [[array of tables]]: `table` becomes its path. */
static int header(struct toml *t, struct buf *table, struct err *e)
{
	bool item = t->at[1] == '[';
	int rc;

	t->at += 1 + item;
	buf_reset(table);
	rc = dotted_key(t, table, pass_table, e);
	if (rc == 0 && (*t->at != ']' || (item && t->at[1] != ']')))
		rc = bad(t, "a table name without its end", e);
	if (rc < 0)
		return rc;
	t->at += 1 + item;
	return item ? add_item(t, table, e) : open_table(t, table, e);
}

static int document(struct toml *t, struct err *e)
{
	struct buf table = BUF_INIT;
	int rc = 0;

	for (;;) {
		skip_lines(t);
		if (!*t->at)
			break;
		rc = *t->at == '[' ? header(t, &table, e) : assignment(t, table.p, e);
		if (rc == 0)
			rc = end_line(t, e);
		if (rc < 0)
			break;
	}
	buf_release(&table);
	return rc == 0 ? add_empty_tables(t, e) : rc;
}

int params_toml(struct params *p, const char *name, const void *text, size_t len, struct err *e)
{
	struct toml t = {.p = p, .name = name, .line = 1};
	struct buf all = BUF_INIT;
	int rc;

	buf_add(&all, text, len);
	t.at = all.p + (buf_startswith(&all, "\xef\xbb\xbf") ? 3 : 0);
	rc = document(&t, e);
	for (size_t i = 0; i < t.npaths; i++)
		free(t.paths[i].name);
	free(t.paths);
	buf_release(&all);
	return rc;
}
