/* SPDX-License-Identifier: MIT */
/* node_dataset.c - the id of a dataset from the shards of its pointer; see node.h */
#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/node.h"

struct dataset {
	const struct node_shard *shards;
	node_load_fn load;
	void *arg;
};

/* Entries of one directory that the split went through; names are owned. */
struct dataset_dir {
	struct node_entry *entries;
	size_t n, alloc;
};

static void dir_add(struct dataset_dir *dir, const struct node_entry *entry)
{
	struct node_entry *own;

	XGROW(dir->entries, dir->n + 1, dir->alloc);
	own = &dir->entries[dir->n++];
	*own = *entry;
	own->name = xstrndup(entry->name, entry->name_len);
}

static void dir_release(struct dataset_dir *dir)
{
	for (size_t i = 0; i < dir->n; i++)
		free((char *)(uintptr_t)dir->entries[i].name);
	free(dir->entries);
}

static int by_name(const void *a, const void *b)
{
	/* Names are safe: no NUL inside. */
	return strcmp(((const struct node_entry *)a)->name, ((const struct node_entry *)b)->name);
}

static int shard_error(const struct node_shard *shard, const char *what, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "shard '%.200s': %s", shard->name, what);
}

/* Is `name` one that a pointer may use? */
static bool shard_name_ok(const char *name)
{
	size_t len = strlen(name);

	if (!strcmp(name, ".") || !strcmp(name, "/"))
		return true;
	return path_is_safe(name, len && name[len - 1] == '/' ? len - 1 : len);
}

static int check_names(const struct node_shard *shards, size_t n, struct err *e)
{
	if (!n || n > POINTER_MAX_SHARDS)
		return err_set(e, ERR_CORRUPT, "dataset of %zu shards", n);
	for (size_t i = 0; i < n; i++) {
		if (!shard_name_ok(shards[i].name))
			return shard_error(&shards[i], "unsafe name", e);
		if (i && strcmp(shards[i - 1].name, shards[i].name) >= 0)
			return shard_error(&shards[i], "out of order or there twice", e);
		if (n > 1 && !strcmp(shards[i].name, "."))
			return shard_error(&shards[i], "overlaps with another", e);
	}
	return 0;
}

/* The node of a shard says what the shard says? */
static int check_sums(const struct dataset *d, const struct node_shard *shard, struct err *e)
{
	struct buf text = BUF_INIT;
	uint64_t bytes = 0, files = 0;
	int rc = d->load(d->arg, &shard->id, &text, e);

	if (rc == 0)
		rc = node_sum(text.p, text.len, &bytes, &files, e);
	if (rc != 0)
		err_wrap(e, "shard '%.200s'", shard->name);
	else if (bytes != shard->bytes || files != shard->files)
		rc = shard_error(shard, "its node has other sums", e);
	buf_release(&text);
	return rc;
}

/* A shard that is the directory `name`. */
static int add_subdir(const struct dataset *d, struct dataset_dir *dir,
		      const struct node_shard *shard, const char *name, struct err *e)
{
	struct node_entry entry = {NODE_MODE_DIR, NODE_DIR, shard->id,   shard->bytes,
				   shard->files,  name,     strlen(name)};
	int rc = check_sums(d, shard, e);

	if (rc == 0)
		dir_add(dir, &entry);
	return rc;
}

static int add_direct(void *arg, const struct node_entry *entry, struct err *e)
{
	/* A directory here would hide that another shard has the same one. */
	if (entry->kind == NODE_DIR)
		return err_set(e, ERR_CORRUPT, "directory '%.200s' among the files of a split one",
			       entry->name);
	dir_add(arg, entry);
	return 0;
}

/* A shard that is the files directly in this directory. */
static int add_files(const struct dataset *d, struct dataset_dir *dir,
		     const struct node_shard *shard, struct err *e)
{
	int rc = check_sums(d, shard, e);

	if (rc < 0)
		return rc;
	rc = node_walk_dir(&shard->id, d->load, d->arg, add_direct, dir, e);
	if (rc < 0)
		err_wrap(e, "shard '%.200s'", shard->name);
	return rc;
}

static int close_dir(struct dataset_dir *dir, struct node_entry *out, struct err *e)
{
	if (dir->n)
		qsort(dir->entries, dir->n, sizeof(*dir->entries), by_name);
	for (size_t i = 1; i < dir->n; i++)
		if (!by_name(&dir->entries[i - 1], &dir->entries[i]))
			return err_set(e, ERR_CORRUPT, "shards overlap at '%.200s'",
				       dir->entries[i].name);
	return node_build(dir->entries, dir->n, NULL, NULL, out, e);
}

/*
 * Shards lo..hi all begin with the same `prefix` bytes, the path of a directory
 * and its slash; give the entry of that directory.  Being sorted, the shards
 * below one subdirectory stand side by side.
 */
static int build_dir(const struct dataset *d, size_t lo, size_t hi, size_t prefix,
		     struct node_entry *out, struct err *e)
{
	struct dataset_dir dir = {NULL, 0, 0};
	int rc = 0;

	while (rc == 0 && lo < hi) {
		const char *rest = d->shards[lo].name + prefix;
		const char *slash = strchr(rest, '/');
		size_t next = lo + 1;

		if (!*rest || !strcmp(rest, "/")) {
			rc = add_files(d, &dir, &d->shards[lo], e);
		} else if (!slash) {
			rc = add_subdir(d, &dir, &d->shards[lo], rest, e);
		} else {
			size_t len = (size_t)(slash + 1 - rest);
			struct node_entry sub = {.name = rest, .name_len = len - 1};

			while (next < hi && !strncmp(d->shards[next].name + prefix, rest, len))
				next++;
			rc = build_dir(d, lo, next, prefix + len, &sub, e);
			if (rc == 0)
				dir_add(&dir, &sub);
		}
		lo = next;
	}
	if (rc == 0)
		rc = close_dir(&dir, out, e);
	dir_release(&dir);
	return rc;
}

int node_dataset_id(const struct node_shard *shards, size_t n, node_load_fn load, void *arg,
		    struct node_dataset *out, struct err *e)
{
	struct dataset d = {shards, load, arg};
	struct node_entry root = {.name = "", .name_len = 0};
	int rc = check_names(shards, n, e);

	if (rc < 0)
		return rc;
	if (!strcmp(shards[0].name, ".")) {
		rc = check_sums(&d, &shards[0], e);
		root.id = shards[0].id;
		root.bytes = shards[0].bytes;
		root.files = shards[0].files;
	} else {
		rc = build_dir(&d, 0, n, 0, &root, e);
	}
	if (rc < 0)
		return rc;
	*out = (struct node_dataset){root.id, root.files, root.bytes};
	return 0;
}

void node_split_key(const struct node_shard *shards, size_t n, struct chunkid *key)
{
	struct buf text = BUF_INIT;

	buf_addstr(&text, "deepops-split 1\n");
	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%s %" PRIu64 " %" PRIu64 " ", chunkid_text(&shards[i].id).s,
			 shards[i].bytes, shards[i].files);
		path_quote(&text, shards[i].name, strlen(shards[i].name));
		buf_addch(&text, '\n');
	}
	chunkid_of(key, text.p, text.len);
	buf_release(&text);
}
