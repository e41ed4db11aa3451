/* SPDX-License-Identifier: MIT */
/* hook.c - `git deepops hook`: what git's hooks run; see git-deepops-init(1) */
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/urltext.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "data/plain.h"
#include "repo/gitargs.h"
#include "repo/tree.h"
#include "run/journal.h"
#include "run/note.h"
#include "sync/sync.h"

#define INPUT_MAX_BYTES (16 * MIB) /* a hundred thousand refs */
#define LONG_UPLOAD_MS 60000       /* a server may have dropped git's idle connection by then */
#define NAMES_SHOWN 3

/* ---- pre-push ---- */

struct push_input {
	struct sync_want want; /* what leaves with this push */
	bool any;              /* git named a ref at all */
	bool journal;          /* and a journal among them */
	bool only_deletes;
};

/* "<local ref> <id> <remote ref> <id>": cut apart, *id the first; false for a malformed line. */
static bool cut_line(char *line, char *field[4], struct repo_oid *id)
{
	for (int i = 0; i < 4; i++) {
		field[i] = line;
		line += strcspn(line, " ");
		if (i < 3 && !*line)
			return false;
		if (i < 3)
			*line++ = '\0';
	}
	return !*line && repo_oid_take(id, field[1], '\0');
}

/* Journals and notes are no branches: what their trees hold is data of the runs. */
static bool is_branch_like(const char *ref)
{
	return !str_startswith(ref, "refs/deepops/", NULL) &&
	       !str_startswith(ref, "refs/notes/", NULL);
}

/* A tag is old, mostly, and its data may be nowhere any more: that stops no push. */
static struct strvec *list_for(struct push_input *in, char *const field[4])
{
	bool tag = str_startswith(field[2], "refs/tags/", NULL);

	return tag ? &in->want.older : &in->want.tips;
}

static int add_ref(struct repo *r, struct push_input *in, char *line, struct err *e)
{
	struct repo_oid given, commit;
	struct strvec *list;
	char *field[4];

	if (!cut_line(line, field, &given))
		return err_set(e, ERR_INPUT,
			       "git gave the pre-push hook a line it can't be told from: %.80s",
			       line);
	in->any = true;
	if (repo_oid_is_zero(&given))
		return 0;
	in->only_deletes = false;
	in->journal = in->journal || journal_ref_writer(field[0]);
	if (!is_branch_like(field[0]) || !is_branch_like(field[2]))
		return 0;
	list = list_for(in, field);
	/* A tag of a tree or of a file names no commit, and so no dataset. */
	if (repo_resolve(r, given.hex, &commit, NULL) == 0 && !strvec_has(list, commit.hex))
		strvec_push(list, commit.hex);
	return 0;
}

static int read_input(struct repo *r, struct push_input *in, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = isatty(STDIN_FILENO) ? 0 : io_read_fd(STDIN_FILENO, INPUT_MAX_BYTES, &text, e);
	char *line = text.p;

	in->only_deletes = true;
	while (rc == 0 && *line) {
		char *next = line + strcspn(line, "\n");

		if (*next)
			*next++ = '\0';
		rc = add_ref(r, in, line, e);
		line = next;
	}
	in->only_deletes = in->only_deletes && in->any;
	buf_release(&text);
	return rc;
}

struct up_to_date {
	struct repo_oid head;
	bool pushed;
};

static int on_tracking(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct up_to_date *u = arg;

	(void)name;
	(void)e;
	u->pushed = u->pushed || repo_oid_equal(id, &u->head);
	return 0;
}

/*
 * git has nothing to push.  Where HEAD went there already, perhaps by a push with
 * --no-verify, its data belongs there, too; what was never pushed stays private.
 */
static int add_pushed_head(struct repo *r, const char *remote, struct push_input *in, struct err *e)
{
	char *prefix = xstrfmt("refs/remotes/%s/", remote);
	struct buf branch = BUF_INIT;
	struct up_to_date u = {{""}, false};
	int rc = repo_head(r, &branch, &u.head, e);

	if (rc == 0 && !repo_oid_is_zero(&u.head))
		rc = repo_ref_each(r, prefix, on_tracking, &u, e);
	if (rc == 0 && u.pushed)
		strvec_push(&in->want.tips, u.head.hex);
	free(prefix);
	buf_release(&branch);
	return rc;
}

/* Data that stays behind is said, but for a remote that was declared a mirror. */
static void say_nothing_goes(struct repo *r, const struct push_input *in, const struct where *w,
			     enum where_ours ours, const char *url)
{
	struct buf shown = BUF_INIT;

	if (ours == WHERE_MIRROR || in->only_deletes || !sync_names_data(r, &in->want))
		return;
	urltext_public(&shown, url);
	if (ours == WHERE_STRANGER)
		log_note("deepops: no data goes with this push: no remote that takes data has the "
			 "URL %s",
			 shown.p);
	else
		log_note("deepops: no data goes with this push: remote.%s.deepops is not set (true "
			 "sends it, false keeps this quiet)",
			 w->name.p);
	buf_release(&shown);
}

/* -n is not passed on to hooks: without knowing, nothing may be sent. */
static int ask_dry_run(bool *dry_run, struct err *e)
{
	enum gitargs_push push;
	int rc = gitargs_of_ancestor(&push, e);

	*dry_run = push == GITARGS_PUSH_DRY_RUN;
	if (rc < 0) {
		err_wrap(e, "can't tell whether this push is a dry run");
		err_hint(e, "git deepops push sends data, records and the branch");
	}
	return rc;
}

static void report_data(const struct sync_result *res, bool dry_run)
{
	if (res->datasets)
		log_note("deepops: %s %" PRIu64 " dataset%s (%" PRIu64 " chunks, %s)",
			 dry_run ? "would send" : "sent", res->datasets,
			 res->datasets == 1 ? "" : "s", res->chunks, num_human_bytes(res->bytes).s);
	sync_warn_skipped(res);
}

static int send_all(struct repo *r, const struct where *w, const struct push_input *in,
		    bool dry_run, struct err *e)
{
	struct sync_opts opts = {.dry_run = dry_run};
	struct sync_result res;
	uint64_t records = 0;
	int rc;

	rc = plain_check_push(r, w->name.p, &in->want.tips, e);
	killpoint("push-hook-planned");
	if (rc == 0)
		rc = sync_push_data(r, w, &in->want, &opts, &res, e);
	if (rc == 0)
		report_data(&res, dry_run);
	killpoint("push-hook-data-sent");
	if (rc == 0 && !dry_run)
		rc = sync_push_journal(r, w, res.asked_all, &records, e);
	if (rc == 0 && records)
		log_note("deepops: sent %" PRIu64 " run record%s", records,
			 records == 1 ? "" : "s");
	/* git made up its mind what to move before it called us. */
	if (rc == 0 && records && in->journal)
		log_hint("the journal is there now; that git calls it rejected below means no "
			 "more: git push need not name it");
	killpoint("push-hook-journal-sent");
	return rc;
}

/* Derived: no reason to stop a push or a merge. */
static void refresh_notes(struct repo *r, const struct strvec *tips)
{
	struct repo_oid *ids = xcalloc(tips->nr + 1, sizeof(*ids));
	struct err e = ERR_INIT;

	for (size_t i = 0; i < tips->nr; i++)
		snprintf(ids[i].hex, sizeof(ids[i].hex), "%s", tips->v[i]);
	if (note_refresh(r, ids, tips->nr, &e) < 0)
		log_warn("%s (git deepops notes rebuild)", e.msg);
	free(ids);
}

static int push_ours(struct repo *r, const struct where *w, struct push_input *in, struct err *e)
{
	bool dry_run = false;
	int rc = ask_dry_run(&dry_run, e);

	if (rc == 0 && !in->any)
		rc = add_pushed_head(r, w->name.p, in, e);
	if (rc == 0)
		rc = send_all(r, w, in, dry_run, e);
	if (rc == 0 && !dry_run)
		refresh_notes(r, &in->want.tips);
	return rc;
}

static int hook_pre_push(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct push_input in = {.want = {STRVEC_INIT, STRVEC_INIT, false}};
	uint64_t start = clock_mono_ms();
	enum where_ours ours;
	struct where w;
	int rc;

	if (argc != 3)
		return err_set(e, ERR_USAGE, "pre-push takes a remote and its URL");
	if (getenv(SYNC_GUARD_ENV)) /* our own nested push */
		return 0;
	where_init(&w);
	rc = where_resolve_push(ctx->repo, argv[1], argv[2], &w, &ours, e);
	if (rc == 0)
		rc = read_input(ctx->repo, &in, e);
	if (rc == 0 && ours != WHERE_OURS)
		say_nothing_goes(ctx->repo, &in, &w, ours, argv[2]);
	else if (rc == 0 && !in.only_deletes)
		rc = push_ours(ctx->repo, &w, &in, e);
	if (rc == 0 && clock_mono_ms() - start > LONG_UPLOAD_MS)
		log_hint("sending took long; if git now says that the connection is gone, push "
			 "again: "
			 "nothing is sent twice");
	strvec_release(&in.want.tips);
	strvec_release(&in.want.older);
	where_release(&w);
	return rc;
}

/* ---- post-checkout, post-merge: a hint, never a failure ---- */

struct moved {
	struct strvec roots; /* their pointer is another one now */
	struct strvec left;  /* they have none any more */
};

static int on_diff(void *arg, const char *path, const struct tree_entry *a,
		   const struct tree_entry *b, struct err *e)
{
	struct moved *m = arg;
	struct buf root = BUF_INIT;

	(void)a;
	(void)e;
	if (pointer_root_of(path, &root))
		strvec_push(b->mode ? &m->roots : &m->left, root.p);
	buf_release(&root);
	return 0;
}

static void add_names(struct buf *names, const struct strvec *roots)
{
	for (size_t i = 0; i < roots->nr && i < NAMES_SHOWN; i++)
		buf_addf(names, "%s%s", i ? ", " : "", roots->v[i]);
	if (roots->nr > NAMES_SHOWN)
		buf_addf(names, " and %zu more", roots->nr - NAMES_SHOWN);
}

static void print_hint(const struct moved *m)
{
	struct buf names = BUF_INIT;

	add_names(&names, &m->roots);
	log_hint("the data of %s changed: git deepops checkout", names.p);
	buf_release(&names);
}

/*
 * Data that stays where this commit has no pointer of it: by the rules of this commit git may take
 * it in with the next `git add`.  Where git itself has files at the path, that is what they are for.
 */
static void hint_left(struct repo *r, const struct moved *m, const struct repo_oid *tree)
{
	struct strvec here = STRVEC_INIT;
	struct buf names = BUF_INIT;
	struct tree_entry found;

	for (size_t i = 0; i < m->left.nr; i++)
		if (faccessat(repo_worktree_fd(r), m->left.v[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
		    tree_find(r, tree, m->left.v[i], &found, NULL) == 0)
			strvec_push(&here, m->left.v[i]);
	add_names(&names, &here);
	if (here.nr) {
		cmd_track_exclude(r, &here);
		log_hint("the data of %s is still here, and this commit has no pointer of it; "
			 ".git/info/exclude keeps git from taking it in",
			 names.p);
	}
	strvec_release(&here);
	buf_release(&names);
}

/* Between two commits, which datasets have another pointer?  Whatever is unknown is no hint. */
static int hint_moved(struct repo *r, const char *from, const char *to)
{
	struct moved m = {STRVEC_INIT, STRVEC_INIT};
	struct repo_oid a, b, ta, tb;

	if (repo_resolve(r, from, &a, NULL) == 0 && repo_resolve(r, to, &b, NULL) == 0 &&
	    !repo_oid_equal(&a, &b) && repo_commit_tree(r, &a, &ta, NULL) == 0 &&
	    repo_commit_tree(r, &b, &tb, NULL) == 0 &&
	    tree_diff(r, &ta, &tb, on_diff, &m, NULL) == 0) {
		if (m.roots.nr)
			print_hint(&m);
		hint_left(r, &m, &tb);
	}
	strvec_release(&m.roots);
	strvec_release(&m.left);
	return 0;
}

static int hook_post_checkout(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	if (argc != 4)
		return err_set(e, ERR_USAGE, "post-checkout takes two commits and a flag");
	if (strcmp(argv[3], "1") != 0) /* files, not a branch */
		return 0;
	return hint_moved(ctx->repo, argv[1], argv[2]);
}

static int hook_post_merge(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct strvec tips = STRVEC_INIT;
	struct repo_oid head;

	(void)argv;
	if (argc > 2)
		return err_set(e, ERR_USAGE, "post-merge takes a flag");
	if (repo_resolve(ctx->repo, "HEAD", &head, NULL) == 0) {
		strvec_push(&tips, head.hex);
		refresh_notes(ctx->repo, &tips);
		strvec_release(&tips);
	}
	return hint_moved(ctx->repo, "ORIG_HEAD", "HEAD");
}

/* ---- post-commit: the note is there when `git log` is looked at ---- */

static int hook_post_commit(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct err derived = ERR_INIT;
	struct repo_oid head;

	(void)argv;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "post-commit takes nothing");
	if (repo_resolve(ctx->repo, "HEAD", &head, NULL) == 0 &&
	    note_refresh_commit(ctx->repo, &head, &derived) < 0)
		log_warn("%s (git deepops notes rebuild)", derived.msg);
	return 0;
}

/* ---- dispatch ---- */

typedef int (*hook_fn)(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);

static const struct {
	const char *name;
	hook_fn run;
} hooks[] = {
	{"post-checkout", hook_post_checkout},
	{"post-commit", hook_post_commit},
	{"post-merge", hook_post_merge},
	{"pre-push", hook_pre_push},
};

int cmd_hook(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops hook NAME [ARG...]", NULL};
	struct opt opts[] = {OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_STOP_AT_OPERAND, e);

	if (rc)
		return rc;
	if (argc < 2)
		return err_set(e, ERR_USAGE, "which hook?");
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (!strcmp(argv[1], hooks[i].name))
			return hooks[i].run(ctx, argc - 1, argv + 1, e);
	return err_set(e, ERR_USAGE, "no hook named '%s'", argv[1]);
}
