/* SPDX-License-Identifier: MIT */
/* serve_commit.c - the roots that COMMIT frames name; see serve_commit.h */

#include "serve_commit.h"

#include "base/limits.h"
#include "base/xalloc.h"
#include "wire/msg.h"

static int add_split(struct serve_commit *c, uint32_t shards, struct err *e)
{
	if (c->shards_left)
		return err_set(e, ERR_PROTO, "a split lacks %zu of its shards", c->shards_left);
	if (!shards || shards > POINTER_MAX_SHARDS)
		return err_set(e, ERR_LIMIT, "split of %" PRIu32 " shards", shards);
	XGROW(c->splits, c->nsplits + 1, c->splits_alloc);
	/* Room grows with what arrives, not with what is announced. */
	c->splits[c->nsplits++] = (struct store_split){NULL, 0};
	c->shards_left = shards;
	return 0;
}

static int add_shard(struct serve_commit *c, const struct msg_item *item, struct err *e)
{
	struct store_split *split;
	struct node_shard *shard;

	if (!c->shards_left)
		return err_set(e, ERR_PROTO, "a shard without its split");
	split = &c->splits[c->nsplits - 1];
	/* Powers of two: realloc at 0, 1, 2, 4, ... */
	if (!(split->n & (split->n - 1)))
		split->shards = xrealloc(split->shards, split->n ? split->n * 2 : 1,
					 sizeof(*split->shards));
	shard = &split->shards[split->n++];
	shard->name = xstrndup(item->name, item->name_len);
	memcpy(shard->id.b, item->id, sizeof(shard->id.b));
	shard->files = item->files;
	shard->bytes = item->bytes;
	c->shards_left--;
	return 0;
}

static int add_file(struct serve_commit *c, const struct msg_item *item, struct err *e)
{
	if (c->shards_left)
		return err_set(e, ERR_PROTO, "a split lacks %zu of its shards", c->shards_left);
	XGROW(c->files, c->nfiles + 1, c->files_alloc);
	c->files[c->nfiles].kind = CHUNK_DATA;
	memcpy(c->files[c->nfiles].id.b, item->id, sizeof(c->files[c->nfiles].id.b));
	c->nfiles++;
	return 0;
}

static int add_item(struct serve_commit *c, const struct msg_item *item, struct err *e)
{
	if (c->roots++ >= COMMIT_MAX_ROOTS)
		return err_set(e, ERR_LIMIT, "commit of more than %d roots", COMMIT_MAX_ROOTS);
	switch (item->tag) {
	case MSG_ITEM_SPLIT:
		return add_split(c, item->shards, e);
	case MSG_ITEM_SHARD:
		return add_shard(c, item, e);
	case MSG_ITEM_FILE:
		return add_file(c, item, e);
	}
	return err_set(e, ERR_PROTO, "commit item of unknown tag");
}

int serve_commit_add(struct serve_commit *c, const void *payload, size_t len, bool more,
		     struct err *e)
{
	struct rd r = rd_from(payload, len);
	struct msg_item item;
	int rc;

	c->bytes += len;
	if (c->bytes > COMMIT_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "commit of more than %" PRIu64 " bytes",
			       COMMIT_MAX_BYTES);
	c->open = more;
	while ((rc = msg_next_item(&r, &item, e)) == 1) {
		rc = add_item(c, &item, e);
		if (rc < 0)
			return rc;
	}
	if (rc == 0 && !more && c->shards_left)
		return err_set(e, ERR_PROTO, "a split lacks %zu of its shards", c->shards_left);
	return rc;
}

struct store_commit serve_commit_view(const struct serve_commit *c)
{
	struct store_commit view = STORE_COMMIT_INIT;

	view.splits = c->splits;
	view.nsplits = c->nsplits;
	view.files = c->files;
	view.nfiles = c->nfiles;
	return view;
}

void serve_commit_reset(struct serve_commit *c)
{
	for (size_t i = 0; i < c->nsplits; i++) {
		for (size_t k = 0; k < c->splits[i].n; k++)
			free((void *)(uintptr_t)c->splits[i].shards[k].name);
		free(c->splits[i].shards);
	}
	c->nsplits = c->nfiles = c->roots = c->shards_left = c->bytes = 0;
	c->open = false;
}

void serve_commit_release(struct serve_commit *c)
{
	serve_commit_reset(c);
	free(c->splits);
	free(c->files);
	memset(c, 0, sizeof(*c));
}
