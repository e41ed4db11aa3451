/* SPDX-License-Identifier: MIT */
/* u-zframe.c - one chunk encoded and decoded, and what is refused */
#include <stdlib.h>

#include "base/limits.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "chunk/zframe.h"
#include "tap.h"

static struct zframe *z;

static int decode(unsigned int encoding, const void *p, size_t len, size_t plain, struct buf *out,
		  struct err *e)
{
	return zframe_decode(z, &(struct zframe_stored){encoding, p, len, plain}, out, e);
}

static void round_trip(const void *p, size_t len, bool compress, enum zframe_encoding want,
		       const char *label)
{
	struct buf stored = BUF_INIT, plain = BUF_INIT;
	struct err e = ERR_INIT;
	enum zframe_encoding encoding;

	buf_addstr(&stored, "before");
	buf_addstr(&plain, "before");
	encoding = zframe_encode(z, p, len, compress, &stored);
	ok(encoding == want, "%s: encoding %d", label, (int)encoding);
	ok(decode(encoding, stored.p + 6, stored.len - 6, len, &plain, &e) == 0 &&
		   plain.len == len + 6 && !memcmp(plain.p + 6, p, len),
	   "%s: comes back (%s)", label, e.msg);
	buf_release(&stored);
	buf_release(&plain);
}

static void refused(unsigned int encoding, const void *p, size_t len, size_t plain,
		    const char *label)
{
	struct buf out = BUF_INIT;
	struct err e = ERR_INIT;

	ok(decode(encoding, p, len, plain, &out, &e) == ERR_CORRUPT && out.len == 0,
	   "refused: %s (%s)", label, e.msg);
	buf_release(&out);
}

/* A frame header as RFC 8878 draws it, then one raw last block of `n` bytes. */
static void frame(struct buf *b, const void *head, size_t head_len, size_t n)
{
	buf_reset(b);
	buf_add(b, "\x28\xb5\x2f\xfd", 4);
	buf_add(b, head, head_len);
	buf_addch(b, (int)(n << 3 | 1) & 0xff);
	buf_addch(b, (int)(n >> 5) & 0xff);
	buf_addch(b, (int)(n >> 13));
	for (size_t i = 0; i < n; i++)
		buf_addch(b, 'x');
}

static void test_refused(void)
{
	struct buf b = BUF_INIT, out = BUF_INIT;
	struct err e = ERR_INIT;

	frame(&b, "\x20\x05", 2, 5);
	ok(decode(ZFRAME_ZSTD, b.p, b.len, 5, &out, &e) == 0 && !strcmp(out.p, "xxxxx"),
	   "a frame made by hand");
	refused(ZFRAME_ZSTD, b.p, b.len, 4, "declared size is larger");
	refused(ZFRAME_ZSTD, b.p, b.len, 6, "declared size is smaller");
	refused(ZFRAME_ZSTD, b.p, b.len - 1, 5, "cut short");
	refused(ZFRAME_ZSTD, b.p, 4, 5, "magic alone");
	refused(ZFRAME_ZSTD, b.p, 0, 5, "nothing");
	refused(ZFRAME_ZSTD, b.p, b.len, 0, "no plain bytes");
	refused(ZFRAME_ZSTD, b.p, b.len, MIB + 1, "too many plain bytes");
	refused(ZFRAME_RAW, b.p, b.len, b.len - 1, "raw of another length");
	for (unsigned int encoding = 2; encoding < 8; encoding++)
		refused(encoding, b.p, b.len, 5, "reserved encoding");
	buf_addch(&b, 'y');
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "a byte after the frame");
	buf_setlen(&b, b.len - 1);
	buf_addbuf(&b, &b);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "two frames");
	frame(&b, "\x00\x58", 2, 5); /* window 2^21, no content size */
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "no declared size");
	frame(&b, "\x80\x58\x05\0\0\0", 6, 5);
	buf_reset(&out);
	ok(decode(ZFRAME_ZSTD, b.p, b.len, 5, &out, &e) == 0, "window of 2^21");
	frame(&b, "\x80\x59\x05\0\0\0", 6, 5);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "window of 2^21 + 2^18");
	frame(&b, "\x80\x60\x05\0\0\0", 6, 5);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "window of 2^22");
	frame(&b, "\x21\x07\x05", 3, 5);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "dictionary");
	frame(&b, "\x28\x05", 2, 5);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "reserved header bit");
	frame(&b, "\x20\x05", 2, 4);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "holds less than it declares");
	buf_reset(&b);
	buf_add(&b, "\x50\x2a\x4d\x18\x05\0\0\0xxxxx", 13);
	refused(ZFRAME_ZSTD, b.p, b.len, 5, "skippable frame");
	buf_release(&b);
	buf_release(&out);
}

int main(void)
{
	char *p = xcalloc(1, MIB);

	z = zframe_new();
	round_trip(p, MIB, true, ZFRAME_ZSTD, "1 MiB of zeros");
	round_trip(p, MIB, false, ZFRAME_RAW, "kept raw when told so");
	round_trip("a", 1, true, ZFRAME_RAW, "one byte");
	random_bytes(p, 64 * KIB);
	round_trip(p, 64 * KIB, true, ZFRAME_RAW, "random bytes");
	memset(p, 0, 1 * KIB);
	round_trip(p, 64 * KIB, true, ZFRAME_RAW, "1.5 % is not worth it");
	memset(p, 0, 4 * KIB);
	round_trip(p, 64 * KIB, true, ZFRAME_ZSTD, "6 % is");
	test_refused();
	zframe_free(z);
	zframe_free(NULL);
	free(p);
	return done_testing();
}
