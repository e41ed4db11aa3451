/* SPDX-License-Identifier: MIT */
/*
 * markdown.h - text from anywhere inside Markdown that we write
 *
 * For what people paste into a review: names, titles and messages are others' words.
 */
#ifndef BASE_MARKDOWN_H
#define BASE_MARKDOWN_H

#include "base/buf.h"

/* Append `text` so that nothing of it is markup; control bytes become '?'. */
void markdown_escape(struct buf *out, const char *text);

#endif
