/* SPDX-License-Identifier: MIT */
/* u-repo.c - opening, paths, config, objects, refs and walks of real repositories */
#include "repo/repo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "tap.h"

static char top[] = "/tmp/u-repo-XXXXXX";

/* git ARGS... in directory `dir` below top; true on exit 0. */
static __attribute__((sentinel)) bool git(const char *dir, ...)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	char *path = xstrfmt("%s/%s", top, dir);
	const char *arg;
	va_list ap;
	int rc;

	strvec_push(&p.args, "git");
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

static void enter(const char *dir)
{
	char *path = xstrfmt("%s/%s", top, dir);

	if (chdir(path) < 0)
		ok(false, "chdir %s", path);
	free(path);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ok(f && fputs(text, f) >= 0 && fclose(f) == 0, "write %s", path);
}

static bool says(const struct err *e, const char *text)
{
	if (strstr(e->msg, text))
		return true;
	printf("#  got: %s\n# want: ...%s...\n", e->msg, text);
	return false;
}

static void test_open(void)
{
	struct err e = ERR_INIT;
	struct repo *r;

	enter(".");
	ok(repo_open(&r, NULL, 0, &e) == ERR_NOTFOUND, "no repository here");
	ok(says(&e, "not a git repository"), "and it says so");
	ok(repo_open(&r, "bare.git", REPO_NEED_WORKTREE, &e) == ERR_INPUT, "bare has no work tree");
	ok(repo_open(&r, "bare.git", REPO_BARE_AT, &e) == 0, "bare opens where named");
	ok(repo_is_bare(r) && repo_worktree_fd(r) == -1, "and has no work tree");
	repo_close(r);
	ok(repo_open(&r, "main/sub", REPO_BARE_AT, &e) == ERR_NOTFOUND, "exactly means no search");

	enter("main/sub");
	ok(repo_open(&r, NULL, REPO_NEED_WORKTREE, &e) == 0, "found from below");
	is_str(repo_prefix(r), "sub", "prefix");
	ok(str_endswith(repo_gitdir(r), "/main/.git"), "gitdir");
	ok(str_endswith(repo_deepops_dir(r), "/main/.git/deepops"), "our directory");
	repo_close(r);

	enter("linked");
	ok(repo_open(&r, NULL, REPO_NEED_WORKTREE, &e) == 0, "linked work tree opens");
	ok(str_endswith(repo_worktree(r), "/linked"), "its own work tree");
	ok(str_endswith(repo_commondir(r), "/main/.git"), "the common directory is shared");
	ok(str_endswith(repo_gitdir(r), "/.git/worktrees/linked"), "its own git directory");
	repo_close(r);
}

/* What a git hook's environment points at wins over the place, as with git. */
static void test_environment(void)
{
	struct err e = ERR_INIT;
	char *git_dir = xstrfmt("%s/main/.git", top);
	struct repo *r;

	enter("other");
	setenv("GIT_DIR", git_dir, 1);
	ok(repo_open(&r, NULL, 0, &e) == 0, "GIT_DIR");
	ok(str_endswith(repo_gitdir(r), "/main/.git"), "chooses the repository");
	ok(str_endswith(repo_worktree(r), "/other"), "with here as its work tree");
	repo_close(r);
	ok(repo_open(&r, NULL, REPO_HOOK, &e) == 0, "a hook opens");
	ok(repo_config_set(r, "deepops.x", "1", &e) == ERR_DENIED, "and writes no config");
	{
		struct repo_oid id;

		ok(repo_write_blob(r, "x", 1, &id, &e) == ERR_DENIED, "no object");
		memset(id.hex, '1', REPO_OID_HEX);
		id.hex[REPO_OID_HEX] = '\0';
		ok(repo_ref_set(r, "refs/heads/x", &id, NULL, "no", &e) == ERR_DENIED, "no ref");
	}
	repo_close(r);
	unsetenv("GIT_DIR");
	ok(repo_open(&r, NULL, REPO_HOOK, &e) == ERR_INPUT, "without GIT_DIR it is no hook");
	free(git_dir);
}

static void test_refused(void)
{
	struct err e = ERR_INIT;
	struct repo *r;

	enter("sha256");
	ok(repo_open(&r, NULL, 0, &e) == ERR_INPUT, "SHA-256 is refused");
	ok(says(&e, "SHA-256 repository"), "by name");
	enter("reftable");
	ok(repo_open(&r, NULL, 0, &e) == ERR_INPUT, "reftable is refused");
	ok(says(&e, "reftable repository"), "by name");
	enter("extended");
	ok(repo_open(&r, NULL, 0, &e) == 0, "the three known extensions are not");
	repo_close(r);
	enter("unknown");
	ok(repo_open(&r, NULL, 0, &e) == ERR_INPUT, "an unknown one is");
	ok(says(&e, "sharpness"), "by name");
}

static void test_owner(void)
{
	struct err e = ERR_INIT;
	struct repo *r;

	if (geteuid() != 0) {
		ok(true, "owner # SKIP only root can give a directory away");
		return;
	}
	enter("foreign");
	ok(repo_open(&r, NULL, 0, &e) == ERR_DENIED, "another user's repository is refused");
	ok(strstr(e.hint, "safe.directory") != NULL, "with git's way out");
	setenv("GIT_CONFIG_COUNT", "1", 1);
	setenv("GIT_CONFIG_KEY_0", "safe.directory", 1);
	setenv("GIT_CONFIG_VALUE_0", "*", 1);
	ok(repo_open(&r, NULL, 0, &e) == 0, "what git trusts is trusted: %s", e.msg);
	repo_close(r);
	unsetenv("GIT_CONFIG_COUNT");
}

static void user_path(struct repo *r, const char *typed, const char *want)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = repo_user_path(r, typed, &out, &e);

	if (want)
		is_str(rc == 0 ? out.p : e.msg, want, typed);
	else
		ok(rc == ERR_INPUT, "%s is outside", typed);
	buf_release(&out);
}

static void test_user_path(void)
{
	struct err e = ERR_INIT;
	char *inside = xstrfmt("%s/main/a//b/", top);
	char *link = xstrfmt("%s/alias/x", top);
	struct repo *r;

	enter("main/sub");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open");
	user_path(r, "data", "sub/data");
	user_path(r, "./x/../y", "sub/y");
	user_path(r, "..", "");
	user_path(r, "../top", "top");
	user_path(r, "../../out", NULL);
	user_path(r, inside, "a/b");
	user_path(r, link, "x");
	user_path(r, "/etc/passwd", NULL);
	user_path(r, "\xff\n", "sub/\xff\n");
	repo_close(r);
	free(inside);
	free(link);
}

static void test_config(void)
{
	struct err e = ERR_INIT;
	struct buf v = BUF_INIT;
	struct strvec all = STRVEC_INIT;
	struct repo *r;
	bool b;

	setenv("GIT_CONFIG_PARAMETERS", "'deepops.one'='it'\\''s' 'Deepops.Old=5' 'deepops.flag'",
	       1);
	enter("main");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open: %s", e.msg);
	ok(repo_config_get(r, "deepops.absent", &v, &e) == 0, "an absent key");
	ok(repo_config_get(r, "deepops.one", &v, &e) == 1, "from git -c");
	is_str(v.p, "it's", "its quoting undone");
	ok(repo_config_get(r, "deepops.old", &v, &e) == 1, "old form, any case");
	is_str(v.p, "5", "its value");
	ok(repo_config_bool(r, "deepops.flag", false, &b, &e) == 0 && b, "a key alone is true");
	ok(repo_config_bool(r, "deepops.one", false, &b, &e) == ERR_INPUT, "no boolean");
	ok(repo_config_bool(r, "deepops.none", true, &b, &e) == 0 && b, "the fallback");
	ok(repo_config_set(r, "remote.a.B.deepops", "true", &e) == 0, "set");
	ok(repo_config_bool(r, "remote.a.B.deepops", false, &b, &e) == 0 && b, "read back");
	ok(repo_config_bool(r, "remote.a.b.deepops", false, &b, &e) == 0 && !b,
	   "subsections have case");
	ok(repo_config_add(r, "deepops.list", "x", &e) == 0 &&
		   repo_config_add(r, "deepops.list", "y", &e) == 0 &&
		   repo_config_add(r, "deepops.list", "x", &e) == 0,
	   "add");
	ok(repo_config_all(r, "deepops.list", &all, &e) == 0, "all");
	is_u64(all.nr, 2, "each once");
	repo_close(r);
	unsetenv("GIT_CONFIG_PARAMETERS");
	enter("worktreeconfig");
	ok(repo_open(&r, NULL, 0, &e) == 0 && repo_config_get(r, "deepops.here", &v, &e) == 1,
	   "config.worktree is read");
	ok(repo_config_set(r, "deepops.other", "1", &e) == 0, "set beside it");
	ok(git("worktreeconfig", "config", "--local", "deepops.other", NULL),
	   "goes to the local file");
	repo_close(r);
	strvec_release(&all);
	buf_release(&v);
}

static int count_walk(void *arg, const struct repo_oid *id, struct err *e)
{
	(void)id;
	(void)e;
	++*(int *)arg;
	return 0;
}

#define D40 "0123456789abcdef0123456789abcdef01234567"
#define D64 D40 "89abcdef0123456789abcdef"

/* Text of another length is never cut to the name of another object. */
static void test_oid_text(struct repo *r)
{
	static const struct {
		const char *text;
		bool well_formed, ours;
	} v[] = {{D40, true, true},
		 {D64, true, false},
		 {D40 "0", false, false},
		 {D64 "0", false, false},
		 {D40 + 1, false, false},
		 {D64 + 1, false, false},
		 {"", false, false},
		 {D40 "\n", false, false},
		 {"0123456789ABCDEF0123456789abcdef01234567", false, false}};
	const char *line = D40 " x", *behind;
	struct repo_oid id;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		int rc;

		err_clear(&e);
		rc = repo_oid_parse(&id, v[i].text, &e);
		ok(repo_oid_text_ok(v[i].text) == v[i].well_formed &&
			   repo_oid_ok(v[i].text) == v[i].ours,
		   "well-formed, ours: %.70s", v[i].text);
		ok(v[i].ours ? rc == 0 && !strcmp(id.hex, v[i].text)
			     : rc == ERR_NOTFOUND && repo_oid_is_zero(&id),
		   "an id, or none at all: %s", e.msg);
		ok(!repo_oid_here(r, v[i].text, &id), "no such object");
	}
	behind = repo_oid_take(&id, line, ' ');
	ok(behind && !strcmp(behind, "x") && !strcmp(id.hex, D40), "what follows an id");
	ok(!repo_oid_take(&id, line, '\t') && repo_oid_is_zero(&id), "another byte follows");
	ok(!repo_oid_take(&id, D64 " x", ' ') && repo_oid_is_zero(&id), "a longer one");
}

static void test_commits(void)
{
	struct err e = ERR_INIT;
	struct repo_oid a;
	struct repo_oid b;
	struct repo_oid tree;
	struct buf text = BUF_INIT;
	struct strvec parents = STRVEC_INIT;
	struct repo *r;
	int n = 0;
	struct repo_walk w = {.show = &b, .nshow = 1, .hide = &a, .nhide = 1, .max = 10};

	enter("main");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open");
	ok(repo_resolve(r, "HEAD", &b, &e) == 0 && repo_resolve(r, "HEAD~1", &a, &e) == 0,
	   "resolve");
	test_oid_text(r);
	ok(repo_oid_here(r, b.hex, &tree) && repo_oid_equal(&tree, &b), "an object that is here");
	ok(repo_resolve(r, "nowhere", &tree, &e) == ERR_NOTFOUND && says(&e, "'nowhere'"),
	   "unknown");
	ok(repo_resolve(r, "--all", &tree, &e) == ERR_NOTFOUND, "an option is no revision");
	ok(repo_commit_tree(r, &b, &tree, &e) == 0, "tree");
	ok(repo_commit_parents(r, &b, &parents, &e) == 0 && parents.nr == 1, "parents");
	is_str(parents.v[0], a.hex, "the one before");
	ok(repo_is_ancestor(r, &a, &b, &e) == 1 && repo_is_ancestor(r, &b, &a, &e) == 0 &&
		   repo_is_ancestor(r, &a, &a, &e) == 1,
	   "ancestry");
	ok(repo_walk(r, &w, count_walk, &n, &e) == 0 && n == 1, "one new commit");
	w.nhide = 0;
	w.max = 1;
	ok(repo_walk(r, &w, count_walk, &n, &e) == ERR_LIMIT, "bounded");
	ok(repo_read_raw(r, &b, "commit", 4096, &text, &e) == 0, "raw commit");
	ok(buf_startswith(&text, "tree "), "its text");
	ok(repo_read_raw(r, &b, "commit", 10, &text, &e) == ERR_LIMIT, "capped");
	ok(repo_read_blob(r, &b, 4096, &text, &e) == ERR_INPUT, "a commit is no blob");
	{
		struct repo_commit c = {
			.tree = tree, .parents = &b, .nparents = 1, .message = "m\n"};
		struct repo_oid id;

		ok(repo_write_commit(r, &c, &id, &e) == 0, "write a commit: %s", e.msg);
		ok(git("main", "fsck", "--strict", id.hex, NULL), "git accepts it");
		ok(repo_is_ancestor(r, &b, &id, &e) == 1, "and its parent");
	}
	repo_close(r);
	buf_release(&text);
	strvec_release(&parents);
}

static void test_ident(void)
{
	struct err e = ERR_INIT;
	struct buf first = BUF_INIT;
	struct buf again = BUF_INIT;
	struct buf gits = BUF_INIT;
	struct repo *r;

	enter("main");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open");
	setenv("GIT_AUTHOR_DATE", "1700000000 +0130", 1);
	ok(repo_ident(r, "author", &first, &e) == 0, "author");
	is_str(first.p, "A <a@example.org> 1700000000 +0130", "at the given date");
	unsetenv("GIT_AUTHOR_DATE");
	ok(repo_ident(r, "author", &again, &e) == 0, "again");
	ok(repo_git_run(r, &gits, &e, "var", "GIT_AUTHOR_IDENT", NULL) == 0, "git's");
	is_u64(strlen(again.p) + 1, gits.len, "now, as long as git's");
	is_str(strrchr(again.p, ' '), " +0000", "in this zone");
	ok(!strncmp(again.p, gits.p, strlen("A <a@example.org> 17")), "%s", again.p);
	repo_close(r);
	buf_release(&first);
	buf_release(&again);
	buf_release(&gits);
}

static int collect_ref(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	(void)id;
	(void)e;
	buf_addf(arg, "%s ", name);
	return 0;
}

static void test_refs(void)
{
	struct err e = ERR_INIT;
	struct repo_oid a;
	struct repo_oid b;
	struct repo_oid zero;
	struct buf branch = BUF_INIT;
	struct buf names = BUF_INIT;
	struct repo *r;
	const char *ref = "refs/deepops/log/abc";

	memset(&zero, 0, sizeof(zero));
	memset(zero.hex, '0', REPO_OID_HEX);
	enter("main");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open");
	ok(repo_head(r, &branch, &b, &e) == 0, "head");
	is_str(branch.p, "refs/heads/main", "on a branch");
	ok(repo_resolve(r, "HEAD~1", &a, &e) == 0, "parent");
	ok(repo_ref_get(r, ref, &zero, &e) == 0, "absent");
	ok(repo_ref_set(r, ref, &a, &zero, "create", &e) == 0, "create: %s", e.msg);
	ok(repo_ref_set(r, ref, &b, &zero, "again", &e) == ERR_EXISTS, "not twice");
	ok(repo_ref_set(r, ref, &b, &b, "swap", &e) == ERR_EXISTS, "not from elsewhere");
	ok(repo_ref_set(r, ref, &b, &a, "swap", &e) == 0, "from where it is");
	ok(repo_ref_set(r, "refs/deepops/log/gone", &b, &a, "swap", &e) == ERR_EXISTS,
	   "an absent one has moved, too");
	ok(repo_ref_get(r, ref, &a, &e) == 1 && repo_oid_equal(&a, &b), "it moved");
	ok(repo_ref_set(r, "refs/deepops/log/aaa", &b, NULL, "any", &e) == 0, "another");
	ok(repo_ref_each(r, "refs/deepops/log/", collect_ref, &names, &e) == 0, "each");
	is_str(names.p, "refs/deepops/log/aaa refs/deepops/log/abc ", "in order");
	ok(repo_ref_get(r, "main", &a, &e) <= 0, "no short names");
	repo_close(r);
	enter("unborn");
	ok(repo_open(&r, NULL, 0, &e) == 0 && repo_head(r, &branch, &a, &e) == 0, "unborn head");
	is_str(branch.p, "refs/heads/main", "has a name");
	ok(repo_oid_is_zero(&a), "and no commit");
	repo_close(r);
	buf_release(&branch);
	buf_release(&names);
}

static void leave_lock(const char *ref)
{
	struct buf path = BUF_INIT;
	int fd;

	buf_addf(&path, ".git/%s.lock", ref);
	fd = open(path.p, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	ok(fd >= 0 && close(fd) == 0, "a lock is left on %s", ref);
	buf_release(&path);
}

static void test_dead_lock(void)
{
	struct err e = ERR_INIT;
	struct repo_oid a;
	struct repo *r;

	enter("main");
	ok(repo_open(&r, NULL, 0, &e) == 0 && repo_resolve(r, "HEAD", &a, &e) == 0, "open");
	leave_lock("refs/heads/main");
	ok(repo_ref_set(r, "refs/heads/main", &a, NULL, "no", &e) == ERR_SYS,
	   "git's refs are left to people: %s", e.msg);
	ok(unlink(".git/refs/heads/main.lock") == 0, "and so is the lock");
	err_clear(&e);
	leave_lock("refs/deepops/log/aaa");
	ok(repo_ref_set(r, "refs/deepops/log/aaa", &a, NULL, "yes", &e) == 0,
	   "nobody holds that of ours: %s", e.msg);
	ok(access(".git/refs/deepops/log/aaa.lock", F_OK) < 0, "it is gone");
	leave_lock("refs/deepops/log/aaa");
	ok(repo_ref_delete(r, "refs/deepops/log/aaa", &e) == 0, "to remove it, too: %s", e.msg);
	repo_close(r);
}

static void test_git(void)
{
	struct err e = ERR_INIT;
	struct buf out = BUF_INIT;
	struct strvec args = STRVEC_INIT;
	struct buf input = BUF_INIT;
	struct repo *r;

	enter("main/sub");
	ok(repo_open(&r, NULL, 0, &e) == 0, "open");
	setenv("GIT_INDEX_FILE", "/nowhere/index", 1);
	ok(repo_git_run(r, &out, &e, "ls-files", NULL) == 0, "git runs");
	is_str(out.p, "a\nsub/b\n", "at the top, with its own index");
	unsetenv("GIT_INDEX_FILE");
	ok(repo_git_run(r, NULL, &e, "cat-file", "-p", "nothing", NULL) == ERR_SYS,
	   "git's failure");
	is_str(e.msg, "git cat-file: Not a valid object name nothing", "in git's words");
	strvec_pushl(&args, "hash-object", "--stdin", NULL);
	buf_addstr(&input, "hello\n");
	buf_reset(&out);
	ok(repo_git_runv(r, &args, &input, &out, &e) == 0, "input is fed");
	is_str(out.p, "ce013625030ba8dba906f756967f9e9ca394464a\n", "and read");
	repo_close(r);
	buf_release(&out);
	buf_release(&input);
	strvec_release(&args);
}

static bool prepare(void)
{
	char *foreign = xstrfmt("%s/foreign", top);
	char *target = xstrfmt("%s/main", top);
	char *alias = xstrfmt("%s/alias", top);
	bool good = git(".", "init", "-q", "-b", "main", "main", NULL) &&
		    git(".", "init", "-q", "other", NULL) &&
		    git(".", "init", "-q", "-b", "main", "unborn", NULL) &&
		    git(".", "init", "-q", "--bare", "bare.git", NULL) &&
		    git(".", "init", "-q", "--object-format=sha256", "sha256", NULL) &&
		    git(".", "init", "-q", "reftable", NULL) &&
		    git("reftable", "config", "extensions.refstorage", "reftable", NULL) &&
		    git("reftable", "config", "core.repositoryformatversion", "1", NULL) &&
		    git(".", "init", "-q", "extended", NULL) &&
		    git("extended", "config", "core.repositoryformatversion", "1", NULL) &&
		    git("extended", "config", "extensions.partialclone", "origin", NULL) &&
		    git("extended", "config", "extensions.preciousobjects", "true", NULL) &&
		    git("extended", "config", "extensions.worktreeconfig", "true", NULL) &&
		    git(".", "init", "-q", "unknown", NULL) &&
		    git("unknown", "config", "extensions.sharpness", "9", NULL) &&
		    git("unknown", "config", "core.repositoryformatversion", "1", NULL) &&
		    git(".", "init", "-q", "worktreeconfig", NULL) &&
		    git("worktreeconfig", "config", "extensions.worktreeconfig", "true", NULL) &&
		    git("worktreeconfig", "config", "--worktree", "deepops.here", "1", NULL) &&
		    git(".", "init", "-q", "foreign", NULL);

	enter("main");
	good = good && mkdir("sub", 0755) == 0 && symlink(target, alias) == 0;
	write_file("a", "1\n");
	write_file("sub/b", "2\n");
	good = good && git("main", "add", ".", NULL) && git("main", "commit", "-qm", "one", NULL) &&
	       git("main", "commit", "--allow-empty", "-qm", "two", NULL) &&
	       git("main", "worktree", "add", "-q", "../linked", NULL);
	if (geteuid() == 0) {
		char *inner = xstrfmt("%s/.git", foreign);

		good = good && chown(foreign, 1234, 1234) == 0 && chown(inner, 1234, 1234) == 0;
		free(inner);
	}
	free(foreign);
	free(target);
	free(alias);
	return good;
}

int main(void)
{
	struct err e = ERR_INIT;

	setenv("DEEPOPS_FSYNC", "0", 1);
	if (!mkdtemp(top))
		return 1;
	setenv("HOME", top, 1);
	setenv("TZ", "UTC", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_CEILING_DIRECTORIES", top, 1);
	setenv("GIT_AUTHOR_NAME", "A", 1);
	setenv("GIT_AUTHOR_EMAIL", "a@example.org", 1);
	setenv("GIT_COMMITTER_NAME", "C", 1);
	setenv("GIT_COMMITTER_EMAIL", "c@example.org", 1);
	ok(prepare(), "repositories made");
	test_open();
	test_environment();
	test_refused();
	test_owner();
	test_user_path();
	test_config();
	test_commits();
	test_ident();
	test_refs();
	test_dead_lock();
	test_git();
	enter("..");
	ok(path_remove_tree(top, &e) == 0, "cleaned up");
	return done_testing();
}
