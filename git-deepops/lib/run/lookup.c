/* SPDX-License-Identifier: MIT */
/* lookup.c - the run that a user names; see lookup.h */
#include "run/lookup.h"

int lookup_run(struct repo *r, const char *name, struct journal_entry *out, struct err *e)
{
	struct runindex *ix = NULL;
	struct repo_oid journal;
	int rc = runindex_open(&ix, r, 0, e);

	if (rc == 0)
		rc = runindex_update(ix, NULL, e);
	if (rc == 0)
		rc = runindex_find(ix, name, &journal, e);
	runindex_close(&ix);
	if (rc == 0)
		rc = journal_read(r, &journal, out, e);
	if (rc == 0 && !out->ok)
		rc = err_set(e, ERR_INPUT, "%s", out->why.msg);
	return rc;
}

int lookup_retracted(struct repo *r, const char *run, struct runindex_retraction *out,
		     struct err *e)
{
	struct runindex *ix = NULL;
	int rc = runindex_open(&ix, r, 0, e);

	if (rc == 0)
		rc = runindex_retraction(ix, run, NULL, out, e);
	runindex_close(&ix);
	return rc;
}
