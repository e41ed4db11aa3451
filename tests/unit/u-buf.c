/* SPDX-License-Identifier: MIT */
/* u-buf.c - buffers and string arrays */
#include <stdlib.h>

#include "base/buf.h"
#include "base/rd.h"
#include "base/strvec.h"
#include "base/wr.h"
#include "tap.h"

static void test_buf(void)
{
	struct buf b = BUF_INIT, c = BUF_INIT;
	char *s;
	size_t n;

	is_str(b.p, "", "an empty buffer is a string");
	buf_addf(&b, "%s/%u", "dir", 7u);
	buf_addch(&b, '!');
	is_str(b.p, "dir/7!", "formatted text");
	buf_addbuf(&b, &b);
	is_str(b.p, "dir/7!dir/7!", "a buffer may be added to itself");
	buf_remove(&b, 3, 6);
	is_str(b.p, "dir/7!", "a range is cut out");
	buf_add(&b, "\0x", 2);
	ok(b.len == 8 && !memcmp(b.p, "dir/7!\0x", 9), "NUL bytes are content");
	buf_sets(&b, "blank \t\n\n");
	buf_rtrim(&b);
	is_str(b.p, "blank", "trailing blanks go");
	buf_addf(&c, "%0200d", 7);
	ok(c.len == 200 && strlen(c.p) == 200, "text longer than the first guess");
	ok(buf_cmp(&b, &c) > 0 && buf_cmp(&c, &c) == 0, "bytewise order");
	buf_swap(&b, &c);
	is_str(c.p, "blank", "swapped");
	ok(buf_startswith(&c, "bl") && !buf_startswith(&c, "blanks"), "prefix");
	s = buf_detach(&c, &n);
	ok(n == 5 && !strcmp(s, "blank") && c.len == 0 && c.p == buf_empty, "detached");
	free(s);
	s = buf_detach(&c, NULL);
	is_str(s, "", "an empty buffer detaches as an owned empty string");
	free(s);
	buf_release(&b);
	buf_release(&c);
}

static void test_strings(void)
{
	const char *rest = NULL;

	ok(str_startswith("refs/deepops/x", "refs/", &rest) && !strcmp(rest, "deepops/x"),
	   "str_startswith gives the rest");
	ok(!str_startswith("re", "refs/", NULL), "a shorter string does not start so");
	ok(str_endswith("a.deepops", ".deepops") && !str_endswith("ops", ".deepops"), "suffix");
}

static void test_strvec(void)
{
	struct strvec v = STRVEC_INIT;
	static const char *const more[] = {"b", "a", NULL};

	ok(!v.v[0], "an empty vector is an argv");
	strvec_pushl(&v, "c", "a", NULL);
	strvec_pushv(&v, more);
	strvec_pushf(&v, "%d", 9);
	strvec_pushn(&v, "abc", 2);
	ok(v.nr == 6 && !v.v[6], "six and a NULL");
	strvec_sort(&v);
	strvec_uniq(&v);
	ok(v.nr == 5 && !strcmp(v.v[0], "9") && !strcmp(v.v[1], "a") && !strcmp(v.v[2], "ab") &&
		   !strcmp(v.v[4], "c") && !v.v[5],
	   "sorted, once each");
	strvec_pop(&v);
	ok(v.nr == 4 && !strvec_has(&v, "c") && strvec_has(&v, "ab"), "popped");
	strvec_release(&v);
	strvec_pop(&v);
	strvec_uniq(&v);
	ok(v.nr == 0, "released is empty");
}

static void test_rd_wr(void)
{
	struct buf b = BUF_INIT;
	struct rd r;

	wr_u8(&b, 0x11);
	wr_le16(&b, 0x2233);
	wr_le32(&b, 0);
	wr_le64(&b, UINT64_C(0x8877665544332211));
	wr_le32_at(&b, 3, 0xdeadbeef);
	r = rd_from(b.p, b.len);
	ok(rd_u8(&r) == 0x11 && rd_le16(&r) == 0x2233 && rd_le32(&r) == 0xdeadbeef &&
		   rd_le64(&r) == UINT64_C(0x8877665544332211) && rd_at_end(&r),
	   "what wr wrote rd reads");
	r = rd_from(b.p, 3);
	ok(rd_le32(&r) == 0 && !rd_ok(&r) && rd_u8(&r) == 0 && rd_left(&r) == 0,
	   "a short read sticks");
	r = rd_from(b.p, b.len);
	ok(!rd_bytes(&r, SIZE_MAX) && !rd_ok(&r), "no wrap-around");
	buf_release(&b);
}

int main(void)
{
	test_buf();
	test_strings();
	test_strvec();
	test_rd_wr();
	return done_testing();
}
