/* SPDX-License-Identifier: MIT */
/* push.c - git deepops push: data, then journal, then branch */

#include "cmd.h"

#include "base/killpoint.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "repo/gitargs.h"
#include "store/remote.h"
#include "sync/sync.h"

static const char *const usage[] = {"git deepops push [options] [REMOTE] [REFSPEC...]", NULL};

/* A tag is old, mostly, and its data may be nowhere any more: that stops no push. */
static struct strvec *list_for(struct sync_want *want, const char *ref)
{
	return str_startswith(ref, "refs/tags/", NULL) ? &want->older : &want->tips;
}

static bool is_ours_alone(const char *ref)
{
	return str_startswith(ref, "refs/deepops/", NULL) ||
	       str_startswith(ref, "refs/notes/", NULL);
}

/* Journals and notes are no branches; a tag of a tree or of a file names no commit, and so no dataset. */
static void add_named(struct repo *r, const char *ref, struct sync_want *want)
{
	struct repo_oid commit;

	if (!is_ours_alone(ref) && repo_resolve(r, ref, &commit, NULL) == 0)
		strvec_push(list_for(want, ref), commit.hex);
}

/* Commits that a pattern such as refs/heads/... stands for. */
static int add_pattern(struct repo *r, const char *pattern, struct sync_want *want, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(r, &out, e, "for-each-ref", "--format=%(refname)", pattern, NULL);

	for (char *line = out.p; rc == 0 && *line;) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		add_named(r, line, want);
		line = end ? end + 1 : line + strlen(line);
	}
	buf_release(&out);
	return rc;
}

/* The name in full, as `git push` finds it; empty for what is no ref. */
static void full_name(struct repo *r, const char *src, struct buf *out)
{
	if (repo_git_run(r, out, NULL, "rev-parse", "--symbolic-full-name", "--verify", "--quiet",
			 "--end-of-options", src, NULL) < 0)
		buf_reset(out);
	buf_rtrim(out);
}

/* The commit that [+]SRC[:DST] sends; a deletion sends none. */
static int add_refspec(struct repo *r, const char *refspec, struct sync_want *want, struct err *e)
{
	struct buf src = BUF_INIT, full = BUF_INIT;
	struct repo_oid commit;
	const char *colon;
	int rc = 0;

	if (*refspec == '^') /* what a pattern leaves out */
		return 0;
	refspec += *refspec == '+';
	colon = strchr(refspec, ':');
	buf_add(&src, refspec, colon ? (size_t)(colon - refspec) : strlen(refspec));
	if (src.len)
		full_name(r, src.p, &full);
	if (strchr(src.p, '*')) {
		rc = add_pattern(r, src.p, want, e);
	} else if (full.len && !str_startswith(full.p, "refs/heads/", NULL)) {
		add_named(r, full.p, want);
	} else if (src.len) {
		rc = repo_resolve(r, src.p, &commit, e);
		if (rc == 0)
			strvec_push(&want->tips, commit.hex);
	}
	buf_release(&src);
	buf_release(&full);
	return rc;
}

/* What git push sends for its options, beside refspecs. */
static int add_options(struct repo *r, const struct strvec *options, struct sync_want *want,
		       struct err *e)
{
	static const char *const sets[][2] = {{"tags", "refs/tags/"},
					      {"mirror", "refs/heads/"},
					      {"mirror", "refs/tags/"},
					      {"branches", "refs/heads/"}};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(sets); i++)
		if (gitargs_has(options, sets[i][0]))
			rc = add_pattern(r, sets[i][1], want, e);
	return rc;
}

static int collect_tips(struct repo *r, const struct strvec *options, int argc, char **argv,
			struct sync_want *want, struct err *e)
{
	struct buf branch = BUF_INIT;
	struct repo_oid head;
	int rc = 0;

	if (gitargs_has(options, "delete") || strvec_has(options, "-d"))
		return 0;
	for (int i = 2; rc == 0 && i < argc; i++)
		rc = add_refspec(r, argv[i], want, e);
	if (rc == 0)
		rc = add_options(r, options, want, e);
	if (rc == 0 && argc <= 2) {
		rc = repo_head(r, &branch, &head, e);
		if (rc == 0 && !repo_oid_is_zero(&head))
			strvec_push(&want->tips, head.hex);
	}
	buf_release(&branch);
	return rc;
}

static int push_branch(struct repo *r, const struct strvec *options, int argc, char **argv,
		       bool dry_run, struct err *e)
{
	struct proc p = PROC_INIT;
	int rc;

	repo_git(r, &p);
	strvec_push(&p.args, "push");
	if (dry_run)
		strvec_push(&p.args, "--dry-run");
	if (log_level() == LOG_QUIET)
		strvec_push(&p.args, "--quiet");
	for (size_t i = 0; i < options->nr; i++)
		strvec_push(&p.args, options->v[i]);
	for (int i = 1; i < argc; i++)
		strvec_push(&p.args, argv[i]);
	strvec_push(&p.env, SYNC_GUARD_ENV "=1");
	killpoint("push-before-branch");
	rc = proc_capture(&p, NULL, 0, NULL, e);
	proc_release(&p);
	return rc > 0 ? 1 : rc; /* git has said why */
}

static void report(const struct sync_result *res, uint64_t records, bool dry_run)
{
	sync_warn_skipped(res);
	if (res->datasets || dry_run)
		log_note("data: %s%" PRIu64 " chunks, %s, of %" PRIu64 " datasets",
			 dry_run ? "would send " : "", res->chunks, num_human_bytes(res->bytes).s,
			 res->datasets);
	if (records)
		log_note("records: %" PRIu64 " sent", records);
}

struct push {
	struct repo *repo;
	struct sync_want want;
	struct sync_opts opts;
	struct strvec options; /* of git push */
	bool data_only;
	bool skipped; /* something could not be sent */
};

/* To one place: data, then the journal. */
static int push_place(struct push *p, const struct where *w, struct err *e)
{
	struct sync_result result;
	uint64_t records = 0;
	int rc = sync_push_data(p->repo, w, &p->want, &p->opts, &result, e);

	if (rc == 0 && !p->data_only && !p->opts.dry_run)
		rc = sync_push_journal(p->repo, w, result.asked_all, &records, e);
	if (rc == 0)
		report(&result, records, p->opts.dry_run);
	p->skipped = p->skipped || result.skipped;
	return rc;
}

/* A remote may have several URLs to push to: git pushes to each, so the data goes beside each. */
static int push_places(struct push *p, const struct where *w, struct err *e)
{
	struct strvec urls = STRVEC_INIT;
	int rc;

	if (w->one_of_many)
		return push_place(p, w, e);
	rc = where_push_urls(p->repo, w->name.p, &urls, e);
	if (rc == 0 && urls.nr == 1)
		rc = push_place(p, w, e);
	for (size_t i = 0; rc == 0 && urls.nr > 1 && i < urls.nr; i++) {
		enum where_ours ours;
		struct where each;

		where_init(&each);
		rc = where_resolve_push(p->repo, w->name.p, urls.v[i], &each, &ours, e);
		if (rc == 0 && ours != WHERE_MIRROR)
			rc = push_place(p, &each, e);
		where_release(&each);
	}
	strvec_release(&urls);
	return rc;
}

static int push_all(struct push *p, const struct where *w, int argc, char **argv, struct err *e)
{
	int rc = collect_tips(p->repo, &p->options, argc, argv, &p->want, e);

	if (rc == 0)
		rc = push_places(p, w, e);
	if (rc == 0 && !p->data_only)
		rc = push_branch(p->repo, &p->options, argc, argv, p->opts.dry_run, e);
	return rc == 0 && p->skipped ? 1 : rc;
}

/*
 * In a clone that was never set up nothing says of any remote that it takes data.  Where there is a store
 * already, others send theirs, and whoever types this command means it.
 */
static bool takes_data_already(struct repo *r, const struct where *w)
{
	static const uint8_t none[STORE_NONCE_BYTES];
	struct remote_where view = where_view(w);
	struct err ignored = ERR_INIT;
	struct remote *remote = NULL;
	bool mirror, yes;

	if (cmd_init_done(r) || where_is_mirror(r, w->name.p, &mirror, &ignored) < 0 || mirror ||
	    remote_open(&remote, &view, &ignored) < 0)
		return false;
	yes = memcmp(remote_uuid(remote), none, sizeof(none)) != 0;
	remote_close(&remote);
	if (yes)
		log_hint("git deepops init: then a plain git push sends data and records, too");
	return yes;
}

/* To a public mirror, by a slip of the fingers, must go neither data nor records. */
static int must_be_ours(struct repo *r, const struct where *w, struct err *e)
{
	struct buf quoted = BUF_INIT;
	bool ours;
	int rc = where_is_ours(r, w->name.p, &ours, e);

	if (rc < 0 || ours || takes_data_already(r, w))
		return rc;
	path_shell_quote(&quoted, w->name.p);
	err_set(e, ERR_DENIED, "%s takes no data: remote.%s.deepops is not true", w->name.p,
		w->name.p);
	if (!cmd_init_done(r))
		err_hint(e, "git deepops init");
	else
		err_hint(e,
			 "git config remote.%s.deepops true; or for the branch alone: git push %s",
			 quoted.p, quoted.p);
	buf_release(&quoted);
	return ERR_DENIED;
}

int cmd_push(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct push p = {.repo = ctx->repo,
			 .want = {STRVEC_INIT, STRVEC_INIT, false},
			 .options = STRVEC_INIT};
	struct opt opts[] = {
		OPT_BOOL("data-only", 0, &p.data_only, "send data only, no records and no branch"),
		OPT_BOOL("all", 0, &p.want.all,
			 "ask for every version that any ref or record here names"),
		OPT_BOOL("dry-run", 'n', &p.opts.dry_run, "say what would be sent, send nothing"),
		OPT_SIZE("bwlimit", 0, &p.opts.bytes_per_second, "rate",
			 "send at most that many bytes a second (k, M, G)"),
		OPT_END};
	struct where where;
	int rc;

	gitargs_take(GITARGS_OF_PUSH, &argc, argv, &p.options);
	rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);
	where_init(&where);
	if (rc == 0)
		rc = where_resolve(ctx->repo, argc > 1 ? argv[1] : NULL, WHERE_TO, &where, e);
	if (rc == 0)
		rc = must_be_ours(ctx->repo, &where, e);
	if (rc == 0)
		rc = push_all(&p, &where, argc, argv, e);
	where_release(&where);
	strvec_release(&p.options);
	strvec_release(&p.want.tips);
	strvec_release(&p.want.older);
	return rc;
}
