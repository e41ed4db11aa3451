/* SPDX-License-Identifier: MIT */
/* triple_origin.c - C6 and C7: where the program came from, and what must not be in it */
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "policy/triple_internal.h"
#include "run/secrets.h"

/* ---- C6 ---- */

/* Programs that are given a script to run, and take these options before it. */
static const char *const interpreters[] = {"python", "pypy", "bash", "dash",  "sh",     "zsh",
					   "perl",   "ruby", "node", "julia", "Rscript"};

static bool is_interpreter(const char *argv0)
{
	const char *name = path_basename(argv0);

	for (size_t i = 0; i < ARRAY_SIZE(interpreters); i++) {
		const char *rest;

		/* python, python3, python3.11 */
		if (str_startswith(name, interpreters[i], &rest) &&
		    rest[strspn(rest, "0123456789.")] == '\0')
			return true;
	}
	return false;
}

/* The script an interpreter runs; NULL for -c, -m, stdin and what we can't tell. */
static const char *script_of(const struct strvec *argv)
{
	for (size_t i = 1; i < argv->nr; i++) {
		const char *a = argv->v[i];

		if (a[0] != '-')
			return a;
		if (!a[1] || !strcmp(a, "-c") || !strcmp(a, "-m") || !strcmp(a, "-e"))
			return NULL;
		/* -W and -X of Python take a word; an option we don't know may too. */
		if (!strcmp(a, "-W") || !strcmp(a, "-X"))
			i++;
	}
	return NULL;
}

/* Directories that belong to the system or image, which the machine capture speaks of. */
static bool of_the_system(const char *path)
{
	static const char *const dirs[] = {"/usr", "/bin", "/sbin", "/lib", "/lib64", "/opt"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (path_is_in(path, dirs[i]))
			return true;
	return false;
}

static bool in_inputs(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->ninputs; i++)
		if (path_is_in(path, r->inputs[i].path))
			return true;
	for (size_t i = 0; i < r->code.nlarge; i++)
		if (!strcmp(path, r->code.large[i].path))
			return true;
	return false;
}

static int check_program(struct triple_pass *p, const char *path, struct err *e)
{
	struct buf joined = BUF_INIT, clean = BUF_INIT;
	struct tree_entry found;
	bool known = false;
	int rc = 0;

	if (path[0] == '/') {
		known = of_the_system(path);
	} else {
		path_join(&joined, p->rec->cwd ? p->rec->cwd : "", path);
		if (path_normalize(&clean, joined.p, NULL) == 0) {
			known = in_inputs(p->rec, clean.p);
			if (!known)
				rc = triple_find(p, clean.p, &found, e);
			known = known || rc == 1;
		}
	}
	if (rc >= 0 && !known)
		triple_add(p, REASON_CODE_SCRIPT, "%s is in neither the code tree nor an input",
			   path);
	buf_release(&joined);
	buf_release(&clean);
	return rc < 0 ? rc : 0;
}

static int program(struct triple_pass *p, struct err *e)
{
	const struct strvec *argv = &p->rec->argv;
	const char *script;
	int rc = 0;

	if (p->rec->shell || !argv->nr)
		return 0; /* a command line for the shell: its words can't be told apart */
	if (strchr(argv->v[0], '/'))
		rc = check_program(p, argv->v[0], e);
	script = is_interpreter(argv->v[0]) ? script_of(argv) : NULL;
	return rc == 0 && script ? check_program(p, script, e) : rc;
}

/* ---- C7 ---- */

struct secret_pass {
	struct triple_pass *p;
	uint64_t left;
	bool full;
};

static int scan_blob(struct secret_pass *s, const char *path, const struct repo_oid *id,
		     struct err *e)
{
	struct buf text = BUF_INIT;
	const char *kind;
	int rc = repo_read_blob(s->p->ctx->repo, id, SECRETS_MAX_FILE_BYTES, &text, e);

	if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0 && text.len > s->left) {
		s->full = true;
	} else if (rc == 0) {
		s->left -= text.len;
		kind = secrets_find(text.p, text.len);
		if (kind)
			triple_add(s->p, REASON_CODE_SECRET, "%s holds what looks like %s", path,
				   kind);
	}
	buf_release(&text);
	return rc;
}

static int scan_changed(void *arg, const char *path, const struct tree_entry *a,
			const struct tree_entry *b, struct err *e)
{
	struct secret_pass *s = arg;

	(void)a;
	if (s->full || (b->mode != TREE_MODE_FILE && b->mode != TREE_MODE_EXEC))
		return 0;
	return scan_blob(s, path, &b->id, e);
}

static int secrets(struct triple_pass *p, struct err *e)
{
	const struct record_code *c = &p->rec->code;
	struct secret_pass s = {p, TRIPLE_SECRET_BYTES, false};
	struct repo_oid base, tree;
	const char *kind = secrets_find(p->j->bytes.p, p->j->bytes.len);
	bool has_base = false;
	int rc;

	if (kind)
		triple_add(p, REASON_CODE_SECRET, "the record holds what looks like %s", kind);
	if (!c->tree || (!c->dirty && c->commit))
		return 0;
	memcpy(tree.hex, c->tree, sizeof(tree.hex));
	if (!repo_has_object(p->ctx->repo, &tree))
		return 0;
	if (c->base_tree) {
		/* A commit that was never pushed: then every file is one that only the run has. */
		memcpy(base.hex, c->base_tree, sizeof(base.hex));
		has_base = repo_has_object(p->ctx->repo, &base);
	}
	rc = tree_diff(p->ctx->repo, has_base ? &base : NULL, &tree, scan_changed, &s, e);
	if (rc == 0 && s.full)
		triple_add(p, REASON_CODE_SIZE,
			   "run %.12s has more than %u MiB of files of its "
			   "own",
			   p->rec->run, (unsigned int)(TRIPLE_SECRET_BYTES / MIB))
			->fix = xstrdup("commit these files, then run again");
	return rc;
}

int triple_origin(struct triple_pass *p, struct err *e)
{
	int rc = program(p, e);

	return rc == 0 ? secrets(p, e) : rc;
}
