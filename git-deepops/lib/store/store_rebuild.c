/* SPDX-License-Identifier: MIT */
/* store_rebuild.c - catalogue and segments made anew from the packs; see store.h */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/strvec.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define SEGMENT_ROWS (1 << 20) /* of one new segment */

struct rebuild {
	struct store s; /* enough of one for store_path and store_publish */
	struct catalogue *cat;
	struct store_index index;
	enum store_fsck_depth depth;
	uint64_t chunks;
	char *staging;
	unsigned int salvaged;
};

/* ---- finding packs ---- */

int store_list_packs(struct store *s, struct strvec *out, struct err *e)
{
	struct buf path = BUF_INIT;
	struct dirent *entry;
	struct chunkid id;
	int rc = 0;

	for (unsigned int i = 0; i < 256 && rc == 0; i++) {
		DIR *d;

		store_path(s, &path, "packs/");
		buf_addf(&path, "%02x", i);
		d = opendir(path.p);
		if (!d) {
			if (errno != ENOENT)
				rc = err_sys(e, "%s", path.p);
			continue;
		}
		while ((entry = readdir(d)) != NULL)
			if (strlen(entry->d_name) == HASH_HEX_BYTES + 5 &&
			    chunkid_from_hex(&id, entry->d_name, HASH_HEX_BYTES) &&
			    str_endswith(entry->d_name, ".pack"))
				strvec_pushf(out, "packs/%02x/%s", i, entry->d_name);
		closedir(d);
	}
	strvec_sort(out);
	buf_release(&path);
	return rc;
}

/* ---- salvage ---- */

struct salvage {
	struct rebuild *r;
	struct pack_writer *w;
	const char *content;
};

/* pack_row_fn: keep what decodes to its id. */
static int keep_entry(void *arg, const struct pack_row *row, struct err *e)
{
	struct salvage *v = arg;
	const char *payload = v->content + row->offset + PACK_ENTRY_BYTES;
	struct store_scratch *x = store_scratch_get(&v->r->s);
	struct pack_entry entry = {.header = {0}};
	int rc = 0;

	if (store_decode(x, row, payload, &x->plain, NULL) == 0) {
		pack_entry_format(&entry, row, payload);
		rc = pack_add(v->w, &entry, payload, e);
	}
	store_scratch_put(&v->r->s, x);
	return rc;
}

/* Enter a sealed pack in index and catalogue. */
static int add_pack(struct rebuild *r, const struct catalogue_pack *pack,
		    const struct pack_row *rows, size_t n, struct err *e)
{
	int rc = catalogue_add_pack(r->cat, pack, e);

	store_index_add_rows(&r->index, store_index_add_pack(&r->index, &pack->id), rows, n);
	r->chunks += n;
	if (rc == 0 && r->index.n >= SEGMENT_ROWS) {
		rc = store_index_write(&r->s, r->cat, &r->index, e);
		store_index_release(&r->index);
	}
	return rc;
}

static int finish_salvage(struct salvage *v, struct err *e)
{
	struct catalogue_pack pack = {.bytes = 0};
	bool touched[256] = {false};
	const struct pack_row *rows;
	size_t n;
	int rc;

	rows = pack_rows(v->w, &n);
	if (n == 0)
		return 0;
	rc = pack_seal(v->w, &pack.id, e);
	if (rc == 0)
		rc = pack_sync(v->w, e);
	if (rc == 0)
		rc = store_publish(&v->r->s, pack_path(v->w), &pack.id, touched, e);
	if (rc == 0)
		rc = store_sync_pack_dirs(&v->r->s, touched, e);
	pack.entries = n;
	pack.bytes = pack_bytes(v->w);
	return rc < 0 ? rc : add_pack(v->r, &pack, rows, n, e);
}

/* Copy what is good in a damaged pack to a new one and set the damaged one aside. */
static int salvage_pack(struct rebuild *r, const char *path, const struct buf *content,
			struct err *e)
{
	struct salvage v = {r, NULL, content->p};
	struct buf tmp = BUF_INIT, bad = BUF_INIT;
	int rc;

	buf_addf(&tmp, "%s/%u", r->staging, r->salvaged++);
	rc = pack_create(&v.w, tmp.p, e);
	if (rc == 0)
		rc = pack_salvage(content->p, content->len, keep_entry, &v, e);
	if (rc == 0)
		rc = finish_salvage(&v, e);
	pack_free(&v.w);
	buf_addf(&bad, "%s.bad", path);
	if (rc == 0 && rename(path, bad.p) < 0)
		rc = err_sys(e, "%s", bad.p);
	buf_release(&tmp);
	buf_release(&bad);
	return rc;
}

static int read_all(const char *path, struct buf *out, struct err *e)
{
	return io_read_file(AT_FDCWD, path, PACK_MAX_BYTES, out, e);
}

/* pack_bad_fn: one bad entry makes it a pack to salvage. */
static int refuse_entry(void *arg, const struct pack_row *row, const char *what, struct err *e)
{
	(void)arg;
	(void)row;
	return err_set(e, ERR_CORRUPT, "%s", what);
}

/* Are all entries of a pack whose directory is good as they should be?  ERR_CORRUPT: not all. */
static int check_entries(struct rebuild *r, const char *path, const struct pack_dir *dir,
			 struct err *e)
{
	struct store_scratch *x = store_scratch_get(&r->s);
	struct buf content = BUF_INIT;
	int rc = read_all(path, &content, e);

	if (rc == 0)
		rc = pack_check(dir, content.p, refuse_entry, NULL, e);
	for (size_t i = 0; rc == 0 && r->depth == STORE_FSCK_DEEP && i < dir->n; i++) {
		const char *payload = content.p + dir->rows[i].offset + PACK_ENTRY_BYTES;

		buf_reset(&x->plain);
		rc = store_decode(x, &dir->rows[i], payload, &x->plain, e);
	}
	buf_release(&content);
	store_scratch_put(&r->s, x);
	return rc;
}

static int check_pack(struct rebuild *r, const char *rel, const char *path, struct pack_dir *dir,
		      struct err *e)
{
	struct chunkid named;
	int rc, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, "%s", path);
	rc = pack_read_dir(dir, fd, e);
	close(fd);
	if (rc == 0 && (!chunkid_from_hex(&named, rel + strlen("packs/ab/"), HASH_HEX_BYTES) ||
			!chunkid_equal(&named, &dir->name)))
		rc = err_set(e, ERR_CORRUPT, "content is not what the name says");
	if (rc == 0 && r->depth != STORE_FSCK_QUICK)
		rc = check_entries(r, path, dir, e);
	return rc;
}

static int take_pack(struct rebuild *r, const char *rel, struct err *e)
{
	struct buf path = BUF_INIT, content = BUF_INIT;
	struct catalogue_pack pack;
	struct pack_dir dir = {0};
	int rc;

	store_path(&r->s, &path, rel);
	rc = check_pack(r, rel, path.p, &dir, e);
	if (rc == 0) {
		uint64_t end = 0;

		for (size_t i = 0; i < dir.n; i++)
			end = MAX(end, dir.rows[i].offset + PACK_ENTRY_BYTES + dir.rows[i].stored);
		pack.id = dir.name;
		pack.entries = dir.n;
		pack.bytes = end + 8 + dir.n * PACK_ROW_BYTES + PACK_TRAILER_BYTES;
		rc = add_pack(r, &pack, dir.rows, dir.n, e);
	} else if (rc == ERR_CORRUPT || rc == ERR_LIMIT) {
		rc = read_all(path.p, &content, e);
		if (rc == 0)
			rc = salvage_pack(r, path.p, &content, e);
	}
	pack_dir_release(&dir);
	buf_release(&path);
	buf_release(&content);
	return rc;
}

/* ---- the new catalogue ---- */

static int fill(struct rebuild *r, struct err *e)
{
	struct strvec packs = STRVEC_INIT;
	struct buf detail = BUF_INIT;
	int rc = catalogue_begin(r->cat, e);

	if (rc < 0)
		return rc;
	rc = store_list_packs(&r->s, &packs, e);
	for (size_t i = 0; i < packs.nr && rc == 0; i++)
		rc = take_pack(r, packs.v[i], e);
	if (rc == 0)
		rc = store_index_write(&r->s, r->cat, &r->index, e);
	if (rc == 0)
		rc = catalogue_set_suspect(r->cat, e);
	buf_addf(&detail, "packs %zu chunks %" PRIu64 " salvaged %u", packs.nr, r->chunks,
		 r->salvaged);
	if (rc == 0)
		rc = catalogue_audit(r->cat, NULL, "rebuild", detail.p, e);
	rc = catalogue_end(r->cat, rc, e);
	strvec_release(&packs);
	buf_release(&detail);
	return rc;
}

/* Keep the old one under another name, its own staying until it is replaced: links where there are. */
static int keep_old(const char *old, const char *bad, struct err *e)
{
	if (link(old, bad) == 0 || errno == ENOENT)
		return 0;
	return rename(old, bad) < 0 ? err_sys(e, "%s", bad) : 0;
}

/* Put the new catalogue in place; a journal of the old one must never be applied to it. */
static int swap_catalogue(struct rebuild *r, const char *fresh, struct err *e)
{
	struct buf old = BUF_INIT, bad = BUF_INIT;
	int rc;

	store_path(&r->s, &old, "catalogue.db");
	buf_addf(&bad, "%s.bad-%" PRId64, old.p, clock_now_seconds());
	rc = keep_old(old.p, bad.p, e);
	buf_addstr(&old, "-journal");
	buf_addstr(&bad, "-journal");
	if (rc == 0 && rename(old.p, bad.p) < 0 && errno != ENOENT)
		rc = err_sys(e, "%s", bad.p);
	killpoint("store-rebuild-aside");
	store_path(&r->s, &old, "catalogue.db");
	if (rc == 0 && rename(fresh, old.p) < 0)
		rc = err_sys(e, "%s", old.p);
	if (rc == 0)
		rc = io_fsync_dir(r->s.dir, e);
	buf_release(&old);
	buf_release(&bad);
	return rc;
}

/* Segments that only the old catalogue named. */
static int remove_old_segments(struct rebuild *r, struct err *e)
{
	struct catalogue_view look;
	struct buf path = BUF_INIT;
	struct dirent *entry;
	struct chunkid id;
	int rc = catalogue_look(r->cat, &look, e);
	DIR *d;

	if (rc < 0)
		return rc;
	store_path(&r->s, &path, "segments");
	d = opendir(path.p);
	while (d && (entry = readdir(d)) != NULL) {
		bool named = false;

		if (strlen(entry->d_name) != HASH_HEX_BYTES + 4 ||
		    !chunkid_from_hex(&id, entry->d_name, HASH_HEX_BYTES))
			continue;
		for (size_t i = 0; i < look.n && !named; i++)
			named = chunkid_equal(&look.segments[i].id, &id);
		if (!named)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d)
		closedir(d);
	catalogue_view_release(&look);
	buf_release(&path);
	return 0;
}

static int rebuild(struct rebuild *r, struct err *e)
{
	struct buf fresh = BUF_INIT, old = BUF_INIT;
	int rc;

	store_path(&r->s, &old, "catalogue.db");
	store_path(&r->s, &fresh, "catalogue.db.new");
	unlink(fresh.p); /* of a rebuild that a crash cut off; we hold the lock */
	rc = catalogue_open(&r->cat, fresh.p, CATALOGUE_CREATE, e);
	if (rc == 0)
		rc = catalogue_inherit(r->cat, old.p, e);
	if (rc >= 0)
		rc = fill(r, e);
	if (rc == 0)
		rc = swap_catalogue(r, fresh.p, e);
	if (rc == 0)
		rc = remove_old_segments(r, e);
	catalogue_close(r->cat);
	store_index_release(&r->index);
	buf_release(&fresh);
	buf_release(&old);
	return rc;
}

int store_rebuild(const char *dir, enum store_fsck_depth depth, uint64_t *chunks, struct err *e)
{
	struct rebuild r = {.s = {.flags = 0}, .depth = depth};
	struct store_format format;
	int fd, staging_fd = -1, rc = store_format_read(dir, &format, e);

	if (rc < 0)
		return rc;
	fd = store_lock(dir, true, 0, e);
	if (fd < 0)
		return fd;
	r.s.dir = xstrdup(dir);
	pthread_mutex_init(&r.s.scratch_lock, NULL);
	rc = store_create_dirs(dir, e);
	if (rc == 0)
		rc = store_make_staging(&r.s, &r.staging, &staging_fd, e);
	if (rc == 0)
		rc = rebuild(&r, e);
	if (r.staging)
		store_remove_staging(r.staging);
	lockfile_release(staging_fd);
	pthread_mutex_destroy(&r.s.scratch_lock);
	store_scratch_free(&r.s);
	free(r.staging);
	free(r.s.dir);
	lockfile_release(fd);
	if (chunks)
		*chunks = r.chunks;
	return rc < 0 ? err_wrap(e, "rebuilding the catalogue of %s", dir) : 0;
}
