/* SPDX-License-Identifier: MIT */
/* judge_plain.c - new commits that put a dataset's files into git itself; see judge_internal.h */
#include "base/path.h"
#include "base/xalloc.h"
#include "data/plain.h"
#include "policy/judge_internal.h"

/* plain_fn */
static int one_root(void *arg, const struct repo_oid *commit, const char *root, const char *path,
		    struct err *e)
{
	struct verdict_finding *f =
		judge_say(arg, commit, REASON_DATA_PLAIN, "data of %s is in git itself, such as %s",
			  root, path);
	char *word = path_word(root);

	(void)e;
	if (f)
		f->fix = xstrfmt("git rm -r -q --cached -- %s && git commit --amend", word);
	free(word);
	return 0;
}

int judge_plain(struct judge_pass *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n && !judge_expired(p); i++) {
		rc = plain_in_commit(p->j->in->repo, &p->commits[i], one_root, p, e);
		if (rc == ERR_NOTFOUND || rc == ERR_LIMIT) { /* as for the roots of data */
			err_clear(e);
			rc = 0;
		}
	}
	return rc;
}
