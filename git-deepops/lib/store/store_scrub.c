/* SPDX-License-Identifier: MIT */
/* store_scrub.c - reading packs again, to know that they still hold what was written; see store.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define SHARE_ROWS 16 /* rows for a task: about a megabyte */
#define NS_PER_MS INT64_C(1000000)

/* ---- one pack ---- */

/* Some rows of a pack in memory, for a task: how many are bad. */
struct share {
	struct store *s;
	const char *pack;
	const struct pack_row *rows;
	size_t n, bad;
};

static int check_row(struct share *share, struct store_scratch *x, const struct pack_row *row)
{
	const char *entry = share->pack + row->offset;
	int rc = pack_entry_check(row, entry, NULL);

	buf_reset(&x->plain);
	return rc < 0 ? rc : store_decode(x, row, entry + PACK_ENTRY_BYTES, &x->plain, NULL);
}

static void check_share(void *arg)
{
	struct share *share = arg;
	struct store_scratch *x = store_scratch_get(share->s);

	for (size_t i = 0; i < share->n; i++)
		share->bad += check_row(share, x, &share->rows[i]) < 0;
	store_scratch_put(share->s, x);
}

static uint64_t count_bad(struct store *s, struct pool *pool, const struct pack_dir *dir,
			  const char *pack)
{
	struct pool_group *group = pool_group_new(pool);
	size_t n = dir->n / SHARE_ROWS + 1;
	struct share *shares = xcalloc(n, sizeof(*shares));
	uint64_t bad = 0;

	for (size_t i = 0, at = 0; i < n; i++, at += SHARE_ROWS) {
		shares[i] =
			(struct share){s, pack, dir->rows + at, MIN(dir->n - at, SHARE_ROWS), 0};
		pool_group_submit(group, check_share, &shares[i]);
	}
	pool_group_free(group);
	for (size_t i = 0; i < n; i++)
		bad += shares[i].bad;
	free(shares);
	return bad;
}

/* ERR_CORRUPT: the file is missing, cannot be read, or is not what its name says. */
static int read_pack(const struct store *s, const struct chunkid *name, struct buf *content,
		     struct pack_dir *dir)
{
	struct buf path = BUF_INIT;
	int fd, rc;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, name);
	fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	buf_release(&path);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? ERR_SYS : ERR_CORRUPT;
	/* What is only in memory says nothing about the disk.  A file system without this reads as it can. */
	(void)!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	rc = io_read_fd(fd, PACK_MAX_BYTES, content, NULL);
	close(fd);
	if (rc == 0)
		rc = pack_parse(dir, content->p, content->len, NULL);
	if (rc == 0 && !chunkid_equal(&dir->name, name))
		rc = ERR_CORRUPT;
	return rc < 0 ? ERR_CORRUPT : 0;
}

int store_hash_pack(struct store *s, const struct chunkid *pack, struct pool *pool,
		    struct catalogue_scrub *out, uint64_t *bytes, struct err *e)
{
	struct buf content = BUF_INIT;
	struct pack_dir dir = {.n = 0};
	int rc;

	*out = (struct catalogue_scrub){
		.pack = *pack, .depth = STORE_FSCK_DEEP, .at_ms = clock_now_ms()};
	rc = read_pack(s, pack, &content, &dir);
	if (rc == 0)
		out->damaged = count_bad(s, pool, &dir, content.p);
	else if (rc == ERR_CORRUPT)
		out->damaged = 1;
	*bytes = content.len;
	pack_dir_release(&dir);
	buf_release(&content);
	return rc == ERR_SYS ? err_set(e, ERR_SYS, "too many open files") : 0;
}

bool store_scrub_holds(const struct store *s, const struct catalogue_scrub *scrub)
{
	struct buf path = BUF_INIT;
	struct stat st;
	bool holds = scrub->depth == STORE_FSCK_DEEP && scrub->damaged == 0;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, &scrub->pack);
	/* A copy put in its place, by a restore for instance, was written after that look. */
	holds = holds && stat(path.p, &st) == 0 &&
		st.st_ctim.tv_sec * INT64_C(1000) + st.st_ctim.tv_nsec / NS_PER_MS <= scrub->at_ms;
	buf_release(&path);
	return holds;
}

int store_note_scrubs(struct store *s, const struct catalogue_scrub *scrubs, size_t n,
		      struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		for (size_t i = 0; rc >= 0 && i < n; i++) {
			rc = catalogue_has_pack(s->cat, &scrubs[i].pack, e);
			if (rc == 1)
				rc = catalogue_put_scrub(s->cat, &scrubs[i], e);
		}
		rc = catalogue_end(s->cat, rc, e);
	}
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}
