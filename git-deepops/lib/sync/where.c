/* SPDX-License-Identifier: MIT */
/* where.c - which chunk remote belongs to a git remote; see where.h */

#include "sync/where.h"

#include <stdlib.h>

#include "base/path.h"
#include "base/urltext.h"
#include "repo/settings.h"
#include "sync/where_internal.h"
#include "transport/url.h"

void where_init(struct where *w)
{
	buf_init(&w->name);
	buf_init(&w->git_url);
	w->one_of_many = false;
	buf_init(&w->url);
	buf_init(&w->serve);
	buf_init(&w->transport);
	buf_init(&w->ssh_command);
	w->ssh_command_is_program = false;
}

void where_release(struct where *w)
{
	buf_release(&w->name);
	buf_release(&w->git_url);
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
		rc = where_lines(r, &names, e, "remote", NULL);
		if (rc == 0)
			buf_addstr(name, names.nr == 1 ? names.v[0] : "origin");
	}
	strvec_release(&names);
	buf_release(&branch);
	return rc < 0 ? rc : 0;
}

/* A URL on the command line stands for the remote that has it. */
static int with_url(struct repo *r, const char *url, struct where *out, struct err *e)
{
	enum where_ours ours;
	struct buf found = BUF_INIT;
	int rc = where_match(r, url, NULL, &out->name, &found, &ours, e);

	if (rc == 0 && out->name.len) {
		buf_swap(&found, &out->git_url);
		out->one_of_many = true;
	}
	buf_release(&found);
	return rc;
}

/* It may be a URL, with a token in it. */
static int no_such_remote(const char *name, struct err *e)
{
	struct buf shown = BUF_INIT, quoted = BUF_INIT;

	urltext_public(&shown, name);
	if (strchr(name, ':') || strchr(name, '/')) {
		err_set(e, ERR_NOTFOUND, "no git remote has the URL %s", shown.p);
		err_hint(e, "git remote -v lists them; git remote add NAME URL && git deepops "
			    "init adds one");
	} else {
		path_shell_quote(&quoted, name);
		err_set(e, ERR_NOTFOUND, "no git remote named %s", name);
		err_hint(e, "git remote add %s URL && git deepops init", quoted.p);
	}
	buf_release(&shown);
	buf_release(&quoted);
	return ERR_NOTFOUND;
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
	rc = name == out->name.p ? 0 : with_url(r, name, out, e);
	if (rc < 0 || (out->name.len && name != out->name.p))
		return rc;
	return no_such_remote(name, e);
}

/* ---- which chunk remote ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/*
 * The git remote's own account, port and path?  Exactly: another user or port of the same host is
 * somebody else's, and what ssh's configuration adds is not known here.
 */
static bool is_git_remote(const char *url, const char *git_url)
{
	struct url a = URL_INIT, b = URL_INIT;
	bool same = url_parse(&a, url, NULL) == 0 && url_parse(&b, git_url, NULL) == 0 &&
		    a.kind == b.kind && same_text(a.user, b.user) && same_text(a.host, b.host) &&
		    a.port == b.port && same_text(a.path, b.path);

	url_release(&a);
	url_release(&b);
	return same;
}

static int check_confirmed(struct repo *r, const char *url, const char *git_url, struct err *e)
{
	struct strvec confirmed = STRVEC_INIT;
	struct buf quoted = BUF_INIT, shown = BUF_INIT;
	bool found;
	int rc;

	if (is_git_remote(url, git_url))
		return 0;
	rc = repo_config_all(r, "deepops.confirmed", &confirmed, e);
	found = rc == 0 && strvec_has(&confirmed, url);
	strvec_release(&confirmed);
	if (rc < 0 || found)
		return rc;
	urltext_public(&shown, url);
	err_set(e, ERR_DENIED,
		".deepops/config sends data to %s, which is not the git remote's place", shown.p);
	path_shell_quote(&quoted, url); /* an outsider's word in a command that people paste */
	err_hint(e, "if you trust it: git config --add deepops.confirmed %s", quoted.p);
	buf_release(&quoted);
	buf_release(&shown);
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

static int resolve_url(struct repo *r, struct where *out, struct err *e)
{
	struct settings settings;
	int rc = get3(r, "remote.", out->name.p, ".deepopsUrl", &out->url, e);

	if (rc == 0)
		rc = repo_config_get(r, "deepops.remote", &out->url, e);
	if (rc != 0)
		return MIN(rc, 0);
	settings_init(&settings);
	rc = settings_load(r, &settings, e);
	if (rc == 0)
		buf_sets(&out->url, settings.remote ? settings.remote : out->git_url.p);
	if (rc == 0 && settings.remote)
		rc = check_confirmed(r, out->url.p, out->git_url.p, e);
	settings_release(&settings);
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

/* out->name and out->git_url are known. */
static int resolve_rest(struct repo *r, struct where *out, struct err *e)
{
	int rc = resolve_url(r, out, e);

	if (rc < 0)
		return rc;
	where_absolute(r, &out->url);
	rc = get3(r, "remote.", out->name.p, ".deepopsServe", &out->serve, e);
	if (rc >= 0)
		rc = repo_config_get(r, "deepops.sshTransport", &out->transport, e);
	return rc < 0 ? rc : resolve_ssh(r, out, e);
}

int where_resolve(struct repo *r, const char *name, enum where_way way, struct where *out,
		  struct err *e)
{
	int rc = find_remote(r, name, way, out, e);

	if (rc == 0 && !out->git_url.len)
		rc = git_url_of(r, out->name.p, way, &out->git_url, e);
	return rc < 0 ? rc : resolve_rest(r, out, e);
}

int where_push_urls(struct repo *r, const char *name, struct strvec *urls, struct err *e)
{
	return where_lines(r, urls, e, "remote", "get-url", "--push", "--all", name, NULL);
}

/* Is it a remote, or a URL? */
static int is_name(struct repo *r, const char *name, bool *named, struct err *e)
{
	struct buf url = BUF_INIT;
	int rc = get3(r, "remote.", name, ".url", &url, e);

	*named = rc == 1;
	buf_release(&url);
	return MIN(rc, 0);
}

/* Which of them, and by which of its URLs. */
static int find_pushed(struct repo *r, const char *name, const char *url, struct where *out,
		       enum where_ours *ours, struct err *e)
{
	struct strvec urls = STRVEC_INIT;
	bool named;
	int rc = is_name(r, name, &named, e);

	if (rc == 0 && named)
		rc = where_push_urls(r, name, &urls, e);
	out->one_of_many = !named || urls.nr > 1;
	if (rc == 0 && out->one_of_many)
		rc = where_match(r, url, named ? name : NULL, &out->name, &out->git_url, ours, e);
	if (rc == 0 && !named && !out->name.len && strcmp(name, url) != 0)
		rc = where_match(r, name, NULL, &out->name, &out->git_url, ours, e);
	if (rc == 0 && named && *ours == WHERE_UNSAID) /* nothing is said of it by that name */
		buf_reset(&out->name);
	if (rc == 0 && named && !out->name.len) {
		buf_sets(&out->name, name);
		buf_sets(&out->git_url, url);
		rc = where_said(r, name, ours, e);
	}
	strvec_release(&urls);
	return rc;
}

int where_resolve_push(struct repo *r, const char *name, const char *url, struct where *out,
		       enum where_ours *ours, struct err *e)
{
	int rc;

	*ours = WHERE_STRANGER;
	rc = find_pushed(r, name, url, out, ours, e);
	return rc < 0 || *ours != WHERE_OURS ? rc : resolve_rest(r, out, e);
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

int where_is_mirror(struct repo *r, const char *name, bool *mirror, struct err *e)
{
	enum where_ours ours;
	int rc = where_said(r, name, &ours, e);

	*mirror = ours == WHERE_MIRROR;
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
