/* SPDX-License-Identifier: MIT */
/* dataset_links.c - symbolic links that lead out of a dataset; see dataset_links.h */
#include "data/dataset_links.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/limits.h"
#include "base/path.h"

bool dataset_links_leaves(unsigned int depth, const char *target)
{
	if (*target == '/')
		return true;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && !memcmp(target, "..", 2)) {
			if (!depth--)
				return true;
		} else if (n && !(n == 1 && *target == '.')) {
			depth++;
		}
		target += n;
		target += strspn(target, "/");
	}
	return false;
}

struct search {
	dataset_links_load_fn load;
	void *arg;
	struct buf *path;
	struct chunkset *seen; /* nodes, each mixed with the depth at which it was read */
	size_t read;
};

/* 1: it was read; 0: it is not at hand, or enough was read. */
static int read_chunk(struct search *s, enum chunk_kind kind, const struct chunkid *id,
		      struct buf *out, struct err *e)
{
	int rc;

	if (++s->read > DATASET_LINKS_MAX)
		return 0;
	rc = s->load(s->arg, kind, id, out, e);
	if (rc != ERR_NOTFOUND)
		return rc < 0 ? rc : 1;
	err_clear(e);
	return 0;
}

static int look_at_link(struct search *s, const struct node_entry *link, unsigned int depth,
			struct err *e)
{
	struct buf target = BUF_INIT;
	int rc = read_chunk(s, CHUNK_DATA, &link->id, &target, e);

	if (rc == 1)
		rc = target.len <= PATH_MAX_BYTES && dataset_links_leaves(depth, target.p);
	buf_release(&target);
	return rc;
}

/* What climbs out of the tree depends on the depth, and on nothing else of the path. */
static bool is_known(struct search *s, const struct chunkid *id, unsigned int depth)
{
	struct chunkid key = *id;

	key.b[0] ^= (uint8_t)depth;
	return !chunkset_add(s->seen, CHUNK_NODE, &key, 0);
}

static int look_at_node(struct search *s, const struct chunkid *id, unsigned int depth,
			unsigned int height, struct err *e);

static int look_at_entry(struct search *s, const struct node_entry *entry, unsigned int depth,
			 unsigned int height, struct err *e)
{
	size_t len = s->path->len;
	int rc = 0;

	if (entry->kind == NODE_FILE)
		return 0;
	if (entry->kind == NODE_PART)
		return look_at_node(s, &entry->id, depth, height + 1, e);
	path_enter(s->path, entry->name);
	if (entry->kind == NODE_LINK)
		rc = look_at_link(s, entry, depth, e);
	else
		rc = look_at_node(s, &entry->id, depth + 1, height + 1, e);
	if (rc == 0)
		buf_setlen(s->path, len); /* else it names what was found */
	return rc;
}

/* `height`: nodes above, parts among them, which bounds our stack. */
static int look_at_node(struct search *s, const struct chunkid *id, unsigned int depth,
			unsigned int height, struct err *e)
{
	struct buf text = BUF_INIT;
	struct node_entry entry;
	struct node_iter it;
	int rc, more = 1;

	if (height > 2 * TREE_MAX_DEPTH || is_known(s, id, depth))
		return 0;
	rc = read_chunk(s, CHUNK_NODE, id, &text, e);
	if (rc != 1) {
		buf_release(&text);
		return rc;
	}
	rc = node_iter_init(&it, text.p, text.len, e);
	while (rc == 0 && (more = node_next(&it, &entry, e)) == 1)
		rc = look_at_entry(s, &entry, depth, height, e);
	node_iter_release(&it);
	buf_release(&text);
	return more < 0 ? more : rc;
}

/* How deep the directory of a shard lies, "a/b" or "a/b/"; "." and "/" are the root. */
static unsigned int depth_of(const char *dir)
{
	unsigned int depth = *dir != '\0';

	for (; *dir; dir++)
		depth += *dir == '/';
	return depth;
}

int dataset_links_find(const struct pointer *p, dataset_links_load_fn load, void *arg,
		       struct buf *path, struct err *e)
{
	struct search s = {load, arg, path, chunkset_new(), 0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && p->kind == POINTER_TREE && i < p->n; i++) {
		const char *name = p->shards[i].name;

		buf_reset(path);
		if (strcmp(name, ".") != 0)
			buf_addstr(path, name);
		if (path->len && path->p[path->len - 1] == '/')
			buf_setlen(path, path->len - 1);
		rc = look_at_node(&s, &p->shards[i].id, depth_of(path->p), 0, e);
	}
	chunkset_free(s.seen);
	return rc;
}

/* Length of the first part of `path` that is a link; the whole where none is found any more. */
static size_t first_link(int rootfd, const char *path)
{
	struct buf part = BUF_INIT;
	struct stat st;
	size_t n = 0;

	for (bool found = false; !found && path[n];) {
		n += path[n] == '/';
		n += strcspn(path + n, "/");
		buf_reset(&part);
		buf_add(&part, path, n);
		found = fstatat(rootfd, part.p, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISLNK(st.st_mode);
	}
	buf_release(&part);
	return n;
}

int dataset_links_refuse(int rootfd, const char *path, struct err *e)
{
	size_t n = first_link(rootfd, path);

	if (!path[n]) {
		err_set(e, ERR_INPUT, "'%s' is a symbolic link, which cannot be a dataset", path);
		err_hint(e, "move what it leads to into its place, or mount that there "
			    "(mount --bind); links inside a dataset are kept as links");
	} else {
		err_set(e, ERR_INPUT, "'%s' lies behind a symbolic link, '%.*s'", path, (int)n,
			path);
		err_hint(e, "git follows no link inside the work tree: mount the directory there "
			    "(mount --bind); where it is for want of room, make .git/deepops a "
			    "link to the larger disk");
	}
	if (e)
		e->sys = ELOOP;
	return ERR_INPUT;
}
