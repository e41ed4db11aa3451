/* SPDX-License-Identifier: MIT */
/* dataset_attr.c - attributes by which git would change pointers; see dataset.h */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset.h"

enum { ATTR_PATH, ATTR_NAME, ATTR_VALUE, ATTR_FIELDS };

/* Does git leave the bytes alone with this value?  "unset" is -attr, "unspecified" nothing or !attr. */
static bool is_harmless(const char *attr, const char *value)
{
	if (!strcmp(attr, "text"))
		return !strcmp(value, "unset");
	return !strcmp(value, "unset") || !strcmp(value, "unspecified");
}

/* A line in the directory of the pointer comes before those of all directories above. */
static char *mend_of(const char *pointer)
{
	struct buf file = BUF_INIT, dir = BUF_INIT;
	char *word, *mend;

	path_dirname(&dir, pointer);
	path_join(&file, dir.p, ".gitattributes");
	word = path_word(file.p);
	mend = xstrfmt("echo '" POINTER_ATTRIBUTES " !working-tree-encoding' >>%s", word);
	free(word);
	buf_release(&file);
	buf_release(&dir);
	return mend;
}

static void report(const char *const *field, dataset_attr_fn cb, void *arg)
{
	char *what = xstrfmt("%s=%s", field[ATTR_NAME], field[ATTR_VALUE]);
	char *mend = mend_of(field[ATTR_PATH]);

	cb(arg, field[ATTR_PATH], what, mend);
	free(what);
	free(mend);
}

static int ask_git(struct repo *r, const struct strvec *roots, struct buf *out, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf names = BUF_INIT;
	int rc;

	strvec_pushl(&args, "check-attr", "-z", "--stdin", "text", "filter",
		     "working-tree-encoding", NULL);
	for (size_t i = 0; i < roots->nr; i++) {
		buf_addf(&names, "%s" POINTER_SUFFIX, roots->v[i]);
		buf_addch(&names, '\0');
	}
	rc = repo_git_runv(r, &args, &names, out, e);
	strvec_release(&args);
	buf_release(&names);
	return rc;
}

int dataset_attributes(struct repo *r, const struct strvec *roots, dataset_attr_fn cb, void *arg,
		       struct err *e)
{
	const char *field[ATTR_FIELDS], *last = "";
	struct buf out = BUF_INIT;
	size_t n = 0;
	int rc = roots->nr ? ask_git(r, roots, &out, e) : 0;

	for (size_t at = 0; rc == 0 && at < out.len; at += strlen(out.p + at) + 1) {
		field[n++] = out.p + at;
		if (n < ATTR_FIELDS)
			continue;
		n = 0;
		if (is_harmless(field[ATTR_NAME], field[ATTR_VALUE]) ||
		    !strcmp(last, field[ATTR_PATH])) /* one line a pointer is enough */
			continue;
		last = field[ATTR_PATH];
		report(field, cb, arg);
	}
	buf_release(&out);
	return rc;
}
