/* SPDX-License-Identifier: MIT */
/* where.c - which chunk remote belongs to a git remote; see where.h */

#include "sync/where.h"

#include <stdlib.h>

#include "base/path.h"
#include "repo/settings.h"
#include "transport/url.h"

void where_init(struct where *w)
{
	buf_init(&w->name);
	buf_init(&w->url);
	buf_init(&w->serve);
	buf_init(&w->transport);
	buf_init(&w->ssh_command);
	w->ssh_command_is_program = false;
}

void where_release(struct where *w)
{
	buf_release(&w->name);
	buf_release(&w->url);
	buf_release(&w->serve);
	buf_release(&w->transport);
	buf_release(&w->ssh_command);
}

/* ---- which git remote ---- */

/* The value of "<a><b><c>", or 0. */
static int get3(struct repo *r, const char *a, const char *b, const char *c, struct buf *out,
		struct err *e)
{
	struct buf key = BUF_INIT;
	int rc;

	buf_addf(&key, "%s%s%s", a, b, c);
	rc = repo_config_get(r, key.p, out, e);
	buf_release(&key);
	return rc;
}

static int list_remotes(struct repo *r, struct strvec *names, struct err *e)
{
	struct buf out = BUF_INIT;
	int rc = repo_git_run(r, &out, e, "remote", NULL);
	char *line = out.p;

	while (rc == 0 && *line) {
		char *end = strchr(line, '\n');

		strvec_pushn(names, line, end ? (size_t)(end - line) : strlen(line));
		if (!end)
			break;
		line = end + 1;
	}
	buf_release(&out);
	return rc;
}

/* Where a branch comes from; "." is this repository, as a branch of another local one has it. */
static int branch_remote(struct repo *r, const char *branch, struct buf *name, struct err *e)
{
	int rc = get3(r, "branch.", branch, ".remote", name, e);

	if (rc != 1 || strcmp(name->p, ".") != 0)
		return rc;
	buf_reset(name);
	return 0;
}

/* As git chooses for `git push` or `git fetch` without a name. */
static int default_remote(struct repo *r, enum where_way way, struct buf *name, struct err *e)
{
	struct strvec names = STRVEC_INIT;
	struct buf branch = BUF_INIT;
	struct repo_oid head;
	const char *b = "";
	int rc = repo_head(r, &branch, &head, e);

	if (rc == 0)
		str_startswith(branch.p, "refs/heads/", &b);
	if (rc == 0 && *b && way == WHERE_TO)
		rc = get3(r, "branch.", b, ".pushRemote", name, e);
	if (rc == 0 && way == WHERE_TO)
		rc = repo_config_get(r, "remote.pushDefault", name, e);
	if (rc == 0 && *b)
		rc = branch_remote(r, b, name, e);
	if (rc == 0) {
		rc = list_remotes(r, &names, e);
		if (rc == 0)
			buf_addstr(name, names.nr == 1 ? names.v[0] : "origin");
	}
	strvec_release(&names);
	buf_release(&branch);
	return rc < 0 ? rc : 0;
}

/* A URL on the command line stands for the remote that has exactly this URL. */
static int remote_with_url(struct repo *r, const char *url, struct buf *name, struct err *e)
{
	struct strvec names = STRVEC_INIT;
	struct buf value = BUF_INIT;
	int rc = list_remotes(r, &names, e);

	for (size_t i = 0; rc == 0 && !name->len && i < names.nr; i++) {
		buf_reset(&value);
		rc = get3(r, "remote.", names.v[i], ".url", &value, e);
		if (rc == 1 && !strcmp(value.p, url))
			buf_addstr(name, names.v[i]);
		rc = rc < 0 ? rc : 0;
	}
	strvec_release(&names);
	buf_release(&value);
	return rc;
}

static int find_remote(struct repo *r, const char *name, enum where_way way, struct where *out,
		       struct err *e)
{
	struct buf url = BUF_INIT;
	int rc;

	if (!name) {
		rc = default_remote(r, way, &out->name, e);
		if (rc < 0)
			return rc;
		name = out->name.p;
	}
	rc = get3(r, "remote.", name, ".url", &url, e);
	buf_release(&url);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		if (name != out->name.p)
			buf_sets(&out->name, name);
		return 0;
	}
	rc = name == out->name.p ? 0 : remote_with_url(r, name, &out->name, e);
	if (rc < 0 || (out->name.len && name != out->name.p))
		return rc;
	err_set(e, ERR_NOTFOUND, "no git remote named %s", name);
	err_hint(e, "git remote add %s URL && git deepops init", name);
	return ERR_NOTFOUND;
}

/* ---- which chunk remote ---- */

static bool is_local_url(const char *text)
{
	struct url u = URL_INIT;
	bool local = url_parse(&u, text, NULL) == 0 && u.kind == URL_LOCAL;

	url_release(&u);
	return local;
}

/* A relative path is meant from the top of the work tree, as git has it. */
static void absolute_url(struct repo *r, struct buf *url)
{
	struct buf path = BUF_INIT;
	const char *base = repo_worktree(r) ? repo_worktree(r) : repo_gitdir(r);

	if (!is_local_url(url->p) || url->p[0] == '/' || str_startswith(url->p, "file://", NULL))
		return;
	path_join(&path, base, url->p);
	buf_swap(&path, url);
	buf_release(&path);
}

static bool same_host(const char *a, const char *b)
{
	struct url ua = URL_INIT, ub = URL_INIT;
	bool same = url_parse(&ua, a, NULL) == 0 && url_parse(&ub, b, NULL) == 0 &&
		    ua.kind == URL_SSH && ub.kind == URL_SSH && !strcmp(ua.host, ub.host);

	url_release(&ua);
	url_release(&ub);
	return same;
}

static int check_confirmed(struct repo *r, const char *url, const char *git_url, struct err *e)
{
	struct strvec confirmed = STRVEC_INIT;
	struct buf quoted = BUF_INIT;
	bool found;
	int rc;

	if (same_host(url, git_url))
		return 0;
	rc = repo_config_all(r, "deepops.confirmed", &confirmed, e);
	found = rc == 0 && strvec_has(&confirmed, url);
	strvec_release(&confirmed);
	if (rc < 0 || found)
		return rc;
	err_set(e, ERR_DENIED,
		".deepops/config sends data to %s, which is not the git remote's host", url);
	path_shell_quote(&quoted, url); /* an outsider's word in a command that people paste */
	err_hint(e, "if you trust it: git config --add deepops.confirmed %s", quoted.p);
	buf_release(&quoted);
	return ERR_DENIED;
}

static int git_url_of(struct repo *r, const char *name, enum where_way way, struct buf *url,
		      struct err *e)
{
	int rc = way == WHERE_TO
			 ? repo_git_run(r, url, e, "remote", "get-url", "--push", name, NULL)
			 : repo_git_run(r, url, e, "remote", "get-url", name, NULL);

	buf_rtrim(url);
	return rc;
}

static int resolve_url(struct repo *r, enum where_way way, struct where *out, struct err *e)
{
	struct buf git_url = BUF_INIT;
	struct settings settings;
	int rc = get3(r, "remote.", out->name.p, ".deepopsUrl", &out->url, e);

	if (rc == 0)
		rc = repo_config_get(r, "deepops.remote", &out->url, e);
	if (rc != 0)
		return MIN(rc, 0);
	settings_init(&settings);
	rc = git_url_of(r, out->name.p, way, &git_url, e);
	if (rc == 0)
		rc = settings_load(r, &settings, e);
	if (rc == 0)
		buf_sets(&out->url, settings.remote ? settings.remote : git_url.p);
	if (rc == 0 && settings.remote)
		rc = check_confirmed(r, out->url.p, git_url.p, e);
	settings_release(&settings);
	buf_release(&git_url);
	return rc;
}

/* ---- how to get there ---- */

static int resolve_ssh(struct repo *r, struct where *out, struct err *e)
{
	const char *env = getenv("GIT_SSH_COMMAND");
	int rc;

	if (env && *env) {
		buf_addstr(&out->ssh_command, env);
		return 0;
	}
	rc = repo_config_get(r, "core.sshCommand", &out->ssh_command, e);
	if (rc)
		return rc < 0 ? rc : 0;
	env = getenv("GIT_SSH");
	if (env && *env) {
		buf_addstr(&out->ssh_command, env);
		out->ssh_command_is_program = true;
	}
	return 0;
}

int where_resolve(struct repo *r, const char *name, enum where_way way, struct where *out,
		  struct err *e)
{
	int rc = find_remote(r, name, way, out, e);

	if (rc == 0)
		rc = resolve_url(r, way, out, e);
	if (rc < 0)
		return rc;
	absolute_url(r, &out->url);
	rc = get3(r, "remote.", out->name.p, ".deepopsServe", &out->serve, e);
	if (rc >= 0)
		rc = repo_config_get(r, "deepops.sshTransport", &out->transport, e);
	return rc < 0 ? rc : resolve_ssh(r, out, e);
}

int where_is_ours(struct repo *r, const char *name, bool *ours, struct err *e)
{
	struct buf key = BUF_INIT;
	int rc;

	buf_addf(&key, "remote.%s.deepops", name);
	rc = repo_config_bool(r, key.p, false, ours, e);
	buf_release(&key);
	return rc;
}

static const char *or_null(const struct buf *b)
{
	return b->len ? b->p : NULL;
}

struct remote_where where_view(const struct where *w)
{
	struct remote_where v = {w->url.p, or_null(&w->serve), or_null(&w->transport),
				 or_null(&w->ssh_command), w->ssh_command_is_program};

	return v;
}
