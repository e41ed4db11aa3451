/* SPDX-License-Identifier: MIT */
/* record_texts.c - go through all that people and programs wrote into a record; see record.h */
#include "base/xalloc.h"
#include "run/record_internal.h"

struct texts {
	record_text_fn fn;
	void *arg;
	struct err *e;
};

/* Replace *text by what the callback says; 1: it did. */
static int map_one(const struct texts *t, const char *field, char **text)
{
	struct buf out = BUF_INIT;
	int rc = t->fn(t->arg, field, *text, &out, t->e);

	if (rc == 1)
		record_set(text, out.p);
	buf_release(&out);
	return rc;
}

static int map_strings(const struct texts *t, const char *field, struct strvec *v)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < v->nr; i++)
		rc = map_one(t, field, &v->v[i]);
	return rc;
}

/* Two names that have become equal are one: the later value stands. */
static int map_pairs(const struct texts *t, const char *field, struct record_pairs *p)
{
	struct record_pairs old = *p;
	int rc = 0;

	memset(p, 0, sizeof(*p));
	for (size_t i = 0; i < old.n; i++) {
		if (rc >= 0)
			rc = map_one(t, field, &old.v[i].value);
		if (rc >= 0)
			rc = map_one(t, field, &old.v[i].name);
		record_add_pair(p, old.v[i].name, old.v[i].value);
	}
	record_release_pairs(&old);
	return rc;
}

static int map_fields(const struct texts *t, const struct record_field *f, const char *below,
		      void *base);

static int map_list(const struct texts *t, const struct record_field *f, const char *field,
		    void *base)
{
	char *v = *MEMBER(char *, base, f->at), *below = xstrfmt("%s[].", field);
	size_t n = *MEMBER(size_t, base, f->items->n);
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < n; i++)
		rc = map_fields(t, f->items->fields, below, v + i * f->items->size);
	free(below);
	return rc;
}

static int map_fields(const struct texts *t, const struct record_field *f, const char *below,
		      void *base)
{
	int rc = 0;

	for (; rc >= 0 && f->path; f++) {
		char *field = xstrfmt("%s%s", below, f->path);

		if (f->type == RT_RAW && *MEMBER(char *, base, f->at))
			rc = map_one(t, field, MEMBER(char *, base, f->at));
		else if (f->type == RT_RAWS || f->type == RT_SET)
			rc = map_strings(t, field, MEMBER(struct strvec, base, f->at));
		else if (f->type == RT_PAIRS)
			rc = map_pairs(t, field, MEMBER(struct record_pairs, base, f->at));
		else if (f->type == RT_LIST)
			rc = map_list(t, f, field, base);
		free(field);
	}
	return MIN(rc, 0);
}

int record_map_texts(struct record *r, record_text_fn fn, void *arg, struct err *e)
{
	const struct texts t = {fn, arg, e};
	int rc = map_fields(&t, record_fields, "", r);

	record_sort(r);
	return rc;
}
