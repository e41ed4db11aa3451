/* SPDX-License-Identifier: MIT */
/* repo_commit.c - revisions, commits and history walks; see repo.h */
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define COMMIT_MAX_BYTES ((size_t)16 << 20)
/* As libgit2 sees it: anybody may push refs/replace, and what they say must not change what is kept. */
#define REAL_HISTORY "--no-replace-objects"

/* git's own revision parser, for what libgit2's does not know. */
static int resolve_by_git(struct repo *r, const char *rev, struct repo_oid *out, struct err *e)
{
	struct buf id = BUF_INIT;
	char *peeled = xstrfmt("%s^{commit}", rev);
	int rc = repo_git_run(r, &id, NULL, "rev-parse", "--verify", "--quiet", "--end-of-options",
			      peeled, NULL);

	buf_rtrim(&id);
	if (rc == 0 && repo_oid_ok(id.p))
		memcpy(out->hex, id.p, sizeof(out->hex));
	else
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

static int lookup(struct repo *r, const struct repo_oid *id, git_commit **out, struct err *e)
{
	git_oid oid;
	int rc = repo_oid_to(&oid, id, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	rc = git_commit_lookup(out, r->git, &oid);
	return rc < 0 ? repo_lgerr(e, rc, "commit %s", id->hex) : 0;
}

int repo_commit_tree(struct repo *r, const struct repo_oid *commit, struct repo_oid *tree,
		     struct err *e)
{
	git_commit *c;
	int rc = lookup(r, commit, &c, e);

	if (rc == 0)
		repo_oid_from(tree, git_commit_tree_id(c));
	git_commit_free(c);
	return rc;
}

int repo_peel_commit(struct repo *r, const struct repo_oid *id, struct repo_oid *commit,
		     struct err *e)
{
	git_object *object = NULL, *peeled = NULL;
	git_oid oid;
	int rc = repo_oid_to(&oid, id, e);

	if (rc < 0)
		return rc;
	rc = git_object_lookup(&object, r->git, &oid, GIT_OBJECT_ANY);
	if (rc < 0)
		return repo_lgerr(e, rc, "object %s", id->hex);
	rc = git_object_peel(&peeled, object, GIT_OBJECT_COMMIT);
	if (rc == 0)
		repo_oid_from(commit, git_object_id(peeled));
	git_object_free(object);
	git_object_free(peeled);
	return rc == 0 ? 0 : err_set(e, ERR_INPUT, "%s is not a commit", id->hex);
}

int repo_commit_parents(struct repo *r, const struct repo_oid *commit, struct strvec *out,
			struct err *e)
{
	git_commit *c;
	int rc = lookup(r, commit, &c, e);

	for (unsigned int i = 0; rc == 0 && i < git_commit_parentcount(c); i++) {
		struct repo_oid id;

		repo_oid_from(&id, git_commit_parent_id(c, i));
		strvec_push(out, id.hex);
	}
	git_commit_free(c);
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
 * In a shallow clone libgit2 walks into parents that are not there, and it has no
 * generation numbers: on the client git walks.  A hook starts no process.
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
	git_oid older;
	git_oid newer;
	int rc = repo_oid_to(&older, a, e);

	if (rc == 0)
		rc = repo_oid_to(&newer, b, e);
	if (rc < 0)
		return rc;
	if (repo_oid_equal(a, b))
		return 1;
	if (!r->hook)
		return ancestor_by_git(r, a, b, e);
	rc = git_graph_descendant_of(r->git, &newer, &older);
	return rc < 0 ? repo_lgerr(e, rc, "ancestry of %s", b->hex) : rc;
}

/* Of `hide`, what is not here hides nothing; of `show`, it is an error. */
static int check_ends(struct repo *r, const struct repo_walk *w, struct err *e)
{
	for (size_t i = 0; i < w->nshow; i++)
		if (!repo_has_object(r, &w->show[i]))
			return err_set(e, ERR_NOTFOUND, "commit %s is not here", w->show[i].hex);
	return 0;
}

static int push_ends(struct repo *r, const struct repo_walk *w, git_revwalk *walk, struct err *e)
{
	git_oid oid;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < w->nshow; i++) {
		rc = repo_oid_to(&oid, &w->show[i], e);
		if (rc < 0)
			return rc;
		rc = git_revwalk_push(walk, &oid);
		if (rc < 0)
			return repo_lgerr(e, rc, "commit %s", w->show[i].hex);
	}
	for (size_t i = 0; rc == 0 && i < w->nhide; i++) {
		if (repo_oid_is_zero(&w->hide[i]) || !repo_has_object(r, &w->hide[i]))
			continue;
		rc = repo_oid_to(&oid, &w->hide[i], e);
		if (rc == 0 && git_revwalk_hide(walk, &oid) < 0)
			continue; /* no commit: hides nothing */
	}
	return rc;
}

static int limit_err(const struct repo_walk *w, struct err *e)
{
	return err_set(e, ERR_LIMIT, "more than %zu commits", w->max);
}

static int walk_by_libgit2(struct repo *r, const struct repo_walk *w, repo_walk_fn cb, void *arg,
			   struct err *e)
{
	git_revwalk *walk = NULL;
	struct repo_oid id;
	size_t seen = 0;
	git_oid oid;
	int rc = git_revwalk_new(&walk, r->git);

	if (rc < 0)
		return repo_lgerr(e, rc, "history walk");
	git_revwalk_sorting(walk, GIT_SORT_TOPOLOGICAL | GIT_SORT_TIME);
	if (w->first_parent)
		git_revwalk_simplify_first_parent(walk);
	rc = push_ends(r, w, walk, e);
	while (rc == 0) {
		int next = git_revwalk_next(&oid, walk);

		if (next == GIT_ITEROVER || (w->newest && seen == w->max))
			break;
		if (next < 0)
			rc = repo_lgerr(e, next, "history walk");
		else if (seen++ >= w->max)
			rc = limit_err(w, e);
		if (rc == 0) {
			repo_oid_from(&id, &oid);
			rc = cb(arg, &id, e);
		}
	}
	git_revwalk_free(walk);
	return rc < 0 ? rc : 0;
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
		rc = limit_err(w, e);
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
	return r->hook ? walk_by_libgit2(r, w, cb, arg, e) : walk_by_git(r, w, cb, arg, e);
}
