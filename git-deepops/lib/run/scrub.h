/* SPDX-License-Identifier: MIT */
/*
 * scrub.h - keep the values of --secret variables out of what is recorded
 *
 * Each occurrence becomes "***".  A stream is scrubbed across the borders of its
 * pieces: up to the longest value less one byte is held back until more comes.
 * Values shorter than SCRUB_MIN_BYTES are refused by the command: they would
 * eat ordinary text.
 */
#ifndef RUN_SCRUB_H
#define RUN_SCRUB_H

#include "base/buf.h"
#include "base/strvec.h"

#define SCRUB_MIN_BYTES 4

struct scrub_stream {
	const struct strvec *values; /* may be empty; borrowed */
	struct buf held;
};

void scrub_stream_init(struct scrub_stream *s, const struct strvec *values);
/* Append what can be said of the stream so far to `out`. */
void scrub_feed(struct scrub_stream *s, const void *p, size_t len, struct buf *out);
void scrub_finish(struct scrub_stream *s, struct buf *out); /* the rest; releases */

/* A whole string. */
void scrub_text(const struct strvec *values, const char *text, struct buf *out);

#endif
