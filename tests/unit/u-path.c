/* SPDX-License-Identifier: MIT */
/* u-path.c - names checked, confined, quoted; also on a kernel without openat2 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/path.h"
#include "base/tempfile.h"
#include "tap.h"

static void test_safe(void)
{
	static const char *const good[] = {"a",
					   "a/b",
					   ".gitignore",
					   "..a",
					   "a/...",
					   "-x/y",
					   "a\nb",
					   ".gi",
					   "\xff",
					   " ",
					   ".git2/x",
					   "git",
					   "git~2",
					   "git~1x",
					   ".git x",
					   "agit~1",
					   ".gitx:",
					   ".gi\xe2\x80\x8b"
					   "t",
					   ".git\xe2\x80"};
	static const char *const bad[] = {"",
					  "/",
					  "/a",
					  "a/",
					  "a//b",
					  ".",
					  "..",
					  "a/..",
					  "../a",
					  "a/./b",
					  ".git",
					  "a/.GIT/b",
					  ".Git",
					  "git~1",
					  "GIT~1/x",
					  ".git.",
					  ".git . .",
					  ".git::$INDEX_ALLOCATION",
					  "git~1:x",
					  "a/.git\\b",
					  "a\\.git",
					  "a\\Git~1.",
					  ".g\xe2\x80\x8cit",
					  "\xef\xbb\xbf.GIT",
					  ".git\xe2\x81\xaf/x",
					  "\xe2\x80\xae.\xe2\x80\xaagi\xe2\x80\x8ft"};
	char longname[300], deep[400];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(path_is_safe(good[i], strlen(good[i])), "safe name %zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!path_is_safe(bad[i], strlen(bad[i])), "unsafe '%s'", bad[i]);
	ok(!path_is_safe("a\0b", 3), "NUL");
	memset(longname, 'x', sizeof(longname));
	ok(path_is_safe(longname, 255) && !path_is_safe(longname, 256), "255 bytes a component");
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'd';
	ok(path_is_safe(deep, 255) && !path_is_safe(deep, 257), "128 components");
	ok(!path_name_is_safe("a/b", 3) && path_name_is_safe("a", 1), "one component");
}

/* Whoever made the path: nothing is made in a .git. */
static void test_no_dotgit(void)
{
	char dir[] = "/tmp/u-path-XXXXXX";
	struct tempfile *t = NULL;
	int fd, got;

	ok(mkdtemp(dir) != NULL, "a directory");
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	ok(path_mkdirs_beneath(fd, "a/b", 0700, NULL) == 0 && mkdirat(fd, "a/.git", 0700) == 0,
	   "with a .git");
	ok(path_mkdirs_beneath(fd, "a/.git/x", 0700, NULL) == ERR_INPUT &&
		   path_mkdirs_beneath(fd, "a/b/.GIT", 0700, NULL) == ERR_INPUT,
	   "no directory in it");
	ok(tempfile_create_beneath(&t, fd, "a/.git", 0600, NULL) == ERR_INPUT && !t,
	   "no file in it");
	ok(path_open_to_write(fd, "a/.git", NULL) == ERR_INPUT, "not opened to be written in");
	got = path_open_to_write(fd, "a/b", NULL);
	ok(got >= 0, "others are");
	close(got);
	close(fd);
	ok(path_remove_tree(dir, NULL) == 0, "and away");
}

static void test_word(void)
{
	static const struct {
		const char *in, *out;
	} words[] = {{"data/a-b.c", "data/a-b.c"},
		     {"", "''"},
		     {"-f", "'-f'"},
		     {"a b;c", "'a b;c'"},
		     {"it's!", "'it'\\''s'\\!''"},
		     {"~x", "'~x'"},
		     {"\xc3\xa9", "'\xc3\xa9'"},
		     {"x\xe2\x80\xaey", "$'x\\342\\200\\256y'"},
		     {"a\033[31m'\\", "$'a\\033[31m\\'\\\\'"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		char *word = path_word(words[i].in);

		is_str(word, words[i].out, words[i].in);
		free(word);
	}
}

static void test_text(void)
{
	static const struct {
		const char *in, *out;
	} norm[] = {{"a//b/./c", "a/b/c"}, {"a/../b", "b"}, {"./a/", "a"}, {"a/..", "."},
		    {"/a/../b/", "/b"},    {"/", "/"},      {"", "."},     {"a/b/../..", "."},
		    {"...", "..."},        {"/a//..", "/"}};
	static const char *const climbs[] = {"..", "a/../..", "/..", "a/../../b"};
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(norm); i++) {
		buf_reset(&b);
		ok(path_normalize(&b, norm[i].in, &e) == 0, "normalize '%s'", norm[i].in);
		is_str(b.p, norm[i].out, norm[i].in);
	}
	for (size_t i = 0; i < ARRAY_SIZE(climbs); i++)
		ok(path_normalize(&b, climbs[i], &e) == ERR_INPUT, "'%s' climbs out", climbs[i]);
	buf_reset(&b);
	path_join(&b, ".", "x");
	path_join(&b, "/a", "b");
	path_join(&b, "/a/", "b");
	is_str(b.p, "x/a/b/a/b", "joins");
	buf_reset(&b);
	path_dirname(&b, "a/b/c");
	path_dirname(&b, "/x");
	path_dirname(&b, "x");
	is_str(b.p, "a/b/.", "dirnames");
	ok(path_is_in("a/b", "a") && path_is_in("a", "a") && path_is_in("a", ""), "in");
	ok(!path_is_in("ab", "a") && !path_is_in("a", "a/b") && !path_is_in("b", "a"), "not in");
	buf_reset(&b);
	ok(path_enter(&b, "a") == 0 && path_enter(&b, "b") == 1, "two down");
	is_str(b.p, "a/b", "names with a slash between");
	is_str(path_basename("a/b"), "b", "basename");
	is_str(path_basename("b"), "b", "of a bare name");
	buf_release(&b);
}

static void test_quote(void)
{
	static const struct {
		const char *raw, *text;
	} pairs[] = {{"plain name.txt", "plain name.txt"},
		     {" lead", "\" lead\""},
		     {"trail ", "\"trail \""},
		     {"a\nb\t\r\a\b\v\f", "\"a\\nb\\t\\r\\a\\b\\v\\f\""},
		     {"q\"b\\", "\"q\\\"b\\\\\""},
		     {"\xc3\xa9\x7f\x01", "\"\\303\\251\\177\\001\""},
		     {"it's!", "it's!"}};
	static const char *const bad[] = {"\"plain\"", "\"a\\n",    "\"",         "\"a\\q\"",
					  "\"\\101\"", "\"\\000\"", "\"\\012\"",  " lead",
					  "trail ",    "a\"b",      "\"\\40\"",   "\"\\400\\n\"",
					  "\"\\\"",    "\xc3\xa9",  "\"\xc3\\n\""};
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	bool round = true;

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		buf_reset(&b);
		path_quote(&b, pairs[i].raw, strlen(pairs[i].raw));
		is_str(b.p, pairs[i].text, "quoted");
		buf_reset(&b);
		ok(path_unquote(&b, pairs[i].text, strlen(pairs[i].text), &e) == 0, "unquoted");
		is_str(b.p, pairs[i].raw, "and back");
	}
	buf_sets(&b, "kept");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(path_unquote(&b, bad[i], strlen(bad[i]), &e) == ERR_INPUT, "refused: %s",
		   bad[i]);
	is_str(b.p, "kept", "a refused name adds nothing");
	for (int i = 1; i < 256; i++) {
		struct buf text = BUF_INIT;
		char raw[3] = {(char)i, 'x', (char)i};

		path_quote(&text, raw, 3);
		buf_reset(&b);
		round &= path_unquote(&b, text.p, text.len, &e) == 0 && b.len == 3 &&
			 !memcmp(b.p, raw, 3);
		buf_release(&text);
	}
	ok(round, "every byte goes there and back");
	buf_reset(&b);
	path_shell_quote(&b, "it's!");
	is_str(b.p, "'it'\\''s'\\!''", "shell word");
	buf_release(&b);
}

static void test_utf8(void)
{
	static const char *const good[] = {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	static const char *const bad[] = {
		"\n",       "\x7f",         "\xff",         "\xc3",
		"\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xc2\x9b", "\xe2\x82",     "\x80"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		ok(path_is_clean_utf8(good[i], strlen(good[i])), "clean %zu", i);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		ok(!path_is_clean_utf8(bad[i], strlen(bad[i])), "not clean %zu", i);
}

static void test_beneath(const char *kernel)
{
	char dir[] = "/tmp/u-path.XXXXXX";
	struct err e = ERR_INIT;
	int root, fd;

	if (!ok(mkdtemp(dir) != NULL, "scratch directory (%s)", kernel))
		return;
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(path_mkdirs_beneath(root, "a/b/c", 0755, &e) == 0, "three directories");
	ok(path_mkdirs_beneath(root, "a/b/c", 0755, &e) == 0, "and again");
	fd = path_open_beneath(root, "a/b/f", O_WRONLY | O_CREAT | O_EXCL, 0640, &e);
	ok(fd >= 0, "create a file");
	close(fd);
	ok(path_open_beneath(root, "a/b/f", O_WRONLY | O_CREAT | O_EXCL, 0640, &e) == ERR_EXISTS,
	   "not twice");
	fd = path_open_beneath(root, "a/b/f", O_RDONLY, 0, &e);
	ok(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "open it, closed on exec");
	close(fd);
	fd = path_open_beneath(root, "", O_RDONLY | O_DIRECTORY, 0, &e);
	ok(fd >= 0, "the root itself");
	close(fd);
	ok(path_open_beneath(root, "a/none", O_RDONLY, 0, &e) == ERR_NOTFOUND, "absent");
	ok(path_open_beneath(root, "../etc/passwd", O_RDONLY, 0, &e) == ERR_SYS && e.sys == EXDEV,
	   "dot-dot escapes");
	ok(path_open_beneath(root, "/etc/passwd", O_RDONLY, 0, &e) == ERR_SYS && e.sys == EXDEV,
	   "an absolute path escapes");
	ok(symlinkat("/etc", root, "link") == 0 && symlinkat("a", root, "inner") == 0, "symlinks");
	ok(path_open_beneath(root, "link/passwd", O_RDONLY, 0, &e) == ERR_SYS && e.sys == ELOOP,
	   "a planted symlink");
	ok(path_open_beneath(root, "link", O_RDONLY, 0, &e) == ERR_SYS && e.sys == ELOOP,
	   "also at the end");
	ok(path_mkdirs_beneath(root, "inner/x", 0755, &e) == ERR_SYS && e.sys == ELOOP,
	   "no directories through one");
	ok(path_mkdirs_beneath(root, "../x", 0755, &e) == ERR_SYS && e.sys == EXDEV,
	   "nor above the root");
	ok(fchmodat(root, "a/b", 0555, 0) == 0 && path_remove_tree(dir, &e) == 0 &&
		   access(dir, F_OK) < 0,
	   "removed with a read-only directory inside");
	ok(path_remove_tree(dir, &e) == 0, "an absent tree is removed");
	close(root);
}

static void test_mkdirs(void)
{
	char dir[] = "/tmp/u-path.XXXXXX";
	struct err e = ERR_INIT;
	struct buf p = BUF_INIT;

	ok(mkdtemp(dir) != NULL, "scratch directory");
	path_join(&p, dir, "x/y/z/");
	ok(path_mkdirs(p.p, 0755, &e) == 0 && access(p.p, F_OK) == 0, "mkdir -p");
	ok(path_mkdirs(p.p, 0755, &e) == 0, "again");
	path_join(&p, ".", "f");
	close(open(p.p, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	ok(path_mkdirs(p.p, 0755, &e) == ERR_SYS && e.sys == ENOTDIR, "a file is not a directory");
	ok(path_remove_tree(dir, &e) == 0, "removed");
	buf_release(&p);
}

/* Make openat2 fail as on Linux 5.5. */
static bool forbid_openat2(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_SIZE(code), code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

int main(void)
{
	test_safe();
	test_no_dotgit();
	test_word();
	test_text();
	test_quote();
	test_utf8();
	test_mkdirs();
	test_beneath("openat2");
	ok(forbid_openat2(), "openat2 is taken away");
	test_beneath("walking");
	return done_testing();
}
