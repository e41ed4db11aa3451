/* SPDX-License-Identifier: MIT */
/* verdict_text.c - a verdict as people and as programs read it; see verdict.h */
#include "base/json.h"
#include "policy/verdict.h"

#define SHORT_ID 7
#define SUBJECT_BYTES 60
#define FIX_WORD_BYTES 60 /* fits behind any indentation */

/* Printable ASCII: what a terminal or a web page on the way could take for more is a '?'. */
static void add_clean(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c & 0xc0) == 0x80)
			continue; /* one mark a character, not a byte */
		buf_addch(out, c >= 0x20 && c < 0x7f ? c : '?');
	}
}

/* How much of `s` fits into `room` columns, cut at a blank where there is one. */
static size_t fitting(const char *s, size_t room)
{
	size_t len = strlen(s), cut = room;

	if (len <= room)
		return len;
	while (cut && s[cut] != ' ')
		cut--;
	return cut ? cut : room;
}

/* One message line, folded at blanks; what follows is indented two columns more. */
static void add_line(struct buf *out, const char *prefix, size_t indent, const char *text)
{
	struct buf clean = BUF_INIT;
	const char *p;
	size_t at = indent;

	add_clean(&clean, text);
	for (p = clean.p; *p; at = indent + 2) {
		size_t n = fitting(p, VERDICT_COLUMNS - at);

		buf_addf(out, "%s%*s%.*s\n", prefix, (int)at, "", (int)n, p);
		p += n;
		p += strspn(p, " ");
	}
	buf_release(&clean);
}

static const char *state_words(enum verdict_state s)
{
	switch (s) {
	case VERDICT_REFUSED:
		return "refused";
	case VERDICT_WARNED:
		return "would be refused";
	case VERDICT_OVERRIDDEN:
		return "accepted by override";
	case VERDICT_ACCEPTED:
		break;
	}
	return "accepted";
}

static void add_head(struct buf *out, const char *prefix, const struct verdict_ref *r)
{
	struct buf line = BUF_INIT;

	buf_addf(&line, "deepops: push to %s %s", r->ref, state_words(r->state));
	if (r->commits)
		buf_addf(&line, " (%zu of %zu commit%s)", r->bad, r->commits,
			 r->commits == 1 ? "" : "s");
	if (r->n)
		buf_addf(&line, " [%s]", reason_info(r->v[0].reason)->code);
	add_line(out, prefix, 0, line.p);
	buf_release(&line);
}

static const char *fix_of(const struct verdict_finding *f)
{
	return f->fix ? f->fix : reason_info(f->reason)->mend;
}

/* A command with a word that no line has room for can't be copied: then what to do in general. */
static const char *told_fix(const struct verdict_finding *f)
{
	for (const char *p = f->fix; p && *p; p += strspn(p, " ")) {
		if (strcspn(p, " ") > FIX_WORD_BYTES)
			return reason_info(f->reason)->mend;
		p += strcspn(p, " ");
	}
	return fix_of(f);
}

static bool same_commit(const struct verdict_finding *a, const struct verdict_finding *b)
{
	return a->commit && b->commit ? !strcmp(a->commit, b->commit) : a->commit == b->commit;
}

/* Two records of one commit may lack the same thing: said once. */
static bool is_repeated(const struct verdict_ref *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (r->v[k].reason == r->v[i].reason && same_commit(&r->v[k], &r->v[i]) &&
		    !strcmp(r->v[k].text, r->v[i].text) &&
		    !strcmp(fix_of(&r->v[k]), fix_of(&r->v[i])))
			return true;
	return false;
}

static const struct verdict_finding *next_told(const struct verdict_ref *r, size_t i)
{
	while (++i < r->n)
		if (!is_repeated(r, i))
			return &r->v[i];
	return NULL;
}

/* Findings of the same commit share its line, and the line that mends them. */
static void add_commit(struct buf *out, const char *prefix, const struct verdict_finding *f,
		       const struct verdict_finding *before)
{
	struct buf line = BUF_INIT;

	if (!f->commit || (before && same_commit(before, f)))
		return;
	buf_addf(&line, "%.*s  %.*s", SHORT_ID, f->commit, SUBJECT_BYTES,
		 f->subject ? f->subject : "");
	add_line(out, prefix, 2, line.p);
	buf_release(&line);
}

static void add_finding(struct buf *out, const char *prefix, const struct verdict_ref *r, size_t i,
			bool last)
{
	const struct verdict_finding *f = &r->v[i], *next = last ? NULL : next_told(r, i);
	const struct reason_info *info = reason_info(f->reason);
	size_t indent = f->commit ? 4 : 2;
	struct buf line = BUF_INIT;

	add_commit(out, prefix, f, i ? &r->v[i - 1] : NULL);
	buf_addf(&line, "%s: %s", info->leg, f->text);
	if (i && f->reason != r->v[0].reason)
		buf_addf(&line, " [%s]", info->code);
	add_line(out, prefix, indent, line.p);
	if (!next || !same_commit(next, f) || strcmp(fix_of(next), fix_of(f)) != 0) {
		buf_reset(&line);
		buf_addf(&line, "fix:  %s", told_fix(f));
		for (size_t k = 0; told_fix(f) != f->fix && k < line.len; k++)
			if (line.p[k] == '\n') /* the table has lines of its own */
				line.p[k] = ' ';
		add_line(out, prefix, indent, line.p);
	}
	buf_release(&line);
}

/* At most VERDICT_SHOWN of them; returns how many there are to tell. */
static size_t add_findings(struct buf *out, const char *prefix, const struct verdict_ref *r)
{
	size_t told = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (is_repeated(r, i))
			continue;
		if (++told <= VERDICT_SHOWN)
			add_finding(out, prefix, r, i, told == VERDICT_SHOWN);
	}
	return told + r->dropped;
}

static void add_ref(struct buf *out, const char *prefix, const struct verdict *v,
		    const struct verdict_ref *r)
{
	struct buf line = BUF_INIT;
	size_t found;

	add_head(out, prefix, r);
	found = add_findings(out, prefix, r);
	if (found > VERDICT_SHOWN) {
		buf_addf(&line, "and %zu more", found - VERDICT_SHOWN);
		add_line(out, prefix, 2, line.p);
	}
	if (r->why) {
		buf_sets(&line, "why: ");
		buf_addstr(&line, r->why);
		add_line(out, prefix, 2, line.p);
	}
	if (r->state == VERDICT_OVERRIDDEN) {
		buf_sets(&line, "override: ");
		buf_addf(&line, "%s (by %s, logged)", v->override_reason, r->by);
		add_line(out, prefix, 2, line.p);
	} else if (r->override) {
		buf_sets(&line, "override: ");
		buf_addstr(&line, r->override);
		add_line(out, prefix, 2, line.p);
	}
	buf_release(&line);
}

void verdict_text(const struct verdict *v, const char *prefix, struct buf *out)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].state != VERDICT_ACCEPTED)
			add_ref(out, prefix, v, &v->v[i]);
}

static struct json *finding_json(const struct verdict_finding *f)
{
	const struct reason_info *info = reason_info(f->reason);
	struct json *j = json_mkobj();

	json_put_str(j, "code", info->code);
	json_put_str(j, "leg", info->leg);
	json_put_str(j, "commit", f->commit);
	json_put_str(j, "subject", f->subject);
	json_put_str(j, "record", f->record);
	json_put_str(j, "text", f->text);
	json_put_str(j, "fix", f->fix ? f->fix : info->mend);
	return j;
}

static struct json *ref_json(const struct verdict_ref *r)
{
	static const char *const states[] = {
		[VERDICT_ACCEPTED] = "accepted",
		[VERDICT_WARNED] = "warned",
		[VERDICT_OVERRIDDEN] = "overridden",
		[VERDICT_REFUSED] = "refused",
	};
	struct json *j = json_mkobj(), *list = json_mkarr();

	json_put_str(j, "ref", r->ref);
	json_put_str(j, "old", r->old_id);
	json_put_str(j, "new", r->new_id);
	json_put_str(j, "verdict", states[r->state]);
	json_put_int(j, "commits", (int64_t)r->commits);
	json_put_int(j, "bad", (int64_t)r->bad);
	for (size_t i = 0; i < r->n; i++)
		json_push(list, finding_json(&r->v[i]));
	json_put(j, "findings", list);
	if (r->dropped)
		json_put_int(j, "more", (int64_t)r->dropped);
	json_put_str(j, "why", r->why);
	json_put_str(j, "override", r->override);
	json_put_str(j, "by", r->by);
	return j;
}

void verdict_json(const struct verdict *v, struct buf *out)
{
	struct json *doc = json_mkobj(), *list = json_mkarr();

	json_put_int(doc, "version", 1);
	json_put_str(doc, "verdict", verdict_refused(v) ? "refused" : "accepted");
	json_put_str(doc, "override_reason", v->override_reason);
	for (size_t i = 0; i < v->n; i++)
		json_push(list, ref_json(&v->v[i]));
	json_put(doc, "refs", list);
	json_text(doc, false, out);
	json_unref(doc);
}
