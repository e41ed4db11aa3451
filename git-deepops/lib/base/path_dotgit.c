/* SPDX-License-Identifier: MIT */
/* path_dotgit.c - which names some file system takes for ".git"; see path.h */
#include <strings.h>

#include "base/path.h"

/*
 * HFS+ leaves these code points out when it compares names: U+200C to U+200F, U+202A to U+202E,
 * U+206A to U+206F and U+FEFF.  Length in bytes of the one at `p`, 0 if there is none.
 */
static size_t ignorable(const unsigned char *p, size_t left)
{
	if (left < 3)
		return 0;
	if (p[0] == 0xef)
		return p[1] == 0xbb && p[2] == 0xbf ? 3 : 0;
	if (p[0] != 0xe2)
		return 0;
	if (p[1] == 0x80)
		return (p[2] >= 0x8c && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae) ? 3 : 0;
	return p[1] == 0x81 && p[2] >= 0xaa && p[2] <= 0xaf ? 3 : 0;
}

static bool is_hfs_dotgit(const char *name, size_t len)
{
	static const char want[] = ".git";
	size_t matched = 0;

	for (size_t i = 0; i < len;) {
		size_t skip = ignorable((const unsigned char *)name + i, len - i);

		if (skip) {
			i += skip;
			continue;
		}
		if (matched == 4 || strncasecmp(name + i, want + matched, 1) != 0)
			return false;
		matched++;
		i++;
	}
	return matched == 4;
}

/* NTFS: the short name, and blanks, dots or the name of a stream behind either. */
static bool is_ntfs_dotgit(const char *name, size_t len)
{
	size_t at;

	if (len >= 4 && !strncasecmp(name, ".git", 4))
		at = 4;
	else if (len >= 5 && !strncasecmp(name, "git~1", 5))
		at = 5;
	else
		return false;
	while (at < len && (name[at] == ' ' || name[at] == '.'))
		at++;
	return at == len || name[at] == ':' || name[at] == '\\';
}

bool path_is_dotgit(const char *name, size_t len)
{
	const char *part = name, *end = name + len;

	if (is_hfs_dotgit(name, len))
		return true;
	for (;;) { /* to NTFS a backslash is a slash */
		const char *next = memchr(part, '\\', (size_t)(end - part));

		if (is_ntfs_dotgit(part, (size_t)(end - part)))
			return true;
		if (!next)
			return false;
		part = next + 1;
	}
}
