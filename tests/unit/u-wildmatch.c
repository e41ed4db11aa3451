/* SPDX-License-Identifier: MIT */
/* u-wildmatch.c - patterns against git check-ignore, the oracle; see base/wildmatch.h */
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "tap.h"

static const char *const patterns[] = {
	"a",
	"*.txt",
	"/a",
	"a/",
	"a/b",
	"a/*",
	"a/**",
	"**/b",
	"a/**/c",
	"**",
	"*",
	"**/",
	"?",
	"a?c",
	"[ab]",
	"[!a]",
	"[^a]c",
	"[a-c]x",
	"[]a]",
	"[[:digit:]]*",
	"[[:nope:]]",
	"[a",
	"\\*",
	"\\!x",
	"\\#x",
	"#x",
	"a\\ ",
	"a ",
	"a\\",
	"models/**/*.deepops",
	"models/**.deepops",
	"docs/**",
	"**a",
	"a**b",
	"/*",
	"/**",
	"a//b",
	"*/b",
	"a/*/c",
	"***",
	"a/***/c",
	"[a-",
	"[\\]]",
	"x\\[y",
	"[a/]b",
	"a[/]b",
	"*a*b*",
	"!a",
	"b/",
	"/a/b/",
	"**/a/**",
	"[",
	"/",
	"",
	" ",
	"x**/b",
	"[z-a]",
	"[a-]",
	"[-a]",
	"*.[ch]",
	"a/b/**/",
	"é",
	"[[:upper:][:digit:]]",
	"dir.d/",
	"**/a*/c",
	"**/x/**/c",
	"a/**/*/c",
	"**/*x*",
	"**/b/*",
	"*/**/c",
};

static const char *const paths[] = {
	"a",
	"b",
	"c",
	"abc",
	"a.txt",
	"a/b",
	"a/b/c",
	"a/c",
	"a/x/c",
	"a/x/y/c",
	"x/a",
	"x/a/b",
	"x/b",
	"d/e.txt",
	"*",
	"!x",
	"#x",
	"a ",
	"]",
	"-",
	"1",
	"12",
	"ax",
	"cx",
	"ac",
	"bc",
	"models/m.deepops",
	"models/x/m.deepops",
	"models/x/y/m.deepops",
	"docs/a",
	"docs/a/b",
	"x[y",
	"axb",
	"aXb/c",
	"xa",
	"xaxbx",
	"[a",
	"[",
	"a\\",
	"x.c",
	"x.h",
	"U",
	"é",
	"dir.d/f",
	"q/dir.d/f",
	"a/b/d/e",
	"x1/b",
};

/* Which of n paths git ignores by these lines; core.excludesFile is kept out. */
static void git_says(const char *dir, const struct strvec *lines, const char *const *path, size_t n,
		     bool *out)
{
	struct proc p = PROC_INIT;
	struct buf got = BUF_INIT, in = BUF_INIT;
	char *file = xstrfmt("%s/.gitignore", dir);
	FILE *f = fopen(file, "w");

	for (size_t i = 0; i < lines->nr; i++)
		fprintf(f, "%s\n", lines->v[i]);
	fclose(f);
	free(file);
	strvec_pushl(&p.args, "git", "-C", dir, "-c", "core.excludesFile=/dev/null", "check-ignore",
		     "--no-index", "-z", "--stdin", NULL);
	for (size_t i = 0; i < n; i++)
		buf_add(&in, path[i], strlen(path[i]) + 1);
	if (proc_capture(&p, &in, 1 << 20, &got, NULL) < 0)
		printf("# git check-ignore failed\n");
	for (size_t i = 0; i < n; i++)
		out[i] = false;
	for (const char *at = got.p; at < got.p + got.len; at += strlen(at) + 1)
		for (size_t i = 0; i < n; i++)
			out[i] = out[i] || !strcmp(path[i], at);
	proc_release(&p);
	buf_release(&got);
	buf_release(&in);
}

static void compare(const char *dir, const struct strvec *lines, const char *label)
{
	bool git[ARRAY_SIZE(paths)];
	size_t wrong = 0;

	git_says(dir, lines, paths, ARRAY_SIZE(paths), git);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		bool ours = wildmatch_list(lines, paths[i], false);

		if (ours != git[i]) {
			printf("# %s: git %s \"%s\", we don't agree\n", label,
			       git[i] ? "ignores" : "keeps", paths[i]);
			wrong++;
		}
	}
	ok(!wrong, "as git: %s", label);
}

static void test_lists(const char *dir)
{
	static const char *const lists[][5] = {
		{"*", "!a", NULL},
		{"a/*", "!a/b", NULL},
		{"a", "!a/b", NULL},
		{"*.txt", "!/a.txt", NULL},
		{"*", "!*/", "!*.c", NULL},
		{"models/**", "!models/**/*.deepops", "!models/**/", NULL},
		{"!x", "x*", "!xa", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct strvec lines = STRVEC_INIT;
		char label[32];

		strvec_pushv(&lines, lists[i]);
		snprintf(label, sizeof(label), "list %zu", i);
		compare(dir, &lines, label);
		strvec_release(&lines);
	}
}

static void test_directories(const char *dir)
{
	char *sub = xstrfmt("%s/real/deep", dir), *real = xstrfmt("%s/real", dir);
	struct strvec lines = STRVEC_INIT;
	const char *path = "real/deep";
	bool ignored = false;

	mkdir(real, 0755);
	mkdir(sub, 0755);
	strvec_push(&lines, "deep/");
	git_says(dir, &lines, &path, 1, &ignored);
	ok(ignored && wildmatch_list(&lines, "real/deep", true),
	   "a directory by a pattern with a slash");
	ok(!wildmatch_list(&lines, "real/deep", false), "which no file matches");
	ok(wildmatch_ignore("deep/", "real/deep/x", false), "but what is below does");
	strvec_release(&lines);
	free(sub);
	free(real);
}

static void test_cost(void)
{
	char path[200], pattern[200];

	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	for (size_t i = 0; i + 2 < sizeof(pattern); i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + sizeof(pattern) - 2, "b", 2);
	ok(!wildmatch(pattern, path), "a hostile pattern ends");
}

/* Who chooses the name must not be able to make it fail to match. */
static void test_hostile_name(void)
{
	struct buf path = BUF_INIT;

	while (path.len < 4000)
		buf_addstr(&path, "ab");
	buf_addstr(&path, "b.json");
	ok(wildmatch("*a*b*a*b*a*b*a*b*a*b*bb.json", path.p), "a long name");
	ok(!wildmatch("*a*b*a*b*a*b*a*b*a*b*aa.json", path.p), "that does not match");
	buf_reset(&path);
	while (path.len < 4000)
		buf_addstr(&path, "ab/ba/");
	buf_addstr(&path, "m.json");
	ok(wildmatch("**/a*/**/b*/**/a*/**/b*/**/m.json", path.p), "a deep name");
	ok(!wildmatch("**/a*/**/b*/**/a*/**/b*/**/x.json", path.p), "that does not match");
	buf_release(&path);
}

int main(void)
{
	char template[] = "/tmp/u-wildmatch-XXXXXX";
	char *dir = mkdtemp(template);
	struct proc p = PROC_INIT;

	setenv("HOME", dir, 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	strvec_pushl(&p.args, "git", "init", "-q", dir, NULL);
	ok(proc_capture(&p, NULL, 1000, NULL, NULL) == 0, "scratch repository");
	proc_release(&p);
	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct strvec lines = STRVEC_INIT;

		strvec_push(&lines, patterns[i]);
		compare(dir, &lines, patterns[i]);
		strvec_release(&lines);
	}
	test_lists(dir);
	test_directories(dir);
	test_cost();
	test_hostile_name();
	ok(path_remove_tree(dir, NULL) == 0, "cleaned up");
	return done_testing();
}
