/* SPDX-License-Identifier: MIT */
/*
 * framed.h - frames over a transport, both directions at once
 *
 * Writing is queueing: bytes leave whenever the transport takes them, and
 * whoever waits for room also reads, so that two peers that write at the same
 * time never block each other.  Used by the client and by the server.
 *
 *	b = framed_begin(&f, FRAME_HAVE, 0, stream);
 *	msg_put_key(b, kind, id);
 *	framed_end(&f, e);
 *	...
 *	while ((rc = framed_next(&f, &frame, ms, e)) == FRAMED_FRAME)
 *		frame is borrowed until the next framed_next or framed_step
 *
 * Memory is bounded: one frame in, and out what the caller lets pile up
 * (framed_drain).
 */
#ifndef TRANSPORT_FRAMED_H
#define TRANSPORT_FRAMED_H

#include "base/buf.h"
#include "base/err.h"
#include "transport/transport.h"
#include "wire/frame.h"

#define FRAMED_WRITE_BYTES (256 * KIB) /* queue this much before the first write of a stream */
#define FRAMED_QUEUE_BYTES (1 * MIB)   /* let no more than this pile up */

struct framed {
	struct transport *t; /* borrowed */
	struct buf in, out;
	size_t in_at, out_at, mark;
	bool peer_deaf; /* it reads no more: what is queued is dropped, its last words are read */
	uint64_t sent;
};

enum framed_result { FRAMED_NOTHING = 0, FRAMED_FRAME = 1, FRAMED_END = 2 };

void framed_init(struct framed *f, struct transport *t);
void framed_release(struct framed *f);

/* Where to append the payload; the frame is queued by framed_end (ERR_LIMIT if it is too long). */
struct buf *framed_begin(struct framed *f, enum frame_type type, unsigned int flags,
			 uint16_t stream);
int framed_end(struct framed *f, struct err *e) MUST_CHECK;
void framed_cancel(struct framed *f);         /* forget the frame begun */
void framed_more(struct framed *f);           /* set FRAME_MORE on the frame begun */
size_t framed_queued(const struct framed *f); /* bytes not yet written */

/* A frame that is complete already, without I/O: FRAMED_FRAME or FRAMED_NOTHING. */
int framed_take(struct framed *f, struct frame *out, struct err *e) MUST_CHECK;
/* Move bytes both ways, waiting at most `timeout_ms` if none move.  1 some moved, 0 none. */
int framed_step(struct framed *f, int timeout_ms, struct err *e) MUST_CHECK;
/*
 * The next frame, writing meanwhile.  FRAMED_NOTHING: timeout.  FRAMED_END: the peer is gone; what it
 * left of a frame is not told from a clean end, since a cut connection may end anywhere.
 */
int framed_next(struct framed *f, struct frame *out, int timeout_ms, struct err *e) MUST_CHECK;
/*
 * Write until at most `left` bytes are queued.  Reads meanwhile up to one frame and
 * no further: for a side whose peer always reads, as a client does.
 */
int framed_drain(struct framed *f, size_t left, int timeout_ms, struct err *e) MUST_CHECK;

/* The bytes read and not yet taken, for the search of the first HELLO. */
const char *framed_peek(const struct framed *f, size_t *len);

#endif
