/* SPDX-License-Identifier: MIT */
/*
 * sync_push.c - negotiate and send chunks; see sync.h
 *
 * Roots first (one question for everything); of what is not complete, nodes
 * top down, level by level, asking before descending; then content ids in
 * batches.  Sent bottom up: chunks, recipes, nodes from the deepest, commit.
 */

#include "sync/sync_internal.h"

#include <time.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/killpoint.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/remote.h"

struct sender {
	struct store *store;
	struct remote *remote;
	const struct sync_opts *opts;
	struct sync_result *out;
	struct progress *progress;
	struct chunkset *seen;   /* what was asked for or sent in this push */
	struct sync_ids nodes;   /* of the current item, to send, top down */
	struct sync_ids data;    /* candidates: chunks */
	struct buf is_piece;     /* a byte for each: is it of a file whose recipe follows? */
	struct sync_ids recipes; /* candidates: multi-chunk files */
	struct sync_ids whole;   /* lacking recipes, in order */
	size_t *behind;          /* each is sent behind so many of `data` */
	size_t behind_alloc;
	size_t recipes_sent;    /* of `whole` */
	struct sync_ids absent; /* files of which there is neither chunk nor recipe here */
	const char *name;       /* of the current item */
	uint64_t started_ms;
	bool begun;
};

/* ---- sending ---- */

/* Sleep as long as what was sent is ahead of the rate the user allowed. */
static void throttle(const struct sender *s)
{
	uint64_t rate = s->opts->bytes_per_second, due, spent;
	struct timespec wait;

	if (!rate)
		return;
	due = remote_sent_bytes(s->remote) * 1000 / rate;
	spent = clock_mono_ms() - s->started_ms;
	if (due <= spent)
		return;
	wait.tv_sec = (time_t)((due - spent) / 1000);
	wait.tv_nsec = (long)((due - spent) % 1000) * 1000000;
	nanosleep(&wait, NULL);
}

/*
 * One nonce for this clone, so that a push that was cut off resumes without anything
 * having to be kept on disk.  (Not the remote's uuid too: before the first push it has none.)
 */
static void session_nonce(const struct sender *s, uint8_t nonce[STORE_NONCE_BYTES])
{
	struct hash *h = hash_new();
	uint8_t digest[HASH_BYTES];

	hash_update(h, "deepops-session", strlen("deepops-session"));
	hash_update(h, store_uuid(s->store), STORE_NONCE_BYTES);
	hash_final(h, digest);
	hash_free(h);
	memcpy(nonce, digest, STORE_NONCE_BYTES);
}

static int ensure_session(struct sender *s, struct err *e)
{
	uint8_t nonce[STORE_NONCE_BYTES];
	int rc;

	if (s->begun)
		return 0;
	killpoint("push-before-session");
	session_nonce(s, nonce);
	rc = remote_begin(s->remote, nonce, e);
	s->begun = rc == 0;
	return rc;
}

static int send_stored(struct sender *s, enum chunk_kind kind, const struct chunkid *id,
		       bool is_piece, struct err *e)
{
	struct buf stored = BUF_INIT;
	struct store_info info;
	struct remote_chunk c = {kind, id, &info, NULL, is_piece};
	int rc = store_load_stored(s->store, kind, id, &info, &stored, e);

	/* The dataset's name is for what is wrong here; what is wrong there has the remote's. */
	if (rc < 0)
		err_wrap(e, "%s", s->name);
	if (rc == 0)
		rc = ensure_session(s, e);
	c.stored = stored.p;
	if (rc == 0)
		rc = remote_put(s->remote, &c, e);
	if (rc == 0) {
		s->out->chunks++;
		s->out->bytes += info.stored;
		progress_add(s->progress, info.stored);
		throttle(s);
	}
	buf_release(&stored);
	return rc;
}

static int send_chunk(struct sender *s, enum chunk_kind kind, const struct chunkid *id,
		      bool is_piece, struct err *e)
{
	struct store_info info;
	int rc;

	if (sig_pending())
		return sig_err(e);
	if (!s->opts->dry_run)
		return send_stored(s, kind, id, is_piece, e);
	rc = store_has(s->store, kind, id, &info, e);
	if (rc == 1) {
		s->out->chunks++;
		s->out->bytes += info.stored;
	}
	return rc < 0 ? rc : 0;
}

static int send_key(struct sender *s, enum chunk_kind kind, const struct chunkid *id, struct err *e)
{
	return send_chunk(s, kind, id, false, e);
}

/* Ask for `ids` and hand those the remote lacks, by their index, to `fn`. */
typedef int (*lacking_fn)(struct sender *s, size_t at, struct err *e);

static int each_lacking(struct sender *s, enum chunk_kind kind, const struct sync_ids *ids,
			lacking_fn fn, struct err *e)
{
	uint8_t *have = xcalloc(MIN(ids->n, SYNC_BATCH_IDS) + 1, 1);
	/* First the session: what it holds from a push that was cut off counts as there. */
	int rc = ids->n && !s->opts->dry_run ? ensure_session(s, e) : 0;

	for (size_t at = 0; rc == 0 && at < ids->n; at += SYNC_BATCH_IDS) {
		size_t n = MIN(ids->n - at, SYNC_BATCH_IDS);

		rc = remote_have(s->remote, kind, ids->v + at, n, have, e);
		killpoint("push-after-have");
		for (size_t i = 0; rc == 0 && i < n; i++)
			if (!have[i])
				rc = fn(s, at + i, e);
	}
	free(have);
	return rc;
}

static const char not_here[] =
	"git deepops fetch --remote=NAME brings it from another remote, git deepops track stores "
	"what the work tree has; git push --no-verify sends the branch without it";

/* ---- files ---- */

static void add_data(struct sender *s, const struct chunkid *id, bool is_piece)
{
	sync_ids_add(&s->data, id);
	buf_addch(&s->is_piece, is_piece);
}

/* The recipes that are due in front of the `at`th chunk. */
static int send_recipes(struct sender *s, size_t at, struct err *e)
{
	int rc = 0;

	for (; rc == 0 && s->recipes_sent < s->whole.n && s->behind[s->recipes_sent] <= at;
	     s->recipes_sent++) {
		killpoint("push-recipe");
		rc = send_key(s, CHUNK_RECIPE, &s->whole.v[s->recipes_sent], e);
	}
	return rc;
}

/* lacking_fn.  A recipe right behind its chunks: then the server has hashed the file already. */
static int send_data(struct sender *s, size_t at, struct err *e)
{
	int rc = send_recipes(s, at, e);

	killpoint("push-chunk");
	return rc < 0 ? rc : send_chunk(s, CHUNK_DATA, &s->data.v[at], s->is_piece.p[at] != 0, e);
}

static void forget_data(struct sender *s)
{
	s->data.n = s->whole.n = s->recipes_sent = 0;
	buf_reset(&s->is_piece);
}

static int flush_data(struct sender *s, struct err *e)
{
	int rc = each_lacking(s, CHUNK_DATA, &s->data, send_data, e);

	if (rc == 0)
		rc = send_recipes(s, s->data.n, e);
	forget_data(s);
	sync_forget(&s->seen, SYNC_SEEN_MAX);
	return rc;
}

/* Flushing as it goes: a recipe may name more chunks than there is memory for. */
static int add_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct sender *s = arg;

	(void)offset;
	if (chunkset_add(s->seen, CHUNK_DATA, &entry->id, 0))
		add_data(s, &entry->id, true);
	return s->data.n < SYNC_BATCH_IDS ? 0 : flush_data(s, e);
}

static int add_recipe_chunks(struct sender *s, const struct chunkid *file, struct err *e)
{
	struct recipe_source from = {sync_load_data, s->store};
	struct recipe pieces = RECIPE_INIT;
	struct buf text = BUF_INIT;
	int rc = store_load(s->store, CHUNK_RECIPE, file, &text, e);

	if (rc == 0)
		rc = recipe_walk(text.p, text.len, &from, add_chunk, s, e);
	if (rc == 0)
		rc = recipe_pieces(text.p, text.len, &pieces, e);
	for (size_t i = 0; rc == 0 && i < pieces.n; i++)
		if (chunkset_add(s->seen, CHUNK_DATA, &pieces.entries[i].id, 0))
			add_data(s, &pieces.entries[i].id, false);
	recipe_release(&pieces);
	buf_release(&text);
	return rc < 0 ? err_wrap(e, "%s", s->name) : 0;
}

/* A file the remote lacks.  A question for each would cost a round trip for each: with the next flush. */
static int add_file_lacking(struct sender *s, const struct chunkid *file, struct err *e)
{
	int rc = add_recipe_chunks(s, file, e);

	if (rc < 0)
		return rc;
	sync_ids_add(&s->whole, file);
	XGROW(s->behind, s->whole.n, s->behind_alloc);
	s->behind[s->whole.n - 1] = s->data.n;
	return 0;
}

/* lacking_fn */
static int add_lacking(struct sender *s, size_t at, struct err *e)
{
	return add_file_lacking(s, &s->recipes.v[at], e);
}

/* lacking_fn */
static int absent_both(struct sender *s, size_t at, struct err *e)
{
	const struct chunkid *file = &s->absent.v[at];
	uint8_t have;
	int rc = remote_have(s->remote, CHUNK_DATA, file, 1, &have, e);

	if (rc < 0 || have)
		return rc;
	err_set(e, ERR_NOTFOUND, "%s: content %s is neither here nor on the remote", s->name,
		chunkid_text(file).s);
	err_hint(e, "%s", not_here);
	return ERR_NOTFOUND;
}

static int flush_files(struct sender *s, struct err *e)
{
	int rc = each_lacking(s, CHUNK_RECIPE, &s->recipes, add_lacking, e);

	if (rc == 0)
		rc = flush_data(s, e);
	if (rc == 0)
		rc = each_lacking(s, CHUNK_RECIPE, &s->absent, absent_both, e);
	s->recipes.n = s->absent.n = 0;
	return rc;
}

static int add_file(struct sender *s, const struct chunkid *file, struct err *e)
{
	struct sync_ids *to = &s->absent;
	int rc;

	if (chunkid_is_empty_file(file))
		return 0;
	rc = store_has(s->store, CHUNK_DATA, file, NULL, e);
	if (rc == 1)
		to = &s->data;
	if (rc == 0)
		rc = store_has(s->store, CHUNK_RECIPE, file, NULL, e);
	if (rc < 0)
		return rc;
	if (rc == 1 && to != &s->data)
		to = &s->recipes;
	/* A file and a chunk of another may be the same bytes: kinds are kept apart. */
	if (!chunkset_add(s->seen, to == &s->data ? CHUNK_DATA : CHUNK_RECIPE, file, 0))
		return 0;
	if (to == &s->data)
		add_data(s, file, false);
	else
		sync_ids_add(to, file);
	if (s->data.n + s->recipes.n + s->absent.n >= SYNC_BATCH_IDS)
		return flush_files(s, e);
	return 0;
}

/* ---- nodes ---- */

struct descent {
	struct sync_ids next;
};

static int expand_node(struct sender *s, const struct chunkid *id, struct descent *d, struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_iter it;
	struct node_entry entry;
	int rc = store_load(s->store, CHUNK_NODE, id, &text, e);

	if (rc < 0) {
		buf_release(&text);
		if (rc != ERR_NOTFOUND)
			return err_wrap(e, "%s", s->name);
		err_set(e, rc, "%s: node %s is neither here nor on the remote", s->name,
			chunkid_text(id).s);
		return err_hint(e, "%s", not_here);
	}
	rc = node_iter_init(&it, text.p, text.len, e);
	while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1) {
		if (entry.kind == NODE_DIR || entry.kind == NODE_PART) {
			sync_ids_add(&d->next, &entry.id);
			rc = 0;
		} else {
			rc = add_file(s, &entry.id, e);
		}
	}
	node_iter_release(&it);
	buf_release(&text);
	return rc;
}

/* One level: ask for those not seen yet, expand the ones the remote lacks. */
static int descend(struct sender *s, const struct sync_ids *level, struct descent *d, struct err *e)
{
	struct sync_ids ask = SYNC_IDS_INIT;
	uint8_t *have;
	int rc;

	for (size_t i = 0; i < level->n; i++)
		if (chunkset_add(s->seen, CHUNK_NODE, &level->v[i], 0))
			sync_ids_add(&ask, &level->v[i]);
	have = xcalloc(ask.n + 1, 1);
	rc = remote_have(s->remote, CHUNK_NODE, ask.v, ask.n, have, e);
	killpoint("push-after-nodes");
	for (size_t i = 0; rc == 0 && i < ask.n; i++) {
		if (have[i])
			continue;
		sync_ids_add(&s->nodes, &ask.v[i]);
		rc = expand_node(s, &ask.v[i], d, e);
	}
	free(have);
	sync_ids_release(&ask);
	return rc;
}

static int send_nodes(struct sender *s, struct err *e)
{
	int rc = 0;

	for (size_t i = s->nodes.n; rc == 0 && i > 0; i--) {
		killpoint("push-node");
		rc = send_key(s, CHUNK_NODE, &s->nodes.v[i - 1], e);
	}
	s->nodes.n = 0;
	return rc;
}

static int send_tree(struct sender *s, const struct sync_ids *roots, struct err *e)
{
	struct sync_ids level = SYNC_IDS_INIT;
	int depth = 0, rc = 0;

	for (size_t i = 0; i < roots->n; i++)
		sync_ids_add(&level, &roots->v[i]);
	while (rc == 0 && level.n) {
		struct descent d = {SYNC_IDS_INIT};

		if (depth++ > TREE_MAX_DEPTH * 2) /* parts add levels */
			rc = err_set(e, ERR_LIMIT, "%s: tree is too deep", s->name);
		else
			rc = descend(s, &level, &d, e);
		sync_ids_release(&level);
		level = d.next;
	}
	sync_ids_release(&level);
	if (rc == 0)
		rc = flush_files(s, e);
	return rc < 0 ? rc : send_nodes(s, e);
}

/* ---- roots ---- */

/* Where the roots of each item start in the arrays of one ROOTS question, the probes last. */
struct question {
	struct store_rootref *refs;
	enum store_root_state *states;
	size_t *first;
	size_t probes, n;
};

static size_t item_roots(const struct sync_item *item)
{
	return item->pointer.kind == POINTER_TREE ? item->pointer.n + 1 : 1;
}

static void question_init(struct question *q, const struct sync_plan *p,
			  const struct store_rootref *probes, size_t nprobes)
{
	q->n = 0;
	q->first = xcalloc(p->n + 1, sizeof(*q->first));
	for (size_t i = 0; i < p->n; i++) {
		q->first[i] = q->n;
		q->n += item_roots(&p->items[i]);
	}
	q->probes = q->n;
	q->n += nprobes;
	q->refs = xcalloc(q->n + 1, sizeof(*q->refs));
	q->states = xcalloc(q->n + 1, sizeof(*q->states));
	for (size_t i = 0; i < nprobes; i++)
		q->refs[q->probes + i] = probes[i];
	for (size_t i = 0; i < p->n; i++) {
		const struct pointer *pt = &p->items[i].pointer;
		struct store_rootref *ref = q->refs + q->first[i];

		if (pt->kind == POINTER_FILE) {
			*ref = (struct store_rootref){CHUNK_DATA, pt->id};
			continue;
		}
		for (size_t k = 0; k < pt->n; k++)
			ref[k] = (struct store_rootref){CHUNK_NODE, pt->shards[k].id};
		ref[pt->n].kind = STORE_ROOT_SPLIT;
		pointer_split_key(pt, &ref[pt->n].id);
	}
}

static void question_release(struct question *q)
{
	free(q->refs);
	free(q->states);
	free(q->first);
}

enum item_state { ITEM_SEND, ITEM_COMMIT, ITEM_DONE };

/* ROOTED needs nothing; complete but only pinned is committed again, which renews the pin. */
static enum item_state item_state(const struct question *q, const struct sync_plan *p, size_t i)
{
	enum item_state state = ITEM_DONE;
	size_t end = q->first[i] + item_roots(&p->items[i]);

	for (size_t k = q->first[i]; k < end; k++) {
		if (q->refs[k].kind == CHUNK_DATA && chunkid_is_empty_file(&q->refs[k].id))
			continue;
		if (q->refs[k].kind == STORE_ROOT_SPLIT) {
			if (q->states[k] < STORE_ROOT_COMPLETE)
				state = MIN(state, ITEM_COMMIT);
		} else if (q->states[k] < STORE_ROOT_COMPLETE) {
			return ITEM_SEND;
		} else if (q->states[k] < STORE_ROOT_ROOTED) {
			state = MIN(state, ITEM_COMMIT);
		}
	}
	return state;
}

static int send_item(struct sender *s, const struct sync_item *item, struct err *e)
{
	struct sync_ids roots = SYNC_IDS_INIT;
	int rc;

	s->name = item->name;
	if (item->pointer.kind == POINTER_FILE) {
		rc = add_file(s, &item->pointer.id, e);
		return rc < 0 ? rc : flush_files(s, e);
	}
	for (size_t i = 0; i < item->pointer.n; i++)
		sync_ids_add(&roots, &item->pointer.shards[i].id);
	rc = send_tree(s, &roots, e);
	sync_ids_release(&roots);
	return rc;
}

/* ---- commit ---- */

struct commit_set {
	struct store_split *splits;
	struct store_rootref *files;
	size_t nsplits, nfiles;
};

static void commit_add(struct commit_set *c, const struct sync_item *item)
{
	const struct pointer *p = &item->pointer;

	if (p->kind == POINTER_TREE)
		c->splits[c->nsplits++] = (struct store_split){p->shards, p->n};
	else if (!chunkid_is_empty_file(&p->id))
		c->files[c->nfiles++] = (struct store_rootref){CHUNK_DATA, p->id};
}

/* A file may be asked for as a chunk or as a recipe: the remote can't know which of the two it has here. */
static int send_wanted(struct sender *s, const struct chunkkey *key, struct err *e)
{
	int rc;

	if (key->kind == CHUNK_NODE)
		return send_key(s, CHUNK_NODE, &key->id, e);
	rc = store_has(s->store, CHUNK_DATA, &key->id, NULL, e);
	if (rc == 1 && key->kind == CHUNK_DATA)
		return send_key(s, CHUNK_DATA, &key->id, e);
	if (rc >= 0)
		rc = store_has(s->store, CHUNK_RECIPE, &key->id, NULL, e);
	if (rc == 1)
		return add_file_lacking(s, &key->id, e);
	if (rc < 0)
		return rc;
	err_set(e, ERR_NOTFOUND, "%s: the remote lacks %s, and it is not here", s->name,
		chunkid_text(&key->id).s);
	err_hint(e, "%s", not_here);
	return ERR_NOTFOUND;
}

static int send_missing(struct sender *s, const struct chunkset *missing, struct err *e)
{
	struct chunkkey key;
	size_t it = 0;
	int rc = 0;

	while (rc == 0 && chunkset_next(missing, &it, &key, NULL))
		rc = send_wanted(s, &key, e);
	return rc < 0 ? rc : flush_data(s, e);
}

/*
 * The remote may name what it lacks after all (it lost chunks, or our picture was stale): send those and
 * commit again.  Each round uncovers at most one more level of a tree.
 */
static int commit_part(struct sender *s, const struct commit_set *set, struct err *e)
{
	int rc = ensure_session(s, e);

	for (int round = 0; rc == 0; round++) {
		struct store_commit c = STORE_COMMIT_INIT;

		if (round > TREE_MAX_DEPTH * 2)
			return err_set(e, ERR_PROTO, "remote keeps asking for more");
		c.splits = set->splits;
		c.nsplits = set->nsplits;
		c.files = set->files;
		c.nfiles = set->nfiles;
		c.missing = chunkset_new();
		killpoint("push-before-commit");
		rc = remote_commit(s->remote, &c, e);
		killpoint("push-after-commit");
		if (rc != 1) {
			chunkset_free(c.missing);
			s->begun = false; /* the session is over */
			return rc;
		}
		s->name = "push";
		rc = chunkset_count(c.missing)
			     ? send_missing(s, c.missing, e)
			     : err_set(e, ERR_PROTO, "remote refuses the commit but names nothing");
		chunkset_free(c.missing);
	}
	return rc;
}

#define COMMIT_ITEM_BYTES 64 /* more than any has beside its name */

/* Move what one COMMIT takes from the front of `all` to `part`. */
static void take_part(struct commit_set *all, struct commit_set *part)
{
	size_t roots = 0, bytes = 0;

	*part = (struct commit_set){all->splits, all->files, 0, 0};
	for (; all->nsplits; all->nsplits--, all->splits++, part->nsplits++) {
		roots += 1 + all->splits->n;
		for (size_t i = 0; i < all->splits->n; i++)
			bytes += COMMIT_ITEM_BYTES + strlen(all->splits->shards[i].name);
		if (part->nsplits && (roots > COMMIT_MAX_ROOTS || bytes > COMMIT_MAX_BYTES))
			return;
	}
	part->nfiles = MIN(all->nfiles, COMMIT_MAX_ROOTS - MIN(roots, (size_t)COMMIT_MAX_ROOTS));
	all->files += part->nfiles;
	all->nfiles -= part->nfiles;
}

static int commit_all(struct sender *s, struct commit_set set, struct err *e)
{
	struct commit_set part;
	int rc = 0;

	while (rc == 0 && set.nsplits + set.nfiles) {
		take_part(&set, &part);
		rc = commit_part(s, &part, e);
	}
	return rc;
}

/* What was asked for in vain, or was not sent after all, counts for the next item. */
static void skip_item(struct sender *s, struct sync_item *item)
{
	item->absent = true;
	if (!s->out->skipped++)
		err_sanitize(s->out->skipped_name, sizeof(s->out->skipped_name), item->name);
	s->nodes.n = s->recipes.n = s->absent.n = 0;
	forget_data(s);
	sync_forget(&s->seen, 0);
}

/* Send and collect every item that needs it.  A lenient one whose bytes are not here is left out. */
static int send_items(struct sender *s, struct sync_plan *p, const struct question *q,
		      struct commit_set *set, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		enum item_state state = item_state(q, p, i);
		struct sync_item *item = &p->items[i];

		if (state == ITEM_DONE)
			continue;
		if (state == ITEM_SEND)
			rc = send_item(s, item, e);
		if (rc == ERR_NOTFOUND && item->lenient) {
			err_clear(e);
			skip_item(s, item);
			rc = 0;
			continue;
		}
		if (rc == 0) {
			item->sent = state == ITEM_SEND;
			s->out->datasets += item->sent;
			commit_add(set, item);
		}
	}
	return rc;
}

/* Does the store lack what it had?  Then it was put back to an older state, or swept. */
static bool lost_any(const struct question *q)
{
	for (size_t i = q->probes; i < q->n; i++)
		if (q->states[i] < STORE_ROOT_COMPLETE)
			return true;
	return false;
}

static int negotiate(struct sender *s, struct sync_plan *p, const struct sync_memory *m, bool *lost,
		     struct err *e)
{
	struct commit_set set = {NULL, NULL, 0, 0};
	struct question q;
	int rc;

	question_init(&q, p, m->probes, m->nprobes);
	set.splits = xcalloc(p->n + 1, sizeof(*set.splits));
	set.files = xcalloc(p->n + 1, sizeof(*set.files));
	rc = remote_roots(s->remote, q.refs, q.n, q.states, e);
	killpoint("push-after-roots");
	*lost = rc == 0 && lost_any(&q);
	if (rc == 0 && !*lost)
		rc = send_items(s, p, &q, &set, e);
	if (rc == 0 && !*lost && !s->opts->dry_run)
		rc = commit_all(s, set, e);
	question_release(&q);
	free(set.splits);
	free(set.files);
	return rc;
}

static void sender_release(struct sender *s)
{
	progress_stop(&s->progress);
	store_close(s->store);
	chunkset_free(s->seen);
	sync_ids_release(&s->nodes);
	sync_ids_release(&s->data);
	buf_release(&s->is_piece);
	sync_ids_release(&s->recipes);
	sync_ids_release(&s->whole);
	free(s->behind);
	sync_ids_release(&s->absent);
}

int sync_send(struct repo *r, struct remote *remote, struct sync_plan *p,
	      const struct sync_memory *m, const struct sync_opts *opts, struct sync_result *out,
	      bool *lost, struct err *e)
{
	struct sender s;
	int rc;

	memset(&s, 0, sizeof(s));
	buf_init(&s.is_piece);
	s.remote = remote;
	s.opts = opts;
	s.out = out;
	*lost = false;
	rc = sync_open_store(r, &s.store, e);
	if (rc == 0) {
		s.seen = chunkset_new();
		s.started_ms = clock_mono_ms();
		s.progress = progress_start("Sending data", 0, PROGRESS_BYTES);
		rc = negotiate(&s, p, m, lost, e);
	}
	sender_release(&s);
	return rc;
}
