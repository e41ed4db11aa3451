/* SPDX-License-Identifier: MIT */
/* job_inputs.c - pin what the command reads; see job_internal.h */
#include <fcntl.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "run/job_internal.h"

static struct job_pin *job_add_pin(struct job *j, const char *path)
{
	struct job_pin *pin;

	XGROW(j->pins, j->npins + 1, j->pins_alloc);
	pin = &j->pins[j->npins++];
	memset(pin, 0, sizeof(*pin));
	pin->path = xstrdup(path);
	buf_init(&pin->text);
	pointer_init(&pin->p);
	return pin;
}

struct job_pin *job_find_pin(const struct job *j, const char *path)
{
	for (size_t i = 0; i < j->npins; i++)
		if (!strcmp(j->pins[i].path, path))
			return &j->pins[i];
	return NULL;
}

/* Is `path` a declared output or metrics file? */
static bool job_is_output(const struct job *j, const char *path)
{
	for (size_t i = 0; i < j->rec.noutputs; i++)
		if (!strcmp(j->rec.outputs[i].path, path))
			return true;
	return false;
}

void job_file_pointer(const struct chunkid *id, uint64_t bytes, uint32_t mode, struct buf *out)
{
	struct pointer p;

	pointer_init(&p);
	p.kind = POINTER_FILE;
	p.id = *id;
	p.bytes = bytes;
	p.files = 1;
	p.mode = mode;
	pointer_format(&p, out);
	pointer_release(&p);
}

int job_open(struct repo *r, const char *path, struct stat *st, struct err *e)
{
	int fd = path_open_beneath(repo_worktree_fd(r), path, O_RDONLY | O_NONBLOCK, 0, e);

	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0) {
		err_sys(e, "%s", path);
	} else if (S_ISREG(st->st_mode)) {
		return fd;
	} else {
		err_set(e, ERR_INPUT, "%s is no regular file", path);
	}
	close(fd);
	return e ? e->code : ERR_INPUT;
}

static void add_record(struct job *j, const struct job_pin *pin, enum record_input_role role,
		       const struct chunkid *id)
{
	struct record_input *in = record_add_input(&j->rec);
	struct buf query = BUF_INIT;

	record_set(&in->path, pin->path);
	in->role = role;
	record_set_digest(&in->id, id);
	in->files = (int64_t)pin->p.files;
	in->bytes = (int64_t)pin->p.bytes;
	if (pin->p.has_selection)
		record_set(&in->query, pin->p.selection.query);
	buf_release(&query);
}

/* ---- plain files ---- */

int job_pin_file(struct job *j, const char *path, enum record_input_role role, struct err *e)
{
	struct store_txn *txn = NULL;
	struct job_pin *pin;
	struct chunkid id;
	struct stat st;
	uint64_t bytes = 0;
	int fd, rc;

	if (job_find_pin(j, path))
		return 0;
	fd = job_open(j->repo, path, &st, e);
	if (fd < 0)
		return fd;
	rc = job_txn(j, &txn, e);
	if (rc == 0)
		rc = dataset_put_fd(j->data, txn, fd, &id, &bytes, e);
	close(fd);
	if (rc < 0)
		return err_wrap(e, "%s", path);
	pin = job_add_pin(j, path);
	pin->st = st;
	pin->p.kind = POINTER_FILE;
	pin->p.files = 1;
	pin->p.bytes = bytes;
	pin->p.mode = st.st_mode & S_IXUSR ? 0100755 : 0100644;
	pin->p.id = id;
	pointer_format(&pin->p, &pin->text);
	add_record(j, pin, role, &id);
	return 0;
}

/* ---- datasets ---- */

/* What is in the work tree is not what the pointer says: bring it up to date in the captured tree. */
static int refresh(struct job *j, struct job_pin *pin, struct chunkid *id, struct err *e)
{
	struct dataset_snap_opts so = {&pin->p, false, j->o->dry_run};
	struct dataset_snap snap;
	struct snapshot_replace *one;
	struct store_txn *txn = NULL;
	int rc = j->o->dry_run ? 0 : job_txn(j, &txn, e);

	if (rc == 0)
		rc = dataset_snapshot(j->data, txn, pin->path, &so, &snap, e);
	if (rc < 0)
		return rc;
	*id = snap.id;
	if (!pointer_equal(&pin->p, &snap.pointer)) {
		pointer_release(&pin->p);
		pointer_copy(&pin->p, &snap.pointer);
		buf_reset(&pin->text);
		pointer_format(&pin->p, &pin->text);
		XGROW(j->replace, j->nreplace + 1, j->replace_alloc);
		one = &j->replace[j->nreplace++];
		one->path = xstrfmt("%s" POINTER_SUFFIX, pin->path);
		rc = repo_write_blob(j->repo, pin->text.p, pin->text.len, &one->blob, e);
	}
	dataset_snap_release(&snap);
	return rc;
}

static int hint_checkout(const char *root, struct err *e)
{
	struct buf word = BUF_INIT;

	path_shell_quote(&word, root);
	err_hint(e, "git deepops checkout -- %s", word.p);
	buf_release(&word);
	return ERR_INPUT;
}

/* Of the repository that `path` lies in, a submodule or a nested one: the length of its name; 0: ours. */
static size_t nested_repository(struct repo *r, const char *path)
{
	size_t found = 0;

	for (const char *at = strchr(path, '/'); !found && at; at = strchr(at + 1, '/')) {
		char *dotgit = xstrfmt("%.*s/.git", (int)(at - path), path);

		if (faccessat(repo_worktree_fd(r), dotgit, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			found = (size_t)(at - path);
		free(dotgit);
	}
	return found;
}

static int refuse_directory(struct repo *r, const char *path, struct err *e)
{
	size_t nested = nested_repository(r, path);
	struct buf word = BUF_INIT;

	if (nested) {
		err_set(e, ERR_INPUT, "input %s lies in another repository, '%.*s'", path,
			(int)nested, path);
		return err_hint(e, "a run records datasets of its own repository: run it there, or "
				   "track the data here, outside of that repository");
	}
	path_shell_quote(&word, path);
	err_set(e, ERR_INPUT, "input %s is a directory that is not tracked", path);
	err_hint(e, "git deepops track %s", word.p);
	buf_release(&word);
	return ERR_INPUT;
}

static int absent_input(struct job_pin *pin, struct err *e)
{
	struct buf word = BUF_INIT;

	err_set(e, ERR_NOTFOUND, "not in the work tree");
	path_shell_quote(&word, pin->path);
	err_hint(e, "git deepops fetch %s && git deepops checkout -- %s", word.p, word.p);
	buf_release(&word);
	return ERR_NOTFOUND;
}

static int unfinished_input(struct job_pin *pin, struct err *e)
{
	err_set(e, ERR_INPUT, "its last checkout was cut off");
	return hint_checkout(pin->path, e);
}

/* 0: pinned; 1: nothing of it is here and its id is not known either: nothing to record. */
static int pin_state(struct job *j, struct job_pin *pin, enum record_input_role role,
		     struct chunkid *id, struct err *e)
{
	struct dataset_status st;
	int rc = dataset_status(j->data, pin->path, &pin->p, &st, e);
	enum dataset_state state;

	if (rc < 0)
		return rc;
	state = st.state;
	dataset_status_release(&st);
	if (state == DATASET_MISSING && role == RECORD_ROLE_INPUT)
		return absent_input(pin, e);
	if (role == RECORD_ROLE_INPUT && dataset_is_unfinished(j->data, pin->path))
		return unfinished_input(pin, e);
	if (role == RECORD_ROLE_INPUT && state == DATASET_NEW_POINTER)
		strvec_pushf(
			&j->warnings,
			"%s: its pointer has moved on; the version in the work tree is recorded",
			pin->path);
	pin->absent = state == DATASET_MISSING;
	if (state == DATASET_PARTIAL && dataset_is_partial(j->data, pin->path))
		strvec_pushf(&j->warnings, "%s is only partly checked out; it is recorded whole",
			     pin->path);
	else if (state != DATASET_CLEAN && state != DATASET_MISSING)
		return refresh(j, pin, id, e);
	rc = dataset_id(j->data, &pin->p, id, e);
	if (rc == ERR_NOTFOUND && pin->absent) {
		err_clear(e);
		return 1;
	}
	return rc;
}

static int pin_dataset(struct job *j, const char *root, enum record_input_role role, struct err *e)
{
	struct job_pin *pin;
	struct chunkid id;
	int rc;

	if (job_find_pin(j, root))
		return 0;
	pin = job_add_pin(j, root);
	pin->dataset = true;
	rc = dataset_pointer(j->repo, NULL, root, &pin->p, e);
	if (rc == 0) {
		pointer_format(&pin->p, &pin->text);
		rc = pin_state(j, pin, role, &id, e);
	}
	if (rc == 0)
		add_record(j, pin, role, &id);
	return rc < 0 ? err_wrap(e, "input %s", root) : 0;
}

/* ---- what lies where outputs go ---- */

static int pin_snapshot(struct job *j, const char *path, const struct pointer *previous,
			enum record_input_role role, struct err *e)
{
	struct dataset_snap_opts so = {previous, false, j->o->dry_run};
	struct dataset_snap snap;
	struct store_txn *txn = NULL;
	struct job_pin *pin;
	int rc = j->o->dry_run ? 0 : job_txn(j, &txn, e);

	if (rc == 0)
		rc = dataset_snapshot(j->data, txn, path, &so, &snap, e);
	if (rc < 0)
		return rc;
	pin = job_add_pin(j, path);
	pin->dataset = true;
	pointer_copy(&pin->p, &snap.pointer);
	pointer_format(&pin->p, &pin->text);
	add_record(j, pin, role, &snap.id);
	dataset_snap_release(&snap);
	return 0;
}

int job_pin_dir(struct job *j, const char *path, enum record_input_role role, struct err *e)
{
	return pin_snapshot(j, path, NULL, role, e);
}

int job_pin_dataset_before(struct job *j, const char *root, struct err *e)
{
	struct dataset_status st = {.state = DATASET_MISSING};
	enum record_input_role role;
	struct pointer p;
	int rc;

	pointer_init(&p);
	rc = dataset_pointer(j->repo, NULL, root, &p, e);
	if (rc == 0)
		rc = dataset_status(j->data, root, &p, &st, e);
	if (rc == 0) {
		role = st.state == DATASET_CLEAN ? RECORD_ROLE_TRACKED : RECORD_ROLE_BEFORE;
		dataset_status_release(&st);
		if (st.state != DATASET_MISSING)
			rc = pin_snapshot(j, root, &p, role, e);
	}
	pointer_release(&p);
	return rc;
}

/* ---- what was declared ---- */

static int pin_below(struct job *j, const struct strvec *roots, const char *dir, bool *any,
		     struct err *e)
{
	int rc = 0;

	*any = false;
	for (size_t i = 0; rc == 0 && i < roots->nr; i++) {
		if (!path_is_in(roots->v[i], dir))
			continue;
		*any = true;
		rc = pin_dataset(j, roots->v[i], RECORD_ROLE_INPUT, e);
	}
	return rc;
}

static int pin_path(struct job *j, const struct strvec *roots, const char *path, struct err *e)
{
	struct buf base = BUF_INIT;
	const char *root, *inside;
	struct stat st;
	bool any;
	int rc;

	if (pointer_root_of(path, &base) && strvec_has(roots, base.p))
		path = base.p; /* the pointer named for its dataset: a selection */
	rc = job_refuse_link(j, "-i", path, e);
	if (rc < 0)
		goto out;
	root = dataset_root_of(roots, path, &inside);
	if (root) {
		rc = pin_dataset(j, root, RECORD_ROLE_INPUT, e);
		goto out;
	}
	rc = pin_below(j, roots, path, &any, e);
	if (rc < 0 || any)
		goto out;
	if (!*path) {
		rc = err_set(e, ERR_INPUT,
			     "no dataset is tracked here, and the work tree is no input");
	} else if (fstatat(repo_worktree_fd(j->repo), path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		rc = err_sys(e, "input %s", path);
	} else if (S_ISDIR(st.st_mode)) {
		rc = refuse_directory(j->repo, path, e);
	} else {
		rc = job_pin_file(j, path, RECORD_ROLE_INPUT, e);
	}
out:
	buf_release(&base);
	return rc;
}

static int pin_typed(struct job *j, const struct strvec *roots, const char *typed, struct err *e)
{
	struct buf path = BUF_INIT;
	int rc = job_path(j, typed, &path, e);

	if (rc == 0)
		rc = pin_path(j, roots, path.p, e);
	buf_release(&path);
	return rc;
}

/* An output is recorded as it stands afterwards: what is not in the work tree would be gone from it. */
static int check_output(struct job *j, const char *root, struct err *e)
{
	struct pointer p;
	int rc;

	if (dataset_is_partial(j->data, root)) {
		err_set(e, ERR_INPUT, "only a part of the output %s is in the work tree", root);
		return hint_checkout(root, e);
	}
	pointer_init(&p);
	rc = dataset_pointer(j->repo, NULL, root, &p, e);
	if (rc == 0 && dataset_is_behind(j->data, root, &p))
		strvec_pushf(&j->warnings,
			     "%s: its pointer has moved on; the version that the run leaves in the "
			     "work tree replaces it",
			     root);
	pointer_release(&p);
	return rc;
}

int job_pin_inputs(struct job *j, struct err *e)
{
	struct strvec roots = STRVEC_INIT;
	struct buf path = BUF_INIT;
	int rc = dataset_roots(j->repo, NULL, &roots, e);

	for (size_t i = 0; rc == 0 && i < j->o->inputs.nr; i++)
		rc = pin_typed(j, &roots, j->o->inputs.v[i], e);
	for (size_t i = 0; rc == 0 && i < j->o->params.nr; i++) {
		buf_reset(&path);
		rc = job_path(j, j->o->params.v[i], &path, e);
		if (rc == 0)
			rc = job_refuse_link(j, "-p", path.p, e);
		if (rc == 0)
			rc = job_pin_file(j, path.p, RECORD_ROLE_PARAMS, e);
	}
	for (size_t i = 0; rc == 0 && i < roots.nr; i++)
		rc = job_is_output(j, roots.v[i])
			     ? check_output(j, roots.v[i], e)
			     : pin_dataset(j, roots.v[i], RECORD_ROLE_TRACKED, e);
	if (rc == 0)
		rc = job_pin_before(j, &roots, e);
	buf_release(&path);
	strvec_release(&roots);
	return rc;
}

/* ---- afterwards ---- */

static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int recheck(struct job *j, const struct job_pin *pin, bool *changed, struct err *e)
{
	struct dataset_status st;
	struct stat now;
	int rc;

	if (!pin->dataset) {
		*changed = fstatat(repo_worktree_fd(j->repo), pin->path, &now,
				   AT_SYMLINK_NOFOLLOW) < 0 ||
			   !same_stat(&now, &pin->st);
		return 0;
	}
	*changed = false;
	if (pin->absent || dataset_is_partial(j->data, pin->path))
		return 0;
	rc = dataset_status(j->data, pin->path, &pin->p, &st, e);
	if (rc < 0)
		return rc;
	/* Against the pinned pointer only clean is right: the base may still be an older one. */
	*changed = st.state != DATASET_CLEAN && (!st.counted || st.changes.n);
	dataset_status_release(&st);
	return 0;
}

int job_recheck_inputs(struct job *j, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < j->npins; i++) {
		bool changed = false;

		if (job_is_output(j, j->pins[i].path))
			continue; /* both read and written, as declared */
		rc = recheck(j, &j->pins[i], &changed, e);
		if (rc < 0) {
			/* It cannot be looked at any more, which it could before. */
			changed = true;
			rc = job_survive(j, j->pins[i].path, e);
		}
		if (rc == 0 && changed)
			strvec_push(&j->rec.changed, j->pins[i].path);
	}
	return rc;
}
