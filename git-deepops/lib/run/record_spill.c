/* SPDX-License-Identifier: MIT */
/* record_spill.c - lists that move out of a record to files beside it, and back; see record.h */
#include "base/json.h"
#include "base/limits.h"
#include "run/record_internal.h"

static const struct {
	const char *path, *file;
} movable[RECORD_LISTS] = {
	[RECORD_INPUTS] = {"inputs", "inputs.json"},
	[RECORD_OUTPUTS] = {"outputs", "outputs.json"},
	[RECORD_PROGRAMS] = {"command.programs", "programs.json"},
	[RECORD_FILTERED] = {"code.filtered", "filtered.json"},
	[RECORD_LARGE] = {"code.large", "large.json"},
	[RECORD_MODULES] = {"code.modules", "modules.json"},
	[RECORD_PER_OUTPUT] = {"rerun.per_output", "per_output.json"},
	[RECORD_ENV_NAMES] = {"machine.env_names", "env_names.json"},
	[RECORD_PARAMS] = {"params.values", "params_values.json"},
};

const char *record_list_file(enum record_movable list)
{
	return movable[list].file;
}

const struct record_field *record_movable_field(enum record_movable list)
{
	return record_field_at(movable[list].path);
}

void record_lists_init(struct record_lists *l)
{
	for (size_t i = 0; i < RECORD_LISTS; i++)
		buf_init(&l->v[i]);
}

void record_lists_release(struct record_lists *l)
{
	for (size_t i = 0; i < RECORD_LISTS; i++)
		buf_release(&l->v[i]);
}

static size_t list_len(const struct record *r, enum record_movable list)
{
	const struct record_field *f = record_movable_field(list);

	if (f->type == RT_SET)
		return CMEMBER(struct strvec, r, f->at)->nr;
	if (f->type == RT_PAIRS)
		return CMEMBER(struct record_pairs, r, f->at)->n;
	return *CMEMBER(size_t, r, f->items->n);
}

static void drop_list(const struct record_field *f, struct record *r)
{
	const struct record_field one[] = {*f, {NULL, RT_RAW, RN_OPTIONAL, 0, NULL, NULL}};

	record_release_fields(one, r);
}

static int spill_list(struct record *r, enum record_movable list, struct buf *out, struct err *e)
{
	const struct record_field *f = record_movable_field(list);
	struct json *arr = record_value_to_json(f, r);
	struct chunkid id;
	int rc;

	if (!arr)
		return 0;
	rc = json_canonical(arr, out, e);
	json_unref(arr);
	if (rc == 0 && out->len > JSON_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "%zu of them are more than a record can name",
			     list_len(r, list));
	if (rc < 0)
		return err_wrap(e, "record: %s", f->path);
	chunkid_of(&id, out->p, out->len);
	record_set_digest(&r->moved[list], &id);
	drop_list(f, r);
	return 0;
}

static int record_bytes(const struct record *r, size_t *n, struct err *e)
{
	struct buf whole = BUF_INIT;
	int rc = record_format_any(r, &whole, e);

	*n = whole.len;
	buf_release(&whole);
	return rc;
}

/* Only lists of objects have a greatest number of items in the record itself. */
static bool is_too_long(const struct record *r, enum record_movable list)
{
	return record_movable_field(list)->type == RT_LIST && list_len(r, list) > RECORD_MAX_ITEMS;
}

int record_spill(struct record *r, struct record_lists *out, struct err *e)
{
	size_t n = 0;
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++)
		if (is_too_long(r, (enum record_movable)i))
			rc = spill_list(r, (enum record_movable)i, &out->v[i], e);
	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++) {
		rc = record_bytes(r, &n, e);
		if (n <= RECORD_SPILL_BYTES)
			break;
		if (rc == 0)
			rc = spill_list(r, (enum record_movable)i, &out->v[i], e);
	}
	return rc;
}

static int unspill_list(struct record *r, enum record_movable list, const struct buf *text,
			struct err *e)
{
	const struct record_field *f = record_movable_field(list);
	char **digest = &r->moved[list];
	struct json *arr = NULL;
	struct buf again = BUF_INIT;
	struct chunkid id;
	int rc;

	if (!*digest)
		return 0;
	chunkid_of(&id, text->p, text->len);
	if (strcmp(chunkid_text(&id).s, *digest) != 0)
		return err_set(e, ERR_CORRUPT, "record: %s does not hash to its digest",
			       movable[list].file);
	rc = json_parse_canonical(&arr, text->p, text->len, JSON_MAX_BYTES, e);
	if (rc == 0)
		rc = record_json_to_value(arr, f, r, e);
	if (rc == 0)
		rc = record_check_value(f, r, e);
	json_unref(arr);
	arr = rc == 0 ? record_value_to_json(f, r) : NULL;
	if (rc == 0)
		rc = arr ? json_canonical(arr, &again, e)
			 : err_set(e, ERR_INPUT, "%s: empty", f->path);
	if (rc == 0 && buf_cmp(&again, text) != 0)
		rc = err_set(e, ERR_INPUT, "%s: not in canonical form", movable[list].file);
	if (rc == 0)
		record_set(digest, NULL);
	else
		err_wrap(e, "record");
	json_unref(arr);
	buf_release(&again);
	return rc;
}

int record_unspill(struct record *r, const struct record_lists *in, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++)
		rc = unspill_list(r, (enum record_movable)i, &in->v[i], e);
	if (rc == 0 && record_check_oids(r, e) < 0)
		rc = err_wrap(e, "record");
	return rc;
}

/* ---- lists that are cut ---- */

void record_limit(struct strvec *list, size_t bytes)
{
	size_t fit = 0, used = 0, more;

	while (fit < list->nr && fit < RECORD_MAX_ITEMS) {
		used += record_text_bytes(list->v[fit]) + strlen(",");
		if (used > bytes)
			break;
		fit++;
	}
	more = list->nr - fit;
	while (list->nr > fit)
		strvec_pop(list);
	if (more)
		strvec_pushf(list, "and %zu more", more);
}
