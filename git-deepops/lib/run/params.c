/* SPDX-License-Identifier: MIT */
/* params.c - parameters out of JSON, YAML and TOML; see params.h */
#include "run/params.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run/params_internal.h"

/* ---- values ---- */

void params_init(struct params *p)
{
	memset(p, 0, sizeof(*p));
	strvec_init(&p->strings);
}

void params_release(struct params *p)
{
	record_release_pairs(&p->values);
	strvec_release(&p->strings);
}

void params_name(struct buf *out, const char *below, const char *key, size_t len)
{
	buf_addstr(out, below);
	if (*below)
		buf_addch(out, '.');
	buf_add(out, key, len);
}

bool params_is_number(const char *s)
{
	size_t n;

	s += *s == '-';
	if (*s == '0')
		s++;
	else if (!(n = strspn(s, "0123456789")))
		return false;
	else
		s += n;
	if (*s == '.') {
		if (!(n = strspn(s + 1, "0123456789")))
			return false;
		s += n + 1;
	}
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (!(n = strspn(s, "0123456789")))
			return false;
		s += n;
	}
	return !*s;
}

/* The text in JSON if it is no string; NULL: it is one. */
static const char *literal(const char *s)
{
	static const struct {
		const char *text, *json;
	} words[] = {{"true", "true"},   {"True", "true"},   {"TRUE", "true"},
		     {"false", "false"}, {"False", "false"}, {"FALSE", "false"},
		     {"null", "null"},   {"{}", "{}"},       {"[]", "[]"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(s, words[i].text))
			return words[i].json;
	return params_is_number(s) ? s : NULL;
}

int params_add(struct params *p, const char *name, const char *text, bool string, struct err *e)
{
	if (!*name)
		return err_set(e, ERR_INPUT, "a value without a name");
	if (strlen(name) > PARAMS_MAX_NAME_BYTES)
		return err_set(e, ERR_LIMIT, "a name of more than %d bytes", PARAMS_MAX_NAME_BYTES);
	if (record_pair_get(&p->values, name))
		return err_set(e, ERR_INPUT, "%s stands twice", name);
	if (p->values.n >= PARAMS_MAX_VALUES)
		return err_set(e, ERR_LIMIT, "more than %d values", PARAMS_MAX_VALUES);
	/* A record holds no empty text. */
	if (string && (!*text || literal(text)))
		strvec_push(&p->strings, name);
	record_add_pair(&p->values, name, *text ? text : "\"\"");
	return 0;
}

/* ---- JSON ---- */

static int add_scalar(struct params *p, const char *name, const struct json *j, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	json_value_text(j, &text);
	if (json_kind(j) == JSON_KIND_BOOL)
		buf_addstr(&text, json_bool(j) ? "true" : "false");
	else if (json_kind(j) == JSON_KIND_NULL)
		buf_addstr(&text, "null");
	else if (json_kind(j) == JSON_KIND_OBJECT || json_kind(j) == JSON_KIND_ARRAY)
		buf_addstr(&text, json_kind(j) == JSON_KIND_OBJECT ? "{}" : "[]");
	rc = params_add(p, name, text.p, json_kind(j) == JSON_KIND_STRING, e);
	buf_release(&text);
	return rc;
}

/* json_parse has capped the depth. */
static int add_json(struct params *p, const char *name, const struct json *j, struct err *e)
{
	struct buf below = BUF_INIT;
	const struct json *v;
	const char *key;
	char number[24];
	void *it = NULL;
	int rc = 0;

	if (json_kind(j) == JSON_KIND_OBJECT && (json_len(j) || !*name)) {
		while (rc == 0 && (key = json_each(j, &it, &v))) {
			buf_reset(&below);
			params_name(&below, name, key, strlen(key));
			rc = add_json(p, below.p, v, e);
		}
	} else if (json_kind(j) == JSON_KIND_ARRAY && json_len(j)) {
		for (size_t i = 0; rc == 0 && i < json_len(j); i++) {
			buf_reset(&below);
			snprintf(number, sizeof(number), "%zu", i);
			params_name(&below, name, number, strlen(number));
			rc = add_json(p, below.p, json_at(j, i), e);
		}
	} else {
		rc = add_scalar(p, name, j, e);
	}
	buf_release(&below);
	return rc;
}

/* ---- all of them ---- */

static int parse_json(struct params *p, const char *name, const char *text, size_t len,
		      struct err *e)
{
	struct json *j = NULL;
	int rc;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
		text += 3;
		len -= 3;
	}
	rc = json_parse(&j, text, len, JSON_MAX_BYTES, e);
	if (rc == 0 && json_kind(j) != JSON_KIND_OBJECT)
		rc = err_set(e, ERR_INPUT, "not an object");
	if (rc == 0)
		rc = add_json(p, "", j, e);
	json_unref(j);
	return rc < 0 ? err_wrap(e, "%s", name) : 0;
}

static int parse_any(struct params *p, const char *name, const void *text, size_t len,
		     struct err *e)
{
	if (memchr(text, '\0', len))
		return err_set(e, ERR_INPUT, "%s: a NUL byte", name);
	if (str_endswith(name, ".json"))
		return parse_json(p, name, text, len, e);
	if (str_endswith(name, ".yaml") || str_endswith(name, ".yml"))
		return params_yaml(p, name, text, len, e);
	if (str_endswith(name, ".toml"))
		return params_toml(p, name, text, len, e);
	return err_set(e, ERR_INPUT, "%s: parameters are .json, .yaml or .toml", name);
}

int params_parse(struct params *p, const char *name, const void *text, size_t len, struct err *e)
{
	struct buf quoted = BUF_INIT;

	if (parse_any(p, name, text, len, e) == 0)
		return 0;
	path_shell_quote(&quoted, name);
	err_hint(e, "-i %s in place of -p keeps the file whole", quoted.p);
	buf_release(&quoted);
	return e ? e->code : ERR_INPUT;
}

static void forget_string(struct params *p, const char *name)
{
	for (size_t i = 0; i < p->strings.nr; i++) {
		if (strcmp(p->strings.v[i], name) != 0)
			continue;
		free(p->strings.v[i]);
		p->strings.v[i] = p->strings.v[p->strings.nr - 1];
		p->strings.v[--p->strings.nr] = NULL;
		return;
	}
}

int params_override(struct params *p, const char *assignment, struct err *e)
{
	const char *eq = strchr(assignment, '=');
	char *name;

	if (!eq || eq == assignment || !eq[1])
		return err_set(e, ERR_USAGE, "-S takes name=value, not '%s'", assignment);
	name = xstrndup(assignment, (size_t)(eq - assignment));
	forget_string(p, name);
	record_add_pair(&p->values, name, eq + 1);
	free(name);
	return 0;
}

static int cmp_pair(const void *a, const void *b)
{
	return strcmp(((const struct record_pair *)a)->name, ((const struct record_pair *)b)->name);
}

static void add_text(struct buf *out, const char *s)
{
	struct json *j = json_mkstr(s);

	json_text(j, false, out);
	json_unref(j);
	buf_rtrim(out);
}

static void add_typed(struct buf *out, const struct params *p, const struct record_pair *pair)
{
	bool string = strvec_has(&p->strings, pair->name);
	const char *json = string ? NULL : literal(pair->value);

	if (json)
		buf_addstr(out, json);
	else
		add_text(out, string && !strcmp(pair->value, "\"\"") ? "" : pair->value);
}

void params_json(const struct params *p, struct buf *out)
{
	struct record_pair *sorted = xcalloc(p->values.n + 1, sizeof(*sorted));

	if (p->values.n) {
		memcpy(sorted, p->values.v, p->values.n * sizeof(*sorted));
		qsort(sorted, p->values.n, sizeof(*sorted), cmp_pair);
	}
	buf_addch(out, '{');
	for (size_t i = 0; i < p->values.n; i++) {
		buf_addstr(out, i ? ", " : "");
		add_text(out, sorted[i].name);
		buf_addstr(out, ": ");
		add_typed(out, p, &sorted[i]);
	}
	buf_addstr(out, "}\n");
	free(sorted);
}

int params_strings(struct params *p, const void *text, size_t len, struct err *e)
{
	const struct json *v;
	struct json *j = NULL;
	const char *key;
	void *it = NULL;
	int rc = json_parse(&j, text, len, JSON_MAX_BYTES, e);

	while (rc == 0 && (key = json_each(j, &it, &v)))
		if (json_str(v) && (!*json_str(v) || literal(json_str(v))))
			strvec_push(&p->strings, key);
	json_unref(j);
	return rc;
}
