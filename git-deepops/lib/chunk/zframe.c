/* SPDX-License-Identifier: MIT */
/* zframe.c - one chunk as raw bytes or a single zstd frame; see zframe.h */
#include "chunk/zframe.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/limits.h"
#include "base/rd.h"
#include "base/xalloc.h"

#define ZFRAME_WINDOW_MAX_BYTES (UINT64_C(1) << 21)

struct zframe {
	ZSTD_CCtx *c;
	ZSTD_DCtx *d;
};

struct zframe *zframe_new(void)
{
	struct zframe *z = xmalloc(sizeof(*z));

	z->c = ZSTD_createCCtx();
	z->d = ZSTD_createDCtx();
	if (!z->c || !z->d)
		xalloc_die();
	ZSTD_CCtx_setParameter(z->c, ZSTD_c_compressionLevel, ZFRAME_LEVEL);
	return z;
}

void zframe_free(struct zframe *z)
{
	if (!z)
		return;
	ZSTD_freeCCtx(z->c);
	ZSTD_freeDCtx(z->d);
	free(z);
}

enum zframe_encoding zframe_encode(struct zframe *z, const void *p, size_t len, bool try_compress,
				   struct buf *out)
{
	/* No room for more than what is worth it: zstd gives up by itself. */
	size_t room = len - len / ZFRAME_MIN_GAIN;
	size_t n;

	if (try_compress && room < len) {
		buf_grow(out, room);
		n = ZSTD_compress2(z->c, out->p + out->len, room, p, len);
		if (!ZSTD_isError(n)) {
			buf_setlen(out, out->len + n);
			return ZFRAME_ZSTD;
		}
		ZSTD_CCtx_reset(z->c, ZSTD_reset_session_only);
	}
	buf_add(out, p, len);
	return ZFRAME_RAW;
}

/*
 * What the frame header says beyond its content size (RFC 8878, 3.1.1.1):
 * libzstd's own accessor is not part of its stable interface.
 */
static int check_header(const struct zframe_stored *in, struct err *e)
{
	struct rd r = rd_from(in->p, in->len);
	uint32_t magic = rd_le32(&r);
	uint8_t descriptor = rd_u8(&r);
	uint8_t window = descriptor & 0x20 ? 0 : rd_u8(&r);
	uint64_t base = UINT64_C(1) << (10 + (window >> 3));
	uint64_t bytes = descriptor & 0x20 ? in->plain : base + base / 8 * (window & 7);

	if (!rd_ok(&r) || magic != ZSTD_MAGICNUMBER)
		return err_set(e, ERR_CORRUPT, "not a zstd frame");
	if (descriptor & 3)
		return err_set(e, ERR_CORRUPT, "zstd frame wants a dictionary");
	if (bytes > ZFRAME_WINDOW_MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "zstd window of %" PRIu64 " bytes", bytes);
	return 0;
}

static int decode_zstd(struct zframe *z, const struct zframe_stored *in, struct buf *out,
		       struct err *e)
{
	size_t n;
	int rc = check_header(in, e);

	if (rc < 0)
		return rc;
	if (ZSTD_getFrameContentSize(in->p, in->len) != in->plain)
		return err_set(e, ERR_CORRUPT, "zstd frame does not declare %zu bytes", in->plain);
	if (ZSTD_findFrameCompressedSize(in->p, in->len) != in->len)
		return err_set(e, ERR_CORRUPT, "zstd frame is cut short or has bytes after it");
	buf_grow(out, in->plain);
	n = ZSTD_decompressDCtx(z->d, out->p + out->len, in->plain, in->p, in->len);
	if (ZSTD_isError(n))
		return err_set(e, ERR_CORRUPT, "zstd: %s", ZSTD_getErrorName(n));
	if (n != in->plain)
		return err_set(e, ERR_CORRUPT, "zstd frame holds %zu bytes, not %zu", n, in->plain);
	buf_setlen(out, out->len + n);
	return 0;
}

int zframe_decode(struct zframe *z, const struct zframe_stored *in, struct buf *out, struct err *e)
{
	if (!in->plain || in->plain > CHUNK_MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "chunk of %zu bytes", in->plain);
	switch (in->encoding) {
	case ZFRAME_RAW:
		if (in->len != in->plain)
			return err_set(e, ERR_CORRUPT, "%zu raw bytes, not %zu", in->len,
				       in->plain);
		buf_add(out, in->p, in->len);
		return 0;
	case ZFRAME_ZSTD:
		return decode_zstd(z, in, out, e);
	default:
		return err_set(e, ERR_CORRUPT, "unknown encoding %u", in->encoding);
	}
}
