/* SPDX-License-Identifier: MIT */
/* job_rerun.c - what a rerun takes over, and how its outputs compare; see job.h */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/xalloc.h"
#include "run/job_internal.h"
#include "run/match.h"

#define DIFF_MAX_LINES 50
#define MACHINE_MAX_BYTES CAPTURE_MAX_BYTES

extern char **environ;

/* ---- before ---- */

/* Where programs lie differs between machines; what they were told must not. */
static bool is_place(const char *name)
{
	static const char *const places[] = {"PATH",         "LD_LIBRARY_PATH", "LD_PRELOAD",
					     "VIRTUAL_ENV",  "PYTHONPATH",      "PYTHONHOME",
					     "PYTHONSTARTUP"};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (!strcmp(name, places[i]))
			return true;
	return str_startswith(name, "CONDA_", NULL);
}

static void take_environment(const struct job *j, const struct record *of)
{
	struct strvec values = STRVEC_INIT, names = STRVEC_INIT;
	struct buf value = BUF_INIT;

	capture_env(environ, &values, &names);
	for (size_t i = 0; i < values.nr; i++) {
		values.v[i][strcspn(values.v[i], "=")] = '\0';
		if (!is_place(values.v[i]) && !record_pair_get(&of->env, values.v[i]) &&
		    !strvec_has(&of->secrets, values.v[i]))
			unsetenv(values.v[i]);
	}
	for (size_t i = 0; i < of->env.n; i++) {
		if (is_place(of->env.v[i].name))
			continue;
		buf_reset(&value);
		scrub_restore(&j->secrets, of->env.v[i].value, &value);
		setenv(of->env.v[i].name, value.p, 1);
	}
	buf_release(&value);
	strvec_release(&values);
	strvec_release(&names);
}

/* What the command gets: masked in the record, with the values here. */
static int take_words(struct job *j, const struct journal_entry *of, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc;

	for (size_t i = 0; i < j->rec.argv.nr; i++) {
		buf_reset(&text);
		scrub_restore(&j->secrets, j->rec.argv.v[i], &text);
		strvec_push(&j->words, text.p);
	}
	for (size_t i = 0; i < j->rec.params.n; i++) {
		buf_reset(&text);
		scrub_restore(&j->secrets, j->rec.params.v[i].value, &text);
		record_add_pair(&j->params.values, j->rec.params.v[i].name, text.p);
	}
	buf_reset(&text);
	rc = journal_file(j->repo, of, "params.json", JSON_MAX_BYTES, &text, e);
	if (rc == 1)
		rc = params_strings(&j->params, text.p, text.len, e);
	buf_release(&text);
	return MIN(rc, 0);
}

static void forget_outcome(struct record *r)
{
	char **texts[] = {&r->prev,
			  &r->writer,
			  &r->recipe,
			  &r->key,
			  &r->note,
			  &r->fork_writer,
			  &r->machine_spec,
			  &r->machine_capture,
			  &r->machine_image,
			  &r->machine_class,
			  &r->machine_provider,
			  &r->machine_lease,
			  &r->gpu,
			  &r->series,
			  &r->out_log.id,
			  &r->err_log.id,
			  &r->rerun_of,
			  &r->author,
			  &r->host};
	int64_t *ints[] = {&r->started,       &r->ended,        &r->exit,    &r->signal,
			   &r->wall_ms,       &r->cpu_ms,       &r->max_rss, &r->threads,
			   &r->out_log.bytes, &r->err_log.bytes};
	struct record_pairs *pairs[] = {&r->env, &r->seeds, &r->flags, &r->metrics_final,
					&r->metrics_best};
	struct strvec *lists[] = {&r->env_names,    &r->violations,   &r->changed,
				  &r->machine_diff, &r->code.outside, &r->notices};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		record_set(texts[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(ints); i++)
		*ints[i] = RECORD_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		record_release_pairs(pairs[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		while (lists[i]->nr)
			strvec_pop(lists[i]);
	for (size_t i = 0; i < r->noutputs; i++) {
		record_set(&r->outputs[i].id, NULL);
		record_set(&r->outputs[i].blob, NULL);
		r->outputs[i].files = r->outputs[i].bytes = RECORD_NONE;
	}
}

int job_take_over(struct job *j, const struct journal_entry *of, struct err *e)
{
	struct journal_entry copy;
	char run[RECORD_RUN_HEX + 1];
	int rc;

	journal_entry_init(&copy);
	rc = journal_read(j->repo, &of->commit, &copy, e);
	if (rc == 0 && !copy.ok)
		rc = err_set(e, ERR_INPUT, "%s", copy.why.msg);
	if (rc < 0) {
		journal_entry_release(&copy);
		return rc;
	}
	snprintf(run, sizeof(run), "%s", j->rec.run);
	record_release(&j->rec);
	j->rec = copy.rec;
	record_init(&copy.rec);
	journal_entry_release(&copy);
	record_release_compared(&j->rec);
	record_release_programs(&j->rec);
	forget_outcome(&j->rec);
	record_set(&j->rec.run, run);
	record_set(&j->rec.parent, of->rec.run);
	record_set_digest(&j->rec.rerun_of, &of->id);
	record_set(&j->rec.tool, "git-deepops " DEEPOPS_VERSION);
	j->rec.kind = RECORD_RERUN;
	rc = job_take_secrets(j, e);
	if (rc == 0) {
		take_environment(j, &of->rec);
		rc = take_words(j, of, e);
	}
	return rc;
}

/* ---- after ---- */

static int append_piece(void *arg, const void *p, size_t len, struct err *e)
{
	(void)e;
	buf_add(arg, p, len);
	return 0;
}

/* Contents are here and of a size to look at: compare under the policy. */
static enum record_verdict compare_contents(struct job *j, const struct record_output *was,
					    const struct record_output *now, struct buf *detail)
{
	struct buf a = BUF_INIT, b = BUF_INIT;
	enum record_verdict verdict = RECORD_NOT_COMPARABLE;
	struct err e = ERR_INIT;
	struct chunkid id;
	struct stat st;
	int fd = job_open(j->site, now->path, &st, &e);

	if (fd < 0 || (uint64_t)was->bytes > MATCH_MAX_BYTES ||
	    (uint64_t)now->bytes > MATCH_MAX_BYTES) {
		buf_addstr(detail, "differs, and is too large for a tolerance");
		goto out;
	}
	if (chunkid_parse(&id, was->id, &e) < 0 ||
	    dataset_read(j->data, &id, (uint64_t)was->bytes, append_piece, &a, &e) < 0) {
		buf_addstr(detail, "differs, and the recorded content is not here");
		goto out;
	}
	if (io_read_fd(fd, MATCH_MAX_BYTES, &b, &e) == 0)
		verdict = match_compare(was->match, &a, &b, detail);
out:
	if (fd >= 0)
		close(fd);
	buf_release(&a);
	buf_release(&b);
	return verdict;
}

static enum record_verdict compare_one(struct job *j, const struct record_output *was,
				       const struct record_output *now, struct buf *detail)
{
	if (!was->id || !now->id) {
		if (!was->id == !now->id)
			return RECORD_IDENTICAL;
		buf_addstr(detail, now->id ? "was not written by the first run" : "not written");
		return RECORD_DIFFERENT;
	}
	if (!strcmp(was->id, now->id))
		return RECORD_IDENTICAL;
	if (!was->match || !strcmp(was->match, "bitwise") || was->files != 1 || now->files != 1) {
		buf_addf(detail, "%.19s, was %.19s", now->id, was->id);
		return RECORD_DIFFERENT;
	}
	return compare_contents(j, was, now, detail);
}

static const struct record_output *output_of(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->noutputs; i++)
		if (!strcmp(r->outputs[i].path, path))
			return &r->outputs[i];
	return NULL;
}

static void add_compared(struct record *r, const char *path, enum record_verdict v,
			 const char *detail)
{
	struct record_compared *c = record_add_compared(r);

	record_set(&c->path, path);
	c->verdict = v;
	record_set(&c->detail, detail && *detail ? detail : NULL);
}

/* identical < within-tolerance < not-comparable < different */
static enum record_verdict worse(enum record_verdict a, enum record_verdict b)
{
	static const int rank[] = {[RECORD_IDENTICAL] = 0,
				   [RECORD_WITHIN_TOLERANCE] = 1,
				   [RECORD_NOT_COMPARABLE] = 2,
				   [RECORD_DIFFERENT] = 3,
				   [RECORD_NOT_EXECUTED] = 4};

	return rank[a] >= rank[b] ? a : b;
}

static enum record_verdict compare_exits(struct job *j)
{
	const struct record *was = &j->of->rec, *now = &j->rec;

	if (was->exit == now->exit && was->signal == now->signal)
		return RECORD_IDENTICAL;
	if (was->exit == RECORD_NONE && was->signal == RECORD_NONE)
		return RECORD_NOT_COMPARABLE;
	add_compared(&j->rec, "(exit)", RECORD_DIFFERENT, "it ended in another way");
	return RECORD_DIFFERENT;
}

/* Lines of the sorted key=value texts that are in one only; keys, each once. */
static void machine_diff(const char *a, const char *b, struct strvec *out)
{
	size_t bytes = 0;

	while (*a || *b) {
		size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
		int c = !*a ? 1 : !*b ? -1 : strncmp(a, b, MIN(n, m));

		if (c == 0)
			c = n < m ? -1 : n > m;
		if (c && out->nr < DIFF_MAX_LINES && bytes <= RECORD_DIFF_BYTES) {
			strvec_pushn(out, c < 0 ? a : b, strcspn(c < 0 ? a : b, "="));
			bytes += record_text_bytes(out->v[out->nr - 1]) + strlen(",");
			if (bytes > RECORD_DIFF_BYTES)
				strvec_pop(out);
		}
		if (c <= 0)
			a += n + (a[n] == '\n');
		if (c >= 0)
			b += m + (b[m] == '\n');
	}
}

static int compare_machines(struct job *j, struct err *e)
{
	struct buf was = BUF_INIT;
	int rc = journal_file(j->repo, j->of, "machine", MACHINE_MAX_BYTES, &was, e);

	if (rc == 1)
		machine_diff(was.p, j->machine.text.p, &j->rec.machine_diff);
	else if (rc < 0)
		rc = job_survive(j, "the first run's machine is not compared", e);
	buf_release(&was);
	return MIN(rc, 0);
}

int job_compare_outputs(struct job *j, struct err *e)
{
	enum record_verdict all = compare_exits(j);
	bool any = false;

	for (size_t i = 0; i < j->rec.noutputs; i++) {
		const struct record_output *now = &j->rec.outputs[i];
		const struct record_output *was = output_of(&j->of->rec, now->path);
		struct buf detail = BUF_INIT;
		enum record_verdict v;

		if (!was || (was->match && !strcmp(was->match, "ignore")))
			continue;
		any = true;
		v = compare_one(j, was, now, &detail);
		add_compared(&j->rec, now->path, v, detail.p);
		all = worse(all, v);
		buf_release(&detail);
	}
	if (!any)
		all = worse(all, RECORD_NOT_COMPARABLE);
	j->rec.verdict = all;
	return compare_machines(j, e);
}
