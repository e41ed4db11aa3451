/* SPDX-License-Identifier: MIT */
/* store.c - opening a store and knowing what is in it; see store.h */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/lockfile.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define LOOK_TRIES 16 /* segments replaced by others while we open them */
#define STAT_RACY_NS                                                                               \
	INT64_C(50000000) /* a file time younger than this can't tell two commits apart */

void store_path(const struct store *s, struct buf *out, const char *rel)
{
	buf_reset(out);
	path_join(out, s->dir, rel);
}

int store_lock(const char *dir, bool exclusive, uint64_t wait_ms, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd;

	path_join(&path, dir, "lock");
	fd = lockfile_acquire(path.p, exclusive ? LOCKFILE_EXCLUSIVE : LOCKFILE_SHARED, wait_ms, e);
	buf_release(&path);
	return fd == ERR_DENIED ? err_wrap(e, "store in use") : fd;
}

/* ---- the view ---- */

static void store_view_release(struct store_view *v)
{
	for (size_t i = 0; i < v->n; i++)
		segment_close(&v->segments[i]);
	free(v->segments);
	chunkset_free(v->lost);
	memset(v, 0, sizeof(*v));
}

/* Take a segment that the current view has open already, so that its checked blocks stay known. */
static struct segment *take_open(struct store_view *v, const struct chunkid *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->segments[i] && chunkid_equal(segment_id(v->segments[i]), id)) {
			struct segment *seg = v->segments[i];

			v->segments[i] = NULL;
			return seg;
		}
	return NULL;
}

bool store_tick_passed(struct store *s)
{
	int64_t tick = clock_tick_ns();

	return __atomic_exchange_n(&s->tick_seen, tick, __ATOMIC_RELAXED) != tick;
}

bool store_is_lost(struct store *s, enum chunk_kind kind, const struct chunkid *id)
{
	bool lost;

	pthread_rwlock_rdlock(&s->view_lock);
	lost = s->view.lost && chunkset_has(s->view.lost, kind, id);
	pthread_rwlock_unlock(&s->view_lock);
	return lost;
}

bool store_names_segment(struct store *s, const struct chunkid *id)
{
	bool named = false;

	pthread_rwlock_rdlock(&s->view_lock);
	for (size_t i = 0; i < s->view.n && !named; i++)
		named = chunkid_equal(segment_id(s->view.segments[i]), id);
	pthread_rwlock_unlock(&s->view_lock);
	return named;
}

struct segment **store_hold_segments(struct store *s, size_t *n)
{
	struct segment **held;

	pthread_rwlock_rdlock(&s->view_lock);
	*n = s->view.n;
	held = xcalloc(*n + 1, sizeof(struct segment *));
	for (size_t i = 0; i < *n; i++)
		held[i] = segment_hold(s->view.segments[i]);
	pthread_rwlock_unlock(&s->view_lock);
	return held;
}

void store_drop_segments(struct segment **held, size_t n)
{
	for (size_t i = 0; i < n; i++)
		segment_close(&held[i]);
	free(held);
}

static bool has_open(const struct store_view *v, const struct chunkid *id)
{
	for (size_t i = 0; i < v->n; i++)
		if (chunkid_equal(segment_id(v->segments[i]), id))
			return true;
	return false;
}

/* Open the segments that `look` names and the current view has not; the others stay NULL. */
static int open_segments(struct store *s, const struct catalogue_view *look,
			 struct store_view *fresh, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	fresh->segments = xcalloc(look->n ? look->n : 1, sizeof(struct segment *));
	fresh->n = look->n;
	for (size_t i = 0; i < look->n && rc == 0; i++) {
		if (has_open(&s->view, &look->segments[i].id))
			continue;
		buf_reset(&path);
		buf_addf(&path, "%s/", s->dir);
		segment_name(&path, &look->segments[i].id);
		rc = segment_open(&fresh->segments[i], path.p, &look->segments[i].id, e);
	}
	buf_release(&path);
	return rc;
}

static void swap_view(struct store *s, struct catalogue_view *look, struct store_view *fresh)
{
	struct store_view old;

	pthread_rwlock_wrlock(&s->view_lock);
	for (size_t i = 0; i < look->n; i++)
		if (!fresh->segments[i])
			fresh->segments[i] = take_open(&s->view, &look->segments[i].id);
	fresh->generation = look->generation;
	fresh->suspect = look->suspect;
	fresh->lost = look->lost;
	look->lost = NULL;
	old = s->view;
	s->view = *fresh;
	pthread_rwlock_unlock(&s->view_lock);
	store_view_release(&old);
	chunkset_free(s->sound);
	s->sound = NULL;
}

/* Note what catalogue.db looks like now, before it is read: a later change then shows. */
static int note_stat(struct store *s, bool *replaced, struct err *e)
{
	struct stat st;

	if (stat(s->cat_path, &st) < 0)
		return errno == ENOENT ? err_set(e, ERR_CORRUPT, "%s is missing", s->cat_path)
				       : err_sys(e, "%s", s->cat_path);
	*replaced = st.st_ino != s->cat_stat.st_ino || st.st_dev != s->cat_stat.st_dev;
	s->cat_stat = st;
	s->cat_stat_sure =
		clock_exact_ns() - (st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec) >
		STAT_RACY_NS;
	return 0;
}

static int open_catalogue(struct store *s, struct err *e)
{
	catalogue_close(s->cat);
	s->cat = NULL;
	return catalogue_open(&s->cat, s->cat_path,
			      s->flags & STORE_READONLY ? CATALOGUE_READONLY : 0, e);
}

/* The view was made from this generation: no need to read segments and damage again. */
static int is_current(struct store *s, struct err *e)
{
	uint64_t generation;
	int rc = catalogue_read_generation(s->cat, &generation, e);

	return rc < 0 ? rc : s->view.segments && generation == s->view.generation;
}

/* One look; ERR_NOTFOUND if a segment it names is gone already. */
static int look_once(struct store *s, struct err *e)
{
	struct store_view fresh = {0};
	struct catalogue_view look = {0};
	bool replaced = false;
	int rc = note_stat(s, &replaced, e);

	if (rc == 0 && (replaced || !s->cat))
		rc = open_catalogue(s, e); /* store_rebuild made a new one */
	if (rc == 0 && !replaced)
		rc = is_current(s, e);
	if (rc == 0)
		rc = catalogue_look(s->cat, &look, e);
	if (rc != 0)
		return MIN(rc, 0);
	if (look.generation != s->view.generation || replaced) {
		rc = open_segments(s, &look, &fresh, e);
		if (rc == 0)
			swap_view(s, &look, &fresh);
		else
			store_view_release(&fresh);
	}
	catalogue_view_release(&look);
	return rc;
}

int store_refresh_locked(struct store *s, struct err *e)
{
	int rc = ERR_NOTFOUND;

	for (int i = 0; i < LOOK_TRIES && rc == ERR_NOTFOUND; i++)
		rc = look_once(s, e);
	if (rc == ERR_NOTFOUND)
		rc = err_set(e, ERR_CORRUPT, "store %s: the catalogue names a missing segment",
			     s->dir);
	return rc;
}

int store_refresh(struct store *s, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = store_refresh_locked(s, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

/*
 * A stat instead of a look at the database: misses are common (every new chunk
 * is one) and a change by another process is rare.
 */
static bool looks_unchanged(struct store *s)
{
	struct stat st;

	return s->cat_stat_sure && stat(s->cat_path, &st) == 0 && st.st_ino == s->cat_stat.st_ino &&
	       st.st_dev == s->cat_stat.st_dev && st.st_size == s->cat_stat.st_size &&
	       st.st_mtim.tv_sec == s->cat_stat.st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == s->cat_stat.st_mtim.tv_nsec;
}

int store_refresh_if_changed(struct store *s, struct err *e)
{
	uint64_t before;
	int rc = 0;

	pthread_mutex_lock(&s->cat_lock);
	before = s->view.generation;
	if (!looks_unchanged(s))
		rc = store_refresh_locked(s, e);
	if (rc == 0)
		rc = s->view.generation != before;
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

bool store_is_damaged(struct store *s)
{
	bool damaged;

	pthread_rwlock_rdlock(&s->view_lock);
	damaged = s->view.suspect || s->view.lost;
	for (size_t i = 0; i < s->view.n && !damaged; i++)
		damaged = segment_misses_pack(s->view.segments[i]);
	pthread_rwlock_unlock(&s->view_lock);
	return damaged;
}

/* ---- open and close ---- */

static struct store *new_store(const char *dir, enum store_flags flags)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->dir = xstrdup(dir);
	s->cat_path = xstrfmt("%s/catalogue.db", dir);
	s->flags = flags;
	s->hold_fd = -1;
	pthread_mutex_init(&s->cat_lock, NULL);
	pthread_rwlock_init(&s->view_lock, NULL);
	pthread_mutex_init(&s->fd_lock, NULL);
	pthread_mutex_init(&s->scratch_lock, NULL);
	for (size_t i = 0; i < STORE_OPEN_PACKS; i++)
		s->fds[i].fd = -1;
	return s;
}

int store_create_dirs(const char *dir, struct err *e)
{
	static const char *const dirs[] = {"packs", "segments", "incoming"};
	struct buf path = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && rc == 0; i++) {
		buf_reset(&path);
		path_join(&path, dir, dirs[i]);
		rc = path_mkdirs(path.p, 0777, e);
	}
	buf_release(&path);
	return rc < 0 ? rc : io_fsync_parent(dir, e);
}

/* The format file is written last: without it there is no store, and making one again is harmless. */
static int create(const char *dir, struct err *e)
{
	struct buf path = BUF_INIT;
	struct catalogue *cat = NULL;
	int rc = store_create_dirs(dir, e);

	if (rc == 0) {
		path_join(&path, dir, "catalogue.db");
		rc = catalogue_open(&cat, path.p, CATALOGUE_CREATE, e);
	}
	catalogue_close(cat);
	killpoint("store-create");
	if (rc == 0)
		rc = store_format_write(dir, e);
	buf_release(&path);
	return rc < 0 ? err_wrap(e, "making the store %s", dir) : 0;
}

/* Two processes may find it absent at once. */
static int create_locked(const char *dir, struct store_format *format, struct err *e)
{
	int fd, rc = path_mkdirs(dir, 0777, e);

	if (rc < 0)
		return rc;
	fd = store_lock(dir, true, STORE_LOCK_WAIT_MS, e);
	if (fd < 0)
		return fd;
	rc = store_format_read(dir, format, e);
	if (rc == ERR_NOTFOUND) {
		rc = create(dir, e);
		if (rc == 0)
			rc = store_format_read(dir, format, e);
	}
	lockfile_release(fd);
	return rc;
}

static int read_format(const char *dir, enum store_flags flags, struct store_format *out,
		       struct err *e)
{
	int rc = store_format_read(dir, out, e);

	if (rc == ERR_NOTFOUND && (flags & STORE_CREATE))
		rc = create_locked(dir, out, e);
	if (rc < 0)
		return rc;
	if (out->readonly && !(flags & STORE_READONLY))
		return err_set(
			e, ERR_INPUT,
			"store %s: writing needs the feature \"%s\", which this program lacks", dir,
			out->readonly_feature);
	return 0;
}

/*
 * Nobody makes a catalogue anew by itself: packs may only be away for a while, and what the old
 * one alone knows is lost with it, which somebody should decide.
 */
static int hint_repair(const char *dir, struct err *e)
{
	struct buf repository = BUF_INIT;
	char *word;
	int rc;

	path_dirname(&repository, dir);
	word = path_word(repository.p);
	rc = err_hint(e, "where it is: git -C %s deepops fsck --repair", word);
	buf_release(&repository);
	free(word);
	return rc;
}

int store_open(struct store **out, const char *dir, enum store_flags flags, struct err *e)
{
	struct store_format format;
	struct store *s;
	int rc = read_format(dir, flags, &format, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	s = new_store(dir, flags);
	memcpy(s->uuid, format.uuid, sizeof(s->uuid));
	rc = store_refresh(s, e);
	if (rc < 0) {
		store_close(s);
		return rc == ERR_CORRUPT ? hint_repair(dir, e) : rc;
	}
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	store_let_go(s);
	catalogue_close(s->cat);
	store_view_release(&s->view);
	chunkset_free(s->sound);
	for (size_t i = 0; i < STORE_OPEN_PACKS; i++)
		if (s->fds[i].fd >= 0)
			close(s->fds[i].fd);
	store_scratch_free(s);
	pthread_mutex_destroy(&s->cat_lock);
	pthread_rwlock_destroy(&s->view_lock);
	pthread_mutex_destroy(&s->fd_lock);
	pthread_mutex_destroy(&s->scratch_lock);
	free(s->cat_path);
	free(s->dir);
	free(s);
}

int store_hold(struct store *s, struct err *e)
{
	int fd;

	if (s->hold_fd >= 0)
		return 0;
	fd = store_lock(s->dir, false, STORE_LOCK_WAIT_MS, e);
	if (fd < 0)
		return fd;
	s->hold_fd = fd;
	return store_refresh(s, e); /* an eviction may have been before our lock */
}

void store_let_go(struct store *s)
{
	lockfile_release(s->hold_fd);
	s->hold_fd = -1;
}

int store_has_roots(struct store *s, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_has_roots(s->cat, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

const char *store_dir(const struct store *s)
{
	return s->dir;
}

const uint8_t *store_uuid(const struct store *s)
{
	return s->uuid;
}

int store_generation(struct store *s, uint64_t *generation, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = store_refresh_locked(s, e);
	*generation = s->view.generation;
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

uint64_t store_bytes(struct store *s)
{
	uint64_t bytes = 0;

	pthread_mutex_lock(&s->cat_lock);
	if (catalogue_bytes(s->cat, &bytes, NULL) < 0)
		bytes = 0;
	pthread_mutex_unlock(&s->cat_lock);
	return bytes;
}

int store_quota_left(struct store *s, uint64_t *left, struct err *e)
{
	uint64_t max = 0, used = 0;
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_quota(s->cat, &max, e);
	if (rc == 0 && max != UINT64_MAX)
		rc = catalogue_bytes(s->cat, &used, e);
	pthread_mutex_unlock(&s->cat_lock);
	*left = max == UINT64_MAX ? UINT64_MAX : max > used ? max - used : 0;
	return rc;
}

int store_quota(struct store *s, uint64_t *max, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_quota(s->cat, max, e);
	pthread_mutex_unlock(&s->cat_lock);
	return rc;
}

int store_set_quota(struct store *s, uint64_t max, const char *who, struct err *e)
{
	struct buf detail = BUF_INIT;
	int rc;

	buf_addf(&detail, max == UINT64_MAX ? "none" : "%" PRIu64, max);
	pthread_mutex_lock(&s->cat_lock);
	rc = catalogue_begin(s->cat, e);
	if (rc == 0) {
		rc = catalogue_set_quota(s->cat, max, e);
		if (rc == 0)
			rc = catalogue_audit(s->cat, who, "quota", detail.p, e);
		rc = catalogue_end(s->cat, rc, e);
	}
	pthread_mutex_unlock(&s->cat_lock);
	buf_release(&detail);
	return rc;
}
