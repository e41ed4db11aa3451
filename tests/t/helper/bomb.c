/* SPDX-License-Identifier: MIT */
/*
 * bomb.c - a few small nodes that name each other a million million times
 *
 *	bomb KIND FILES BYTES >data.deepops
 *
 * Puts them into the local store of the repository here and prints a pointer that claims FILES and
 * BYTES of them.  KIND: "files", 2^40 times one file; "empty", 2^40 empty directories.
 */
#include "base/num.h"
#include "base/xalloc.h"
#include "data/dataset_internal.h"

#define HEIGHT 40

static void must(int rc, const struct err *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "%s\n", e->msg);
	exit(1);
}

/* A directory with `below` twice in it; *below becomes that directory. */
static void pile(struct store_txn *txn, struct node_entry *below, struct err *e)
{
	struct node_entry two[2] = {*below, *below};

	two[0].name = "a";
	two[1].name = "b";
	two[0].name_len = two[1].name_len = 1;
	must(node_build(two, 2, dataset_store_node, txn, below, e), e);
}

/* Returns the id of the top; with `file` there is one at the bottom. */
static struct chunkid build(struct dataset_env *d, bool file, struct err *e)
{
	struct node_entry at = {NODE_MODE_FILE, NODE_FILE, {{0}}, 1, 1, "f", 1};
	struct store *s = dataset_store(d, e);
	struct store_txn *txn;

	must(s ? 0 : e->code, e);
	must(store_begin(s, NULL, &txn, e), e);
	chunkid_of(&at.id, "x", 1);
	must(store_put(txn, CHUNK_DATA, &at.id, "x", 1, false, e), e);
	must(node_build(&at, file, dataset_store_node, txn, &at, e), e);
	for (int i = 0; i < HEIGHT; i++)
		pile(txn, &at, e);
	must(store_commit(txn, NULL, e), e);
	return at.id;
}

int main(int argc, char **argv)
{
	struct node_shard shard = {.name = "."};
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct dataset_env *d;
	struct pointer p;
	struct repo *r;

	if (argc != 4)
		return 129;
	must(num_parse_u64(argv[2], 0, INT64_MAX, &shard.files, &e), &e);
	must(num_parse_u64(argv[3], 0, INT64_MAX, &shard.bytes, &e), &e);
	must(repo_open(&r, NULL, 0, &e), &e);
	must(dataset_open(&d, r, &e), &e);
	shard.id = build(d, !strcmp(argv[1], "files"), &e);
	pointer_init(&p);
	p.kind = POINTER_TREE;
	pointer_add_shard(&p, shard.name, &shard);
	pointer_format(&p, &text);
	fwrite(text.p, 1, text.len, stdout);
	pointer_release(&p);
	dataset_close(d);
	repo_close(r);
	return 0;
}
