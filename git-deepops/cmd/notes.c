/* SPDX-License-Identifier: MIT */
/* notes.c - `git deepops notes rebuild`; see git-deepops-notes(1) */
#include "cmd.h"
#include "run/note.h"
#include "run/runindex.h"

int cmd_notes(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops notes rebuild", NULL};
	struct opt opts[] = {OPT_END};
	struct note_opts all = {NULL, 0, NULL, NULL};
	struct runindex *ix = NULL;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2 || strcmp(argv[1], "rebuild") != 0)
		return err_set(e, ERR_USAGE, "say what to do: rebuild");
	rc = runindex_open(&ix, ctx->repo, 0, e);
	if (rc == 0)
		rc = runindex_rebuild(ix, e);
	if (rc == 0)
		rc = note_project(ctx->repo, ix, &all, e);
	runindex_close(&ix);
	return rc;
}
