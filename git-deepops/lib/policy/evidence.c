/* SPDX-License-Identifier: MIT */
/* evidence.c - what a judge may ask about data; see evidence.h */
#include "policy/evidence.h"

#include "chunk/zframe.h"

static int open_store(struct evidence_store *s, struct err *e)
{
	return s->store ? 0 : store_open(&s->store, s->dir, STORE_READONLY, e);
}

static int store_marker(void *arg, enum chunk_kind kind, const struct chunkid *id,
			struct store_root *out, struct err *e)
{
	struct evidence_store *s = arg;
	int rc = open_store(s, e);

	return rc < 0 ? rc : store_root(s->store, kind, id, out, e);
}

/* The split's proof was kept at commit, so no node is read. */
static int store_dataset(void *arg, const struct pointer *p, struct chunkid *id, struct err *e)
{
	struct evidence_store *s = arg;
	struct chunkid key;
	int rc = open_store(s, e);

	if (rc < 0)
		return rc;
	pointer_split_key(p, &key);
	if (p->kind == POINTER_FILE) {
		*id = key;
		return 0;
	}
	return store_split_dataset(s->store, &key, id, e);
}

static int store_node(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct evidence_store *s = arg;
	int rc = open_store(s, e);

	return rc < 0 ? rc : store_load(s->store, CHUNK_NODE, id, text, e);
}

static int store_near(void *arg, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
		      struct err *e)
{
	struct evidence_store *s = arg;
	int rc = open_store(s, e);

	return rc < 0 ? rc : store_load(s->store, kind, id, out, e);
}

void evidence_of_store(struct evidence *out, struct evidence_store *s, const char *dir)
{
	s->dir = dir;
	s->store = NULL;
	*out = (struct evidence){store_marker, store_dataset, store_node, store_near, s};
}

/* What is here will be there: a push sends it. */
static int sent_marker(void *arg, enum chunk_kind kind, const struct chunkid *id,
		       struct store_root *out, struct err *e)
{
	(void)arg;
	(void)kind;
	(void)id;
	(void)e;
	memset(out, 0, sizeof(*out));
	out->state = STORE_ROOT_ROOTED;
	return 0;
}

static int sent_dataset(void *arg, const struct pointer *p, struct chunkid *id, struct err *e)
{
	return pointer_dataset_id(p, store_node, arg, id, e);
}

void evidence_of_sent(struct evidence *out, struct evidence_store *s, const char *dir)
{
	s->dir = dir;
	s->store = NULL;
	*out = (struct evidence){sent_marker, sent_dataset, store_node, store_near, s};
}

void evidence_store_release(struct evidence_store *s)
{
	store_close(s->store);
	s->store = NULL;
}

/* The server says COMPLETE only of what is pinned still. */
static int remote_marker(void *arg, enum chunk_kind kind, const struct chunkid *id,
			 struct store_root *out, struct err *e)
{
	struct evidence_remote *r = arg;
	struct store_rootref ref = {kind, *id};

	memset(out, 0, sizeof(*out));
	out->pin_until = INT64_MAX;
	return remote_roots(r->remote, &ref, 1, &out->state, e);
}

/* A node that came from the remote, decoded; verified before we see it. */
static int decode_node(void *arg, const struct chunkkey *key, const struct store_info *info,
		       const void *stored, struct err *e)
{
	struct zframe_stored in = {0, stored, 0, 0};
	struct zframe *z;
	int rc;

	if (!info)
		return err_set(e, ERR_NOTFOUND, "node %s is not on the remote",
			       chunkid_short(&key->id).s);
	in.encoding = info->encoding;
	in.len = info->stored;
	in.plain = info->plain;
	z = zframe_new();
	rc = zframe_decode(z, &in, arg, e);
	zframe_free(z);
	return rc;
}

/* From here where it is, else from the remote: a fresh clone has no nodes. */
static int any_node(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct evidence_remote *r = arg;
	struct chunkkey key = {CHUNK_NODE, *id};
	int rc = ERR_NOTFOUND;

	if (r->local)
		rc = store_load(r->local, CHUNK_NODE, id, text, e);
	if (rc != ERR_NOTFOUND)
		return rc;
	err_clear(e);
	return remote_get(r->remote, &key, 1, decode_node, text, e);
}

static int local_near(void *arg, enum chunk_kind kind, const struct chunkid *id, struct buf *out,
		      struct err *e)
{
	struct evidence_remote *r = arg;

	return r->local ? store_load(r->local, kind, id, out, e)
			: err_set(e, ERR_NOTFOUND, "there is no local store");
}

static int remote_dataset(void *arg, const struct pointer *p, struct chunkid *id, struct err *e)
{
	return pointer_dataset_id(p, any_node, arg, id, e);
}

void evidence_of_remote(struct evidence *out, struct evidence_remote *r)
{
	*out = (struct evidence){remote_marker, remote_dataset, any_node, local_near, r};
}

static int one_root(const struct evidence *ev, enum chunk_kind kind, const struct chunkid *id,
		    int64_t now, enum evidence_state *state, struct err *e)
{
	struct store_root root;
	int rc;

	*state = EVIDENCE_KEPT;
	if (kind == CHUNK_DATA && chunkid_is_empty_file(id))
		return 0; /* never stored, never missing */
	rc = ev->root(ev->arg, kind, id, &root, e);
	if (rc < 0)
		return rc;
	if (root.state != STORE_ROOT_COMPLETE && root.state != STORE_ROOT_ROOTED)
		*state = EVIDENCE_MISSING;
	else if (root.state == STORE_ROOT_COMPLETE && root.pin_until - now < EVIDENCE_PIN_SECONDS)
		*state = EVIDENCE_EXPIRED;
	return 0;
}

int evidence_pointer(const struct evidence *ev, const struct pointer *p, int64_t now,
		     struct evidence_found *out, struct err *e)
{
	bool file = p->kind == POINTER_FILE;
	size_t n = file ? 1 : p->n;
	int rc = 0;

	*out = (struct evidence_found){EVIDENCE_KEPT, 0, n};
	for (size_t i = 0; rc == 0 && i < n; i++) {
		enum evidence_state one;

		rc = one_root(ev, file ? CHUNK_DATA : CHUNK_NODE, file ? &p->id : &p->shards[i].id,
			      now, &one, e);
		if (rc < 0 || one == EVIDENCE_KEPT)
			continue;
		out->bad++;
		if (out->state != EVIDENCE_MISSING)
			out->state = one;
	}
	return rc;
}
