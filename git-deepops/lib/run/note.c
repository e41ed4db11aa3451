/* SPDX-License-Identifier: MIT */
/* note.c - one line a run, and its projection to refs/notes/deepops; see note.h */
#include "run/note.h"

#include <stdlib.h>

#include "base/path.h"
#include "base/xalloc.h"

#define ID_DIGITS 12
#define DATA_MAX_SHOWN 3
#define REASON_MAX_SHOWN 100

/* ---- the line ---- */

static void encode(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c < '!' || c > '~' || c == '%' || c == '=')
			buf_addf(out, "%%%02X", c);
		else
			buf_addch(out, c);
	}
}

static void field(struct buf *out, const char *key, const char *value)
{
	buf_addch(out, ' ');
	encode(out, key);
	buf_addch(out, '=');
	encode(out, value);
}

/* First digits of "sha256:..." or of a bare id. */
static void short_id(struct buf *out, const char *id)
{
	(void)str_startswith(id, "sha256:", &id);
	buf_addf(out, "%.*s", ID_DIGITS, id);
}

static void add_status(const struct record *r, struct buf *out)
{
	if (r->exit == 0)
		buf_addstr(out, " ok");
	else if (r->exit != RECORD_NONE)
		buf_addf(out, " exit:%" PRId64, r->exit);
	else if (r->signal != RECORD_NONE)
		buf_addf(out, " signal:%" PRId64, r->signal);
	else
		buf_addstr(out, " unknown-end");
}

static void add_script(const struct record *r, struct buf *out)
{
	buf_addch(out, ' ');
	encode(out, record_program(r));
}

static void add_metrics(const struct record *r, const char *best, struct buf *out)
{
	const char *first = best ? record_pair_get(&r->metrics_final, best) : NULL;
	int n = 0;

	if (first) {
		field(out, best, first);
		n++;
	}
	for (size_t i = 0; i < r->metrics_final.n && n < NOTE_MAX_METRICS; i++) {
		const struct record_pair *m = &r->metrics_final.v[i];

		if (first && !strcmp(m->name, best))
			continue;
		field(out, m->name, m->value);
		n++;
	}
}

static void add_time(int64_t ms, struct buf *out)
{
	int64_t s = ms / 1000;

	if (ms == RECORD_NONE)
		return;
	if (s >= 3600)
		buf_addf(out, " t=%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else if (s >= 60)
		buf_addf(out, " t=%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else
		buf_addf(out, " t=%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
}

static void add_data(const struct record *r, struct buf *out)
{
	size_t shown = 0, left = 0;

	for (size_t i = 0; i < r->ninputs; i++) {
		const struct record_input *in = &r->inputs[i];

		if (in->role != RECORD_ROLE_INPUT)
			continue;
		if (shown == DATA_MAX_SHOWN) {
			left++;
			continue;
		}
		buf_addstr(out, shown++ ? "," : " data=");
		encode(out, path_basename(in->path));
		buf_addch(out, '@');
		short_id(out, in->id);
	}
	if (left)
		buf_addf(out, ",+%zu", left);
	if (!shown)
		buf_addstr(out, r->no_data ? " data=none" : " data=undeclared");
}

/* Of what it is a repetition, and what came of that. */
static void add_rerun(const struct record *r, struct buf *out)
{
	if (r->kind != RECORD_RERUN || !r->rerun_of)
		return;
	buf_addstr(out, " rerun=");
	short_id(out, r->rerun_of);
	if (r->verdict)
		buf_addf(out, ":%s", record_verdict_name(r->verdict));
}

/* The reason is the first line of the note, and may be long. */
void note_override(const struct record *rec, const struct chunkid *id, struct buf *out)
{
	const char *ref = rec->title ? rec->title : "", *note = rec->note ? rec->note : "";
	char *reason = xstrndup(note, MIN(strcspn(note, "\n"), REASON_MAX_SHOWN));

	(void)str_startswith(ref, "override: ", &ref);
	buf_addf(out, NOTE_OVERRIDE "%.*s", ID_DIGITS, rec->run);
	field(out, "ref", ref);
	field(out, "by", rec->author ? rec->author : "-");
	field(out, "reason", reason);
	buf_addf(out, " rec=%.*s\n", ID_DIGITS, chunkid_hex(id).s);
	free(reason);
}

void note_line(const struct record *rec, const struct chunkid *id, const struct note_line_opts *o,
	       struct buf *out)
{
	const char *code = rec->code.dirty ? "dirty" : "clean";

	if (o->stale)
		code = "stale-code";
	else if (o->same)
		code = "clean";
	buf_addstr(out, NOTE_PREFIX);
	buf_addf(out, "%.*s", ID_DIGITS, rec->run);
	if (o->retracted)
		buf_addstr(out, " retracted");
	else
		add_status(rec, out);
	add_script(rec, out);
	add_rerun(rec, out);
	add_metrics(rec, o->best, out);
	add_time(rec->wall_ms, out);
	field(out, "code", rec->code.tree ? code : "none");
	add_data(rec, out);
	if (rec->machine_capture) {
		buf_addstr(out, " machine=");
		encode(out, rec->machine_class ? rec->machine_class : "-");
		buf_addch(out, '@');
		short_id(out, rec->machine_capture);
	}
	if (o->level && *o->level && !o->retracted)
		field(out, "level", o->level);
	buf_addf(out, " rec=%.*s\n", ID_DIGITS, chunkid_hex(id).s);
}

/* "R0/T0" to "R4/T3". */
static bool is_level(const char *s)
{
	return strlen(s) == 5 && s[0] == 'R' && s[1] >= '0' && s[1] <= '4' && s[2] == '/' &&
	       s[3] == 'T' && s[4] >= '0' && s[4] <= '3';
}

static bool is_printable(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] < ' ' || s[i] > '~')
			return false;
	return true;
}

bool note_line_parse(const char *line, size_t len, char rec[13], char level[16])
{
	char *copy = xstrndup(line, len), *at;
	const char *rest;
	bool good = false;

	level[0] = '\0';
	at = strrchr(copy, ' ');
	if (is_printable(line, len) && str_startswith(copy, NOTE_PREFIX, NULL) && at &&
	    str_startswith(at, " rec=", &rest) && strlen(rest) == ID_DIGITS &&
	    strspn(rest, "0123456789abcdef") == ID_DIGITS) {
		memcpy(rec, rest, ID_DIGITS + 1);
		*at = '\0';
		at = strrchr(copy, ' ');
		if (at && str_startswith(at, " level=", &rest) && is_level(rest))
			memcpy(level, rest, strlen(rest) + 1);
		good = true;
	}
	free(copy);
	return good;
}
