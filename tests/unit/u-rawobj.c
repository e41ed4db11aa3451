/* SPDX-License-Identifier: MIT */
/* u-rawobj.c - objects as git takes them, and history walks in a hook */
#include "repo/rawobj.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/proc.h"
#include "base/xalloc.h"
#include "repo/commitgraph.h"
#include "repo/oidmap.h"
#include "repo/repo_internal.h"
#include "tap.h"

#define COMMITS 600

static char top[] = "/tmp/u-rawobj-XXXXXX";
static struct repo_oid commits[COMMITS];

/* The exit code of a shell command. */
static int sh(const char *command)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&p.args, "sh", "-c", command, NULL);
	rc = proc_capture(&p, NULL, 1 << 20, &out, NULL);
	proc_release(&p);
	buf_release(&out);
	return rc;
}

/* ---- bytes ---- */

static void test_commits(void)
{
#define ID "0123456789abcdef0123456789abcdef01234567"
	struct rawobj_commit c;
	struct err e = ERR_INIT;

	ok(rawobj_commit_parse(&c,
			       "tree " ID "\nparent " ID "\nparent " ID "\nauthor a <b> 5 +0000\n"
			       "committer c <d> 77 +0000\n\nm\n",
			       &e) == 0,
	   "a commit");
	ok(c.nparents == 2 && c.date == 77 && !strcmp(c.tree.hex, ID), "its parts");
	rawobj_commit_release(&c);
	ok(rawobj_commit_parse(&c, "tree " ID "\n", &e) == 0 && c.date == 0 && !c.nparents,
	   "without author and committer");
	ok(rawobj_commit_parse(&c, "tree " ID "\nauthor nobody\ncommitter x\n\n", &e) == 0 &&
		   c.date == 0,
	   "without a mail");
	ok(rawobj_commit_parse(&c, "tree " ID "\nauthor a <b> 1 +0000\ncommitter <> > 9 +0000\n",
			       &e) == 0 &&
		   c.date == 9,
	   "with too many brackets");
	ok(rawobj_commit_parse(&c, "tree 0123\n", &e) == ERR_CORRUPT, "no tree");
	ok(rawobj_commit_parse(&c, "tree " ID "\nparent 12\n", &e) == ERR_CORRUPT, "half a parent");
	ok(rawobj_commit_parse(&c, "", &e) == ERR_CORRUPT, "nothing");
}

#define RAW20 "\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24"

static uint32_t mode_of(const char *mode)
{
	struct tree_entry entry;
	struct rawobj_tree t;
	char bytes[64];
	int n = snprintf(bytes, sizeof(bytes), "%s name", mode);

	memcpy(bytes + n + 1, RAW20, 20);
	rawobj_tree_of(&t, bytes, (size_t)n + 21);
	return rawobj_tree_next(&t, &entry, NULL) == 1 ? entry.mode : 0;
}

static void test_trees(void)
{
	static const char two[] = "100644 b\0" RAW20 "40000 a\0" RAW20;
	struct tree_entry entry;
	struct rawobj_tree t;
	struct err e = ERR_INIT;

	ok(mode_of("100644") == TREE_MODE_FILE && mode_of("1100644") == TREE_MODE_FILE &&
		   mode_of("100664") == TREE_MODE_FILE && mode_of("0100644") == TREE_MODE_FILE,
	   "files");
	ok(mode_of("100755") == TREE_MODE_EXEC && mode_of("100700") == TREE_MODE_EXEC, "programs");
	ok(mode_of("120000") == TREE_MODE_LINK && mode_of("120755") == TREE_MODE_LINK, "links");
	ok(mode_of("40000") == TREE_MODE_DIR && mode_of("040000") == TREE_MODE_DIR, "directories");
	ok(mode_of("160000") == TREE_MODE_GITLINK && mode_of("10000") == TREE_MODE_GITLINK,
	   "all else is a submodule, as with git");
	ok(!mode_of("") && !mode_of("10064x") && !mode_of(" 100644"), "no modes");
	rawobj_tree_of(&t, two, sizeof(two) - 1);
	ok(rawobj_tree_next(&t, &entry, &e) == 1 && !strcmp(entry.name, "b") &&
		   !strcmp(entry.id.hex, "0102030405060708090a0b0c0d0e0f1011121314"),
	   "an entry");
	ok(rawobj_tree_next(&t, &entry, &e) == 1 && !strcmp(entry.name, "a"), "out of order");
	ok(rawobj_tree_next(&t, &entry, &e) == 0, "the end");
	for (size_t cut = 1; cut < 29; cut++) {
		rawobj_tree_of(&t, two, cut);
		if (rawobj_tree_next(&t, &entry, &e) != ERR_CORRUPT)
			ok(false, "cut at %zu", cut);
	}
	rawobj_tree_of(&t, "100644 \0" RAW20, 28);
	ok(rawobj_tree_next(&t, &entry, &e) == ERR_CORRUPT, "an empty name");
}

/* ---- a map ---- */

static struct repo_oid oid_of(unsigned int n)
{
	struct repo_oid id;

	snprintf(id.hex, sizeof(id.hex), "%040x", n);
	return id;
}

static void test_map(void)
{
	struct oidmap *m = oidmap_new();
	struct repo_oid id;
	bool good = true;
	size_t v;

	for (unsigned int i = 0; i < 5000; i++) {
		id = oid_of(i);
		good = good && oidmap_put(m, &id, i) && !oidmap_put(m, &id, 0);
	}
	for (unsigned int i = 0; i < 5000; i++) {
		id = oid_of(i);
		good = good && oidmap_get(m, &id, &v) && v == i;
	}
	id = oid_of(5000);
	ok(good && !oidmap_get(m, &id, NULL) && oidmap_count(m) == 5000, "5000 ids");
	oidmap_free(m);
}

/* ---- walks ---- */

/* Commit i has up to three parents among those before it; clocks are wrong by minutes. */
static bool make_history(void)
{
	unsigned int seed = 7;
	FILE *f = fopen("stream", "w");

	for (unsigned int i = 1; f && i <= COMMITS; i++) {
		fprintf(f,
			"commit refs/heads/b%u\nmark :%u\n"
			"committer a <b> %u +0000\ndata 1\nx\n",
			i, i, 1600000000 + i * 60 + (seed >> 16) % 300);
		for (unsigned int k = 0; i > 1 && k < 1 + (seed >> 20) % 3 / 2; k++) {
			seed = seed * 1103515245 + 12345;
			fprintf(f, "%s :%u\n", k ? "merge" : "from",
				k ? 1 + (seed >> 16) % (i - 1)
				  : i - 1 - MIN(i - 2, (seed >> 16) % 4));
		}
		seed = seed * 1103515245 + 12345;
	}
	for (unsigned int i = 0; f && i < 3000; i++)
		fprintf(f, "commit refs/heads/line\ncommitter a <b> %u +0000\ndata 1\nx\n",
			1500000000 + i);
	if (!f || fclose(f) != 0 || sh("git fast-import --quiet --export-marks=marks <stream") != 0)
		return false;
	f = fopen("marks", "r");
	for (unsigned int i = 0; f && i < COMMITS; i++) {
		unsigned int mark;
		char hex[41];

		if (fscanf(f, ":%u %40s\n", &mark, hex) == 2 && mark >= 1 && mark <= COMMITS)
			memcpy(commits[mark - 1].hex, hex, sizeof(hex));
	}
	if (f)
		fclose(f);
	return f != NULL;
}

struct given {
	struct repo_oid v[COMMITS];
	size_t n;
};

static int take(void *arg, const struct repo_oid *id, struct err *e)
{
	struct given *g = arg;

	(void)e;
	if (g->n < COMMITS)
		g->v[g->n++] = *id;
	return 0;
}

static int cmp(const void *a, const void *b)
{
	return strcmp(((const struct repo_oid *)a)->hex, ((const struct repo_oid *)b)->hex);
}

/* Children before parents? */
static bool in_order(struct repo *r, const struct given *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct strvec parents = STRVEC_INIT;
		bool good = repo_commit_parents(r, &g->v[i], &parents, NULL) == 0;

		for (size_t k = 0; k < i; k++)
			good = good && !strvec_has(&parents, g->v[k].hex);
		strvec_release(&parents);
		if (!good)
			return false;
	}
	return true;
}

/* The walk in a hook, and git's, between many pairs of commits. */
static void compare(struct repo *hook, struct repo *client, const char *how)
{
	static struct given here, git;
	bool same = true, ordered = true, ancestors = true;
	unsigned int seed = 11;

	for (int i = 0; i < 60; i++) {
		struct repo_oid *a, *b;
		struct repo_walk w = {.nshow = 1, .nhide = 1, .max = COMMITS};

		seed = seed * 1103515245 + 12345;
		a = &commits[(seed >> 16) % COMMITS];
		seed = seed * 1103515245 + 12345;
		b = &commits[(seed >> 16) % COMMITS];
		w.show = a;
		w.hide = b;
		w.first_parent = i % 5 == 0;
		here.n = git.n = 0;
		same = same && repo_walk(hook, &w, take, &here, NULL) == 0 &&
		       repo_walk(client, &w, take, &git, NULL) == 0;
		ordered = ordered && in_order(client, &here);
		qsort(here.v, here.n, sizeof(*here.v), cmp);
		qsort(git.v, git.n, sizeof(*git.v), cmp);
		same = same && here.n == git.n && !memcmp(here.v, git.v, here.n * sizeof(*here.v));
		ancestors = ancestors && repo_is_ancestor(hook, b, a, NULL) ==
						 repo_is_ancestor(client, b, a, NULL);
	}
	ok(same, "%s: the commits that git finds", how);
	ok(ordered, "%s: children first", how);
	ok(ancestors, "%s: the ancestors that git finds", how);
}

static struct repo *open_hook(void)
{
	struct repo *r = NULL;

	setenv("GIT_DIR", ".", 1);
	ok(repo_open(&r, NULL, REPO_HOOK, NULL) == 0, "a hook");
	unsetenv("GIT_DIR");
	return r;
}

static void test_limits(struct repo *hook)
{
	static struct given g;
	struct repo_oid absent = oid_of(1);
	struct repo_walk w = {.show = &commits[COMMITS - 1], .nshow = 1, .max = 10};
	struct err e = ERR_INIT;

	ok(repo_walk(hook, &w, take, &g, &e) == ERR_LIMIT, "more than wanted");
	w.newest = true;
	ok(repo_walk(hook, &w, take, &g, &e) == 0 && g.n == 10, "the newest ten");
	w.newest = false;
	w.hide = &absent;
	w.nhide = 1;
	w.max = COMMITS;
	ok(repo_walk(hook, &w, take, &g, &e) == 0, "what is not here hides nothing");
	w.show = &absent;
	ok(repo_walk(hook, &w, take, &g, &e) == ERR_NOTFOUND, "and can't be shown");
	ok(repo_is_ancestor(hook, &absent, &commits[0], &e) == ERR_NOTFOUND, "nor be an ancestor");
}

static struct repo_oid id_of(const char *rev)
{
	char *command = xstrfmt("git rev-parse %s >id", rev);
	struct repo_oid id = {""};
	FILE *f = sh(command) == 0 ? fopen("id", "r") : NULL;

	ok(f && fscanf(f, "%40s", id.hex) == 1, "%s", rev);
	if (f)
		fclose(f);
	free(command);
	return id;
}

/* What is new costs what is new, and a little of what it stands on: not the history. */
static void test_cost(struct repo *hook)
{
	static struct given g;
	struct repo_oid new = id_of("line"), old = id_of("line~3");
	struct repo_walk w = {.show = &new, .hide = &old, .nshow = 1, .nhide = 1, .max = 100};
	uint64_t before = hook->commits_read;

	g.n = 0;
	ok(repo_walk(hook, &w, take, &g, NULL) == 0 && g.n == 3, "three commits are new");
	ok(hook->commits_read - before < 300, "%" PRIu64 " of 3000 were read",
	   hook->commits_read - before);
	before = hook->commits_read;
	ok(repo_is_ancestor(hook, &old, &new, NULL) == 1, "an ancestor close by");
	ok(hook->commits_read - before < 10, "%" PRIu64 " of 3000 were read",
	   hook->commits_read - before);
}

static void test_walks(void)
{
	struct repo *client = NULL, *hook;

	ok(repo_open(&client, ".", REPO_BARE_AT, NULL) == 0, "a repository");
	hook = open_hook();
	compare(hook, client, "without a commit-graph");
	test_limits(hook);
	test_cost(hook);
	repo_close(hook);
	/* With one, git 2.39 itself tells too much of --first-parent. */
	ok(sh("git commit-graph write --reachable && git config core.commitGraph false") == 0,
	   "a commit-graph");
	hook = open_hook();
	compare(hook, client, "with one");
	repo_close(hook);
	ok(sh("rm -rf objects/info/commit-graph*; for n in 200 400 500; do"
	      " git rev-parse b$n | git -c core.commitGraph=true commit-graph write "
	      "--stdin-commits --split=no-merge"
	      " || exit 1; done; git rev-list --all --count >all") == 0,
	   "layers of it");
	hook = open_hook();
	compare(hook, client, "with layers, and commits that are in none");
	repo_close(hook);
	ok(sh("for f in objects/info/commit-graphs/*.graph; do chmod u+w $f;"
	      " printf xxxxxxxxxxxx | dd of=$f bs=1 seek=1100 conv=notrunc 2>/dev/null; "
	      "done") == 0,
	   "spoilt");
	hook = open_hook();
	ok(repo_is_ancestor(hook, &commits[0], &commits[COMMITS - 1], NULL) >= ERR_INTR,
	   "a spoilt one brings nothing down");
	repo_close(hook);
	repo_close(client);
}

int main(void)
{
	test_commits();
	test_trees();
	test_map();
	if (!ok(mkdtemp(top) && chdir(top) == 0 && sh("git init -q --bare .") == 0 &&
			make_history(),
		"a history"))
		return done_testing();
	test_walks();
	if (chdir("/") == 0) {
		char *rm = xstrfmt("rm -rf %s", top);

		ok(sh(rm) == 0, "cleaned");
		free(rm);
	}
	return done_testing();
}
