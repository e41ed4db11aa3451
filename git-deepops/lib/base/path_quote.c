/* SPDX-License-Identifier: MIT */
/* path_quote.c - names as text: C-quoting, shell words, UTF-8; see path.h */
#include "base/path.h"
#include "base/utf8.h"

static bool byte_needs_quote(unsigned char c)
{
	return c < 0x20 || c >= 0x7f || c == '"' || c == '\\';
}

static bool path_needs_quote(const char *name, size_t len)
{
	if (len && (name[0] == ' ' || name[len - 1] == ' '))
		return true;
	for (size_t i = 0; i < len; i++)
		if (byte_needs_quote((unsigned char)name[i]))
			return true;
	return false;
}

static const char escape_letters[] = "abtnvfr"; /* of bytes 7 to 13, in order */

static void quote_byte(struct buf *out, unsigned char c)
{
	if (!byte_needs_quote(c)) {
		buf_addch(out, c);
	} else if (c == '"' || c == '\\') {
		buf_addch(out, '\\');
		buf_addch(out, c);
	} else if (c >= 7 && c <= 13) {
		buf_addch(out, '\\');
		buf_addch(out, escape_letters[c - 7]);
	} else {
		buf_addf(out, "\\%03o", c);
	}
}

void path_quote(struct buf *out, const char *name, size_t len)
{
	if (!path_needs_quote(name, len)) {
		buf_add(out, name, len);
		return;
	}
	buf_addch(out, '"');
	for (size_t i = 0; i < len; i++)
		quote_byte(out, (unsigned char)name[i]);
	buf_addch(out, '"');
}

/* Decode one escape at p (after the backslash); returns bytes used, 0 if it is none. */
static size_t unquote_escape(const char *p, size_t left, unsigned char *value)
{
	const char *letter;
	unsigned int v = 0;

	if (!left || !*p)
		return 0;
	if (*p == '"' || *p == '\\') {
		*value = (unsigned char)*p;
		return 1;
	}
	letter = strchr(escape_letters, *p);
	if (letter) {
		*value = (unsigned char)(7 + (letter - escape_letters));
		return 1;
	}
	if (left < 3)
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (p[i] < '0' || p[i] > '7')
			return 0;
		v = v * 8 + (unsigned int)(p[i] - '0');
	}
	*value = (unsigned char)v;
	return v && v <= 0xff ? 3 : 0;
}

static bool unquote_inside(struct buf *out, const char *p, const char *end)
{
	while (p < end) {
		unsigned char c = (unsigned char)*p++;

		if (c == '\\') {
			size_t used = unquote_escape(p, (size_t)(end - p), &c);

			if (!used)
				return false;
			p += used;
		}
		buf_addch(out, c);
	}
	return true;
}

int path_unquote(struct buf *out, const char *text, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	size_t start = out->len;
	bool good;

	if (len && text[0] == '"') {
		good = len >= 2 && text[len - 1] == '"' &&
		       unquote_inside(out, text + 1, text + len - 1);
	} else {
		buf_add(out, text, len);
		good = true;
	}
	/* One value has one spelling: whatever quotes to other bytes is refused. */
	if (good) {
		path_quote(&again, out->p + start, out->len - start);
		good = again.len == len && !memcmp(again.p, text, len);
	}
	buf_release(&again);
	if (good)
		return 0;
	buf_setlen(out, start);
	return err_set(e, ERR_INPUT, "name is not in canonical quoting: %.*s",
		       (int)MIN(len, (size_t)100), text);
}

void path_shell_quote(struct buf *out, const char *s)
{
	buf_addch(out, '\'');
	for (; *s; s++) {
		/* '!' too, as git does: csh expands it even between single quotes. */
		if (*s == '\'' || *s == '!')
			buf_addf(out, "'\\%c'", *s);
		else
			buf_addch(out, *s);
	}
	buf_addch(out, '\'');
}

static bool is_plain_word(const char *s)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_./:@%+,-";

	return *s && *s != '-' && !s[strspn(s, plain)];
}

static bool is_shown(const char *s)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + strlen(s);
	size_t n = 1;

	for (; n && p < end; p += n)
		n = utf8_shown(p, (size_t)(end - p));
	return n;
}

char *path_word(const char *s)
{
	struct buf out = BUF_INIT;

	if (is_plain_word(s)) {
		buf_addstr(&out, s);
	} else if (is_shown(s)) {
		path_shell_quote(&out, s);
	} else {
		buf_addstr(&out, "$'");
		for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
			if (*p < 0x20 || *p >= 0x7f)
				buf_addf(&out, "\\%03o", *p);
			else if (*p == '\'' || *p == '\\')
				buf_addf(&out, "\\%c", *p);
			else
				buf_addch(&out, *p);
		}
		buf_addch(&out, '\'');
	}
	return buf_detach(&out, NULL);
}

bool path_is_clean_utf8(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;

	while (p < end) {
		size_t n = utf8_length(p, (size_t)(end - p));

		/* U+0080 to U+009F are control characters as well. */
		if (!n || *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return false;
		p += n;
	}
	return true;
}

void path_text(struct buf *out, const char *s)
{
	size_t len = strlen(s);

	if (s[0] != '"' && path_is_clean_utf8(s, len))
		buf_add(out, s, len);
	else
		path_quote(out, s, len);
}
