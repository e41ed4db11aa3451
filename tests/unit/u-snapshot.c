/* SPDX-License-Identifier: MIT */
/* u-snapshot.c - code trees of every kind of dirty work tree, with real git repositories */
#include "repo/snapshot.h"

#include <unistd.h>

#include "base/hex.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "repo/tree.h"
#include "tap.h"

static char top[] = "/tmp/u-snapshot-XXXXXX";

/* A shell script in `top`; its output in `out` (may be NULL). */
static bool sh(const char *script, struct buf *out)
{
	struct proc p = PROC_INIT;
	struct buf ignored = BUF_INIT;
	int rc;

	strvec_pushl(&p.args, "sh", "-e", "-c", script, NULL);
	p.dir = top;
	p.in = PROC_NULL;
	rc = proc_capture(&p, NULL, 1 << 20, out ? out : &ignored, NULL);
	proc_release(&p);
	buf_release(&ignored);
	return rc == 0;
}

/* Every file of a repository but objects and our own: index, refs and work tree, with times. */
#define STATE                                                                                      \
	"cd '%s' && find . -path '*/objects' -prune -o -path ./.git/deepops -prune -o ! -type d "  \
	"! -name 'sharedindex.*'"                                                                  \
	" -printf '%%p %%s %%T@ %%i\\n' | sort"

struct take {
	struct repo *r;
	struct snapshot s;
	struct snapshot_opts o;
	struct err e;
	char *state; /* before it was taken */
	char *dir;
	int rc;
};

static char *state_of(const char *dir)
{
	char *script = xstrfmt(STATE, dir);
	struct buf out = BUF_INIT;

	sh(script, &out);
	free(script);
	return buf_detach(&out, NULL);
}

/* Nothing of the user's moved.  (A shared index gets a new time from any git that reads it.) */
static void unchanged(struct take *t)
{
	char *after = state_of(t->dir);

	if (!ok(!strcmp(after, t->state), "%s: the user's repository is as it was", t->dir))
		printf("# before:\n%s# after:\n%s", t->state, after);
	free(after);
}

static void take_with(struct take *t, const char *dir, const struct snapshot_opts *o)
{
	struct err none = ERR_INIT;
	char *path = xstrfmt("%s/%s", top, dir);

	t->o = *o;
	t->e = none;
	t->dir = xstrdup(dir);
	t->state = state_of(dir);
	t->rc = repo_open(&t->r, path, 0, &t->e);
	if (t->rc == 0)
		t->rc = snapshot_take(t->r, &t->o, &t->s, &t->e);
	free(path);
}

static void take(struct take *t, const char *dir)
{
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;

	take_with(t, dir, &o);
	ok(t->rc == 0, "%s: taken %s", dir, t->e.msg);
	unchanged(t);
}

static void done(struct take *t)
{
	if (t->rc == 0)
		snapshot_release(&t->s);
	repo_close(t->r);
	ok(!sh("ls */.git/deepops/tmp/* 2>/dev/null", NULL), "no temporary file stays");
	free(t->state);
	free(t->dir);
}

struct listing {
	struct repo *r;
	struct buf text;
};

static int list_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct listing *l = arg;
	struct buf content = BUF_INIT;
	int rc = 0;

	buf_addf(&l->text, "%o ", entry->mode);
	path_quote(&l->text, entry->name, strlen(entry->name));
	if (entry->mode != TREE_MODE_GITLINK)
		rc = repo_read_blob(l->r, &entry->id, 1 << 20, &content, e);
	buf_addch(&l->text, ' ');
	buf_add(&l->text, content.p, strcspn(content.p, "\n"));
	buf_addch(&l->text, '\n');
	buf_release(&content);
	return rc;
}

/* "mode path first-line-of-content", one a line. */
static void shows(struct repo *r, const struct repo_oid *tree, const char *want, const char *label)
{
	struct listing l = {r, BUF_INIT};
	struct err e = ERR_INIT;

	ok(tree_walk(r, tree, list_entry, &l, &e) == 0, "%s: listed %s", label, e.msg);
	is_str(l.text.p, want, label);
	buf_release(&l.text);
}

#define INIT(name) "git init -q -b main " name " && cd " name " && "
#define COMMIT "git add -A && git commit -qm one && "

static void test_clean(void)
{
	struct take t;

	ok(sh(INIT("clean") "echo 1 >a && mkdir d && echo 2 >d/b && " COMMIT ":", NULL), "made");
	take(&t, "clean");
	ok(!t.s.dirty && repo_oid_equal(&t.s.tree, &t.s.base_tree), "a clean tree is HEAD's");
	done(&t);
}

static void test_dirty(void)
{
	struct strvec changed = STRVEC_INIT;
	struct take t;

	ok(sh(INIT("dirty") "echo 1 >staged && echo 1 >edited && echo 1 >gone && echo 1 >dir &&"
			    " echo 1 >hidden && echo '*.log' >.gitignore && mkdir away && echo 1 "
			    ">away/f &&"
			    " " COMMIT "echo 2 >staged && git add staged && echo 2 >edited && "
			    "chmod +x edited &&"
			    " rm gone && rm dir && mkdir dir && echo 2 >dir/inner && echo 2 "
			    ">hidden &&"
			    " git update-index --assume-unchanged hidden && echo x >'new file' &&"
			    " rm -r away && ln -s dir away && ln -s nowhere link && echo i >x.log "
			    "&&"
			    " echo n >intent && git add -N intent && printf 'b\\n' >\"$(printf "
			    "'\\377')\"",
	      NULL),
	   "made");
	take(&t, "dirty");
	ok(t.s.dirty, "dirty");
	shows(t.r, &t.s.tree,
	      "100644 .gitignore *.log\n120000 away dir\n100644 dir/inner 2\n100755 edited 2\n"
	      "100644 hidden 2\n100644 intent n\n120000 link nowhere\n100644 new file x\n"
	      "100644 staged 2\n100644 \"\\377\" b\n",
	      "everything that stands there");
	is_u64(t.s.ignored, 1, "one ignored file is an assumption");
	ok(snapshot_check(&t.s, &changed, &t.e) == 0 && changed.nr == 0, "nothing changed: %s",
	   changed.nr ? changed.v[0] : "");
	ok(sh("cd dirty && touch staged && echo 3 >hidden && rm link && echo late >later", NULL),
	   "edit");
	ok(snapshot_check(&t.s, &changed, &t.e) == 0, "look again");
	is_u64(changed.nr, 2, "an edit and a removal, no touch, nothing new");
	is_str(changed.nr == 2 ? changed.v[0] : NULL, "hidden", "the edit");
	is_str(changed.nr == 2 ? changed.v[1] : NULL, "link", "the removal");
	strvec_release(&changed);
	done(&t);
}

/* An edit in the very second of the last `git add`, of the same size: only times in the index tell. */
static void test_racy(void)
{
	int missed = 0;

	for (int i = 0; i < 3; i++) {
		struct take t;

		ok(sh("rm -rf racy && " INIT("racy") "echo 1 >a && " COMMIT
						     "echo 2 >a && git add a && echo 3 >a",
		      NULL),
		   "made");
		take(&t, "racy");
		if (t.rc == 0) {
			struct buf out = BUF_INIT;
			char *script = xstrfmt("cd racy && git cat-file blob %s:a", t.s.tree.hex);

			missed += !sh(script, &out) || strcmp(out.p, "3\n") != 0;
			free(script);
			buf_release(&out);
		}
		done(&t);
	}
	is_u64((uint64_t)missed, 0, "no edit was missed");
}

static void test_excluded(void)
{
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;
	struct strvec exclude = STRVEC_INIT;
	struct snapshot_replace replace = {"data.deepops", {""}};
	struct take t;

	ok(sh(INIT("excluded") "echo 1 >metrics && mkdir out && echo 1 >out/old && echo p "
			       ">data.deepops &&"
			       " printf '/data/\\n/cache/\\n' >.gitignore && mkdir data cache && "
			       "echo x >data/f &&"
			       " echo x >cache/f && " COMMIT
			       "echo 2 >metrics && git add metrics && echo 3 >metrics &&"
			       " echo 2 >out/old && echo 2 >out/new && git add out/new && git rm "
			       "-q --cached out/old &&"
			       " echo 2 >outer && echo q >data.deepops",
	      NULL),
	   "made");
	strvec_pushl(&exclude, "metrics", "out", NULL);
	o.exclude = &exclude;
	memcpy(replace.blob.hex, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", REPO_OID_HEX + 1);
	ok(sh("cd excluded && git hash-object -w -t blob /dev/null", NULL), "the empty blob");
	o.replace = &replace;
	o.nreplace = 1;
	take_with(&t, "excluded", &o);
	ok(t.rc == 0, "taken: %s", t.e.msg);
	unchanged(&t);
	shows(t.r, &t.s.tree,
	      "100644 .gitignore /data/\n100644 data.deepops \n100644 metrics 1\n100644 out/old 1\n"
	      "100644 outer 2\n",
	      "outputs as in HEAD, the pointer replaced");
	is_u64(t.s.ignored, 1, "a dataset is no assumption, a cache is");
	done(&t);
	strvec_release(&exclude);
}

static void test_unborn(void)
{
	struct take t;

	ok(sh(INIT("unborn") "echo 1 >a", NULL), "made");
	take(&t, "unborn");
	ok(repo_oid_is_zero(&t.s.commit) && repo_oid_is_zero(&t.s.base_tree), "no commit");
	shows(t.r, &t.s.tree, "100644 a 1\n", "the files all the same");
	done(&t);
}

static void test_large(void)
{
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;
	struct strvec changed = STRVEC_INIT;
	struct take t;

	ok(sh(INIT("large") "echo 1 >a && " COMMIT "seq 1 1000 >big && chmod +x big", NULL),
	   "made");
	o.limit = 1000;
	take_with(&t, "large", &o);
	ok(t.rc == 0 && t.s.large.nr == 1, "one large file: %s", t.e.msg);
	ok(t.s.dirty, "makes it dirty");
	if (t.s.large.nr == 1) {
		is_str(t.s.large.v[0].path, "big", "its path");
		is_u64(t.s.large.v[0].bytes, 3893, "its size");
		is_u64(t.s.large.v[0].mode, 0100755, "its mode");
	}
	shows(t.r, &t.s.tree, "100644 a 1\n", "it is not in the tree");
	ok(sh("cd large && echo >>big", NULL) && snapshot_check(&t.s, &changed, &t.e) == 0,
	   "edit it");
	is_str(changed.nr == 1 ? changed.v[0] : NULL, "big", "the edit is seen");
	done(&t);
	strvec_release(&changed);
}

static void test_too_many(void)
{
	struct take t;
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;

	ok(sh(INIT("many") "mkdir -p venv/lib && cd venv/lib && seq 51 | xargs touch", NULL),
	   "made");
	o.max_untracked = 50;
	take_with(&t, "many", &o);
	ok(t.rc == ERR_LIMIT && strstr(t.e.msg, "most are in 'venv'") != NULL, "refused: %s",
	   t.e.msg);
	ok(strstr(t.e.hint, ".gitignore") != NULL, "with a way out");
	ok(sh("cd many && echo '/venv/' >.gitignore", NULL), "the way out");
	t.rc = snapshot_take(t.r, &o, &t.s, &t.e);
	ok(t.rc == 0, "works: %s", t.e.msg);
	done(&t);
}

static void test_modules(void)
{
	struct take t;

	ok(sh("git init -q -b main lib && cd lib && echo l >l && " COMMIT ":", NULL), "a library");
	ok(sh(INIT("modules") "git -c protocol.file.allow=always submodule --quiet add ../lib "
			      "registered &&"
			      " git -c protocol.file.allow=always submodule --quiet add ../lib "
			      "empty &&"
			      " " COMMIT
			      "git submodule --quiet deinit -f empty && echo stray >empty/stray &&"
			      " echo dirty >registered/l && echo new >registered/n &&"
			      " git init -q nested && cd nested && echo 1 >n && " COMMIT
			      "echo 2 >u &&"
			      " cd .. && git init -q unborn && echo 1 >unborn/f && echo i "
			      ">unborn/i &&"
			      " echo i >unborn/.gitignore",
	      NULL),
	   "made");
	take(&t, "modules");
	is_u64(t.s.nmodules, 3, "three gitlinks");
	if (t.s.nmodules == 3) {
		is_str(t.s.modules[0].path, "empty", "in order");
		ok(!t.s.modules[0].populated && t.s.modules[0].dirty,
		   "not populated, but a stray file");
		shows(t.r, &t.s.modules[0].tree, "100644 stray stray\n", "which ran");
		is_str(t.s.modules[1].path, "nested", "unregistered");
		shows(t.r, &t.s.modules[1].tree, "100644 n 1\n100644 u 2\n", "as it stands");
		is_str(t.s.modules[2].path, "registered", "registered");
		ok(t.s.modules[2].populated && t.s.modules[2].dirty, "dirty");
		ok(t.s.modules[2].url && str_endswith(t.s.modules[2].url, "/lib"), "from there");
		shows(t.r, &t.s.modules[2].tree, "100644 l dirty\n100644 n new\n", "as it stands");
	}
	ok(sh("cd modules && rm -rf .git/modules && git cat-file -e $(git hash-object "
	      "registered/l)",
	      NULL),
	   "the objects are in the outer repository");
	ok(sh("git -C modules ls-files -s -- unborn | grep -q . && exit 1 || :", NULL),
	   "index untouched");
	{
		struct buf out = BUF_INIT;
		char *script =
			xstrfmt("git -C modules ls-tree -r --name-only %s unborn", t.s.tree.hex);

		ok(sh(script, &out), "listed");
		is_str(out.p, "unborn/.gitignore\nunborn/f\n",
		       "a repository without commit is its files");
		free(script);
		buf_release(&out);
	}
	done(&t);
}

static void test_module_check(void)
{
	struct strvec changed = STRVEC_INIT;
	struct take t;

	ok(sh("git init -q -b main dep && cd dep && echo l >l && " COMMIT ":", NULL), "a library");
	ok(sh(INIT("watched") "git -c protocol.file.allow=always submodule --quiet add ../dep sub "
			      "&& " COMMIT "git init -q raw && echo 1 >raw/f",
	      NULL),
	   "made");
	take(&t, "watched");
	ok(t.s.nmodules == 1 && !t.s.modules[0].dirty, "a clean module");
	ok(snapshot_check(&t.s, &changed, &t.e) == 0 && changed.nr == 0, "unchanged: %s",
	   changed.nr ? changed.v[0] : "");
	ok(sh("cd watched && echo 2 >sub/l && echo 2 >raw/f", NULL), "edit");
	ok(snapshot_check(&t.s, &changed, &t.e) == 0 && changed.nr == 2, "seen");
	is_str(changed.nr == 2 ? changed.v[0] : NULL, "raw/f", "in a plain one");
	is_str(changed.nr == 2 ? changed.v[1] : NULL, "sub/l", "in a module");
	done(&t);
	strvec_release(&changed);
}

static void test_filters(void)
{
	struct take t;
	char hex[HASH_HEX_BYTES + 1];

	ok(sh(INIT("filters") "git config filter.up.clean 'tr a-z A-Z' && git config "
			      "filter.lfs.clean 'sha1sum' &&"
			      " printf '*.up filter=up\\n*.bin filter=lfs\\n*.txt text\\n*.id "
			      "ident\\n' >.gitattributes &&"
			      " echo abc >x.up && echo ABC >y.up && echo big >m.bin && printf "
			      "'a\\r\\n' >c.txt &&"
			      " echo lf >d.txt && echo '$Id$' >e.id && " COMMIT
			      "rm e.id && git checkout -q e.id",
	      NULL),
	   "made");
	take(&t, "filters");
	is_u64(t.s.large.nr, 1, "what only a pointer stands for goes to the store");
	is_str(t.s.large.nr ? t.s.large.v[0].path : NULL, "m.bin", "that file");
	is_u64(t.s.filtered.nr, 3, "three files differ from what git holds");
	if (t.s.filtered.nr == 3) {
		is_str(t.s.filtered.v[0].path, "c.txt", "line ends");
		is_str(t.s.filtered.v[1].path, "e.id", "ident");
		is_str(t.s.filtered.v[2].path, "x.up", "a filter of the same size");
		hex_encode(hex, t.s.filtered.v[2].sha256, HASH_BYTES);
		is_str(hex, "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb",
		       "SHA-256 of what is on disk");
	}
	done(&t);
	ok(sh(INIT("autocrlf") "git config core.autocrlf input && printf 'a\\r\\n' >a && echo b >b "
			       "&& " COMMIT ":",
	      NULL),
	   "made");
	take(&t, "autocrlf");
	ok(!t.s.dirty, "git calls it clean");
	is_str(t.s.filtered.nr == 1 ? t.s.filtered.v[0].path : NULL, "a",
	       "but the script has CRLF");
	done(&t);
}

static void test_sparse(void)
{
	struct take t;

	ok(sh(INIT("sparse") "mkdir in out && echo 1 >in/a && echo 1 >out/b && echo 1 >out/c "
			     "&& " COMMIT
			     "git sparse-checkout set --cone --sparse-index in && echo 2 >in/a &&"
			     " mkdir -p out && echo 2 >out/b && echo n >out/new",
	      NULL),
	   "made");
	take(&t, "sparse");
	shows(t.r, &t.s.tree, "100644 in/a 2\n100644 out/b 2\n100644 out/c 1\n100644 out/new n\n",
	      "absent ones as in the index, present ones as they are");
	done(&t);
	ok(sh(INIT("skipped") "echo 1 >a && echo 1 >b && " COMMIT
			      "git update-index --skip-worktree a b && echo 2 >a && rm b",
	      NULL),
	   "made");
	take(&t, "skipped");
	shows(t.r, &t.s.tree, "100644 a 2\n", "without a sparse checkout the bit hides nothing");
	done(&t);
	ok(sh(INIT("split") "echo 1 >a && echo 1 >b && " COMMIT
			    "git update-index --split-index && echo 2 >b && git add b && echo 3 >a",
	      NULL),
	   "made");
	take(&t, "split");
	shows(t.r, &t.s.tree, "100644 a 3\n100644 b 2\n", "a split index");
	done(&t);
}

static void test_conflict(void)
{
	struct take t;

	ok(sh(INIT("conflict") "echo 1 >a && echo 1 >b && " COMMIT
			       "git checkout -qb x && echo x >a && git rm -q b &&"
			       " git commit -qam x && git checkout -q main && echo y >a && echo y "
			       ">b &&"
			       " git commit -qam y && ! git merge -q x >/dev/null 2>&1 && rm b",
	      NULL),
	   "made");
	take(&t, "conflict");
	shows(t.r, &t.s.tree, "100644 a <<<<<<< HEAD\n", "a merge under way, as it stands");
	done(&t);
}

static void test_rules(void)
{
	struct take t;

	ok(sh(INIT("rules") "echo '*.tmp' >.gitignore && mkdir .deepops &&"
			    " printf '# comment\\nscratch/\\n!wanted.tmp\\n' >.deepops/snapshot "
			    "&& " COMMIT "mkdir scratch && echo 1 >scratch/f && echo 1 >wanted.tmp "
			    "&& echo 1 >other.tmp &&"
			    " echo 1 >new",
	      NULL),
	   "made");
	take(&t, "rules");
	shows(t.r, &t.s.tree,
	      "100644 .deepops/snapshot # comment\n100644 .gitignore *.tmp\n100644 new 1\n"
	      "100644 wanted.tmp 1\n",
	      "left out and taken in");
	is_u64(t.s.ignored, 2, "what is left out counts as ignored");
	done(&t);
}

static void test_refused(void)
{
	struct snapshot_opts o = SNAPSHOT_OPTS_INIT;
	struct take t;

	ok(sh("git init -q --bare bare.git", NULL), "made");
	take_with(&t, "bare.git", &o);
	ok(t.rc == ERR_INPUT, "a bare repository has no code: %s", t.e.msg);
	done(&t);
	if (geteuid() == 0)
		return; /* root reads everything */
	ok(sh(INIT("unreadable") "echo 1 >a && chmod 0 a", NULL), "made");
	take_with(&t, "unreadable", &o);
	ok(t.rc < 0 && strstr(t.e.msg, "a") != NULL, "an unreadable file: %s", t.e.msg);
	done(&t);
}

int main(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(top))
		return 1;
	setenv("DEEPOPS_FSYNC", "0", 1);
	setenv("HOME", top, 1);
	setenv("GIT_TEMPLATE_DIR", "", 1);
	setenv("GIT_CONFIG_COUNT", "1", 1);
	setenv("GIT_CONFIG_KEY_0", "maintenance.auto", 1);
	setenv("GIT_CONFIG_VALUE_0", "false", 1);
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	setenv("GIT_CEILING_DIRECTORIES", top, 1);
	setenv("GIT_AUTHOR_NAME", "A", 1);
	setenv("GIT_AUTHOR_EMAIL", "a@example.org", 1);
	setenv("GIT_COMMITTER_NAME", "C", 1);
	setenv("GIT_COMMITTER_EMAIL", "c@example.org", 1);
	test_clean();
	test_dirty();
	test_racy();
	test_excluded();
	test_unborn();
	test_large();
	test_too_many();
	test_modules();
	test_module_check();
	test_filters();
	test_sparse();
	test_conflict();
	test_rules();
	test_refused();
	ok(path_remove_tree(top, &e) == 0, "cleaned up");
	return done_testing();
}
