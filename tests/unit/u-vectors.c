/* SPDX-License-Identifier: MIT */
/* u-vectors.c - golden vectors: what must be accepted and what must be refused */
#include <dirent.h>

#include "../vectors/vectors.h"
#include "tap.h"

#define VECTORS_DIR "tests/vectors"

/* Names in a directory, sorted, without those that begin with a dot. */
static void list_dir(struct strvec *names, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			strvec_push(names, d->d_name);
	if (dir)
		closedir(dir);
	strvec_sort(names);
}

static void check_vector(const struct vector_format *f, const char *name, bool accept)
{
	struct buf path = BUF_INIT, bytes = BUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	buf_addf(&path, VECTORS_DIR "/%s/%s", f->name, name);
	rc = vector_read(path.p, &bytes, &e);
	if (!ok(rc == 0, "%s/%s is readable %s", f->name, name, e.msg))
		goto out;
	rc = f->decode(bytes.p, bytes.len, &e);
	if (accept)
		ok(rc == 0, "%s/%s %s", f->name, name, rc ? e.msg : "");
	else
		ok(rc == ERR_CORRUPT || rc == ERR_INPUT || rc == ERR_LIMIT || rc == ERR_PROTO,
		   "%s/%s: %s", f->name, name, rc ? e.msg : "was accepted");
out:
	buf_release(&path);
	buf_release(&bytes);
}

static void check_format(const struct vector_format *f)
{
	struct strvec names = STRVEC_INIT;
	struct buf path = BUF_INIT;
	size_t accepted = 0, refused = 0;

	buf_addf(&path, VECTORS_DIR "/%s", f->name);
	list_dir(&names, path.p);
	for (size_t i = 0; i < names.nr; i++) {
		bool accept = str_startswith(names.v[i], "accept-", NULL);

		if (!accept && !str_startswith(names.v[i], "refuse-", NULL)) {
			ok(false, "%s/%s is neither accept- nor refuse-", f->name, names.v[i]);
			continue;
		}
		check_vector(f, names.v[i], accept);
		accepted += accept;
		refused += !accept;
	}
	ok(accepted && refused, "%s: %zu to accept, %zu to refuse", f->name, accepted, refused);
	strvec_release(&names);
	buf_release(&path);
}

int main(void)
{
	struct strvec dirs = STRVEC_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(vector_formats); i++)
		check_format(&vector_formats[i]);
	/* A directory without a row would be vectors that nobody reads. */
	list_dir(&dirs, VECTORS_DIR);
	for (size_t i = 0; i < dirs.nr; i++)
		if (!strchr(dirs.v[i], '.'))
			ok(vector_find(dirs.v[i], strlen(dirs.v[i])) != NULL, "%s is in the table",
			   dirs.v[i]);
	strvec_release(&dirs);
	return done_testing();
}
