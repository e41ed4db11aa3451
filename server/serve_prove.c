/* SPDX-License-Identifier: MIT */
/* serve_prove.c - PROVE: was it hashed since it was written?  POLICY: the floor; see serve_internal.h */
#include "serve_internal.h"

#include <fcntl.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/path.h"
#include "base/xalloc.h"

/* ---- PROVE ---- */

static int ask_all(struct store_hasher *h, const struct msg_keys *keys, uint8_t *values,
		   struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < keys->n; i++) {
		struct store_rootref root;
		enum store_hashed answer;
		struct chunkkey key;

		serve_key(keys, i, &key);
		if (key.kind != CHUNK_NODE && key.kind != CHUNK_DATA)
			return err_set(e, ERR_PROTO, "root of unknown kind %u", key.kind);
		root = (struct store_rootref){(enum chunk_kind)key.kind, key.id};
		values[i] = STORE_HASHED_DAMAGED; /* where nothing is, it is not there */
		if (!h)
			continue;
		rc = store_hasher_ask(h, &root, &answer, e);
		if (rc == 0)
			values[i] = (uint8_t)answer;
	}
	return rc;
}

static int answer_proof(struct serve *s, const struct msg_keys *keys, uint16_t stream,
			const struct store_hash_opts *opts, struct err *e)
{
	struct store_hasher *h = s->store ? store_hasher_new(s->store, opts) : NULL;
	uint8_t values[BATCH_MAX_IDS];
	int rc = ask_all(h, keys, values, e);

	store_hasher_free(h);
	if (rc < 0)
		return rc;
	msg_put_bitmap(framed_begin(&s->f, FRAME_BITMAP, 0, stream), values, keys->n, 2);
	return framed_end(&s->f, e);
}

int serve_prove(struct serve *s, const struct frame *q, struct err *e)
{
	uint64_t endless = UINT64_MAX, *left = serve_hash_left(s);
	struct store_hash_opts opts = {.budget = left ? left : &endless, .who = s->setup->who};
	struct msg_prove how;
	struct msg_keys keys;
	int rc = msg_get_prove(&how, &keys, q->payload, q->len, e);

	if (rc < 0)
		return rc;
	opts.now = how.hash;
	if (how.age)
		opts.since_ms = clock_now_ms() - INT64_C(1000) * how.age;
	return answer_proof(s, &keys, q->stream, &opts, e);
}

/* ---- POLICY ---- */

/* The one file beside the store that is not the store's: `server install` put it there for the hooks. */
static void read_policy(const struct serve *s, struct buf *text, struct msg_policy *m)
{
	struct buf path = BUF_INIT;
	struct err why = ERR_INIT;
	int rc;

	path_join(&path, s->setup->store_dir, "policy");
	rc = io_read_file(AT_FDCWD, path.p, CONF_MAX_BYTES, text, &why);
	buf_release(&path);
	m->state = rc == 0 ? MSG_POLICY_HERE : MSG_POLICY_UNREADABLE;
	if (rc == ERR_NOTFOUND)
		m->state = MSG_POLICY_NONE;
	if (rc < 0)
		buf_reset(text);
	if (m->state == MSG_POLICY_UNREADABLE)
		buf_addstr(text, why.msg);
	m->text = text->p;
	m->len = text->len;
}

int serve_policy(struct serve *s, const struct frame *q, struct err *e)
{
	struct buf text = BUF_INIT;
	struct msg_policy m;
	int rc = msg_check_policy_question(q->len, e);

	if (rc == 0) {
		read_policy(s, &text, &m);
		msg_put_policy(framed_begin(&s->f, FRAME_POLICY, 0, q->stream), &m);
		rc = framed_end(&s->f, e);
	}
	buf_release(&text);
	return rc;
}
