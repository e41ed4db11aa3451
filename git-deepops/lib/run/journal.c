/* SPDX-License-Identifier: MIT */
/* journal.c - reading refs/deepops/log; see journal.h */
#include "run/journal.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "data/pointer.h"

#define ENTRY_MAX_BYTES (256 * KIB) /* a journal commit's message is two lines */

void journal_entry_init(struct journal_entry *j)
{
	memset(j, 0, sizeof(*j));
	buf_init(&j->bytes);
	record_init(&j->rec);
}

void journal_entry_release(struct journal_entry *j)
{
	buf_release(&j->bytes);
	record_release(&j->rec);
	journal_entry_init(j);
}

/* "tree <id>\nparent <id>\nauthor ..."; two parents are no journal's. */
static int parse_commit(const char *text, struct journal_entry *j, struct err *e)
{
	const char *p;

	if (!str_startswith(text, "tree ", &p))
		return err_set(e, ERR_CORRUPT, "not a commit");
	p = repo_oid_take(&j->tree, p, '\n');
	if (!p)
		return err_set(e, ERR_CORRUPT, "not a commit");
	memset(j->parent.hex, '0', REPO_OID_HEX);
	j->parent.hex[REPO_OID_HEX] = '\0';
	if (!str_startswith(p, "parent ", &p))
		return 0;
	p = repo_oid_take(&j->parent, p, '\n');
	if (!p)
		return err_set(e, ERR_CORRUPT, "not a commit");
	if (str_startswith(p, "parent ", NULL))
		return err_set(e, ERR_INPUT, "a journal commit has one parent");
	return 0;
}

/* 0: not a file, or longer than any that we write: whoever pushed it, it ends no reader. */
static int read_part(struct repo *r, const struct tree_entry *part, size_t max, struct buf *out,
		     struct err *e)
{
	int rc;

	if (part->mode != TREE_MODE_FILE)
		return 0;
	rc = repo_read_blob(r, &part->id, max, out, e);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		return 0;
	}
	return rc < 0 ? rc : 1;
}

int journal_file(struct repo *r, const struct journal_entry *j, const char *name, size_t max,
		 struct buf *out, struct err *e)
{
	struct tree_entry found;
	int rc = tree_find(r, &j->tree, name, &found, e);

	if (rc == 1)
		rc = read_part(r, &found, max, out, e);
	return rc < 0 ? err_wrap(e, "%s of journal commit %.12s", name, j->commit.hex) : rc;
}

static int read_moved(struct repo *r, struct journal_entry *j, struct err *e)
{
	struct record_lists lists;
	int rc = 0;

	record_lists_init(&lists);
	for (unsigned int i = 0; rc >= 0 && i < RECORD_LISTS; i++)
		if (j->rec.moved[i])
			rc = journal_file(r, j, record_list_file((enum record_movable)i),
					  JSON_MAX_BYTES, &lists.v[i], e);
	if (rc >= 0)
		rc = record_unspill(&j->rec, &lists, e);
	record_lists_release(&lists);
	return rc < 0 ? rc : 0;
}

/* What is wrong with the content of an entry goes to j->why. */
static void read_record(struct repo *r, struct journal_entry *j)
{
	int rc = journal_file(r, j, "record.json", RECORD_MAX_BYTES, &j->bytes, &j->why);

	if (rc == 0)
		rc = err_set(&j->why, ERR_INPUT,
			     "journal commit %.12s has no record.json of at most 64 KiB",
			     j->commit.hex);
	record_id(&j->id, j->bytes.p, j->bytes.len);
	if (rc > 0)
		rc = record_parse(&j->rec, j->bytes.p, j->bytes.len, &j->why);
	if (rc == 0)
		rc = read_moved(r, j, &j->why);
	j->ok = rc == 0;
	if (!j->ok)
		record_release(&j->rec);
}

int journal_read(struct repo *r, const struct repo_oid *commit, struct journal_entry *out,
		 struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	journal_entry_release(out);
	out->commit = *commit;
	rc = repo_read_raw(r, commit, "commit", ENTRY_MAX_BYTES, &text, e);
	if (rc == 0) {
		if (parse_commit(text.p, out, &out->why) == 0)
			read_record(r, out);
	} else {
		err_wrap(e, "journal commit %.12s", commit->hex);
	}
	buf_release(&text);
	return rc;
}

int journal_parent(struct repo *r, const struct repo_oid *commit, struct repo_oid *parent,
		   struct err *e)
{
	struct journal_entry j;
	struct buf text = BUF_INIT;
	int rc = repo_read_raw(r, commit, "commit", ENTRY_MAX_BYTES, &text, e);

	memset(&j, 0, sizeof(j));
	if (rc < 0)
		err_wrap(e, "journal commit %.12s", commit->hex);
	else if (parse_commit(text.p, &j, NULL) < 0 || repo_oid_is_zero(&j.parent))
		memset(&j.parent, 0, sizeof(j.parent));
	*parent = j.parent;
	buf_release(&text);
	return rc;
}

void journal_iter_init(struct journal_iter *it, struct repo *r, const struct repo_oid *tip)
{
	it->repo = r;
	it->next = *tip;
	it->cut = false;
	journal_entry_init(&it->entry);
}

int journal_next(struct journal_iter *it, const struct journal_entry **out, struct err *e)
{
	bool first = !it->entry.commit.hex[0];
	int rc;

	if (repo_oid_is_zero(&it->next))
		return 0;
	rc = journal_read(it->repo, &it->next, &it->entry, e);
	if (rc == ERR_NOTFOUND && !first) {
		err_clear(e);
		it->cut = true;
		memset(it->next.hex, '0', REPO_OID_HEX);
		return 0;
	}
	if (rc < 0)
		return rc;
	it->next = it->entry.parent;
	if (!it->next.hex[0])
		memset(it->next.hex, '0', REPO_OID_HEX);
	*out = &it->entry;
	return 1;
}

void journal_iter_release(struct journal_iter *it)
{
	journal_entry_release(&it->entry);
}

int journal_check_link(const struct journal_entry *entry, const struct journal_entry *before,
		       const char *writer, struct err *e)
{
	const struct record *r = &entry->rec;

	if (!entry->ok)
		return err_set(e, ERR_INPUT, "%s", entry->why.msg);
	if (strcmp(r->writer, writer) != 0)
		return err_set(e, ERR_INPUT, "record %.12s: writer %s in the journal of %s",
			       chunkid_hex(&entry->id).s, r->writer, writer);
	if (!before) {
		if (repo_oid_is_zero(&entry->parent) && r->seq != 1)
			return err_set(e, ERR_INPUT,
				       "record %.12s: seq %" PRId64 " begins a journal",
				       chunkid_hex(&entry->id).s, r->seq);
		return 0;
	}
	if (!r->prev || strcmp(r->prev, chunkid_text(&before->id).s) != 0)
		return err_set(e, ERR_INPUT, "record %.12s: prev is not the record before it",
			       chunkid_hex(&entry->id).s);
	if (!before->ok)
		return 0;
	if (r->seq != before->rec.seq + 1)
		return err_set(e, ERR_INPUT, "record %.12s: seq %" PRId64 " follows %" PRId64,
			       chunkid_hex(&entry->id).s, r->seq, before->rec.seq);
	if (r->kind == RECORD_FORK &&
	    (strcmp(r->fork_writer, before->rec.writer) != 0 || r->fork_seq != before->rec.seq))
		return err_set(e, ERR_INPUT, "record %.12s: the fork names another record",
			       chunkid_hex(&entry->id).s);
	if (r->kind != RECORD_FORK && strcmp(r->writer, before->rec.writer) != 0)
		return err_set(e, ERR_INPUT, "record %.12s: the writer changed without a fork",
			       chunkid_hex(&entry->id).s);
	return 0;
}

static bool is_writer(const char *s)
{
	return strlen(s) == RECORD_WRITER_HEX && s[strspn(s, "0123456789abcdef")] == '\0';
}

const char *journal_ref_writer(const char *ref)
{
	const char *rest, *slash;

	if (str_startswith(ref, JOURNAL_REFS, &rest))
		return is_writer(rest) ? rest : NULL;
	if (!str_startswith(ref, JOURNAL_REMOTE_REFS, &rest))
		return NULL;
	slash = strrchr(rest, '/');
	if (!slash || slash - rest < 5 || strncmp(slash - 4, "/log", 4) != 0)
		return NULL;
	return is_writer(slash + 1) ? slash + 1 : NULL;
}

struct ref_pass {
	journal_ref_fn cb;
	void *arg;
};

static int one_ref(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct ref_pass *p = arg;

	return journal_ref_writer(name) ? p->cb(p->arg, name, id, e) : 0;
}

int journal_refs(struct repo *r, journal_ref_fn cb, void *arg, struct err *e)
{
	struct ref_pass p = {cb, arg};
	int rc = repo_ref_each(r, JOURNAL_REFS, one_ref, &p, e);

	return rc < 0 ? rc : repo_ref_each(r, JOURNAL_REMOTE_REFS, one_ref, &p, e);
}

/* ---- pointers ---- */

enum part { PART_INPUTS, PART_OUTPUTS, PART_LARGE, PART_FILTERED, PARTS };
static const char *const part_names[PARTS] = {"inputs", "outputs", "large", "filtered"};

struct pointer_pass {
	struct repo *repo;
	const struct journal_entry *j;
	enum part part;
	journal_pointer_fn cb;
	void *arg;
};

/* The path in the code tree that pointer n of a part stands for. */
static const char *part_path(const struct record *r, enum part part, uint64_t n)
{
	switch (part) {
	case PART_INPUTS:
		return n < r->ninputs ? r->inputs[n].path : NULL;
	case PART_OUTPUTS:
		return n < r->noutputs ? r->outputs[n].path : NULL;
	case PART_LARGE:
		return n < r->code.nlarge ? r->code.large[n].path : NULL;
	case PART_FILTERED:
		return n < r->code.nfiltered ? r->code.filtered[n].path : NULL;
	case PARTS:
		break;
	}
	return NULL;
}

/* "12", or "12.deepops" where bytes and pointers lie together. */
static bool part_number(const char *name, uint64_t *n)
{
	struct buf digits = BUF_INIT;
	bool ok;

	buf_addstr(&digits, name);
	if (str_endswith(name, POINTER_SUFFIX))
		buf_setlen(&digits, digits.len - strlen(POINTER_SUFFIX));
	ok = num_parse_u64(digits.p, 0, UINT32_MAX, n, NULL) == 0;
	buf_release(&digits);
	return ok;
}

static int give_pointer(struct pointer_pass *p, const char *name, const char *what,
			const struct tree_entry *part, struct err *e)
{
	struct journal_pointer out = {name, what ? what : name, NULL};
	struct buf text = BUF_INIT;
	int rc = read_part(p->repo, part, POINTER_MAX_BYTES, &text, e);

	out.text = &text;
	if (rc == 1)
		rc = p->cb(p->arg, &out, e);
	else if (rc < 0)
		err_wrap(e, "%s of journal commit %.12s", name, p->j->commit.hex);
	buf_release(&text);
	return rc;
}

static int one_pointer(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct pointer_pass *p = arg;
	const char *what = NULL;
	char *name;
	uint64_t n = 0;
	int rc;

	if ((unsigned int)p->part >= PARTS ||
	    (p->part == PART_FILTERED && !str_endswith(entry->name, POINTER_SUFFIX)))
		return 0;
	if (part_number(entry->name, &n) && p->j->ok)
		what = part_path(&p->j->rec, p->part, n);
	name = xstrfmt("%s/%s", part_names[p->part], entry->name);
	rc = give_pointer(p, name, what, entry, e);
	free(name);
	return rc;
}

int journal_pointers(struct repo *r, const struct journal_entry *j, journal_pointer_fn cb,
		     void *arg, struct err *e)
{
	static const char *const logs[] = {"stdout.deepops", "stderr.deepops", "stdin.deepops",
					   "metrics.jsonl.deepops"};
	struct pointer_pass p = {r, j, PART_INPUTS, cb, arg};
	struct tree_entry found = {0};
	int rc = 0;

	for (int i = 0; rc >= 0 && i < PARTS; i++) {
		p.part = (enum part)i;
		rc = tree_find(r, &j->tree, part_names[i], &found, e);
		if (rc == 1 && found.mode == TREE_MODE_DIR)
			rc = tree_list(r, &found.id, one_pointer, &p, e);
	}
	for (size_t i = 0; rc >= 0 && i < ARRAY_SIZE(logs); i++) {
		rc = tree_find(r, &j->tree, logs[i], &found, e);
		if (rc == 1)
			rc = give_pointer(&p, logs[i], NULL, &found, e);
	}
	return rc < 0 ? rc : 0;
}
