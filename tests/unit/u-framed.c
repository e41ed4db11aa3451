/* SPDX-License-Identifier: MIT */
/* u-framed.c - unit tests of transport/framed over a peer that answers from a script in memory */
#include "transport/framed.h"

#include <errno.h>

#include "base/xalloc.h"
#include "wire/msg.h"

#include "tap.h"

/* What the other side sends, in pieces of `piece` bytes; what it takes, `room` bytes a time. */
struct fake {
	struct transport base;
	struct buf sends, got;
	size_t at, piece, room;
	bool deaf, stuck;
	unsigned int waits;
};

static int fake_read(struct transport *t, void *p, size_t n, struct err *e)
{
	struct fake *f = (struct fake *)t;
	size_t take = MIN(MIN(n, f->piece), f->sends.len - f->at);

	(void)e;
	memcpy(p, f->sends.p + f->at, take);
	f->at += take;
	t->at_end = !f->stuck && f->at == f->sends.len;
	return (int)take;
}

static int fake_write(struct transport *t, const void *p, size_t n, struct err *e)
{
	struct fake *f = (struct fake *)t;
	size_t take = MIN(n, f->room);

	if (f->deaf) {
		errno = EPIPE;
		return err_sys(e, "fake");
	}
	buf_add(&f->got, p, take);
	return (int)take;
}

static int fake_wait(struct transport *t, unsigned int events, int timeout_ms, struct err *e)
{
	(void)events;
	(void)timeout_ms;
	(void)e;
	((struct fake *)t)->waits++;
	return 0;
}

static int fake_half_close(struct transport *t, struct err *e)
{
	(void)t;
	(void)e;
	return 0;
}

static int fake_finish(struct transport *t)
{
	(void)t;
	return -1;
}

static void fake_free(struct transport *t)
{
	struct fake *f = (struct fake *)t;

	buf_release(&f->sends);
	buf_release(&f->got);
	free(f);
}

static const struct transport_ops fake_ops = {
	fake_read, fake_write, fake_wait, fake_half_close, fake_finish, fake_free,
};

static struct fake *fake_new(size_t piece, size_t room)
{
	struct fake *f = xcalloc(1, sizeof(*f));

	transport_init(&f->base, &fake_ops, NULL, "fake");
	buf_init(&f->sends);
	buf_init(&f->got);
	f->piece = piece;
	f->room = room;
	return f;
}

static void add_frame(struct buf *b, unsigned int type, unsigned int flags, size_t payload)
{
	size_t mark = frame_begin(b, (enum frame_type)type, flags, 7);

	for (size_t i = 0; i < payload; i++)
		buf_addch(b, (int)(i % 251));
	ok(frame_end(b, mark), "a frame of %zu bytes", payload);
}

static bool payload_is(const struct frame *f, size_t len)
{
	bool good = f->len == len;

	for (size_t i = 0; good && i < len; i++)
		good = f->payload[i] == i % 251;
	return good;
}

static void test_reading(size_t piece)
{
	static const size_t sizes[] = {
		0, 1, 70000, FRAME_PAYLOAD_MAX_BYTES, 3, 500000, FRAME_PAYLOAD_MAX_BYTES, 9};
	struct fake *fake = fake_new(piece, 1);
	struct transport *t = &fake->base;
	struct framed f;
	struct frame frame;
	struct err e = ERR_INIT;
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		add_frame(&fake->sends, FRAME_PING, 0, sizes[i]);
	add_frame(&fake->sends, 99, FRAME_OPTIONAL, 5);
	framed_init(&f, t);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		good &= framed_next(&f, &frame, 0, &e) == FRAMED_FRAME &&
			payload_is(&frame, sizes[i]) && frame.stream == 7;
	ok(good, "every frame comes out whole from pieces of %zu", piece);
	ok(framed_next(&f, &frame, 0, &e) == FRAMED_END, "an optional one is skipped; the end");
	ok(f.in.alloc < 2 * FRAME_MAX_BYTES, "memory stays below two frames");
	framed_release(&f);
	transport_close(&t);
}

static void test_ends(void)
{
	struct fake *fake = fake_new(1000, 1);
	struct transport *t = &fake->base;
	struct framed f;
	struct frame frame;
	struct err e = ERR_INIT;

	buf_addstr(&fake->sends, "xx");
	framed_init(&f, t);
	ok(framed_next(&f, &frame, 0, &e) == FRAMED_END, "an end inside a frame is an end");
	framed_release(&f);
	transport_close(&t);

	fake = fake_new(1000, 1);
	t = &fake->base;
	fake->stuck = true;
	framed_init(&f, t);
	ok(framed_next(&f, &frame, 0, &e) == FRAMED_NOTHING, "nothing in time");
	framed_begin(&f, FRAME_BYE, 0, 0);
	ok(framed_end(&f, &e) == 0, "queue");
	fake->room = 0;
	ok(framed_drain(&f, 0, 0, &e) == ERR_PROTO, "a peer that takes nothing is not waited for");
	ok(framed_next(&f, &frame, 0, &e) == FRAMED_NOTHING && fake->waits > 0, "by waiting");
	framed_release(&f);
	transport_close(&t);
}

static void test_writing(void)
{
	struct fake *fake = fake_new(1000, 77);
	struct transport *t = &fake->base;
	struct framed f;
	struct buf want = BUF_INIT;
	struct err e = ERR_INIT;
	bool good = true;

	fake->stuck = true;
	framed_init(&f, t);
	for (size_t i = 0; i < 3000; i++) {
		size_t mark = frame_begin(&want, FRAME_PING, i % 2 ? FRAME_MORE : 0, 7);

		good &= frame_end(&want, mark);
		framed_begin(&f, FRAME_PING, 0, 7);
		if (i % 2)
			framed_more(&f);
		good &= framed_end(&f, &e) == 0;
		framed_begin(&f, FRAME_PING, 0, 9);
		framed_cancel(&f);
		good &= framed_step(&f, 0, &e) >= 0;
	}
	good &= framed_drain(&f, 0, 0, &e) == 0;
	ok(good && !buf_cmp(&want, &fake->got), "what was queued arrives, in order, once");
	is_u64(f.sent, want.len, "and is counted");
	fake->deaf = true;
	framed_begin(&f, FRAME_PING, 0, 7);
	ok(framed_end(&f, &e) == 0 && framed_drain(&f, 0, 0, &e) == 0 && f.peer_deaf,
	   "a peer that reads no more is noted, not fatal");
	framed_begin(&f, FRAME_PING, 0, 7);
	ok(framed_end(&f, &e) == 0 && framed_queued(&f) == 0, "nothing more is queued for it");
	buf_release(&want);
	framed_release(&f);
	transport_close(&t);
}

static void test_too_long(void)
{
	struct fake *fake = fake_new(1000, 77);
	struct transport *t = &fake->base;
	struct framed f;
	struct buf *b;
	struct err e = ERR_INIT;

	framed_init(&f, t);
	b = framed_begin(&f, FRAME_PUT, 0, 7);
	buf_grow(b, FRAME_PAYLOAD_MAX_BYTES + 1);
	memset(b->p + b->len, 0, FRAME_PAYLOAD_MAX_BYTES + 1);
	buf_setlen(b, b->len + FRAME_PAYLOAD_MAX_BYTES + 1);
	ok(framed_end(&f, &e) == ERR_LIMIT, "too long a frame is refused");
	is_str(e.msg, "PUT message is too long", "by name");
	is_u64(framed_queued(&f), 0, "and not queued");
	framed_release(&f);
	transport_close(&t);
}

int main(void)
{
	test_reading(1000);
	test_reading(65537);
	test_reading(SIZE_MAX);
	test_ends();
	test_writing();
	test_too_long();
	return done_testing();
}
