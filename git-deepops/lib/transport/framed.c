/* SPDX-License-Identifier: MIT */
/* framed.c - frames over a transport, both directions at once; see framed.h */
#include "transport/framed.h"

#include <errno.h>

#include "base/clock.h"

/* Read in pieces of this size; a frame in progress may need a little more than the maximum. */
#define FRAMED_READ_BYTES (256 * KIB)
#define FRAMED_TYPE_AT 4 /* offsets inside a frame */
#define FRAMED_FLAGS_AT 5
#define FRAMED_IN_MAX_BYTES (FRAME_MAX_BYTES + FRAMED_READ_BYTES)

void framed_init(struct framed *f, struct transport *t)
{
	memset(f, 0, sizeof(*f));
	f->t = t;
	buf_init(&f->in);
	buf_init(&f->out);
}

void framed_release(struct framed *f)
{
	buf_release(&f->in);
	buf_release(&f->out);
}

/* ---- out ---- */

size_t framed_queued(const struct framed *f)
{
	return f->out.len - f->out_at;
}

struct buf *framed_begin(struct framed *f, enum frame_type type, unsigned int flags,
			 uint16_t stream)
{
	/* Move what is left to the front only when that is cheap or overdue. */
	if (f->out_at == f->out.len || f->out_at >= FRAMED_QUEUE_BYTES) {
		buf_remove(&f->out, 0, f->out_at);
		f->out_at = 0;
	}
	f->mark = frame_begin(&f->out, type, flags, stream);
	return &f->out;
}

int framed_end(struct framed *f, struct err *e)
{
	unsigned int type = (uint8_t)f->out.p[f->mark + FRAMED_TYPE_AT];

	if (!frame_end(&f->out, f->mark)) {
		framed_cancel(f);
		return err_set(e, ERR_LIMIT, "%s message is too long", frame_type_name(type));
	}
	if (f->peer_deaf) {
		buf_reset(&f->out);
		f->out_at = 0;
	}
	return 0;
}

void framed_cancel(struct framed *f)
{
	buf_setlen(&f->out, f->mark);
}

void framed_more(struct framed *f)
{
	f->out.p[f->mark + FRAMED_FLAGS_AT] |= FRAME_MORE;
}

static int step_write(struct framed *f, struct err *e)
{
	struct err local = ERR_INIT;
	int n;

	if (!framed_queued(f))
		return 0;
	n = transport_write(f->t, f->out.p + f->out_at, framed_queued(f), &local);
	if (n >= 0) {
		f->out_at += (size_t)n;
		f->sent += (uint64_t)n;
		return n > 0;
	}
	/*
	 * The peer reads no more.  It may have said why: keep reading, until it
	 * ends; should it be waiting for us after all, this tells it to.
	 */
	if (local.sys == EPIPE && !f->peer_deaf) {
		f->peer_deaf = true;
		(void)!transport_half_close(f->t, NULL);
		buf_reset(&f->out);
		f->out_at = 0;
		return 1;
	}
	if (e)
		*e = local;
	return n;
}

/* ---- in ---- */

static int step_read(struct framed *f, struct err *e)
{
	size_t have = f->in.len - f->in_at;
	int n;

	if (transport_at_end(f->t) || have > FRAME_MAX_BYTES)
		return 0;
	if (f->in_at == f->in.len || f->in.len + FRAMED_READ_BYTES > FRAMED_IN_MAX_BYTES) {
		buf_remove(&f->in, 0, f->in_at);
		f->in_at = 0;
	}
	buf_grow(&f->in, FRAMED_READ_BYTES);
	n = transport_read(f->t, f->in.p + f->in.len, FRAMED_READ_BYTES, e);
	if (n > 0)
		buf_setlen(&f->in, f->in.len + (size_t)n);
	return n < 0 ? n : n > 0 || transport_at_end(f->t);
}

const char *framed_peek(const struct framed *f, size_t *len)
{
	*len = f->in.len - f->in_at;
	return f->in.p + f->in_at;
}

int framed_take(struct framed *f, struct frame *out, struct err *e)
{
	size_t used;
	int rc;

	do {
		rc = frame_parse(f->in.p + f->in_at, f->in.len - f->in_at, out, &used, e);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return FRAMED_NOTHING;
		f->in_at += used;
	} while (!frame_type_known(out->type));
	return FRAMED_FRAME;
}

/* ---- both ---- */

int framed_step(struct framed *f, int timeout_ms, struct err *e)
{
	unsigned int events = 0;
	int wrote, got;

	wrote = step_write(f, e);
	if (wrote < 0)
		return wrote;
	got = step_read(f, e);
	if (got < 0)
		return got;
	if (wrote || got)
		return 1;
	if (framed_queued(f))
		events |= TRANSPORT_WRITE;
	if (!transport_at_end(f->t) && f->in.len - f->in_at <= FRAME_MAX_BYTES)
		events |= TRANSPORT_READ;
	return events ? transport_wait(f->t, events, timeout_ms, e) : 0;
}

static int time_left(uint64_t deadline, int timeout_ms)
{
	uint64_t now;

	if (timeout_ms < 0)
		return TRANSPORT_FOREVER;
	now = clock_mono_ms();
	return now >= deadline ? 0 : (int)MIN(deadline - now, (uint64_t)timeout_ms);
}

int framed_next(struct framed *f, struct frame *out, int timeout_ms, struct err *e)
{
	uint64_t deadline = timeout_ms < 0 ? 0 : clock_mono_ms() + (uint64_t)timeout_ms;
	int left, rc;

	for (;;) {
		rc = framed_take(f, out, e);
		if (rc != FRAMED_NOTHING)
			return rc;
		if (transport_at_end(f->t))
			return FRAMED_END;
		left = time_left(deadline, timeout_ms);
		rc = framed_step(f, left, e);
		if (rc < 0)
			return rc;
		if (rc == 0 && left == 0)
			return FRAMED_NOTHING;
	}
}

int framed_drain(struct framed *f, size_t left, int timeout_ms, struct err *e)
{
	uint64_t deadline = timeout_ms < 0 ? 0 : clock_mono_ms() + (uint64_t)timeout_ms;
	int ms, rc;

	while (framed_queued(f) > left) {
		ms = time_left(deadline, timeout_ms);
		rc = framed_step(f, ms, e);
		if (rc < 0)
			return rc;
		if (rc == 0 && ms == 0)
			return err_set(e, ERR_PROTO, "the other side takes no more bytes");
	}
	return 0;
}
