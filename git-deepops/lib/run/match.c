/* SPDX-License-Identifier: MIT */
/* match.c - compare outputs under the policy declared beforehand; see match.h */
#include "run/match.h"

#include <math.h>

#include "base/num.h"

static bool tolerance(const char *policy, const char *name, double *out)
{
	const char *rest;

	return str_startswith(policy, name, &rest) && num_parse_real(rest, out) && *out >= 0 &&
	       isfinite(*out);
}

bool match_known(const char *policy)
{
	double x;

	return !strcmp(policy, "bitwise") || !strcmp(policy, "ignore") ||
	       tolerance(policy, "abs=", &x) || tolerance(policy, "rel=", &x);
}

int match_split(const char *typed, struct buf *path, const char **match, struct err *e)
{
	const char *colon = strrchr(typed, ':');
	struct buf quoted = BUF_INIT;

	*match = NULL;
	if (!colon || colon == typed || strchr(colon, '/')) {
		buf_addstr(path, typed);
		return 0;
	}
	if (match_known(colon + 1)) {
		buf_add(path, typed, (size_t)(colon - typed));
		*match = colon + 1;
		return 0;
	}
	buf_addf(&quoted, "%s:bitwise", typed);
	err_set(e, ERR_USAGE, "'%s': behind the colon stands bitwise, ignore, abs=X or rel=X",
		typed);
	err_hint(e, "if the name has a colon, write it as '%s'", quoted.p);
	buf_release(&quoted);
	return ERR_USAGE;
}

/* ---- texts ---- */

struct text {
	const char *at, *end;
};

static bool number_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '.' || c == '+' || c == '-' || c == '_';
}

/* The next word (bytes of numbers and names), or one other byte. */
static size_t word_len(const struct text *t)
{
	const char *p = t->at;

	while (p < t->end && number_byte(*p))
		p++;
	return p > t->at ? (size_t)(p - t->at) : (size_t)(t->at < t->end);
}

static bool to_number(const char *p, size_t len, double *out)
{
	char word[64];

	if (!len || len >= sizeof(word))
		return false;
	memcpy(word, p, len);
	word[len] = '\0';
	return num_parse_real(word, out);
}

static bool close_enough(double a, double b, double abs_tol, double rel_tol)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	if (isinf(a) || isinf(b))
		return isinf(a) && isinf(b) && signbit(a) == signbit(b);
	return fabs(a - b) <= MAX(abs_tol, rel_tol * fabs(a));
}

static enum record_verdict compare_texts(const struct buf *recorded, const struct buf *again,
					 double abs_tol, double rel_tol, struct buf *detail)
{
	struct text a = {recorded->p, recorded->p + recorded->len};
	struct text b = {again->p, again->p + again->len};

	while (a.at < a.end || b.at < b.end) {
		size_t n = word_len(&a), m = word_len(&b);
		double x, y;

		if (n == m && !memcmp(a.at, b.at, n)) {
			a.at += n;
			b.at += m;
			continue;
		}
		if (!to_number(a.at, n, &x) || !to_number(b.at, m, &y) ||
		    !close_enough(x, y, abs_tol, rel_tol)) {
			buf_addf(detail, "%.*s, was %.*s", (int)MIN(m, 40), b.at, (int)MIN(n, 40),
				 a.at);
			return RECORD_DIFFERENT;
		}
		a.at += n;
		b.at += m;
	}
	return RECORD_WITHIN_TOLERANCE;
}

static size_t first_difference(const struct buf *a, const struct buf *b)
{
	size_t i = 0, n = MIN(a->len, b->len);

	while (i < n && a->p[i] == b->p[i])
		i++;
	return i;
}

enum record_verdict match_compare(const char *policy, const struct buf *recorded,
				  const struct buf *again, struct buf *detail)
{
	double abs_tol = 0, rel_tol = 0;

	if (!buf_cmp(recorded, again))
		return RECORD_IDENTICAL;
	if (!policy ||
	    (!tolerance(policy, "abs=", &abs_tol) && !tolerance(policy, "rel=", &rel_tol))) {
		buf_addf(detail, "differs from byte %zu on", first_difference(recorded, again));
		return RECORD_DIFFERENT;
	}
	if (memchr(recorded->p, '\0', recorded->len) || memchr(again->p, '\0', again->len)) {
		buf_addstr(detail, "differs, and is no text that a tolerance could be applied to");
		return RECORD_NOT_COMPARABLE;
	}
	return compare_texts(recorded, again, abs_tol, rel_tol, detail);
}
