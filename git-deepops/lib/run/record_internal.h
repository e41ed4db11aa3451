/* SPDX-License-Identifier: MIT */
/*
 * record_internal.h - the type table behind record.h
 *
 * A field is a dotted path in the JSON, a type and an offset in the struct.
 * Lists have a table of their own, with offsets in their item.
 */
#ifndef RUN_RECORD_INTERNAL_H
#define RUN_RECORD_INTERNAL_H

#include "base/json.h"
#include "run/record.h"

/* The member of `type` at offset `at` of a struct known only as `base`. */
#define MEMBER(type, base, at) ((type *)(void *)((char *)(base) + (at)))
#define CMEMBER(type, base, at) ((type const *)(const void *)((const char *)(base) + (at)))

enum record_type {
	RT_RAW,    /* char *: bytes, C-quoted where not clean UTF-8 */
	RT_WORD,   /* char *: [!-~]+, made by us */
	RT_HEX16,  /* char *: 16 hex digits */
	RT_HEX32,  /* char *: 32 hex digits */
	RT_OID,    /* char *: 40 or 64 hex digits, one length in a record */
	RT_DIGEST, /* char *: sha256: and 64 hex digits */
	RT_INT,    /* int64_t, 0 to 2^53-1 */
	RT_TIME,   /* int64_t ms, RFC 3339 text */
	RT_FLAG,   /* bool, only there when true */
	RT_ENUM,   /* enum, 0 absent */
	RT_RAWS,   /* struct strvec in its order */
	RT_SET,    /* struct strvec sorted bytewise, no duplicates */
	RT_PAIRS,  /* struct record_pairs sorted by name */
	RT_LIST,   /* array of structs sorted by path */
};

enum record_need {
	RN_OPTIONAL,
	RN_ALWAYS,
	RN_RUNS, /* in records of kind run and rerun */
};

struct record_field {
	const char *path;
	enum record_type type;
	enum record_need need;
	size_t at;
	const char *const *names;        /* RT_ENUM: from index 1, NULL-terminated */
	const struct record_list *items; /* RT_LIST */
};

/* An RT_LIST: a pointer at field->at, its length (size_t) at `n`; every item begins with char *path. */
struct record_list {
	const struct record_field *fields;
	size_t size;
	size_t n;
};

extern const struct record_field record_fields[]; /* ends with path NULL */

extern const char *const record_kind_names[];
extern const char *const record_verdict_names[];
extern const char *const record_input_role_names[];
extern const char *const record_output_role_names[];
extern const char *const record_from_names[];
extern const char *const record_stdin_names[];
extern const char *const record_watched_names[];

/* Free what a table owns in the struct at `base`. */
void record_release_fields(const struct record_field *f, void *base);
/* Append a zeroed, initialised item to the list of `f`. */
void *record_list_add(const struct record_field *f, void *base);
/* JSON of one field; NULL: it is absent. */
struct json *record_value_to_json(const struct record_field *f, const void *base);
int record_json_to_value(const struct json *j, const struct record_field *f, void *base,
			 struct err *e) MUST_CHECK;
/* Is a value that is there as its type asks for? */
int record_check_value(const struct record_field *f, const void *base, struct err *e) MUST_CHECK;
/* One record speaks of one repository: its git ids have one length. */
int record_check_oids(const struct record *r, struct err *e) MUST_CHECK;
/* The bytes of `r` as it is, without checks. */
int record_format_any(const struct record *r, struct buf *out, struct err *e) MUST_CHECK;
const struct record_field *record_movable_field(enum record_movable list);
/* The field of this path; NULL. */
const struct record_field *record_field_at(const char *path);

#endif
