/* SPDX-License-Identifier: MIT */
/* u-segment.c - index segments: lookups against the plain list, damage, bounds */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "store/segment.h"
#include "tap.h"

#define ROWS 20000

static char dir[] = "/tmp/u-segment-XXXXXX";
static struct chunkid packs[3];

static int cmp(const void *a, const void *b)
{
	return segment_row_cmp(a, b);
}

static struct segment_row *make_rows(size_t n)
{
	struct segment_row *rows = calloc(n, sizeof(*rows));

	for (size_t i = 0; i < n; i++) {
		chunkid_of(&rows[i].id, &i, sizeof(i));
		rows[i].kind = (uint8_t)(1 + i % 7 % 3);
		rows[i].encoding = i % 2;
		rows[i].pack = (uint32_t)(i % 3);
		rows[i].offset = (uint32_t)(i * 60);
		rows[i].stored = (uint32_t)(1 + i);
		rows[i].plain = (uint32_t)(1 + i + i % 2); /* raw: one length */
	}
	qsort(rows, n, sizeof(*rows), cmp);
	return rows;
}

static bool same(const struct segment_row *a, const struct segment_row *b)
{
	return segment_row_cmp(a, b) == 0 && a->encoding == b->encoding && a->pack == b->pack &&
	       a->offset == b->offset && a->stored == b->stored && a->plain == b->plain;
}

/* Write, read the bytes, and give the path. */
static void make(const struct segment_row *rows, size_t n, struct chunkid *name, struct buf *path,
		 struct buf *bytes)
{
	struct err e = ERR_INIT;

	if (segment_write(dir, rows, n, packs, 3, name, &e) < 0) {
		printf("Bail out! %s\n", e.msg);
		exit(1);
	}
	buf_reset(path);
	buf_addf(path, "%s/%s.seg", dir, chunkid_hex(name).s);
	buf_reset(bytes);
	if (io_read_file(AT_FDCWD, path->p, 64 * MIB, bytes, NULL) < 0)
		abort();
}

static void test_lookup(void)
{
	struct segment_row *rows = make_rows(ROWS), got;
	struct buf path = BUF_INIT, bytes = BUF_INIT;
	struct chunkid name, other;
	struct segment *s = NULL;
	struct err e = ERR_INIT;
	size_t wrong = 0, extra = 0;

	make(rows, ROWS, &name, &path, &bytes);
	ok(segment_open(&s, path.p, &name, &e) == 0, "opens: %s", e.msg);
	ok(segment_check(s, &e) == 0, "is whole: %s", e.msg);
	is_u64(segment_count(s), ROWS, "number of rows");
	is_u64(segment_npacks(s), 3, "number of packs");
	ok(chunkid_equal(segment_pack(s, 2), &packs[2]), "pack table");
	for (size_t i = 0; i < ROWS; i++) {
		if (segment_find(s, rows[i].kind, &rows[i].id, &got, &e) != 1 ||
		    !same(&got, &rows[i]))
			wrong++;
		if (segment_row_at(s, i, &got, &e) < 0 || !same(&got, &rows[i]))
			wrong++;
		if (segment_find(s, 1 + rows[i].kind % 3, &rows[i].id, &got, &e) != 0)
			extra++;
		chunkid_of(&other, &rows[i], sizeof(rows[i].id));
		if (segment_find(s, rows[i].kind, &other, &got, &e) != 0)
			extra++;
	}
	is_u64(wrong, 0, "every row is found, by key and by number");
	is_u64(extra, 0, "nothing else is, another kind of the same id neither");
	segment_close(&s);
	ok(s == NULL, "closed");
	ok(segment_open(&s, "/nonexistent/x.seg", &name, &e) == ERR_NOTFOUND, "absent is NOTFOUND");
	ok(segment_open(&s, path.p, &packs[0], &e) == ERR_CORRUPT, "the name must be right");
	free(rows);
	buf_release(&path);
	buf_release(&bytes);
}

/* The lookup of any key in a damaged segment is right or refused, never wrong. */
static void test_damage(void)
{
	enum { N = 3000 };
	struct segment_row *rows = make_rows(N), got;
	struct buf path = BUF_INIT, bytes = BUF_INIT;
	struct chunkid name;
	size_t wrong = 0, refused = 0, accepted = 0;

	make(rows, N, &name, &path, &bytes);
	for (size_t at = 0; at < bytes.len; at += 997) {
		struct segment *s = NULL;
		int rc;

		bytes.p[at] ^= 0x10;
		rc = segment_from(&s, bytes.p, bytes.len, NULL);
		for (size_t i = 0; i < N && rc == 0; i += 37) {
			int hit = segment_find(s, rows[i].kind, &rows[i].id, &got, NULL);

			if (hit < 0)
				refused++;
			else if (hit == 0 || !same(&got, &rows[i]))
				wrong++;
		}
		if (rc == 0 && segment_check(s, NULL) == 0)
			accepted++;
		segment_close(&s);
		bytes.p[at] ^= 0x10;
	}
	is_u64(wrong, 0, "no damaged byte leads to a wrong answer");
	ok(refused > 0, "damaged blocks are refused when touched");
	is_u64(accepted, 0, "the full check finds each");
	free(rows);
	buf_release(&path);
	buf_release(&bytes);
}

static void test_cut(void)
{
	struct segment_row *rows = make_rows(10);
	struct buf path = BUF_INIT, bytes = BUF_INIT;
	struct segment *s;
	struct chunkid name;
	size_t taken = 0;

	make(rows, 10, &name, &path, &bytes);
	for (size_t n = 0; n < bytes.len; n++) {
		char *copy = malloc(n ? n : 1);

		memcpy(copy, bytes.p, n);
		if (segment_from(&s, copy, n, NULL) == 0)
			taken++;
		segment_close(&s);
		free(copy);
	}
	is_u64(taken, 0, "a segment cut anywhere is refused");
	buf_addch(&bytes, 0);
	ok(segment_from(&s, bytes.p, bytes.len, NULL) == ERR_CORRUPT, "as is one with a byte more");
	free(rows);
	buf_release(&path);
	buf_release(&bytes);
}

int main(void)
{
	struct err e = ERR_INIT;

	if (!mkdtemp(dir))
		return 1;
	for (size_t i = 0; i < 3; i++)
		chunkid_of(&packs[i], &i, 1);
	test_lookup();
	test_damage();
	test_cut();
	ok(path_remove_tree(dir, &e) == 0, "clean up");
	return done_testing();
}
