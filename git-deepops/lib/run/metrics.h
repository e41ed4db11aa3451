/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - numbers out of the files that training scripts write
 *
 * By the file's name: .json (one document, nested names joined by dots; DVCLive),
 * .jsonl and .ndjson (one object a line), .csv and .tsv (a header line; Keras,
 * Lightning).  Of several rows the last value of a name is final, and all of
 * them are the series.  Numbers, nan and inf are kept, other values left out.
 */
#ifndef RUN_METRICS_H
#define RUN_METRICS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "run/record.h"

#define METRICS_MAX_FINAL 200 /* in the record, and RECORD_METRICS_BYTES; the series has all */
#define METRICS_MAX_NAME_BYTES 256
#define METRICS_MAX_SERIES_BYTES (8 * MIB)

struct metrics {
	struct record_pairs final; /* in order of appearance */
	size_t final_bytes;        /* that they take in a record at most */
	struct buf series;         /* lines `name TAB row TAB value`, without the header */
	bool cut;                  /* beyond a maximum: some are missing */
	uint64_t lines_before;     /* of a file that is parsed in pieces: row numbers go on */
};

void metrics_init(struct metrics *m);
void metrics_release(struct metrics *m);
/* ERR_INPUT names file and line of what is not understood; what came before it is kept. */
int metrics_parse(struct metrics *m, const char *name, const void *text, size_t len,
		  struct err *e) MUST_CHECK;
/* Does the name say how it is to be read? */
bool metrics_known(const char *name);
/* As a name ending in .jsonl, whatever it is called: $DEEPOPS_METRICS. */
int metrics_parse_lines(struct metrics *m, const char *name, const void *text, size_t len,
			struct err *e) MUST_CHECK;
/* Append the best value of `metric` in the series; false if it has none. */
bool metrics_best(const struct metrics *m, const char *metric, bool max, struct buf *out);
/* The series as TSV with its header; nothing if there is none. */
void metrics_tsv(const struct metrics *m, struct buf *out);

#endif
