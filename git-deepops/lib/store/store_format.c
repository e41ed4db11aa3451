/* SPDX-License-Identifier: MIT */
/* store_format.c - the `format` file of a store; see store.h, gitformat-deepops-store(5), FORMAT FILE */
#include <fcntl.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/random.h"
#include "base/tempfile.h"
#include "store/store_internal.h"

#define FORMAT_MAX_BYTES (4 * KIB)
#define FIRST_LINE "deepops-store 1"

/* Every feature this program knows, by set.  None is needed by version 1 itself. */
static const char *const known_incompatible[] = {NULL};
static const char *const known_readonly[] = {NULL};

static bool is_known(const char *const *known, const char *name)
{
	for (; *known; known++)
		if (!strcmp(*known, name))
			return true;
	return false;
}

/* `line` is "<key>" or "<key> name name ..."; the first unknown name is copied to `unknown`. */
static int check_features(const char *line, size_t len, const char *const *known,
			  struct buf *unknown, struct err *e)
{
	size_t at = 0;

	while (at < len) {
		size_t end = at + 1;
		struct buf name = BUF_INIT;

		while (end < len && line[end] != ' ')
			end++;
		if (line[at] != ' ' || end == at + 1)
			return err_set(e, ERR_INPUT, "format: malformed feature list");
		buf_add(&name, line + at + 1, end - at - 1);
		if (unknown->len == 0 && !is_known(known, name.p))
			buf_addbuf(unknown, &name);
		buf_release(&name);
		at = end;
	}
	return 0;
}

/* Take "<key>" off the front of the next line; rest and its length are what follows up to the LF. */
static int next_line(const char **p, const char *end, const char *key, const char **rest,
		     size_t *len, struct err *e)
{
	size_t n = strlen(key);
	const char *lf = memchr(*p, '\n', (size_t)(end - *p));

	if (!lf || (size_t)(lf - *p) < n || memcmp(*p, key, n) != 0)
		return err_set(e, ERR_INPUT, "format: expected a line \"%s\"", key);
	*rest = *p + n;
	*len = (size_t)(lf - *rest);
	*p = lf + 1;
	return 0;
}

int store_format_parse(const struct buf *text, struct store_format *out, struct err *e)
{
	static const char *const sets[] = {"compatible", "read-only-compatible", "incompatible"};
	static const char *const none[] = {NULL};
	const char *p = text->p, *end = p + text->len, *rest;
	struct buf unknown[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
	const char *const *known[] = {none, known_readonly, known_incompatible};
	size_t len;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = next_line(&p, end, FIRST_LINE, &rest, &len, e);
	if (rc < 0 || len)
		return err_set(e, ERR_INPUT, "format: not a version 1 store");
	rc = next_line(&p, end, "uuid ", &rest, &len, e);
	if (rc == 0 && (len != 32 || !hex_decode(out->uuid, rest, 16)))
		rc = err_set(e, ERR_INPUT, "format: malformed uuid");
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(sets); i++) {
		rc = next_line(&p, end, sets[i], &rest, &len, e);
		if (rc == 0)
			rc = check_features(rest, len, known[i], &unknown[i], e);
	}
	if (rc == 0 && p != end)
		rc = err_set(e, ERR_INPUT, "format: something follows the last line");
	if (rc == 0 && unknown[2].len)
		rc = err_set(e, ERR_INPUT,
			     "store needs the feature \"%s\", which this program lacks",
			     unknown[2].p);
	out->readonly = unknown[1].len > 0;
	snprintf(out->readonly_feature, sizeof(out->readonly_feature), "%s", unknown[1].p);
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
		buf_release(&unknown[i]);
	return rc;
}

int store_format_read(const char *dir, struct store_format *out, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc;

	path_join(&path, dir, "format");
	rc = io_read_file(AT_FDCWD, path.p, FORMAT_MAX_BYTES, &text, e);
	if (rc == 0)
		rc = store_format_parse(&text, out, e);
	buf_release(&path);
	buf_release(&text);
	return rc < 0 ? err_wrap(e, "store %s", dir) : 0;
}

int store_format_write(const char *dir, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	char uuid[33];
	int rc;

	random_hex(uuid, 32);
	buf_addf(&text, FIRST_LINE "\nuuid %s\ncompatible\nread-only-compatible\nincompatible\n",
		 uuid);
	path_join(&path, dir, "format");
	rc = tempfile_write(path.p, 0644, text.p, text.len, e);
	buf_release(&path);
	buf_release(&text);
	return rc;
}
