/* SPDX-License-Identifier: MIT */
/* judge_cover.c - a result is the output of a record that counts; see judge_internal.h */
#include <math.h>

#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

#define CANDIDATES_MAX 100 /* records with the same content, newest first */

/* A result, and the best record that was found for it. */
struct cover {
	struct judge_pass *p;
	const struct judge_result *r;
	bool pointer; /* a well-formed pointer: compared by the dataset that it stands for */
	struct chunkid_text id; /* that dataset; "" where it is not known here */
	bool covered;
	size_t candidates;
	enum reason reason;
	char *why; /* of the first record that has the content but does not count */
	char *fix;
	char *record;
};

/* ---- does this record count? ---- */

/* Takes `text`. */
static void reject(struct cover *v, const struct journal_entry *entry, enum reason reason,
		   char *text, const char *fix)
{
	if (v->why) {
		free(text);
		return;
	}
	v->reason = reason;
	v->why = text;
	v->fix = fix ? xstrdup(fix) : NULL;
	v->record = xstrdup(chunkid_text(&entry->id).s);
}

static bool passes_gate(const struct rules_gate *g, const struct record *r)
{
	const char *text = record_pair_get(&r->metrics_final, g->metric);
	double v;

	if (!text || !num_parse_real(text, &v) || isnan(v))
		return false;
	switch (g->compare) {
	case RULES_GE:
		return v >= g->value;
	case RULES_GT:
		return v > g->value;
	case RULES_LE:
		return v <= g->value;
	case RULES_LT:
		return v < g->value;
	}
	return false;
}

struct tree_match {
	const struct judge_pass *p;
	const struct record *rec;
	char *first; /* path that differs */
};

static bool is_output(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->noutputs; i++) {
		const char *rest;

		if (str_startswith(path, r->outputs[i].path, &rest) &&
		    (!*rest || *rest == '/' || !strcmp(rest, POINTER_SUFFIX)))
			return true;
	}
	return false;
}

static int note_difference(void *arg, const char *path, const struct tree_entry *a,
			   const struct tree_entry *b, struct err *e)
{
	struct tree_match *m = arg;

	(void)a;
	(void)b;
	(void)e;
	if (!m->first && !is_output(m->rec, path) && !rules_is_result(m->p->rule, path) &&
	    !rules_is_exempt(m->p->rule, path))
		m->first = xstrdup(path);
	return 0;
}

/* match = tree: what ran is what is pushed, but for results and what doesn't matter. */
static int same_code(struct cover *v, const struct journal_entry *entry, bool *same, struct err *e)
{
	struct tree_match m = {v->p, &entry->rec, NULL};
	struct repo_oid ran;
	int rc;

	memcpy(ran.hex, entry->rec.code.tree, sizeof(ran.hex));
	rc = tree_diff(v->p->j->in->repo, &ran, v->r->tree, note_difference, &m, e);
	*same = rc == 0 && !m.first;
	if (m.first)
		reject(v, entry, REASON_CODE_STALE,
		       xstrfmt("%s comes from other code: %s differs", v->r->path, m.first), NULL);
	free(m.first);
	return rc;
}

/* What the rule asks beyond the level. */
static int meets_rule(struct cover *v, const struct journal_entry *entry, bool *meets,
		      struct err *e)
{
	const struct rules_rule *rule = v->p->rule;
	const struct record *r = &entry->rec;

	*meets = false;
	if (judge_lacks_data(rule, r))
		reject(v, entry, REASON_DATA_NONE,
		       xstrfmt("%s comes from a run without data, and noData = refuse", v->r->path),
		       NULL);
	else if (rule->ignored_refused && r->code.ignored_count > 0)
		reject(v, entry, REASON_CODE_IGNORED,
		       xstrfmt("%s comes from a run beside %" PRId64 " ignored files", v->r->path,
			       r->code.ignored_count),
		       NULL);
	else if (rule->gate.metric && !passes_gate(&rule->gate, r))
		reject(v, entry, REASON_EXEC_METRIC,
		       xstrfmt("%s comes from run %.12s, which misses %s", v->r->path, r->run,
			       rule->gate.text),
		       NULL);
	else
		*meets = true;
	return *meets && rule->match_tree && r->code.tree ? same_code(v, entry, meets, e) : 0;
}

static bool wrote_dataset(const struct record *r, const char *id)
{
	for (size_t i = 0; i < r->noutputs; i++)
		if (r->outputs[i].id && !strcmp(r->outputs[i].id, id))
			return true;
	return false;
}

static int candidate(void *arg, const struct journal_entry *entry, struct err *e)
{
	struct cover *v = arg;
	const struct triple *t;
	bool meets;
	int rc;

	if (++v->candidates > CANDIDATES_MAX)
		return 1;
	if (!record_succeeded(&entry->rec)) {
		bool known = entry->rec.exit != RECORD_NONE || entry->rec.signal != RECORD_NONE;

		reject(v, entry, known ? REASON_EXEC_FAILED : REASON_EXEC_END,
		       xstrfmt("%s comes from run %.12s, which %s", v->r->path, entry->rec.run,
			       known ? "failed" : "has no known end"),
		       NULL);
		return 0;
	}
	rc = judge_record(v->p->j, entry, &t, e);
	if (rc < 0)
		return rc;
	if (t->level < v->p->rule->level) {
		reject(v, entry, t->v[0].reason, xstrdup(t->v[0].text), t->v[0].fix);
		return 0;
	}
	if (v->pointer && !wrote_dataset(&entry->rec, v->id.s))
		return 0; /* the record names the pointer's bytes and another dataset */
	rc = meets_rule(v, entry, &meets, e);
	if (rc == 0 && meets && finder_came_along(v->p->j->finder, entry)) {
		reject(v, entry, REASON_RECORD_PENDING,
		       xstrfmt("run %.12s, which wrote %s, came with this push", entry->rec.run,
			       v->r->path),
		       NULL);
		return 0;
	}
	v->covered = rc == 0 && meets;
	return rc < 0 ? rc : v->covered;
}

/* ---- one result ---- */

/* Is it a pointer, and of which dataset? */
static int look_at_pointer(struct cover *v, struct err *e)
{
	const struct evidence *ev = &v->p->j->evidence;
	struct buf text = BUF_INIT, root = BUF_INIT;
	struct pointer ptr;
	struct chunkid id;
	int rc = 0;

	pointer_init(&ptr);
	if (!pointer_root_of(v->r->path, &root))
		goto out;
	rc = repo_read_blob(v->p->j->in->repo, &v->r->entry->id, POINTER_MAX_BYTES, &text, e);
	if (rc == 0)
		v->pointer = pointer_parse(&ptr, text.p, text.len, v->r->path, NULL) == 0;
	if (v->pointer)
		rc = ev->dataset(ev->arg, &ptr, &id, e);
	if (rc == 0 && v->pointer)
		v->id = chunkid_text(&id);
	if (rc == ERR_NOTFOUND || rc == ERR_LIMIT) {
		err_clear(e); /* its data is not on the remote, or it is too big for a pointer */
		rc = 0;
	}
out:
	pointer_release(&ptr);
	buf_release(&text);
	buf_release(&root);
	return rc;
}

/* As one word of a shell: who copies the line runs it. */
static void add_word(struct buf *out, const char *s)
{
	if (*s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      "@%+=:,./_-")] == '\0')
		buf_addstr(out, s);
	else
		path_shell_quote(out, s);
}

static void say_uncovered(struct cover *v)
{
	struct verdict_finding *f;
	struct buf fix = BUF_INIT;

	if (v->why)
		f = judge_say(v->p, v->r->commit, v->reason, "%s", v->why);
	else
		f = judge_say(v->p, v->r->commit, REASON_EXEC_NORECORD,
			      "%s was changed, and no recorded run wrote it", v->r->path);
	if (!f)
		return;
	f->record = v->record ? xstrdup(v->record) : NULL;
	if (v->fix) {
		f->fix = xstrdup(v->fix);
	} else if (!v->why) {
		buf_addstr(&fix, "git deepops run -o ");
		add_word(&fix, v->r->path);
		buf_addstr(&fix, " -- CMD, commit it, push");
		f->fix = buf_detach(&fix, NULL);
	}
}

/* A link has no content of its own, and a submodule's is elsewhere: no run writes either. */
static void say_no_file(struct judge_pass *p, const struct judge_result *r)
{
	judge_say(p, r->commit, REASON_EXEC_NORECORD, "%s is a %s, which no recorded run wrote",
		  r->path, r->entry->mode == TREE_MODE_LINK ? "symbolic link" : "submodule");
}

int judge_result(struct judge_pass *p, const struct judge_result *r, struct err *e)
{
	struct cover v = {.p = p, .r = r};
	struct chunkid id;
	int rc;

	if (r->entry->mode != TREE_MODE_FILE && r->entry->mode != TREE_MODE_EXEC) {
		say_no_file(p, r);
		return 0;
	}
	rc = look_at_pointer(&v, e);
	if (rc == 0)
		rc = finder_by_blob(p->j->finder, &r->entry->id, candidate, &v, e);
	if (rc == 0 && !v.covered && *v.id.s)
		rc = chunkid_parse(&id, v.id.s, e);
	if (rc == 0 && !v.covered && *v.id.s)
		rc = finder_by_id(p->j->finder, &id, candidate, &v, e);
	if (rc == 0 && !v.covered)
		say_uncovered(&v);
	free(v.why);
	free(v.fix);
	free(v.record);
	return rc;
}
