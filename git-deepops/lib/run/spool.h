/* SPDX-License-Identifier: MIT */
/*
 * spool.h - <deepops dir>/spool/<run id>/: a run that is not in the journal yet
 *
 *	lock		held while the supervisor lives
 *	worktree	where the command runs: a linked work tree has its outputs in its own
 *	record.json	the record as far as it is known, writer 0 and seq 1
 *	inputs.json	and the like: lists that it is too small for
 *	child		pid and start time of the command
 *	end		how it ended: written before anything is made of it
 *	stdout stderr	logs, scrubbed
 *	metrics.jsonl	$DEEPOPS_METRICS, written by the command
 *	params.json	$DEEPOPS_PARAMS
 * The git tree of the capture is kept alive by refs/deepops/spool/<run id>.
 * record.json is the last thing written before the command starts: a directory without it is
 * a run that never started.  The directory is private (0700).
 */
#ifndef RUN_SPOOL_H
#define RUN_SPOOL_H

#include "base/strvec.h"
#include "repo/repo.h"
#include "run/record.h"

#define SPOOL_REFS "refs/deepops/spool/" /* <run id>: a tree as in a journal */
#define SPOOL_LOG_COUNT 2                /* stdout, stderr */

struct spool {
	struct repo *repo;
	char run[RECORD_RUN_HEX + 1];
	struct buf dir;
	int lock;
	int log_fd[SPOOL_LOG_COUNT]; /* -1: not open */
};

struct spool_end {
	int status; /* as waitpid gives it */
	int64_t ended, wall_ms, cpu_ms, max_rss;
};

/* Make the directory, lock it, open the logs. */
int spool_create(struct spool *s, struct repo *r, const char *run, struct err *e) MUST_CHECK;
/* Open one that is there.  ERR_DENIED: its supervisor lives. */
int spool_open(struct spool *s, struct repo *r, const char *run, struct err *e) MUST_CHECK;
void spool_close(struct spool *s); /* keeps it on disk; fine in every state */
/* The record is in the journal: forget it. */
int spool_remove(struct spool *s, struct err *e) MUST_CHECK;

/* Full path of the work tree in which it ran, appended. */
int spool_read_worktree(struct spool *s, struct buf *out, struct err *e) MUST_CHECK;

/* Durable in this order: ref of the tree, work tree, lists, record.  `rec` is as before afterwards. */
int spool_write_record(struct spool *s, struct record *rec, const struct repo_oid *parts,
		       struct err *e) MUST_CHECK;
/* ERR_NOTFOUND: it never started. */
int spool_read_record(struct spool *s, struct record *rec, struct repo_oid *parts,
		      struct err *e) MUST_CHECK;

int spool_write_child(struct spool *s, pid_t pid, struct err *e) MUST_CHECK;
/* Does the command still run though its supervisor is gone?  1 (and its pid), 0. */
int spool_child_lives(struct spool *s, pid_t *pid, struct err *e) MUST_CHECK;
int spool_write_end(struct spool *s, const struct spool_end *end, struct err *e) MUST_CHECK;
/* 1 known, 0 not. */
int spool_read_end(struct spool *s, struct spool_end *end, struct err *e) MUST_CHECK;

/* Full path of a file in the spool, appended. */
void spool_path(const struct spool *s, const char *name, struct buf *out);
/* Drop refs whose directory is gone: the last step of spool_remove, had it not been killed. */
int spool_sweep(struct repo *r, struct err *e) MUST_CHECK;
/* Run ids of everything spooled; sorted. */
int spool_list(struct repo *r, struct strvec *runs, struct err *e) MUST_CHECK;

#endif
