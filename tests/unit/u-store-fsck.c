/* SPDX-License-Identifier: MIT */
/* u-store-fsck.c - damage is found, located and survived; catalogues are rebuilt */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/limits.h"
#include "store-lib.h"

/* Path of the only file that ends like that below `sub`. */
static void only_file(struct store *s, const char *sub, struct buf *out)
{
	struct buf cmd = BUF_INIT;
	char line[512];
	FILE *f;

	buf_addf(&cmd, "find %s/%s -type f", store_dir(s), sub);
	f = popen(cmd.p, "r");
	if (!f || !fgets(line, sizeof(line), f))
		abort();
	pclose(f);
	buf_sets(out, line);
	buf_rtrim(out);
	buf_release(&cmd);
}

static void flip(const char *path, off_t at)
{
	unsigned char c;
	int fd;

	if (chmod(path, 0644) < 0 || (fd = open(path, O_RDWR)) < 0)
		abort();
	if (at < 0)
		at += lseek(fd, 0, SEEK_END);
	if (pread(fd, &c, 1, at) != 1)
		abort();
	c ^= 0x20;
	if (pwrite(fd, &c, 1, at) != 1)
		abort();
	close(fd);
}

static int keep_all(void *arg, const struct chunkkey *key)
{
	(void)arg;
	(void)key;
	return 1;
}

static void test_entry(void)
{
	struct store *s = lib_open("entry", 0);
	struct lib_damage d;
	struct buf pack = BUF_INIT, got = BUF_INIT;
	struct err e = ERR_INIT;
	struct chunkid id;

	lib_fill(s, 0, 3, 1000);
	only_file(s, "packs", &pack);
	flip(pack.p, 28 + 52 + 1000 + 52 + 100); /* inside chunk 1 */
	id = lib_id(1, 1000);
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, &d), 0, "a quick fsck doesn't read payloads");
	is_u64(lib_fsck(s, STORE_FSCK_PACKS, &d), 1, "one that reads packs finds the byte");
	ok(str_endswith(pack.p, d.file), "names the pack");
	ok(d.keys == 1 && chunkid_equal(&d.key.id, &id), "and the chunk");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, &d), 1, "a deep one too");
	ok(store_load(s, CHUNK_DATA, &id, &got, &e) == ERR_CORRUPT, "loading refuses: %s", e.msg);
	ok(strstr(e.msg, path_basename(pack.p)) && strstr(e.msg, chunkid_hex(&id).s),
	   "naming pack and chunk");
	is_u64(got.len, 0, "giving nothing");
	ok(lib_good(s, 0, 1000) && lib_good(s, 2, 1000), "its neighbours read");

	must(store_mark_lost(s, &d.key, 1, "test", &e), &e);
	lib_fill(s, 1, 2, 1000);
	ok(lib_good(s, 1, 1000), "put again it reads");
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, &d), 0, "and the index knows the good copy");
	store_close(s);
	buf_release(&pack);
	buf_release(&got);
}

/* Damage chunk i, of 60 bytes, in the nth pack that has it. */
static bool damage_copy(struct store *s, uint64_t i, int nth)
{
	struct buf cmd = BUF_INIT, whole = BUF_INIT, want = BUF_INIT;
	char line[512];
	bool done = false;
	FILE *f;

	lib_content(i, 60, &want);
	buf_addf(&cmd, "find %s/packs -type f | sort", store_dir(s));
	f = popen(cmd.p, "r");
	while (f && !done && fgets(line, sizeof(line), f)) {
		char *hit;

		line[strcspn(line, "\n")] = '\0';
		buf_reset(&whole);
		if (io_read_file(AT_FDCWD, line, PACK_MAX_BYTES, &whole, NULL) < 0)
			abort();
		hit = memmem(whole.p, whole.len, want.p, want.len);
		if (hit && nth-- == 0) {
			flip(line, hit - whole.p);
			done = true;
		}
	}
	pclose(f);
	buf_release(&cmd);
	buf_release(&whole);
	buf_release(&want);
	return done;
}

/* A second copy is used when the first is damaged. */
static void test_second_copy(void)
{
	struct store *s = lib_open("copies", 0), *other = lib_open("copies", 0);
	struct err e = ERR_INIT;
	uint64_t chunks;
	struct store_txn *t, *u;

	/* Sizes such that the second segment is not merged with the first. */
	must(store_begin(s, NULL, &t, &e), &e);
	must(store_begin(other, NULL, &u, &e), &e);
	for (uint64_t i = 0; i < 4000; i++)
		must(lib_put(t, i, 60, &e), &e);
	for (uint64_t i = 3999; i < 5100; i++)
		must(lib_put(u, i, 60, &e), &e);
	must(store_commit(t, NULL, &e), &e);
	must(store_commit(u, NULL, &e), &e);
	store_close(other);
	is_u64(lib_count_good(s, 3999, 4000, 60), 1, "two sessions stored the same chunk");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "which is no damage");
	ok(damage_copy(s, 3999, 0), "one copy is damaged");
	is_u64(lib_fsck(s, STORE_FSCK_PACKS, NULL), 1, "fsck sees it");
	is_u64(lib_count_good(s, 3999, 4000, 60), 1, "the chunk still reads");
	ok(store_rebuild(store_dir(s), STORE_FSCK_QUICK, &chunks, &e) == 0 && chunks == 5101,
	   "a quick rebuild believes the footers");
	is_u64(lib_fsck(s, STORE_FSCK_PACKS, NULL), 1, "and leaves the bad copy");
	ok(store_rebuild(store_dir(s), STORE_FSCK_PACKS, &chunks, &e) == 0 && chunks == 5100,
	   "one that reads the packs leaves it out");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "then all is well");
	is_u64(lib_count_good(s, 0, 5100, 60), 5100, "and nothing good was given up");
	ok(damage_copy(s, 3999, 0) && !damage_copy(s, 3999, 0), "the other copy is damaged");
	is_u64(lib_count_good(s, 3999, 4000, 60), 0, "now it doesn't");
	store_close(s);
}

static int keep_but(void *arg, const struct chunkkey *key)
{
	return !chunkid_equal(arg, &key->id);
}

/* A chunk that was stored again is read from its new place alone, whatever becomes of the old pack. */
static void test_healed(void)
{
	struct store *s = lib_open("healed", 0);
	struct chunkkey lost = {CHUNK_DATA, lib_id(5, 60)};
	struct chunkid other = lib_id(7, 60);
	struct err e = ERR_INIT;
	uint64_t freed;

	lib_fill(s, 0, 3000, 60); /* too many for a merge with a small segment */
	ok(damage_copy(s, 5, 0), "damaged");
	must(store_mark_lost(s, &lost, 1, "test", &e), &e);
	lib_fill(s, 5, 6, 60);
	is_u64(lib_count_good(s, 0, 3000, 60), 3000, "stored again");
	ok(store_evict(s, NULL, keep_but, &other, &freed, &e) == 0, "its old pack is rewritten: %s",
	   e.msg);
	is_u64(lib_count_good(s, 0, 3000, 60), 2999, "nothing else goes");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "the damage is gone");
	store_close(s);
}

static void test_pack_file(void)
{
	struct store *s = lib_open("packfile", 0);
	struct lib_damage d;
	struct buf pack = BUF_INIT;

	lib_fill(s, 0, 3, 1000);
	only_file(s, "packs", &pack);
	flip(pack.p, 3);
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, &d), 1, "a damaged header is found by the quickest");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, &d), 1, "but no chunk is hurt by it");
	flip(pack.p, 3);
	flip(pack.p, -1);
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, &d), 1, "so is a damaged footer");
	flip(pack.p, -1);
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, &d), 0, "undone, all is well");
	if (truncate(pack.p, 28 + 2 * (52 + 1000)) < 0)
		abort();
	lib_fsck(s, STORE_FSCK_PACKS, &d);
	ok(d.n == 2 && d.keys == 1, "a pack cut short: itself and the chunk that is gone");
	unlink(pack.p);
	lib_fsck(s, STORE_FSCK_QUICK, &d);
	ok(d.n == 4 && d.keys == 3, "a missing pack: itself and its chunks");
	store_close(s);
	buf_release(&pack);
}

static void test_segment_file(void)
{
	struct store *s = lib_open("segment", 0), *t;
	struct lib_damage d;
	struct buf seg = BUF_INIT;
	struct err e = ERR_INIT;
	uint64_t chunks;

	lib_fill(s, 0, 2000, 50);
	only_file(s, "segments", &seg);
	flip(seg.p, 5000);
	ok(lib_fsck(s, STORE_FSCK_QUICK, &d) == 1 && str_endswith(seg.p, d.file),
	   "a damaged segment is named");
	ok(store_open(&t, store_dir(s), 0, &e) == ERR_CORRUPT, "no open makes it anew: %s", e.msg);
	must(store_rebuild(store_dir(s), STORE_FSCK_QUICK, &chunks, &e), &e);
	store_close(s);
	s = lib_open("segment", 0);
	is_u64(lib_count_good(s, 0, 2000, 50), 2000, "with everything");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	ok(store_rebuild(store_dir(s), STORE_FSCK_QUICK, &chunks, &e) == 0 && chunks == 2000,
	   "on request too");
	is_u64(lib_count_good(s, 0, 2000, 50), 2000, "an open store follows");
	lib_fill(s, 2000, 2010, 50);
	store_close(s);
	s = lib_open("segment", 0);
	is_u64(lib_count_good(s, 0, 2010, 50), 2010, "and commits to the new catalogue");
	store_close(s);
	buf_release(&seg);
}

/* Packs that no catalogue names would be found by nobody. */
static void test_stray(void)
{
	struct store *s = lib_open("stray", 0);
	struct buf from = BUF_INIT, to = BUF_INIT;
	struct err e = ERR_INIT;
	struct lib_damage d;

	path_join(&from, store_dir(s), "catalogue.db");
	path_join(&to, lib_dir, "stray-catalogue");
	lib_fill(s, 0, 5, 100);
	store_close(s);
	if (rename(from.p, to.p) < 0)
		abort();
	s = lib_open("stray-new", 0); /* as if a power cut had rolled the commit back */
	buf_reset(&to);
	path_join(&to, store_dir(s), "catalogue.db");
	store_close(s);
	if (rename(to.p, from.p) < 0)
		abort();
	s = lib_open("stray", 0);
	is_u64(lib_count_good(s, 0, 5, 100), 0, "an empty catalogue");
	ok(lib_fsck(s, STORE_FSCK_QUICK, &d) == 1 && str_startswith(d.file, "packs/", NULL),
	   "fsck names the pack");
	must(store_rebuild(store_dir(s), STORE_FSCK_QUICK, NULL, &e), &e);
	is_u64(lib_count_good(s, 0, 5, 100), 5, "a rebuild takes it in");
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, NULL), 0, "and all is well");
	store_close(s);
	buf_release(&from);
	buf_release(&to);
}

static void test_catalogue(void)
{
	static const char *const how[] = {"missing", "no database", "empty"};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct store *s = lib_open(how[i][0] == 'n' ? "nodb" : how[i], 0), *t;
		struct buf path = BUF_INIT;
		struct err e = ERR_INIT;
		FILE *f;

		lib_fill(s, 0, 20, 3000);
		path_join(&path, store_dir(s), "catalogue.db");
		if (i == 0) {
			unlink(path.p);
		} else {
			f = fopen(path.p, "w");
			if (!f)
				abort();
			if (i == 1)
				for (int k = 0; k < 1000; k++)
					fputs("this is no database\n", f);
			fclose(f);
		}
		ok(store_open(&t, store_dir(s), STORE_READONLY, &e) == ERR_CORRUPT,
		   "a hook refuses a catalogue that is %s: %s", how[i], e.msg);
		ok(store_open(&t, store_dir(s), STORE_VERIFY, &e) == ERR_CORRUPT, "a server does");
		ok(store_open(&t, store_dir(s), 0, &e) == ERR_CORRUPT, "so does a client");
		must(store_rebuild(store_dir(s), STORE_FSCK_QUICK, NULL, &e), &e);
		must(store_open(&t, store_dir(s), 0, &e), &e);
		is_u64(lib_count_good(t, 0, 20, 3000), 20, "everything is there");
		store_close(t);
		store_close(s);
		buf_release(&path);
	}
}

/* Packs removed by hand: their chunks are not here, and can be put again. */
static void test_deleted(void)
{
	struct store *s = lib_open("deleted", 0);
	struct chunkid id = lib_id(3, 1000);
	struct buf pack = BUF_INIT;
	struct err e = ERR_INIT;
	uint64_t freed;

	lib_fill(s, 0, 10, 1000);
	only_file(s, "packs", &pack);
	lib_fill(s, 10, 15, 1000);
	store_close(s);
	unlink(pack.p);
	s = lib_open("deleted", 0);
	ok(store_has(s, CHUNK_DATA, &id, NULL, &e) == 0, "a chunk of a deleted pack is not here");
	is_u64(lib_count_good(s, 0, 15, 1000), 5, "those of other packs are");
	is_u64(lib_fsck(s, STORE_FSCK_QUICK, NULL), 11, "fsck says what is missing");
	lib_fill(s, 0, 10, 1000);
	is_u64(lib_count_good(s, 0, 15, 1000), 15, "put again all are");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "and fsck finds nothing");
	lib_files(s, "packs");
	is_u64(store_bytes(s), lib_nbytes, "nor does the catalogue count it");
	buf_reset(&pack);
	buf_addf(&pack, "%s/packs", store_dir(s));
	store_close(s);
	must(path_remove_tree(pack.p, &e), &e);
	s = lib_open("deleted", 0);
	is_u64(lib_count_good(s, 0, 15, 1000), 0, "all of packs/ can go");
	lib_fill(s, 0, 8, 1000);
	is_u64(lib_count_good(s, 0, 15, 1000), 8, "and come again");
	ok(store_evict(s, NULL, keep_all, NULL, &freed, &e) == 0, "eviction copes: %s", e.msg);
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	store_close(s);
	buf_release(&pack);
}

static void test_salvage(void)
{
	struct store *s = lib_open("salvage", 0);
	struct buf pack = BUF_INIT;
	struct err e = ERR_INIT;
	uint64_t chunks;

	lib_fill(s, 0, 10, 3000);
	only_file(s, "packs", &pack);
	flip(pack.p, -5);
	flip(pack.p, 28 + 52 + 7);
	ok(store_rebuild(store_dir(s), STORE_FSCK_QUICK, &chunks, &e) == 0,
	   "rebuild over a broken pack: %s", e.msg);
	is_u64(chunks, 9, "salvages what is good");
	is_u64(lib_count_good(s, 0, 10, 3000), 9, "which reads");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "the store is clean");
	buf_addstr(&pack, ".bad");
	ok(access(pack.p, F_OK) == 0, "the bad pack is set aside");
	is_u64(lib_files(s, "incoming"), 0, "nothing stays in staging");
	store_close(s);
	buf_release(&pack);
}

int main(void)
{
	lib_begin();
	test_entry();
	test_second_copy();
	test_healed();
	test_pack_file();
	test_segment_file();
	test_catalogue();
	test_stray();
	test_deleted();
	test_salvage();
	lib_end();
	return done_testing();
}
