/* SPDX-License-Identifier: MIT */
/* progress.c - one line about long work, on stderr; see progress.h */
#include "base/progress.h"

#include <pthread.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"

#define PROGRESS_DELAY_MS 1000
#define PROGRESS_REDRAW_MS 250
#define PROGRESS_RATE_MS 4000 /* the rate is over about this long */

struct progress {
	pthread_mutex_t lock;
	char *title;
	uint64_t total, done;
	enum progress_unit unit;
	uint64_t started_ms, drawn_ms;
	uint64_t mark_ms, mark_done; /* where the rate is measured from */
	double rate;                 /* per second; 0: not known yet */
	size_t width;                /* of the line on the screen */
	bool wanted, shown;
};

static enum progress_show progress_show = PROGRESS_AUTO;

void progress_set_show(enum progress_show show)
{
	progress_show = show;
}

static bool progress_wanted(void)
{
	if (progress_show != PROGRESS_AUTO)
		return progress_show == PROGRESS_FORCE;
	return isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

struct progress *progress_start(const char *title, uint64_t total, enum progress_unit unit)
{
	struct progress *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	p->title = xstrdup(title);
	p->total = total;
	p->unit = unit;
	p->wanted = progress_wanted();
	p->started_ms = p->mark_ms = clock_mono_ms();
	return p;
}

static void progress_amount(const struct progress *p, uint64_t n, struct buf *out)
{
	if (p->unit == PROGRESS_BYTES)
		buf_addstr(out, num_human_bytes(n).s);
	else
		buf_addf(out, "%" PRIu64, n);
}

static void progress_measure(struct progress *p, uint64_t now)
{
	uint64_t ms = now - p->mark_ms;

	if (ms < PROGRESS_RATE_MS / 4)
		return;
	p->rate = (double)(p->done - p->mark_done) * 1000.0 / (double)ms;
	if (ms < PROGRESS_RATE_MS)
		return;
	p->mark_ms = now;
	p->mark_done = p->done;
}

static void progress_line(const struct progress *p, struct buf *out)
{
	buf_addf(out, "%s: ", p->title);
	if (p->total)
		buf_addf(out, "%3u%% (",
			 (unsigned int)(100.0 * (double)MIN(p->done, p->total) / (double)p->total));
	progress_amount(p, p->done, out);
	if (p->total) {
		buf_addch(out, '/');
		progress_amount(p, p->total, out);
		buf_addch(out, ')');
	}
}

/* Overwrite the line on the screen, blanking what a longer one left behind. */
static void progress_draw(struct progress *p, uint64_t now, bool last)
{
	struct buf line = BUF_INIT;
	size_t pad;

	progress_line(p, &line);
	if (last) {
		buf_addf(&line, ", %.1f s, done.", (double)(now - p->started_ms) / 1000.0);
	} else if (p->rate > 0) {
		buf_addstr(&line, ", ");
		progress_amount(p, (uint64_t)p->rate, &line);
		buf_addstr(&line, "/s");
	}
	pad = p->width > line.len ? p->width - line.len : 0;
	fprintf(stderr, "\r%s%*s%s", line.p, (int)pad, "", last ? "\n" : "");
	fflush(stderr);
	p->width = line.len;
	p->drawn_ms = now;
	p->shown = true;
	buf_release(&line);
}

static void progress_tick(struct progress *p)
{
	uint64_t now;

	if (!p->wanted)
		return;
	now = clock_mono_ms();
	if (now - p->started_ms < PROGRESS_DELAY_MS || now - p->drawn_ms < PROGRESS_REDRAW_MS)
		return;
	progress_measure(p, now);
	progress_draw(p, now, false);
}

void progress_add(struct progress *p, uint64_t n)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->done += n;
	progress_tick(p);
	pthread_mutex_unlock(&p->lock);
}

void progress_stop(struct progress **pp)
{
	struct progress *p = *pp;

	if (!p)
		return;
	if (p->shown)
		progress_draw(p, clock_mono_ms(), true);
	pthread_mutex_destroy(&p->lock);
	free(p->title);
	free(p);
	*pp = NULL;
}
