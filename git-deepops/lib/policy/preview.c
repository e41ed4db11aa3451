/* SPDX-License-Identifier: MIT */
/* preview.c - what a server will find of a record; see preview.h */
#include "policy/preview.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/judge.h"
#include "policy/triple_kept.h"
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

static int judge(struct repo *r, struct runindex *ix, const struct journal_entry *j,
		 struct triple *out, struct err *e)
{
	struct evidence_store store = {NULL, NULL};
	struct treehash_cache cache = {NULL, NULL, NULL};
	struct evidence evidence;
	struct triple_ctx ctx = {.repo = r, .evidence = &evidence, .now_ms = clock_now_ms()};
	int rc;

	evidence_of_sent(&evidence, &store, repo_deepops_dir(r));
	if (ix) {
		runindex_treehash_cache(ix, &cache);
		ctx.cache = &cache;
	}
	rc = triple_judge(&ctx, j, out, e);
	if (rc == 0)
		drop_sizes(out);
	evidence_store_release(&store);
	return rc;
}

int preview_record(struct repo *r, const struct journal_entry *j, struct triple *out, struct err *e)
{
	struct runindex *index = NULL;
	int rc;

	if (runindex_open(&index, r, 0, NULL) < 0)
		index = NULL; /* without it, all is hashed */
	rc = judge(r, index, j, out, e);
	runindex_close(&index);
	return rc;
}

/* ---- many records ---- */

struct preview {
	struct repo *repo;
	struct runindex *index;
	struct runindex_level *v; /* found, not written yet */
	size_t n, alloc;
};

static const char *const level_names[] = {"R0", "R1", "R2"};

struct preview *preview_open(struct repo *r, struct runindex *ix)
{
	struct preview *p = xcalloc(1, sizeof(*p));

	p->repo = r;
	p->index = ix;
	return p;
}

/* A run that ends after now is judged otherwise once that time has come. */
static bool can_change(const struct triple *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].reason == REASON_EXEC_TIMES)
			return true;
	return false;
}

static const char *look(struct preview *p, const struct repo_oid *journal)
{
	struct journal_entry entry;
	const char *name = "";
	struct triple t;

	journal_entry_init(&entry);
	if (journal_read(p->repo, journal, &entry, NULL) == 0 &&
	    judge(p->repo, p->index, &entry, &t, NULL) == 0) {
		name = level_names[t.level];
		if (!can_change(&t)) {
			XGROW(p->v, p->n + 1, p->alloc);
			p->v[p->n].journal = *journal;
			snprintf(p->v[p->n++].level, sizeof(p->v->level), "%s", name);
		}
		triple_release(&t);
	}
	journal_entry_release(&entry);
	return name;
}

const char *preview_level(struct preview *p, const struct runindex_row *row)
{
	if (strcmp(row->judge, TRIPLE_KEPT_JUDGE) != 0)
		return look(p, &row->journal);
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (!strcmp(row->level, level_names[i]))
			return level_names[i];
	return "";
}

static int keep(struct preview *p, struct err *e)
{
	int rc = p->n ? runindex_levels(p->index, p->v, p->n, TRIPLE_KEPT_JUDGE, e) : 0;

	p->n = 0;
	return rc;
}

static int look_at_row(void *arg, const struct runindex_row *row, struct err *e)
{
	(void)e;
	(void)preview_level(arg, row);
	return 0;
}

int preview_all(struct preview *p, struct err *e)
{
	int rc = runindex_unjudged(p->index, TRIPLE_KEPT_JUDGE, look_at_row, p, e);

	return rc == 0 ? keep(p, e) : rc;
}

void preview_close(struct preview **p)
{
	struct err e = ERR_INIT;

	if (!*p)
		return;
	if (keep(*p, &e) < 0) /* they are found again */
		log_verbose("levels are not kept: %s", e.msg);
	free((*p)->v);
	free(*p);
	*p = NULL;
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
