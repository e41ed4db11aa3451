/* SPDX-License-Identifier: MIT */
/* u-store-verify.c - the closure check: what a verified commit accepts, asks for and refuses */
#include "base/clock.h"
#include "base/db.h"
#include "base/limits.h"
#include "chunk/recipe.h"
#include "store-lib.h"

#define CHUNK 3000

/* store_fn of node and recipe builders: put it into the txn. */
static int put_node(void *arg, const struct chunkid *id, const struct buf *text, struct err *e)
{
	int rc = store_put(arg, CHUNK_NODE, id, text->p, text->len, true, e);

	return rc < 0 ? rc : 0;
}

/* A file of chunks [from, to): its id, length and recipe text. */
static void make_file(uint64_t from, uint64_t to, struct chunkid *id, uint64_t *bytes,
		      struct buf *recipe)
{
	struct recipe r = RECIPE_INIT;
	struct buf all = BUF_INIT, one = BUF_INIT;
	struct chunkid chunk;
	struct err e = ERR_INIT;

	r.profile = 1;
	for (uint64_t i = from; i < to; i++) {
		lib_content(i, CHUNK, &one);
		buf_addbuf(&all, &one);
		chunkid_of(&chunk, one.p, one.len);
		recipe_add(&r, &chunk, CHUNK);
	}
	chunkid_of(id, all.p, all.len);
	*bytes = all.len;
	buf_reset(recipe);
	must(recipe_format(&r, NULL, NULL, recipe, &e), &e);
	recipe_release(&r);
	buf_release(&all);
	buf_release(&one);
}

/* The dataset of these tests: sub/{big: chunks 0..4, empty, small: chunk 9}. */
struct tree {
	struct chunkid big, small;
	struct buf recipe;
	struct node_entry sub;
	struct node_entry entries[3];
	uint64_t big_bytes;
};

static void make_tree(struct tree *t)
{
	struct node_entry file = {.mode = NODE_MODE_FILE, .kind = NODE_FILE, .files = 1};

	memset(t, 0, sizeof(*t));
	buf_init(&t->recipe);
	make_file(0, 4, &t->big, &t->big_bytes, &t->recipe);
	t->small = lib_id(9, CHUNK);
	for (size_t i = 0; i < 3; i++)
		t->entries[i] = file;
	t->entries[0].name = "big";
	t->entries[0].name_len = 3;
	t->entries[0].id = t->big;
	t->entries[0].bytes = t->big_bytes;
	t->entries[1].name = "empty";
	t->entries[1].name_len = 5;
	chunkid_of(&t->entries[1].id, "", 0);
	t->entries[2].name = "small";
	t->entries[2].name_len = 5;
	t->entries[2].id = t->small;
	t->entries[2].bytes = CHUNK;
}

/* Put the nodes: the directory, and a root that holds it as `sub`. */
static struct chunkid put_nodes(struct store_txn *x, struct tree *t)
{
	struct node_entry root;
	struct err e = ERR_INIT;

	must(node_build(t->entries, 3, put_node, x, &t->sub, &e), &e);
	t->sub.name = "sub";
	t->sub.name_len = 3;
	must(node_build(&t->sub, 1, put_node, x, &root, &e), &e);
	return root.id;
}

static void put_files(struct store_txn *x, struct tree *t)
{
	struct err e = ERR_INIT;

	for (uint64_t i = 0; i < 4; i++)
		must(lib_put(x, i, CHUNK, &e), &e);
	must(lib_put(x, 9, CHUNK, &e), &e);
	must(store_put(x, CHUNK_RECIPE, &t->big, t->recipe.p, t->recipe.len, true, &e), &e);
}

static struct store_txn *begin(struct store *s, const char *nonce)
{
	uint8_t n[STORE_NONCE_BYTES] = {0};
	struct err e = ERR_INIT;
	struct store_txn *x;

	snprintf((char *)n, sizeof(n), "%s", nonce);
	must(store_begin(s, n, &x, &e), &e);
	return x;
}

static void test_complete(void)
{
	struct store *s = lib_open("complete", STORE_VERIFY);
	struct store_txn *x = begin(s, "one");
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct chunkid key, dataset;
	struct store_root root;
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	shard.id = put_nodes(x, &t);
	shard.files = 3;
	shard.bytes = t.big_bytes + CHUNK;
	c.splits = &split;
	c.nsplits = 1;
	c.files = &(struct store_rootref){CHUNK_DATA, t.big};
	c.nfiles = 1;
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_NONE,
	   "no root yet");
	ok(store_commit(x, &c, &e) == 0, "a whole dataset commits: %s", e.msg);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0, "its shard is a root");
	ok(root.state == STORE_ROOT_COMPLETE && root.files == 3 && root.bytes == shard.bytes,
	   "complete, with its totals");
	ok(root.pin_until > clock_now_seconds() + STORE_PIN_SECONDS - 60, "pinned for 90 days");
	ok(store_root(s, CHUNK_RECIPE, &t.big, &root, &e) == 0 &&
		   root.state == STORE_ROOT_COMPLETE && root.bytes == t.big_bytes,
	   "so is the file");
	node_split_key(&shard, 1, &key);
	ok(store_split_dataset(s, &key, &dataset, &e) == 0 && chunkid_equal(&dataset, &shard.id),
	   "the dataset id of a whole tree is its node's");
	ok(store_root(s, (enum chunk_kind)STORE_ROOT_SPLIT, &key, &root, &e) == 0 &&
		   root.state == STORE_ROOT_COMPLETE,
	   "the split key answers too");
	ok(store_split_dataset(s, &t.big, &dataset, &e) == ERR_NOTFOUND, "another key does not");
	ok(store_node_certified(s, &shard.id, &e) == 1, "the node is certified");
	ok(store_node_certified(s, &t.big, &e) == 0, "what isn't there is not");
	must(store_mark_rooted(s, &(struct store_rootref){CHUNK_NODE, shard.id}, 1, true, &e), &e);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_ROOTED,
	   "a ref names it");
	must(store_mark_rooted(s, NULL, 0, true, &e), &e);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 &&
		   root.state == STORE_ROOT_COMPLETE,
	   "no ref does any more");

	x = begin(s, "one");
	ok(store_commit(x, &c, &e) == 0, "the same session again is fine");
	x = begin(s, "two");
	put_files(x, &t);
	is_u64(store_txn_count(x), 0, "another session has nothing to send");
	ok(store_commit(x, &c, &e) == 0, "and commits the same roots");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	buf_release(&t.recipe);
	store_close(s);
}

/* Commit with one thing left out: it is named; sent, the commit works. */
static void test_missing(void)
{
	struct store *s = lib_open("missing", STORE_VERIFY);
	struct store_txn *x = begin(s, "m");
	struct store_commit c = STORE_COMMIT_INIT;
	struct chunkid chunk = lib_id(2, CHUNK);
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	shard.id = put_nodes(x, &t);
	shard.files = 3;
	shard.bytes = t.big_bytes + CHUNK;
	c.splits = &split;
	c.nsplits = 1;
	c.missing = chunkset_new();
	ok(store_commit(x, &c, &e) == 1, "nodes without files don't commit");
	is_u64(chunkset_count(c.missing), 2, "two files are missing");
	ok(chunkset_has(c.missing, CHUNK_DATA, &t.big) &&
		   chunkset_has(c.missing, CHUNK_DATA, &t.small),
	   "both are named");
	chunkset_free(c.missing);
	c.missing = chunkset_new();
	must(store_put(x, CHUNK_RECIPE, &t.big, t.recipe.p, t.recipe.len, true, &e), &e);
	must(lib_put(x, 9, CHUNK, &e), &e);
	for (uint64_t i = 0; i < 4; i++)
		if (i != 2)
			must(lib_put(x, i, CHUNK, &e), &e);
	ok(store_commit(x, &c, &e) == 1 && chunkset_count(c.missing) == 1 &&
		   chunkset_has(c.missing, CHUNK_DATA, &chunk),
	   "a chunk of a recipe is named");
	chunkset_free(c.missing);
	c.missing = NULL;
	ok(store_commit(x, &c, &e) == 1, "the caller needn't want to know");
	must(lib_put(x, 2, CHUNK, &e), &e);
	ok(store_commit(x, &c, &e) == 0, "then it commits: %s", e.msg);

	x = begin(s, "n");
	shard.id = lib_id(77, 10);
	ok(store_commit(x, &c, &e) == 1, "a root that isn't there is missing");
	store_abort(x, false);
	buf_release(&t.recipe);
	store_close(s);
}

static int put_stored(struct store_txn *x, struct chunkkey key, struct store_info info,
		      const void *p, struct err *e)
{
	return store_put_stored(x, key.kind, &key.id, &info, p, e);
}

/* Everything that lies is refused, and nothing of it is there afterwards. */
static void test_lies(void)
{
	struct store *s = lib_open("lies", STORE_VERIFY);
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct err e = ERR_INIT;
	struct store_txn *x;
	struct chunkid other = lib_id(50, CHUNK);
	struct buf bytes = BUF_INIT;
	struct tree t;

	make_tree(&t);
	x = begin(s, "1");
	put_files(x, &t);
	must(store_put(x, CHUNK_RECIPE, &other, t.recipe.p, t.recipe.len, true, &e), &e);
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "a recipe of another file: %s", e.msg);
	store_abort(x, false);
	ok(store_has(s, CHUNK_DATA, &t.small, NULL, &e) == 0, "nothing of it is there");

	x = begin(s, "2");
	put_files(x, &t);
	t.entries[2].bytes++;
	put_nodes(x, &t);
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "a wrong file length: %s", e.msg);
	store_abort(x, false);
	t.entries[2].bytes--;

	x = begin(s, "3");
	put_files(x, &t);
	t.entries[0].bytes--;
	put_nodes(x, &t);
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "of a recipe too: %s", e.msg);
	store_abort(x, false);
	t.entries[0].bytes++;

	x = begin(s, "5");
	put_files(x, &t);
	put_nodes(x, &t);
	t.sub.files = 4;
	must(node_build(&t.sub, 1, put_node, x, &t.sub, &e), &e);
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "a wrong sum of files: %s", e.msg);
	store_abort(x, false);

	x = begin(s, "6");
	put_files(x, &t);
	shard.id = put_nodes(x, &t);
	shard.files = 3;
	shard.bytes = 1;
	c.splits = &split;
	c.nsplits = 1;
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "a pointer with wrong totals: %s", e.msg);
	store_abort(x, false);

	x = begin(s, "7");
	lib_content(1, 100, &bytes);
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){100, 100, 0},
		      bytes.p, &e) == ERR_CORRUPT,
	   "bytes under a wrong id: %s", e.msg);
	other = lib_id(1, 100);
	ok(put_stored(x, (struct chunkkey){CHUNK_NODE, other}, (struct store_info){100, 100, 0},
		      bytes.p, &e) == ERR_CORRUPT,
	   "a node that is none: %s", e.msg);
	ok(put_stored(x, (struct chunkkey){CHUNK_RECIPE, other}, (struct store_info){100, 100, 0},
		      bytes.p, &e) == ERR_CORRUPT,
	   "a recipe that is none: %s", e.msg);
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){100, 100, 2},
		      bytes.p, &e) == ERR_CORRUPT,
	   "a reserved encoding: %s", e.msg);
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){2 * MIB, 100, 0},
		      bytes.p, &e) == ERR_LIMIT,
	   "more than a chunk may be: %s", e.msg);
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){100, 0, 0},
		      bytes.p, &e) == ERR_LIMIT,
	   "nothing stored: %s", e.msg);
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){100, 100, 0},
		      bytes.p, &e) == 1,
	   "the right one");
	ok(put_stored(x, (struct chunkkey){CHUNK_DATA, other}, (struct store_info){100, 100, 0},
		      bytes.p, &e) == 0,
	   "once");
	store_abort(x, false);
	buf_release(&bytes);
	buf_release(&t.recipe);
	store_close(s);
}

/* Known damage: the roots above it stop counting, a client sends it again, all is well. */
static void test_damage(void)
{
	struct store *s = lib_open("damage", STORE_VERIFY);
	struct store_txn *x = begin(s, "d");
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct chunkkey lost = {CHUNK_DATA, lib_id(3, CHUNK)};
	struct store_root root;
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	shard.id = put_nodes(x, &t);
	shard.files = 3;
	shard.bytes = t.big_bytes + CHUNK;
	c.splits = &split;
	c.nsplits = 1;
	must(store_commit(x, &c, &e), &e);
	must(store_mark_lost(s, &lost, 1, "test", &e), &e);
	ok(store_has(s, CHUNK_DATA, &lost.id, NULL, &e) == 0, "a lost chunk is not here");
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_PENDING,
	   "the root above it is not complete");
	ok(store_node_certified(s, &shard.id, &e) == 0, "nor is its node certified");
	x = begin(s, "e");
	c.missing = chunkset_new();
	ok(store_commit(x, &c, &e) == 1, "the next push of it");
	ok(chunkset_count(c.missing) == 1 && chunkset_has(c.missing, CHUNK_DATA, &lost.id),
	   "is asked for the lost chunk");
	ok(lib_put(x, 3, CHUNK, &e) == 1, "which is stored again");
	ok(store_commit(x, &c, &e) == 0, "commits: %s", e.msg);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 &&
		   root.state == STORE_ROOT_COMPLETE,
	   "and heals the root");
	ok(store_node_certified(s, &shard.id, &e) == 1, "and the node");
	ok(lib_good(s, 3, CHUNK), "and the chunk reads");
	chunkset_free(c.missing);
	buf_release(&t.recipe);
	store_close(s);
}

static void change(struct store *s, const char *sql)
{
	struct buf path = BUF_INIT;
	struct err e = ERR_INIT;
	struct db *db;

	path_join(&path, store_dir(s), "catalogue.db");
	must(db_open(&db, path.p, DB_DURABLE, &e), &e);
	must(db_exec(db, sql, &e), &e);
	db_close(db);
	buf_release(&path);
}

static int keep_but(void *arg, const struct chunkkey *key)
{
	return !chunkid_equal(arg, &key->id);
}

static int no_damage(void *arg, const struct store_damage *d, struct err *e)
{
	(void)arg;
	return err_set(e, ERR_CORRUPT, "%s: %s", d->file, d->what);
}

/* What is taken out of a server's store takes the markers above it along. */
static void test_evicted(void)
{
	struct store *s = lib_open("evicted", STORE_VERIFY), *other;
	struct store_txn *x = begin(s, "d");
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct store_rootref roots[2] = {{.kind = CHUNK_NODE}, {.kind = CHUNK_DATA}};
	struct chunkid gone = lib_id(3, CHUNK);
	struct store_root root;
	struct err e = ERR_INIT;
	uint64_t freed;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	shard.id = put_nodes(x, &t);
	shard.files = 3;
	shard.bytes = t.big_bytes + CHUNK;
	roots[0].id = shard.id;
	roots[1].id = t.small;
	c.splits = &split;
	c.nsplits = 1;
	c.files = &roots[1];
	c.nfiles = 1;
	must(store_commit(x, &c, &e), &e);
	must(store_mark_rooted(s, roots, 2, true, &e), &e);
	other = lib_open("evicted", 0);
	must(store_evict(other, NULL, keep_but, &gone, &freed, &e), &e);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_PENDING,
	   "the root above it is complete no longer");
	ok(store_root(s, CHUNK_DATA, &t.small, &root, &e) == 0 && root.state == STORE_ROOT_ROOTED,
	   "another one is");
	ok(store_settle(s, &e) == 0, "the store is not whole: %s", e.msg);
	c.missing = chunkset_new();
	x = begin(s, "d");
	ok(store_commit(x, &c, &e) == 1 && chunkset_has(c.missing, CHUNK_DATA, &gone),
	   "a push is asked for it");
	must(lib_put(x, 3, CHUNK, &e), &e);
	must(store_commit(x, &c, &e), &e);
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_ROOTED,
	   "and the root is complete again, and still named by a ref");
	ok(store_settle(s, &e) == 1, "settled: %s", e.msg);
	must(store_evict(other, NULL, keep_but, &gone, &freed, &e), &e);
	change(s, "DELETE FROM meta WHERE key = 'suspect'");
	ok(store_root(s, CHUNK_NODE, &shard.id, &root, &e) == 0 && root.state == STORE_ROOT_PENDING,
	   "the marker itself says so, too");
	store_close(other);
	chunkset_free(c.missing);
	buf_release(&t.recipe);
	store_close(s);
}

/* A rebuilt catalogue knows what the old one knew, and believes nothing of it unseen. */
static void test_rebuilt(void)
{
	struct store *s = lib_open("rebuilt", STORE_VERIFY);
	struct store_txn *x = begin(s, "d");
	struct store_commit c = STORE_COMMIT_INIT;
	struct store_rootref small = {.kind = CHUNK_DATA};
	struct buf path = BUF_INIT;
	struct store_root root;
	struct err e = ERR_INIT;
	uint64_t left;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	(void)put_nodes(x, &t);
	small.id = t.small;
	c.files = &small;
	c.nfiles = 1;
	must(store_commit(x, &c, &e), &e);
	must(store_mark_rooted(s, &small, 1, true, &e), &e);
	must(store_set_quota(s, 1000000, "test", &e), &e);
	must(store_rebuild(store_dir(s), STORE_FSCK_DEEP, NULL, &e), &e);
	ok(store_root(s, CHUNK_DATA, &t.small, &root, &e) == 0 && root.state == STORE_ROOT_ROOTED,
	   "the marker is still there");
	ok(store_quota_left(s, &left, &e) == 0 && left < 1000000, "so is the quota");
	ok(store_fsck(s, STORE_FSCK_DEEP, no_damage, NULL, NULL, NULL, &e) == 0,
	   "and the log goes on: %s", e.msg);
	ok(store_settle(s, &e) == 1, "settled: %s", e.msg);
	ok(store_settle(s, &e) == 1, "once");
	path_join(&path, store_dir(s), "catalogue.db");
	if (truncate(path.p, 100) < 0)
		abort();
	must(store_rebuild(store_dir(s), STORE_FSCK_DEEP, NULL, &e), &e);
	store_close(s);
	s = lib_open("rebuilt", STORE_VERIFY);
	ok(store_root(s, CHUNK_DATA, &t.small, &root, &e) == 0 && root.state == STORE_ROOT_NONE,
	   "an unreadable one takes its markers along");
	buf_release(&path);
	buf_release(&t.recipe);
	store_close(s);
}

/* What a clone stored without proof is not certified when others begin to push to it. */
static void test_unproven(void)
{
	struct store *s = lib_open("unproven", 0), *server;
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shard = {.name = "."};
	struct store_split split = {&shard, 1};
	struct err e = ERR_INIT;
	struct store_txn *x;
	struct tree t;

	make_tree(&t);
	must(store_begin(s, NULL, &x, &e), &e);
	shard.files = 3;
	shard.bytes = t.big_bytes + CHUNK;
	shard.id = put_nodes(x, &t); /* as a fetch that was cut off leaves it */
	must(store_commit(x, NULL, &e), &e);
	server = lib_open("unproven", STORE_VERIFY);
	ok(store_node_certified(server, &shard.id, &e) == 0, "a node without its files: %s", e.msg);
	c.splits = &split;
	c.nsplits = 1;
	c.missing = chunkset_new();
	x = begin(server, "push");
	ok(store_commit(x, &c, &e) == 1 && chunkset_count(c.missing) == 2,
	   "a push of it is asked for them: %s", e.msg);
	store_abort(x, false);
	chunkset_free(c.missing);
	buf_release(&t.recipe);
	store_close(server);
	store_close(s);
}

/* The nonce of a clone never changes: only what says nothing new may be taken for a replay. */
static void test_again(void)
{
	struct store *s = lib_open("again", STORE_VERIFY);
	struct store_txn *x = begin(s, "clone");
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shards[2] = {{.name = "a"}, {.name = "b"}};
	struct store_split both = {shards, 2}, one = {shards, 1};
	struct chunkid key, dataset;
	struct store_root root;
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	shards[1].id = put_nodes(x, &t);
	shards[0].id = t.sub.id;
	shards[0].files = shards[1].files = 3;
	shards[0].bytes = shards[1].bytes = t.big_bytes + CHUNK;
	c.splits = &both;
	c.nsplits = 1;
	must(store_commit(x, &c, &e), &e);
	node_split_key(shards, 1, &key);
	c.splits = &one;
	ok(store_split_dataset(s, &key, &dataset, &e) == ERR_NOTFOUND,
	   "a part of it is no dataset");
	ok(store_commit(begin(s, "clone"), &c, &e) == 0, "until the same clone says so: %s", e.msg);
	ok(store_split_dataset(s, &key, &dataset, &e) == 0, "then it is one");
	change(s, "UPDATE dataset SET id = zeroblob(32)");
	ok(store_commit(begin(s, "clone"), &c, &e) == 0, "pushed again: %s", e.msg);
	ok(store_split_dataset(s, &key, &dataset, &e) == 0 && dataset.b[0] + dataset.b[1] != 0,
	   "its id is the one that was proven");
	change(s, "UPDATE root SET pin_until = 1764000000");
	ok(store_commit(begin(s, "clone"), &c, &e) == 0, "a push much later: %s", e.msg);
	ok(store_root(s, CHUNK_NODE, &shards[0].id, &root, &e) == 0 &&
		   root.pin_until > clock_now_seconds() + STORE_PIN_SECONDS - 60,
	   "renews the pin");
	buf_release(&t.recipe);
	store_close(s);
}

/* One sent chunk may be named any number of times: that costs us, not the sender. */
static void test_budget(void)
{
	struct store *s = lib_open("budget", STORE_VERIFY);
	struct store_txn *x = begin(s, "b");
	struct store_commit c = STORE_COMMIT_INIT;
	struct store_rootref absent = {CHUNK_DATA, lib_id(77, CHUNK)};
	uint64_t left = 4 * SESSION_HASH_ENTRY_BYTES - 1;
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	c.missing = chunkset_new();
	c.files = &absent;
	c.nfiles = 1;
	/* Four chunks of less than what each counts for. */
	c.hash_left = &left;
	ok(store_commit(x, &c, &e) == ERR_LIMIT, "a recipe beyond the budget: %s", e.msg);
	store_abort(x, false);

	x = begin(s, "b2");
	put_files(x, &t);
	left = 4 * SESSION_HASH_ENTRY_BYTES;
	ok(store_commit(x, &c, &e) == 1, "within the budget it is proved, and the rest missed");
	must(store_put(x, CHUNK_RECIPE, &absent.id, t.recipe.p, t.recipe.len, true, &e), &e);
	ok(store_commit(x, &c, &e) == ERR_LIMIT, "another try has no other budget: %s", e.msg);
	c.hash_left = NULL;
	ok(store_commit(x, &c, &e) == ERR_CORRUPT, "without a limit it is read: %s", e.msg);
	store_abort(x, false);
	chunkset_free(c.missing);
	buf_release(&t.recipe);
	store_close(s);
}

/* The id of a split costs us, too: many of them are named in few bytes. */
static void test_split_budget(void)
{
	struct store *s = lib_open("splits", STORE_VERIFY);
	struct store_txn *x = begin(s, "s");
	struct store_commit c = STORE_COMMIT_INIT;
	struct node_shard shards[3];
	struct store_split splits[3];
	char names[3][2] = {"a", "b", "c"};
	/* One node, read once for its sums and then for the id of each split. */
	const uint64_t two = (1 + 2 * SESSION_SPLIT_PER_BYTE) * SESSION_LOAD_BYTES;
	uint64_t left = two, all = GIB;
	struct err e = ERR_INIT;
	struct tree t;

	make_tree(&t);
	put_files(x, &t);
	shards[0] = (struct node_shard){.id = put_nodes(x, &t)};
	for (size_t i = 0; i < 3; i++) {
		shards[i] = shards[0];
		shards[i].name = names[i];
		shards[i].files = 3;
		shards[i].bytes = t.big_bytes + CHUNK;
		splits[i] = (struct store_split){&shards[i], 1};
	}
	c.splits = splits;
	c.nsplits = 3;
	c.missing = chunkset_new();
	c.hash_left = &all;
	c.nsplits = 0;
	ok(store_commit(x, &c, &e) == 0, "the tree itself: %s", e.msg);
	x = begin(s, "s2");
	c.nsplits = 3;
	c.hash_left = &left;
	ok(store_commit(x, &c, &e) == ERR_LIMIT, "three splits with a budget for two: %s", e.msg);
	left = two;
	c.nsplits = 2;
	ok(store_commit(x, &c, &e) == 0 && left == 0, "two: %s", e.msg);
	chunkset_free(c.missing);
	buf_release(&t.recipe);
	store_close(s);
}

/* Trees that share what they name must not be walked once for every way down, damaged ones neither. */
static void test_damaged_lattice(void)
{
	struct store *s = lib_open("lattice", STORE_VERIFY);
	struct store_txn *x = begin(s, "l");
	struct node_entry below[2] = {{.mode = NODE_MODE_FILE,
				       .kind = NODE_FILE,
				       .files = 1,
				       .bytes = CHUNK,
				       .id = lib_id(0, CHUNK),
				       .name = "x",
				       .name_len = 1}};
	struct store_commit c = STORE_COMMIT_INIT;
	struct chunkkey key = {CHUNK_DATA, lib_id(0, CHUNK)};
	struct node_entry top;
	struct err e = ERR_INIT;

	must(lib_put(x, 0, CHUNK, &e), &e);
	must(node_build(below, 1, put_node, x, &top, &e), &e);
	for (int i = 0; i < 40; i++) {
		below[0] = below[1] = top;
		below[0].name = "a";
		below[1].name = "b";
		below[0].name_len = below[1].name_len = 1;
		must(node_build(below, 2, put_node, x, &top, &e), &e);
	}
	ok(store_commit(x, &c, &e) == 0, "40 levels of two ways each: %s", e.msg);
	must(store_mark_lost(s, &key, 1, "test", &e), &e);
	is_u64((uint64_t)store_node_certified(s, &top.id, &e), 0,
	       "are known to lack a chunk at once");
	is_u64((uint64_t)store_node_certified(s, &top.id, &e), 0, "and again");
	store_close(s);
}

int main(void)
{
	lib_begin();
	test_complete();
	test_missing();
	test_lies();
	test_damage();
	test_again();
	test_evicted();
	test_rebuilt();
	test_unproven();
	test_budget();
	test_split_budget();
	test_damaged_lattice();
	lib_end();
	return done_testing();
}
