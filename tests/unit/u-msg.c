/* SPDX-License-Identifier: MIT */
/* u-msg.c - unit tests of wire/msg */
#include "wire/msg.h"

#include "base/wr.h"
#include "wire/frame.h"

#include "tap.h"

static const uint8_t id_a[MSG_ID_BYTES] = {1, 2, 3};
static const uint8_t id_b[MSG_ID_BYTES] = {9, 8, 7};

static void test_hello(void)
{
	struct msg_hello h = MSG_HELLO_INIT, back = MSG_HELLO_INIT;
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	bool refused = true;

	h.role = MSG_ROLE_PUSH;
	h.generation = 77;
	h.uuid[3] = 4;
	strvec_push(&h.caps, "agent=git-deepops/1");
	msg_put_hello(&b, &h);
	ok(msg_get_hello(&back, b.p, b.len, &e) == 0, "HELLO comes back");
	ok(back.role == MSG_ROLE_PUSH && back.generation == 77 && back.uuid[3] == 4 &&
		   back.max_batch == BATCH_MAX_IDS && back.window == WINDOW_BYTES &&
		   back.quota_left == MSG_QUOTA_NONE,
	   "with every field");
	is_str(back.caps.v[0], "agent=git-deepops/1", "and its capability");
	for (size_t n = 0; n < b.len; n++) {
		struct msg_hello cut = MSG_HELLO_INIT;

		refused &= msg_get_hello(&cut, b.p, n, &e) < 0;
		msg_hello_release(&cut);
	}
	ok(refused, "every shorter one is refused");
	buf_addch(&b, 0);
	ok(msg_get_hello(&back, b.p, b.len, &e) == ERR_PROTO, "so is a longer one");
	buf_setlen(&b, b.len - 1);
	b.p[b.len - 1] = 0x1b;
	ok(msg_get_hello(&back, b.p, b.len, &e) == ERR_PROTO, "and an escape in a capability");
	b.p[12] = 4;
	ok(msg_get_hello(&back, b.p, b.len, &e) == ERR_PROTO, "and an unknown role");
	buf_release(&b);
	msg_hello_release(&h);
	msg_hello_release(&back);
}

static void test_agree(void)
{
	struct msg_hello mine = MSG_HELLO_INIT, theirs = MSG_HELLO_INIT;
	struct err e = ERR_INIT;
	uint16_t version = 0;

	mine.version_max = 3;
	theirs.version_max = 2;
	ok(msg_hello_agree(&mine, &theirs, &version, &e) == 0 && version == 2,
	   "the highest common version wins");
	strvec_push(&theirs.caps, "whatever=1");
	ok(msg_hello_agree(&mine, &theirs, &version, &e) == 0, "unknown capabilities are ignored");
	strvec_push(&theirs.caps, "!shiny");
	ok(msg_hello_agree(&mine, &theirs, &version, &e) == ERR_PROTO, "required ones are not");
	is_str(e.msg, "the other side requires shiny", "and named");
	strvec_pop(&theirs.caps);
	theirs.version_min = 9;
	theirs.version_max = 10;
	ok(msg_hello_agree(&mine, &theirs, &version, &e) == ERR_PROTO, "no common version");
	is_str(e.msg, "no protocol version in common: 9 to 10 there, 1 to 3 here", "is explained");
	theirs.version_min = 1;
	theirs.window = 100;
	ok(msg_hello_agree(&mine, &theirs, &version, &e) == ERR_PROTO,
	   "a window smaller than a frame is refused");
	msg_hello_release(&theirs);
}

static void test_find(void)
{
	struct buf b = BUF_INIT;
	struct msg_hello h = MSG_HELLO_INIT;
	struct err e = ERR_INIT;
	size_t mark, at = 99;
	bool waits = true;

	mark = frame_begin(&b, FRAME_HELLO, 0, 0);
	msg_put_hello(&b, &h);
	ok(frame_end(&b, mark), "a HELLO frame");
	for (size_t n = 0; n < FRAME_HEADER_BYTES + MSG_MAGIC_BYTES; n++)
		waits &= msg_find_hello(b.p, n, &at, &e) == 0;
	ok(waits, "is not seen before its magic is there");
	ok(msg_find_hello(b.p, b.len, &at, &e) == 1 && at == 0, "then at 0");
	buf_reset(&b);
	buf_addstr(&b, "Welcome to DOPSWIRE!\r\n");
	mark = frame_begin(&b, FRAME_HELLO, 0, 0);
	msg_put_hello(&b, &h);
	ok(frame_end(&b, mark) && msg_find_hello(b.p, b.len, &at, &e) == 1 && at == 22,
	   "after noise that holds the magic word");
	buf_reset(&b);
	for (int i = 0; i < 5000; i++)
		buf_addch(&b, 'x');
	ok(msg_find_hello(b.p, 4000, &at, &e) == 0, "4,000 bytes of noise may be followed by it");
	ok(msg_find_hello(b.p, b.len, &at, &e) == ERR_PROTO, "5,000 may not");
	buf_release(&b);
}

static void test_err(void)
{
	struct err from = ERR_INIT, e = ERR_INIT;
	struct msg_err m;
	struct buf b = BUF_INIT;

	err_set(&from, ERR_DENIED, "role %s", "read\033[2J");
	err_hint(&from, "ask");
	msg_put_err(&b, &from);
	ok(msg_get_err(&m, b.p, b.len, &e) == 0, "ERR comes back");
	is_u64((uint64_t)-m.code, (uint64_t)-ERR_DENIED, "with its class");
	is_str(m.msg, "role read?[2J", "its text made harmless");
	is_str(m.hint, "ask", "and its hint");
	ok(msg_get_err(&m, b.p, b.len - 1, &e) == ERR_PROTO, "cut short");
	b.p[0] = 99;
	ok(msg_get_err(&m, b.p, b.len, &e) == 0 && m.code == ERR_PROTO, "an unknown class");
	buf_release(&b);
}

static void test_keys(void)
{
	struct buf b = BUF_INIT;
	struct msg_keys k;
	struct err e = ERR_INIT;

	msg_put_key(&b, 1, id_a);
	msg_put_key(&b, 2, id_b);
	ok(msg_get_keys(&k, b.p, b.len, &e) == 0 && k.n == 2, "two keys");
	ok(msg_key_kind(&k, 1) == 2 && !memcmp(msg_key_id(&k, 1), id_b, MSG_ID_BYTES),
	   "the second");
	ok(msg_get_keys(&k, b.p, b.len - 1, &e) == ERR_PROTO, "half a key is refused");
	ok(msg_get_keys(&k, b.p, 0, &e) == ERR_PROTO, "so is none");
	while (b.len < (BATCH_MAX_IDS + 1) * MSG_KEY_BYTES)
		msg_put_key(&b, 1, id_a);
	ok(msg_get_keys(&k, b.p, b.len, &e) == ERR_LIMIT, "and one too many");
	ok(msg_get_keys(&k, b.p, b.len - MSG_KEY_BYTES, &e) == 0, "a full batch is not");
	buf_release(&b);
}

static void bitmap_round(size_t n, unsigned int width)
{
	uint8_t in[20], out[20];
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < n; i++)
		in[i] = (uint8_t)(i % (1U << width));
	msg_put_bitmap(&b, in, n, width);
	ok(msg_get_bitmap(out, n, width, b.p, b.len, &e) == 0 && !memcmp(in, out, n),
	   "%zu values of width %u come back", n, width);
	ok(msg_get_bitmap(out, n + 1, width, b.p, b.len, &e) == ERR_PROTO, "another n is refused");
	ok(msg_get_bitmap(out, n, 3 - width, b.p, b.len, &e) == ERR_PROTO, "another width too");
	b.p[b.len - 1] = (char)(uint8_t)0xff;
	ok(n * width % 8 == 0 || msg_get_bitmap(out, n, width, b.p, b.len, &e) == ERR_PROTO,
	   "and stray bits");
	buf_release(&b);
}

static void test_chunk(void)
{
	struct msg_chunk c = {1, 0, 5, id_a, 3, (const uint8_t *)"abc", 3}, back;
	struct buf b = BUF_INIT;
	struct err e = ERR_INIT;

	msg_put_chunk(&b, &c);
	is_u64(b.len, MSG_CHUNK_HEADER_BYTES + 3, "a chunk's length");
	ok(msg_get_chunk(&back, b.p, b.len, &e) == 0 && back.at == 5 && back.plain == 3 &&
		   back.stored_len == 3 && !memcmp(back.stored, "abc", 3) &&
		   !memcmp(back.id, id_a, MSG_ID_BYTES),
	   "and its fields");
	ok(msg_get_chunk(&back, b.p, MSG_CHUNK_HEADER_BYTES - 1, &e) == ERR_PROTO, "cut short");
	ok(msg_get_chunk(&back, b.p, MSG_CHUNK_HEADER_BYTES, &e) == ERR_PROTO, "without bytes");
	wr_le32_at(&b, 36, CHUNK_MAX_BYTES + 1);
	ok(msg_get_chunk(&back, b.p, b.len, &e) == ERR_LIMIT, "too long a plain length");
	buf_reset(&b);
	c.encoding = MSG_ABSENT;
	c.plain = 0;
	c.stored_len = 0;
	msg_put_chunk(&b, &c);
	ok(msg_get_chunk(&back, b.p, b.len, &e) == 0 && back.encoding == MSG_ABSENT, "absent");
	buf_addch(&b, 'x');
	ok(msg_get_chunk(&back, b.p, b.len, &e) == ERR_PROTO, "absent, but with bytes");
	buf_release(&b);
}

static void test_commit(void)
{
	static const struct msg_item in[] = {
		{.tag = MSG_ITEM_SPLIT, .shards = 1},
		{.tag = MSG_ITEM_SHARD,
		 .id = id_a,
		 .files = 5,
		 .bytes = 6,
		 .name = "a/b",
		 .name_len = 3},
		{.tag = MSG_ITEM_FILE, .id = id_b},
	};
	struct buf b = BUF_INIT;
	struct msg_item item;
	struct err e = ERR_INIT;
	struct rd r;

	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		msg_put_item(&b, &in[i]);
	r = rd_from(b.p, b.len);
	ok(msg_next_item(&r, &item, &e) == 1 && item.tag == MSG_ITEM_SPLIT && item.shards == 1,
	   "a split");
	ok(msg_next_item(&r, &item, &e) == 1 && item.tag == MSG_ITEM_SHARD && item.files == 5 &&
		   item.bytes == 6 && item.name_len == 3 && !memcmp(item.name, "a/b", 3),
	   "a shard");
	ok(msg_next_item(&r, &item, &e) == 1 && item.tag == MSG_ITEM_FILE &&
		   !memcmp(item.id, id_b, MSG_ID_BYTES),
	   "a file");
	ok(msg_next_item(&r, &item, &e) == 0, "the end");
	r = rd_from(b.p, b.len - 1);
	ok(msg_next_item(&r, &item, &e) == 1 && msg_next_item(&r, &item, &e) == 1 &&
		   msg_next_item(&r, &item, &e) == ERR_PROTO,
	   "cut short");
	b.p[0] = 4;
	r = rd_from(b.p, b.len);
	ok(msg_next_item(&r, &item, &e) == ERR_PROTO, "an unknown item");
	b.p[0] = MSG_ITEM_SPLIT;
	wr_le32_at(&b, 1, POINTER_MAX_SHARDS + 1);
	r = rd_from(b.p, b.len);
	ok(msg_next_item(&r, &item, &e) == ERR_PROTO, "too many shards");
	buf_release(&b);
}

static void test_fields(void)
{
	uint8_t nonce[MSG_NONCE_BYTES];
	struct err e = ERR_INIT;
	enum msg_role role;
	uint64_t v;

	ok(msg_get_u64(&v, "\1\0\0\0\0\0\0\1", 8, &e) == 0 && v == 0x0100000000000001, "a number");
	ok(msg_get_u64(&v, "\1\0\0\0\0\0\0\1", 7, &e) == ERR_PROTO, "cut short");
	ok(msg_get_nonce(nonce, id_a, 15, &e) == ERR_PROTO, "a short nonce");
	ok(msg_role_parse("push", &role) && role == MSG_ROLE_PUSH, "role");
	ok(!msg_role_parse("client", &role) && !msg_role_parse("root", &role), "no server role");
}

int main(void)
{
	test_hello();
	test_agree();
	test_find();
	test_err();
	test_keys();
	bitmap_round(13, 1);
	bitmap_round(7, 2);
	bitmap_round(8, 1);
	test_chunk();
	test_commit();
	test_fields();
	return done_testing();
}
