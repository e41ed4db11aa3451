/* SPDX-License-Identifier: MIT */
/* leaveout.c - what of a directory is no part of its dataset; see leaveout.h */
#include "data/leaveout.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "repo/workfile.h"

/* Trailing blanks do not count unless a backslash stands before them, as git has it. */
static size_t useful_length(const char *line, size_t n)
{
	if (n && line[n - 1] == '\r')
		n--;
	while (n && line[n - 1] == ' ' && !(n > 1 && line[n - 2] == '\\'))
		n--;
	return n;
}

int leaveout_read(struct repo *r, struct strvec *patterns, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = workfile_read(r, LEAVEOUT_FILE, &text, e);

	for (const char *line = text.p; rc > 0 && *line;) {
		size_t n = strcspn(line, "\n"), useful = useful_length(line, n);

		if (useful && *line != '#')
			strvec_pushn(patterns, line, useful);
		line += n + (line[n] == '\n');
	}
	buf_release(&text);
	return MIN(rc, 0);
}

/* "it belongs to root; " where it is not ours.  The scan's threads come here. */
static void add_owner(struct buf *out, const struct stat *st)
{
	struct passwd entry, *owner = NULL;
	char text[4096];

	if (st->st_uid == geteuid())
		return;
	if (getpwuid_r(st->st_uid, &entry, text, sizeof(text), &owner) == 0 && owner)
		buf_addf(out, "it belongs to %s (mode %04o); ", owner->pw_name,
			 st->st_mode & 07777U);
	else
		buf_addf(out, "it belongs to user %u (mode %04o); ", (unsigned int)st->st_uid,
			 st->st_mode & 07777U);
}

int leaveout_hint(int rootfd, const char *path, struct err *e)
{
	struct buf owner = BUF_INIT, line = BUF_INIT;
	struct stat st;
	char *word;

	if (fstatat(rootfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		add_owner(&owner, &st);
	pointer_ignore_line(path, &line);
	word = path_word(line.p);
	err_hint(e, "%sto leave it out of the dataset: echo %s >>" LEAVEOUT_FILE, owner.p, word);
	free(word);
	buf_release(&owner);
	buf_release(&line);
	return e ? e->code : ERR_INPUT;
}
