/* SPDX-License-Identifier: MIT */
/* run_level.c - what the server will find of a run; see run_level.h */
#include "cmd/run_level.h"

#include "base/log.h"
#include "base/xalloc.h"
#include "policy/preview.h"
#include "sync/floor.h"
#include "sync/where.h"

#define SHOWN_FINDINGS 5

/* The floor as it is kept, and the policy of the branch that HEAD is on; without a remote nothing is asked. */
static int load_policies(struct repo *r, struct policies *p, struct buf *branch, struct err *e)
{
	struct policies_from from = {.floor_name = "the server's policy"};
	struct buf none = BUF_INIT;
	struct repo_oid head;
	struct where w;
	struct floor f;
	int rc = repo_head(r, branch, &head, e);

	where_init(&w);
	floor_init(&f);
	if (rc == 0 && where_resolve(r, NULL, WHERE_TO, &w, NULL) == 0)
		floor_kept(r, &w, &f);
	else
		buf_reset(branch); /* nobody whose default would hold */
	from.floor_text = f.state == FLOOR_TEXT ? &f.text : &none;
	from.head = branch->len ? branch->p : NULL;
	from.commit = repo_oid_is_zero(&head) ? NULL : &head;
	if (f.state != FLOOR_TEXT)
		from.floor_name = NULL;
	if (rc == 0)
		rc = policies_load(p, r, &from, e);
	floor_release(&f);
	where_release(&w);
	return rc;
}

void cmd_run_before(struct repo *r, const struct record *rec)
{
	struct strvec said = STRVEC_INIT;
	struct buf branch = BUF_INIT;
	struct policies p;
	bool known;

	policies_init(&p);
	known = load_policies(r, &p, &branch, NULL) == 0 && branch.len;
	preview_before(r, known ? &p : NULL, branch.p, rec, &said);
	for (size_t i = 0; i < said.nr; i++)
		log_warn("%s", said.v[i]);
	policies_release(&p);
	strvec_release(&said);
	buf_release(&branch);
}

void cmd_run_level(struct repo *r, const struct journal_entry *j, struct buf *line,
		   struct strvec *hints)
{
	struct err e = ERR_INIT;
	struct triple t;

	if (preview_record(r, j, &t, &e) < 0) {
		buf_addstr(line, ", level not known");
		strvec_pushf(hints, "the level could not be found: %s", e.msg);
		return;
	}
	buf_addf(line, ", level R%u%s", t.level, t.level == 2 ? " once its data is pushed" : "");
	for (size_t i = 0; i < t.n && i < SHOWN_FINDINGS; i++)
		strvec_pushf(hints, "for R2: %s%s%s", t.v[i].text, t.v[i].fix ? ": " : "",
			     t.v[i].fix ? t.v[i].fix : "");
	if (t.n > SHOWN_FINDINGS)
		strvec_pushf(hints, "and %zu more: git deepops check", t.n - SHOWN_FINDINGS);
	triple_release(&t);
}
