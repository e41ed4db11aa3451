/* SPDX-License-Identifier: MIT */
/* split.c - into which shards a dataset is cut; see split.h */
#include "data/split.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"

/* Only a dataset of more files than this is cut deeper than at its top. */
#define SPLIT_DEEPER_FILES 100000
#define SPLIT_TOP_MIN 2 /* fewer top-level directories are no split at all */

static size_t count_dirs(const struct dtree *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		n += d->v[i].kind == NODE_DIR;
	return n;
}

static bool has_loose(const struct dtree *d)
{
	return d->has_loose || count_dirs(d) < d->n;
}

/* The directory in `d` that holds more than `half` files; there can be but one. */
static const struct dtree_entry *find_heavy(const struct dtree *d, uint64_t half)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->v[i].kind == NODE_DIR && dtree_count(&d->v[i]) > half)
			return &d->v[i];
	return NULL;
}

void split_choose(const struct dtree_entry *root, struct strvec *dirs)
{
	const struct dtree_entry *at = root;
	size_t sections = count_dirs(root->sub);
	uint64_t total = dtree_count(root);
	struct buf path = BUF_INIT;

	strvec_release(dirs);
	if (sections < SPLIT_TOP_MIN || sections > POINTER_SPLIT_SHARDS)
		return;
	sections += has_loose(root->sub);
	strvec_push(dirs, "");
	while (total > SPLIT_DEEPER_FILES && (at = find_heavy(at->sub, total / 2)) != NULL) {
		size_t more = count_dirs(at->sub);

		if (!more || sections - 1 + more + has_loose(at->sub) > POINTER_SPLIT_SHARDS)
			break;
		sections += more + has_loose(at->sub) - 1;
		path_enter(&path, at->name);
		strvec_push(dirs, path.p);
	}
	strvec_sort(dirs);
	buf_release(&path);
}

void split_of(const struct pointer *p, struct strvec *dirs)
{
	strvec_release(dirs);
	if (p->kind == POINTER_FILE || (p->n == 1 && !strcmp(p->shards[0].name, ".")))
		return;
	strvec_push(dirs, "");
	for (size_t i = 0; i < p->n; i++) {
		const char *name = p->shards[i].name;

		for (const char *s = strchr(name, '/'); s; s = strchr(s + 1, '/'))
			strvec_pushn(dirs, name, (size_t)(s - name));
	}
	strvec_sort(dirs);
	strvec_uniq(dirs);
}

/* ---- applying ---- */

struct apply {
	const struct strvec *dirs;
	const struct split_io *io;
	struct pointer *out;
	struct buf path; /* of the directory at hand */
};

static int name_cmp(const void *a, const void *b)
{
	return strcmp(a, *(char *const *)b);
}

static bool is_split(const struct apply *a)
{
	return a->dirs->nr && bsearch(a->path.p, a->dirs->v, a->dirs->nr, sizeof(char *), name_cmp);
}

static int add_shard(struct apply *a, const char *name, const struct chunkid *id, uint64_t files,
		     uint64_t bytes, struct err *e)
{
	struct node_shard s = {NULL, *id, files, bytes};

	if (a->out->n >= POINTER_MAX_SHARDS)
		return err_set(e, ERR_LIMIT, "more than %d shards", POINTER_MAX_SHARDS);
	pointer_add_shard(a->out, name, &s);
	return 0;
}

static int add_dir(struct apply *a, struct dtree_entry *dir, const char *name, struct err *e)
{
	int rc = dtree_build(dir, a->io->store, a->io->store_arg, e);

	return rc < 0 ? rc : add_shard(a, name, &dir->id, dir->files, dir->bytes, e);
}

/* The files directly in a split directory; if there is nothing else, also when there are none. */
static int add_loose(struct apply *a, const struct dtree *d, struct err *e)
{
	struct node_entry node;
	char *name;
	int rc;

	if (d->n && count_dirs(d) == d->n)
		return 0;
	rc = dtree_build_loose(d, a->io->store, a->io->store_arg, &node, e);
	if (rc < 0)
		return rc;
	name = xstrfmt("%s/", a->path.p);
	rc = add_shard(a, name, &node.id, node.files, node.bytes, e);
	free(name);
	return rc;
}

static int split_dir(struct apply *a, struct dtree_entry *dir, struct err *e)
{
	size_t len = a->path.len;
	int rc = 0;

	if (!is_split(a))
		return add_dir(a, dir, a->path.p, e);
	if (a->io->load) {
		rc = dtree_expand(dir, a->io->load, a->io->load_arg, e);
		if (rc < 0)
			return rc;
	}
	rc = add_loose(a, dir->sub, e);
	for (size_t i = 0; rc == 0 && i < dir->sub->n; i++) {
		if (dir->sub->v[i].kind != NODE_DIR)
			continue;
		path_enter(&a->path, dir->sub->v[i].name);
		rc = split_dir(a, &dir->sub->v[i], e);
		buf_setlen(&a->path, len);
	}
	return rc;
}

int split_apply(struct dtree_entry *root, const struct strvec *dirs, const struct split_io *io,
		struct pointer *out, struct err *e)
{
	struct apply a = {dirs, io, out, BUF_INIT};
	struct buf text = BUF_INIT;
	int rc;

	pointer_release(out);
	out->kind = POINTER_TREE;
	rc = dirs->nr ? split_dir(&a, root, e) : add_dir(&a, root, ".", e);
	pointer_sort(out);
	if (rc == 0) {
		pointer_format(out, &text);
		if (text.len > POINTER_MAX_BYTES)
			rc = err_set(e, ERR_LIMIT, "the pointer would be larger than 256 KiB");
	}
	if (rc == ERR_LIMIT)
		err_hint(e, "choose the split anew: git deepops track --reshard");
	buf_release(&a.path);
	buf_release(&text);
	return rc;
}
