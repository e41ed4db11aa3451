/* SPDX-License-Identifier: MIT */
/* journal_append.c - writing refs/deepops/log/<writer> under the writer lock; see journal.h */
#include <fcntl.h>

#include "base/io.h"
#include "base/killpoint.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/random.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "run/journal.h"

#define SUBJECT_MAX_BYTES 72

static void state_path(struct repo *r, const char *name, struct buf *out)
{
	path_join(out, repo_deepops_dir(r), name);
}

static int lock_writer(struct repo *r, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd = path_mkdirs(repo_deepops_dir(r), 0777, e);

	if (fd == 0) {
		state_path(r, "writer.lock", &path);
		fd = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, UINT64_MAX, e);
	}
	buf_release(&path);
	return fd;
}

static int write_writer(struct repo *r, const char *writer, struct err *e)
{
	struct buf path = BUF_INIT, line = BUF_INIT;
	int rc;

	state_path(r, "writer", &path);
	buf_addf(&line, "%s\n", writer);
	rc = tempfile_write(path.p, 0644, line.p, line.len, e);
	buf_release(&path);
	buf_release(&line);
	return rc;
}

/* The caller holds the lock. */
static int read_writer(struct repo *r, char out[RECORD_WRITER_HEX + 1], struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	char ref[sizeof(JOURNAL_REFS) + RECORD_WRITER_HEX + 1];
	int rc;

	state_path(r, "writer", &path);
	rc = io_read_file(AT_FDCWD, path.p, 64, &text, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		random_hex(out, RECORD_WRITER_HEX);
		rc = write_writer(r, out, e);
		goto out;
	}
	if (rc < 0)
		goto out;
	buf_rtrim(&text);
	snprintf(ref, sizeof(ref), JOURNAL_REFS "%.*s", RECORD_WRITER_HEX, text.p);
	if (text.len != RECORD_WRITER_HEX || !journal_ref_writer(ref))
		rc = err_set(e, ERR_INPUT, "%s is not a writer id", path.p);
	else
		memcpy(out, text.p, RECORD_WRITER_HEX + 1);
out:
	buf_release(&path);
	buf_release(&text);
	return rc;
}

int journal_writer(struct repo *r, char out[RECORD_WRITER_HEX + 1], struct err *e)
{
	int fd = lock_writer(r, e), rc;

	if (fd < 0)
		return fd;
	rc = read_writer(r, out, e);
	lockfile_release(fd);
	return rc;
}

/* One line about the record, for `git log refs/deepops/log/...`. */
static void subject(const struct record *rec, struct buf *out)
{
	struct buf what = BUF_INIT;
	char clean[SUBJECT_MAX_BYTES];

	if (rec->title)
		buf_addstr(&what, rec->title);
	for (size_t i = 0; !rec->title && i < rec->argv.nr; i++)
		buf_addf(&what, "%s%s", i ? " " : "", rec->argv.v[i]);
	err_sanitize(clean, sizeof(clean), what.p);
	buf_addf(out, "%s %.12s", record_kind_name(rec->kind), rec->run);
	if (rec->exit != RECORD_NONE)
		buf_addf(out, " exit %" PRId64, rec->exit);
	else if (rec->signal != RECORD_NONE)
		buf_addf(out, " signal %" PRId64, rec->signal);
	buf_addf(out, "%s%s\n", *clean ? ": " : "", clean);
	buf_release(&what);
}

static void message(const struct record *rec, const struct chunkid *id, struct buf *out)
{
	subject(rec, out);
	buf_addf(out, "\nRun: %s\nRecord: %s\n", rec->run, chunkid_text(id).s);
	for (size_t i = 0; i < rec->metrics_final.n && i < 20; i++) {
		char name[64], value[64];

		err_sanitize(name, sizeof(name), rec->metrics_final.v[i].name);
		err_sanitize(value, sizeof(value), rec->metrics_final.v[i].value);
		buf_addf(out, "%s: %s\n", name, value);
	}
}

struct tip {
	char writer[RECORD_WRITER_HEX + 1];
	char ref[sizeof(JOURNAL_REFS) + RECORD_WRITER_HEX];
	struct repo_oid id; /* zero: no journal yet */
	struct journal_entry entry;
};

static void tip_release(struct tip *t)
{
	journal_entry_release(&t->entry);
}

static int tip_load(struct repo *r, struct tip *t, struct err *e)
{
	int rc = read_writer(r, t->writer, e);

	journal_entry_init(&t->entry);
	memset(t->id.hex, '0', REPO_OID_HEX);
	t->id.hex[REPO_OID_HEX] = '\0';
	if (rc < 0)
		return rc;
	snprintf(t->ref, sizeof(t->ref), JOURNAL_REFS "%s", t->writer);
	rc = repo_ref_get(r, t->ref, &t->id, e);
	if (rc == 1)
		rc = journal_read(r, &t->id, &t->entry, e);
	return rc < 0 ? rc : 0;
}

static int add_lists(struct tree_builder *parts, const struct record_lists *lists, struct err *e)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < RECORD_LISTS; i++)
		if (lists->v[i].len)
			rc = tree_builder_add_blob(parts, record_list_file((enum record_movable)i),
						   lists->v[i].p, lists->v[i].len, e);
	return rc;
}

/* Write one record on top of `t` and move the ref there. */
static int append_on(struct repo *r, const struct tip *t, const char *writer, struct record *rec,
		     struct tree_builder *parts, struct repo_oid *commit, struct err *e)
{
	struct buf bytes = BUF_INIT, text = BUF_INIT;
	struct record_lists lists;
	bool first = repo_oid_is_zero(&t->id);
	struct repo_commit c = {.parents = first ? NULL : &t->id, .nparents = first ? 0 : 1};
	char ref[sizeof(t->ref)];
	struct chunkid id;
	int rc;

	record_set(&rec->writer, writer);
	rec->seq = first ? 1 : t->entry.rec.seq + 1;
	record_set(&rec->prev, first ? NULL : chunkid_text(&t->entry.id).s);
	record_sort(rec);
	if (rec->kind == RECORD_RUN || rec->kind == RECORD_RERUN) {
		record_recipe(rec, &id);
		record_set_digest(&rec->recipe, &id);
	}
	record_lists_init(&lists);
	rc = record_spill(rec, &lists, e);
	if (rc == 0)
		rc = record_format(rec, &bytes, e);
	if (rc == 0)
		rc = tree_builder_add_blob(parts, "record.json", bytes.p, bytes.len, e);
	if (rc == 0)
		rc = add_lists(parts, &lists, e);
	if (rc == 0)
		rc = tree_builder_write(parts, &c.tree, e);
	if (rc < 0)
		goto out;
	killpoint("run-journal-tree");
	record_id(&id, bytes.p, bytes.len);
	message(rec, &id, &text);
	c.message = text.p;
	rc = repo_write_commit(r, &c, commit, e);
	if (rc < 0)
		goto out;
	killpoint("run-journal-commit");
	snprintf(ref, sizeof(ref), JOURNAL_REFS "%s", writer);
	rc = repo_ref_set(r, ref, commit, strcmp(writer, t->writer) ? NULL : &t->id,
			  "deepops: append a record", e);
	killpoint("run-journal-ref");
out:
	buf_release(&bytes);
	record_lists_release(&lists);
	buf_release(&text);
	return rc;
}

/* The caller holds the lock.  `t` is then the new writer's. */
static int fork_locked(struct repo *r, struct tip *t, struct err *e)
{
	char writer[RECORD_WRITER_HEX + 1], run[RECORD_RUN_HEX + 1];
	struct tree_builder *parts;
	struct repo_oid commit;
	struct record rec;
	int rc = 0;

	random_hex(writer, RECORD_WRITER_HEX);
	if (!repo_oid_is_zero(&t->id) && t->entry.ok) {
		random_hex(run, RECORD_RUN_HEX);
		record_init(&rec);
		rec.kind = RECORD_FORK;
		record_set(&rec.run, run);
		record_set(&rec.tool, "git-deepops " DEEPOPS_VERSION);
		record_set(&rec.fork_writer, t->writer);
		rec.fork_seq = t->entry.rec.seq;
		parts = tree_builder_new(r);
		rc = append_on(r, t, writer, &rec, parts, &commit, e);
		tree_builder_free(parts);
		record_release(&rec);
	}
	/* The id last: until it is written the new ref is only a spare copy. */
	if (rc == 0)
		rc = write_writer(r, writer, e);
	tip_release(t);
	return rc < 0 ? rc : tip_load(r, t, e);
}

struct remote_copy {
	struct repo *repo;
	struct tip *tip;
	bool ahead;
};

static int look_at_copy(void *arg, const char *ref, const struct repo_oid *id, struct err *e)
{
	struct remote_copy *c = arg;
	int rc;

	if (!str_startswith(ref, JOURNAL_REMOTE_REFS, NULL) ||
	    strcmp(journal_ref_writer(ref), c->tip->writer) != 0)
		return 0;
	if (repo_oid_is_zero(&c->tip->id)) {
		/* Our ref was lost, the writer id was not: go on where the remote is. */
		c->tip->id = *id;
		return journal_read(c->repo, id, &c->tip->entry, e);
	}
	rc = repo_is_ancestor(c->repo, id, &c->tip->id, e);
	if (rc == 0)
		c->ahead = true;
	return rc < 0 ? rc : 0;
}

/* Expect of the ref what it was, not what a lost ref was replaced by. */
static int restore_ref(struct repo *r, const struct tip *t, struct err *e)
{
	struct repo_oid now;
	int rc = repo_ref_get(r, t->ref, &now, e);

	if (rc == 0 && !repo_oid_is_zero(&t->id))
		rc = repo_ref_set(r, t->ref, &t->id, NULL, "deepops: journal as the remote has it",
				  e);
	return rc < 0 ? rc : 0;
}

int journal_append(struct repo *r, struct record *rec, struct tree_builder *parts,
		   struct journal_entry *out, struct err *e)
{
	struct tip t;
	struct remote_copy copy = {r, &t, false};
	struct repo_oid commit;
	int lock = lock_writer(r, e), rc;

	if (lock < 0)
		return lock;
	rc = tip_load(r, &t, e);
	if (rc == 0)
		rc = journal_refs(r, look_at_copy, &copy, e);
	if (rc == 0)
		rc = restore_ref(r, &t, e);
	if (rc == 0 && (copy.ahead || (!repo_oid_is_zero(&t.id) && !t.entry.ok)))
		rc = fork_locked(r, &t, e);
	if (rc == 0)
		rc = append_on(r, &t, t.writer, rec, parts, &commit, e);
	tip_release(&t);
	lockfile_release(lock);
	if (rc == 0)
		rc = journal_read(r, &commit, out, e);
	return rc < 0 ? err_wrap(e, "journal") : 0;
}

int journal_fork(struct repo *r, struct err *e)
{
	struct tip t;
	int lock = lock_writer(r, e), rc;

	if (lock < 0)
		return lock;
	rc = tip_load(r, &t, e);
	if (rc == 0)
		rc = fork_locked(r, &t, e);
	tip_release(&t);
	lockfile_release(lock);
	return rc < 0 ? err_wrap(e, "journal") : 0;
}

int journal_has_run(struct repo *r, const char *run, struct err *e)
{
	const struct journal_entry *entry;
	struct journal_iter it;
	struct tip t;
	int lock = lock_writer(r, e), rc;
	bool found = false;

	if (lock < 0)
		return lock;
	rc = tip_load(r, &t, e);
	lockfile_release(lock);
	if (rc == 0) {
		journal_iter_init(&it, r, &t.id);
		while (!found && (rc = journal_next(&it, &entry, e)) == 1)
			found = entry->ok && !strcmp(entry->rec.run, run);
		journal_iter_release(&it);
	}
	tip_release(&t);
	return rc < 0 ? rc : found;
}
