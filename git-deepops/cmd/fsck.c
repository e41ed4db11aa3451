/* SPDX-License-Identifier: MIT */
/* fsck.c - git deepops fsck: is what the local store holds what its names say? */

#include "cmd.h"
#include "fsck_damage.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "data/dataset.h"

static const char *const usage[] = {"git deepops fsck [options]", NULL};

struct fsck {
	const char *dir;     /* of the store */
	struct store *store; /* NULL: there is none, or it cannot be opened */
	struct damage damage;
	uint64_t chunks, bytes;
};

static void print_json(const struct fsck *f)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put_int(doc, "chunks", (int64_t)f->chunks);
	json_put_int(doc, "bytes", (int64_t)f->bytes);
	json_put(doc, "damage", cmd_damage_json(&f->damage));
	json_text(doc, true, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	json_unref(doc);
}

/* A recipe whose chunks are all as they should be and yet do not give its file. */
static size_t lying_recipes(const struct fsck *f, struct chunkkey *keys)
{
	size_t n = 0;

	for (size_t i = 0; i < f->damage.n; i++)
		if (f->damage.v[i].key.kind == CHUNK_RECIPE)
			keys[n++] = f->damage.v[i].key;
	return n;
}

/* f->store still has the catalogue of before the rebuild. */
static int give_up(const char *dir, const struct chunkkey *keys, size_t n, struct err *e)
{
	struct store *s;
	int rc = store_open(&s, dir, 0, e);

	if (rc < 0)
		return rc;
	rc = store_mark_lost(s, keys, n, "fsck", e);
	store_close(s);
	return rc;
}

/* What others push to is believed again only once all of it was found to be here. */
static int settle(struct fsck *f, struct err *e)
{
	struct store *s;
	int rc = store_open(&s, f->dir, 0, e);

	if (rc < 0)
		return rc;
	rc = store_settle(s, e);
	store_close(s);
	if (rc == 0)
		log_warn("something that its trees name is not in the store: what rests on it "
			 "counts as incomplete until a push brings it");
	return rc == ERR_CORRUPT ? 0 : MIN(rc, 0);
}

/*
 * Packs that hold damage are written anew with what is good in them.  Only then is a chunk
 * gone: another copy of it may be sound.
 */
static int repair(struct fsck *f, struct repo *r, enum store_fsck_depth depth, struct err *e)
{
	struct chunkkey *keys = xcalloc(f->damage.n + 1, sizeof(*keys));
	size_t n = lying_recipes(f, keys);
	int rc = store_rebuild(f->dir, depth, NULL, e);

	if (rc == 0 && n)
		rc = give_up(f->dir, keys, n, e);
	free(keys);
	if (rc == 0 && repo_is_bare(r))
		rc = settle(f, e);
	if (rc == 0)
		log_hint("git deepops fetch, or git deepops track, stores again what is gone; the "
			 "damaged files are kept beside the others, as *.bad*");
	return rc;
}

static void fsck_release(struct fsck *f)
{
	cmd_damage_release(&f->damage);
	store_close(f->store);
}

/* A store that cannot be opened is damaged: --repair makes its catalogue anew. */
static int open_store(struct fsck *f, struct err *e)
{
	struct err why = ERR_INIT;
	struct store_damage damage = {.file = "catalogue.db", .what = why.msg};
	int rc = store_open(&f->store, f->dir, 0, &why);

	if (rc == ERR_NOTFOUND) /* nothing was ever stored */
		return 0;
	if (rc == ERR_CORRUPT)
		return cmd_damage_note(&f->damage, &damage, e);
	if (rc < 0 && e)
		*e = why;
	return rc;
}

static int check(struct fsck *f, struct repo *r, enum store_fsck_depth depth, struct err *e)
{
	int rc;

	f->dir = repo_deepops_dir(r);
	rc = open_store(f, e);
	if (rc < 0 || !f->store)
		return rc;
	f->damage.store = f->store;
	rc = store_fsck(f->store, depth, cmd_damage_note, &f->damage, &f->chunks, &f->bytes, e);
	if (rc == 0 && f->damage.n)
		rc = cmd_damage_name_paths(&f->damage, r, e);
	else if (rc == 0 && repo_is_bare(r) && depth != STORE_FSCK_QUICK)
		rc = settle(f, e);
	return rc;
}

/* No damage, and counted nowhere else. */
static void tell_uploads(const struct fsck *f)
{
	struct store_waiting w;

	if (!f->store)
		return;
	store_waiting(f->store, &w);
	if (w.bytes)
		log_note("%" PRIu64 " sessions under way or cut off hold %s", w.sessions,
			 num_human_bytes(w.bytes).s);
}

int cmd_fsck(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	bool quick = false, deep = false, mend = false, json = false, remote = false;
	struct opt opts[] = {
		OPT_BOOL("quick", 0, &quick, "files, sizes and indexes only"),
		OPT_BOOL("deep", 0, &deep, "decode and hash every chunk too"),
		OPT_BOOL("repair", 0, &mend,
			 "take damaged chunks out, so that they are stored anew"),
		OPT_BOOL("remote", 0, &remote, "let the server read again all that pointers name"),
		OPT_BOOL("json", 0, &json, "one JSON document"),
		OPT_END};
	enum store_fsck_depth depth;
	struct fsck f;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1 || (quick && deep))
		return err_set(e, ERR_USAGE,
			       quick && deep ? "--quick and --deep exclude each other"
					     : "fsck takes no operand");
	if (remote && (deep || mend))
		return err_set(e, ERR_USAGE, "--remote excludes --deep and --repair");
	if (remote)
		return cmd_fsck_remote(ctx->repo, &(struct msg_prove){.hash = !quick}, json, e);
	memset(&f, 0, sizeof(f));
	cmd_damage_init(&f.damage);
	depth = quick ? STORE_FSCK_QUICK : deep ? STORE_FSCK_DEEP : STORE_FSCK_PACKS;
	rc = check(&f, ctx->repo, depth, e);
	if (rc == 0 && !json)
		cmd_damage_print(&f.damage);
	if (rc == 0 && json)
		print_json(&f);
	if (rc == 0 && !f.damage.n)
		log_note("%" PRIu64 " chunks, %s: sound", f.chunks, num_human_bytes(f.bytes).s);
	if (rc == 0 && f.store) /* there is none while the catalogue is gone */
		tell_uploads(&f);
	if (rc == 0 && f.damage.n && mend)
		rc = repair(&f, ctx->repo, depth, e);
	else if (rc == 0 && f.damage.n)
		log_hint(f.store && repo_is_bare(ctx->repo)
				 ? "git deepops server scrub takes out what is damaged, so that it "
				   "can be pushed again"
				 : "git deepops fsck --repair, then git deepops fetch");
	if (rc == 0 && f.damage.n)
		rc = 1;
	fsck_release(&f);
	return rc;
}
