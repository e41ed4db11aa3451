/* SPDX-License-Identifier: MIT */
/* u-pack.c - packs: writing, strict reading, damage, salvage, recovery */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "store/pack.h"
#include "tap.h"

static char dir[] = "/tmp/u-pack-XXXXXX";

/* A raw chunk whose content is `n` times the byte `c`. */
static void append(struct pack_writer *w, enum chunk_kind kind, int c, size_t n)
{
	struct pack_row row = {.kind = (uint8_t)kind, .stored = (uint32_t)n, .plain = (uint32_t)n};
	struct pack_entry entry;
	char *p = malloc(n);

	memset(p, c, n);
	chunkid_of(&row.id, p, n);
	pack_entry_format(&entry, &row, p);
	if (pack_add(w, &entry, p, NULL) < 0)
		abort();
	free(p);
}

static void path_of(struct buf *out, const char *name)
{
	buf_reset(out);
	path_join(out, dir, name);
}

/* Three entries; the sealed pack's bytes in `out`. */
static void make_pack(const char *name, struct buf *out, struct chunkid *id)
{
	struct buf path = BUF_INIT;
	struct pack_writer *w;

	path_of(&path, name);
	if (pack_create(&w, path.p, NULL) < 0)
		abort();
	append(w, CHUNK_NODE, 'n', 10);
	append(w, CHUNK_DATA, 'x', 100);
	append(w, CHUNK_DATA, 'y', 3);
	if (pack_seal(w, id, NULL) < 0 || pack_sync(w, NULL) < 0)
		abort();
	pack_free(&w);
	buf_reset(out);
	if (io_read_file(AT_FDCWD, path.p, PACK_MAX_BYTES, out, NULL) < 0)
		abort();
	buf_release(&path);
}

static int count_bad(void *arg, const struct pack_row *row, const char *what, struct err *e)
{
	(void)row;
	(void)what;
	(void)e;
	++*(int *)arg;
	return 0;
}

static int count_row(void *arg, const struct pack_row *row, struct err *e)
{
	(void)row;
	(void)e;
	++*(int *)arg;
	return 0;
}

static void test_round_trip(void)
{
	struct buf whole = BUF_INIT, path = BUF_INIT;
	struct chunkid name;
	struct pack_dir d;
	struct err e = ERR_INIT;
	int bad = 0, fd;

	make_pack("a", &whole, &name);
	ok(pack_parse(&d, whole.p, whole.len, &e) == 0, "a sealed pack parses: %s", e.msg);
	is_u64(d.n, 3, "its directory has every entry");
	ok(chunkid_equal(&d.name, &name), "its name is what sealing said");
	ok(d.rows[0].kind == CHUNK_DATA && d.rows[2].kind == CHUNK_NODE, "sorted by kind, then id");
	ok(pack_check(&d, whole.p, count_bad, &bad, &e) == 0 && bad == 0, "every entry is good");
	pack_dir_release(&d);

	path_of(&path, "a");
	fd = open(path.p, O_RDONLY);
	ok(pack_read_dir(&d, fd, &e) == 0 && d.n == 3, "the directory reads from the file alone");
	close(fd);
	pack_dir_release(&d);
	buf_release(&whole);
	buf_release(&path);
}

/* Every single byte flipped: either the pack as a whole or one of its entries is refused. */
static void test_each_byte(void)
{
	struct buf whole = BUF_INIT;
	struct chunkid name;
	size_t unseen = 0, footer_only = 0;

	make_pack("b", &whole, &name);
	for (size_t i = 0; i < whole.len; i++) {
		struct pack_dir d;
		int bad = 0;

		whole.p[i] = (char)(whole.p[i] ^ 0x41);
		if (pack_parse(&d, whole.p, whole.len, NULL) == 0) {
			if (pack_check(&d, whole.p, count_bad, &bad, NULL) < 0 || bad != 1)
				unseen++;
			pack_dir_release(&d);
		} else {
			footer_only++;
		}
		whole.p[i] = (char)(whole.p[i] ^ 0x41);
	}
	is_u64(unseen, 0, "no changed byte goes unseen");
	is_u64(footer_only, PACK_HEADER_BYTES + 8 + 3 * PACK_ROW_BYTES + PACK_TRAILER_BYTES,
	       "damage to an entry leaves the others readable");
	buf_release(&whole);
}

static void test_cut(void)
{
	struct buf whole = BUF_INIT;
	struct chunkid name;
	size_t taken = 0;

	make_pack("c", &whole, &name);
	for (size_t n = 0; n < whole.len; n++) {
		struct pack_dir d;
		char *copy = malloc(n ? n : 1); /* exact, so that a sanitizer sees a read beyond */

		memcpy(copy, whole.p, n);
		if (pack_parse(&d, copy, n, NULL) == 0) {
			taken++;
			pack_dir_release(&d);
		}
		free(copy);
	}
	is_u64(taken, 0, "a pack cut anywhere is refused");
	buf_addch(&whole, 0);
	{
		struct pack_dir d;

		ok(pack_parse(&d, whole.p, whole.len, NULL) < 0, "as is one with a byte more");
	}
	buf_release(&whole);
}

static void test_salvage(void)
{
	struct buf whole = BUF_INIT, junk = BUF_INIT;
	struct chunkid name;
	int found = 0;

	make_pack("d", &whole, &name);
	whole.p[PACK_HEADER_BYTES + PACK_ENTRY_BYTES] ^= 1; /* payload of the first entry */
	ok(pack_salvage(whole.p, whole.len, count_row, &found, NULL) == 0 && found == 2,
	   "salvage finds the entries behind a damaged one");
	found = 0;
	ok(pack_salvage(whole.p + 40, whole.len - 40, count_row, &found, NULL) == 0 && found == 2,
	   "and needs no header");
	for (int i = 0; i < 20000; i++)
		buf_addstr(&junk, "DOPE\1");
	found = 0;
	ok(pack_salvage(junk.p, junk.len, count_row, &found, NULL) == 0 && found == 0,
	   "magics without entries are nothing");
	buf_release(&whole);
	buf_release(&junk);
}

/* Recover a copy of the first `n` bytes, returning how many entries were found. */
static size_t recover(const struct buf *whole, size_t n, struct buf *path, struct err *e)
{
	struct pack_writer *w;
	struct chunkid name;
	struct pack_dir d;
	struct buf again = BUF_INIT;
	size_t rows = 0;
	int fd;

	path_of(path, "torn");
	unlink(path->p);
	fd = open(path->p, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (io_write_all(fd, whole->p, n, e) < 0)
		abort();
	close(fd);
	if (pack_recover(&w, path->p, e) < 0)
		return SIZE_MAX;
	if (!w)
		return 0;
	pack_rows(w, &rows);
	if (pack_seal(w, &name, e) < 0 || pack_sync(w, e) < 0)
		return SIZE_MAX;
	pack_free(&w);
	if (io_read_file(AT_FDCWD, path->p, PACK_MAX_BYTES, &again, e) < 0 ||
	    pack_parse(&d, again.p, again.len, e) < 0 || d.n != rows)
		rows = SIZE_MAX;
	else
		pack_dir_release(&d);
	buf_release(&again);
	return rows;
}

static void test_recover(void)
{
	struct buf whole = BUF_INIT, path = BUF_INIT;
	size_t e1 = PACK_HEADER_BYTES + PACK_ENTRY_BYTES + 10, e2 = e1 + PACK_ENTRY_BYTES + 100;
	struct chunkid name;
	struct err e = ERR_INIT;

	make_pack("e", &whole, &name);
	is_u64(recover(&whole, whole.len, &path, &e), 3, "a sealed pack is recovered whole");
	is_u64(recover(&whole, e2, &path, &e), 2, "an unsealed one to its end");
	is_u64(recover(&whole, e2 - 1, &path, &e), 1, "a torn one without the torn entry");
	is_u64(recover(&whole, e1 + 20, &path, &e), 1, "also within an entry's header");
	is_u64(recover(&whole, PACK_HEADER_BYTES, &path, &e), 0, "one without entries gives none");
	is_u64(recover(&whole, 0, &path, &e), 0, "nor does an empty file");
	is_u64(recover(&whole, whole.len - 1, &path, &e), 3, "a torn footer is made anew");
	buf_release(&whole);
	buf_release(&path);
}

static void test_limits(void)
{
	struct buf path = BUF_INIT;
	struct pack_writer *w;
	struct chunkid name;
	struct err e = ERR_INIT;
	unsigned int n = 0;

	path_of(&path, "full");
	if (pack_create(&w, path.p, &e) < 0)
		abort();
	ok(pack_seal(w, &name, &e) == ERR_INPUT, "an empty pack can't be sealed");
	for (; !pack_is_full(w) && n < 100; n++)
		append(w, CHUNK_DATA, (int)n, CHUNK_MAX_BYTES);
	is_u64(n, PACK_TARGET_BYTES / CHUNK_MAX_BYTES, "a pack is full at its target size");
	ok(pack_seal(w, &name, &e) == 0 && pack_bytes(w) < PACK_MAX_BYTES, "below the cap");
	pack_free(&w);
	ok(pack_create(&w, path.p, &e) == ERR_SYS, "an existing file is never written over");
	buf_release(&path);
}

int main(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(dir))
		return 1;
	test_round_trip();
	test_each_byte();
	test_cut();
	test_salvage();
	test_recover();
	test_limits();
	ok(path_remove_tree(dir, &e) == 0, "clean up");
	return done_testing();
}
