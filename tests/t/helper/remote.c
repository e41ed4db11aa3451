/* SPDX-License-Identifier: MIT */
/*
 * remote.c - speak to a chunk server: remote [KEY=VALUE...] URL STEP...
 *
 * Keys: serve, transport.  Steps, in order, over one connection:
 *	hello			print role, generation and quota
 *	describe		print the transport's own words
 *	begin=HEX		begin a session with this nonce of 32 digits
 *	put=FILE		send the file as one chunk
 *	name=FILE		name it in the commit without sending it
 *	commit			certify the files put or named so far
 *	get=FILE		fetch it by its content's id: "same" or "absent"
 *	root=FILE		state of the file as a root
 *	prove=FILE, hash=FILE	what is known of the file; and hash it for that if need be
 *	policy			print the floor policy, or "no policy"
 *	flood=N:SEED[:BYTES]	send N chunks of 64 KiB that only the seed decides, or their first bytes
 *	have=N:SEED[:BYTES]	print how many of those the server has
 *	fetch=N:SEED[:BYTES]	fetch them, print how many came
 *	nap=MS			say nothing for so long
 *	die			end by SIGKILL
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "store/remote.h"

#define FLOOD_BYTES 65536
#define FLOOD_MAX 300000

struct client {
	struct remote *r;
	struct store_rootref *files;
	size_t nfiles, alloc;
};

static int read_chunk(const char *path, struct buf *out, struct chunkid *id, struct err *e)
{
	int rc = io_read_file(AT_FDCWD, path, CHUNK_MAX_BYTES, out, e);

	chunkid_of(id, out->p, out->len);
	return rc;
}

static int put(struct client *c, const struct chunkid *id, const void *p, size_t len, struct err *e)
{
	struct store_info info = {(uint32_t)len, (uint32_t)len, ZFRAME_RAW};

	return remote_put(
		c->r,
		&(struct remote_chunk){.kind = CHUNK_DATA, .id = id, .info = &info, .stored = p},
		e);
}

/* ---- steps on files ---- */

static void add_root(struct client *c, const struct chunkid *id)
{
	XGROW(c->files, c->nfiles + 1, c->alloc);
	c->files[c->nfiles++] = (struct store_rootref){CHUNK_DATA, *id};
}

static int step_put(struct client *c, const char *path, struct err *e)
{
	struct buf data = BUF_INIT;
	struct chunkid id;
	int rc = read_chunk(path, &data, &id, e);

	if (rc == 0)
		rc = put(c, &id, data.p, data.len, e);
	buf_release(&data);
	add_root(c, &id);
	return rc;
}

static int step_name(struct client *c, const char *path, struct err *e)
{
	struct buf data = BUF_INIT;
	struct chunkid id;
	int rc = read_chunk(path, &data, &id, e);

	buf_release(&data);
	add_root(c, &id);
	return rc;
}

static int step_commit(struct client *c, struct err *e)
{
	struct store_commit commit = STORE_COMMIT_INIT;
	int rc;

	commit.files = c->files;
	commit.nfiles = c->nfiles;
	commit.missing = chunkset_new();
	rc = remote_commit(c->r, &commit, e);
	if (rc == 0)
		puts("committed");
	else if (rc > 0)
		printf("missing %zu\n", chunkset_count(commit.missing));
	chunkset_free(commit.missing);
	return MIN(rc, 0);
}

static int on_chunk(void *arg, const struct chunkkey *key, const struct store_info *info,
		    const void *stored, struct err *e)
{
	size_t *n = arg;

	(void)key;
	(void)stored;
	(void)e;
	*n += info != NULL;
	return 0;
}

static int step_get(struct client *c, const char *path, struct err *e)
{
	struct buf data = BUF_INIT;
	struct chunkkey key = {.kind = CHUNK_DATA};
	size_t n = 0;
	int rc = read_chunk(path, &data, &key.id, e);

	if (rc == 0)
		rc = remote_get(c->r, &key, 1, on_chunk, &n, e);
	if (rc == 0)
		puts(n ? "same" : "absent");
	buf_release(&data);
	return rc;
}

static int step_root(struct client *c, const char *path, struct err *e)
{
	static const char *const names[] = {"none", "pending", "complete", "rooted"};
	struct buf data = BUF_INIT;
	struct store_rootref ref = {.kind = CHUNK_DATA};
	enum store_root_state state;
	int rc = read_chunk(path, &data, &ref.id, e);

	if (rc == 0)
		rc = remote_roots(c->r, &ref, 1, &state, e);
	if (rc == 0)
		puts(names[state]);
	buf_release(&data);
	return rc;
}

static int prove(struct client *c, const char *path, bool hash, struct err *e)
{
	static const char *const names[] = {"not", "damaged", "proven"};
	struct msg_prove how = {.hash = hash};
	struct buf data = BUF_INIT;
	struct store_rootref ref = {.kind = CHUNK_DATA};
	enum store_hashed answer;
	int rc = read_chunk(path, &data, &ref.id, e);

	if (rc == 0)
		rc = remote_prove(c->r, &how, &ref, 1, &answer, e);
	if (rc == 0)
		puts(names[answer]);
	buf_release(&data);
	return rc;
}

static int step_prove(struct client *c, const char *path, struct err *e)
{
	return prove(c, path, false, e);
}

static int step_hash(struct client *c, const char *path, struct err *e)
{
	return prove(c, path, true, e);
}

static int step_policy(struct client *c, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = remote_policy(c->r, &text, e);

	if (rc >= 0)
		printf("%s", rc ? text.p : "no policy\n");
	buf_release(&text);
	return MIN(rc, 0);
}

/* ---- steps on generated chunks ---- */

static void flood_chunk(uint64_t *out, size_t bytes, uint64_t seed, uint64_t i)
{
	uint64_t s = (seed * 1000003 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	for (size_t k = 0; k * sizeof(s) < bytes; k++) {
		s ^= s << 13;
		s ^= s >> 7;
		s ^= s << 17;
		out[k] = s;
	}
}

/* "N:SEED[:BYTES]" into ids; chunks are sent on the way if `send`. */
static int flood(struct client *c, const char *spec, bool send, struct chunkid **ids, size_t *n,
		 struct err *e)
{
	static uint64_t p[FLOOD_BYTES / sizeof(uint64_t)];
	const char *seed = strchr(spec, ':'), *size = seed ? strchr(seed + 1, ':') : NULL;
	size_t bytes = size ? MIN((size_t)strtoull(size + 1, NULL, 10), sizeof(p)) : sizeof(p);
	int rc = 0;

	*n = MIN((size_t)strtoull(spec, NULL, 10), (size_t)FLOOD_MAX);
	*ids = xcalloc(*n + 1, sizeof(**ids));
	for (size_t i = 0; rc == 0 && i < *n; i++) {
		flood_chunk(p, bytes, seed ? strtoull(seed + 1, NULL, 10) : 0, i);
		chunkid_of(&(*ids)[i], p, bytes);
		if (send)
			rc = put(c, &(*ids)[i], p, bytes, e);
	}
	return rc;
}

static int step_flood(struct client *c, const char *spec, struct err *e)
{
	struct chunkid *ids = NULL;
	size_t n;
	int rc = flood(c, spec, true, &ids, &n, e);

	free(ids);
	return rc;
}

static int step_have(struct client *c, const char *spec, struct err *e)
{
	struct chunkid *ids = NULL;
	uint8_t *have = NULL;
	size_t n, count = 0;
	int rc = flood(c, spec, false, &ids, &n, e);

	have = xcalloc(n + 1, 1);
	if (rc == 0)
		rc = remote_have(c->r, CHUNK_DATA, ids, n, have, e);
	for (size_t i = 0; i < n; i++)
		count += have[i];
	if (rc == 0)
		printf("%zu\n", count);
	free(ids);
	free(have);
	return rc;
}

static int step_fetch(struct client *c, const char *spec, struct err *e)
{
	struct chunkid *ids = NULL;
	struct chunkkey *keys;
	size_t n, count = 0;
	int rc = flood(c, spec, false, &ids, &n, e);

	keys = xcalloc(n + 1, sizeof(*keys));
	for (size_t i = 0; i < n; i++)
		keys[i] = (struct chunkkey){CHUNK_DATA, ids[i]};
	if (rc == 0)
		rc = remote_get(c->r, keys, n, on_chunk, &count, e);
	if (rc == 0)
		printf("%zu\n", count);
	free(ids);
	free(keys);
	return rc;
}

/* ---- all steps ---- */

static int step_hello(struct client *c, struct err *e)
{
	(void)e;
	printf("role %s generation %" PRIu64 " quota %s\n", remote_role(c->r),
	       remote_generation(c->r), remote_quota_left(c->r) == UINT64_MAX ? "none" : "some");
	return 0;
}

static int step_begin(struct client *c, const char *digits, struct err *e)
{
	uint8_t nonce[STORE_NONCE_BYTES];

	if (strlen(digits) != 2 * sizeof(nonce) || !hex_decode(nonce, digits, sizeof(nonce)))
		return err_set(e, ERR_INPUT, "nonce '%s'", digits);
	return remote_begin(c->r, nonce, e);
}

static int step_nap(struct client *c, const char *ms, struct err *e)
{
	(void)c;
	(void)e;
	return usleep((useconds_t)strtoul(ms, NULL, 10) * 1000);
}

static int step(struct client *c, const char *text, struct err *e)
{
	static const struct {
		const char *name;
		int (*run)(struct client *c, const char *arg, struct err *e);
	} steps[] = {
		{"begin=", step_begin}, {"put=", step_put},     {"name=", step_name},
		{"get=", step_get},     {"root=", step_root},   {"flood=", step_flood},
		{"have=", step_have},   {"fetch=", step_fetch}, {"nap=", step_nap},
		{"prove=", step_prove}, {"hash=", step_hash},
	};
	const char *arg;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (str_startswith(text, steps[i].name, &arg))
			return steps[i].run(c, arg, e);
	}
	if (!strcmp(text, "hello"))
		return step_hello(c, e);
	if (!strcmp(text, "policy"))
		return step_policy(c, e);
	if (!strcmp(text, "commit"))
		return step_commit(c, e);
	if (!strcmp(text, "describe"))
		return puts(remote_describe(c->r)) < 0 ? err_sys(e, "stdout") : 0;
	if (!strcmp(text, "die"))
		raise(SIGKILL);
	return err_set(e, ERR_USAGE, "no step '%s'", text);
}

int main(int argc, char **argv)
{
	struct remote_where where = {.ssh_command = getenv("GIT_SSH_COMMAND")};
	struct client c = {0};
	struct err e = ERR_INIT;
	int at = 1, rc;

	sig_setup();
	for (; at < argc; at++) {
		if (!str_startswith(argv[at], "serve=", &where.serve) &&
		    !str_startswith(argv[at], "transport=", &where.transport))
			break;
	}
	where.url = at < argc ? argv[at++] : "";
	rc = remote_open(&c.r, &where, &e);
	for (; rc == 0 && at < argc; at++) {
		rc = step(&c, argv[at], &e);
		fflush(stdout);
	}
	remote_close(&c.r);
	free(c.files);
	if (rc < 0)
		fprintf(stderr, "fatal: %s\n%s%s%s", e.msg, *e.hint ? "hint: " : "", e.hint,
			*e.hint ? "\n" : "");
	return rc < 0 ? 128 : 0;
}
