/* SPDX-License-Identifier: MIT */
/* triple_code.c - C1 to C5 and C8: the tree that ran; see triple_internal.h */
#include "base/hex.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "policy/triple_internal.h"

#define CODE_COMMIT_BYTES (1 * MIB) /* signatures and long messages included */
#define EMPTY_TREE "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* C1; *there: the tree can be looked into, and is *tree. */
static int code_tree(struct triple_pass *p, struct repo_oid *tree, bool *there, struct err *e)
{
	struct tree_entry found;
	int rc;

	*there = false;
	if (!p->rec->code.tree) {
		triple_add(p, REASON_CODE_TREE, "run %.12s names no code tree", p->rec->run);
		return 0;
	}
	rc = tree_find(p->ctx->repo, &p->j->tree, "code", &found, e);
	if (rc < 0)
		return rc;
	if (rc == 0 && same(p->rec->code.tree, EMPTY_TREE))
		return 0; /* missing parts are absent, never empty */
	if (rc == 0)
		triple_add(p, REASON_CODE_TREE, "the journal entry has no code tree");
	else if (found.mode != TREE_MODE_DIR || !same(found.id.hex, p->rec->code.tree))
		triple_add(p, REASON_CODE_TREE,
			   "the journal holds tree %.12s, the record says "
			   "%.12s",
			   found.id.hex, p->rec->code.tree);
	else
		*there = true;
	if (*there)
		*tree = found.id;
	return 0;
}

/* "tree <id>\n" begins a commit. */
static bool has_tree(const struct buf *raw, const char *id)
{
	const char *at;

	return id && str_startswith(raw->p, "tree ", &at) && str_startswith(at, id, &at) &&
	       *at == '\n';
}

static void commit_bytes(struct triple_pass *p, const struct buf *raw)
{
	const struct record_code *c = &p->rec->code;
	uint8_t id[20];
	char hex[sizeof(id) * 2 + 1];

	hash_git_object(id, "commit", raw->p, raw->len);
	hex_encode(hex, id, sizeof(id));
	if (!same(hex, c->commit))
		triple_add(p, REASON_CODE_COMMIT, "the kept bytes are commit %.12s, not %.12s", hex,
			   c->commit);
	else if (!has_tree(raw, c->base_tree))
		triple_add(p, REASON_CODE_COMMIT,
			   "commit %.12s has another tree than the record "
			   "says",
			   c->commit);
}

/* C2 */
static int base_commit(struct triple_pass *p, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	struct buf raw = BUF_INIT;
	int rc;

	if (!c->commit) {
		if (c->base_tree)
			triple_add(p, REASON_CODE_COMMIT, "a base tree without a commit");
		return 0;
	}
	rc = journal_file(p->ctx->repo, p->j, "commit", CODE_COMMIT_BYTES, &raw, e);
	if (rc == 0)
		triple_add(p, REASON_CODE_COMMIT, "the journal entry lacks commit %.12s",
			   c->commit);
	else if (rc == 1)
		commit_bytes(p, &raw);
	if (rc >= 0 && !c->dirty && (!same(c->base_tree, c->tree) || c->nlarge))
		triple_add(p, REASON_CODE_COMMIT,
			   "said to be clean, but it did not run the tree "
			   "of %.12s",
			   c->commit);
	buf_release(&raw);
	return rc < 0 ? rc : 0;
}

/* ---- C3 ---- */

struct module_pass {
	struct triple_pass *p;
	const char *prefix; /* "" or "sub/" */
	bool *seen;
};

static const struct record_module *module_at(const struct record *r, const char *path, size_t *at)
{
	for (*at = 0; *at < r->code.nmodules; ++*at)
		if (!strcmp(r->code.modules[*at].path, path))
			return &r->code.modules[*at];
	return NULL;
}

static int walk_gitlinks(struct triple_pass *p, const struct repo_oid *tree, const char *prefix,
			 bool *seen, struct err *e);

/* modules/<n> must be the tree that the record names; then its own gitlinks. */
static int one_module(struct triple_pass *p, const struct record_module *m, size_t n, bool *seen,
		      struct err *e)
{
	char name[32];
	struct tree_entry found;
	char *prefix;
	int rc;

	snprintf(name, sizeof(name), "modules/%zu", n);
	rc = tree_find(p->ctx->repo, &p->j->tree, name, &found, e);
	if (rc < 0)
		return rc;
	if (rc == 0 && same(m->tree, EMPTY_TREE))
		return 0;
	if (rc == 0 || found.mode != TREE_MODE_DIR || !same(found.id.hex, m->tree)) {
		triple_add(p, REASON_CODE_MODULE,
			   "the content of submodule %s is not in the "
			   "journal",
			   m->path);
		return 0;
	}
	prefix = xstrfmt("%s/", m->path);
	rc = walk_gitlinks(p, &found.id, prefix, seen, e);
	free(prefix);
	return rc;
}

static int one_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct module_pass *m = arg;
	const struct record_module *module;
	char *path;
	size_t n;
	int rc = 0;

	if (entry->mode != TREE_MODE_GITLINK)
		return 0;
	path = xstrfmt("%s%s", m->prefix, entry->name);
	module = module_at(m->p->rec, path, &n);
	if (!module || !module->tree || !same(module->commit, entry->id.hex)) {
		triple_add(m->p, REASON_CODE_MODULE, "submodule %s was not captured", path);
	} else if (!m->seen[n]) { /* a module can't hold itself, whatever the paths say */
		m->seen[n] = true;
		rc = one_module(m->p, module, n, m->seen, e);
	}
	free(path);
	return rc;
}

static int walk_gitlinks(struct triple_pass *p, const struct repo_oid *tree, const char *prefix,
			 bool *seen, struct err *e)
{
	struct module_pass m = {p, prefix, seen};

	return tree_walk(p->ctx->repo, tree, one_entry, &m, e);
}

static int modules(struct triple_pass *p, const struct repo_oid *tree, struct err *e)
{
	bool *seen = xcalloc(p->rec->code.nmodules + 1, sizeof(*seen));
	int rc = walk_gitlinks(p, tree, "", seen, e);

	free(seen);
	return rc;
}

/* ---- C4 ---- */

static int tree_hash(struct triple_pass *p, const struct repo_oid *tree, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	struct treehash_large *large = xcalloc(c->nlarge + 1, sizeof(*large));
	struct treehash_opts o = {p->ctx->cache, large, c->nlarge, TRIPLE_HASH_BYTES};
	struct chunkid got;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->nlarge; i++) {
		large[i].path = c->large[i].path;
		large[i].mode = same(c->large[i].mode, "100755") ? TREE_MODE_EXEC : TREE_MODE_FILE;
		rc = chunkid_parse(&large[i].id, c->large[i].id, e);
	}
	if (rc == 0)
		rc = treehash_of(p->ctx->repo, tree, &o, &got, e);
	free(large);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		triple_add(p, REASON_CODE_SIZE, "tree %.12s has more than %u MiB to hash",
			   tree->hex, (unsigned int)(TRIPLE_HASH_BYTES / MIB))
			->fix = xstrdup(reason_info(REASON_CODE_SIZE)->mend);
		return 0;
	}
	if (rc == ERR_INPUT) {
		triple_add(p, REASON_CODE_HASH, "%s", e ? e->msg : "malformed");
		err_clear(e);
		return 0;
	}
	if (rc == 0 && !same(c->tree_sha256, chunkid_text(&got).s))
		triple_add(p, REASON_CODE_HASH, "tree %.12s hashes to %s", tree->hex,
			   chunkid_short(&got).s);
	return rc;
}

/* ---- C5 ---- */

/* The dataset id of a pointer in the code tree, as far as it can be known without nodes. */
static int pointer_agrees(struct triple_pass *p, const struct record_input *in,
			  const struct buf *text, struct err *e)
{
	struct pointer ptr;
	struct chunkid id;
	int rc;

	pointer_init(&ptr);
	rc = pointer_parse(&ptr, text->p, text->len, in->path, NULL);
	if (rc < 0) {
		triple_add(p, REASON_CODE_POINTER, "%s%s in the code tree is malformed", in->path,
			   POINTER_SUFFIX);
		rc = 0;
		goto out;
	}
	rc = p->ctx->evidence->dataset(p->ctx->evidence->arg, &ptr, &id, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0; /* not on the remote: D2 says so */
	} else if (rc == 0 && !same(in->id, chunkid_text(&id).s)) {
		triple_add(p, REASON_CODE_POINTER, "%s is %s in the code tree, the run read %.19s",
			   in->path, chunkid_short(&id).s, in->id);
	}
out:
	pointer_release(&ptr);
	return rc;
}

static int pointers(struct triple_pass *p, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->rec->ninputs; i++) {
		const struct record_input *in = &p->rec->inputs[i];
		char *name = xstrfmt("%s%s", in->path, POINTER_SUFFIX);
		struct buf text = BUF_INIT;
		struct tree_entry found;

		rc = triple_find(p, name, &found, e);
		if (rc == 1 && (found.mode == TREE_MODE_FILE || found.mode == TREE_MODE_EXEC)) {
			rc = repo_read_blob(p->ctx->repo, &found.id, POINTER_MAX_BYTES, &text, e);
			if (rc == 0)
				rc = pointer_agrees(p, in, &text, e);
		}
		rc = rc > 0 ? 0 : rc;
		buf_release(&text);
		free(name);
	}
	return rc;
}

/* ---- bytes that ran, and that the tree does not hold ---- */

/* Kept as filtered/<n>, or as a pointer to them, which D2 looks at. */
static int one_filtered(struct triple_pass *p, size_t n, struct err *e)
{
	const struct record_filtered *f = &p->rec->code.filtered[n];
	struct buf text = BUF_INIT;
	struct pointer ptr;
	struct chunkid id;
	char name[48];
	int rc;

	pointer_init(&ptr);
	snprintf(name, sizeof(name), "filtered/%zu", n);
	rc = journal_file(p->ctx->repo, p->j, name, TRIPLE_HASH_BYTES, &text, e);
	if (rc == 1) {
		chunkid_of(&id, text.p, text.len);
	} else if (rc == 0) {
		snprintf(name, sizeof(name), "filtered/%zu" POINTER_SUFFIX, n);
		rc = journal_file(p->ctx->repo, p->j, name, POINTER_MAX_BYTES, &text, e);
		if (rc == 1)
			rc = pointer_parse(&ptr, text.p, text.len, name, NULL) == 0 &&
			     ptr.kind == POINTER_FILE;
		id = ptr.id;
	}
	if (rc == 0 || (rc == 1 && !same(f->id, chunkid_text(&id).s)))
		triple_add(p, REASON_CODE_BYTES,
			   "%s ran with other bytes than git has, and they are not kept", f->path);
	pointer_release(&ptr);
	buf_release(&text);
	return MIN(rc, 0);
}

static int elsewhere(struct triple_pass *p, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	int rc = 0;

	if (c->outside.nr)
		triple_add(p, REASON_CODE_OUTSIDE, "code is read from outside the tree: %s%s",
			   c->outside.v[0], c->outside.nr > 1 ? " and more" : "");
	for (size_t i = 0; rc == 0 && i < c->nfiltered; i++)
		rc = one_filtered(p, i, e);
	return rc;
}

int triple_code(struct triple_pass *p, struct err *e)
{
	struct repo_oid tree;
	bool there;
	int rc = code_tree(p, &tree, &there, e);

	if (p->rec->changed.nr)
		triple_add(p, REASON_CODE_CHANGED, "%s%s changed during the run",
			   p->rec->changed.v[0], p->rec->changed.nr > 1 ? " and others" : "");
	if (rc == 0)
		rc = base_commit(p, e);
	if (rc == 0)
		rc = elsewhere(p, e);
	if (rc < 0 || !there)
		return rc;
	rc = modules(p, &tree, e);
	if (rc == 0)
		rc = tree_hash(p, &tree, e);
	if (rc == 0)
		rc = pointers(p, e);
	return rc;
}
