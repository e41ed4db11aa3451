/* SPDX-License-Identifier: MIT */
/*
 * serve_internal.h - one connection's state, shared by serve.c (table, questions), serve_put.c and serve_get.c
 */
#ifndef SERVE_INTERNAL_H
#define SERVE_INTERNAL_H

#include "serve.h"
#include "serve_commit.h"

#include "base/limits.h"
#include "store/store.h"
#include "transport/framed.h"

#define SERVE_SYNC_BYTES (32 * MIB) /* acknowledge at least this often */
#define SERVE_SYNC_MS 2000          /* and this soon after a chunk */

struct serve {
	const struct serve_setup *setup;
	struct store *store; /* NULL: nothing was ever pushed here; BEGIN makes it */
	struct framed f;
	struct store_txn *txn;       /* NULL: no session */
	struct store_stream *stream; /* of pieces put; NULL: no session yet */
	uint8_t nonce[MSG_NONCE_BYTES];
	uint64_t part_at;                /* chunks in the txn that make a commit on the way due */
	uint64_t put_bytes, acked_bytes; /* payload of PUT frames of this session */
	uint64_t hash_left;              /* bytes that this connection may still make us hash */
	uint64_t unsynced_since_ms;      /* 0: everything is acknowledged */
	unsigned int rounds;             /* COMMITs of this session that lacked something */
	struct serve_commit commit;
	uint64_t opened_ms, heard_ms,
		put_ms; /* connection; last message answered; BEGIN, or a PUT or COMMIT after it */
	bool greeted, bye;
};

/* Requests, one frame each; negative ends the connection with ERR. */
int serve_begin(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;
int serve_put(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;
int serve_commit(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;
int serve_get(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;
int serve_prove(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;
int serve_policy(struct serve *s, const struct frame *q, struct err *e) MUST_CHECK;

/* NULL: without limit, for who cares for the store. */
uint64_t *serve_hash_left(struct serve *s);

/* Write until little is queued; ends with a client that takes nothing. */
int serve_flush(struct serve *s, size_t left, struct err *e) MUST_CHECK;
/* A repository without data has no store yet: only an upload makes one. */
int serve_open_store(struct serve *s, bool create, struct err *e) MUST_CHECK;
/* Make durable and acknowledge what was put; commit it in part if it has become too much to hold. */
int serve_checkpoint(struct serve *s, struct err *e) MUST_CHECK;
/* Leave the session: what was synced stays for a resume unless the peer broke the protocol. */
void serve_leave(struct serve *s, int code);

void serve_key(const struct msg_keys *k, size_t i, struct chunkkey *out);

#endif
