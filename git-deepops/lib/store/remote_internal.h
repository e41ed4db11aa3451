/* SPDX-License-Identifier: MIT */
/*
 * remote_internal.h - one connection's state, shared by remote.c (open, questions), remote_put.c and remote_get.c
 */
#ifndef STORE_REMOTE_INTERNAL_H
#define STORE_REMOTE_INTERNAL_H

#include "store/remote.h"

#include "transport/framed.h"
#include "transport/transport.h"
#include "wire/msg.h"

struct remote {
	struct transport *t;
	struct framed f;
	char *name; /* the URL, fit for a message */
	struct msg_hello peer;
	uint16_t version, stream;
	bool session, begun; /* BEGIN was sent; and answered */
	uint64_t put_bytes,
		ack_bytes; /* payload of this session's PUT frames: sent, durable there */
	struct remote_verifier *verifier; /* of downloads, made when needed */
};

void remote_verifier_free(struct remote_verifier *v); /* NULL is fine */

/*
 * The next frame that answers something: ACKs are counted, ERR becomes the
 * error, the end of the stream is explained.
 */
int remote_next(struct remote *r, struct frame *out, struct err *e) MUST_CHECK;
/* As remote_next for the answer to request `stream`, which must be of this type. */
int remote_answer(struct remote *r, enum frame_type type, uint16_t stream, struct frame *out,
		  struct err *e) MUST_CHECK;
/* Handle what came in meanwhile, without waiting for it; only ACKs are expected. */
int remote_take_acks(struct remote *r, struct err *e) MUST_CHECK;
uint16_t remote_new_stream(struct remote *r);

#endif
