/* SPDX-License-Identifier: MIT */
/*
 * store-lib.h - what the store's unit tests share: a scratch store, chunks by number
 */
#ifndef STORE_LIB_H
#define STORE_LIB_H

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "store/store.h"
#include "tap.h"

static char lib_dir[] = "/tmp/u-store-XXXXXX";

static UNUSED void lib_begin(void)
{
	setenv("DEEPOPS_FSYNC", "0", 0); /* a crash of the process is tested, not of the disk */
	if (!mkdtemp(lib_dir))
		abort();
}

static UNUSED void lib_end(void)
{
	struct err e = ERR_INIT;

	ok(path_remove_tree(lib_dir, &e) == 0, "clean up: %s", e.msg);
}

/* Ends the test with the message; for steps that are not what is tested. */
static UNUSED void must(int rc, const struct err *e)
{
	if (rc >= 0)
		return;
	printf("Bail out! %s\n", e->msg);
	exit(1);
}

static UNUSED struct store *lib_open(const char *name, int flags)
{
	struct buf path = BUF_INIT;
	struct err e = ERR_INIT;
	struct store *s;

	path_join(&path, lib_dir, name);
	must(store_open(&s, path.p, (enum store_flags)(STORE_CREATE | flags), &e), &e);
	buf_release(&path);
	return s;
}

/* Content number i: `len` bytes that don't compress. */
static UNUSED void lib_content(uint64_t i, size_t len, struct buf *out)
{
	uint64_t x = i * UINT64_C(0x9e3779b97f4a7c15) + 1;

	buf_reset(out);
	while (out->len < len) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf_add(out, &x, MIN(sizeof(x), len - out->len));
	}
}

static UNUSED struct chunkid lib_id(uint64_t i, size_t len)
{
	struct buf b = BUF_INIT;
	struct chunkid id;

	lib_content(i, len, &b);
	chunkid_of(&id, b.p, b.len);
	buf_release(&b);
	return id;
}

static UNUSED int lib_put(struct store_txn *t, uint64_t i, size_t len, struct err *e)
{
	struct buf b = BUF_INIT;
	struct chunkid id;
	int rc;

	lib_content(i, len, &b);
	chunkid_of(&id, b.p, b.len);
	rc = store_put(t, CHUNK_DATA, &id, b.p, b.len, true, e);
	buf_release(&b);
	return rc;
}

/* Is chunk i readable, with the right bytes? */
static UNUSED bool lib_good(struct store *s, uint64_t i, size_t len)
{
	struct chunkid id = lib_id(i, len);
	struct buf want = BUF_INIT, got = BUF_INIT;
	bool good;

	lib_content(i, len, &want);
	good = store_load(s, CHUNK_DATA, &id, &got, NULL) == 0 && buf_cmp(&want, &got) == 0;
	buf_release(&want);
	buf_release(&got);
	return good;
}

/* Commit chunks [from, to) in one transaction. */
static UNUSED void lib_fill(struct store *s, uint64_t from, uint64_t to, size_t len)
{
	struct err e = ERR_INIT;
	struct store_txn *t;

	must(store_begin(s, NULL, &t, &e), &e);
	for (uint64_t i = from; i < to; i++)
		must(lib_put(t, i, len, &e), &e);
	must(store_commit(t, NULL, &e), &e);
}

static UNUSED size_t lib_count_good(struct store *s, uint64_t from, uint64_t to, size_t len)
{
	size_t n = 0;

	for (uint64_t i = from; i < to; i++)
		n += lib_good(s, i, len);
	return n;
}

/* What nftw counts; it takes no argument. */
static size_t lib_nfiles;
static uint64_t lib_nbytes;

static UNUSED int lib_count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F) {
		lib_nfiles++;
		lib_nbytes += (uint64_t)st->st_size;
	}
	return 0;
}

/* Number of files below a directory of the store, and in lib_nbytes their size. */
static UNUSED size_t lib_files(struct store *s, const char *sub)
{
	struct buf path = BUF_INIT;

	path_join(&path, store_dir(s), sub);
	lib_nfiles = 0;
	lib_nbytes = 0;
	if (nftw(path.p, lib_count_file, 8, FTW_PHYS) != 0)
		abort();
	buf_release(&path);
	return lib_nfiles;
}

struct lib_damage {
	size_t n, keys;
	char file[128];
	struct chunkkey key;
};

static UNUSED int lib_note_damage(void *arg, const struct store_damage *d, struct err *e)
{
	struct lib_damage *out = arg;

	(void)e;
	out->n++;
	snprintf(out->file, sizeof(out->file), "%s", d->file);
	if (d->key.kind) {
		out->keys++;
		out->key = d->key;
	}
	return 0;
}

static UNUSED size_t lib_fsck(struct store *s, enum store_fsck_depth depth, struct lib_damage *out)
{
	struct err e = ERR_INIT;
	struct lib_damage ignored;

	if (!out)
		out = &ignored;
	memset(out, 0, sizeof(*out));
	must(store_fsck(s, depth, lib_note_damage, out, NULL, NULL, &e), &e);
	return out->n;
}

#endif
