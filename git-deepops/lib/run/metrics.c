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

void metrics_init(struct metrics *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->series);
}

void metrics_release(struct metrics *m)
{
	for (size_t i = 0; i < m->final.n; i++) {
		free(m->final.v[i].name);
		free(m->final.v[i].value);
	}
	free(m->final.v);
	buf_release(&m->series);
	metrics_init(m);
}

/* One spelling of a number, or false.  Digits of integers that 64 bits hold stay as they are. */
static bool number_text(const char *s, struct buf *out)
{
	double v;

	if (!num_parse_real(s, &v))
		return false;
	if (isnan(v))
		buf_addstr(out, "nan");
	else if (isinf(v))
		buf_addstr(out, v < 0 ? "-inf" : "inf");
	else if (s[strspn(s, "-0123456789")] == '\0' && strlen(s) <= INTEGER_MAX_CHARS)
		buf_addstr(out, s);
	else
		json_number_text(v, out);
	return true;
}

/* For its name, that is: values are short, and the last one replaces those before it. */
static bool has_room(struct metrics *m, const char *name)
{
	size_t bytes = record_text_bytes(name) + PAIR_BYTES;

	if (record_pair_get(&m->final, name))
		return true;
	if (m->final.n >= METRICS_MAX_FINAL || strlen(name) > METRICS_MAX_NAME_BYTES ||
	    m->final_bytes + bytes > RECORD_METRICS_BYTES)
		return false;
	m->final_bytes += bytes;
	return true;
}

static void add_value(struct metrics *m, const char *name, uint64_t row, const char *value)
{
	struct buf text = BUF_INIT;

	if (!*name || !number_text(value, &text))
		goto out;
	if (has_room(m, name))
		record_add_pair(&m->final, name, text.p);
	else
		m->cut = true;
	if (row && m->series.len < METRICS_MAX_SERIES_BYTES && !strpbrk(name, "\t\n"))
		buf_addf(&m->series, "%s\t%" PRIu64 "\t%s\n", name, row + m->lines_before, text.p);
	else if (row)
		m->cut = true;
out:
	buf_release(&text);
}

/* ---- JSON ---- */

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
	struct buf text = BUF_INIT;

	json_value_text(j, &text);
	add_value(m, name, row, text.p);
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

static int parse_json(struct metrics *m, const void *text, size_t len, uint64_t row, struct err *e)
{
	struct buf quoted = BUF_INIT;
	struct json *j = NULL;
	int rc;

	quote_constants(text, len, &quoted);
	rc = json_parse(&j, quoted.p, quoted.len, JSON_MAX_BYTES, e);
	if (rc == 0)
		add_json(m, "", row, j);
	json_unref(j);
	buf_release(&quoted);
	return rc;
}

int metrics_parse_lines(struct metrics *m, const char *name, const void *text, size_t len,
			struct err *e)
{
	const char *at = text, *end = at + len;

	for (uint64_t line = 1; at < end; line++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		size_t n = eol ? (size_t)(eol - at) : (size_t)(end - at);

		if (n && parse_json(m, at, n, line, e) < 0)
			return err_wrap(e, "%s:%" PRIu64, name, line);
		at += n + 1;
	}
	return 0;
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

/* Behind a byte order mark. */
static const char *skip_mark(const char *text, size_t len)
{
	return len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? text + 3 : text;
}

static int parse_table(struct metrics *m, const char *name, const char *text, size_t len, char sep,
		       struct err *e)
{
	struct strvec header = STRVEC_INIT;
	const char *at = skip_mark(text, len), *end = text + len;
	struct buf field = BUF_INIT;
	int rc = 0;

	for (uint64_t line = 0; rc == 0 && at < end; line++) {
		const char *eol = memchr(at, '\n', (size_t)(end - at)), *p = at;
		const char *stop = eol ? eol : end;
		size_t column = 0;

		at = stop + 1;
		if (stop > p && stop[-1] == '\r')
			stop--;
		if (p == stop)
			continue;
		while (next_field(&p, stop, sep, &field)) {
			if (line == 0) {
				buf_rtrim(&field);
				strvec_push(&header, field.p + strspn(field.p, " \t"));
			} else if (column < header.nr)
				add_value(m, header.v[column], line, field.p);
			column++;
		}
		if (line && column != header.nr)
			rc = err_set(e, ERR_INPUT, "%s:%" PRIu64 ": %zu fields, the header has %zu",
				     name, line + 1, column, header.nr);
	}
	buf_release(&field);
	strvec_release(&header);
	return rc;
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

/* ---- series ---- */

/* "name TAB row TAB value" of `len` bytes: the value, if the name is `metric`. */
static bool series_value(const char *line, size_t len, const char *metric, struct buf *out)
{
	const char *value = memrchr(line, '\t', len);
	size_t n = strlen(metric);

	if (!value || len <= n || line[n] != '\t' || memcmp(line, metric, n) != 0)
		return false;
	buf_reset(out);
	buf_add(out, value + 1, (size_t)(line + len - value - 1));
	return true;
}

bool metrics_best(const struct metrics *m, const char *metric, bool max, struct buf *out)
{
	struct buf value = BUF_INIT;
	double best = 0, v = 0;
	bool found = false;

	for (const char *at = m->series.p; *at; at += strcspn(at, "\n") + 1) {
		if (!series_value(at, strcspn(at, "\n"), metric, &value) ||
		    !num_parse_real(value.p, &v) || isnan(v))
			continue;
		if (!found || (max ? v > best : v < best)) {
			best = v;
			found = true;
			buf_reset(out);
			buf_addbuf(out, &value);
		}
	}
	buf_release(&value);
	return found;
}

void metrics_tsv(const struct metrics *m, struct buf *out)
{
	if (!m->series.len)
		return;
	buf_addstr(out, "name\trow\tvalue\n");
	buf_addbuf(out, &m->series);
}
