/* SPDX-License-Identifier: MIT */
/* notes.c - git notes, read and written through trees; see notes.h */
#include "repo/notes.h"

#include <unistd.h>

#include "base/random.h"
#include "base/xalloc.h"
#include "repo/tree.h"

#define FANOUT 2                                              /* hex digits of a directory name */
#define PATH_BYTES (REPO_OID_HEX + REPO_OID_HEX / FANOUT + 1) /* with a slash after every pair */
#define REBUILD_FROM 16 /* notes changed at once: then one pass over the tree is cheaper */
#define SWAP_TRIES 50
#define SWAP_WAIT_US 100000 /* at most this long between two tries */

/* "ab/cd/ef…": the first `levels` pairs of digits as directories. */
static void note_path(char out[PATH_BYTES], const struct repo_oid *object, unsigned int levels)
{
	const char *hex = object->hex;
	size_t n = 0;

	for (unsigned int i = 0; i < levels; i++, hex += FANOUT) {
		memcpy(out + n, hex, FANOUT);
		n += FANOUT;
		out[n++] = '/';
	}
	memcpy(out + n, hex, strlen(hex) + 1);
}

/* git itself fans out as the tree grows: the note is wherever it is.  1 found, 0 not. */
static int find_note(struct repo *r, const struct repo_oid *tree, const struct repo_oid *object,
		     char path[PATH_BYTES], struct tree_entry *out, struct err *e)
{
	struct tree_entry dir;

	for (unsigned int levels = 0; levels < REPO_OID_HEX / FANOUT; levels++) {
		int rc;

		note_path(path, object, levels);
		rc = tree_find(r, tree, path, out, e);
		if (rc)
			return rc;
		path[(size_t)(FANOUT + 1) * levels + FANOUT] = '\0';
		rc = tree_find(r, tree, path, &dir, e);
		if (rc <= 0 || dir.mode != TREE_MODE_DIR)
			return rc < 0 ? rc : 0;
	}
	return 0;
}

static int read_from(struct repo *r, const struct repo_oid *tree, const struct repo_oid *object,
		     struct buf *out, struct err *e)
{
	char path[PATH_BYTES];
	struct tree_entry entry;
	int rc = find_note(r, tree, object, path, &entry, e);

	if (rc <= 0)
		return rc;
	rc = repo_read_blob(r, &entry.id, NOTES_MAX_BYTES, out, e);
	return rc < 0 ? err_wrap(e, "note of %s", object->hex) : 1;
}

int notes_read(struct repo *r, const char *ref, const struct repo_oid *object, struct buf *out,
	       struct err *e)
{
	struct repo_oid commit;
	struct repo_oid tree;
	int rc = repo_ref_get(r, ref, &commit, e);

	if (rc <= 0)
		return rc;
	rc = repo_commit_tree(r, &commit, &tree, e);
	return rc < 0 ? rc : read_from(r, &tree, object, out, e);
}

/* ---- writing ---- */

struct change {
	struct repo_oid object;
	struct repo_oid blob; /* zero: no note any more */
};

struct changes {
	struct change *v;
	size_t nr;
};

/* Ask the caller for every note; only those that differ from what is there become changes. */
static int collect(struct repo *r, const struct notes_edit *edit, const struct repo_oid *tree,
		   struct changes *out, struct err *e)
{
	struct buf old = BUF_INIT;
	struct buf text = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < edit->n; i++) {
		struct change *c = &out->v[out->nr];

		buf_reset(&old);
		buf_reset(&text);
		if (!repo_oid_is_zero(tree))
			rc = read_from(r, tree, &edit->objects[i], &old, e);
		if (rc >= 0)
			rc = edit->fn(edit->arg, &edit->objects[i], &old, &text, e);
		if (rc < 0 || buf_cmp(&old, &text) == 0)
			continue;
		c->object = edit->objects[i];
		memset(c->blob.hex, '0', REPO_OID_HEX);
		c->blob.hex[REPO_OID_HEX] = '\0';
		if (text.len)
			rc = repo_write_blob(r, text.p, text.len, &c->blob, e);
		out->nr++;
	}
	buf_release(&old);
	buf_release(&text);
	return rc;
}

static int apply_one(struct repo *r, struct repo_oid *tree, const struct change *c, struct err *e)
{
	char path[PATH_BYTES];
	struct tree_entry entry;
	int rc = 0;

	if (!repo_oid_is_zero(tree)) {
		rc = find_note(r, tree, &c->object, path, &entry, e);
		if (rc > 0)
			rc = tree_update(r, tree, path, 0, NULL, tree, e);
	}
	if (rc == 0 && !repo_oid_is_zero(&c->blob)) {
		note_path(path, &c->object, 1);
		rc = tree_update(r, tree, path, TREE_MODE_FILE, &c->blob, tree, e);
	}
	return rc;
}

/* The object whose note `path` is, whatever the fan-out; false for another file. */
static bool object_of(const char *path, struct repo_oid *object)
{
	size_t n = 0;

	for (; *path && n < REPO_OID_HEX; path++)
		if (*path != '/')
			object->hex[n++] = *path;
	object->hex[n] = '\0';
	return !*path && repo_oid_ok(object->hex);
}

static int by_object(const void *a, const void *b)
{
	return strcmp(((const struct change *)a)->object.hex,
		      ((const struct change *)b)->object.hex);
}

struct rebuild {
	struct tree_builder *builder;
	const struct changes *changes; /* sorted */
};

static int keep_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct rebuild *b = arg;
	struct change key;
	char path[PATH_BYTES];

	(void)e;
	if (!object_of(entry->name, &key.object)) {
		tree_builder_add(b->builder, entry->name, entry->mode, &entry->id);
	} else if (!bsearch(&key, b->changes->v, b->changes->nr, sizeof(key), by_object)) {
		note_path(path, &key.object, 1);
		tree_builder_add(b->builder, path, entry->mode, &entry->id);
	}
	return 0;
}

/* All trees once: for many notes, cheaper than to rewrite the root for each. */
static int apply_many(struct repo *r, struct repo_oid *tree, struct changes *changes, struct err *e)
{
	struct rebuild b = {tree_builder_new(r), changes};
	int rc = 0;

	qsort(changes->v, changes->nr, sizeof(*changes->v), by_object);
	if (!repo_oid_is_zero(tree))
		rc = tree_walk(r, tree, keep_entry, &b, e);
	for (size_t i = 0; i < changes->nr; i++) {
		char path[PATH_BYTES];

		note_path(path, &changes->v[i].object, 1);
		if (!repo_oid_is_zero(&changes->v[i].blob))
			tree_builder_add(b.builder, path, TREE_MODE_FILE, &changes->v[i].blob);
	}
	if (rc == 0)
		rc = tree_builder_write(b.builder, tree, e);
	tree_builder_free(b.builder);
	return rc;
}

static int commit(struct repo *r, const struct notes_edit *edit, const struct repo_oid *tree,
		  const struct repo_oid *tip, struct err *e)
{
	bool first = repo_oid_is_zero(tip);
	char *message = xstrfmt("%s\n", edit->message);
	struct repo_commit c = {
		.tree = *tree, .parents = tip, .nparents = !first, .message = message};
	struct repo_oid id;
	int rc = repo_write_commit(r, &c, &id, e);

	if (rc == 0)
		rc = repo_ref_set(r, edit->ref, &id, tip, edit->message, e);
	free(message);
	return rc;
}

static int try_update(struct repo *r, const struct notes_edit *edit, struct err *e)
{
	struct changes changes = {xcalloc(edit->n ? edit->n : 1, sizeof(*changes.v)), 0};
	struct repo_oid tip;
	struct repo_oid tree;
	int rc;

	memset(tip.hex, '0', REPO_OID_HEX);
	tip.hex[REPO_OID_HEX] = '\0';
	tree = tip;
	rc = repo_ref_get(r, edit->ref, &tip, e);
	if (rc > 0)
		rc = repo_commit_tree(r, &tip, &tree, e);
	if (rc == 0)
		rc = collect(r, edit, &tree, &changes, e);
	if (rc == 0 && changes.nr >= REBUILD_FROM)
		rc = apply_many(r, &tree, &changes, e);
	else
		for (size_t i = 0; rc == 0 && i < changes.nr; i++)
			rc = apply_one(r, &tree, &changes.v[i], e);
	if (rc == 0 && changes.nr)
		rc = commit(r, edit, &tree, &tip, e);
	free(changes.v);
	return rc;
}

int notes_update(struct repo *r, const struct notes_edit *edit, struct err *e)
{
	int rc = ERR_EXISTS;

	for (unsigned int i = 0; i < SWAP_TRIES; i++) {
		uint32_t jitter;

		rc = try_update(r, edit, e);
		if (rc != ERR_EXISTS)
			break;
		random_bytes(&jitter, sizeof(jitter));
		usleep(jitter % SWAP_WAIT_US);
	}
	if (rc == 0)
		err_clear(e);
	return rc < 0 ? err_wrap(e, "notes %s", edit->ref) : 0;
}
