/* SPDX-License-Identifier: MIT */
/* logs.c - `git deepops logs`; see git-deepops-logs(1) */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/log.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "data/dataset.h"
#include "run/lookup.h"
#include "run/spool.h"

#define LOG_BLOB_MAX_BYTES (1 * MIB) /* head and tail of a log in the journal */
#define FOLLOW_POLL_US 200000

/* ---- of a run that is in the journal ---- */

/*
 * The bytes of a log are somebody's: to a terminal go only characters, line ends and colours, no title, answer
 * or movement that an escape sequence can ask for.  To a file or a pipe they go as they are.
 */
enum shown { SHOWN_TEXT, SHOWN_ESC, SHOWN_COLOUR, SHOWN_C2 };

#define COLOUR_MAX_BYTES 32

static struct {
	enum shown state;
	char held[COLOUR_MAX_BYTES]; /* a sequence that has begun */
	size_t n;
} screen;

static void show_held(bool as_it_is)
{
	for (size_t i = 0; i < screen.n; i++)
		putchar(as_it_is || (unsigned char)screen.held[i] >= 0x20 ? screen.held[i] : '?');
	screen.n = 0;
	screen.state = SHOWN_TEXT;
}

static void hold(char c, enum shown state)
{
	screen.held[screen.n++] = c;
	screen.state = state;
}

static void show_text(unsigned char c)
{
	if (c == 0x1b)
		hold((char)c, SHOWN_ESC);
	else if (c == 0xc2) /* of U+0080 to U+00BF; terminals obey the first half of them */
		screen.state = SHOWN_C2;
	else
		putchar((c < 0x20 && !strchr("\n\r\t\b", c)) || c == 0x7f || !c ? '?' : c);
}

/* Is c the next byte of a colour, but for the last one? */
static bool colour_goes_on(unsigned char c)
{
	if (screen.state == SHOWN_ESC)
		return c == '[';
	return screen.state == SHOWN_COLOUR && c && strchr("0123456789;:", c) &&
	       screen.n < COLOUR_MAX_BYTES - 1;
}

static void show(unsigned char c)
{
	if (screen.state == SHOWN_C2) {
		screen.state = SHOWN_TEXT;
		if (c >= 0xa0)
			putchar(0xc2);
		if (c >= 0x80 && c < 0xa0)
			putchar('?');
		else
			show_text(c);
	} else if (colour_goes_on(c)) {
		hold((char)c, SHOWN_COLOUR);
	} else if (screen.state == SHOWN_COLOUR && c == 'm') {
		hold((char)c, SHOWN_COLOUR);
		show_held(true);
	} else {
		show_held(false);
		show_text(c);
	}
}

static int put_bytes(const void *p, size_t len, struct err *e)
{
	const unsigned char *s = p;

	if (!isatty(STDOUT_FILENO))
		return fwrite(p, 1, len, stdout) == len ? 0 : err_sys(e, "writing to stdout");
	for (size_t i = 0; i < len; i++)
		show(s[i]);
	return ferror(stdout) ? err_sys(e, "writing to stdout") : 0;
}

static int write_out(void *arg, const void *p, size_t len, struct err *e)
{
	(void)arg;
	return put_bytes(p, len, e);
}

/* The whole of a long log lies in the store: 1 printed, 0 it is not here. */
static int print_whole(struct repo *r, const struct buf *text, struct err *e)
{
	struct dataset_env *d = NULL;
	struct pointer p;
	int rc;

	pointer_init(&p);
	rc = pointer_parse(&p, text->p, text->len, "log", e);
	if (rc == 0)
		rc = dataset_open(&d, r, e);
	if (rc == 0)
		rc = dataset_read(d, &p.id, p.bytes, write_out, NULL, e);
	dataset_close(d);
	pointer_release(&p);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		log_note("only head and tail of this log are here");
		return 0;
	}
	return rc < 0 ? rc : 1;
}

static int print_recorded(struct repo *r, const struct journal_entry *j, const char *name,
			  struct err *e)
{
	struct buf text = BUF_INIT;
	char *pointer = xstrfmt("%s" POINTER_SUFFIX, name);
	int rc = journal_file(r, j, pointer, POINTER_MAX_BYTES, &text, e);

	if (rc == 1)
		rc = print_whole(r, &text, e);
	if (rc == 0) {
		buf_reset(&text);
		rc = journal_file(r, j, name, LOG_BLOB_MAX_BYTES, &text, e);
		if (rc == 1 && put_bytes(text.p, text.len, e) < 0)
			rc = e->code;
	}
	buf_release(&text);
	free(pointer);
	return MIN(rc, 0);
}

/* ---- of a run that goes on ---- */

/* The only spooled run whose id begins with `prefix`; NULL. */
static const char *spooled_run(const struct strvec *runs, const char *prefix)
{
	const char *found = NULL;

	for (size_t i = 0; i < runs->nr; i++) {
		if (!str_startswith(runs->v[i], prefix, NULL))
			continue;
		if (found)
			return NULL;
		found = runs->v[i];
	}
	return found;
}

static int copy_new(int fd, struct err *e)
{
	char piece[65536];
	size_t got = 1;

	while (got) {
		int rc = io_read_full(fd, piece, sizeof(piece), &got, e);

		if (rc < 0)
			return rc;
		rc = put_bytes(piece, got, e);
		if (rc < 0)
			return rc;
	}
	fflush(stdout);
	return 0;
}

/* Its supervisor holds the lock as long as it lives. */
static bool lives(const char *dir)
{
	char *path = xstrfmt("%s/lock", dir);
	int fd = access(path, F_OK) == 0 ? lockfile_acquire(path, LOCKFILE_SHARED, 0, NULL)
					 : ERR_NOTFOUND;

	free(path);
	if (fd >= 0)
		lockfile_release(fd);
	return fd == ERR_DENIED;
}

static int print_spooled(struct repo *r, const char *run, const char *name, bool follow,
			 struct err *e)
{
	char *dir = xstrfmt("%s/spool/%s", repo_deepops_dir(r), run);
	char *path = xstrfmt("%s/%s", dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = fd < 0 ? err_sys(e, "%s", path) : 0;
	bool more = true;

	while (rc == 0 && more) {
		more = follow && lives(dir);
		rc = copy_new(fd, e);
		if (rc == 0 && more)
			usleep(FOLLOW_POLL_US);
		if (sig_pending())
			rc = sig_err(e);
	}
	if (fd >= 0)
		close(fd);
	free(dir);
	free(path);
	return rc;
}

static int logs(struct repo *r, const char *run, const char *name, bool follow, struct err *e)
{
	struct strvec runs = STRVEC_INIT;
	struct journal_entry entry;
	const char *spooled;
	int rc = spool_list(r, &runs, e);

	if (rc < 0)
		return rc;
	spooled = spooled_run(&runs, run);
	if (spooled) {
		rc = print_spooled(r, spooled, name, follow, e);
	} else {
		journal_entry_init(&entry);
		rc = lookup_run(r, run, &entry, e);
		if (rc == 0)
			rc = print_recorded(r, &entry, name, e);
		journal_entry_release(&entry);
	}
	strvec_release(&runs);
	return rc;
}

int cmd_logs(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops logs [-f] [--stderr] RUN", NULL};
	bool follow = false, from_stderr = false;
	struct opt opts[] = {
		OPT_BOOL("follow", 'f', &follow, "go on until the run ends"),
		OPT_BOOL("stderr", 0, &from_stderr, "what it wrote to stderr, not to stdout"),
		OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc != 2)
		return err_set(e, ERR_USAGE, "give one run");
	return logs(ctx->repo, argv[1], from_stderr ? "stderr" : "stdout", follow, e);
}
