/* SPDX-License-Identifier: MIT */
/* scrub.c - secrets out of streams; see scrub.h */
#include "run/scrub.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/hex.h"
#include "base/xalloc.h"

#define PART_MIN_BYTES 8 /* of a spelling that covers the value only in part */

static const char mask[] = "***";

void scrub_init(struct scrub *s)
{
	memset(s, 0, sizeof(*s));
	strvec_init(&s->names);
	strvec_init(&s->values);
}

void scrub_release(struct scrub *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].text);
	free(s->v);
	strvec_release(&s->names);
	strvec_release(&s->values);
	scrub_init(s);
}

/* ---- spellings ---- */

static void trimmed(const char *value, struct buf *out)
{
	size_t lead = strspn(value, " \t\r\n");

	buf_addstr(out, value + lead);
	buf_rtrim(out);
}

bool scrub_too_short(const char *value)
{
	struct buf b = BUF_INIT;
	bool is;

	trimmed(value, &b);
	is = b.len < SCRUB_MIN_BYTES;
	buf_release(&b);
	return is;
}

static int longer_first(const void *a, const void *b)
{
	const struct scrub_spelling *x = a, *y = b;

	return x->len < y->len ? 1 : x->len > y->len ? -1 : strcmp(x->text, y->text);
}

static void add_spelling(struct scrub *s, size_t name, const char *text, size_t len)
{
	if (len < SCRUB_MIN_BYTES)
		return;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].len == len && !memcmp(s->v[i].text, text, len))
			return;
	XGROW(s->v, s->n + 1, s->alloc);
	s->v[s->n++] = (struct scrub_spelling){xstrndup(text, len), len, name};
	s->first[(unsigned char)*text] = true;
}

static void add_percent(struct scrub *s, size_t name, const char *value, const char *keep,
			bool lower)
{
	struct buf b = BUF_INIT;

	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (isalnum(c) || strchr(keep, c))
			buf_addch(&b, c);
		else
			buf_addf(&b, lower ? "%%%02x" : "%%%02X", c);
	}
	add_spelling(s, name, b.p, b.len);
	for (char *p = b.p; (p = strstr(p, "%20")); p++) {
		*p = '+'; /* of HTML forms */
		buf_remove(&b, (size_t)(p + 1 - b.p), 2);
	}
	add_spelling(s, name, b.p, b.len);
	buf_release(&b);
}

static void add_json(struct scrub *s, size_t name, const char *value)
{
	struct buf b = BUF_INIT;

	for (const char *p = value; *p; p++) {
		static const char from[] = "\n\t\r\"\\", to[] = "ntr\"\\";
		const char *q = strchr(from, *p);

		if (q)
			buf_addch(&b, '\\');
		buf_addch(&b, q ? to[q - from] : *p);
	}
	add_spelling(s, name, b.p, b.len);
	buf_release(&b);
}

static void add_hex(struct scrub *s, size_t name, const char *value)
{
	size_t len = strlen(value);
	char *hex = xmalloc(2 * len + 1);

	hex_encode(hex, (const uint8_t *)value, len);
	add_spelling(s, name, hex, 2 * len);
	for (char *p = hex; *p; p++)
		*p = (char)toupper((unsigned char)*p);
	add_spelling(s, name, hex, 2 * len);
	free(hex);
}

/* The digits that depend on the value alone when `shift` bytes (0 to 2) stand before it. */
static void base64_core(const char *value, size_t shift, bool url, struct buf *out)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(value), from = (8 * shift + 5) / 6, end = 8 * (shift + len) / 6;

	for (size_t digit = from; digit < end; digit++) {
		unsigned int six = 0;

		for (size_t bit = 6 * digit; bit < 6 * digit + 6; bit++)
			six = six << 1 | ((unsigned int)(unsigned char)value[bit / 8 - shift] >>
						  (7 - bit % 8) &
					  1);
		buf_addch(out, url && six > 61 ? (six == 62 ? '-' : '_') : plain[six]);
	}
}

static void add_base64(struct scrub *s, size_t name, const char *value)
{
	struct buf b = BUF_INIT;

	for (size_t shift = 0; shift < 3; shift++) {
		for (int url = 0; url < 2; url++) {
			buf_reset(&b);
			base64_core(value, shift, url, &b);
			if (b.len >= PART_MIN_BYTES || (!shift && b.len >= SCRUB_MIN_BYTES))
				add_spelling(s, name, b.p, b.len);
		}
	}
	buf_release(&b);
}

void scrub_add(struct scrub *s, const char *name, const char *value)
{
	size_t n = s->names.nr;
	struct buf b = BUF_INIT;

	strvec_push(&s->names, name);
	strvec_push(&s->values, value);
	add_spelling(s, n, value, strlen(value));
	trimmed(value, &b);
	add_spelling(s, n, b.p, b.len);
	add_percent(s, n, b.p, "-_.~", false);
	add_percent(s, n, b.p, "-_.~", true);
	add_percent(s, n, b.p, "-_.~/", false);
	add_json(s, n, b.p);
	add_hex(s, n, b.p);
	add_base64(s, n, b.p);
	buf_release(&b);
	qsort(s->v, s->n, sizeof(*s->v), longer_first);
}

/* ---- masking ---- */

/* The longest spelling that begins at `at`; NULL. */
static const struct scrub_spelling *spelling_at(const struct scrub *s, const char *at, size_t left)
{
	if (!s->first[(unsigned char)*at])
		return NULL;
	for (size_t i = 0; i < s->n; i++)
		if (s->v[i].len <= left && !memcmp(s->v[i].text, at, s->v[i].len))
			return &s->v[i];
	return NULL;
}

static void add_mask(const struct scrub *s, const struct scrub_spelling *which, bool named,
		     struct buf *out)
{
	buf_addstr(out, mask);
	if (named && s->names.nr > 1)
		buf_addf(out, "%s%s", s->names.v[which->name], mask);
}

/*
 * Append the first `decided` bytes of a text of `len`, masked; *covered bytes at its beginning
 * are hidden already, and on return so many after `decided` are.
 */
static bool hide(const struct scrub *s, const char *text, size_t len, size_t decided,
		 size_t *covered, bool named, struct buf *out)
{
	bool any = false;

	for (size_t i = 0; i < decided; i++) {
		const struct scrub_spelling *m = spelling_at(s, text + i, len - i);

		if (m && !*covered)
			add_mask(s, m, named, out);
		if (m) {
			*covered = MAX(*covered, m->len);
			any = true;
		}
		if (*covered)
			--*covered;
		else
			buf_addch(out, text[i]);
	}
	return any;
}

void scrub_stream_init(struct scrub_stream *s, const struct scrub *values)
{
	s->values = values;
	s->covered = 0;
	buf_init(&s->held);
}

void scrub_feed(struct scrub_stream *s, const void *p, size_t len, struct buf *out)
{
	size_t decided;

	if (!s->values->n) {
		buf_add(out, p, len);
		return;
	}
	buf_add(&s->held, p, len);
	if (s->held.len < s->values->v[0].len)
		return;
	decided = s->held.len - s->values->v[0].len + 1;
	hide(s->values, s->held.p, s->held.len, decided, &s->covered, false, out);
	buf_remove(&s->held, 0, decided);
}

void scrub_finish(struct scrub_stream *s, struct buf *out)
{
	hide(s->values, s->held.p, s->held.len, s->held.len, &s->covered, false, out);
	buf_release(&s->held);
}

bool scrub_text(const struct scrub *values, const char *text, struct buf *out)
{
	size_t len = strlen(text), covered = 0;

	return hide(values, text, len, len, &covered, false, out);
}

bool scrub_argument(const struct scrub *values, const char *text, struct buf *out)
{
	size_t len = strlen(text), covered = 0;

	return hide(values, text, len, len, &covered, true, out);
}

bool scrub_holds(const struct scrub *values, const void *text, size_t len)
{
	const char *p = text;

	for (size_t i = 0; values->n && i < len; i++)
		if (spelling_at(values, p + i, len - i))
			return true;
	return false;
}

/* Which value a mask at `at` hides, and the length of that mask; as many as there are: none. */
static size_t hidden_at(const struct scrub *s, const char *at, size_t *len)
{
	size_t m = strlen(mask), n = 0;

	*len = m;
	if (s->names.nr == 1)
		return 0;
	for (; n < s->names.nr; n++) {
		size_t name = strlen(s->names.v[n]);

		*len = 2 * m + name;
		if (!strncmp(at + m, s->names.v[n], name) && !strncmp(at + m + name, mask, m))
			break;
	}
	return n;
}

void scrub_restore(const struct scrub *s, const char *text, struct buf *out)
{
	const char *at;
	size_t len, which;

	while (s->names.nr && (at = strstr(text, mask))) {
		which = hidden_at(s, at, &len);
		buf_add(out, text, (size_t)(at - text));
		if (which == s->names.nr)
			len = strlen(mask);
		buf_addstr(out, which < s->names.nr ? s->values.v[which] : mask);
		text = at + len;
	}
	buf_addstr(out, text);
}
