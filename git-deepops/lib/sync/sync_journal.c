/* SPDX-License-Identifier: MIT */
/*
 * sync_journal.c - push the own journal; see sync.h
 *
 * A push of its own: a branch that the server refuses then leaves the journal
 * there, which is harmless, and a record below some policy never blocks those
 * behind it.
 */

#include "sync/sync_internal.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/killpoint.h"
#include "base/proc.h"
#include "run/journal.h"

#define REV_LIST_MAX_BYTES (64 * MIB)

struct journal_push {
	struct repo *repo;
	const struct where *where;
	struct buf ref, tracking;
	struct buf memory; /* file that says what went to this git URL: "<ref> <id>" */
	struct repo_oid tip;
	bool ask; /* whatever it says */
};

/* ---- what is there ---- */

/* 1 found; 0: nothing is remembered of this URL, whatever name it goes by. */
static int remembered(const struct journal_push *j, struct repo_oid *id)
{
	struct buf text = BUF_INIT;
	const char *hex;
	int found = 0;

	if (io_read_file(AT_FDCWD, j->memory.p, 1 * KIB, &text, NULL) == 0 &&
	    str_startswith(text.p, j->ref.p, &hex) && *hex == ' ') {
		buf_rtrim(&text);
		found = repo_oid_take(id, hex + 1, '\0') != NULL;
	}
	buf_release(&text);
	return found;
}

/* The same from the remote itself: "<id> TAB <ref>". */
static int ask_remote(struct journal_push *j, struct repo_oid *id, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	repo_git(j->repo, &p);
	strvec_pushl(&p.args, "ls-remote", "--quiet", "--", j->where->git_url.p, j->ref.p, NULL);
	strvec_push(&p.env, SYNC_GUARD_ENV "=1");
	rc = repo_git_finish(&p, NULL, &out, e);
	if (rc == 0)
		rc = repo_oid_take(id, out.p, '\t') != NULL;
	buf_release(&out);
	return rc;
}

/*
 * 1: the remote has our journal up to *id.  The tracking ref is of the name, which may lead
 * elsewhere by now: it is believed only where the remote can't be asked (git may rewrite the URL).
 */
static int find_known(struct journal_push *j, struct repo_oid *id, struct err *e)
{
	struct err ignored = ERR_INIT;
	int rc = j->ask ? 0 : remembered(j, id);

	if (rc == 0)
		rc = ask_remote(j, id, &ignored);
	if (rc < 0)
		rc = repo_ref_get(j->repo, j->tracking.p, id, e);
	return rc == 1 ? repo_has_object(j->repo, id) : rc;
}

/* Unpushed entries, oldest first, one id a line. */
static int unpushed(struct journal_push *j, struct buf *out, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct repo_oid known;
	int rc = find_known(j, &known, e);

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

/* ---- sending ---- */

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
		     "-c", "push.gpgSign=false", NULL);
	/* A remote made with --mirror=push takes no refspec. */
	strvec_push(&p.args, "-c");
	strvec_pushf(&p.args, "remote.%s.mirror=false", j->where->name.p);
	strvec_pushl(&p.args, "push", "--porcelain", "--no-verify", "--quiet", NULL);
	/* The name would reach all its URLs, and the others have not the data yet. */
	strvec_push(&p.args, j->where->one_of_many ? j->where->git_url.p : j->where->name.p);
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

/* Disposable: without it the remote is asked. */
static void remember(const struct journal_push *j, const char *oid)
{
	struct buf text = BUF_INIT;
	struct err ignored = ERR_INIT;

	buf_addf(&text, "%s %s\n", j->ref.p, oid);
	if (sync_memory_write(j->memory.p, &text, &ignored) < 0)
		err_clear(&ignored);
	buf_release(&text);
}

/* Remember what the remote has, also where the clone's refspec does not map journals. */
static int note_pushed(struct journal_push *j, const char *oid, struct err *e)
{
	struct repo_oid id;
	int rc = repo_oid_parse(&id, oid, e);

	if (rc < 0)
		return rc;
	remember(j, oid);
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

static void journal_push_release(struct journal_push *j)
{
	buf_release(&j->ref);
	buf_release(&j->tracking);
	buf_release(&j->memory);
}

static void name_memory(struct journal_push *j)
{
	char key[SYNC_KEY_HEX + 1];

	sync_memory_key(j->where->git_url.p, key);
	sync_memory_dir(j->repo, &j->memory);
	buf_addf(&j->memory, "/journal-%s", key);
}

static int push_once(struct repo *r, const struct where *w, bool ask, uint64_t *records,
		     enum push_answer *answer, struct err *e)
{
	struct journal_push j = {r, w, BUF_INIT, BUF_INIT, BUF_INIT, {""}, ask};
	struct buf list = BUF_INIT;
	int rc = sync_own_journal(r, &j.ref, &j.tip, e);

	*answer = PUSH_OK;
	if (rc == 1) {
		name_memory(&j);
		buf_addf(&j.tracking, "%s%s/log/%s", JOURNAL_REMOTE_REFS, w->name.p,
			 journal_ref_writer(j.ref.p));
		rc = unpushed(&j, &list, e);
		if (rc == 0 && !list.len)
			remember(&j, j.tip.hex);
		if (rc == 0)
			rc = push_list(&j, &list, records, answer, e);
	}
	journal_push_release(&j);
	buf_release(&list);
	return rc;
}

int sync_push_journal(struct repo *r, const struct where *w, bool ask, uint64_t *records,
		      struct err *e)
{
	enum push_answer answer;
	int rc;

	*records = 0;
	rc = push_once(r, w, ask, records, &answer, e);
	if (rc == 0 && answer == PUSH_NOT_OURS) {
		/* A copied .git: the other copy pushed first.  Ours goes on under a new writer. */
		rc = journal_fork(r, e);
		if (rc == 0)
			rc = push_once(r, w, true, records, &answer, e);
	}
	if (rc == 0 && answer != PUSH_OK) {
		rc = err_set(e, ERR_DENIED, "%s did not take the run records", w->name.p);
		err_hint(e, "the lines above from the remote say why; git deepops doctor");
	}
	return rc;
}
