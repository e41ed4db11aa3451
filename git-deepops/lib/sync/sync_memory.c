/* SPDX-License-Identifier: MIT */
/*
 * sync_memory.c - what a store was seen to have; see sync_internal.h
 *
 *	deepops-sent 1
 *	generation <n>			of the store, after the push
 *	since <seconds>			when all of the history was last asked about
 *	shallow <sha256>		of .git/shallow: what lay behind it was not looked at
 *	commit <id>			all that its history names was covered, newest first
 *	journal <id>			the same of the own journal up to this entry
 *	probe <kind> <sha256>		roots that were complete there, newest first
 *	absent <hex of the pointer> <name>	but for these
 *	end <sha256 of all of the above>
 */

#include "sync/sync_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"

#define MEMORY_FIRST_LINE "deepops-sent 1\n"
#define MEMORY_MAX_BYTES (4 * MIB)
#define MEMORY_MAX_COMMITS 1000
#define MEMORY_MAX_PROBES 256
#define MEMORY_MAX_ABSENT_BYTES (2 * MIB)
#define MEMORY_MAX_FILES 64
#define MEMORY_MAX_SECONDS (14 * CLOCK_DAY_SECONDS) /* a server may sweep what no ref names then */
#define SHALLOW_MAX_BYTES (64 * MIB)

void sync_memory_init(struct sync_memory *m)
{
	memset(m, 0, sizeof(*m));
	buf_init(&m->path);
	strvec_init(&m->commits);
	strvec_init(&m->absent);
	strvec_init(&m->absent_names);
}

void sync_memory_forget(struct sync_memory *m)
{
	struct buf path = m->path;
	bool went_back = m->went_back;

	buf_init(&m->path);
	sync_memory_release(m);
	m->path = path;
	m->went_back = went_back;
}

void sync_memory_release(struct sync_memory *m)
{
	buf_release(&m->path);
	strvec_release(&m->commits);
	strvec_release(&m->absent);
	strvec_release(&m->absent_names);
	free(m->probes);
	sync_memory_init(m);
}

/* ---- where ---- */

static void digest_of(const void *p, size_t len, char hex[HASH_HEX_BYTES + 1])
{
	uint8_t digest[HASH_BYTES];

	hash_sha256(digest, p, len);
	hex_encode(hex, digest, HASH_BYTES);
}

void sync_memory_key(const char *text, char key[SYNC_KEY_HEX + 1])
{
	char hex[HASH_HEX_BYTES + 1];

	digest_of(text, strlen(text), hex);
	memcpy(key, hex, SYNC_KEY_HEX);
	key[SYNC_KEY_HEX] = '\0';
}

void sync_memory_dir(struct repo *r, struct buf *out)
{
	buf_addf(out, "%s/sent", repo_deepops_dir(r));
}

/* A store that was copied has the uuid of the other: each place is asked for itself. */
static void store_path(struct repo *r, const struct where *w, const uint8_t *uuid, struct buf *out)
{
	static const uint8_t none[STORE_NONCE_BYTES];
	char hex[2 * STORE_NONCE_BYTES + 1], key[SYNC_KEY_HEX + 1];
	struct buf places = BUF_INIT;

	if (!memcmp(uuid, none, sizeof(none))) /* there is no store yet */
		return;
	buf_addf(&places, "%s\n%s", w->url.p, w->git_url.p);
	sync_memory_key(places.p, key);
	hex_encode(hex, uuid, STORE_NONCE_BYTES);
	sync_memory_dir(r, out);
	buf_addf(out, "/%s-%s", hex, key);
	buf_release(&places);
}

static void shallow_digest(struct repo *r, char hex[HASH_HEX_BYTES + 1])
{
	struct buf path = BUF_INIT, text = BUF_INIT;

	path_join(&path, repo_commondir(r), "shallow");
	if (io_read_file(AT_FDCWD, path.p, SHALLOW_MAX_BYTES, &text, NULL) < 0)
		buf_reset(&text);
	digest_of(text.p, text.len, hex);
	buf_release(&path);
	buf_release(&text);
}

/* ---- reading ---- */

static bool take_oid(const char *id, struct strvec *list)
{
	if (!repo_oid_ok(id) || list->nr >= MEMORY_MAX_COMMITS)
		return false;
	strvec_push(list, id);
	return true;
}

static bool take_probe(struct sync_memory *m, const char *text)
{
	struct store_rootref *p;
	uint64_t kind;

	if (m->nprobes >= MEMORY_MAX_PROBES || strlen(text) != 2 + HASH_HEX_BYTES ||
	    text[1] != ' ' || num_parse_u64n(text, 1, 0, 9, &kind, NULL) < 0)
		return false;
	if (!m->probes)
		m->probes = xcalloc(MEMORY_MAX_PROBES, sizeof(*m->probes));
	p = &m->probes[m->nprobes++];
	p->kind = (enum chunk_kind)kind;
	return hex_decode(p->id.b, text + 2, sizeof(p->id.b));
}

static bool take_absent(struct sync_memory *m, const char *text)
{
	size_t len = strcspn(text, " ");
	char *pointer;
	bool ok;

	if (!len || len % 2 || text[len] != ' ' || len / 2 > POINTER_MAX_BYTES)
		return false;
	pointer = xmalloc(len / 2 + 1);
	pointer[len / 2] = '\0';
	ok = hex_decode((uint8_t *)pointer, text, len / 2) && !memchr(pointer, '\0', len / 2);
	if (ok) {
		strvec_push(&m->absent, pointer);
		strvec_push(&m->absent_names, text + len + 1);
	}
	free(pointer);
	return ok;
}

static bool take_line(struct sync_memory *m, const char *line)
{
	const char *v;
	uint64_t n;

	if (str_startswith(line, "commit ", &v))
		return take_oid(v, &m->commits);
	if (str_startswith(line, "probe ", &v))
		return take_probe(m, v);
	if (str_startswith(line, "absent ", &v))
		return take_absent(m, v);
	if (str_startswith(line, "journal ", &v) && repo_oid_take(&m->journal, v, '\0'))
		return true;
	if (str_startswith(line, "generation ", &v))
		return num_parse_u64(v, 0, UINT64_MAX, &m->generation, NULL) == 0;
	if (str_startswith(line, "since ", &v) && num_parse_u64(v, 0, INT64_MAX, &n, NULL) == 0) {
		m->since = (int64_t)n;
		return true;
	}
	if (str_startswith(line, "shallow ", &v) && strlen(v) == HASH_HEX_BYTES) {
		memcpy(m->shallow, v, sizeof(m->shallow));
		return true;
	}
	return false;
}

bool sync_memory_unseal(struct buf *text, const char *first_line)
{
	size_t end = strlen("end \n") + HASH_HEX_BYTES;
	char hex[HASH_HEX_BYTES + 1];

	if (text->len < end || !buf_startswith(text, first_line) || strlen(text->p) != text->len)
		return false;
	digest_of(text->p, text->len - end, hex);
	if (strncmp(text->p + text->len - end, "end ", 4) != 0 ||
	    memcmp(text->p + text->len - 1 - HASH_HEX_BYTES, hex, HASH_HEX_BYTES) != 0)
		return false;
	buf_setlen(text, text->len - end);
	return true;
}

void sync_memory_seal(struct buf *text)
{
	char hex[HASH_HEX_BYTES + 1];

	digest_of(text->p, text->len, hex);
	buf_addf(text, "end %s\n", hex);
}

static bool parse(struct sync_memory *m, struct buf *text)
{
	char *line = text->p + strlen(MEMORY_FIRST_LINE);
	bool ok = true;

	while (ok && *line) {
		char *end = strchr(line, '\n');

		if (!end)
			return false;
		*end = '\0';
		ok = take_line(m, line);
		line = end + 1;
	}
	return ok;
}

/* Whatever makes it doubtful makes it void: it only ever saves questions. */
static bool still_counts(const struct sync_memory *m, struct repo *r)
{
	char shallow[HASH_HEX_BYTES + 1];
	int64_t now = clock_now_seconds();

	shallow_digest(r, shallow);
	return !strcmp(shallow, m->shallow) && m->since <= now &&
	       now - m->since <= MEMORY_MAX_SECONDS;
}

static void load(struct sync_memory *m, struct repo *r, uint64_t generation)
{
	struct buf text = BUF_INIT;
	bool whole = m->path.len &&
		     io_read_file(AT_FDCWD, m->path.p, MEMORY_MAX_BYTES, &text, NULL) == 0 &&
		     sync_memory_unseal(&text, MEMORY_FIRST_LINE) && parse(m, &text);

	m->went_back = whole && generation < m->generation;
	m->known = whole && !m->went_back && still_counts(m, r);
	if (!m->known)
		sync_memory_forget(m);
	buf_release(&text);
}

void sync_memory_load(struct sync_memory *m, struct repo *r, const struct where *w,
		      const struct remote *remote)
{
	store_path(r, w, remote_uuid(remote), &m->path);
	load(m, r, remote_generation(remote));
}

void sync_memory_load_named(struct sync_memory *m, struct repo *r, const char *name)
{
	sync_memory_dir(r, &m->path);
	buf_addf(&m->path, "/%s", name);
	load(m, r, UINT64_MAX);
}

/* ---- writing ---- */

/* Those of this push first, then older ones: the list stays short and the newest matter most. */
static void put_commits(struct buf *text, const struct strvec *now, const struct strvec *before)
{
	size_t n = 0;

	for (size_t i = 0; i < now->nr && n < MEMORY_MAX_COMMITS; i++, n++)
		buf_addf(text, "commit %s\n", now->v[i]);
	for (size_t i = 0; i < before->nr && n < MEMORY_MAX_COMMITS; i++) {
		if (strvec_has(now, before->v[i]))
			continue;
		buf_addf(text, "commit %s\n", before->v[i]);
		n++;
	}
}

static size_t put_probe(struct buf *text, enum chunk_kind kind, const struct chunkid *id)
{
	char hex[HASH_HEX_BYTES + 1];

	if (kind == CHUNK_DATA && chunkid_is_empty_file(id))
		return 0;
	hex_encode(hex, id->b, sizeof(id->b));
	buf_addf(text, "probe %u %s\n", (unsigned int)kind, hex);
	return 1;
}

static size_t put_item_probes(struct buf *text, const struct sync_item *item, size_t room)
{
	const struct pointer *p = &item->pointer;
	size_t n = 0;

	if (p->kind == POINTER_FILE)
		return room ? put_probe(text, CHUNK_DATA, &p->id) : 0;
	for (size_t i = 0; i < p->n && n < room; i++)
		n += put_probe(text, CHUNK_NODE, &p->shards[i].id);
	return n;
}

/*
 * A store that was put back to an older state lost what came last, so what was sent last is
 * what to ask for.
 */
static void put_probes(struct buf *text, const struct sync_plan *plan, const struct sync_memory *m)
{
	size_t n = 0;

	for (int sent = 1; sent >= 0; sent--)
		for (size_t i = 0; i < plan->n && n < MEMORY_MAX_PROBES; i++)
			if (!plan->items[i].absent && plan->items[i].sent == (sent == 1))
				n += put_item_probes(text, &plan->items[i], MEMORY_MAX_PROBES - n);
	for (size_t i = 0; i < m->nprobes && n < MEMORY_MAX_PROBES; i++)
		n += put_probe(text, m->probes[i].kind, &m->probes[i].id);
}

static bool put_absent(struct buf *text, const struct sync_plan *plan)
{
	size_t before = text->len;

	for (size_t i = 0; i < plan->n && text->len - before < MEMORY_MAX_ABSENT_BYTES; i++) {
		struct buf pointer = BUF_INIT;
		char *hex, name[256];

		if (!plan->items[i].absent)
			continue;
		pointer_format(&plan->items[i].pointer, &pointer);
		hex = xmalloc(2 * pointer.len + 1);
		hex_encode(hex, (const uint8_t *)pointer.p, pointer.len);
		err_sanitize(name, sizeof(name), plan->items[i].name);
		buf_addf(text, "absent %s %s\n", hex, name);
		free(hex);
		buf_release(&pointer);
	}
	return text->len - before < MEMORY_MAX_ABSENT_BYTES;
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

/* The oldest file in `d`, and how many there are. */
static size_t find_oldest(DIR *d, struct buf *oldest)
{
	struct timespec when = {0, 0};
	const struct dirent *entry;
	size_t n = 0;

	buf_reset(oldest);
	rewinddir(d);
	while ((entry = readdir(d))) {
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		n++;
		if (oldest->len && is_newer(&st.st_mtim, &when))
			continue;
		when = st.st_mtim;
		buf_sets(oldest, entry->d_name);
	}
	return n;
}

/* Servers that give another name each time must not fill the disk: the oldest files go. */
static void keep_few(const char *dir)
{
	DIR *d = opendir(dir);
	struct buf oldest = BUF_INIT;

	while (d && find_oldest(d, &oldest) > MEMORY_MAX_FILES &&
	       unlinkat(dirfd(d), oldest.p, 0) == 0)
		continue;
	if (d)
		closedir(d);
	buf_release(&oldest);
}

int sync_memory_write(const char *path, const struct buf *text, struct err *e)
{
	struct buf dir = BUF_INIT;
	int rc;

	path_dirname(&dir, path);
	rc = path_mkdirs(dir.p, 0777, e);
	if (rc == 0)
		rc = tempfile_write(path, 0666, text->p, text->len, e);
	if (rc == 0) {
		tempfile_sweep(dir.p);
		keep_few(dir.p);
	}
	buf_release(&dir);
	return rc;
}

int sync_memory_save(struct sync_memory *m, struct repo *r, const struct sync_plan *plan,
		     uint64_t generation, struct err *e)
{
	char hex[HASH_HEX_BYTES + 1];
	struct buf text = BUF_INIT;
	const char *journal = plan->journal.hex[0] ? plan->journal.hex : m->journal.hex;
	bool all;
	int rc = 0;

	if (!m->path.len)
		return 0;
	shallow_digest(r, hex);
	buf_addf(&text, MEMORY_FIRST_LINE "generation %" PRIu64 "\nsince %" PRId64 "\nshallow %s\n",
		 generation, m->known ? m->since : clock_now_seconds(), hex);
	put_commits(&text, &plan->tips, &m->commits);
	if (*journal)
		buf_addf(&text, "journal %s\n", journal);
	put_probes(&text, plan, m);
	all = put_absent(&text, plan);
	sync_memory_seal(&text);
	/* More is missing than is worth a file: the next push looks at everything again. */
	if (all && text.len <= MEMORY_MAX_BYTES)
		rc = sync_memory_write(m->path.p, &text, e);
	buf_release(&text);
	return rc;
}
