/* SPDX-License-Identifier: MIT */
/*
 * record_json.c - gitformat-deepops-record(5), both ways; see record.h
 *
 * The reader fills the struct from the table, then writes it again and compares:
 * whatever the table cannot express (order, spelling, empty groups) is refused
 * by that one comparison.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/repo.h"
#include "run/record_internal.h"

/* ---- writing ---- */

void record_add_text(struct buf *out, const char *s)
{
	path_text(out, s);
}

size_t record_text_bytes(const char *s)
{
	struct buf b = BUF_INIT;
	size_t n;

	record_add_text(&b, s);
	n = b.len + strlen("\"\"");
	for (const char *p = b.p; *p; p++)
		n += *p == '"' || *p == '\\';
	buf_release(&b);
	return n;
}

static struct json *raw_to_json(const char *s)
{
	struct buf b = BUF_INIT;
	struct json *j;

	record_add_text(&b, s);
	j = json_mkstrn(b.p, b.len);
	buf_release(&b);
	return j;
}

static struct json *strvec_to_json(const struct strvec *v)
{
	struct json *arr;

	if (!v->nr)
		return NULL;
	arr = json_mkarr();
	for (size_t i = 0; i < v->nr; i++)
		json_push(arr, raw_to_json(v->v[i]));
	return arr;
}

static struct json *pairs_to_json(const struct record_pairs *p)
{
	struct json *arr;

	if (!p->n)
		return NULL;
	arr = json_mkarr();
	for (size_t i = 0; i < p->n; i++) {
		struct json *o = json_mkobj();

		json_put(o, "name", raw_to_json(p->v[i].name));
		json_put(o, "value", raw_to_json(p->v[i].value));
		json_push(arr, o);
	}
	return arr;
}

static struct json *time_to_json(int64_t ms)
{
	char text[CLOCK_TEXT_BYTES];

	clock_text(text, ms);
	return json_mkstr(text);
}

static struct json *fields_to_json(const struct record_field *f, const void *base);

static struct json *list_to_json(const struct record_field *f, const void *base)
{
	const char *v = *CMEMBER(char *, base, f->at);
	size_t n = *CMEMBER(size_t, base, f->items->n);
	struct json *arr;

	if (!n)
		return NULL;
	arr = json_mkarr();
	for (size_t i = 0; i < n; i++)
		json_push(arr, fields_to_json(f->items->fields, v + i * f->items->size));
	return arr;
}

struct json *record_value_to_json(const struct record_field *f, const void *base)
{
	const char *s;
	int64_t n;
	unsigned int e;

	switch (f->type) {
	case RT_RAW:
	case RT_WORD:
	case RT_HEX16:
	case RT_HEX32:
	case RT_OID:
	case RT_DIGEST:
		s = *CMEMBER(char *, base, f->at);
		return s ? raw_to_json(s) : NULL;
	case RT_INT:
		n = *CMEMBER(int64_t, base, f->at);
		return n == RECORD_NONE ? NULL : json_mkint(n);
	case RT_TIME:
		n = *CMEMBER(int64_t, base, f->at);
		return n == RECORD_NONE ? NULL : time_to_json(n);
	case RT_FLAG:
		return *CMEMBER(bool, base, f->at) ? json_mkbool(true) : NULL;
	case RT_ENUM:
		e = *CMEMBER(unsigned int, base, f->at);
		return e ? json_mkstr(f->names[e]) : NULL;
	case RT_RAWS:
	case RT_SET:
		return strvec_to_json(CMEMBER(struct strvec, base, f->at));
	case RT_PAIRS:
		return pairs_to_json(CMEMBER(struct record_pairs, base, f->at));
	case RT_LIST:
		return list_to_json(f, base);
	}
	return NULL;
}

/* The members below `prefix` ("" or "code."); a group without members is not written. */
static struct json *group_to_json(const struct record_field *table, const void *base,
				  const char *prefix)
{
	struct json *obj = json_mkobj();
	const char *rest, *dot;

	for (const struct record_field *f = table; f->path; f++) {
		struct json *v = NULL;
		char *key, *below;

		if (!str_startswith(f->path, prefix, &rest))
			continue;
		dot = strchr(rest, '.');
		key = dot ? xstrndup(rest, (size_t)(dot - rest)) : xstrdup(rest);
		if (!dot) {
			v = record_value_to_json(f, base);
		} else if (!json_get(obj, key)) {
			below = xstrfmt("%s%s.", prefix, key);
			v = group_to_json(table, base, below);
			free(below);
		}
		if (v && (!dot || json_len(v)))
			json_put(obj, key, v);
		else
			json_unref(v);
		free(key);
	}
	return obj;
}

static struct json *fields_to_json(const struct record_field *f, const void *base)
{
	return group_to_json(f, base, "");
}

int record_format_any(const struct record *r, struct buf *out, struct err *e)
{
	struct json *j = fields_to_json(record_fields, r);
	int rc;

	json_put_str(j, "schema", RECORD_SCHEMA);
	rc = json_canonical(j, out, e);
	json_unref(j);
	return rc < 0 ? err_wrap(e, "record") : 0;
}

/* ---- checks that both directions share ---- */

static bool all_in(const char *s, const char *set)
{
	return s[strspn(s, set)] == '\0';
}

static bool is_hex(const char *s, size_t digits)
{
	return strlen(s) == digits && all_in(s, "0123456789abcdef");
}

static bool is_word(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < '!' || *p > '~')
			return false;
	return *s && *s != '"';
}

static int check_string(const struct record_field *f, const char *s, struct err *e)
{
	const char *digits;

	switch (f->type) {
	case RT_HEX16:
		return is_hex(s, 16) ? 0 : err_set(e, ERR_INPUT, "%s: not 16 hex digits", f->path);
	case RT_HEX32:
		return is_hex(s, 32) ? 0 : err_set(e, ERR_INPUT, "%s: not 32 hex digits", f->path);
	case RT_OID:
		return repo_oid_text_ok(s)
			       ? 0
			       : err_set(e, ERR_INPUT, "%s: not 40 or 64 hex digits", f->path);
	case RT_DIGEST:
		if (str_startswith(s, "sha256:", &digits) && is_hex(digits, HASH_HEX_BYTES))
			return 0;
		return err_set(e, ERR_INPUT, "%s: not sha256: and 64 hex digits", f->path);
	case RT_WORD:
		return is_word(s) ? 0 : err_set(e, ERR_INPUT, "%s: not a word", f->path);
	case RT_RAW:
	case RT_INT:
	case RT_TIME:
	case RT_FLAG:
	case RT_ENUM:
	case RT_RAWS:
	case RT_SET:
	case RT_PAIRS:
	case RT_LIST:
		break;
	}
	return *s ? 0 : err_set(e, ERR_INPUT, "%s: empty", f->path);
}

static int check_set(const struct record_field *f, const struct strvec *v, struct err *e)
{
	for (size_t i = 0; i < v->nr; i++) {
		if (!v->v[i][0])
			return err_set(e, ERR_INPUT, "%s: an empty text", f->path);
		if (i && strcmp(v->v[i - 1], v->v[i]) >= 0)
			return err_set(e, ERR_INPUT, "%s: not sorted, or twice the same", f->path);
	}
	return 0;
}

static int check_pairs(const struct record_field *f, const struct record_pairs *p, struct err *e)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!*p->v[i].name)
			return err_set(e, ERR_INPUT, "%s: empty name", f->path);
		if (!*p->v[i].value)
			return err_set(e, ERR_INPUT, "%s: empty value", f->path);
		if (i && strcmp(p->v[i - 1].name, p->v[i].name) >= 0)
			return err_set(e, ERR_INPUT, "%s: not sorted, or twice the same", f->path);
	}
	return 0;
}

static int check_fields(const struct record_field *f, const void *base, bool runs, struct err *e);

static int check_list(const struct record_field *f, const void *base, struct err *e)
{
	const char *v = *CMEMBER(char *, base, f->at);
	size_t n = *CMEMBER(size_t, base, f->items->n);

	for (size_t i = 0; i < n; i++) {
		const char *item = v + i * f->items->size;

		if (check_fields(f->items->fields, item, true, e) < 0)
			return err_wrap(e, "%s[%zu]", f->path, i);
		if (i && strcmp(*CMEMBER(char *, item - f->items->size, 0),
				*CMEMBER(char *, item, 0)) >= 0)
			return err_set(e, ERR_INPUT, "%s: not sorted, or twice the same", f->path);
	}
	return 0;
}

static bool is_absent(const struct record_field *f, const void *base)
{
	switch (f->type) {
	case RT_RAW:
	case RT_WORD:
	case RT_HEX16:
	case RT_HEX32:
	case RT_OID:
	case RT_DIGEST:
		return !*CMEMBER(char *, base, f->at);
	case RT_INT:
	case RT_TIME:
		return *CMEMBER(int64_t, base, f->at) == RECORD_NONE;
	case RT_FLAG:
		return !*CMEMBER(bool, base, f->at);
	case RT_ENUM:
		return !*CMEMBER(unsigned int, base, f->at);
	case RT_RAWS:
	case RT_SET:
		return !CMEMBER(struct strvec, base, f->at)->nr;
	case RT_PAIRS:
		return !CMEMBER(struct record_pairs, base, f->at)->n;
	case RT_LIST:
		return !*CMEMBER(size_t, base, f->items->n);
	}
	return true;
}

int record_check_value(const struct record_field *f, const void *base, struct err *e)
{
	int64_t n;

	switch (f->type) {
	case RT_INT:
		n = *CMEMBER(int64_t, base, f->at);
		if (n < 0 || n > RECORD_INT_MAX)
			return err_set(e, ERR_INPUT, "%s: out of range", f->path);
		return 0;
	case RT_SET:
		return check_set(f, CMEMBER(struct strvec, base, f->at), e);
	case RT_PAIRS:
		return check_pairs(f, CMEMBER(struct record_pairs, base, f->at), e);
	case RT_LIST:
		return check_list(f, base, e);
	case RT_TIME:
	case RT_FLAG:
	case RT_ENUM:
	case RT_RAWS:
		return 0;
	case RT_RAW:
	case RT_WORD:
	case RT_HEX16:
	case RT_HEX32:
	case RT_OID:
	case RT_DIGEST:
		break;
	}
	return check_string(f, *CMEMBER(char *, base, f->at), e);
}

static int check_fields(const struct record_field *f, const void *base, bool runs, struct err *e)
{
	for (; f->path; f++) {
		if (!is_absent(f, base)) {
			if (record_check_value(f, base, e) < 0)
				return e ? e->code : ERR_INPUT;
		} else if (f->need == RN_ALWAYS || (f->need == RN_RUNS && runs)) {
			return err_set(e, ERR_INPUT, "%s is missing", f->path);
		}
	}
	return 0;
}

/* *first: the id that was met first, NULL before that. */
static int check_lengths(const struct record_field *f, const void *base, const char **first,
			 struct err *e)
{
	int rc = 0;

	for (; rc == 0 && f->path; f++) {
		const char *v = f->type == RT_OID || f->type == RT_LIST
					? *CMEMBER(char *, base, f->at)
					: NULL;

		if (f->type == RT_LIST) {
			size_t n = *CMEMBER(size_t, base, f->items->n);

			for (size_t i = 0; rc == 0 && i < n; i++) {
				rc = check_lengths(f->items->fields, v + i * f->items->size, first,
						   e);
				if (rc < 0)
					err_wrap(e, "%s[%zu]", f->path, i);
			}
		} else if (v && *first && strlen(*first) != strlen(v)) {
			rc = err_set(e, ERR_INPUT, "%s: %zu hex digits, other git ids have %zu",
				     f->path, strlen(v), strlen(*first));
		} else if (v && !*first) {
			*first = v;
		}
	}
	return rc;
}

int record_check_oids(const struct record *r, struct err *e)
{
	const char *first = NULL;

	return check_lengths(record_fields, r, &first, e);
}

/* What no single field can say. */
static int check_whole(const struct record *r, struct err *e)
{
	bool runs = r->kind == RECORD_RUN || r->kind == RECORD_RERUN;

	if (check_fields(record_fields, r, runs, e) < 0 || record_check_oids(r, e) < 0)
		return err_wrap(e, "record");
	if (r->seq < 1 || (r->seq == 1) != !r->prev)
		return err_set(e, ERR_INPUT, "record: seq and prev disagree");
	if (r->exit != RECORD_NONE && r->signal != RECORD_NONE)
		return err_set(e, ERR_INPUT, "record: exit and signal are both there");
	if ((r->exit != RECORD_NONE || r->signal != RECORD_NONE) && r->ended == RECORD_NONE)
		return err_set(e, ERR_INPUT, "record: a known end without its time");
	for (unsigned int i = 0; i < RECORD_LISTS; i++)
		if (r->moved[i] && !is_absent(record_movable_field((enum record_movable)i), r))
			return err_set(e, ERR_INPUT, "record: %s are both here and moved out",
				       record_movable_field((enum record_movable)i)->path);
	if (!r->fork_writer != (r->fork_seq == RECORD_NONE) ||
	    (r->kind == RECORD_FORK) != (r->fork_writer != NULL))
		return err_set(e, ERR_INPUT, "record: fork needs its writer and seq");
	return 0;
}

int record_format(const struct record *r, struct buf *out, struct err *e)
{
	size_t before = out->len;
	int rc = check_whole(r, e);

	if (rc == 0)
		rc = record_format_any(r, out, e);
	if (rc == 0 && (r->ninputs > RECORD_MAX_ITEMS || r->noutputs > RECORD_MAX_ITEMS))
		rc = err_set(e, ERR_LIMIT, "record: more than %d inputs or outputs",
			     RECORD_MAX_ITEMS);
	if (rc == 0 && out->len - before > RECORD_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "record of %zu bytes, at most %" PRIu64,
			     out->len - before, RECORD_MAX_BYTES);
	if (rc < 0)
		buf_setlen(out, before);
	return rc;
}

/* ---- reading ---- */

static int json_to_raw(const struct json *j, char **out, const char *path, struct err *e)
{
	const char *s = json_str(j);
	struct buf b = BUF_INIT;

	if (!s)
		return err_set(e, ERR_INPUT, "%s: not a string", path);
	if (s[0] == '"') {
		if (path_unquote(&b, s, strlen(s), e) < 0) {
			buf_release(&b);
			return err_wrap(e, "%s", path);
		}
		s = b.p;
	}
	record_set(out, s);
	buf_release(&b);
	return 0;
}

static int json_to_strvec(const struct json *j, struct strvec *out, const char *path, struct err *e)
{
	if (json_kind(j) != JSON_KIND_ARRAY)
		return err_set(e, ERR_INPUT, "%s: not an array", path);
	for (size_t i = 0; i < json_len(j); i++) {
		char *s = NULL;

		if (json_to_raw(json_at(j, i), &s, path, e) < 0)
			return e ? e->code : ERR_INPUT;
		strvec_push(out, s);
		free(s);
	}
	return 0;
}

static int json_to_pairs(const struct json *j, struct record_pairs *out, const char *path,
			 struct err *e)
{
	if (json_kind(j) != JSON_KIND_ARRAY)
		return err_set(e, ERR_INPUT, "%s: not an array", path);
	for (size_t i = 0; i < json_len(j); i++) {
		const struct json *o = json_at(j, i), *name = json_get(o, "name"),
				  *value = json_get(o, "value");

		if (!name || !value || json_len(o) != 2)
			return err_set(e, ERR_INPUT, "%s: not name and value", path);
		XGROW(out->v, out->n + 1, out->alloc);
		memset(&out->v[out->n], 0, sizeof(*out->v));
		out->n++;
		if (json_to_raw(name, &out->v[out->n - 1].name, path, e) < 0 ||
		    json_to_raw(value, &out->v[out->n - 1].value, path, e) < 0)
			return e ? e->code : ERR_INPUT;
	}
	return 0;
}

static int json_to_time(const struct json *j, int64_t *out, const char *path, struct err *e)
{
	const char *s = json_str(j);

	if (!s)
		return err_set(e, ERR_INPUT, "%s: not a string", path);
	return clock_parse(s, out, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

static int json_to_enum(const struct json *j, const struct record_field *f, unsigned int *out,
			struct err *e)
{
	const char *s = json_str(j);

	for (unsigned int i = 1; s && f->names[i]; i++) {
		if (!strcmp(f->names[i], s)) {
			*out = i;
			return 0;
		}
	}
	return err_set(e, ERR_INPUT, "%s: unknown value", f->path);
}

static int json_to_fields(const struct json *obj, const struct record_field *table,
			  const char *prefix, void *base, struct err *e);

static int json_to_list(const struct json *j, const struct record_field *f, void *base,
			struct err *e)
{
	if (json_kind(j) != JSON_KIND_ARRAY)
		return err_set(e, ERR_INPUT, "%s: not an array", f->path);
	for (size_t i = 0; i < json_len(j); i++) {
		if (json_to_fields(json_at(j, i), f->items->fields, "", record_list_add(f, base),
				   e) < 0)
			return err_wrap(e, "%s[%zu]", f->path, i);
	}
	return 0;
}

int record_json_to_value(const struct json *j, const struct record_field *f, void *base,
			 struct err *e)
{
	switch (f->type) {
	case RT_RAW:
	case RT_WORD:
	case RT_HEX16:
	case RT_HEX32:
	case RT_OID:
	case RT_DIGEST:
		return json_to_raw(j, MEMBER(char *, base, f->at), f->path, e);
	case RT_INT:
		if (json_kind(j) != JSON_KIND_INT)
			return err_set(e, ERR_INPUT, "%s: not an integer", f->path);
		*MEMBER(int64_t, base, f->at) = json_int(j);
		return 0;
	case RT_TIME:
		return json_to_time(j, MEMBER(int64_t, base, f->at), f->path, e);
	case RT_FLAG:
		if (json_kind(j) != JSON_KIND_BOOL || !json_bool(j))
			return err_set(e, ERR_INPUT, "%s: not true", f->path);
		*MEMBER(bool, base, f->at) = true;
		return 0;
	case RT_ENUM:
		return json_to_enum(j, f, MEMBER(unsigned int, base, f->at), e);
	case RT_RAWS:
	case RT_SET:
		return json_to_strvec(j, MEMBER(struct strvec, base, f->at), f->path, e);
	case RT_PAIRS:
		return json_to_pairs(j, MEMBER(struct record_pairs, base, f->at), f->path, e);
	case RT_LIST:
		return json_to_list(j, f, base, e);
	}
	return 0;
}

/* The field of this exact path, or (*group) whether fields lie below it. */
static const struct record_field *look_up(const struct record_field *table, const char *path,
					  bool *group)
{
	const char *rest;

	*group = false;
	for (; table->path; table++) {
		if (!strcmp(table->path, path))
			return table;
		if (str_startswith(table->path, path, &rest) && *rest == '.')
			*group = true;
	}
	return NULL;
}

/* One member; `path` is its full dotted path. */
static int json_to_member(const struct json *v, const struct record_field *table, const char *path,
			  void *base, struct err *e)
{
	bool group;
	const struct record_field *f = look_up(table, path, &group);

	if (f)
		return record_json_to_value(v, f, base, e);
	if (!group)
		return err_set(e, ERR_INPUT, "unknown key %s", path);
	return json_to_fields(v, table, path, base, e);
}

static int json_to_fields(const struct json *obj, const struct record_field *table,
			  const char *prefix, void *base, struct err *e)
{
	struct buf path = BUF_INIT;
	const struct json *v;
	const char *key;
	void *it = NULL;
	int rc = 0;

	if (json_kind(obj) != JSON_KIND_OBJECT)
		return err_set(e, ERR_INPUT, "%s: not an object", prefix);
	while (rc == 0 && (key = json_each(obj, &it, &v))) {
		buf_reset(&path);
		if (*prefix)
			buf_addf(&path, "%s.", prefix);
		buf_addstr(&path, key);
		rc = json_to_member(v, table, path.p, base, e);
	}
	buf_release(&path);
	return rc;
}

static int check_schema(struct json *j, struct err *e)
{
	const char *schema = json_get_str(j, "schema");

	if (!schema)
		return err_set(e, ERR_INPUT, "no schema");
	if (strcmp(schema, RECORD_SCHEMA) != 0)
		return err_set(e, ERR_INPUT, "schema %s is not known here", schema);
	json_del(j, "schema");
	return 0;
}

int record_parse(struct record *r, const void *bytes, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	struct json *j = NULL;
	int rc;

	if (len > RECORD_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "record of %zu bytes, at most %" PRIu64, len,
			       RECORD_MAX_BYTES);
	rc = json_parse(&j, bytes, len, RECORD_MAX_BYTES, e);
	if (rc == 0)
		rc = check_schema(j, e);
	if (rc == 0)
		rc = json_to_fields(j, record_fields, "", r, e);
	if (rc < 0) {
		err_wrap(e, "record");
		goto out;
	}
	rc = record_format(r, &again, e);
	if (rc == 0 && (again.len != len || memcmp(again.p, bytes, len) != 0))
		rc = err_set(e, ERR_INPUT, "record: not in canonical form");
out:
	buf_release(&again);
	json_unref(j);
	if (rc < 0)
		record_release(r);
	return rc;
}
