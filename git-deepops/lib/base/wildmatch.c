/* SPDX-License-Identifier: MIT */
/* wildmatch.c - gitignore-style patterns, git as the oracle in its tests; see wildmatch.h */
#include "base/wildmatch.h"

#include <ctype.h>

#include "base/buf.h"

struct wildmatch_class {
	const char *name;
	int (*test)(int c);
};

static const struct wildmatch_class wildmatch_classes[] = {
	{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
	{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
	{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* `[:name:]` at p: 1 in it, 0 not, -1 no such class; *end is set behind it. */
static int wildmatch_named_class(const char *p, unsigned char ch, const char **end)
{
	const char *close = strstr(p + 2, ":]");

	if (!close)
		return -1;
	*end = close + 2;
	for (size_t i = 0; i < ARRAY_SIZE(wildmatch_classes); i++) {
		const struct wildmatch_class *c = &wildmatch_classes[i];

		if (strlen(c->name) == (size_t)(close - p - 2) &&
		    !strncmp(c->name, p + 2, strlen(c->name)))
			return ch < 0x80 && c->test(ch) ? 1 : 0;
	}
	return -1;
}

/* One literal byte of a class, escapes undone; NULL when the pattern ends. */
static const char *wildmatch_class_byte(const char *p, unsigned char *out)
{
	if (*p == '\\')
		p++;
	*out = (unsigned char)*p;
	return *p ? p + 1 : NULL;
}

/* A `[...]` at p against ch; 1, 0, or -1 malformed.  *end is set behind the bracket. */
static int wildmatch_bracket(const char *p, unsigned char ch, const char **end)
{
	bool negate = p[1] == '!' || p[1] == '^';
	bool hit = false, first = true;

	for (p += negate ? 2 : 1; *p && (*p != ']' || first); first = false) {
		unsigned char lo, hi;

		if (p[0] == '[' && p[1] == ':') {
			int in = wildmatch_named_class(p, ch, &p);

			if (in < 0)
				return -1;
			hit = hit || in;
			continue;
		}
		p = wildmatch_class_byte(p, &lo);
		if (!p)
			return -1;
		hi = lo;
		if (p[0] == '-' && p[1] && p[1] != ']') {
			p = wildmatch_class_byte(p + 1, &hi);
			if (!p)
				return -1;
		}
		hit = hit || (lo <= ch && ch <= hi);
	}
	if (*p != ']')
		return -1;
	*end = p + 1;
	return hit != negate ? 1 : 0;
}

/* One byte of the text against what stands at p, no star: where the pattern goes on, or NULL. */
static const char *wildmatch_byte(const char *p, char t)
{
	const char *end = p;

	if (*p == '?')
		return t == '/' ? NULL : p + 1;
	if (*p == '[')
		return t != '/' && wildmatch_bracket(p, (unsigned char)t, &end) == 1 ? end : NULL;
	if (*p == '\\')
		p++;
	return *p && *p == t ? p + 1 : NULL;
}

/* `**` as a whole component of the pattern that begins at start? */
static bool wildmatch_is_any(const char *start, const char *p, const char *behind)
{
	return behind - p >= 2 && (p == start || p[-1] == '/') && (!*behind || *behind == '/');
}

/*
 * A policy's patterns meet names that an attacker chose, so the work is bounded:
 * only the last star and the last `**` ever take back.  That is enough, as a star
 * stays inside its component, and where components begin is up to the `**` alone.
 */
bool wildmatch(const char *pattern, const char *path)
{
	const char *p = pattern, *t = path;
	const char *star = NULL,
		   *star_at = NULL;             /* behind the last star; the text it ends before */
	const char *any = NULL, *any_at = NULL; /* the same of the last `**` */

	for (;;) {
		const char *behind = p + strspn(p, "*"), *next;

		if (wildmatch_is_any(pattern, p, behind)) {
			if (!*behind)
				return true; /* a trailing one matches everything below */
			p = any = behind + 1;
			any_at = t;
			star = NULL;
			continue;
		}
		if (behind != p) {
			p = star = behind;
			star_at = t;
			continue;
		}
		if (!*p && !*t)
			return true;
		next = *p && *t ? wildmatch_byte(p, *t) : NULL;
		if (next) {
			star = *t == '/' ? NULL : star;
			p = next;
			t++;
		} else if (star && *star_at && *star_at != '/') {
			p = star;
			t = ++star_at;
		} else if (any && strchr(any_at, '/')) {
			p = any;
			t = any_at = strchr(any_at, '/') + 1;
			star = NULL;
		} else {
			return false;
		}
	}
}

/* A gitignore line taken apart; text holds the pattern without `!`, slashes at its ends. */
struct wildmatch_line {
	struct buf text;
	bool negate, dir_only, anchored, empty;
};

/* Trailing blanks don't count unless escaped. */
static void wildmatch_trim(struct buf *b)
{
	while (b->len && b->p[b->len - 1] == ' ') {
		size_t slashes = 0;

		while (slashes + 1 < b->len && b->p[b->len - 2 - slashes] == '\\')
			slashes++;
		if (slashes % 2)
			return;
		buf_setlen(b, b->len - 1);
	}
}

static void wildmatch_line_parse(struct wildmatch_line *l, const char *line)
{
	*l = (struct wildmatch_line){.text = BUF_INIT};
	if (*line == '#') {
		l->empty = true;
		return;
	}
	l->negate = *line == '!';
	buf_addstr(&l->text, line + (l->negate ? 1 : 0));
	wildmatch_trim(&l->text);
	if (l->text.len && l->text.p[l->text.len - 1] == '/') {
		l->dir_only = true;
		buf_setlen(&l->text, l->text.len - 1);
	}
	l->anchored = strchr(l->text.p, '/') != NULL;
	if (l->text.len && l->text.p[0] == '/')
		buf_remove(&l->text, 0, 1);
	l->empty = !l->text.len;
}

/* Does the line select exactly this path, parents not looked at? */
static bool wildmatch_line_hits(const struct wildmatch_line *l, const char *path, bool is_dir)
{
	const char *base = strrchr(path, '/');
	size_t literal;

	if (l->empty || (l->dir_only && !is_dir))
		return false;
	if (!l->anchored)
		return wildmatch(l->text.p, base ? base + 1 : path);
	/* git compares the literal start by itself, so the `**` of `x**` + `/b` begins the rest. */
	literal = strcspn(l->text.p, "*?[\\");
	return !strncmp(l->text.p, path, literal) && wildmatch(l->text.p + literal, path + literal);
}

bool wildmatch_ignore(const char *pattern, const char *path, bool is_dir)
{
	struct wildmatch_line l;
	struct buf part = BUF_INIT;
	bool hit = false;

	wildmatch_line_parse(&l, pattern);
	for (const char *p = path; *p && !hit; p++) {
		if (*p != '/')
			continue;
		buf_reset(&part);
		buf_add(&part, path, (size_t)(p - path));
		hit = wildmatch_line_hits(&l, part.p, true);
	}
	hit = hit || wildmatch_line_hits(&l, path, is_dir);
	buf_release(&part);
	buf_release(&l.text);
	return hit;
}

/* The last line that names exactly this path: 1 selected, 0 un-selected, -1 none does. */
static int wildmatch_last(const struct strvec *patterns, const char *path, bool is_dir)
{
	for (size_t i = patterns->nr; i-- > 0;) {
		struct wildmatch_line l;
		int verdict = -1;

		wildmatch_line_parse(&l, patterns->v[i]);
		if (wildmatch_line_hits(&l, path, is_dir))
			verdict = l.negate ? 0 : 1;
		buf_release(&l.text);
		if (verdict >= 0)
			return verdict;
	}
	return -1;
}

bool wildmatch_list(const struct strvec *patterns, const char *path, bool is_dir)
{
	struct buf part = BUF_INIT;
	bool selected = false;

	/* From the top: a selected directory takes everything below it along, as in git. */
	for (const char *p = path; *p && !selected; p++) {
		if (*p != '/')
			continue;
		buf_reset(&part);
		buf_add(&part, path, (size_t)(p - path));
		selected = wildmatch_last(patterns, part.p, true) == 1;
	}
	selected = selected || wildmatch_last(patterns, path, is_dir) == 1;
	buf_release(&part);
	return selected;
}
