/* SPDX-License-Identifier: MIT */
/* u-reader.c - contrib/reader.py gets out what the store holds, and believes nothing */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/proc.h"
#include "base/tempfile.h"
#include "chunk/recipe.h"
#include "data/pointer.h"
#include "store-lib.h"

static struct store_txn *txn;

static struct chunkid put(const struct buf *content)
{
	struct chunkid id;
	struct err e = ERR_INIT;

	chunkid_of(&id, content->p, content->len);
	if (content->len)
		must(store_put(txn, CHUNK_DATA, &id, content->p, content->len, true, &e), &e);
	return id;
}

static int put_node(void *arg, const struct chunkid *id, const struct buf *text, struct err *e)
{
	int rc = store_put(arg, CHUNK_NODE, id, text->p, text->len, true, e);

	return rc < 0 ? rc : 0;
}

/* Two chunks, one that compresses and one that doesn't. */
static struct chunkid put_large(struct buf *all)
{
	struct recipe r = RECIPE_INIT;
	struct buf part = BUF_INIT, text = BUF_INIT;
	struct err e = ERR_INIT;
	struct chunkid id;

	r.profile = 1;
	buf_reset(all);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			while (part.len < 100000)
				buf_addstr(&part, "the same again and again\n");
		else
			lib_content(7, 70000, &part);
		id = put(&part);
		recipe_add(&r, &id, (uint32_t)part.len);
		buf_addbuf(all, &part);
	}
	chunkid_of(&id, all->p, all->len);
	must(recipe_format(&r, NULL, NULL, &text, &e), &e);
	must(store_put(txn, CHUNK_RECIPE, &id, text.p, text.len, true, &e), &e);
	recipe_release(&r);
	buf_release(&part);
	buf_release(&text);
	return id;
}

static struct node_entry entry(const char *name, uint32_t mode, enum node_kind kind,
			       struct chunkid id, uint64_t bytes)
{
	struct node_entry out = {mode, kind, id, bytes, 1, name, strlen(name)};

	return out;
}

static void write_pointer(const struct pointer *p, const char *path)
{
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;

	pointer_format(p, &text);
	must(tempfile_write(path, 0644, text.p, text.len, &e), &e);
	buf_release(&text);
}

/* A tree of two shards: the directory `pics`, and the files beside it. */
static void make_tree(struct store *s, const char *pointer_path, struct buf *large)
{
	struct buf hello = BUF_INIT, none = BUF_INIT;
	struct node_entry in[4], top[1], dir;
	struct node_shard shard = {NULL};
	struct err e = ERR_INIT;
	struct pointer p;
	struct chunkid id;

	must(store_begin(s, NULL, &txn, &e), &e);
	pointer_init(&p);
	buf_addstr(&hello, "hello\n");
	id = put(&hello);
	in[0] = entry("a \"quoted\"\n\xff name", NODE_MODE_FILE, NODE_FILE, id, 6);
	in[1] = entry("empty", NODE_MODE_FILE, NODE_FILE, put(&none), 0);
	in[2].id = put_large(large);
	in[2] = entry("large", NODE_MODE_EXEC, NODE_FILE, in[2].id, large->len);
	in[3] = entry("link", NODE_MODE_LINK, NODE_LINK, id, 6);
	must(node_build(in, 4, put_node, txn, &dir, &e), &e);
	shard = (struct node_shard){NULL, dir.id, dir.files, dir.bytes};
	pointer_add_shard(&p, "pics", &shard);
	top[0] = entry("readme", NODE_MODE_FILE, NODE_FILE, id, 6);
	must(node_build(top, 1, put_node, txn, &dir, &e), &e);
	shard = (struct node_shard){NULL, dir.id, dir.files, dir.bytes};
	pointer_add_shard(&p, "/", &shard);
	pointer_sort(&p);
	write_pointer(&p, pointer_path);
	must(store_commit(txn, NULL, &e), &e);
	pointer_release(&p);
	buf_release(&hello);
	buf_release(&none);
}

static int run_reader(struct store *s, const char *pointer, const char *out, struct buf *said)
{
	struct proc p = PROC_INIT;
	struct err e = ERR_INIT;
	int rc;

	strvec_pushl(&p.args, "python3", "contrib/reader.py", store_dir(s), pointer, out, NULL);
	p.err = PROC_NULL;
	buf_reset(said);
	rc = proc_capture(&p, NULL, 64 * KIB, said, &e);
	must(rc, &e);
	proc_release(&p);
	return rc;
}

static bool holds(const char *top, const char *name, const char *want, size_t len)
{
	struct buf path = BUF_INIT, got = BUF_INIT;
	bool same;

	path_join(&path, top, name);
	same = io_read_file(AT_FDCWD, path.p, MIB, &got, NULL) == 0 && got.len == len &&
	       !memcmp(got.p, want, len);
	buf_release(&path);
	buf_release(&got);
	return same;
}

static void test_tree(struct store *s)
{
	struct buf pointer = BUF_INIT, out = BUF_INIT, path = BUF_INIT, large = BUF_INIT,
		   said = BUF_INIT;
	char target[16];
	struct stat st;

	path_join(&pointer, lib_dir, "data.deepops");
	path_join(&out, lib_dir, "out");
	make_tree(s, pointer.p, &large);
	ok(run_reader(s, pointer.p, out.p, &said) == 0, "reads a tree");
	is_str(said.p, "5 files, 170018 bytes, all verified\n", "says what it did");
	ok(holds(out.p, "readme", "hello\n", 6), "a file at the top");
	ok(holds(out.p, "pics/a \"quoted\"\n\xff name", "hello\n", 6), "a name of any bytes");
	ok(holds(out.p, "pics/empty", "", 0), "the empty file");
	ok(holds(out.p, "pics/large", large.p, large.len), "a file of two chunks");
	path_join(&path, out.p, "pics/large");
	ok(stat(path.p, &st) == 0 && (st.st_mode & 0111), "executable");
	buf_reset(&path);
	path_join(&path, out.p, "pics/link");
	ok(readlink(path.p, target, sizeof(target)) == 6 && !memcmp(target, "hello\n", 6),
	   "a link");
	ok(run_reader(s, pointer.p, out.p, &said) == 1, "nothing is written over");
	buf_release(&pointer);
	buf_release(&out);
	buf_release(&path);
	buf_release(&large);
	buf_release(&said);
}

static void test_file(struct store *s)
{
	struct buf pointer = BUF_INIT, out = BUF_INIT, said = BUF_INIT, one = BUF_INIT;
	struct err e = ERR_INIT;
	struct pointer p;

	must(store_begin(s, NULL, &txn, &e), &e);
	lib_content(3, 5000, &one);
	pointer_init(&p);
	p.kind = POINTER_FILE;
	p.id = put(&one);
	p.bytes = 5000;
	p.files = 1;
	p.mode = NODE_MODE_FILE;
	must(store_commit(txn, NULL, &e), &e);
	path_join(&pointer, lib_dir, "model.bin.deepops");
	path_join(&out, lib_dir, "file");
	write_pointer(&p, pointer.p);
	ok(run_reader(s, pointer.p, out.p, &said) == 0 && holds(out.p, "model.bin", one.p, 5000),
	   "reads a single file");
	pointer_release(&p);
	buf_release(&pointer);
	buf_release(&out);
	buf_release(&said);
	buf_release(&one);
}

static void overwrite(struct store *s, const char *find, const char *with, size_t len)
{
	struct buf cmd = BUF_INIT, whole = BUF_INIT;
	char line[512];
	FILE *f;

	buf_addf(&cmd, "find %s/packs -type f", store_dir(s));
	f = popen(cmd.p, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *hit;
		int fd;

		line[strcspn(line, "\n")] = '\0';
		buf_reset(&whole);
		if (io_read_file(AT_FDCWD, line, PACK_MAX_BYTES, &whole, NULL) < 0)
			abort();
		hit = memmem(whole.p, whole.len, find, len);
		if (!hit)
			continue;
		fd = chmod(line, 0644) == 0 ? open(line, O_WRONLY) : -1;
		if (fd < 0 || pwrite(fd, with, len, hit - whole.p) != (ssize_t)len)
			abort();
		close(fd);
	}
	pclose(f);
	buf_release(&cmd);
	buf_release(&whole);
}

static void test_damage(struct store *s)
{
	struct buf pointer = BUF_INIT, out = BUF_INIT, said = BUF_INIT;

	path_join(&pointer, lib_dir, "data.deepops");
	path_join(&out, lib_dir, "damaged");
	overwrite(s, "hello\n", "HELLO\n", 6);
	ok(run_reader(s, pointer.p, out.p, &said) == 1, "damaged content is refused");
	buf_release(&pointer);
	buf_release(&out);
	buf_release(&said);
}

int main(void)
{
	struct store *s;

	lib_begin();
	s = lib_open("store", 0);
	test_tree(s);
	test_file(s);
	test_damage(s);
	store_close(s);
	lib_end();
	return done_testing();
}
