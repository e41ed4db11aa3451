/* SPDX-License-Identifier: MIT */
/* init.c - `git deepops init`: make a clone ready; see git-deepops-init(1) */

#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/pointer.h"
#include "repo/hooks.h"
#include "repo/settings.h"
#include "repo/workfile.h"

struct init {
	struct repo *repo;
	const char *remote_url; /* --remote */
	unsigned int changes;   /* 0 at the end: all was there */
};

static PRINTF_LIKE(2, 3) void changed(struct init *in, const char *fmt, ...)
{
	struct buf line = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&line, fmt, ap);
	va_end(ap);
	if (log_level() > LOG_QUIET)
		puts(line.p);
	in->changes++;
	buf_release(&line);
}

/* ---- git config ---- */

static int set_config(struct init *in, const char *key, const char *value, struct err *e)
{
	struct buf have = BUF_INIT;
	int rc = repo_config_get(in->repo, key, &have, e);

	if (rc >= 0 && (rc == 0 || strcmp(have.p, value) != 0)) {
		rc = repo_config_set(in->repo, key, value, e);
		if (rc == 0)
			changed(in, "config: %s = %s", key, value);
	}
	buf_release(&have);
	return rc < 0 ? rc : 0;
}

static int add_config(struct init *in, const char *key, const char *value, struct err *e)
{
	struct strvec have = STRVEC_INIT;
	int rc = repo_config_all(in->repo, key, &have, e);

	if (rc == 0 && !strvec_has(&have, value)) {
		rc = repo_config_add(in->repo, key, value, e);
		if (rc == 0)
			changed(in, "config: %s = %s", key, value);
	}
	strvec_release(&have);
	return rc;
}

/*
 * A pattern: of a ref that is not there yet git warns with every log, of a pattern that matches none it does not.
 * The exact name is what earlier versions set.
 */
static int show_notes(struct init *in, struct err *e)
{
	struct strvec have = STRVEC_INIT;
	int rc = repo_config_all(in->repo, "notes.displayRef", &have, e);

	if (rc == 0 && strvec_has(&have, "refs/notes/deepops"))
		rc = repo_git_run(in->repo, NULL, e, "config", "--local", "--unset-all",
				  "notes.displayRef", "^refs/notes/deepops$", NULL);
	if (rc == ERR_SYS) { /* it stands in another file than this repository's */
		err_clear(e);
		rc = 0;
	}
	strvec_release(&have);
	return rc < 0 ? rc : add_config(in, "notes.displayRef", INIT_NOTES, e);
}

/*
 * The merge driver writes a valid pointer in every case; the text conversion makes
 * `git diff` say which files changed.
 */
static int set_drivers(struct init *in, struct err *e)
{
	static const char *const drivers[][2] = {
		{"merge.deepops.name", "datasets, entry by entry"},
		{"merge.deepops.driver", "git deepops merge-driver %O %A %B %P"},
		{"diff.deepops.textconv", "git deepops textconv"},
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(drivers); i++)
		rc = set_config(in, drivers[i][0], drivers[i][1], e);
	return rc == 0 ? show_notes(in, e) : rc;
}

/* ---- remotes ---- */

/* "origin", or the only remote there is; 0: none. */
static int find_origin(struct repo *r, struct buf *name, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(r, &out, e, "remote", NULL);
	size_t len = strcspn(out.p, "\n");
	struct buf url = BUF_INIT;

	if (rc == 0)
		rc = repo_config_get(r, "remote.origin.url", &url, e);
	if (rc == 1) {
		buf_sets(name, "origin");
	} else if (rc == 0 && len && !out.p[len + 1]) {
		buf_add(name, out.p, len);
		rc = 1;
	}
	buf_release(&url);
	buf_release(&out);
	return rc;
}

/*
 * Wildcards only: a refspec that names one ref makes every fetch fail while the remote
 * lacks it.  Where nothing is fetched by configuration (a mirror to push to), ours would become the
 * only thing that is.
 */
static int add_refspecs(struct init *in, const char *remote, struct err *e)
{
	char *key = xstrfmt("remote.%s.fetch", remote);
	char *logs = xstrfmt("+refs/deepops/log/*:refs/deepops/remotes/%s/log/*", remote);
	char *notes =
		xstrfmt("+refs/notes/deepops*:refs/deepops/remotes/%s/notes/deepops*", remote);
	struct strvec have = STRVEC_INIT;
	struct buf mode = BUF_INIT;
	int rc = repo_config_all(in->repo, key, &have, e);
	bool any = have.nr > 0;

	if (rc == 0)
		rc = repo_config_get(in->repo, "deepops.fetch", &mode, e);
	if (rc >= 0 && any && strcmp(mode.p, "none") != 0) {
		rc = 0;
		if (!mode.len || !strcmp(mode.p, "all"))
			rc = add_config(in, key, logs, e);
		if (rc == 0)
			rc = add_config(in, key, notes, e);
	}
	free(key);
	free(logs);
	free(notes);
	strvec_release(&have);
	buf_release(&mode);
	return rc < 0 ? rc : 0;
}

static int set_remote(struct init *in, struct err *e)
{
	struct buf name = BUF_INIT;
	struct buf have = BUF_INIT;
	char *key = NULL;
	int rc = find_origin(in->repo, &name, e);

	if (rc == 0)
		log_hint("there is no git remote yet: after `git remote add origin URL`, "
			 "run git deepops init again");
	if (rc == 1) {
		key = xstrfmt("remote.%s.deepops", name.p);
		rc = repo_config_get(in->repo, key, &have, e);
		if (rc == 0)
			rc = set_config(in, key, "true", e);
		else if (rc == 1 && !strcmp(have.p, "false"))
			log_note("%s = false: nothing of git-deepops goes there", key);
		if (rc >= 0 && strcmp(have.p, "false") != 0)
			rc = add_refspecs(in, name.p, e);
	}
	free(key);
	buf_release(&name);
	buf_release(&have);
	return rc < 0 ? rc : 0;
}

/* ---- files in the work tree ---- */

/* The line of [deepops] that begins with `remote`, in the form this command writes. */
static void replace_remote(struct buf *text, const char *url)
{
	struct buf out = BUF_INIT;
	bool in_section = false;
	bool done = false;

	for (const char *line = text->p; *line;) {
		size_t len = strcspn(line, "\n");
		const char *word = line + strspn(line, " \t");
		const char *rest = word;

		if (*word == '[')
			in_section = str_startswith(word, "[deepops]", NULL);
		if (in_section && str_startswith(word, "remote", &rest) &&
		    rest[strspn(rest, " \t")] == '=') {
			if (!done)
				buf_addf(&out, "\tremote = %s\n", url);
			done = true;
		} else {
			buf_add(&out, line, len);
			buf_addch(&out, '\n');
			if (!done && in_section && *word == '[') {
				buf_addf(&out, "\tremote = %s\n", url);
				done = true;
			}
		}
		line += len + (line[len] == '\n');
	}
	if (!done)
		buf_addf(&out, "[deepops]\n\tremote = %s\n", url);
	buf_swap(text, &out);
	buf_release(&out);
}

static int write_config_file(struct init *in, struct err *e)
{
	struct buf old = BUF_INIT;
	struct buf text = BUF_INIT;
	int rc = workfile_read(in->repo, SETTINGS_PATH, &old, e);

	if (rc > 0)
		buf_addbuf(&text, &old);
	else
		buf_addstr(&text,
			   "; Settings of git-deepops for everybody who clones this repository:\n"
			   "; see gitformat-deepops-config(5).\n"
			   "[deepops]\n");
	if (rc >= 0 && in->remote_url)
		replace_remote(&text, in->remote_url);
	if (rc >= 0 && (rc == 0 || buf_cmp(&old, &text) != 0)) {
		rc = workfile_write(in->repo, SETTINGS_PATH, 0666, &text, e);
		if (rc == 0)
			changed(in, "wrote %s", SETTINGS_PATH);
	}
	buf_release(&old);
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

static int set_files(struct init *in, struct err *e)
{
	int rc = write_config_file(in, e);

	/* Whoever writes the URL here has confirmed it. */
	if (rc == 0 && in->remote_url)
		rc = add_config(in, "deepops.confirmed", in->remote_url, e);
	if (rc == 0) {
		rc = workfile_add_line(in->repo, ".gitattributes", POINTER_ATTRIBUTES, e);
		if (rc == 1)
			changed(in, "added to .gitattributes: %s", POINTER_ATTRIBUTES);
	}
	return rc < 0 ? rc : 0;
}

/* ---- hooks ---- */

static void report_hook(struct init *in, const struct hooks_place *place, const char *name,
			enum hooks_result result)
{
	struct buf line = BUF_INIT;

	hooks_line(name, &line);
	switch (result) {
	case HOOKS_KEPT:
		break;
	case HOOKS_INSTALLED:
		changed(in, "hook: %s/%s", place->dir.p, name);
		break;
	case HOOKS_CHAINED:
		changed(in, "hook: %s/%s; the one that was there runs first", place->dir.p, name);
		break;
	case HOOKS_APPENDED:
		changed(in, "hook: a line added to %s/%s", place->dir.p, name);
		break;
	case HOOKS_REFUSED:
		log_warn("core.hooksPath leads to %s, which is not ours to change", place->dir.p);
		log_hint("for %s, add this line there: %s", name, line.p);
		break;
	}
	buf_release(&line);
}

static int set_hooks(struct init *in, struct err *e)
{
	struct hooks_place place;
	struct buf program = BUF_INIT;
	enum hooks_result result;
	int rc = hooks_find(in->repo, &place, e);

	if (rc == 0)
		rc = path_beside_program(&program, "git-deepops", e);
	for (size_t i = 0; rc == 0 && hooks_names[i]; i++) {
		rc = hooks_install(&place, hooks_names[i], program.p, &result, e);
		if (rc == 0)
			report_hook(in, &place, hooks_names[i], result);
	}
	hooks_place_release(&place);
	buf_release(&program);
	return rc;
}

bool cmd_init_done(struct repo *r)
{
	struct buf driver = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = repo_config_get(r, "merge.deepops.driver", &driver, &e);

	buf_release(&driver);
	return rc != 0; /* what cannot be read is no reason to say that it is not there */
}

void cmd_init_remind(struct repo *r)
{
	struct buf origin = BUF_INIT;
	struct err e = ERR_INIT;

	fflush(stdout); /* the result first */
	if (!cmd_init_done(r) && find_origin(r, &origin, &e) == 1)
		log_hint("git push will not send the data from this clone before git deepops init");
	buf_release(&origin);
}

int cmd_init(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops init [--remote URL]", NULL};
	struct init in = {NULL, NULL, 0};
	struct opt opts[] = {OPT_STR("remote", 0, &in.remote_url, "URL",
				     "keep data there, not beside the git remote"),
			     OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "unexpected argument '%s'", argv[1]);
	if (in.remote_url && strpbrk(in.remote_url, "\n\"\\;#"))
		return err_set(e, ERR_USAGE, "'%s' can't be written to %s", in.remote_url,
			       SETTINGS_PATH);
	in.repo = ctx->repo;
	rc = set_files(&in, e);
	if (rc == 0)
		rc = set_drivers(&in, e);
	if (rc == 0)
		rc = set_remote(&in, e);
	if (rc == 0)
		rc = set_hooks(&in, e);
	if (rc == 0 && !in.changes)
		log_note("git-deepops is set up here already");
	return rc;
}
