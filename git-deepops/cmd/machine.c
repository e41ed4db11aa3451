/* SPDX-License-Identifier: MIT */
/* machine.c - `git deepops machine`; see git-deepops-machine(1) */
#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "cmd.h"
#include "machine/capture.h"

/* "key=value" lines as one object; values decoded. */
static struct json *facets(const struct capture *c)
{
	struct json *o = json_mkobj();
	struct buf key = BUF_INIT, value = BUF_INIT;

	for (const char *at = c->text.p; *at; at += strcspn(at, "\n") + 1) {
		buf_reset(&key);
		buf_reset(&value);
		buf_add(&key, at, strcspn(at, "="));
		if (capture_value(at, strcspn(at, "\n"), key.p, &value) == 1)
			json_put_str(o, key.p, value.p);
	}
	buf_release(&key);
	buf_release(&value);
	return o;
}

static void print_json(const struct capture *c)
{
	struct json *doc = json_mkobj(), *absent = json_mkarr();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < c->absent.nr; i++)
		json_push(absent, json_mkstr(c->absent.v[i]));
	json_put_int(doc, "version", 1);
	json_put_str(doc, "id", chunkid_text(&c->id).s);
	json_put_str(doc, "class", c->device);
	json_put_int(doc, "packages", (int64_t)c->packages);
	json_put_int(doc, "without_digest", (int64_t)c->undigested);
	json_put(doc, "absent", absent);
	json_put(doc, "capture", facets(c));
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

static int capture(const char *rootfs, bool as_json, struct err *e)
{
	struct capture_opts o = {rootfs, NULL, NULL};
	struct capture c;
	int rc;

	capture_init(&c);
	rc = capture_machine(&o, &c, e);
	if (rc == 0) {
		if (as_json)
			print_json(&c);
		else
			fwrite(c.text.p, 1, c.text.len, stdout);
		for (size_t i = 0; i < c.absent.nr; i++)
			log_warn("%s", c.absent.v[i]);
	}
	capture_release(&c);
	return rc;
}

int cmd_machine(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops machine capture [--rootfs DIR] [--json]",
					    NULL};
	const char *rootfs = NULL;
	bool as_json = false;
	struct opt opts[] = {OPT_STR("rootfs", 0, &rootfs, "dir",
				     "capture the system installed there, not the running one"),
			     OPT_BOOL("json", 0, &as_json, "print one JSON document"), OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2 || strcmp(argv[1], "capture") != 0)
		return err_set(e, ERR_USAGE, "say what to do: capture");
	return capture(rootfs, as_json, e);
}
