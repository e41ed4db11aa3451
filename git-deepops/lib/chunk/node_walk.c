/* SPDX-License-Identifier: MIT */
/* node_walk.c - a directory through all its parts; see node.h */
#include "base/limits.h"
#include "base/num.h"
#include "chunk/node.h"
#include "chunk/node_internal.h"

/*
 * Height 0 is the list of the directory's own entries, height 1 the list of
 * parts that hold them, and so on.  The heights are known only once the walk
 * has been at the bottom, so an entry is counted at its height after what it
 * stands for was walked.
 */
struct node_walk {
	node_load_fn load;
	void *load_arg;
	node_entry_fn cb;
	void *cb_arg;
	struct node_fill fill[NODE_MAX_HEIGHT + 1];
	struct node_fill all[NODE_MAX_HEIGHT + 1];
	struct buf line, last;
	bool any;
};

/* What a node turned out to hold. */
struct node_found {
	unsigned int height; /* of the list in it */
	size_t entries;
	uint64_t bytes, files;
	struct buf first;
};

static int walk_node(struct node_walk *w, const struct chunkid *id, unsigned int depth,
		     struct node_found *found, struct err *e);

/* Count an entry at its height; it must begin a node exactly where node_build() would. */
static int count_entry(struct node_walk *w, unsigned int height, const struct node_entry *entry,
		       bool first_in_node, struct err *e)
{
	bool cut;

	buf_reset(&w->line);
	node_add_line(&w->line, entry);
	cut = node_fill_add(&w->fill[height], height, entry, w->line.len);
	if (w->all[height].entries && cut != first_in_node)
		return err_set(e, ERR_CORRUPT,
			       "parts of a directory are not cut where they must be");
	w->all[height].entries++;
	w->all[height].bytes += w->line.len;
	return 0;
}

static int walk_leaf(struct node_walk *w, const struct node_entry *entry, struct err *e)
{
	if (w->any && strcmp(w->last.p, entry->name) >= 0)
		return err_set(e, ERR_CORRUPT, "parts of a directory overlap");
	w->any = true;
	buf_sets(&w->last, entry->name);
	return w->cb(w->cb_arg, entry, e);
}

static int walk_part(struct node_walk *w, const struct node_entry *part, unsigned int depth,
		     unsigned int *height, struct err *e)
{
	struct node_found inner = {0, 0, 0, 0, BUF_INIT};
	int rc = walk_node(w, &part->id, depth + 1, &inner, e);

	*height = inner.height + 1;
	if (rc == 0 && (!inner.entries || inner.first.len != part->name_len ||
			memcmp(inner.first.p, part->name, part->name_len) != 0))
		rc = err_set(e, ERR_CORRUPT, "part of a directory is not named by its first entry");
	if (rc == 0 && (inner.bytes != part->bytes || inner.files != part->files))
		rc = err_set(e, ERR_CORRUPT, "part of a directory has other sums than it says");
	buf_release(&inner.first);
	return rc;
}

static int walk_entry(struct node_walk *w, const struct node_entry *entry, unsigned int depth,
		      struct node_found *found, struct err *e)
{
	unsigned int height = 0;
	int rc;

	if (entry->kind == NODE_PART)
		rc = walk_part(w, entry, depth, &height, e);
	else
		rc = walk_leaf(w, entry, e);
	if (rc == 0 && depth > 0) /* the list in the topmost node is not divided */
		rc = count_entry(w, height, entry, found->entries == 0, e);
	if (rc < 0)
		return rc;
	if (!found->entries) {
		buf_add(&found->first, entry->name, entry->name_len);
		found->height = height;
	}
	if (height != found->height)
		return err_set(e, ERR_CORRUPT, "parts of a directory at different depths");
	found->entries++;
	if (!num_add(found->bytes, entry->bytes, &found->bytes) ||
	    !num_add(found->files, entry->files, &found->files))
		return err_set(e, ERR_CORRUPT, "node sums to more than 2^64");
	return 0;
}

static int walk_node(struct node_walk *w, const struct chunkid *id, unsigned int depth,
		     struct node_found *found, struct err *e)
{
	struct node_iter it = {NULL, NULL, BUF_INIT, BUF_INIT, 0, false};
	struct buf text = BUF_INIT;
	struct node_entry entry;
	int rc;

	if (depth >= NODE_MAX_HEIGHT)
		return err_set(e, ERR_CORRUPT, "parts of a directory nested too deep");
	rc = w->load(w->load_arg, id, &text, e);
	if (rc == 0)
		rc = node_iter_init(&it, text.p, text.len, e);
	while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1)
		rc = walk_entry(w, &entry, depth, found, e);
	node_iter_release(&it);
	buf_release(&text);
	return rc;
}

int node_walk_dir(const struct chunkid *id, node_load_fn load, void *load_arg, node_entry_fn cb,
		  void *cb_arg, struct err *e)
{
	struct node_walk w = {.load = load, .load_arg = load_arg, .cb = cb, .cb_arg = cb_arg};
	struct node_found found = {0, 0, 0, 0, BUF_INIT};
	int rc;

	buf_init(&w.line);
	buf_init(&w.last);
	for (size_t i = 0; i <= NODE_MAX_HEIGHT; i++)
		w.fill[i] = w.all[i] = (struct node_fill)NODE_FILL_INIT;
	rc = walk_node(&w, id, 0, &found, e);
	if (rc == 0 && found.height && node_fill_fits(&w.all[found.height - 1]))
		rc = err_set(e, ERR_CORRUPT, "directory in parts that fits in one node");
	buf_release(&found.first);
	buf_release(&w.line);
	buf_release(&w.last);
	return rc;
}
