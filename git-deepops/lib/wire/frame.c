/* SPDX-License-Identifier: MIT */
/* frame.c - the envelope of gitprotocol-deepops(5); see frame.h */
#include "wire/frame.h"

#include "base/rd.h"
#include "base/wr.h"

#define FRAME_LENGTH_BYTES 4
#define FRAME_MIN_BYTES (FRAME_HEADER_BYTES - FRAME_LENGTH_BYTES) /* type, flags, stream */

static const char *const names[FRAME_TYPE_MAX + 1] = {
	[FRAME_HELLO] = "HELLO",     [FRAME_ERR] = "ERR",
	[FRAME_ROOTS] = "ROOTS",     [FRAME_NODES] = "NODES",
	[FRAME_HAVE] = "HAVE",       [FRAME_BITMAP] = "BITMAP",
	[FRAME_PUT] = "PUT",         [FRAME_ACK] = "ACK",
	[FRAME_COMMIT] = "COMMIT",   [FRAME_COMMITTED] = "COMMITTED",
	[FRAME_MISSING] = "MISSING", [FRAME_GET] = "GET",
	[FRAME_CHUNK] = "CHUNK",     [FRAME_PING] = "PING",
	[FRAME_BYE] = "BYE",         [FRAME_BEGIN] = "BEGIN",
	[FRAME_POLICY] = "POLICY",   [FRAME_PROVE] = "PROVE",
};

bool frame_type_known(unsigned int type)
{
	return type <= FRAME_TYPE_MAX && names[type];
}

const char *frame_type_name(unsigned int type)
{
	return frame_type_known(type) ? names[type] : "?";
}

int frame_parse(const void *p, size_t len, struct frame *out, size_t *used, struct err *e)
{
	struct rd r = rd_from(p, len);
	uint32_t size = rd_le32(&r);

	if (!rd_ok(&r))
		return 0;
	if (size > FRAME_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "frame of %" PRIu32 " bytes", size);
	if (size < FRAME_MIN_BYTES)
		return err_set(e, ERR_PROTO, "frame of %" PRIu32 " bytes has no header", size);
	if (rd_left(&r) < FRAME_MIN_BYTES)
		return 0;
	out->type = rd_u8(&r);
	out->flags = rd_u8(&r);
	out->stream = rd_le16(&r);
	if (out->flags & ~(unsigned int)FRAME_FLAGS_KNOWN)
		return err_set(e, ERR_PROTO, "frame with unknown flags 0x%02x", out->flags);
	if (!frame_type_known(out->type) && !(out->flags & FRAME_OPTIONAL))
		return err_set(e, ERR_PROTO, "frame of unknown type %u", out->type);
	if ((out->flags & FRAME_MORE) && out->type != FRAME_COMMIT)
		return err_set(e, ERR_PROTO, "%s in more than one frame",
			       frame_type_name(out->type));
	if ((out->flags & FRAME_PIECE) && out->type != FRAME_PUT)
		return err_set(e, ERR_PROTO, "%s as a piece of a file", frame_type_name(out->type));
	out->len = size - FRAME_MIN_BYTES;
	out->payload = rd_bytes(&r, out->len);
	if (!rd_ok(&r))
		return 0;
	*used = FRAME_LENGTH_BYTES + (size_t)size;
	return 1;
}

size_t frame_begin(struct buf *out, enum frame_type type, unsigned int flags, uint16_t stream)
{
	size_t mark = out->len;

	wr_le32(out, 0);
	wr_u8(out, (uint8_t)type);
	wr_u8(out, (uint8_t)flags);
	wr_le16(out, stream);
	return mark;
}

bool frame_end(struct buf *out, size_t mark)
{
	size_t size = out->len - mark - FRAME_LENGTH_BYTES;

	if (size > FRAME_MAX_BYTES)
		return false;
	wr_le32_at(out, mark, (uint32_t)size);
	return true;
}
