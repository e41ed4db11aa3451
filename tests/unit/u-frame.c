/* SPDX-License-Identifier: MIT */
/* u-frame.c - unit tests of wire/frame */
#include "wire/frame.h"

#include "tap.h"

static const uint8_t ping[] = {6, 0, 0, 0, FRAME_PING, 0, 7, 1, 'h', 'i'};

static void test_parse(void)
{
	struct frame f;
	struct err e = ERR_INIT;
	size_t used = 0;
	bool waits = true;

	for (size_t n = 0; n < sizeof(ping); n++)
		waits &= frame_parse(ping, n, &f, &used, &e) == 0;
	ok(waits, "every prefix of a frame asks for more");
	ok(frame_parse(ping, sizeof(ping), &f, &used, &e) == 1, "the whole is a frame");
	is_u64(used, sizeof(ping), "of its own length");
	is_u64(f.type, FRAME_PING, "type");
	is_u64(f.stream, 0x0107, "stream is little-endian");
	ok(f.len == 2 && !memcmp(f.payload, "hi", 2), "payload");
}

static void refuse(const char *label, const uint8_t *p, size_t n, int code, const char *msg)
{
	struct frame f;
	struct err e = ERR_INIT;
	size_t used;

	is_u64((uint64_t)-frame_parse(p, n, &f, &used, &e), (uint64_t)-code, label);
	is_str(e.msg, msg, "and says so");
}

static void test_refuse(void)
{
	static const uint8_t big[] = {1, 0, 0x11, 0};
	static const uint8_t most[] = {0, 0, 0x11, 0};
	static const uint8_t small[] = {3, 0, 0, 0};
	static const uint8_t flags[] = {4, 0, 0, 0, FRAME_PING, 8, 0, 0};
	static const uint8_t piece[] = {4, 0, 0, 0, FRAME_PING, FRAME_PIECE, 0, 0};
	static const uint8_t type[] = {4, 0, 0, 0, 77, 0, 0, 0};
	static const uint8_t zero[] = {4, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t skip[] = {4, 0, 0, 0, 77, FRAME_OPTIONAL, 0, 0};
	struct frame f;
	struct err e = ERR_INIT;
	size_t used;

	refuse("too long, known from 4 bytes", big, sizeof(big), ERR_LIMIT,
	       "frame of 1114113 bytes");
	ok(frame_parse(most, sizeof(most), &f, &used, &e) == 0, "the longest length is fine");
	refuse("too short", small, sizeof(small), ERR_PROTO, "frame of 3 bytes has no header");
	refuse("unknown flag", flags, sizeof(flags), ERR_PROTO, "frame with unknown flags 0x08");
	refuse("misplaced flag", piece, sizeof(piece), ERR_PROTO, "PING as a piece of a file");
	refuse("unknown type", type, sizeof(type), ERR_PROTO, "frame of unknown type 77");
	refuse("type 0", zero, sizeof(zero), ERR_PROTO, "frame of unknown type 0");
	ok(frame_parse(skip, sizeof(skip), &f, &used, &e) == 1 && !frame_type_known(f.type),
	   "an unknown type that may be skipped is handed over");
}

static void test_write(void)
{
	struct buf b = BUF_INIT;
	size_t mark;

	buf_addstr(&b, "x");
	mark = frame_begin(&b, FRAME_PING, 0, 0x0107);
	buf_addstr(&b, "hi");
	ok(frame_end(&b, mark), "a frame is closed");
	ok(b.len == 1 + sizeof(ping) && !memcmp(b.p + 1, ping, sizeof(ping)), "byte for byte");
	mark = frame_begin(&b, FRAME_PUT, 0, 0);
	buf_grow(&b, FRAME_MAX_BYTES);
	memset(b.p + b.len, 0, FRAME_MAX_BYTES);
	buf_setlen(&b, b.len + FRAME_PAYLOAD_MAX_BYTES);
	ok(frame_end(&b, mark), "the longest payload fits");
	buf_addch(&b, 0);
	ok(!frame_end(&b, mark), "one byte more does not");
	buf_release(&b);
	is_str(frame_type_name(FRAME_BEGIN), "BEGIN", "names");
	is_str(frame_type_name(200), "?", "of unknown types too");
}

int main(void)
{
	test_parse();
	test_refuse();
	test_write();
	return done_testing();
}
