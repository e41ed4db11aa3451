/* SPDX-License-Identifier: MIT */
/* diff.c - `git deepops diff`: what changed between versions of datasets; see git-deepops-diff(1) */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/markdown.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"

struct diff {
	struct dataset_env *env;
	struct repo *repo;
	bool name_status, stat, json, md, zero, exit_code;
	struct repo_oid old, new; /* commits; empty `new`: the work tree */
	bool to_worktree;
	struct strvec roots; /* of both sides */
	struct strvec picked, insides;
	struct json *list;
	bool differs;
};

/* ---- what to compare ---- */

static int resolve_side(struct diff *d, const char *rev, size_t len, struct repo_oid *out,
			struct err *e)
{
	char *copy = len ? xstrndup(rev, len) : xstrdup("HEAD");
	int rc = repo_resolve(d->repo, copy, out, e);

	free(copy);
	return rc;
}

static int take_range(struct diff *d, const char *range, const char *dots, struct err *e)
{
	int rc = resolve_side(d, range, (size_t)(dots - range), &d->old, e);

	d->to_worktree = false;
	return rc < 0 ? rc : resolve_side(d, dots + 2, strlen(dots + 2), &d->new, e);
}

/* Without revisions: HEAD, or nothing on an unborn branch. */
static int take_head(struct diff *d, struct err *e)
{
	struct buf branch = BUF_INIT;
	int rc = repo_head(d->repo, &branch, &d->old, e);

	buf_release(&branch);
	return rc;
}

/* 1: the first operand is a revision or range, 0: it is a path. */
static int take_revision(struct diff *d, const char *arg, bool must, struct err *e)
{
	const char *dots = strstr(arg, "..");
	int rc;

	if (dots && dots[2] != '/' && dots[2] != '.')
		rc = take_range(d, arg, dots, e);
	else
		rc = repo_resolve(d->repo, arg, &d->old, e);
	if (rc == 0)
		return 1;
	if (must)
		return rc;
	err_clear(e);
	return 0;
}

static int add_roots(struct diff *d, const struct repo_oid *commit, struct err *e)
{
	if (commit && (!commit->hex[0] || repo_oid_is_zero(commit)))
		return 0;
	return dataset_roots(d->repo, commit, &d->roots, e);
}

/* ---- one dataset ---- */

/* 1: there is a pointer. */
static int load_side(struct diff *d, const struct repo_oid *commit, const char *root,
		     struct pointer *p, struct err *e)
{
	int rc;

	if (commit && (!commit->hex[0] || repo_oid_is_zero(commit)))
		return 0;
	rc = dataset_pointer(d->repo, commit, root, p, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	return rc < 0 ? rc : 1;
}

/* No dataset stands there, but a link, say: the others can be compared all the same. */
static int pass_over(struct diff *d, struct err *e)
{
	log_warn("%s", e->msg);
	if (e->hint[0])
		log_hint("%s", e->hint);
	err_clear(e);
	d->differs = true;
	return 0;
}

/* The work tree at `root`, also where it has no pointer in `old`. */
static int diff_worktree(struct diff *d, const char *root, const struct pointer *old,
			 struct dataset_changes *out, struct err *e)
{
	struct dataset_status st;
	int rc = dataset_status(d->env, root, old, &st, e);

	if (rc == ERR_INPUT)
		return pass_over(d, e);
	if (rc < 0)
		return rc;
	if (st.state == DATASET_MISSING)
		log_note("%s is not in the work tree; git deepops checkout brings it", root);
	else if (!st.counted)
		rc = err_set(e, ERR_NOTFOUND, "the list of files of '%s' is not here", root);
	if (rc < 0)
		return err_hint(e, DATASET_FETCH_HINT);
	*out = st.changes;
	if (st.state == DATASET_MISSING)
		memset(out, 0, sizeof(*out));
	dataset_find_renames(out);
	return 0;
}

static int diff_sides(struct diff *d, const char *root, struct dataset_changes *out, struct err *e)
{
	struct pointer a, b;
	int has_a, has_b = 0, rc;

	pointer_init(&a);
	pointer_init(&b);
	has_a = rc = load_side(d, &d->old, root, &a, e);
	if (rc >= 0)
		has_b = rc = load_side(d, d->to_worktree ? NULL : &d->new, root, &b, e);
	if (rc >= 0 && d->to_worktree && has_b)
		rc = diff_worktree(d, root, &a, out, e);
	else if (rc >= 0)
		rc = dataset_diff(has_a ? &a : NULL, has_b ? &b : NULL, dataset_load_node, d->env,
				  true, out, e);
	pointer_release(&a);
	pointer_release(&b);
	return rc;
}

/* Keep what lies in `inside`, and count again. */
static void restrict_to(struct dataset_changes *c, const char *inside)
{
	struct dataset_change *kept = xcalloc(c->n + 1, sizeof(*kept));
	size_t n = 0;

	c->added = c->removed = c->changed = c->renamed = c->bytes = 0;
	for (size_t i = 0; i < c->n; i++) {
		struct dataset_change *x = &c->v[i];

		if (!path_is_in(x->path, inside)) {
			free(x->path);
			free(x->from);
			continue;
		}
		c->added += x->status == 'A';
		c->removed += x->status == 'D';
		c->changed += x->status == 'M';
		c->renamed += x->status == 'R';
		c->bytes += x->status == 'A' || x->status == 'M' ? x->bytes[1] : 0;
		kept[n++] = *x;
	}
	free(c->v);
	c->v = kept;
	c->alloc = c->n + 1;
	c->n = n;
}

/* ---- output ---- */

/* "<root>/<inside>"; a file dataset has no inside. */
static void full_path(struct buf *out, const char *root, const char *inside, bool raw)
{
	char *path = xstrfmt("%s%s%s", root, *inside ? "/" : "", inside);

	buf_reset(out);
	if (raw)
		buf_addstr(out, path);
	else
		path_quote(out, path, strlen(path));
	free(path);
}

static void print_names(const struct diff *d, const char *root, const struct dataset_changes *c)
{
	char sep = d->zero ? '\0' : '\t', end = d->zero ? '\0' : '\n';
	struct buf path = BUF_INIT;

	for (size_t i = 0; i < c->n; i++) {
		printf("%c%c", c->v[i].status, sep);
		if (c->v[i].from) {
			full_path(&path, root, c->v[i].from, d->zero);
			printf("%s%c", path.p, sep);
		}
		full_path(&path, root, c->v[i].path, d->zero);
		printf("%s%c", path.p, end);
	}
	buf_release(&path);
}

static void add_counts(struct buf *out, const struct dataset_changes *c)
{
	buf_addf(out,
		 ": %" PRIu64 " added, %" PRIu64 " removed, %" PRIu64 " changed, %" PRIu64
		 " renamed; %s of new content\n",
		 c->added, c->removed, c->changed, c->renamed, num_human_bytes(c->bytes).s);
}

static void print_stat(const char *root, const struct dataset_changes *c)
{
	struct buf out = BUF_INIT;

	path_quote(&out, root, strlen(root));
	add_counts(&out, c);
	fwrite(out.p, 1, out.len, stdout);
	buf_release(&out);
}

/* A review shows no more, and takes no more than 64 KiB. */
#define MD_MAX_ROWS 100

static void add_md_row(struct buf *out, const struct dataset_change *c)
{
	uint64_t old = c->bytes[0], new = c->bytes[1];

	buf_addf(out, "| %c | ", c->status);
	if (c->from) {
		markdown_escape(out, c->from);
		buf_addstr(out, " → ");
	}
	markdown_escape(out, *c->path ? c->path : ".");
	buf_addstr(out, " | ");
	if (c->status == 'M' && old != new)
		buf_addf(out, "%s → ", num_human_bytes(old).s);
	buf_addf(out, "%s |\n", num_human_bytes(c->status == 'D' ? old : new).s);
}

static void print_md(const char *root, const struct dataset_changes *c)
{
	struct buf out = BUF_INIT;
	size_t shown = MIN(c->n, MD_MAX_ROWS);

	buf_addstr(&out, "**");
	markdown_escape(&out, root);
	buf_addstr(&out, "**");
	add_counts(&out, c);
	buf_addstr(&out, "\n| | file | size |\n| --- | --- | ---: |\n");
	for (size_t i = 0; i < shown; i++)
		add_md_row(&out, &c->v[i]);
	if (shown < c->n)
		buf_addf(&out, "| | and %zu more | |\n", c->n - shown);
	buf_addch(&out, '\n');
	fwrite(out.p, 1, out.len, stdout);
	buf_release(&out);
}

static struct json *change_json(const struct dataset_change *c)
{
	static const char *const ids[] = {"old", "new"};
	static const char *const sizes[] = {"old_bytes", "new_bytes"};
	char status[2] = {c->status, '\0'};
	struct json *item = json_mkobj();

	json_put_str(item, "status", status);
	json_put_path(item, "path", c->path);
	json_put_path(item, "from", c->from);
	for (int i = 0; i < 2; i++) {
		if (!c->mode[i])
			continue;
		json_put_str(item, ids[i], chunkid_text(&c->id[i]).s);
		json_put_int(item, sizes[i], (int64_t)c->bytes[i]);
	}
	return item;
}

static void add_json(struct diff *d, const char *root, const struct dataset_changes *c)
{
	struct json *item = json_mkobj(), *list = json_mkarr();

	for (size_t i = 0; i < c->n; i++)
		json_push(list, change_json(&c->v[i]));
	json_put_path(item, "path", root);
	json_put_int(item, "added", (int64_t)c->added);
	json_put_int(item, "removed", (int64_t)c->removed);
	json_put_int(item, "changed", (int64_t)c->changed);
	json_put_int(item, "renamed", (int64_t)c->renamed);
	json_put_int(item, "bytes", (int64_t)c->bytes);
	json_put(item, "changes", list);
	json_push(d->list, item);
}

static int show(struct diff *d, size_t i, struct err *e)
{
	const char *root = d->picked.v[i];
	struct dataset_changes c = DATASET_CHANGES_INIT;
	int rc = diff_sides(d, root, &c, e);

	if (rc == ERR_INPUT && e->sys == ELOOP && d->to_worktree)
		return pass_over(d, e);
	if (rc < 0)
		return rc;
	if (*d->insides.v[i])
		restrict_to(&c, d->insides.v[i]);
	if (c.n) {
		d->differs = true;
		if (d->json)
			add_json(d, root, &c);
		else if (d->stat)
			print_stat(root, &c);
		else if (d->md)
			print_md(root, &c);
		else
			print_names(d, root, &c);
	}
	dataset_changes_release(&c);
	return 0;
}

static void finish_json(struct diff *d)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put(doc, "datasets", d->list);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

/* What a sparse checkout leaves out has not been removed. */
static int drop_sparse(struct diff *d, struct err *e)
{
	struct strvec sparse = STRVEC_INIT, kept = STRVEC_INIT;
	int rc = dataset_roots_sparse(d->repo, &sparse, e);

	for (size_t i = 0; i < d->roots.nr; i++)
		if (!strvec_has(&sparse, d->roots.v[i]))
			strvec_push(&kept, d->roots.v[i]);
	strvec_release(&sparse);
	strvec_release(&d->roots);
	d->roots = kept;
	return rc;
}

static int diff(struct diff *d, int n, char **paths, struct err *e)
{
	int rc = add_roots(d, &d->old, e);

	if (rc == 0)
		rc = add_roots(d, d->to_worktree ? NULL : &d->new, e);
	if (rc == 0 && d->to_worktree)
		rc = drop_sparse(d, e);
	if (rc == 0)
		rc = dataset_pick(d->repo, &d->roots, n, paths, &d->picked, &d->insides, e);
	for (size_t i = 0; rc == 0 && i < d->picked.nr; i++)
		rc = show(d, i, e);
	return rc;
}

/* `diff A B`, as with git diff; without `--` what lies in the work tree is a path. */
static bool take_second(struct diff *d, const char *arg, bool dashes)
{
	struct buf path = BUF_INIT;
	struct err e = ERR_INIT;
	bool taken = strcmp(arg, "--") != 0;

	if (taken && !dashes && repo_user_path(d->repo, arg, &path, &e) == 0)
		taken = faccessat(repo_worktree_fd(d->repo), path.p, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	if (taken)
		taken = repo_resolve(d->repo, arg, &d->new, &e) == 0;
	if (taken)
		d->to_worktree = false;
	buf_release(&path);
	return taken;
}

/* Revisions before `--`, paths behind it; without it the first operands may be either. */
static int take_operands(struct diff *d, int *argc, char ***argv, struct err *e)
{
	bool dashes = false;
	int at = 1, rc = 0;

	for (int i = 1; i < *argc; i++)
		dashes |= !strcmp((*argv)[i], "--");
	if (*argc > 1 && strcmp((*argv)[1], "--") != 0)
		rc = take_revision(d, (*argv)[1], dashes, e);
	if (rc == 1)
		at = 2;
	if (rc == 1 && d->to_worktree && *argc > 2 && take_second(d, (*argv)[2], dashes))
		at = 3;
	else if (rc == 0)
		rc = take_head(d, e);
	if (at < *argc && !strcmp((*argv)[at], "--"))
		at++;
	else if (rc >= 0 && dashes)
		rc = err_set(e, ERR_USAGE, "a range or at most two revisions come before --");
	*argc -= at;
	*argv += at;
	return MIN(rc, 0);
}

int cmd_diff(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {
		"git deepops diff [options] [A[..B] | A B] [--] [PATH...]", NULL};
	struct diff d = {.repo = ctx->repo,
			 .to_worktree = true,
			 .roots = STRVEC_INIT,
			 .picked = STRVEC_INIT,
			 .insides = STRVEC_INIT};
	struct opt opts[] = {
		OPT_BOOL("name-status", 0, &d.name_status,
			 "one line a file, as git prints it (default)"),
		OPT_BOOL("stat", 0, &d.stat, "one line a dataset, with counts"),
		OPT_BOOL("json", 0, &d.json, "print one JSON document"),
		OPT_BOOL("md", 0, &d.md, "print a Markdown table a dataset"),
		OPT_BOOL("null", 'z', &d.zero, "end fields with NUL, names as they are"),
		OPT_BOOL("exit-code", 0, &d.exit_code, "exit 1 if something differs"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_KEEP_DASHDASH, e);

	if (rc)
		return rc;
	if (d.name_status + d.stat + d.json + d.md > 1)
		return err_set(e, ERR_USAGE,
			       "--name-status, --stat, --json and --md exclude each other");
	rc = take_operands(&d, &argc, &argv, e);
	if (rc == 0)
		rc = dataset_open(&d.env, ctx->repo, e);
	d.list = json_mkarr();
	if (rc == 0)
		rc = diff(&d, argc, argv, e);
	if (rc == 0 && d.json)
		finish_json(&d);
	else
		json_unref(d.list);
	dataset_close(d.env);
	strvec_release(&d.roots);
	strvec_release(&d.picked);
	strvec_release(&d.insides);
	return rc == 0 && d.exit_code && d.differs ? 1 : rc;
}
