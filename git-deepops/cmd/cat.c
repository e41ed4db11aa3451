/* SPDX-License-Identifier: MIT */
/* cat.c - git deepops cat: print one file of a dataset at any revision */

#include "cmd.h"

#include <stdio.h>

#include "base/path.h"
#include "data/locate.h"

static const char *const usage[] = {"git deepops cat [REV:]PATH", NULL};

static int print_piece(void *arg, const void *p, size_t len, struct err *e)
{
	(void)arg;
	if (fwrite(p, 1, len, stdout) != len)
		return err_sys(e, "standard output");
	return 0;
}

static int print_file(struct dataset_env *d, const struct locate *where, const char *arg,
		      struct err *e)
{
	struct node_entry entry;
	int rc = dataset_find(&where->pointer, where->inside.p, dataset_load_node, d, &entry, e);

	if (rc == 0 && (entry.kind == NODE_DIR || entry.kind == NODE_PART)) {
		char *word = path_word(arg);

		err_set(e, ERR_INPUT, "%s is a directory", arg);
		err_hint(e, "git deepops ls %s", word);
		free(word);
		return ERR_INPUT;
	}
	return rc < 0 ? err_wrap(e, "%s", arg)
		      : dataset_read(d, &entry.id, entry.bytes, print_piece, NULL, e);
}

int cmd_cat(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct opt opts[] = {OPT_END};
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
	if (rc == 0)
		rc = print_file(d, &where, argv[1], e);
	locate_release(&where);
	dataset_close(d);
	return rc;
}
