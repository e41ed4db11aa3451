/* SPDX-License-Identifier: MIT */
/*
 * wr.h - little-endian writer onto a struct buf; the counterpart of rd.h
 */
#ifndef BASE_WR_H
#define BASE_WR_H

#include "base/buf.h"

static inline void wr_le(struct buf *b, uint64_t v, unsigned int bytes)
{
	uint8_t le[8];

	for (unsigned int i = 0; i < bytes; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	buf_add(b, le, bytes);
}

static inline void wr_u8(struct buf *b, uint8_t v)
{
	wr_le(b, v, 1);
}
static inline void wr_le16(struct buf *b, uint16_t v)
{
	wr_le(b, v, 2);
}
static inline void wr_le32(struct buf *b, uint32_t v)
{
	wr_le(b, v, 4);
}
static inline void wr_le64(struct buf *b, uint64_t v)
{
	wr_le(b, v, 8);
}

/* Overwrite 4 bytes at `at`, which must lie inside. */
static inline void wr_le32_at(struct buf *b, size_t at, uint32_t v)
{
	for (unsigned int i = 0; i < 4; i++)
		b->p[at + i] = (char)(uint8_t)(v >> (8 * i));
}

#endif
