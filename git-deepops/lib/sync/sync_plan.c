/* SPDX-License-Identifier: MIT */
/* sync_plan.c - which pointers a push has to make good; see sync.h */

#include "sync/sync_internal.h"

#include "base/xalloc.h"
#include "chunk/chunkid.h"
#include "data/dataset.h"
#include "repo/tree.h"
#include "run/journal.h"

void sync_ids_add(struct sync_ids *ids, const struct chunkid *id)
{
	XGROW(ids->v, ids->n + 1, ids->alloc);
	ids->v[ids->n++] = *id;
}

void sync_ids_release(struct sync_ids *ids)
{
	free(ids->v);
	*ids = (struct sync_ids)SYNC_IDS_INIT;
}

void sync_forget(struct chunkset **seen, size_t most)
{
	if (chunkset_count(*seen) <= most)
		return;
	chunkset_free(*seen);
	*seen = chunkset_new();
}

int sync_open_store(struct repo *r, struct store **out, struct err *e)
{
	return store_open(out, repo_deepops_dir(r), STORE_CREATE, e);
}

int sync_load_data(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct store *store = arg;

	return store_load(store, CHUNK_DATA, id, out, e);
}

void sync_plan_init(struct sync_plan *p)
{
	memset(p, 0, sizeof(*p));
	p->seen = chunkset_new();
	strvec_init(&p->tips);
}

void sync_plan_release(struct sync_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->items[i].name);
		pointer_release(&p->items[i].pointer);
	}
	free(p->items);
	chunkset_free(p->seen);
	strvec_release(&p->tips);
	free(p->later);
	memset(p, 0, sizeof(*p));
}

void sync_plan_later(struct sync_plan *p, const char *name)
{
	if (!p->later)
		p->later = xstrdup(name);
}

/* "[deepops] version = 2": not malformed, but not for us. */
static bool is_later_pointer(const char *text, size_t len)
{
	static const char head[] = "[deepops]\n\tversion = ";
	size_t n = sizeof(head) - 1;

	return len > n + 1 && !memcmp(text, head, n) && strspn(text + n, "0123456789") > 0 &&
	       strncmp(text + n, "1\n", 2) != 0;
}

int sync_plan_add(struct sync_plan *p, const char *name, const void *text, size_t len, bool lenient,
		  struct err *e)
{
	struct pointer pointer;
	struct chunkid key;
	enum chunk_kind kind;
	uint64_t at;
	int rc;

	pointer_init(&pointer);
	rc = pointer_parse(&pointer, text, len, name, e);
	if (rc < 0) {
		if (is_later_pointer(text, len))
			sync_plan_later(p, name);
		pointer_release(&pointer);
		return rc;
	}
	pointer_split_key(&pointer, &key);
	kind = pointer.kind == POINTER_TREE ? CHUNK_NODE : CHUNK_DATA;
	if (chunkset_get(p->seen, kind, &key, &at)) {
		p->items[at].lenient = p->items[at].lenient && lenient;
		pointer_release(&pointer);
		return 0;
	}
	chunkset_add(p->seen, kind, &key, p->n);
	XGROW(p->items, p->n + 1, p->alloc);
	p->items[p->n++] =
		(struct sync_item){.name = xstrdup(name), .pointer = pointer, .lenient = lenient};
	return 0;
}

int sync_plan_add_pointer(struct sync_plan *p, const char *name, const struct pointer *version,
			  struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	pointer_format(version, &text);
	rc = sync_plan_add(p, name, text.p, text.len, false, e);
	buf_release(&text);
	return rc;
}

int sync_plan_add_dataset(struct sync_plan *p, struct repo *r, const char *root, struct err *e)
{
	struct pointer version;
	int rc;

	pointer_init(&version);
	rc = dataset_pointer(r, NULL, root, &version, e);
	if (rc == 0)
		rc = sync_plan_add_pointer(p, root, &version, e);
	pointer_release(&version);
	return rc;
}

/* ---- pointers in commits ---- */

struct plan_walk {
	struct sync_plan *plan;
	struct repo *repo;
	bool lenient;
	bool only_here; /* in a partial clone, fetch no pointer to look at it */
};

static int add_blob(struct plan_walk *w, const char *path, const struct repo_oid *blob,
		    struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = pointer_check_name(path, e);

	if (rc == 0)
		rc = repo_read_blob(w->repo, blob, POINTER_MAX_BYTES, &text, e);
	if (rc == 0)
		rc = sync_plan_add(w->plan, path, text.p, text.len, w->lenient, e);
	buf_release(&text);
	return rc;
}

/*
 * A malformed pointer somewhere in history must not block every later push: what the tips hold is
 * looked at strictly, so it is passed over here and left to the server's rules.
 */
static int pass_malformed(int rc, struct err *e)
{
	if (rc != ERR_INPUT && rc != ERR_LIMIT)
		return rc;
	err_clear(e);
	return 0;
}

static int on_tree_entry(void *arg, const struct tree_entry *entry, struct err *e)
{
	struct plan_walk *w = arg;
	int rc;

	if (!pointer_is_entry(entry->mode, entry->name))
		return 0;
	rc = add_blob(w, entry->name, &entry->id, e);
	return w->lenient ? pass_malformed(rc, e) : rc;
}

static int plan_tip(struct plan_walk *w, const char *tip, struct err *e)
{
	struct repo_oid commit, tree;
	int rc = repo_resolve(w->repo, tip, &commit, e);

	if (rc == 0)
		rc = repo_commit_tree(w->repo, &commit, &tree, e);
	return rc < 0 ? rc : tree_walk(w->repo, &tree, on_tree_entry, w, e);
}

/* One `:<mode> <mode> <id> <id> <status>` of `git log --raw -z`. */
static int plan_raw_entry(struct plan_walk *w, const char *meta, const char *path, struct err *e)
{
	struct repo_oid blob;

	if (strlen(meta) < 97 || meta[0] != ':' ||
	    !pointer_is_entry(strncmp(meta + 8, "100", 3) ? 0 : TREE_MODE_FILE, path))
		return 0;
	if (!repo_oid_take(&blob, meta + 56, ' '))
		return err_set(e, ERR_PROTO, "git log printed an entry that is not understood");
	if (w->only_here && !repo_has_object(w->repo, &blob)) {
		w->plan->unread++;
		return 0;
	}
	return pass_malformed(add_blob(w, path, &blob, e), e);
}

static int plan_raw(struct plan_walk *w, const struct buf *raw, struct err *e)
{
	const char *p = raw->p, *end = raw->p + raw->len;
	int rc = 0;

	while (rc == 0 && p < end) {
		const char *meta = p, *path;

		if (*p != ':') { /* separators between commits */
			p++;
			continue;
		}
		path = meta + strlen(meta) + 1;
		if (path >= end)
			break;
		p = path + strlen(path) + 1;
		rc = plan_raw_entry(w, meta, path, e);
	}
	return rc;
}

/* The log of a push of a whole history: 100 bytes an entry, a million pointer changes. */
#define PLAN_LOG_MAX_BYTES (256 * MIB)

static int plan_log(struct plan_walk *w, const struct strvec *tips, const struct strvec * not,
		    struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf raw = BUF_INIT;
	int rc;

	strvec_pushl(&args, "log", "--format=", "--raw", "-z", "--no-abbrev", "--no-renames", "-m",
		     "--root", "--diff-filter=AMT", NULL);
	for (size_t i = 0; i < tips->nr; i++)
		strvec_push(&args, tips->v[i]);
	if (not ->nr)
		strvec_push(&args, "--not");
	for (size_t i = 0; i < not ->nr; i++)
		strvec_push(&args, not ->v[i]);
	strvec_pushl(&args, "--", ":(top)*" POINTER_SUFFIX, NULL);
	rc = repo_git_runv(w->repo, &args, NULL, &raw, e);
	if (rc == 0 && raw.len > PLAN_LOG_MAX_BYTES)
		rc = err_set(e, ERR_LIMIT, "too many changed pointers in one push");
	if (rc == 0)
		rc = plan_raw(w, &raw, e);
	strvec_release(&args);
	buf_release(&raw);
	return rc;
}

int sync_plan_tips(struct sync_plan *p, struct repo *r, const struct strvec *tips, bool lenient,
		   struct err *e)
{
	struct plan_walk w = {.plan = p, .repo = r, .lenient = lenient};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < tips->nr; i++) {
		if (!strvec_has(&p->tips, tips->v[i]))
			strvec_push(&p->tips, tips->v[i]);
		rc = plan_tip(&w, tips->v[i], e);
	}
	return rc;
}

/* Ids of commits that went away since cannot be left out, and git would refuse them. */
static void push_known(struct repo *r, const struct strvec *ids, struct strvec *out)
{
	for (size_t i = 0; i < ids->nr; i++) {
		struct repo_oid id;

		if (repo_oid_here(r, ids->v[i], &id))
			strvec_push(out, id.hex);
	}
}

int sync_plan_history(struct sync_plan *p, struct repo *r, const struct strvec *covered,
		      struct err *e)
{
	struct plan_walk w = {.plan = p, .repo = r, .lenient = true, .only_here = true};
	struct strvec not = STRVEC_INIT;
	int rc = 0;

	push_known(r, covered, &not );
	if (p->tips.nr)
		rc = plan_log(&w, &p->tips, &not, e);
	strvec_release(&not );
	return rc;
}

int sync_plan_refs(struct sync_plan *p, struct repo *r, struct err *e)
{
	struct plan_walk w = {.plan = p, .repo = r, .lenient = true};
	struct strvec all = STRVEC_INIT, none = STRVEC_INIT;
	int rc;

	strvec_pushl(&all, "--branches", "--tags", "--remotes", NULL);
	rc = plan_log(&w, &all, &none, e);
	strvec_release(&all);
	return rc;
}

int sync_plan_reflogs(struct sync_plan *p, struct repo *r, struct err *e)
{
	struct plan_walk w = {.plan = p, .repo = r, .lenient = true};
	struct strvec all = STRVEC_INIT, none = STRVEC_INIT;
	int rc;

	strvec_pushl(&all, "--exclude=refs/deepops/*", "--all", "--reflog", NULL);
	rc = plan_log(&w, &all, &none, e);
	strvec_release(&all);
	return rc;
}

/* ---- pointers in records ---- */

struct plan_entry {
	struct sync_plan *plan;
	const char *run;
};

static int on_journal_pointer(void *arg, const struct journal_pointer *jp, struct err *e)
{
	struct plan_entry *w = arg;
	struct buf name = BUF_INIT;
	int rc;

	buf_addf(&name, "run %.12s: %s", w->run, jp->what);
	rc = sync_plan_add(w->plan, name.p, jp->text->p, jp->text->len, true, e);
	buf_release(&name);
	return pass_malformed(rc, e);
}

int sync_own_journal(struct repo *r, struct buf *ref, struct repo_oid *tip, struct err *e)
{
	char writer[RECORD_WRITER_HEX + 1];
	int rc = journal_writer(r, writer, e);

	if (rc < 0)
		return rc;
	buf_addf(ref, "%s%s", JOURNAL_REFS, writer);
	return repo_ref_get(r, ref->p, tip, e);
}

int sync_plan_journal(struct sync_plan *p, struct repo *r, const struct repo_oid *covered,
		      struct err *e)
{
	struct buf ref = BUF_INIT;
	struct journal_iter it;
	const struct journal_entry *entry;
	int rc = sync_own_journal(r, &ref, &p->journal, e);

	buf_release(&ref);
	if (rc <= 0) {
		p->journal.hex[0] = '\0';
		return rc;
	}
	journal_iter_init(&it, r, &p->journal);
	while ((rc = journal_next(&it, &entry, e)) == 1) {
		struct plan_entry w = {p, entry->rec.run};

		if (!strcmp(entry->commit.hex, covered->hex))
			break;
		if (!entry->ok) /* a record that can't be read names nothing */
			continue;
		rc = journal_pointers(r, entry, on_journal_pointer, &w, e);
		if (rc < 0)
			break;
	}
	journal_iter_release(&it);
	return rc < 0 ? rc : 0;
}
