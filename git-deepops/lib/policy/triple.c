/* SPDX-License-Identifier: MIT */
/* triple.c - is this record's code, data and machine all there; see triple.h */
#include "policy/triple_internal.h"
#include "policy/triple_kept.h"

#include "base/path.h"
#include "base/xalloc.h"

static void triple_init(struct triple *t)
{
	memset(t, 0, sizeof(*t));
}

void triple_release(struct triple *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->v[i].text);
		free(t->v[i].fix);
	}
	free(t->v);
	triple_init(t);
}

struct triple_finding *triple_add(struct triple_pass *p, enum reason reason, const char *fmt, ...)
{
	struct triple *t = p->out;
	struct triple_finding *f;
	struct buf text = BUF_INIT;
	va_list ap;

	XGROW(t->v, t->n + 1, t->alloc);
	f = &t->v[t->n++];
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	f->reason = reason;
	f->text = buf_detach(&text, NULL);
	f->fix = NULL;
	return f;
}

int triple_find(struct triple_pass *p, const char *path, struct tree_entry *out, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	struct repo_oid tree;

	for (size_t i = 0; i < c->nmodules; i++) {
		if (!path_is_in(path, c->modules[i].path) || !c->modules[i].tree ||
		    strlen(path) == strlen(c->modules[i].path))
			continue;
		if (!repo_oid_here(p->ctx->repo, c->modules[i].tree, &tree))
			return 0;
		return tree_find(p->ctx->repo, &tree, path + strlen(c->modules[i].path) + 1, out,
				 e);
	}
	if (!c->tree || !repo_oid_here(p->ctx->repo, c->tree, &tree))
		return 0; /* C1 says so */
	return tree_find(p->ctx->repo, &tree, path, out, e);
}

bool triple_is_leg(const struct triple_finding *f)
{
	const char *leg = reason_info(f->reason)->leg;

	return !strcmp(leg, "code") || !strcmp(leg, "data") || !strcmp(leg, "machine");
}

/* R1 needs code and machine named, whatever they are worth; whether it has to read data is for a rule to say. */
static bool names_all(const struct record *r)
{
	return !r->partial && r->code.tree && r->machine_capture;
}

/* What follows from the record and its tree alone. */
static int unchanging(struct triple_pass *p, struct err *e)
{
	int rc;

	if (p->rec->partial)
		triple_add(p, REASON_CODE_PARTIAL, "run %.12s was recorded without %s", p->rec->run,
			   p->rec->partial);
	rc = triple_code(p, e);
	if (rc == 0)
		rc = triple_origin(p, e);
	if (rc == 0)
		rc = triple_machine(p, e);
	return rc == 0 ? triple_exec(p, e) : rc;
}

/* A tree without an end, say: the record's fault, not the server's. */
static void record_is_at_fault(struct triple_pass *p, struct err *e)
{
	triple_add(p, REASON_CODE_SIZE, "%s", e ? e->msg : "beyond a limit")->fix =
		xstrdup("run it again with less code");
	err_clear(e);
}

static int first_part(struct triple_pass *p, struct err *e)
{
	const struct triple_ctx *ctx = p->ctx;
	int rc;

	if (!ctx->keep && triple_kept_get(ctx->kept, p->j, p->out) == 1)
		return 0;
	rc = unchanging(p, e);
	if (rc == ERR_LIMIT || rc == ERR_CORRUPT)
		record_is_at_fault(p, e);
	/* What is corrupt here may be mended, so that is not kept. */
	if ((rc == 0 || rc == ERR_LIMIT) && ctx->keep)
		return triple_kept_put(ctx->kept, p->j, p->out, e);
	return rc == ERR_LIMIT || rc == ERR_CORRUPT ? 0 : rc;
}

int triple_judge(const struct triple_ctx *ctx, const struct journal_entry *j, struct triple *out,
		 struct err *e)
{
	struct triple_pass p = {ctx, j, &j->rec, out};
	int rc;

	triple_init(out);
	if (!j->ok) {
		triple_add(&p, REASON_RECORD_MALFORMED, "%s", j->why.msg);
		return 0;
	}
	rc = first_part(&p, e);
	if (rc == 0)
		rc = triple_data(&p, e);
	if (rc == ERR_LIMIT) {
		record_is_at_fault(&p, e);
		rc = 0;
	}
	if (rc < 0) {
		triple_release(out);
		return err_wrap(e, "run %.12s (record %s)", j->rec.run, chunkid_short(&j->id).s);
	}
	out->level = out->n ? names_all(&j->rec) : 2;
	return 0;
}
