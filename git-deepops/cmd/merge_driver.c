/* SPDX-License-Identifier: MIT */
/* merge_driver.c - what git calls to merge pointers; see git-deepops-merge-driver(1) */
#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd.h"
#include "data/dataset.h"
#include "sync/bring.h"

/* 1: a pointer; 0: an empty file, as git gives it where there is no common ancestor. */
static int read_version(const char *file, const char *name, struct pointer *out, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = io_read_file(AT_FDCWD, file, POINTER_MAX_BYTES, &text, e);

	if (rc == 0 && text.len)
		rc = pointer_parse(out, text.p, text.len, name, e);
	if (rc == 0)
		rc = text.len > 0;
	buf_release(&text);
	return rc;
}

static int write_version(const char *file, const struct pointer *p, struct err *e)
{
	struct buf text = BUF_INIT;
	int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int rc = fd < 0 ? err_sys(e, "%s", file) : 0;

	pointer_format(p, &text);
	if (rc == 0)
		rc = io_write_all(fd, text.p, text.len, e);
	if (fd >= 0 && io_close(fd, rc < 0 ? NULL : e) < 0 && rc == 0)
		rc = ERR_SYS;
	buf_release(&text);
	return rc;
}

static void print_conflicts(const char *name, const struct strvec *conflicts)
{
	struct buf quoted = BUF_INIT;

	for (size_t i = 0; i < conflicts->nr; i++) {
		buf_reset(&quoted);
		path_quote(&quoted, conflicts->v[i], strlen(conflicts->v[i]));
		log_warn("%s: both sides changed %s; our version was taken", name,
			 quoted.len ? quoted.p : "the file");
	}
	buf_release(&quoted);
}

/* The number of conflicts.  Nodes are durable before the pointer that names them is written. */
static int merge(struct dataset_env *d, struct pointer versions[3], bool has_base,
		 struct pointer *out, struct strvec *conflicts, struct err *e)
{
	struct store *s = dataset_store(d, e);
	struct store_txn *txn = NULL;
	int rc = s ? store_begin(s, NULL, &txn, e) : e->code;
	struct dataset_sides sides = {has_base ? &versions[0] : NULL, &versions[1], &versions[2]};
	int found = 0;

	if (rc == 0)
		found = rc = dataset_merge(d, txn, &sides, out, conflicts, e);
	if (rc >= 0)
		rc = store_commit(txn, NULL, e);
	if (rc < 0 && txn)
		store_abort(txn, false);
	return rc < 0 ? rc : found;
}

/* After a git pull their nodes are on the remote and not here yet: only git's own objects came. */
static int merge_or_fetch(struct dataset_env *d, const char *name, struct pointer versions[3],
			  bool has_base, struct pointer *out, struct strvec *conflicts,
			  struct err *e)
{
	int rc = merge(d, versions, has_base, out, conflicts, e);

	if (rc != ERR_NOTFOUND)
		return rc;
	err_clear(e);
	strvec_release(conflicts);
	pointer_release(out);
	pointer_init(out);
	rc = bring_nodes(dataset_repo(d), name, versions + !has_base, has_base ? 3 : 2, e);
	return rc < 0 ? rc : merge(d, versions, has_base, out, conflicts, e);
}

static int drive(struct dataset_env *d, char **files, const char *name, struct err *e)
{
	struct pointer versions[3], out;
	struct strvec conflicts = STRVEC_INIT;
	bool has_base = false;
	int rc = 0;

	pointer_init(&out);
	for (int i = 0; i < 3; i++)
		pointer_init(&versions[i]);
	for (int i = 0; rc >= 0 && i < 3; i++) {
		rc = read_version(files[i], name, &versions[i], e);
		if (i == 0)
			has_base = rc == 1;
		else if (rc == 0)
			rc = err_set(e, ERR_INPUT, "%s: empty pointer", name);
	}
	if (rc >= 0)
		rc = merge_or_fetch(d, name, versions, has_base, &out, &conflicts, e);
	print_conflicts(name, &conflicts);
	if (rc >= 0 && write_version(files[1], &out, e) < 0)
		rc = e->code;
	strvec_release(&conflicts);
	pointer_release(&out);
	for (int i = 0; i < 3; i++)
		pointer_release(&versions[i]);
	return rc;
}

int cmd_merge_driver(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops merge-driver BASE OURS THEIRS PATH", NULL};
	struct opt opts[] = {OPT_END};
	struct dataset_env *d;
	char *word;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 5)
		return err_set(e, ERR_USAGE, "git calls this with %%O %%A %%B %%P");
	rc = dataset_open(&d, ctx->repo, e);
	if (rc < 0)
		return rc;
	rc = drive(d, argv + 1, argv[4], e);
	dataset_close(d);
	if (rc < 0) {
		/* Above 128 git gives the whole merge up; a conflict leaves ours, which is valid. */
		log_fatal(e);
		word = path_word(argv[4]);
		log_hint("%s is left as it was on this side; to merge it again: git checkout "
			 "--merge -- %s",
			 argv[4], word);
		free(word);
		return 1;
	}
	if (rc > 0)
		log_hint("bring the data with git deepops checkout, settle those files, then git "
			 "deepops track");
	return rc > 0;
}
