/* SPDX-License-Identifier: MIT */
/* snapshot_status.c - what differs from HEAD and the index; see snapshot_internal.h */
#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "repo/snapshot_internal.h"

#define RULES_FILE ".deepops/snapshot"
#define RULES_MAX 1000 /* they become arguments of one command */

static int set_bit(struct snapshot_site *s, const char *option, const struct buf *paths,
		   struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc = 0;

	if (paths->len) {
		strvec_pushl(&args, "update-index", option, "-z", "--stdin", NULL);
		rc = snapshot_site_run(s, &args, paths, NULL, e);
	}
	strvec_release(&args);
	return rc;
}

/*
 * assume-unchanged hides edits, and so does skip-worktree where the file is there.
 * Where it is not and the checkout is sparse, the entry stands as in the index.
 */
int snapshot_status_clear_bits(struct snapshot_site *s, struct err *e)
{
	struct buf assumed = BUF_INIT;
	struct buf skipped = BUF_INIT;
	struct stat st;
	bool sparse = false;
	int rc = 0;

	if (s->kind == SNAPSHOT_MAIN)
		rc = repo_config_bool(s->snap->r, "core.sparseCheckout", false, &sparse, e);
	else if (s->kind == SNAPSHOT_MODULE)
		sparse = true; /* its config is not ours: take its word for what is absent */
	for (size_t i = 0; rc == 0 && i < s->nentries; i++) {
		const struct snapshot_entry *entry = &s->entries[i];

		if (islower((unsigned char)entry->tag))
			buf_add(&assumed, entry->path, strlen(entry->path) + 1);
		if (toupper((unsigned char)entry->tag) == 'S' &&
		    (!sparse || snapshot_site_stat(s, entry->path, &st) == 0))
			buf_add(&skipped, entry->path, strlen(entry->path) + 1);
	}
	if (rc == 0)
		rc = set_bit(s, "--no-assume-unchanged", &assumed, e);
	if (rc == 0)
		rc = set_bit(s, "--no-skip-worktree", &skipped, e);
	buf_release(&assumed);
	buf_release(&skipped);
	return rc;
}

static void add_status(struct snapshot_site *s, const char *xy, const char *path)
{
	bool unmerged =
		xy[0] == 'U' || xy[1] == 'U' || !strncmp(xy, "AA", 2) || !strncmp(xy, "DD", 2);
	struct stat st;

	if (xy[0] != ' ')
		s->staged = true;
	if (snapshot_site_covers(&s->skip, path)) {
		if (xy[0] != ' ' || unmerged)
			strvec_push(&s->reset, path);
	} else if (unmerged) {
		bool there = snapshot_site_stat(s, path, &st) == 0;

		strvec_push(there ? &s->changed : &s->deleted, path);
	} else if (xy[1] == 'D') {
		strvec_push(&s->deleted, path);
	} else if (xy[1] != ' ') {
		strvec_push(&s->changed, path);
	}
}

static void add_untracked(struct snapshot_site *s, const char *path)
{
	size_t len = strlen(path);

	if (path[len - 1] == '/')
		strvec_pushn(&s->nested, path, len - 1);
	else
		strvec_push(&s->untracked, path);
}

static int parse_status(struct snapshot_site *s, const struct buf *out, struct err *e)
{
	for (size_t at = 0; at < out->len; at += strlen(out->p + at) + 1) {
		const char *line = out->p + at;

		if (strlen(line) < 4 || line[2] != ' ')
			return err_set(e, ERR_CORRUPT, "git status printed '%.60s'", line);
		if (str_startswith(line, "??", NULL))
			add_untracked(s, line + 3);
		else if (str_startswith(line, "!!", NULL))
			strvec_push(&s->ignored, line + 3);
		else
			add_status(s, line, line + 3);
	}
	return 0;
}

/* ---- .deepops/snapshot ---- */

/* One pattern a line, trailing blanks dropped unless escaped, as in .gitignore. */
static void add_rules(struct strvec *rules, const struct buf *text)
{
	const char *line = text->p;

	while (*line) {
		size_t len = strcspn(line, "\n");
		size_t keep = len;

		while (keep && (line[keep - 1] == ' ' || line[keep - 1] == '\r') &&
		       !(keep > 1 && line[keep - 2] == '\\'))
			keep--;
		if (keep && line[0] != '#')
			strvec_pushn(rules, line, keep);
		line += len + (line[len] == '\n');
	}
}

static int read_rules(struct snapshot_site *s, struct strvec *rules, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = io_read_file(s->fd, RULES_FILE, CONF_MAX_BYTES, &text, e);

	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	add_rules(rules, &text);
	if (rc == 0 && rules->nr > RULES_MAX)
		rc = err_set(e, ERR_LIMIT, "more than %d patterns", RULES_MAX);
	if (rc < 0)
		err_wrap(e, "%s", RULES_FILE);
	buf_release(&text);
	return rc;
}

/* Names in `a` that are not in `b`; both sorted. */
static void add_difference(struct strvec *out, const struct strvec *a, const struct strvec *b)
{
	size_t j = 0;

	for (size_t i = 0; i < a->nr; i++) {
		while (j < b->nr && strcmp(b->v[j], a->v[i]) < 0)
			j++;
		if (j == b->nr || strcmp(b->v[j], a->v[i]) != 0)
			strvec_push(out, a->v[i]);
	}
}

/* The untracked files by git's rules and, before them, `rules`. */
static int list_untracked(struct snapshot_site *s, const struct strvec *rules, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&args, "ls-files", "-o", "-z", "--exclude-standard", NULL);
	for (size_t i = 0; i < rules->nr; i++)
		strvec_pushl(&args, "-x", rules->v[i], NULL);
	rc = snapshot_site_run(s, &args, NULL, &out, e);
	for (size_t at = 0; rc == 0 && at < out.len; at += strlen(out.p + at) + 1)
		add_untracked(s, out.p + at);
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

/* What the rules leave out counts as ignored, what they take in no longer does. */
static int apply_rules(struct snapshot_site *s, const struct strvec *rules, struct err *e)
{
	struct strvec before = s->untracked;
	struct strvec ignored = STRVEC_INIT;
	int rc;

	strvec_init(&s->untracked);
	strvec_release(&s->nested);
	rc = list_untracked(s, rules, e);
	strvec_sort(&before);
	strvec_sort(&s->untracked);
	strvec_sort(&s->ignored);
	add_difference(&ignored, &before, &s->untracked);
	add_difference(&ignored, &s->ignored, &s->untracked);
	strvec_release(&s->ignored);
	s->ignored = ignored;
	strvec_release(&before);
	return rc;
}

/* ---- everything ---- */

/* Declared outputs are nobody's input, and a dataset is recorded by its pointer. */
static void drop_explained(struct snapshot_site *s)
{
	struct strvec *v = &s->ignored;
	struct strvec kept = STRVEC_INIT;

	for (size_t i = 0; i < v->nr; i++) {
		size_t len = strlen(v->v[i]);
		char *name = xstrndup(v->v[i], len - (v->v[i][len - 1] == '/'));
		char *pointer = xstrfmt("%s.deepops", name);
		struct stat st;

		if (!snapshot_site_covers(&s->skip, name) &&
		    (snapshot_site_stat(s, pointer, &st) < 0 || !S_ISREG(st.st_mode)))
			strvec_push(&kept, v->v[i]);
		free(name);
		free(pointer);
	}
	strvec_release(v);
	*v = kept;
}

static void drop_skipped(const struct snapshot_site *s, struct strvec *v)
{
	struct strvec kept = STRVEC_INIT;

	for (size_t i = 0; i < v->nr; i++)
		if (!snapshot_site_covers(&s->skip, v->v[i]))
			strvec_push(&kept, v->v[i]);
	strvec_release(v);
	*v = kept;
}

int snapshot_status_read(struct snapshot_site *s, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct strvec rules = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc = 0;

	if (s->kind == SNAPSHOT_PLAIN) {
		rc = list_untracked(s, &rules, e);
	} else {
		strvec_pushl(&args, "status", "--porcelain=v1", "-z", "--untracked-files=all",
			     "--ignored=matching", "--no-renames", "--ignore-submodules=dirty",
			     NULL);
		rc = snapshot_site_run(s, &args, NULL, &out, e);
		if (rc == 0)
			rc = parse_status(s, &out, e);
	}
	if (rc == 0 && s->kind == SNAPSHOT_MAIN)
		rc = read_rules(s, &rules, e);
	if (rc == 0 && rules.nr)
		rc = apply_rules(s, &rules, e);
	drop_skipped(s, &s->untracked);
	drop_skipped(s, &s->nested);
	drop_explained(s);
	strvec_release(&args);
	strvec_release(&rules);
	buf_release(&out);
	return rc;
}

int snapshot_status_since(struct snapshot_site *s, struct strvec *changed, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&args, "status", "--porcelain=v1", "-z", "--untracked-files=no",
		     "--no-renames", "--ignore-submodules=all", NULL);
	rc = snapshot_site_run(s, &args, NULL, &out, e);
	for (size_t at = 0; rc == 0 && at < out.len; at += strlen(out.p + at) + 1) {
		const char *line = out.p + at;

		if (strlen(line) > 3 && line[1] != ' ' && !snapshot_site_covers(&s->skip, line + 3))
			strvec_pushf(changed, "%s%s", s->prefix, line + 3);
	}
	strvec_release(&args);
	buf_release(&out);
	return rc;
}
