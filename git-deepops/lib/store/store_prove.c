/* SPDX-License-Identifier: MIT */
/* store_prove.c - the closure check before a verified commit; see store.h */
/*
 * Induction: what is committed is whole, so it is enough that everything a new
 * node or recipe names directly is committed or new itself, and that new
 * recipes give the file they are named by.  The sums that a node claims are
 * compared with the node or file below it for the same reason.  Ids are
 * hashes, so nothing can name itself.
 */
#include "base/clock.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "store/store_internal.h"

struct totals {
	uint64_t files, bytes;
};

struct prover {
	struct store_assembly in;
	struct store_proof *out;
	struct chunkset *known; /* node or recipe -> number in totals */
	struct totals *totals;
	size_t n, alloc;
	bool lacks;
};

static void lack(struct prover *p, enum chunk_kind kind, const struct chunkid *id)
{
	p->lacks = true;
	if (chunkset_count(p->in.missing) < STORE_MISSING_MAX)
		chunkset_add(p->in.missing, kind, id, 0);
}

static bool has_enough(const struct prover *p)
{
	return chunkset_count(p->in.missing) >= STORE_MISSING_MAX;
}

static bool recall(const struct prover *p, enum chunk_kind kind, const struct chunkid *id,
		   struct totals *out)
{
	uint64_t i;

	if (!p->totals || !chunkset_get(p->known, kind, id, &i))
		return false;
	*out = p->totals[i];
	return true;
}

static void remember(struct prover *p, enum chunk_kind kind, const struct chunkid *id,
		     const struct totals *t)
{
	XGROW(p->totals, p->n + 1, p->alloc);
	p->totals[p->n] = *t;
	if (chunkset_add(p->known, kind, id, p->n))
		p->n++;
}

/* ---- totals of what is named ---- */

/* To name what is here already costs the client nothing; to read it costs us. */
static int spend_load(struct prover *p, const struct buf *text, unsigned int times, struct err *e)
{
	return store_spend(&p->in, times * MAX(text->len, SESSION_LOAD_BYTES), e);
}

/* 1 and the length of a file, 0 it is not here. */
static int file_bytes(struct prover *p, const struct chunkid *id, uint64_t *bytes, struct err *e)
{
	struct buf text = BUF_INIT;
	struct totals t = {1, 0};
	struct store_info info;
	int rc = store_see(p->in.s, p->in.t, CHUNK_DATA, id, &info, e);

	if (rc == 1)
		*bytes = info.plain;
	if (rc != 0)
		return rc;
	if (!recall(p, CHUNK_RECIPE, id, &t)) {
		rc = store_see_load(p->in.s, p->in.t, CHUNK_RECIPE, id, &text, e);
		if (rc == 0)
			rc = spend_load(p, &text, 1, e);
		if (rc == 0)
			rc = recipe_total(text.p, text.len, &t.bytes, e);
		buf_release(&text);
		if (rc < 0)
			return rc == ERR_NOTFOUND ? 0 : rc;
		remember(p, CHUNK_RECIPE, id, &t);
	}
	*bytes = t.bytes;
	return 1;
}

static int sum_node(const struct buf *text, struct totals *out, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	memset(out, 0, sizeof(*out));
	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1)
		if (!num_add(out->files, entry.files, &out->files) ||
		    !num_add(out->bytes, entry.bytes, &out->bytes))
			rc = err_set(e, ERR_LIMIT, "sum beyond 64 bits");
	node_iter_release(&it);
	return rc;
}

/* 1 and the sums of a node's entries, 0 it is not here. */
static int node_totals(struct prover *p, const struct chunkid *id, struct totals *out,
		       struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	if (recall(p, CHUNK_NODE, id, out))
		return 1;
	rc = store_see_load(p->in.s, p->in.t, CHUNK_NODE, id, &text, e);
	if (rc == 0)
		rc = spend_load(p, &text, 1, e);
	if (rc == 0)
		rc = sum_node(&text, out, e);
	buf_release(&text);
	if (rc == ERR_NOTFOUND)
		return 0;
	if (rc < 0)
		return rc;
	remember(p, CHUNK_NODE, id, out);
	return 1;
}

/* ---- nodes and recipes of the txn ---- */

static int check_file(struct prover *p, const struct node_entry *entry, struct err *e)
{
	uint64_t bytes = 0;
	int rc;

	if (chunkid_is_empty_file(&entry->id))
		rc = 1;
	else
		rc = file_bytes(p, &entry->id, &bytes, e);
	if (rc == 0)
		lack(p, entry->bytes > CHUNK_MAX_BYTES ? CHUNK_RECIPE : CHUNK_DATA, &entry->id);
	if (rc == 1 && bytes != entry->bytes)
		rc = err_set(e, ERR_CORRUPT, "it says %" PRIu64 " bytes for a file of %" PRIu64,
			     entry->bytes, bytes);
	return rc < 0 ? rc : 0;
}

static int check_subnode(struct prover *p, const struct node_entry *entry, struct err *e)
{
	struct totals t;
	int rc = node_totals(p, &entry->id, &t, e);

	if (rc == 0)
		lack(p, CHUNK_NODE, &entry->id);
	if (rc == 1 && (t.files != entry->files || t.bytes != entry->bytes))
		rc = err_set(
			e, ERR_CORRUPT,
			"it says %" PRIu64 " files and %" PRIu64 " bytes for node %s, which has"
			" %" PRIu64 " and %" PRIu64,
			entry->files, entry->bytes, chunkid_text(&entry->id).s, t.files, t.bytes);
	return rc < 0 ? rc : 0;
}

static int check_entries(struct prover *p, const struct buf *text, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1) {
		if (entry.kind == NODE_DIR || entry.kind == NODE_PART)
			rc = check_subnode(p, &entry, e);
		else
			rc = check_file(p, &entry, e);
	}
	node_iter_release(&it);
	return rc;
}

static int prove_node(struct prover *p, const struct chunkid *id, struct err *e)
{
	struct buf text = BUF_INIT;
	bool lacked = p->lacks;
	int rc = store_see_load(p->in.s, p->in.t, CHUNK_NODE, id, &text, e);

	p->lacks = false;
	if (rc == 0)
		rc = check_entries(p, &text, e);
	if (rc == 0 && !p->lacks)
		chunkset_add(p->in.t->proved, CHUNK_NODE, id, 0);
	p->lacks = p->lacks || lacked;
	buf_release(&text);
	return rc < 0 ? err_wrap(e, "node %s", chunkid_text(id).s) : 0;
}

static int prove_recipe(struct prover *p, const struct chunkid *id, struct err *e)
{
	struct totals t = {1, 0};
	int rc;

	if (!p->in.pool)
		p->in.pool = pool_new(0, 0);
	rc = store_assemble(&p->in, id, &t.bytes, e);
	if (rc == 0)
		p->lacks = true;
	if (rc == 1) {
		chunkset_add(p->in.t->proved, CHUNK_RECIPE, id, 0);
		remember(p, CHUNK_RECIPE, id, &t);
	}
	return rc < 0 ? rc : 0;
}

static int prove_kind(struct prover *p, enum chunk_kind kind, struct err *e)
{
	struct store_txn *t = p->in.t;
	int rc = 0;

	for (size_t i = 0; i < t->npacks && rc == 0; i++) {
		size_t n;
		const struct pack_row *rows = pack_rows(t->packs[i], &n);

		for (size_t k = 0; k < n && rc == 0 && !has_enough(p); k++) {
			if (rows[k].kind != kind || chunkset_has(t->proved, kind, &rows[k].id))
				continue;
			rc = kind == CHUNK_NODE ? prove_node(p, &rows[k].id, e)
						: prove_recipe(p, &rows[k].id, e);
		}
	}
	return rc;
}

/* ---- roots ---- */

static void add_root(struct prover *p, enum chunk_kind kind, const struct chunkid *id,
		     const struct totals *t)
{
	struct store_proof *out = p->out;
	struct catalogue_root root = {.key = {(uint8_t)kind, *id},
				      .state = CATALOGUE_ROOT_COMPLETE,
				      .files = t->files,
				      .bytes = t->bytes,
				      .pin_until = clock_now_seconds() + STORE_PIN_SECONDS};

	XGROW(out->roots, out->nroots + 1, out->roots_alloc);
	out->roots[out->nroots++] = root;
}

/* With known damage being committed proves nothing: look at everything below. */
static int walk_if_damaged(struct prover *p, enum chunk_kind kind, const struct chunkid *id,
			   struct chunkset *sound, struct err *e)
{
	struct chunkkey key = {(uint8_t)kind, *id};
	int rc;

	if (!store_is_damaged(p->in.s))
		return 0;
	rc = store_walk(p->in.s, p->in.t, &key, sound, p->in.missing, e);
	if (rc == 0)
		p->lacks = true;
	return rc < 0 ? rc : 0;
}

static int load_node(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct prover *p = arg;
	int rc = store_see_load(p->in.s, p->in.t, CHUNK_NODE, id, text, e);

	if (rc == ERR_NOTFOUND)
		lack(p, CHUNK_NODE, id);
	return rc < 0 ? rc : spend_load(p, text, SESSION_SPLIT_PER_BYTE, e);
}

static int prove_split(struct prover *p, const struct store_split *split, struct chunkset *sound,
		       struct err *e)
{
	struct store_proof_dataset d;
	struct node_dataset whole;
	int rc = 0;

	for (size_t i = 0; i < split->n && rc >= 0; i++) {
		struct totals t;

		rc = node_totals(p, &split->shards[i].id, &t, e);
		if (rc == 0)
			lack(p, CHUNK_NODE, &split->shards[i].id);
		if (rc == 1) {
			rc = walk_if_damaged(p, CHUNK_NODE, &split->shards[i].id, sound, e);
			add_root(p, CHUNK_NODE, &split->shards[i].id, &t);
		}
	}
	if (rc < 0 || p->lacks)
		return rc < 0 ? rc : 0;
	rc = node_dataset_id(split->shards, split->n, load_node, p, &whole, e);
	if (rc < 0)
		return rc == ERR_NOTFOUND && p->lacks ? 0 : rc;
	d.id = whole.id;
	node_split_key(split->shards, split->n, &d.split_key);
	XGROW(p->out->datasets, p->out->ndatasets + 1, p->out->datasets_alloc);
	p->out->datasets[p->out->ndatasets++] = d;
	return 0;
}

static int prove_file_root(struct prover *p, const struct chunkid *id, struct chunkset *sound,
			   struct err *e)
{
	struct totals t = {1, 0};
	int rc = chunkid_is_empty_file(id) ? 1 : file_bytes(p, id, &t.bytes, e);

	if (rc == 0)
		lack(p, CHUNK_DATA, id);
	if (rc == 1) {
		rc = walk_if_damaged(p, CHUNK_DATA, id, sound, e);
		add_root(p, CHUNK_DATA, id, &t);
	}
	return rc < 0 ? rc : 0;
}

static int prove_roots(struct prover *p, const struct store_commit *c, struct err *e)
{
	struct chunkset *sound = chunkset_new();
	int rc = 0;

	for (size_t i = 0; i < c->nsplits && rc == 0 && !has_enough(p); i++)
		rc = prove_split(p, &c->splits[i], sound, e);
	for (size_t i = 0; i < c->nfiles && rc == 0 && !has_enough(p); i++)
		rc = prove_file_root(p, &c->files[i].id, sound, e);
	chunkset_free(sound);
	return rc;
}

int store_prove(struct store_txn *t, const struct store_commit *c, struct store_proof *out,
		struct err *e)
{
	struct chunkset *wanted = c ? c->missing : NULL, *own = wanted ? NULL : chunkset_new();
	uint64_t *left = c ? c->hash_left : NULL;
	struct prover p = {.in = {.s = t->s,
				  .t = t,
				  .missing = wanted ? wanted : own,
				  .budget = left ? *left : UINT64_MAX},
			   .out = out,
			   .known = chunkset_new()};
	int rc = store_refresh(t->s, e);
	bool lacks;

	if (rc == 0)
		rc = prove_kind(&p, CHUNK_RECIPE, e);
	if (rc == 0)
		rc = prove_kind(&p, CHUNK_NODE, e);
	if (rc == 0 && c)
		rc = prove_roots(&p, c, e);
	if (left)
		*left = p.in.budget;
	lacks = p.lacks || has_enough(&p); /* enough: the rest was not looked at */
	pool_free(p.in.pool);
	free(p.totals);
	chunkset_free(p.known);
	chunkset_free(own);
	return rc < 0 ? rc : lacks;
}
