/* SPDX-License-Identifier: MIT */
/* after_roots.c - which roots of the chunk store refs and journals name; see after_roots.h */
#include "policy/after_roots.h"

#include "base/limits.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "repo/tree.h"
#include "run/journal.h"

#define ROOTS_MAX_COMMITS 10000000 /* of a whole repository */
#define ROOTS_MAX_UNITS 1000000    /* of trees that new ones are compared with */

void after_roots_init(struct after_roots *a, struct repo *r)
{
	a->repo = r;
	a->set = chunkset_new();
	a->news.done = oidmap_new();
	a->news.units = ROOTS_MAX_UNITS;
}

void after_roots_release(struct after_roots *a)
{
	chunkset_free(a->set);
	a->set = NULL;
	oidmap_free(a->news.done);
	a->news.done = NULL;
}

/* One object that git can't read either, or that is no pointer, takes nothing from the others. */
static int pass_over(int rc, struct err *e)
{
	if (rc != ERR_LIMIT && rc != ERR_CORRUPT && rc != ERR_INPUT && rc != ERR_NOTFOUND)
		return rc;
	err_clear(e);
	return 0;
}

/* A file of that name that is no pointer names nothing. */
static void add_pointer(struct after_roots *a, const struct buf *text, const char *name)
{
	struct pointer p;

	pointer_init(&p);
	if (pointer_check_name(name, NULL) == 0 &&
	    pointer_parse(&p, text->p, text->len, name, NULL) == 0) {
		if (p.kind == POINTER_FILE)
			chunkset_add(a->set, CHUNK_DATA, &p.id, 0);
		for (size_t i = 0; p.kind == POINTER_TREE && i < p.n; i++)
			chunkset_add(a->set, CHUNK_NODE, &p.shards[i].id, 0);
	}
	pointer_release(&p);
}

static int one_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct after_roots *a = arg;
	struct buf text = BUF_INIT;
	int rc;

	if (!pointer_is_entry(entry->mode, entry->name))
		return 0;
	rc = repo_read_blob(a->repo, &entry->id, POINTER_MAX_BYTES, &text, e);
	if (rc == 0)
		add_pointer(a, &text, entry->name);
	buf_release(&text);
	return pass_over(rc, e); /* too big to be a pointer, say */
}

/* The tree of the first parent; 0: there is none, or it is not here. */
static int parent_tree(struct after_roots *a, const struct repo_oid *commit, struct repo_oid *tree,
		       struct err *e)
{
	struct strvec parents = STRVEC_INIT;
	struct repo_oid parent;
	int rc = repo_commit_parents(a->repo, commit, &parents, e);
	bool has = rc == 0 && parents.nr;

	if (has) {
		rc = repo_oid_parse(&parent, parents.v[0], e);
		if (rc == 0)
			rc = repo_commit_tree(a->repo, &parent, tree, e);
	}
	strvec_release(&parents);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0;
	}
	return rc < 0 ? rc : has;
}

static int one_commit(void *arg, const struct repo_oid *commit, struct err *e)
{
	struct after_roots *a = arg;
	struct repo_oid base, tree;
	int rc = parent_tree(a, commit, &base, e), has = rc;

	if (rc >= 0)
		rc = repo_commit_tree(a->repo, commit, &tree, e);
	if (rc == 0)
		rc = tree_news(a->repo, &a->news, has == 1 ? &base : NULL, &tree, one_entry, a, e);
	return pass_over(rc, e);
}

/* Pointers that commits reachable from `show` and not from `hide` brought in. */
static int after_roots_commits(struct after_roots *a, const struct repo_oid *show, size_t nshow,
			       const struct repo_oid *hide, size_t nhide, struct err *e)
{
	struct repo_walk w = {.show = show,
			      .hide = hide,
			      .nshow = nshow,
			      .nhide = nhide,
			      .max = ROOTS_MAX_COMMITS};

	return nshow ? repo_walk(a->repo, &w, one_commit, a, e) : 0;
}

static int one_journal_pointer(void *arg, const struct journal_pointer *p, struct err *e)
{
	(void)e;
	add_pointer(arg, p->text, p->name);
	return 0;
}

/* Pointers of journal entries from `tip` down to, not including, `until` (zero: all). */
static int after_roots_journal(struct after_roots *a, const struct repo_oid *tip,
			       const struct repo_oid *until, struct err *e)
{
	const struct journal_entry *entry;
	struct journal_iter it;
	int rc;

	journal_iter_init(&it, a->repo, tip);
	while ((rc = journal_next(&it, &entry, e)) == 1) {
		if (repo_oid_equal(&entry->commit, until)) {
			rc = 0;
			break;
		}
		rc = pass_over(journal_pointers(a->repo, entry, one_journal_pointer, a, e), e);
		if (rc < 0)
			break;
	}
	journal_iter_release(&it);
	return rc;
}

/* ---- everything ---- */

struct tips {
	struct after_roots *a;
	struct repo_oid *v;
	size_t n, alloc;
	const struct push *push; /* refs it moved count with their old ids; NULL: none */
};

static void add_tip(struct tips *t, const struct repo_oid *id)
{
	XGROW(t->v, t->n + 1, t->alloc);
	t->v[t->n++] = *id;
}

static int one_journal(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	struct repo_oid none = {"0000000000000000000000000000000000000000"};

	(void)ref;
	return after_roots_journal(arg, tip, &none, e);
}

static bool is_history(const char *ref)
{
	return !str_startswith(ref, "refs/deepops/", NULL) &&
	       !str_startswith(ref, "refs/notes/", NULL);
}

static int one_ref(void *arg, const char *ref, const struct repo_oid *id, struct err *e)
{
	struct tips *t = arg;
	struct repo_oid at = *id, commit;

	if (!is_history(ref))
		return 0;
	for (size_t i = 0; t->push && i < t->push->n; i++)
		if (!strcmp(t->push->updates[i].ref, ref))
			at = t->push->updates[i].old_id;
	if (!repo_oid_is_zero(&at) && repo_peel_commit(t->a->repo, &at, &commit, NULL) == 0)
		add_tip(t, &commit); /* a tag of a blob or tree has no history */
	(void)e;
	return 0;
}

int after_roots_all(struct after_roots *a, struct err *e)
{
	struct tips t = {.a = a};
	int rc = repo_ref_each(a->repo, "refs/", one_ref, &t, e);

	if (rc == 0)
		rc = after_roots_commits(a, t.v, t.n, NULL, 0, e);
	free(t.v);
	return rc < 0 ? rc : journal_refs(a->repo, one_journal, a, e);
}

/* ---- one push ---- */

static int push_history(struct after_roots *a, const struct push *p, struct err *e)
{
	struct tips hide = {.a = a, .push = p}, show = {.a = a};
	int rc = repo_ref_each(a->repo, "refs/", one_ref, &hide, e);

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		const struct judge_update *u = &p->updates[i];
		struct repo_oid commit;

		if (is_history(u->ref) && !repo_oid_is_zero(&u->new_id) &&
		    repo_peel_commit(a->repo, &u->new_id, &commit, NULL) == 0)
			add_tip(&show, &commit);
	}
	if (rc == 0)
		rc = after_roots_commits(a, show.v, show.n, hide.v, hide.n, e);
	free(hide.v);
	free(show.v);
	return rc;
}

int after_roots_push(struct after_roots *a, const struct push *p, struct err *e)
{
	int rc = push_history(a, p, e);

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		const struct judge_update *u = &p->updates[i];

		if (journal_ref_writer(u->ref) && !repo_oid_is_zero(&u->new_id))
			rc = after_roots_journal(a, &u->new_id, &u->old_id, e);
	}
	return rc;
}

int after_roots_mark(struct after_roots *a, struct store *s, bool replace, uint64_t *n,
		     struct err *e)
{
	struct store_rootref *roots = xcalloc(chunkset_count(a->set) + 1, sizeof(*roots));
	struct chunkkey key;
	size_t it = 0, count = 0;
	int rc;

	while (chunkset_next(a->set, &it, &key, NULL)) {
		roots[count].kind = (enum chunk_kind)key.kind;
		roots[count++].id = key.id;
	}
	rc = count || replace ? store_mark_rooted(s, roots, count, replace, e) : 0;
	if (n)
		*n = count;
	free(roots);
	return rc;
}
