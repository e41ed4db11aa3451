/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - numbers out of the files that training scripts write
 *
 * By the file's name: .json (one document, nested names joined by dots; DVCLive),
 * .jsonl and .ndjson (one object a line), .csv and .tsv (a header line; Keras,
 * Lightning).  Of several rows the last value of a name is final, and all of
 * them are the series.  In JSON a number is a number, NaN, Infinity or -Infinity,
 * the three also in quotes; in tables it is decimal, nan or inf.  Other values are left out.
 *
 * Several files: metrics_begin(), a parse and metrics_end() for each, then metrics_finish().
 * A name that two files have, or that stands twice in one row, has no value in the end.
 */
#ifndef RUN_METRICS_H
#define RUN_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/strvec.h"
#include "run/record.h"

#define METRICS_MAX_FINAL 200 /* in the record, and RECORD_METRICS_BYTES; the series has all */
#define METRICS_MAX_NAME_BYTES 256
#define METRICS_MAX_SERIES_BYTES (8 * MIB)
#define METRICS_OVER_SLOTS 4096 /* names beyond a maximum are counted up to a half of it */

struct metrics {
	struct record_pairs final; /* in order of appearance */
	size_t final_bytes;        /* that they take in a record at most */
	struct buf series;         /* lines `name TAB row TAB value`, without the header */
	uint64_t lines_before;     /* of a file that is parsed in pieces: row numbers go on */
	struct strvec notices;     /* what was left out and why, a line each */
	struct buf best;           /* of the metric that metrics_want() names; "": it has none */

	/* the rest is of metrics.c */
	char *wanted;
	bool wanted_min;
	double best_number;
	struct strvec files;
	struct {
		size_t file,
			other; /* numbers in `files`, from 1; `other`: another file that has it */
		uint64_t row;
		bool clash;
	} seen[METRICS_MAX_FINAL]; /* beside `final` */
	uint64_t rows;             /* rows or documents until now */
	uint64_t numbers;          /* in this file */
	bool doubted;              /* a text of this file that looks like a number was named */
	uint64_t *over;            /* hashes of the names that had no room */
	size_t nover;
	uint64_t not_in_series;
};

void metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);
/*
 * Before the first parse: keep room for this metric, whatever else there is, and find its best value
 * over all rows, also those that the series has no room for.
 */
void metrics_want(struct metrics *m, const char *metric, bool min);
void metrics_begin(struct metrics *m, const char *name);
/* ERR_INPUT names file and line of what is not understood; what came before it is kept. */
int metrics_parse(struct metrics *m, const char *name, const void *text, size_t len,
		  struct err *e) MUST_CHECK;
/* Does the name say how it is to be read? */
bool metrics_known(const char *name);
/* As a name ending in .jsonl, whatever it is called: $DEEPOPS_METRICS. */
int metrics_parse_lines(struct metrics *m, const char *name, const void *text, size_t len,
			struct err *e) MUST_CHECK;
/* A notice if the file gave no number: for one that was understood. */
void metrics_end(struct metrics *m);
/* Take out the names that two values claim; notices about them and about what had no room. */
void metrics_finish(struct metrics *m);
/* The series as TSV with its header; nothing if there is none. */
void metrics_tsv(const struct metrics *m, struct buf *out);

#endif
