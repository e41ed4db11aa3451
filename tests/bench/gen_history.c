/* SPDX-License-Identifier: MIT */
/*
 * gen_history.c - a long history of commits and records, as `git fast-import` reads it
 *
 *	gen-history N WRITERS | git -C REPO.git fast-import --quiet
 *
 * N commits on refs/heads/main and N records, one a commit, dealt out to WRITERS journals.
 * The records are canonical and chained as git-deepops writes them.  The commits and trees
 * that they name are made up: what is timed looks for records among many and reads
 * none of these.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "run/journal.h"
#include "run/record.h"

#define GEN_MAX 10000000u
#define GEN_WRITERS_MAX 1000u
#define GEN_START_MS INT64_C(1700000000000)
#define GEN_STEP_MS INT64_C(60000)
#define GEN_FILES 1000u /* that the commits change in turn */

struct writer {
	char name[RECORD_WRITER_HEX + 1];
	struct chunkid last; /* record id */
	int64_t seq;
};

/* Hex digits that look random and are the same in every run. */
static void hex_of(char *out, size_t digits, uint64_t what, uint64_t which)
{
	uint64_t z = what * UINT64_C(0x9e3779b97f4a7c15) + which;

	for (size_t i = 0; i < digits; i++) {
		z ^= z >> 29;
		z *= UINT64_C(0xbf58476d1ce4e5b9);
		out[i] = "0123456789abcdef"[z >> 60];
	}
	out[digits] = '\0';
}

static void set_hex(char **field, const char *prefix, size_t digits, uint64_t what, uint64_t which)
{
	char hex[65];

	hex_of(hex, digits, what, which);
	record_setf(field, "%s%s", prefix, hex);
}

static void fill(struct record *r, struct writer *w, uint64_t i)
{
	struct record_output *out;
	char value[32];

	set_hex(&r->run, "", RECORD_RUN_HEX, 1, i);
	r->kind = RECORD_RUN;
	record_set(&r->writer, w->name);
	r->seq = ++w->seq;
	if (r->seq > 1)
		record_set_digest(&r->prev, &w->last);
	record_set(&r->tool, "git-deepops bench");
	record_set(&r->author, "Bench <bench@example.org>");
	set_hex(&r->code.commit, "", 40, 2, i);
	set_hex(&r->code.base_tree, "", 40, 3, i);
	set_hex(&r->code.tree, "", 40, 3, i);
	set_hex(&r->code.tree_sha256, "sha256:", 64, 4, i);
	strvec_pushl(&r->argv, "python3", "train.py", NULL);
	r->no_data = true;
	r->started = GEN_START_MS + (int64_t)i * GEN_STEP_MS;
	r->ended = r->started + GEN_STEP_MS / 2;
	r->exit = 0;
	r->wall_ms = GEN_STEP_MS / 2;
	snprintf(value, sizeof(value), "0.%04" PRIu64, i * 7919 % 10000);
	record_add_pair(&r->metrics_final, "acc", value);
	record_add_pair(&r->params, "lr", i % 3 ? "3e-4" : "1e-3");
	out = record_add_output(r);
	record_set(&out->path, "metrics.json");
	out->role = RECORD_ROLE_METRICS;
	set_hex(&out->id, "sha256:", 64, 5, i);
	out->files = 1;
	out->bytes = 20;
	set_hex(&out->blob, "", 40, 6, i);
}

static void put_commit(const char *ref, uint64_t i, const char *path, const char *text, size_t len)
{
	printf("commit %s\ncommitter Bench <bench@example.org> %" PRIu64 " +0000\ndata 0\n", ref,
	       (uint64_t)(GEN_START_MS / 1000) + i * 60);
	printf("M 100644 inline %s\ndata %zu\n", path, len);
	fwrite(text, 1, len, stdout);
	putchar('\n');
}

static int put_record(struct writer *w, uint64_t i, struct err *e)
{
	struct buf text = BUF_INIT;
	struct record r;
	char *ref = xstrfmt(JOURNAL_REFS "%s", w->name);
	int rc;

	record_init(&r);
	fill(&r, w, i);
	record_sort(&r);
	rc = record_format(&r, &text, e);
	if (rc == 0) {
		record_id(&w->last, text.p, text.len);
		put_commit(ref, i, "record.json", text.p, text.len);
	}
	record_release(&r);
	buf_release(&text);
	free(ref);
	return rc;
}

static void put_code(uint64_t i)
{
	char path[32], text[32];
	int n = snprintf(text, sizeof(text), "%" PRIu64 "\n", i);

	snprintf(path, sizeof(path), "src/%" PRIu64, i % GEN_FILES);
	put_commit("refs/heads/main", i, path, text, (size_t)n);
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct writer *writers;
	uint64_t n, nwriters;
	int rc;

	if (argc != 3 || num_parse_u64(argv[1], 1, GEN_MAX, &n, &e) < 0 ||
	    num_parse_u64(argv[2], 1, GEN_WRITERS_MAX, &nwriters, &e) < 0) {
		fprintf(stderr, "usage: gen-history N WRITERS\n");
		return 129;
	}
	writers = xcalloc(nwriters, sizeof(*writers));
	for (uint64_t i = 0; i < nwriters; i++)
		hex_of(writers[i].name, RECORD_WRITER_HEX, 7, i);
	rc = 0;
	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		put_code(i);
		rc = put_record(&writers[i % nwriters], i, &e);
	}
	free(writers);
	if (rc < 0)
		fprintf(stderr, "gen-history: %s\n", e.msg);
	return rc < 0 || fflush(stdout) != 0;
}
