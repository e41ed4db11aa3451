/* SPDX-License-Identifier: MIT */
/* dataset_ignore.c - keeping git's hands off the data; see dataset.h */
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset.h"
#include "repo/workfile.h"

/* ---- does git ignore it? ---- */

enum { RULE_SOURCE, RULE_LINE, RULE_PATTERN, RULE_PATH, RULE_FIELDS };

/* Does every clone have the file of rules? .git/info/exclude and the user's own are of this machine. */
static bool is_shared(const char *source)
{
	return *source != '/' && !strcmp(path_basename(source), ".gitignore");
}

/* Sort what `git check-ignore -v -z` printed: four fields a path. */
static int read_rules(const struct buf *text, struct strvec *everywhere, struct strvec *here,
		      struct err *e)
{
	const char *field[RULE_FIELDS];
	size_t n = 0;

	for (size_t at = 0; at < text->len; at += strlen(text->p + at) + 1) {
		field[n++] = text->p + at;
		if (n < RULE_FIELDS)
			continue;
		n = 0;
		if (field[RULE_PATTERN][0] == '!') /* a rule that takes it in again */
			continue;
		strvec_push(is_shared(field[RULE_SOURCE]) ? everywhere : here, field[RULE_PATH]);
	}
	return n ? err_set(e, ERR_PROTO, "git check-ignore printed what is not understood") : 0;
}

static int ask_git(struct repo *r, const struct strvec *roots, struct buf *out, struct err *e)
{
	struct buf names = BUF_INIT;
	struct proc p = PROC_INIT;
	int rc = 0;

	repo_git(r, &p);
	strvec_pushl(&p.args, "check-ignore", "-v", "-z", "--no-index", "--stdin", NULL);
	for (size_t i = 0; i < roots->nr; i++)
		buf_add(&names, roots->v[i], strlen(roots->v[i]) + 1);
	if (roots->nr)
		rc = proc_capture(&p, &names, 8 * names.len + 64 * KIB * roots->nr, out, e);
	if (rc > 1) /* 1: none of them is */
		rc = err_set(e, ERR_SYS, "git check-ignore ended with %d", rc);
	proc_release(&p);
	buf_release(&names);
	return MIN(rc, 0);
}

int dataset_unignored(struct repo *r, const struct strvec *roots, struct strvec *out,
		      struct strvec *only_here, struct err *e)
{
	struct strvec everywhere = STRVEC_INIT, here = STRVEC_INIT;
	struct buf rules = BUF_INIT;
	int rc = ask_git(r, roots, &rules, e);

	if (rc == 0)
		rc = read_rules(&rules, &everywhere, &here, e);
	for (size_t i = 0; rc == 0 && i < roots->nr; i++) {
		if (strvec_has(&everywhere, roots->v[i]))
			continue;
		if (!strvec_has(&here, roots->v[i]))
			strvec_push(out, roots->v[i]);
		else if (only_here)
			strvec_push(only_here, roots->v[i]);
	}
	strvec_release(&everywhere);
	strvec_release(&here);
	buf_release(&rules);
	return rc;
}

/* ---- lines ---- */

static void lines_of(const struct strvec *roots, struct strvec *lines)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < roots->nr; i++) {
		buf_reset(&line);
		pointer_ignore_line(roots->v[i], &line);
		strvec_push(lines, line.p);
	}
	buf_release(&line);
}

int dataset_ignore(struct repo *r, const struct strvec *roots, struct err *e)
{
	struct strvec lines = STRVEC_INIT;
	int rc;

	lines_of(roots, &lines);
	rc = workfile_add_lines(r, ".gitignore", &lines, e);
	strvec_release(&lines);
	return MIN(rc, 0);
}

int dataset_exclude(struct repo *r, const struct strvec *roots, struct err *e)
{
	struct strvec lines = STRVEC_INIT;
	int rc;

	lines_of(roots, &lines);
	rc = workfile_exclude(r, &lines, e);
	strvec_release(&lines);
	return rc < 0 ? err_wrap(e, "git would not go on ignoring the data on another branch") : 0;
}

int dataset_unignore(struct repo *r, const char *root, struct err *e)
{
	struct buf line = BUF_INIT;
	int rc, here;

	pointer_ignore_line(root, &line);
	rc = workfile_remove_line(r, ".gitignore", line.p, e);
	here = rc < 0 ? 0 : workfile_unexclude(r, line.p, e);
	buf_release(&line);
	return here < 0 ? here : rc;
}

/* ---- is it in git as well? ---- */

#define SPECS_MAX_BYTES ((size_t)64 * 1024) /* of one command line; the kernel lets more pass */
#define GITLINK "160000 "                   /* the mode of a submodule, as ls-files -s prints it */

/* Which of the sorted roots is `path`, or holds it? */
static const char *root_above(const struct strvec *roots, const char *path)
{
	const char *inside;

	return dataset_root_of(roots, path, &inside);
}

static void take_entries(const struct strvec *roots, const struct buf *list, dataset_in_git_fn cb,
			 void *arg)
{
	for (size_t at = 0; at < list->len; at += strlen(list->p + at) + 1) {
		const char *path = strchr(list->p + at, '\t');
		const char *root = path ? root_above(roots, path + 1) : NULL;

		if (root)
			cb(arg, root, path + 1, str_startswith(list->p + at, GITLINK, NULL));
	}
}

int dataset_in_git(struct repo *r, const struct strvec *roots, dataset_in_git_fn cb, void *arg,
		   struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < roots->nr;) {
		struct strvec args = STRVEC_INIT, some = STRVEC_INIT;
		struct buf list = BUF_INIT;
		size_t bytes = 0;

		strvec_pushl(&args, "ls-files", "-z", "-s", "--full-name", "--", NULL);
		for (; i < roots->nr && bytes < SPECS_MAX_BYTES; i++) {
			strvec_pushf(&args, ":(top,literal)%s", roots->v[i]);
			strvec_push(&some, roots->v[i]);
			bytes += strlen(roots->v[i]);
		}
		rc = repo_git_runv(r, &args, NULL, &list, e);
		if (rc == 0)
			take_entries(&some, &list, cb, arg);
		strvec_release(&args);
		strvec_release(&some);
		buf_release(&list);
	}
	return rc;
}
