/* SPDX-License-Identifier: MIT */
/*
 * sync_fetch.c - bring chunks that the local store lacks; see sync.h
 *
 * Nodes level by level, then files: those that a recipe makes up are asked for by
 * recipe, then by the chunks that are not here.  What arrived is committed
 * every FETCH_COMMIT_BYTES and at the end, whatever the end is: a cut connection
 * loses nothing, a killed process little.
 *
 * Chunks and nodes are what their ids say; a recipe may be any.  So its sum is held
 * against what the node says of the file, and a chunk's length against the
 * recipe: a hostile server can make nobody store more than the pointers promise.
 * And recipes wait in a session of their own, which is given up in the end: one is
 * stored for good only when the chunks that it names were put together and are the
 * file.  A recipe that is here is doubted as well if that does not come out.
 */

#include "sync/sync_internal.h"

#include "base/killpoint.h"
#include "base/path.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/remote.h"
#include "sync/floor.h"

#define FETCH_COMMIT_BYTES (256 * MIB)

/* A node still to be read and the path that its names hang on. */
struct fetch_dir {
	struct chunkid id;
	char *path;
	uint64_t bytes, files; /* what is said of it */
};

struct fetch_level {
	struct fetch_dir *v;
	size_t n, alloc;
};

struct fetcher {
	struct repo *repo;
	struct store *store;
	struct store_txn *txn;
	struct store_txn *spill; /* recipes of the files at hand, not proven yet; NULL: none */
	struct pool *pool;       /* to prove them */
	struct remote *remote;   /* opened when the first chunk is missing */
	const struct where *where;
	const struct sync_fetch_opts *opts;
	struct sync_result *out;
	struct progress *progress;
	struct chunkset *seen;  /* nodes and chunks asked for; of chunks the bytes they must have */
	struct chunkset *files; /* the same of files, as RECIPE */
	struct sync_ids small;  /* files of at most CHUNK_MAX_BYTES: chunk or recipe */
	struct sync_ids large;  /* files that only a recipe can make up */
	struct sync_ids chunks; /* pieces of files */
	struct sync_ids unfound; /* what the last question did not find */
	const char *name;
	uint64_t empty; /* directories of this item without a file in them */
	bool absent;    /* the remote lacks something of this item */
	struct chunkid absent_id;
	bool liar; /* that is so by a recipe of the remote itself */
};

/* ---- asking ---- */

static int ensure_remote(struct fetcher *f, struct err *e)
{
	struct remote_where where = where_view(f->where);

	return f->remote ? 0 : remote_open(&f->remote, &where, e);
}

static int commit_txn(struct fetcher *f, struct err *e)
{
	int rc;

	if (!f->txn)
		return 0;
	killpoint("fetch-before-commit");
	rc = store_commit(f->txn, NULL, e);
	if (rc == 0)
		f->txn = NULL;
	return rc;
}

/* How long must this chunk be?  One that is a whole file may be a piece of another, too. */
static bool has_other_length(const struct fetcher *f, const struct chunkkey *key, uint32_t plain,
			     uint64_t *want)
{
	return key->kind == CHUNK_DATA &&
	       (chunkset_get(f->seen, CHUNK_DATA, &key->id, want) ||
		chunkset_get(f->files, CHUNK_RECIPE, &key->id, want)) &&
	       *want != plain;
}

static int on_chunk(void *arg, const struct chunkkey *key, const struct store_info *info,
		    const void *stored, struct err *e)
{
	struct fetcher *f = arg;
	struct store_txn **into;
	uint64_t want;
	int rc = 0;

	if (sig_pending())
		return sig_err(e);
	if (!info) {
		sync_ids_add(&f->unfound, &key->id);
		return 0;
	}
	if (has_other_length(f, key, info->plain, &want))
		return err_set(e, ERR_CORRUPT, "chunk %s has %" PRIu32 " bytes, not %" PRIu64,
			       chunkid_text(&key->id).s, info->plain, want);
	killpoint("fetch-chunk");
	if (f->txn && store_txn_bytes(f->txn) >= FETCH_COMMIT_BYTES)
		rc = commit_txn(f, e);
	into = key->kind == CHUNK_RECIPE ? &f->spill : &f->txn;
	if (rc == 0 && !*into)
		rc = store_begin(f->store, NULL, into, e);
	if (rc < 0)
		return rc;
	rc = store_put_encoded(*into, (enum chunk_kind)key->kind, &key->id, info, stored, e);
	if (rc >= 0) {
		f->out->chunks++;
		f->out->bytes += info->stored;
		progress_add(f->progress, info->stored);
	}
	return rc < 0 ? rc : 0;
}

static bool known_here(struct fetcher *f, enum chunk_kind kind, const struct chunkid *id, int *rc,
		       struct err *e)
{
	*rc = f->txn ? store_txn_has(f->txn, kind, id, NULL, e)
		     : store_has(f->store, kind, id, NULL, e);
	return *rc == 1;
}

/* Bring those of `ids` that are not here; f->unfound lists what the remote lacks. */
static int get_ids(struct fetcher *f, enum chunk_kind kind, const struct sync_ids *ids,
		   struct err *e)
{
	struct chunkkey *keys = xcalloc(MIN(ids->n, SYNC_BATCH_IDS) + 1, sizeof(*keys));
	int rc = 0;

	f->unfound.n = 0;
	for (size_t at = 0; rc == 0 && at < ids->n;) {
		size_t n = 0;

		for (; rc == 0 && at < ids->n && n < SYNC_BATCH_IDS; at++) {
			if (known_here(f, kind, &ids->v[at], &rc, e))
				rc = 0;
			else if (rc == 0)
				keys[n++] = (struct chunkkey){(uint8_t)kind, ids->v[at]};
		}
		if (rc < 0 || !n)
			break;
		rc = ensure_remote(f, e);
		if (rc == 0)
			rc = remote_get(f->remote, keys, n, on_chunk, f, e);
	}
	free(keys);
	return rc;
}

/* Recipes that are here are asked for all the same: 1 the remote sent them all, 0 not. */
static int ask_again(struct fetcher *f, const struct sync_ids *files, struct err *e)
{
	struct chunkkey *keys = xcalloc(files->n + 1, sizeof(*keys));
	int rc = ensure_remote(f, e);

	for (size_t i = 0; i < files->n; i++)
		keys[i] = (struct chunkkey){CHUNK_RECIPE, files->v[i]};
	f->unfound.n = 0;
	for (size_t at = 0; rc == 0 && at < files->n; at += SYNC_BATCH_IDS)
		rc = remote_get(f->remote, keys + at, MIN(files->n - at, SYNC_BATCH_IDS), on_chunk,
				f, e);
	free(keys);
	return rc < 0 ? rc : f->unfound.n == 0;
}

static int load_here(struct fetcher *f, enum chunk_kind kind, const struct chunkid *id,
		     struct buf *out, struct err *e)
{
	return f->txn ? store_txn_load(f->txn, kind, id, out, e)
		      : store_load(f->store, kind, id, out, e);
}

static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	return load_here(arg, CHUNK_DATA, id, out, e);
}

static void note_absent(struct fetcher *f)
{
	if (!f->unfound.n || f->absent)
		return;
	f->absent = true;
	f->absent_id = f->unfound.v[0];
}

/* ---- files ---- */

static void want_chunk(struct fetcher *f, const struct chunkid *id, uint32_t bytes)
{
	if (chunkset_add(f->seen, CHUNK_DATA, id, bytes))
		sync_ids_add(&f->chunks, id);
}

static int flush_chunks(struct fetcher *f, struct err *e)
{
	int rc = get_ids(f, CHUNK_DATA, &f->chunks, e);

	f->chunks.n = 0;
	sync_forget(&f->seen, SYNC_SEEN_MAX);
	if (rc == 0)
		note_absent(f);
	return rc;
}

/* Flushing as it goes: a recipe may name more chunks than there is memory for. */
static int want_entry(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct fetcher *f = arg;

	(void)offset;
	want_chunk(f, &entry->id, entry->bytes);
	return f->chunks.n < SYNC_BATCH_IDS ? 0 : flush_chunks(f, e);
}

static int check_total(struct fetcher *f, const struct chunkid *file, const struct buf *text,
		       struct err *e)
{
	uint64_t bytes, want;
	int rc = recipe_total(text->p, text->len, &bytes, e);

	if (rc < 0 || !chunkset_get(f->files, CHUNK_RECIPE, file, &want) || bytes == want)
		return rc;
	return err_set(e, ERR_CORRUPT, "recipe %s makes a file of %" PRIu64 " bytes, not %" PRIu64,
		       chunkid_text(file).s, bytes, want);
}

/* Has the remote just sent it? */
static bool is_spilled(struct fetcher *f, const struct chunkid *file)
{
	return f->spill && store_txn_own(f->spill, CHUNK_RECIPE, file);
}

static int load_recipe(struct fetcher *f, const struct chunkid *file, struct buf *text,
		       struct err *e)
{
	return is_spilled(f, file) ? store_txn_load(f->spill, CHUNK_RECIPE, file, text, e)
				   : load_here(f, CHUNK_RECIPE, file, text, e);
}

/* A long recipe names pieces, which are chunks too and have to be here before it can be read. */
static int expand_recipe(struct fetcher *f, const struct chunkid *file, struct err *e)
{
	struct recipe_source from = {load_piece, f};
	struct recipe pieces = RECIPE_INIT;
	struct buf text = BUF_INIT;
	int rc = load_recipe(f, file, &text, e);

	if (rc == 0)
		rc = check_total(f, file, &text, e);
	if (rc == 0)
		rc = recipe_pieces(text.p, text.len, &pieces, e);
	for (size_t i = 0; rc == 0 && i < pieces.n; i++)
		want_chunk(f, &pieces.entries[i].id, pieces.entries[i].bytes);
	if (rc == 0 && pieces.n)
		rc = flush_chunks(f, e);
	if (rc == 0 && !f->absent)
		rc = recipe_walk(text.p, text.len, &from, want_entry, f, e);
	recipe_release(&pieces);
	buf_release(&text);
	return rc;
}

/* Bring what these files are made of.  One that is here and makes no sense goes to `doubted`. */
static int expand_recipes(struct fetcher *f, const struct sync_ids *files, struct sync_ids *doubted,
			  struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n && !f->absent; i++) {
		rc = expand_recipe(f, &files->v[i], e);
		if (rc == ERR_CORRUPT && !is_spilled(f, &files->v[i])) {
			err_clear(e);
			sync_ids_add(doubted, &files->v[i]);
			rc = 0;
		}
	}
	return rc < 0 ? rc : flush_chunks(f, e);
}

static void hint_remote(struct err *e)
{
	err_hint(e, "its store is damaged or does not tell the truth: there, git deepops fsck "
		    "--deep --repair; then git deepops push --data-only from a clone that has "
		    "the data");
}

/* 1: the recipe and the chunks that are here now make the file; 0: they do not. */
static int prove(struct fetcher *f, const struct chunkid *file, struct buf *text, struct err *e)
{
	int rc = load_recipe(f, file, text, e);

	if (!f->pool)
		f->pool = pool_new(0, 0);
	if (rc == 0)
		rc = store_makes_file(f->store, f->txn, file, text, f->pool, e);
	if (rc == ERR_CORRUPT && is_spilled(f, file)) {
		err_wrap(e, "remote %s", f->where->name.p);
		hint_remote(e);
		return ERR_CORRUPT;
	}
	if (rc == ERR_CORRUPT)
		err_clear(e);
	return rc == ERR_CORRUPT ? 0 : rc;
}

/* recipe_entry_fn */
static int is_absent_entry(void *arg, uint64_t offset, const struct recipe_entry *entry,
			   struct err *e)
{
	struct fetcher *f = arg;

	(void)offset;
	(void)e;
	f->liar = f->liar || chunkid_equal(&entry->id, &f->absent_id);
	return 0;
}

/* Is it by this recipe of the remote's that something was asked for which it has not? */
static void note_liar(struct fetcher *f, const struct buf *recipe)
{
	struct recipe_source from = {load_piece, f};
	struct recipe pieces = RECIPE_INIT;

	if (recipe_pieces(recipe->p, recipe->len, &pieces, NULL) == 0)
		for (size_t i = 0; i < pieces.n; i++)
			(void)!is_absent_entry(f, 0, &pieces.entries[i], NULL);
	(void)!recipe_walk(recipe->p, recipe->len, &from, is_absent_entry, f, NULL);
	recipe_release(&pieces);
}

/* A recipe that the remote sent is stored if it is true; one that is here may turn out to be false. */
static int settle(struct fetcher *f, const struct chunkid *file, bool came,
		  struct sync_ids *doubted, struct err *e)
{
	struct buf text = BUF_INIT;
	bool spilled = is_spilled(f, file);
	int rc = spilled || came ? prove(f, file, &text, e) : 1;

	if (rc == 1 && spilled) {
		if (!f->txn)
			rc = store_begin(f->store, NULL, &f->txn, e);
		if (rc >= 0)
			rc = store_put(f->txn, CHUNK_RECIPE, file, text.p, text.len, true, e);
	} else if (rc == 0 && !spilled) {
		sync_ids_add(doubted, file);
	} else if (rc == 0) {
		note_liar(f, &text);
	}
	buf_release(&text);
	return MIN(rc, 0);
}

static int settle_all(struct fetcher *f, const struct sync_ids *files, struct sync_ids *doubted,
		      struct err *e)
{
	uint64_t before = f->out->chunks;
	int rc = expand_recipes(f, files, doubted, e);
	bool came = f->out->chunks > before || f->absent;

	for (size_t i = 0; rc == 0 && i < files->n; i++)
		rc = settle(f, &files->v[i], came, doubted, e);
	return rc;
}

/*
 * The files whose recipes are here or were just sent.  If a recipe that is here is of no use, the
 * remote may have a better one.
 */
static int bring_files(struct fetcher *f, const struct sync_ids *files, struct err *e)
{
	struct sync_ids doubted = SYNC_IDS_INIT, again = SYNC_IDS_INIT;
	int rc = settle_all(f, files, &doubted, e);

	if (rc == 0 && doubted.n) {
		rc = ask_again(f, &doubted, e);
		if (rc == 1) {
			f->absent = false;
			f->chunks.n = 0;
			sync_forget(&f->seen, 0);
			rc = settle_all(f, &doubted, &again, e);
		}
	}
	if (f->spill)
		store_abort(f->spill, false);
	f->spill = NULL;
	sync_ids_release(&doubted);
	sync_ids_release(&again);
	return rc;
}

/* Small files: by recipe where there is one, the others are one chunk each. */
static int split_small(struct fetcher *f, struct sync_ids *recipes, struct err *e)
{
	struct sync_ids unknown = SYNC_IDS_INIT;
	uint8_t *have;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < f->small.n; i++) {
		if (known_here(f, CHUNK_DATA, &f->small.v[i], &rc, e))
			continue;
		if (rc == 0 && known_here(f, CHUNK_RECIPE, &f->small.v[i], &rc, e))
			sync_ids_add(recipes, &f->small.v[i]);
		else if (rc == 0)
			sync_ids_add(&unknown, &f->small.v[i]);
	}
	have = xcalloc(unknown.n + 1, 1);
	if (rc >= 0)
		rc = unknown.n ? ensure_remote(f, e) : 0;
	if (rc == 0 && unknown.n) /* all here: perhaps there is no connection */
		rc = remote_have(f->remote, CHUNK_RECIPE, unknown.v, unknown.n, have, e);
	for (size_t i = 0; rc == 0 && i < unknown.n; i++)
		sync_ids_add(have[i] ? recipes : &f->chunks, &unknown.v[i]);
	free(have);
	sync_ids_release(&unknown);
	return rc;
}

static int flush_files(struct fetcher *f, struct err *e)
{
	struct sync_ids recipes = SYNC_IDS_INIT;
	int rc = split_small(f, &recipes, e);

	for (size_t i = 0; i < f->large.n; i++)
		sync_ids_add(&recipes, &f->large.v[i]);
	f->small.n = f->large.n = 0;
	if (rc == 0)
		rc = get_ids(f, CHUNK_RECIPE, &recipes, e);
	if (rc == 0)
		note_absent(f);
	if (rc == 0)
		rc = bring_files(f, &recipes, e);
	sync_ids_release(&recipes);
	sync_forget(&f->files, SYNC_SEEN_MAX);
	return rc;
}

static bool wanted(const struct fetcher *f, const char *path)
{
	const struct sync_fetch_opts *o = f->opts;

	if (o->include && o->include->nr && !wildmatch_list(o->include, path, false))
		return false;
	return !o->exclude || !o->exclude->nr || !wildmatch_list(o->exclude, path, false);
}

static int want_file(struct fetcher *f, const char *path, const struct chunkid *id, uint64_t bytes,
		     struct err *e)
{
	if (chunkid_is_empty_file(id) || !wanted(f, path) ||
	    !chunkset_add(f->files, CHUNK_RECIPE, id, bytes))
		return 0;
	sync_ids_add(bytes > CHUNK_MAX_BYTES ? &f->large : &f->small, id);
	return f->small.n + f->large.n >= SYNC_BATCH_IDS ? flush_files(f, e) : 0;
}

/* ---- nodes ---- */

static void level_add(struct fetch_level *l, const struct node_entry *dir, const char *path)
{
	XGROW(l->v, l->n + 1, l->alloc);
	l->v[l->n++] = (struct fetch_dir){dir->id, xstrdup(path), dir->bytes, dir->files};
}

static void level_release(struct fetch_level *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	memset(l, 0, sizeof(*l));
}

/*
 * Without patterns it does not matter by which path a node was found: what many versions
 * have in common, or a tree that names one node a million times, is read once.
 */
static bool is_known_node(struct fetcher *f, const struct chunkid *id)
{
	bool all = !(f->opts->include && f->opts->include->nr) &&
		   !(f->opts->exclude && f->opts->exclude->nr);

	return all && !chunkset_add(f->seen, CHUNK_NODE, id, 0);
}

static int read_entry(struct fetcher *f, const struct fetch_dir *dir,
		      const struct node_entry *entry, struct fetch_level *next, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	if ((entry->kind == NODE_DIR || entry->kind == NODE_PART) && is_known_node(f, &entry->id))
		return 0;
	if (entry->kind == NODE_PART) {
		level_add(next, entry, dir->path);
		return 0;
	}
	path_join(&path, dir->path, entry->name);
	if (entry->kind == NODE_DIR)
		level_add(next, entry, path.p);
	else if (!f->opts->nodes_only)
		rc = want_file(f, path.p, &entry->id, entry->bytes, e);
	buf_release(&path);
	return rc;
}

/*
 * A tree must not be walked further than its pointer says: with patterns one node is read again by each
 * path that leads to it.
 */
static int check_said(struct fetcher *f, const struct fetch_dir *dir, const struct buf *text,
		      struct err *e)
{
	uint64_t bytes = 0, files = 0;
	int rc = node_sum(text->p, text->len, &bytes, &files, e);

	if (rc == 0 && (bytes != dir->bytes || files != dir->files))
		rc = err_set(e, ERR_CORRUPT, "'%s': a node holds other sums than are said of it",
			     dir->path);
	if (rc == 0 && !files && ++f->empty > TREE_MAX_EMPTY_DIRS)
		rc = err_set(e, ERR_LIMIT, "more than %d directories without a file in them",
			     TREE_MAX_EMPTY_DIRS);
	return rc;
}

static int read_dir(struct fetcher *f, const struct fetch_dir *dir, struct fetch_level *next,
		    struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_iter it;
	struct node_entry entry;
	int rc = load_here(f, CHUNK_NODE, &dir->id, &text, e);

	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	rc = check_said(f, dir, &text, e);
	if (rc < 0) {
		buf_release(&text);
		return rc;
	}
	rc = node_iter_init(&it, text.p, text.len, e);
	while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1)
		rc = read_entry(f, dir, &entry, next, e);
	node_iter_release(&it);
	buf_release(&text);
	return rc;
}

static int fetch_level(struct fetcher *f, const struct fetch_level *level, struct fetch_level *next,
		       struct err *e)
{
	struct sync_ids ids = SYNC_IDS_INIT;
	int rc;

	for (size_t i = 0; i < level->n; i++)
		sync_ids_add(&ids, &level->v[i].id);
	rc = get_ids(f, CHUNK_NODE, &ids, e);
	if (rc == 0)
		note_absent(f);
	for (size_t i = 0; rc == 0 && !f->absent && i < level->n; i++)
		rc = read_dir(f, &level->v[i], next, e);
	sync_ids_release(&ids);
	return rc;
}

/* "a/b/" and "/" are the files directly there, "." the whole tree. */
static void shard_prefix(const char *name, struct buf *out)
{
	if (!strcmp(name, ".") || !strcmp(name, "/"))
		return;
	buf_addstr(out, name);
	if (out->len && out->p[out->len - 1] == '/')
		buf_setlen(out, out->len - 1);
}

static int fetch_tree(struct fetcher *f, const struct pointer *p, struct err *e)
{
	struct fetch_level level = {NULL, 0, 0};
	int depth = 0, rc = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct node_entry shard = {.id = p->shards[i].id,
					   .bytes = p->shards[i].bytes,
					   .files = p->shards[i].files};
		struct buf prefix = BUF_INIT;

		if (is_known_node(f, &p->shards[i].id))
			continue;
		shard_prefix(p->shards[i].name, &prefix);
		level_add(&level, &shard, prefix.p);
		buf_release(&prefix);
	}
	while (rc == 0 && level.n && !f->absent) {
		struct fetch_level next = {NULL, 0, 0};

		if (depth++ > TREE_MAX_DEPTH * 2)
			rc = err_set(e, ERR_LIMIT, "tree is too deep");
		else
			rc = fetch_level(f, &level, &next, e);
		level_release(&level);
		level = next;
	}
	level_release(&level);
	return rc < 0 || f->absent ? rc : flush_files(f, e);
}

/* Who has it?  A remote that has the commit, perhaps, or whoever made the commit. */
static void hint_absent(const struct fetcher *f, const char *name, struct err *e)
{
	struct strvec others = STRVEC_INIT;
	struct buf list = BUF_INIT;

	where_others_with(f->repo, f->where->name.p, name, &others);
	for (size_t i = 0; i < others.nr; i++) {
		buf_addstr(&list, i ? " or " : "");
		buf_addstr(&list, "git deepops fetch --remote=");
		path_shell_quote(&list, others.v[i]);
	}
	if (others.nr)
		err_hint(e, "%s", list.p);
	else
		err_hint(e, "whoever has the data runs `git deepops push --data-only`");
	strvec_release(&others);
	buf_release(&list);
}

static int fetch_item(struct fetcher *f, const struct sync_item *item, struct err *e)
{
	uint64_t before = f->out->chunks;
	int rc = 0;

	f->name = item->name;
	f->absent = false;
	f->empty = 0;
	if (item->pointer.kind == POINTER_TREE) {
		rc = fetch_tree(f, &item->pointer, e);
	} else if (!f->opts->nodes_only) {
		rc = want_file(f, "", &item->pointer.id, item->pointer.bytes, e);
		if (rc == 0)
			rc = flush_files(f, e);
	}
	f->out->datasets += f->out->chunks > before;
	if (rc == 0 && f->absent && item->lenient) {
		f->out->skipped++;
		f->small.n = f->large.n = f->chunks.n = 0;
		/* What was asked for in vain, or not any more, counts for the next one. */
		sync_forget(&f->seen, 0);
		sync_forget(&f->files, 0);
	} else if (rc == 0 && f->absent && f->liar) {
		err_set(e, ERR_CORRUPT,
			"%s: remote %s lists chunk %s of a file and does not have it", item->name,
			f->where->name.p, chunkid_text(&f->absent_id).s);
		hint_remote(e);
		return ERR_CORRUPT;
	} else if (rc == 0 && f->absent) {
		rc = err_set(e, ERR_NOTFOUND, "%s: %s is not on remote %s", item->name,
			     chunkid_text(&f->absent_id).s, f->where->name.p);
		hint_absent(f, item->name, e);
		return rc;
	}
	return rc < 0 ? err_wrap(e, "%s", item->name) : 0;
}

static void fetcher_release(struct fetcher *f)
{
	progress_stop(&f->progress);
	remote_close(&f->remote);
	if (f->txn)
		store_abort(f->txn, false);
	if (f->spill)
		store_abort(f->spill, false);
	pool_free(f->pool);
	store_close(f->store);
	chunkset_free(f->seen);
	chunkset_free(f->files);
	sync_ids_release(&f->small);
	sync_ids_release(&f->large);
	sync_ids_release(&f->chunks);
	sync_ids_release(&f->unfound);
}

int sync_fetch(struct repo *r, const struct where *w, const struct sync_item *items, size_t n,
	       const struct sync_fetch_opts *opts, struct sync_result *out, struct err *e)
{
	struct fetcher f;
	int rc, rc2;

	memset(out, 0, sizeof(*out));
	memset(&f, 0, sizeof(f));
	f.repo = r;
	f.where = w;
	f.opts = opts;
	f.out = out;
	f.seen = chunkset_new();
	f.files = chunkset_new();
	rc = sync_open_store(r, &f.store, e);
	if (rc == 0)
		f.progress = progress_start("Fetching data", 0, PROGRESS_BYTES);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = fetch_item(&f, &items[i], e);
	rc2 = commit_txn(&f, rc ? NULL : e); /* what did arrive is worth keeping */
	rc = rc ? rc : rc2;
	if (rc == 0 && f.remote)
		floor_refresh(r, w, f.remote);
	fetcher_release(&f);
	return rc;
}
