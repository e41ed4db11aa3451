/* SPDX-License-Identifier: MIT */
/* repo_object.c - reading and writing git objects; see repo.h */
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define SHA1_HEX 40
#define SHA256_HEX 64

static size_t digits(const char *hex)
{
	return strspn(hex, "0123456789abcdef");
}

bool repo_oid_text_ok(const char *hex)
{
	size_t n = digits(hex);

	return !hex[n] && (n == SHA1_HEX || n == SHA256_HEX);
}

bool repo_oid_ok(const char *hex)
{
	return digits(hex) == REPO_OID_HEX && !hex[REPO_OID_HEX];
}

const char *repo_oid_take(struct repo_oid *out, const char *at, char end)
{
	bool good = digits(at) == REPO_OID_HEX && at[REPO_OID_HEX] == end;

	memset(out->hex, '0', REPO_OID_HEX);
	out->hex[REPO_OID_HEX] = '\0';
	if (!good)
		return NULL;
	memcpy(out->hex, at, REPO_OID_HEX);
	return at + REPO_OID_HEX + (end ? 1 : 0);
}

int repo_oid_parse(struct repo_oid *out, const char *hex, struct err *e)
{
	if (repo_oid_take(out, hex, '\0'))
		return 0;
	return err_set(e, ERR_NOTFOUND, "git object %.64s is not here", hex);
}

bool repo_oid_here(struct repo *r, const char *hex, struct repo_oid *out)
{
	return repo_oid_take(out, hex, '\0') && repo_has_object(r, out);
}

bool repo_oid_is_zero(const struct repo_oid *id)
{
	return strspn(id->hex, "0") == REPO_OID_HEX;
}

bool repo_oid_equal(const struct repo_oid *a, const struct repo_oid *b)
{
	return !strcmp(a->hex, b->hex);
}

int repo_oid_to(git_oid *out, const struct repo_oid *id, struct err *e)
{
	if (!repo_oid_ok(id->hex) || git_oid_fromstr(out, id->hex) < 0)
		return err_set(e, ERR_INPUT, "'%.40s' is not a git object id", id->hex);
	return 0;
}

void repo_oid_from(struct repo_oid *out, const git_oid *id)
{
	git_oid_tostr(out->hex, sizeof(out->hex), id);
}

int repo_may_write(const struct repo *r, const char *what, struct err *e)
{
	if (!r->hook)
		return 0;
	return err_set(e, ERR_DENIED, "%s: a hook must not write to the repository", what);
}

bool repo_has_object(struct repo *r, const struct repo_oid *id)
{
	git_oid oid;

	return repo_oid_to(&oid, id, NULL) == 0 && git_odb_exists(r->odb, &oid);
}

static bool is_partial(struct repo *r)
{
	git_config_iterator *it = NULL;
	git_config_entry *entry;

	if (r->partial_known)
		return r->partial;
	r->partial_known = true;
	/* Not by a pattern: libgit2 1.5 loses memory for each name that does not match one. */
	if (git_config_iterator_new(&it, r->cfg) == 0)
		while (!r->partial && git_config_next(&entry, it) == 0)
			r->partial = str_startswith(entry->name, "remote.", NULL) &&
				     str_endswith(entry->name, ".promisor");
	git_config_iterator_free(it);
	return r->partial;
}

/* libgit2 can't fetch what a partial clone left out; git does so when asked for it. */
static int read_promised(struct repo *r, const struct repo_oid *id, const char *type, size_t max,
			 struct buf *out, struct err *e)
{
	struct buf got = BUF_INIT;
	int rc = repo_git_run(r, &got, e, "cat-file", type, id->hex, NULL);

	if (rc < 0)
		rc = err_set(e, ERR_NOTFOUND, "git %s %s is not here", type, id->hex);
	else if (got.len > max)
		rc = err_set(e, ERR_LIMIT, "git %s %s has %zu bytes", type, id->hex, got.len);
	else
		buf_addbuf(out, &got);
	buf_release(&got);
	return rc;
}

int repo_read_raw(struct repo *r, const struct repo_oid *id, const char *type, size_t max,
		  struct buf *out, struct err *e)
{
	git_object_t want = git_object_string2type(type);
	git_odb_object *object = NULL;
	git_object_t got;
	git_oid oid;
	size_t len;
	int rc = repo_oid_to(&oid, id, e);

	if (rc < 0)
		return rc;
	rc = git_odb_read_header(&len, &got, r->odb, &oid);
	if (rc == GIT_ENOTFOUND && !r->hook && is_partial(r))
		return read_promised(r, id, type, max, out, e);
	if (rc == GIT_ENOTFOUND)
		return err_set(e, ERR_NOTFOUND, "git %s %s is not here", type, id->hex);
	if (rc == 0 && got != want)
		return err_set(e, ERR_INPUT, "git object %s is a %s, not a %s", id->hex,
			       git_object_type2string(got), type);
	if (rc == 0 && len > max)
		return err_set(e, ERR_LIMIT, "git %s %s has %zu bytes", type, id->hex, len);
	if (rc == 0)
		rc = git_odb_read(&object, r->odb, &oid);
	if (rc < 0)
		return repo_lgerr(e, rc, "git %s %s", type, id->hex);
	buf_add(out, git_odb_object_data(object), git_odb_object_size(object));
	git_odb_object_free(object);
	return 0;
}

int repo_read_blob(struct repo *r, const struct repo_oid *id, size_t max, struct buf *out,
		   struct err *e)
{
	return repo_read_raw(r, id, "blob", max, out, e);
}

/*
 * An object that is there already gets a new time from libgit2 (freshening), as
 * with git, so that a concurrent `git gc` does not prune what we are about
 * to name.
 */
int repo_write_raw(struct repo *r, const char *type, const void *p, size_t len,
		   struct repo_oid *out, struct err *e)
{
	git_oid oid;
	int rc = repo_may_write(r, type, e);

	if (rc < 0)
		return rc;
	rc = git_odb_write(&oid, r->odb, p, len, git_object_string2type(type));
	if (rc < 0)
		return repo_lgerr(e, rc, "write git %s", type);
	repo_oid_from(out, &oid);
	return 0;
}

int repo_write_blob(struct repo *r, const void *p, size_t len, struct repo_oid *out, struct err *e)
{
	return repo_write_raw(r, "blob", p, len, out, e);
}
