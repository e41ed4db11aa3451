/* SPDX-License-Identifier: MIT */
/* drop.c - `git deepops drop`: free local copies that the remote has; see git-deepops-drop(1) */
#include <fcntl.h>
#include <unistd.h>

#include "base/killpoint.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "sync/evict.h"
#include "sync/kept.h"
#include "sync/reach.h"

struct drop {
	struct repo *repo;
	struct dataset_env *env;
	struct strvec roots;   /* all datasets */
	struct strvec chosen;  /* to drop */
	struct sync_plan gone; /* their pointers, as those in `chosen` */
	struct sync_plan kept; /* all others of the work tree */
	struct chunkset *safe; /* versions in this clone that the remote keeps; NULL: not asked */
	bool force;
};

/* A dataset, or every dataset below a directory. */
static int choose(struct drop *d, const char *typed, struct err *e)
{
	struct buf path = BUF_INIT;
	const char *inside;
	const char *root;
	size_t before = d->chosen.nr;
	int rc = repo_user_path(d->repo, typed, &path, e);

	if (rc == 0) {
		root = dataset_root_of(&d->roots, path.p, &inside);
		if (root && *inside)
			rc = err_set(e, ERR_INPUT,
				     "'%s' is inside the dataset '%s', which is dropped whole",
				     typed, root);
	}
	for (size_t i = 0; rc == 0 && i < d->roots.nr; i++)
		if (path_is_in(d->roots.v[i], path.p) && !strvec_has(&d->chosen, d->roots.v[i]))
			strvec_push(&d->chosen, d->roots.v[i]);
	if (rc == 0 && d->chosen.nr == before)
		rc = err_set(e, ERR_NOTFOUND, "'%s': no dataset is tracked there", typed);
	buf_release(&path);
	return rc;
}

static int plan(struct drop *d, int argc, char **argv, struct err *e)
{
	int rc = dataset_roots(d->repo, NULL, &d->roots, e);

	for (int i = 1; rc == 0 && i < argc; i++)
		rc = choose(d, argv[i], e);
	for (size_t i = 0; rc == 0 && i < d->roots.nr; i++) {
		bool goes = strvec_has(&d->chosen, d->roots.v[i]);

		rc = sync_plan_add_dataset(goes ? &d->gone : &d->kept, d->repo, d->roots.v[i], e);
	}
	return rc;
}

/* ---- may it go? ---- */

/* 1: the work tree holds what no pointer does. */
static int has_changes(struct drop *d, const char *root, struct err *e)
{
	struct dataset_status st;
	struct pointer p;
	int rc;

	pointer_init(&p);
	memset(&st, 0, sizeof(st));
	rc = dataset_pointer(d->repo, NULL, root, &p, e);
	if (rc == 0)
		rc = dataset_status_all(d->env, root, &p, &st, e);
	if (rc == 0 && st.state != DATASET_CLEAN && st.state != DATASET_MISSING &&
	    st.state != DATASET_PARTIAL) {
		char *word = path_word(root);

		log_warn("%s has changes that are recorded nowhere", root);
		log_hint("git deepops track %s records them; --force drops them", word);
		free(word);
		rc = 1;
	}
	dataset_status_release(&st);
	pointer_release(&p);
	return rc;
}

/* Which versions of the whole clone are safe: the others keep what they share with those that go. */
static int note_safe(struct drop *d, struct remote *remote, struct err *e)
{
	struct sync_plan all;
	enum kept *states;
	size_t current;
	int rc;

	sync_plan_init(&all);
	rc = reach_plan(d->repo, &all, &current, e);
	states = xcalloc(all.n + 1, sizeof(*states));
	if (rc == 0)
		rc = kept_ask(remote, all.items, all.n, states, e);
	d->safe = chunkset_new();
	for (size_t i = 0; rc == 0 && i < all.n; i++)
		if (states[i] == KEPT_SAFE)
			evict_note_safe(d->safe, &all.items[i].pointer);
	free(states);
	sync_plan_release(&all);
	return rc;
}

static void say_unsafe(const struct drop *d, const char *remote, const enum kept *states)
{
	bool damaged = false;

	for (size_t i = 0; i < d->gone.n; i++) {
		if (states[i] == KEPT_SAFE)
			continue;
		damaged = damaged || states[i] == KEPT_DAMAGED;
		log_warn("%s is not safe on %s: %s", d->gone.items[i].name, remote,
			 kept_text(states[i]));
	}
	if (damaged)
		log_hint("git deepops push --data-only sends again what is damaged there");
	else
		log_hint("git push sends the data and the commit that names it; where both are "
			 "there "
			 "already, the server lacks its hooks, which tell its store: git deepops "
			 "server install REPO, and git deepops server index REPO, on the server");
}

/* 1: some dataset is not safe on the remote, asked now: a cache of its answers proves nothing. */
static int not_on_remote(struct drop *d, struct err *e)
{
	enum kept *states = xcalloc(d->gone.n + 1, sizeof(*states));
	struct remote *remote = NULL;
	struct remote_where view;
	struct where w;
	bool refused = false;
	int rc;

	where_init(&w);
	rc = where_resolve(d->repo, NULL, WHERE_TO, &w, e);
	if (rc == 0) {
		view = where_view(&w);
		rc = remote_open(&remote, &view, e);
	}
	if (rc == 0)
		rc = kept_ask(remote, d->gone.items, d->gone.n, states, e);
	for (size_t i = 0; rc == 0 && i < d->gone.n; i++)
		refused = refused || states[i] != KEPT_SAFE;
	if (rc == 0 && refused)
		say_unsafe(d, w.name.p, states);
	else if (rc == 0)
		rc = note_safe(d, remote, e);
	remote_close(&remote);
	where_release(&w);
	free(states);
	return rc < 0 ? rc : refused;
}

/* ---- away ---- */

/* A symbolic link among the parents must not lead out of the work tree: through the descriptor. */
static int remove_root(struct drop *d, const char *root, struct err *e)
{
	struct buf dir = BUF_INIT;
	char *path;
	int fd;
	int rc;

	killpoint("drop-before-remove");
	path_dirname(&dir, root);
	fd = path_open_beneath(repo_worktree_fd(d->repo), dir.p, O_PATH | O_DIRECTORY, 0, e);
	buf_release(&dir);
	if (fd == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	if (fd < 0)
		return err_wrap(e, "%s", root);
	path = xstrfmt("/proc/self/fd/%d/%s", fd, path_basename(root));
	rc = path_remove_tree(path, e);
	free(path);
	close(fd);
	return rc < 0 ? err_wrap(e, "%s", root) : 0;
}

/* The store first: it may be in use, and then nothing is removed. */
static int drop_all(struct drop *d, struct err *e)
{
	struct evict_drop what = {&d->gone, &d->kept, d->safe};
	uint64_t freed = 0;
	int rc = evict_pointers(d->repo, dataset_store(d->env, e), &what, &freed, e);

	for (size_t i = 0; rc == 0 && i < d->chosen.nr; i++) {
		rc = remove_root(d, d->chosen.v[i], e);
		if (rc == 0 && log_level() > LOG_QUIET)
			log_print("dropped %s", d->chosen.v[i]);
	}
	if (rc == 0 && freed)
		log_note("freed %s of the local store", num_human_bytes(freed).s);
	return rc;
}

/* 0, or 1 for a refusal: nothing was touched then. */
static int check_and_drop(struct drop *d, struct err *e)
{
	struct store *s = dataset_store(d->env, e);
	int refused = s ? evict_allowed(d->repo, s, e) : (e ? e->code : ERR_SYS);

	if (refused < 0)
		return refused;
	for (size_t i = 0; !d->force && i < d->chosen.nr; i++) {
		int rc = has_changes(d, d->chosen.v[i], e);

		if (rc < 0)
			return rc;
		refused |= rc;
	}
	if (!d->force && !refused) {
		refused = not_on_remote(d, e);
		if (refused < 0)
			return refused;
	}
	return refused ? 1 : drop_all(d, e);
}

int cmd_drop(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops drop [--force] [--] PATH...", NULL};
	struct drop d = {.repo = ctx->repo, .roots = STRVEC_INIT, .chosen = STRVEC_INIT};
	struct opt opts[] = {
		OPT_BOOL("force", 'f', &d.force, "also what is changed, or not on the remote"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc < 2)
		return err_set(e, ERR_USAGE, "drop what?");
	sync_plan_init(&d.gone);
	sync_plan_init(&d.kept);
	rc = dataset_open(&d.env, ctx->repo, e);
	if (rc == 0)
		rc = plan(&d, argc, argv, e);
	if (rc == 0)
		rc = check_and_drop(&d, e);
	dataset_close(d.env);
	sync_plan_release(&d.gone);
	sync_plan_release(&d.kept);
	chunkset_free(d.safe);
	strvec_release(&d.roots);
	strvec_release(&d.chosen);
	return rc;
}
