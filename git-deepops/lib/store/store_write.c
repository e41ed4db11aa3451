/* SPDX-License-Identifier: MIT */
/* store_write.c - putting chunks into a transaction and reading them back; see store.h */
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/killpoint.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "store/store_internal.h"

/* ---- appending; txn->lock held ---- */

/* Wait until no thread is writing; txn->lock held, others may append meanwhile. */
static void store_txn_settle(struct store_txn *t)
{
	while (t->writing > 0)
		pthread_cond_wait(&t->idle, &t->lock);
}

void store_txn_sealed(struct store_txn *t, size_t number)
{
	XGROW(t->sealed, t->nsealed + 1, t->sealed_alloc);
	t->sealed[t->nsealed++] = number;
}

int store_txn_close(struct store_txn *t, size_t keep, struct err *e)
{
	int rc = 0;

	if (t->nsealed - t->closed > keep)
		store_txn_settle(t);
	while (rc == 0 && t->nsealed - t->closed > keep) {
		struct pack_writer *w = t->packs[t->sealed[t->closed]];

		rc = pack_sync(w, e);
		if (rc == 0)
			rc = pack_close(w, e);
		if (rc == 0)
			t->closed++;
	}
	return rc;
}

static int seal_class(struct store_txn *t, int class, struct err *e)
{
	struct pack_writer *w = t->open[class];
	struct chunkid name;
	int rc;

	if (!w)
		return 0;
	rc = pack_seal(w, &name, e);
	if (rc == 0) {
		store_txn_sealed(t, t->open_no[class]);
		t->open[class] = NULL;
	}
	return rc;
}

static int open_class(struct store_txn *t, int class, struct err *e)
{
	struct buf path = BUF_INIT;
	struct pack_writer *w = NULL;
	int rc;

	buf_addf(&path, "%s/%u", t->dir, t->next_file);
	rc = pack_create(&w, path.p, e);
	buf_release(&path);
	if (rc < 0)
		return rc;
	t->next_file++;
	t->dir_dirty = true;
	t->open_no[class] = store_txn_add_pack(t, w);
	t->open[class] = w;
	return 0;
}

static int class_of(enum chunk_kind kind)
{
	return kind == CHUNK_DATA ? STORE_PACK_DATA : STORE_PACK_META;
}

#define CHUNK_OVERHEAD ((uint64_t)PACK_ENTRY_BYTES + PACK_ROW_BYTES) /* in its pack */

/* Append what is not there yet: 1, or 0 if another thread was faster. */
static int append(struct store_txn *t, struct pack_entry *entry, const void *payload, struct err *e)
{
	int class = class_of(entry->row.kind);
	size_t n;
	int rc = 0;

	if (chunkset_has(t->have, entry->row.kind, &entry->row.id))
		return 0;
	if (t->bytes + entry->row.stored + (t->count + 1) * CHUNK_OVERHEAD > t->quota)
		return err_set(e, ERR_LIMIT, "the store's quota is used up");
	if (t->open[class] && pack_is_full(t->open[class]))
		rc = seal_class(t, class, e);
	if (rc == 0 && !t->open[class])
		rc = open_class(t, class, e);
	if (rc == 0)
		rc = pack_append(t->open[class], entry, payload, e);
	if (rc < 0)
		return rc;
	pack_rows(t->open[class], &n);
	chunkset_add(t->have, entry->row.kind, &entry->row.id,
		     (uint64_t)t->open_no[class] << 32 | (n - 1));
	t->bytes += entry->row.stored;
	t->count++;
	killpoint("store-append");
	return 1;
}

/* Keep memory bounded: what nobody has to verify as a whole can be committed as it comes. */
static int commit_early(struct store_txn *t, struct err *e)
{
	int rc;

	if ((t->s->flags & STORE_VERIFY) || chunkset_count(t->have) < STORE_TXN_CHUNKS)
		return 0;
	store_txn_settle(t);
	if (chunkset_count(t->have) < STORE_TXN_CHUNKS)
		return 0; /* another thread did it meanwhile */
	rc = store_commit_packs(t, NULL, NULL, e);
	if (rc == 0)
		store_txn_reset(t);
	return rc;
}

/*
 * Write what has gathered in the pack of this kind, without the lock meanwhile: copying into
 * the page cache is most of the work of a put.
 */
static int write_out(struct store_txn *t, enum chunk_kind kind, struct err *e)
{
	struct pack_writer *w = t->open[class_of(kind)];
	struct pack_piece piece;
	int rc;

	if (!w || !pack_take(w, &piece))
		return 0;
	t->writing++;
	pthread_mutex_unlock(&t->lock);
	rc = pack_write(w, &piece, e);
	pthread_mutex_lock(&t->lock);
	pack_written(w, &piece, rc);
	if (--t->writing == 0)
		pthread_cond_broadcast(&t->idle);
	return rc;
}

static int append_locked(struct store_txn *t, struct pack_entry *entry, const void *payload,
			 struct err *e)
{
	int rc, after;

	pthread_mutex_lock(&t->lock);
	rc = append(t, entry, payload, e);
	if (rc == 1) {
		after = write_out(t, entry->row.kind, e);
		if (after == 0)
			after = store_txn_close(t, STORE_SEALED_PACKS, e);
		if (after == 0)
			after = commit_early(t, e);
		if (after < 0)
			rc = after;
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

bool store_txn_own(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id)
{
	bool known;

	pthread_mutex_lock(&t->lock);
	known = chunkset_has(t->have, kind, id);
	pthread_mutex_unlock(&t->lock);
	return known;
}

/* Without a look for commits of other processes: at worst a chunk is stored twice. */
static int is_here(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		   struct err *e)
{
	struct store_place at;
	int rc;

	if (store_txn_own(t, kind, id))
		return 1;
	rc = store_find(t->s, kind, id, 0, &at, e);
	return rc == 1 ? store_txn_found(t, kind, id, e) : rc;
}

static int check_put(enum chunk_kind kind, const struct chunkid *id, size_t plain, struct err *e)
{
	if (!chunkid_kind_ok(kind))
		return err_set(e, ERR_PROTO, "unknown chunk kind %u", (unsigned int)kind);
	if (plain < 1)
		return err_set(e, ERR_INPUT, "the empty file is never stored");
	if (plain > CHUNK_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "%s %s of %zu bytes", chunkid_kind_name(kind),
			       chunkid_text(id).s, plain);
	return 0;
}

/* Is the recipe that is here one of these bytes?  Else the new one is stored, and the old one goes. */
static int is_same_recipe(struct store_txn *t, const struct chunkid *id, const void *p, size_t len,
			  struct err *e)
{
	struct buf text = BUF_INIT;
	struct err why = ERR_INIT;
	int rc = store_txn_load(t, CHUNK_RECIPE, id, &text, &why);

	if (rc == 0)
		rc = text.len == len && !memcmp(text.p, p, len);
	else if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND)
		rc = 0;
	else if (e)
		*e = why;
	buf_release(&text);
	if (rc == 0) {
		pthread_mutex_lock(&t->lock);
		chunkset_add(t->better, CHUNK_RECIPE, id, 0);
		pthread_mutex_unlock(&t->lock);
	}
	return rc;
}

int store_put(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id, const void *p,
	      size_t len, bool try_compress, struct err *e)
{
	struct pack_row row = {.id = *id, .kind = (uint8_t)kind, .plain = (uint32_t)len};
	struct store_scratch *x;
	struct pack_entry entry;
	const void *payload = p;
	int rc = check_put(kind, id, len, e);

	if (rc == 0)
		rc = is_here(t, kind, id, e);
	if (rc == 1 && kind == CHUNK_RECIPE && !store_txn_own(t, kind, id))
		rc = is_same_recipe(t, id, p, len, e);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	x = store_scratch_get(t->s);
	row.stored = row.plain;
	if (try_compress) {
		row.encoding = (uint8_t)zframe_encode(x->z, p, len, true, &x->stored);
		row.stored = (uint32_t)x->stored.len;
		payload = x->stored.p;
	}
	pack_entry_format(&entry, &row, payload);
	rc = append_locked(t, &entry, payload, e);
	store_scratch_put(t->s, x);
	return rc;
}

/* A node must be one; what it names is checked at commit. */
static int check_node(const struct buf *text, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text->p, text->len, e);

	while (rc >= 0 && (rc = node_next(&it, &entry, e)) == 1)
		;
	node_iter_release(&it);
	return rc;
}

/*
 * What put_stored and put_encoded check before they look at the bytes: 1 here already.  `again`: what
 * is committed does not count.
 */
static int begin_stored(struct store_txn *t, struct pack_row *row, const struct chunkkey *key,
			const struct store_info *info, bool again, struct err *e)
{
	int rc = check_put(key->kind, &key->id, info->plain, e);

	if (rc == 0 && (info->stored < 1 || info->stored > CHUNK_MAX_STORED_BYTES))
		rc = err_set(e, ERR_LIMIT, "%" PRIu32 " stored bytes", info->stored);
	if (rc == 0 && info->encoding > ZFRAME_ZSTD)
		rc = err_set(e, ERR_CORRUPT, "unknown encoding %u", info->encoding);
	if (rc == 0 && again)
		rc = store_txn_own(t, key->kind, &key->id);
	else if (rc == 0)
		rc = is_here(t, key->kind, &key->id, e);
	row->id = key->id;
	row->kind = key->kind;
	row->encoding = info->encoding;
	row->stored = info->stored;
	row->plain = info->plain;
	row->offset = row->crc = 0;
	return rc;
}

int store_put_encoded(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		      const struct store_info *info, const void *stored, struct err *e)
{
	struct chunkkey key = {(uint8_t)kind, *id};
	struct pack_entry entry;
	struct pack_row row;
	int rc = begin_stored(t, &row, &key, info, kind == CHUNK_RECIPE, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	pack_entry_format(&entry, &row, stored);
	return append_locked(t, &entry, stored, e);
}

int store_put_decoded(struct store_txn *t, const struct chunkkey *key,
		      const struct store_info *info, const void *stored, struct store_scratch *x,
		      struct err *e)
{
	struct pack_entry entry;
	struct pack_row row;
	int rc = begin_stored(t, &row, key, info, false, e);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = store_decode(x, &row, stored, &x->plain, e);
	if (rc == 0 && key->kind == CHUNK_NODE)
		rc = check_node(&x->plain, e);
	if (rc == 0) {
		pack_entry_format(&entry, &row, stored);
		rc = append_locked(t, &entry, stored, e);
	}
	return rc < 0 ? err_wrap(e, "%s %s", chunkid_kind_name((enum chunk_kind)key->kind),
				 chunkid_text(&key->id).s)
		      : rc;
}

int store_put_stored(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		     const struct store_info *info, const void *stored, struct err *e)
{
	struct chunkkey key = {(uint8_t)kind, *id};
	struct store_scratch *x = store_scratch_get(t->s);
	int rc = store_put_decoded(t, &key, info, stored, x, e);

	store_scratch_put(t->s, x);
	return rc;
}

/* ---- reading back ---- */

/* The row of a chunk of this txn; txn->lock held. */
static const struct pack_row *own_row(struct store_txn *t, enum chunk_kind kind,
				      const struct chunkid *id, struct pack_writer **w)
{
	uint64_t place;
	size_t n;

	if (!chunkset_get(t->have, kind, id, &place))
		return NULL;
	*w = t->packs[place >> 32];
	return &pack_rows(*w, &n)[(uint32_t)place];
}

int store_txn_has(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		  struct store_info *info, struct err *e)
{
	const struct pack_row *row;
	struct pack_writer *w;
	int rc;

	pthread_mutex_lock(&t->lock);
	row = own_row(t, kind, id, &w);
	if (row && info) {
		info->plain = row->plain;
		info->stored = row->stored;
		info->encoding = row->encoding;
	}
	pthread_mutex_unlock(&t->lock);
	if (row)
		return 1;
	rc = store_has(t->s, kind, id, info, e);
	return rc == 1 ? store_txn_found(t, kind, id, e) : rc;
}

/* Read an own entry into `stored`; txn->lock held. 1, 0 if it is not ours. */
static int read_own(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		    struct pack_row *row, struct buf *stored, struct err *e)
{
	struct pack_writer *w;
	const struct pack_row *own;
	int rc = 0, fd;

	if (chunkset_has(t->have, kind, id))
		store_txn_settle(t);
	own = own_row(t, kind, id, &w); /* after the wait: others may have moved the rows */
	if (!own)
		return 0;
	*row = *own;
	fd = pack_fd(w);
	if (fd >= 0)
		rc = pack_flush(w, e);
	else
		fd = open(pack_path(w), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (rc == 0)
		rc = fd < 0 ? err_sys(e, "open") : store_read_entry(fd, row, stored, e);
	if (fd >= 0 && fd != pack_fd(w))
		close(fd);
	return rc < 0 ? err_wrap(e, "%s", pack_path(w)) : 1;
}

/* `unhashed`: for DATA, and the caller will see whether the content is right. */
static int txn_load(struct store_txn *t, const struct chunkkey *key, bool unhashed, struct buf *out,
		    struct err *e)
{
	struct store_scratch *x = store_scratch_get(t->s);
	enum chunk_kind kind = (enum chunk_kind)key->kind;
	struct pack_row row;
	int rc;

	pthread_mutex_lock(&t->lock);
	rc = read_own(t, kind, &key->id, &row, &x->stored, e);
	pthread_mutex_unlock(&t->lock);
	if (rc == 1) {
		rc = (unhashed ? store_decode_unhashed
			       : store_decode)(x, &row, x->stored.p + PACK_ENTRY_BYTES, out, e);
		if (rc < 0)
			err_wrap(e, "%s %s", chunkid_kind_name(kind), chunkid_text(&key->id).s);
	} else if (rc == 0) {
		rc = unhashed ? store_load_unhashed(t->s, &key->id, out, e)
			      : store_load(t->s, kind, &key->id, out, e);
		if (rc == 0)
			rc = MIN(store_txn_found(t, kind, &key->id, e), 0);
	}
	store_scratch_put(t->s, x);
	return rc;
}

int store_txn_load(struct store_txn *t, enum chunk_kind kind, const struct chunkid *id,
		   struct buf *out, struct err *e)
{
	struct chunkkey key = {(uint8_t)kind, *id};

	return txn_load(t, &key, false, out, e);
}

int store_txn_load_unhashed(struct store_txn *t, const struct chunkid *id, struct buf *out,
			    struct err *e)
{
	struct chunkkey key = {CHUNK_DATA, *id};

	return txn_load(t, &key, true, out, e);
}

/* ---- durability ---- */

static int sync_dir(struct store_txn *t, struct err *e)
{
	int rc;

	if (!t->dir_dirty)
		return 0;
	rc = io_fsync_dir(t->dir, e);
	if (rc == 0)
		rc = io_fsync_parent(t->dir, e);
	t->dir_dirty = rc < 0;
	return rc;
}

int store_sync(struct store_txn *t, struct err *e)
{
	int rc;

	pthread_mutex_lock(&t->lock);
	store_txn_settle(t);
	rc = store_txn_close(t, 0, e);
	for (size_t i = 0; i < STORE_PACK_CLASSES && rc == 0; i++)
		if (t->open[i])
			rc = pack_sync(t->open[i], e);
	if (rc == 0)
		rc = sync_dir(t, e);
	/* Others put meanwhile, too. */
	if (rc == 0 && t->quota != UINT64_MAX)
		rc = store_quota_for(t->s, t->dir, &t->quota, e);
	killpoint("store-sync");
	pthread_mutex_unlock(&t->lock);
	return rc;
}

int store_txn_seal(struct store_txn *t, struct err *e)
{
	int rc;

	store_txn_settle(t);
	rc = seal_class(t, STORE_PACK_DATA, e);
	if (rc == 0)
		rc = seal_class(t, STORE_PACK_META, e);
	if (rc == 0)
		rc = store_txn_close(t, 0, e);
	killpoint("store-sealed");
	return rc;
}

uint64_t store_txn_bytes(const struct store_txn *t)
{
	return t->bytes;
}

uint64_t store_txn_count(const struct store_txn *t)
{
	return t->count;
}
