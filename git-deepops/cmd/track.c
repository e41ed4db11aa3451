/* SPDX-License-Identifier: MIT */
/* track.c - `git deepops track`: replace data by a dataset pointer; see git-deepops-track(1) */
#include <fcntl.h>
#include <unistd.h>

#include "base/killpoint.h"
#include "base/log.h"
#include "base/num.h"
#include "base/progress.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "repo/tree.h"
#include "repo/workfile.h"

struct track {
	struct repo *repo;
	struct dataset_env *env;
	bool reshard, dry_run, force;
	struct strvec tracked;      /* roots that have a pointer already */
	struct strvec roots;        /* to track now */
	struct dataset_snap *snaps; /* one for each of roots */
	bool *changed;
};

/* ---- may this be tracked ---- */

static bool lies_in(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static int check_nesting(const struct track *t, const char *root, struct err *e)
{
	for (size_t i = 0; i < t->tracked.nr; i++) {
		const char *other = t->tracked.v[i];

		if (lies_in(root, other)) {
			err_set(e, ERR_INPUT, "'%s' lies in dataset '%s'", root, other);
			return err_hint(e, "git deepops track %s records it", other);
		}
		if (lies_in(other, root)) {
			err_set(e, ERR_INPUT, "dataset '%s' lies in '%s'", other, root);
			return err_hint(e, "git deepops untrack %s first", other);
		}
	}
	return 0;
}

#define GITLINK "160000 " /* the mode of a submodule, as ls-files -s prints it */

/* git would go on versioning files that are in its index, ignored or not. */
static int check_committed(const struct track *t, const char *root, struct err *e)
{
	char *spec = xstrfmt(":(top,literal)%s", root);
	struct buf list = BUF_INIT;
	size_t n = 0;
	int rc = repo_git_run(t->repo, &list, e, "ls-files", "-z", "-s", "--", spec, NULL);

	for (size_t i = 0; i < list.len; i++)
		n += !list.p[i];
	if (rc == 0 && n && str_startswith(list.p, GITLINK, NULL)) {
		rc = err_set(e, ERR_INPUT, "'%s' is a submodule", strchr(list.p, '\t') + 1);
		err_hint(e, "track the data in it, from there: it is a repository of its own");
	} else if (rc == 0 && n) {
		rc = err_set(e, ERR_INPUT, "git itself versions %zu file%s of '%s', such as '%s'",
			     n, n == 1 ? "" : "s", root, strchr(list.p, '\t') + 1);
		err_hint(e,
			 "git rm -r -q --cached -- '%s' takes them out of git and leaves them "
			 "on disk; then track again",
			 root);
	}
	buf_release(&list);
	free(spec);
	return rc;
}

/* A submodule, or a nested repository that git does not know: its files are not ours to point at. */
static int check_repository(const struct track *t, const char *root, struct err *e)
{
	int rc = 0;

	for (const char *at = strchr(root, '/'); rc == 0 && at; at = strchr(at + 1, '/')) {
		int len = (int)(at - root);
		char *dotgit = xstrfmt("%.*s/.git", len, root);

		if (faccessat(repo_worktree_fd(t->repo), dotgit, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
			rc = err_set(e, ERR_INPUT, "'%s' lies in another repository, '%.*s'", root,
				     len, root);
			err_hint(e, "cd %.*s && git deepops track %s", len, root, at + 1);
		}
		free(dotgit);
	}
	return rc;
}

static int check_root(struct track *t, const char *root, struct err *e)
{
	int rc = pointer_check_root(root, e);

	if (rc == 0)
		rc = check_repository(t, root, e);
	if (rc == 0)
		rc = check_nesting(t, root, e);
	if (rc == 0)
		rc = check_committed(t, root, e);
	if (rc == 0 && dataset_is_partial(t->env, root)) {
		rc = err_set(e, ERR_INPUT, "only a part of '%s' is in the work tree", root);
		err_hint(e, "git deepops checkout %s brings the rest; then track again", root);
	}
	return rc;
}

static int take_path(struct track *t, const char *user, struct err *e)
{
	struct buf path = BUF_INIT, root = BUF_INIT;
	int rc = repo_user_path(t->repo, user, &path, e);
	const char *name = path.p;

	if (rc == 0 && pointer_root_of(path.p, &root) && strvec_has(&t->tracked, root.p))
		name = root.p; /* the pointer stands for its data */
	if (rc == 0)
		rc = check_root(t, name, e);
	if (rc == 0 && !strvec_has(&t->roots, name))
		strvec_push(&t->roots, name);
	buf_release(&path);
	buf_release(&root);
	return rc;
}

/* ---- a branch with files there ---- */

struct branch_scan {
	struct track *t;
	const char *root;
};

static int check_branch(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct branch_scan *s = arg;
	struct tree_entry found;
	struct repo_oid tree;

	/* A tracking ref may name what was never fetched; this is only a warning. */
	if (repo_commit_tree(s->t->repo, id, &tree, e) < 0 ||
	    tree_find(s->t->repo, &tree, s->root, &found, e) != 1) {
		err_clear(e);
		return 0;
	}
	log_warn("%s has files at '%s' in git: checking it out overwrites the data there without "
		 "asking; git deepops checkout brings it back",
		 name, s->root);
	return 0;
}

static int warn_branches(struct track *t, const char *root, struct err *e)
{
	struct branch_scan s = {t, root};
	int rc = repo_ref_each(t->repo, "refs/heads/", check_branch, &s, e);

	return rc < 0 ? rc : repo_ref_each(t->repo, "refs/remotes/", check_branch, &s, e);
}

/* ---- content ---- */

/* Somebody else's version came with git, and the work tree is still at the one before. */
static int refuse_behind(const char *root, struct err *e)
{
	err_set(e, ERR_EXISTS, "'%s%s' has changed since the data was last in step with it", root,
		POINTER_SUFFIX);
	return err_hint(e,
			"git deepops checkout %s brings its version; --force records the work tree "
			"in its place",
			root);
}

static int snap_one(struct track *t, size_t i, struct store_txn *txn, struct err *e)
{
	const char *root = t->roots.v[i];
	struct dataset_snap_opts opts = {.reshard = t->reshard, .ids_only = t->dry_run};
	struct pointer previous;
	int rc;

	pointer_init(&previous);
	rc = dataset_pointer(t->repo, NULL, root, &previous, e);
	if (rc == 0)
		opts.previous = &previous;
	if (rc == 0 || rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = dataset_snapshot(t->env, txn, root, &opts, &t->snaps[i], e);
	}
	if (rc == ERR_EXISTS)
		err_hint(e, "nothing was recorded; track again when nobody writes there");
	t->changed[i] = !opts.previous || !pointer_equal(&previous, &t->snaps[i].pointer);
	if (rc == 0 && opts.previous && t->changed[i] && !t->force &&
	    dataset_is_behind(t->env, root, &previous))
		rc = refuse_behind(root, e);
	pointer_release(&previous);
	return rc;
}

static int snap_all(struct track *t, struct store_txn *txn, struct err *e)
{
	struct progress *p = progress_start("Reading data", 0, PROGRESS_BYTES);
	int rc = 0;

	dataset_set_progress(t->env, p);
	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++)
		rc = snap_one(t, i, txn, e);
	dataset_set_progress(t->env, NULL);
	progress_stop(&p);
	return rc;
}

/* Everything that the pointers will name is durable when this returns 0. */
static int store_all(struct track *t, struct err *e)
{
	struct store *s = dataset_store(t->env, e);
	struct store_txn *txn = NULL;
	int rc = s ? store_begin(s, NULL, &txn, e) : e->code;

	if (rc == 0)
		rc = snap_all(t, txn, e);
	killpoint("track-before-commit");
	if (rc == 0)
		rc = store_commit(txn, NULL, e);
	if (rc == 0)
		txn = NULL;
	else if (txn)
		store_abort(txn, false);
	killpoint("track-committed");
	return rc;
}

/* ---- pointers ---- */

static int stage(struct track *t, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc;

	/* -f: the user's own rules may ignore a pointer; --sparse: it may lie outside the cone. */
	strvec_pushl(&args, "add", "-f", "--sparse", "--", ":(top,literal).gitattributes",
		     ":(top,literal).gitignore", NULL);
	for (size_t i = 0; i < t->roots.nr; i++)
		strvec_pushf(&args, ":(top,literal)%s" POINTER_SUFFIX, t->roots.v[i]);
	rc = repo_git_runv(t->repo, &args, NULL, NULL, e);
	killpoint("track-staged");
	strvec_release(&args);
	return rc;
}

static int ignore_root(struct track *t, const char *root, struct err *e)
{
	struct buf line = BUF_INIT;
	int rc;

	pointer_ignore_line(root, &line);
	rc = workfile_add_line(t->repo, ".gitignore", line.p, e);
	killpoint("track-ignore-written");
	buf_release(&line);
	return rc < 0 ? rc : 0;
}

void cmd_track_warn(struct repo *r, const struct strvec *roots, const char *why)
{
	struct strvec unignored = STRVEC_INIT;
	struct err e = ERR_INIT;

	fflush(stdout); /* the result first */
	if (dataset_unignored(r, roots, &unignored, &e) == 0)
		for (size_t i = 0; i < unignored.nr; i++)
			log_warn("'%s' is not ignored by git: %s", unignored.v[i], why);
	strvec_release(&unignored);
}

static int write_one(struct track *t, size_t i, struct err *e)
{
	const char *root = t->roots.v[i];
	int rc = 0;

	if (t->changed[i])
		rc = dataset_write_pointer(t->repo, root, &t->snaps[i].pointer, e);
	killpoint("track-pointer-written");
	return rc == 0 ? ignore_root(t, root, e) : rc;
}

static int write_all(struct track *t, struct err *e)
{
	/* First: git converts line endings of pointers by what stands there when they are added. */
	int rc = workfile_add_line(t->repo, ".gitattributes", POINTER_ATTRIBUTES, e);

	killpoint("track-attributes-written");
	for (size_t i = 0; rc >= 0 && i < t->roots.nr; i++)
		rc = write_one(t, i, e);
	if (rc >= 0)
		cmd_track_warn(t->repo, &t->roots,
			       "some rule behind its line in .gitignore takes it in again");
	if (rc >= 0)
		rc = stage(t, e);
	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++)
		rc = dataset_synced(t->env, t->roots.v[i], &t->snaps[i].pointer, e);
	killpoint("track-synced");
	return rc;
}

static void report(const struct track *t)
{
	for (size_t i = 0; i < t->roots.nr; i++) {
		const struct dataset_snap *s = &t->snaps[i];

		for (size_t k = 0; k < s->warnings.nr; k++)
			log_warn("%s", s->warnings.v[k]);
		if (log_level() > LOG_QUIET)
			printf("%s %s: %" PRIu64 " file%s, %s, %s\n",
			       t->changed[i] ? t->dry_run ? "would track" : "tracked" : "unchanged",
			       t->roots.v[i], s->pointer.files, s->pointer.files == 1 ? "" : "s",
			       num_human_bytes(s->pointer.bytes).s, chunkid_short(&s->id).s);
	}
}

static int track(struct track *t, int n, char **paths, struct err *e)
{
	int rc = dataset_roots(t->repo, NULL, &t->tracked, e);

	for (int i = 0; rc == 0 && i < n; i++)
		rc = take_path(t, paths[i], e);
	if (rc < 0)
		return rc;
	t->snaps = xcalloc(t->roots.nr, sizeof(*t->snaps));
	t->changed = xcalloc(t->roots.nr, sizeof(*t->changed));
	rc = t->dry_run ? snap_all(t, NULL, e) : store_all(t, e);
	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++)
		if (!strvec_has(&t->tracked, t->roots.v[i]))
			rc = warn_branches(t, t->roots.v[i], e);
	if (rc == 0 && !t->dry_run)
		rc = write_all(t, e);
	if (rc == 0)
		report(t);
	if (rc == 0 && !t->dry_run)
		cmd_init_remind(t->repo);
	for (size_t i = 0; i < t->roots.nr; i++)
		dataset_snap_release(&t->snaps[i]);
	free(t->snaps);
	free(t->changed);
	return rc;
}

int cmd_track(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops track [-n] [-f] [--reshard] [--] PATH...",
					    NULL};
	struct track t = {.repo = ctx->repo, .tracked = STRVEC_INIT, .roots = STRVEC_INIT};
	struct opt opts[] = {
		OPT_BOOL("reshard", 0, &t.reshard, "choose anew how the dataset is split"),
		OPT_BOOL("force", 'f', &t.force,
			 "record data of an older version than the pointer's"),
		OPT_BOOL("dry-run", 'n', &t.dry_run, "say what would be tracked, write nothing"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc < 2)
		return err_set(e, ERR_USAGE, "nothing to track was named");
	rc = dataset_open(&t.env, ctx->repo, e);
	if (rc == 0)
		rc = track(&t, argc - 1, argv + 1, e);
	dataset_close(t.env);
	strvec_release(&t.tracked);
	strvec_release(&t.roots);
	return rc;
}
