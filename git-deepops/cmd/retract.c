/* SPDX-License-Identifier: MIT */
/* retract.c - `git deepops retract`: a run that is not to count; see git-deepops-retract(1) */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "run/journal.h"
#include "run/note.h"
#include "run/runindex.h"

static void fill(struct record *rec, const struct record *of, const char *reason)
{
	char run[RECORD_RUN_HEX + 1];

	random_hex(run, RECORD_RUN_HEX);
	rec->kind = RECORD_RETRACT;
	record_set(&rec->run, run);
	record_set(&rec->parent, of->run);
	record_set(&rec->tool, "git-deepops " DEEPOPS_VERSION);
	record_set(&rec->note, reason);
	rec->started = clock_now_ms();
}

/* "Name <mail>" without git's time. */
static int set_author(struct repo *r, struct record *rec, struct err *e)
{
	struct buf who = BUF_INIT;
	int rc = repo_ident(r, "author", &who, e);
	const char *end = rc == 0 ? strrchr(who.p, '>') : NULL;

	if (end) {
		buf_setlen(&who, (size_t)(end - who.p) + 1);
		record_set(&rec->author, who.p);
	}
	buf_release(&who);
	return rc;
}

static int append(struct repo *r, const struct record *of, const char *reason, struct err *e)
{
	struct tree_builder *parts = tree_builder_new(r);
	struct err derived = ERR_INIT;
	struct journal_entry entry;
	struct record rec;
	int rc;

	record_init(&rec);
	journal_entry_init(&entry);
	fill(&rec, of, reason);
	rc = set_author(r, &rec, e);
	if (rc == 0)
		rc = journal_append(r, &rec, parts, &entry, e);
	if (rc == 0)
		printf("run %.12s no longer counts\n", of->run);
	if (rc == 0 && note_refresh_run(r, of->run, &derived) < 0)
		log_warn("%s (git deepops notes rebuild)", derived.msg);
	tree_builder_free(parts);
	journal_entry_release(&entry);
	record_release(&rec);
	return rc;
}

static int retract(struct repo *r, const char *name, const char *reason, struct err *e)
{
	struct runindex *ix = NULL;
	struct journal_entry entry;
	struct repo_oid journal;
	int rc = runindex_open(&ix, r, 0, e);

	journal_entry_init(&entry);
	if (rc == 0)
		rc = runindex_update(ix, NULL, e);
	if (rc == 0)
		rc = runindex_find(ix, name, &journal, e);
	if (rc == 0)
		rc = journal_read(r, &journal, &entry, e);
	if (rc == 0 &&
	    (!entry.ok || (entry.rec.kind != RECORD_RUN && entry.rec.kind != RECORD_RERUN)))
		rc = err_set(e, ERR_INPUT, "%s is not a run", name);
	if (rc == 0)
		rc = append(r, &entry.rec, reason, e);
	journal_entry_release(&entry);
	runindex_close(&ix);
	return rc;
}

int cmd_retract(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops retract [-m REASON] RUN...", NULL};
	const char *reason = NULL;
	struct opt opts[] = {OPT_STR("message", 'm', &reason, "reason", "why it does not count"),
			     OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc < 2)
		return err_set(e, ERR_USAGE, "which run?");
	for (int i = 1; rc == 0 && i < argc; i++)
		rc = retract(ctx->repo, argv[i], reason, e);
	return rc;
}
