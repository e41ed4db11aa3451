/* SPDX-License-Identifier: MIT */
/* u-node.c - nodes: round trips, parts, canonical refusals, dataset ids of any split */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/strvec.h"
#include "base/xalloc.h"
#include "chunk/node.h"
#include "tap.h"

/* A store of nodes in memory. */
struct nodes {
	struct chunkset *ids; /* value: index of its text */
	struct buf *text;
	size_t n, alloc, loads;
};

static int keep(void *arg, const struct chunkid *id, const struct buf *text, struct err *e)
{
	struct nodes *s = arg;

	(void)e;
	if (!chunkset_add(s->ids, CHUNK_NODE, id, s->n))
		return 0;
	XGROW(s->text, s->n + 1, s->alloc);
	buf_init(&s->text[s->n]);
	buf_addbuf(&s->text[s->n++], text);
	return 0;
}

static int fetch(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct nodes *s = arg;
	uint64_t at;

	s->loads++;
	if (!chunkset_get(s->ids, CHUNK_NODE, id, &at))
		return err_set(e, ERR_NOTFOUND, "node %s", chunkid_short(id).s);
	buf_addbuf(out, &s->text[at]);
	return 0;
}

static void nodes_init(struct nodes *s)
{
	*s = (struct nodes){.ids = chunkset_new()};
}

static void nodes_release(struct nodes *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_release(&s->text[i]);
	free(s->text);
	chunkset_free(s->ids);
}

static struct node_entry file_entry(const char *name)
{
	struct node_entry entry = {NODE_MODE_FILE, NODE_FILE,   {{0}}, strlen(name), 1,
				   name,           strlen(name)};

	chunkid_of(&entry.id, name, entry.bytes);
	return entry;
}

/* Build a directory of files with the names in `names`, sorted first. */
static struct node_entry build(struct nodes *s, struct strvec *names)
{
	struct node_entry *entries = xcalloc(names->nr, sizeof(*entries)), out = {.name = "d"};
	struct err e = ERR_INIT;

	strvec_sort(names);
	for (size_t i = 0; i < names->nr; i++)
		entries[i] = file_entry(names->v[i]);
	if (node_build(entries, names->nr, keep, s, &out, &e) < 0)
		ok(false, "%s", e.msg);
	free(entries);
	return out;
}

static int collect(void *arg, const struct node_entry *entry, struct err *e)
{
	(void)e;
	strvec_push(arg, entry->name);
	return 0;
}

static void test_iter(void)
{
	struct node_entry in[4] = {file_entry("\n x\xff"), file_entry("-rf"), file_entry("sub dir"),
				   file_entry("z")};
	struct node_entry out = {.name = "top"}, got;
	struct node_iter it;
	struct nodes s;
	struct err e = ERR_INIT;
	size_t n = 0;
	int rc;

	nodes_init(&s);
	in[1].mode = NODE_MODE_EXEC;
	in[2].kind = NODE_DIR;
	in[2].mode = NODE_MODE_DIR;
	in[2].files = 7;
	in[3].kind = NODE_LINK;
	in[3].mode = NODE_MODE_LINK;
	ok(node_build(in, 4, keep, &s, &out, &e) == 0 && s.n == 1, "built (%s)", e.msg);
	ok(out.kind == NODE_DIR && out.mode == NODE_MODE_DIR && out.files == 10 &&
		   out.bytes == 4 + 3 + 7 + 1 && !strcmp(out.name, "top"),
	   "sums");
	ok(node_iter_init(&it, s.text[0].p, s.text[0].len, &e) == 0, "read again");
	while ((rc = node_next(&it, &got, &e)) == 1) {
		ok(got.mode == in[n].mode && got.kind == in[n].kind && got.bytes == in[n].bytes &&
			   got.files == in[n].files && chunkid_equal(&got.id, &in[n].id) &&
			   got.name_len == in[n].name_len && !strcmp(got.name, in[n].name),
		   "entry %zu", n);
		n++;
	}
	ok(rc == 0 && n == 4 && !it.parts, "four entries");
	node_iter_release(&it);
	ok(node_build(NULL, 0, keep, &s, &out, &e) == 0 && out.files == 0, "an empty directory");
	is_str(s.text[1].p, "deepops-node 1\n", "is the header alone");
	nodes_release(&s);
}

static void build_refused(struct node_entry a, struct node_entry b, const char *label)
{
	struct node_entry two[2] = {a, b}, out = {.name = ""};
	struct err e = ERR_INIT;

	ok(node_build(two, 2, NULL, NULL, &out, &e) == ERR_INPUT, "not built: %s (%s)", label,
	   e.msg);
}

static void test_build_refused(void)
{
	struct node_entry a = file_entry("a"), b = file_entry("b"), bad;

	build_refused(b, a, "order");
	build_refused(a, a, "twice");
	build_refused(a, file_entry("b/c"), "slash");
	build_refused(file_entry(".."), b, "dot-dot");
	build_refused(file_entry(".git"), b, ".git");
	bad = b;
	bad.kind = NODE_PART;
	bad.mode = NODE_MODE_DIR;
	build_refused(a, bad, "a part");
	bad = b;
	bad.bytes = 0;
	build_refused(a, bad, "no bytes but an id");
	bad = b;
	bad.kind = NODE_DIR;
	build_refused(a, bad, "mode of a file on a directory");
}

#define ID_A "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
#define HEAD "deepops-node 1\n"

static void parse_refused(const char *text, const char *label)
{
	struct node_entry got;
	struct node_iter it;
	struct err e = ERR_INIT;
	int rc = node_iter_init(&it, text, strlen(text), &e);

	while (rc == 0 && (rc = node_next(&it, &got, &e)) == 1)
		rc = 0;
	ok(rc == ERR_CORRUPT, "refused: %s (%s)", label, e.msg);
	node_iter_release(&it);
}

static void test_parse_refused(void)
{
	parse_refused("", "nothing");
	parse_refused("deepops-node 1", "header cut short");
	parse_refused("deepops-node 2\n", "other version");
	parse_refused(HEAD "\n", "blank line");
	parse_refused(HEAD "100644 file " ID_A " 1 1 a", "no final newline");
	parse_refused(HEAD "100644 file " ID_A " 1 1 a\r\n", "carriage return");
	parse_refused(HEAD "100644 file " ID_A "  1 1 a\n", "two blanks");
	parse_refused(HEAD "100644 file " ID_A " 01 1 a\n", "leading zero");
	parse_refused(HEAD "100644 file " ID_A " -1 1 a\n", "negative size");
	parse_refused(HEAD "100644 file " ID_A " 9223372036854775808 1 a\n", "2^63 bytes");
	parse_refused(HEAD "100644 file " ID_A " 0 1 a\n", "no bytes but an id");
	parse_refused(HEAD "100644 file " ID_A " 1 2 a\n", "a file counts once");
	parse_refused(HEAD "100644 file " ID_A " 1 1 \n", "no name");
	parse_refused(HEAD "100644 file " ID_A " 1 1\n", "name missing");
	parse_refused(HEAD "100600 file " ID_A " 1 1 a\n", "mode");
	parse_refused(HEAD "0100644 file " ID_A " 1 1 a\n", "seven digits");
	parse_refused(HEAD "040000 file " ID_A " 1 1 a\n", "mode of a directory");
	parse_refused(HEAD "100644 blob " ID_A " 1 1 a\n", "kind");
	parse_refused(HEAD "100644 file sha256:CA978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b980"
			   "7785afee48bb 1 1 a\n",
		      "upper case id");
	parse_refused(HEAD "100644 file " ID_A " 1 1 a/b\n", "slash");
	parse_refused(HEAD "100644 file " ID_A " 1 1 ..\n", "dot-dot");
	parse_refused(HEAD "100644 file " ID_A " 1 1 .Git\n", ".git");
	parse_refused(HEAD "100644 file " ID_A " 1 1 \"a\"\n", "needless quotes");
	parse_refused(HEAD "100644 file " ID_A " 1 1 a \n", "trailing blank not quoted");
	parse_refused(HEAD "100644 file " ID_A " 1 1 \xc3\xa9\n", "high bytes not quoted");
	parse_refused(HEAD "100644 file " ID_A " 1 1 \"a\\000\"\n", "NUL");
	parse_refused(HEAD "100644 file " ID_A " 1 1 b\n100644 file " ID_A " 1 1 a\n", "order");
	parse_refused(HEAD "100644 file " ID_A " 1 1 a\n100644 file " ID_A " 1 1 a\n", "twice");
	parse_refused(HEAD "100644 file " ID_A " 1 1 \"\\303\"\n100644 file " ID_A " 1 1 b\n",
		      "order of quoted text, not of names");
	parse_refused(HEAD "040000 node " ID_A " 1 0 a\n", "bytes without files");
	parse_refused(HEAD "120000 link " ID_A " 0 1 a\n", "link to nothing");
	parse_refused(HEAD "120000 link " ID_A " 4097 1 a\n", "target too long");
	parse_refused(HEAD "040000 part " ID_A " 1 1 a\n100644 file " ID_A " 1 1 b\n",
		      "part and file");
}

/* A directory of `n` names comes back, in parts if it must, and in any order of insertion. */
static void test_parts(size_t n, bool want_parts, const char *pad)
{
	struct strvec names = STRVEC_INIT, got = STRVEC_INIT;
	struct node_entry top, again;
	struct nodes s, t;
	struct err e = ERR_INIT;
	bool fine = true;

	nodes_init(&s);
	nodes_init(&t);
	for (size_t i = 0; i < n; i++)
		strvec_pushf(&names, "img-%06zu%s.png", i * 7919 % 1000003, pad);
	top = build(&s, &names);
	ok(top.files == n && (s.n > 1) == want_parts, "%zu names: %zu nodes", n, s.n);
	for (size_t i = 0; i < s.n; i++)
		fine &= s.text[i].len <= NODE_MAX_BYTES;
	ok(fine, "none larger than a node may be");
	ok(node_walk_dir(&top.id, fetch, &s, collect, &got, &e) == 0 && got.nr == n, "walked (%s)",
	   e.msg);
	for (size_t i = 0; i < n && i < got.nr; i++)
		fine &= !strcmp(names.v[i], got.v[i]);
	ok(fine, "all names in order");
	strvec_push(&names, "img-500000x");
	again = build(&t, &names);
	ok(!chunkid_equal(&top.id, &again.id), "one name more is another directory");
	n = 0;
	for (size_t i = 0; i < t.n; i++) {
		uint64_t at;
		struct chunkid id;

		chunkid_of(&id, t.text[i].p, t.text[i].len);
		n += !chunkset_get(s.ids, CHUNK_NODE, &id, &at);
	}
	ok(n <= 3 || !want_parts, "but shares all but %zu of its nodes", n);
	strvec_release(&names);
	strvec_release(&got);
	nodes_release(&s);
	nodes_release(&t);
}

/*
 * Names that each begin a part, and long enough that the node of parts is
 * itself too large: parts of parts.
 */
static void test_tall(void)
{
	struct strvec names = STRVEC_INIT, got = STRVEC_INIT;
	struct node_entry top;
	struct nodes s;
	struct err e = ERR_INIT;
	char name[256];
	bool fine = true;

	nodes_init(&s);
	memset(name, 1, 247);
	for (unsigned int i = 0; names.nr < 520; i++) {
		struct chunkid id;

		snprintf(name + 247, sizeof(name) - 247, "%08x", i);
		chunkid_of(&id, name, 255);
		if ((id.b[2] & 3) == 0 && id.b[3] == 0)
			strvec_push(&names, name);
	}
	top = build(&s, &names);
	ok(s.n > 520 + 2, "parts of parts: %zu nodes", s.n);
	ok(node_walk_dir(&top.id, fetch, &s, collect, &got, &e) == 0 && got.nr == 520,
	   "walked (%s)", e.msg);
	for (size_t i = 0; i < got.nr; i++)
		fine &= !strcmp(names.v[i], got.v[i]);
	ok(fine && top.files == 520, "all names in order");
	strvec_release(&names);
	strvec_release(&got);
	nodes_release(&s);
}

/* Make a node of parts by hand: the directory `names`, cut before each name in `cuts`. */
static struct chunkid cut_by_hand(struct nodes *s, struct strvec *names, const size_t *cuts,
				  size_t n)
{
	struct buf top = BUF_INIT, part = BUF_INIT;
	struct chunkid id;
	size_t at = 0;

	buf_addstr(&top, HEAD);
	strvec_sort(names);
	for (size_t c = 0; c <= n; c++) {
		size_t end = c < n ? cuts[c] : names->nr, start = at;
		uint64_t bytes = 0;

		buf_sets(&part, HEAD);
		for (; at < end; at++) {
			struct node_entry entry = file_entry(names->v[at]);

			buf_addf(&part, "100644 file %s %" PRIu64 " 1 %s\n",
				 chunkid_text(&entry.id).s, entry.bytes, entry.name);
			bytes += entry.bytes;
		}
		chunkid_of(&id, part.p, part.len);
		keep(s, &id, &part, NULL);
		buf_addf(&top, "040000 part %s %" PRIu64 " %zu %s\n", chunkid_text(&id).s, bytes,
			 end - start, names->v[start]);
	}
	chunkid_of(&id, top.p, top.len);
	keep(s, &id, &top, NULL);
	buf_release(&top);
	buf_release(&part);
	return id;
}

static void test_parts_refused(void)
{
	struct strvec names = STRVEC_INIT, got = STRVEC_INIT;
	struct nodes s;
	struct err e = ERR_INIT;
	struct chunkid id;
	size_t cut = 3000;

	nodes_init(&s);
	for (size_t i = 0; i < 100; i++)
		strvec_pushf(&names, "n%06zu", i);
	id = cut_by_hand(&s, &names, (const size_t[]){50}, 1);
	ok(node_walk_dir(&id, fetch, &s, collect, &got, &e) == ERR_CORRUPT, "parts of little (%s)",
	   e.msg);
	for (size_t i = 100; i < 6000; i++)
		strvec_pushf(&names, "n%06zu", i);
	id = cut_by_hand(&s, &names, &cut, 1);
	ok(node_walk_dir(&id, fetch, &s, collect, &got, &e) == ERR_CORRUPT, "cut elsewhere (%s)",
	   e.msg);
	strvec_release(&names);
	strvec_release(&got);
	nodes_release(&s);
}

/* ---- datasets: one set of files under every split ---- */

/* Build the tree of `paths` (sorted) below `prefix`; skip_dirs: only the files directly in it. */
static struct node_entry build_tree(struct nodes *s, const struct strvec *paths, const char *prefix,
				    bool skip_dirs)
{
	struct node_entry *entries = xcalloc(paths->nr, sizeof(*entries));
	struct strvec names = STRVEC_INIT;
	struct node_entry out = {.name = ""};
	struct err e = ERR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < paths->nr; i++) {
		const char *rest, *slash;
		struct buf below = BUF_INIT;

		if (!str_startswith(paths->v[i], prefix, &rest))
			continue;
		slash = strchr(rest, '/');
		if (slash && skip_dirs)
			continue;
		if (!slash) {
			entries[n++] = file_entry(strvec_push(&names, rest));
			continue;
		}
		strvec_pushn(&names, rest, (size_t)(slash - rest));
		buf_add(&below, paths->v[i], (size_t)(slash + 1 - paths->v[i]));
		if (n && !strcmp(entries[n - 1].name, names.v[names.nr - 1])) {
			buf_release(&below);
			continue;
		}
		entries[n] = build_tree(s, paths, below.p, false);
		entries[n].name = names.v[names.nr - 1];
		entries[n].name_len = strlen(entries[n].name);
		n++;
		buf_release(&below);
	}
	/* "a.x" sorts before "a/y" as a path, after "a" as a name. */
	for (size_t i = 1; i < n; i++) {
		struct node_entry t = entries[i];
		size_t k = i;

		for (; k && strcmp(entries[k - 1].name, t.name) > 0; k--)
			entries[k] = entries[k - 1];
		entries[k] = t;
	}
	if (node_build(entries, n, keep, s, &out, &e) < 0)
		ok(false, "%s", e.msg);
	out.name = NULL;
	free(entries);
	strvec_release(&names);
	return out;
}

/* The shard called `name` of the dataset `paths`. */
static struct node_shard shard(struct nodes *s, const struct strvec *paths, const char *name)
{
	struct node_entry node;
	struct buf prefix = BUF_INIT;
	bool files_only = str_endswith(name, "/");

	if (strcmp(name, ".") != 0 && strcmp(name, "/") != 0) {
		buf_addstr(&prefix, name);
		if (!files_only)
			buf_addch(&prefix, '/');
	}
	node = build_tree(s, paths, prefix.p, files_only);
	buf_release(&prefix);
	return (struct node_shard){name, node.id, node.files, node.bytes};
}

static void test_split(struct nodes *s, const struct strvec *paths, const struct chunkid *want,
		       const char *const *names, const char *label)
{
	struct node_shard shards[16];
	struct node_dataset whole = {{{0}}, 0, 0};
	struct err e = ERR_INIT;
	size_t n = 0;
	int rc;

	for (; names[n]; n++)
		shards[n] = shard(s, paths, names[n]);
	rc = node_dataset_id(shards, n, fetch, s, &whole, &e);
	if (want)
		ok(rc == 0 && chunkid_equal(&whole.id, want) && whole.files == paths->nr, "%s (%s)",
		   label, e.msg);
	else
		ok(rc == ERR_CORRUPT, "refused: %s (%s)", label, e.msg);
}

#define SPLIT(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static void test_datasets(void)
{
	struct strvec paths = STRVEC_INIT;
	struct node_shard whole, wrong;
	struct node_dataset other;
	struct chunkid id, key, wrong_key;
	struct err e = ERR_INIT;
	struct nodes s;

	nodes_init(&s);
	strvec_pushl(&paths, "readme", "a/x", "a/y z", "a/b/1", "a/b/2", "a/c/deep/er/1", "a-b/1",
		     "a.b", "d/\n/q", "d/r", NULL);
	for (size_t i = 0; i < 5000; i++)
		strvec_pushf(&paths, "many/%05zu", i * 31 % 5003);
	strvec_sort(&paths);
	whole = shard(&s, &paths, ".");
	id = whole.id;
	ok(whole.files == paths.nr, "%zu files, %zu nodes", paths.nr, s.n);
	test_split(&s, &paths, &id, SPLIT("."), "unsplit");
	test_split(&s, &paths, &id, SPLIT("/", "a", "a-b", "d", "many"), "by top directory");
	test_split(&s, &paths, &id, SPLIT("/", "a-b", "a/", "a/b", "a/c", "d", "many"), "deeper");
	test_split(&s, &paths, &id,
		   SPLIT("/", "a-b", "a/", "a/b/", "a/c/", "a/c/deep/er", "d", "many"),
		   "deeper still");
	test_split(
		&s, &paths, &id,
		SPLIT("/", "a-b", "a/", "a/b", "a/c/deep/", "a/c/deep/er", "d/", "d/\n", "many/"),
		"split directories that hold no or only files");
	test_split(&s, &paths, NULL, SPLIT("/", "a", "a-b", "a/b", "d", "many"), "a and a/b");
	test_split(&s, &paths, NULL, SPLIT("/", "a", "a-b", "a/", "d", "many"), "a and a/");
	test_split(&s, &paths, NULL, SPLIT(".", "a"), ". and a");
	test_split(&s, &paths, NULL, SPLIT("a", "/"), "order");
	test_split(&s, &paths, NULL, SPLIT("a", "a"), "twice");
	test_split(&s, &paths, NULL, SPLIT("a/../d"), "unsafe name");
	test_split(&s, &paths, NULL, SPLIT("a//"), "two slashes");
	test_split(&s, &paths, NULL, SPLIT(""), "no name");

	/* The whole of "a" where its files alone should stand would count a/b twice. */
	wrong = shard(&s, &paths, "a");
	wrong.name = "a/";
	ok(node_dataset_id(&wrong, 1, fetch, &s, &other, &e) == ERR_CORRUPT,
	   "a directory among direct files (%s)", e.msg);
	wrong = whole;
	wrong.files++;
	ok(node_dataset_id(&wrong, 1, fetch, &s, &other, &e) == ERR_CORRUPT, "wrong count (%s)",
	   e.msg);
	wrong = whole;
	wrong.bytes--;
	ok(node_dataset_id(&wrong, 1, fetch, &s, &other, &e) == ERR_CORRUPT, "wrong size (%s)",
	   e.msg);
	wrong = whole;
	chunkid_of(&wrong.id, "no", 2);
	ok(node_dataset_id(&wrong, 1, fetch, &s, &other, &e) == ERR_NOTFOUND,
	   "a node that is not there (%s)", e.msg);
	ok(node_dataset_id(NULL, 0, fetch, &s, &other, &e) == ERR_CORRUPT, "no shard");

	node_split_key(&whole, 1, &key);
	node_split_key(&wrong, 1, &wrong_key);
	ok(!chunkid_equal(&key, &wrong_key), "splits have keys of their own");
	strvec_release(&paths);
	nodes_release(&s);
}

/* Two shards that both hold the name b: a directory a/b, and a file b directly in a. */
static void test_same_name_twice(void)
{
	struct strvec one = STRVEC_INIT, two = STRVEC_INIT;
	struct node_shard shards[2];
	struct node_dataset whole;
	struct err e = ERR_INIT;
	struct nodes s;

	nodes_init(&s);
	strvec_push(&one, "a/b");
	strvec_push(&two, "a/b/1");
	shards[0] = shard(&s, &one, "a/");
	shards[1] = shard(&s, &two, "a/b");
	ok(node_dataset_id(shards, 2, fetch, &s, &whole, &e) == ERR_CORRUPT,
	   "a file and a directory of one name (%s)", e.msg);
	strvec_release(&one);
	strvec_release(&two);
	nodes_release(&s);
}

/* What of a directory's nodes is not stored yet. */
struct fresh {
	struct chunkset *ids;
	uint64_t nodes, bytes;
};

static int count_fresh(void *arg, const struct chunkid *id, const struct buf *text, struct err *e)
{
	struct fresh *f = arg;

	(void)e;
	if (chunkset_add(f->ids, CHUNK_NODE, id, 0)) {
		f->nodes++;
		f->bytes += text->len;
	}
	return 0;
}

/* One file in a million, all in one directory: what has to be stored of the tree. */
static void test_million(void)
{
	enum { FILES = 1000000 };
	struct node_entry *entries = xcalloc(FILES, sizeof(*entries)), out = {.name = "d"};
	struct strvec names = STRVEC_INIT;
	struct fresh f = {chunkset_new(), 0, 0};
	struct err e = ERR_INIT;
	int rc;

	for (size_t i = 0; i < FILES; i++)
		strvec_pushf(&names, "%07zu.jpg", i);
	for (size_t i = 0; i < FILES; i++)
		entries[i] = (struct node_entry){NODE_MODE_FILE, NODE_FILE,         {{1}}, 12345, 1,
						 names.v[i],     strlen(names.v[i])};
	rc = node_build(entries, FILES, count_fresh, &f, &out, &e);
	ok(rc == 0 && f.bytes > 80 * MIB, "a million names: %" PRIu64 " nodes (%s)", f.nodes,
	   e.msg);
	entries[FILES / 2].id.b[0] ^= 1;
	f.nodes = f.bytes = 0;
	rc = node_build(entries, FILES, count_fresh, &f, &out, &e);
	ok(rc == 0 && f.nodes > 1 && f.bytes < 700 * KIB,
	   "one of them changed: %" PRIu64 " nodes, %" PRIu64 " bytes", f.nodes, f.bytes);
	chunkset_free(f.ids);
	strvec_release(&names);
	free(entries);
}

int main(void)
{
	test_iter();
	test_build_refused();
	test_parse_refused();
	test_parts(4096, false, "");
	test_parts(4095, true, "-with-a-name-so-long-that-512-KiB-are-full-before-4096-entries");
	test_parts(4097, true, "");
	test_parts(30000, true, "");
	test_million();
	test_tall();
	test_parts_refused();
	test_datasets();
	test_same_name_twice();
	return done_testing();
}
