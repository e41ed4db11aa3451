/* SPDX-License-Identifier: MIT */
/* textconv.c - what git calls to show a pointer in a diff; see git-deepops-textconv(1) */
#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "cmd.h"
#include "data/dataset.h"

/* Beyond this git would spend minutes on comparing the lists; the shards say enough. */
#define LIST_MAX_FILES 50000

struct listing {
	struct buf text;
	size_t lines; /* empty directories are no files, but lines of it */
};

static int print_entry(void *arg, const char *path, const struct node_entry *entry, struct err *e)
{
	struct listing *list = arg;
	struct buf *out = &list->text;

	if (++list->lines > LIST_MAX_FILES)
		return err_set(e, ERR_LIMIT, "more than %d lines", LIST_MAX_FILES);
	buf_addf(out, "%06o %s %" PRIu64 " ", entry->mode, chunkid_short(&entry->id).s,
		 entry->bytes);
	path_quote(out, path, strlen(path));
	buf_addch(out, '\n');
	return 0;
}

/* The list of files; where that cannot be had, the pointer as it is. */
static void convert(struct dataset_env *d, const struct buf *text, const char *name)
{
	struct listing list = {BUF_INIT, 0};
	struct err e = ERR_INIT;
	struct pointer p;

	pointer_init(&p);
	if (pointer_parse(&p, text->p, text->len, name, &e) == 0 && p.kind == POINTER_TREE &&
	    p.files <= LIST_MAX_FILES &&
	    dataset_walk(&p, NULL, dataset_load_node, d, print_entry, &list, &e) == 0)
		fwrite(list.text.p, 1, list.text.len, stdout);
	else
		fwrite(text->p, 1, text->len, stdout);
	pointer_release(&p);
	buf_release(&list.text);
}

int cmd_textconv(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops textconv FILE", NULL};
	struct opt opts[] = {OPT_END};
	struct buf text = BUF_INIT;
	struct dataset_env *d;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "git calls this with one file");
	rc = dataset_open(&d, ctx->repo, e);
	if (rc < 0)
		return rc;
	rc = io_read_file(AT_FDCWD, argv[1], POINTER_MAX_BYTES, &text, e);
	if (rc == 0)
		convert(d, &text, argv[1]);
	dataset_close(d);
	buf_release(&text);
	return rc;
}
