/* SPDX-License-Identifier: MIT */
/* ls.c - git deepops ls: list a dataset at any revision */

#include "cmd.h"

#include <stdio.h>

#include "base/json.h"
#include "base/path.h"
#include "data/locate.h"

static const char *const usage[] = {"git deepops ls [options] [REV:]PATH", NULL};

struct ls {
	bool full, recurse, nul;
	struct json *list; /* with --json */
	const char *name;  /* of the dataset: that of its only entry where it is one file */
};

static const char *kind_name(const struct node_entry *entry)
{
	if (entry->kind == NODE_LINK)
		return "link";
	return entry->kind == NODE_FILE ? "file" : "directory";
}

static void add_json(struct ls *ls, const char *path, const struct node_entry *entry)
{
	struct json *o = json_mkobj();

	json_put_path(o, "path", path);
	json_put_str(o, "kind", kind_name(entry));
	json_put_str(o, "id", chunkid_text(&entry->id).s);
	json_put_int(o, "bytes", (int64_t)entry->bytes);
	json_put_bool(o, "executable", entry->mode == NODE_MODE_EXEC);
	if (entry->kind == NODE_DIR)
		json_put_int(o, "files", (int64_t)entry->files);
	json_push(ls->list, o);
}

static int on_entry(void *arg, const char *path, const struct node_entry *entry, struct err *e)
{
	struct ls *ls = arg;
	struct buf text = BUF_INIT;

	(void)e;
	if (!*path)
		path = ls->name;
	if (ls->list) {
		add_json(ls, path, entry);
		return 0;
	}
	if (ls->full)
		buf_addf(&text, "%06o %s %12" PRIu64 " ", (unsigned int)entry->mode,
			 chunkid_text(&entry->id).s, entry->bytes);
	if (ls->nul)
		buf_addstr(&text, path);
	else
		path_quote(&text, path, strlen(path));
	if (entry->kind == NODE_DIR)
		buf_addch(&text, '/');
	buf_addch(&text, ls->nul ? '\0' : '\n');
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	return 0;
}

static int list(struct ls *ls, struct repo *r, const char *arg, struct err *e)
{
	struct dataset_walk_opts opts = {NULL, !ls->recurse};
	struct dataset_env *d;
	struct locate where;
	int rc = dataset_open(&d, r, e);

	if (rc < 0)
		return rc;
	locate_init(&where);
	rc = locate_parse(r, arg, &where, e);
	opts.inside = where.inside.p;
	ls->name = path_basename(where.root.p);
	if (rc == 0)
		rc = dataset_walk(&where.pointer, &opts, dataset_load_node, d, on_entry, ls, e);
	locate_release(&where);
	dataset_close(d);
	return rc;
}

static void print_json(struct json *files)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put(doc, "entries", files);
	json_text(doc, true, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	json_unref(doc);
}

int cmd_ls(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct ls ls = {.list = NULL};
	bool json = false;
	struct opt opts[] = {OPT_BOOL("long", 'l', &ls.full, "show mode, id and size too"),
			     OPT_BOOL("recursive", 'r', &ls.recurse, "descend into directories"),
			     OPT_BOOL("null", 'z', &ls.nul, "end lines with NUL, quote nothing"),
			     OPT_BOOL("json", 0, &json, "one JSON document"), OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "one [REV:]PATH is wanted");
	if (json)
		ls.list = json_mkarr();
	rc = list(&ls, ctx->repo, argv[1], e);
	if (json && rc == 0)
		print_json(ls.list);
	else
		json_unref(ls.list);
	return rc;
}
