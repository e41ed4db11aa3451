/* SPDX-License-Identifier: MIT */
/* remote.c - `git deepops remote`: where data goes; see git-deepops-remote(1) */
#include <stdio.h>

#include "base/hex.h"
#include "base/json.h"
#include "base/path.h"
#include "base/urltext.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "store/remote.h"
#include "sync/floor.h"
#include "sync/where.h"

#define UUID_BYTES 16

/* A URL may come from a committed file: nothing of it reaches a terminal raw. */
static void print_pair(const char *name, const char *text)
{
	struct buf clean = BUF_INIT;

	buf_grow(&clean, strlen(text) + 1);
	err_sanitize(clean.p, strlen(text) + 1, text);
	printf("%s\t%s\n", name, clean.p);
	buf_release(&clean);
}

/* ---- list ---- */

static int list_names(struct repo *r, struct strvec *names, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(r, &out, e, "remote", NULL);

	for (const char *line = out.p; rc == 0 && *line;) {
		size_t len = strcspn(line, "\n");
		char *name = xstrndup(line, len);
		bool ours;

		rc = where_is_ours(r, name, &ours, e);
		if (rc == 0 && ours)
			strvec_push(names, name);
		free(name);
		line += len + (line[len] == '\n');
	}
	buf_release(&out);
	return rc;
}

static void list_one(const struct where *w, const struct err *why, struct json *list)
{
	struct buf shown = BUF_INIT;
	struct json *item;

	urltext_public(&shown, w->url.p);
	if (!list) {
		print_pair(w->name.p, why->code ? why->msg : shown.p);
		buf_release(&shown);
		return;
	}
	item = json_mkobj();
	json_put_str(item, "name", w->name.p);
	if (why->code)
		json_put_str(item, "error", why->msg);
	else
		json_put_str(item, "url", shown.p);
	json_push(list, item);
	buf_release(&shown);
}

static void print_json(struct json *list)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put(doc, "remotes", list);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

static int remote_list(struct repo *r, bool json, struct err *e)
{
	struct strvec names = STRVEC_INIT;
	struct json *list = json ? json_mkarr() : NULL;
	int rc = list_names(r, &names, e);

	for (size_t i = 0; rc == 0 && i < names.nr; i++) {
		struct err why = ERR_INIT;
		struct where w;

		where_init(&w);
		if (where_resolve(r, names.v[i], WHERE_TO, &w, &why) < 0)
			buf_sets(&w.name, names.v[i]); /* said in its line: others are fine */
		list_one(&w, &why, list);
		where_release(&w);
	}
	if (rc == 0 && json)
		print_json(list);
	else
		json_unref(list);
	strvec_release(&names);
	return rc;
}

/* ---- add, rm ---- */

static int set_key(struct repo *r, const char *name, const char *key, const char *value,
		   struct err *e)
{
	char *full = xstrfmt("remote.%s.%s", name, key);
	int rc = repo_config_set(r, full, value, e);

	free(full);
	return rc;
}

static void hint_add(const char *name, struct err *e)
{
	char *word = path_word(name);

	err_hint(e, "git remote add %s URL", word);
	free(word);
}

static int must_exist(struct repo *r, const char *name, struct err *e)
{
	char *key = xstrfmt("remote.%s.url", name);
	struct buf url = BUF_INIT;
	int rc = repo_config_get(r, key, &url, e);

	if (rc == 0) {
		rc = err_set(e, ERR_NOTFOUND, "no git remote named '%s'", name);
		hint_add(name, e);
	}
	free(key);
	buf_release(&url);
	return rc < 0 ? rc : 0;
}

/* Whoever types the URL has confirmed it, also for when .deepops/config names the same. */
static int remote_add(struct repo *r, const char *name, const char *url, struct err *e)
{
	int rc = must_exist(r, name, e);

	if (rc == 0)
		rc = set_key(r, name, "deepops", "true", e);
	if (rc == 0)
		rc = set_key(r, name, "deepopsUrl", url, e);
	if (rc == 0)
		rc = repo_config_add(r, "deepops.confirmed", url, e);
	return rc;
}

static int unset(struct repo *r, const char *name, const char *key, const char *value)
{
	char *full = xstrfmt("remote.%s.%s", name, key);
	int rc = value ? repo_git_run(r, NULL, NULL, "config", "--fixed-value", "--unset-all", full,
				      value, NULL)
		       : repo_git_run(r, NULL, NULL, "config", "--unset-all", full, NULL);

	free(full);
	return rc;
}

/* The git remote stays; nothing of ours goes there any more. */
static int remote_rm(struct repo *r, const char *name, struct err *e)
{
	char *logs = xstrfmt("+refs/deepops/log/*:refs/deepops/remotes/%s/log/*", name);
	char *notes = xstrfmt("+refs/notes/deepops*:refs/deepops/remotes/%s/notes/deepops*", name);
	bool ours = false;
	int rc = where_is_ours(r, name, &ours, e);
	bool any = unset(r, name, "deepopsUrl", NULL) == 0;

	if (rc == 0 && !ours && !any)
		rc = err_set(e, ERR_NOTFOUND, "no data goes to a remote named '%s'", name);
	if (rc == 0) {
		/* Each of them may be absent, and then is as it should be. */
		(void)unset(r, name, "fetch", logs);
		(void)unset(r, name, "fetch", notes);
		rc = set_key(r, name, "deepops", "false", e);
	}
	free(logs);
	free(notes);
	return rc;
}

/* ---- check ---- */

static void print_floor(struct repo *r, const struct where *w, struct remote *remote)
{
	struct floor f;

	floor_init(&f);
	floor_ask(r, w, remote, &f);
	if (f.state == FLOOR_TEXT)
		printf("  policy      %zu bytes\n", f.text.len);
	else
		printf("  policy      %s\n", f.state == FLOOR_NONE ? "none" : "not told");
	floor_release(&f);
}

static int check_one(struct repo *r, const char *name, struct err *e)
{
	char uuid[2 * UUID_BYTES + 1];
	struct remote *remote = NULL;
	struct remote_where view;
	struct buf shown = BUF_INIT;
	struct where w;
	int rc;

	where_init(&w);
	rc = where_resolve(r, name, WHERE_TO, &w, e);
	if (rc == 0) {
		view = where_view(&w);
		rc = remote_open(&remote, &view, e);
		if (rc < 0)
			err_wrap(e, "remote %s", w.name.p);
	}
	if (rc == 0) {
		hex_encode(uuid, remote_uuid(remote), UUID_BYTES);
		urltext_public(&shown, w.url.p);
		print_pair(w.name.p, shown.p);
		printf("  role        %s\n", remote_role(remote));
		printf("  transport   %s\n", remote_describe(remote));
		printf("  store       %s, generation %" PRIu64 "\n", uuid,
		       remote_generation(remote));
		print_floor(r, &w, remote);
		remote_close(&remote);
	}
	buf_release(&shown);
	where_release(&w);
	return rc;
}

int cmd_remote(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {
		"git deepops remote [list] [--json]", "git deepops remote add NAME URL",
		"git deepops remote rm NAME", "git deepops remote check [NAME]", NULL};
	bool json = false;
	struct opt opts[] = {OPT_BOOL("json", 0, &json, "print JSON"), OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);
	const char *verb = argc > 1 ? argv[1] : "list";

	if (rc)
		return rc;
	if (!strcmp(verb, "list") && argc <= 2)
		return remote_list(ctx->repo, json, e);
	if (!strcmp(verb, "add") && argc == 4)
		return remote_add(ctx->repo, argv[2], argv[3], e);
	if (!strcmp(verb, "rm") && argc == 3)
		return remote_rm(ctx->repo, argv[2], e);
	if (!strcmp(verb, "check") && argc <= 3)
		return check_one(ctx->repo, argc == 3 ? argv[2] : NULL, e);
	err_set(e, ERR_USAGE, "remote takes: list, add NAME URL, rm NAME, check [NAME]");
	return err_hint(e, "git deepops remote -h");
}
