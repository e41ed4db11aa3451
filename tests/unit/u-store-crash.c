/* SPDX-License-Identifier: MIT */
/* u-store-crash.c - killed at every point, a store shows the old state or the new one */
/*
 * The program runs itself: `u-store-crash commit|evict|rebuild DIR` does one
 * piece of work, and dies where DEEPOPS_KILL_AT says.
 */
#include <fcntl.h>
#include <sys/wait.h>

#include "base/io.h"
#include "store-lib.h"

#define OLD 20 /* chunks 0..OLD are there before */
#define NEW 30 /* a commit adds OLD..NEW */
#define LEN 700

static const uint8_t nonce[STORE_NONCE_BYTES] = "crash and resume";

static int keep_even(void *arg, const struct chunkkey *key)
{
	(void)arg;
	for (uint64_t i = 1; i < OLD; i += 2)
		if (chunkid_equal(&key->id, (struct chunkid[]){lib_id(i, LEN)}))
			return 0;
	return 1;
}

static int child(const char *work, const char *dir)
{
	struct err e = ERR_INIT;
	struct store_txn *t;
	struct store *s = NULL;
	uint64_t freed;
	int rc = store_open(&s, dir, STORE_CREATE, &e);

	if (rc == 0 && !strcmp(work, "commit")) {
		rc = store_begin(s, nonce, &t, &e);
		for (uint64_t i = OLD; i < NEW && rc >= 0; i++) {
			rc = lib_put(t, i, LEN, &e);
			if (rc >= 0 && i == OLD + 5)
				rc = store_sync(t, &e);
		}
		if (rc >= 0)
			rc = store_commit(t, NULL, &e);
	} else if (rc == 0 && !strcmp(work, "evict")) {
		rc = store_evict(s, NULL, keep_even, NULL, &freed, &e);
	} else if (rc == 0 && !strcmp(work, "rebuild")) {
		rc = store_rebuild(dir, STORE_FSCK_QUICK, NULL, &e);
	}
	store_close(s);
	if (rc < 0)
		fprintf(stderr, "%s\n", e.msg);
	return rc < 0;
}

/* Run `work` on the store; kill_at NULL: to its end.  Exit code, or -1 if it was killed. */
static int run(const char *work, const char *dir, const char *kill_at)
{
	char self[] = "/proc/self/exe";
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		char *argv[] = {self, strdup(work), strdup(dir), NULL};

		if (kill_at)
			setenv("DEEPOPS_KILL_AT", kill_at, 1);
		execv(self, argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		abort();
	return WIFSIGNALED(status) ? -1 : WEXITSTATUS(status);
}

static struct store *fresh(const char *name)
{
	struct store *s = lib_open(name, 0);

	lib_fill(s, 0, OLD / 2, LEN);
	lib_fill(s, OLD / 2, OLD, LEN);
	return s;
}

/* No file of a pack or segment that the catalogue does not name. */
static bool is_tidy(struct store *s)
{
	lib_files(s, "packs");
	return lib_nbytes == store_bytes(s) && lib_files(s, "incoming") == 0 &&
	       lib_files(s, "segments") <= 2;
}

/* Kill a commit there, look, and commit again. */
static void kill_commit(const char *point)
{
	struct store *s = fresh(point);
	size_t n;

	ok(run("commit", store_dir(s), point) == -1, "commit killed at %s", point);
	store_close(s);
	s = lib_open(point, 0);
	n = lib_count_good(s, OLD, NEW, LEN);
	ok(lib_count_good(s, 0, OLD, LEN) == OLD && (n == 0 || n == NEW - OLD) &&
		   lib_fsck(s, STORE_FSCK_DEEP, NULL) == 0,
	   "the old state or the new one");
	ok(run("commit", store_dir(s), NULL) == 0, "again");
	ok(lib_count_good(s, 0, NEW, LEN) == NEW && lib_fsck(s, STORE_FSCK_DEEP, NULL) == 0,
	   "then the new");
	lib_fill(s, 100, 101, LEN); /* the next transaction clears up */
	ok(is_tidy(s), "nothing is left over");
	store_close(s);
}

static void test_commit(void)
{
	static const char *const points[] = {
		"store-pack-create",     "store-append",
		"store-append:8",        "store-sync",
		"store-pack-seal",       "store-sealed",
		"store-linked",          "store-packs-durable",
		"store-segment-written", "store-before-catalogue",
		"store-after-catalogue", "store-unstaged",
		"store-committed",
	};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		kill_commit(points[i]);
}

static void test_create(void)
{
	struct buf dir = BUF_INIT;
	struct store *s;

	path_join(&dir, lib_dir, "create");
	ok(run("open", dir.p, "store-create") == -1, "killed while it was made");
	ok(run("open", dir.p, NULL) == 0, "it is made by the next");
	s = lib_open("create", 0);
	lib_fill(s, 0, 5, LEN);
	is_u64(lib_count_good(s, 0, 5, LEN), 5, "and works");
	store_close(s);
	buf_release(&dir);
}

static void test_evict(void)
{
	static const char *const points[] = {"store-pack-seal", "store-linked",
					     "store-before-catalogue", "store-after-catalogue",
					     "store-evict-unlink"};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct buf name = BUF_INIT;
		struct store *s;
		size_t n;

		buf_addf(&name, "evict-%s", points[i]);
		s = fresh(name.p);
		ok(run("evict", store_dir(s), points[i]) == -1, "eviction killed at %s", points[i]);
		store_close(s);
		s = lib_open(name.p, 0);
		n = lib_count_good(s, 0, OLD, LEN);
		ok((n == OLD || n == OLD / 2) && lib_fsck(s, STORE_FSCK_DEEP, NULL) == 0,
		   "all or the kept are there");
		ok(run("evict", store_dir(s), NULL) == 0, "again");
		must(store_refresh(s, NULL), &(struct err)ERR_INIT);
		ok(lib_count_good(s, 0, OLD, LEN) == OLD / 2 &&
			   lib_fsck(s, STORE_FSCK_DEEP, NULL) == 0,
		   "then the kept");
		lib_fill(s, 100, 101, LEN);
		ok(is_tidy(s), "nothing is left over");
		store_close(s);
		buf_release(&name);
	}
}

static void test_rebuild(void)
{
	static const char *const points[] = {"store-segment-written", "store-before-catalogue",
					     "store-after-catalogue", "store-rebuild-aside"};

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct buf name = BUF_INIT;
		struct store *s;

		buf_addf(&name, "rebuild-%s", points[i]);
		s = fresh(name.p);
		ok(run("rebuild", store_dir(s), points[i]) == -1, "rebuild killed at %s",
		   points[i]);
		store_close(s);
		s = lib_open(name.p, 0);
		is_u64(lib_count_good(s, 0, OLD, LEN), OLD, "everything is there");
		is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
		lib_fill(s, 100, 101, LEN);
		ok(is_tidy(s), "nothing is left over");
		store_close(s);
		buf_release(&name);
	}
}

/* A session whose staged pack is torn resumes with the whole entries. */
static void test_torn(void)
{
	struct store *s = lib_open("torn", 0);
	struct err e = ERR_INIT;
	struct buf path = BUF_INIT;
	struct store_txn *t;
	int fd;

	must(store_begin(s, nonce, &t, &e), &e);
	for (uint64_t i = 0; i < 5; i++)
		must(lib_put(t, i, LEN, &e), &e);
	must(store_sync(t, &e), &e);
	store_abort(t, true);
	buf_addf(&path, "%s/incoming/", store_dir(s));
	for (size_t i = 0; i < STORE_NONCE_BYTES; i++)
		buf_addf(&path, "%02x", nonce[i]);
	buf_addstr(&path, "/0");
	fd = open(path.p, O_WRONLY | O_APPEND);
	if (fd < 0 || io_write_all(fd, "DOPE\1\0\0\0 and no more", 20, &e) < 0)
		abort();
	close(fd);
	must(store_begin(s, nonce, &t, &e), &e);
	is_u64(store_txn_count(t), 5, "the torn tail is cut off");
	ok(store_commit(t, NULL, &e) == 0, "commit: %s", e.msg);
	is_u64(lib_count_good(s, 0, 5, LEN), 5, "the whole entries are there");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	store_close(s);
	buf_release(&path);
}

int main(int argc, char **argv)
{
	if (argc == 3)
		return child(argv[1], argv[2]);
	lib_begin();
	test_create();
	test_commit();
	test_evict();
	test_rebuild();
	test_torn();
	lib_end();
	return done_testing();
}
