/* SPDX-License-Identifier: MIT */
/* remote_put.c - the client's end: upload; see remote.h */
#include "store/remote_internal.h"

#include "base/random.h"

int remote_begin(struct remote *r, const uint8_t *nonce, struct err *e)
{
	uint8_t fresh[MSG_NONCE_BYTES];
	int rc;

	if (r->peer.role < MSG_ROLE_PUSH)
		return err_set(e, ERR_DENIED, "%s: role %s may not push", r->name, remote_role(r));
	if (r->session)
		return err_set(e, ERR_INPUT, "%s: an upload is under way already", r->name);
	if (!nonce) {
		random_bytes(fresh, sizeof(fresh));
		nonce = fresh;
	}
	msg_put_nonce(framed_begin(&r->f, FRAME_BEGIN, 0, remote_new_stream(r)), nonce);
	rc = framed_end(&r->f, e);
	r->session = true;
	r->begun = false;
	r->put_bytes = r->ack_bytes = 0;
	while (rc == 0 && !r->begun) {
		rc = framed_step(&r->f, TRANSPORT_FOREVER, e);
		if (rc >= 0)
			rc = remote_take_acks(r, e);
	}
	return rc;
}

/* Wait, writing and reading, until there is room for `bytes` more in queue and window. */
static int make_room(struct remote *r, uint64_t bytes, struct err *e)
{
	uint64_t window = MIN(r->peer.window, WINDOW_BYTES);
	int rc = remote_take_acks(r, e);

	while (rc == 0 && (framed_queued(&r->f) > FRAMED_QUEUE_BYTES ||
			   r->put_bytes - r->ack_bytes + bytes > window)) {
		rc = framed_step(&r->f, TRANSPORT_FOREVER, e);
		if (rc < 0)
			return err_wrap(e, "%s", r->name);
		rc = remote_take_acks(r, e);
	}
	return rc;
}

int remote_put(struct remote *r, const struct remote_chunk *c, struct err *e)
{
	struct msg_chunk m = {.kind = (uint8_t)c->kind,
			      .encoding = c->info->encoding,
			      .id = c->id->b,
			      .plain = c->info->plain,
			      .stored = c->stored,
			      .stored_len = c->info->stored};
	uint64_t bytes = MSG_CHUNK_HEADER_BYTES + (uint64_t)c->info->stored;
	int rc = 0;

	if (!r->session)
		rc = remote_begin(r, NULL, e);
	if (rc == 0)
		rc = make_room(r, bytes, e);
	if (rc < 0)
		return rc;
	msg_put_chunk(framed_begin(&r->f, FRAME_PUT, c->is_piece ? FRAME_PIECE : 0, 0), &m);
	rc = framed_end(&r->f, e);
	if (rc < 0)
		return rc;
	r->put_bytes += bytes;
	/* Small frames leave together. */
	if (framed_queued(&r->f) < FRAMED_WRITE_BYTES)
		return 0;
	rc = framed_step(&r->f, 0, e);
	return rc < 0 ? err_wrap(e, "%s", r->name) : 0;
}

/* ---- COMMIT ---- */

/* Room for one more item in the frame begun; else it is closed and another begun. */
static int next_item(struct remote *r, uint16_t stream, struct buf **b, size_t *start,
		     struct err *e)
{
	int rc;

	if ((*b)->len - *start + MSG_ITEM_MAX_BYTES <= FRAME_PAYLOAD_MAX_BYTES)
		return 0;
	framed_more(&r->f);
	rc = framed_end(&r->f, e);
	if (rc == 0)
		rc = make_room(r, 0, e);
	*b = framed_begin(&r->f, FRAME_COMMIT, 0, stream);
	*start = (*b)->len;
	return rc;
}

static void shard_item(struct msg_item *item, const struct node_shard *shard)
{
	memset(item, 0, sizeof(*item));
	item->tag = MSG_ITEM_SHARD;
	item->id = shard->id.b;
	item->files = shard->files;
	item->bytes = shard->bytes;
	item->name = shard->name;
	item->name_len = strlen(shard->name);
}

static int send_roots(struct remote *r, const struct store_commit *c, uint16_t stream,
		      struct err *e)
{
	struct buf *b = framed_begin(&r->f, FRAME_COMMIT, 0, stream);
	size_t start = b->len;
	struct msg_item item = {.tag = MSG_ITEM_SPLIT};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->nsplits; i++) {
		item = (struct msg_item){.tag = MSG_ITEM_SPLIT, .shards = (uint32_t)c->splits[i].n};
		rc = next_item(r, stream, &b, &start, e);
		msg_put_item(b, &item);
		for (size_t j = 0; rc == 0 && j < c->splits[i].n; j++) {
			shard_item(&item, &c->splits[i].shards[j]);
			rc = next_item(r, stream, &b, &start, e);
			msg_put_item(b, &item);
		}
	}
	for (size_t i = 0; rc == 0 && i < c->nfiles; i++) {
		item = (struct msg_item){.tag = MSG_ITEM_FILE, .id = c->files[i].id.b};
		rc = next_item(r, stream, &b, &start, e);
		msg_put_item(b, &item);
	}
	return rc < 0 ? rc : framed_end(&r->f, e);
}

static int take_missing(struct remote *r, const struct frame *f, struct chunkset *missing,
			struct err *e)
{
	struct msg_keys keys;
	struct chunkid id;

	if (msg_get_keys(&keys, f->payload, f->len, e) < 0)
		return err_wrap(e, "%s", r->name);
	for (size_t i = 0; i < keys.n; i++) {
		if (!chunkid_kind_ok(msg_key_kind(&keys, i)))
			return err_set(e, ERR_PROTO, "%s: key of unknown kind", r->name);
		memcpy(id.b, msg_key_id(&keys, i), sizeof(id.b));
		if (missing)
			chunkset_add(missing, (enum chunk_kind)msg_key_kind(&keys, i), &id, 0);
	}
	return 1;
}

static int check_roots(const struct remote *r, const struct store_commit *c, struct err *e)
{
	uint64_t roots = c->nfiles;

	for (size_t i = 0; i < c->nsplits; i++) {
		roots += 1 + c->splits[i].n;
		if (!c->splits[i].n || c->splits[i].n > POINTER_MAX_SHARDS)
			return err_set(e, ERR_LIMIT, "%s: split of %zu shards", r->name,
				       c->splits[i].n);
	}
	if (roots > COMMIT_MAX_ROOTS)
		return err_set(e, ERR_LIMIT, "%s: commit of %" PRIu64 " roots, more than %d",
			       r->name, roots, COMMIT_MAX_ROOTS);
	return 0;
}

int remote_commit(struct remote *r, const struct store_commit *c, struct err *e)
{
	struct frame f;
	uint16_t stream;
	uint64_t generation;
	int rc = check_roots(r, c, e);

	if (rc == 0 && !r->session)
		rc = remote_begin(r, NULL, e);
	if (rc == 0)
		rc = make_room(r, 0, e);
	if (rc < 0)
		return rc;
	stream = remote_new_stream(r);
	rc = send_roots(r, c, stream, e);
	if (rc == 0)
		rc = remote_next(r, &f, e);
	if (rc != 0)
		return rc;
	if (f.stream == stream && f.type == FRAME_MISSING)
		return take_missing(r, &f, c->missing, e);
	if (f.stream != stream || f.type != FRAME_COMMITTED)
		return err_set(e, ERR_PROTO, "%s: %s is no answer to COMMIT", r->name,
			       frame_type_name(f.type));
	rc = msg_get_u64(&generation, f.payload, f.len, e);
	if (rc < 0)
		return err_wrap(e, "%s", r->name);
	r->peer.generation = generation;
	r->session = false;
	return 0;
}
