/* SPDX-License-Identifier: MIT */
/* u-store.c - put, commit, load, refresh, merging, threads, eviction, resuming */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/tempfile.h"
#include "chunk/recipe.h"
#include "store-lib.h"
#include "store/pack.h"

static void test_basics(void)
{
	struct store *s = lib_open("basic", 0), *other, *none;
	struct chunkid id = lib_id(1, 5000);
	struct store_info info;
	struct buf got = BUF_INIT;
	struct err e = ERR_INIT;
	struct store_txn *t;
	uint64_t before, after;

	ok(store_open(&none, "/nonexistent/store", 0, &e) == ERR_NOTFOUND, "absent: %s", e.msg);
	must(store_generation(s, &before, &e), &e);
	must(store_begin(s, NULL, &t, &e), &e);
	ok(lib_put(t, 1, 5000, &e) == 1, "a new chunk is stored");
	ok(lib_put(t, 1, 5000, &e) == 0, "once");
	ok(store_put(t, CHUNK_DATA, &id, "", 0, true, &e) == ERR_INPUT, "the empty file never is");
	ok(store_has(s, CHUNK_DATA, &id, NULL, &e) == 0, "before commit the store has it not");
	ok(store_txn_has(t, CHUNK_DATA, &id, &info, &e) == 1 && info.plain == 5000,
	   "but the txn has");
	ok(store_txn_load(t, CHUNK_DATA, &id, &got, &e) == 0 && got.len == 5000, "and loads it");
	ok(store_commit(t, NULL, &e) == 0, "commit: %s", e.msg);
	ok(store_has(s, CHUNK_DATA, &id, &info, &e) == 1 && info.plain == 5000, "now it has");
	ok(store_has(s, CHUNK_NODE, &id, NULL, &e) == 0, "of its kind only");
	ok(lib_good(s, 1, 5000), "it loads");
	ok(store_load(s, CHUNK_DATA, (struct chunkid[]){lib_id(2, 10)}, &got, &e) == ERR_NOTFOUND,
	   "another is not there: %s", e.msg);
	must(store_generation(s, &after, &e), &e);
	is_u64(after, before + 1, "a commit is a generation");

	other = lib_open("basic", 0);
	ok(memcmp(store_uuid(s), store_uuid(other), 16) == 0, "one uuid");
	lib_fill(other, 10, 20, 3000);
	is_u64(lib_count_good(s, 10, 20, 3000), 10, "commits of others are seen");
	ok(store_bytes(s) > 35000, "size of the packs");
	ok(store_begin(s, NULL, &t, &e) == 0 && store_commit(t, NULL, &e) == 0, "an empty commit");
	is_u64(lib_files(s, "incoming"), 0, "nothing stays in staging");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	store_close(other);
	store_close(s);
	buf_release(&got);
}

static void test_readonly(void)
{
	struct err e = ERR_INIT;
	struct buf path = BUF_INIT;
	struct store *s;
	struct store_txn *t;

	path_join(&path, lib_dir, "basic");
	ok(store_open(&s, path.p, STORE_READONLY, &e) == 0, "opens for reading");
	ok(lib_good(s, 1, 5000), "reads");
	ok(store_begin(s, NULL, &t, &e) == ERR_DENIED, "no txn: %s", e.msg);
	store_close(s);
	buf_release(&path);
}

static void test_format(void)
{
	static const struct {
		const char *text;
		int rc;
		const char *label;
	} cases[] = {
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible\n"
		 "read-only-compatible\nincompatible\n",
		 0, "version 1"},
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible colours\n"
		 "read-only-compatible\nincompatible\n",
		 0, "an unknown compatible feature"},
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible\n"
		 "read-only-compatible\nincompatible zebra\n",
		 ERR_INPUT, "an unknown incompatible feature"},
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible\n"
		 "read-only-compatible yak\nincompatible\n",
		 ERR_INPUT, "writing with an unknown read-only-compatible feature"},
		{"deepops-store 2\nuuid 0123456789abcdef0123456789abcdef\ncompatible\n"
		 "read-only-compatible\nincompatible\n",
		 ERR_INPUT, "another version"},
		{"deepops-store 1\nuuid 0123456789ABCDEF0123456789abcdef\ncompatible\n"
		 "read-only-compatible\nincompatible\n",
		 ERR_INPUT, "upper case"},
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible  a\n"
		 "read-only-compatible\nincompatible\n",
		 ERR_INPUT, "two blanks"},
		{"deepops-store 1\nuuid 0123456789abcdef0123456789abcdef\ncompatible\n", ERR_INPUT,
		 "a file cut short"},
	};
	struct store *s = lib_open("format", 0);
	struct buf dir = BUF_INIT, path = BUF_INIT;

	buf_sets(&dir, store_dir(s));
	path_join(&path, dir.p, "format");
	store_close(s);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = ERR_INIT;
		FILE *f = fopen(path.p, "w");
		int rc;

		if (!f)
			abort();
		fputs(cases[i].text, f);
		fclose(f);
		rc = store_open(&s, dir.p, 0, &e);
		ok(rc == cases[i].rc, "%s: %s", cases[i].label, rc ? e.msg : "opens");
		if (i == 2)
			ok(strstr(e.msg, "zebra") != NULL, "the feature is named");
		if (i == 3)
			ok(store_open(&s, dir.p, STORE_READONLY, &e) == 0, "reading works then");
		store_close(s);
	}
	buf_release(&dir);
	buf_release(&path);
}

/* Many small commits, with another store open all the time. */
static void test_merge(void)
{
	struct store *s = lib_open("merge", 0), *reader = lib_open("merge", 0);
	size_t wrong = 0;

	for (uint64_t i = 0; i < 120; i++) {
		lib_fill(s, i * 3, i * 3 + 4, 200); /* each overlaps the next */
		wrong += !lib_good(reader, i, 200);
	}
	is_u64(wrong, 0, "readers cope with merged segments");
	ok(lib_files(s, "segments") <= 8, "segments are merged in tiers");
	is_u64(lib_count_good(s, 0, 360, 200), 360, "nothing is lost by merging");
	is_u64(lib_count_good(reader, 0, 360, 200), 360, "nor for others");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	store_close(reader);
	store_close(s);
}

struct feeder {
	struct store_txn *t;
	uint64_t from;
	int rc;
};

static void *feed(void *arg)
{
	struct feeder *f = arg;

	for (uint64_t i = f->from; i < f->from + 1500 && f->rc >= 0; i++)
		f->rc = lib_put(f->t, i, 4000 + i % 1000, NULL);
	return NULL;
}

static void test_threads(void)
{
	struct store *s = lib_open("threads", 0);
	struct feeder f[4];
	pthread_t thread[4];
	struct err e = ERR_INIT;
	struct store_txn *t;
	size_t good = 0;
	bool fed = true;

	must(store_begin(s, NULL, &t, &e), &e);
	for (unsigned int i = 0; i < 4; i++) {
		f[i] = (struct feeder){t, i * 1000, 0}; /* half of each is another's too */
		pthread_create(&thread[i], NULL, feed, &f[i]);
	}
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		fed = fed && f[i].rc >= 0;
	}
	ok(fed, "four threads put");
	is_u64(store_txn_count(t), 4500, "each chunk once");
	ok(store_commit(t, NULL, &e) == 0, "commit: %s", e.msg);
	for (uint64_t i = 0; i < 4500; i++)
		good += lib_good(s, i, 4000 + i % 1000);
	is_u64(good, 4500, "all are there");
	store_close(s);
}

/* Packs are full at 32 MiB, and nodes lie apart from data. */
static void test_packs(void)
{
	struct store *s = lib_open("packs", 0);
	struct err e = ERR_INIT;
	struct store_txn *t;
	struct chunkid id;

	must(store_begin(s, NULL, &t, &e), &e);
	for (uint64_t i = 0; i < 36; i++)
		must(lib_put(t, i, MIB, &e), &e);
	chunkid_of(&id, "deepops-node 1\n", 15);
	must(store_put(t, CHUNK_NODE, &id, "deepops-node 1\n", 15, true, &e), &e);
	must(store_commit(t, NULL, &e), &e);
	is_u64(lib_files(s, "packs"), 3, "two packs of data, one of nodes");
	is_u64(lib_count_good(s, 0, 36, MIB), 36, "readable");
	store_close(s);
}

/* store_keep_fn: all but one. */
static int keep_but(void *arg, const struct chunkkey *key)
{
	return !chunkid_equal(arg, &key->id);
}

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* A pack of recipes that stays open must not keep those open that are sealed after it. */
static void test_descriptors(void)
{
	static const uint8_t nonce[STORE_NONCE_BYTES] = "many small packs";
	struct store *s = lib_open("descriptors", 0);
	size_t before = open_files();
	struct err e = ERR_INIT;
	struct store_txn *t;
	struct rlimit old, few;
	struct chunkid id;
	uint64_t freed;

	pack_set_target(1000);
	must(store_begin(s, nonce, &t, &e), &e);
	chunkid_of(&id, "deepops-node 1\n", 15);
	must(store_put(t, CHUNK_NODE, &id, "deepops-node 1\n", 15, true, &e), &e);
	for (uint64_t i = 0; i < 200; i++)
		must(lib_put(t, i, 1000, &e), &e);
	ok(open_files() < before + 32, "200 packs: %zu descriptors", open_files() - before);
	must(store_sync(t, &e), &e);
	ok(open_files() < before + 8, "synced: %zu descriptors", open_files() - before);
	store_abort(t, true);
	must(store_begin(s, nonce, &t, &e), &e);
	is_u64(store_txn_count(t), 201, "resumed");
	ok(open_files() < before + 32, "resumed: %zu descriptors", open_files() - before);
	must(store_commit(t, NULL, &e), &e);
	is_u64(lib_count_good(s, 0, 200, 1000), 200, "all is there");
	store_close(s);

	s = lib_open("descriptors", 0);
	pack_set_target(PACK_TARGET_BYTES);
	lib_fill(s, 1000, 1300, 2000);
	pack_set_target(1000);
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = open_files() + 30;
	setrlimit(RLIMIT_NOFILE, &few);
	id = lib_id(1000, 2000);
	ok(store_evict(s, NULL, keep_but, &id, &freed, &e) == 0, "an eviction needs few too: %s",
	   e.msg);
	setrlimit(RLIMIT_NOFILE, &old);
	is_u64(lib_count_good(s, 1000, 1300, 2000), 299, "the rest of the pack is there");
	pack_set_target(PACK_TARGET_BYTES);
	store_close(s);
}

static void test_resume(void)
{
	static const uint8_t nonce[STORE_NONCE_BYTES] = "resume me please";
	struct store *s = lib_open("resume", 0);
	struct chunkid id = lib_id(5, 1000);
	struct err e = ERR_INIT;
	struct store_txn *t, *u;

	must(store_begin(s, nonce, &t, &e), &e);
	for (uint64_t i = 0; i < 10; i++)
		must(lib_put(t, i, 1000, &e), &e);
	must(store_sync(t, &e), &e);
	ok(store_begin(s, nonce, &u, &e) == ERR_DENIED, "one session once: %s", e.msg);
	store_abort(t, true);
	must(store_begin(s, nonce, &t, &e), &e);
	is_u64(store_txn_count(t), 10, "what was synced is there on resume");
	ok(store_txn_has(t, CHUNK_DATA, &id, NULL, &e) == 1, "and known");
	must(lib_put(t, 10, 1000, &e), &e);
	ok(store_commit(t, NULL, &e) == 0, "and commits");
	is_u64(lib_count_good(s, 0, 11, 1000), 11, "all of it");
	must(store_begin(s, nonce, &t, &e), &e);
	is_u64(store_txn_count(t), 0, "a committed session has nothing staged");
	ok(store_commit(t, NULL, &e) == 0, "committing it again is fine");

	must(store_begin(s, NULL, &t, &e), &e);
	must(lib_put(t, 99, 1000, &e), &e);
	store_abort(t, false);
	is_u64(lib_files(s, "incoming"), 0, "an abort leaves nothing");
	store_close(s);
}

/* store_keep_fn: keep what the array does not name. */
static int keep_some(void *arg, const struct chunkkey *key)
{
	const struct chunkid *drop = arg;

	for (size_t i = 0; i < 40; i++)
		if (chunkid_equal(&drop[i], &key->id))
			return 0;
	return 1;
}

static int keep_none(void *arg, const struct chunkkey *key)
{
	(void)arg;
	(void)key;
	return 0;
}

static void test_evict(void)
{
	struct store *s = lib_open("evict", 0), *reader = lib_open("evict", 0);
	struct chunkid drop[40];
	struct err e = ERR_INIT;
	struct store_txn *t;
	uint64_t freed, before;

	lib_fill(s, 0, 50, 10000);
	lib_fill(s, 50, 100, 10000);
	ok(lib_good(reader, 3, 10000), "a reader has a pack open");
	for (uint64_t i = 0; i < 40; i++)
		drop[i] = lib_id(i * 2, 10000);
	before = store_bytes(s);
	must(store_begin(reader, NULL, &t, &e), &e);
	ok(store_evict(s, NULL, keep_some, drop, &freed, &e) == ERR_DENIED,
	   "not while a txn is open: %s", e.msg);
	store_abort(t, false);
	ok(store_evict(s, NULL, keep_some, drop, &freed, &e) == 0, "evict: %s", e.msg);
	ok(freed > 390000 && freed < 440000, "about 400 kB freed: %" PRIu64, freed);
	is_u64(store_bytes(s), before - freed, "the catalogue agrees");
	is_u64(lib_count_good(s, 0, 100, 10000), 60, "the others stay");
	must(store_refresh(reader, &e), &e);
	is_u64(lib_count_good(reader, 0, 100, 10000), 60, "for other readers too");
	is_u64(lib_fsck(s, STORE_FSCK_DEEP, NULL), 0, "fsck finds nothing");
	ok(store_evict(s, NULL, keep_some, drop, &freed, &e) == 0 && freed == 0,
	   "then there's nothing");
	ok(store_evict(s, NULL, keep_none, NULL, &freed, &e) == 0, "everything can go");
	is_u64(store_bytes(s), 0, "and is gone");
	is_u64(lib_files(s, "packs") + lib_files(s, "segments"), 0, "with its files");
	lib_fill(s, 0, 10, 10000);
	is_u64(lib_count_good(reader, 0, 10, 10000), 10, "the store goes on");
	store_close(reader);
	store_close(s);
}

static int count_each(void *arg, const struct chunkkey *key, const struct store_info *info,
		      struct err *e)
{
	struct store_info again;

	ok(info->plain == 200, "plain length");
	/* Calling back into the store is allowed. */
	if (store_has(*(struct store **)arg, key->kind, &key->id, &again, e) != 1)
		return err_set(e, ERR_CORRUPT, "what each names is not there");
	return 0;
}

static void test_each(void)
{
	struct store *s = lib_open("each", 0);
	struct err e = ERR_INIT;

	lib_fill(s, 0, 5, 200);
	ok(store_each(s, count_each, &s, &e) == 0, "each chunk: %s", e.msg);
	store_close(s);
}

static void test_quota(void)
{
	struct store *s = lib_open("quota", 0);
	struct err e = ERR_INIT;
	struct store_txn *t;
	uint64_t left;

	ok(store_quota_left(s, &left, &e) == 0 && left == UINT64_MAX, "no quota at first");
	must(store_set_quota(s, 5000, "test", &e), &e);
	must(store_begin(s, NULL, &t, &e), &e);
	must(lib_put(t, 1, 3000, &e), &e);
	ok(lib_put(t, 2, 3000, &e) == ERR_LIMIT, "beyond it: %s", e.msg);
	ok(store_commit(t, NULL, &e) == 0, "what fitted commits");
	ok(store_quota_left(s, &left, &e) == 0 && left < 2000, "little is left");
	must(store_set_quota(s, UINT64_MAX, "test", &e), &e);
	ok(store_quota_left(s, &left, &e) == 0 && left == UINT64_MAX, "lifted");
	store_close(s);
}

/* Give the session of this nonce an age, as if it was begun so long ago. */
static void age_session(struct store *s, const char *nonce, int64_t seconds)
{
	struct timespec times[2] = {{.tv_sec = time(NULL) - seconds},
				    {.tv_sec = time(NULL) - seconds}};
	struct buf path = BUF_INIT;

	buf_addf(&path, "%s/incoming/%s/keep", store_dir(s), nonce);
	ok(utimensat(AT_FDCWD, path.p, times, 0) == 0, "an older session");
	buf_release(&path);
}

/* What was sent and not committed takes room from others, and gives it back when they need it. */
static void test_waiting(void)
{
	struct store *s = lib_open("waiting", STORE_VERIFY);
	uint8_t nonce[STORE_NONCE_BYTES] = {0xab};
	struct err e = ERR_INIT;
	struct store_waiting w;
	struct store_txn *t;
	uint64_t left;

	must(store_set_quota(s, 9000, "test", &e), &e);
	must(store_begin(s, nonce, &t, &e), &e);
	must(lib_put(t, 1, 3000, &e), &e);
	must(lib_put(t, 2, 3000, &e), &e);
	store_abort(t, true);
	store_waiting(s, &w);
	ok(w.sessions == 1 && w.bytes > 6000, "a session that was cut off is counted");
	ok(store_quota_left(s, &left, &e) == 0 && left == 9000, "though nothing is stored");
	must(store_begin(s, NULL, &t, &e), &e);
	ok(lib_put(t, 3, 4000, &e) == ERR_LIMIT, "another may not use what it holds: %s", e.msg);
	store_abort(t, false);
	must(store_begin(s, nonce, &t, &e), &e);
	ok(lib_put(t, 3, 2000, &e) == 1, "itself it may go on");
	ok(lib_put(t, 4, 1000, &e) == ERR_LIMIT, "up to the quota");
	store_abort(t, true);
	must(store_begin(s, NULL, &t, &e), &e);
	store_abort(t, false);
	store_waiting(s, &w);
	is_u64(w.sessions, 1, "it waits while it is young, although little is left");
	age_session(s, "ab000000000000000000000000000000", 700);
	must(store_begin(s, NULL, &t, &e), &e);
	ok(lib_put(t, 3, 4000, &e) == 1, "later it makes room: %s", e.msg);
	store_abort(t, false);
	store_waiting(s, &w);
	is_u64(w.sessions, 0, "and is gone");
	store_close(s);
}

/* Each is looked at whenever somebody begins: nobody may leave any number of them. */
static void test_many_waiting(void)
{
	struct store *s = lib_open("many-waiting", STORE_VERIFY);
	struct store_waiting w;
	struct err e = ERR_INIT;
	struct store_txn *t;

	for (int i = 0; i < 510; i++) {
		struct buf path = BUF_INIT;

		buf_addf(&path, "%s/incoming/%032x", store_dir(s), (unsigned int)i);
		must(path_mkdirs(path.p, 0777, &e), &e);
		buf_addstr(&path, "/keep");
		must(tempfile_write(path.p, 0644, "", 0, &e), &e);
		buf_release(&path);
	}
	must(store_begin(s, NULL, &t, &e), &e);
	store_abort(t, false);
	store_waiting(s, &w);
	is_u64(w.sessions, 500, "of very many that were cut off the oldest go");
	store_close(s);
}

/* Two at once share what is left, as soon as either was synced. */
static void test_shared_quota(void)
{
	struct store *s = lib_open("shared", STORE_VERIFY),
		     *other = lib_open("shared", STORE_VERIFY);
	struct err e = ERR_INIT;
	struct store_txn *t, *u;

	must(store_set_quota(s, 9000, "test", &e), &e);
	must(store_begin(s, NULL, &t, &e), &e);
	must(store_begin(other, NULL, &u, &e), &e);
	must(lib_put(t, 1, 6000, &e), &e);
	must(store_sync(t, &e), &e);
	must(store_sync(u, &e), &e);
	ok(lib_put(u, 2, 6000, &e) == ERR_LIMIT, "two sessions share the quota: %s", e.msg);
	store_abort(u, false);
	for (uint64_t i = 10; i < 35; i++)
		must(lib_put(t, i, 8, &e), &e);
	ok(lib_put(t, 40, 8, &e) == ERR_LIMIT, "and small chunks count with what they take: %s",
	   e.msg);
	store_abort(t, false);
	store_close(other);
	store_close(s);
}

static void test_order(void)
{
	struct store *s = lib_open("order", 0);
	struct chunkkey keys[6];
	size_t order[6];
	struct err e = ERR_INIT;
	bool ascending = true;

	lib_fill(s, 0, 5, 300);
	for (size_t i = 0; i < 6; i++) {
		keys[i] = (struct chunkkey){CHUNK_DATA, lib_id(i ? 5 - i : 9, 300)};
		order[i] = i;
	}
	ok(store_order(s, keys, order, 6, &e) == 0, "order");
	for (size_t i = 0; i < 5; i++)
		ascending = ascending && order[i] == 5 - i;
	ok(ascending && order[5] == 0, "as they lie in the pack, the absent one last");
	store_close(s);
}

int main(void)
{
	lib_begin();
	test_basics();
	test_readonly();
	test_format();
	test_merge();
	test_threads();
	test_packs();
	test_descriptors();
	test_resume();
	test_evict();
	test_each();
	test_quota();
	test_waiting();
	test_many_waiting();
	test_shared_quota();
	test_order();
	lib_end();
	return done_testing();
}
