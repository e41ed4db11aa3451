/* SPDX-License-Identifier: MIT */
/*
 * frame.h - the envelope of gitprotocol-deepops(5)
 *
 *	u32 length | u8 type | u8 flags | u16 stream | payload		little-endian
 *
 * `length` counts what follows it: 4 + payload, at most FRAME_MAX_BYTES.  A
 * request chooses its stream number, the answer repeats it.  An unknown type
 * is fatal unless FRAME_OPTIONAL is set; then it is skipped.  Pure code: bytes
 * in, bytes out.
 *
 *	mark = frame_begin(&out, FRAME_ACK, 0, 0);
 *	... append the payload to `out`, see msg.h ...
 *	frame_end(&out, mark);
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

#define FRAME_HEADER_BYTES 8
#define FRAME_PAYLOAD_MAX_BYTES (FRAME_MAX_BYTES - 4)

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_ERR = 2,
	FRAME_ROOTS = 3,
	FRAME_NODES = 4,
	FRAME_HAVE = 5,
	FRAME_BITMAP = 6,
	FRAME_PUT = 7,
	FRAME_ACK = 8,
	FRAME_COMMIT = 9,
	FRAME_COMMITTED = 10,
	FRAME_MISSING = 11,
	FRAME_GET = 12,
	FRAME_CHUNK = 13,
	FRAME_PING = 14,
	FRAME_BYE = 15,
	FRAME_BEGIN = 16,
	FRAME_POLICY = 17,
	FRAME_PROVE = 18,
};
#define FRAME_TYPE_MAX 18

enum frame_flags {
	FRAME_OPTIONAL = 1 << 0, /* a reader that doesn't know the type skips the frame */
	FRAME_MORE = 1 << 1,     /* COMMIT only: it goes on in the next frame of this stream */
	FRAME_PIECE = 1 << 2,    /* PUT only: part of the file whose recipe is put next */
};
#define FRAME_FLAGS_KNOWN (FRAME_OPTIONAL | FRAME_MORE | FRAME_PIECE)

struct frame {
	uint8_t type; /* enum frame_type, or unknown and optional */
	uint8_t flags;
	uint16_t stream;
	const uint8_t *payload; /* borrowed from the bytes parsed */
	size_t len;
};

/*
 * Look at p[0..len).  1: *out is the frame there and *used its length.  0: more
 * bytes are needed.  ERR_LIMIT: too long, known from its first 4 bytes.
 * ERR_PROTO: too short, unknown or misplaced flag, unknown type that may not be skipped.
 */
int frame_parse(const void *p, size_t len, struct frame *out, size_t *used,
		struct err *e) MUST_CHECK;

/* Append a header; the length is filled in by frame_end(), which returns false if it is too long. */
size_t frame_begin(struct buf *out, enum frame_type type, unsigned int flags, uint16_t stream);
bool frame_end(struct buf *out, size_t mark);

bool frame_type_known(unsigned int type);
const char *frame_type_name(unsigned int type); /* "HELLO" …, "?" */

#endif
