/* SPDX-License-Identifier: MIT */
/*
 * u-store-stream.c - files hashed while their chunks come; see store/store.h
 *
 * Whether a recipe was proven on the way shows in what its commit may still hash: one byte.
 */
#include "base/limits.h"
#include "chunk/recipe.h"
#include "store-lib.h"

#define CHUNK 3000
#define PLENTY GIB
#define LITTLE SESSION_LOAD_BYTES /* for the recipe of the root, but for no chunk */

static struct store *store;
static struct store_stream *stream;

/* A file made of the chunks in `list`, ended by a negative number. */
struct file {
	struct chunkid id;
	struct buf recipe;
};

static void make_file(struct file *f, const int *list)
{
	struct recipe r = {.profile = 1};
	struct buf all = BUF_INIT, one = BUF_INIT;
	struct err e = ERR_INIT;

	for (; *list >= 0; list++) {
		struct chunkid id = lib_id((uint64_t)*list, CHUNK);

		lib_content((uint64_t)*list, CHUNK, &one);
		buf_addbuf(&all, &one);
		recipe_add(&r, &id, CHUNK);
	}
	chunkid_of(&f->id, all.p, all.len);
	buf_init(&f->recipe);
	must(recipe_format(&r, NULL, NULL, &f->recipe, &e), &e);
	recipe_release(&r);
	buf_release(&all);
	buf_release(&one);
}

static struct store_txn *begin(void)
{
	struct store_txn *x;
	struct err e = ERR_INIT;

	must(store_begin(store, NULL, &x, &e), &e);
	return x;
}

static void put_piece(struct store_txn *x, int number)
{
	struct store_info info = {CHUNK, CHUNK, 0};
	struct chunkid id = lib_id((uint64_t)number, CHUNK);
	struct buf bytes = BUF_INIT;
	struct err e = ERR_INIT;

	lib_content((uint64_t)number, CHUNK, &bytes);
	must(store_put_piece(x, stream, &id, &info, bytes.p, &e), &e);
	buf_release(&bytes);
}

static void put_recipe(struct store_txn *x, const struct file *f)
{
	struct store_info info = {(uint32_t)f->recipe.len, (uint32_t)f->recipe.len, 0};
	struct err e = ERR_INIT;

	must(store_put_recipe(x, stream, &f->id, &info, f->recipe.p, &e), &e);
}

/* Commit the file as a root, with so many bytes that may be hashed; gives up what can't be. */
static int commit(struct store_txn *x, const struct file *f, uint64_t budget, struct err *e)
{
	struct store_rootref root = {CHUNK_DATA, f->id};
	struct store_commit c = STORE_COMMIT_INIT;
	int rc;

	c.files = &root;
	c.nfiles = 1;
	c.hash_left = &budget;
	rc = store_commit(x, &c, e);
	if (rc != 0)
		store_abort(x, false);
	return rc;
}

static void test_saves(void)
{
	const int list[] = {0, 1, 2, -1}, next[] = {3, 4, -1};
	struct store_txn *x = begin();
	struct err e = ERR_INIT;
	struct file f, g;

	make_file(&f, list);
	make_file(&g, next);
	for (int i = 0; i < 3; i++)
		put_piece(x, i);
	put_recipe(x, &f);
	put_piece(x, 3);
	must(lib_put(x, 90, CHUNK, &e), &e);
	put_piece(x, 4);
	put_recipe(x, &g);
	ok(commit(x, &f, LITTLE, &e) == 0, "two files in their order need no hashing: %s", e.msg);
	is_u64(lib_fsck(store, STORE_FSCK_DEEP, NULL), 0, "and are right");
	buf_release(&f.recipe);
	buf_release(&g.recipe);
}

/* A session of millions of chunks is committed in part: its next txn goes on. */
static void test_two_txns(void)
{
	const int list[] = {10, 11, -1};
	struct store_txn *x = begin();
	struct err e = ERR_INIT;
	struct file f;

	make_file(&f, list);
	put_piece(x, 10);
	must(store_commit(x, NULL, &e), &e);
	x = begin();
	put_piece(x, 11);
	put_recipe(x, &f);
	ok(commit(x, &f, LITTLE, &e) == 0, "a file in two transactions: %s", e.msg);
	buf_release(&f.recipe);
}

/* What the pieces don't make up is proven as ever: with one byte to hash it can't be. */
static void not_by_pieces(const char *what, const int *pieces, const int *list)
{
	struct err e = ERR_INIT;
	struct file f;

	make_file(&f, list);
	for (int pass = 0; pass < 2; pass++) {
		struct store_txn *x = begin();

		for (const int *i = pieces; *i >= 0; i++)
			put_piece(x, *i);
		put_recipe(x, &f);
		if (pass == 0)
			ok(commit(x, &f, LITTLE, &e) == ERR_LIMIT, "%s is not taken for proven",
			   what);
		else
			ok(commit(x, &f, PLENTY, &e) == 0, "%s: but it can be: %s", what, e.msg);
	}
	buf_release(&f.recipe);
}

static void test_falls_back(void)
{
	const int first[] = {20, 21, 22, -1};
	const int again[] = {20, 23, -1};
	const int twice[] = {24, 24, 25, -1};
	const int once[] = {24, 25, -1};
	const int other[] = {27, 26, -1};
	const int order[] = {26, 27, -1};
	const int few[] = {28, 29, -1};
	const int more[] = {28, 29, 20, -1};
	struct err e = ERR_INIT;
	struct store_txn *x = begin();
	struct file f;

	make_file(&f, first);
	for (int i = 20; i < 23; i++)
		put_piece(x, i);
	put_recipe(x, &f);
	must(commit(x, &f, LITTLE, &e), &e);
	not_by_pieces("a file with a piece that was here", again, again);
	not_by_pieces("one that has a piece twice", once, twice);
	not_by_pieces("one in another order", other, order);
	not_by_pieces("one with an end that was not sent", few, more);
	buf_release(&f.recipe);
}

/* The bytes are right and the hash is; the recipe names other chunks, or the same ones otherwise. */
static void test_lies(void)
{
	const int list[] = {30, 31, -1}, swapped[] = {31, 30, -1};
	struct store_txn *x = begin();
	struct err e = ERR_INIT;
	struct file f, g;

	make_file(&f, list);
	make_file(&g, swapped);
	put_piece(x, 30);
	put_piece(x, 31);
	buf_swap(&f.recipe, &g.recipe);
	put_recipe(x, &f);
	ok(commit(x, &f, PLENTY, &e) == ERR_CORRUPT, "a recipe that names them otherwise: %s",
	   e.msg);
	buf_swap(&f.recipe, &g.recipe);

	x = begin();
	put_piece(x, 30);
	put_piece(x, 31);
	f.id = lib_id(77, CHUNK);
	put_recipe(x, &f);
	ok(commit(x, &f, PLENTY, &e) == ERR_CORRUPT, "a right recipe of another file: %s", e.msg);
	buf_release(&f.recipe);
	buf_release(&g.recipe);
}

int main(void)
{
	lib_begin();
	store = lib_open("stream", STORE_VERIFY);
	stream = store_stream_new();
	test_saves();
	test_two_txns();
	test_falls_back();
	test_lies();
	is_u64(lib_fsck(store, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	store_stream_free(stream);
	store_close(store);
	lib_end();
	return done_testing();
}
