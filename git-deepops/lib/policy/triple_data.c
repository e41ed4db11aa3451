/* SPDX-License-Identifier: MIT */
/* triple_data.c - D1 to D5: what the run read and wrote; see triple_internal.h */
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/dataset_links.h"
#include "policy/triple_internal.h"

#define PUSH_DATA "git deepops push --data-only && git push"

struct data_pass {
	struct triple_pass *p;
	bool *has_input, *has_output, *has_large; /* its pointer is in the journal */
};

/* What the record says of something that a pointer of the journal stands for. */
struct claim {
	const char *path;
	const char *id;       /* NULL: nothing to compare */
	int64_t files, bytes; /* RECORD_NONE: not said */
	const char *query;    /* inputs: of a selection */
	bool input;
	bool read; /* an input that the run declared, not only one that was tracked beside it */
};

static void say_incomplete(struct triple_pass *p, const struct claim *c,
			   const struct evidence_found *f)
{
	struct triple_finding *add;
	char id[CHUNKID_TEXT_BYTES];

	snprintf(id, sizeof(id), "%.19s", c->id ? c->id : "sha256:?");
	if (f->state == EVIDENCE_EXPIRED)
		add = triple_add(p, REASON_DATA_EXPIRED,
				 "%s (%s...) is recorded but the remote no longer keeps it",
				 c->path, id);
	else if (f->total > 1)
		add = triple_add(p, REASON_DATA_INCOMPLETE,
				 "%s (%s...) is recorded but %zu of its %zu shards %s not on the "
				 "remote",
				 c->path, id, f->bad, f->total, f->bad == 1 ? "is" : "are");
	else
		add = triple_add(p, REASON_DATA_INCOMPLETE,
				 "%s (%s...) is recorded but not on the remote", c->path, id);
	add->fix = xstrdup(PUSH_DATA);
}

/* Every shard is there, but that together they are this dataset was never proven. */
static void say_unproven(struct triple_pass *p, const struct claim *c)
{
	struct triple_finding *add = triple_add(
		p, REASON_DATA_INCOMPLETE,
		"%s (%.19s...) is recorded but the remote has its shards only one by one", c->path,
		c->id ? c->id : "sha256:?");

	add->fix = xstrdup(PUSH_DATA);
}

static void check_selection(struct triple_pass *p, const struct claim *c, const struct pointer *ptr)
{
	const struct pointer_selection *s = &ptr->selection;

	if (!ptr->has_selection && !c->query)
		return;
	if (!ptr->has_selection || !c->query || !s->query || strcmp(c->query, s->query) != 0 ||
	    !s->seed || !s->split || !s->part)
		triple_add(p, REASON_DATA_SELECTION, "the selection of %s is not described",
			   c->path);
}

static void check_claim(struct triple_pass *p, const struct claim *c, const struct pointer *ptr,
			const struct chunkid *dataset)
{
	bool sizes = (c->files == RECORD_NONE || (uint64_t)c->files == ptr->files) &&
		     (c->bytes == RECORD_NONE || (uint64_t)c->bytes == ptr->bytes);

	if (c->id && strcmp(c->id, chunkid_text(dataset).s) != 0)
		triple_add(p, REASON_DATA_MISMATCH, "the pointer of %s stands for %s, not %.19s",
			   c->path, chunkid_short(dataset).s, c->id);
	else if (!sizes)
		triple_add(p, REASON_DATA_MISMATCH,
			   "%s has %" PRIu64 " files and %" PRIu64 " bytes, not what is recorded",
			   c->path, ptr->files, ptr->bytes);
	if (c->input)
		check_selection(p, c, ptr);
}

/* D6: of what a link leads to outside nobody has the bytes. */
static int check_links(struct triple_pass *p, const struct claim *c, const struct pointer *ptr,
		       struct err *e)
{
	const struct evidence *ev = p->ctx->evidence;
	struct buf path = BUF_INIT;
	struct chunkid key;
	int rc;

	pointer_split_key(ptr, &key);
	if (!c->read || !ev->near ||
	    (p->ctx->unlinked && chunkset_has(p->ctx->unlinked, CHUNK_NODE, &key)))
		return 0;
	rc = dataset_links_find(ptr, ev->near, ev->arg, &path, e);
	if (rc == 1)
		triple_add(p, REASON_DATA_LINK, "a link leads out of %s: %s/%s", c->path, c->path,
			   path.p);
	else if (rc == 0 && p->ctx->unlinked)
		chunkset_add(p->ctx->unlinked, CHUNK_NODE, &key, 0);
	buf_release(&path);
	return MIN(rc, 0);
}

/* D1, D2, D3, D6 of one pointer. */
static int check_pointer(struct triple_pass *p, const struct claim *c, const struct buf *text,
			 struct err *e)
{
	const struct evidence *ev = p->ctx->evidence;
	struct evidence_found found;
	struct pointer ptr;
	struct chunkid dataset;
	int rc;

	pointer_init(&ptr);
	if (pointer_parse(&ptr, text->p, text->len, c->path, NULL) < 0) {
		triple_add(p, REASON_DATA_MISMATCH, "the pointer of %s is malformed", c->path);
		pointer_release(&ptr);
		return 0;
	}
	rc = evidence_pointer(ev, &ptr, p->ctx->now_ms / 1000, &found, e);
	if (rc == 0 && found.state != EVIDENCE_KEPT) {
		say_incomplete(p, c, &found);
		pointer_release(&ptr);
		return 0;
	}
	if (rc == 0)
		rc = ev->dataset(ev->arg, &ptr, &dataset, e);
	if (rc == ERR_NOTFOUND) {
		err_clear(e);
		say_unproven(p, c);
		rc = 0;
	} else if (rc == 0) {
		check_claim(p, c, &ptr, &dataset);
		rc = check_links(p, c, &ptr, e);
	}
	pointer_release(&ptr);
	return rc;
}

static struct claim input_claim(const struct record_input *in)
{
	return (struct claim){in->path,
			      in->id,
			      in->files,
			      in->bytes,
			      in->query,
			      true,
			      in->role == RECORD_ROLE_INPUT};
}

static struct claim output_claim(const struct record_output *out)
{
	return (struct claim){out->path, out->id, out->files, out->bytes, NULL, false, false};
}

static struct claim large_claim(const struct record_large *l)
{
	return (struct claim){l->path, l->id, RECORD_NONE, l->bytes, NULL, false, false};
}

static struct claim log_claim(const char *name, const struct record_log *log)
{
	return (struct claim){name, log->id, RECORD_NONE, log->bytes, NULL, false, false};
}

/* Of a stream that was too long for the journal. */
static bool stream_claim(const struct record *r, const char *name, struct claim *out)
{
	static const struct record_log rows = {NULL, RECORD_NONE}; /* the series is what counts */
	struct record_log in = {r->stdin_id, RECORD_NONE};

	if (!strcmp(name, "stdout.deepops"))
		*out = log_claim("stdout.deepops", &r->out_log);
	else if (!strcmp(name, "stderr.deepops"))
		*out = log_claim("stderr.deepops", &r->err_log);
	else if (!strcmp(name, "stdin.deepops"))
		*out = log_claim("stdin.deepops", &in);
	else if (!strcmp(name, "metrics.jsonl.deepops"))
		*out = log_claim("metrics.jsonl.deepops", &rows);
	else
		return false;
	return true;
}

/* filtered/<n>.deepops */
static bool filtered_claim(const struct record *r, const char *name, struct claim *out)
{
	for (size_t i = 0; i < r->code.nfiltered; i++) {
		const struct record_filtered *f = &r->code.filtered[i];
		char want[48];

		snprintf(want, sizeof(want), "filtered/%zu" POINTER_SUFFIX, i);
		if (strcmp(name, want) != 0)
			continue;
		*out = (struct claim){
			.path = f->path, .id = f->id, .files = RECORD_NONE, .bytes = RECORD_NONE};
		return true;
	}
	return false;
}

static bool numbered_claim(struct data_pass *d, const char *name, struct claim *c)
{
	const struct record *r = d->p->rec;
	const char *rest = strrchr(name, '/');
	uint64_t n = 0;

	if (!rest || num_parse_u64(rest + 1, 0, UINT32_MAX, &n, NULL) < 0)
		return filtered_claim(r, name, c);
	if (str_startswith(name, "inputs/", NULL) && n < r->ninputs) {
		d->has_input[n] = true;
		*c = input_claim(&r->inputs[n]);
	} else if (str_startswith(name, "outputs/", NULL) && n < r->noutputs) {
		d->has_output[n] = true;
		*c = output_claim(&r->outputs[n]);
	} else if (str_startswith(name, "large/", NULL) && n < r->code.nlarge) {
		d->has_large[n] = true;
		*c = large_claim(&r->code.large[n]);
	} else {
		return false;
	}
	return true;
}

static int one_pointer(void *arg, const struct journal_pointer *ptr, struct err *e)
{
	struct data_pass *d = arg;
	struct claim c;

	if (stream_claim(d->p->rec, ptr->name, &c) || numbered_claim(d, ptr->name, &c))
		return check_pointer(d->p, &c, ptr->text, e);
	triple_add(d->p, REASON_DATA_MISMATCH, "the journal holds %s for nothing recorded",
		   ptr->name);
	return 0;
}

/* An input without a pointer is a file of the code tree. */
static int plain_input(struct triple_pass *p, const struct record_input *in, struct err *e)
{
	struct buf content = BUF_INIT;
	struct tree_entry found;
	struct chunkid id;
	int rc = triple_find(p, in->path, &found, e);

	if (rc == 1 && (found.mode == TREE_MODE_FILE || found.mode == TREE_MODE_EXEC)) {
		rc = repo_read_blob(p->ctx->repo, &found.id, TRIPLE_HASH_BYTES, &content, e);
		chunkid_of(&id, content.p, content.len);
		if (rc == 0 && strcmp(in->id, chunkid_text(&id).s) == 0) {
			buf_release(&content);
			return 0;
		}
	}
	buf_release(&content);
	if (rc < 0 && rc != ERR_LIMIT)
		return rc;
	err_clear(e);
	triple_add(p, REASON_DATA_MISMATCH, "%s has no pointer in the journal", in->path);
	return 0;
}

/* Is all of it what ran, or a file that only git reads? */
static bool is_code(const struct record *r, const struct record_input *in)
{
	static const char *const gits[] = {".gitignore", ".gitattributes", ".gitmodules"};
	int64_t ran = 0;

	for (size_t i = 0; i < ARRAY_SIZE(gits); i++)
		if (!strcmp(in->path, gits[i]))
			return true;
	for (size_t i = 0; i < r->nprograms; i++)
		ran += path_is_in(r->programs[i].path, in->path);
	return (ran && ran >= in->files) || triple_is_program(r, in->path);
}

bool triple_has_data(const struct record *r)
{
	for (size_t i = 0; i < r->ninputs; i++)
		if (r->inputs[i].role == RECORD_ROLE_INPUT && r->inputs[i].bytes > 0 &&
		    !is_code(r, &r->inputs[i]))
			return true;
	return false;
}

/* D5 */
static void any_input(struct triple_pass *p)
{
	const struct record *r = p->rec;
	const struct record_input *in = NULL;

	if (r->no_data || triple_has_data(r))
		return;
	for (size_t i = 0; i < r->ninputs && !in; i++)
		if (r->inputs[i].role == RECORD_ROLE_INPUT)
			in = &r->inputs[i];
	if (!in)
		triple_add(p, REASON_DATA_NONE, "run %.12s declares no input", r->run)->fix =
			xstrdup("declare inputs with -i, or say --no-data");
	else
		triple_add(p, REASON_DATA_NONE, "run %.12s read no data: %s is %s", r->run,
			   in->path, in->bytes > 0 ? "code" : "empty");
}

/* D4: a run that failed may have left nothing; a rerun keeps what it compared only in part. */
static void outputs(struct data_pass *d)
{
	const struct record *r = d->p->rec;

	for (size_t i = 0; i < r->noutputs; i++) {
		const struct record_output *out = &r->outputs[i];

		if (!out->id && record_succeeded(r))
			triple_add(d->p, REASON_DATA_OUTPUT, "the run did not write %s", out->path);
		else if (out->id && !d->has_output[i] && r->kind == RECORD_RUN)
			triple_add(d->p, REASON_DATA_OUTPUT, "%s has no pointer in the journal",
				   out->path);
	}
}

/* D2: large files of the code. */
static void large(struct data_pass *d)
{
	const struct record_code *c = &d->p->rec->code;

	for (size_t i = 0; i < c->nlarge; i++)
		if (!d->has_large[i])
			triple_add(d->p, REASON_DATA_MISMATCH, "%s has no pointer in the journal",
				   c->large[i].path);
}

int triple_data(struct triple_pass *p, struct err *e)
{
	const struct record *r = p->rec;
	struct data_pass d = {p, xcalloc(r->ninputs + 1, sizeof(bool)),
			      xcalloc(r->noutputs + 1, sizeof(bool)),
			      xcalloc(r->code.nlarge + 1, sizeof(bool))};
	int rc = journal_pointers(p->ctx->repo, p->j, one_pointer, &d, e);

	for (size_t i = 0; rc == 0 && i < r->ninputs; i++)
		if (!d.has_input[i])
			rc = plain_input(p, &r->inputs[i], e);
	if (rc == 0) {
		outputs(&d);
		large(&d);
		any_input(p);
	}
	free(d.has_input);
	free(d.has_output);
	free(d.has_large);
	return rc;
}
