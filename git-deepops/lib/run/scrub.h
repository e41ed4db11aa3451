/* SPDX-License-Identifier: MIT */
/*
 * scrub.h - keep the values of --secret variables out of what is recorded
 *
 * Each occurrence becomes "***", in each of the spellings in which programs write a value: as it
 * is, without blanks around it, percent-encoded, as a string of JSON, in hex digits, and in
 * base64, also where it stands inside of what was encoded ("user:VALUE").  Values that overlap
 * are masked as one.  A stream is scrubbed across the borders of its pieces: up to the longest
 * spelling less one byte is held back until more comes.
 *
 *	struct scrub s = SCRUB_INIT;
 *	scrub_add(&s, "NAME", value);		refuse values for which scrub_too_short()
 *	scrub_text(&s, text, &out);
 *	scrub_release(&s);
 */
#ifndef RUN_SCRUB_H
#define RUN_SCRUB_H

#include "base/buf.h"
#include "base/strvec.h"

#define SCRUB_MIN_BYTES 4 /* a shorter value would eat ordinary text */

struct scrub_spelling {
	char *text;
	size_t len, name; /* index in names */
};

struct scrub {
	struct scrub_spelling *v; /* longest first */
	size_t n, alloc;
	struct strvec names, values;
	bool first[256]; /* a spelling begins with this byte */
};
#define SCRUB_INIT                                                                                 \
	{                                                                                          \
		.names = STRVEC_INIT, .values = STRVEC_INIT                                        \
	}

void scrub_init(struct scrub *s);
void scrub_release(struct scrub *s);
bool scrub_too_short(const char *value);
/* Not too short. */
void scrub_add(struct scrub *s, const char *name, const char *value);

struct scrub_stream {
	const struct scrub *values; /* may be empty; borrowed */
	struct buf held;
	size_t covered; /* bytes at the beginning of `held` that belong to a value masked before */
};

void scrub_stream_init(struct scrub_stream *s, const struct scrub *values);
/* Append what can be said of the stream so far to `out`. */
void scrub_feed(struct scrub_stream *s, const void *p, size_t len, struct buf *out);
void scrub_finish(struct scrub_stream *s, struct buf *out); /* the rest; releases */

/* A whole string; is anything of it masked? */
bool scrub_text(const struct scrub *values, const char *text, struct buf *out);
/*
 * The same where a rerun must put the values back: of several values the mask says which one it
 * hides, "***NAME***".  A single one stays "***".
 */
bool scrub_argument(const struct scrub *values, const char *text, struct buf *out);
/* The opposite of scrub_argument. */
void scrub_restore(const struct scrub *values, const char *text, struct buf *out);
/* Does it hold a value? */
bool scrub_holds(const struct scrub *values, const void *text, size_t len);

#endif
