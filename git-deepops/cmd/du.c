/* SPDX-License-Identifier: MIT */
/* du.c - git deepops du: how large datasets and what is in them are */

#include "cmd.h"

#include <stdio.h>

#include "base/json.h"
#include "base/num.h"
#include "base/path.h"
#include "data/locate.h"

static const char *const usage[] = {"git deepops du [options] [[REV:]PATH...]", NULL};

struct du {
	bool human, null;
	struct json *list; /* with --json */
};

static void print_line(const struct du *du, const char *path, uint64_t bytes, uint64_t files)
{
	struct buf quoted = BUF_INIT;

	path_quote(&quoted, path, strlen(path));
	if (du->list) {
		struct json *o = json_mkobj();

		json_put_path(o, "path", path);
		json_put_int(o, "bytes", (int64_t)bytes);
		json_put_int(o, "files", (int64_t)files);
		json_push(du->list, o);
	} else {
		if (du->human)
			fputs(num_human_bytes(bytes).s, stdout);
		else
			printf("%" PRIu64, bytes);
		printf("\t%" PRIu64 "\t%s%c", files, du->null ? path : quoted.p,
		       du->null ? '\0' : '\n');
	}
	buf_release(&quoted);
}

static int measure(struct dataset_env *d, struct du *du, const char *arg, struct err *e)
{
	struct node_entry entry;
	struct locate where;
	int rc;

	locate_init(&where);
	rc = locate_parse(dataset_repo(d), arg, &where, e);
	if (rc == 0 && !where.inside.len) {
		print_line(du, arg, where.pointer.bytes, where.pointer.files);
	} else if (rc == 0) {
		rc = dataset_find(&where.pointer, where.inside.p, dataset_load_node, d, &entry, e);
		if (rc == 0)
			print_line(du, arg, entry.bytes, entry.files);
	}
	locate_release(&where);
	return rc;
}

static int measure_all(struct dataset_env *d, struct du *du, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	int rc = dataset_roots(dataset_repo(d), NULL, &roots, e);

	for (size_t i = 0; rc == 0 && i < roots.nr; i++) {
		struct pointer p;

		pointer_init(&p);
		rc = dataset_pointer(dataset_repo(d), NULL, roots.v[i], &p, e);
		if (rc == 0)
			print_line(du, roots.v[i], p.bytes, p.files);
		pointer_release(&p);
	}
	strvec_release(&roots);
	return rc;
}

static void print_json(const struct du *du)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put(doc, "entries", json_ref(du->list));
	json_text(doc, true, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	json_unref(doc);
}

int cmd_du(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct du du = {false, false, NULL};
	bool json = false;
	struct opt opts[] = {OPT_BOOL("human", 'H', &du.human, "sizes for people"),
			     OPT_BOOL("null", 'z', &du.null, "end lines with NUL, quote nothing"),
			     OPT_BOOL("json", 0, &json, "one JSON document"), OPT_END};
	struct dataset_env *d;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = dataset_open(&d, ctx->repo, e);
	if (rc < 0)
		return rc;
	if (json)
		du.list = json_mkarr();
	for (int i = 1; rc == 0 && i < argc; i++)
		rc = measure(d, &du, argv[i], e);
	if (rc == 0 && argc == 1)
		rc = measure_all(d, &du, e);
	if (json && rc == 0)
		print_json(&du);
	json_unref(du.list);
	dataset_close(d);
	return rc;
}
