/* SPDX-License-Identifier: MIT */
/* preview.c - what a server will find of a record; see preview.h */
#include "policy/preview.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge.h"
#include "run/runindex.h"

/* The server hashes what it has not seen when the record comes: nothing is missing here. */
static void drop_sizes(struct triple *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].reason == REASON_CODE_SIZE) {
			free(t->v[i].text);
			free(t->v[i].fix);
		} else {
			t->v[n++] = t->v[i];
		}
	}
	if (n != t->n && !n)
		t->level = 2;
	t->n = n;
}

int preview_record(struct repo *r, const struct journal_entry *j, struct triple *out, struct err *e)
{
	struct evidence_store store = {NULL, NULL};
	struct treehash_cache cache = {NULL, NULL, NULL};
	struct runindex *index = NULL;
	struct evidence evidence;
	struct triple_ctx ctx = {.repo = r, .evidence = &evidence, .now_ms = clock_now_ms()};
	int rc;

	evidence_of_sent(&evidence, &store, repo_deepops_dir(r));
	if (runindex_open(&index, r, 0, NULL) == 0) {
		runindex_treehash_cache(index, &cache);
		ctx.cache = &cache;
	}
	rc = triple_judge(&ctx, j, out, e);
	if (rc == 0)
		drop_sizes(out);
	runindex_close(&index);
	evidence_store_release(&store);
	return rc;
}

/* ---- before the command ---- */

/* A script that an interpreter is given, which exists, but not below the top of the tree. */
static void say_script(struct repo *r, const struct record *rec, struct strvec *out)
{
	const char *script = triple_script(rec);
	struct buf path = BUF_INIT;
	char *real, *top;

	if (!script)
		return;
	if (*script == '/')
		buf_addstr(&path, script);
	else {
		path_join(&path, repo_worktree(r), rec->cwd ? rec->cwd : "");
		buf_addf(&path, "/%s", script);
	}
	real = realpath(path.p, NULL);
	top = realpath(repo_worktree(r), NULL);
	if (real && top && !path_is_in(real, top) && !triple_of_the_system(real))
		strvec_pushf(out,
			     "%s is outside the tree, so the level is R1: put it into the "
			     "repository",
			     script);
	free(real);
	free(top);
	buf_release(&path);
}

void preview_before(struct repo *r, const struct policies *p, const char *ref,
		    const struct record *rec, struct strvec *out)
{
	for (int i = 0; p && i < POLICIES_COUNT; i++) {
		const struct rules_rule *rule = policies_rule(p, (enum policies_which)i, ref);

		if (!rule || !judge_lacks_data(rule, rec))
			continue;
		strvec_pushf(out,
			     "rule \"%s\" for %s counts no run that reads no data: "
			     "declare what it reads with -i",
			     rule->name, ref);
		break;
	}
	say_script(r, rec, out);
}
