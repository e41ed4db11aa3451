/* SPDX-License-Identifier: MIT */
/* where_match.c - which remote a URL belongs to, however it is spelled; see where_internal.h */
#include "sync/where_internal.h"

#include <stdarg.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/urltext.h"
#include "data/pointer.h"
#include "transport/url.h"

#define SSH_PORT 22

int where_lines(struct repo *r, struct strvec *lines, struct err *e, ...)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	const char *arg;
	va_list ap;
	int rc;

	va_start(ap, e);
	while ((arg = va_arg(ap, const char *)))
		strvec_push(&args, arg);
	va_end(ap);
	rc = repo_git_runv(r, &args, NULL, &out, e);
	for (const char *line = out.p; rc == 0 && *line;) {
		size_t len = strcspn(line, "\n");

		strvec_pushn(lines, line, len);
		line += len + (line[len] == '\n');
	}
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

static bool is_local(const char *text)
{
	struct url u = URL_INIT;
	bool local = url_parse(&u, text, NULL) == 0 && u.kind == URL_LOCAL;

	url_release(&u);
	return local;
}

void where_absolute(struct repo *r, struct buf *url)
{
	struct buf path = BUF_INIT;
	const char *base = repo_worktree(r) ? repo_worktree(r) : repo_gitdir(r);

	if (!is_local(url->p) || url->p[0] == '/' || str_startswith(url->p, "file://", NULL))
		return;
	path_join(&path, base, url->p);
	buf_swap(&path, url);
	buf_release(&path);
}

/* ---- the same place ---- */

/* git looks for the repository under these names, in this order. */
static bool repository_at(const char *path, struct stat *st)
{
	static const char *const suffixes[] = {"/.git", "", ".git/.git", ".git"};
	struct buf name = BUF_INIT;
	bool found = false;

	for (size_t i = 0; !found && i < ARRAY_SIZE(suffixes); i++) {
		buf_sets(&name, path);
		buf_addstr(&name, suffixes[i]);
		found = stat(name.p, st) == 0;
	}
	buf_release(&name);
	return found;
}

static bool same_directory(struct repo *r, const char *a, const char *b)
{
	struct buf pa = BUF_INIT, pb = BUF_INIT;
	struct stat sa, sb;
	bool same;

	buf_addstr(&pa, a);
	buf_addstr(&pb, b);
	where_absolute(r, &pa);
	where_absolute(r, &pb);
	same = repository_at(pa.p, &sa) && repository_at(pb.p, &sb) && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
	buf_release(&pa);
	buf_release(&pb);
	return same;
}

/* Without what makes no difference at the end. */
static size_t path_length(const char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len > 4 && !strncmp(path + len - 4, ".git", 4))
		len -= 4;
	while (len > 1 && path[len - 1] == '/')
		len--;
	return len;
}

static bool same_path(const char *a, const char *b)
{
	size_t len = path_length(a);

	return len == path_length(b) && !strncmp(a, b, len);
}

/* An absolute path is the same for every account; one in a home directory is not. */
static bool same_account(const struct url *a, const struct url *b)
{
	if (a->path[0] == '/' || (!a->user && !b->user))
		return true;
	return a->user && b->user && !strcmp(a->user, b->user);
}

static bool same_ssh(const struct url *a, const struct url *b)
{
	return !strcasecmp(a->host, b->host) &&
	       (a->port ? a->port : SSH_PORT) == (b->port ? b->port : SSH_PORT) &&
	       same_account(a, b) && same_path(a->path, b->path);
}

/* Other protocols: text, without what people put into it. */
static bool same_text(const char *a, const char *b)
{
	struct buf pa = BUF_INIT, pb = BUF_INIT;
	bool same;

	urltext_public(&pa, a);
	urltext_public(&pb, b);
	same = same_path(pa.p, pb.p);
	buf_release(&pa);
	buf_release(&pb);
	return same;
}

bool where_is_same_place(struct repo *r, const char *a, const char *b)
{
	struct url ua = URL_INIT, ub = URL_INIT;
	bool known_a = url_parse(&ua, a, NULL) == 0, known_b = url_parse(&ub, b, NULL) == 0;
	bool same = !strcmp(a, b);

	if (!same && known_a && known_b && ua.kind == URL_SSH && ub.kind == URL_SSH)
		same = same_ssh(&ua, &ub);
	else if (!same && known_a && known_b && ua.kind == ub.kind)
		same = same_directory(r, ua.path, ub.path);
	else if (!same && !known_a && !known_b)
		same = same_text(a, b);
	url_release(&ua);
	url_release(&ub);
	return same;
}

/* ---- among the remotes ---- */

int where_said(struct repo *r, const char *name, enum where_ours *ours, struct err *e)
{
	struct buf key = BUF_INIT;
	bool on = false, off = false;
	int rc;

	/* Not said is whatever one takes it for. */
	buf_addf(&key, "remote.%s.deepops", name);
	rc = repo_config_bool(r, key.p, false, &on, e);
	if (rc == 0)
		rc = repo_config_bool(r, key.p, true, &off, e);
	*ours = on ? WHERE_OURS : off ? WHERE_UNSAID : WHERE_MIRROR;
	buf_release(&key);
	return rc;
}

/* The spelling of `url` that the remote has. */
static bool spelled_by(struct repo *r, const char *name, const char *url, struct buf *spelling)
{
	struct strvec urls = STRVEC_INIT;
	bool found = false;

	/* One that has settings and no URL is none to git, either. */
	if (where_push_urls(r, name, &urls, NULL) < 0 ||
	    where_lines(r, &urls, NULL, "remote", "get-url", "--all", name, NULL) < 0)
		strvec_release(&urls);
	for (size_t i = 0; !found && i < urls.nr; i++) {
		found = where_is_same_place(r, urls.v[i], url);
		if (found)
			buf_sets(spelling, urls.v[i]);
	}
	strvec_release(&urls);
	return found;
}

int where_match(struct repo *r, const char *url, const char *but, struct buf *name,
		struct buf *spelling, enum where_ours *ours, struct err *e)
{
	struct strvec names = STRVEC_INIT;
	struct buf found = BUF_INIT;
	int rc = where_lines(r, &names, e, "remote", NULL);

	*ours = WHERE_STRANGER;
	for (size_t i = 0; rc == 0 && i < names.nr; i++) {
		enum where_ours said = WHERE_STRANGER;

		if (but && !strcmp(names.v[i], but))
			continue;
		if (spelled_by(r, names.v[i], url, &found))
			rc = where_said(r, names.v[i], &said, e);
		if (rc < 0 || said >= *ours)
			continue;
		*ours = said;
		buf_sets(name, names.v[i]);
		buf_swap(spelling, &found);
	}
	strvec_release(&names);
	buf_release(&found);
	return MIN(rc, 0);
}

/* ---- who may have it ---- */

static bool has_branch_of(const struct strvec *refs, const char *name)
{
	const char *rest;

	for (size_t i = 0; i < refs->nr; i++)
		if (str_startswith(refs->v[i], "refs/remotes/", &rest) &&
		    str_startswith(rest, name, &rest) && *rest == '/')
			return true;
	return false;
}

void where_others_with(struct repo *r, const char *name, const char *path, struct strvec *others)
{
	struct strvec names = STRVEC_INIT, refs = STRVEC_INIT, commit = STRVEC_INIT;
	struct buf spec = BUF_INIT, contains = BUF_INIT;
	bool pointer = str_endswith(path, POINTER_SUFFIX);

	buf_addf(&spec, ":(top,literal)%s%s", path, pointer ? "" : POINTER_SUFFIX);
	if (where_lines(r, &commit, NULL, "log", "-1", "--format=%H", "HEAD", "--", spec.p, NULL) ==
		    0 &&
	    commit.nr) {
		buf_addf(&contains, "--contains=%s", commit.v[0]);
		if (where_lines(r, &refs, NULL, "for-each-ref", "--format=%(refname)", contains.p,
				"refs/remotes/", NULL) < 0 ||
		    where_lines(r, &names, NULL, "remote", NULL) < 0)
			strvec_release(&names);
	}
	for (size_t i = 0; i < names.nr; i++)
		if (strcmp(names.v[i], name) != 0 && has_branch_of(&refs, names.v[i]))
			strvec_push(others, names.v[i]);
	strvec_release(&names);
	strvec_release(&refs);
	strvec_release(&commit);
	buf_release(&spec);
	buf_release(&contains);
}
