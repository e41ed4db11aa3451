/* SPDX-License-Identifier: MIT */
/* u-chunkid.c - ids as text, sets of keys */
#include "chunk/chunkid.h"
#include "tap.h"

static void test_text(void)
{
	static const char abc[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct chunkid id, back;
	struct err e = ERR_INIT;

	chunkid_of(&id, "abc", 3);
	is_str(chunkid_hex(&id).s, abc, "hex");
	is_str(chunkid_text(&id).s + 7, abc, "text");
	is_str(chunkid_short(&id).s, "ba7816bf8f01", "short");
	ok(chunkid_parse(&back, chunkid_text(&id).s, &e) == 0 && chunkid_equal(&id, &back),
	   "parsed");
	ok(chunkid_from_hex(&back, abc, 64) && chunkid_cmp(&id, &back) == 0, "from digits");
	ok(!chunkid_from_hex(&back, abc, 63), "one digit short");
	ok(chunkid_parse(&back, abc, &e) == ERR_INPUT, "no prefix");
	ok(chunkid_parse(&back, "sha256:BA7816bf", &e) == ERR_INPUT, "upper case, short");
	ok(!chunkid_is_empty_file(&id), "abc is not empty");
	chunkid_of(&id, NULL, 0);
	ok(chunkid_is_empty_file(&id), "nothing is");
	ok(!chunkid_kind_ok(0) && chunkid_kind_ok(CHUNK_RECIPE) && !chunkid_kind_ok(4), "kinds");
	is_str(chunkid_kind_name(CHUNK_NODE), "node", "name of a kind");
}

static void numbered(struct chunkid *id, unsigned int i)
{
	chunkid_of(id, &i, sizeof(i));
}

static void test_set(void)
{
	struct chunkset *s = chunkset_new();
	struct chunkkey key;
	struct chunkid id;
	uint64_t value = 0;
	size_t it = 0, n = 0;
	bool fine = true;

	for (unsigned int i = 0; i < 5000; i++) {
		numbered(&id, i);
		fine &= chunkset_add(s, CHUNK_DATA, &id, i);
		fine &= !chunkset_add(s, CHUNK_DATA, &id, 9);
	}
	ok(fine && chunkset_count(s) == 5000, "5,000 once each");
	for (unsigned int i = 0; i < 5000; i++) {
		numbered(&id, i);
		fine &= chunkset_get(s, CHUNK_DATA, &id, &value) && value == i;
		fine &= !chunkset_has(s, CHUNK_NODE, &id);
	}
	ok(fine, "found with their values, under their kind only");
	numbered(&id, 5001);
	ok(!chunkset_has(s, CHUNK_DATA, &id) && !chunkset_get(s, CHUNK_DATA, &id, &value),
	   "absent");
	while (chunkset_next(s, &it, &key, &value)) {
		numbered(&id, (unsigned int)n);
		fine &= value == n && key.kind == CHUNK_DATA && chunkid_equal(&key.id, &id);
		n++;
	}
	ok(fine && n == 5000, "walked in the order added");
	chunkset_free(s);
	chunkset_free(NULL);
}

int main(void)
{
	test_text();
	test_set();
	return done_testing();
}
