/* SPDX-License-Identifier: MIT */
/* u-dataset.c - snapshot, status, diff, checkout, keys and merge on a real repository and store */
#include "data/dataset.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/random.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "tap.h"

static char top[] = "/tmp/u-dataset-XXXXXX";
static struct repo *repo;

static void must(int rc, const struct err *e, const char *what)
{
	if (rc >= 0)
		return;
	printf("Bail out! %s: %s\n", what, e->msg);
	exit(1);
}

static void put_file(const char *path, const void *p, size_t n)
{
	struct buf dir = BUF_INIT;
	struct err e = ERR_INIT;
	int fd;

	path_dirname(&dir, path);
	must(path_mkdirs(dir.p, 0777, &e), &e, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	must(fd < 0 ? ERR_SYS : io_write_all(fd, p, n, &e), &e, path);
	close(fd);
	buf_release(&dir);
}

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

static struct dataset_env *open_env(void)
{
	struct dataset_env *d;
	struct err e = ERR_INIT;

	must(dataset_open(&d, repo, &e), &e, "open");
	return d;
}

/* Snapshot and commit; the work tree then counts as synced.  Returns how many chunks were new. */
static uint64_t track(struct dataset_env *d, const char *root, const struct pointer *previous,
		      struct dataset_snap *out)
{
	struct dataset_snap_opts opts = {.previous = previous};
	struct store_txn *txn;
	struct err e = ERR_INIT;
	struct store *s = dataset_store(d, &e);
	uint64_t stored;

	must(s ? 0 : e.code, &e, "store");
	must(store_begin(s, NULL, &txn, &e), &e, "begin");
	must(dataset_snapshot(d, txn, root, &opts, out, &e), &e, "snapshot");
	stored = store_txn_count(txn);
	must(store_commit(txn, NULL, &e), &e, "commit");
	must(dataset_synced(d, root, &out->pointer, &e), &e, "synced");
	return stored;
}

static enum dataset_state state_of(struct dataset_env *d, const char *root, const struct pointer *p,
				   struct dataset_status *st)
{
	struct err e = ERR_INIT;

	must(dataset_status(d, root, p, st, &e), &e, "status");
	return st->state;
}

static bool has_change(const struct dataset_changes *c, char status, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->v[i].status == status && !strcmp(c->v[i].path, path))
			return true;
	printf("# no %c %s among %zu\n", status, path, c->n);
	return false;
}

static void make_tree(const char *root, bool backwards)
{
	static const char *const files[] = {"a/1", "a/2", "b/1", "b/sub/deep", "c/1", "top"};
	uint8_t big[300 * 1024];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const char *name = files[backwards ? ARRAY_SIZE(files) - 1 - i : i];
		char *path = xstrfmt("%s/%s", root, name);

		put_text(path, name);
		free(path);
	}
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)((i * i) >> 7);
	for (unsigned int i = 0; i < 40; i++) { /* 12 MiB: the chunks of one file go to the pool */
		char *path = xstrfmt("%s/b/big", root);
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
		struct err e = ERR_INIT;

		big[i] ^= 0x55;
		must(io_write_all(fd, big, sizeof(big), &e), &e, path);
		close(fd);
		free(path);
	}
	for (unsigned int i = 0; i < 2; i++) {
		char *path = xstrfmt("%s/%s", root, i ? "c/empty dir" : "a/link");

		if (i ? mkdir(path, 0777) : symlink("../top", path))
			ok(false, "%s", path);
		free(path);
	}
}

static void test_snapshot(struct dataset_snap *snap)
{
	struct dataset_env *d = open_env();
	struct dataset_snap again, one;
	struct dataset_status st;
	struct chunkid id;
	struct err e = ERR_INIT;
	cpu_set_t all, single;
	uint64_t stored;

	make_tree("data", false);
	make_tree("other", true);
	track(d, "data", NULL, snap);
	is_u64(snap->pointer.n, 4, "three directories and the files beside them");
	is_str(snap->pointer.shards[0].name, "/", "first shard");
	is_str(snap->pointer.shards[2].name, "b", "third shard");
	is_u64(snap->pointer.files, 8, "files");
	ok(dataset_id(d, &snap->pointer, &id, &e) == 0 && chunkid_equal(&id, &snap->id),
	   "dataset id from the nodes %s", e.msg);

	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&single);
	CPU_SET((size_t)sched_getcpu(), &single);
	sched_setaffinity(0, sizeof(single), &single);
	dataset_close(d);
	d = open_env();
	stored = track(d, "other", NULL, &one);
	sched_setaffinity(0, sizeof(all), &all);
	ok(pointer_equal(&one.pointer, &snap->pointer), "other order, one thread: same pointer");
	is_u64(stored, 0, "and the same chunks");
	dataset_snap_release(&one);

	ok(state_of(d, "data", &snap->pointer, &st) == DATASET_CLEAN, "clean");
	dataset_status_release(&st);
	track(d, "data", &snap->pointer, &again);
	ok(pointer_equal(&again.pointer, &snap->pointer), "tracking again gives the same");
	dataset_snap_release(&again);
	dataset_close(d);
}

/* The split is chosen once; the id does not depend on it. */
static void test_split(const struct dataset_snap *first)
{
	struct dataset_env *d = open_env();
	struct dataset_snap snap, deep;
	struct node_shard none = {NULL, first->id, 0, 0};
	struct pointer whole, deeper;

	pointer_init(&whole);
	pointer_init(&deeper);
	pointer_add_shard(&whole, ".", &none);
	pointer_add_shard(&deeper, "b/sub", &none);
	track(d, "data", &whole, &snap);
	is_u64(snap.pointer.n, 1, "one section stays one");
	ok(chunkid_equal(&snap.id, &first->id), "same dataset id");
	ok(chunkid_equal(&snap.pointer.shards[0].id, &first->id), "which is the root node's");
	track(d, "data", &deeper, &deep);
	is_str(deep.pointer.shards[3].name, "b/sub", "a deeper split stays deeper");
	is_str(deep.pointer.shards[2].name, "b/", "with the files beside it");
	ok(chunkid_equal(&deep.id, &first->id), "same dataset id");
	dataset_snap_release(&snap);
	dataset_snap_release(&deep);
	pointer_release(&whole);
	pointer_release(&deeper);
	dataset_close(d);
}

static void test_status(const struct pointer *p)
{
	struct dataset_env *d = open_env();
	struct dataset_status st;
	struct dataset_snap new;

	track(d, "data", p, &new);
	dataset_snap_release(&new);
	put_text("data/a/1", "A/1"); /* same size */
	put_text("data/new", "new");
	unlink("data/c/1");
	ok(state_of(d, "data", p, &st) == DATASET_MODIFIED && st.counted, "modified");
	ok(has_change(&st.changes, 'M', "a/1") && has_change(&st.changes, 'A', "new") &&
		   has_change(&st.changes, 'D', "c/1"),
	   "with the three changes");
	is_u64(st.changes.n, 3, "and no other");
	dataset_status_release(&st);
	rmdir("data/c/empty dir");
	ok(state_of(d, "data", p, &st) == DATASET_MODIFIED &&
		   has_change(&st.changes, 'D', "c/empty dir/"),
	   "an empty directory counts");
	dataset_status_release(&st);
	ok(state_of(d, "nowhere", p, &st) == DATASET_MISSING && st.changes.removed == 8, "missing");
	dataset_status_release(&st);
	dataset_close(d);
}

static void test_checkout(const struct pointer *p)
{
	struct dataset_env *d = open_env();
	struct dataset_checkout_opts opts = {.force = false};
	struct dataset_checkout_result res;
	struct dataset_status st;
	struct err e = ERR_INIT;
	struct stat sb;

	ok(dataset_checkout(d, "data", p, &opts, &res, &e) == ERR_EXISTS, "local changes block");
	ok(res.blocked.nr == 1 && !strcmp(res.blocked.v[0], "a/1"), "the changed file is named");
	ok(access("data/c/1", F_OK) < 0, "and nothing was touched");
	dataset_checkout_result_release(&res);
	opts.force = true;
	ok(dataset_checkout(d, "data", p, &opts, &res, &e) == 0, "by force: %s", e.msg);
	is_u64(res.written, 2, "two files written");
	dataset_checkout_result_release(&res);
	ok(access("data/new", F_OK) == 0, "a new file of the user stays");
	unlink("data/new");
	ok(state_of(d, "data", p, &st) == DATASET_CLEAN, "clean after that");
	dataset_status_release(&st);
	opts.force = false;
	ok(dataset_checkout(d, "fresh/copy", p, &opts, &res, &e) == 0, "into nothing: %s", e.msg);
	is_u64(res.written, 8, "all files written");
	dataset_checkout_result_release(&res);
	ok(state_of(d, "fresh/copy", p, &st) == DATASET_CLEAN, "which is clean");
	dataset_status_release(&st);
	ok(stat("fresh/copy/b/big", &sb) == 0 && sb.st_size == 40 * 300 * 1024, "large file whole");
	dataset_close(d);
}

static int no_pieces(void *arg, const struct chunkid *id, const struct buf *piece, struct err *e)
{
	(void)arg;
	(void)id;
	(void)piece;
	return err_set(e, ERR_LIMIT, "a short recipe has no pieces");
}

/*
 * Put the file `text`, two chunks of `half` bytes, in the store, the second one wrong by a byte at
 * `lie` (none: SIZE_MAX): what stands in the pack has a right checksum and is not what its id says.
 */
static void put_halves(struct dataset_env *d, uint8_t *text, size_t half, size_t lie,
		       struct pointer *p, struct chunkid *second)
{
	struct recipe_writer *w = recipe_writer_new(1, no_pieces, NULL);
	struct buf recipe = BUF_INIT;
	struct store_txn *txn;
	struct chunkid id;
	struct err e = ERR_INIT;

	must(store_begin(dataset_store(d, &e), NULL, &txn, &e), &e, "begin");
	chunkid_of(&p->id, text, 2 * half);
	p->kind = POINTER_FILE;
	p->bytes = 2 * half;
	p->files = 1;
	p->mode = NODE_MODE_FILE;
	for (size_t i = 0; i < 2; i++) {
		uint8_t *at = text + i * half;

		chunkid_of(&id, at, half);
		if (i && lie != SIZE_MAX)
			at[lie] ^= 1;
		must(recipe_writer_add(w, &id, (uint32_t)half, &e), &e, "recipe");
		must(store_put(txn, CHUNK_DATA, &id, at, half, true, &e), &e, "chunk");
	}
	*second = id;
	must(recipe_writer_finish(w, &recipe, &e), &e, "recipe");
	must(store_put(txn, CHUNK_RECIPE, &p->id, recipe.p, recipe.len, true, &e), &e, "put");
	must(store_commit(txn, NULL, &e), &e, "commit");
	recipe_writer_free(w);
	buf_release(&recipe);
}

/* Checkout hashes a large file as a whole: a chunk that is wrong behind a right checksum is found and named. */
static void test_lying_chunk(void)
{
	enum { HALF = 200000 };
	static uint8_t text[2 * HALF];
	struct dataset_env *d = open_env();
	struct dataset_checkout_opts opts = {.force = false};
	struct dataset_checkout_result res;
	struct chunkid second;
	struct pointer p;
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i % 251);
	pointer_init(&p);
	put_halves(d, text, HALF, SIZE_MAX, &p, &second);
	ok(dataset_checkout(d, "halves", &p, &opts, &res, &e) == 0, "sound: %s", e.msg);
	dataset_checkout_result_release(&res);
	text[0] = 1;
	text[HALF] = 2;
	put_halves(d, text, HALF, 1000, &p, &second);
	ok(dataset_checkout(d, "lie", &p, &opts, &res, &e) == ERR_CORRUPT &&
		   strstr(e.msg, chunkid_hex(&second).s),
	   "the wrong chunk is named: %s", e.msg);
	ok(access("lie", F_OK) < 0, "and nothing of the file is there");
	dataset_checkout_result_release(&res);
	pointer_release(&p);
	dataset_close(d);
}

/* Loading through this counts. */
struct counted {
	struct dataset_env *d;
	unsigned int loads;
};

static int load_counted(void *arg, const struct chunkid *id, struct buf *text, struct err *e)
{
	struct counted *c = arg;

	c->loads++;
	return dataset_load_node(c->d, id, text, e);
}

static void test_diff(const struct pointer *p)
{
	struct dataset_env *d = open_env();
	struct counted c = {d, 0};
	struct dataset_changes changes;
	struct dataset_snap new;
	struct err e = ERR_INIT;

	if (rename("data/c/1", "data/a/moved") < 0)
		ok(false, "rename");
	track(d, "data", p, &new);
	ok(dataset_diff(p, &new.pointer, load_counted, &c, false, &changes, &e) == 0, "diff %s",
	   e.msg);
	ok(changes.n == 2 && has_change(&changes, 'A', "a/moved") &&
		   has_change(&changes, 'D', "c/1"),
	   "added here, removed there");
	is_u64(c.loads, 4, "only the nodes that differ are read");
	dataset_changes_release(&changes);
	ok(dataset_diff(p, &new.pointer, load_counted, &c, true, &changes, &e) == 0 &&
		   changes.n == 1 && has_change(&changes, 'R', "a/moved"),
	   "a rename");
	is_str(changes.v[0].from, "c/1", "from");
	dataset_changes_release(&changes);
	if (rename("data/a/moved", "data/c/1") < 0)
		ok(false, "rename back");
	dataset_snap_release(&new);
	dataset_close(d);
}

static void test_huge_directory(void)
{
	struct dataset_env *d = open_env();
	struct counted c = {d, 0};
	struct dataset_changes changes;
	struct dataset_snap one, two;
	struct err e = ERR_INIT;

	if (mkdir("huge", 0777) < 0)
		ok(false, "mkdir huge");
	for (unsigned int i = 0; i < 9000; i++) {
		char *path = xstrfmt("huge/%05u", i);

		close(open(path, O_WRONLY | O_CREAT, 0644)); /* all empty: only names count here */
		free(path);
	}
	track(d, "huge", NULL, &one);
	put_text("huge/04711", "changed");
	track(d, "huge", NULL, &two);
	ok(dataset_diff(&one.pointer, &two.pointer, load_counted, &c, false, &changes, &e) == 0 &&
		   changes.n == 1 && has_change(&changes, 'M', "04711"),
	   "one of 9,000 changed %s", e.msg);
	is_u64(c.loads, 4, "two top nodes and the part on each side");
	dataset_changes_release(&changes);
	dataset_snap_release(&one);
	dataset_snap_release(&two);
	dataset_close(d);
}

static int count_key(void *arg, enum chunk_kind kind, const struct chunkid *id, uint64_t bytes,
		     struct err *e)
{
	uint64_t *n = arg;

	(void)e;
	(void)id;
	(void)bytes;
	n[kind]++;
	return 0;
}

static void test_keys(const struct pointer *p)
{
	struct dataset_env *d = open_env();
	struct chunkset *missing = chunkset_new();
	uint64_t n[4] = {0, 0, 0, 0};
	struct err e = ERR_INIT;

	ok(dataset_keys(d, p, NULL, count_key, n, &e) == 0, "keys %s", e.msg);
	is_u64(n[CHUNK_NODE], 6, "four shards, a sub-directory and an empty one");
	is_u64(n[CHUNK_RECIPE], 1, "one recipe");
	ok(n[CHUNK_DATA] > 12, "and chunks");
	ok(dataset_missing(d, p, NULL, missing, &e) == 0 && !chunkset_count(missing),
	   "nothing is missing %s", e.msg);
	chunkset_free(missing);
	dataset_close(d);
}

/* ---- merge ---- */

struct version {
	struct dataset_snap snap;
};

static void merge(const struct version *o, const struct version *a, const struct version *b,
		  struct pointer *out, struct strvec *conflicts)
{
	struct dataset_env *d = open_env();
	struct store_txn *txn;
	struct err e = ERR_INIT;
	struct store *s = dataset_store(d, &e);
	struct dataset_sides sides = {&o->snap.pointer, &a->snap.pointer, &b->snap.pointer};

	must(s ? 0 : e.code, &e, "store");
	must(store_begin(s, NULL, &txn, &e), &e, "begin");
	must(dataset_merge(d, txn, &sides, out, conflicts, &e), &e, "merge");
	must(store_commit(txn, NULL, &e), &e, "commit");
	dataset_close(d);
}

static void test_merge(void)
{
	struct dataset_env *d = open_env();
	struct version o, a, b, both;
	struct strvec conflicts = STRVEC_INIT;
	struct pointer out;

	pointer_init(&out);
	put_text("m/x/1", "1");
	put_text("m/x/2", "2");
	put_text("m/y/1", "1");
	put_text("m/z/1", "1");
	track(d, "m", NULL, &o.snap);
	put_text("m/x/1", "ours");
	unlink("m/y/1");
	rmdir("m/y");
	track(d, "m", &o.snap.pointer, &a.snap);
	put_text("m/x/1", "1");
	put_text("m/y/1", "1");
	put_text("m/x/2", "theirs");
	put_text("m/x/3", "new");
	put_text("m/new/1", "1");
	track(d, "m", &o.snap.pointer, &b.snap);
	put_text("m/x/1", "ours");
	unlink("m/y/1");
	rmdir("m/y");
	track(d, "m", &o.snap.pointer, &both.snap);
	merge(&o, &a, &b, &out, &conflicts);
	ok(!conflicts.nr && pointer_equal(&out, &both.snap.pointer), "clean merge, entry by entry");
	put_text("m/x/2", "differently");
	put_text("m/new/1", "2");
	dataset_snap_release(&a.snap);
	track(d, "m", &o.snap.pointer, &a.snap);
	merge(&o, &a, &b, &out, &conflicts);
	ok(conflicts.nr == 2 && !strcmp(conflicts.v[0], "new/1") && !strcmp(conflicts.v[1], "x/2"),
	   "two true conflicts");
	ok(pointer_equal(&out, &a.snap.pointer), "where ours is taken");
	strvec_release(&conflicts);
	pointer_release(&out);
	dataset_snap_release(&o.snap);
	dataset_snap_release(&a.snap);
	dataset_snap_release(&b.snap);
	dataset_snap_release(&both.snap);
	dataset_close(d);
}

int main(void)
{
	struct proc p = PROC_INIT;
	struct dataset_snap snap;
	struct err e = ERR_INIT;

	setenv("DEEPOPS_FSYNC", "0", 1);
	if (!mkdtemp(top) || chdir(top) < 0)
		return 1;
	strvec_pushl(&p.args, "git", "init", "-q", NULL);
	must(proc_capture(&p, NULL, 1000, NULL, &e), &e, "git init");
	proc_release(&p);
	must(repo_open(&repo, NULL, REPO_NEED_WORKTREE, &e), &e, "repo");
	test_snapshot(&snap);
	test_split(&snap);
	test_status(&snap.pointer);
	test_checkout(&snap.pointer);
	test_lying_chunk();
	test_diff(&snap.pointer);
	test_huge_directory();
	test_keys(&snap.pointer);
	test_merge();
	dataset_snap_release(&snap);
	repo_close(repo);
	ok(chdir("/") == 0 && path_remove_tree(top, &e) == 0, "clean up %s", e.msg);
	return done_testing();
}
