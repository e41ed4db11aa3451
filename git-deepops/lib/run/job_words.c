/* SPDX-License-Identifier: MIT */
/*
 * job_words.c - words of the command that name this work tree; see job_internal.h
 *
 * "/home/u/repo/pkg/train.py" means another file in every clone, and in a rerun it would be
 * today's file of the user.  It is recorded as seen from the working directory.
 */
#include <stdlib.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

/* Can `c` be part of the path before or behind a match? */
static bool is_path_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.' || c == '/' || c == '~' || (unsigned char)c >= 0x80;
}

/* "." at the top, "../.." two directories below it. */
static void way_to_top(const struct job *j, struct buf *out)
{
	const char *prefix = repo_prefix(j->repo);

	for (const char *at = prefix; *at;) {
		size_t len = strcspn(at, "/");

		buf_addf(out, "%s..", out->len ? "/" : "");
		at += len + (at[len] == '/');
	}
	if (!out->len)
		buf_addch(out, '.');
}

/* The path behind the top of the tree, as seen from the working directory. */
static void add_relative(const struct job *j, const char *rest, size_t len, bool bare,
			 struct buf *out)
{
	const char *prefix = repo_prefix(j->repo);
	size_t n = strlen(prefix);

	while (n && prefix[n - 1] == '/')
		n--;
	if (n && len > n && !strncmp(rest + 1, prefix, n) && rest[1 + n] == '/') {
		buf_addf(out, "%s%.*s", bare ? "" : "./", (int)(len - n - 2), rest + n + 2);
	} else if (!n && len > 1 && bare && rest[1] != '-') {
		buf_add(out, rest + 1, len - 1);
	} else {
		way_to_top(j, out);
		buf_add(out, rest, len);
	}
}

/* `bare`: a word that is a path may stand without "./". */
static void replace_top(const struct job *j, const char *top, const char *word, bool bare,
			struct buf *out)
{
	size_t n = strlen(top);

	for (const char *at = word; *at;) {
		bool starts = at == word || !is_path_byte(at[-1]);
		size_t len;

		if (!starts || strncmp(at, top, n) != 0 || (is_path_byte(at[n]) && at[n] != '/')) {
			buf_addch(out, *at++);
			continue;
		}
		for (len = 0; is_path_byte(at[n + len]); len++)
			;
		add_relative(j, at + n, len, bare && (at == word || at[-1] == '='), out);
		at += n + len;
	}
}

void job_relative_word(const struct job *j, const char *word, bool program, struct buf *out)
{
	const char *top = repo_worktree(j->repo), *pwd = getenv("PWD");
	const char *prefix = repo_prefix(j->repo);
	bool bare = !program && !strpbrk(word, " ;|&()<>");
	struct buf logical = BUF_INIT, once = BUF_INIT;
	size_t n = strlen(prefix);
	char *real = pwd ? realpath(pwd, NULL) : NULL;

	while (n && prefix[n - 1] == '/')
		n--;
	/* The name of the top that the user sees, where links lead to it. */
	if (real && path_is_in(real, top) && strlen(pwd) > n + 1 &&
	    !strncmp(pwd + strlen(pwd) - n, prefix, n)) {
		buf_add(&logical, pwd, strlen(pwd) - n - (n ? 1 : 0));
		while (logical.len > 1 && logical.p[logical.len - 1] == '/')
			buf_setlen(&logical, logical.len - 1);
	}
	replace_top(j, top, word, bare, &once);
	if (logical.len > 1 && strcmp(logical.p, top) != 0)
		replace_top(j, logical.p, once.p, bare, out);
	else
		buf_addbuf(out, &once);
	free(real);
	buf_release(&logical);
	buf_release(&once);
}
