/* SPDX-License-Identifier: MIT */
/* judge_ref.c - what may be done to a ref at all; see judge_internal.h */
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "policy/judge_internal.h"

static void refuse(struct judge *j, const struct judge_update *u, enum reason reason,
		   const char *text)
{
	struct verdict_ref *r = verdict_add_ref(j->out, u->ref, u->old_id.hex, u->new_id.hex);

	r->state = VERDICT_REFUSED;
	verdict_add(r, reason, "%s", text);
}

/* A policy that can't be read later would refuse all pushes, so it does not get in. */
static int new_policy(struct judge *j, const struct judge_update *u, struct err *e)
{
	struct repo_oid commit;
	struct err why = ERR_INIT;
	int rc;

	if (!j->policies.head || strcmp(u->ref, j->policies.head) != 0 ||
	    repo_oid_is_zero(&u->new_id))
		return 0;
	rc = repo_peel_commit(j->in->repo, &u->new_id, &commit, e);
	if (rc == 0)
		rc = policies_tree_is_bad(j->in->repo, &commit, &why, e);
	if (rc == ERR_INPUT || rc == ERR_NOTFOUND) {
		err_clear(e);
		return 0; /* not a commit: git or the rule says so */
	}
	if (rc == 1)
		refuse(j, u, REASON_POLICY_MALFORMED, why.msg);
	return rc < 0 ? rc : 0;
}

int judge_ref(struct judge *j, const struct judge_update *u, struct err *e)
{
	bool deletes = repo_oid_is_zero(&u->new_id);

	if (wildmatch("refs/*/HEAD", u->ref) && !deletes) {
		refuse(j, u, REASON_REF_NAME, "a ref may not be called HEAD");
		return 0;
	}
	if (str_startswith(u->ref, "refs/notes/deepops", NULL)) {
		refuse(j, u, REASON_REF_RESERVED, "notes about runs are written by the server");
		return 0;
	}
	if (!str_startswith(u->ref, "refs/deepops/", NULL))
		return new_policy(j, u, e);
	if (!str_startswith(u->ref, JOURNAL_REFS, NULL) || !journal_ref_writer(u->ref)) {
		refuse(j, u, REASON_REF_RESERVED, "of refs/deepops/ only journals are pushed");
		return 0;
	}
	return judge_journal(j, u, e);
}
