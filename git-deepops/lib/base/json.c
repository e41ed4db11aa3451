/* SPDX-License-Identifier: MIT */
/* json.c - JSON values through jansson, and the canonical form; see json.h */
#include "base/json.h"

#include <jansson.h>
#include <math.h>

#include "base/limits.h"
#include "base/path.h"
#include "base/strvec.h"
#include "base/xalloc.h"

#define JSON_INT_MAX ((INT64_C(1) << 53) - 1) /* what every other reader keeps exactly */

/* struct json is never defined: it is jansson's json_t under our name. */
static json_t *json_raw(struct json *j)
{
	return (json_t *)(void *)j;
}

static const json_t *json_craw(const struct json *j)
{
	return (const json_t *)(const void *)j;
}

static struct json *json_ours(json_t *j)
{
	return (struct json *)(void *)j;
}

static const struct json *json_cours(const json_t *j)
{
	return (const struct json *)(const void *)j;
}

/* A constructor of jansson fails only without memory. */
static struct json *json_must(json_t *j)
{
	if (!j)
		xalloc_die();
	return json_ours(j);
}

static int json_check_depth(const json_t *j, int left, struct err *e)
{
	const char *key;
	json_t *v;
	size_t i;
	int rc = 0;

	if (!left)
		return err_set(e, ERR_LIMIT, "JSON nested deeper than %d", JSON_MAX_DEPTH);
	if (json_is_array(j)) {
		for (i = 0; i < json_array_size(j) && rc == 0; i++)
			rc = json_check_depth(json_array_get(j, i), left - 1, e);
	} else if (json_is_object(j)) {
		for (void *it = json_object_iter((json_t *)(uintptr_t)j); it && rc == 0;
		     it = json_object_iter_next((json_t *)(uintptr_t)j, it)) {
			key = json_object_iter_key(it);
			v = json_object_iter_value(it);
			rc = json_check_depth(v, left - 1, e);
			if (rc < 0)
				err_wrap(e, "%.40s", key);
		}
	}
	return rc;
}

int json_parse(struct json **out, const void *text, size_t len, size_t max, struct err *e)
{
	json_error_t why;
	json_t *j;

	*out = NULL;
	if (len > max)
		return err_set(e, ERR_LIMIT, "JSON of %zu bytes, at most %zu are read", len, max);
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
	if (!j)
		return err_set(e, ERR_INPUT, "line %d column %d: %s", why.line, why.column,
			       why.text);
	if (json_check_depth(j, JSON_MAX_DEPTH, e) < 0) {
		json_decref(j);
		return ERR_LIMIT;
	}
	*out = json_ours(j);
	return 0;
}

int json_parse_canonical(struct json **out, const void *text, size_t len, size_t max, struct err *e)
{
	struct buf again = BUF_INIT;
	int rc = json_parse(out, text, len, max, e);

	if (rc == 0)
		rc = json_canonical(*out, &again, e);
	if (rc == 0 && (again.len != len || memcmp(again.p, text, len) != 0))
		rc = err_set(e, ERR_INPUT, "not in canonical form");
	buf_release(&again);
	if (rc < 0) {
		json_unref(*out);
		*out = NULL;
	}
	return rc;
}

static void json_canonical_str(const char *s, size_t len, struct buf *out)
{
	static const char letters[] = "\"\\\b\f\n\r\t";
	static const char escapes[] = "\"\\bfnrt";

	buf_addch(out, '"');
	for (size_t i = 0; i < len; i++) {
		const char *at = s[i] ? strchr(letters, s[i]) : NULL;

		if (at)
			buf_addf(out, "\\%c", escapes[at - letters]);
		else if ((unsigned char)s[i] < 0x20)
			buf_addf(out, "\\u%04X", (unsigned int)(unsigned char)s[i]);
		else
			buf_addch(out, s[i]);
	}
	buf_addch(out, '"');
}

static bool json_key_ok(const char *key)
{
	return *key && key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static int json_canonical_value(const json_t *j, int left, struct buf *out, struct err *e);

static int json_canonical_object(const json_t *j, int left, struct buf *out, struct err *e)
{
	struct strvec keys = STRVEC_INIT;
	json_t *obj = (json_t *)(uintptr_t)j; /* jansson's iterators take no const */
	int rc = 0;

	for (void *it = json_object_iter(obj); it; it = json_object_iter_next(obj, it))
		strvec_push(&keys, json_object_iter_key(it));
	strvec_sort(&keys);
	buf_addch(out, '{');
	for (size_t i = 0; i < keys.nr && rc == 0; i++) {
		if (!json_key_ok(keys.v[i]))
			rc = err_set(e, ERR_INPUT, "key \"%.60s\" is not [a-z0-9_]", keys.v[i]);
		buf_addf(out, "%s\"%s\":", i ? "," : "", keys.v[i]);
		if (rc == 0)
			rc = json_canonical_value(json_object_get(j, keys.v[i]), left - 1, out, e);
		if (rc < 0 && rc != ERR_LIMIT)
			err_wrap(e, "%.60s", keys.v[i]);
	}
	buf_addch(out, '}');
	strvec_release(&keys);
	return rc;
}

static int json_canonical_array(const json_t *j, int left, struct buf *out, struct err *e)
{
	int rc = 0;

	buf_addch(out, '[');
	for (size_t i = 0; i < json_array_size(j) && rc == 0; i++) {
		if (i)
			buf_addch(out, ',');
		rc = json_canonical_value(json_array_get(j, i), left - 1, out, e);
	}
	buf_addch(out, ']');
	return rc;
}

static int json_canonical_value(const json_t *j, int left, struct buf *out, struct err *e)
{
	if (!left)
		return err_set(e, ERR_LIMIT, "JSON nested deeper than %d", JSON_MAX_DEPTH);
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return json_canonical_object(j, left, out, e);
	case JSON_ARRAY:
		return json_canonical_array(j, left, out, e);
	case JSON_STRING:
		json_canonical_str(json_string_value(j), json_string_length(j), out);
		return 0;
	case JSON_INTEGER:
		if (json_integer_value(j) > JSON_INT_MAX || json_integer_value(j) < -JSON_INT_MAX)
			return err_set(e, ERR_INPUT, "integer beyond 2^53-1");
		buf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(j));
		return 0;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_addstr(out, json_is_true(j) ? "true" : "false");
		return 0;
	case JSON_REAL:
		return err_set(e, ERR_INPUT, "real numbers are kept as text");
	case JSON_NULL:
		break;
	}
	return err_set(e, ERR_INPUT, "null is not allowed");
}

int json_canonical(const struct json *j, struct buf *out, struct err *e)
{
	int rc = json_canonical_value(json_craw(j), JSON_MAX_DEPTH, out, e);

	buf_addch(out, '\n');
	return rc;
}

static int json_dump_to_buf(const char *p, size_t n, void *arg)
{
	buf_add(arg, p, n);
	return 0;
}

void json_text(const struct json *j, bool pretty, struct buf *out)
{
	size_t flags = JSON_ENCODE_ANY | (pretty ? JSON_INDENT(2) : JSON_COMPACT);

	json_dump_callback(json_craw(j), json_dump_to_buf, out, flags);
	buf_addch(out, '\n');
}

enum json_kind json_kind(const struct json *j)
{
	switch (json_typeof(json_craw(j))) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_STRING;
	case JSON_INTEGER:
		return JSON_KIND_INT;
	case JSON_REAL:
		return JSON_KIND_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_NULL:
		break;
	}
	return JSON_KIND_NULL;
}

struct json *json_ref(struct json *j)
{
	json_incref(json_raw(j));
	return j;
}

void json_unref(struct json *j)
{
	json_decref(json_raw(j));
}

struct json *json_mkobj(void)
{
	return json_must(json_object());
}

struct json *json_mkarr(void)
{
	return json_must(json_array());
}

struct json *json_mkstr(const char *s)
{
	return json_mkstrn(s, strlen(s));
}

/* Length of the well-formed UTF-8 sequence at p, 0 if there is none. */
static size_t json_utf8_len(const unsigned char *p, size_t left)
{
	uint32_t v;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > left)
		return 0;
	v = p[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && v < 0x800) || (n == 4 && v < 0x10000) || v > 0x10ffff ||
	    (v >= 0xd800 && v <= 0xdfff))
		return 0;
	return n;
}

/* Append the bytes with U+FFFD for each that is not UTF-8. */
static void json_add_clean(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t len = json_utf8_len((const unsigned char *)s + i, n - i);

		if (len)
			buf_add(out, s + i, len);
		else
			buf_addstr(out, "\xef\xbf\xbd");
		i += len ? len : 1;
	}
}

struct json *json_mkstrn(const char *s, size_t n)
{
	json_t *j = json_stringn(s, n);
	struct buf clean = BUF_INIT;

	if (j)
		return json_ours(j);
	json_add_clean(&clean, s, n);
	j = json_stringn(clean.p, clean.len);
	buf_release(&clean);
	return json_must(j);
}

struct json *json_mkint(int64_t v)
{
	return json_must(json_integer(v));
}

struct json *json_mkbool(bool v)
{
	return json_must(json_boolean(v));
}

void json_put(struct json *obj, const char *key, struct json *value)
{
	struct buf clean = BUF_INIT;
	int rc = json_object_set(json_raw(obj), key, json_raw(value));

	if (rc < 0) {
		json_add_clean(&clean, key, strlen(key));
		rc = json_object_set(json_raw(obj), clean.p, json_raw(value));
		buf_release(&clean);
	}
	if (rc < 0)
		json_must(NULL);
	json_unref(value);
}

void json_put_str(struct json *obj, const char *key, const char *s)
{
	if (s)
		json_put(obj, key, json_mkstr(s));
}

void json_put_path(struct json *obj, const char *key, const char *path)
{
	struct buf text = BUF_INIT;

	if (path)
		path_text(&text, path);
	json_put_str(obj, key, path ? text.p : NULL);
	buf_release(&text);
}

void json_put_int(struct json *obj, const char *key, int64_t v)
{
	json_put(obj, key, json_mkint(v));
}

void json_put_bool(struct json *obj, const char *key, bool v)
{
	json_put(obj, key, json_mkbool(v));
}

void json_del(struct json *obj, const char *key)
{
	json_object_del(json_raw(obj), key);
}

void json_push(struct json *arr, struct json *value)
{
	if (json_array_append_new(json_raw(arr), json_raw(value)) < 0)
		json_must(NULL);
}

const struct json *json_get(const struct json *obj, const char *key)
{
	return json_cours(json_object_get(json_craw(obj), key));
}

const char *json_get_str(const struct json *obj, const char *key)
{
	return json_str(json_get(obj, key));
}

const char *json_str(const struct json *j)
{
	return json_string_value(json_craw(j));
}

int64_t json_int(const struct json *j)
{
	return json_integer_value(json_craw(j));
}

bool json_bool(const struct json *j)
{
	return json_is_true(json_craw(j));
}

size_t json_len(const struct json *j)
{
	const json_t *raw = json_craw(j);

	return json_is_array(raw) ? json_array_size(raw) : json_object_size(raw);
}

const struct json *json_at(const struct json *arr, size_t i)
{
	return json_cours(json_array_get(json_craw(arr), i));
}

const char *json_each(const struct json *obj, void **it, const struct json **value)
{
	json_t *raw = (json_t *)(uintptr_t)obj; /* jansson's iterators take no const */

	*it = *it ? json_object_iter_next(raw, *it) : json_object_iter(raw);
	if (!*it)
		return NULL;
	*value = json_cours(json_object_iter_value(*it));
	return json_object_iter_key(*it);
}

void json_number_text(double v, struct buf *out)
{
	char text[40];

	if (isnan(v) || isinf(v)) {
		buf_addstr(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_addstr(out, text);
}

const char *json_library(void)
{
	return jansson_version_str();
}

void json_value_text(const struct json *j, struct buf *out)
{
	switch (json_kind(j)) {
	case JSON_KIND_INT:
		buf_addf(out, "%" PRId64, json_int(j));
		break;
	case JSON_KIND_REAL:
		json_number_text(json_real_value(json_craw(j)), out);
		break;
	case JSON_KIND_STRING:
		buf_addstr(out, json_str(j));
		break;
	case JSON_KIND_BOOL:
	case JSON_KIND_NULL:
	case JSON_KIND_OBJECT:
	case JSON_KIND_ARRAY:
		break;
	}
}
