/* SPDX-License-Identifier: MIT */
/*
 * rd.h - bounded little-endian reader with a sticky end
 *
 * After a short read everything reads as zero or NULL and rd_ok() is false, so
 * a parser can be straight-line and check once:
 *
 *	struct rd r = rd_from(p, len);
 *	size = rd_le32(&r);
 *	id = rd_bytes(&r, 32);
 *	if (!rd_at_end(&r))
 *		return err_set(e, ERR_CORRUPT, ...);
 */
#ifndef BASE_RD_H
#define BASE_RD_H

#include "base/defs.h"

struct rd {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct rd rd_from(const void *p, size_t len)
{
	struct rd r = {p, (const uint8_t *)p + len, false};

	return r;
}

/* Borrow `n` bytes; NULL and sticky failure when fewer remain. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *at = r->p;

	if (r->bad || n > (size_t)(r->end - r->p)) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return at;
}

static inline uint64_t rd_le(struct rd *r, unsigned int bytes)
{
	const uint8_t *p = rd_bytes(r, bytes);
	uint64_t v = 0;

	for (unsigned int i = 0; p && i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static inline uint8_t rd_u8(struct rd *r)
{
	return (uint8_t)rd_le(r, 1);
}
static inline uint16_t rd_le16(struct rd *r)
{
	return (uint16_t)rd_le(r, 2);
}
static inline uint32_t rd_le32(struct rd *r)
{
	return (uint32_t)rd_le(r, 4);
}
static inline uint64_t rd_le64(struct rd *r)
{
	return rd_le(r, 8);
}
static inline size_t rd_left(const struct rd *r)
{
	return r->bad ? 0 : (size_t)(r->end - r->p);
}
static inline bool rd_ok(const struct rd *r)
{
	return !r->bad;
}
static inline bool rd_at_end(const struct rd *r)
{
	return !r->bad && r->p == r->end;
}

#endif
