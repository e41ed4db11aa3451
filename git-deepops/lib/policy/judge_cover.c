/* SPDX-License-Identifier: MIT */
/* judge_cover.c - a result is the output of a record that counts; see judge_internal.h */
#include <math.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"
#include "run/metrics.h"
#include "run/samecode.h"

/* A result, and the best record that was found for it. */
struct cover {
	struct judge_pass *p;
	const struct judge_result *r;
	const struct judge_content *want; /* the result, or the dataset in which it stands */
	bool covered, cut;
	size_t looked; /* records that have the content */
	enum reason reason;
	char *why; /* of the first record that has the content but does not count */
	char *fix;
	char *record;
	char *retracted; /* words on a run that has it, and who took that back */
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

static bool passes_gate(const struct rules_gate *g, const char *text)
{
	double v;

	if (!num_parse_real(text, &v) || isnan(v))
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

/* The value that a file of metrics gives, as the client reads it; 1 found, 0 not. */
static int metric_of_file(struct cover *v, const char *path, const struct repo_oid *blob,
			  struct buf *value, struct err *e)
{
	const char *metric = v->p->rule->gate.metric, *found;
	struct buf text = BUF_INIT;
	struct metrics m;
	int rc = repo_read_blob(v->p->j->in->repo, blob, JSON_MAX_BYTES, &text, e);

	if (rc < 0 && rc != ERR_LIMIT) {
		buf_release(&text);
		return rc;
	}
	metrics_init(&m);
	metrics_want(&m, metric, false);
	if (rc == 0)
		rc = metrics_parse(&m, path, text.p, text.len, NULL);
	metrics_finish(&m);
	/* What can't be parsed to its end gives nothing. */
	found = rc == 0 ? record_pair_get(&m.final, metric) : NULL;
	if (rc == ERR_LIMIT)
		err_clear(e);
	if (found)
		buf_sets(value, found);
	metrics_release(&m);
	buf_release(&text);
	return found != NULL;
}

static int metric_of_output(struct cover *v, const struct record_output *out, struct buf *value,
			    struct err *e)
{
	struct judge_content want = {.kind = JUDGE_FILE, .known = true};
	struct tree_entry found = {.mode = 0};
	int rc = out->id ? chunkid_parse(&want.id, out->id, e) : ERR_NOTFOUND;

	if (rc == 0)
		rc = tree_find(v->p->j->in->repo, v->r->tree, out->path, &found, e);
	if (rc == 1 && (found.mode == TREE_MODE_FILE || found.mode == TREE_MODE_EXEC))
		rc = judge_stands(v->p->j, v->r->tree, out->path, &want, e);
	else
		rc = MIN(rc, 0);
	if (rc == ERR_NOTFOUND || rc == ERR_INPUT) {
		err_clear(e);
		return 0;
	}
	return rc == 1 ? metric_of_file(v, out->path, &found.id, value, e) : rc;
}

/*
 * The value that the gate is about: of the result itself where it is a file of metrics that has
 * one, else of another result of the run, as the commit has it.  What a run wrote into a
 * file that is thrown away counts only where none of its results could hold a metric.
 */
static int gate_value(struct cover *v, const struct record *r, struct buf *value, struct err *e)
{
	bool held = false;
	const char *last;
	int rc = 0;

	if (v->r->entry && !v->r->content.pointer && metrics_known(v->r->path)) {
		held = true;
		rc = metric_of_file(v, v->r->path, &v->r->entry->id, value, e);
	}
	for (size_t i = 0; rc == 0 && i < r->noutputs; i++) {
		const struct record_output *out = &r->outputs[i];

		if (!metrics_known(out->path) || !rules_is_place(v->p->rule, out->path))
			continue;
		held = true;
		rc = metric_of_output(v, out, value, e);
	}
	last = record_pair_get(&r->metrics_final, v->p->rule->gate.metric);
	if (rc != 0 || held || !last)
		return rc;
	buf_sets(value, last);
	return 1;
}

static int meets_gate(struct cover *v, const struct journal_entry *entry, bool *meets,
		      struct err *e)
{
	const struct rules_gate *g = &v->p->rule->gate;
	struct buf value = BUF_INIT;
	int rc = gate_value(v, &entry->rec, &value, e);

	*meets = rc == 1 && passes_gate(g, value.p);
	if (rc == 0)
		reject(v, entry, REASON_EXEC_METRIC,
		       xstrfmt("%s of run %.12s comes without %s: no result in the commit has it",
			       v->r->path, entry->rec.run, g->metric),
		       NULL);
	else if (rc == 1 && !*meets)
		reject(v, entry, REASON_EXEC_METRIC,
		       xstrfmt("%s comes from run %.12s, which misses %s: it is %s", v->r->path,
			       entry->rec.run, g->text, value.p),
		       NULL);
	buf_release(&value);
	return MIN(rc, 0);
}

static bool is_left_out(void *arg, const char *path, const struct tree_entry *a,
			const struct tree_entry *b)
{
	const struct rules_rule *rule = arg;

	(void)a;
	(void)b;
	return rules_is_place(rule, path) || rules_is_exempt(rule, path);
}

/* match = tree: what ran is what is pushed, but for results and what doesn't matter. */
static int same_code(struct cover *v, const struct journal_entry *entry, bool *same, struct err *e)
{
	const struct judge *j = v->p->j;
	struct samecode s = {.repo = j->in->repo,
			     .entry = entry,
			     .tree = v->r->tree,
			     .skip = is_left_out,
			     .skip_arg = (void *)(uintptr_t)v->p->rule,
			     .dataset = j->evidence.dataset,
			     .node = j->evidence.node,
			     .data_arg = j->evidence.arg,
			     .exact = true};
	struct buf differs = BUF_INIT;
	int rc = samecode_differs(&s, &differs, e);

	*same = rc == 0;
	if (rc == 1)
		reject(v, entry, REASON_CODE_STALE,
		       xstrfmt("%s comes from other code: %s", v->r->path, differs.p), NULL);
	buf_release(&differs);
	return MIN(rc, 0);
}

/* What the rule asks beyond the level. */
static int meets_rule(struct cover *v, const struct journal_entry *entry, bool *meets,
		      struct err *e)
{
	const struct rules_rule *rule = v->p->rule;
	const struct record *r = &entry->rec;
	int rc = 0;

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
	else
		*meets = true;
	if (*meets && rule->gate.metric)
		rc = meets_gate(v, entry, meets, e);
	return rc == 0 && *meets && rule->match_tree ? same_code(v, entry, meets, e) : rc;
}

/* ---- which records have its content? ---- */

/*
 * Is this output a file, as far as the journal says?  A file's SHA-256 may be the id of a
 * dataset, too: that of a file which holds the text of its node.
 */
static int output_kind(struct cover *v, const struct journal_entry *entry, size_t n,
		       enum judge_kind *kind, struct err *e)
{
	struct buf text = BUF_INIT;
	struct pointer ptr;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "outputs/%zu", n);
	rc = journal_file(v->p->j->in->repo, entry, name, POINTER_MAX_BYTES, &text, e);
	*kind = JUDGE_DATASET; /* a rerun keeps no pointers of directories */
	pointer_init(&ptr);
	if (rc == 1 && pointer_parse(&ptr, text.p, text.len, name, NULL) == 0 &&
	    ptr.kind == POINTER_FILE)
		*kind = JUDGE_FILE;
	pointer_release(&ptr);
	buf_release(&text);
	return MIN(rc, 0);
}

static int wrote(struct cover *v, const struct journal_entry *entry, bool *out, struct err *e)
{
	struct chunkid_text id = chunkid_text(&v->want->id);
	const struct record *r = &entry->rec;
	int rc = 0;

	*out = false;
	for (size_t i = 0; rc == 0 && i < r->noutputs && !*out; i++) {
		enum judge_kind kind;

		if (!r->outputs[i].id || strcmp(r->outputs[i].id, id.s) != 0)
			continue;
		rc = output_kind(v, entry, i, &kind, e);
		*out = rc == 0 && kind == v->want->kind;
	}
	return rc;
}

static int judge_candidate(struct cover *v, const struct journal_entry *entry, struct err *e)
{
	const struct record *r = &entry->rec;
	const struct triple *t;
	bool meets = false;
	int rc;

	if (!record_succeeded(r)) {
		bool known = r->exit != RECORD_NONE || r->signal != RECORD_NONE;

		reject(v, entry, known ? REASON_EXEC_FAILED : REASON_EXEC_END,
		       xstrfmt("%s comes from run %.12s, which %s", v->r->path, r->run,
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
	rc = meets_rule(v, entry, &meets, e);
	if (rc == 0 && meets && finder_came_along(v->p->j->finder, entry))
		reject(v, entry, REASON_RECORD_PENDING,
		       xstrfmt("run %.12s, which wrote %s, came with this push", r->run,
			       v->r->path),
		       NULL);
	else
		v->covered = rc == 0 && meets;
	return rc;
}

/* Records that don't count must not hide one that does: all are looked at that a push has time for. */
static int candidate(void *arg, const struct journal_entry *entry, struct err *e)
{
	struct cover *v = arg;
	bool wrote_it;
	int rc = wrote(v, entry, &wrote_it, e);

	if (rc < 0 || !wrote_it)
		return rc;
	v->cut = v->p->j->decoys >= JUDGE_DECOYS || judge_expired(v->p);
	if (v->cut)
		return 1;
	v->looked++;
	rc = judge_candidate(v, entry, e);
	v->p->j->decoys += !v->covered;
	return rc < 0 ? rc : v->covered;
}

/* The record names what git has, and other bytes as what it wrote: why, at least. */
static int filtered(void *arg, const struct journal_entry *entry, struct err *e)
{
	struct cover *v = arg;

	(void)e;
	if (!v->r->content.pointer)
		reject(v, entry, REASON_DATA_FILTERED,
		       xstrfmt("%s in the commit is not byte for byte what run %.12s wrote",
			       v->r->path, entry->rec.run),
		       NULL);
	else if (!v->r->content.known)
		reject(v, entry, REASON_DATA_INCOMPLETE,
		       xstrfmt("the data of %s is not on the remote", v->r->path),
		       "git deepops push --data-only && git push");
	return 1;
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
	struct buf text = BUF_INIT, fix = BUF_INIT;

	if (v->why)
		buf_addstr(&text, v->why);
	else if (v->retracted)
		buf_addf(&text, "%s comes from a run that does not count: %s", v->r->path,
			 v->retracted);
	else
		buf_addf(&text, "%s was changed, and no recorded run wrote it", v->r->path);
	if (v->why && v->retracted)
		buf_addf(&text, "; %s", v->retracted);
	if (v->r->holder)
		buf_addf(&text, " (it stands in %s)", v->r->holder);
	if (v->cut)
		buf_addf(&text,
			 "; %zu records with this content were looked at, and there are more",
			 v->looked);
	else if (v->looked > 1)
		buf_addf(&text, "; none of %zu records with this content counts", v->looked);
	f = judge_say(v->p, v->r->commit, v->why ? v->reason : REASON_EXEC_NORECORD, "%s", text.p);
	buf_release(&text);
	if (!f)
		return;
	f->record = v->record ? xstrdup(v->record) : NULL;
	if (v->fix) {
		f->fix = xstrdup(v->fix);
	} else if (!v->why) {
		buf_addstr(&fix, "git deepops run -o ");
		add_word(&fix, v->r->path);
		buf_addstr(&fix, " -- CMD, commit it, push");
		if (repo_oid_is_zero(&v->p->old_tip))
			buf_addstr(&fix, "; for results older than the rule: since = COMMIT in it");
		f->fix = buf_detach(&fix, NULL);
	}
}

/* A link has no content of its own, and a submodule's is elsewhere: no run writes either. */
static void say_no_file(struct judge_pass *p, const struct judge_result *r)
{
	bool module = r->entry && r->entry->mode == TREE_MODE_GITLINK;

	judge_say(p, r->commit, REASON_EXEC_NORECORD, "%s is a %s, which no recorded run wrote",
		  r->path, module ? "submodule" : "symbolic link");
}

static void say_too_big(struct judge_pass *p, const struct judge_result *r)
{
	struct verdict_finding *f = judge_say(p, r->commit, REASON_LIMIT_BYTES,
					      "%s is too big to be hashed during a push", r->path);
	struct buf fix = BUF_INIT;

	if (!f)
		return;
	buf_addstr(&fix, "git deepops track ");
	add_word(&fix, r->path);
	buf_addstr(&fix, ", commit the pointer, push");
	f->fix = buf_detach(&fix, NULL);
}

int judge_kept(struct judge_pass *p, const struct judge_result *r, struct err *e)
{
	struct verdict_finding *f;
	struct evidence_found found;
	int rc;

	if (!r->ptr)
		return 1;
	rc = evidence_pointer(&p->j->evidence, r->ptr, p->j->in->now_ms / 1000, &found, e);
	if (rc < 0)
		return rc;
	if (found.state == EVIDENCE_KEPT && r->content.known)
		return 1;
	f = judge_say(p, r->commit,
		      found.state == EVIDENCE_EXPIRED ? REASON_DATA_EXPIRED
						      : REASON_DATA_INCOMPLETE,
		      "the data of %s is not on the remote%s", r->path,
		      found.state == EVIDENCE_EXPIRED ? " for long enough" : "");
	if (f)
		f->fix = xstrdup("git deepops push --data-only && git push");
	return 0;
}

/* By its own content, then by that of the dataset it stands in. */
static int find_record(struct cover *v, struct err *e)
{
	const struct judge_content *want[] = {&v->r->content, v->r->whole};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(want) && !v->covered; i++) {
		v->want = want[i];
		if (v->want && v->want->known)
			rc = finder_by_id(v->p->j->finder, &v->want->id, candidate, v, e);
		if (finder_skipped(v->p->j->finder) && !v->retracted) {
			struct buf who = BUF_INIT;

			finder_say_skipped(v->p->j->finder, &who);
			v->retracted = buf_detach(&who, NULL);
		}
	}
	if (rc == 0 && !v->covered && !v->why && v->r->entry)
		rc = finder_by_blob(v->p->j->finder, &v->r->entry->id, filtered, v, e);
	return rc;
}

/* Does it go back to what stood there at the commit up to which nothing is judged? */
static int is_of_before(struct cover *v, struct err *e)
{
	const struct judge_result *r = v->r;
	struct repo *repo = v->p->j->in->repo;
	struct buf place = BUF_INIT;
	struct repo_oid since, tree;
	int rc = 0;

	if (!v->p->rule->since_commit || !repo_oid_here(repo, v->p->rule->since_commit, &since))
		return 0;
	if (!r->content.pointer || !pointer_root_of(r->path, &place))
		buf_sets(&place, r->path);
	rc = repo_commit_tree(repo, &since, &tree, e);
	if (rc == 0)
		rc = judge_stands(v->p->j, &tree, place.p, &r->content, e);
	buf_release(&place);
	return rc;
}

int judge_result(struct judge_pass *p, const struct judge_result *r, struct err *e)
{
	struct cover v = {.p = p, .r = r};
	int rc = 0;

	if (r->content.kind == JUDGE_NO_FILE) {
		say_no_file(p, r);
		return 0;
	}
	if (!r->content.known && !r->content.pointer) {
		say_too_big(p, r);
		return 0;
	}
	rc = find_record(&v, e);
	if (rc == 0 && !v.covered) {
		rc = is_of_before(&v, e);
		v.covered = rc == 1;
		rc = MIN(rc, 0);
	}
	if (rc == 0 && !v.covered)
		say_uncovered(&v);
	else if (rc == 0)
		rc = MIN(judge_kept(p, r, e), 0);
	free(v.why);
	free(v.fix);
	free(v.record);
	free(v.retracted);
	return rc;
}
