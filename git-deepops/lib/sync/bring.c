/* SPDX-License-Identifier: MIT */
/* bring.c - which pointers a fetch is for; see bring.h */

#include "sync/bring.h"

#include "base/json.h"
#include "base/path.h"
#include "data/dataset.h"
#include "run/journal.h"
#include "run/spool.h"
#include "sync/sync_internal.h"

/* Glob characters of a name stand for themselves. */
static void add_anchored(struct strvec *inside, const char *path)
{
	struct buf glob = BUF_INIT;

	buf_addch(&glob, '/');
	for (; *path; path++) {
		if (strchr("*?[\\", *path))
			buf_addch(&glob, '\\');
		buf_addch(&glob, *path);
	}
	strvec_push(inside, glob.p);
	buf_release(&glob);
}

static int add_path(struct repo *r, const struct strvec *roots, const char *path,
		    struct sync_plan *plan, struct strvec *inside, struct err *e)
{
	const char *rest, *root = dataset_root_of(roots, path, &rest);
	size_t found = 0;
	int rc = 0;

	if (root && *rest) {
		if (!inside)
			return err_set(e, ERR_INPUT, "%s lies inside the dataset %s", path, root);
		add_anchored(inside, rest);
	}
	if (root)
		return sync_plan_add_dataset(plan, r, root, e);
	for (size_t i = 0; rc == 0 && i < roots->nr; i++) {
		if (!path_is_in(roots->v[i], path))
			continue;
		found++;
		rc = sync_plan_add_dataset(plan, r, roots->v[i], e);
	}
	if (rc == 0 && !found) {
		err_set(e, ERR_NOTFOUND, "%s: no dataset is tracked there", path);
		err_hint(e, "git deepops status lists the datasets; git deepops track adds one");
		return ERR_NOTFOUND;
	}
	return rc;
}

int bring_current(struct repo *r, const struct strvec *paths, struct sync_plan *plan,
		  struct strvec *inside, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	int rc = dataset_roots(r, NULL, &roots, e);

	for (size_t i = 0; rc == 0 && paths && i < paths->nr; i++)
		rc = add_path(r, &roots, paths->v[i], plan, inside, e);
	for (size_t i = 0; rc == 0 && (!paths || !paths->nr) && i < roots.nr; i++)
		rc = sync_plan_add_dataset(plan, r, roots.v[i], e);
	strvec_release(&roots);
	return rc;
}

struct all_walk {
	struct repo *repo;
	struct sync_plan *plan;
};

static int on_pointer(void *arg, const struct journal_pointer *p, struct err *e)
{
	struct all_walk *w = arg;
	int rc = sync_plan_add(w->plan, p->what, p->text->p, p->text->len, true, e);

	if (rc == ERR_INPUT || rc == ERR_LIMIT) { /* somebody else's bad entry is not in our way */
		err_clear(e);
		rc = 0;
	}
	return rc;
}

/* A record of another schema than ours is a later one: malformed ones have none. */
static bool is_later_record(const struct journal_entry *entry)
{
	struct json *j = NULL;
	const char *schema;
	bool later = false;

	if (!entry->ok &&
	    json_parse(&j, entry->bytes.p, entry->bytes.len, RECORD_MAX_BYTES, NULL) == 0) {
		schema = json_get_str(j, "schema");
		later = schema && str_startswith(schema, "deepops.run/", NULL) &&
			strcmp(schema, RECORD_SCHEMA) != 0;
	}
	json_unref(j);
	return later;
}

/* What its tree names is kept, however little of the record is understood. */
static int add_journal_entry(struct all_walk *w, const struct journal_entry *entry, struct err *e)
{
	char name[64];
	int rc;

	if (is_later_record(entry)) {
		snprintf(name, sizeof(name), "journal commit %.12s", entry->commit.hex);
		sync_plan_later(w->plan, name);
	}
	rc = journal_pointers(w->repo, entry, on_pointer, w, e);
	if (!entry->ok && rc < 0 && rc != ERR_SYS) { /* no journal entry at all */
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int on_journal(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	struct all_walk *w = arg;
	struct journal_iter it;
	const struct journal_entry *entry;
	int rc;

	(void)ref;
	journal_iter_init(&it, w->repo, tip);
	while ((rc = journal_next(&it, &entry, e)) == 1) {
		rc = entry->tree.hex[0] ? add_journal_entry(w, entry, e) : 0;
		if (rc < 0)
			break;
	}
	journal_iter_release(&it);
	return rc < 0 ? rc : 0;
}

int bring_all(struct repo *r, struct sync_plan *plan, struct err *e)
{
	struct all_walk w = {r, plan};
	int rc = sync_plan_refs(plan, r, e);

	return rc < 0 ? rc : journal_refs(r, on_journal, &w, e);
}

static int on_spooled(void *arg, const char *ref, const struct repo_oid *id, struct err *e)
{
	struct all_walk *w = arg;
	struct journal_entry entry;
	int rc;

	(void)ref;
	journal_entry_init(&entry);
	entry.tree = *id; /* as it will be in the journal, as far as it is known */
	rc = journal_pointers(w->repo, &entry, on_pointer, w, e);
	journal_entry_release(&entry);
	return rc;
}

int bring_spooled(struct repo *r, struct sync_plan *plan, struct err *e)
{
	struct all_walk w = {r, plan};

	return repo_ref_each(r, SPOOL_REFS, on_spooled, &w, e);
}

int bring_nodes(struct repo *r, const char *root, const struct pointer *versions, size_t n,
		struct err *e)
{
	struct sync_fetch_opts opts = {.nodes_only = true};
	struct sync_result result;
	struct sync_plan plan;
	struct where where;
	int rc = 0;

	sync_plan_init(&plan);
	where_init(&where);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = sync_plan_add_pointer(&plan, root, &versions[i], e);
	if (rc == 0)
		rc = where_resolve(r, NULL, WHERE_FROM, &where, e);
	if (rc == 0)
		rc = sync_fetch(r, &where, plan.items, plan.n, &opts, &result, e);
	where_release(&where);
	sync_plan_release(&plan);
	return rc;
}
