/* SPDX-License-Identifier: MIT */
/* metrics.c - numbers out of JSON, JSON lines, CSV and TSV; see metrics.h */
#include "run/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"

#define INTEGER_MAX_CHARS 20
/* {"name":,"value":""}, and the longest value that number_text gives: -1.2345678901234567e-308. */
#define PAIR_BYTES (22 + 24)

#define NOTICES_MAX_CLASHES 10
#define SHOWN "%.100s" /* a name or text in a notice */

void metrics_init(struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->series);
	buf_init(&m->best);
	strvec_init(&m->notices);
	strvec_init(&m->files);
}

void metrics_release(struct metrics *m)
{
	record_release_pairs(&m->final);
	buf_release(&m->series);
	buf_release(&m->best);
	strvec_release(&m->notices);
	strvec_release(&m->files);
	free(m->wanted);
	free(m->over);
	metrics_init(m);
}

static size_t pair_bytes(const char *name)
{
	return record_text_bytes(name) + PAIR_BYTES;
}

void metrics_want(struct metrics *m, const char *metric, bool min)
{
	if (strlen(metric) > METRICS_MAX_NAME_BYTES)
		return;
	m->wanted = xstrdup(metric);
	m->wanted_min = min;
	m->final_bytes += pair_bytes(metric);
}

void metrics_begin(struct metrics *m, const char *name)
{
	strvec_push(&m->files, name);
	m->numbers = 0;
	m->doubted = false;
}

void metrics_end(struct metrics *m)
{
	if (!m->numbers)
		strvec_pushf(&m->notices, "%s: there is no number with a name in it",
			     m->files.v[m->files.nr - 1]);
}

/* ---- values ---- */

/* One spelling of a number, or false.  Digits of integers that 64 bits hold stay as they are. */
static bool number_text(const char *s, struct buf *out, double *v)
{
	if (strpbrk(s, "xXpP(") || !num_parse_real(s, v)) /* neither 0x10 nor nan(1) */
		return false;
	if (isnan(*v))
		buf_addstr(out, "nan");
	else if (isinf(*v))
		buf_addstr(out, *v < 0 ? "-inf" : "inf");
	else if (s[strspn(s, "-0123456789")] == '\0' && strlen(s) <= INTEGER_MAX_CHARS)
		buf_addstr(out, s);
	else
		json_number_text(*v, out);
	return true;
}

/* Digits and at most a unit or a decimal comma: "95%", "0.5 s", "0,5", in JSON "0.5" too. */
static bool looks_like_number(const char *s)
{
	const char *rest = s + strspn(s, "+-");

	if (*rest < '0' || *rest > '9')
		return false;
	rest += strspn(rest, "0123456789.");
	return *rest == ',' || !strpbrk(rest, "0123456789");
}

static void doubt_text(struct metrics *m, const char *name, const char *text)
{
	if (m->doubted || !m->files.nr || !looks_like_number(text))
		return;
	m->doubted = true;
	strvec_pushf(&m->notices, "%s: " SHOWN ": '" SHOWN "' is a text, no number: it is left out",
		     m->files.v[m->files.nr - 1], name, text);
}

static bool is_wanted(const struct metrics *m, const char *name)
{
	return m->wanted && !strcmp(m->wanted, name);
}

/* For its name, that is: values are short, and the last one replaces those before it. */
static bool has_room(struct metrics *m, const char *name)
{
	size_t kept = m->wanted && !record_pair_get(&m->final, m->wanted);

	if (is_wanted(m, name))
		return true;
	if (m->final.n + kept >= METRICS_MAX_FINAL || strlen(name) > METRICS_MAX_NAME_BYTES ||
	    m->final_bytes + pair_bytes(name) > RECORD_METRICS_BYTES)
		return false;
	m->final_bytes += pair_bytes(name);
	return true;
}

/* FNV-1a into a table of hashes: only a number for people depends on it. */
static void count_over(struct metrics *m, const char *name)
{
	uint64_t h = 14695981039346656037U;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211U;
	h += !h;
	if (!m->over)
		m->over = xcalloc(METRICS_OVER_SLOTS, sizeof(*m->over));
	for (size_t i = h % METRICS_OVER_SLOTS; m->over[i] != h; i = (i + 1) % METRICS_OVER_SLOTS) {
		if (m->over[i])
			continue;
		if (m->nover < METRICS_OVER_SLOTS / 2) {
			m->over[i] = h;
			m->nover++;
		}
		return;
	}
}

static void add_final(struct metrics *m, const char *name, const char *value)
{
	size_t i = 0;

	while (i < m->final.n && strcmp(m->final.v[i].name, name) != 0)
		i++;
	if (i == m->final.n && !has_room(m, name)) {
		count_over(m, name);
		return;
	}
	if (i < m->final.n) {
		bool other = m->seen[i].file != m->files.nr;

		if (other && !m->seen[i].clash)
			m->seen[i].other = m->files.nr;
		m->seen[i].clash |= other || m->seen[i].row == m->rows;
		m->seen[i].row = m->rows;
		record_set(&m->final.v[i].value, value);
		return;
	}
	m->seen[i].file = m->files.nr;
	m->seen[i].row = m->rows;
	record_add_pair(&m->final, name, value);
}

static void add_best(struct metrics *m, const char *text, double v)
{
	if (isnan(v) ||
	    (m->best.len && (m->wanted_min ? v >= m->best_number : v <= m->best_number)))
		return;
	m->best_number = v;
	buf_sets(&m->best, text);
}

/* False: `value` is no number. */
static bool add_value(struct metrics *m, const char *name, uint64_t row, const char *value)
{
	struct buf text = BUF_INIT;
	double v = 0;
	bool number = number_text(value, &text, &v);

	if (!number || !*name)
		goto out;
	m->numbers++;
	add_final(m, name, text.p);
	if (is_wanted(m, name))
		add_best(m, text.p, v);
	if (!row || strpbrk(name, "\t\n"))
		goto out;
	if (m->series.len < METRICS_MAX_SERIES_BYTES)
		buf_addf(&m->series, "%s\t%" PRIu64 "\t%s\n", name, row + m->lines_before, text.p);
	else
		m->not_in_series++;
out:
	buf_release(&text);
	return number;
}

/* ---- JSON ---- */

/* Behind a byte order mark. */
static const char *skip_mark(const char *text, size_t len)
{
	return len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? text + 3 : text;
}

/*
 * Python writes NaN and Infinity bare, which is no JSON: turn them into strings,
 * outside of strings only.
 */
static void quote_constants(const char *p, size_t len, struct buf *out)
{
	static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		bool word = false;

		if (inside && p[i] == '\\' && i + 1 < len) {
			buf_addch(out, p[i++]);
		} else if (p[i] == '"') {
			inside = !inside;
		} else if (!inside) {
			for (size_t k = 0; !word && k < ARRAY_SIZE(words); k++) {
				size_t n = strlen(words[k]);

				if (len - i >= n && !memcmp(p + i, words[k], n)) {
					buf_addf(out, "\"%s\"", words[k]);
					i += n - 1;
					word = true;
				}
			}
		}
		if (!word)
			buf_addch(out, p[i]);
	}
}

static void add_scalar(struct metrics *m, const char *name, uint64_t row, const struct json *j)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
	const char *s = json_str(j);
	struct buf text = BUF_INIT;
	bool word = false;

	for (size_t i = 0; s && i < ARRAY_SIZE(words); i++)
		word |= !strcmp(s, words[i]);
	json_value_text(j, &text);
	if (s && !word)
		doubt_text(m, name, s);
	else
		(void)add_value(m, name, row, text.p);
	buf_release(&text);
}

/* json_parse has capped the depth. */
static void add_json(struct metrics *m, const char *name, uint64_t row, const struct json *j)
{
	struct buf below = BUF_INIT;
	const struct json *v;
	const char *key;
	void *it = NULL;

	if (json_kind(j) == JSON_KIND_OBJECT) {
		while ((key = json_each(j, &it, &v))) {
			buf_reset(&below);
			buf_addf(&below, "%s%s%s", name, *name ? "." : "", key);
			add_json(m, below.p, row, v);
		}
	} else if (json_kind(j) == JSON_KIND_ARRAY) {
		/* One number per class, a confusion matrix: which item it is must be seen. */
		for (size_t i = 0; i < json_len(j); i++) {
			buf_reset(&below);
			buf_addf(&below, "%s%s%zu", name, *name ? "." : "", i);
			add_json(m, below.p, row, json_at(j, i));
		}
	} else {
		add_scalar(m, name, row, j);
	}
	buf_release(&below);
}

static int parse_json(struct metrics *m, const char *text, size_t len, uint64_t row, struct err *e)
{
	struct buf quoted = BUF_INIT;
	struct json *j = NULL;
	int rc;

	m->rows++;
	quote_constants(skip_mark(text, len), len - (size_t)(skip_mark(text, len) - text), &quoted);
	rc = json_parse(&j, quoted.p, quoted.len, JSON_MAX_BYTES, e);
	if (rc == 0)
		add_json(m, "", row, j);
	json_unref(j);
	buf_release(&quoted);
	return rc;
}

/* Rows that say nothing: one that a program printed by mistake must not cost those behind it. */
struct skipped {
	uint64_t rows;
	struct err first; /* what is wrong with the first of them */
};

static void skip_row(struct skipped *s, const struct err *why)
{
	if (!s->rows++)
		s->first = *why;
}

/* A notice; an error where no row was right, as that is another kind of file. */
static int tell_skipped(struct metrics *m, const struct skipped *s, bool any, struct err *e)
{
	if (!s->rows)
		return 0;
	if (!any)
		return err_set(e, ERR_INPUT, "%s", s->first.msg);
	if (s->rows == 1)
		strvec_pushf(&m->notices, "%s: the row is skipped", s->first.msg);
	else
		strvec_pushf(&m->notices, "%s: the row is skipped, and %" PRIu64 " more",
			     s->first.msg, s->rows - 1);
	return 0;
}

static bool is_blank(const char *p, size_t n)
{
	while (n && strchr(" \t\r", *p) && *p)
		p++, n--;
	return n == 0;
}

int metrics_parse_lines(struct metrics *m, const char *name, const void *text, size_t len,
			struct err *e)
{
	const char *at = text, *end = at + len;
	struct skipped bad = {0, ERR_INIT};
	bool any = false;

	for (uint64_t line = 1; at < end; line++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t n = eol ? (size_t)(eol - at) : (size_t)(end - at);
		struct err why = ERR_INIT;

		if (is_blank(at, n)) {
			; /* a program's empty line */
		} else if (parse_json(m, at, n, line, &why) == 0) {
			any = true;
		} else {
			err_wrap(&why, "%s:%" PRIu64, name, line);
			skip_row(&bad, &why);
		}
		at += n + 1;
	}
	return tell_skipped(m, &bad, any, e);
}

/* ---- tables ---- */

/* One field of a CSV or TSV line, unquoted; moves *at behind its separator. False at the line's end. */
static bool next_field(const char **at, const char *end, char sep, struct buf *out)
{
	const char *p = *at;

	buf_reset(out);
	if (p > end)
		return false;
	if (p < end && *p == '"') {
		for (p++; p < end; p++) {
			if (*p == '"' && p + 1 < end && p[1] == '"')
				p++;
			else if (*p == '"')
				break;
			buf_addch(out, *p);
		}
		p += p < end;
	}
	for (; p < end && *p != sep; p++)
		buf_addch(out, *p);
	*at = p + 1;
	return true;
}

/* Names of columns; a line of numbers is none, nor one that something else separates. */
static int check_header(const struct strvec *header, const char *name, char sep, struct err *e)
{
	const char *other = header->nr == 1 ? strpbrk(header->v[0], ";\t,|") : NULL;
	struct buf text = BUF_INIT;
	size_t numbers = 0;
	double v;

	for (size_t i = 0; i < header->nr; i++)
		numbers += number_text(header->v[i], &text, &v);
	buf_release(&text);
	if (header->nr && numbers == header->nr)
		return err_set(e, ERR_INPUT,
			       "%s: the first line must name the columns: '" SHOWN "' is a number",
			       name, header->v[0]);
	if (other)
		return err_set(e, ERR_INPUT,
			       "%s: '%c' separates its columns, where the name says that %s does",
			       name, *other, sep == ',' ? "','" : "a tab");
	return 0;
}

static void table_field(struct metrics *m, const struct strvec *header, size_t column,
			uint64_t line, struct buf *field)
{
	const char *text;

	buf_rtrim(field);
	text = field->p + strspn(field->p, " \t");
	if (column < header->nr && !add_value(m, header->v[column], line, text))
		doubt_text(m, header->v[column], text);
}

/* Line 0 is the header. */
static int table_line(struct metrics *m, struct strvec *header, const char *name, char sep,
		      uint64_t line, const char *p, const char *stop, struct err *e)
{
	struct buf field = BUF_INIT;
	size_t column = 0;

	for (; next_field(&p, stop, sep, &field); column++) {
		if (line) {
			table_field(m, header, column, line, &field);
			continue;
		}
		buf_rtrim(&field);
		strvec_push(header, field.p + strspn(field.p, " \t"));
	}
	buf_release(&field);
	if (!line)
		return check_header(header, name, sep, e);
	if (column != header->nr)
		return err_set(e, ERR_INPUT, "%s:%" PRIu64 ": %zu fields, the header has %zu", name,
			       line + 1, column, header->nr);
	return 0;
}

static int parse_table(struct metrics *m, const char *name, const char *text, size_t len, char sep,
		       struct err *e)
{
	struct strvec header = STRVEC_INIT;
	const char *at = skip_mark(text, len), *end = text + len;
	struct skipped bad = {0, ERR_INIT};
	bool any = false;
	int rc = 0;

	for (uint64_t line = 0; rc == 0 && at < end; line++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at)), *p = at;
		const char *stop = eol ? eol : end;
		struct err why = ERR_INIT;

		at = stop + 1;
		if (stop > p && stop[-1] == '\r')
			stop--;
		m->rows++;
		if (p == stop)
			continue;
		rc = table_line(m, &header, name, sep, line, p, stop, &why);
		if (rc == 0) {
			any = any || line;
		} else if (line) { /* without a header nothing behind it has a name */
			skip_row(&bad, &why);
			rc = 0;
		} else {
			rc = err_set(e, why.code, "%s", why.msg);
		}
	}
	strvec_release(&header);
	return rc == 0 ? tell_skipped(m, &bad, any, e) : rc;
}

bool metrics_known(const char *name)
{
	static const char *const ends[] = {".json", ".jsonl", ".ndjson", ".csv", ".tsv"};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (str_endswith(name, ends[i]))
			return true;
	return false;
}

int metrics_parse(struct metrics *m, const char *name, const void *text, size_t len, struct err *e)
{
	if (str_endswith(name, ".json"))
		return parse_json(m, text, len, 0, e) < 0 ? err_wrap(e, "%s", name) : 0;
	if (str_endswith(name, ".jsonl") || str_endswith(name, ".ndjson"))
		return metrics_parse_lines(m, name, text, len, e);
	if (str_endswith(name, ".csv"))
		return parse_table(m, name, text, len, ',', e);
	if (str_endswith(name, ".tsv"))
		return parse_table(m, name, text, len, '\t', e);
	return err_set(e, ERR_INPUT, "%s: metrics are .json, .jsonl, .csv or .tsv", name);
}

/* ---- the end ---- */

/* Without the lines of `names`. */
static void take_from_series(struct metrics *m, const struct strvec *names)
{
	struct buf kept = BUF_INIT, name = BUF_INIT;

	for (const char *at = m->series.p, *next; *at; at = next) {
		next = at + strcspn(at, "\n") + 1;
		buf_reset(&name);
		buf_add(&name, at, strcspn(at, "\t"));
		if (!strvec_has(names, name.p))
			buf_add(&kept, at, (size_t)(next - at));
	}
	buf_release(&m->series);
	buf_release(&name);
	m->series = kept;
}

static void notice_clash(struct metrics *m, size_t i, size_t nth)
{
	const char *name = m->final.v[i].name;
	const char *file = m->seen[i].file ? m->files.v[m->seen[i].file - 1] : "a file";

	if (nth >= NOTICES_MAX_CLASHES)
		return;
	if (m->seen[i].other)
		strvec_pushf(&m->notices,
			     "metric " SHOWN " is in %s and in %s: it is left out; give the file "
			     "that does not count with -o",
			     name, file, m->files.v[m->seen[i].other - 1]);
	else
		strvec_pushf(&m->notices,
			     "metric " SHOWN " stands twice in one row of %s: it is left out", name,
			     file);
}

static void take_clashes(struct metrics *m)
{
	struct strvec names = STRVEC_INIT;
	size_t kept = 0;

	for (size_t i = 0; i < m->final.n; i++) {
		if (!m->seen[i].clash) {
			m->final.v[kept++] = m->final.v[i];
			continue;
		}
		notice_clash(m, i, names.nr);
		if (is_wanted(m, m->final.v[i].name))
			buf_reset(&m->best);
		strvec_push(&names, m->final.v[i].name);
		free(m->final.v[i].name);
		free(m->final.v[i].value);
	}
	m->final.n = kept;
	if (names.nr > NOTICES_MAX_CLASHES)
		strvec_pushf(&m->notices, "%zu more metrics have two values and are left out",
			     names.nr - NOTICES_MAX_CLASHES);
	if (names.nr)
		take_from_series(m, &names);
	strvec_release(&names);
}

void metrics_finish(struct metrics *m)
{
	take_clashes(m);
	if (m->nover)
		strvec_pushf(
			&m->notices,
			"there are more metrics than a record holds: %s%zu of them are left out",
			m->nover == METRICS_OVER_SLOTS / 2 ? "more than " : "", m->nover);
	if (m->not_in_series)
		strvec_pushf(&m->notices,
			     "the series of metrics is cut after %s: %" PRIu64
			     " values are not in it",
			     num_human_bytes(METRICS_MAX_SERIES_BYTES).s, m->not_in_series);
}

void metrics_tsv(const struct metrics *m, struct buf *out)
{
	if (!m->series.len)
		return;
	buf_addstr(out, "name\trow\tvalue\n");
	buf_addbuf(out, &m->series);
}
