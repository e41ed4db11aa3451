/* SPDX-License-Identifier: MIT */
/* treehash.c - SHA-256 Merkle hash of a git tree; see treehash.h */
#include "run/treehash.h"

#include "base/hex.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "repo/tree.h"

struct child {
	char *name;
	uint32_t mode;
	struct repo_oid id; /* not for a large file, nor a directory that only large files make */
	bool in_tree;
	const struct treehash_large *large; /* a file kept out of git */
	const struct treehash_large *below; /* files kept out of git in this directory */
	size_t nbelow;
};

struct children {
	struct child *v;
	size_t n, alloc;
};

/* What this walk has hashed: a tree may name another again and again, at each level. */
struct memo {
	struct chunkset *at; /* git id, padded; its place in v */
	struct chunkid *v;
	size_t n, alloc;
};

struct walk {
	struct memo memo;
	struct repo *repo;
	const struct treehash_opts *o;
	uint64_t left; /* bytes of blobs we may still read */
};

static struct child *add_child(struct children *c, const char *name, size_t len, uint32_t mode)
{
	struct child *one;

	XGROW(c->v, c->n + 1, c->alloc);
	one = &c->v[c->n++];
	memset(one, 0, sizeof(*one));
	one->name = xstrndup(name, len);
	one->mode = mode;
	return one;
}

static int add_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct child *one = add_child(arg, entry->name, strlen(entry->name), entry->mode);

	(void)e;
	one->id = entry->id;
	one->in_tree = true;
	return 0;
}

static struct child *find_child(struct children *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strncmp(c->v[i].name, name, len) && !c->v[i].name[len])
			return &c->v[i];
	return NULL;
}

/* Lay the large files below `prefix_len` bytes of path over what the tree has. */
static int add_large(struct children *c, const struct treehash_large *l, size_t n,
		     size_t prefix_len, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *name = l[i].path + prefix_len, *slash = strchr(name, '/');
		size_t len = slash ? (size_t)(slash - name) : strlen(name);
		struct child *one = find_child(c, name, len);

		if (one && (!slash || one->mode != TREE_MODE_DIR))
			return err_set(e, ERR_INPUT, "%s stands both in the tree and beside it",
				       l[i].path);
		if (!one)
			one = add_child(c, name, len, slash ? TREE_MODE_DIR : l[i].mode);
		if (!slash)
			one->large = &l[i];
		else if (!one->nbelow++)
			one->below = &l[i];
	}
	return 0;
}

static int cmp_child(const void *a, const void *b)
{
	return strcmp(((const struct child *)a)->name, ((const struct child *)b)->name);
}

static void memo_key(const struct repo_oid *id, struct chunkid *key)
{
	memset(key, 0, sizeof(*key));
	(void)hex_decode(key->b, id->hex, REPO_OID_HEX / 2); /* libgit2's, so hex digits */
}

static bool cached(const struct walk *w, const struct repo_oid *id, struct chunkid *out)
{
	const struct treehash_cache *c = w->o->cache;
	struct chunkid key;
	uint64_t at;

	memo_key(id, &key);
	if (w->memo.v && chunkset_get(w->memo.at, CHUNK_NODE, &key, &at)) {
		*out = w->memo.v[at];
		return true;
	}
	return c && c->get && c->get(c->arg, id, out) == 1;
}

static void remember(struct walk *w, const struct repo_oid *id, const struct chunkid *hash)
{
	const struct treehash_cache *c = w->o->cache;
	struct chunkid key;

	memo_key(id, &key);
	XGROW(w->memo.v, w->memo.n + 1, w->memo.alloc);
	w->memo.v[w->memo.n] = *hash;
	chunkset_add(w->memo.at, CHUNK_NODE, &key, w->memo.n++);
	if (c && c->put)
		c->put(c->arg, id, hash);
}

static int hash_blob(struct walk *w, const struct repo_oid *id, struct chunkid *out, struct err *e)
{
	struct buf content = BUF_INIT;
	int rc;

	if (cached(w, id, out))
		return 0;
	rc = repo_read_blob(w->repo, id, w->left, &content, e);
	if (rc == 0) {
		w->left -= content.len;
		chunkid_of(out, content.p, content.len);
		remember(w, id, out);
	}
	buf_release(&content);
	return rc;
}

struct dir {
	const struct repo_oid *tree; /* NULL: only large files are here */
	const struct treehash_large *large;
	size_t nlarge;
	size_t prefix_len; /* of the large files' paths */
	unsigned int depth;
};

static int hash_dir(struct walk *w, const struct dir *d, struct chunkid *out, struct err *e);

static int hash_child(struct walk *w, const struct dir *d, const struct child *c,
		      struct chunkid *out, struct err *e)
{
	struct dir sub = {c->in_tree ? &c->id : NULL, c->below, c->nbelow,
			  d->prefix_len + strlen(c->name) + 1, d->depth + 1};

	if (c->large) {
		*out = c->large->id;
		return 0;
	}
	if (c->mode == TREE_MODE_DIR)
		return hash_dir(w, &sub, out, e);
	if (c->mode == TREE_MODE_GITLINK) {
		chunkid_of(out, c->id.hex, REPO_OID_HEX);
		return 0;
	}
	return hash_blob(w, &c->id, out, e);
}

static int hash_children(struct walk *w, const struct dir *d, struct children *c,
			 struct chunkid *out, struct err *e)
{
	struct hash *h = hash_new();
	int rc = 0;

	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), cmp_child);
	for (size_t i = 0; rc == 0 && i < c->n; i++) {
		struct chunkid one;
		char mode[16];
		int len = snprintf(mode, sizeof(mode), "%" PRIo32 " ", c->v[i].mode);

		rc = hash_child(w, d, &c->v[i], &one, e);
		if (rc == 0) {
			hash_update(h, mode, (size_t)len);
			hash_update(h, c->v[i].name, strlen(c->v[i].name) + 1);
			hash_update(h, one.b, sizeof(one.b));
		}
	}
	hash_final(h, out->b);
	hash_free(h);
	return rc;
}

static int hash_dir(struct walk *w, const struct dir *d, struct chunkid *out, struct err *e)
{
	struct children c = {NULL, 0, 0};
	int rc = 0;

	if (d->depth > GIT_TREE_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "tree deeper than %d", GIT_TREE_MAX_DEPTH);
	if (d->tree && !d->nlarge && cached(w, d->tree, out))
		return 0;
	if (d->tree)
		rc = tree_list(w->repo, d->tree, add_entry, &c, e);
	if (rc == 0)
		rc = add_large(&c, d->large, d->nlarge, d->prefix_len, e);
	if (rc == 0)
		rc = hash_children(w, d, &c, out, e);
	if (rc == 0 && d->tree && !d->nlarge)
		remember(w, d->tree, out);
	for (size_t i = 0; i < c.n; i++)
		free(c.v[i].name);
	free(c.v);
	return rc;
}

int treehash_of(struct repo *r, const struct repo_oid *tree, const struct treehash_opts *o,
		struct chunkid *out, struct err *e)
{
	struct walk w = {
		{chunkset_new(), NULL, 0, 0}, r, o, o->max_bytes ? o->max_bytes : SIZE_MAX / 4};
	struct dir top = {tree, o->large, o->nlarge, 0, 0};
	int rc = hash_dir(&w, &top, out, e);

	chunkset_free(w.memo.at);
	free(w.memo.v);
	return rc;
}
