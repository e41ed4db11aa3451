/* SPDX-License-Identifier: MIT */
/* doctor_datasets.c - is every dataset safe from git?  see doctor.h */
#include "base/path.h"
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
			char *word = path_word(root);
			char *mend = xstrfmt("git deepops track %s on that branch", word);

			cmd_doctor_say(
				b->doctor, DOCTOR_BROKEN, root, mend,
				"%s has plain files there: to check it out overwrites the data",
				name);
			free(mend);
			free(word);
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

/* dataset_in_git_fn */
static void note_in_git(void *arg, const char *root, const char *path, bool submodule)
{
	(void)path;
	(void)submodule;
	if (!strvec_has(arg, root))
		strvec_push(arg, root);
}

/* Each of `roots` is broken; `mend` with its name behind it mends it. */
static void say_each(struct doctor *d, const struct strvec *roots, const char *mend,
		     const char *what)
{
	for (size_t i = 0; i < roots->nr; i++) {
		char *word = path_word(roots->v[i]);
		char *command = xstrfmt("%s %s", mend, word);

		cmd_doctor_say(d, DOCTOR_BROKEN, roots->v[i], command, "%s", what);
		free(command);
		free(word);
	}
}

/* Tracked by git itself, the data would be in the history, too. */
static int check_in_git(struct doctor *d, const struct strvec *roots, struct err *e)
{
	struct strvec found = STRVEC_INIT;
	int rc = dataset_in_git(d->repo, roots, note_in_git, &found, e);

	say_each(d, &found, "git rm -r -q --cached --", "its files are in git's index, too");
	strvec_release(&found);
	return rc;
}

/* A pointer that git mv moved: its data has no line in .gitignore yet. */
static int check_unignored(struct doctor *d, const struct strvec *roots, struct err *e)
{
	struct strvec unignored = STRVEC_INIT, only_here = STRVEC_INIT;
	int rc = dataset_unignored(d->repo, roots, &unignored, &only_here, e);

	say_each(d, &unignored, "git deepops track",
		 "git does not ignore it: git add would take the data itself");
	say_each(d, &only_here, "git deepops track",
		 "git does not ignore it in other clones: git add would take the data itself");
	strvec_release(&unignored);
	strvec_release(&only_here);
	return rc;
}

/* dataset_attr_fn */
static void say_attribute(void *arg, const char *pointer, const char *what, const char *mend)
{
	cmd_doctor_say(arg, DOCTOR_BROKEN, pointer, mend,
		       "git changes its bytes by the attribute %s: no clone can read it", what);
}

int cmd_doctor_datasets(struct doctor *d, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	struct branches b = {d, &roots};
	int rc = dataset_roots(d->repo, NULL, &roots, e);

	for (size_t i = 0; rc == 0 && i < roots.nr; i++)
		check_pointer(d, roots.v[i]);
	if (rc == 0)
		rc = check_in_git(d, &roots, e);
	if (rc == 0)
		rc = dataset_attributes(d->repo, &roots, say_attribute, d, e);
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
