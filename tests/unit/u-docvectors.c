/* SPDX-License-Identifier: MIT */
/*
 * u-docvectors.c - the examples in the manual pages of formats are decoded
 *
 *	// vector: recipe/two-chunks
 *	----
 *	44 4f 50 52  magic
 *	----
 *
 * The word before the slash names a format of tests/vectors/vectors.h, whose
 * parser must accept the block that follows directly.
 */
#include <dirent.h>

#include "../vectors/vectors.h"
#include "tap.h"

#define DOCS_DIR "git-deepops/docs"
#define FENCE "----\n"

static unsigned int seen[ARRAY_SIZE(vector_formats)];

static void check_block(const char *file, const char *name, const char *text, size_t len)
{
	const struct vector_format *f = vector_find(name, strcspn(name, "/"));
	struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = 0;

	if (!ok(f != NULL, "%s: '%s' names a format", file, name))
		return;
	if (f->form == VECTOR_HEX)
		rc = vector_unhex(&bytes, text, len, &e);
	else
		buf_add(&bytes, text, len);
	if (rc == 0)
		rc = f->decode(bytes.p, bytes.len, &e);
	ok(rc == 0, "%s: %s is what the code reads %s", file, name, rc ? e.msg : "");
	seen[f - vector_formats]++;
	buf_release(&bytes);
}

static void check_page(const char *file)
{
	struct buf path = BUF_INIT, page = BUF_INIT;
	struct err e = ERR_INIT;
	const char *p;

	buf_addf(&path, DOCS_DIR "/%s", file);
	if (io_read_file(AT_FDCWD, path.p, MIB, &page, &e) < 0)
		ok(false, "%s", e.msg);
	for (p = page.p; (p = strstr(p, "\n// vector: ")) != NULL;) {
		struct buf name = BUF_INIT;
		const char *start, *end = NULL;

		p += strlen("\n// vector: ");
		start = p + strcspn(p, "\n");
		buf_add(&name, p, (size_t)(start - p));
		if (str_startswith(start, "\n" FENCE, &start))
			end = strstr(start - 1, "\n" FENCE);
		if (ok(end != NULL, "%s: a block follows '%s'", file, name.p))
			check_block(file, name.p, start, (size_t)(end + 1 - start));
		buf_release(&name);
	}
	buf_release(&path);
	buf_release(&page);
}

int main(void)
{
	DIR *dir = opendir(DOCS_DIR);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL)
		if (str_endswith(d->d_name, ".5.adoc"))
			check_page(d->d_name);
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < ARRAY_SIZE(vector_formats); i++)
		ok(seen[i] > 0, "%s has an example in a page (%u)", vector_formats[i].name,
		   seen[i]);
	return done_testing();
}
