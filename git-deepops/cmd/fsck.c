/* SPDX-License-Identifier: MIT */
/* fsck.c - git deepops fsck: is what the local store holds what its names say? */

#include "cmd.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "data/dataset.h"
#include "sync/bring.h"

static const char *const usage[] = {"git deepops fsck [options]", NULL};

struct finding {
	char *file, *what;
	struct chunkkey key;
	struct strvec paths;
};

struct fsck {
	struct dataset_env *d;
	struct store *store;
	struct finding *v;
	size_t n, alloc;
	struct chunkset *bad; /* damaged keys; value: index of the finding */
	const char *dataset;
	uint64_t chunks, bytes;
};

static int on_damage(void *arg, const struct store_damage *damage, struct err *e)
{
	struct fsck *f = arg;
	struct finding *found;

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

static void note_path(struct fsck *f, enum chunk_kind kind, const struct chunkid *id,
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
	struct fsck *fsck;
	const char *path;
};

static int note_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct named *n = arg;

	(void)offset;
	(void)e;
	note_path(n->fsck, CHUNK_DATA, &entry->id, n->path);
	return 0;
}

static void note_recipe(struct fsck *f, const struct chunkid *file, const char *path)
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
	struct fsck *f = arg;

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
	struct fsck *f = arg;

	note_path(f, CHUNK_NODE, id, "");
	return store_load(f->store, CHUNK_NODE, id, text, e);
}

/* Every version in every branch, tag and run.  What can't be read of one is left, the rest is named. */
static int name_paths(struct fsck *f, struct repo *r, struct err *e)
{
	struct dataset_walk_opts opts = {NULL, false};
	struct sync_plan plan;
	int rc;

	sync_plan_init(&plan);
	rc = bring_current(r, NULL, &plan, NULL, e);
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

static void print_finding(const struct finding *f)
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

static struct json *finding_json(const struct finding *f)
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

static void print_json(const struct fsck *f)
{
	struct json *doc = json_mkobj(), *list = json_mkarr();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < f->n; i++)
		json_push(list, finding_json(&f->v[i]));
	json_put_int(doc, "version", 1);
	json_put_int(doc, "chunks", (int64_t)f->chunks);
	json_put_int(doc, "bytes", (int64_t)f->bytes);
	json_put(doc, "damage", list);
	json_text(doc, true, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	json_unref(doc);
}

/* A recipe whose chunks are all as they should be and yet do not give its file. */
static size_t lying_recipes(const struct fsck *f, struct chunkkey *keys)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].key.kind == CHUNK_RECIPE)
			keys[n++] = f->v[i].key;
	return n;
}

/* f->store still has the catalogue of before the rebuild. */
static int give_up(const char *dir, const struct chunkkey *keys, size_t n, struct err *e)
{
	struct store *s;
	int rc = store_open(&s, dir, 0, e);

	if (rc < 0)
		return rc;
	rc = store_mark_lost(s, keys, n, "fsck", e);
	store_close(s);
	return rc;
}

/*
 * Packs that hold damage are written anew with what is good in them.  Only then is a chunk
 * gone: another copy of it may be sound.
 */
static int repair(struct fsck *f, enum store_fsck_depth depth, struct err *e)
{
	struct chunkkey *keys = xcalloc(f->n + 1, sizeof(*keys));
	size_t n = lying_recipes(f, keys);
	int rc = store_rebuild(store_dir(f->store), depth, NULL, e);

	if (rc == 0 && n)
		rc = give_up(store_dir(f->store), keys, n, e);
	free(keys);
	if (rc == 0)
		log_hint("git deepops fetch, or git deepops track, stores again what is gone; the "
			 "damaged files are kept beside the others, as *.bad*");
	return rc;
}

static void fsck_release(struct fsck *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].file);
		free(f->v[i].what);
		strvec_release(&f->v[i].paths);
	}
	free(f->v);
	chunkset_free(f->bad);
	dataset_close(f->d);
}

static int check(struct fsck *f, struct repo *r, enum store_fsck_depth depth, struct err *e)
{
	int rc = dataset_open(&f->d, r, e);

	if (rc < 0)
		return rc;
	f->bad = chunkset_new();
	f->store = dataset_store(f->d, e);
	if (!f->store)
		return e->code;
	if (store_was_rebuilt(f->store))
		log_warn("the catalogue of the store could not be read and was made anew from the "
			 "packs");
	rc = store_fsck(f->store, depth, on_damage, f, &f->chunks, &f->bytes, e);
	return rc == 0 && f->n ? name_paths(f, r, e) : rc;
}

int cmd_fsck(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	bool quick = false, deep = false, mend = false, json = false;
	struct opt opts[] = {OPT_BOOL("quick", 0, &quick, "files, sizes and indexes only"),
			     OPT_BOOL("deep", 0, &deep, "decode and hash every chunk too"),
			     OPT_BOOL("repair", 0, &mend,
				      "take damaged chunks out, so that they are stored anew"),
			     OPT_BOOL("json", 0, &json, "one JSON document"), OPT_END};
	enum store_fsck_depth depth;
	struct fsck f;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1 || (quick && deep))
		return err_set(e, ERR_USAGE,
			       quick && deep ? "--quick and --deep exclude each other"
					     : "fsck takes no operand");
	memset(&f, 0, sizeof(f));
	depth = quick ? STORE_FSCK_QUICK : deep ? STORE_FSCK_DEEP : STORE_FSCK_PACKS;
	rc = check(&f, ctx->repo, depth, e);
	for (size_t i = 0; rc == 0 && !json && i < f.n; i++)
		print_finding(&f.v[i]);
	if (rc == 0 && json)
		print_json(&f);
	if (rc == 0 && !f.n)
		log_note("%" PRIu64 " chunks, %s: sound", f.chunks, num_human_bytes(f.bytes).s);
	if (rc == 0 && f.n && mend)
		rc = repair(&f, depth, e);
	else if (rc == 0 && f.n)
		log_hint("git deepops fsck --repair, then git deepops fetch");
	if (rc == 0 && f.n)
		rc = 1;
	fsck_release(&f);
	return rc;
}
