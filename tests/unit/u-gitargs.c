/* SPDX-License-Identifier: MIT */
/* u-gitargs.c - command lines of git push, read as git reads them */
#include "repo/gitargs.h"

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
	ok(gitargs_of_ancestor(&push, &e) == ERR_NOTFOUND, "this test is not run by git push");
	return done_testing();
}
