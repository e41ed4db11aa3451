/* SPDX-License-Identifier: MIT */
/*
 * transport-echo.h - what every transport must do, for u-transport.c and tests/t/helper/transport.c
 */
#ifndef TRANSPORT_ECHO_H
#define TRANSPORT_ECHO_H

#include <errno.h>

#include "base/buf.h"
#include "tap.h"
#include "transport/transport.h"

static bool read_to_end(struct transport *t, struct buf *out, struct err *e)
{
	char p[1000];
	int n = 0;

	while (!transport_at_end(t)) {
		n = transport_read(t, p, sizeof(p), e);
		if (n < 0)
			return false;
		if (n == 0 && !transport_at_end(t) &&
		    transport_wait(t, TRANSPORT_READ, 5000, e) <= 0)
			return false;
		buf_add(out, p, (size_t)n);
	}
	return true;
}

/* Both directions at once, more than any pipe holds; then half-close and the end. */
static void echo(struct transport *t, const char *label)
{
	enum { TOTAL = 5 * 1024 * 1024 };
	static char p[TOTAL];
	struct buf back = BUF_INIT;
	struct err e = ERR_INIT;
	size_t sent = 0;
	int n = 0;

	for (size_t i = 0; i < TOTAL; i++)
		p[i] = (char)(i * 7 + i / 1000);
	while (n >= 0 && (sent < TOTAL || back.len < TOTAL) && !transport_at_end(t)) {
		n = sent < TOTAL ? transport_write(t, p + sent, TOTAL - sent, &e) : 0;
		if (n > 0)
			sent += (size_t)n;
		if (n < 0)
			break;
		buf_grow(&back, 65536);
		n = transport_read(t, back.p + back.len, 65536, &e);
		if (n > 0)
			buf_setlen(&back, back.len + (size_t)n);
		else if (n == 0)
			n = transport_wait(
				t, sent < TOTAL ? TRANSPORT_READ | TRANSPORT_WRITE : TRANSPORT_READ,
				5000, &e);
	}
	ok(back.len == TOTAL && !memcmp(back.p, p, TOTAL), "%s: bytes come back (%s)", label,
	   e.msg);
	ok(transport_half_close(t, &e) == 0, "%s: half-close", label);
	buf_reset(&back);
	ok(read_to_end(t, &back, &e) && back.len == 0, "%s: the peer ends", label);
	ok(transport_write(t, "x", 1, &e) == ERR_SYS && e.sys == EPIPE, "%s: no write after it",
	   label);
	buf_release(&back);
}

#endif
