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
	struct strvec tips; /* commits that leave with this push */
	bool any;           /* git named a ref at all */
	bool journal;       /* and a journal among them */
	bool only_deletes;
};

/* Of "<local ref> <id> <remote ref> <id>", the id that leaves; NULL for a malformed line. */
static char *local_id(char *line)
{
	char *id = strchr(line, ' ');
	char *end = id ? strchr(id + 1, ' ') : NULL;

	if (!end)
		return NULL;
	*id++ = '\0';
	*end = '\0';
	return strlen(id) == REPO_OID_HEX ? id : NULL;
}

static int add_ref(struct repo *r, struct push_input *in, char *line, struct err *e)
{
	struct repo_oid given;
	struct repo_oid commit;
	const char *id = local_id(line);

	if (!id || !repo_oid_ok(id))
		return err_set(e, ERR_INPUT,
			       "git gave the pre-push hook a line it can't be told from: %.80s",
			       line);
	in->any = true;
	memcpy(given.hex, id, sizeof(given.hex));
	if (repo_oid_is_zero(&given))
		return 0;
	in->only_deletes = false;
	in->journal = in->journal || journal_ref_writer(line);
	/* Journals and notes are no branches: what their trees hold is data of the runs. */
	if (str_startswith(line, "refs/deepops/", NULL) ||
	    str_startswith(line, "refs/notes/", NULL))
		return 0;
	/* A tag of a tree or of a file names no commit, and so no dataset. */
	if (repo_resolve(r, given.hex, &commit, NULL) == 0 && !strvec_has(&in->tips, commit.hex))
		strvec_push(&in->tips, commit.hex);
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
		strvec_push(&in->tips, u.head.hex);
	free(prefix);
	buf_release(&branch);
	return rc;
}

/* 1: this push goes to a remote that takes data and records; 0: it is none of our business. */
static int find_remote(struct repo *r, const char *name, struct where *w, struct err *e)
{
	bool ours = false;
	int rc = where_is_ours(r, name, &ours, e);

	if (rc == 0 && !ours) {
		/* A raw URL stands for the remote that has exactly this one. */
		rc = where_resolve(r, name, WHERE_TO, w, NULL);
		if (rc < 0)
			return 0;
		rc = where_is_ours(r, w->name.p, &ours, e);
		return rc < 0 ? rc : ours;
	}
	if (rc == 0)
		rc = where_resolve(r, name, WHERE_TO, w, e);
	return rc < 0 ? rc : 1;
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
	if (res->skipped)
		log_warn("%" PRIu64 " older dataset version%s neither here nor on the remote",
			 res->skipped, res->skipped == 1 ? " is" : "s are");
}

static int send_all(struct repo *r, const struct where *w, const struct push_input *in,
		    bool dry_run, struct err *e)
{
	struct sync_opts opts = {.dry_run = dry_run};
	struct sync_result res;
	struct sync_plan plan;
	uint64_t records = 0;
	int rc;

	sync_plan_init(&plan);
	rc = plain_check_push(r, w->name.p, &in->tips, e);
	if (rc == 0)
		rc = sync_plan_commits(&plan, r, w->name.p, &in->tips, e);
	if (rc == 0)
		rc = sync_plan_journal(&plan, r, w->name.p, e);
	killpoint("push-hook-planned");
	if (rc == 0)
		rc = sync_push_data(r, w, &plan, &opts, &res, e);
	if (rc == 0)
		report_data(&res, dry_run);
	killpoint("push-hook-data-sent");
	if (rc == 0 && !dry_run)
		rc = sync_push_journal(r, w, &records, e);
	if (rc == 0 && records)
		log_note("deepops: sent %" PRIu64 " run record%s", records,
			 records == 1 ? "" : "s");
	/* git made up its mind what to move before it called us. */
	if (rc == 0 && records && in->journal)
		log_hint("the journal is there now; that git calls it rejected below means no "
			 "more: git push need not name it");
	killpoint("push-hook-journal-sent");
	sync_plan_release(&plan);
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

static int hook_pre_push(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct push_input in = {STRVEC_INIT, false, false, false};
	uint64_t start = clock_mono_ms();
	bool dry_run = false;
	struct where w;
	int rc;

	if (argc != 3)
		return err_set(e, ERR_USAGE, "pre-push takes a remote and its URL");
	if (getenv(SYNC_GUARD_ENV)) /* our own nested push */
		return 0;
	where_init(&w);
	rc = find_remote(ctx->repo, argv[1], &w, e);
	if (rc == 1) {
		rc = read_input(ctx->repo, &in, e);
		if (rc == 0 && !in.only_deletes) {
			rc = ask_dry_run(&dry_run, e);
			if (rc == 0 && !in.any)
				rc = add_pushed_head(ctx->repo, w.name.p, &in, e);
			if (rc == 0)
				rc = send_all(ctx->repo, &w, &in, dry_run, e);
			if (rc == 0 && !dry_run)
				refresh_notes(ctx->repo, &in.tips);
		}
	}
	if (rc == 0 && clock_mono_ms() - start > LONG_UPLOAD_MS)
		log_hint("sending took long; if git now says that the connection is gone, push "
			 "again: "
			 "nothing is sent twice");
	strvec_release(&in.tips);
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

/* ---- dispatch ---- */

typedef int (*hook_fn)(struct cmd_ctx *ctx, int argc, char **argv, struct err *e);

static const struct {
	const char *name;
	hook_fn run;
} hooks[] = {
	{"post-checkout", hook_post_checkout},
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
