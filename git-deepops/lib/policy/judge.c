/* SPDX-License-Identifier: MIT */
/* judge.c - may this push pass; see judge.h */
#include "base/clock.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

struct verdict_finding *judge_say(struct judge_pass *p, const struct repo_oid *commit,
				  enum reason reason, const char *fmt, ...)
{
	struct buf text = BUF_INIT, raw = BUF_INIT;
	struct verdict_finding *f;
	const char *subject;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	f = verdict_add(p->out, reason, "%s", text.p);
	if (f && commit) {
		f->commit = xstrdup(commit->hex);
		/* For people only: a commit that can't be read has no subject. */
		if (repo_read_raw(p->j->in->repo, commit, "commit", 1U << 20, &raw, NULL) == 0) {
			subject = strstr(raw.p, "\n\n");
			subject = subject ? subject + 2 : "";
			f->subject = xstrndup(subject, strcspn(subject, "\n"));
		}
	}
	buf_release(&text);
	buf_release(&raw);
	return f;
}

bool judge_expired(struct judge_pass *p)
{
	if (!p->expired && p->j->in->deadline_ms && clock_mono_ms() > p->j->in->deadline_ms) {
		p->expired = true;
		judge_say(p, NULL, REASON_LIMIT_TIME, "time is up; not everything was judged");
	}
	return p->expired;
}

/* ---- the chunk store ---- */

/* That it can't be read has a code and a mend of its own, wherever it was asked. */
static int watch_root(void *arg, enum chunk_kind kind, const struct chunkid *id,
		      struct store_root *out, struct err *e)
{
	struct judge *j = arg;
	int rc = j->in->evidence->root(j->in->evidence->arg, kind, id, out, e);

	j->store_failed = j->store_failed || rc < 0;
	return rc;
}

static int watch_dataset(void *arg, const struct pointer *p, struct chunkid *id, struct err *e)
{
	struct judge *j = arg;
	int rc = j->in->evidence->dataset(j->in->evidence->arg, p, id, e);

	j->store_failed = j->store_failed || (rc < 0 && rc != ERR_NOTFOUND);
	return rc;
}

static int watch_node(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct judge *j = arg;
	int rc = j->in->evidence->node(j->in->evidence->arg, id, text, e);

	j->store_failed = j->store_failed || (rc < 0 && rc != ERR_NOTFOUND);
	return rc;
}

static int watch_near(void *arg, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
		      struct err *e)
{
	struct judge *j = arg;
	int rc = j->in->evidence->near(j->in->evidence->arg, kind, id, out, e);

	j->store_failed = j->store_failed || (rc < 0 && rc != ERR_NOTFOUND);
	return rc;
}

/* ---- records ---- */

static void open_finder(struct judge *j)
{
	struct repo_oid *tips = xcalloc(j->in->n + 1, sizeof(*tips));
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < j->in->n; i++)
		if (journal_ref_writer(j->in->updates[i].ref) &&
		    !repo_oid_is_zero(&j->in->updates[i].new_id))
			tips[n++] = j->in->updates[i].new_id;
	rc = finder_open(&j->finder, j->in->repo, tips, n, j->in->server ? FINDER_READONLY : 0,
			 &j->finder_why);
	free(tips);
	if (rc == 0)
		finder_treehash_cache(j->finder, &j->cache);
	else
		j->finder_reason = rc == ERR_LIMIT ? REASON_INDEX_BEHIND : REASON_INDEX_MISSING;
}

struct finder *judge_finder(struct judge_pass *p)
{
	struct judge *j = p->j;

	if (!j->finder && !j->finder_why.code)
		open_finder(j);
	if (!j->finder)
		judge_say(p, NULL, j->finder_reason, "%s", j->finder_why.msg);
	else
		finder_retract_by(j->finder, p->rule->retract_writer);
	return j->finder;
}

int judge_record(struct judge *j, const struct journal_entry *entry, const struct triple **out,
		 struct err *e)
{
	struct triple_ctx ctx = {.repo = j->in->repo,
				 .evidence = &j->evidence,
				 .cache = &j->cache,
				 .now_ms = j->in->now_ms,
				 .unlinked = j->unlinked,
				 .kept = j->finder ? finder_index(j->finder) : NULL};
	struct judge_triple *one;
	int rc;

	for (size_t i = 0; i < j->nseen; i++) {
		if (chunkid_equal(&j->seen[i].id, &entry->id)) {
			*out = &j->seen[i].triple;
			return 0;
		}
	}
	XGROW(j->seen, j->nseen + 1, j->seen_alloc);
	one = &j->seen[j->nseen];
	one->id = entry->id;
	rc = triple_judge(&ctx, entry, &one->triple, e);
	if (rc < 0)
		return rc;
	j->nseen++;
	*out = &one->triple;
	return 0;
}

bool judge_lacks_data(const struct rules_rule *rule, const struct record *r)
{
	/* R0 asks for nothing but a record, so there it has to be written. */
	bool asked = rule->level > 0 || rules_has(rule, "noData");

	return asked && !rule->no_data_allowed && (r->no_data || !triple_has_data(r));
}

/* ---- one ref under one rule ---- */

static char *why_text(const struct rules *rules, const struct rules_rule *rule)
{
	if (!rules->name)
		return xstrfmt("no policy, so R%u is asked of HEAD's branch", rule->level);
	return xstrfmt("rule \"%s\" asks R%u/T%u (%s:%u)", rule->name, rule->level, rule->trust,
		       rules->name, rule->line);
}

static char *override_text(const struct rules_rule *rule)
{
	struct buf t = BUF_INIT;

	if (rule->override == RULES_NO_OVERRIDE)
		return NULL;
	buf_addf(&t, "git push%s -o deepops.override=\"<reason>\" (",
		 rule->override == RULES_OVERRIDE_SIGNED ? " --signed" : "");
	for (size_t i = 0; i < rule->override_by.nr; i++)
		buf_addf(&t, "%s, ", rule->override_by.v[i]);
	buf_addstr(&t, "logged)");
	return buf_detach(&t, NULL);
}

/* Is the ref what a rule can be applied to?  1 yes, 0 there is a finding or nothing to do. */
static int resolve_tips(struct judge_pass *p, struct err *e)
{
	struct repo *r = p->j->in->repo;
	int rc;

	memset(p->old_tip.hex, '0', REPO_OID_HEX);
	if (!repo_oid_is_zero(&p->u->old_id)) {
		rc = repo_peel_commit(r, &p->u->old_id, &p->old_tip, e);
		if (rc == ERR_INPUT || rc == ERR_NOTFOUND) {
			err_clear(e); /* what was there had nothing to judge */
			memset(p->old_tip.hex, '0', REPO_OID_HEX);
		} else if (rc < 0) {
			return rc;
		}
	}
	if (repo_oid_is_zero(&p->u->new_id)) {
		if (!p->rule->rewind_allowed)
			judge_say(p, NULL, REASON_REF_DELETE, "%s may not be deleted", p->u->ref);
		return 0;
	}
	rc = repo_peel_commit(r, &p->u->new_id, &p->new_tip, e);
	if (rc == ERR_INPUT) {
		err_clear(e);
		judge_say(p, NULL, REASON_REF_OBJECT, "%.12s is not a commit", p->u->new_id.hex);
		return 0;
	}
	return rc < 0 ? rc : 1;
}

static int check_rewind(struct judge_pass *p, struct err *e)
{
	int rc;

	if (p->rule->rewind_allowed || repo_oid_is_zero(&p->old_tip))
		return 0;
	rc = repo_is_ancestor(p->j->in->repo, &p->old_tip, &p->new_tip, e);
	if (rc == 0)
		judge_say(p, NULL, REASON_REF_REWIND, "%.12s is not a descendant of %.12s",
			  p->new_tip.hex, p->old_tip.hex);
	return rc < 0 ? rc : 0;
}

static int run_pass(struct judge_pass *p, struct err *e)
{
	const char *beyond = rules_unsupported(p->rule);
	int rc = resolve_tips(p, e);

	if (rc != 1)
		return rc;
	if (beyond) {
		judge_say(p, NULL, REASON_POLICY_UNSUPPORTED, "%s can't be verified here", beyond);
		return 0;
	}
	rc = check_rewind(p, e);
	if (rc == 0 && p->rule->signing == RULES_SIGNED_PUSH && !p->j->in->pusher.certified)
		judge_say(p, NULL, REASON_PUSH_UNSIGNED, "the push has no valid certificate");
	if (rc == 0)
		rc = judge_new_commits(p, e);
	if (rc != 1)
		return rc;
	if (p->j->finder)
		finder_retract_by(p->j->finder, p->rule->retract_writer);
	rc = judge_plain(p, e);
	if (rc == 0)
		rc = judge_experiments(p, e);
	return rc == 0 ? judge_results(p, e) : rc;
}

static bool may_override(struct judge_pass *p)
{
	const struct judge_pusher *who = &p->j->in->pusher;
	const struct rules_rule *rule = p->rule;

	if (rule->override == RULES_NO_OVERRIDE)
		judge_say(p, NULL, REASON_OVERRIDE_DENIED, "rule \"%s\" allows no override",
			  rule->name);
	else if (!who->name)
		judge_say(p, NULL, REASON_OVERRIDE_DENIED, "the server does not know who pushes");
	else if (rule->override == RULES_OVERRIDE_SIGNED && !who->certified)
		judge_say(p, NULL, REASON_OVERRIDE_DENIED, "an override has to be signed");
	else if (strlen(p->j->in->pusher.override_reason) > PUSH_MAX_REASON_BYTES)
		judge_say(p, NULL, REASON_OVERRIDE_DENIED, "a reason has at most %d bytes",
			  PUSH_MAX_REASON_BYTES);
	else if (rule->override_by.nr && !strvec_has(&rule->override_by, who->name))
		judge_say(p, NULL, REASON_OVERRIDE_DENIED, "%s may not override", who->name);
	else
		return true;
	return false;
}

static void conclude(struct judge_pass *p)
{
	bool grace = p->rule->since_ms && p->j->in->now_ms < p->rule->since_ms;

	p->out->commits = p->n;
	for (size_t i = 0; i < p->out->n; i++) {
		const char *commit = p->out->v[i].commit;
		bool again = false;

		for (size_t k = 0; k < i && commit; k++)
			again = again ||
				(p->out->v[k].commit && !strcmp(p->out->v[k].commit, commit));
		p->out->bad += commit && !again;
	}
	if (!p->out->n)
		return;
	p->out->why = why_text(p->rules, p->rule);
	if (p->rule->mode == RULES_WARN || grace) {
		p->out->state = VERDICT_WARNED;
		return;
	}
	p->out->state = VERDICT_REFUSED;
	p->out->override = override_text(p->rule);
	if (p->j->in->pusher.override_reason && may_override(p)) {
		p->out->state = VERDICT_OVERRIDDEN;
		p->out->by = xstrdup(p->j->in->pusher.name);
	}
}

/* Findings like those of the other policy are said once, with both reasons. */
static void merge_same(struct verdict *v)
{
	struct verdict_ref *b = &v->v[v->n - 1], *a;
	char *why;

	if (v->n < 2 || !b->n)
		return;
	a = &v->v[v->n - 2];
	if (strcmp(a->ref, b->ref) != 0 || a->state != b->state || a->n != b->n || !a->why ||
	    !a->override != !b->override || (a->override && strcmp(a->override, b->override) != 0))
		return;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].reason != b->v[i].reason || strcmp(a->v[i].text, b->v[i].text) != 0)
			return;
	why = xstrfmt("%s; %s", a->why, b->why);
	free(a->why);
	a->why = why;
	verdict_drop_last(v);
}

static enum reason reason_of(const struct judge *j, int rc)
{
	if (rc == ERR_INTR)
		return REASON_LIMIT_TIME;
	return j->store_failed ? REASON_STORE_MISSING : REASON_INTERNAL;
}

static int judge_by_rule(struct judge *j, const struct judge_update *u, enum policies_which which,
			 struct err *e)
{
	struct judge_pass p = {.j = j, .u = u, .sorted = STRVEC_INIT, .judged = STRVEC_INIT};
	int rc;

	p.rules = &j->policies.rules[which];
	p.rule = policies_rule(&j->policies, which, u->ref);
	if (!p.rule)
		return 0;
	p.out = verdict_add_ref(j->out, u->ref, u->old_id.hex, u->new_id.hex);
	rc = run_pass(&p, e);
	if (rc < 0) { /* what can't be judged does not pass, as far as the rule enforces */
		judge_say(&p, NULL, reason_of(j, rc), "%s",
			  e && *e->msg ? e->msg : "unknown error");
		err_clear(e);
	}
	conclude(&p);
	merge_same(j->out);
	free(p.commits);
	strvec_release(&p.sorted);
	strvec_release(&p.judged);
	return 0;
}

/* A policy that can't be read refuses what it might have governed: everything but journals. */
static bool refuse_malformed(struct judge *j, const struct judge_update *u)
{
	bool bad = false;

	for (int i = 0; i < POLICIES_COUNT; i++) {
		struct verdict_ref *r;

		if (!j->policies.bad[i].code)
			continue;
		r = verdict_add_ref(j->out, u->ref, u->old_id.hex, u->new_id.hex);
		r->state = VERDICT_REFUSED;
		verdict_add(r, REASON_POLICY_MALFORMED, "%s", j->policies.bad[i].msg);
		bad = true;
	}
	return bad;
}

static int judge_update(struct judge *j, const struct judge_update *u, struct err *e)
{
	int rc = j->in->server ? judge_ref(j, u, e) : 0;

	if (rc < 0 || str_startswith(u->ref, "refs/deepops/", NULL) ||
	    str_startswith(u->ref, "refs/notes/deepops", NULL) || refuse_malformed(j, u))
		return rc;
	for (int i = 0; rc == 0 && i < POLICIES_COUNT; i++)
		rc = judge_by_rule(j, u, (enum policies_which)i, e);
	return rc;
}

/* HEAD's branch as it was before this push: its line, if it has one, knows best. */
static int load_policies(struct judge *j, struct err *e)
{
	struct policies_from from = {.head = NULL};
	struct buf head = BUF_INIT;
	struct repo_oid tip;
	bool wanted = true;
	int rc;

	if (j->in->policies)
		return policies_load(&j->policies, j->in->repo, j->in->policies, e);
	rc = policies_head(j->in->repo, &head, &tip, e);
	for (size_t i = 0; rc == 0 && i < j->in->n; i++)
		if (!strcmp(j->in->updates[i].ref, head.p))
			tip = j->in->updates[i].old_id;
	if (rc == 0)
		rc = repo_config_bool(j->in->repo, "deepops.treePolicy", true, &wanted, e);
	from.head = head.len ? head.p : NULL;
	from.commit = head.len && wanted && !repo_oid_is_zero(&tip) ? &tip : NULL;
	if (rc == 0)
		rc = policies_load(&j->policies, j->in->repo, &from, e);
	buf_release(&head);
	return rc;
}

int judge_push(const struct judge_input *in, struct verdict *out, struct err *e)
{
	struct judge j = {.in = in,
			  .out = out,
			  .hash_left = JUDGE_HASH_BYTES,
			  .entries_left = JUDGE_ENTRIES,
			  .evidence = {watch_root, watch_dataset, watch_node,
				       in->evidence->near ? watch_near : NULL, NULL}};
	int rc;

	j.evidence.arg = &j;
	policies_init(&j.policies);
	j.unlinked = chunkset_new();
	if (in->pusher.override_reason)
		out->override_reason = xstrdup(in->pusher.override_reason);
	rc = load_policies(&j, e);
	if (rc == 0)
		rc = judge_names(&j, e);
	for (size_t i = 0; rc == 0 && i < in->n; i++)
		rc = judge_update(&j, &in->updates[i], e);
	for (size_t i = 0; i < j.nseen; i++)
		triple_release(&j.seen[i].triple);
	free(j.seen);
	chunkset_free(j.unlinked);
	finder_close(&j.finder);
	policies_release(&j.policies);
	return rc;
}
