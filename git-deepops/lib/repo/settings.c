/* SPDX-License-Identifier: MIT */
/* settings.c - reading .deepops/config; see settings.h and gitformat-deepops-config(5) */
#include "repo/settings.h"

#include "base/conf.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "repo/workfile.h"

void settings_init(struct settings *s)
{
	memset(s, 0, sizeof(*s));
}

void settings_release(struct settings *s)
{
	free(s->remote);
	free(s->best_metric);
	settings_init(s);
}

static int bad(const struct conf_line *l, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, SETTINGS_PATH ":%u: %s.%s %s", l->line, l->section, l->key,
		       what);
}

static int set_remote(struct settings *s, const struct conf_line *l, struct err *e)
{
	if (s->remote)
		return bad(l, e, "is given twice");
	if (!*l->value)
		return bad(l, e, "is empty");
	s->remote = xstrdup(l->value);
	return 0;
}

static int set_best(struct settings *s, const struct conf_line *l, struct err *e)
{
	const char *name;

	if (s->best_metric)
		return bad(l, e, "is given twice");
	s->best_is_min = str_startswith(l->value, "min:", &name);
	if ((!s->best_is_min && !str_startswith(l->value, "max:", &name)) || !*name)
		return bad(l, e, "is max:NAME or min:NAME");
	s->best_metric = xstrdup(name);
	return 0;
}

/* Every key that is read. */
static const struct setting {
	const char *section, *key;
	int (*set)(struct settings *s, const struct conf_line *l, struct err *e);
} known[] = {
	{"deepops", "remote", set_remote},
	{"metric", "best", set_best},
};

static int take_line(struct settings *s, const struct conf_line *l, struct err *e)
{
	for (size_t i = 0; l->key && !l->sub && i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].section, l->section) && !strcmp(known[i].key, l->key))
			return known[i].set(s, l, e);
	return 0;
}

int settings_parse(struct settings *s, const void *text, size_t len, struct err *e)
{
	struct conf_line line;
	struct conf c;
	int rc;

	conf_init(&c, text, len, CONF_COMMENTS, SETTINGS_PATH);
	while ((rc = conf_next(&c, &line, e)) == 1) {
		rc = take_line(s, &line, e);
		if (rc < 0)
			break;
	}
	conf_release(&c);
	return rc;
}

/* 1 found, 0 absent. */
static int read_head(struct repo *r, struct buf *out, struct err *e)
{
	struct repo_oid head, tree;
	struct buf branch = BUF_INIT;
	struct tree_entry found;
	int rc = repo_head(r, &branch, &head, e);

	buf_release(&branch);
	if (rc < 0 || repo_oid_is_zero(&head))
		return rc;
	rc = repo_commit_tree(r, &head, &tree, e);
	if (rc == 0)
		rc = tree_find(r, &tree, SETTINGS_PATH, &found, e);
	if (rc == 1 && repo_read_blob(r, &found.id, CONF_MAX_BYTES, out, e) < 0)
		rc = err_wrap(e, "HEAD:" SETTINGS_PATH);
	return rc;
}

int settings_load(struct repo *r, struct settings *s, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = repo_is_bare(r) ? 0 : workfile_read(r, SETTINGS_PATH, &text, e);

	if (rc == 0)
		rc = read_head(r, &text, e);
	if (rc == 1)
		rc = settings_parse(s, text.p, text.len, e);
	buf_release(&text);
	return rc;
}
