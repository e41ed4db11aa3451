/* SPDX-License-Identifier: MIT */
/* fsck_remote.c - `git deepops fsck --remote`: let the server read again what pointers name */
#include "fsck_damage.h"

#include <stdio.h>

#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/recipe.h"
#include "data/dataset.h"
#include "sync/bring.h"
#include "sync/where.h"

#define COMMITS_SHOWN 10

/* A dataset version that is not as it should be there. */
struct loss {
	size_t item;             /* of the plan */
	enum store_hashed state; /* DAMAGED, or NOT: the server's budget did not reach it */
	struct strvec files, commits;
};

struct check {
	struct repo *repo;
	struct dataset_env *env;
	struct remote *remote;
	struct where where;
	struct sync_plan plan;
	struct loss *v;
	size_t n, alloc;
	uint64_t roots;
};

/* ---- asking ---- */

static size_t count_roots(const struct pointer *p)
{
	return p->kind == POINTER_TREE ? p->n : 1;
}

static size_t add_roots(const struct pointer *p, struct store_rootref *out)
{
	if (p->kind != POINTER_TREE) {
		*out = (struct store_rootref){CHUNK_DATA, p->id};
		return 1;
	}
	for (size_t i = 0; i < p->n; i++)
		out[i] = (struct store_rootref){CHUNK_NODE, p->shards[i].id};
	return p->n;
}

static void judge(struct check *c, size_t item, const enum store_hashed *answers, size_t n)
{
	struct loss loss = {item, STORE_HASHED_ALL, STRVEC_INIT, STRVEC_INIT};

	for (size_t i = 0; i < n; i++) {
		if (answers[i] == STORE_HASHED_DAMAGED ||
		    (answers[i] == STORE_HASHED_NOT && loss.state == STORE_HASHED_ALL))
			loss.state = answers[i];
	}
	if (loss.state == STORE_HASHED_ALL)
		return;
	XGROW(c->v, c->n + 1, c->alloc);
	c->v[c->n++] = loss;
}

/* All roots of all versions in one question. */
static int ask(struct check *c, const struct msg_prove *how, struct err *e)
{
	struct store_rootref *roots;
	enum store_hashed *answers;
	size_t n = 0, at = 0;
	int rc;

	for (size_t i = 0; i < c->plan.n; i++)
		n += count_roots(&c->plan.items[i].pointer);
	roots = xcalloc(n + 1, sizeof(*roots));
	answers = xcalloc(n + 1, sizeof(*answers));
	for (size_t i = 0; i < c->plan.n; i++)
		at += add_roots(&c->plan.items[i].pointer, roots + at);
	rc = remote_prove(c->remote, how, roots, n, answers, e);
	at = 0;
	for (size_t i = 0; rc == 0 && i < c->plan.n; i++) {
		size_t own = count_roots(&c->plan.items[i].pointer);

		judge(c, i, answers + at, own);
		at += own;
	}
	c->roots = n;
	free(roots);
	free(answers);
	return rc;
}

static int collect(struct check *c, struct err *e)
{
	int rc = repo_is_bare(c->repo) ? 0 : bring_current(c->repo, NULL, &c->plan, NULL, e);

	if (rc == 0)
		rc = bring_all(c->repo, &c->plan, e);
	if (rc == 0)
		rc = where_resolve(c->repo, NULL, WHERE_FROM, &c->where, e);
	return rc;
}

/* ---- which files: those of which the server has not every chunk ---- */

#define ASK_IDS 65536 /* chunks to ask for at once */

struct listing {
	struct check *check;
	struct loss *loss;
	struct strvec paths;
	struct chunkid *files; /* by the numbers of `paths` */
	size_t nfiles, files_alloc;
	struct chunkid *ids; /* chunks to ask for, and of which file each is */
	size_t *owners;
	size_t n, alloc, owners_alloc, owner;
};

static int on_entry(void *arg, const char *path, const struct node_entry *entry, struct err *e)
{
	struct listing *l = arg;

	(void)e;
	if (entry->kind != NODE_FILE || chunkid_is_empty_file(&entry->id))
		return 0;
	XGROW(l->files, l->nfiles + 1, l->files_alloc);
	l->files[l->nfiles++] = entry->id;
	strvec_push(&l->paths, path);
	return 0;
}

static void note_file(struct listing *l, size_t file)
{
	if (!strvec_has(&l->loss->files, l->paths.v[file]))
		strvec_push(&l->loss->files, l->paths.v[file]);
}

static int ask_chunks(struct listing *l, struct err *e)
{
	uint8_t *have = xcalloc(l->n + 1, 1);
	int rc = remote_have(l->check->remote, CHUNK_DATA, l->ids, l->n, have, e);

	for (size_t i = 0; rc == 0 && i < l->n; i++) {
		if (!have[i])
			note_file(l, l->owners[i]);
	}
	l->n = 0;
	free(have);
	return rc;
}

/* recipe_entry_fn */
static int add_chunk(void *arg, uint64_t offset, const struct recipe_entry *entry, struct err *e)
{
	struct listing *l = arg;

	(void)offset;
	XGROW(l->ids, l->n + 1, l->alloc);
	XGROW(l->owners, l->n + 1, l->owners_alloc);
	l->ids[l->n] = entry->id;
	l->owners[l->n++] = l->owner;
	return l->n == ASK_IDS ? ask_chunks(l, e) : 0;
}

static int load_piece(void *arg, const struct chunkid *id, struct buf *out, struct err *e)
{
	struct listing *l = arg;

	return store_load(dataset_store(l->check->env, e), CHUNK_DATA, id, out, e);
}

/* A file in chunks, whose list is here: the server may lack some of them. */
static int ask_parts(struct listing *l, size_t file, struct store *store, struct err *e)
{
	struct recipe_source from = {load_piece, l};
	struct buf text = BUF_INIT;
	int rc = 0;

	l->owner = file;
	if (store_load(store, CHUNK_RECIPE, &l->files[file], &text, NULL) == 0)
		rc = recipe_walk(text.p, text.len, &from, add_chunk, l, e);
	buf_release(&text);
	if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int ask_files(struct listing *l, struct err *e)
{
	struct store *store = dataset_store(l->check->env, e);
	struct remote *remote = l->check->remote;
	uint8_t *whole = xcalloc(l->nfiles + 1, 1), *recipe = xcalloc(l->nfiles + 1, 1);
	int rc = store ? remote_have(remote, CHUNK_DATA, l->files, l->nfiles, whole, e) : e->code;

	if (rc == 0)
		rc = remote_have(remote, CHUNK_RECIPE, l->files, l->nfiles, recipe, e);
	for (size_t i = 0; rc == 0 && i < l->nfiles; i++) {
		if (!whole[i] && !recipe[i])
			note_file(l, i);
		else if (!whole[i])
			rc = ask_parts(l, i, store, e);
	}
	if (rc == 0 && l->n)
		rc = ask_chunks(l, e);
	free(whole);
	free(recipe);
	return rc;
}

/* As far as the lists are here; without them the dataset is all that can be named. */
static int name_files(struct check *c, struct loss *loss, struct err *e)
{
	struct dataset_walk_opts opts = {NULL, false};
	struct listing l = {.check = c, .loss = loss, .paths = STRVEC_INIT};
	const struct pointer *p = &c->plan.items[loss->item].pointer;
	int rc = 0;

	if (p->kind == POINTER_TREE &&
	    dataset_walk(p, &opts, dataset_load_node, c->env, on_entry, &l, NULL) == 0)
		rc = ask_files(&l, e);
	strvec_release(&l.paths);
	free(l.files);
	free(l.ids);
	free(l.owners);
	return rc;
}

/* ---- which commits brought that version ---- */

static int pointer_blob(struct check *c, const struct pointer *p, struct buf *out, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf text = BUF_INIT;
	int rc;

	pointer_format(p, &text);
	strvec_pushl(&args, "hash-object", "--stdin", NULL);
	rc = repo_git_runv(c->repo, &args, &text, out, e);
	buf_rtrim(out);
	strvec_release(&args);
	buf_release(&text);
	return rc;
}

static int name_commits(struct check *c, struct loss *loss, struct err *e)
{
	struct buf blob = BUF_INIT, find = BUF_INIT, out = BUF_INIT;
	char *line, *next;
	int rc = pointer_blob(c, &c->plan.items[loss->item].pointer, &blob, e);

	buf_addf(&find, "--find-object=%s", blob.p);
	if (rc == 0)
		rc = repo_git_run(c->repo, &out, e, "log", "--exclude=refs/deepops/*", "--all",
				  "--format=%H", "--diff-filter=AMT", "-m", "--root",
				  "--no-renames", find.p, NULL);
	for (line = out.p; rc == 0 && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		if (!strvec_has(&loss->commits, line))
			strvec_push(&loss->commits, line);
	}
	buf_release(&blob);
	buf_release(&find);
	buf_release(&out);
	return rc;
}

/* ---- report ---- */

static void print_loss(const struct check *c, const struct loss *loss)
{
	const char *name = c->plan.items[loss->item].name;
	struct buf line = BUF_INIT;

	buf_addstr(&line, loss->state == STORE_HASHED_DAMAGED ? "damaged: " : "not proven: ");
	path_quote(&line, name, strlen(name));
	for (size_t i = 0; i < loss->files.nr; i++) {
		buf_addstr(&line, i ? ", " : ": ");
		path_quote(&line, loss->files.v[i], strlen(loss->files.v[i]));
	}
	for (size_t i = 0; i < loss->commits.nr && i < COMMITS_SHOWN; i++)
		buf_addf(&line, "%s%.12s", i ? ", " : " (commit ", loss->commits.v[i]);
	if (loss->commits.nr > COMMITS_SHOWN)
		buf_addf(&line, " and %zu more", loss->commits.nr - COMMITS_SHOWN);
	buf_addstr(&line, loss->commits.nr ? ")\n" : "\n");
	fputs(line.p, stdout);
	buf_release(&line);
}

static struct json *texts(const struct strvec *v)
{
	struct json *list = json_mkarr();

	for (size_t i = 0; i < v->nr; i++) {
		struct buf text = BUF_INIT;

		path_text(&text, v->v[i]);
		json_push(list, json_mkstr(text.p));
		buf_release(&text);
	}
	return list;
}

static struct json *loss_json(const struct check *c, const struct loss *loss)
{
	struct json *o = json_mkobj();
	struct buf text = BUF_INIT;

	path_text(&text, c->plan.items[loss->item].name);
	json_put_str(o, "path", text.p);
	json_put_str(o, "state", loss->state == STORE_HASHED_DAMAGED ? "damaged" : "not proven");
	json_put(o, "files", texts(&loss->files));
	json_put(o, "commits", texts(&loss->commits));
	buf_release(&text);
	return o;
}

static void print_json(const struct check *c)
{
	struct json *doc = json_mkobj(), *list = json_mkarr();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < c->n; i++)
		json_push(list, loss_json(c, &c->v[i]));
	json_put_int(doc, "version", 1);
	json_put_str(doc, "remote", c->where.name.p);
	json_put_int(doc, "datasets", (int64_t)c->plan.n);
	json_put(doc, "damage", list);
	json_text(doc, true, &text);
	fwrite(text.p, 1, text.len, stdout);
	buf_release(&text);
	json_unref(doc);
}

static void tell(const struct check *c)
{
	size_t damaged = 0;

	for (size_t i = 0; i < c->n; i++)
		damaged += c->v[i].state == STORE_HASHED_DAMAGED;
	if (!c->n)
		log_note("%zu datasets on %s: sound", c->plan.n, c->where.name.p);
	if (damaged)
		log_hint("git deepops push --data-only, from a clone that has the data, stores it "
			 "again");
	if (damaged < c->n)
		log_hint("the server reads so much at a time: run git deepops fsck --remote again, "
			 "or "
			 "git deepops server scrub there");
}

static int run(struct check *c, const struct msg_prove *how, struct err *e)
{
	struct remote_where view;
	int rc = collect(c, e);

	if (rc < 0 || !c->plan.n)
		return rc;
	view = where_view(&c->where);
	rc = remote_open(&c->remote, &view, e);
	if (rc == 0)
		rc = ask(c, how, e);
	if (rc == 0 && c->n)
		rc = dataset_open(&c->env, c->repo, e);
	for (size_t i = 0; rc == 0 && i < c->n; i++) {
		if (c->v[i].state == STORE_HASHED_DAMAGED)
			rc = name_files(c, &c->v[i], e);
		if (rc == 0)
			rc = name_commits(c, &c->v[i], e);
	}
	return rc;
}

int cmd_fsck_remote(struct repo *r, const struct msg_prove *how, bool as_json, struct err *e)
{
	struct check c = {.repo = r};
	int rc;

	sync_plan_init(&c.plan);
	where_init(&c.where);
	rc = run(&c, how, e);
	if (rc == 0 && as_json)
		print_json(&c);
	for (size_t i = 0; rc == 0 && !as_json && i < c.n; i++)
		print_loss(&c, &c.v[i]);
	if (rc == 0)
		tell(&c);
	if (rc == 0 && c.n)
		rc = 1;
	for (size_t i = 0; i < c.n; i++) {
		strvec_release(&c.v[i].files);
		strvec_release(&c.v[i].commits);
	}
	free(c.v);
	remote_close(&c.remote);
	dataset_close(c.env);
	where_release(&c.where);
	sync_plan_release(&c.plan);
	return rc;
}
