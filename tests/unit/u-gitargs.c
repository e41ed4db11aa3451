/* SPDX-License-Identifier: MIT */
/* u-gitargs.c - command lines of git push, read as git reads them */
#include "repo/gitargs.h"

#include <stdio.h>

#include "base/buf.h"

#include "tap.h"

/* Arguments separated by single blanks. */
static void check(const char *line, enum gitargs_push want)
{
	struct strvec argv = STRVEC_INIT;

	for (const char *at = line; *at;) {
		size_t len = strcspn(at, " ");

		strvec_pushn(&argv, at, len);
		at += len + (at[len] == ' ');
	}
	ok(gitargs_parse(&argv) == want, "%s", line);
	strvec_release(&argv);
}

/* `words` as our command gets them: what goes to git, and what stays. */
static void check_take(enum gitargs_command command, const char *words, const char *git,
		       const char *ours)
{
	struct strvec taken = STRVEC_INIT;
	struct buf got = BUF_INIT, kept = BUF_INIT;
	char line[200], *argv[20];
	int argc = 0;

	snprintf(line, sizeof(line), "%s", words);
	for (char *word = line; *word; argc++) {
		argv[argc] = word;
		word += strcspn(word, " ");
		if (*word)
			*word++ = '\0';
	}
	argv[argc] = NULL;
	gitargs_take(command, &argc, argv, &taken);
	for (size_t i = 0; i < taken.nr; i++)
		buf_addf(&got, "%s%s", i ? " " : "", taken.v[i]);
	for (int i = 1; i < argc; i++)
		buf_addf(&kept, "%s%s", i > 1 ? " " : "", argv[i]);
	ok(argv[argc] == NULL, "%s: the list ends", words);
	is_str(got.p, git, "for git");
	is_str(kept.p, ours, "for us");
	strvec_release(&taken);
	buf_release(&got);
	buf_release(&kept);
}

int main(void)
{
	enum gitargs_push push;
	struct err e = ERR_INIT;

	check("", GITARGS_NO_PUSH);
	check("sh .git/hooks/pre-push origin url", GITARGS_NO_PUSH);
	check("git", GITARGS_NO_PUSH);
	check("git fetch -n", GITARGS_NO_PUSH);
	check("git -C push fetch", GITARGS_NO_PUSH);
	check("git push", GITARGS_PUSH);
	check("/usr/lib/git-core/git push origin main", GITARGS_PUSH);
	check("git push -n", GITARGS_PUSH_DRY_RUN);
	check("git push --dry-run origin", GITARGS_PUSH_DRY_RUN);
	check("git push --dr origin", GITARGS_PUSH_DRY_RUN);
	check("git push origin main -n", GITARGS_PUSH_DRY_RUN);
	check("git push -vn", GITARGS_PUSH_DRY_RUN);
	check("git push -nuv", GITARGS_PUSH_DRY_RUN);
	check("git push -- -n", GITARGS_PUSH);
	check("git push -n --no-dry-run", GITARGS_PUSH);
	check("git push -o -n", GITARGS_PUSH);
	check("git push -on", GITARGS_PUSH);
	check("git push -o x -n", GITARGS_PUSH_DRY_RUN);
	check("git push --push-option -n", GITARGS_PUSH);
	check("git push --push-option=x -n", GITARGS_PUSH_DRY_RUN);
	check("git push --push-o -n", GITARGS_PUSH);
	check("git push --repo -n", GITARGS_PUSH);
	check("git push --receive-pack -n x", GITARGS_PUSH);
	check("git push --force-with-lease -n", GITARGS_PUSH_DRY_RUN);
	check("git push --signed -n", GITARGS_PUSH_DRY_RUN);
	check("git -C dir -c a.b=-n --git-dir=x push", GITARGS_PUSH);
	check("git -C dir -p --git-dir x push -n", GITARGS_PUSH_DRY_RUN);
	check("git-push -n", GITARGS_PUSH_DRY_RUN);
	check("/usr/lib/git-core/git-push origin", GITARGS_PUSH);
	check_take(GITARGS_OF_PULL, "pull --no-rebase origin main", "--no-rebase", "origin main");
	check_take(GITARGS_OF_PULL, "pull --rebase=merges --ff-only", "--rebase=merges --ff-only",
		   "");
	check_take(GITARGS_OF_PULL, "pull -q -r -v", "-r", "-q -v");
	check_take(GITARGS_OF_PULL, "pull -s ours -Xtheirs origin", "-s ours -Xtheirs", "origin");
	check_take(GITARGS_OF_PULL, "pull --depth 1 --autost --progress", "--depth 1 --autost",
		   "--progress");
	check_take(GITARGS_OF_PULL, "pull --frobnicate --no-", "", "--frobnicate --no-");
	check_take(GITARGS_OF_PULL, "pull -- --rebase", "", "-- --rebase");
	check_take(GITARGS_OF_PULL, "pull --strategy", "--strategy", "");
	check_take(GITARGS_OF_PUSH, "push -u --force-with-lease=x origin",
		   "-u --force-with-lease=x", "origin");
	check_take(GITARGS_OF_PUSH, "push -n --dry-run --data-only --all", "",
		   "-n --dry-run --data-only --all");
	check_take(GITARGS_OF_PUSH, "push -o ci.skip --no-verify -f x", "-o ci.skip --no-verify -f",
		   "x");
	ok(gitargs_of_ancestor(&push, &e) == ERR_NOTFOUND, "this test is not run by git push");
	return done_testing();
}
