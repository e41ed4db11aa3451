/* SPDX-License-Identifier: MIT */
/* store_txn.c - beginning, resuming and giving up a transaction; see store.h */
/*
 * incoming/<nonce>/lock	held as long as the session lives
 * incoming/<nonce>/keep	begun with a nonce: worth SESSION_SECONDS of waiting for a resume
 * incoming/<nonce>/<number>	packs, sealed or still written to
 *
 * A pack gets its name in packs/ as a second link and stays here until the
 * catalogue names it: so a commit that a crash cut off can be resumed, or its
 * links be removed, without a look through all of packs/.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/lockfile.h"
#include "base/num.h"
#include "base/path.h"
#include "base/random.h"
#include "base/share.h"
#include "base/strvec.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define SESSION_TRIES 1000  /* to lock what sweepers take for abandoned */
#define SESSION_WAIT_MS 300 /* for the server of a connection that was just cut */
#define SESSION_SECONDS (7 * CLOCK_DAY_SECONDS)

/* ---- leftovers of dead sessions ---- */

/* Names of the packs staged in `dir`, in order of number. */
static int list_staged(const char *dir, struct strvec *out, struct err *e)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	uint64_t number;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(e, "%s", dir);
	while ((entry = readdir(d)) != NULL)
		if (num_parse_u64(entry->d_name, 0, UINT32_MAX, &number, NULL) == 0)
			strvec_pushf(out, "%010" PRIu64, number);
	closedir(d);
	strvec_sort(out);
	return 0;
}

/* list_staged() pads for sorting; a number is read without leading zeros. */
static uint64_t staged_number(const char *padded)
{
	uint64_t number = 0;

	padded += strspn(padded, "0");
	return *padded && num_parse_u64(padded, 0, UINT32_MAX, &number, NULL) == 0 ? number : 0;
}

/* Remove the name in packs/ of a staged pack that no catalogue row names. */
static void unpublish(struct store *s, const char *staged)
{
	struct buf path = BUF_INIT;
	struct pack_dir dir;
	int fd = open(staged, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	if (pack_read_dir(&dir, fd, NULL) == 0) {
		buf_addf(&path, "%s/", s->dir);
		pack_name(&path, &dir.name);
		pthread_mutex_lock(&s->cat_lock);
		if (catalogue_has_pack(s->cat, &dir.name, NULL) == 0)
			unlink(path.p);
		pthread_mutex_unlock(&s->cat_lock);
		pack_dir_release(&dir);
	}
	close(fd);
	buf_release(&path);
}

void store_discard(struct store *s, const char *dir)
{
	struct strvec staged = STRVEC_INIT;
	struct buf path = BUF_INIT;

	if (list_staged(dir, &staged, NULL) == 0)
		for (size_t i = 0; i < staged.nr; i++) {
			buf_reset(&path);
			buf_addf(&path, "%s/%" PRIu64, dir, staged_number(staged.v[i]));
			unpublish(s, path.p);
		}
	strvec_release(&staged);
	buf_release(&path);
	store_remove_staging(dir);
}

/* Nobody has it, and it isn't waiting for a resume: the lock is taken into *fd. */
static bool is_abandoned(const char *dir, int *fd)
{
	struct buf path = BUF_INIT;
	struct stat st;
	bool waits;

	path_join(&path, dir, "keep");
	waits = stat(path.p, &st) == 0 && clock_now_seconds() - st.st_mtime < SESSION_SECONDS;
	buf_reset(&path);
	path_join(&path, dir, "lock");
	*fd = waits ? -1 : lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, 0, NULL);
	buf_release(&path);
	return *fd >= 0;
}

/* Remove the segment files that the view does not name; returns how many there are. */
static size_t prune_segments(struct store *s, const char *dir, bool remove)
{
	struct dirent *entry;
	struct chunkid id;
	DIR *d = opendir(dir);
	size_t n = 0;

	while (d && (entry = readdir(d)) != NULL) {
		if (strlen(entry->d_name) != HASH_HEX_BYTES + 4 ||
		    !chunkid_from_hex(&id, entry->d_name, HASH_HEX_BYTES) ||
		    store_names_segment(s, &id))
			continue;
		n++;
		if (remove)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d)
		closedir(d);
	return n;
}

/* A segment that the catalogue does not name is a leftover, unless somebody is committing. */
static void sweep_segments(struct store *s)
{
	struct buf dir = BUF_INIT;

	store_path(s, &dir, "segments");
	tempfile_sweep(dir.p);
	if (prune_segments(s, dir.p, false) > 0) {
		pthread_mutex_lock(&s->cat_lock);
		if (catalogue_begin(s->cat, NULL) == 0) {
			if (store_refresh_locked(s, NULL) == 0)
				prune_segments(s, dir.p, true);
			catalogue_rollback(s->cat);
		}
		pthread_mutex_unlock(&s->cat_lock);
	}
	buf_release(&dir);
}

/* Usually finds nothing: two readdirs. */
static void sweep(struct store *s)
{
	struct buf path = BUF_INIT;
	struct dirent *entry;
	DIR *d;

	sweep_segments(s);
	store_path(s, &path, "incoming");
	d = opendir(path.p);
	while (d && (entry = readdir(d)) != NULL) {
		int fd;

		if (strlen(entry->d_name) != STORE_NONCE_DIGITS)
			continue;
		store_path(s, &path, "incoming/");
		buf_addstr(&path, entry->d_name);
		if (is_abandoned(path.p, &fd)) {
			store_discard(s, path.p);
			lockfile_release(fd);
		}
	}
	if (d)
		closedir(d);
	buf_release(&path);
}

void store_remove_staging(const char *dir)
{
	int rc = path_remove_tree(dir, NULL);

	(void)rc; /* what can't be removed now the next sweep will */
}

int store_make_staging(struct store *s, char **dir, int *lock_fd, struct err *e)
{
	char hex[STORE_NONCE_DIGITS + 1];
	struct buf path = BUF_INIT;
	int rc;

	random_hex(hex, STORE_NONCE_DIGITS);
	*dir = xstrfmt("%s/incoming/%s", s->dir, hex);
	rc = path_mkdirs(*dir, 0777, e);
	if (rc == 0) {
		path_join(&path, *dir, "lock");
		*lock_fd = lockfile_acquire(path.p, LOCKFILE_EXCLUSIVE, 0, e);
		rc = *lock_fd < 0 ? *lock_fd : 0;
	}
	buf_release(&path);
	return rc;
}

/* ---- begin ---- */

/* Make the session's directory and lock it: 1, or 0 when a sweeper was faster and removed it. */
static int try_lock_session(struct store_txn *t, const char *lock, struct err *e)
{
	struct err why = ERR_INIT;
	struct stat st;
	int rc = path_mkdirs(t->dir, 0777, &why);

	if (rc == 0) {
		t->session_fd = lockfile_acquire(lock, LOCKFILE_EXCLUSIVE, SESSION_WAIT_MS, &why);
		rc = MIN(t->session_fd, 0);
	}
	if (rc == 0 && fstat(t->session_fd, &st) < 0)
		rc = err_sys(&why, "%s", lock);
	if (rc == 0 && st.st_nlink)
		return 1;
	lockfile_release(t->session_fd);
	t->session_fd = -1;
	if (rc == 0 || why.sys == ENOENT)
		return 0;
	if (e)
		*e = why;
	return rc == ERR_DENIED ? err_wrap(e, "session in use") : rc;
}

/* Until it is locked, a session without a past looks abandoned to all who begin another. */
static int lock_session(struct store_txn *t, struct err *e)
{
	char *lock = xstrfmt("%s/lock", t->dir);
	int rc = 0;

	for (int i = 0; rc == 0 && i < SESSION_TRIES; i++)
		rc = try_lock_session(t, lock, e);
	if (rc == 0)
		rc = err_set(e, ERR_SYS, "%s: somebody keeps removing it", t->dir);
	free(lock);
	return MIN(rc, 0);
}

static int mark_kept(struct store_txn *t, struct err *e)
{
	struct buf path = BUF_INIT;
	int fd, rc = 0;

	path_join(&path, t->dir, "keep");
	fd = open(path.p, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		share_path(path.p, fd);
	if (fd < 0 || futimens(fd, NULL) < 0)
		rc = err_sys(e, "%s", path.p);
	if (fd >= 0)
		close(fd);
	buf_release(&path);
	return rc;
}

size_t store_txn_add_pack(struct store_txn *t, struct pack_writer *w)
{
	if (t->npacks == t->alloc) {
		t->alloc = 2 * t->alloc + 16;
		t->packs = xrealloc(t->packs, t->alloc, sizeof(struct pack_writer *));
	}
	t->packs[t->npacks] = w;
	return t->npacks++;
}

static void take_rows(struct store_txn *t, struct pack_writer *w, size_t pack_no)
{
	size_t n;
	const struct pack_row *rows = pack_rows(w, &n);

	for (size_t i = 0; i < n; i++) {
		t->bytes += rows[i].stored;
		t->count++;
		chunkset_add(t->have, rows[i].kind, &rows[i].id, (uint64_t)pack_no << 32 | i);
	}
}

/* Take up one staged pack; an unsealed one gets its footer now. */
static int resume_pack(struct store_txn *t, const char *path, struct err *e)
{
	struct pack_writer *w = NULL;
	struct chunkid name;
	size_t number;
	int rc = pack_recover(&w, path, e);

	if (rc == 0 && w)
		rc = pack_seal(w, &name, e);
	if (rc == 0 && w) {
		pthread_mutex_lock(&t->s->cat_lock);
		rc = catalogue_has_pack(t->s->cat, &name, e);
		pthread_mutex_unlock(&t->s->cat_lock);
	}
	if (rc != 0 || !w) { /* 1: its commit was done, the crash came after */
		if (rc >= 0)
			unlink(path);
		pack_free(&w);
		return rc < 0 ? rc : 0;
	}
	number = store_txn_add_pack(t, w);
	take_rows(t, w, number);
	store_txn_sealed(t, number);
	return store_txn_close(t, STORE_SEALED_PACKS, e); /* there may be thousands */
}

static int resume(struct store_txn *t, struct err *e)
{
	struct strvec staged = STRVEC_INIT;
	struct buf path = BUF_INIT;
	int rc = list_staged(t->dir, &staged, e);

	for (size_t i = 0; i < staged.nr && rc == 0; i++) {
		uint64_t number = staged_number(staged.v[i]);

		buf_reset(&path);
		buf_addf(&path, "%s/%" PRIu64, t->dir, number);
		rc = resume_pack(t, path.p, e);
		t->next_file = (unsigned int)number + 1;
	}
	strvec_release(&staged);
	buf_release(&path);
	return rc;
}

/* Has this nonce been committed?  Enters it as open if not. */
static int enter_session(struct store_txn *t, struct err *e)
{
	struct store *s = t->s;
	int state, rc = 0;

	pthread_mutex_lock(&s->cat_lock);
	state = catalogue_session(s->cat, t->nonce, e);
	if (state == CATALOGUE_SESSION_NONE && (s->flags & STORE_VERIFY)) {
		rc = catalogue_begin(s->cat, e);
		if (rc == 0)
			rc = catalogue_set_session(s->cat, t->nonce, CATALOGUE_SESSION_OPEN, e);
		rc = catalogue_end(s->cat, rc, e);
	}
	pthread_mutex_unlock(&s->cat_lock);
	t->replay = state == CATALOGUE_SESSION_COMMITTED;
	return state < 0 ? state : rc;
}

static int begin(struct store_txn *t, bool keep, struct err *e)
{
	struct store *s = t->s;
	int rc;

	t->store_fd = store_lock(s->dir, false, STORE_LOCK_WAIT_MS, e);
	if (t->store_fd < 0)
		return t->store_fd;
	rc = store_refresh(s, e); /* an eviction may have been before our lock */
	if (rc < 0)
		return rc;
	sweep(s);
	if (s->flags & STORE_VERIFY)
		store_make_room(s, t->dir);
	if (!(s->flags & STORE_VERIFY) && store_waits_unnamed(s))
		t->found = chunkset_new();
	rc = lock_session(t, e);
	if (rc == 0 && keep)
		rc = mark_kept(t, e);
	if (rc == 0)
		rc = enter_session(t, e);
	if (rc == 0)
		rc = store_quota_for(s, t->dir, &t->quota, e);
	if (rc == 0)
		rc = resume(t, e);
	return rc;
}

int store_begin(struct store *s, const uint8_t *nonce, struct store_txn **out, struct err *e)
{
	struct store_txn *t;
	char hex[STORE_NONCE_DIGITS + 1];
	int rc;

	*out = NULL;
	if (s->flags & STORE_READONLY)
		return err_set(e, ERR_DENIED, "store %s is open for reading only", s->dir);
	t = xcalloc(1, sizeof(*t));
	t->s = s;
	t->store_fd = t->session_fd = -1;
	if (nonce)
		memcpy(t->nonce, nonce, sizeof(t->nonce));
	else
		random_bytes(t->nonce, sizeof(t->nonce));
	hex_encode(hex, t->nonce, sizeof(t->nonce));
	t->dir = xstrfmt("%s/incoming/%s", s->dir, hex);
	t->have = chunkset_new();
	t->proved = chunkset_new();
	t->better = chunkset_new();
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->idle, NULL);
	rc = begin(t, nonce != NULL, e);
	if (rc < 0) {
		store_txn_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

/* ---- end ---- */

void store_txn_reset(struct store_txn *t)
{
	for (size_t i = 0; i < t->npacks; i++)
		pack_free(&t->packs[i]);
	t->npacks = t->nsealed = t->closed = 0;
	t->open[STORE_PACK_DATA] = t->open[STORE_PACK_META] = NULL;
	chunkset_free(t->have);
	t->have = chunkset_new();
}

void store_txn_free(struct store_txn *t)
{
	/* Pointers to what was only found may be written although nothing was stored. */
	(void)!store_txn_renew(t, NULL);
	chunkset_free(t->found);
	store_txn_reset(t);
	free(t->packs);
	free(t->sealed);
	chunkset_free(t->have);
	chunkset_free(t->proved);
	chunkset_free(t->better);
	lockfile_release(t->session_fd);
	lockfile_release(t->store_fd);
	pthread_cond_destroy(&t->idle);
	pthread_mutex_destroy(&t->lock);
	free(t->dir);
	free(t);
}

void store_abort(struct store_txn *t, bool keep)
{
	if (!t)
		return;
	if (keep) {
		for (size_t i = 0; i < STORE_PACK_CLASSES; i++)
			if (t->open[i] && pack_flush(t->open[i], NULL) < 0)
				break; /* the resume finds what reached the file */
	} else {
		store_discard(t->s, t->dir);
	}
	store_txn_free(t);
}
