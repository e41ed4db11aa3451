/* SPDX-License-Identifier: MIT */
/*
 * job_programs.c - what really ran, and where each of it came from; see job_internal.h
 *
 * Programs are noted as they start (execwatch.h), with the script that an
 * interpreter was given, and written to the spool at once.  When the command has
 * ended each is found in the code tree, an input, a package, or nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

#define PROGRAMS_MAX 1000           /* in a record; the others are counted */
#define SCRIPT_MAX_BYTES (16 * MIB) /* of a script that is hashed as it starts */
#define HEAD_BYTES 256              /* what the kernel looks at for #! */
#define SHEBANG_MAX_DEPTH 5
#define SPOOL_FILE "programs"
#define SPOOL_MAX_BYTES (16 * MIB)

/* ---- as they start ---- */

static bool is_known(const struct job *j, const char *path)
{
	for (size_t i = j->nprograms; i-- > 0;)
		if (!strcmp(j->programs[i].path, path))
			return true;
	return false;
}

static struct job_program *add_program(struct job *j, const char *path)
{
	struct job_program *p;

	XGROW(j->programs, j->nprograms + 1, j->programs_alloc);
	p = &j->programs[j->nprograms++];
	memset(p, 0, sizeof(*p));
	p->path = xstrdup(path);
	return p;
}

/* "- path" or "<digest> path", quoted; what cannot be written is in memory all the same. */
static void spool_program(struct job *j, const struct job_program *p)
{
	struct buf line = BUF_INIT, path = BUF_INIT;
	int fd;

	buf_addf(&line, "%s ", p->has_id ? chunkid_text(&p->id).s : "-");
	path_quote(&line, p->path, strlen(p->path));
	buf_addch(&line, '\n');
	spool_path(&j->spool, SPOOL_FILE, &path);
	fd = open(path.p, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0) {
		if (write(fd, line.p, line.len) < 0)
			errno = 0;
		close(fd);
	}
	buf_release(&line);
	buf_release(&path);
}

/* The first bytes in `head`, and the digest of a file that is no ELF program. */
static bool read_script(const char *path, char head[HEAD_BYTES], struct job_program *p)
{
	struct buf text = BUF_INIT;
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, head, HEAD_BYTES - 1, 0);
	bool script;

	head[n > 0 ? n : 0] = '\0';
	script = n > 0 && (n < 4 || memcmp(head, "\177ELF", 4) != 0);
	if (script && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    io_read_fd(fd, SCRIPT_MAX_BYTES, &text, NULL) == 0) {
		chunkid_of(&p->id, text.p, text.len);
		p->has_id = true;
	}
	if (fd >= 0)
		close(fd);
	buf_release(&text);
	return script;
}

static void note_file(struct job *j, const char *path, int depth);

/* "#!/usr/bin/env python3": the kernel starts the first word; what it starts is told to us again. */
static void note_shebang(struct job *j, const char *head, int depth)
{
	const char *at = head + 2;
	char *interpreter;

	at += strspn(at, " \t");
	interpreter = xstrndup(at, strcspn(at, " \t\r\n"));
	if (interpreter[0] == '/')
		note_file(j, interpreter, depth + 1);
	free(interpreter);
}

/* `path` is absolute; links are not followed, `.` and `..` are taken out. */
static void note_file(struct job *j, const char *path, int depth)
{
	struct buf clean = BUF_INIT;
	struct job_program *p;
	char head[HEAD_BYTES];

	buf_addch(&clean, '/');
	if (path_normalize(&clean, path + strspn(path, "/"), NULL) < 0)
		buf_sets(&clean, path);
	if (is_known(j, clean.p) || depth > SHEBANG_MAX_DEPTH)
		goto out;
	if (j->nprograms >= PROGRAMS_MAX) {
		j->more_programs++;
		goto out;
	}
	p = add_program(j, clean.p);
	if (read_script(p->path, head, p) && !strncmp(head, "#!", 2)) {
		spool_program(j, p);
		note_shebang(j, head, depth); /* may move `p` */
	} else {
		spool_program(j, p);
	}
out:
	buf_release(&clean);
}

static bool is_interpreter(const char *name)
{
	static const char *const names[] = {"sh",      "bash", "dash",  "zsh",  "ksh",  "fish",
					    "perl",    "ruby", "node",  "deno", "bun",  "R",
					    "Rscript", "java", "julia", "php",  "make", "gmake",
					    "awk",     "gawk", "mawk",  "tclsh"};
	static const char *const starts[] = {"python", "pypy", "lua", "ruby", "perl5"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
		if (str_startswith(name, starts[i], NULL))
			return true;
	return false;
}

static bool note_word(struct job *j, const char *cwd, const char *word, size_t len)
{
	struct buf full = BUF_INIT;
	struct stat st;
	bool there;

	if (len && word[0] != '/')
		buf_addf(&full, "%s/", strcmp(cwd, "/") != 0 ? cwd : "");
	buf_add(&full, word, len);
	there = len && stat(full.p, &st) == 0 && S_ISREG(st.st_mode);
	if (there)
		note_file(j, full.p, 0);
	buf_release(&full);
	return there;
}

/* ". ./env.sh; source x": files that a shell reads itself. */
static void note_sourced(struct job *j, const char *cwd, const char *line)
{
	static const char ends[] = " \t\n;|&()<>'\"";
	bool source = false;

	while (*line) {
		size_t len = strcspn(line, ends);

		if (source && len)
			(void)note_word(j, cwd, line, len);
		if (len)
			source = (len == 1 && *line == '.') ||
				 (len == 6 && !strncmp(line, "source", 6));
		line += len;
		line += strspn(line, ends);
	}
}

static bool is_shell(const char *name)
{
	size_t len = strlen(name);

	return (len >= 2 && !strcmp(name + len - 2, "sh") && strcmp(name, "tclsh") != 0) ||
	       !strcmp(name, "busybox");
}

/* The first word that names a file: options and what belongs to them name none. */
static void note_operand(struct job *j, const char *name, const char *cwd,
			 const struct strvec *argv)
{
	bool shell = is_shell(name);

	for (size_t i = 1; i < argv->nr; i++) {
		const char *word = argv->v[i];

		if (word[0] == '-' && word[1] && word[1] != '-' && word[strlen(word) - 1] == 'c') {
			if (i + 1 < argv->nr)
				note_sourced(j, cwd, argv->v[i + 1]);
			return;
		}
		if (!shell && (!strcmp(word, "-m") || !strcmp(word, "-e")))
			return;
		if (!strcmp(word, "-"))
			break;
		if (word[0] != '-' && note_word(j, cwd, word, strlen(word)))
			return;
	}
	j->script_from_stdin = true;
}

void job_note_program(void *arg, const struct execwatch_seen *seen)
{
	struct job *j = arg;
	char real[PATH_MAX];
	const char *name;

	if (seen->foreign_root) {
		if (!is_known(j, seen->path) && j->nprograms < PROGRAMS_MAX)
			spool_program(j, add_program(j, seen->path));
		return;
	}
	note_file(j, seen->path, 0);
	name = path_basename(seen->path);
	if (!is_interpreter(name) && realpath(seen->path, real))
		name = path_basename(real);
	if (is_interpreter(name))
		note_operand(j, name, seen->cwd, seen->argv);
}

int job_load_programs(struct job *j, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT, raw = BUF_INIT;
	int rc;

	spool_path(&j->spool, SPOOL_FILE, &path);
	rc = io_read_file(AT_FDCWD, path.p, SPOOL_MAX_BYTES, &text, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	for (const char *at = text.p; rc == 0 && *at;) {
		size_t len = strcspn(at, "\n"), word = strcspn(at, " ");
		char *id = xstrndup(at, word);
		struct job_program *p;

		buf_reset(&raw);
		if (at[len] && word < len && at[word + 1] == '"')
			rc = path_unquote(&raw, at + word + 1, len - word - 1, e);
		else if (at[len] && word < len)
			buf_add(&raw, at + word + 1, len - word - 1);
		if (rc == 0 && raw.len && !is_known(j, raw.p)) {
			p = add_program(j, raw.p);
			p->has_id = chunkid_parse(&p->id, id, NULL) == 0;
		}
		free(id);
		at += len + (at[len] == '\n');
	}
	j->rec.watched = j->nprograms ? RECORD_WATCHED_SAMPLED : RECORD_WATCHED_NONE;
	buf_release(&path);
	buf_release(&text);
	buf_release(&raw);
	return rc < 0 ? job_survive(j, "which programs ran is not known", e) : 0;
}

/* ---- where they came from ---- */

/* 1: the code tree, a submodule or a large file of it has this path. */
static int in_code(struct job *j, const char *path, struct err *e)
{
	const struct record_code *c = &j->rec.code;
	struct tree_entry found = {0};
	struct repo_oid tree;
	const char *rest = path, *of = c->tree;
	int rc;

	if (!c->tree || !*path)
		return 0;
	for (size_t i = 0; i < c->nlarge; i++)
		if (!strcmp(c->large[i].path, path))
			return 1;
	for (size_t i = 0; i < c->nmodules; i++) {
		if (c->modules[i].tree && path_is_in(path, c->modules[i].path)) {
			of = c->modules[i].tree;
			rest = path + strlen(c->modules[i].path);
			rest += *rest == '/';
		}
	}
	rc = repo_oid_parse(&tree, of, e);
	if (rc == 0)
		rc = tree_find(j->repo, &tree, rest, &found, e);
	if (rc < 0)
		return rc;
	return rc == 1 && (found.mode == TREE_MODE_FILE || found.mode == TREE_MODE_EXEC);
}

static bool in_inputs(const struct job *j, const char *path)
{
	for (size_t i = 0; i < j->rec.ninputs; i++)
		if (path_is_in(path, j->rec.inputs[i].path))
			return true;
	return false;
}

/* Below the top of the tree: relative, borrowed; NULL: outside. */
static const char *below_top(const struct job *j, const char *path)
{
	const char *rest;

	if (!str_startswith(path, repo_worktree(j->site), &rest) || *rest != '/')
		return NULL;
	return rest + 1;
}

static bool is_linker(const char *name)
{
	static const char *const names[] = {"ld",   "ld.bfd",   "ld.gold", "ld.lld", "lld",
					    "mold", "collect2", "rustc",   "link",   "nvlink"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]) || str_endswith(name, "-ld"))
			return true;
	return false;
}

/* A program that a linker of this run made from what it had: nothing came from elsewhere. */
static bool is_built_here(const struct job *j, const struct job_program *p)
{
	struct stat st;
	bool linked = false;

	for (size_t i = 0; i < j->nprograms; i++)
		linked = linked || is_linker(path_basename(j->programs[i].path));
	return linked && !p->has_id && stat(p->path, &st) == 0 &&
	       st.st_ctim.tv_sec >= j->rec.started / 1000;
}

static enum record_from origin(struct job *j, const struct job_program *p, const char *real,
			       const char *owner)
{
	const char *inside = below_top(j, real);
	struct err e = ERR_INIT;

	if (inside && in_code(j, inside, &e) == 1)
		return RECORD_FROM_TREE;
	if (inside && in_inputs(j, inside))
		return RECORD_FROM_INPUT;
	if (capture_is_environment(p->path))
		return RECORD_FROM_ENVIRONMENT;
	if (owner && *owner)
		return RECORD_FROM_SYSTEM;
	return is_built_here(j, p) ? RECORD_FROM_TREE : RECORD_FROM_OUTSIDE;
}

/* A program from outside is named by its bytes, too; of a script they are known. */
static void hash_program(struct job_program *p)
{
	int fd = open(p->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct buf piece = BUF_INIT;
	struct hash *h = hash_new();
	struct stat st;
	size_t got = 1;
	bool good = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	buf_grow(&piece, 256 * KIB);
	while (good && got) {
		good = io_read_full(fd, piece.p, 256 * KIB, &got, NULL) == 0;
		if (good)
			hash_update(h, piece.p, got);
	}
	hash_final(h, p->id.b);
	p->has_id = good;
	hash_free(h);
	if (fd >= 0)
		close(fd);
	buf_release(&piece);
}

static void fill_one(struct job *j, struct job_program *p, const char *real, const char *owner)
{
	const char *inside = below_top(j, p->path);
	enum record_from from = origin(j, p, real, owner);
	struct record_program *out;

	if (from == RECORD_FROM_OUTSIDE && !p->has_id)
		hash_program(p);
	out = record_add_program(&j->rec);
	record_set(&out->path, inside ? inside : p->path);
	out->from = from;
	if (p->has_id)
		record_set_digest(&out->id, &p->id);
}

/* Packages of the interpreters that ran are named in the capture, whoever started them. */
static int extend_capture(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct strvec interpreters = STRVEC_INIT;
	struct capture whole;
	struct tree_entry found = {0};
	int rc = tree_find(j->repo, &j->parts, "machine", &found, e);

	capture_init(&whole);
	for (size_t i = 0; i < j->nprograms; i++)
		if (str_startswith(path_basename(j->programs[i].path), "python", NULL) ||
		    str_startswith(path_basename(j->programs[i].path), "pypy", NULL))
			strvec_push(&interpreters, j->programs[i].path);
	if (rc == 1 && interpreters.nr)
		rc = repo_read_blob(j->repo, &found.id, CAPTURE_MAX_BYTES, &whole.text, e);
	if (rc >= 0 && whole.text.len &&
	    capture_add_interpreters(&whole, &interpreters, j->rec.argv.v[0])) {
		rc = tree_builder_add_blob(parts, "machine", whole.text.p, whole.text.len, e);
		record_set_digest(&j->rec.machine_capture, &whole.id);
		buf_sets(&j->machine.text, whole.text.p);
	}
	capture_editables(&interpreters, repo_worktree(j->site), &j->rec.code.outside);
	capture_release(&whole);
	strvec_release(&interpreters);
	return rc < 0 ? job_survive(j, "packages of the programs that ran are not captured", e) : 0;
}

int job_fill_programs(struct job *j, struct tree_builder *parts, struct err *e)
{
	struct strvec real = STRVEC_INIT, owners = STRVEC_INIT;
	char path[PATH_MAX];

	for (size_t i = 0; i < j->nprograms; i++)
		strvec_push(&real,
			    realpath(j->programs[i].path, path) ? path : j->programs[i].path);
	capture_owners(repo_deepops_dir(j->repo), &real, &owners);
	for (size_t i = 0; i < j->nprograms; i++)
		fill_one(j, &j->programs[i], real.v[i], owners.v[i]);
	if (j->more_programs)
		job_notice(j, "and %zu more starts of programs are not named", j->more_programs);
	strvec_release(&real);
	strvec_release(&owners);
	return extend_capture(j, parts, e);
}
