/* SPDX-License-Identifier: MIT */
/* u-notes.c - notes that git reads, and writers that meet */
#include "repo/notes.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "tap.h"

#define REF "refs/notes/deepops"
#define MANY 300 /* more than git keeps in a flat tree */
#define WRITERS 4
#define ROUNDS 5

static struct repo *r;

static struct repo_oid object(unsigned int n)
{
	struct repo_oid id;
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	if (repo_write_blob(r, text, strlen(text), &id, NULL) < 0)
		ok(false, "blob");
	return id;
}

static int append(void *arg, const struct repo_oid *id, const struct buf *old, struct buf *out,
		  struct err *e)
{
	(void)id;
	(void)e;
	buf_addbuf(out, old);
	buf_addstr(out, arg);
	return 0;
}

static int removed(void *arg, const struct repo_oid *id, const struct buf *old, struct buf *out,
		   struct err *e)
{
	(void)arg;
	(void)id;
	(void)old;
	(void)out;
	(void)e;
	return 0;
}

static int update(notes_edit_fn fn, const char *line, const struct repo_oid *ids, size_t n)
{
	char *text = xstrdup(line);
	struct notes_edit edit = {REF, "test", ids, n, fn, text};
	struct err e = ERR_INIT;
	int rc = notes_update(r, &edit, &e);

	if (rc < 0)
		printf("# %s\n", e.msg);
	free(text);
	return rc;
}

static void has_note(const struct repo_oid *id, const char *want, const char *label)
{
	struct buf ours = BUF_INIT;
	struct buf gits = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = notes_read(r, REF, id, &ours, &e);

	if (!want) {
		ok(rc == 0, "%s: we see none", label);
		ok(repo_git_run(r, NULL, &e, "notes", "--ref", REF, "show", id->hex, NULL) < 0,
		   "%s: git sees none", label);
		return;
	}
	ok(rc == 1, "%s: found", label);
	is_str(ours.p, want, label);
	ok(repo_git_run(r, &gits, &e, "notes", "--ref", REF, "show", id->hex, NULL) == 0,
	   "%s: git finds it", label);
	is_str(gits.p, want, label);
	buf_release(&ours);
	buf_release(&gits);
}

static void test_one(void)
{
	struct repo_oid a = object(1);
	struct repo_oid tip;
	struct repo_oid same;
	struct repo_oid tree;
	struct tree_entry entry;
	struct err e = ERR_INIT;
	char path[REPO_OID_HEX + 2];

	has_note(&a, NULL, "no ref");
	ok(update(append, "one\n", &a, 1) == 0, "first note");
	has_note(&a, "one\n", "first");
	ok(update(append, "two\n", &a, 1) == 0, "append");
	has_note(&a, "one\ntwo\n", "appended");
	ok(repo_ref_get(r, REF, &tip, &e) == 1 && repo_commit_tree(r, &tip, &tree, &e) == 0,
	   "tree");
	snprintf(path, sizeof(path), "%.2s/%s", a.hex, a.hex + 2);
	ok(tree_find(r, &tree, path, &entry, &e) == 1, "fanned out by two digits");
	ok(update(append, "", &a, 1) == 0, "no change");
	ok(repo_ref_get(r, REF, &same, &e) == 1 && repo_oid_equal(&tip, &same), "is no commit");
	ok(update(removed, "", &a, 1) == 0, "removed");
	has_note(&a, NULL, "removed");
}

static void test_many(void)
{
	struct repo_oid *ids = xcalloc(MANY, sizeof(*ids));
	struct err e = ERR_INIT;
	struct buf list = BUF_INIT;
	size_t lines = 0;

	for (unsigned int i = 0; i < MANY; i++)
		ids[i] = object(100 + i);
	/* git's own flat tree first, and a file that is no note */
	ok(repo_git_run(r, NULL, &e, "notes", "--ref", REF, "add", "-f", "-m", "flat", ids[0].hex,
			NULL) == 0,
	   "git writes a note");
	ok(update(append, "x\n", ids, 3) == 0, "few");
	has_note(&ids[0], "flat\nx\n", "git's and ours are one note");
	ok(update(append, "y\n", ids, MANY) == 0, "many at once");
	has_note(&ids[0], "flat\nx\ny\n", "still one");
	has_note(&ids[MANY - 1], "y\n", "the last");
	ok(repo_git_run(r, &list, &e, "notes", "--ref", REF, "list", NULL) == 0, "list");
	for (size_t i = 0; i < list.len; i++)
		lines += list.p[i] == '\n';
	is_u64(lines, MANY, "git counts them");
	buf_release(&list);
	free(ids);
}

static NORETURN void writer(const char *top, unsigned int n)
{
	struct repo_oid id;
	struct err e = ERR_INIT;
	int rc = repo_open(&r, top, REPO_BARE_AT, &e);

	id = object(1);
	for (int i = 0; rc == 0 && i < ROUNDS; i++) {
		char line[16];

		snprintf(line, sizeof(line), "%u.%d\n", n, i);
		rc = update(append, line, &id, 1);
	}
	_exit(rc < 0);
}

static void test_race(const char *top)
{
	struct repo_oid a = object(1);
	struct buf note = BUF_INIT;
	struct err e = ERR_INIT;
	size_t lines = 0;
	int status;

	for (unsigned int i = 0; i < WRITERS; i++)
		if (fork() == 0)
			writer(top, i);
	for (unsigned int i = 0; i < WRITERS; i++)
		ok(wait(&status) > 0 && status == 0, "a writer ends well");
	ok(notes_read(r, REF, &a, &note, &e) == 1, "read");
	for (size_t i = 0; i < note.len; i++)
		lines += note.p[i] == '\n';
	is_u64(lines, WRITERS * ROUNDS, "no line of any writer is lost");
	buf_release(&note);
}

int main(void)
{
	char top[] = "/tmp/u-notes-XXXXXX";
	struct proc p = PROC_INIT;
	struct buf ignored = BUF_INIT;
	struct err e = ERR_INIT;

	setenv("DEEPOPS_FSYNC", "0", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_AUTHOR_NAME", "A", 1);
	setenv("GIT_AUTHOR_EMAIL", "a@example.org", 1);
	setenv("GIT_COMMITTER_NAME", "C", 1);
	setenv("GIT_COMMITTER_EMAIL", "c@example.org", 1);
	if (!mkdtemp(top) || setenv("HOME", top, 1) < 0)
		return 1;
	strvec_pushl(&p.args, "git", "init", "-q", "--bare", top, NULL);
	ok(proc_capture(&p, NULL, 4096, &ignored, &e) == 0, "init");
	proc_release(&p);
	ok(repo_open(&r, top, REPO_BARE_AT, &e) == 0, "open: %s", e.msg);
	test_one();
	test_many();
	test_race(top);
	repo_close(r);
	buf_release(&ignored);
	ok(path_remove_tree(top, &e) == 0, "cleaned up");
	return done_testing();
}
