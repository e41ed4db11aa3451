/* SPDX-License-Identifier: MIT */
/* check.c - `git deepops check`: the server's verdict before a push; see git-deepops-check(1) */
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "policy/judge.h"
#include "sync/floor.h"
#include "sync/where.h"

struct check {
	struct repo *repo;
	const char *range, *policy_file, *ref;
	bool as_json;
	struct buf head, branch; /* HEAD branch of the remote; the ref that is judged */
	struct where where;
	struct repo_oid old_id, new_id, policy_commit;
	struct floor floor;
	struct evidence_remote remote;
	struct evidence evidence; /* of the remote and, where it lacks something, of this clone */
	size_t unsent;            /* roots that only this clone has */
};

static void no_id(struct repo_oid *id)
{
	memset(id->hex, '0', REPO_OID_HEX);
	id->hex[REPO_OID_HEX] = '\0';
}

/* "A..B", or one end of it; HEAD by default, and what the remote has of this branch. */
static int resolve_range(struct check *c, struct err *e)
{
	const char *dots = c->range ? strstr(c->range, "..") : NULL;
	char *from = dots ? xstrndup(c->range, (size_t)(dots - c->range)) : NULL;
	const char *to = dots ? dots + 2 : c->range;
	int rc = repo_resolve(c->repo, to && *to ? to : "HEAD", &c->new_id, e);

	no_id(&c->old_id);
	if (rc == 0 && from && *from)
		rc = repo_resolve(c->repo, from, &c->old_id, e);
	free(from);
	return rc;
}

/* refs/heads/x as the remote has it: refs/remotes/<name>/x; *found false if it has none. */
static int remote_copy(struct check *c, const char *branch, struct repo_oid *out, bool *found,
		       struct err *e)
{
	const char *rest;
	char *ref;
	int rc = 0;

	*found = false;
	if (!str_startswith(branch, "refs/heads/", &rest))
		return 0;
	ref = xstrfmt("refs/remotes/%s/%s", c->where.name.p, rest);
	rc = repo_ref_get(c->repo, ref, out, e);
	*found = rc == 1;
	free(ref);
	return rc < 0 ? rc : 0;
}

/* The branch that HEAD names there, as the clone knows it; else our own branch. */
static int remote_head(struct check *c, struct err *e)
{
	char *ref = xstrfmt("refs/remotes/%s/HEAD", c->where.name.p);
	char *prefix = xstrfmt("refs/remotes/%s/", c->where.name.p);
	struct buf target = BUF_INIT;
	const char *rest;
	int rc = repo_ref_symbolic(c->repo, ref, &target, e);

	if (rc == 1 && str_startswith(target.p, prefix, &rest))
		buf_addf(&c->head, "refs/heads/%s", rest);
	else if (rc >= 0)
		buf_addbuf(&c->head, &c->branch);
	buf_release(&target);
	free(ref);
	free(prefix);
	return rc < 0 ? rc : 0;
}

static int resolve(struct check *c, struct err *e)
{
	struct repo_oid head_id;
	bool found;
	int rc = resolve_range(c, e);

	if (rc == 0 && c->ref)
		buf_addstr(&c->branch, c->ref);
	else if (rc == 0)
		rc = repo_head(c->repo, &c->branch, &head_id, e);
	if (rc == 0 && !c->branch.len) {
		err_set(e, ERR_INPUT, "HEAD is detached, so there is no branch to judge for");
		return err_hint(e, "git deepops check --ref refs/heads/NAME");
	}
	if (rc == 0)
		rc = remote_head(c, e);
	if (rc == 0 && !c->range)
		rc = remote_copy(c, c->branch.p, &c->old_id, &found, e);
	/* What the server would read: the policy before the push. */
	no_id(&c->policy_commit);
	if (rc == 0)
		rc = remote_copy(c, c->head.p, &c->policy_commit, &found, e);
	if (rc == 0 && !found)
		c->policy_commit = c->old_id;
	return rc;
}

/* ---- what is not here ---- */

/* The hook judges what is new by history: where that is cut off, nothing can be said. */
static int check_history(struct check *c, struct err *e)
{
	struct buf path = BUF_INIT;
	bool shallow;
	int rc = 0;

	path_join(&path, repo_commondir(c->repo), "shallow");
	shallow = access(path.p, F_OK) == 0;
	buf_release(&path);
	if (shallow && !repo_oid_is_zero(&c->old_id))
		rc = repo_is_ancestor(c->repo, &c->old_id, &c->new_id, e);
	if (!shallow || rc == 1)
		return 0;
	if (rc == 0)
		err_set(e, ERR_INPUT, "this clone is shallow: which commits are new can't be seen");
	return err_hint(e, "git fetch --unshallow");
}

static int any_journal(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	(void)name;
	(void)id;
	(void)e;
	*(bool *)arg = true;
	return 0;
}

/* A clone that init has not been in has no records: they are fetched, as init would set it up. */
static int need_journals(struct check *c, struct err *e)
{
	const char *name = c->where.name.p;
	char *refs = xstrfmt("refs/deepops/remotes/%s/log/", name);
	char *spec = xstrfmt("+refs/deepops/log/*:%s*", refs);
	struct err why = ERR_INIT;
	bool found = false;
	int rc = repo_ref_each(c->repo, refs, any_journal, &found, e);

	if (rc == 0 && !found && *name &&
	    repo_git_run(c->repo, NULL, &why, "fetch", "--quiet", "--no-tags", name, spec, NULL) <
		    0) {
		err_set(e, ERR_NOTFOUND, "the run records of %s are not here: %s", name, why.msg);
		rc = err_hint(e, "git fetch %s '%s'", name, spec);
	}
	free(refs);
	free(spec);
	return rc;
}

/* ---- the server's own policy ---- */

static void say_floor(struct check *c)
{
	char when[CLOCK_TEXT_BYTES] = "";

	if (c->policy_file)
		return;
	floor_get(c->repo, &c->where, FLOOR_MAX_SECONDS, &c->floor);
	if (c->floor.asked)
		clock_text(when, c->floor.asked * 1000);
	if (c->floor.state == FLOOR_UNKNOWN)
		log_warn("the server's own policy is not known, so it may refuse more: %s",
			 c->floor.why.p);
	else if (c->floor.why.len)
		log_warn("the server's own policy is that of %s: %s", when, c->floor.why.p);
	else
		log_note("the server's own policy is that of %s", when);
}

/* ---- data ---- */

static int here(struct check *c, enum chunk_kind kind, const struct chunkid *id, struct err *e)
{
	int rc = c->remote.local ? store_has(c->remote.local, kind, id, NULL, e) : 0;

	if (rc == 0 && kind == CHUNK_DATA && c->remote.local)
		rc = store_has(c->remote.local, CHUNK_RECIPE, id, NULL, e);
	return rc;
}

/* What only this clone has is sent by the push itself. */
static int root_or_unsent(void *arg, enum chunk_kind kind, const struct chunkid *id,
			  struct store_root *out, struct err *e)
{
	struct check *c = arg;
	int rc = c->evidence.root(c->evidence.arg, kind, id, out, e);

	if (rc < 0 || out->state == STORE_ROOT_COMPLETE || out->state == STORE_ROOT_ROOTED)
		return rc;
	rc = here(c, kind, id, e);
	if (rc == 1) {
		c->unsent++;
		out->state = STORE_ROOT_ROOTED;
	}
	return MIN(rc, 0);
}

static int dataset_of(void *arg, const struct pointer *p, struct chunkid *id, struct err *e)
{
	struct check *c = arg;

	return c->evidence.dataset(c->evidence.arg, p, id, e);
}

static int node_of(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct check *c = arg;

	return c->evidence.node(c->evidence.arg, id, text, e);
}

static int judge(struct check *c, struct verdict *v, struct err *e)
{
	struct judge_update update = {c->branch.p, c->old_id, c->new_id};
	struct policies_from from = {
		.floor_path = c->policy_file,
		.head = c->head.p,
		.commit = repo_oid_is_zero(&c->policy_commit) ? NULL : &c->policy_commit};
	struct evidence evidence = {root_or_unsent, dataset_of, node_of, NULL, c};
	struct judge_input in = {.repo = c->repo,
				 .updates = &update,
				 .n = 1,
				 .policies = &from,
				 .evidence = &evidence,
				 .now_ms = clock_now_ms()};

	if (!c->policy_file)
		from.floor_text = &c->floor.text;
	if (c->floor.state == FLOOR_TEXT)
		from.floor_name = "the server's policy";
	return judge_push(&in, v, e);
}

/* The chunk remote says what is complete; the local nodes say of which dataset. */
static int judge_by_remote(struct check *c, struct verdict *v, struct err *e)
{
	struct remote_where view = where_view(&c->where);
	int rc = remote_open(&c->remote.remote, &view, e);

	if (rc < 0)
		return rc;
	rc = store_open(&c->remote.local, repo_deepops_dir(c->repo), STORE_READONLY, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	evidence_of_remote(&c->evidence, &c->remote);
	if (rc == 0)
		rc = judge(c, v, e);
	if (rc == 0 && c->unsent)
		log_note("%zu roots of data are here only: git push sends them first", c->unsent);
	store_close(c->remote.local);
	remote_close(&c->remote.remote);
	return rc;
}

static void print_verdict(const struct check *c, const struct verdict *v)
{
	struct buf out = BUF_INIT;

	if (c->as_json)
		verdict_json(v, &out);
	else
		verdict_text(v, "", &out);
	if (!c->as_json && !out.len)
		buf_addf(&out, "%s: nothing to refuse\n", c->branch.p);
	fputs(out.p, stdout);
	buf_release(&out);
}

int cmd_check(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops check [options]", NULL};
	struct check c = {.repo = ctx->repo, .head = BUF_INIT, .branch = BUF_INIT};
	const char *remote = NULL;
	struct opt opts[] = {
		OPT_STR("range", 0, &c.range, "a..b", "what would be pushed, instead of HEAD"),
		OPT_STR("ref", 0, &c.ref, "ref", "for this ref, instead of the current branch"),
		OPT_STR("remote", 0, &remote, "name", "for this remote"),
		OPT_STR("policy", 0, &c.policy_file, "file", "a floor policy to judge by too"),
		OPT_BOOL("json", 0, &c.as_json, "print one JSON document"),
		OPT_END};
	struct verdict v;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "too many arguments");
	verdict_init(&v);
	where_init(&c.where);
	floor_init(&c.floor);
	rc = where_resolve(ctx->repo, remote, WHERE_TO, &c.where, e);
	if (rc == 0)
		rc = resolve(&c, e);
	if (rc == 0)
		rc = check_history(&c, e);
	if (rc == 0)
		rc = need_journals(&c, e);
	if (rc == 0) {
		say_floor(&c);
		rc = judge_by_remote(&c, &v, e);
	}
	if (rc == 0) {
		print_verdict(&c, &v);
		rc = verdict_refused(&v) ? 1 : 0;
	}
	verdict_release(&v);
	floor_release(&c.floor);
	where_release(&c.where);
	buf_release(&c.head);
	buf_release(&c.branch);
	return rc;
}
