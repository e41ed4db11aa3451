/* SPDX-License-Identifier: MIT */
/* doctor_datasets.c - is every dataset safe from git?  see doctor.h */
#include "base/xalloc.h"
#include "cmd/doctor.h"
#include "data/dataset.h"
#include "repo/tree.h"

struct branches {
	struct doctor *doctor;
	const struct strvec *roots;
};

/*
 * git treats ignored files as expendable: checking out a branch that has plain files
 * where a dataset lies overwrites them without a word.
 */
static int check_branch(void *arg, const char *name, const struct repo_oid *id, struct err *e)
{
	struct branches *b = arg;
	struct repo_oid tree;
	int rc = repo_commit_tree(b->doctor->repo, id, &tree, e);

	for (size_t i = 0; rc == 0 && i < b->roots->nr; i++) {
		const char *root = b->roots->v[i];
		struct tree_entry entry;

		rc = tree_find(b->doctor->repo, &tree, root, &entry, e);
		if (rc == 1) {
			char *mend = xstrfmt("git deepops track %s on that branch", root);

			cmd_doctor_say(
				b->doctor, DOCTOR_BROKEN, root, mend,
				"%s has plain files there: to check it out overwrites the data",
				name);
			free(mend);
			rc = 0;
		}
	}
	return rc;
}

static void check_pointer(struct doctor *d, const char *root)
{
	struct err why = ERR_INIT;
	struct pointer p;

	pointer_init(&p);
	if (dataset_pointer(d->repo, NULL, root, &p, &why) < 0)
		cmd_doctor_err(d, root, &why);
	pointer_release(&p);
}

/* Tracked by git itself, the data would be in the history, too. */
static int check_ignored(struct doctor *d, const char *root, struct err *e)
{
	struct buf out = BUF_INIT;
	char *spec = xstrfmt(":(top,literal)%s", root);
	int rc = repo_git_run(d->repo, &out, e, "ls-files", "-z", "--", spec, NULL);

	if (rc == 0 && out.len) {
		char *mend = xstrfmt("git rm -r --cached %s", root);

		cmd_doctor_say(d, DOCTOR_BROKEN, root, mend, "its files are in git's index, too");
		free(mend);
	}
	free(spec);
	buf_release(&out);
	return rc;
}

/* A pointer that git mv moved: its data has no line in .gitignore yet. */
static int check_unignored(struct doctor *d, const struct strvec *roots, struct err *e)
{
	struct strvec unignored = STRVEC_INIT;
	int rc = dataset_unignored(d->repo, roots, &unignored, e);

	for (size_t i = 0; i < unignored.nr; i++) {
		char *mend = xstrfmt("git deepops track %s", unignored.v[i]);

		cmd_doctor_say(d, DOCTOR_BROKEN, unignored.v[i], mend,
			       "git does not ignore it: git add would take the data itself");
		free(mend);
	}
	strvec_release(&unignored);
	return rc;
}

int cmd_doctor_datasets(struct doctor *d, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	struct branches b = {d, &roots};
	int rc = dataset_roots(d->repo, NULL, &roots, e);

	for (size_t i = 0; rc == 0 && i < roots.nr; i++) {
		check_pointer(d, roots.v[i]);
		rc = check_ignored(d, roots.v[i], e);
	}
	if (rc == 0)
		rc = check_unignored(d, &roots, e);
	if (rc == 0 && roots.nr)
		rc = repo_ref_each(d->repo, "refs/heads/", check_branch, &b, e);
	if (rc == 0 && roots.nr)
		rc = repo_ref_each(d->repo, "refs/remotes/", check_branch, &b, e);
	if (rc == 0 && roots.nr)
		cmd_doctor_say(d, DOCTOR_PRESENT, "datasets", NULL, "%zu tracked", roots.nr);
	strvec_release(&roots);
	return rc;
}
