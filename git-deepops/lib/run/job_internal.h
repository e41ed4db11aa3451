/* SPDX-License-Identifier: MIT */
/*
 * job_internal.h - members of struct job, and its steps
 *
 *	job.c		options, order of the steps, building the journal tree
 *	job_inputs.c	datasets and files that the command reads
 *	job_before.c	what lies where outputs go
 *	job_code.c	the code tree
 *	job_results.c	results of earlier runs that lie in the work tree
 *	job_host.c	machine, environment, determinism, parameters
 *	job_outputs.c	outputs
 *	job_metrics.c	metrics
 *	job_logs.c	logs
 *	job_programs.c	what really ran
 *	job_stdin.c	standard input
 *	job_words.c	words that name this work tree
 *	job_notice.c	what goes wrong with one thing
 *	job_secrets.c	what must not get into the record
 *	job_finish.c	the record, and what a dead supervisor left
 *	job_rerun.c	what a rerun takes from the first run, and how they compare
 */
#ifndef RUN_JOB_INTERNAL_H
#define RUN_JOB_INTERNAL_H

#include <sys/stat.h>

#include "data/dataset.h"
#include "machine/capture.h"
#include "repo/snapshot.h"
#include "repo/tree.h"
#include "run/execwatch.h"
#include "run/job.h"
#include "run/params.h"
#include "run/runindex.h"
#include "run/scrub.h"
#include "run/spool.h"

struct job_pin { /* an input as it was before the command */
	char *path;
	struct buf text;  /* of its pointer */
	struct pointer p; /* of a dataset */
	bool dataset;
	bool absent;    /* a tracked dataset that is not in the work tree */
	struct stat st; /* of a plain file */
};

struct job_kept { /* bytes of a file that git stores otherwise */
	struct repo_oid blob;
	bool is, pointer; /* to them, not the bytes themselves */
};

struct job_program { /* executed, or given to an interpreter as its script */
	char *path;  /* absolute; links are not followed */
	bool has_id;
	struct chunkid id; /* of a script as it was when it started */
};

struct job {
	struct repo *repo;
	struct repo *site; /* where the command runs: repo, or a rerun's own */
	const struct job_opts *o;
	const struct journal_entry *of; /* rerun */
	struct dataset_env *data, *site_data;
	struct store *held;    /* since something was stored in it that nothing names yet */
	struct store_txn *txn; /* NULL until something is put */
	struct runindex *ix;   /* NULL where it cannot be opened */
	struct record rec;
	struct snapshot snap;
	bool has_snap;
	struct job_pin *pins;
	size_t npins, pins_alloc;
	struct snapshot_replace *replace; /* paths owned */
	size_t nreplace, replace_alloc;
	struct job_kept *filtered; /* in the order of rec.code.filtered; NULL: there are none */
	struct strvec large_texts; /* pointers in the order of rec.code.large */
	struct buf commit;         /* raw */
	struct capture machine;
	struct spool spool;
	bool spooled;
	struct repo_oid parts;                 /* what was captured, as a journal tree */
	struct buf stdin_bytes, stdin_pointer; /* one of them, where it is kept */
	struct buf stdin_head;                 /* what stood in the pipe before the command */
	bool script_from_stdin;                /* an interpreter was given no other */
	struct stat stdin_stat;                /* before the command */
	off_t stdin_at;
	struct spool_end end;
	struct job_program *programs;
	size_t nprograms, programs_alloc, more_programs;
	bool ended;
	bool recovered;       /* outputs may have been written by others since */
	bool site_gone;       /* recovered, and its linked work tree was removed */
	struct scrub secrets; /* values of --secret variables */
	struct strvec words;  /* the command as it is executed; in the record it is masked */
	struct params params; /* as the command gets them, likewise */
	struct strvec env;    /* for the command */
	struct strvec warnings;
};

/*
 * What was typed, relative to the top of the work tree; the top is "".  What git keeps is refused:
 * it may hold passwords, and no checkout could bring it back.
 */
int job_path(const struct job *j, const char *typed, struct buf *out, struct err *e) MUST_CHECK;
/* The open transaction of the main store, begun at first use. */
int job_txn(struct job *j, struct store_txn **out, struct err *e) MUST_CHECK;
/* Commit it if there is one. */
int job_commit_data(struct job *j, struct err *e) MUST_CHECK;
struct job_pin *job_find_pin(const struct job *j, const char *path);
/* A pointer of kind file, as text. */
void job_file_pointer(const struct chunkid *id, uint64_t bytes, uint32_t mode, struct buf *out);
/* Open `path` in the work tree of `r`, following no link.  Descriptor or error. */
int job_open(struct repo *r, const char *path, struct stat *st, struct err *e) MUST_CHECK;

/* A thing that could not be looked at: a warning now, and a line of the record for good. */
void job_notice(struct job *j, const char *fmt, ...) PRINTF_LIKE(2, 3);
/*
 * After an error that concerns one thing: it becomes a notice, `e` is cleared and 0 returned, so that
 * the record is made.  What our own store is short of, and a signal, stays an error: `recover` then
 * has everything still.  `e` is not NULL.
 */
int job_survive(struct job *j, const char *what, struct err *e) MUST_CHECK;
/* ERR_INPUT: `path` is, or lies behind, a symbolic link.  `option` is for the message. */
int job_refuse_link(const struct job *j, const char *option, const char *path,
		    struct err *e) MUST_CHECK;

/* Pin a plain file in this role; one that is pinned already stays as it is. */
int job_pin_file(struct job *j, const char *path, enum record_input_role role,
		 struct err *e) MUST_CHECK;
/* What stands at the place of an output: any directory; a dataset (`tracked` where it is clean). */
int job_pin_dir(struct job *j, const char *path, enum record_input_role role,
		struct err *e) MUST_CHECK;
int job_pin_dataset_before(struct job *j, const char *root, struct err *e) MUST_CHECK;
/* All of that, for all outputs; `roots` are the tracked datasets. */
int job_pin_before(struct job *j, const struct strvec *roots, struct err *e) MUST_CHECK;
int job_pin_inputs(struct job *j, struct err *e) MUST_CHECK;
int job_recheck_inputs(struct job *j, struct err *e) MUST_CHECK;
/* Take results of earlier runs that are not committed out of the snapshot, and pin them. */
/* 1: a record says that a run wrote this content there, and it is not what code looks like. */
int job_is_result(struct job *j, const char *path, const struct chunkid *id,
		  struct err *e) MUST_CHECK;
int job_set_results_aside(struct job *j, struct err *e) MUST_CHECK;
int job_capture_code(struct job *j, struct err *e) MUST_CHECK;
/* Values of --secret, from the environment; their names go into the record. */
int job_read_secrets(struct job *j, struct err *e) MUST_CHECK;
/* The same for the names that the record holds already: a rerun. */
int job_take_secrets(struct job *j, struct err *e) MUST_CHECK;
/* The same as far as they are in the environment; a notice says which are not. */
void job_find_secrets(struct job *j);
/* Mask the values in all that the record says.  ERR_INPUT: a path would become another one. */
int job_mask_record(struct job *j, struct err *e) MUST_CHECK;
/* ERR_DENIED: what users wrote into the record holds a secret.  Names where, never the secret. */
int job_scan_record(struct job *j, struct err *e) MUST_CHECK;
/* The same for the content of a file that goes into the journal. */
int job_scan_file(struct job *j, const char *path, const void *text, size_t len,
		  struct err *e) MUST_CHECK;
/* ERR_INPUT: this output holds a secret, which must not be kept. */
int job_check_output(struct job *j, int fd, uint64_t bytes, struct err *e) MUST_CHECK;
/* When the command has ended: mask values and keys in what it brought about.  A notice says so. */
int job_mask_outcome(struct job *j, struct err *e) MUST_CHECK;
void job_mask_text(const struct job *j, struct buf *text);
/* Where keys are in that log: *fd becomes a copy without them. */
int job_mask_log(struct job *j, const char *name, int *fd, struct err *e) MUST_CHECK;
int job_read_params(struct job *j, struct err *e) MUST_CHECK;
/* Parameters as the record has them, in JSON with their types. */
void job_params_json(const struct job *j, struct buf *out);
int job_capture_host(struct job *j, struct err *e) MUST_CHECK;
/* What standard input is, before the command; keeps the content of a file. */
int job_capture_stdin(struct job *j, struct err *e) MUST_CHECK;
/* After it: was anything read, and is what was kept still what was read? */
void job_recheck_stdin(struct job *j);
/* The part of the journal tree. */
int job_add_stdin(const struct job *j, struct tree_builder *parts, struct err *e) MUST_CHECK;
/* What a rerun's command reads: a descriptor to be closed, or PROC_NULL or PROC_INHERIT. */
int job_rerun_stdin(struct job *j, int *in, struct err *e) MUST_CHECK;
/*
 * `word` of the command with paths below the top of the work tree as seen from the working
 * directory; appended.  `program`: it is looked up in PATH unless it has a slash.
 */
void job_relative_word(const struct job *j, const char *word, bool program, struct buf *out);
/* How its programs are to be watched, by the words of the command and deepops.watch. */
enum execwatch_how job_watch_how(struct job *j);
/* An execwatch_fn; `j` is a struct job. */
void job_note_program(void *j, const struct execwatch_seen *seen);
/* What a dead supervisor had noted. */
int job_load_programs(struct job *j, struct err *e) MUST_CHECK;
/* Say where each came from; packages of interpreters that ran go into the capture. */
int job_fill_programs(struct job *j, struct tree_builder *parts, struct err *e) MUST_CHECK;
int job_collect_outputs(struct job *j, struct tree_builder *parts, struct err *e) MUST_CHECK;
int job_collect_metrics(struct job *j, struct tree_builder *parts, struct err *e) MUST_CHECK;
int job_collect_logs(struct job *j, struct tree_builder *parts, struct err *e) MUST_CHECK;
/* A rerun's record: the first one without what that run brought about; its environment becomes ours. */
int job_take_over(struct job *j, const struct journal_entry *of, struct err *e) MUST_CHECK;
int job_compare_outputs(struct job *j, struct err *e) MUST_CHECK;

#endif
