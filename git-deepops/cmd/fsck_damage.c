/* SPDX-License-Identifier: MIT */
/* fsck_damage.c - what is damaged in a store, with the paths it belongs to; see fsck_damage.h */
#include "fsck_damage.h"

#include <stdio.h>

#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "data/dataset.h"
#include "sync/bring.h"

int cmd_damage_note(void *arg, const struct store_damage *damage, struct err *e)
{
	struct damage *f = arg;
	struct damage_finding *found;

	(void)e;
	XGROW(f->v, f->n + 1, f->alloc);
	found = &f->v[f->n];
	found->file = xstrdup(damage->file);
	found->what = xstrdup(damage->what);
	found->key = damage->key;
	strvec_init(&found->paths);
	if (damage->key.kind)
		chunkset_add(f->bad, (enum chunk_kind)damage->key.kind, &damage->key.id, f->n);
	f->n++;
	return 0;
}

/* ---- which paths a damaged chunk belongs to ---- */

static void note_path(struct damage *f, enum chunk_kind kind, const struct chunkid *id,
		      const char *path)
{
	struct buf full = BUF_INIT;
	uint64_t at;

	if (!chunkset_get(f->bad, kind, id, &at))
		return;
	if (*path)
		path_join(&full, f->dataset, path);
	else
		buf_addstr(&full, f->dataset);
	if (!strvec_has(&f->v[at].paths, full.p))
		strvec_push(&f->v[at].paths, full.p);
	buf_release(&full);
}

static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	return store_load(arg, CHUNK_DATA, id, out, e);
}

struct named {
	struct damage *damage;
	const char *path;
};

static int note_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct named *n = arg;

	(void)offset;
	(void)e;
	note_path(n->damage, CHUNK_DATA, &entry->id, n->path);
	return 0;
}

static void note_recipe(struct damage *f, const struct chunkid *file, const char *path)
{
	struct recipe_source from = {load_piece, f->store};
	struct named n = {f, path};
	struct buf text = BUF_INIT;

	/* A recipe that can't be read is a finding of its own. */
	if (store_load(f->store, CHUNK_RECIPE, file, &text, NULL) == 0)
		(void)!recipe_walk(text.p, text.len, &from, note_chunk, &n, NULL);
	buf_release(&text);
}

static int on_entry(void *arg, const char *path, const struct node_entry *entry, struct err *e)
{
	struct damage *f = arg;

	(void)e;
	if (entry->kind == NODE_DIR)
		return 0;
	note_path(f, CHUNK_DATA, &entry->id, path);
	note_path(f, CHUNK_RECIPE, &entry->id, path);
	if (store_has(f->store, CHUNK_RECIPE, &entry->id, NULL, NULL) == 1)
		note_recipe(f, &entry->id, path);
	return 0;
}

/* A loader that says below which dataset a damaged node was met. */
static int load_node(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct damage *f = arg;

	note_path(f, CHUNK_NODE, id, "");
	return store_load(f->store, CHUNK_NODE, id, text, e);
}

/* Every version in every branch, tag and run.  What can't be read of one is left, the rest is named. */
int cmd_damage_name_paths(struct damage *f, struct repo *r, struct err *e)
{
	struct dataset_walk_opts opts = {NULL, false};
	struct sync_plan plan;
	int rc;

	sync_plan_init(&plan);
	rc = repo_is_bare(r) ? 0 : bring_current(r, NULL, &plan, NULL, e);
	if (rc == 0)
		rc = bring_all(r, &plan, e);
	for (size_t i = 0; rc == 0 && i < plan.n; i++) {
		struct buf root = BUF_INIT;
		struct err ignored = ERR_INIT;

		if (!pointer_root_of(plan.items[i].name, &root))
			buf_addstr(&root, plan.items[i].name);
		f->dataset = root.p;
		if (dataset_walk(&plan.items[i].pointer, &opts, load_node, f, on_entry, f,
				 &ignored) < 0)
			log_verbose("%s: %s", root.p, ignored.msg);
		buf_release(&root);
	}
	sync_plan_release(&plan);
	return rc;
}

/* ---- report ---- */

static void print_finding(const struct damage_finding *f)
{
	struct buf line = BUF_INIT;

	buf_addstr(&line, "damaged: ");
	for (size_t i = 0; i < f->paths.nr; i++) {
		path_quote(&line, f->paths.v[i], strlen(f->paths.v[i]));
		buf_addstr(&line, i + 1 < f->paths.nr ? ", " : ": ");
	}
	if (f->key.kind)
		buf_addf(&line, "%s %s in ", chunkid_kind_name((enum chunk_kind)f->key.kind),
			 chunkid_text(&f->key.id).s);
	buf_addf(&line, "%s: %s\n", f->file, f->what);
	fwrite(line.p, 1, line.len, stdout);
	buf_release(&line);
}

static struct json *finding_json(const struct damage_finding *f)
{
	struct json *o = json_mkobj(), *paths = json_mkarr();

	json_put_str(o, "file", f->file);
	json_put_str(o, "what", f->what);
	if (f->key.kind) {
		json_put_str(o, "kind", chunkid_kind_name((enum chunk_kind)f->key.kind));
		json_put_str(o, "id", chunkid_text(&f->key.id).s);
	}
	for (size_t i = 0; i < f->paths.nr; i++) {
		struct buf quoted = BUF_INIT;

		path_text(&quoted, f->paths.v[i]);
		json_push(paths, json_mkstr(quoted.p));
		buf_release(&quoted);
	}
	json_put(o, "paths", paths);
	return o;
}

void cmd_damage_print(const struct damage *f)
{
	for (size_t i = 0; i < f->n; i++)
		print_finding(&f->v[i]);
}

struct json *cmd_damage_json(const struct damage *f)
{
	struct json *list = json_mkarr();

	for (size_t i = 0; i < f->n; i++)
		json_push(list, finding_json(&f->v[i]));
	return list;
}

void cmd_damage_init(struct damage *f)
{
	memset(f, 0, sizeof(*f));
	f->bad = chunkset_new();
}

void cmd_damage_release(struct damage *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].file);
		free(f->v[i].what);
		strvec_release(&f->v[i].paths);
	}
	free(f->v);
	chunkset_free(f->bad);
	memset(f, 0, sizeof(*f));
}
