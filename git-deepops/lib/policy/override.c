/* SPDX-License-Identifier: MIT */
/* override.c - from the hook's files to records; see override.h */
#include "policy/override.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/path.h"
#include "base/random.h"
#include "base/strvec.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "run/journal.h"

#define DIRECTORY "overrides"
/* All of a record's texts fit, were each of their bytes written as four and escaped. */
#define FINDINGS 10
#define FINDING_BYTES 300
#define REF_BYTES 1024
#define NAME_BYTES 256
#define CERTIFICATE_BYTES (64 * KIB)
#define DROP_AFTER_MS (INT64_C(24) * 3600 * 1000)
#define NO_WRITER "0000000000000000" /* until it is appended */

/* ---- in the hook ---- */

/* At most `max` bytes of it, on one line. */
static void add_cut(struct buf *out, const char *text, size_t max)
{
	size_t len = strlen(text);
	char *clean = xmalloc(max + 1);

	err_sanitize(clean, max + 1, text);
	buf_addstr(out, clean);
	if (len > max)
		buf_addstr(out, "...");
	free(clean);
}

static void fill(struct record *rec, const struct verdict *v, const struct verdict_ref *r)
{
	char run[RECORD_RUN_HEX + 1];
	struct buf note = BUF_INIT, title = BUF_INIT, by = BUF_INIT;

	random_hex(run, RECORD_RUN_HEX);
	rec->kind = RECORD_OVERRIDE;
	record_set(&rec->run, run);
	record_set(&rec->writer, NO_WRITER);
	rec->seq = 1;
	record_set(&rec->tool, "git-deepops " DEEPOPS_VERSION);
	add_cut(&by, r->by, NAME_BYTES);
	record_set(&rec->author, by.p);
	record_set(&rec->code.commit, r->new_id);
	buf_addstr(&title, "override: ");
	add_cut(&title, r->ref, REF_BYTES);
	record_set(&rec->title, title.p);
	add_cut(&note, v->override_reason, PUSH_MAX_REASON_BYTES);
	buf_addf(&note, "\n%s..%s", r->old_id, r->new_id);
	for (size_t i = 0; i < MIN(r->n, FINDINGS); i++) {
		buf_addf(&note, "\n%s ", reason_info(r->v[i].reason)->code);
		add_cut(&note, r->v[i].text, FINDING_BYTES);
	}
	if (r->n + r->dropped > FINDINGS)
		buf_addf(&note, "\nand %zu more", r->n + r->dropped - FINDINGS);
	record_set(&rec->note, note.p);
	rec->started = clock_now_ms();
	buf_release(&note);
	buf_release(&title);
	buf_release(&by);
}

/* The certificate that git checked, if there was one: its bytes are evidence. */
static int keep_certificate(struct repo *r, const char *path, struct err *e)
{
	const char *id = getenv("GIT_PUSH_CERT");
	struct buf text = BUF_INIT;
	struct repo_oid blob;
	int rc;

	if (!id || !repo_oid_take(&blob, id, '\0'))
		return 0;
	rc = repo_read_blob(r, &blob, CERTIFICATE_BYTES, &text, e);
	if (rc == 0)
		rc = tempfile_write(path, 0644, text.p, text.len, e);
	buf_release(&text);
	return rc;
}

static int keep_one(struct repo *r, const char *dir, const struct verdict *v,
		    const struct verdict_ref *ref, struct err *e)
{
	struct buf text = BUF_INIT, path = BUF_INIT;
	struct record rec;
	size_t stem;
	int rc;

	record_init(&rec);
	fill(&rec, v, ref);
	buf_addf(&path, "%s/%013" PRId64 "-%s", dir, rec.started, rec.run);
	stem = path.len;
	buf_addstr(&path, ".cert");
	rc = record_format(&rec, &text, e);
	if (rc == 0)
		rc = keep_certificate(r, path.p, e);
	buf_setlen(&path, stem);
	buf_addstr(&path, ".json");
	if (rc == 0)
		rc = tempfile_write(path.p, 0644, text.p, text.len, e);
	record_release(&rec);
	buf_release(&text);
	buf_release(&path);
	return rc;
}

int override_keep(struct repo *r, const struct verdict *v, struct err *e)
{
	char *dir = xstrfmt("%s/" DIRECTORY, repo_deepops_dir(r));
	bool made = false;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < v->n; i++) {
		if (v->v[i].state != VERDICT_OVERRIDDEN)
			continue;
		if (!made)
			rc = path_mkdirs(dir, 0777, e);
		made = true;
		if (rc == 0)
			rc = keep_one(r, dir, v, &v->v[i], e);
	}
	free(dir);
	return rc < 0 ? err_wrap(e, "the override can't be recorded") : 0;
}

/* ---- afterwards ---- */

struct spool {
	struct repo *repo;
	char *dir;
	struct strvec names; /* without the suffix, the oldest first */
};

static int list(struct spool *s, struct err *e)
{
	DIR *d = opendir(s->dir);
	struct dirent *entry;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "%s", s->dir);
	while ((entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && str_endswith(entry->d_name, ".json"))
			strvec_pushn(&s->names, entry->d_name, len - strlen(".json"));
	}
	closedir(d);
	strvec_sort(&s->names);
	return 0;
}

static void drop(const struct spool *s, const char *name)
{
	static const char *const suffixes[] = {"json", "cert"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		char *path = xstrfmt("%s/%s.%s", s->dir, name, suffixes[i]);

		(void)unlink(path);
		free(path);
	}
}

/* Is what it allowed there now? */
static bool has_passed(const struct spool *s, const struct record *rec)
{
	const char *ref = NULL;
	struct repo_oid id, now;

	if (!rec->code.commit || !repo_oid_take(&id, rec->code.commit, '\0'))
		return false;
	if (!repo_oid_is_zero(&id))
		return repo_has_object(s->repo, &id);
	/* A deletion that was allowed: the ref is gone, or was made anew. */
	(void)str_startswith(rec->title, "override: ", &ref);
	return ref && (repo_ref_get(s->repo, ref, &now, NULL) != 1 || !strstr(rec->note, now.hex));
}

static int add_certificate(const struct spool *s, const char *name, struct tree_builder *parts,
			   struct err *e)
{
	char *path = xstrfmt("%s/%s.cert", s->dir, name);
	struct buf text = BUF_INIT;
	int rc = io_read_file(AT_FDCWD, path, CERTIFICATE_BYTES, &text, e);

	if (rc == 0) {
		rc = tree_builder_add_blob(parts, "certificate", text.p, text.len, e);
	} else if (rc == ERR_NOTFOUND) {
		err_clear(e);
		rc = 0;
	}
	buf_release(&text);
	free(path);
	return rc;
}

static int append(const struct spool *s, const char *name, struct record *rec, struct err *e)
{
	struct tree_builder *parts = tree_builder_new(s->repo);
	struct journal_entry entry;
	int rc = add_certificate(s, name, parts, e);

	journal_entry_init(&entry);
	if (rc == 0)
		rc = journal_append(s->repo, rec, parts, &entry, e);
	tree_builder_free(parts);
	journal_entry_release(&entry);
	return rc;
}

/* 1 recorded, 0 not yet or not at all. */
static int one(const struct spool *s, const char *name, struct err *e)
{
	char *path = xstrfmt("%s/%s.json", s->dir, name);
	struct buf text = BUF_INIT;
	struct record rec;
	int rc;

	record_init(&rec);
	rc = io_read_file(AT_FDCWD, path, RECORD_MAX_BYTES, &text, e);
	if (rc == 0)
		rc = record_parse(&rec, text.p, text.len, e);
	if (rc == 0 && !has_passed(s, &rec)) {
		if (clock_now_ms() - rec.started > DROP_AFTER_MS) {
			log_warn("%s: the push did not pass after all", path);
			drop(s, name);
		}
	} else if (rc == 0) {
		/* Killed between the record and this file's removal? */
		rc = journal_has_run(s->repo, rec.run, e);
		if (rc == 0)
			rc = append(s, name, &rec, e);
		if (rc >= 0) {
			drop(s, name);
			rc = 1;
		}
	}
	if (rc < 0)
		err_wrap(e, "%s", path);
	record_release(&rec);
	buf_release(&text);
	free(path);
	return rc;
}

int override_record(struct repo *r, uint64_t *n, struct err *e)
{
	struct spool s = {r, xstrfmt("%s/" DIRECTORY, repo_deepops_dir(r)), STRVEC_INIT};
	char *lock = xstrfmt("%s/" DIRECTORY ".lock", repo_deepops_dir(r));
	int rc = 0, fd = -1;

	/* Nearly always there is nothing to do: then not even a lock is taken. */
	if (access(s.dir, F_OK) == 0)
		rc = fd = lockfile_acquire(lock, LOCKFILE_EXCLUSIVE, UINT64_MAX, e);
	if (fd >= 0)
		rc = list(&s, e);
	for (size_t i = 0; rc >= 0 && i < s.names.nr; i++) {
		rc = one(&s, s.names.v[i], e);
		if (n && rc > 0)
			++*n;
	}
	if (fd >= 0)
		lockfile_release(fd);
	strvec_release(&s.names);
	free(s.dir);
	free(lock);
	return rc < 0 ? err_wrap(e, "override") : 0;
}
