/* SPDX-License-Identifier: MIT */
/* track.c - `git deepops track`: replace data by a dataset pointer; see git-deepops-track(1) */
#include <fcntl.h>
#include <unistd.h>

#include "base/killpoint.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
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

static int refuse_nested(const char *root, const char *other, struct err *e)
{
	char *word = path_word(other);

	if (lies_in(root, other)) {
		err_set(e, ERR_INPUT, "'%s' lies in dataset '%s'", root, other);
		err_hint(e, "git deepops track %s records it", word);
	} else {
		err_set(e, ERR_INPUT, "dataset '%s' lies in '%s'", other, root);
		err_hint(e, "git deepops untrack %s first", word);
	}
	free(word);
	return ERR_INPUT;
}

/* Neither in what is tracked nor in what else was named now. */
static int check_nesting(const struct track *t, const char *root, struct err *e)
{
	const struct strvec *lists[] = {&t->tracked, &t->roots};

	for (size_t k = 0; k < ARRAY_SIZE(lists); k++)
		for (size_t i = 0; i < lists[k]->nr; i++)
			if (lies_in(root, lists[k]->v[i]) || lies_in(lists[k]->v[i], root))
				return refuse_nested(root, lists[k]->v[i], e);
	return 0;
}

/* What git's index holds of one of the roots. */
struct versioned {
	char *root, *path; /* the first found; NULL: none */
	bool submodule;
	size_t n; /* of that root */
};

/* dataset_in_git_fn */
static void note_versioned(void *arg, const char *root, const char *path, bool submodule)
{
	struct versioned *v = arg;

	if (!v->root) {
		v->root = xstrdup(root);
		v->path = xstrdup(path);
		v->submodule = submodule;
	}
	v->n += !strcmp(v->root, root);
}

static int refuse_versioned(const struct versioned *v, struct err *e)
{
	char *word = path_word(v->root);

	if (v->submodule) {
		err_set(e, ERR_INPUT, "'%s' is a submodule", v->path);
		err_hint(e, "track the data in it, from there: it is a repository of its own");
	} else {
		err_set(e, ERR_INPUT, "git itself versions %zu file%s of '%s', such as '%s'", v->n,
			v->n == 1 ? "" : "s", v->root, v->path);
		err_hint(e,
			 "git rm -r -q --cached -- %s takes them out of git and leaves them on "
			 "disk; then track again",
			 word);
	}
	free(word);
	return ERR_INPUT;
}

/* git would go on versioning files that are in its index, ignored or not. */
static int check_versioned(const struct track *t, struct err *e)
{
	struct versioned v = {NULL, NULL, false, 0};
	int rc = dataset_in_git(t->repo, &t->roots, note_versioned, &v, e);

	if (rc == 0 && v.root)
		rc = refuse_versioned(&v, e);
	free(v.root);
	free(v.path);
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
			char *dir = xstrndup(root, (size_t)len);
			char *there = path_word(dir), *rest = path_word(at + 1);

			rc = err_set(e, ERR_INPUT, "'%s' lies in another repository, '%s'", root,
				     dir);
			err_hint(e, "cd %s && git deepops track %s", there, rest);
			free(dir);
			free(there);
			free(rest);
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
	if (rc == 0 && dataset_is_partial(t->env, root)) {
		char *word = path_word(root);

		rc = err_set(e, ERR_INPUT, "only a part of '%s' is in the work tree", root);
		err_hint(e, "git deepops checkout %s brings the rest; then track again", word);
		free(word);
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
	char *word = path_word(root);

	err_set(e, ERR_EXISTS, "'%s%s' has changed since the data was last in step with it", root,
		POINTER_SUFFIX);
	err_hint(e,
		 "git deepops checkout %s brings its version; --force records the work tree in its "
		 "place",
		 word);
	free(word);
	return ERR_EXISTS;
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

/*
 * Everything that the pointers will name is durable when this returns 0, and held until they are
 * staged: gc must not take what nothing names yet.
 */
static int store_all(struct track *t, struct err *e)
{
	struct store *s = dataset_store(t->env, e);
	struct store_txn *txn = NULL;
	int rc = s ? store_hold(s, e) : e->code;

	if (rc == 0)
		rc = store_begin(s, NULL, &txn, e);

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

/* git takes a file that it knows for unchanged even where other attributes are mended by now. */
static int stage_unchanged(struct track *t, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	bool any = false;
	int rc = 0;

	strvec_pushl(&args, "add", "--renormalize", "--sparse", "--", NULL);
	for (size_t i = 0; i < t->roots.nr; i++) {
		if (t->changed[i])
			continue;
		strvec_pushf(&args, ":(top,literal)%s" POINTER_SUFFIX, t->roots.v[i]);
		any = true;
	}
	if (any)
		rc = repo_git_index(t->repo, &args, e);
	strvec_release(&args);
	return rc;
}

static int stage(struct track *t, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc;

	/* -f: the user's own rules may ignore a pointer; --sparse: it may lie outside the cone. */
	strvec_pushl(&args, "add", "-f", "--sparse", "--", ":(top,literal).gitattributes",
		     ":(top,literal).gitignore", NULL);
	for (size_t i = 0; i < t->roots.nr; i++)
		strvec_pushf(&args, ":(top,literal)%s" POINTER_SUFFIX, t->roots.v[i]);
	rc = repo_git_index(t->repo, &args, e);
	killpoint("track-staged");
	strvec_release(&args);
	return rc == 0 ? stage_unchanged(t, e) : rc;
}

void cmd_track_warn(struct repo *r, const struct strvec *roots, const char *why)
{
	struct strvec unignored = STRVEC_INIT, only_here = STRVEC_INIT;
	struct err e = ERR_INIT;

	fflush(stdout); /* the result first */
	if (dataset_unignored(r, roots, &unignored, &only_here, &e) == 0) {
		for (size_t i = 0; i < unignored.nr; i++)
			log_warn("'%s' is not ignored by git: %s", unignored.v[i], why);
		for (size_t i = 0; i < only_here.nr; i++)
			log_warn("'%s' is not ignored by git in other clones: %s", only_here.v[i],
				 why);
	}
	strvec_release(&unignored);
	strvec_release(&only_here);
}

void cmd_track_exclude(struct repo *r, const struct strvec *roots)
{
	struct err e = ERR_INIT;

	if (dataset_exclude(r, roots, &e) < 0)
		log_warn("%s", e.msg);
}

/* dataset_attr_fn */
static void warn_attribute(void *arg, const char *pointer, const char *what, const char *mend)
{
	(void)arg;
	log_warn("git changes the bytes of '%s' by its attribute %s: no clone could read it",
		 pointer, what);
	log_hint("%s (and look into .git/info/attributes); then track again", mend);
}

static int write_pointers(struct track *t, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++) {
		if (t->changed[i])
			rc = dataset_write_pointer(t->repo, t->roots.v[i], &t->snaps[i].pointer, e);
		killpoint("track-pointer-written");
	}
	return rc;
}

static int write_all(struct track *t, struct err *e)
{
	/* First: git converts line endings of pointers by what stands there when they are added. */
	int rc = workfile_add_line(t->repo, ".gitattributes", POINTER_ATTRIBUTES, e);

	killpoint("track-attributes-written");
	if (rc >= 0)
		rc = write_pointers(t, e);
	if (rc == 0)
		rc = dataset_ignore(t->repo, &t->roots, e);
	killpoint("track-ignore-written");
	if (rc == 0)
		rc = dataset_attributes(t->repo, &t->roots, warn_attribute, NULL, e);
	if (rc == 0)
		cmd_track_exclude(t->repo, &t->roots);
	if (rc == 0)
		cmd_track_warn(t->repo, &t->roots,
			       "some rule behind its line in .gitignore takes it in again");
	if (rc == 0)
		rc = stage(t, e);
	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++)
		rc = dataset_synced(t->env, t->roots.v[i], &t->snaps[i].pointer, e);
	killpoint("track-synced");
	return rc;
}

/* One after the other: each reads what the one before has written. */
static int write_locked(struct track *t, struct err *e)
{
	int lock = workfile_lock(t->repo, e);
	int rc = lock < 0 ? lock : write_all(t, e);

	lockfile_release(lock);
	return rc;
}

static void report(const struct track *t)
{
	for (size_t i = 0; i < t->roots.nr; i++) {
		const struct dataset_snap *s = &t->snaps[i];

		for (size_t k = 0; k < s->warnings.nr; k++)
			log_warn("%s", s->warnings.v[k]);
		if (log_level() > LOG_QUIET)
			log_print("%s %s: %" PRIu64 " file%s, %s, %s",
				  t->changed[i] ? t->dry_run ? "would track" : "tracked"
						: "unchanged",
				  t->roots.v[i], s->pointer.files, s->pointer.files == 1 ? "" : "s",
				  num_human_bytes(s->pointer.bytes).s, chunkid_short(&s->id).s);
	}
}

static int track(struct track *t, int n, char **paths, struct err *e)
{
	int rc = dataset_roots(t->repo, NULL, &t->tracked, e);

	for (int i = 0; rc == 0 && i < n; i++)
		rc = take_path(t, paths[i], e);
	if (rc == 0)
		rc = check_versioned(t, e);
	if (rc < 0)
		return rc;
	t->snaps = xcalloc(t->roots.nr, sizeof(*t->snaps));
	t->changed = xcalloc(t->roots.nr, sizeof(*t->changed));
	rc = t->dry_run ? snap_all(t, NULL, e) : store_all(t, e);
	for (size_t i = 0; rc == 0 && i < t->roots.nr; i++)
		if (!strvec_has(&t->tracked, t->roots.v[i]))
			rc = warn_branches(t, t->roots.v[i], e);
	if (rc == 0 && !t->dry_run)
		rc = write_locked(t, e);
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
