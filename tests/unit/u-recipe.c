/* SPDX-License-Identifier: MIT */
/* u-recipe.c - lists of chunks: round trips, pieces, canonical refusals */
#include "base/wr.h"
#include "chunk/recipe.h"
#include "tap.h"

/* A store of pieces: contents by number. */
struct pieces {
	struct buf text[16];
	struct chunkid ids[16];
	size_t n, loads;
};

static int keep(void *arg, const struct chunkid *id, const struct buf *piece, struct err *e)
{
	struct pieces *s = arg;

	if (s->n == ARRAY_SIZE(s->text))
		return err_set(e, ERR_LIMIT, "too many pieces for this test");
	buf_init(&s->text[s->n]);
	buf_addbuf(&s->text[s->n], piece);
	s->ids[s->n++] = *id;
	return 0;
}

static int fetch(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct pieces *s = arg;

	s->loads++;
	for (size_t i = 0; i < s->n; i++) {
		if (!chunkid_equal(&s->ids[i], id))
			continue;
		buf_addbuf(out, &s->text[i]);
		return 0;
	}
	return err_set(e, ERR_NOTFOUND, "piece");
}

static void forget(struct pieces *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_release(&s->text[i]);
	s->n = 0;
}

static void fill(struct recipe *r, size_t n)
{
	struct chunkid id;

	recipe_release(r);
	r->profile = 1;
	for (size_t i = 0; i < n; i++) {
		chunkid_of(&id, &i, sizeof(i));
		recipe_add(r, &id, (uint32_t)(i % 1000 + 1));
	}
}

static bool same(const struct recipe *a, const struct recipe *b)
{
	if (a->n != b->n || a->bytes != b->bytes || a->profile != b->profile)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!chunkid_equal(&a->entries[i].id, &b->entries[i].id) ||
		    a->entries[i].bytes != b->entries[i].bytes)
			return false;
	return true;
}

static void test_round_trip(size_t n, unsigned int version, size_t least_pieces)
{
	struct recipe r = RECIPE_INIT, back = RECIPE_INIT, list = RECIPE_INIT;
	struct buf text = BUF_INIT, again = BUF_INIT;
	struct pieces s = {.n = 0}, t = {.n = 0};
	struct err e = ERR_INIT;
	uint64_t total = 0;

	fill(&r, n);
	ok(recipe_format(&r, keep, &s, &text, &e) == 0, "%zu chunks: format (%s)", n, e.msg);
	ok((unsigned char)text.p[4] == version && text.len <= RECIPE_MAX_BYTES, "version %u",
	   version);
	ok(s.n >= least_pieces && (s.n == 0) == (version == 1), "%zu pieces", s.n);
	ok(recipe_parse(&back, text.p, text.len, fetch, &s, &e) == 0 && same(&r, &back),
	   "comes back (%s)", e.msg);
	ok(recipe_format(&back, keep, &t, &again, &e) == 0 && !buf_cmp(&text, &again),
	   "and gives the same bytes");
	ok(recipe_total(text.p, text.len, &total, &e) == 0 && total == r.bytes, "its total");
	ok(recipe_pieces(text.p, text.len, &list, &e) == 0 && list.n == s.n, "its pieces");
	ok(!s.n || (list.entries[0].bytes == s.text[0].len &&
		    chunkid_equal(&list.entries[0].id, &s.ids[0])),
	   "ids and lengths");
	if (version == 2)
		ok(recipe_parse(&back, text.p, text.len, NULL, NULL, &e) == ERR_NOTFOUND,
		   "without a loader");
	forget(&s);
	forget(&t);
	recipe_release(&r);
	recipe_release(&back);
	recipe_release(&list);
	buf_release(&text);
	buf_release(&again);
}

static int nothing(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	size_t *seen = arg;

	(void)offset;
	(void)entry;
	(void)e;
	++*seen;
	return 0;
}

static void refused(const struct buf *text, struct pieces *s, const char *label)
{
	struct recipe_source from = {fetch, s};
	struct recipe r = RECIPE_INIT;
	struct err e = ERR_INIT;
	size_t seen = 0;

	ok(recipe_parse(&r, text->p, text->len, fetch, s, &e) == ERR_CORRUPT && r.n == 0,
	   "refused: %s (%s)", label, e.msg);
	ok(recipe_walk(text->p, text->len, &from, nothing, &seen, &e) == ERR_CORRUPT,
	   "a walk refuses it too");
}

/* A valid recipe of two chunks with one u8 changed at `at`. */
static void refused_byte(size_t at, unsigned char value, const char *label)
{
	struct pieces s = {.n = 0};
	struct recipe r = RECIPE_INIT;
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	fill(&r, 2);
	ok(recipe_format(&r, NULL, NULL, &text, &e) == 0, "valid before");
	text.p[at] = (char)value;
	refused(&text, &s, label);
	buf_release(&text);
	recipe_release(&r);
}

static void test_refused(void)
{
	struct pieces s = {.n = 0};
	struct recipe r = RECIPE_INIT;
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	refused_byte(0, 'd', "magic");
	refused_byte(4, 3, "version 3");
	refused_byte(4, 0, "version 0");
	refused_byte(6, 0, "profile 0");
	refused_byte(8, 4, "total one too large");
	refused_byte(15, 0x80, "total beyond a file");
	refused_byte(16, 0, "no entries");
	refused_byte(16, 3, "one entry more than there is");
	refused_byte(19, 0xff, "entries beyond the limit");
	refused_byte(52, 0, "an empty chunk");
	refused_byte(55, 1, "a chunk of 16 MiB");
	fill(&r, 2);
	ok(recipe_format(&r, NULL, NULL, &text, &e) == 0, "valid before");
	buf_addch(&text, 0);
	refused(&text, &s, "a byte more");
	buf_setlen(&text, 10);
	refused(&text, &s, "cut short");
	ok(recipe_format(&(struct recipe)RECIPE_INIT, NULL, NULL, &text, &e) == ERR_INPUT,
	   "no recipe of nothing");
	buf_release(&text);
	recipe_release(&r);
}

static void test_pieces_refused(void)
{
	struct pieces s = {.n = 0};
	struct recipe r = RECIPE_INIT;
	struct buf text = BUF_INIT, small = BUF_INIT;
	struct chunkid id;
	struct err e = ERR_INIT;

	fill(&r, 40000);
	ok(recipe_format(&r, keep, &s, &text, &e) == 0 && s.n >= 2, "%zu pieces", s.n);
	buf_addstr(&small, "DOPR");
	wr_le16(&small, 2);
	wr_le16(&small, 1);
	wr_le64(&small, 1000);
	wr_le32(&small, 1);
	chunkid_of(&id, s.text[s.n - 1].p, s.text[s.n - 1].len);
	buf_add(&small, id.b, HASH_BYTES);
	wr_le32(&small, (uint32_t)(s.text[s.n - 1].len / RECIPE_ENTRY_BYTES));
	refused(&small, &s, "pieces for what fits in one recipe");
	/* Move one entry from the first piece to the second: the same list, cut elsewhere. */
	buf_setlen(&s.text[0], s.text[0].len - RECIPE_ENTRY_BYTES);
	wr_le32_at(&text, 20 + HASH_BYTES, (uint32_t)(s.text[0].len / RECIPE_ENTRY_BYTES));
	refused(&text, &s, "a piece cut elsewhere");
	buf_setlen(&s.text[0], s.text[0].len - 1);
	refused(&text, &s, "a piece of another length");
	forget(&s);
	buf_release(&text);
	buf_release(&small);
	recipe_release(&r);
}

int main(void)
{
	test_round_trip(1, 1, 0);
	test_round_trip(3, 1, 0);
	test_round_trip(RECIPE_MAX_ENTRIES, 1, 0);
	test_round_trip(RECIPE_MAX_ENTRIES + 1, 2, 2);
	test_round_trip(60000, 2, 4);
	test_refused();
	test_pieces_refused();
	return done_testing();
}
