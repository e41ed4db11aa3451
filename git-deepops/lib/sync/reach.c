/* SPDX-License-Identifier: MIT */
/* reach.c - what the local store is kept for; see reach.h */

#include "sync/reach.h"

#include <dirent.h>

#include "base/path.h"
#include "chunk/recipe.h"
#include "data/dataset.h"
#include "repo/workfile.h"
#include "sync/bring.h"
#include "sync/sync_internal.h"

struct reach {
	struct store *store;
	struct chunkset *set;
	unsigned int depth;
};

static bool absent(int rc, struct err *e)
{
	if (rc != ERR_NOTFOUND)
		return false;
	err_clear(e);
	return true;
}

static int on_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct reach *r = arg;

	(void)offset;
	(void)e;
	chunkset_add(r->set, CHUNK_DATA, &entry->id, 0);
	return 0;
}

/* A file is one chunk or a recipe: only a store that has it knows which. */
static int add_file(struct reach *r, const struct chunkid *id, struct err *e)
{
	struct recipe_source from = {sync_load_data, r->store};
	struct recipe pieces = RECIPE_INIT;
	struct buf text = BUF_INIT;
	int rc;

	chunkset_add(r->set, CHUNK_DATA, id, 0);
	if (!chunkset_add(r->set, CHUNK_RECIPE, id, 0))
		return 0;
	rc = store_load(r->store, CHUNK_RECIPE, id, &text, e);
	if (rc == 0)
		rc = recipe_pieces(text.p, text.len, &pieces, e);
	for (size_t i = 0; rc == 0 && i < pieces.n; i++)
		chunkset_add(r->set, CHUNK_DATA, &pieces.entries[i].id, 0);
	if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, on_chunk, r, e);
	recipe_release(&pieces);
	buf_release(&text);
	return absent(rc, e) ? 0 : rc;
}

static int add_node(struct reach *r, const struct chunkid *id, struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_entry entry;
	struct node_iter it;
	int rc;

	if (!chunkset_add(r->set, CHUNK_NODE, id, 0))
		return 0;
	if (r->depth > TREE_MAX_DEPTH * 2) /* parts add levels */
		return err_set(e, ERR_LIMIT, "node %s is too deep", chunkid_text(id).s);
	rc = store_load(r->store, CHUNK_NODE, id, &text, e);
	if (rc == 0) {
		r->depth++;
		rc = node_iter_init(&it, text.p, text.len, e);
		while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1)
			rc = entry.kind == NODE_DIR || entry.kind == NODE_PART
				     ? add_node(r, &entry.id, e)
				     : add_file(r, &entry.id, e);
		node_iter_release(&it);
		r->depth--;
	}
	buf_release(&text);
	return absent(rc, e) ? 0 : rc;
}

int reach_add(struct store *s, const struct pointer *p, struct chunkset *set, struct err *e)
{
	struct reach r = {s, set, 0};
	int rc = 0;

	if (p->kind == POINTER_FILE)
		return add_file(&r, &p->id, e);
	for (size_t i = 0; rc == 0 && i < p->n; i++)
		rc = add_node(&r, &p->shards[i].id, e);
	return rc;
}

/* ---- which pointers ---- */

static int add_text(struct sync_plan *plan, const char *name, const struct buf *text, struct err *e)
{
	int rc = sync_plan_add(plan, name, text->p, text->len, true, e);

	if (rc == ERR_INPUT || rc == ERR_LIMIT) { /* conflict markers: both sides are in commits */
		err_clear(e);
		rc = 0;
	}
	return rc;
}

/* One line of git ls-files -s: what is staged, and if it is our index what stands in the work tree. */
static int add_entry(struct repo *r, struct sync_plan *plan, const char *line, bool ours,
		     struct err *e)
{
	const char *path = strchr(line, '\t');
	struct buf text = BUF_INIT;
	struct repo_oid id;
	int rc = 0;

	if (!path || path < line + 7 || !repo_oid_take(&id, line + 7, ' '))
		return err_set(e, ERR_CORRUPT, "git ls-files printed '%.60s'", line);
	if (repo_read_blob(r, &id, POINTER_MAX_BYTES, &text, NULL) == 0)
		rc = add_text(plan, path + 1, &text, e);
	buf_reset(&text);
	if (rc == 0 && ours && repo_worktree(r) && workfile_read(r, path + 1, &text, NULL) > 0)
		rc = add_text(plan, path + 1, &text, e);
	buf_release(&text);
	return rc;
}

/* `gitdir`: of another work tree; NULL: ours. */
static int add_index(struct repo *r, const char *gitdir, struct sync_plan *plan, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	if (gitdir)
		strvec_pushf(&args, "--git-dir=%s", gitdir);
	strvec_pushl(&args, "ls-files", "-s", "-z", "--", ":(top)*" POINTER_SUFFIX, NULL);
	rc = repo_git_runv(r, &args, NULL, &out, e);
	for (size_t at = 0; rc == 0 && at < out.len; at += strlen(out.p + at) + 1)
		rc = add_entry(r, plan, out.p + at, !gitdir, e);
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

/* The store is shared by all work trees: what is staged in another one counts as well. */
static int add_other_indexes(struct repo *r, struct sync_plan *plan, struct err *e)
{
	struct buf path = BUF_INIT;
	struct dirent *entry;
	int rc = add_index(r, repo_commondir(r), plan, e);
	DIR *dir;

	path_join(&path, repo_commondir(r), "worktrees");
	dir = opendir(path.p);
	while (rc == 0 && dir && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/worktrees/%s", repo_commondir(r), entry->d_name);
		rc = add_index(r, path.p, plan, e);
	}
	if (dir)
		closedir(dir);
	buf_release(&path);
	return rc;
}

int reach_plan(struct repo *r, struct sync_plan *plan, size_t *current, struct err *e)
{
	int rc = add_index(r, NULL, plan, e);

	*current = plan->n;
	if (rc == 0)
		rc = add_other_indexes(r, plan, e);
	if (rc == 0)
		rc = sync_plan_reflogs(plan, r, e);
	if (rc == 0)
		rc = bring_all(r, plan, e);
	if (rc == 0)
		rc = bring_spooled(r, plan, e);
	if (rc == 0 && plan->later) {
		err_set(e, ERR_INPUT,
			"%s is of a later version of git-deepops: what it names cannot be told",
			plan->later);
		return err_hint(e, "update git-deepops: until then nothing is removed");
	}
	return rc;
}
