/* SPDX-License-Identifier: MIT */
/* checkout.c - `git deepops checkout`: bring data to what pointers say; see git-deepops-checkout(1) */
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/progress.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"

struct checkout {
	struct repo *repo;
	struct dataset_env *env;
	struct dataset_checkout_opts opts;
	const char *link;
	struct strvec include, exclude;
	struct repo_oid commit; /* with has_commit: pointers come from there */
	bool has_commit, named; /* named: paths were given */
	struct strvec roots;    /* each once */
	struct strvec *parts;   /* for each root: globs of what was named inside of it */
};

static int parse_link(struct checkout *c, struct err *e)
{
	static const char *const names[] = {"auto", "copy", "reflink"};

	c->opts.link = DATASET_LINK_AUTO;
	for (size_t i = 0; c->link && i < ARRAY_SIZE(names); i++) {
		if (strcmp(c->link, names[i]) != 0)
			continue;
		c->opts.link = (enum dataset_link)i;
		return 0;
	}
	if (!c->link)
		return 0;
	return err_set(e, ERR_USAGE, "--link is auto, copy or reflink, not '%s'", c->link);
}

/* A glob that means just this path of the dataset and what is below it. */
static void push_literal(struct strvec *globs, const char *inside)
{
	struct buf glob = BUF_INIT;
	size_t len = strlen(inside);

	buf_addch(&glob, '/');
	for (size_t i = 0; i < len; i++) {
		if (strchr("\\*?[ ", inside[i]))
			buf_addch(&glob, '\\');
		buf_addch(&glob, (unsigned char)inside[i]);
	}
	strvec_push(globs, glob.p);
	buf_release(&glob);
}

/* Several paths inside one dataset are one checkout of it; naming all of it wins. */
static void gather(struct checkout *c, const struct strvec *picked, const struct strvec *insides)
{
	strvec_pushv(&c->roots, (const char *const *)picked->v);
	strvec_sort(&c->roots);
	strvec_uniq(&c->roots);
	c->parts = xcalloc(c->roots.nr + 1, sizeof(*c->parts));
	for (size_t i = 0; i < c->roots.nr; i++) {
		bool all = false;

		strvec_init(&c->parts[i]);
		for (size_t k = 0; k < picked->nr; k++) {
			if (strcmp(picked->v[k], c->roots.v[i]) != 0)
				continue;
			all |= !*insides->v[k];
			push_literal(&c->parts[i], insides->v[k]);
		}
		if (all)
			strvec_release(&c->parts[i]);
	}
}

static int pick(struct checkout *c, int n, char **paths, struct err *e)
{
	struct strvec roots = STRVEC_INIT, picked = STRVEC_INIT, insides = STRVEC_INIT;
	int rc = dataset_roots(c->repo, c->has_commit ? &c->commit : NULL, &roots, e);

	if (rc == 0)
		rc = dataset_pick(c->repo, &roots, n, paths, &picked, &insides, e);
	if (rc == 0)
		gather(c, &picked, &insides);
	strvec_release(&roots);
	strvec_release(&picked);
	strvec_release(&insides);
	return rc;
}

#define BLOCKED_SHOWN 20 /* paths; the error says how many there are */

static void print_blocked(const char *root, const struct dataset_checkout_result *res)
{
	for (size_t i = 0; i < res->blocked.nr && i < BLOCKED_SHOWN; i++) {
		struct buf path = BUF_INIT, quoted = BUF_INIT;

		buf_addf(&path, "%s%s%s", root, *res->blocked.v[i] ? "/" : "", res->blocked.v[i]);
		path_quote(&quoted, path.p, path.len);
		fprintf(stderr, "\t%s\n", quoted.p);
		buf_release(&path);
		buf_release(&quoted);
	}
}

static void report(const struct checkout *c, const char *root,
		   const struct dataset_checkout_result *res)
{
	if (log_level() == LOG_QUIET || (!res->written && !res->removed))
		return;
	log_print("%s: %s %" PRIu64 " file%s (%s), %s %" PRIu64, root,
		  c->opts.dry_run ? "would write" : "wrote", res->written,
		  res->written == 1 ? "" : "s", num_human_bytes(res->bytes).s,
		  c->opts.dry_run ? "remove" : "removed", res->removed);
}

/* What the work tree is thought to hold where state.db has been lost: HEAD's version. */
static int load_fallback(struct checkout *c, const char *root, struct pointer *base, struct err *e)
{
	struct buf branch = BUF_INIT;
	struct repo_oid head;
	int rc = repo_head(c->repo, &branch, &head, e);

	if (rc == 0 && !repo_oid_is_zero(&head)) {
		rc = dataset_pointer(c->repo, &head, root, base, e);
		if (rc == 0)
			c->opts.base = base;
		else if (rc == ERR_NOTFOUND || rc == ERR_INPUT)
			rc = 0;
	}
	err_clear(e);
	buf_release(&branch);
	return rc;
}

static int run_one(struct checkout *c, const char *root, const struct pointer *p, struct err *e)
{
	struct dataset_checkout_result res;
	struct progress *bar = progress_start("Writing data", 0, PROGRESS_BYTES);
	struct pointer base;
	int rc;

	pointer_init(&base);
	c->opts.base = NULL;
	rc = load_fallback(c, root, &base, e);
	dataset_set_progress(c->env, bar);
	memset(&res, 0, sizeof(res));
	if (rc == 0) {
		rc = dataset_checkout(c->env, root, p, &c->opts, &res, e);
		progress_stop(&bar); /* its line ends before what follows */
		print_blocked(root, &res);
		if (rc == 0)
			report(c, root, &res);
		dataset_checkout_result_release(&res);
	}
	dataset_set_progress(c->env, NULL);
	progress_stop(&bar);
	c->opts.base = NULL;
	pointer_release(&base);
	return rc;
}

/* With a commit the pointer follows, as with `git checkout REV -- PATH`. */
static int move_pointer(struct checkout *c, const char *root, const struct pointer *p,
			struct err *e)
{
	char *spec = xstrfmt(":(top,literal)%s" POINTER_SUFFIX, root);
	struct strvec args = STRVEC_INIT;
	int rc = dataset_write_pointer(c->repo, root, p, e);

	strvec_pushl(&args, "add", "-f", "--sparse", "--", spec, NULL);
	if (rc == 0)
		rc = repo_git_index(c->repo, &args, e);
	strvec_release(&args);
	free(spec);
	return rc;
}

static int do_root(struct checkout *c, size_t i, struct err *e)
{
	const char *root = c->roots.v[i];
	bool part = c->parts[i].nr > 0 || c->include.nr || c->exclude.nr;
	struct pointer p;
	int rc;

	pointer_init(&p);
	rc = dataset_pointer(c->repo, c->has_commit ? &c->commit : NULL, root, &p, e);
	if (rc == ERR_NOTFOUND && !c->has_commit &&
	    !c->named) { /* removed, but not from the index */
		log_warn("%s", e->msg);
		log_hint("%s", e->hint);
		err_clear(e);
		return 0;
	}
	c->opts.include = c->parts[i].nr ? &c->parts[i] : c->include.nr ? &c->include : NULL;
	c->opts.exclude = c->exclude.nr ? &c->exclude : NULL;
	if (rc == 0)
		rc = run_one(c, root, &p, e);
	if (rc == 0 && c->has_commit && !part && !c->opts.dry_run)
		rc = move_pointer(c, root, &p, e);
	pointer_release(&p);
	return rc;
}

static int checkout_all(struct checkout *c, struct err *e)
{
	bool dry_run = c->opts.dry_run;
	enum log_level level = log_level();
	int rc = 0;

	/* One blocked dataset stops all, before anything is touched. */
	if (!dry_run && c->roots.nr > 1) {
		c->opts.dry_run = true;
		log_set_level(LOG_QUIET);
		for (size_t i = 0; rc == 0 && i < c->roots.nr; i++)
			rc = do_root(c, i, e);
		log_set_level(level);
		c->opts.dry_run = false;
	}
	for (size_t i = 0; rc == 0 && i < c->roots.nr; i++)
		rc = do_root(c, i, e);
	if (rc == 0 && !dry_run)
		cmd_track_exclude(c->repo, &c->roots);
	if (rc == 0 && !dry_run)
		cmd_track_warn(c->repo, &c->roots, "git deepops track adds its line to .gitignore");
	return rc;
}

/* 1: the first operand is a revision. Without `--` what is a dataset or exists is a path. */
static int take_revision(struct checkout *c, const char *arg, bool must, struct err *e)
{
	struct strvec roots = STRVEC_INIT, picked = STRVEC_INIT, insides = STRVEC_INIT;
	char *paths[1] = {xstrdup(arg)};
	int rc = dataset_roots(c->repo, NULL, &roots, e);
	bool is_path = rc == 0 && !must &&
		       dataset_pick(c->repo, &roots, 1, paths, &picked, &insides, e) == 0;

	if (rc == 0 && !is_path) {
		rc = repo_resolve(c->repo, arg, &c->commit, e);
		if (rc < 0 && !must)
			rc = err_set(e, ERR_INPUT, "'%s' is neither a revision nor a dataset", arg);
	}
	c->has_commit = rc == 0 && !is_path;
	strvec_release(&roots);
	strvec_release(&picked);
	strvec_release(&insides);
	free(paths[0]);
	return rc < 0 ? rc : c->has_commit;
}

static int take_operands(struct checkout *c, int *argc, char ***argv, struct err *e)
{
	bool dashes = false;
	int at = 1, rc = 0;

	for (int i = 1; i < *argc; i++)
		dashes |= !strcmp((*argv)[i], "--");
	if (*argc > 1 && strcmp((*argv)[1], "--") != 0)
		rc = take_revision(c, (*argv)[1], dashes, e);
	at += rc == 1;
	if (at < *argc && !strcmp((*argv)[at], "--"))
		at++;
	else if (rc >= 0 && dashes)
		rc = err_set(e, ERR_USAGE, "one revision comes before --");
	*argc -= at;
	*argv += at;
	return MIN(rc, 0);
}

static void checkout_release(struct checkout *c)
{
	for (size_t i = 0; c->parts && i < c->roots.nr; i++)
		strvec_release(&c->parts[i]);
	free(c->parts);
	strvec_release(&c->roots);
	strvec_release(&c->include);
	strvec_release(&c->exclude);
	dataset_close(c->env);
}

int cmd_checkout(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops checkout [options] [REV] [--] [PATH...]",
					    NULL};
	struct checkout c = {.repo = ctx->repo,
			     .include = STRVEC_INIT,
			     .exclude = STRVEC_INIT,
			     .roots = STRVEC_INIT};
	struct opt opts[] = {
		OPT_STR("link", 0, &c.link, "HOW", "auto, copy or reflink"),
		OPT_BOOL("force", 'f', &c.opts.force, "overwrite and remove local changes"),
		OPT_LIST("include", 'I', &c.include, "GLOB", "only these files of a dataset"),
		OPT_LIST("exclude", 'X', &c.exclude, "GLOB", "not these files"),
		OPT_BOOL("dry-run", 'n', &c.opts.dry_run, "say what would be done"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_KEEP_DASHDASH, e);

	if (rc == 0)
		rc = parse_link(&c, e);
	if (rc == 0)
		rc = take_operands(&c, &argc, &argv, e);
	if (rc == 0)
		rc = dataset_open(&c.env, ctx->repo, e);
	c.named = argc > 0;
	if (rc == 0)
		rc = pick(&c, argc, argv, e);
	if (rc == 0)
		rc = checkout_all(&c, e);
	checkout_release(&c);
	return rc;
}
