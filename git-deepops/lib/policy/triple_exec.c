/* SPDX-License-Identifier: MIT */
/* triple_exec.c - X1 to X5 and X7: that it ran; see triple_internal.h */
#include "base/limits.h"
#include "policy/triple_internal.h"

#define LOG_MAX_BYTES (1 * MIB) /* what a journal keeps of a stream; longer ones are chunked */

/* X1, X2, X7 */
static void end_and_times(struct triple_pass *p)
{
	const struct record *r = p->rec;

	if (r->exit == RECORD_NONE && r->signal == RECORD_NONE) {
		triple_add(p, REASON_EXEC_END, "how run %.12s ended is not known", r->run);
		return;
	}
	if (r->ended == RECORD_NONE || r->wall_ms == RECORD_NONE || r->cpu_ms == RECORD_NONE ||
	    r->max_rss == RECORD_NONE)
		triple_add(p, REASON_EXEC_TIMES, "run %.12s lacks its end, times or memory",
			   r->run);
	else if (r->ended < r->started)
		triple_add(p, REASON_EXEC_TIMES, "run %.12s ended before it started", r->run);
	else if (r->ended > p->ctx->now_ms + TRIPLE_SKEW_MS)
		triple_add(p, REASON_EXEC_TIMES, "run %.12s ended in the future", r->run);
}

/* X3: a short log stands in the journal as a whole; of a long one the pointer is data. */
static int one_log(struct triple_pass *p, const char *name, const struct record_log *log,
		   struct err *e)
{
	struct buf text = BUF_INIT;
	struct tree_entry found;
	struct chunkid id;
	char pointer[32];
	int rc;

	if (!log->id || log->bytes == RECORD_NONE) {
		triple_add(p, REASON_EXEC_LOGS, "the record has no digest of %s", name);
		return 0;
	}
	snprintf(pointer, sizeof(pointer), "%s%s", name, POINTER_SUFFIX);
	rc = tree_find(p->ctx->repo, &p->j->tree, pointer, &found, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = journal_file(p->ctx->repo, p->j, name, LOG_MAX_BYTES, &text, e);
	chunkid_of(&id, text.p, text.len);
	if (rc == ERR_LIMIT)
		err_clear(e);
	if (rc == ERR_LIMIT || (rc >= 0 && strcmp(log->id, chunkid_text(&id).s) != 0)) {
		triple_add(p, REASON_EXEC_LOGS, "%s in the journal is not what was recorded", name);
		rc = 0;
	}
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

/* X3: a file of the journal whose digest the record has. */
static int one_part(struct triple_pass *p, const char *name, const char *digest, struct err *e)
{
	struct buf text = BUF_INIT;
	struct chunkid id;
	int rc;

	if (!digest)
		return 0;
	rc = journal_file(p->ctx->repo, p->j, name, JSON_MAX_BYTES, &text, e);
	chunkid_of(&id, text.p, text.len);
	if (rc == ERR_LIMIT)
		err_clear(e);
	if (rc == 0 || rc == ERR_LIMIT || (rc == 1 && strcmp(digest, chunkid_text(&id).s) != 0)) {
		triple_add(p, REASON_EXEC_PARTS, "%s in the journal is not what was recorded",
			   name);
		rc = 0;
	}
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

/* What was read from a file or a pipe can be read again only where it is kept. */
static int input_stream(struct triple_pass *p, struct err *e)
{
	const struct record *r = p->rec;
	struct tree_entry found;
	struct buf text = BUF_INIT;
	struct chunkid id;
	int rc;

	if (!r->stdin_id) {
		if (r->command_stdin == RECORD_STDIN_FILE ||
		    r->command_stdin == RECORD_STDIN_PIPE ||
		    r->command_stdin == RECORD_STDIN_INHERIT)
			triple_add(p, REASON_EXEC_STDIN,
				   "run %.12s read standard input, which is not kept", r->run);
		return 0;
	}
	rc = tree_find(p->ctx->repo, &p->j->tree, "stdin" POINTER_SUFFIX, &found, e);
	if (rc != 0)
		return MIN(rc, 0); /* its data is looked at with the others */
	rc = journal_file(p->ctx->repo, p->j, "stdin", JSON_MAX_BYTES, &text, e);
	chunkid_of(&id, text.p, text.len);
	if (rc == 0 || (rc == 1 && strcmp(r->stdin_id, chunkid_text(&id).s) != 0))
		triple_add(p, REASON_EXEC_STDIN,
			   "standard input in the journal is not what was recorded");
	buf_release(&text);
	return MIN(rc, 0);
}

/* X4: what says which runs are the same experiment is not for the writer to choose. */
static void recipe(struct triple_pass *p)
{
	struct chunkid id;

	if (!p->rec->recipe)
		return;
	record_recipe(p->rec, &id);
	if (strcmp(p->rec->recipe, chunkid_text(&id).s) != 0)
		triple_add(p, REASON_EXEC_PARTS,
			   "the recipe of run %.12s is not that of its fields", p->rec->run);
}

/* X5 */
static int chain(struct triple_pass *p, struct err *e)
{
	struct journal_entry before;
	struct err why = ERR_INIT;
	bool first = repo_oid_is_zero(&p->j->parent);
	int rc = 0;

	journal_entry_init(&before);
	if (!first)
		rc = journal_read(p->ctx->repo, &p->j->parent, &before, e);
	if (rc == ERR_NOTFOUND) { /* a shallow clone: history not here */
		err_clear(e);
		rc = 0;
	} else if (rc == 0 &&
		   journal_check_link(p->j, first ? NULL : &before, p->rec->writer, &why) < 0) {
		triple_add(p, REASON_RECORD_CHAIN, "%s", why.msg);
	}
	journal_entry_release(&before);
	return rc;
}

int triple_exec(struct triple_pass *p, struct err *e)
{
	int rc;

	end_and_times(p);
	rc = one_log(p, "stdout", &p->rec->out_log, e);
	if (rc == 0)
		rc = one_log(p, "stderr", &p->rec->err_log, e);
	if (rc == 0)
		rc = one_part(p, "params.json", p->rec->params_digest, e);
	if (rc == 0)
		rc = one_part(p, "metrics.tsv", p->rec->series, e);
	if (rc == 0)
		rc = input_stream(p, e);
	recipe(p);
	if (rc == 0)
		rc = chain(p, e);
	return rc;
}
