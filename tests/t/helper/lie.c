/* SPDX-License-Identifier: MIT */
/*
 * lie.c - a recipe that is not the file's, in a store that believes it
 *
 *	lie other STORE FILE	its last entry names another chunk, which is nowhere; again: undone
 *	lie order STORE FILE	its first two entries change places; again: undone
 *
 * FILE is the file's SHA-256 in hex digits.
 */
#include <stdio.h>
#include <stdlib.h>

#include "chunk/recipe.h"
#include "store/store.h"

static void must(int rc, const struct err *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "lie: %s\n", e->msg);
	exit(1);
}

static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	return store_load(arg, CHUNK_DATA, id, out, e);
}

static void change(struct recipe *r, const char *how)
{
	struct recipe_entry first = r->entries[0];

	if (!strcmp(how, "other")) {
		r->entries[r->n - 1].id.b[31] ^= 1;
	} else {
		r->entries[0] = r->entries[1];
		r->entries[1] = first;
	}
}

int main(int argc, char **argv)
{
	struct recipe r = RECIPE_INIT;
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	struct store_txn *t;
	struct chunkid id;
	struct store *s;

	if (argc != 4 || !chunkid_from_hex(&id, argv[3], strlen(argv[3])))
		return 2;
	must(store_open(&s, argv[2], 0, &e), &e);
	must(store_load(s, CHUNK_RECIPE, &id, &text, &e), &e);
	must(recipe_parse(&r, text.p, text.len, load_piece, s, &e), &e);
	change(&r, argv[1]);
	buf_reset(&text);
	must(recipe_format(&r, NULL, NULL, &text, &e), &e);
	must(store_begin(s, NULL, &t, &e), &e);
	must(store_put(t, CHUNK_RECIPE, &id, text.p, text.len, true, &e), &e);
	must(store_commit(t, NULL, &e), &e);
	recipe_release(&r);
	buf_release(&text);
	store_close(s);
	return 0;
}
