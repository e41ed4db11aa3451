/* SPDX-License-Identifier: MIT */
/* check.c - `git deepops check`: the server's verdict before a push; see git-deepops-check(1) */
#include "base/clock.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "policy/judge.h"
#include "sync/where.h"

struct check {
	struct repo *repo;
	const char *range, *policy_file, *ref;
	bool as_json;
	struct buf head, branch; /* HEAD branch of the remote; the ref that is judged */
	struct where where;
	struct repo_oid old_id, new_id, policy_commit;
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

static int judge(struct check *c, const struct evidence *evidence, struct verdict *v, struct err *e)
{
	struct judge_update update = {c->branch.p, c->old_id, c->new_id};
	struct policies_from from = {c->policy_file, c->head.p,
				     repo_oid_is_zero(&c->policy_commit) ? NULL
									 : &c->policy_commit};
	struct judge_input in = {.repo = c->repo,
				 .updates = &update,
				 .n = 1,
				 .policies = &from,
				 .evidence = evidence,
				 .now_ms = clock_now_ms()};

	return judge_push(&in, v, e);
}

/* The chunk remote says what is complete; the local nodes say of which dataset. */
static int judge_by_remote(struct check *c, struct verdict *v, struct err *e)
{
	struct evidence_remote er = {NULL, NULL};
	struct remote_where view = where_view(&c->where);
	struct evidence evidence;
	int rc = remote_open(&er.remote, &view, e);

	if (rc < 0)
		return rc;
	rc = store_open(&er.local, repo_deepops_dir(c->repo), STORE_READONLY, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	evidence_of_remote(&evidence, &er);
	if (rc == 0)
		rc = judge(c, &evidence, v, e);
	store_close(er.local);
	remote_close(&er.remote);
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
	rc = where_resolve(ctx->repo, remote, WHERE_TO, &c.where, e);
	if (rc == 0)
		rc = resolve(&c, e);
	if (rc == 0)
		rc = judge_by_remote(&c, &v, e);
	if (rc == 0) {
		print_verdict(&c, &v);
		rc = verdict_refused(&v) ? 1 : 0;
	}
	verdict_release(&v);
	where_release(&c.where);
	buf_release(&c.head);
	buf_release(&c.branch);
	return rc;
}
