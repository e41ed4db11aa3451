/* SPDX-License-Identifier: MIT */
/* snapshot_site.c - one work tree and its private index; see snapshot_internal.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/snapshot_internal.h"

struct snapshot_site *snapshot_site_new(struct snapshot_private *snap, enum snapshot_site_kind kind,
					const char *prefix, const char *worktree)
{
	struct snapshot_site *s = xcalloc(1, sizeof(*s));

	s->snap = snap;
	s->kind = kind;
	s->prefix = xstrdup(prefix);
	s->worktree = xstrdup(worktree);
	s->index = xstrfmt("%s/index.%zu", snap->dir, snap->nsites);
	s->fd = -1;
	memset(s->head.hex, '0', REPO_OID_HEX);
	s->head_tree = s->head;
	buf_init(&s->listing);
	strvec_init(&s->skip);
	strvec_init(&s->changed);
	strvec_init(&s->deleted);
	strvec_init(&s->reset);
	strvec_init(&s->untracked);
	strvec_init(&s->nested);
	strvec_init(&s->ignored);
	if (snap->last)
		snap->last->next = s;
	else
		snap->first = s;
	snap->last = s;
	snap->nsites++;
	return s;
}

void snapshot_site_free(struct snapshot_site *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->prefix);
	free(s->worktree);
	free(s->gitdir);
	free(s->objects);
	free(s->index);
	free(s->entries);
	buf_release(&s->listing);
	strvec_release(&s->skip);
	strvec_release(&s->changed);
	strvec_release(&s->deleted);
	strvec_release(&s->reset);
	strvec_release(&s->untracked);
	strvec_release(&s->nested);
	strvec_release(&s->ignored);
	free(s);
}

/* A list separated by colons in which a name may hold one: quoted as git unquotes it. */
static void add_alternates(struct proc *p, const char *objects)
{
	struct buf env = BUF_INIT;

	buf_addstr(&env, "GIT_ALTERNATE_OBJECT_DIRECTORIES=\"");
	for (; *objects; objects++) {
		if (*objects == '"' || *objects == '\\')
			buf_addch(&env, '\\');
		if (*objects == '\n')
			buf_addstr(&env, "\\n");
		else
			buf_addch(&env, *objects);
	}
	buf_addch(&env, '"');
	strvec_push(&p->env, env.p);
	buf_release(&env);
}

/*
 * Everything is written to the outer repository's objects: the tree must be
 * there, and a module's own repository is the user's.
 */
void snapshot_site_git(struct snapshot_site *s, struct proc *p)
{
	if (s->kind == SNAPSHOT_MAIN)
		repo_git(s->snap->r, p);
	else
		repo_git_at(p, s->gitdir, s->worktree);
	/* Neither a monitor nor a coarser look at times and inodes may hide an edit. */
	strvec_pushl(&p->args, "--no-optional-locks", "-c", "core.fsmonitor=false", "-c",
		     "core.checkStat=default", "-c", "core.trustctime=true", "-c",
		     "core.splitIndex=false", NULL);
	if (s->kind == SNAPSHOT_PLAIN)
		strvec_pushl(&p->args, "-c", "core.sparseCheckout=false", NULL);
	if (io_syncs()) /* one flush for all new objects */
		strvec_pushl(&p->args, "-c", "core.fsync=objects", "-c", "core.fsyncMethod=batch",
			     NULL);
	strvec_pushf(&p->env, "GIT_INDEX_FILE=%s", s->index);
	if (s->objects) {
		strvec_pushf(&p->env, "GIT_OBJECT_DIRECTORY=%s", s->snap->outer_objects);
		add_alternates(p, s->objects);
	}
}

int snapshot_site_run(struct snapshot_site *s, const struct strvec *args, const struct buf *input,
		      struct buf *out, struct err *e)
{
	struct proc p = PROC_INIT;

	snapshot_site_git(s, &p);
	for (size_t i = 0; i < args->nr; i++)
		strvec_push(&p.args, args->v[i]);
	if (!input)
		p.in = PROC_NULL;
	return repo_git_finish(&p, input, out, e);
}

/*
 * The modification time of the index is part of what it says: git looks again at
 * files that are not older than it.  A copy with a new time would hide an edit made
 * in the instant of the last `git add`.
 */
static int copy_with_time(int from, int to, struct err *e)
{
	struct stat st;
	struct timespec times[2];
	int rc = fstat(from, &st) < 0 ? err_sys(e, "stat") : io_copy(from, to, e);

	if (rc < 0)
		return rc;
	times[0] = st.st_mtim;
	times[1] = st.st_mtim;
	return futimens(to, times) < 0 ? err_sys(e, "times") : 0;
}

int snapshot_site_copy_index(struct snapshot_site *s, const char *path, struct err *e)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int to;
	int rc;

	if (from < 0 && errno == ENOENT)
		return 0;
	if (from < 0)
		return err_sys(e, "%s", path);
	to = open(s->index, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0) {
		rc = err_sys(e, "%s", s->index);
	} else {
		rc = copy_with_time(from, to, e);
		if (close(to) < 0 && rc == 0)
			rc = err_sys(e, "close");
		if (rc < 0)
			err_wrap(e, "copy of %s", path);
	}
	close(from);
	return rc;
}

/* "<tag> <mode> <id> <stage>\t<path>", of which unmerged paths have up to three. */
static int add_entry(struct snapshot_site *s, char *line, struct err *e)
{
	static const size_t id_at = 9;
	struct snapshot_entry *entry;
	const char *behind;

	if (strlen(line) < id_at)
		return err_set(e, ERR_CORRUPT, "git ls-files printed '%.60s'", line);
	XGROW(s->entries, s->nentries + 1, s->alloc);
	entry = &s->entries[s->nentries];
	entry->tag = line[0];
	entry->mode = 0;
	for (const char *digit = line + 2; *digit >= '0' && *digit <= '7'; digit++)
		entry->mode = entry->mode * 8 + (uint32_t)(*digit - '0');
	behind = repo_oid_take(&entry->id, line + id_at, ' ');
	if (!behind || !behind[0] || behind[1] != '\t' || !behind[2])
		return err_set(e, ERR_CORRUPT, "git ls-files printed '%.60s'", line);
	entry->path = line + (behind + 2 - line);
	s->nentries++;
	return 0;
}

int snapshot_site_list(struct snapshot_site *s, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	int rc;

	buf_reset(&s->listing);
	s->nentries = 0;
	strvec_pushl(&args, "ls-files", "-s", "-v", "-z", NULL);
	rc = snapshot_site_run(s, &args, NULL, &s->listing, e);
	for (size_t at = 0; rc == 0 && at < s->listing.len; at += strlen(s->listing.p + at) + 1)
		rc = add_entry(s, s->listing.p + at, e);
	strvec_release(&args);
	return rc;
}

bool snapshot_site_covers(const struct strvec *paths, const char *path)
{
	for (size_t i = 0; i < paths->nr; i++)
		if (path_is_in(path, paths->v[i]))
			return true;
	return false;
}

int snapshot_site_stat(struct snapshot_site *s, const char *path, struct stat *st)
{
	return fstatat(s->fd, path, st, AT_SYMLINK_NOFOLLOW);
}
