/* SPDX-License-Identifier: MIT */
/* record.c - records in memory; see record.h */
#include "run/record.h"

#include "base/path.h"
#include "base/xalloc.h"
#include "run/record_internal.h"

_Static_assert(sizeof(enum record_kind) == sizeof(unsigned int), "enums are read as unsigned int");

static void record_init_fields(const struct record_field *f, void *base)
{
	for (; f->path; f++) {
		if (f->type == RT_INT || f->type == RT_TIME)
			*MEMBER(int64_t, base, f->at) = RECORD_NONE;
		else if (f->type == RT_RAWS || f->type == RT_SET)
			strvec_init(MEMBER(struct strvec, base, f->at));
	}
}

void record_init(struct record *r)
{
	memset(r, 0, sizeof(*r));
	record_init_fields(record_fields, r);
}

void record_release_pairs(struct record_pairs *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
	free(p->v);
	memset(p, 0, sizeof(*p));
}

static void release_list(const struct record_field *f, void *base)
{
	char **v = MEMBER(char *, base, f->at);
	size_t *n = MEMBER(size_t, base, f->items->n);

	for (size_t i = 0; i < *n; i++)
		record_release_fields(f->items->fields, *v + i * f->items->size);
	free(*v);
	*v = NULL;
	*n = 0;
}

void record_release_fields(const struct record_field *f, void *base)
{
	for (; f->path; f++) {
		switch (f->type) {
		case RT_RAW:
		case RT_WORD:
		case RT_HEX16:
		case RT_HEX32:
		case RT_OID:
		case RT_DIGEST:
			free(*MEMBER(char *, base, f->at));
			*MEMBER(char *, base, f->at) = NULL;
			break;
		case RT_RAWS:
		case RT_SET:
			strvec_release(MEMBER(struct strvec, base, f->at));
			break;
		case RT_PAIRS:
			record_release_pairs(MEMBER(struct record_pairs, base, f->at));
			break;
		case RT_LIST:
			release_list(f, base);
			break;
		case RT_INT:
		case RT_TIME:
		case RT_FLAG:
		case RT_ENUM:
			break;
		}
	}
}

void record_release(struct record *r)
{
	record_release_fields(record_fields, r);
	record_init(r);
}

void *record_list_add(const struct record_field *f, void *base)
{
	char **v = MEMBER(char *, base, f->at);
	size_t *n = MEMBER(size_t, base, f->items->n);
	void *item;

	/* Grown by doubling at powers of two: no capacity to keep beside each list. */
	if ((*n & (*n - 1)) == 0)
		*v = xrealloc(*v, *n ? 2 * *n : 1, f->items->size);
	item = *v + *n * f->items->size;
	memset(item, 0, f->items->size);
	record_init_fields(f->items->fields, item);
	(*n)++;
	return item;
}

struct record_input *record_add_input(struct record *r)
{
	return record_list_add(record_field_at("inputs"), r);
}

struct record_output *record_add_output(struct record *r)
{
	return record_list_add(record_field_at("outputs"), r);
}

struct record_module *record_add_module(struct record *r)
{
	return record_list_add(record_field_at("code.modules"), r);
}

struct record_filtered *record_add_filtered(struct record *r)
{
	return record_list_add(record_field_at("code.filtered"), r);
}

struct record_large *record_add_large(struct record *r)
{
	return record_list_add(record_field_at("code.large"), r);
}

struct record_file *record_add_params_file(struct record *r)
{
	return record_list_add(record_field_at("params.files"), r);
}

struct record_program *record_add_program(struct record *r)
{
	return record_list_add(record_field_at("command.programs"), r);
}

struct record_compared *record_add_compared(struct record *r)
{
	return record_list_add(record_field_at("rerun.per_output"), r);
}

void record_release_compared(struct record *r)
{
	release_list(record_field_at("rerun.per_output"), r);
	r->verdict = 0;
}

void record_release_programs(struct record *r)
{
	release_list(record_field_at("command.programs"), r);
	r->watched = 0;
}

void record_set(char **field, const char *value)
{
	char *copy = value ? xstrdup(value) : NULL;

	free(*field);
	*field = copy;
}

void record_setf(char **field, const char *fmt, ...)
{
	struct buf b = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	record_set(field, b.p);
	buf_release(&b);
}

void record_set_digest(char **field, const struct chunkid *id)
{
	record_set(field, chunkid_text(id).s);
}

void record_add_pair(struct record_pairs *p, const char *name, const char *value)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!strcmp(p->v[i].name, name)) {
			record_set(&p->v[i].value, value);
			return;
		}
	}
	XGROW(p->v, p->n + 1, p->alloc);
	p->v[p->n].name = xstrdup(name);
	p->v[p->n].value = xstrdup(value);
	p->n++;
}

const char *record_pair_get(const struct record_pairs *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->v[i].name, name))
			return p->v[i].value;
	return NULL;
}

/* An item of a list begins with its path, a pair with its name: one comparison for both. */
static int cmp_first_string(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

void record_sort(struct record *r)
{
	for (const struct record_field *f = record_fields; f->path; f++) {
		if (f->type == RT_SET) {
			struct strvec *v = MEMBER(struct strvec, r, f->at);

			strvec_sort(v);
			strvec_uniq(v);
		} else if (f->type == RT_PAIRS) {
			struct record_pairs *p = MEMBER(struct record_pairs, r, f->at);

			if (p->n)
				qsort(p->v, p->n, sizeof(*p->v), cmp_first_string);
		} else if (f->type == RT_LIST) {
			size_t n = *MEMBER(size_t, r, f->items->n);

			if (n)
				qsort(*MEMBER(char *, r, f->at), n, f->items->size,
				      cmp_first_string);
		}
	}
}

void record_id(struct chunkid *id, const void *bytes, size_t len)
{
	chunkid_of(id, bytes, len);
}

const char *record_kind_name(enum record_kind k)
{
	return record_kind_names[k];
}

const char *record_verdict_name(enum record_verdict v)
{
	return record_verdict_names[v];
}

const char *record_input_role_name(enum record_input_role v)
{
	return record_input_role_names[v];
}

const char *record_output_role_name(enum record_output_role v)
{
	return record_output_role_names[v];
}

const char *record_from_name(enum record_from v)
{
	return record_from_names[v];
}

const char *record_stdin_name(enum record_stdin v)
{
	return record_stdin_names[v];
}

const char *record_watched_name(enum record_watched v)
{
	return record_watched_names[v];
}

static bool is_interpreter(const char *name)
{
	static const char *const names[] = {"bash",    "sh",    "node", "perl",
					    "Rscript", "julia", "env"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return str_startswith(name, "python", NULL);
}

const char *record_program(const struct record *r)
{
	const char *name = r->argv.nr ? path_basename(r->argv.v[0]) : "-";

	if (is_interpreter(name) && r->argv.nr > 1 && r->argv.v[1][0] && r->argv.v[1][0] != '-')
		name = path_basename(r->argv.v[1]);
	return *name ? name : "-";
}

bool record_succeeded(const struct record *r)
{
	return r->exit == 0 && r->ended != RECORD_NONE;
}

static void recipe_line(struct hash *h, const char *what, const char *name, const char *value)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, "%s\t", what);
	path_quote(&b, name, strlen(name));
	if (value) {
		buf_addch(&b, '\t');
		path_quote(&b, value, strlen(value));
	}
	buf_addch(&b, '\n');
	hash_update(h, b.p, b.len);
	buf_release(&b);
}

static void recipe_pairs(struct hash *h, const char *what, const struct record_pairs *p)
{
	for (size_t i = 0; i < p->n; i++)
		recipe_line(h, what, p->v[i].name, p->v[i].value);
}

void record_recipe(const struct record *r, struct chunkid *out)
{
	struct hash *h = hash_new();

	recipe_line(h, "deepops-recipe", "1", NULL);
	recipe_line(h, "code", r->code.tree_sha256 ? r->code.tree_sha256 : "", NULL);
	for (size_t i = 0; i < r->argv.nr; i++)
		recipe_line(h, "arg", r->argv.v[i], NULL);
	recipe_line(h, "cwd", r->cwd ? r->cwd : "", NULL);
	if (r->stdin_id)
		recipe_line(h, "stdin", r->stdin_id, NULL);
	recipe_pairs(h, "param", &r->params);
	for (size_t i = 0; i < r->ninputs; i++)
		if (r->inputs[i].role == RECORD_ROLE_INPUT)
			recipe_line(h, "input", r->inputs[i].path, r->inputs[i].id);
	if (r->machine_spec)
		recipe_line(h, "machine", r->machine_spec, NULL);
	recipe_pairs(h, "env", &r->env);
	recipe_pairs(h, "seed", &r->seeds);
	hash_final(h, out->b);
	hash_free(h);
}
