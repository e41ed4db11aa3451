/* SPDX-License-Identifier: MIT */
/* markdown.c - text from anywhere inside Markdown; see markdown.h */
#include "base/markdown.h"

#include "base/err.h"
#include "base/xalloc.h"

void markdown_escape(struct buf *out, const char *text)
{
	size_t size = strlen(text) + 1;
	char *clean = xmalloc(size);

	err_sanitize(clean, size, text);
	for (const char *s = clean; *s; s++) {
		if (strchr("\\`*_{}[]<>()#+-.!|~&", *s))
			buf_addch(out, '\\');
		buf_addch(out, *s);
	}
	free(clean);
}
