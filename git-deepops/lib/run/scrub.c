/* SPDX-License-Identifier: MIT */
/* scrub.c - secrets out of streams; see scrub.h */
#include "run/scrub.h"

static const char mask[] = "***";

void scrub_stream_init(struct scrub_stream *s, const struct strvec *values)
{
	s->values = values;
	buf_init(&s->held);
}

static size_t longest(const struct strvec *values)
{
	size_t max = 0;

	for (size_t i = 0; i < values->nr; i++)
		max = MAX(max, strlen(values->v[i]));
	return max;
}

/* First occurrence of any value at or after `from`; the longest one where several begin. */
static bool find_first(const struct scrub_stream *s, size_t from, size_t *at, size_t *len)
{
	bool found = false;

	for (size_t i = 0; i < s->values->nr; i++) {
		const char *v = s->values->v[i];
		const char *p = memmem(s->held.p + from, s->held.len - from, v, strlen(v));
		size_t pos = p ? (size_t)(p - s->held.p) : 0;

		if (p && (!found || pos < *at || (pos == *at && strlen(v) > *len))) {
			found = true;
			*at = pos;
			*len = strlen(v);
		}
	}
	return found;
}

/* Give out everything but the last `keep` bytes, values masked. */
static void drain(struct scrub_stream *s, size_t keep, struct buf *out)
{
	size_t from = 0, at = 0, len = 0, end;

	while (find_first(s, from, &at, &len)) {
		buf_add(out, s->held.p + from, at - from);
		buf_addstr(out, mask);
		from = at + len;
	}
	end = s->held.len > keep ? s->held.len - keep : 0;
	if (end > from) {
		buf_add(out, s->held.p + from, end - from);
		from = end;
	}
	buf_remove(&s->held, 0, from);
}

void scrub_feed(struct scrub_stream *s, const void *p, size_t len, struct buf *out)
{
	size_t max = longest(s->values);

	if (!max) {
		buf_add(out, p, len);
		return;
	}
	buf_add(&s->held, p, len);
	drain(s, max - 1, out);
}

void scrub_finish(struct scrub_stream *s, struct buf *out)
{
	drain(s, 0, out);
	buf_release(&s->held);
}

void scrub_text(const struct strvec *values, const char *text, struct buf *out)
{
	struct scrub_stream s;

	scrub_stream_init(&s, values);
	scrub_feed(&s, text, strlen(text), out);
	scrub_finish(&s, out);
}
