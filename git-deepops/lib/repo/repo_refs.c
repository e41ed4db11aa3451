/* SPDX-License-Identifier: MIT */
/* repo_refs.c - reading and moving refs; see repo.h */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define SYMREF_MAX_DEPTH 5    /* git's */
#define LOCKED_TRIES 20       /* another process holds <ref>.lock for a moment */
#define LOCKED_TRIES_OURS 500 /* some 12 s */
#define LOCKED_WAIT_US 50000  /* at most this long between two tries */
#define LOCKED_DEAD_MS 5000   /* the same lock for so long: who made it was killed */

int repo_ref_get(struct repo *r, const char *name, struct repo_oid *out, struct err *e)
{
	git_oid oid;
	int rc = git_reference_name_to_id(&oid, r->git, name);

	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc < 0)
		return repo_lgerr(e, rc, "ref %s", name);
	repo_oid_from(out, &oid);
	return 1;
}

int repo_ref_symbolic(struct repo *r, const char *name, struct buf *target, struct err *e)
{
	git_reference *ref = NULL;
	int rc = git_reference_lookup(&ref, r->git, name);
	bool symbolic;

	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc < 0)
		return repo_lgerr(e, rc, "ref %s", name);
	symbolic = git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC;
	if (symbolic)
		buf_sets(target, git_reference_symbolic_target(ref));
	git_reference_free(ref);
	return symbolic;
}

/* ---- <ref>.lock ---- */

struct lock_wait {
	const char *name;
	unsigned int tries;
	struct stat lock; /* as it was seen last */
	uint64_t since_ms;
};

/* Writers of these hold a lock of ours besides, or repeat: git touches them for milliseconds. */
static bool is_ours(const char *name)
{
	return str_startswith(name, "refs/deepops/", NULL) ||
	       str_startswith(name, "refs/notes/deepops", NULL);
}

static bool same_lock(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/*
 * libgit2, as git, leaves the lock of a ref behind when it is killed, and refuses the ref from
 * then on.  git leaves it to people to remove that; but a run that was killed must not stop
 * all later ones.
 */
static void break_dead_lock(struct repo *r, struct lock_wait *w)
{
	struct buf path = BUF_INIT;
	struct stat now;

	path_join(&path, repo_commondir(r), w->name);
	buf_addstr(&path, ".lock");
	if (stat(path.p, &now) < 0)
		memset(&now, 0, sizeof(now));
	if (!same_lock(&now, &w->lock)) {
		w->lock = now;
		w->since_ms = clock_mono_ms();
	} else if (now.st_ino && clock_mono_ms() - w->since_ms > LOCKED_DEAD_MS) {
		(void)unlink(path.p); /* the next attempt tells */
	}
	buf_release(&path);
}

/* `rc` is libgit2's for an attempt to change a ref: is it worth another, after a pause? */
static bool try_again(struct repo *r, struct lock_wait *w, int rc)
{
	bool ours = is_ours(w->name);
	uint16_t jitter;

	if (rc != GIT_ELOCKED || ++w->tries >= (ours ? LOCKED_TRIES_OURS : LOCKED_TRIES))
		return false;
	if (ours)
		break_dead_lock(r, w);
	random_bytes(&jitter, sizeof(jitter));
	usleep(jitter % LOCKED_WAIT_US);
	return true;
}

int repo_ref_referent(struct repo *r, const char *name, struct buf *target, struct err *e)
{
	char *at = xstrdup(name);
	int rc = 1, depth;

	for (depth = 0; rc == 1 && depth < SYMREF_MAX_DEPTH; depth++) {
		rc = repo_ref_symbolic(r, at, target, e);
		if (rc != 1)
			break;
		free(at);
		at = xstrdup(target->p);
	}
	free(at);
	return rc < 0 ? rc : depth > 0;
}

static int try_set(struct repo *r, const char *name, const git_oid *to, const git_oid *expect,
		   const char *why)
{
	git_reference *ref = NULL;
	bool absent = expect && git_oid_is_zero(expect);
	int rc = git_reference_create_matching(&ref, r->git, name, to, !absent,
					       absent ? NULL : expect, why);

	git_reference_free(ref);
	return rc;
}

int repo_ref_set(struct repo *r, const char *name, const struct repo_oid *to,
		 const struct repo_oid *expect, const char *why, struct err *e)
{
	struct lock_wait wait = {.name = name};
	git_oid to_oid;
	git_oid expect_oid;
	int rc = repo_may_write(r, name, e);

	if (rc == 0)
		rc = repo_oid_to(&to_oid, to, e);
	if (rc == 0 && expect)
		rc = repo_oid_to(&expect_oid, expect, e);
	if (rc < 0)
		return rc;
	do
		rc = try_set(r, name, &to_oid, expect ? &expect_oid : NULL, why);
	while (try_again(r, &wait, rc));
	if (rc == 0)
		return 0;
	/* A ref that was expected and is gone has moved, too. */
	if (rc == GIT_EMODIFIED || rc == GIT_EEXISTS || (rc == GIT_ENOTFOUND && expect))
		return err_set(e, ERR_EXISTS, "ref %s moved meanwhile", name);
	return repo_lgerr(e, rc, "ref %s", name);
}

int repo_ref_delete(struct repo *r, const char *name, struct err *e)
{
	struct lock_wait wait = {.name = name};
	int rc = repo_may_write(r, name, e);

	if (rc < 0)
		return rc;
	do
		rc = git_reference_remove(r->git, name);
	while (try_again(r, &wait, rc));
	return rc < 0 && rc != GIT_ENOTFOUND ? repo_lgerr(e, rc, "ref %s", name) : 0;
}

struct found_ref {
	char *name;
	struct repo_oid id;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found_ref *)a)->name, ((const struct found_ref *)b)->name);
}

struct repo_refs {
	struct found_ref *v;
	size_t nr, alloc;
};

void repo_refs_free(struct repo_refs *refs)
{
	if (!refs)
		return;
	for (size_t i = 0; i < refs->nr; i++)
		free(refs->v[i].name);
	free(refs->v);
	free(refs);
}

/* What a ref names; 0: it is symbolic, to a branch that is not there. */
static int id_of(struct repo *r, const git_reference *ref, struct repo_oid *id, struct err *e)
{
	if (git_reference_type(ref) == GIT_REFERENCE_SYMBOLIC)
		return repo_ref_get(r, git_reference_name(ref), id, e);
	repo_oid_from(id, git_reference_target(ref));
	return 1;
}

/* Each ref is read once: there may be a hundred thousand, each in a file of its own. */
static int collect_refs(struct repo *r, const char *prefix, struct repo_refs *found, struct err *e)
{
	git_reference_iterator *it = NULL;
	git_reference *ref;
	char *glob = xstrfmt("%s*", prefix);
	int rc = git_reference_iterator_glob_new(&it, r->git, glob), got = 0;

	while (rc == 0 && got >= 0 && (rc = git_reference_next(&ref, it)) == 0) {
		struct repo_oid id;

		got = id_of(r, ref, &id, e);
		if (got == 1) {
			XGROW(found->v, found->nr + 1, found->alloc);
			found->v[found->nr].name = xstrdup(git_reference_name(ref));
			found->v[found->nr++].id = id;
		}
		git_reference_free(ref);
	}
	git_reference_iterator_free(it);
	free(glob);
	if (got < 0)
		return got;
	if (rc < 0 && rc != GIT_ITEROVER)
		return repo_lgerr(e, rc, "refs below %s", prefix);
	if (found->nr)
		qsort(found->v, found->nr, sizeof(*found->v), by_name);
	return 0;
}

static int each_of(const struct repo_refs *refs, const char *prefix, repo_ref_fn cb, void *arg,
		   struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < refs->nr; i++)
		if (str_startswith(refs->v[i].name, prefix, NULL))
			rc = cb(arg, refs->v[i].name, &refs->v[i].id, e);
	return rc;
}

int repo_ref_each(struct repo *r, const char *prefix, repo_ref_fn cb, void *arg, struct err *e)
{
	struct repo_refs *found = r->refs;
	int rc = 0;

	if (!found) {
		found = xcalloc(1, sizeof(*found));
		rc = collect_refs(r, prefix, found, e);
		/* A hook moves none, and asks for all of them once for each rule. */
		if (rc == 0 && r->hook && !strcmp(prefix, "refs/"))
			r->refs = found;
	}
	/* First all, then the callbacks: they may move refs. */
	if (rc == 0)
		rc = each_of(found, prefix, cb, arg, e);
	if (found != r->refs)
		repo_refs_free(found);
	return rc;
}

int repo_head(struct repo *r, struct buf *branch, struct repo_oid *id, struct err *e)
{
	int rc;

	buf_reset(branch);
	memset(id->hex, '0', REPO_OID_HEX);
	id->hex[REPO_OID_HEX] = '\0';
	rc = repo_ref_symbolic(r, "HEAD", branch, e);
	if (rc >= 0)
		rc = repo_ref_get(r, "HEAD", id, e);
	return rc < 0 ? rc : 0;
}
