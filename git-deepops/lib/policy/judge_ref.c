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

/*
 * What git hides from pushes it refuses by itself, this one ref and no other (server install
 * says so for ours).  Told of it all the same, the hook could only refuse the whole push.
 */
static int git_refuses(struct judge *j, const char *ref, bool *out, struct err *e)
{
	struct strvec hidden = STRVEC_INIT;
	const char *rest;
	int rc = repo_config_all(j->in->repo, "receive.hideRefs", &hidden, e);

	*out = false;
	for (size_t i = 0; rc == 0 && i < hidden.nr; i++)
		*out = *out ||
		       (str_startswith(ref, hidden.v[i], &rest) && (!*rest || *rest == '/'));
	for (size_t i = 0; rc == 0 && i < hidden.nr; i++)
		*out = *out && hidden.v[i][0] != '!' && hidden.v[i][0] != '^';
	strvec_release(&hidden);
	return rc;
}

/* Refs that only the server writes. */
static int reserved(struct judge *j, const struct judge_update *u, const char *why, struct err *e)
{
	bool by_git = false;
	int rc = git_refuses(j, u->ref, &by_git, e);

	if (rc == 0 && !by_git)
		refuse(j, u, REASON_REF_RESERVED, why);
	return rc;
}

int judge_ref(struct judge *j, const struct judge_update *u, struct err *e)
{
	bool deletes = repo_oid_is_zero(&u->new_id);

	if (wildmatch("refs/*/HEAD", u->ref) && !deletes) {
		refuse(j, u, REASON_REF_NAME, "a ref may not be called HEAD");
		return 0;
	}
	if (str_startswith(u->ref, "refs/notes/deepops", NULL))
		return reserved(j, u, "notes about runs are written by the server", e);
	if (!str_startswith(u->ref, "refs/deepops/", NULL))
		return new_policy(j, u, e);
	if (!str_startswith(u->ref, JOURNAL_REFS, NULL) || !journal_ref_writer(u->ref))
		return reserved(j, u, "of refs/deepops/ only journals are pushed", e);
	return judge_journal(j, u, e);
}
