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
	bool shell = str_endswith(path_basename(argv->v[0]), "sh");

	for (size_t i = 1; i < argv->nr; i++) {
		const char *a = argv->v[i];

		if (a[0] != '-')
			return a;
		if (shell && a[1] && a[1] != '-') {
			/* Letters in one word, as in -lc and -euo pipefail. */
			if (strpbrk(a, "cs"))
				return NULL;
			i += strpbrk(a, "oO") != NULL;
			continue;
		}
		if (!a[1] || !strcmp(a, "-c") || !strcmp(a, "-m") || !strcmp(a, "-e"))
			return NULL;
		/* -W and -X of Python take a word; an option we don't know may too. */
		if (!strcmp(a, "-W") || !strcmp(a, "-X"))
			i++;
	}
	return NULL;
}

/* Directories that belong to the system or image, which the machine capture speaks of. */
bool triple_of_the_system(const char *path)
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

/* A word of the command as a path below the top; false: it is absolute, or leads out. */
static bool word_path(const struct record *r, const char *word, struct buf *out)
{
	struct buf joined = BUF_INIT;
	bool inside = word[0] != '/';

	buf_reset(out);
	path_join(&joined, r->cwd ? r->cwd : "", word);
	inside = inside && path_normalize(out, joined.p, NULL) == 0;
	buf_release(&joined);
	return inside;
}

static bool names(const struct record *r, const char *word, const char *path)
{
	struct buf at = BUF_INIT;
	const char *rest;
	bool same = word_path(r, word, &at) && !strcmp(at.p, path);

	buf_release(&at);
	/* The record does not say where the top of the tree was. */
	return same || !strcmp(word, path) ||
	       (word[0] == '/' && str_endswith(word, path) &&
		(rest = word + strlen(word) - strlen(path)) > word && rest[-1] == '/');
}

bool triple_is_program(const struct record *r, const char *path)
{
	const char *script =
		r->argv.nr && is_interpreter(r->argv.v[0]) ? script_of(&r->argv) : NULL;

	for (size_t i = 0; i < r->nprograms; i++)
		if (!strcmp(r->programs[i].path, path))
			return true;
	return r->argv.nr && !r->shell &&
	       (names(r, r->argv.v[0], path) || (script && names(r, script, path)));
}

/* ---- what was seen to run ---- */

static int has_bytes(struct triple_pass *p, const struct tree_entry *file, const char *id,
		     struct err *e)
{
	struct buf text = BUF_INIT;
	struct chunkid got;
	int rc = repo_read_blob(p->ctx->repo, &file->id, TRIPLE_HASH_BYTES, &text, e);

	if (rc == ERR_LIMIT) {
		err_clear(e);
		rc = 0;
	} else if (rc == 0) {
		chunkid_of(&got, text.p, text.len);
		rc = !strcmp(id, chunkid_text(&got).s);
	}
	buf_release(&text);
	return rc;
}

/* Its bytes stand beside the record under this name: an input, an output, a file not as git has it. */
static bool is_kept(const struct record *r, const struct record_program *g)
{
	for (size_t i = 0; i < r->ninputs; i++)
		if (path_is_in(g->path, r->inputs[i].path) &&
		    (!g->id || strcmp(r->inputs[i].path, g->path) != 0 ||
		     !strcmp(r->inputs[i].id, g->id)))
			return true;
	for (size_t i = 0; i < r->noutputs; i++)
		if (path_is_in(g->path, r->outputs[i].path) && r->outputs[i].id &&
		    (!g->id || strcmp(r->outputs[i].path, g->path) != 0 ||
		     !strcmp(r->outputs[i].id, g->id)))
			return true;
	for (size_t i = 0; i < r->code.nlarge; i++)
		if (!strcmp(r->code.large[i].path, g->path))
			return true;
	for (size_t i = 0; i < r->code.nfiltered; i++)
		if (!strcmp(r->code.filtered[i].path, g->path))
			return true;
	return false;
}

static void say_script(struct triple_pass *p, const char *path)
{
	triple_add(p, REASON_CODE_SCRIPT, "%s is in neither the code tree nor an input", path);
}

static int tree_program(struct triple_pass *p, const struct record_program *g, struct err *e)
{
	struct tree_entry found;
	int rc;

	if (is_kept(p->rec, g))
		return 0;
	rc = triple_find(p, g->path, &found, e);
	if (rc == 0)
		say_script(p, g->path);
	if (rc != 1 || !g->id || found.mode == TREE_MODE_LINK)
		return MIN(rc, 0);
	rc = has_bytes(p, &found, g->id, e);
	if (rc == 0)
		triple_add(p, REASON_CODE_SCRIPT, "%s ran with bytes that are not in the code tree",
			   g->path);
	return MIN(rc, 0);
}

static int one_program(struct triple_pass *p, const struct record_program *g, struct err *e)
{
	switch (g->from) {
	case RECORD_FROM_TREE:
		return tree_program(p, g, e);
	case RECORD_FROM_INPUT:
		if (!in_inputs(p->rec, g->path))
			say_script(p, g->path);
		return 0;
	case RECORD_FROM_SYSTEM:
		if (g->path[0] != '/')
			say_script(p, g->path);
		return 0;
	case RECORD_FROM_ENVIRONMENT:
		return 0;
	case RECORD_FROM_OUTSIDE:
		break;
	}
	say_script(p, g->path);
	return 0;
}

/* ---- what the words of the command say ---- */

static bool was_seen(const struct record *r, const char *word)
{
	for (size_t i = 0; i < r->nprograms; i++)
		if (names(r, word, r->programs[i].path))
			return true;
	return false;
}

const char *triple_script(const struct record *r)
{
	return r->argv.nr && !r->shell && is_interpreter(r->argv.v[0]) ? script_of(&r->argv) : NULL;
}

static int check_word(struct triple_pass *p, const char *word, struct err *e)
{
	struct buf clean = BUF_INIT;
	struct tree_entry found;
	bool known = was_seen(p->rec, word);
	int rc = 0;

	if (word[0] == '/') {
		known = known || triple_of_the_system(word);
	} else if (!known && word_path(p->rec, word, &clean)) {
		known = in_inputs(p->rec, clean.p);
		if (!known)
			rc = triple_find(p, clean.p, &found, e);
		known = known || rc == 1;
	}
	if (rc >= 0 && !known)
		say_script(p, word);
	buf_release(&clean);
	return MIN(rc, 0);
}

/* Programs that run what other words of the command name. */
static const char *const wrappers[] = {
	"env",        "nice",      "ionice",  "timeout",     "time",    "nohup",  "setsid",
	"stdbuf",     "taskset",   "chrt",    "numactl",     "xargs",   "find",   "sudo",
	"su",         "doas",      "unshare", "chroot",      "nsenter", "strace", "gdb",
	"make",       "parallel",  "flock",   "systemd-run", "busybox", "script", "torchrun",
	"accelerate", "deepspeed", "mpirun",  "mpiexec",     "srun",    "uv",     "poetry",
	"conda",      "pipenv",    "npm",     "npx",         "cargo",   "go",     "java",
	"exec",       "command"};

/* Nobody saw what ran, and the words leave it open. */
static bool is_open(const struct record *r, const char *script)
{
	const char *name = path_basename(r->argv.v[0]);

	if (r->shell || (is_interpreter(r->argv.v[0]) && !script))
		return true;
	if (script && r->argv.nr > 1 && r->argv.v[1][0] == '-')
		return true; /* an option may take the next word, and that is not the script */
	for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++)
		if (!strcmp(name, wrappers[i]))
			return true;
	return false;
}

static int program(struct triple_pass *p, struct err *e)
{
	const struct record *r = p->rec;
	const char *script;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < r->nprograms; i++)
		rc = one_program(p, &r->programs[i], e);
	if (rc < 0 || !r->argv.nr)
		return rc;
	script = triple_script(r);
	if (!r->nprograms && is_open(r, script))
		triple_add(p, REASON_CODE_SCRIPT, "what %s ran was not observed", r->argv.v[0]);
	if (r->shell)
		return 0; /* a command line for the shell: its words can't be told apart */
	if (strchr(r->argv.v[0], '/'))
		rc = check_word(p, r->argv.v[0], e);
	return rc == 0 && script ? check_word(p, script, e) : rc;
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
	if (!c->tree || (!c->dirty && c->commit) || !repo_oid_here(p->ctx->repo, c->tree, &tree))
		return 0;
	/* A commit that was never pushed: then every file is one that only the run has. */
	has_base = c->base_tree && repo_oid_here(p->ctx->repo, c->base_tree, &base);
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
