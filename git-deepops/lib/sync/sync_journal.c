/* SPDX-License-Identifier: MIT */
/*
 * sync_journal.c - push the own journal; see sync.h
 *
 * A push of its own: a branch that the server refuses then leaves the journal
 * there, which is harmless, and a record below some policy never blocks those
 * behind it.
 */

#include "sync/sync_internal.h"

#include "base/killpoint.h"
#include "base/proc.h"
#include "run/journal.h"

#define REV_LIST_MAX_BYTES (64 * MIB)

struct journal_push {
	struct repo *repo;
	const struct where *where;
	struct buf ref, tracking;
	struct repo_oid tip;
};

/* Unpushed entries, oldest first, one id a line. */
static int unpushed(struct journal_push *j, struct buf *out, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct repo_oid known;
	int rc = repo_ref_get(j->repo, j->tracking.p, &known, e);

	if (rc < 0)
		return rc;
	strvec_pushl(&args, "rev-list", "--first-parent", "--reverse", j->tip.hex, NULL);
	if (rc == 1)
		strvec_pushf(&args, "^%s", known.hex);
	rc = repo_git_runv(j->repo, &args, NULL, out, e);
	strvec_release(&args);
	if (rc == 0 && out->len > REV_LIST_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "%s: too many records at once", j->ref.p);
	return rc;
}

enum push_answer { PUSH_OK, PUSH_NOT_OURS, PUSH_REFUSED };

/* `--porcelain` lines: flag TAB from:to TAB summary. A journal is moved by its own clone only. */
static enum push_answer read_answer(const struct buf *porcelain)
{
	const char *bad = strstr(porcelain->p, "!\t");

	if (!bad)
		return PUSH_REFUSED;
	if (strstr(bad, "non-fast-forward") || strstr(bad, "fetch first") ||
	    strstr(bad, "stale info"))
		return PUSH_NOT_OURS;
	return PUSH_REFUSED;
}

static int push_upto(struct journal_push *j, const char *oid, enum push_answer *answer,
		     struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	killpoint("push-before-journal");
	repo_git(j->repo, &p);
	strvec_pushl(&p.args, "-c", "push.followTags=false", "-c", "push.recurseSubmodules=no",
		     "-c", "push.gpgSign=false", "push", "--porcelain", "--no-verify", "--quiet",
		     j->where->name.p, NULL);
	strvec_pushf(&p.args, "%s:%s", oid, j->ref.p);
	strvec_push(&p.env, SYNC_GUARD_ENV "=1");
	p.in = PROC_NULL;
	rc = proc_capture(&p, NULL, 1 * MIB, &out, e);
	killpoint("push-after-journal");
	*answer = PUSH_OK;
	if (rc > 0) {
		*answer = read_answer(&out);
		rc = 0;
	}
	proc_release(&p);
	buf_release(&out);
	return rc;
}

/* Remember what the remote has, also where the clone's refspec does not map journals. */
static int note_pushed(struct journal_push *j, const char *oid, struct err *e)
{
	struct repo_oid id;

	memcpy(id.hex, oid, sizeof(id.hex));
	return repo_ref_set(j->repo, j->tracking.p, &id, NULL, "deepops: pushed journal", e);
}

static int push_list(struct journal_push *j, struct buf *list, uint64_t *records,
		     enum push_answer *answer, struct err *e)
{
	char *line = list->p;
	size_t in_batch = 0;
	int rc = 0;

	*answer = PUSH_OK;
	while (rc == 0 && *answer == PUSH_OK && strlen(line) >= REPO_OID_HEX) {
		char *next = line + REPO_OID_HEX;
		bool last;

		if (*next == '\n')
			*next++ = '\0';
		last = strlen(next) < REPO_OID_HEX;
		in_batch++;
		if (in_batch == PUSH_MAX_RECORDS || last) {
			rc = push_upto(j, line, answer, e);
			if (rc == 0 && *answer == PUSH_OK) {
				*records += in_batch;
				rc = note_pushed(j, line, e);
			}
			in_batch = 0;
		}
		line = next;
	}
	return rc;
}

static int push_once(struct repo *r, const struct where *w, uint64_t *records,
		     enum push_answer *answer, struct err *e)
{
	struct journal_push j = {r, w, BUF_INIT, BUF_INIT, {""}};
	struct buf list = BUF_INIT;
	int rc = sync_own_journal(r, &j.ref, &j.tip, e);

	*answer = PUSH_OK;
	if (rc == 1) {
		buf_addf(&j.tracking, "%s%s/log/%s", JOURNAL_REMOTE_REFS, w->name.p,
			 journal_ref_writer(j.ref.p));
		rc = unpushed(&j, &list, e);
		if (rc == 0)
			rc = push_list(&j, &list, records, answer, e);
	}
	buf_release(&j.ref);
	buf_release(&j.tracking);
	buf_release(&list);
	return rc;
}

int sync_push_journal(struct repo *r, const struct where *w, uint64_t *records, struct err *e)
{
	enum push_answer answer;
	int rc;

	*records = 0;
	rc = push_once(r, w, records, &answer, e);
	if (rc == 0 && answer == PUSH_NOT_OURS) {
		/* A copied .git: the other copy pushed first.  Ours goes on under a new writer. */
		rc = journal_fork(r, e);
		if (rc == 0)
			rc = push_once(r, w, records, &answer, e);
	}
	if (rc == 0 && answer != PUSH_OK) {
		rc = err_set(e, ERR_DENIED, "%s did not take the run records", w->name.p);
		err_hint(e, "the lines above from the remote say why; git deepops doctor");
	}
	return rc;
}
