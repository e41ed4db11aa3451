/* SPDX-License-Identifier: MIT */
/* verdict.c - what was found about a push; see verdict.h */
#include "policy/verdict.h"

#include "base/xalloc.h"

void verdict_init(struct verdict *v)
{
	memset(v, 0, sizeof(*v));
}

static void finding_release(struct verdict_finding *f)
{
	free(f->commit);
	free(f->subject);
	free(f->record);
	free(f->text);
	free(f->fix);
}

static void ref_release(struct verdict_ref *r)
{
	for (size_t i = 0; i < r->n; i++)
		finding_release(&r->v[i]);
	free(r->v);
	free(r->ref);
	free(r->old_id);
	free(r->new_id);
	free(r->why);
	free(r->override);
	free(r->by);
}

void verdict_release(struct verdict *v)
{
	for (size_t i = 0; i < v->n; i++)
		ref_release(&v->v[i]);
	free(v->v);
	free(v->override_reason);
	verdict_init(v);
}

struct verdict_ref *verdict_add_ref(struct verdict *v, const char *ref, const char *old_id,
				    const char *new_id)
{
	struct verdict_ref *r;

	XGROW(v->v, v->n + 1, v->alloc);
	r = &v->v[v->n++];
	memset(r, 0, sizeof(*r));
	r->ref = xstrdup(ref);
	r->old_id = xstrdup(old_id);
	r->new_id = xstrdup(new_id);
	return r;
}

void verdict_drop_last(struct verdict *v)
{
	ref_release(&v->v[--v->n]);
}

/* A path may have thousands of bytes; its beginning and its end tell people which it is. */
static void cut_middle(struct buf *text)
{
	struct buf whole = *text;

	if (text->len <= VERDICT_TEXT_BYTES)
		return;
	buf_init(text);
	buf_add(text, whole.p, VERDICT_TEXT_BYTES / 2);
	buf_addstr(text, "...");
	buf_addstr(text, whole.p + whole.len - VERDICT_TEXT_BYTES / 2);
	buf_release(&whole);
}

struct verdict_finding *verdict_add(struct verdict_ref *r, enum reason reason, const char *fmt, ...)
{
	struct verdict_finding *f;
	struct buf text = BUF_INIT;
	va_list ap;

	if (r->n >= VERDICT_KEPT) {
		r->dropped++;
		return NULL;
	}
	XGROW(r->v, r->n + 1, r->alloc);
	f = &r->v[r->n++];
	memset(f, 0, sizeof(*f));
	f->reason = reason;
	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	cut_middle(&text);
	f->text = buf_detach(&text, NULL);
	return f;
}

bool verdict_refused(const struct verdict *v)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->v[i].state == VERDICT_REFUSED)
			return true;
	return false;
}
