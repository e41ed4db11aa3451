/* SPDX-License-Identifier: MIT */
/*
 * record.h - one experiment as canonical JSON, schema deepops.run/1
 *
 * Format: gitformat-deepops-record(5).  One table (record_fields) drives
 * reading, writing and the table of the man page: a field that is not there
 * does not exist.
 *
 *	struct record rec;
 *	record_init(&rec);
 *	rc = record_parse(&rec, bytes, len, e);		strict: canonical, known keys, limits
 *	...
 *	record_release(&rec);
 *
 * record_format(record_parse(x)) == x for all accepted x.  Strings are owned by
 * the record and raw: bytes that are not clean UTF-8 are C-quoted on the way out
 * and unquoted on the way in (a value that begins with `"` is quoted: that is
 * the mark).  Absent: NULL, RECORD_NONE, false, n == 0.
 */
#ifndef RUN_RECORD_H
#define RUN_RECORD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"
#include "chunk/chunkid.h"

#define RECORD_SCHEMA "deepops.run/1"
#define RECORD_NONE INT64_MIN /* an integer that is absent */
#define RECORD_INT_MAX ((INT64_C(1) << 53) - 1)
#define RECORD_RUN_HEX 32    /* digits of a run id */
#define RECORD_WRITER_HEX 16 /* digits of a writer id */

/* In every enum here 0 means absent. */
enum record_kind {
	RECORD_RUN = 1,
	RECORD_RERUN,
	RECORD_ATTEST,
	RECORD_AMEND,
	RECORD_RETRACT,
	RECORD_OVERRIDE,
	RECORD_HOLD,
	RECORD_TOMBSTONE,
	RECORD_IMPORT,
	RECORD_FORK
};
enum record_input_role {
	RECORD_ROLE_INPUT = 1, /* declared with -i */
	RECORD_ROLE_TRACKED,   /* another dataset of the tree: the code can read it */
	RECORD_ROLE_PARAMS,    /* a file named by -p */
	RECORD_ROLE_BEFORE,    /* lay where an output goes, and was not what HEAD has */
};
enum record_output_role { RECORD_ROLE_OUTPUT = 1, RECORD_ROLE_METRICS };
/* Where a program or script came from that ran. */
enum record_from {
	RECORD_FROM_TREE = 1,    /* of the code tree */
	RECORD_FROM_INPUT,       /* of an input */
	RECORD_FROM_ENVIRONMENT, /* of a package environment that the machine capture names */
	RECORD_FROM_SYSTEM,      /* of a package of the system */
	RECORD_FROM_OUTSIDE      /* of none of these */
};
enum record_stdin {
	RECORD_STDIN_NULL = 1, /* /dev/null, or closed */
	RECORD_STDIN_TERMINAL,
	RECORD_STDIN_INHERIT, /* something else */
	RECORD_STDIN_FILE,
	RECORD_STDIN_PIPE
};
/* How programs[] came about. */
enum record_watched {
	RECORD_WATCHED_NONE = 1, /* could not be observed */
	RECORD_WATCHED_SAMPLED,  /* looked at from time to time: short ones may be missing */
	RECORD_WATCHED_EVERY     /* each program that was started */
};
enum record_verdict {
	RECORD_IDENTICAL = 1,
	RECORD_WITHIN_TOLERANCE,
	RECORD_DIFFERENT,
	RECORD_NOT_COMPARABLE,
	RECORD_NOT_EXECUTED
};

/* Lists that need not stand in the record itself, in the order in which they leave it. */
enum record_movable {
	RECORD_INPUTS,
	RECORD_OUTPUTS,
	RECORD_PROGRAMS,
	RECORD_FILTERED,
	RECORD_LARGE,
	RECORD_MODULES,
	RECORD_PER_OUTPUT,
	RECORD_ENV_NAMES,
	RECORD_PARAMS,
	RECORD_LISTS
};

struct record_pair { /* what users name; sorted by name */
	char *name, *value;
};
struct record_pairs {
	struct record_pair *v;
	size_t n, alloc;
};

struct record_module { /* a gitlink, in bytewise order of path; its tree is modules/<n> */
	char *path;
	char *commit; /* the gitlink's id */
	char *tree;   /* what was captured */
	bool dirty;   /* which is not what that commit holds */
};
/* Work-tree bytes differ from git's (clean filter, autocrlf): kept as filtered/<n>. */
struct record_filtered {
	char *path;
	char *id; /* digest of the work-tree bytes */
};
struct record_large { /* too big for git or behind git-lfs: pointer in large/<n> */
	char *path;
	char *id;
	int64_t bytes;
	char *mode; /* "100644" or "100755" */
};
struct record_file {
	char *path;
	char *id;
};
struct record_input { /* pointer in inputs/<n>, record order */
	char *path;
	enum record_input_role role;
	char *id; /* dataset id, or SHA-256 of a plain file */
	int64_t files, bytes;
	char *query; /* of a selection */
};
struct record_output { /* pointer in outputs/<n>, record order; `id` absent: was not written */
	char *path;
	enum record_output_role role;
	char *id;
	int64_t files, bytes;
	char *blob;  /* git's id of the file after its filters; of the pointer for a dataset */
	char *match; /* "bitwise" when absent; ignore, abs=X, rel=X */
};
struct record_program { /* executed, or opened as a script, while the command ran */
	char *path;     /* relative to the top of the tree where it lies in it, else absolute */
	enum record_from from;
	char *id; /* digest of its bytes: of scripts, and of what is from outside */
};
struct record_compared {
	char *path;
	enum record_verdict verdict;
	char *detail;
};
struct record_log {
	char *id; /* digest of the whole stream, also when the journal keeps head and tail */
	int64_t bytes;
};

struct record_code {
	char *commit;    /* absent: unborn branch */
	char *base_tree; /* tree of that commit */
	char *tree;      /* what ran: `code` of the journal tree */
	char *tree_sha256;
	char *branch; /* absent: detached */
	char *remote; /* URL without user info */
	bool dirty;
	struct record_module *modules;
	size_t nmodules;
	struct record_filtered *filtered;
	size_t nfiltered;
	struct record_large *large;
	size_t nlarge;
	struct strvec
		outside; /* code that is read from outside the tree: links, editable installs */
	int64_t ignored_count; /* files git ignores beside the run, outside datasets */
	char *ignored_digest;  /* SHA-256 of their sorted names, a NUL after each */
};

struct record {
	/* identity and chain */
	char *run; /* 32 hex digits */
	enum record_kind kind;
	char *prev; /* record id before it in this journal; absent at seq 1 */
	int64_t seq;
	char *writer; /* 16 hex digits */
	char *tool;   /* "git-deepops 0.1.0" */
	char *recipe;
	char *author; /* "Name <mail>" */
	char *key;    /* fingerprint of the signing key */
	char *host;
	/* for people */
	char *title, *note;
	struct strvec tags;
	char *parent; /* run id this one continues, corrects or speaks of */
	char *sweep;
	char *fork_writer; /* kind fork: this journal continues there */
	int64_t fork_seq;
	/* the triple */
	struct record_code code;
	struct strvec argv;
	char *cwd; /* relative to the top of the tree; absent: the top */
	bool shell;
	enum record_stdin command_stdin;
	char *stdin_id; /* of what was read, kept as `stdin` or `stdin.deepops` */
	struct record_program *programs;
	size_t nprograms;
	enum record_watched watched;
	struct strvec secrets; /* names given with --secret; never values */
	struct record_file *params_files;
	size_t nparams_files;
	struct record_pairs params;
	char *params_digest; /* of params.json */
	struct record_input *inputs;
	size_t ninputs;
	bool no_data;  /* --no-data: there is none, by declaration */
	char *partial; /* --allow-partial: what could not be captured; level R0 */
	char *machine_spec, *machine_capture, *machine_image, *machine_class;
	char *machine_provider, *machine_lease;
	struct record_pairs env;
	struct strvec env_names;
	struct record_pairs seeds, flags;
	int64_t threads;
	/* what happened */
	int64_t started, ended; /* ms since 1970 UTC */
	int64_t exit, signal;   /* one of them; neither: unknown end */
	int64_t wall_ms, cpu_ms, max_rss;
	char *gpu;
	char *closure_method; /* "none" */
	int64_t closure_reads;
	char *closure_net;
	struct strvec violations;
	struct strvec notices; /* what could not be looked at, a line each */
	struct strvec changed; /* captured files and inputs that changed under the run */
	struct record_output *outputs;
	size_t noutputs;
	struct record_pairs metrics_final, metrics_best;
	char *series; /* digest of metrics.tsv */
	struct record_log out_log, err_log;
	char *rerun_of; /* record id */
	enum record_verdict verdict;
	struct record_compared *compared;
	size_t ncompared;
	struct strvec machine_diff;
	/* lists that moved to files of the journal tree: digests of those */
	char *moved[RECORD_LISTS];
};

struct record_lists { /* canonical text of what moved out: an array and LF; empty: nothing did */
	struct buf v[RECORD_LISTS];
};

void record_init(struct record *r);
void record_release(struct record *r);

/* Strict.  ERR_INPUT names the field ("record: code.tree: not 40 or 64 hex digits"), ERR_LIMIT. */
int record_parse(struct record *r, const void *bytes, size_t len, struct err *e) MUST_CHECK;
/* Append the canonical bytes, LF included.  Call record_sort() first.  ERR_INPUT, ERR_LIMIT. */
int record_format(const struct record *r, struct buf *out, struct err *e) MUST_CHECK;
/* Bring lists into the order that the format asks for: by path, by name.  Before parts are numbered. */
void record_sort(struct record *r);
/* Record id: SHA-256 of the bytes, LF included. */
void record_id(struct chunkid *id, const void *bytes, size_t len);

void record_lists_init(struct record_lists *l);
void record_lists_release(struct record_lists *l);
/* The file of the journal tree that holds a moved list: "inputs.json". */
const char *record_list_file(enum record_movable list);
/*
 * Move out lists of more than RECORD_MAX_ITEMS, and then others until the record is no longer
 * than RECORD_SPILL_BYTES.  record_unspill puts all of them back after checking the digests.
 */
int record_spill(struct record *r, struct record_lists *out, struct err *e) MUST_CHECK;
int record_unspill(struct record *r, const struct record_lists *in, struct err *e) MUST_CHECK;

const char *record_kind_name(enum record_kind k);
const char *record_verdict_name(enum record_verdict v);
const char *record_input_role_name(enum record_input_role v);
const char *record_output_role_name(enum record_output_role v);
const char *record_from_name(enum record_from v);
const char *record_stdin_name(enum record_stdin v);
const char *record_watched_name(enum record_watched v);

/* Building: copies; order is mended by record_sort. */
void record_set(char **field, const char *value); /* NULL: absent */
void record_setf(char **field, const char *fmt, ...) PRINTF_LIKE(2, 3);
void record_set_digest(char **field, const struct chunkid *id);
void record_add_pair(struct record_pairs *p, const char *name, const char *value); /* last wins */
/* Append `s` as records write it: as it is where it is clean and does not look quoted, else C-quoted. */
void record_add_text(struct buf *out, const char *s);
/* Bytes that `s` takes in a record, with its quotes. */
size_t record_text_bytes(const char *s);
void record_release_pairs(struct record_pairs *p);
const char *record_pair_get(const struct record_pairs *p, const char *name); /* or NULL */
struct record_input *record_add_input(struct record *r);
struct record_output *record_add_output(struct record *r);
struct record_module *record_add_module(struct record *r);
struct record_filtered *record_add_filtered(struct record *r);
struct record_large *record_add_large(struct record *r);
struct record_file *record_add_params_file(struct record *r);
struct record_program *record_add_program(struct record *r);
struct record_compared *record_add_compared(struct record *r);
/*
 * Cut `list` to as many items as RECORD_MAX_ITEMS and `bytes` of record allow; where any went, the
 * last is "and N more".
 */
void record_limit(struct strvec *list, size_t bytes);
void record_release_compared(struct record *r); /* and the verdict */
void record_release_programs(struct record *r); /* and how they came about */

/* What to call it in a word: the script where an interpreter runs one, else the program; never empty. */
const char *record_program(const struct record *r);

/* Did it end well: a known end with exit 0? Coverage needs it. */
bool record_succeeded(const struct record *r);

/* The recipe: SHA-256 over code tree, command, stdin, params, input ids, machine spec, environment, seeds. */
void record_recipe(const struct record *r, struct chunkid *out);

/*
 * Call `fn` for each text that people, programs or file systems gave: `field` is its name in the
 * type table, "outputs[].path" in a list.  1: what is in `out` replaces it; 0: it stays.  Of
 * pairs, names and values.  Sorted afterwards.
 */
typedef int (*record_text_fn)(void *arg, const char *field, const char *text, struct buf *out,
			      struct err *e);
int record_map_texts(struct record *r, record_text_fn fn, void *arg, struct err *e) MUST_CHECK;

/* The type table as the man page prints it, one `path|type|presence` a line. */
void record_describe(struct buf *out);

#endif
