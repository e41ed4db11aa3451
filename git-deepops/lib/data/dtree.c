/* SPDX-License-Identifier: MIT */
/* dtree.c - a dataset as a tree in memory; see dtree.h */
#include "data/dtree.h"

#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"

/*
 * Names live in blocks of their directory: one allocation for many, freed together.  A
 * block is a quarter of all before it, so no more than that is left unused.
 */
struct dtree_block {
	struct dtree_block *next;
	size_t used, size;
	size_t before; /* bytes of all blocks behind `next` */
	char text[];
};

#define BLOCK_FIRST_BYTES 256
#define BLOCK_MAX_BYTES (64 * KIB)

static const char *keep_name(struct dtree *d, const char *name, size_t len)
{
	struct dtree_block *b = d->blocks;
	char *at;

	if (!b || b->size - b->used < len + 1) {
		size_t before = b ? b->before + b->size : 0;
		size_t size = MIN(MAX(before / 4, BLOCK_FIRST_BYTES), BLOCK_MAX_BYTES);

		b = xmalloc(sizeof(*b) + MAX(size, len + 1));
		b->size = MAX(size, len + 1);
		b->used = 0;
		b->before = before;
		b->next = d->blocks;
		d->blocks = b;
	}
	at = b->text + b->used;
	memcpy(at, name, len);
	at[len] = '\0';
	b->used += len + 1;
	return at;
}

struct dtree *dtree_new(void)
{
	return xcalloc(1, sizeof(struct dtree));
}

void dtree_init(struct dtree_entry *root)
{
	memset(root, 0, sizeof(*root));
	root->kind = NODE_DIR;
	root->mode = NODE_MODE_DIR;
	root->sub = dtree_new();
}

static void dtree_free(struct dtree *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++)
		dtree_free(d->v[i].sub);
	for (struct dtree_block *b = d->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	free(d->v);
	free(d->stats);
	free(d);
}

void dtree_release(struct dtree_entry *root)
{
	dtree_free(root->sub);
	memset(root, 0, sizeof(*root));
}

void dtree_unload(struct dtree_entry *dir)
{
	dtree_free(dir->sub);
	dir->sub = NULL;
}

struct dtree_entry *dtree_add(struct dtree *d, const char *name, size_t len)
{
	struct dtree_entry *at;

	XGROW(d->v, d->n + 1, d->alloc);
	at = &d->v[d->n++];
	memset(at, 0, sizeof(*at));
	at->name = keep_name(d, name, len);
	return at;
}

struct dtree_entry *dtree_add_copy(struct dtree *d, const struct dtree_entry *from)
{
	struct dtree_entry *at = dtree_add(d, from->name, strlen(from->name));
	const char *name = at->name;

	*at = *from;
	at->name = name;
	at->sub = NULL;
	return at;
}

void dtree_trim(struct dtree *d)
{
	if (d->n == d->alloc)
		return;
	if (d->n)
		d->v = xrealloc(d->v, d->n, sizeof(*d->v));
	d->alloc = d->n;
}

void dtree_stats(struct dtree *d)
{
	free(d->stats);
	d->stats = d->n ? xcalloc(d->n, sizeof(*d->stats)) : NULL;
}

static int entry_cmp(const void *a, const void *b)
{
	const struct dtree_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void dtree_sort(struct dtree *d)
{
	if (d->n > 1)
		qsort(d->v, d->n, sizeof(*d->v), entry_cmp);
}

struct dtree_entry *dtree_lookup(const struct dtree *d, const char *name, size_t len)
{
	size_t lo = 0, hi = d ? d->n : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int cmp = strncmp(d->v[mid].name, name, len);

		if (cmp == 0 && d->v[mid].name[len])
			cmp = 1;
		if (cmp == 0)
			return &d->v[mid];
		if (cmp < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- from a pointer ---- */

/* The directory at path[0..len), made of split directories; all of them gain what `s` holds. */
static struct dtree_entry *split_dir(struct dtree_entry *root, const char *path, size_t len,
				     const struct node_shard *s)
{
	struct dtree_entry *at = root;

	for (size_t from = 0, to; from < len; from = to + 1) {
		struct dtree_entry *next = NULL;

		for (to = from; to < len && path[to] != '/'; to++)
			;
		/* Shards are sorted, so a directory once begun is the last one of its parent. */
		for (size_t i = at->sub->n; !next && i-- > 0;)
			if (!strncmp(at->sub->v[i].name, path + from, to - from) &&
			    !at->sub->v[i].name[to - from])
				next = &at->sub->v[i];
		if (!next) {
			next = dtree_add(at->sub, path + from, to - from);
			next->kind = NODE_DIR;
			next->mode = NODE_MODE_DIR;
			next->sub = dtree_new();
		}
		next->files += s->files;
		next->bytes += s->bytes;
		at = next;
	}
	return at;
}

static void sort_split(struct dtree *d)
{
	dtree_sort(d);
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].sub)
			sort_split(d->v[i].sub);
}

static void take_shard(struct dtree_entry *root, const struct node_shard *s)
{
	size_t len = strlen(s->name);
	const char *slash = strrchr(s->name, '/');
	struct dtree_entry *at;

	if (len && s->name[len - 1] == '/') { /* files directly in a split directory */
		at = split_dir(root, s->name, len - 1, s);
		at->sub->loose = s->id;
		at->sub->loose_bytes = s->bytes;
		at->sub->loose_files = s->files;
		at->sub->has_loose = true;
		return;
	}
	at = split_dir(root, s->name, slash ? (size_t)(slash - s->name) : 0, s);
	at = dtree_add(at->sub, slash ? slash + 1 : s->name, strlen(slash ? slash + 1 : s->name));
	at->kind = NODE_DIR;
	at->mode = NODE_MODE_DIR;
	at->id = s->id;
	at->files = s->files;
	at->bytes = s->bytes;
	at->known = true;
}

void dtree_from_pointer(struct dtree_entry *root, const struct pointer *p)
{
	memset(root, 0, sizeof(*root));
	root->bytes = p->bytes;
	root->files = p->files;
	if (p->kind == POINTER_FILE || (p->n == 1 && !strcmp(p->shards[0].name, "."))) {
		root->kind = p->kind == POINTER_FILE ? NODE_FILE : NODE_DIR;
		root->mode = p->kind == POINTER_FILE ? p->mode : NODE_MODE_DIR;
		root->id = p->kind == POINTER_FILE ? p->id : p->shards[0].id;
		root->known = true;
		return;
	}
	root->kind = NODE_DIR;
	root->mode = NODE_MODE_DIR;
	root->sub = dtree_new();
	for (size_t i = 0; i < p->n; i++)
		take_shard(root, &p->shards[i]);
	sort_split(root->sub);
}

/* ---- loading ---- */

int dtree_take(void *arg, const struct node_entry *n, struct err *e)
{
	struct dtree *d = arg;
	struct dtree_entry *at = dtree_add(d, n->name, n->name_len);

	(void)e;
	at->id = n->id;
	at->bytes = n->bytes;
	at->files = n->files;
	at->mode = n->mode;
	at->kind = n->kind;
	at->known = true;
	return 0;
}

/* Do the entries from `from` on make up what was said of them? */
static int check_sums(const struct dtree *d, size_t from, uint64_t bytes, uint64_t files,
		      struct err *e)
{
	uint64_t b = 0, f = 0;
	bool fits = true;

	for (size_t i = from; fits && i < d->n; i++)
		fits = num_add(b, d->v[i].bytes, &b) && num_add(f, d->v[i].files, &f);
	if (fits && b == bytes && f == files)
		return 0;
	return err_set(e, ERR_CORRUPT,
		       "a node holds other sums than the %" PRIu64 " files and %" PRIu64
		       " bytes that are said of it",
		       files, bytes);
}

int dtree_take_part(struct dtree *d, const struct node_entry *part, node_load_fn load, void *arg,
		    struct err *e)
{
	size_t before = d->n;
	int rc = node_walk_dir(&part->id, load, arg, dtree_take, d, e);

	return rc < 0 ? rc : check_sums(d, before, part->bytes, part->files, e);
}

static int read_node(struct dtree_entry *dir, bool whole, node_load_fn load, void *arg,
		     struct err *e)
{
	struct dtree *d = dir->sub;
	struct node_entry said = {.id = whole ? dir->id : d->loose,
				  .bytes = whole ? dir->bytes : d->loose_bytes,
				  .files = whole ? dir->files : d->loose_files};
	int rc = dtree_take_part(d, &said, load, arg, e);

	return rc < 0 && dir->name ? err_wrap(e, "directory '%s'", dir->name) : rc;
}

int dtree_count_empty(uint64_t *n, const struct dtree_entry *dir, struct err *e)
{
	if (dir->kind != NODE_DIR || dir->files || ++*n <= TREE_MAX_EMPTY_DIRS)
		return 0;
	return err_set(e, ERR_LIMIT, "more than %d directories without a file in them",
		       TREE_MAX_EMPTY_DIRS);
}

int dtree_expand(struct dtree_entry *dir, node_load_fn load, void *arg, struct err *e)
{
	bool whole = !dir->sub;
	size_t before;
	int rc;

	if (dir->kind != NODE_DIR || (dir->sub && !dir->sub->has_loose))
		return 0;
	if (whole)
		dir->sub = dtree_new();
	before = dir->sub->n;
	rc = read_node(dir, whole, load, arg, e);
	if (rc < 0) {
		if (whole) {
			dtree_free(dir->sub);
			dir->sub = NULL;
		} else {
			dir->sub->n = before;
		}
		return rc;
	}
	dir->sub->has_loose = false;
	if (!whole)
		dtree_sort(dir->sub);
	for (size_t i = 1; i < dir->sub->n; i++)
		if (strcmp(dir->sub->v[i - 1].name, dir->sub->v[i].name) >= 0)
			return err_set(e, ERR_CORRUPT, "'%s' stands twice in its directory",
				       dir->sub->v[i].name);
	return 0;
}

int dtree_find(struct dtree_entry *root, const char *path, node_load_fn load, void *arg,
	       struct dtree_entry **out, struct err *e)
{
	const char *at = path;
	int rc = 0;

	*out = root;
	while (*at) {
		size_t len = strcspn(at, "/");

		rc = dtree_expand(*out, load, arg, e);
		if (rc < 0)
			return rc;
		*out = (*out)->kind == NODE_DIR ? dtree_lookup((*out)->sub, at, len) : NULL;
		if (!*out)
			return err_set(e, ERR_NOTFOUND, "no '%s' in the dataset", path);
		at += len;
		at += *at == '/';
	}
	return 0;
}

/* ---- building ---- */

static void to_node(struct node_entry *n, const struct dtree_entry *d)
{
	n->mode = d->mode;
	n->kind = d->kind;
	n->id = d->id;
	n->bytes = d->bytes;
	n->files = d->kind == NODE_DIR ? d->files : 1;
	n->name = d->name;
	n->name_len = strlen(d->name);
}

static int build(const struct dtree *d, bool dirs, node_store_fn store, void *arg,
		 struct node_entry *out, struct err *e)
{
	struct node_entry *nodes = xcalloc(d->n + 1, sizeof(*nodes));
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < d->n; i++)
		if (dirs || d->v[i].kind != NODE_DIR)
			to_node(&nodes[n++], &d->v[i]);
	rc = node_build(nodes, n, store, arg, out, e);
	free(nodes);
	return rc;
}

int dtree_build(struct dtree_entry *dir, node_store_fn store, void *arg, struct err *e)
{
	struct node_entry out;
	int rc;

	if (dir->known)
		return 0;
	for (size_t i = 0; i < dir->sub->n; i++) {
		rc = dtree_build(&dir->sub->v[i], store, arg, e);
		if (rc < 0)
			return rc;
	}
	memset(&out, 0, sizeof(out));
	rc = build(dir->sub, true, store, arg, &out, e);
	if (rc < 0)
		return rc;
	dir->id = out.id;
	dir->bytes = out.bytes;
	dir->files = out.files;
	dir->known = true;
	return 0;
}

int dtree_build_loose(const struct dtree *d, node_store_fn store, void *arg, struct node_entry *out,
		      struct err *e)
{
	memset(out, 0, sizeof(*out));
	return build(d, false, store, arg, out, e);
}

uint64_t dtree_count(const struct dtree_entry *e)
{
	uint64_t n = 0;

	if (e->kind != NODE_DIR)
		return 1;
	for (size_t i = 0; e->sub && i < e->sub->n; i++)
		n += dtree_count(&e->sub->v[i]);
	return n;
}

bool dtree_same(const struct dtree_entry *a, const struct dtree_entry *b)
{
	return a->mode == b->mode && a->kind == b->kind && chunkid_equal(&a->id, &b->id);
}
