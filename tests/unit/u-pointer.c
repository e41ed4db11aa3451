/* SPDX-License-Identifier: MIT */
/* u-pointer.c - the canonical form of pointers, and everything that is not it */
#include "data/pointer.h"

#include "base/xalloc.h"
#include "tap.h"

#define ID_A "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define ID_B "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define HEAD "[deepops]\n\tversion = 1\n\tkind = tree\n"
#define SHARD(name, id)                                                                            \
	"[shard \"" name "\"]\n\tid = " id "\n\tfiles = 2\n\tbytes = 30\n\tkind = node\n"
#define EMPTY(name)                                                                                \
	"[shard \"" name "\"]\n\tid = " ID_A "\n\tfiles = 0\n\tbytes = 0\n\tkind = node\n"
#define FILE_HEAD "[deepops]\n\tversion = 1\n\tkind = file\n"
#define CONTENT "[content]\n\tid = " ID_A "\n\tbytes = 7\n\tmode = 100755\n"
#define SELECTION                                                                                  \
	"[selection]\n\tbase = " ID_B "\n\tquery = \"label:\\\"cat dog\\\" AND n:[1 TO 2] ; #\"\n" \
	"\tseed = 7\n\tsplit = train=0.8,val=0.2\n\tpart = train\n"

static void accepted(const char *text, const char *label)
{
	struct err e = ERR_INIT;
	struct buf again = BUF_INIT;
	struct pointer p, q;

	pointer_init(&p);
	pointer_init(&q);
	ok(pointer_parse(&p, text, strlen(text), "x.deepops", &e) == 0, "%s: accepted %s", label,
	   e.msg);
	pointer_copy(&q, &p);
	pointer_format(&q, &again);
	is_str(again.p, text, label);
	ok(pointer_equal(&p, &q), "%s: a copy is equal", label);
	buf_release(&again);
	pointer_release(&p);
	pointer_release(&q);
}

static void refused(const char *text, const char *why, const char *label)
{
	struct err e = ERR_INIT;
	struct pointer p;
	int rc;

	pointer_init(&p);
	rc = pointer_parse(&p, text, strlen(text), "x.deepops", &e);
	ok((rc == ERR_INPUT || rc == ERR_LIMIT) && strstr(e.msg, why) && strstr(e.msg, "x.deepops"),
	   "refused: %s (%s)", label, e.msg);
	ok(p.n == 0 && !p.shards, "%s: nothing is left", label);
	pointer_release(&p);
}

static void test_accepted(void)
{
	accepted(HEAD SHARD(".", ID_A), "one shard");
	accepted(HEAD SHARD("/", ID_A) SHARD("a", ID_A) SHARD("b/", ID_B) SHARD("b/c", ID_A),
		 "deeper split");
	accepted(HEAD SHARD("a", ID_A) SHARD("a-b", ID_A) SHARD("ab", ID_A), "common beginnings");
	accepted(HEAD SHARD("\\\"a\\\\nb\\\"", ID_A), "newline in a shard");
	accepted(HEAD SHARD("\\\"\\\\\\\"\\\"", ID_A), "quote in a shard");
	accepted(HEAD SHARD("with blank", ID_A), "blank in a shard");
	accepted(HEAD EMPTY("/"), "nothing left under a split root");
	accepted(HEAD EMPTY("a/") SHARD("b", ID_A), "nothing left in a split directory");
	accepted(FILE_HEAD CONTENT, "file");
	accepted(HEAD SHARD(".", ID_A) SELECTION, "selection");
	accepted(HEAD SHARD(".", ID_A) SELECTION "\tgroup = \"patient\"\n", "selection by group");
	accepted(FILE_HEAD CONTENT SELECTION, "selection of a file");
}

static void test_syntax(void)
{
	refused("", "no content", "nothing");
	refused(HEAD, "no content", "no shard");
	refused(FILE_HEAD, "no content", "no content");
	refused(HEAD "<<<<<<< HEAD\n" SHARD("a", ID_A), "expected a section", "conflict marker");
	refused(HEAD SHARD("a", ID_A) "=======\n", "expected a section", "conflict middle");
	refused("[deepops]\r\n\tversion = 1\r\n\tkind = tree\r\n", "", "CRLF");
	refused("[deepops]\n\tversion = 1\n\tkind = tree", "no newline", "missing LF");
	refused("[deepops]\n\tversion = 1\n\n\tkind = tree\n", "blank line", "blank line");
	refused("; note\n" HEAD SHARD("a", ID_A), "", "comment");
	refused("[deepops]\n\tversion=1\n\tkind = tree\n" SHARD("a", ID_A), "", "no blanks");
	refused("[deepops]\n\tversion  = 1\n\tkind = tree\n" SHARD("a", ID_A), "", "two blanks");
	refused("[deepops]\n\tversion = 1 \n\tkind = tree\n" SHARD("a", ID_A), "", "blank at end");
	refused("[deepops]\n    version = 1\n\tkind = tree\n" SHARD("a", ID_A), "", "no tab");
	refused("[DeepOps]\n\tversion = 1\n\tkind = tree\n" SHARD("a", ID_A), "", "case");
	refused(HEAD "[shard \"a\" ]\n", "", "blank in header");
	refused(HEAD SHARD("\\\"a\\\"", ID_A), "", "needless quoting");
	refused(HEAD SHARD("\\\"\\\\t\\\\012\\\"", ID_A), "", "newline in octal");
}

static void test_keys(void)
{
	refused("[deepops]\n\tversion = 2\n\tkind = tree\n", "version 2", "version 2");
	refused("[deepops]\n\tversion = 1\n\tkind = heap\n", "kind", "unknown kind");
	refused("[deepops]\n\tkind = tree\n\tversion = 1\n", "kind", "order of keys");
	refused("[deepops]\n\tversion = 1\n\tversion = 1\n", "version", "duplicate key");
	refused("[deepops]\n\tversion = 1\n" SHARD("a", ID_A), "'kind' is missing", "missing key");
	refused(HEAD "\tfoo = 1\n" SHARD("a", ID_A), "'foo'", "unknown key");
	refused(HEAD SHARD("a", ID_A) "\tmtime = 1\n", "'mtime'", "unknown key in a shard");
	refused(HEAD SHARD("a", "sha256:1111"), "", "short id");
	refused(HEAD SHARD("a", "md5:11111111111111111111111111111111"), "", "other hash");
	refused(HEAD "[shard \"a\"]\n\tid = " ID_A "\n\tfiles = 02\n\tbytes = 3\n\tkind = node\n",
		"", "leading zero");
	refused(HEAD "[shard \"a\"]\n\tid = " ID_A "\n\tfiles = -2\n\tbytes = 3\n\tkind = node\n",
		"", "sign");
	refused(HEAD "[shard \"a\"]\n\tid = " ID_A "\n\tfiles = 2\n\tbytes = 3\n\tkind = list\n",
		"kind is not node", "shard kind");
	refused(HEAD "[shard \"a\"]\n\tid = " ID_A "\n\tfiles = 2\n\tbytes = 3\n",
		"'kind' is missing", "shard cut short");
	refused(HEAD "[shard \"a\"]\n\tid = " ID_A
		     "\n\tfiles = 2\n\tbytes = 9223372036854775808\n\tkind = node\n",
		"", "too many bytes");
}

static void test_structure(void)
{
	refused(HEAD SHARD("b", ID_A) SHARD("a", ID_A), "out of order", "order of shards");
	refused(HEAD SHARD("a", ID_A) SHARD("a", ID_A), "out of order", "duplicate shard");
	refused(HEAD SHARD("a", ID_A) SHARD("a/b", ID_A), "overlap", "overlap");
	refused(HEAD SHARD("a", ID_A) SHARD("a-b", ID_A) SHARD("a/b", ID_A), "overlap",
		"overlap not side by side");
	refused(HEAD SHARD("a", ID_A) SHARD("a/", ID_A), "overlap", "overlap with its own files");
	refused(HEAD SHARD(".", ID_A) SHARD("a", ID_A), "not the only one", "all and one more");
	refused(HEAD EMPTY("/") SHARD("a", ID_A), "needless", "empty rest");
	refused(HEAD EMPTY("a/") SHARD("a/b", ID_A), "needless", "empty rest of a directory");
	refused(HEAD SHARD("../a", ID_A), "not a path", "climbing shard");
	refused(HEAD SHARD("/a", ID_A), "not a path", "absolute shard");
	refused(HEAD SHARD("a//b", ID_A), "not a path", "empty component");
	refused(HEAD SHARD(".git", ID_A), "not a path", "reserved name");
	refused(HEAD SHARD("", ID_A), "not a path", "empty name");
	refused(HEAD CONTENT, "unexpected section", "content in a tree");
	refused(FILE_HEAD SHARD("a", ID_A), "unexpected section", "shard in a file");
	refused(FILE_HEAD CONTENT CONTENT, "unexpected section", "content twice");
	refused(HEAD SHARD("a", ID_A) HEAD, "unexpected section", "two heads");
	refused(SHARD("a", ID_A), "", "no head");
	refused(HEAD "[other]\n", "unexpected section", "other section");
	refused(FILE_HEAD "[content]\n\tid = " ID_A "\n\tbytes = 7\n\tmode = 120000\n", "mode",
		"mode of a link");
}

static void test_selection(void)
{
	refused(HEAD SELECTION, "unexpected section", "selection of nothing");
	refused(HEAD SHARD("a", ID_A) SELECTION SHARD("b", ID_A), "unexpected section",
		"selection not last");
	refused(HEAD SHARD("a", ID_A) "[selection]\n\tbase = " ID_B "\n\tquery = x\n", "not quoted",
		"query without quotes");
	refused(HEAD SHARD("a", ID_A) "[selection]\n\tbase = " ID_B
				      "\n\tquery = \"\\n\"\n\tseed = 1\n\tsplit = a\n\tpart = a\n",
		"canonical", "escape in a query");
	refused(HEAD SHARD("a", ID_A) "[selection]\n\tbase = " ID_B
				      "\n\tquery = \"\"\n\tseed = -1\n\tsplit = a\n\tpart = a\n",
		"", "seed");
	refused(HEAD SHARD("a", ID_A) "[selection]\n\tbase = " ID_B
				      "\n\tquery = \"\"\n\tseed = 1\n\tsplit = a b\n\tpart = a\n",
		"blank", "blank in a split");
}

static void test_limits(void)
{
	struct buf text = BUF_INIT;

	buf_addstr(&text, HEAD);
	for (unsigned int i = 0; i < 4097; i++)
		buf_addf(&text,
			 "[shard \"%u\"]\n\tid = " ID_A
			 "\n\tfiles = 1\n\tbytes = 1\n\tkind = node\n",
			 10000 + i);
	refused(text.p, "", "too large");
	buf_release(&text);
}

static void test_names(void)
{
	static const char *const bad[] = {
		"",           ".",        "a\nb",           "a/../b",
		"/a",         "a/.git/b", ".gitx",          "a.deepops",
		".deepops/x", "a/.GITx",  ".DeepOps/x",     "git~1",
		"a/.git./b",  "a\x7f",    ".deepopsignore", ".DeepOpsIgnore"};
	struct buf root = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(pointer_check_root(bad[i], &e) == ERR_INPUT, "no root: '%s'", bad[i]);
	ok(pointer_check_root("data/[x] *!", &e) == 0, "a root with odd characters");
	ok(pointer_root_of("data/train.deepops", &root), "a pointer's name");
	is_str(root.p, "data/train", "and its root");
	ok(!pointer_root_of(".deepops", &root) && !pointer_root_of("a/.deepops", &root) &&
		   !pointer_root_of("a.deepops.txt", &root),
	   "names that are none");
	ok(!pointer_root_of(".git.deepops", &root) && !pointer_root_of("a/.GIT.deepops", &root),
	   "nor one of a root that cannot be");
	ok(pointer_check_name(".git.deepops", &e) == ERR_INPUT &&
		   pointer_check_name("a/.git/x.deepops", &e) == ERR_INPUT,
	   "which is an error");
	ok(pointer_check_name("a/.deepops", &e) == 0 &&
		   pointer_check_name(".git/config", &e) == 0 &&
		   pointer_check_name("data.deepops", &e) == 0,
	   "and other paths are none");
	buf_release(&root);
}

int main(void)
{
	test_accepted();
	test_syntax();
	test_keys();
	test_structure();
	test_selection();
	test_limits();
	test_names();
	return done_testing();
}
