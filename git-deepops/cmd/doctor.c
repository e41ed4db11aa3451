/* SPDX-License-Identifier: MIT */
/* doctor.c - `git deepops doctor`: explain an installation; see git-deepops-doctor(1) */
#include "cmd/doctor.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "repo/hooks.h"
#include "repo/settings.h"
#include "repo/workfile.h"

static const char *const state_names[] = {"present", "absent", "bypassed", "broken"};

/* ---- what was found ---- */

static void doctor_add(struct doctor *d, enum doctor_state state, const char *part,
		       const char *mend, const char *detail)
{
	struct json *item;

	d->broken = d->broken || state == DOCTOR_BROKEN;
	if (!d->list) {
		log_print("%-9s %s: %s", state_names[state], part, detail);
		if (*mend)
			log_print("          mend: %s", mend);
		return;
	}
	item = json_mkobj();
	json_put_str(item, "part", part);
	json_put_str(item, "state", state_names[state]);
	json_put_str(item, "detail", detail);
	if (*mend)
		json_put_str(item, "mend", mend);
	json_push(d->list, item);
}

void cmd_doctor_say(struct doctor *d, enum doctor_state state, const char *part, const char *mend,
		    const char *fmt, ...)
{
	struct buf detail = BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&detail, fmt, ap);
	va_end(ap);
	doctor_add(d, state, part, mend ? mend : "", detail.p);
	buf_release(&detail);
}

void cmd_doctor_err(struct doctor *d, const char *part, const struct err *why)
{
	doctor_add(d, DOCTOR_BROKEN, part, why->hint, why->msg);
}

/* ---- git itself ---- */

/* "git version 2.39.5": --path-format of rev-parse came with 2.31. */
static int check_git(struct doctor *d, struct err *e)
{
	struct buf out = BUF_INIT;
	const char *version = "";
	uint64_t major = 0;
	uint64_t minor = 0;
	int rc = repo_git_run(d->repo, &out, e, "version", NULL);

	buf_rtrim(&out);
	if (rc == 0 && str_startswith(out.p, "git version ", &version)) {
		size_t n = strcspn(version, ".");

		if (num_parse_u64n(version, n, 0, 1000, &major, NULL) < 0 || !version[n] ||
		    num_parse_u64n(version + n + 1, strspn(version + n + 1, "0123456789"), 0, 1000,
				   &minor, NULL) < 0)
			major = 0;
		if (major > 2 || (major == 2 && minor >= 31))
			cmd_doctor_say(d, DOCTOR_PRESENT, "git", NULL, "%s", version);
		else
			cmd_doctor_say(d, DOCTOR_BROKEN, "git", "install git 2.31 or newer",
				       "%s is too old", out.p);
	}
	buf_release(&out);
	return rc;
}

/* ---- files of the work tree ---- */

static void check_config_file(struct doctor *d)
{
	struct buf text = BUF_INIT;
	struct settings settings;
	struct err e = ERR_INIT;
	int rc = workfile_read(d->repo, SETTINGS_PATH, &text, &e);

	settings_init(&settings);
	if (rc == 0)
		cmd_doctor_say(d, DOCTOR_ABSENT, SETTINGS_PATH, "git deepops init", "not there");
	if (rc > 0) {
		rc = settings_parse(&settings, text.p, text.len, &e);
		if (rc == 0)
			cmd_doctor_say(d, DOCTOR_PRESENT, SETTINGS_PATH, NULL, "can be read");
	}
	if (rc < 0) {
		if (!e.hint[0])
			err_hint(&e, "git checkout -- %s brings back the one that git has",
				 SETTINGS_PATH);
		cmd_doctor_err(d, SETTINGS_PATH, &e);
	}
	settings_release(&settings);
	buf_release(&text);
}

/* As git applies them to a pointer, wherever they stand. */
static int check_attributes(struct doctor *d, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(d->repo, &out, e, "check-attr", "text", "merge", "diff", "--",
			      "x.deepops", NULL);
	bool good = strstr(out.p, ": text: unset") && strstr(out.p, ": merge: deepops") &&
		    strstr(out.p, ": diff: deepops");

	if (rc == 0 && good)
		cmd_doctor_say(d, DOCTOR_PRESENT, ".gitattributes", NULL,
			       "pointers keep their bytes");
	else if (rc == 0)
		cmd_doctor_say(d, DOCTOR_BROKEN, ".gitattributes", "git deepops init",
			       "pointers are ordinary text: autocrlf and merges may spoil them");
	buf_release(&out);
	return rc;
}

/* ---- configuration ---- */

static int check_key(struct doctor *d, const char *key, const char *what, struct err *e)
{
	struct buf value = BUF_INIT;
	int rc = repo_config_get(d->repo, key, &value, e);

	if (rc > 0)
		cmd_doctor_say(d, DOCTOR_PRESENT, key, NULL, "%s", value.p);
	else if (rc == 0)
		cmd_doctor_say(d, DOCTOR_BROKEN, key, "git deepops init", "%s", what);
	buf_release(&value);
	return rc < 0 ? rc : 0;
}

static int check_notes(struct doctor *d, struct err *e)
{
	struct strvec shown = STRVEC_INIT;
	struct strvec rewritten = STRVEC_INIT;
	int rc = repo_config_all(d->repo, "notes.displayRef", &shown, e);

	if (rc == 0)
		rc = repo_config_all(d->repo, "notes.rewriteRef", &rewritten, e);
	if (rc == 0 && strvec_has(&shown, INIT_NOTES))
		cmd_doctor_say(d, DOCTOR_PRESENT, "notes", NULL, "git log shows runs");
	else if (rc == 0)
		cmd_doctor_say(d, DOCTOR_ABSENT, "notes", "git deepops init",
			       "git log does not show runs");
	if (strvec_has(&rewritten, "refs/notes/deepops") || strvec_has(&rewritten, "refs/notes/*"))
		cmd_doctor_say(d, DOCTOR_BROKEN, "notes.rewriteRef",
			       "git config --unset-all notes.rewriteRef",
			       "an amended commit inherits runs of another tree");
	strvec_release(&shown);
	strvec_release(&rewritten);
	return rc;
}

/* ---- hooks ---- */

static int check_hook(struct doctor *d, const struct hooks_place *place, const char *name,
		      struct err *e)
{
	enum hooks_state state;
	struct buf line = BUF_INIT;
	char *part = xstrfmt("hook %s", name);
	char *path = xstrfmt("%s/%s", place->dir.p, name), *word = path_word(path);
	char *mend, *run_bit = xstrfmt("chmod +x %s", word);
	int rc = hooks_look(place, name, &state, e);

	hooks_line(name, &line);
	mend = place->kind == HOOKS_IN_GITDIR
		       ? xstrdup("git deepops init")
		       : xstrfmt("add to %s/%s: %s", place->dir.p, name, line.p);
	if (rc == 0 && state == HOOKS_OURS)
		cmd_doctor_say(d, DOCTOR_PRESENT, part, NULL, "%s/%s", place->dir.p, name);
	else if (rc == 0 && state == HOOKS_NOT_EXECUTABLE)
		cmd_doctor_say(d, DOCTOR_BROKEN, part, run_bit,
			       "%s/%s is not executable: git ignores it", place->dir.p, name);
	else if (rc == 0 && place->kind == HOOKS_ELSEWHERE)
		cmd_doctor_say(d, DOCTOR_BYPASSED, part, mend, "core.hooksPath leads to %s",
			       place->dir.p);
	else if (rc == 0 && state == HOOKS_FOREIGN)
		cmd_doctor_say(d, DOCTOR_BYPASSED, part, mend, "%s/%s does not call git-deepops",
			       place->dir.p, name);
	else if (rc == 0)
		cmd_doctor_say(d, DOCTOR_BROKEN, part, mend, "not installed");
	free(part);
	free(mend);
	free(run_bit);
	free(word);
	free(path);
	buf_release(&line);
	return rc;
}

static int check_hooks(struct doctor *d, struct err *e)
{
	struct hooks_place place;
	int rc = hooks_find(d->repo, &place, e);

	for (size_t i = 0; rc == 0 && hooks_names[i]; i++)
		rc = check_hook(d, &place, hooks_names[i], e);
	hooks_place_release(&place);
	return rc;
}

/* ---- everything ---- */

static int check_all(struct doctor *d, bool offline, struct err *e)
{
	int rc = check_git(d, e);

	check_config_file(d);
	if (rc == 0)
		rc = check_attributes(d, e);
	if (rc == 0)
		rc = check_key(d, "merge.deepops.driver", "pointers do not merge entry by entry",
			       e);
	if (rc == 0)
		rc = check_key(d, "diff.deepops.textconv", "git diff can't show what changed", e);
	if (rc == 0)
		rc = check_notes(d, e);
	if (rc == 0)
		rc = check_hooks(d, e);
	cmd_doctor_place(d);
	if (rc == 0)
		rc = cmd_doctor_datasets(d, e);
	if (rc == 0)
		rc = cmd_doctor_remote(d, offline, e);
	return rc;
}

static void print_json(struct doctor *d)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put_bool(doc, "broken", d->broken);
	json_put(doc, "parts", json_ref(d->list));
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

static int hint_server(const char *dir, struct err *e)
{
	char *word = path_word(dir);

	err_hint(e, "git deepops server doctor %s", word);
	free(word);
	return e ? e->code : ERR_INPUT;
}

int cmd_doctor(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops doctor [--json] [--offline]", NULL};
	struct doctor d = {.repo = ctx->repo};
	bool json = false;
	bool offline = false;
	struct opt opts[] = {OPT_BOOL("json", 0, &json, "print JSON"),
			     OPT_BOOL("offline", 0, &offline, "do not connect to the remote"),
			     OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "unexpected argument '%s'", argv[1]);
	if (!repo_worktree(ctx->repo)) {
		err_set(e, ERR_INPUT, "%s is a bare repository", repo_gitdir(ctx->repo));
		return hint_server(repo_gitdir(ctx->repo), e);
	}
	d.list = json ? json_mkarr() : NULL;
	rc = check_all(&d, offline, e);
	if (rc == 0 && json)
		print_json(&d);
	json_unref(d.list);
	return rc < 0 ? rc : d.broken;
}
