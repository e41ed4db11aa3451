/* SPDX-License-Identifier: MIT */
/* store_commit.c - making a transaction part of the store; see store.h */
/*
 * Order: packs are sealed and synced, get their names in packs/, the
 * directories are synced, the segment is written and synced, and then one
 * catalogue transaction names all of it.  The catalogue's write lock is held
 * from before the names to the end, so what is in packs/ or segments/ and not in
 * the catalogue belongs to nobody or to the holder of that lock.
 *
 * Segments are merged in tiers: the new one takes up older ones as long as they
 * are not much larger than what it has, so that their sizes grow
 * geometrically.  n commits leave about log2(n) segments, and each row is
 * copied about as often.
 */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/killpoint.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

#define MERGE_FACTOR 2         /* take up a segment of at most this many times our rows */
#define MERGE_ALWAYS_ROWS 1024 /* or as small as this */
/* Bounds the work and memory of one commit: 70 bytes a row.  Clients promise 128 MiB in all. */
#define MERGE_MAX_ROWS 500000
#define MERGE_MAX_ROWS_SERVER 2000000

/* ---- packs ---- */

/* Where the file system has no hard links a rename must do: a resume then finds less. */
static int link_or_rename(const char *from, const char *to, struct err *e)
{
	if (link(from, to) == 0 || errno == EEXIST)
		return 0;
	if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK && errno != ENOSYS)
		return err_sys(e, "%s", to);
	return rename(from, to) < 0 ? err_sys(e, "%s", to) : 0;
}

int store_publish(struct store *s, const char *staged, const struct chunkid *name,
		  bool touched[256], struct err *e)
{
	struct buf path = BUF_INIT;
	struct stat st;
	size_t slash;
	int rc;

	buf_addf(&path, "%s/", s->dir);
	pack_name(&path, name);
	slash = (size_t)(strrchr(path.p, '/') - path.p);
	path.p[slash] = '\0';
	rc = path_mkdirs(path.p, 0777, e);
	path.p[slash] = '/';
	/* Never written again; who may read it was decided by the umask. */
	if (rc == 0 && (stat(staged, &st) < 0 || chmod(staged, st.st_mode & 0444) < 0))
		rc = err_sys(e, "%s", staged);
	if (rc == 0)
		rc = link_or_rename(staged, path.p, e);
	touched[name->b[0]] = true;
	buf_release(&path);
	killpoint("store-linked");
	return rc;
}

int store_sync_pack_dirs(struct store *s, const bool touched[256], struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = 0;

	for (unsigned int i = 0; i < 256 && rc == 0; i++) {
		if (!touched[i])
			continue;
		store_path(s, &path, "packs/");
		buf_addf(&path, "%02x", i);
		rc = io_fsync_dir(path.p, e);
	}
	store_path(s, &path, "packs");
	if (rc == 0)
		rc = io_fsync_dir(path.p, e);
	buf_release(&path);
	killpoint("store-packs-durable");
	return rc;
}

/* Name every pack of the txn in packs/ and the catalogue, and put its rows into the index. */
static int publish_packs(struct store_txn *t, struct store_index *x, struct err *e)
{
	bool touched[256] = {false};
	int rc = 0;

	for (size_t i = 0; i < t->npacks && rc == 0; i++) {
		struct pack_writer *w = t->packs[i];
		struct catalogue_pack pack = {.bytes = pack_bytes(w)};
		const struct pack_row *rows;
		size_t n;

		rows = pack_rows(w, &n);
		pack.entries = n;
		rc = pack_seal(w, &pack.id, e); /* only tells the name now */
		if (rc == 0)
			rc = store_publish(t->s, pack_path(w), &pack.id, touched, e);
		if (rc == 0)
			rc = catalogue_add_pack(t->s->cat, &pack, e);
		store_index_add_rows(x, store_index_add_pack(x, &pack.id), rows, n);
	}
	return rc < 0 ? rc : store_sync_pack_dirs(t->s, touched, e);
}

/* ---- segments ---- */

static int by_count(const void *a, const void *b)
{
	size_t x = segment_count(*(struct segment *const *)a);
	size_t y = segment_count(*(struct segment *const *)b);

	return x < y ? -1 : x > y;
}

/* Does the segment have a row of one of these keys, which this txn stored anew? */
static int has_old(struct store_txn *t, const struct chunkset *keys, struct segment *seg,
		   struct err *e)
{
	struct segment_row row;
	struct chunkkey key;
	uint64_t value;
	size_t it = 0;
	int rc = 0;

	while (rc == 0 && keys && chunkset_next(keys, &it, &key, &value))
		if (chunkset_has(t->have, key.kind, &key.id))
			rc = segment_find(seg, key.kind, &key.id, &row, e);
	return rc;
}

/* Does it have a copy of what this txn stored because that was lost, or wrong? */
static int has_healed(struct store_txn *t, struct segment *seg, struct err *e)
{
	int rc = has_old(t, t->s->view.lost, seg, e);

	return rc ? rc : has_old(t, t->better, seg, e);
}

/* Which segments to take up: moved to the front of v, their number in *n. */
static int choose(struct store_txn *t, struct segment **v, size_t all, size_t rows, size_t *n,
		  struct err *e)
{
	size_t total = rows,
	       most = t->s->flags & STORE_VERIFY ? MERGE_MAX_ROWS_SERVER : MERGE_MAX_ROWS;
	bool growing = true;

	qsort(v, all, sizeof(struct segment *), by_count);
	*n = 0;
	for (size_t i = 0; i < all; i++) {
		size_t count = segment_count(v[i]);
		int stale = segment_misses_pack(v[i]) ? 1 : has_healed(t, v[i], e);

		if (stale < 0)
			return stale;
		growing = growing &&
			  (count <= MERGE_ALWAYS_ROWS || count <= MERGE_FACTOR * total) &&
			  total + count <= most;
		/* Rows of damaged or missing copies must not stay: a later merge might prefer them. */
		if (growing || stale) {
			struct segment *tmp = v[*n];

			v[(*n)++] = v[i];
			v[i] = tmp;
			total += count;
		}
	}
	return 0;
}

/* Of the rows taken up, those of lost or wrong chunks go: the txn's own copy is the good one. */
static void drop_rows(struct store_index *x, size_t own, const struct chunkset *keys)
{
	size_t to = own;

	for (size_t i = own; i < x->n; i++)
		if (!chunkset_has(keys, x->rows[i].kind, &x->rows[i].id))
			x->rows[to++] = x->rows[i];
	x->n = to;
}

/*
 * Packs whose file is gone leave the catalogue with their rows.  What else was in
 * them is not here any more, so on a server being committed proves nothing from now on.
 */
static int drop_missing(struct store *s, struct segment *seg, struct err *e)
{
	bool missing = segment_misses_pack(seg);
	int rc = 0;

	for (uint32_t i = 0; missing && i < segment_npacks(seg) && rc == 0; i++)
		if (!store_pack_is_here(s, seg, i))
			rc = catalogue_drop_pack(s->cat, segment_pack(seg, i), e);
	if (rc == 0 && missing && (s->flags & STORE_VERIFY))
		rc = catalogue_set_suspect(s->cat, e);
	return rc;
}

static int merge_segments(struct store_txn *t, struct store_index *x, struct segment **v, size_t n,
			  struct err *e)
{
	size_t own = x->n;
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = store_index_add_segment(t->s, x, v[i], e);
		if (rc == 0)
			rc = drop_missing(t->s, v[i], e);
		if (rc == 0)
			rc = catalogue_drop_segment(t->s->cat, segment_id(v[i]), e);
	}
	if (rc == 0 && t->s->view.lost)
		drop_rows(x, own, t->s->view.lost);
	if (rc == 0)
		drop_rows(x, own, t->better);
	return rc;
}

static int heal(struct store_txn *t, struct err *e)
{
	struct chunkkey key;
	uint64_t value;
	size_t it = 0;
	int rc = 0;

	while (rc == 0 && t->s->view.lost && chunkset_next(t->s->view.lost, &it, &key, &value))
		if (chunkset_has(t->have, key.kind, &key.id))
			rc = catalogue_drop_lost(t->s->cat, &key, e);
	return rc;
}

/* ---- the catalogue ---- */

static void store_proof_release(struct store_proof *p)
{
	free(p->roots);
	free(p->datasets);
	memset(p, 0, sizeof(*p));
}

static int enter_proof(struct catalogue *cat, const struct store_proof *proof, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < proof->nroots && rc == 0; i++)
		rc = catalogue_put_root(cat, &proof->roots[i], e);
	for (size_t i = 0; i < proof->ndatasets && rc == 0; i++)
		rc = catalogue_put_dataset(cat, &proof->datasets[i].split_key,
					   &proof->datasets[i].id, e);
	return rc;
}

static int enter_session(struct store_txn *t, const char *who, struct err *e)
{
	char hex[2 * STORE_NONCE_BYTES + 1];
	struct buf detail = BUF_INIT;
	int rc;

	hex_encode(hex, t->nonce, sizeof(t->nonce));
	buf_addf(&detail, "session %s packs %zu chunks %zu", hex, t->npacks,
		 chunkset_count(t->have));
	rc = catalogue_set_session(t->s->cat, t->nonce, CATALOGUE_SESSION_COMMITTED, e);
	if (rc == 0)
		rc = catalogue_audit(t->s->cat, who, "commit", detail.p, e);
	buf_release(&detail);
	return rc;
}

/* Everything between catalogue_begin and catalogue_end; v[0..*taken) are replaced. */
static int fill(struct store_txn *t, const struct store_proof *proof, const char *who,
		struct segment **v, size_t n, size_t *taken, struct err *e)
{
	struct store_index x = {0};
	int rc = publish_packs(t, &x, e);

	if (rc == 0)
		rc = choose(t, v, n, x.n, taken, e);
	if (x.n == 0)
		*taken = 0; /* nothing new: nothing to merge for */
	if (rc == 0)
		rc = merge_segments(t, &x, v, *taken, e);
	if (rc == 0)
		rc = store_index_write(t->s, t->s->cat, &x, e);
	store_index_release(&x);
	if (rc == 0)
		rc = heal(t, e);
	if (rc == 0 && proof)
		rc = enter_proof(t->s->cat, proof, e);
	/* A clone's store may become one that others push to: then this was never proven. */
	if (rc == 0 && !(t->s->flags & STORE_VERIFY))
		rc = catalogue_set_suspect(t->s->cat, e);
	return rc < 0 ? rc : enter_session(t, who, e);
}

/* Readers of other processes that have them open keep them; the others look again. */
static void remove_segments(struct store *s, struct segment **v, size_t n)
{
	struct buf path = BUF_INIT;

	for (size_t i = 0; i < n; i++) {
		buf_reset(&path);
		buf_addf(&path, "%s/", s->dir);
		segment_name(&path, segment_id(v[i]));
		unlink(path.p);
	}
	buf_release(&path);
}

static int commit_locked(struct store_txn *t, const struct store_proof *proof, const char *who,
			 struct err *e)
{
	struct store *s = t->s;
	struct segment **v = NULL;
	size_t n = 0, taken = 0;
	int rc = catalogue_begin(s->cat, e);

	if (rc < 0)
		return rc;
	rc = store_refresh_locked(s, e); /* from here on nobody else changes it */
	if (rc == 0) {
		v = store_hold_segments(s, &n);
		rc = fill(t, proof, who, v, n, &taken, e);
	}
	rc = catalogue_end(s->cat, rc, e);
	if (rc == 0) {
		remove_segments(s, v, taken);
		rc = store_refresh_locked(s, e);
	}
	store_drop_segments(v, n);
	return rc;
}

int store_commit_packs(struct store_txn *t, const struct store_proof *proof, const char *who,
		       struct err *e)
{
	int rc = store_txn_seal(t, e);

	if (rc == 0)
		rc = store_txn_renew(t, e);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&t->s->cat_lock);
	rc = commit_locked(t, proof, who, e);
	pthread_mutex_unlock(&t->s->cat_lock);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < t->npacks; i++)
		unlink(pack_path(t->packs[i])); /* the name in packs/ stays */
	killpoint("store-unstaged");
	return 0;
}

/* Does the catalogue say all this already, with pins as good as new?  cat_lock held. */
static bool says(struct catalogue *cat, const struct store_proof *proof)
{
	bool same = true;

	for (size_t i = 0; i < proof->nroots && same; i++) {
		struct catalogue_root r;

		same = catalogue_root(cat, &proof->roots[i].key, &r, NULL) == 0 &&
		       r.state == CATALOGUE_ROOT_COMPLETE && r.files == proof->roots[i].files &&
		       r.bytes == proof->roots[i].bytes &&
		       r.pin_until + CLOCK_DAY_SECONDS >= proof->roots[i].pin_until;
	}
	for (size_t i = 0; i < proof->ndatasets && same; i++) {
		struct chunkid id;

		same = catalogue_dataset(cat, &proof->datasets[i].split_key, &id, NULL) == 0 &&
		       chunkid_equal(&id, &proof->datasets[i].id);
	}
	return same;
}

/* Committed before, nothing new, and everything asked for is in the catalogue? */
static bool is_replay(struct store_txn *t, const struct store_proof *proof)
{
	bool same = t->replay && t->npacks == 0;

	pthread_mutex_lock(&t->s->cat_lock);
	same = same && says(t->s->cat, proof);
	pthread_mutex_unlock(&t->s->cat_lock);
	return same;
}

int store_commit(struct store_txn *t, const struct store_commit *c, struct err *e)
{
	struct store_proof proof = {0};
	int rc = 0;

	if (t->s->flags & STORE_VERIFY) {
		rc = store_prove(t, c, &proof, e);
		if (rc != 0)
			goto out;
	}
	if (!is_replay(t, &proof) && (t->npacks || proof.nroots || proof.ndatasets)) {
		pthread_mutex_lock(&t->lock);
		rc = store_commit_packs(t, &proof, c ? c->who : NULL, e);
		pthread_mutex_unlock(&t->lock);
	}
	if (rc == 0) {
		store_remove_staging(t->dir);
		killpoint("store-committed");
		store_txn_free(t);
	}
out:
	store_proof_release(&proof);
	return rc;
}
