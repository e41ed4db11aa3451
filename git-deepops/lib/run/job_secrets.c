/* SPDX-License-Identifier: MIT */
/*
 * job_secrets.c - what must not get into a record; see job_internal.h
 *
 * Before the command: the values of --secret are masked in everything that users wrote, and what
 * is a secret by its shape or its name refuses the run.  Afterwards nothing can be refused, so
 * keys that the command itself printed are masked before anything is put into the journal.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "run/job_internal.h"
#include "run/params.h"
#include "run/secrets.h"

#define PIECE_BYTES (256 * KIB)

/* ---- the values ---- */

static int add_secret(struct job *j, const char *name, struct err *e)
{
	const char *value = getenv(name);

	if (!value || !*value) {
		err_set(e, ERR_INPUT, "--secret %s: not in the environment", name);
		return err_hint(e, "export %s first", name);
	}
	if (scrub_too_short(value)) {
		err_set(e, ERR_INPUT,
			"--secret %s: its value is shorter than %d bytes, masking it would eat "
			"ordinary text",
			name, SCRUB_MIN_BYTES);
		return err_hint(e,
				"leave --secret %s out: of this variable only the name is "
				"recorded",
				name);
	}
	scrub_add(&j->secrets, name, value);
	strvec_push(&j->rec.secrets, name);
	return 0;
}

int job_read_secrets(struct job *j, struct err *e)
{
	const struct strvec *names = &j->o->secrets;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < names->nr; i++)
		if (!strvec_has(&j->rec.secrets, names->v[i]))
			rc = add_secret(j, names->v[i], e);
	for (size_t i = 0; rc == 0 && i < j->o->envs.nr; i++)
		if (strvec_has(names, j->o->envs.v[i]))
			rc = err_set(e, ERR_USAGE, "%s is both --env and --secret",
				     j->o->envs.v[i]);
	return rc;
}

int job_take_secrets(struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->rec.secrets.nr; i++) {
		const char *name = j->rec.secrets.v[i], *value = getenv(name);

		if (value && *value && !scrub_too_short(value)) {
			scrub_add(&j->secrets, name, value);
			continue;
		}
		err_set(e, ERR_INPUT,
			"the run was given the secret %s, which is not in the "
			"environment",
			name);
		return err_hint(e, "export %s with its value first: no record holds it", name);
	}
	return 0;
}

void job_find_secrets(struct job *j)
{
	for (size_t i = 0; i < j->rec.secrets.nr; i++) {
		const char *name = j->rec.secrets.v[i], *value = getenv(name);

		if (value && !scrub_too_short(value))
			scrub_add(&j->secrets, name, value);
		else
			job_notice(j,
				   "the secret %s is not in the environment: what was written "
				   "to metrics is not searched for it",
				   name);
	}
}

/* ---- masking the record ---- */

/* A masked path would name another file. */
static bool is_path(const char *field)
{
	return !strcmp(field, "command.cwd") || str_endswith(field, "[].path");
}

/* Fields from which a rerun takes what the command gets. */
static bool is_given(const char *field)
{
	return !strcmp(field, "command.argv") || !strcmp(field, "params.values") ||
	       !strcmp(field, "machine.env");
}

static int mask_value(void *arg, const char *field, const char *text, struct buf *out,
		      struct err *e)
{
	const struct job *j = arg;
	bool any = is_given(field) ? scrub_argument(&j->secrets, text, out)
				   : scrub_text(&j->secrets, text, out);

	if (!any || strcmp(field, "secrets") == 0)
		return 0;
	if (is_path(field)) {
		err_set(e, ERR_INPUT, "the path %s holds the value of a --secret", out->p);
		return err_hint(e, "paths are recorded for good: rename it");
	}
	return 1;
}

int job_mask_record(struct job *j, struct err *e)
{
	int rc = j->secrets.n ? record_map_texts(&j->rec, mask_value, j, e) : 0;
	struct buf json = BUF_INIT;
	struct chunkid id;

	if (rc == 0 && j->rec.params.n) {
		job_params_json(j, &json);
		chunkid_of(&id, json.p, json.len);
		record_set_digest(&j->rec.params_digest, &id);
	}
	buf_release(&json);
	return rc;
}

/* ---- what is a secret by itself ---- */

static int refuse(const char *where, const char *what, struct err *e)
{
	err_set(e, ERR_DENIED, "%s holds what looks like %s", where, what);
	return err_hint(e, "it would be recorded for good: put the value into a variable, say "
			   "SECRET, and give --secret SECRET; what holds it is then recorded "
			   "as " SECRETS_MASK);
}

static int scan_named(const char *where, const char *name, const char *value, struct err *e)
{
	const char *what = secrets_in_text(value);
	char *full;
	int rc;

	if (!what && name)
		what = secrets_named(name, value);
	if (!what)
		return 0;
	full = xstrfmt("%s%s%s", where, name ? " " : "", name ? name : "");
	rc = refuse(full, what, e);
	free(full);
	return rc;
}

static int scan_pairs(const struct record_pairs *p, const char *where, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < p->n; i++)
		rc = scan_named(where, p->v[i].name, p->v[i].value, e);
	return rc;
}

/* Texts that are no pairs and no words of the command: shapes only. */
static int scan_text(void *arg, const char *field, const char *text, struct buf *out, struct err *e)
{
	const char *what = secrets_find(text, strlen(text));

	(void)arg;
	(void)out;
	return what ? refuse(field, what, e) : 0;
}

int job_scan_record(struct job *j, struct err *e)
{
	struct record *r = &j->rec;
	const char *what;
	char number[48];
	size_t at;
	int rc = r->title ? scan_named("the title", NULL, r->title, e) : 0;

	what = secrets_in_words(&r->argv, &at);
	if (rc == 0 && what) {
		snprintf(number, sizeof(number), "argument %zu", at);
		return refuse(number, what, e);
	}
	for (size_t i = 0; rc == 0 && i < r->tags.nr; i++)
		rc = scan_named("a tag", NULL, r->tags.v[i], e);
	if (rc == 0)
		rc = scan_pairs(&r->params, "parameter", e);
	if (rc == 0)
		rc = scan_pairs(&r->env, "environment variable", e);
	return rc < 0 ? rc : record_map_texts(r, scan_text, NULL, e);
}

int job_scan_file(struct job *j, const char *path, const void *text, size_t len, struct err *e)
{
	const char *what = secrets_find(text, len);

	if (!what && !scrub_holds(&j->secrets, text, len))
		return 0;
	err_set(e, ERR_DENIED, "%s holds %s%s", path, what ? "what looks like " : "",
		what ? what : "the value of a --secret");
	return err_hint(e, "it would be recorded for good: take it out, or let .gitignore or "
			   ".deepops/snapshot leave the file out");
}

/* ---- afterwards ---- */

static int mask_key(void *arg, const char *field, const char *text, struct buf *out, struct err *e)
{
	size_t *n = arg, found = secrets_mask(text, strlen(text), out);

	(void)field;
	(void)e;
	*n += found;
	return found > 0;
}

static int mask_late(void *arg, const char *field, const char *text, struct buf *out, struct err *e)
{
	const struct job *j = arg;

	(void)e;
	if (!strcmp(field, "secrets") || is_given(field))
		return 0;
	return scrub_text(&j->secrets, text, out);
}

void job_mask_text(const struct job *j, struct buf *text)
{
	struct scrub_stream s;
	struct buf clean = BUF_INIT;

	scrub_stream_init(&s, &j->secrets);
	scrub_feed(&s, text->p, text->len, &clean);
	scrub_finish(&s, &clean);
	buf_reset(text);
	secrets_mask(clean.p, clean.len, text);
	buf_release(&clean);
}

int job_mask_outcome(struct job *j, struct err *e)
{
	size_t keys = 0;
	int rc = j->secrets.n ? record_map_texts(&j->rec, mask_late, j, e) : 0;

	if (rc == 0)
		rc = record_map_texts(&j->rec, mask_key, &keys, e);
	if (keys)
		job_notice(j, "%zu keys in names or texts that the command gave are masked", keys);
	return rc;
}

/*
 * Copy `from` to `to` (-1: nowhere), masked.  *keys: how many there were; *changed: also where a
 * value was masked, which is longer than its mask.
 */
static int mask_stream(const struct job *j, int from, int to, size_t *keys, bool *changed,
		       struct err *e)
{
	struct buf piece = BUF_INIT, held = BUF_INIT, clean = BUF_INIT;
	struct scrub_stream values;
	uint64_t in = 0, out = 0;
	size_t got = 1, cut;
	int rc = lseek(from, 0, SEEK_SET) < 0 ? err_sys(e, "seek") : 0;

	scrub_stream_init(&values, &j->secrets);
	buf_grow(&piece, PIECE_BYTES);
	while (rc == 0 && got) {
		size_t before = held.len;

		rc = io_read_full(from, piece.p, PIECE_BYTES, &got, e);
		in += rc == 0 ? got : 0;
		if (rc == 0 && got)
			scrub_feed(&values, piece.p, got, &held);
		else
			scrub_finish(&values, &held);
		out += held.len - before;
		cut = got ? secrets_cut(held.p, held.len) : held.len;
		buf_reset(&clean);
		*keys += secrets_mask(held.p, cut, &clean);
		if (rc == 0 && to >= 0)
			rc = io_write_all(to, clean.p, clean.len, e);
		buf_remove(&held, 0, cut);
	}
	*changed = *keys || in != out;
	buf_release(&piece);
	buf_release(&held);
	buf_release(&clean);
	buf_release(&values.held);
	return rc;
}

static int open_masked(const struct job *j, const char *name, struct err *e)
{
	char *file = xstrfmt("%s.masked", name);
	struct buf path = BUF_INIT;
	int fd;

	spool_path(&j->spool, file, &path);
	fd = open(path.p, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = err_sys(e, "%s", path.p);
	buf_release(&path);
	free(file);
	return fd;
}

int job_mask_log(struct job *j, const char *name, int *fd, struct err *e)
{
	size_t keys = 0, again = 0;
	bool changed;
	int rc = mask_stream(j, *fd, -1, &keys, &changed, e), masked;

	if (rc == 0 && lseek(*fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, "seek");
	if (rc < 0 || !changed)
		return rc;
	masked = open_masked(j, name, e);
	if (masked < 0)
		return masked;
	rc = mask_stream(j, *fd, masked, &again, &changed, e);
	if (rc == 0 && lseek(masked, 0, SEEK_SET) < 0)
		rc = err_sys(e, "seek");
	if (rc < 0) {
		close(masked);
		return rc;
	}
	close(*fd);
	*fd = masked;
	if (keys)
		job_notice(j, "%s: %zu keys that the command wrote are masked", name, keys);
	return 0;
}

int job_check_output(struct job *j, int fd, uint64_t bytes, struct err *e)
{
	struct buf text = BUF_INIT;
	const char *what;
	int rc;

	if (bytes > SECRETS_MAX_FILE_BYTES)
		return 0;
	rc = io_read_fd(fd, SECRETS_MAX_FILE_BYTES, &text, e);
	if (rc == 0 && lseek(fd, 0, SEEK_SET) < 0)
		rc = err_sys(e, "seek");
	what = rc == 0 ? secrets_find(text.p, text.len) : NULL;
	if (rc == 0 && (what || scrub_holds(&j->secrets, text.p, text.len)))
		rc = err_set(e, ERR_INPUT, "it holds %s%s", what ? "what looks like " : "",
			     what ? what : "the value of a --secret");
	buf_release(&text);
	return rc;
}
