/* SPDX-License-Identifier: MIT */
/* status.c - `git deepops status`: datasets against their pointers; see git-deepops-status(1) */
#include <errno.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd.h"
#include "data/dataset.h"

struct status {
	struct dataset_env *env;
	bool json, zero, exit_code;
	struct json *list;
	struct strvec present; /* roots of which something is in the work tree */
	struct strvec in_git;  /* roots of which git's index holds files, ... */
	struct strvec samples; /* ... and one of those */
	bool unclean;
};

static void print_json(struct status *s, const char *root, const struct dataset_status *st)
{
	struct json *item = json_mkobj();

	json_put_path(item, "path", root);
	json_put_str(item, "state", dataset_state_name(st->state));
	if (strvec_has(&s->in_git, root))
		json_put_bool(item, "in_git", true);
	if (st->counted) {
		json_put_int(item, "added", (int64_t)st->changes.added);
		json_put_int(item, "removed", (int64_t)st->changes.removed);
		json_put_int(item, "changed", (int64_t)st->changes.changed);
		json_put_int(item, "bytes", (int64_t)st->changes.bytes);
	}
	json_push(s->list, item);
}

static void add_count(struct buf *out, uint64_t n, const char *what)
{
	if (n)
		buf_addf(out, "%s%" PRIu64 " %s", out->len ? ", " : "", n, what);
}

static void print_text(const char *root, const struct dataset_status *st)
{
	struct buf name = BUF_INIT, counts = BUF_INIT;

	path_quote(&name, root, strlen(root));
	add_count(&counts, st->changes.added, "added");
	add_count(&counts, st->changes.removed,
		  st->state == DATASET_PARTIAL || st->state == DATASET_MISSING ? "absent"
									       : "removed");
	add_count(&counts, st->changes.changed, "changed");
	if (!st->counted)
		buf_addstr(&counts, "file list not here: git deepops fetch");
	printf("%-12s %s%s%s%s\n", dataset_state_name(st->state), name.p, counts.len ? " (" : "",
	       counts.p, counts.len ? ")" : "");
	buf_release(&name);
	buf_release(&counts);
}

static void show_unreadable(struct status *s, const char *root, struct err *e)
{
	struct buf name = BUF_INIT;

	s->unclean = true;
	path_quote(&name, root, strlen(root));
	if (s->json) {
		struct json *item = json_mkobj();

		json_put_path(item, "path", root);
		json_put_str(item, "state", "unreadable");
		json_push(s->list, item);
	} else if (s->zero) {
		printf("unreadable %s%c", root, 0);
	} else {
		printf("%-12s %s\n", "unreadable", name.p);
	}
	fflush(stdout);
	log_warn("%s", e->msg);
	if (e->hint[0])
		log_hint("%s", e->hint);
	err_clear(e);
	buf_release(&name);
}

static int show(struct status *s, const char *root, struct err *e)
{
	struct dataset_status st;
	struct pointer p;
	bool read;
	int rc;

	memset(&st, 0, sizeof(st));
	pointer_init(&p);
	rc = dataset_pointer(dataset_repo(s->env), NULL, root, &p, e);
	if (rc == ERR_NOTFOUND) { /* removed, but not from the index */
		log_warn("%s", e->msg);
		log_hint("%s", e->hint);
		err_clear(e);
		return 0;
	}
	read = rc == 0;
	if (read)
		rc = dataset_status(s->env, root, &p, &st, e);
	if (rc == 0 && st.state == DATASET_CLEAN)
		rc = dataset_synced(s->env, root, &p, e);
	pointer_release(&p);
	if (rc == ERR_INPUT &&
	    (read ||
	     e->sys ==
		     ELOOP)) { /* one that became a link, say: the others are shown all the same */
		show_unreadable(s, root, e);
		return 0;
	}
	if (rc < 0)
		return rc;
	s->unclean |= st.state != DATASET_CLEAN || strvec_has(&s->in_git, root);
	if (st.state != DATASET_MISSING)
		strvec_push(&s->present, root);
	if (s->json)
		print_json(s, root, &st);
	else if (s->zero)
		printf("%s %s%c", dataset_state_name(st.state), root, 0);
	else
		print_text(root, &st);
	dataset_status_release(&st);
	return 0;
}

static void finish_json(struct status *s)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put(doc, "datasets", s->list);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

/* dataset_in_git_fn */
static void note_in_git(void *arg, const char *root, const char *path, bool submodule)
{
	struct status *s = arg;

	(void)submodule;
	if (strvec_has(&s->in_git, root))
		return;
	strvec_push(&s->in_git, root);
	strvec_push(&s->samples, path);
}

static void warn_in_git(const struct status *s)
{
	fflush(stdout); /* the result first */
	for (size_t i = 0; i < s->in_git.nr; i++) {
		char *word = path_word(s->in_git.v[i]);

		log_warn("data of '%s' is in git's index, too, such as '%s'", s->in_git.v[i],
			 s->samples.v[i]);
		log_hint("git rm -r -q --cached -- %s takes it out and leaves it on disk", word);
		free(word);
	}
}

static int status(struct status *s, int n, char **paths, struct err *e)
{
	struct strvec roots = STRVEC_INIT, picked = STRVEC_INIT, insides = STRVEC_INIT;
	struct repo *r = dataset_repo(s->env);
	int rc = dataset_roots(r, NULL, &roots, e);

	if (rc == 0)
		rc = dataset_pick(r, &roots, n, paths, &picked, &insides, e);
	if (rc == 0 && !roots.nr && !s->json && !s->zero)
		log_note("no datasets here; git deepops track makes one");
	strvec_sort(&picked);
	strvec_uniq(&picked);
	if (rc == 0)
		rc = dataset_in_git(r, &picked, note_in_git, s, e);
	for (size_t i = 0; rc == 0 && i < picked.nr; i++)
		rc = show(s, picked.v[i], e);
	if (rc == 0)
		warn_in_git(s);
	if (rc == 0)
		cmd_track_warn(r, &s->present, "git deepops track adds its line to .gitignore");
	strvec_release(&roots);
	strvec_release(&picked);
	strvec_release(&insides);
	return rc;
}

int cmd_status(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {
		"git deepops status [--json | -z] [--exit-code] [--] [PATH...]", NULL};
	struct status s = {
		.env = NULL, .present = STRVEC_INIT, .in_git = STRVEC_INIT, .samples = STRVEC_INIT};
	struct opt opts[] = {
		OPT_BOOL("json", 0, &s.json, "print one JSON document"),
		OPT_BOOL("null", 'z', &s.zero, "end entries with NUL, names as they are"),
		OPT_BOOL("exit-code", 0, &s.exit_code, "exit 1 if a dataset is not clean"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = dataset_open(&s.env, ctx->repo, e);
	if (rc < 0)
		return rc;
	s.list = json_mkarr();
	rc = status(&s, argc - 1, argv + 1, e);
	if (rc == 0 && s.json)
		finish_json(&s);
	else
		json_unref(s.list);
	strvec_release(&s.present);
	strvec_release(&s.in_git);
	strvec_release(&s.samples);
	dataset_close(s.env);
	return rc == 0 && s.exit_code && s.unclean ? 1 : rc;
}
