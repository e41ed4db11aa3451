/* SPDX-License-Identifier: MIT */
/* u-tree.c - trees read, compared, built and changed, with git as the oracle */
#include "repo/tree.h"

#include <unistd.h>

#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "tap.h"

static struct repo *r;

static struct repo_oid blob(const char *text)
{
	struct repo_oid id;
	struct err e = ERR_INIT;

	if (repo_write_blob(r, text, strlen(text), &id, &e) < 0)
		ok(false, "blob: %s", e.msg);
	return id;
}

/* What `git ls-tree -r --name-only` prints, and that git finds nothing wrong with it. */
static void git_lists(const struct repo_oid *tree, const char *want, const char *label)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	ok(repo_git_run(r, NULL, &e, "fsck", "--strict", tree->hex, NULL) == 0, "%s: fsck: %s",
	   label, e.msg);
	ok(repo_git_run(r, &out, &e, "ls-tree", "-r", "--name-only", tree->hex, NULL) == 0,
	   "listed");
	is_str(out.p, want, label);
	buf_release(&out);
}

static void test_build(struct repo_oid *tree)
{
	struct tree_builder *b = tree_builder_new(r);
	struct repo_oid one = blob("1");
	struct repo_oid two = blob("2");
	struct repo_oid sub;
	struct err e = ERR_INIT;

	tree_builder_add(b, "x/y", TREE_MODE_FILE, &one);
	ok(tree_builder_write(b, &sub, &e) == 0, "a small tree");
	tree_builder_free(b);

	/* Git sorts the directory "a" as "a/": after "a.c" and "a-b", before "a0". */
	b = tree_builder_new(r);
	tree_builder_add(b, "a0", TREE_MODE_FILE, &one);
	tree_builder_add(b, "a/z", TREE_MODE_EXEC, &one);
	tree_builder_add(b, "a.c", TREE_MODE_FILE, &two);
	tree_builder_add(b, "a-b", TREE_MODE_LINK, &one);
	tree_builder_add(b, "a/b/c", TREE_MODE_FILE, &two);
	tree_builder_add(b, "code", TREE_MODE_DIR, &sub);
	tree_builder_add(b, "a.c", TREE_MODE_FILE, &one);
	ok(tree_builder_add_blob(b, "n", "text", 4, &e) == 0, "blob");
	ok(tree_builder_write(b, tree, &e) == 0, "written: %s", e.msg);
	tree_builder_free(b);
	git_lists(tree, "a-b\na.c\na/b/c\na/z\na0\ncode/x/y\nn\n", "any order");
}

static void refused(const char *first, const char *second, const char *label)
{
	struct tree_builder *b = tree_builder_new(r);
	struct repo_oid one = blob("1");
	struct repo_oid tree;
	struct err e = ERR_INIT;

	tree_builder_add(b, first, TREE_MODE_FILE, &one);
	tree_builder_add(b, second, TREE_MODE_FILE, &one);
	ok(tree_builder_write(b, &tree, &e) == ERR_INPUT, "%s: %s", label, e.msg);
	tree_builder_free(b);
}

static void test_refused(void)
{
	refused("a", "a/b", "file and directory");
	refused("d/a", "d/a/b", "deeper");
	refused("a//b", "c", "empty name");
	refused("a/../b", "c", "dots");
	refused("/a", "c", "absolute");
}

static int collect(void *arg, const struct tree_entry *entry, struct err *e)
{
	(void)e;
	buf_addf(arg, "%o %s\n", entry->mode, entry->name);
	return 0;
}

static void test_read(const struct repo_oid *tree)
{
	struct buf out = BUF_INIT;
	struct tree_entry entry;
	struct err e = ERR_INIT;

	ok(tree_find(r, tree, "a/b/c", &entry, &e) == 1 && entry.mode == TREE_MODE_FILE, "found");
	ok(tree_find(r, tree, "a/b", &entry, &e) == 1 && entry.mode == TREE_MODE_DIR,
	   "a directory");
	ok(tree_find(r, tree, "a/q", &entry, &e) == 0, "absent");
	ok(tree_find(r, tree, "a0/q", &entry, &e) == 0, "below a file is absent");
	ok(tree_find(r, tree, "", &entry, &e) == 0, "the empty path is absent");
	ok(tree_walk(r, tree, collect, &out, &e) == 0, "walk");
	is_str(out.p,
	       "120000 a-b\n100644 a.c\n100644 a/b/c\n100755 a/z\n100644 a0\n100644 "
	       "code/x/y\n100644 n\n",
	       "in tree order");
	buf_reset(&out);
	ok(tree_list(r, tree, collect, &out, &e) == 0, "list");
	is_str(out.p, "120000 a-b\n100644 a.c\n40000 a\n100644 a0\n40000 code\n100644 n\n",
	       "one level");
	buf_release(&out);
}

static int collect_diff(void *arg, const char *path, const struct tree_entry *a,
			const struct tree_entry *b, struct err *e)
{
	(void)e;
	buf_addf(arg, "%o>%o %s\n", a->mode, b->mode, path);
	return 0;
}

static void test_update(const struct repo_oid *tree)
{
	struct buf out = BUF_INIT;
	struct repo_oid two = blob("2");
	struct repo_oid t;
	struct repo_oid u;
	struct err e = ERR_INIT;

	ok(tree_update(r, tree, "a/b/c", 0, NULL, &t, &e) == 0, "remove");
	git_lists(&t, "a-b\na.c\na/z\na0\ncode/x/y\nn\n", "an emptied directory goes too");
	ok(tree_update(r, &t, "a", TREE_MODE_FILE, &two, &t, &e) == 0, "directory to file");
	ok(tree_update(r, &t, "a0/new/deep", TREE_MODE_FILE, &two, &t, &e) == 0,
	   "file to directory");
	ok(tree_update(r, &t, "zz/none", 0, NULL, &u, &e) == 0 && repo_oid_equal(&t, &u),
	   "removing what is not there changes nothing");
	ok(tree_update(r, &t, "n/none", 0, NULL, &u, &e) == 0 && repo_oid_equal(&t, &u),
	   "also below a file");
	git_lists(&t, "a\na-b\na.c\na0/new/deep\ncode/x/y\nn\n", "updated");
	ok(tree_diff(r, tree, &t, collect_diff, &out, &e) == 0, "diff");
	is_str(out.p,
	       "0>100644 a\n100644>0 a/b/c\n100755>0 a/z\n100644>0 a0\n0>100644 a0/new/deep\n",
	       "every kind of change");
	buf_reset(&out);
	ok(tree_diff(r, NULL, &two, collect_diff, &out, &e) < 0, "a blob is no tree");
	ok(tree_diff(r, NULL, &t, collect_diff, &out, &e) == 0, "from nothing");
	is_str(out.p,
	       "0>100644 a\n0>120000 a-b\n0>100644 a.c\n0>100644 a0/new/deep\n0>100644 code/x/y\n"
	       "0>100644 n\n",
	       "all is new");
	ok(tree_update(r, NULL, "only", TREE_MODE_FILE, &two, &t, &e) == 0, "from nothing");
	ok(tree_update(r, &t, "only", 0, NULL, &t, &e) == 0, "to nothing");
	is_str(t.hex, "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "the empty tree");
	buf_release(&out);
}

/* Bounds that several comparisons share. */
static void test_bounds(void)
{
	struct repo_oid one = blob("1"), two = blob("2"), a, b;
	uint64_t units = 4;
	struct tree_bounds bounds = {&units};
	struct tree_news news = {oidmap_new(), 100};
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	ok(tree_update(r, NULL, "d/x", TREE_MODE_FILE, &one, &a, &e) == 0 &&
		   tree_update(r, &a, "d/y", TREE_MODE_FILE, &two, &b, &e) == 0,
	   "two trees");
	ok(tree_news(r, &news, &a, &b, collect, &out, &e) == 0, "what is new");
	is_str(out.p, "100644 y\n", "one file");
	ok(tree_news(r, &news, NULL, &b, collect, &out, &e) == 0, "once more");
	is_str(out.p, "100644 y\n", "and nothing is, as it was told");
	oidmap_free(news.done);
	news = (struct tree_news){oidmap_new(), 0};
	buf_reset(&out);
	ok(tree_news(r, &news, &a, &b, collect, &out, &e) == 0, "without a look at what was there");
	is_str(out.p, "100644 x\n100644 y\n", "all is told");
	oidmap_free(news.done);
	buf_reset(&out);
	ok(tree_diff_within(r, &a, &b, &bounds, collect_diff, &out, &e) == 0 && units == 0,
	   "four directories were read");
	ok(tree_diff_within(r, &a, &b, &bounds, collect_diff, &out, &e) == ERR_LIMIT,
	   "and no more may be");
	buf_release(&out);
}

static void test_depth(void)
{
	struct buf path = BUF_INIT;
	struct buf out = BUF_INIT;
	struct repo_oid two = blob("2");
	struct repo_oid t;
	struct err e = ERR_INIT;

	for (int i = 0; i < GIT_TREE_MAX_DEPTH - 1; i++)
		buf_addstr(&path, "d/");
	buf_addstr(&path, "f");
	ok(tree_update(r, NULL, path.p, TREE_MODE_FILE, &two, &t, &e) == 0, "a deep tree");
	ok(tree_diff(r, NULL, &t, collect_diff, &out, &e) == 0 && strstr(out.p, "/d/f\n"),
	   "as deep as paths can be");
	buf_remove(&path, path.len - 1, 1);
	buf_addstr(&path, "d/f");
	ok(tree_update(r, NULL, path.p, TREE_MODE_FILE, &two, &t, &e) == 0, "a deeper one");
	ok(tree_walk(r, &t, collect, &out, &e) == ERR_LIMIT, "is not walked: %s", e.msg);
	ok(tree_diff(r, NULL, &t, collect_diff, &out, &e) == ERR_LIMIT, "nor compared");
	buf_release(&path);
	buf_release(&out);
}

int main(void)
{
	char top[] = "/tmp/u-tree-XXXXXX";
	struct proc p = PROC_INIT;
	struct buf ignored = BUF_INIT;
	struct repo_oid tree;
	struct err e = ERR_INIT;

	setenv("DEEPOPS_FSYNC", "0", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	if (!mkdtemp(top) || setenv("HOME", top, 1) < 0)
		return 1;
	strvec_pushl(&p.args, "git", "init", "-q", "--bare", top, NULL);
	ok(proc_capture(&p, NULL, 4096, &ignored, &e) == 0, "init");
	proc_release(&p);
	ok(repo_open(&r, top, REPO_BARE_AT, &e) == 0, "open: %s", e.msg);
	test_build(&tree);
	test_refused();
	test_read(&tree);
	test_update(&tree);
	test_bounds();
	test_depth();
	repo_close(r);
	buf_release(&ignored);
	ok(path_remove_tree(top, &e) == 0, "cleaned up");
	return done_testing();
}
