/* SPDX-License-Identifier: MIT */
/* judge_journal.c - journals only grow, by well-formed records; see judge_internal.h */
#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

struct chain {
	struct judge *j;
	const struct judge_update *u;
	struct runindex *index;             /* NULL: there is none yet */
	struct strvec tips;                 /* of all journals the server has */
	char writer[RECORD_WRITER_HEX + 1]; /* that the entry at hand must have */
	struct journal_entry at, before;
};

static struct verdict_finding *refuse(struct chain *c, enum reason reason, const char *text)
{
	struct verdict_ref *r =
		verdict_add_ref(c->j->out, c->u->ref, c->u->old_id.hex, c->u->new_id.hex);
	struct verdict_finding *f;

	r->state = VERDICT_REFUSED;
	str_startswith(text, "record: ", &text); /* the message begins with that anyway */
	f = verdict_add(r, reason, "%s", text);
	if (c->at.ok)
		f->record = xstrdup(chunkid_text(&c->at.id).s);
	return f;
}

static int add_tip(void *arg, const char *ref, const struct repo_oid *tip, struct err *e)
{
	(void)ref;
	(void)e;
	strvec_push(arg, tip->hex);
	return 0;
}

/* Does the server have this entry already? */
static bool known(const struct chain *c, const struct repo_oid *commit)
{
	if (repo_oid_equal(commit, &c->u->old_id))
		return true;
	/* A ref that exists has to be met itself, or the push rewinds it. */
	if (!repo_oid_is_zero(&c->u->old_id))
		return false;
	return strvec_has(&c->tips, commit->hex) ||
	       (c->index && runindex_has_journal_commit(c->index, commit));
}

/* The server appends overrides to a journal of its own. */
static int is_servers_own(struct chain *c, bool *own, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc;

	path_join(&path, repo_deepops_dir(c->j->in->repo), "writer");
	rc = io_read_file(AT_FDCWD, path.p, 64, &text, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	buf_rtrim(&text);
	*own = text.len && !strcmp(text.p, c->writer);
	buf_release(&path);
	buf_release(&text);
	return rc;
}

/* ---- what an entry holds ---- */

/* What the parts of an entry must be, gitformat-deepops-record(5); other names are nobody's. */
static bool has_wrong_type(const struct tree_entry *entry)
{
	static const char *const dirs[] = {"code",    "modules", "inputs",
					   "outputs", "large",   "filtered"};
	static const char *const files[] = {
		"record.json",    "record.sig",    "commit",     "machine", "params.json",
		"metrics.tsv",    "stdout",        "stderr",     "stdin",   "stdout.deepops",
		"stderr.deepops", "stdin.deepops", "certificate"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (!strcmp(entry->name, dirs[i]))
			return entry->mode != TREE_MODE_DIR;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (!strcmp(entry->name, files[i]))
			return entry->mode != TREE_MODE_FILE;
	return false;
}

static int check_part(void *arg, const struct tree_entry *entry, struct err *e)
{
	if (!has_wrong_type(entry))
		return 0;
	return err_set(e, ERR_INPUT, "%s of entry %.12s is a %s", entry->name,
		       ((struct chain *)arg)->at.commit.hex,
		       entry->mode == TREE_MODE_DIR    ? "directory"
		       : entry->mode == TREE_MODE_LINK ? "symbolic link"
						       : "file, program or submodule");
}

/* Every reader of the journal, here and in all clones, will meet this entry. */
static int check_content(struct chain *c, struct err *why)
{
	const struct record *r = &c->at.rec;
	const struct {
		const char *what;
		size_t n;
	} lists[] = {{"inputs", r->ninputs},          {"outputs", r->noutputs},
		     {"programs", r->nprograms},      {"submodules", r->code.nmodules},
		     {"large files", r->code.nlarge}, {"filtered files", r->code.nfiltered},
		     {"parameters", r->params.n},     {"names of variables", r->env_names.nr}};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		if (lists[i].n > RECORD_MAX_LIST)
			return err_set(why, ERR_LIMIT, "record %s lists %zu %s; at most %d",
				       chunkid_short(&c->at.id).s, lists[i].n, lists[i].what,
				       RECORD_MAX_LIST);
	return tree_list(c->j->in->repo, &c->at.tree, check_part, c, why);
}

/* The entry at hand against the one before it.  1: fine, 0: refused. */
static int check_entry(struct chain *c, bool has_before)
{
	struct err why = ERR_INIT;

	if (!c->at.ok) {
		refuse(c, REASON_RECORD_MALFORMED, c->at.why.msg);
		return 0;
	}
	if (journal_check_link(&c->at, has_before ? &c->before : NULL, c->writer, &why) < 0) {
		refuse(c, REASON_RECORD_CHAIN, why.msg);
		return 0;
	}
	if (check_content(c, &why) < 0) {
		refuse(c, REASON_RECORD_MALFORMED, why.msg);
		return 0;
	}
	if (++c->j->records > PUSH_MAX_RECORDS) {
		refuse(c, REASON_LIMIT_RECORDS, "more than 500 new records in one push");
		return 0;
	}
	/* Below a fork stands the journal that it came from. */
	if (c->at.rec.kind == RECORD_FORK && c->at.rec.fork_writer)
		memcpy(c->writer, c->at.rec.fork_writer, sizeof(c->writer));
	return 1;
}

/* Newest first, from the pushed tip to what the server has. */
static int walk(struct chain *c, struct err *e)
{
	struct repo_oid at = c->u->new_id;
	int rc = journal_read(c->j->in->repo, &at, &c->at, e);

	while (rc == 0) {
		bool first = !c->at.parent.hex[0] || repo_oid_is_zero(&c->at.parent);
		struct journal_entry swap;

		if (!first)
			rc = journal_read(c->j->in->repo, &c->at.parent, &c->before, e);
		if (rc < 0 || !check_entry(c, !first))
			break;
		if (first) {
			if (!repo_oid_is_zero(&c->u->old_id))
				refuse(c, REASON_RECORD_REWIND,
				       "the journal no longer holds what it held");
			break;
		}
		if (known(c, &c->at.parent))
			break;
		swap = c->at;
		c->at = c->before;
		c->before = swap;
	}
	return rc;
}

/* An entry that the server has under another ref, or had: only its own writer's name fits. */
static int restored(struct chain *c, struct err *e)
{
	int rc = journal_read(c->j->in->repo, &c->u->new_id, &c->at, e);

	if (rc == 0 && (!c->at.ok || strcmp(c->at.rec.writer, c->writer) != 0))
		refuse(c, REASON_RECORD_CHAIN, "this is a part of another journal");
	return rc;
}

/* What is no commit at all was refused by journal_read; git checks that it is whole. */
static int judge_chain(struct chain *c, struct err *e)
{
	bool own;
	int rc = is_servers_own(c, &own, e);

	if (rc == 0 && own) {
		refuse(c, REASON_REF_RESERVED, "this journal is the server's own");
		return 0;
	}
	if (rc == 0 && repo_oid_is_zero(&c->u->new_id)) {
		refuse(c, REASON_RECORD_REWIND, "journals are not deleted");
		return 0;
	}
	if (rc == 0 && repo_oid_equal(&c->u->new_id, &c->u->old_id))
		return 0;
	if (rc == 0)
		rc = journal_refs(c->j->in->repo, add_tip, &c->tips, e);
	if (rc == 0)
		rc = known(c, &c->u->new_id) ? restored(c, e) : walk(c, e);
	if (rc == ERR_INPUT || rc == ERR_CORRUPT || rc == ERR_NOTFOUND) {
		refuse(c, REASON_RECORD_MALFORMED, e ? e->msg : "not a journal");
		err_clear(e);
		rc = 0;
	}
	return rc;
}

int judge_journal(struct judge *j, const struct judge_update *u, struct err *e)
{
	struct chain c = {.j = j, .u = u, .tips = STRVEC_INIT};
	int rc;

	snprintf(c.writer, sizeof(c.writer), "%s", journal_ref_writer(u->ref));
	journal_entry_init(&c.at);
	journal_entry_init(&c.before);
	/* Without an index the walk ends at the tips, or at the limit. */
	if (runindex_open(&c.index, j->in->repo, RUNINDEX_READONLY, NULL) < 0)
		c.index = NULL;
	rc = judge_chain(&c, e);
	runindex_close(&c.index);
	journal_entry_release(&c.at);
	journal_entry_release(&c.before);
	strvec_release(&c.tips);
	return rc;
}
