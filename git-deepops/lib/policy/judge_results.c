/* SPDX-License-Identifier: MIT */
/* judge_results.c - which results a push changes; see judge_internal.h */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

#define RESULTS_MAX 10000 /* changed in one push */

/* One comparison: a commit's tree against those it came from. */
struct comparison {
	struct judge_pass *p;
	const struct repo_oid *commit;
	struct repo_oid tree;
	struct repo_oid *bases; /* trees; a result counts where it differs from all of them */
	size_t n, alloc;
	size_t changed;
	bool file_gone; /* what was a file is none any more: a link to it may name a directory now */
	struct buf said; /* the last thing that was found to hide results */
};

/* ---- which results changed ---- */

static bool is_file(uint32_t mode)
{
	return mode == TREE_MODE_FILE || mode == TREE_MODE_EXEC;
}

/* A run bit is no content, but a link is not the file that it looks like. */
static bool same_content(const struct tree_entry *a, const struct tree_entry *b)
{
	return a->mode && repo_oid_equal(&a->id, &b->id) && is_file(a->mode) == is_file(b->mode);
}

/* The same entry as in one of the trees it came from? */
static int is_inherited(const struct comparison *c, const char *path, const struct tree_entry *now,
			bool *out, struct err *e)
{
	*out = false;
	for (size_t i = 0; i < c->n && !*out; i++) {
		struct tree_entry was;
		int rc = tree_find(c->p->j->in->repo, &c->bases[i], path, &was, e);

		if (rc < 0)
			return rc;
		*out = rc == 1 && same_content(&was, now);
	}
	return 0;
}

/* Did a clone of one of them read the same there, wherever the bytes are kept? */
static int is_known(const struct comparison *c, const char *place,
		    const struct judge_content *content, bool *out, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->n; i++)
		rc = judge_stands(c->p->j, &c->bases[i], place, content, e);
	*out = rc == 1;
	return MIN(rc, 0);
}

/* A link to a file of this tree, along no other link, has nothing below it. */
static int names_a_file(const struct comparison *c, const struct repo_oid *tree, const char *path,
			const struct tree_entry *link, bool *out, struct err *e)
{
	struct buf target = BUF_INIT, joined = BUF_INIT, clean = BUF_INIT;
	struct tree_entry found;
	const char *name;
	int rc = repo_read_blob(c->p->j->in->repo, &link->id, PATH_MAX_BYTES, &target, e);

	*out = false;
	for (name = target.p; str_startswith(name, "../", &name);)
		;
	if (rc == 0 && *target.p != '/' && !strstr(name, "..")) {
		path_dirname(&joined, path);
		buf_addf(&joined, "/%s", target.p);
		if (path_normalize(&clean, joined.p, NULL) == 0)
			rc = tree_find(c->p->j->in->repo, tree, clean.p, &found, e);
		*out = rc == 1 && is_file(found.mode);
	}
	buf_release(&target);
	buf_release(&joined);
	buf_release(&clean);
	if (rc == ERR_LIMIT)
		err_clear(e); /* too long for a path: it names nothing */
	return rc < 0 && rc != ERR_LIMIT ? rc : 0;
}

/* Stood a pointer there, or above it, that is a result by a pattern which names no file? */
static int replaces_pointer(const struct comparison *c, const char *path, bool *out, struct err *e)
{
	struct buf at = BUF_INIT;
	struct tree_entry was;
	int rc = 0;

	for (size_t len = strlen(path); rc == 0 && len; len--) {
		if (path[len] && path[len] != '/')
			continue;
		buf_reset(&at);
		buf_add(&at, path, len);
		buf_addstr(&at, POINTER_SUFFIX);
		if (!rules_is_result(c->p->rule, at.p))
			continue;
		for (size_t i = 0; rc == 0 && i < c->n; i++)
			rc = tree_find(c->p->j->in->repo, &c->bases[i], at.p, &was, e);
	}
	*out = rc == 1;
	buf_release(&at);
	return MIN(rc, 0);
}

/* A file in the place of a result; a link or submodule instead of one, or of a directory with some. */
static int is_result(const struct comparison *c, const char *path, const struct tree_entry *now,
		     bool *out, struct err *e)
{
	bool file = false;
	int rc = 0;

	*out = rules_is_place(c->p->rule, path);
	if (!*out)
		rc = replaces_pointer(c, path, out, e);
	if (rc < 0 || *out || is_file(now->mode) || !rules_leads_to_results(c->p->rule, path))
		return rc;
	if (now->mode == TREE_MODE_LINK)
		rc = names_a_file(c, &c->tree, path, now, &file, e);
	*out = !file;
	return rc;
}

static int count_result(struct comparison *c, struct err *e)
{
	if (++c->changed > RESULTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d changed results", RESULTS_MAX);
	return 0;
}

static int one_result(struct comparison *c, const char *path, const struct tree_entry *now,
		      struct err *e)
{
	struct judge_result r = {.commit = c->commit, .tree = &c->tree, .path = path, .entry = now};
	struct buf place = BUF_INIT;
	struct pointer ptr;
	bool known = false;
	int rc = count_result(c, e);

	pointer_init(&ptr);
	if (rc == 0)
		rc = judge_content_of(c->p->j, path, now, &r.content, &ptr, e);
	r.ptr = r.content.pointer ? &ptr : NULL;
	if (!r.content.pointer || !pointer_root_of(path, &place))
		buf_sets(&place, path);
	if (rc == 0)
		rc = is_known(c, place.p, &r.content, &known, e);
	if (rc == 0)
		rc = known ? judge_kept(c->p, &r, e) : judge_result(c->p, &r, e);
	rc = MIN(rc, 0);
	pointer_release(&ptr);
	buf_release(&place);
	return rc;
}

/* ---- results in datasets ---- */

struct in_dataset {
	struct comparison *c;
	const char *holder;
	const struct pointer *ptr;
	struct judge_content whole;
};

static int one_inside(void *arg, const char *path, const struct judge_content *content,
		      struct err *e)
{
	struct in_dataset *d = arg;
	struct comparison *c = d->c;
	struct judge_result r = {.commit = c->commit,
				 .tree = &c->tree,
				 .path = path,
				 .ptr = d->ptr,
				 .holder = d->holder,
				 .whole = &d->whole,
				 .content = *content};
	bool known = false;
	int rc = judge_expired(c->p) ? 0 : is_known(c, path, content, &known, e);

	if (rc < 0 || c->p->expired || known)
		return rc;
	rc = count_result(c, e);
	return rc == 0 ? judge_result(c->p, &r, e) : rc;
}

/* 1: the pointer is new or another, and results could stand in its dataset. */
static int look_inside(const struct comparison *c, const char *path, const struct tree_entry *now,
		       struct in_dataset *d, struct buf *root, struct pointer *ptr, struct err *e)
{
	int rc;

	if (!is_file(now->mode) || !pointer_root_of(path, root) ||
	    !rules_may_hold(c->p->rule, root->p))
		return 0;
	rc = judge_content_of(c->p->j, path, now, &d->whole, ptr, e);
	return rc < 0 ? rc : d->whole.pointer && ptr->kind == POINTER_TREE;
}

static int one_dataset(struct comparison *c, const char *path, const struct tree_entry *was,
		       const struct tree_entry *now, struct err *e)
{
	struct in_dataset d = {.c = c, .holder = path};
	struct buf root = BUF_INIT;
	struct pointer before, ptr;
	struct judge_dataset set;
	int rc;

	pointer_init(&before);
	pointer_init(&ptr);
	rc = look_inside(c, path, now, &d, &root, &ptr, e);
	if (rc == 1) {
		struct judge_result r = {.commit = c->commit, .path = path, .ptr = &ptr};

		r.content = d.whole;
		d.ptr = &ptr;
		rc = judge_kept(c->p, &r, e);
	}
	if (rc == 1)
		rc = was->mode ? judge_pointer_at(c->p->j, path, was, &before, e) : 0;
	else
		rc = rc < 0 ? rc : 2;
	if (rc == 0 || rc == 1) {
		set = (struct judge_dataset){root.p, rc ? &before : NULL, &ptr};
		rc = judge_inside(c->p->j, c->p->rule, &set, one_inside, &d, e);
	}
	pointer_release(&before);
	pointer_release(&ptr);
	buf_release(&root);
	return MIN(rc, 0);
}

/* ---- what hides results ---- */

/* Does a link or a submodule stand at `path` since this change?  Other entries there are judged themselves. */
static int hidden_by(struct comparison *c, const char *path, struct err *e)
{
	struct tree_entry now;
	struct judge_result r = {
		.commit = c->commit, .tree = &c->tree, .path = path, .entry = &now};
	bool inherited;
	int rc = tree_find(c->p->j->in->repo, &c->tree, path, &now, e);

	if (rc != 1 || is_file(now.mode) || now.mode == TREE_MODE_DIR ||
	    rules_is_place(c->p->rule, path) || rules_leads_to_results(c->p->rule, path) ||
	    !strcmp(c->said.p, path))
		return MIN(rc, 0);
	rc = is_inherited(c, path, &now, &inherited, e);
	if (rc < 0 || inherited)
		return rc;
	buf_sets(&c->said, path);
	r.content.kind = JUDGE_NO_FILE;
	return judge_result(c->p, &r, e);
}

/* A result is gone, or a dataset in which some may have stood: deleted, or is something in its way? */
static int one_removed(struct comparison *c, const char *path, struct err *e)
{
	struct buf at = BUF_INIT;
	bool pointer = pointer_root_of(path, &at);
	char *slash;
	int rc = 0;

	if (!pointer)
		buf_sets(&at, path);
	if (rules_is_place(c->p->rule, path) || (pointer && rules_may_hold(c->p->rule, at.p))) {
		rc = hidden_by(c, at.p, e);
		while (rc == 0 && (slash = strrchr(at.p, '/'))) {
			*slash = '\0';
			rc = hidden_by(c, at.p, e);
		}
	}
	buf_release(&at);
	return rc;
}

static int one_change(void *arg, const char *path, const struct tree_entry *a,
		      const struct tree_entry *b, struct err *e)
{
	struct comparison *c = arg;
	bool result, inherited;
	int rc;

	c->file_gone = c->file_gone || (is_file(a->mode) && !is_file(b->mode));
	if (same_content(a, b) || judge_expired(c->p))
		return 0;
	/* Deleting a result needs no record. */
	if (!b->mode)
		return one_removed(c, path, e);
	rc = is_inherited(c, path, b, &inherited, e);
	if (rc < 0 || inherited)
		return rc;
	rc = is_result(c, path, b, &result, e);
	if (rc < 0)
		return rc;
	return result ? one_result(c, path, b, e) : one_dataset(c, path, a, b, e);
}

/* A link that was harmless, as it named a file, may name a directory now. */
struct links {
	struct comparison *c;
	struct buf path;
};

static int scan_links(struct links *l, const struct repo_oid *tree, struct err *e);

/* One that is new was judged; of the others, those that named a file before. */
static int old_link(struct comparison *c, const char *path, const struct tree_entry *link,
		    struct err *e)
{
	struct judge_result r = {
		.commit = c->commit, .tree = &c->tree, .path = path, .entry = link};
	bool named = false, names = true;
	int rc = is_inherited(c, path, link, &named, e);

	if (rc == 0 && named)
		rc = names_a_file(c, &c->bases[0], path, link, &named, e);
	if (rc == 0 && named)
		rc = names_a_file(c, &c->tree, path, link, &names, e);
	r.content.kind = JUDGE_NO_FILE;
	return rc == 0 && named && !names ? judge_result(c->p, &r, e) : rc;
}

static int one_link(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct links *l = arg;
	size_t len = path_enter(&l->path, entry->name);
	int rc = 0;

	if (judge_expired(l->c->p) || !rules_leads_to_results(l->c->p->rule, l->path.p))
		rc = 0;
	else if (entry->mode == TREE_MODE_DIR)
		rc = scan_links(l, &entry->id, e);
	else if (entry->mode == TREE_MODE_LINK)
		rc = old_link(l->c, l->path.p, entry, e);
	buf_setlen(&l->path, len);
	return rc;
}

static int scan_links(struct links *l, const struct repo_oid *tree, struct err *e)
{
	return tree_list(l->c->p->j->in->repo, tree, one_link, l, e);
}

static int add_base(struct comparison *c, const char *commit, struct err *e)
{
	struct repo_oid id;
	int rc = repo_oid_parse(&id, commit, e);

	XGROW(c->bases, c->n + 1, c->alloc);
	if (rc == 0)
		rc = repo_commit_tree(c->p->j->in->repo, &id, &c->bases[c->n], e);
	if (rc == 0)
		c->n++;
	return rc;
}

static int compare(struct comparison *c, struct err *e)
{
	struct repo *r = c->p->j->in->repo;
	int rc = repo_commit_tree(r, c->commit, &c->tree, e);

	if (rc == 0)
		rc = tree_diff(r, c->n ? &c->bases[0] : NULL, &c->tree, one_change, c, e);
	if (rc == 0 && c->file_gone) {
		struct links l = {c, BUF_INIT};

		rc = scan_links(&l, &c->tree, e);
		buf_release(&l.path);
	}
	c->file_gone = false;
	buf_reset(&c->said);
	free(c->bases);
	c->bases = NULL;
	c->n = c->alloc = 0;
	return rc;
}

/*
 * What was judged may be taken over by a ref that has nothing of its own to be compared
 * with.  A commit that is settled stands for itself.  One inside judged history does not:
 * only ends were looked at there, and what it has must stand at one of them.
 */
static int add_settled(struct comparison *c, const char *commit, struct err *e)
{
	int rc = judge_is_settled(c->p, commit, e);

	if (rc == 1)
		return add_base(c, commit, e);
	for (size_t i = 0; rc == 0 && i < c->p->judged.nr; i++) {
		rc = add_base(c, c->p->judged.v[i], e);
		for (size_t k = 0; rc == 0 && k + 1 < c->n; k++) {
			if (!repo_oid_equal(&c->bases[k], &c->bases[c->n - 1]))
				continue;
			c->n--; /* the same tree once is enough */
			break;
		}
	}
	return rc;
}

/* Parents of new commits that are not new: what a new branch grew from, or it itself. */
static int each_edge(struct comparison *c,
		     int (*fn)(struct comparison *c, const char *commit, struct err *e),
		     struct err *e)
{
	struct strvec edge = STRVEC_INIT, parents = STRVEC_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->p->n; i++) {
		rc = repo_commit_parents(c->p->j->in->repo, &c->p->commits[i], &parents, e);
		for (; parents.nr; strvec_pop(&parents))
			if (!judge_is_new(c->p, parents.v[parents.nr - 1]))
				strvec_push(&edge, parents.v[parents.nr - 1]);
	}
	if (!c->p->n)
		strvec_push(&edge, c->p->new_tip.hex);
	strvec_sort(&edge);
	strvec_uniq(&edge);
	for (size_t i = 0; rc == 0 && i < edge.nr; i++)
		rc = fn(c, edge.v[i], e);
	strvec_release(&edge);
	strvec_release(&parents);
	return rc;
}

/* It stands for itself if it was judged; else what it has stands at an end that was. */
static int one_edge(struct comparison *c, const char *commit, struct err *e)
{
	struct repo_oid id;
	int rc = repo_oid_parse(&id, commit, e);

	c->commit = &id;
	if (rc == 0)
		rc = add_settled(c, commit, e);
	if (rc == 0)
		rc = compare(c, e);
	c->commit = NULL;
	return rc;
}

static int by_tip(struct comparison *c, struct err *e)
{
	int rc;

	c->commit = &c->p->new_tip;
	if (repo_oid_is_zero(&c->p->old_tip))
		rc = each_edge(c, add_settled, e);
	else
		rc = add_base(c, c->p->old_tip.hex, e);
	return rc == 0 ? compare(c, e) : rc;
}

/* Against all parents, or only the first. */
static int by_parents(struct comparison *c, const struct repo_oid *commit, bool first,
		      struct repo_oid *next, struct err *e)
{
	struct strvec parents = STRVEC_INIT;
	int rc = repo_commit_parents(c->p->j->in->repo, commit, &parents, e);

	c->commit = commit; /* the caller's until this returns */
	for (size_t i = 0; rc == 0 && i < parents.nr && (!first || !i); i++)
		rc = add_base(c, parents.v[i], e);
	if (rc == 0)
		rc = compare(c, e);
	next->hex[0] = '\0';
	if (rc == 0 && parents.nr)
		rc = repo_oid_parse(next, parents.v[0], e);
	c->commit = NULL;
	strvec_release(&parents);
	return rc;
}

static int by_first_parents(struct comparison *c, struct err *e)
{
	struct repo_oid at = c->p->new_tip, next;
	int rc = 0;

	while (rc == 0 && at.hex[0] && judge_is_new(c->p, at.hex) && !judge_expired(c->p)) {
		rc = by_parents(c, &at, true, &next, e);
		at = next;
	}
	if (rc < 0 || !at.hex[0] || c->p->expired)
		return rc;
	/* Where the line comes from may have been beside it before. */
	return one_edge(c, at.hex, e);
}

static int by_every(struct comparison *c, struct err *e)
{
	struct repo_oid next;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->p->n && !judge_expired(c->p); i++)
		rc = by_parents(c, &c->p->commits[i], false, &next, e);
	/* What they grew from, or what the ref moved to, may never have been an end that was judged. */
	return rc == 0 && !c->p->expired ? each_edge(c, one_edge, e) : rc;
}

int judge_results(struct judge_pass *p, struct err *e)
{
	struct comparison c = {.p = p, .said = BUF_INIT};
	int rc = 0;

	if (!p->rule->results.nr || repo_oid_equal(&p->old_tip, &p->new_tip))
		return 0;
	if (!p->j->finder && (p->n || !judge_finder(p)))
		return 0; /* there is a finding */
	switch (p->rule->require) {
	case RULES_TIP:
		rc = by_tip(&c, e);
		break;
	case RULES_EVERY:
		rc = by_every(&c, e);
		break;
	case RULES_FIRST_PARENT:
		rc = by_first_parents(&c, e);
		break;
	}
	free(c.bases);
	buf_release(&c.said);
	if (rc == ERR_LIMIT) {
		judge_say(p, NULL, REASON_LIMIT_COMMITS, "%s", e ? e->msg : "too many results");
		err_clear(e);
		rc = 0;
	}
	return rc;
}
