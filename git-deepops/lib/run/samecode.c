/* SPDX-License-Identifier: MIT */
/* samecode.c - is the code of a commit the code that ran; see samecode.h */
#include "run/samecode.h"

#include "base/limits.h"
#include "base/xalloc.h"
#include "data/dtree.h"
#include "repo/tree.h"

#define FILE_BYTES (64 * MIB) /* of a file that is compared by its SHA-256 */
#define OURS_BYTES (1 * MIB)  /* of .gitignore and .gitattributes */

struct pass {
	const struct samecode *s;
	const struct record *rec;
	struct repo_oid ran;
	struct buf *differs;
	bool other;
};

static bool is_file(uint32_t mode)
{
	return mode == TREE_MODE_FILE || mode == TREE_MODE_EXEC;
}

/* The first is said. */
static void note(struct pass *p, const char *before, const char *path, const char *after)
{
	if (!p->other && p->differs)
		buf_addf(p->differs, "%s%s%s", before, path, after);
	p->other = true;
}

static bool same_id(const char *text, const struct chunkid *id)
{
	return text && !strcmp(text, chunkid_text(id).s);
}

/* ---- is this what the record says? ---- */

/* The bytes of a file of git are those of `id`; 1, 0. */
static int is_content(struct pass *p, const struct tree_entry *file, const char *id, struct err *e)
{
	struct buf text = BUF_INIT;
	struct chunkid got;
	const char *oid;
	int rc = repo_read_blob(p->s->repo, &file->id, FILE_BYTES, &text, e);

	if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0) {
		chunkid_of(&got, text.p, text.len);
		oid = strstr(text.p, "\noid sha256:"); /* git-lfs has the content elsewhere */
		rc = same_id(id, &got) ||
		     (oid && str_startswith(text.p, "version https://git-lfs", NULL) &&
		      !strncmp(oid + 5, id, CHUNKID_TEXT_BYTES - 1));
	}
	buf_release(&text);
	return rc;
}

static int is_dataset(struct pass *p, const struct tree_entry *file,
		      const struct record_output *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct pointer ptr;
	struct chunkid id;
	int rc = repo_read_blob(p->s->repo, &file->id, POINTER_MAX_BYTES, &text, e);

	pointer_init(&ptr);
	if (rc == ERR_LIMIT || (rc == 0 && pointer_parse(&ptr, text.p, text.len, "", NULL) < 0)) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0 && ptr.kind == POINTER_FILE) {
		rc = same_id(out->id, &ptr.id);
	} else if (rc == 0 && !p->s->dataset) {
		rc = ptr.files == (uint64_t)out->files && ptr.bytes == (uint64_t)out->bytes;
	} else if (rc == 0) {
		rc = p->s->dataset(p->s->data_arg, &ptr, &id, e);
		rc = rc == 0 ? same_id(out->id, &id) : rc == ERR_NOTFOUND ? 0 : rc;
		if (rc == 0)
			err_clear(e);
	}
	pointer_release(&ptr);
	buf_release(&text);
	return rc;
}

/* The file `rest` of a directory that was an output. */
static int is_inside(struct pass *p, const struct tree_entry *file, size_t n, const char *rest,
		     struct err *e)
{
	struct buf text = BUF_INIT;
	struct dtree_entry root, *at;
	struct pointer ptr;
	char name[32];
	int rc;

	if (!p->s->node)
		return 1;
	snprintf(name, sizeof(name), "outputs/%zu", n);
	pointer_init(&ptr);
	rc = journal_file(p->s->repo, p->s->entry, name, POINTER_MAX_BYTES, &text, e);
	if (rc == 1)
		rc = pointer_parse(&ptr, text.p, text.len, name, NULL) == 0;
	if (rc == 1) {
		dtree_from_pointer(&root, &ptr);
		rc = dtree_find(&root, rest, p->s->node, p->s->data_arg, &at, e);
		if (rc == 0)
			rc = is_content(p, file, chunkid_text(&at->id).s, e);
		else if (rc == ERR_NOTFOUND)
			rc = 0;
		dtree_release(&root);
	}
	if (rc == 0)
		err_clear(e);
	pointer_release(&ptr);
	buf_release(&text);
	return rc;
}

static const struct record_program *program_at(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->nprograms; i++)
		if (!strcmp(r->programs[i].path, path))
			return &r->programs[i];
	return NULL;
}

/* Is what the commit has at `path` (mode 0: nothing) an output as recorded? 1, 0. */
static int is_output(struct pass *p, const char *path, const struct tree_entry *now, struct err *e)
{
	const struct record_program *program = program_at(p->rec, path);
	int rc = 0;

	if (now->mode && !is_file(now->mode))
		return 0;
	if (program)
		return now->mode && program->id ? is_content(p, now, program->id, e) : 0;
	for (size_t i = 0; rc == 0 && i < p->rec->noutputs; i++) {
		const struct record_output *out = &p->rec->outputs[i];
		const char *rest;

		if (!str_startswith(path, out->path, &rest))
			continue;
		if (!now->mode)
			rc = !*rest || *rest == '/' || !strcmp(rest, POINTER_SUFFIX);
		else if (!*rest && out->id)
			rc = is_content(p, now, out->id, e);
		else if (!strcmp(rest, POINTER_SUFFIX) && out->id)
			rc = is_dataset(p, now, out, e);
		else if (*rest == '/' && out->id)
			rc = is_inside(p, now, i, rest + 1, e);
	}
	return rc;
}

/* A file that the code tree has only by its id: too big, or kept by git-lfs. */
static int is_large(struct pass *p, const char *path, const struct tree_entry *now, struct err *e)
{
	for (size_t i = 0; i < p->rec->code.nlarge; i++)
		if (!strcmp(p->rec->code.large[i].path, path) && is_file(now->mode))
			return is_content(p, now, p->rec->code.large[i].id, e);
	return 0;
}

/* ---- lines that git-deepops writes ---- */

static int has_pointer(struct pass *p, const char *root, struct err *e)
{
	char *pointer = xstrfmt("%s" POINTER_SUFFIX, root);
	struct tree_entry found;
	int rc = tree_find(p->s->repo, &p->ran, pointer, &found, e);

	if (rc == 0)
		rc = tree_find(p->s->repo, p->s->tree, pointer, &found, e);
	for (size_t i = 0; rc == 0 && i < p->rec->noutputs; i++)
		rc = !strcmp(p->rec->outputs[i].path, root);
	free(pointer);
	return rc;
}

/* "/data" where data is a dataset on one of the sides, or an output. */
static int is_our_line(struct pass *p, const char *line, struct err *e)
{
	struct buf root = BUF_INIT, again = BUF_INIT;
	int rc = 0;

	if (!strcmp(line, POINTER_ATTRIBUTES))
		return 1;
	if (*line != '/')
		return 0;
	for (const char *at = line + 1; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		buf_addch(&root, (unsigned char)*at);
	}
	pointer_ignore_line(root.p, &again);
	if (root.len && !strcmp(again.p, line))
		rc = has_pointer(p, root.p, e);
	buf_release(&root);
	buf_release(&again);
	return rc;
}

/* The file without our lines; nothing where there is none. */
static int foreign_lines(struct pass *p, const struct tree_entry *file, struct buf *out,
			 struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = file->mode ? repo_read_blob(p->s->repo, &file->id, OURS_BYTES, &text, e) : 0;

	for (const char *at = text.p; rc >= 0 && *at;) {
		size_t len = strcspn(at, "\n");
		char *line = xstrndup(at, len);

		rc = is_our_line(p, line, e);
		if (rc == 0)
			buf_addf(out, "%s\n", line);
		free(line);
		at += len + (at[len] == '\n');
	}
	buf_release(&text);
	return MIN(rc, 0);
}

/* Do the two differ in our lines alone? 1, 0. */
static int is_our_change(struct pass *p, const char *path, const struct tree_entry *a,
			 const struct tree_entry *b, struct err *e)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	int rc;

	if ((strcmp(path, ".gitignore") != 0 && strcmp(path, ".gitattributes") != 0) ||
	    (a->mode && !is_file(a->mode)) || (b->mode && !is_file(b->mode)))
		return 0;
	rc = foreign_lines(p, a, &x, e);
	if (rc == 0)
		rc = foreign_lines(p, b, &y, e);
	if (rc == 0)
		rc = !strcmp(x.p, y.p);
	else if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	}
	buf_release(&x);
	buf_release(&y);
	return rc;
}

/* ---- submodules ---- */

/* Has the commit of this gitlink the tree that ran?  1, 0; also 0 where the commit is not here. */
static int module_is_committed(struct pass *p, const struct record_module *m,
			       const struct tree_entry *link, struct err *e)
{
	struct repo_oid tree;
	int rc;

	if (!m->tree || link->mode != TREE_MODE_GITLINK || !repo_has_object(p->s->repo, &link->id))
		return 0;
	rc = repo_commit_tree(p->s->repo, &link->id, &tree, e);
	return rc < 0 ? rc : !strcmp(tree.hex, m->tree);
}

/* Another commit of a submodule that holds the same. */
static int is_same_module(struct pass *p, const char *path, const struct tree_entry *b,
			  struct err *e)
{
	const struct record_code *c = &p->rec->code;

	for (size_t i = 0; i < c->nmodules; i++)
		if (!strcmp(c->modules[i].path, path))
			return module_is_committed(p, &c->modules[i], b, e);
	return 0;
}

/* ---- both trees ---- */

static bool is_skipped(struct pass *p, const char *path, const struct tree_entry *a,
		       const struct tree_entry *b)
{
	return p->s->skip && p->s->skip(p->s->skip_arg, path, a, b) &&
	       (p->s->exact || !program_at(p->rec, path));
}

static int one_change(void *arg, const char *path, const struct tree_entry *a,
		      const struct tree_entry *b, struct err *e)
{
	struct pass *p = arg;
	int rc;

	if (p->other || is_skipped(p, path, a, b))
		return 0;
	rc = is_output(p, path, b, e);
	if (rc == 0)
		rc = is_large(p, path, b, e);
	if (rc == 0)
		rc = is_our_change(p, path, a, b, e);
	if (rc == 0)
		rc = is_same_module(p, path, b, e);
	if (rc == 0)
		note(p, "", path, " differs");
	return MIN(rc, 0);
}

/* Each that ran with changes must be there with these changes. */
static int modules(struct pass *p, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	struct tree_entry found;
	int rc = 0;

	for (size_t i = 0; i < c->nmodules && rc >= 0 && !p->other; i++) {
		memset(&found, 0, sizeof(found));
		if (!c->modules[i].dirty)
			continue;
		rc = tree_find(p->s->repo, p->s->tree, c->modules[i].path, &found, e);
		if (rc >= 0)
			rc = module_is_committed(p, &c->modules[i], &found, e);
		if (rc == 0)
			note(p, "submodule ", c->modules[i].path, " had changes");
	}
	return MIN(rc, 0);
}

/* ---- what the code tree does not hold byte for byte ---- */

static void without_cr(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->p[i] != '\r' || i + 1 == b->len || b->p[i + 1] != '\n')
			b->p[n++] = b->p[i];
	buf_setlen(b, n);
}

/* Ends of lines aside, did the file run as the commit has it? 1, 0. */
static int ran_as_committed(struct pass *p, size_t n, struct err *e)
{
	struct buf ran = BUF_INIT, now = BUF_INIT;
	struct tree_entry found;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "filtered/%zu", n);
	rc = journal_file(p->s->repo, p->s->entry, name, FILE_BYTES, &ran, e);
	if (rc == 1)
		rc = tree_find(p->s->repo, p->s->tree, p->rec->code.filtered[n].path, &found, e);
	if (rc == 1)
		rc = is_file(found.mode);
	if (rc == 1)
		rc = repo_read_blob(p->s->repo, &found.id, FILE_BYTES, &now, e);
	else if (rc == 0)
		rc = ERR_LIMIT;
	if (rc == 0) {
		without_cr(&ran);
		without_cr(&now);
		rc = ran.len == now.len && !memcmp(ran.p, now.p, now.len);
	} else if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	}
	buf_release(&ran);
	buf_release(&now);
	return rc;
}

/* 1: the commit has it, in git or as a dataset. */
static int large_is_committed(struct pass *p, const struct record_large *l, struct err *e)
{
	struct record_output as = {.id = l->id, .files = 1, .bytes = l->bytes};
	char *pointer = xstrfmt("%s" POINTER_SUFFIX, l->path);
	struct tree_entry found;
	int rc = tree_find(p->s->repo, p->s->tree, l->path, &found, e);

	if (rc == 1 && is_file(found.mode))
		rc = is_content(p, &found, l->id, e);
	else if (rc == 0)
		rc = tree_find(p->s->repo, p->s->tree, pointer, &found, e) == 1 &&
				     is_file(found.mode)
			     ? is_dataset(p, &found, &as, e)
			     : 0;
	free(pointer);
	return rc;
}

/* A program that was seen is in the commit with the bytes that ran; of a submodule its tree speaks. */
static int program_is_committed(struct pass *p, const struct record_program *g, struct err *e)
{
	struct tree_entry found;
	int rc;

	if (g->from != RECORD_FROM_TREE || !g->id)
		return 1;
	for (size_t i = 0; i < p->rec->code.nfiltered; i++)
		if (!strcmp(p->rec->code.filtered[i].path, g->path))
			return 1; /* compared as such */
	rc = tree_find(p->s->repo, p->s->tree, g->path, &found, e);
	return rc == 1 && is_file(found.mode) ? is_content(p, &found, g->id, e) : rc < 0 ? rc : 1;
}

static int inexact(struct pass *p, struct err *e)
{
	const struct tree_entry none = {.mode = 0};
	const struct record_code *c = &p->rec->code;
	int rc = 0;

	for (size_t i = 0; rc >= 0 && i < c->nfiltered && !p->other; i++) {
		if (is_skipped(p, c->filtered[i].path, &none, &none))
			continue;
		rc = ran_as_committed(p, i, e);
		if (rc == 0)
			note(p, "", c->filtered[i].path, " ran with other bytes than git has");
	}
	for (size_t i = 0; rc >= 0 && i < c->nlarge && !p->other; i++) {
		if (is_skipped(p, c->large[i].path, &none, &none))
			continue;
		rc = large_is_committed(p, &c->large[i], e);
		if (rc == 0)
			note(p, "", c->large[i].path, " is not in the commit");
	}
	for (size_t i = 0; rc >= 0 && i < p->rec->nprograms && !p->other; i++) {
		const struct record_program *g = &p->rec->programs[i];

		rc = is_skipped(p, g->path, &none, &none) ? 1 : program_is_committed(p, g, e);
		if (rc == 0)
			note(p, "", g->path, " ran with other bytes than git has");
	}
	return MIN(rc, 0);
}

int samecode_differs(const struct samecode *s, struct buf *differs, struct err *e)
{
	struct pass p = {.s = s, .rec = &s->entry->rec, .differs = differs};
	int rc;

	if (!p.rec->code.tree) {
		note(&p, "the record has no code", "", "");
		return 1;
	}
	if (!repo_oid_here(s->repo, p.rec->code.tree, &p.ran)) {
		note(&p, "the code that ran is not here", "", "");
		return 1;
	}
	rc = modules(&p, e);
	if (rc == 0 && !p.other)
		rc = tree_diff(s->repo, &p.ran, s->tree, one_change, &p, e);
	if (rc == 0 && s->exact)
		rc = inexact(&p, e);
	if (rc == ERR_LIMIT) { /* a tree without an end is not what somebody committed */
		err_clear(e);
		note(&p, "the tree is beyond a limit", "", "");
		rc = 0;
	}
	return rc < 0 ? rc : p.other;
}
