/* SPDX-License-Identifier: MIT */
/*
 * vector-journal.h - journals as git fast-import streams, judged as a server judges them
 *
 * The stream makes refs/deepops/log/<writer> in an empty repository.  It is accepted if a push of
 * those refs is, and if every run in them is level R2 where the store has all data: then each part
 * of the tree is what the record says.
 */
#ifndef TEST_VECTOR_JOURNAL_H
#define TEST_VECTOR_JOURNAL_H

#include "base/clock.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/xalloc.h"
#include "policy/judge.h"
#include "policy/triple.h"
#include "run/journal.h"
#include "vector-must.h"

#define VECTOR_JOURNALS 4

struct vector_refs {
	struct judge_update v[VECTOR_JOURNALS];
	size_t n;
};

/* Of the streams that hold one dataset in one piece: its id is that of the shard. */
static inline int vector_dataset(void *arg, const struct pointer *p, struct chunkid *out,
				 struct err *e)
{
	(void)arg;
	if (p->kind == POINTER_TREE && p->n != 1)
		return err_set(e, ERR_NOTFOUND, "dataset of several shards");
	*out = p->kind == POINTER_TREE ? p->shards[0].id : p->id;
	return 0;
}

static inline int vector_root(void *arg, enum chunk_kind kind, const struct chunkid *id,
			      struct store_root *out, struct err *e)
{
	(void)arg;
	(void)kind;
	(void)id;
	(void)e;
	*out = (struct store_root){.state = STORE_ROOT_ROOTED};
	return 0;
}

static inline int vector_no_node(void *arg, const struct chunkid *id, struct buf *text,
				 struct err *e)
{
	(void)arg;
	(void)text;
	return err_set(e, ERR_NOTFOUND, "no node %s", chunkid_short(id).s);
}

static const struct evidence vector_evidence = {vector_root, vector_dataset, vector_no_node, NULL,
						NULL};

static inline int vector_git(const char *dir, const char *command, const char *flag,
			     const struct buf *input, struct err *e)
{
	struct proc p = PROC_INIT;
	struct buf out = BUF_INIT;
	int rc;

	strvec_pushl(&p.args, "git", "-c", "core.fsync=none", "-C", dir, command, "--quiet", flag,
		     NULL);
	strvec_pushl(&p.env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_DIR",
		     NULL);
	p.err = PROC_NULL;
	rc = proc_capture(&p, input, MIB, &out, e);
	if (rc > 0)
		rc = err_set(e, ERR_INPUT, "git %s: exit %d", command, rc);
	proc_release(&p);
	buf_release(&out);
	return rc;
}

static inline int vector_add_ref(void *arg, const char *name, const struct repo_oid *id,
				 struct err *e)
{
	struct vector_refs *refs = arg;
	struct judge_update *u = &refs->v[refs->n];

	if (!journal_ref_writer(name) || refs->n == VECTOR_JOURNALS)
		return err_set(e, ERR_INPUT, "%s is no journal", name);
	u->ref = xstrdup(name);
	u->new_id = *id;
	memset(u->old_id.hex, '0', REPO_OID_HEX);
	u->old_id.hex[REPO_OID_HEX] = '\0';
	refs->n++;
	return 0;
}

/* The refs go again: what is judged is a push that would make them. */
static inline int vector_take_refs(struct repo *r, struct vector_refs *refs, struct err *e)
{
	int rc = repo_ref_each(r, "refs/", vector_add_ref, refs, e);

	for (size_t i = 0; rc == 0 && i < refs->n; i++)
		rc = repo_ref_delete(r, refs->v[i].ref, e);
	return rc == 0 && !refs->n ? err_set(e, ERR_INPUT, "no journal") : rc;
}

static inline int vector_judge(struct repo *r, const struct vector_refs *refs, struct err *e)
{
	struct judge_input in = {.repo = r,
				 .updates = refs->v,
				 .n = refs->n,
				 .evidence = &vector_evidence,
				 .server = true,
				 .now_ms = clock_now_ms()};
	struct verdict v;
	struct buf text = BUF_INIT;
	int rc;

	verdict_init(&v);
	rc = judge_push(&in, &v, e);
	if (rc == 0 && verdict_refused(&v)) {
		verdict_text(&v, "", &text);
		rc = err_set(e, ERR_INPUT, "%s", text.p);
	}
	verdict_release(&v);
	buf_release(&text);
	return rc;
}

static inline int vector_triple(struct repo *r, const struct journal_entry *j, struct err *e)
{
	struct triple_ctx ctx = {.repo = r, .evidence = &vector_evidence, .now_ms = clock_now_ms()};
	struct triple t;
	int rc;

	if (j->rec.kind != RECORD_RUN && j->rec.kind != RECORD_RERUN)
		return 0;

	rc = triple_judge(&ctx, j, &t, e);
	if (rc == 0 && t.level < 2)
		rc = err_set(e, ERR_INPUT, "R%u: %s", t.level, t.n ? t.v[0].text : "");
	triple_release(&t);
	return rc;
}

static inline int vector_entries(struct repo *r, const struct vector_refs *refs, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < refs->n; i++) {
		const struct journal_entry *j;
		struct journal_iter it;

		journal_iter_init(&it, r, &refs->v[i].new_id);
		while (rc >= 0 && (rc = journal_next(&it, &j, e)) == 1)
			rc = vector_triple(r, j, e);
		journal_iter_release(&it);
	}
	return rc;
}

static inline int vector_journal(const void *p, size_t len, struct err *e)
{
	char dir[] = "/tmp/deepops-vector-XXXXXX";
	struct vector_refs refs = {.n = 0};
	struct buf stream = BUF_INIT;
	struct repo *r = NULL;
	int rc;

	vector_must(mkdtemp(dir) != NULL, "mkdtemp");
	buf_add(&stream, p, len);
	rc = vector_git(dir, "init", "--bare", NULL, e);
	if (rc == 0)
		rc = vector_git(dir, "fast-import", "--force", &stream, e);
	if (rc == 0)
		rc = repo_open(&r, dir, REPO_BARE_AT, e);
	if (rc == 0)
		rc = vector_take_refs(r, &refs, e);
	if (rc == 0)
		rc = vector_judge(r, &refs, e);
	if (rc == 0)
		rc = vector_entries(r, &refs, e);
	for (size_t i = 0; i < refs.n; i++)
		free((char *)(uintptr_t)refs.v[i].ref);
	repo_close(r);
	buf_release(&stream);
	vector_must(path_remove_tree(dir, NULL) == 0, "clean up");
	return rc;
}

#endif
