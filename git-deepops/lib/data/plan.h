/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what a checkout has to do, decided before anything is touched
 *
 * Compares three trees name by name: what is wanted, what stands in the work
 * tree, and the base the work tree came from.  An entry that equals the base may
 * be replaced or removed; one that does not is a local change and blocks,
 * unless `force`.  An entry that neither the wanted tree nor the base has is the user's and stays.
 */
#ifndef DATA_PLAN_H
#define DATA_PLAN_H

#include "base/err.h"
#include "base/strvec.h"
#include "data/dataset.h"
#include "data/dtree.h"

/* A file of the work tree that is as wanted: its blocks may be shared. */
struct plan_twin {
	char *path;
	struct dtree_stat was;
	uint64_t bytes;
};

/* Make the file or link at `path`, or with to == NULL remove what is there. */
struct plan_step {
	char *path; /* from the root's parent: "<root>/a/b" */
	const struct dtree_entry *to;
	const struct plan_twin *twin;   /* a file of this content that stays, or NULL */
	struct dtree_stat *keep;        /* where the new lstat data go */
	const struct dtree_entry *work; /* the file or link that stands there, or NULL */
	bool replaces;                  /* something we know stands there: */
	struct dtree_stat was;          /* it must still be that */
	uint64_t was_bytes;
};

struct plan {
	struct plan_step *steps; /* those of one directory are neighbours */
	size_t n, alloc;
	struct plan_step *removals;
	size_t nremovals, removals_alloc;
	struct plan_twin *twins;
	size_t ntwins, twins_alloc;
	struct chunkset *twin_ids; /* content id to index in twins */
	struct strvec dirs;        /* to make, parents first */
	struct strvec rmdirs;      /* to remove if empty, children first */
	struct strvec blocked;     /* local changes in the way, inside the dataset */
	uint64_t unchanged, bytes;
	bool partial; /* include or exclude left out something that is not there */
};

struct plan_input {
	const char *root;
	struct dtree_entry *to;
	struct dtree_entry *work;               /* NULL: nothing there */
	struct dtree_entry *base;               /* NULL: not known */
	struct dtree_stat *to_stat, *work_stat; /* of a root that is a file */
	node_load_fn load;
	void *load_arg;
	const struct dataset_checkout_opts *opts;
};

/*
 * `in->to` is loaded and gets stats where there is something to do; a directory that stands in the work
 * tree as it should be is not looked into.  A base that cannot be loaded counts as not known.
 */
int plan_make(struct plan *p, const struct plan_input *in, struct err *e) MUST_CHECK;
void plan_release(struct plan *p);

#endif
