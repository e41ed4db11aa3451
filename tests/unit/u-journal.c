/* SPDX-License-Identifier: MIT */
/* u-journal.c - journals, forks, the index over them, notes and tree hashes in real repositories */
#include "run/journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/random.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "repo/notes.h"
#include "run/note.h"
#include "run/runindex.h"
#include "run/treehash.h"
#include "tap.h"

static char top[] = "/tmp/u-journal-XXXXXX";
static struct err e = ERR_INIT;

static __attribute__((sentinel)) bool git(const char *dir, ...)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	char *path = xstrfmt("%s/%s", top, dir);
	const char *arg;
	va_list ap;
	int rc;

	strvec_pushl(&p.args, "git", "-c", "user.name=A", "-c", "user.email=a@example.org", NULL);
	va_start(ap, dir);
	while ((arg = va_arg(ap, const char *)))
		strvec_push(&p.args, arg);
	va_end(ap);
	p.dir = path;
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 1 << 20, &out, NULL);
	proc_release(&p);
	buf_release(&out);
	free(path);
	return rc == 0;
}

static void put(const char *path, const char *text)
{
	char *full = xstrfmt("%s/%s", top, path);

	if (tempfile_write(full, 0644, text, strlen(text), &e) < 0)
		ok(false, "%s", e.msg);
	free(full);
}

static struct repo *open_repo(const char *dir)
{
	char *path = xstrfmt("%s/%s", top, dir);
	struct repo *r = NULL;

	if (repo_open(&r, path, 0, &e) < 0)
		ok(false, "%s", e.msg);
	free(path);
	return r;
}

static void plain_record(struct record *rec, const char *acc)
{
	char run[RECORD_RUN_HEX + 1];

	random_hex(run, RECORD_RUN_HEX);
	record_init(rec);
	rec->kind = RECORD_RUN;
	record_set(&rec->run, run);
	record_set(&rec->tool, "git-deepops test");
	strvec_pushl(&rec->argv, "python3", "train.py", NULL);
	rec->started = 1700000000000;
	rec->ended = rec->started + 65000;
	rec->wall_ms = 65000;
	rec->exit = 0;
	rec->no_data = true;
	record_add_pair(&rec->metrics_final, "acc", acc);
}

/* Append one record that ran on HEAD; its ids come back in `out`. */
static int append(struct repo *r, const char *acc, struct journal_entry *out)
{
	struct tree_builder *parts = tree_builder_new(r);
	struct buf branch = BUF_INIT;
	struct repo_oid head, tree;
	struct chunkid hash;
	struct treehash_opts o = {NULL, NULL, 0, 0};
	struct record rec;
	int rc;

	plain_record(&rec, acc);
	rc = repo_head(r, &branch, &head, &e);
	if (rc == 0 && !repo_oid_is_zero(&head)) {
		rc = repo_commit_tree(r, &head, &tree, &e);
		if (rc == 0)
			rc = treehash_of(r, &tree, &o, &hash, &e);
		record_set(&rec.code.commit, head.hex);
		record_set(&rec.code.base_tree, tree.hex);
		record_set(&rec.code.tree, tree.hex);
		record_set_digest(&rec.code.tree_sha256, &hash);
		tree_builder_add(parts, "code", TREE_MODE_DIR, &tree);
	}
	rec.started += (int64_t)(strtod(acc, NULL) * 1000);
	if (rc == 0)
		rc = journal_append(r, &rec, parts, out, &e);
	tree_builder_free(parts);
	record_release(&rec);
	buf_release(&branch);
	return rc;
}

static void test_append(void)
{
	struct journal_entry a, b;
	const struct journal_entry *entry;
	struct journal_iter it;
	struct repo *r = open_repo("one");
	char writer[RECORD_WRITER_HEX + 1];
	int n = 0, rc;

	journal_entry_init(&a);
	journal_entry_init(&b);
	ok(append(r, "0.1", &a) == 0, "append: %s", e.msg);
	ok(append(r, "0.2", &b) == 0, "append again: %s", e.msg);
	ok(a.rec.seq == 1 && b.rec.seq == 2, "seq counts");
	is_str(b.rec.prev, chunkid_text(&a.id).s, "prev is the record before");
	ok(repo_oid_equal(&b.parent, &a.commit), "and the commit's parent its commit");
	ok(journal_writer(r, writer, &e) == 0 && !strcmp(writer, a.rec.writer), "one writer");
	ok(journal_check_link(&b, &a, writer, &e) == 0, "they link: %s", e.msg);
	ok(journal_check_link(&a, &b, writer, &e) == ERR_INPUT, "not backwards: %s", e.msg);
	ok(journal_check_link(&b, &a, "0000000000000000", &e) == ERR_INPUT, "nor by others: %s",
	   e.msg);
	ok(journal_has_run(r, a.rec.run, &e) == 1 && journal_has_run(r, "ff", &e) == 0,
	   "runs are found");
	journal_iter_init(&it, r, &b.commit);
	while ((rc = journal_next(&it, &entry, &e)) == 1)
		n++;
	ok(rc == 0 && n == 2 && !it.cut, "two entries, newest first");
	journal_iter_release(&it);
	journal_entry_release(&a);
	journal_entry_release(&b);
	repo_close(r);
}

/* A copied .git writes under the same name; the original has fetched what the copy pushed. */
static void test_fork(void)
{
	struct journal_entry mine, theirs, after;
	struct repo *r, *copy;
	char *ref, before[RECORD_WRITER_HEX + 1], now[RECORD_WRITER_HEX + 1];

	ok(git(".", "--version", NULL), "git is there");
	r = open_repo("one");
	ok(journal_writer(r, before, &e) == 0, "writer");
	journal_entry_init(&mine);
	journal_entry_init(&theirs);
	journal_entry_init(&after);
	ok(git(".", "clone", "-q", "--mirror", "one", "copy", NULL), "copy");
	copy = open_repo("copy");
	{
		char *from = xstrfmt("%s/one/.git/deepops/writer", top);
		struct buf id = BUF_INIT;

		ok(io_read_file(-100, from, 64, &id, &e) == 0, "read the writer id");
		ok(path_mkdirs(repo_deepops_dir(copy), 0755, &e) == 0, "make its place");
		put("copy/deepops/writer", id.p);
		buf_release(&id);
		free(from);
	}
	ok(append(copy, "0.5", &theirs) == 0, "the copy appends: %s", e.msg);
	ok(append(r, "0.6", &mine) == 0, "so does the original: %s", e.msg);
	ok(git("one", "fetch", "-q", "../copy", "+refs/deepops/log/*:refs/deepops/remotes/o/log/*",
	       NULL),
	   "the original fetches");
	repo_close(r);
	r = open_repo("one");
	ok(append(r, "0.7", &after) == 0, "and appends: %s", e.msg);
	ok(journal_writer(r, now, &e) == 0 && strcmp(before, now) != 0, "under a new writer");
	is_str(after.rec.writer, now, "which the record names");
	ok(journal_has_run(r, mine.rec.run, &e) == 1, "its own record came along");
	ok(journal_has_run(r, theirs.rec.run, &e) == 0, "the copy's did not");
	ref = xstrfmt("%s%s", JOURNAL_REFS, now);
	is_str(journal_ref_writer(ref), now, "the ref's name holds the writer");
	free(ref);
	journal_entry_release(&mine);
	journal_entry_release(&theirs);
	journal_entry_release(&after);
	repo_close(copy);
	repo_close(r);
}

struct seen {
	int n;
	struct strvec runs;
};

static int count_row(void *arg, const struct runindex_row *row, struct err *unused)
{
	struct seen *s = arg;

	(void)unused;
	s->n++;
	strvec_push(&s->runs, row->summary);
	return 0;
}

static int listed(struct runindex *ix, const char *where, const char *sort, struct seen *s)
{
	struct runindex_list l = {where, sort, 0};

	s->n = 0;
	strvec_release(&s->runs);
	strvec_init(&s->runs);
	return runindex_list(ix, &l, count_row, s, &e);
}

static int unjudged(struct runindex *ix, const char *judge, struct seen *s)
{
	s->n = 0;
	return runindex_unjudged(ix, judge, count_row, s, &e) == 0 ? s->n : -1;
}

static void test_levels(struct runindex *ix, const struct repo_oid *journal, struct seen *s)
{
	struct runindex_level level = {*journal, "R1"};

	is_u64((uint64_t)unjudged(ix, "one", s), 6, "nobody has judged");
	ok(runindex_levels(ix, &level, 1, "one", &e) == 0, "a level is kept: %s", e.msg);
	ok(listed(ix, "level<R2", NULL, s) == 0 && s->n == 1, "and found");
	is_u64((uint64_t)unjudged(ix, "one", s), 5, "the others are to be judged");
	is_u64((uint64_t)unjudged(ix, "two", s), 6, "and all by another judge");
}

static void test_index(void)
{
	struct repo *r = open_repo("one");
	struct seen s = {0, STRVEC_INIT};
	struct runindex *ix = NULL;
	struct journal_entry last;
	struct repo_oid found;
	uint64_t added;
	char prefix[9];

	journal_entry_init(&last);
	ok(append(r, "0.95", &last) == 0, "one more: %s", e.msg);
	ok(runindex_open(&ix, r, 0, &e) == 0, "open: %s", e.msg);
	ok(runindex_update(ix, &added, &e) == 0, "update: %s", e.msg);
	is_u64(added, 7, "six runs and a fork, each once though two refs hold some");
	ok(runindex_update(ix, &added, &e) == 0 && added == 0, "nothing new");
	ok(listed(ix, NULL, NULL, &s) == 0 && s.n == 6, "six are listed, %d", s.n);
	ok(listed(ix, "metric.acc>=0.6 AND exit=0", "-metric.acc", &s) == 0 && s.n == 3,
	   "three are better: %s", e.msg);
	is_str(s.runs.nr ? s.runs.v[0] : "", "acc=0.95", "best first");
	ok(listed(ix, "input:nothing", NULL, &s) == 0 && s.n == 0, "none has that input");
	test_levels(ix, &last.commit, &s);
	ok(listed(ix, "banana", NULL, &s) == ERR_INPUT, "refused: %s", e.msg);
	ok(listed(ix, "exit=x", NULL, &s) == ERR_INPUT, "refused: %s", e.msg);
	ok(listed(ix, NULL, "banana", &s) == ERR_INPUT, "refused: %s", e.msg);
	snprintf(prefix, sizeof(prefix), "%.8s", last.rec.run);
	ok(runindex_find(ix, prefix, &found, &e) == 0 && repo_oid_equal(&found, &last.commit),
	   "found by run id: %s", e.msg);
	snprintf(prefix, sizeof(prefix), "%.8s", chunkid_hex(&last.id).s);
	ok(runindex_find(ix, prefix, &found, &e) == 0 && repo_oid_equal(&found, &last.commit),
	   "and by record id");
	ok(runindex_find(ix, "0000000000", &found, &e) == ERR_NOTFOUND, "not found: %s", e.msg);
	ok(runindex_find(ix, "xyz", &found, &e) == ERR_INPUT, "refused: %s", e.msg);
	ok(runindex_rebuild(ix, &e) == 0 && listed(ix, NULL, NULL, &s) == 0 && s.n == 6, "rebuilt");
	runindex_close(&ix);
	put("one/.git/deepops/runs.db", "this is no database, not even a little one of that size");
	ok(runindex_open(&ix, r, 0, &e) == 0, "a broken index is set aside: %s", e.msg);
	ok(runindex_update(ix, &added, &e) == 0 && added == 7, "and built again: %s", e.msg);
	runindex_close(&ix);
	strvec_release(&s.runs);
	journal_entry_release(&last);
	repo_close(r);
}

static void test_notes(void)
{
	struct repo *r = open_repo("one");
	struct note_opts o = {NULL, 0, NULL, NULL};
	struct buf branch = BUF_INIT, note = BUF_INIT;
	struct runindex *ix = NULL;
	struct repo_oid head;
	char rec[13], level[16];

	ok(repo_head(r, &branch, &head, &e) == 0, "head");
	ok(runindex_open(&ix, r, 0, &e) == 0 && runindex_update(ix, NULL, &e) == 0, "index");
	ok(note_project(r, ix, &o, &e) == 0, "project: %s", e.msg);
	ok(notes_read(r, NOTE_REF, &head, &note, &e) == 1, "HEAD has a note");
	ok(strstr(note.p, " ok train.py acc=0.95 t=1m05s code=clean data=none rec=") != NULL,
	   "that says what ran");
	ok(strstr(note.p, "Deepops-Runs: 6 ok=6 failed=0\n") != NULL, "and sums up six");
	ok(!strstr(note.p, "acc=0.1 "), "without showing the oldest");
	runindex_close(&ix);
	buf_release(&note);
	buf_release(&branch);
	repo_close(r);
	ok(note_line_parse("Deepops-Run: 1 ok x level=R2/T1 rec=0123456789ab", 48, rec, level) &&
		   !strcmp(rec, "0123456789ab") && !strcmp(level, "R2/T1"),
	   "a line gives its record and level");
	ok(!note_line_parse("Deepops-Run: 1 ok x rec=012", 27, rec, level), "or is not ours");
}

static int count_pointer(void *arg, const struct journal_pointer *p, struct err *unused)
{
	int *n = arg;

	(void)p;
	(void)unused;
	(*n)++;
	return 0;
}

/* What anybody could push below the names that we read: nothing of it may end a reader. */
static void test_odd_parts(void)
{
	struct repo *r = open_repo("one");
	struct tree_builder *b = tree_builder_new(r);
	struct journal_entry entry;
	struct buf big = BUF_INIT, text = BUF_INIT;
	int pointers = 0;

	journal_entry_init(&entry);
	for (size_t i = 0; i < POINTER_MAX_BYTES + 1; i++)
		buf_addch(&big, 'x');
	ok(tree_builder_add_blob(b, "machine/x", "x", 1, &e) == 0 &&
		   tree_builder_add_blob(b, "stdout.deepops/x", "x", 1, &e) == 0 &&
		   tree_builder_add_blob(b, "stdin.deepops", big.p, big.len, &e) == 0 &&
		   tree_builder_add_blob(b, "inputs/0/x", "x", 1, &e) == 0 &&
		   tree_builder_add_blob(b, "outputs/0", "x", 1, &e) == 0 &&
		   tree_builder_add_blob(b, "filtered/0", "x", 1, &e) == 0 &&
		   tree_builder_add_blob(b, "filtered/1.deepops", "x", 1, &e) == 0 &&
		   tree_builder_write(b, &entry.tree, &e) == 0,
	   "a tree of odd parts: %s", e.msg);
	ok(journal_file(r, &entry, "machine", 100, &text, &e) == 0, "a directory is no file");
	ok(journal_file(r, &entry, "stdin.deepops", 100, &text, &e) == 0 && !text.len,
	   "nor is what is too long");
	ok(journal_file(r, &entry, "outputs/0", 100, &text, &e) == 1, "a file is one");
	ok(journal_pointers(r, &entry, count_pointer, &pointers, &e) == 0, "pointers: %s", e.msg);
	is_u64((uint64_t)pointers, 2, "of the output and of one filtered file");
	tree_builder_free(b);
	journal_entry_release(&entry);
	buf_release(&big);
	buf_release(&text);
	repo_close(r);
}

static void test_treehash(void)
{
	struct repo *r = open_repo("one");
	struct buf branch = BUF_INIT;
	struct repo_oid head, tree;
	struct chunkid hash, again, want;
	struct treehash_opts o = {NULL, NULL, 0, 0};
	struct treehash_large large[] = {{"sub/file", 0100644, {{0}}}};
	struct repo_oid smaller;
	struct hash *h = hash_new();

	ok(repo_head(r, &branch, &head, &e) == 0 && repo_commit_tree(r, &head, &tree, &e) == 0,
	   "tree");
	ok(treehash_of(r, &tree, &o, &hash, &e) == 0, "hash: %s", e.msg);
	/* by hand: sub/ holds file "f\n"; the top holds sub and top "t\n" */
	hash_sha256(want.b, "f\n", 2);
	large[0].id = want;
	hash_update(h, "100644 file", 12);
	hash_update(h, want.b, 32);
	hash_final(h, want.b);
	hash_free(h);
	h = hash_new();
	hash_update(h, "40000 sub", 10);
	hash_update(h, want.b, 32);
	hash_sha256(want.b, "t\n", 2);
	hash_update(h, "100644 top", 11);
	hash_update(h, want.b, 32);
	hash_final(h, want.b);
	hash_free(h);
	is_str(chunkid_hex(&hash).s, chunkid_hex(&want).s, "as the format says");
	ok(tree_update(r, &tree, "sub", 0, NULL, &smaller, &e) == 0, "without sub");
	o.large = large;
	o.nlarge = 1;
	ok(treehash_of(r, &smaller, &o, &again, &e) == 0 && chunkid_equal(&hash, &again),
	   "a file beside the tree counts as if it were in it");
	ok(treehash_of(r, &tree, &o, &again, &e) == ERR_INPUT, "but not twice: %s", e.msg);
	o.nlarge = 0;
	o.max_bytes = 1;
	ok(treehash_of(r, &tree, &o, &again, &e) < 0, "more than the bound is refused: %s", e.msg);
	buf_release(&branch);
	repo_close(r);
}

int main(void)
{
	if (!mkdtemp(top))
		return 1;
	setenv("HOME", top, 1);
	setenv("DEEPOPS_FSYNC", "0", 1);
	setenv("GIT_AUTHOR_NAME", "A", 1);
	setenv("GIT_AUTHOR_EMAIL", "a@example.org", 1);
	setenv("GIT_COMMITTER_NAME", "A", 1);
	setenv("GIT_COMMITTER_EMAIL", "a@example.org", 1);
	ok(git(".", "init", "-q", "one", NULL), "init");
	{
		char *sub = xstrfmt("%s/one/sub", top);

		ok(mkdir(sub, 0755) == 0, "mkdir");
		free(sub);
	}
	put("one/sub/file", "f\n");
	put("one/top", "t\n");
	ok(git("one", "add", ".", NULL) && git("one", "commit", "-qm", "x", NULL), "commit");
	test_append();
	test_fork();
	test_index();
	test_notes();
	test_odd_parts();
	test_treehash();
	if (path_remove_tree(top, &e) < 0)
		ok(false, "%s", e.msg);
	return done_testing();
}
