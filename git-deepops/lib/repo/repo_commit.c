/* SPDX-License-Identifier: MIT */
/* repo_commit.c - revisions, commits and history walks; see repo.h */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "repo/rawobj.h"
#include "repo/repo_internal.h"

/* As our own walks see it: anybody may push refs/replace, and what they say must not change what is kept. */
#define REAL_HISTORY "--no-replace-objects"

/* git's own revision parser, for what libgit2's does not know. */
static int resolve_by_git(struct repo *r, const char *rev, struct repo_oid *out, struct err *e)
{
	struct buf id = BUF_INIT;
	char *peeled = xstrfmt("%s^{commit}", rev);
	int rc = repo_git_run(r, &id, NULL, "rev-parse", "--verify", "--quiet", "--end-of-options",
			      peeled, NULL);

	buf_rtrim(&id);
	if (rc != 0 || !repo_oid_take(out, id.p, '\0'))
		rc = err_set(e, ERR_NOTFOUND, "unknown revision '%s'", rev);
	free(peeled);
	buf_release(&id);
	return rc;
}

int repo_resolve(struct repo *r, const char *rev, struct repo_oid *out, struct err *e)
{
	git_object *object = NULL;
	git_object *commit = NULL;
	int rc = git_revparse_single(&object, r->git, rev);

	if (rc == 0)
		rc = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);
	if (rc == 0)
		repo_oid_from(out, git_object_id(commit));
	git_object_free(object);
	git_object_free(commit);
	if (rc == 0)
		return 0;
	if (r->hook)
		return err_set(e, ERR_NOTFOUND, "unknown revision '%s'", rev);
	return resolve_by_git(r, rev, out, e);
}

int repo_commit_tree(struct repo *r, const struct repo_oid *commit, struct repo_oid *tree,
		     struct err *e)
{
	struct rawobj_commit c;
	int rc = rawobj_commit_read(r, commit, &c, e);

	if (rc == 0)
		*tree = c.tree;
	rawobj_commit_release(&c);
	return rc;
}

int repo_peel_commit(struct repo *r, const struct repo_oid *id, struct repo_oid *commit,
		     struct err *e)
{
	return rawobj_peel(r, id, commit, e);
}

int repo_commit_parents(struct repo *r, const struct repo_oid *commit, struct strvec *out,
			struct err *e)
{
	struct rawobj_commit c;
	int rc = rawobj_commit_read(r, commit, &c, e);

	for (size_t i = 0; rc == 0 && i < c.nparents; i++)
		strvec_push(out, c.parents[i].hex);
	rawobj_commit_release(&c);
	return rc;
}

/* "… 1700000000 +0100": now, in the zone of the machine, as git has it without a date in the environment. */
static void add_now(struct buf *out)
{
	time_t now = (time_t)clock_now_seconds();
	char zone[8];
	struct tm tm;

	localtime_r(&now, &tm);
	if (strftime(zone, sizeof(zone), "%z", &tm) == 0)
		memcpy(zone, "+0000", 6);
	buf_addf(out, " %" PRId64 " %s", (int64_t)now, zone);
}

/* git is asked once: who somebody is follows many rules, and every process takes its time. */
static int ask_ident(struct repo *r, bool author, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = repo_git_run(r, &text, e, "var",
			      author ? "GIT_AUTHOR_IDENT" : "GIT_COMMITTER_IDENT", NULL);

	buf_rtrim(&text);
	if (rc == 0)
		r->ident[!author] = buf_detach(&text, NULL);
	else
		err_hint(e, "git config --global user.name NAME && git config --global user.email "
			    "MAIL");
	buf_release(&text);
	return rc;
}

int repo_ident(struct repo *r, const char *who, struct buf *out, struct err *e)
{
	bool author = !strcmp(who, "author");
	const char *date = getenv(author ? "GIT_AUTHOR_DATE" : "GIT_COMMITTER_DATE");
	const char *text = r->ident[!author];
	int rc = text ? 0 : ask_ident(r, author, e);

	if (rc < 0)
		return rc;
	text = r->ident[!author];
	if (date && *date) {
		buf_addstr(out, text);
	} else {
		const char *end = strrchr(text, '>');

		buf_add(out, text, end ? (size_t)(end + 1 - text) : strlen(text));
		add_now(out);
	}
	return 0;
}

static int add_ident(struct repo *r, struct buf *text, const char *who, const char *given,
		     struct err *e)
{
	int rc = 0;

	buf_addf(text, "%s ", who);
	if (given)
		buf_addstr(text, given);
	else
		rc = repo_ident(r, who, text, e);
	buf_addch(text, '\n');
	return rc;
}

int repo_write_commit(struct repo *r, const struct repo_commit *c, struct repo_oid *out,
		      struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	buf_addf(&text, "tree %s\n", c->tree.hex);
	for (size_t i = 0; i < c->nparents; i++)
		buf_addf(&text, "parent %s\n", c->parents[i].hex);
	rc = add_ident(r, &text, "author", c->author, e);
	if (rc == 0)
		rc = add_ident(r, &text, "committer", c->committer, e);
	buf_addf(&text, "\n%s", c->message);
	if (rc == 0)
		rc = repo_write_raw(r, "commit", text.p, text.len, out, e);
	buf_release(&text);
	return rc;
}

/*
 * On the client git walks, which knows grafts and shallow edges.  A hook starts no process.
 */
static int ancestor_by_git(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
			   struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	repo_git(r, &p);
	strvec_pushl(&p.args, REAL_HISTORY, "merge-base", "--is-ancestor", a->hex, b->hex, NULL);
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 4096, &out, e);
	proc_release(&p);
	buf_release(&out);
	if (rc == 0 || rc == 1)
		return rc == 0;
	return rc < 0 ? rc
		      : err_set(e, ERR_NOTFOUND, "commit %s or %s is not here", a->hex, b->hex);
}

int repo_is_ancestor(struct repo *r, const struct repo_oid *a, const struct repo_oid *b,
		     struct err *e)
{
	if (repo_oid_equal(a, b))
		return 1;
	return r->hook ? repo_is_ancestor_here(r, a, b, e) : ancestor_by_git(r, a, b, e);
}

/* Of `hide`, what is not here hides nothing; of `show`, it is an error. */
static int check_ends(struct repo *r, const struct repo_walk *w, struct err *e)
{
	for (size_t i = 0; i < w->nshow; i++)
		if (!repo_has_object(r, &w->show[i]))
			return err_set(e, ERR_NOTFOUND, "commit %s is not here", w->show[i].hex);
	return 0;
}

int repo_walk_limit(const struct repo_walk *w, struct err *e)
{
	return err_set(e, ERR_LIMIT, "more than %zu commits", w->max);
}

static int walk_by_git(struct repo *r, const struct repo_walk *w, repo_walk_fn cb, void *arg,
		       struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf input = BUF_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&args, REAL_HISTORY, "rev-list", "--topo-order", "--stdin", NULL);
	strvec_pushf(&args, "--max-count=%zu", w->newest ? w->max : w->max + 1);
	if (w->first_parent)
		strvec_push(&args, "--first-parent");
	for (size_t i = 0; i < w->nshow; i++)
		buf_addf(&input, "%s\n", w->show[i].hex);
	for (size_t i = 0; i < w->nhide; i++)
		if (!repo_oid_is_zero(&w->hide[i]) && repo_has_object(r, &w->hide[i]))
			buf_addf(&input, "^%s\n", w->hide[i].hex);
	rc = repo_git_runv(r, &args, &input, &out, e);
	if (rc == 0 && out.len / (REPO_OID_HEX + 1) > w->max)
		rc = repo_walk_limit(w, e);
	for (size_t at = 0; rc == 0 && at + REPO_OID_HEX < out.len; at += REPO_OID_HEX + 1) {
		struct repo_oid id;

		memcpy(id.hex, out.p + at, REPO_OID_HEX);
		id.hex[REPO_OID_HEX] = '\0';
		rc = cb(arg, &id, e);
	}
	strvec_release(&args);
	buf_release(&input);
	buf_release(&out);
	return rc < 0 ? rc : 0;
}

int repo_walk(struct repo *r, const struct repo_walk *w, repo_walk_fn cb, void *arg, struct err *e)
{
	int rc = check_ends(r, w, e);

	if (rc < 0 || w->nshow == 0)
		return rc;
	return r->hook ? repo_walk_here(r, w, cb, arg, e) : walk_by_git(r, w, cb, arg, e);
}
