/* SPDX-License-Identifier: MIT */
/* u-store-hashed.c - what counts as hashed since it was written, and what damage does to it */
#include <fcntl.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "chunk/recipe.h"
#include "store-lib.h"

#define CHUNK 3000

/* The answer about a root; *left is the budget before and after. */
static enum store_hashed ask(struct store *s, enum chunk_kind kind, const struct chunkid *id,
			     bool now, uint64_t *left)
{
	struct store_hash_opts opts = {.now = now, .budget = left, .who = "test"};
	struct store_rootref root = {kind, *id};
	struct store_hasher *h = store_hasher_new(s, &opts);
	enum store_hashed answer;
	struct err e = ERR_INIT;

	must(store_hasher_ask(h, &root, &answer, &e), &e);
	store_hasher_free(h);
	return answer;
}

static enum store_hashed known(struct store *s, uint64_t i)
{
	struct chunkid id = lib_id(i, CHUNK);
	uint64_t left = GIB;

	return ask(s, CHUNK_DATA, &id, false, &left);
}

static enum store_hashed hash_it(struct store *s, uint64_t i)
{
	struct chunkid id = lib_id(i, CHUNK);
	uint64_t left = GIB;

	return ask(s, CHUNK_DATA, &id, true, &left);
}

/* Flip a byte of `text` where the packs have it, when the kernel's clock has moved on since the last look. */
static bool damage(struct store *s, const struct buf *text)
{
	struct buf cmd = BUF_INIT;
	char line[512];
	bool done = false;
	FILE *f;

	usleep(20000);
	buf_addf(&cmd, "find %s/packs -type f", store_dir(s));
	f = popen(cmd.p, "r");
	while (f && !done && fgets(line, sizeof(line), f)) {
		struct buf whole = BUF_INIT;
		char *hit;
		int fd;

		line[strcspn(line, "\n")] = '\0';
		if (io_read_file(AT_FDCWD, line, PACK_MAX_BYTES, &whole, NULL) < 0)
			abort();
		hit = memmem(whole.p, whole.len, text->p, text->len);
		if (hit && chmod(line, 0644) == 0 && (fd = open(line, O_WRONLY)) >= 0) {
			char c = (char)(*hit ^ 1);

			done = pwrite(fd, &c, 1, hit - whole.p) == 1;
			close(fd);
		}
		buf_release(&whole);
	}
	pclose(f);
	buf_release(&cmd);
	return done;
}

static bool damage_chunk(struct store *s, uint64_t i)
{
	struct buf text = BUF_INIT;
	bool done;

	lib_content(i, CHUNK, &text);
	done = damage(s, &text);
	buf_release(&text);
	return done;
}

static void test_known(void)
{
	struct store *s = lib_open("known", STORE_VERIFY), *r;
	struct chunkid id = lib_id(1, CHUNK), empty;
	struct err e = ERR_INIT;
	uint64_t left = 0;

	lib_fill(s, 0, 3, CHUNK);
	ok(known(s, 1) == STORE_HASHED_NOT, "what was only received and committed is not proven");
	ok(ask(s, CHUNK_DATA, &id, true, &left) == STORE_HASHED_NOT, "nor without a budget");
	left = STORE_LOOKUP_BYTES;
	ok(ask(s, CHUNK_DATA, &id, true, &left) == STORE_HASHED_NOT && left == 0,
	   "nor with one that is too small");
	left = GIB;
	ok(ask(s, CHUNK_DATA, &id, true, &left) == STORE_HASHED_ALL, "read again it is");
	ok(left < GIB - 3 * CHUNK && left > GIB - 4 * CHUNK, "for the price of its pack (%d)",
	   (int)(GIB - left));
	ok(known(s, 1) == STORE_HASHED_ALL && known(s, 2) == STORE_HASHED_ALL,
	   "which is remembered, for all of the pack");
	ok(known(s, 7) == STORE_HASHED_DAMAGED, "what is not here is told");
	chunkid_of(&empty, "", 0);
	ok(ask(s, CHUNK_DATA, &empty, false, &left) == STORE_HASHED_ALL, "an empty file always is");
	lib_fill(s, 3, 4, CHUNK);
	ok(known(s, 1) == STORE_HASHED_ALL, "another commit changes nothing about it");
	ok(known(s, 3) == STORE_HASHED_NOT, "and is not proven by it");
	must(store_open(&r, store_dir(s), STORE_READONLY, &e), &e);
	ok(hash_it(r, 3) == STORE_HASHED_ALL, "who may not write can hash, too");
	ok(known(r, 3) == STORE_HASHED_NOT, "but leaves no note");
	store_close(r);
	store_close(s);
}

static void test_age(void)
{
	struct store *s = lib_open("age", STORE_VERIFY);
	struct chunkid id = lib_id(0, CHUNK);
	uint64_t left = GIB;
	struct store_hash_opts opts = {.budget = &left};
	struct store_rootref root = {CHUNK_DATA, id};
	struct store_hasher *h;
	enum store_hashed answer;
	struct err e = ERR_INIT;

	lib_fill(s, 0, 1, CHUNK);
	ok(hash_it(s, 0) == STORE_HASHED_ALL, "hashed now");
	opts.since_ms = clock_now_ms() + 1000;
	h = store_hasher_new(s, &opts);
	must(store_hasher_ask(h, &root, &answer, &e), &e);
	ok(answer == STORE_HASHED_NOT, "that was before the time that is asked for");
	store_hasher_free(h);
	lib_fsck(s, STORE_FSCK_PACKS, NULL);
	ok(known(s, 0) == STORE_HASHED_ALL, "a look that is less deep does not undo it");
	store_close(s);
}

static void test_fsck(void)
{
	struct store *s = lib_open("fsck", STORE_VERIFY);

	lib_fill(s, 0, 2, CHUNK);
	lib_fsck(s, STORE_FSCK_PACKS, NULL);
	ok(known(s, 0) == STORE_HASHED_NOT, "checksums prove no ids");
	lib_fsck(s, STORE_FSCK_DEEP, NULL);
	ok(known(s, 0) == STORE_HASHED_ALL, "a deep fsck counts");
	store_close(s);
}

static void test_damage(void)
{
	struct store *s = lib_open("damage", STORE_VERIFY);

	lib_fill(s, 0, 3, CHUNK);
	ok(hash_it(s, 1) == STORE_HASHED_ALL, "a sound pack");
	ok(damage_chunk(s, 1), "one byte is flipped");
	ok(known(s, 1) == STORE_HASHED_NOT,
	   "a file that changed after it was hashed is not proven");
	ok(hash_it(s, 0) == STORE_HASHED_ALL, "its neighbour is sound, and read by itself");
	ok(known(s, 0) == STORE_HASHED_NOT, "of a damaged pack nothing is remembered");
	ok(hash_it(s, 1) == STORE_HASHED_DAMAGED, "the chunk is damaged");
	ok(!lib_good(s, 1, CHUNK) && known(s, 1) == STORE_HASHED_DAMAGED, "and not here any more");
	lib_fill(s, 1, 2, CHUNK);
	ok(hash_it(s, 1) == STORE_HASHED_ALL, "stored again it can be proven");
	store_close(s);
}

static int put_node(void *arg, const struct chunkid *id, const struct buf *text, struct err *e)
{
	int rc = store_put(arg, CHUNK_NODE, id, text->p, text->len, true, e);

	return rc < 0 ? rc : 0;
}

/* d/big (chunks 0..3), d/small (chunk 9): its node; *file and *recipe are of the large file. */
static struct chunkid put_tree(struct store_txn *x, struct chunkid *file, struct buf *recipe)
{
	struct node_entry entries[2] = {
		{.mode = NODE_MODE_FILE,
		 .kind = NODE_FILE,
		 .files = 1,
		 .name = "big",
		 .name_len = 3},
		{.mode = NODE_MODE_FILE,
		 .kind = NODE_FILE,
		 .files = 1,
		 .name = "small",
		 .name_len = 5},
	};
	struct node_entry root;
	struct recipe r = RECIPE_INIT;
	struct buf all = BUF_INIT, one = BUF_INIT;
	struct chunkid chunk;
	struct err e = ERR_INIT;

	r.profile = 1;
	for (uint64_t i = 0; i < 4; i++) {
		lib_content(i, CHUNK, &one);
		buf_addbuf(&all, &one);
		chunkid_of(&chunk, one.p, one.len);
		recipe_add(&r, &chunk, CHUNK);
		must(lib_put(x, i, CHUNK, &e), &e);
	}
	must(lib_put(x, 9, CHUNK, &e), &e);
	chunkid_of(file, all.p, all.len);
	must(recipe_format(&r, NULL, NULL, recipe, &e), &e);
	must(store_put(x, CHUNK_RECIPE, file, recipe->p, recipe->len, false, &e), &e);
	entries[0].id = *file;
	entries[0].bytes = all.len;
	entries[1].id = lib_id(9, CHUNK);
	entries[1].bytes = CHUNK;
	must(node_build(entries, 2, put_node, x, &root, &e), &e);
	recipe_release(&r);
	buf_release(&all);
	buf_release(&one);
	return root.id;
}

static void test_tree(void)
{
	struct store *s = lib_open("tree", STORE_VERIFY);
	struct buf recipe = BUF_INIT;
	struct store_txn *x;
	struct chunkid root, file;
	struct err e = ERR_INIT;
	uint64_t left = GIB;

	must(store_begin(s, NULL, &x, &e), &e);
	root = put_tree(x, &file, &recipe);
	must(store_commit(x, NULL, &e), &e);
	ok(ask(s, CHUNK_NODE, &root, false, &left) == STORE_HASHED_NOT, "a tree is not proven");
	ok(ask(s, CHUNK_DATA, &file, true, &left) == STORE_HASHED_ALL, "its large file is hashed");
	ok(ask(s, CHUNK_NODE, &root, false, &left) == STORE_HASHED_ALL ||
		   ask(s, CHUNK_NODE, &root, true, &left) == STORE_HASHED_ALL,
	   "and then all of it");
	left = 3 * STORE_LOOKUP_BYTES;
	ok(ask(s, CHUNK_NODE, &root, true, &left) == STORE_HASHED_NOT,
	   "looking costs: with too little for all of it, it is not proven");
	left = 2 * STORE_LOOKUP_BYTES;
	ok(ask(s, CHUNK_NODE, &root, false, &left) == STORE_HASHED_NOT && left == 0,
	   "nor is anything read when the budget is spent");
	ok(ask(s, CHUNK_NODE, &root, false, &left) == STORE_HASHED_NOT && left == 0,
	   "for no budget at all");
	ok(damage(s, &recipe), "its recipe is damaged");
	left = GIB;
	ok(ask(s, CHUNK_NODE, &root, true, &left) == STORE_HASHED_DAMAGED, "so is the tree");
	ok(store_has(s, CHUNK_RECIPE, &file, NULL, &e) == 0, "and the recipe not here");
	ok(hash_it(s, 2) == STORE_HASHED_ALL, "what it names is sound");
	buf_release(&recipe);
	store_close(s);
}

/* ---- scrub ---- */

static struct store_scrubbed scrub(struct store *s, uint64_t most, struct lib_damage *found)
{
	struct store_scrub_opts opts = {most, "test", lib_note_damage, found};
	struct store_scrubbed done;
	struct err e = ERR_INIT;

	memset(found, 0, sizeof(*found));
	must(store_scrub(s, &opts, &done, &e), &e);
	return done;
}

static void test_slices(void)
{
	struct store *s = lib_open("slices", STORE_VERIFY);
	struct lib_damage found;
	struct store_scrubbed done;

	for (uint64_t i = 0; i < 3; i++)
		lib_fill(s, i, i + 1, CHUNK);
	done = scrub(s, 1, &found);
	ok(done.packs == 1 && done.unread == 2 && found.n == 0, "a slice reads one pack at least");
	ok(done.oldest_ms > 0, "and says since when the others were read");
	usleep(5000);
	done = scrub(s, 2 * CHUNK + 1000, &found);
	ok(done.packs == 2 && done.unread == 0, "the next one goes on with the rest");
	done = scrub(s, 0, &found);
	ok(done.packs == 3 && done.damaged == 0, "without a limit all are read");
	ok(known(s, 0) == STORE_HASHED_ALL && known(s, 2) == STORE_HASHED_ALL, "which proves them");
	store_close(s);
}

static void test_scrub_damage(void)
{
	struct store *s = lib_open("scrub", STORE_VERIFY);
	struct chunkid id = lib_id(1, CHUNK);
	struct lib_damage found;
	struct store_scrubbed done;
	struct store_txn *x;
	struct err e = ERR_INIT;

	lib_fill(s, 0, 3, CHUNK);
	lib_fill(s, 3, 4, CHUNK);
	damage_chunk(s, 1);
	must(store_begin(s, NULL, &x, &e), &e);
	done = scrub(s, 0, &found);
	ok(found.n == 2 && found.keys == 1 && chunkid_equal(&found.key.id, &id),
	   "damage is told: its file, and the chunk");
	ok(done.lost == 1 && done.damaged == 1, "which is marked");
	ok(store_has(s, CHUNK_DATA, &id, NULL, &e) == 0, "and not here any more");
	ok(done.left == 1, "while somebody uses the store its pack stays");
	store_abort(x, false);
	is_u64(lib_files(s, "packs"), 2, "as it is");
	done = scrub(s, 0, &found);
	ok(found.keys == 0 && done.lost == 0 && done.damaged == 1 && done.left == 0,
	   "the next scrub writes it anew, and tells the chunk no second time");
	is_u64(lib_files(s, "packs"), 3, "its old file stays beside");
	is_u64(lib_count_good(s, 0, 4, CHUNK), 3, "the others read");
	done = scrub(s, 0, &found);
	ok(found.n == 0 && done.damaged == 0, "and then all is sound");
	ok(known(s, 0) == STORE_HASHED_ALL, "and can be proven");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "as fsck says, too");
	lib_fill(s, 1, 2, CHUNK);
	is_u64(lib_count_good(s, 0, 4, CHUNK), 4, "what was lost can be stored again");
	store_close(s);
}

static void test_scrub_gone(void)
{
	struct store *s = lib_open("gone", STORE_VERIFY);
	struct buf packs = BUF_INIT;
	struct lib_damage found;
	struct err e = ERR_INIT;

	lib_fill(s, 0, 2, CHUNK);
	buf_addf(&packs, "%s/packs", store_dir(s));
	must(path_remove_tree(packs.p, &e), &e);
	must(path_mkdirs(packs.p, 0777, &e), &e);
	store_close(s);
	s = lib_open("gone", STORE_VERIFY);
	scrub(s, 0, &found);
	ok(found.n == 3 && found.keys == 2, "its chunks are told");
	is_u64(scrub(s, 0, &found).damaged, 0, "once");
	lib_fill(s, 0, 2, CHUNK);
	is_u64(lib_count_good(s, 0, 2, CHUNK), 2, "and can be stored again");
	buf_release(&packs);
	store_close(s);
}

int main(void)
{
	lib_begin();
	test_known();
	test_age();
	test_fsck();
	test_damage();
	test_tree();
	test_slices();
	test_scrub_damage();
	test_scrub_gone();
	lib_end();
	return done_testing();
}
