/* SPDX-License-Identifier: MIT */
/* sha256sums.c - git deepops sha256sums: a listing that `sha256sum -c` accepts */

#include "cmd.h"

#include <stdio.h>

#include "base/path.h"
#include "data/locate.h"

static const char *const usage[] = {"git deepops sha256sums [REV:]PATH", NULL};

struct listing {
	const char *root;
};

/* sha256sum's own escaping: a leading backslash says that \\, \n and \r stand in the name. */
static void print_sum(const struct chunkid *id, const char *path)
{
	struct buf line = BUF_INIT;

	if (strpbrk(path, "\\\n\r"))
		buf_addch(&line, '\\');
	buf_addf(&line, "%s  ", chunkid_hex(id).s);
	for (; *path; path++) {
		if (*path == '\\')
			buf_addstr(&line, "\\\\");
		else if (*path == '\n')
			buf_addstr(&line, "\\n");
		else if (*path == '\r')
			buf_addstr(&line, "\\r");
		else
			buf_addch(&line, *path);
	}
	buf_addch(&line, '\n');
	fwrite(line.p, 1, line.len, stdout);
	buf_release(&line);
}

/* Links are left out: sha256sum would follow them. */
static int on_entry(void *arg, const char *path, const struct node_entry *entry, struct err *e)
{
	const struct listing *l = arg;
	struct buf full = BUF_INIT;

	(void)e;
	if (entry->kind != NODE_FILE)
		return 0;
	if (*path)
		path_join(&full, l->root, path);
	else
		buf_addstr(&full, l->root);
	print_sum(&entry->id, full.p);
	buf_release(&full);
	return 0;
}

int cmd_sha256sums(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct opt opts[] = {OPT_END};
	struct dataset_walk_opts walk = {NULL, false};
	struct listing l;
	struct dataset_env *d;
	struct locate where;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "one [REV:]PATH is wanted");
	rc = dataset_open(&d, ctx->repo, e);
	if (rc < 0)
		return rc;
	locate_init(&where);
	rc = locate_parse(ctx->repo, argv[1], &where, e);
	l.root = where.root.p;
	walk.inside = where.inside.p;
	if (rc == 0)
		rc = dataset_walk(&where.pointer, &walk, dataset_load_node, d, on_entry, &l, e);
	locate_release(&where);
	dataset_close(d);
	return rc;
}
