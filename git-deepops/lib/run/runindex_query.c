/* SPDX-License-Identifier: MIT */
/* runindex_query.c - asking runs.db; see runindex.h */
#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/xalloc.h"
#include "run/runindex_internal.h"

#define COLUMNS                                                                                    \
	"entry.journal, entry.record, entry.run, entry.kind, entry.writer, entry.seq,"             \
	" entry.code_commit, entry.code_tree, entry.title, entry.author, entry.program,"           \
	" entry.parent, entry.started, entry.wall, entry.exit, entry.signal, entry.dirty,"         \
	" entry.level, entry.metrics, entry.params, entry.inputs, entry.outputs, entry.summary,"   \
	" EXISTS(SELECT 1 FROM entry AS said WHERE said.parent = entry.run"                        \
	" AND said.kind = 'retract'), entry.found, entry.base_tree, entry.judge"
#define PREFIX_MIN_DIGITS 4
#define FIND_MAX_CANDIDATES 5
#define WHERE_MAX_TERMS 32

static int64_t int_or_none(struct db_stmt *q, int col)
{
	return db_is_null(q, col) ? RECORD_NONE : db_int(q, col);
}

static void fill_row(struct db_stmt *q, struct runindex_row *row)
{
	memset(row, 0, sizeof(*row));
	(void)repo_oid_take(&row->journal, db_text(q, 0), '\0');
	row->record = db_text(q, 1);
	row->run = db_text(q, 2);
	row->kind = db_text(q, 3);
	row->writer = db_text(q, 4);
	row->seq = int_or_none(q, 5);
	row->commit = db_text(q, 6);
	row->code_tree = db_text(q, 7);
	row->title = db_text(q, 8);
	row->author = db_text(q, 9);
	row->program = db_text(q, 10);
	row->parent = db_text(q, 11);
	row->started = int_or_none(q, 12);
	row->wall_ms = int_or_none(q, 13);
	row->exit = int_or_none(q, 14);
	row->signal = int_or_none(q, 15);
	row->dirty = db_int(q, 16) != 0;
	row->level = db_text(q, 17);
	row->metrics = db_text(q, 18);
	row->params = db_text(q, 19);
	row->inputs = db_text(q, 20);
	row->outputs = db_text(q, 21);
	row->summary = db_text(q, 22);
	row->retracted = db_int(q, 23) != 0;
	row->base_tree = db_text(q, 25);
	row->judge = db_text(q, 26);
	row->found = db_is_null(q, 24) ? -1 : (int)db_int(q, 24);
}

/* Give every row to `cb`; finishes the statement. */
static int each_row(struct db_stmt *q, runindex_fn cb, void *arg, struct err *e)
{
	struct runindex_row row;
	int rc;

	while ((rc = db_step(q, e)) == 1) {
		fill_row(q, &row);
		rc = cb(arg, &row, e);
		if (rc < 0)
			break;
	}
	db_finish(&q);
	return rc;
}

/* ---- lookups by one key ---- */

struct keys {
	const char *sql, *a, *b; /* ?1 and ?2; b may be NULL */
};

static int by_keys(struct runindex *ix, const struct keys *k, runindex_fn cb, void *arg,
		   struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, k->sql, e);

	if (rc < 0)
		return err_wrap(e, "run index");
	db_bind_text(q, 1, k->a);
	if (k->b)
		db_bind_text(q, 2, k->b);
	return each_row(q, cb, arg, e);
}

/*
 * What was found to count comes first, then what nobody has looked at, the newest first: by when
 * it was seen here, as `started` is what the writer says.
 */
#define BEST_FIRST " ORDER BY coalesce(entry.found, 1.5) DESC, entry.id DESC"

int runindex_by_commit(struct runindex *ix, const struct repo_oid *commit, runindex_fn cb,
		       void *arg, struct err *e)
{
	const struct keys k = {"SELECT " COLUMNS " FROM entry WHERE code_commit = ?1" BEST_FIRST,
			       commit->hex, NULL};

	return by_keys(ix, &k, cb, arg, e);
}

int runindex_by_tree(struct runindex *ix, const struct repo_oid *tree, runindex_fn cb, void *arg,
		     struct err *e)
{
	const struct keys k = {"SELECT " COLUMNS " FROM entry WHERE (code_tree = ?1 OR"
			       " base_tree = ?1) AND listed = 1" BEST_FIRST,
			       tree->hex, NULL};

	return by_keys(ix, &k, cb, arg, e);
}

/* With a path, only where this path is recorded to hold it. */
static int by_output(struct runindex *ix, const char *path, const char *what, runindex_fn cb,
		     void *arg, struct err *e)
{
	const struct keys any = {"SELECT " COLUMNS " FROM wrote JOIN entry ON"
				 " entry.id = wrote.entry WHERE wrote.what = ?1" BEST_FIRST,
				 what, NULL};
	const struct keys one = {"SELECT " COLUMNS " FROM wrote JOIN entry ON"
				 " entry.id = wrote.entry WHERE wrote.what = ?1 AND EXISTS"
				 " (SELECT 1 FROM item WHERE item.entry = wrote.entry AND"
				 " item.io = 'out' AND item.path = ?2 AND ?1 IN (item.blob,"
				 " item.id))" BEST_FIRST,
				 what, path};

	return by_keys(ix, path ? &one : &any, cb, arg, e);
}

int runindex_by_output_blob(struct runindex *ix, const char *path, const struct repo_oid *blob,
			    runindex_fn cb, void *arg, struct err *e)
{
	return by_output(ix, path, blob->hex, cb, arg, e);
}

int runindex_by_output_id(struct runindex *ix, const char *path, const struct chunkid *id,
			  runindex_fn cb, void *arg, struct err *e)
{
	struct chunkid_text text = chunkid_text(id);

	return by_output(ix, path, text.s, cb, arg, e);
}

int runindex_has_output(struct runindex *ix, const struct repo_oid *blob, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, "SELECT 1 FROM wrote WHERE what = ?1 LIMIT 1", e);

	if (rc < 0)
		return err_wrap(e, "run index");
	db_bind_text(q, 1, blob->hex);
	rc = db_step(q, e);
	db_finish(&q);
	return rc;
}

/* Records that speak of this run: amend, retract, attest, rerun. */
static int runindex_by_parent(struct runindex *ix, const char *run, runindex_fn cb, void *arg,
			      struct err *e)
{
	const struct keys k = {"SELECT " COLUMNS " FROM entry WHERE parent = ?1"
			       " ORDER BY id",
			       run, NULL};

	return by_keys(ix, &k, cb, arg, e);
}

struct retraction {
	struct runindex_retraction *out;
	const char *writer; /* only by this one; NULL: by anybody */
};

static int note_retraction(void *arg, const struct runindex_row *row, struct err *e)
{
	struct retraction *r = arg;
	struct runindex_retraction *out = r->out;

	(void)e;
	if (strcmp(row->kind, record_kind_name(RECORD_RETRACT)) != 0 || out->retracted ||
	    (r->writer && strcmp(row->writer, r->writer) != 0))
		return 0;
	out->retracted = true;
	snprintf(out->writer, sizeof(out->writer), "%s", row->writer);
	snprintf(out->author, sizeof(out->author), "%s", row->author);
	return 0;
}

int runindex_retraction(struct runindex *ix, const char *run, const char *writer,
			struct runindex_retraction *out, struct err *e)
{
	struct retraction r = {out, writer};

	memset(out, 0, sizeof(*out));
	return runindex_by_parent(ix, run, note_retraction, &r, e);
}

int runindex_shown_on(struct runindex *ix, const char *run, runindex_commit_fn cb, void *arg,
		      struct err *e)
{
	struct db_stmt *q;
	struct repo_oid id;
	int rc = db_prepare(ix->db, &q, "SELECT noted FROM shown WHERE run = ?1", e);

	if (rc < 0)
		return err_wrap(e, "run index");
	db_bind_text(q, 1, run);
	while ((rc = db_step(q, e)) == 1) {
		if (!repo_oid_take(&id, db_text(q, 0), '\0'))
			continue;
		rc = cb(arg, &id, e);
		if (rc < 0)
			break;
	}
	db_finish(&q);
	return rc;
}

int runindex_commits(struct runindex *ix, runindex_commit_fn cb, void *arg, struct err *e)
{
	struct db_stmt *q;
	struct repo_oid id;
	int rc = db_prepare(ix->db, &q,
			    "SELECT DISTINCT code_commit FROM entry WHERE (listed = 1 OR"
			    " kind = 'override') AND"
			    " code_commit IS NOT NULL ORDER BY code_commit",
			    e);

	if (rc < 0)
		return err_wrap(e, "run index");
	while ((rc = db_step(q, e)) == 1) {
		if (!repo_oid_take(&id, db_text(q, 0), '\0')) /* of another kind of repository */
			continue;
		rc = cb(arg, &id, e);
		if (rc < 0)
			break;
	}
	db_finish(&q);
	return rc;
}

int runindex_unjudged(struct runindex *ix, const char *judge, runindex_fn cb, void *arg,
		      struct err *e)
{
	const struct keys k = {"SELECT " COLUMNS " FROM entry WHERE listed = 1 AND judge IS NOT ?1",
			       judge, NULL};

	return by_keys(ix, &k, cb, arg, e);
}

int runindex_count(struct runindex *ix, uint64_t *runs, struct err *e)
{
	struct db_stmt *q;
	int rc = db_prepare(ix->db, &q, "SELECT count(*) FROM entry WHERE listed = 1", e);

	if (rc == 0) {
		rc = db_step(q, e);
		*runs = rc == 1 ? (uint64_t)db_int(q, 0) : 0;
		db_finish(&q);
	}
	return rc < 0 ? err_wrap(e, "run index") : 0;
}

/* ---- finding one by a prefix ---- */

struct candidates {
	struct strvec runs, journals;
};

static int take_candidate(void *arg, const struct runindex_row *row, struct err *e)
{
	struct candidates *c = arg;

	(void)e;
	if (strvec_has(&c->journals, row->journal.hex))
		return 0;
	strvec_push(&c->journals, row->journal.hex);
	strvec_push(&c->runs, row->run);
	return 0;
}

static int find_in(struct runindex *ix, const char *sql, const char *from, struct candidates *c,
		   struct err *e)
{
	/* 'g' sorts behind every hex digit: [prefix, prefix + g) is what begins with it. */
	char *to = xstrfmt("%sg", from);
	const struct keys k = {sql, from, to};
	int rc = by_keys(ix, &k, take_candidate, c, e);

	free(to);
	return rc;
}

int runindex_find(struct runindex *ix, const char *prefix, struct repo_oid *journal, struct err *e)
{
	struct candidates c = {STRVEC_INIT, STRVEC_INIT};
	const char *digits = prefix;
	struct buf names = BUF_INIT;
	char *record;
	int rc;

	(void)str_startswith(prefix, "sha256:", &digits);
	if (strlen(digits) < PREFIX_MIN_DIGITS ||
	    digits[strspn(digits, "0123456789abcdef")] != '\0')
		return err_set(e, ERR_INPUT, "'%s' is not a run: give 4 or more hex digits",
			       prefix);
	record = xstrfmt("sha256:%s", digits);
	rc = find_in(ix, "SELECT " COLUMNS " FROM entry WHERE record >= ?1 AND record < ?2 LIMIT 6",
		     record, &c, e);
	if (rc == 0 && digits == prefix)
		rc = find_in(ix,
			     "SELECT " COLUMNS " FROM entry WHERE run >= ?1 AND run < ?2 LIMIT 6",
			     digits, &c, e);
	if (rc == 0 && !c.journals.nr) {
		rc = err_set(e, ERR_NOTFOUND, "no run '%s'", prefix);
		err_hint(e, "git deepops runs");
	} else if (rc == 0 && c.journals.nr > 1) {
		for (size_t i = 0; i < c.runs.nr && i < FIND_MAX_CANDIDATES; i++)
			buf_addf(&names, " %.12s", c.runs.v[i]);
		rc = err_set(e, ERR_INPUT, "'%s' stands for more than one run", prefix);
		err_hint(e, "one of%s", names.p);
	} else if (rc == 0) {
		rc = repo_oid_parse(journal, c.journals.v[0], e);
	}
	free(record);
	buf_release(&names);
	strvec_release(&c.runs);
	strvec_release(&c.journals);
	return rc;
}

/* ---- lists: --where and --sort as SQL with bound values ---- */

struct query {
	struct buf sql;
	struct strvec values; /* ?1, ?2, … as text */
};

static int bad_term(const char *term, struct err *e)
{
	err_set(e, ERR_INPUT, "'%s' is not a condition", term);
	return err_hint(e, "metric.NAME>0.9, param.NAME=x, tag:NAME, input:PATH, output:PATH, "
			   "exit=0, level>=R1, started>=2026-01-31, joined by AND");
}

/* Split "name>=value": the operator as SQL, or NULL. */
static const char *split_comparison(char *term, char **value)
{
	static const char *const ops[] = {">=", "<=", "!=", "=", ">", "<"};
	char *at = term + strcspn(term, "<>=!");

	for (size_t i = 0; *at && i < ARRAY_SIZE(ops); i++) {
		if (!str_startswith(at, ops[i], NULL))
			continue;
		*at = '\0';
		*value = at + strlen(ops[i]);
		return ops[i];
	}
	return NULL;
}

static bool is_number(const char *s)
{
	double v;

	return num_parse_real(s, &v);
}

static void add_value(struct query *q, const char *before, const char *value, const char *after)
{
	strvec_push(&q->values, value);
	buf_addf(&q->sql, "%s?%zu%s", before, q->values.nr, after);
}

static void named_term(struct query *q, const char *what, const char *name, const char *op,
		       const char *value)
{
	add_value(q, " AND entry.id IN (SELECT entry FROM named WHERE what = ", what,
		  " AND name = ");
	add_value(q, "", name, "");
	if (op && is_number(value)) {
		buf_addf(&q->sql, " AND number %s CAST(", op);
		add_value(q, "", value, " AS REAL)");
	} else if (op) {
		buf_addf(&q->sql, " AND value %s ", op);
		add_value(q, "", value, "");
	}
	buf_addstr(&q->sql, ")");
}

static void item_term(struct query *q, const char *io, const char *what)
{
	add_value(q, " AND entry.id IN (SELECT entry FROM item WHERE io = ", io, " AND (path = ");
	add_value(q, "", what, " OR id = ");
	add_value(q, "", what, "))");
}

/* Columns that can be compared directly, by the name users type. */
static const char *column_of(const char *name, bool *number)
{
	static const struct {
		const char *name, *column;
		bool number;
	} columns[] = {
		{"exit", "entry.exit", true},       {"wall_ms", "entry.wall", true},
		{"signal", "entry.signal", true},   {"seq", "entry.seq", true},
		{"level", "entry.level", false},    {"title", "entry.title", false},
		{"author", "entry.author", false},  {"commit", "entry.code_commit", false},
		{"writer", "entry.writer", false},  {"kind", "entry.kind", false},
		{"started", "entry.started", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		if (!strcmp(columns[i].name, name)) {
			*number = columns[i].number;
			return columns[i].column;
		}
	}
	return NULL;
}

static int compare_term(struct query *q, const char *name, const char *op, const char *value,
			const char *whole, struct err *e)
{
	const char *column, *rest;
	char ms[32];
	int64_t moment;
	bool number;

	if (str_startswith(name, "metric.", &rest) && *rest) {
		named_term(q, "metric", rest, op, value);
		return 0;
	}
	if (str_startswith(name, "param.", &rest) && *rest) {
		named_term(q, "param", rest, op, value);
		return 0;
	}
	column = column_of(name, &number);
	if (!strcmp(name, "started") && clock_parse_moment(value, &moment, NULL) == 0) {
		snprintf(ms, sizeof(ms), "%" PRId64, moment);
		value = ms;
	}
	if (!column || (number && !is_number(value)))
		return bad_term(whole, e);
	buf_addf(&q->sql, " AND %s %s ", column, op);
	if (number)
		add_value(q, "CAST(", value, " AS REAL)");
	else
		add_value(q, "", value, "");
	return 0;
}

static int one_term(struct query *q, const char *term, struct err *e)
{
	char *copy = xstrdup(term), *value;
	const char *rest, *op;
	int rc = 0;

	if (str_startswith(term, "tag:", &rest) && *rest)
		named_term(q, "tag", rest, NULL, NULL);
	else if (str_startswith(term, "input:", &rest) && *rest)
		item_term(q, "in", rest);
	else if (str_startswith(term, "output:", &rest) && *rest)
		item_term(q, "out", rest);
	else if ((op = split_comparison(copy, &value)) && *value)
		rc = compare_term(q, copy, op, value, term, e);
	else
		rc = bad_term(term, e);
	free(copy);
	return rc;
}

static int where_terms(struct query *q, const char *where, struct err *e)
{
	const char *at = where;
	int rc = 0;

	for (size_t n = 0; rc == 0 && at; n++) {
		const char *end = strstr(at, " AND ");
		char *term = end ? xstrndup(at, (size_t)(end - at)) : xstrdup(at), *trimmed = term;
		size_t len;

		trimmed += strspn(trimmed, " ");
		len = strlen(trimmed);
		while (len && trimmed[len - 1] == ' ')
			trimmed[--len] = '\0';
		rc = n < WHERE_MAX_TERMS
			     ? one_term(q, trimmed, e)
			     : err_set(e, ERR_LIMIT, "more than %d conditions", WHERE_MAX_TERMS);
		free(term);
		at = end ? end + strlen(" AND ") : NULL;
	}
	return rc;
}

static int sort_order(struct query *q, const char *sort, struct err *e)
{
	const char *rest, *column;
	bool descending = sort[0] == '-', number;

	if (descending)
		sort++;
	buf_addstr(&q->sql, " ORDER BY ");
	if (str_startswith(sort, "metric.", &rest) && *rest) {
		add_value(q,
			  "(SELECT number FROM named WHERE entry = entry.id AND what = 'metric'"
			  " AND name = ",
			  rest, ")");
	} else {
		column = !strcmp(sort, "wall") ? "entry.wall" : column_of(sort, &number);
		if (!column)
			return err_set(e, ERR_INPUT, "cannot sort by '%s'", sort);
		buf_addstr(&q->sql, column);
	}
	buf_addf(&q->sql, " %s NULLS LAST", descending ? "DESC" : "ASC");
	return 0;
}

int runindex_list(struct runindex *ix, const struct runindex_list *l, runindex_fn cb, void *arg,
		  struct err *e)
{
	struct query q = {BUF_INIT, STRVEC_INIT};
	struct db_stmt *stmt = NULL;
	int rc = 0;

	buf_addstr(&q.sql, "SELECT " COLUMNS " FROM entry WHERE listed = 1");
	if (l->where && *l->where)
		rc = where_terms(&q, l->where, e);
	if (rc == 0 && l->sort)
		rc = sort_order(&q, l->sort, e);
	else if (rc == 0)
		buf_addstr(&q.sql, " ORDER BY entry.started DESC, entry.id DESC");
	if (rc == 0 && l->limit)
		buf_addf(&q.sql, " LIMIT %" PRIu64, l->limit);
	if (rc == 0)
		rc = db_prepare(ix->db, &stmt, q.sql.p, e);
	if (rc == 0) {
		for (size_t i = 0; i < q.values.nr; i++)
			db_bind_text(stmt, (int)i + 1, q.values.v[i]);
		rc = each_row(stmt, cb, arg, e);
	}
	buf_release(&q.sql);
	strvec_release(&q.values);
	return rc;
}
