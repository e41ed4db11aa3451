/* SPDX-License-Identifier: MIT */
/* server_scrub.c - `git deepops server scrub`: read stored data again before somebody needs it */
#include "fsck_damage.h"
#include "server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

static int scrub_store(struct repo *r, struct damage *damage, uint64_t slice,
		       struct store_scrubbed *out, struct err *e)
{
	struct store_scrub_opts opts = {slice, "scrub", cmd_damage_note, damage};
	struct store *s;
	int rc = store_open(&s, repo_deepops_dir(r), STORE_VERIFY, e);

	if (rc < 0)
		return rc;
	damage->store = s;
	rc = store_scrub(s, &opts, out, e);
	if (rc == 0 && damage->n)
		rc = cmd_damage_name_paths(damage, r, e);
	store_close(s);
	return rc;
}

static void print_json(const struct damage *damage, const struct store_scrubbed *done)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put_int(doc, "packs", (int64_t)done->packs);
	json_put_int(doc, "bytes", (int64_t)done->bytes);
	json_put_int(doc, "lost", (int64_t)done->lost);
	json_put_int(doc, "unread", (int64_t)done->unread);
	json_put_int(doc, "oldest", done->oldest_ms / 1000);
	json_put(doc, "damage", cmd_damage_json(damage));
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	buf_release(&text);
	json_unref(doc);
}

static void tell_rest(const struct store_scrubbed *done)
{
	char oldest[CLOCK_TEXT_BYTES];

	if (done->left)
		log_warn("the store is in use: %" PRIu64 " damaged packs wait for the next scrub",
			 done->left);
	if (done->lost)
		log_hint("what is lost comes back with git deepops push --data-only from a clone "
			 "that has it");
	if (done->unread)
		log_note("%" PRIu64 " packs were never read again yet", done->unread);
	if (!done->oldest_ms)
		return;
	clock_text(oldest, done->oldest_ms);
	log_note("of the others, all were since %s", oldest);
}

int cmd_server_scrub(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops server scrub [--slice SIZE] [--json] REPO",
					    NULL};
	uint64_t slice = 0;
	bool as_json = false;
	struct opt opts[] = {
		OPT_SIZE("slice", 0, &slice, "SIZE", "read about so much, what is longest unread"),
		OPT_BOOL("json", 0, &as_json, "print one JSON document"), OPT_END};
	struct store_scrubbed done;
	struct damage damage;
	struct repo *r;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = cmd_server_open(&r, argc, argv, e);
	if (rc < 0)
		return rc;
	cmd_damage_init(&damage);
	rc = scrub_store(r, &damage, slice, &done, e);
	if (rc == 0 && as_json)
		print_json(&damage, &done);
	if (rc == 0 && !as_json)
		cmd_damage_print(&damage);
	if (rc == 0 && !damage.n)
		log_note("%" PRIu64 " packs, %s: sound", done.packs, num_human_bytes(done.bytes).s);
	if (rc == 0)
		tell_rest(&done);
	if (rc == 0 && damage.n)
		rc = 1;
	cmd_damage_release(&damage);
	repo_close(r);
	return rc;
}
