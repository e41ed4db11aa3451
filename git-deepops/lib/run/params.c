/* SPDX-License-Identifier: MIT */
/* params.c - parameters out of JSON, YAML and TOML; see params.h */
#include "run/params.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/xalloc.h"

#define MAX_LEVELS 16

/* ---- JSON ---- */

static void add_scalar(struct record_pairs *out, const char *name, const struct json *j)
{
	struct buf text = BUF_INIT;

	json_value_text(j, &text);
	if (json_kind(j) == JSON_KIND_BOOL)
		buf_addstr(&text, json_bool(j) ? "true" : "false");
	else if (json_kind(j) == JSON_KIND_NULL)
		buf_addstr(&text, "null");
	record_add_pair(out, name, text.len ? text.p : "\"\"");
	buf_release(&text);
}

/* json_parse has capped the depth. */
static int add_json(struct record_pairs *out, const char *name, const struct json *j, struct err *e)
{
	struct buf below = BUF_INIT;
	const struct json *v;
	const char *key;
	void *it = NULL;
	int rc = 0;

	if (json_kind(j) == JSON_KIND_OBJECT) {
		while (rc == 0 && (key = json_each(j, &it, &v))) {
			buf_reset(&below);
			buf_addf(&below, "%s%s%s", name, *name ? "." : "", key);
			rc = add_json(out, below.p, v, e);
		}
	} else if (json_kind(j) == JSON_KIND_ARRAY) {
		for (size_t i = 0; rc == 0 && i < json_len(j); i++) {
			buf_reset(&below);
			buf_addf(&below, "%s%s%zu", name, *name ? "." : "", i);
			rc = add_json(out, below.p, json_at(j, i), e);
		}
	} else if (!*name) {
		rc = err_set(e, ERR_INPUT, "a value without a name");
	} else if (record_pair_get(out, name)) {
		rc = err_set(e, ERR_INPUT, "%s stands twice", name);
	} else {
		add_scalar(out, name, j);
	}
	buf_release(&below);
	return rc;
}

/* ---- what YAML and TOML share ---- */

struct lines {
	const char *name;
	const char *at, *end;
	unsigned int line;
	struct buf text; /* the line, without its comment and trailing blanks */
};

/* A `#` outside of quotes; in YAML it must stand behind a blank or begin the line. */
static void strip_comment(struct buf *b)
{
	char quote = 0;

	for (size_t i = 0; i < b->len; i++) {
		char c = b->p[i];

		if (quote) {
			if (c == '\\' && quote == '"')
				i++;
			else if (c == quote)
				quote = 0;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (c == '#' && (i == 0 || b->p[i - 1] == ' ' || b->p[i - 1] == '\t')) {
			buf_setlen(b, i);
			break;
		}
	}
	buf_rtrim(b);
}

static bool next_line(struct lines *l)
{
	while (l->at < l->end) {
		const char *eol = memchr(l->at, '\n', (size_t)(l->end - l->at));
		size_t len = eol ? (size_t)(eol - l->at) : (size_t)(l->end - l->at);

		buf_reset(&l->text);
		buf_add(&l->text, l->at, len);
		l->at += len + 1;
		l->line++;
		strip_comment(&l->text);
		if (l->text.len)
			return true;
	}
	return false;
}

static int not_understood(const struct lines *l, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", l->name, l->line, what);
}

/* Take the quotes off; the simple escapes of double quotes only. */
static int unquote(const struct lines *l, const char *s, struct buf *out, struct err *e)
{
	size_t len = strlen(s);
	char quote = s[0];

	if (quote != '"' && quote != '\'') {
		buf_addstr(out, s);
		return 0;
	}
	if (len < 2 || s[len - 1] != quote)
		return not_understood(l, "a string without its end", e);
	for (size_t i = 1; i + 1 < len; i++) {
		if (quote == '"' && s[i] == '\\') {
			static const char from[] = "nt\"\\", to[] = "\n\t\"\\";
			const char *p = strchr(from, s[++i]);

			if (!p || !*p || i + 1 >= len)
				return not_understood(l, "an escape that is not understood", e);
			buf_addch(out, to[p - from]);
		} else if (s[i] == quote) {
			/* YAML doubles a single quote; anything else ends the string early. */
			if (quote != '\'' || s[++i] != quote || i + 1 >= len)
				return not_understood(l, "text behind a string", e);
			buf_addch(out, quote);
		} else {
			buf_addch(out, s[i]);
		}
	}
	return 0;
}

static int add_value(struct record_pairs *out, const struct lines *l, const char *name,
		     const char *value, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	if (record_pair_get(out, name))
		return err_set(e, ERR_INPUT, "%s:%u: %s stands twice", l->name, l->line, name);
	rc = unquote(l, value, &text, e);
	if (rc == 0)
		record_add_pair(out, name, text.len ? text.p : "\"\"");
	buf_release(&text);
	return rc;
}

/* ---- YAML ---- */

struct level {
	size_t indent;
	size_t name_len; /* of the prefix that its keys get */
	uint64_t items;  /* of a list */
};

struct yaml {
	struct lines l;
	struct record_pairs *out;
	struct level levels[MAX_LEVELS];
	size_t depth;
	struct buf prefix; /* "model.layers" */
	bool opened;       /* the last key had no value: a deeper level may follow */
};

static int yaml_check_value(const struct yaml *y, const char *v, struct err *e)
{
	if (*v == '&' || *v == '*' || *v == '!')
		return not_understood(&y->l, "anchors and tags are not understood", e);
	if (*v == '|' || *v == '>')
		return not_understood(&y->l, "block scalars are not understood", e);
	if (*v == '{')
		return not_understood(&y->l, "flow mappings are not understood", e);
	if (*v == '[' && v[strlen(v) - 1] != ']')
		return not_understood(&y->l, "a list over several lines is not understood", e);
	return 0;
}

/* Go to the level of this indentation, opening or closing levels. */
static int yaml_level(struct yaml *y, size_t indent, struct err *e)
{
	struct level *top = &y->levels[y->depth];

	if (indent > top->indent) {
		if (!y->opened)
			return not_understood(&y->l, "indentation that opens nothing", e);
		if (y->depth + 1 == MAX_LEVELS)
			return not_understood(&y->l, "nested too deep", e);
		y->depth++;
		y->levels[y->depth] = (struct level){indent, y->prefix.len, 0};
		return 0;
	}
	while (y->depth && y->levels[y->depth].indent > indent)
		y->depth--;
	if (y->levels[y->depth].indent != indent)
		return not_understood(&y->l, "indentation that fits no level", e);
	buf_setlen(&y->prefix, y->levels[y->depth].name_len);
	return 0;
}

static void push_name(struct yaml *y, const char *name, size_t len)
{
	if (y->prefix.len)
		buf_addch(&y->prefix, '.');
	buf_add(&y->prefix, name, len);
}

/* "key: value", "key:" or, in a list, a bare value. */
static int yaml_entry(struct yaml *y, char *s, bool item, struct err *e)
{
	char *colon = NULL, quote = 0;
	int rc;

	for (char *p = s; *p && !colon; p++) {
		if (quote && *p == quote)
			quote = '\0';
		else if (quote)
			continue;
		else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == ':' && (p[1] == ' ' || p[1] == '\0'))
			colon = p;
	}
	if (!colon) {
		y->opened = false;
		if (!item)
			return not_understood(&y->l, "neither `key: value' nor a list item", e);
		rc = yaml_check_value(y, s, e);
		return rc < 0 ? rc : add_value(y->out, &y->l, y->prefix.p, s, e);
	}
	if (item)
		return not_understood(&y->l, "a mapping inside a list is not understood", e);
	*colon = '\0';
	if (s[0] == '"' || s[0] == '\'' || s[0] == '?' || s[0] == '&' || s[0] == '*' || s[0] == '{')
		return not_understood(&y->l, "a key of this form is not understood", e);
	if (!*s)
		return not_understood(&y->l, "a key without a name", e);
	push_name(y, s, strlen(s));
	s = colon + 1;
	s += strspn(s, " \t");
	y->opened = !*s;
	rc = yaml_check_value(y, s, e);
	return rc < 0 || y->opened ? rc : add_value(y->out, &y->l, y->prefix.p, s, e);
}

static int yaml_line(struct yaml *y, struct err *e)
{
	char *s = y->l.text.p, number[24];
	size_t indent = strspn(s, " ");
	bool item = s[indent] == '-' && (s[indent + 1] == ' ' || !s[indent + 1]);
	int rc;

	if (s[indent] == '\t')
		return not_understood(&y->l, "a tab in the indentation", e);
	/* A list may stand at its key's own indentation: one column deeper for us. */
	rc = yaml_level(y, 2 * indent + (item ? 1 : 0), e);
	if (rc < 0)
		return rc;
	s += indent;
	if (item) {
		s++;
		s += strspn(s, " ");
		if (!*s)
			return not_understood(&y->l, "an empty list item", e);
		snprintf(number, sizeof(number), "%" PRIu64, y->levels[y->depth].items++);
		push_name(y, number, strlen(number));
	}
	return yaml_entry(y, s, item, e);
}

static int parse_yaml(struct record_pairs *out, struct lines *l, struct err *e)
{
	struct yaml y = {.l = *l, .out = out, .prefix = BUF_INIT};
	int rc = 0;

	while (rc == 0 && next_line(&y.l)) {
		if (!strcmp(y.l.text.p, "---") && !out->n)
			continue;
		rc = yaml_line(&y, e);
	}
	l->text = y.l.text;
	buf_release(&y.prefix);
	return rc;
}

/* ---- TOML ---- */

/* [A-Za-z0-9_-] and dots, or one quoted key. */
static bool toml_key(const char *s)
{
	if (!*s || *s == '.' || s[strlen(s) - 1] == '.')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-' && *s != '.')
			return false;
	return true;
}

static int toml_section(const struct lines *l, char *s, struct buf *section, struct err *e)
{
	size_t len = strlen(s);

	if (s[1] == '[' || s[len - 1] != ']')
		return not_understood(l, "a table of this form is not understood", e);
	s[len - 1] = '\0';
	if (!toml_key(s + 1))
		return not_understood(l, "a table name of this form is not understood", e);
	buf_sets(section, s + 1);
	return 0;
}

static int toml_value(struct record_pairs *out, const struct lines *l, const struct buf *section,
		      char *s, struct err *e)
{
	char *eq = strchr(s, '='), *value;
	struct buf name = BUF_INIT;
	size_t len;
	int rc;

	if (!eq)
		return not_understood(l, "not `key = value'", e);
	value = eq + 1 + strspn(eq + 1, " \t");
	while (eq > s && (eq[-1] == ' ' || eq[-1] == '\t'))
		eq--;
	*eq = '\0';
	len = strlen(value);
	if (!toml_key(s))
		return not_understood(l, "a key of this form is not understood", e);
	if (!len || *value == '{' || !strncmp(value, "\"\"\"", 3) || !strncmp(value, "'''", 3) ||
	    (*value == '[' && value[len - 1] != ']'))
		return not_understood(l, "a value of this form is not understood", e);
	buf_addf(&name, "%s%s%s", section->p, section->len ? "." : "", s);
	rc = add_value(out, l, name.p, value, e);
	buf_release(&name);
	return rc;
}

static int parse_toml(struct record_pairs *out, struct lines *l, struct err *e)
{
	struct buf section = BUF_INIT;
	int rc = 0;

	while (rc == 0 && next_line(l)) {
		char *s = l->text.p + strspn(l->text.p, " \t");

		rc = *s == '[' ? toml_section(l, s, &section, e)
			       : toml_value(out, l, &section, s, e);
	}
	buf_release(&section);
	return rc;
}

/* ---- all of them ---- */

int params_parse(struct record_pairs *out, const char *name, const void *text, size_t len,
		 struct err *e)
{
	struct lines l = {name, text, (const char *)text + len, 0, BUF_INIT};
	struct json *j = NULL;
	int rc;

	if (memchr(text, '\0', len))
		return err_set(e, ERR_INPUT, "%s: a NUL byte", name);
	if (str_endswith(name, ".json")) {
		rc = json_parse(&j, text, len, JSON_MAX_BYTES, e);
		if (rc == 0 && json_kind(j) != JSON_KIND_OBJECT)
			rc = err_set(e, ERR_INPUT, "not an object");
		if (rc == 0)
			rc = add_json(out, "", j, e);
		json_unref(j);
		return rc < 0 ? err_wrap(e, "%s", name) : 0;
	}
	if (str_endswith(name, ".yaml") || str_endswith(name, ".yml"))
		rc = parse_yaml(out, &l, e);
	else if (str_endswith(name, ".toml"))
		rc = parse_toml(out, &l, e);
	else
		rc = err_set(e, ERR_INPUT, "%s: parameters are .json, .yaml or .toml", name);
	buf_release(&l.text);
	return rc;
}

int params_override(struct record_pairs *out, const char *assignment, struct err *e)
{
	const char *eq = strchr(assignment, '=');
	char *name;

	if (!eq || eq == assignment || !eq[1])
		return err_set(e, ERR_USAGE, "-S takes name=value, not '%s'", assignment);
	name = xstrndup(assignment, (size_t)(eq - assignment));
	record_add_pair(out, name, eq + 1);
	free(name);
	return 0;
}

static int cmp_pair(const void *a, const void *b)
{
	return strcmp(((const struct record_pair *)a)->name, ((const struct record_pair *)b)->name);
}

void params_json(const struct record_pairs *p, struct buf *out)
{
	struct record_pair *sorted = xcalloc(p->n + 1, sizeof(*sorted));
	struct json *o = json_mkobj();

	if (p->n) {
		memcpy(sorted, p->v, p->n * sizeof(*sorted));
		qsort(sorted, p->n, sizeof(*sorted), cmp_pair);
	}
	for (size_t i = 0; i < p->n; i++)
		json_put_str(o, sorted[i].name, sorted[i].value);
	json_text(o, false, out);
	if (!out->len || out->p[out->len - 1] != '\n')
		buf_addch(out, '\n');
	json_unref(o);
	free(sorted);
}
