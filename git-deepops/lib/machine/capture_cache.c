/* SPDX-License-Identifier: MIT */
/* capture_cache.c - lines that hold as long as some files stay as they are; see capture_internal.h */
#include <fcntl.h>

#include "base/io.h"
#include "base/tempfile.h"
#include "machine/capture_internal.h"

/* header, stamp, digest of the lines, lines: what is cut off or damaged is no cache */
#define CACHE_HEADER "deepops-cache 1\n"

bool capture_cache_load(const char *dir, const char *name, const struct chunkid *stamp,
			struct strvec *lines)
{
	struct buf path = BUF_INIT, text = BUF_INIT, head = BUF_INIT;
	struct chunkid sum;
	const char *at;
	bool good;

	buf_addf(&path, "%s/%s", dir, name);
	buf_addf(&head, CACHE_HEADER "%s\n", chunkid_text(stamp).s);
	good = io_read_file(AT_FDCWD, path.p, CAPTURE_MAX_BYTES, &text, NULL) == 0 &&
	       buf_startswith(&text, head.p) && text.len >= head.len + CHUNKID_TEXT_BYTES;
	if (good) {
		at = text.p + head.len + CHUNKID_TEXT_BYTES; /* behind its line end */
		chunkid_of(&sum, at, (size_t)(text.p + text.len - at));
		good = !strncmp(text.p + head.len, chunkid_text(&sum).s, CHUNKID_TEXT_BYTES - 1);
	}
	for (; good && *at; at += strcspn(at, "\n") + 1)
		strvec_pushn(lines, at, strcspn(at, "\n"));
	buf_release(&path);
	buf_release(&text);
	buf_release(&head);
	return good;
}

void capture_cache_save(const char *dir, const char *name, const struct chunkid *stamp,
			const struct strvec *lines)
{
	struct buf path = BUF_INIT, text = BUF_INIT, body = BUF_INIT;
	struct tempfile *t = NULL;
	struct chunkid sum;

	for (size_t i = 0; i < lines->nr; i++)
		buf_addf(&body, "%s\n", lines->v[i]);
	chunkid_of(&sum, body.p, body.len);
	buf_addf(&text, CACHE_HEADER "%s\n", chunkid_text(stamp).s);
	buf_addf(&text, "%s\n", chunkid_text(&sum).s);
	buf_addbuf(&text, &body);
	buf_addf(&path, "%s/%s", dir, name);
	if (tempfile_create(&t, dir, 0644, NULL) < 0 ||
	    io_write_all(tempfile_fd(t), text.p, text.len, NULL) < 0 ||
	    tempfile_close(t, NULL) < 0 || tempfile_rename(&t, path.p, TEMPFILE_REPLACE, NULL) < 0)
		tempfile_abort(&t);
	buf_release(&path);
	buf_release(&text);
	buf_release(&body);
}
