/* SPDX-License-Identifier: MIT */
/* rawobj.c - commits, trees and tags from their bytes; see rawobj.h */
#include "repo/rawobj.h"

#include "base/hex.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define COMMIT_MAX_BYTES ((size_t)16 << 20)
#define TAG_MAX_BYTES ((size_t)16 << 20)
#define TREE_MAX_BYTES ((size_t)1 << 30) /* twenty million files in one directory */
#define TAG_MAX_DEPTH 100                /* a tag of a tag of a tag */
#define UNIT_BYTES 4096
#define OID_RAW_BYTES (REPO_OID_HEX / 2)

/* ---- commits ---- */

/* "<key> <id>\n": the id, and the position behind it; NULL when the line is another. */
static const char *take_id(const char *at, const char *key, struct repo_oid *out)
{
	return str_startswith(at, key, &at) ? repo_oid_take(out, at, '\n') : NULL;
}

/* As git: the number behind the last '>' of the committer's line, which stands behind the author's. */
static int64_t date_of(const char *at)
{
	const char *end, *mail;
	int64_t date = 0;

	if (str_startswith(at, "author ", NULL)) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	if (!str_startswith(at, "committer ", NULL))
		return 0;
	end = at + strcspn(at, "\n");
	for (mail = end; mail > at && *mail != '>';)
		mail--;
	if (*mail != '>')
		return 0;
	mail += 1 + strspn(mail + 1, " ");
	for (; mail < end && *mail >= '0' && *mail <= '9' && date < INT64_MAX / 16; mail++)
		date = date * 10 + (*mail - '0');
	return date;
}

int rawobj_commit_parse(struct rawobj_commit *out, const char *text, struct err *e)
{
	struct repo_oid parent;
	const char *at = take_id(text, "tree ", &out->tree), *next;
	size_t alloc = 0;

	out->parents = NULL;
	out->nparents = 0;
	if (!at)
		return err_set(e, ERR_CORRUPT, "it names no tree");
	for (; (next = take_id(at, "parent ", &parent)); at = next) {
		XGROW(out->parents, out->nparents + 1, alloc);
		out->parents[out->nparents++] = parent;
	}
	if (str_startswith(at, "parent ", NULL)) {
		rawobj_commit_release(out);
		return err_set(e, ERR_CORRUPT, "its parents can't be read");
	}
	out->date = date_of(at);
	return 0;
}

int rawobj_commit_read(struct repo *r, const struct repo_oid *id, struct rawobj_commit *out,
		       struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = repo_read_raw(r, id, "commit", COMMIT_MAX_BYTES, &text, e);

	out->parents = NULL;
	out->nparents = 0;
	if (rc == 0) {
		rc = rawobj_commit_parse(out, text.p, e);
		if (rc < 0)
			err_wrap(e, "commit %s", id->hex);
	}
	buf_release(&text);
	return rc;
}

void rawobj_commit_release(struct rawobj_commit *c)
{
	free(c->parents);
	c->parents = NULL;
	c->nparents = 0;
}

/* ---- tags ---- */

static int type_of(struct repo *r, const struct repo_oid *id, git_object_t *type, struct err *e)
{
	size_t len;
	git_oid oid;
	int rc = repo_oid_to(&oid, id, e);

	if (rc == 0) {
		rc = git_odb_read_header(&len, type, r->odb, &oid);
		if (rc == GIT_ENOTFOUND)
			return err_set(e, ERR_NOTFOUND, "object %s is not here", id->hex);
		if (rc < 0)
			rc = repo_lgerr(e, rc, "object %s", id->hex);
	}
	return rc;
}

int rawobj_peel(struct repo *r, const struct repo_oid *id, struct repo_oid *commit, struct err *e)
{
	struct buf text = BUF_INIT;
	git_object_t type = GIT_OBJECT_TAG;
	int rc = 0;

	*commit = *id;
	for (int depth = 0; depth < TAG_MAX_DEPTH; depth++) {
		rc = type_of(r, commit, &type, e);
		if (rc < 0 || type != GIT_OBJECT_TAG)
			break;
		buf_reset(&text);
		rc = repo_read_raw(r, commit, "tag", TAG_MAX_BYTES, &text, e);
		if (rc < 0)
			break;
		if (!take_id(text.p, "object ", commit)) {
			type = GIT_OBJECT_INVALID;
			break;
		}
	}
	buf_release(&text);
	if (rc == 0 && type != GIT_OBJECT_COMMIT)
		rc = err_set(e, ERR_INPUT, "%s is not a commit", id->hex);
	return rc;
}

/* ---- trees ---- */

/* What libgit2 does not find git may fetch, in a partial clone. */
static int open_promised(struct rawobj_tree *t, struct repo *r, const struct repo_oid *id,
			 struct err *e)
{
	struct buf bytes = BUF_INIT;
	int rc = repo_read_raw(r, id, "tree", TREE_MAX_BYTES, &bytes, e);

	if (rc < 0) {
		buf_release(&bytes);
		return rc;
	}
	rawobj_tree_of(t, bytes.p, bytes.len);
	t->bytes = bytes;
	return 0;
}

int rawobj_tree_open(struct rawobj_tree *t, struct repo *r, const struct repo_oid *id,
		     struct err *e)
{
	git_odb_object *object = NULL;
	git_oid oid;
	int rc = repo_oid_to(&oid, id, e);

	rawobj_tree_of(t, NULL, 0);
	if (rc < 0)
		return rc;
	rc = git_odb_read(&object, r->odb, &oid);
	if (rc == GIT_ENOTFOUND)
		return open_promised(t, r, id, e);
	if (rc < 0)
		return repo_lgerr(e, rc, "tree %s", id->hex);
	if (git_odb_object_type(object) != GIT_OBJECT_TREE) {
		rc = err_set(e, ERR_INPUT, "git object %s is a %s, not a tree", id->hex,
			     git_object_type2string(git_odb_object_type(object)));
		git_odb_object_free(object);
		return rc;
	}
	rawobj_tree_of(t, git_odb_object_data(object), git_odb_object_size(object));
	t->object = object;
	return 0;
}

void rawobj_tree_of(struct rawobj_tree *t, const void *bytes, size_t len)
{
	t->object = NULL;
	buf_init(&t->bytes);
	t->at = bytes;
	t->end = t->at + len;
}

void rawobj_tree_close(struct rawobj_tree *t)
{
	git_odb_object_free(t->object);
	buf_release(&t->bytes);
	rawobj_tree_of(t, NULL, 0);
}

bool rawobj_tree_spend(const struct rawobj_tree *t, uint64_t *units)
{
	uint64_t cost = 1 + (uint64_t)(t->end - t->at) / UNIT_BYTES;
	bool enough = cost <= *units;

	*units = enough ? *units - cost : 0;
	return enough;
}

/*
 * A mode as git takes it: by the bits of its type alone.  libgit2 takes a link or submodule with
 * run bits for a program, and whoever writes such a tree would show us a file and check out a
 * link.
 */
static uint32_t mode_of(uint32_t raw)
{
	switch (raw & 0170000) {
	case 0100000:
		return raw & 0100 ? TREE_MODE_EXEC : TREE_MODE_FILE;
	case TREE_MODE_LINK:
	case TREE_MODE_DIR:
		return raw & 0170000;
	default:
		return TREE_MODE_GITLINK;
	}
}

/* Octal digits up to a blank; more than fit wrap around, as with git. */
static bool take_mode(struct rawobj_tree *t, uint32_t *mode)
{
	uint32_t raw = 0;
	const unsigned char *at = t->at;

	if (at == t->end || *at == ' ')
		return false;
	for (; at < t->end && *at >= '0' && *at <= '7'; at++)
		raw = (raw << 3) + (uint32_t)(*at - '0');
	if (at == t->end || *at != ' ')
		return false;
	t->at = at + 1;
	*mode = mode_of(raw);
	return true;
}

int rawobj_tree_next(struct rawobj_tree *t, struct tree_entry *out, struct err *e)
{
	const unsigned char *nul;

	if (t->at == t->end)
		return 0;
	memset(out, 0, sizeof(*out));
	if (!take_mode(t, &out->mode))
		return err_set(e, ERR_CORRUPT, "malformed mode in a tree");
	nul = memchr(t->at, '\0', (size_t)(t->end - t->at));
	if (!nul || nul == t->at || (size_t)(t->end - nul) <= OID_RAW_BYTES)
		return err_set(e, ERR_CORRUPT, "malformed entry in a tree");
	out->name = (const char *)t->at;
	hex_encode(out->id.hex, nul + 1, OID_RAW_BYTES);
	t->at = nul + 1 + OID_RAW_BYTES;
	return 1;
}
