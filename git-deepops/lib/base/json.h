/* SPDX-License-Identifier: MIT */
/*
 * json.h - JSON values through jansson, and the canonical form
 *
 * `struct json` is reference-counted.  "Steals" means: the reference goes to
 * the callee, also on failure.  "Borrowed" means: valid as long as its parent.
 *
 * Canonical form (records): UTF-8, one line and LF, keys [a-z0-9_] sorted
 * bytewise, no duplicates, no null, no reals, integers within +-(2^53-1),
 * escapes only \" \\ \b \f \n \r \t and \u00XX (uppercase hex digits as jansson writes them) for
 * the other bytes below 0x20.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"

struct json;

enum json_kind {
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_STRING,
	JSON_KIND_INT,
	JSON_KIND_REAL,
	JSON_KIND_BOOL,
	JSON_KIND_NULL
};

/* Parse text of a user's file: any JSON, duplicates refused, size and depth capped. */
int json_parse(struct json **out, const void *text, size_t len, size_t max,
	       struct err *e) MUST_CHECK;
/* As above, and refuse bytes that differ from the canonical form of their value. */
int json_parse_canonical(struct json **out, const void *text, size_t len, size_t max,
			 struct err *e) MUST_CHECK;
/* Append the canonical form with its LF; ERR_INPUT for what it cannot hold (names the key). */
int json_canonical(const struct json *j, struct buf *out, struct err *e) MUST_CHECK;
/* Append pretty (indent 2) or one-line text; keys in insertion order. */
void json_text(const struct json *j, bool pretty, struct buf *out);

enum json_kind json_kind(const struct json *j);
struct json *json_ref(struct json *j);
void json_unref(struct json *j); /* NULL is fine */

struct json *json_mkobj(void);
struct json *json_mkarr(void);
struct json *json_mkstr(const char *s); /* invalid UTF-8 becomes U+FFFD */
struct json *json_mkstrn(const char *s, size_t n);
struct json *json_mkint(int64_t v);
struct json *json_mkbool(bool v);

/* Steals value; as in json_mkstr, what is not UTF-8 in the key becomes U+FFFD. */
void json_put(struct json *obj, const char *key, struct json *value);
void json_put_str(struct json *obj, const char *key, const char *s); /* NULL: leave out */
void json_put_path(struct json *obj, const char *key,
		   const char *path); /* any bytes: path_text() */
void json_put_int(struct json *obj, const char *key, int64_t v);
void json_put_bool(struct json *obj, const char *key, bool v);
void json_del(struct json *obj, const char *key);
void json_push(struct json *arr, struct json *value); /* steals value */

const struct json *json_get(const struct json *obj,
			    const char *key); /* borrowed or NULL; NULL obj is fine */
const char *json_get_str(const struct json *obj, const char *key); /* NULL unless a string */
const char *json_str(const struct json *j);                        /* NULL unless a string */
int64_t json_int(const struct json *j);
bool json_bool(const struct json *j);
size_t json_len(const struct json *j);                        /* of an array or object; 0 else */
const struct json *json_at(const struct json *arr, size_t i); /* borrowed */

/* Members of an object in insertion order: while ((k = json_each(obj, &it, &v))) … */
const char *json_each(const struct json *obj, void **it, const struct json **value);

/* The text a number had or would have: ints as digits, reals as the first of %.15g %.16g %.17g that round-trips. */
void json_number_text(double v, struct buf *out);
/* Append the text of a number or a string; of anything else nothing. */
void json_value_text(const struct json *j, struct buf *out);

const char *json_library(void); /* version of jansson */

#endif
