/* SPDX-License-Identifier: MIT */
/*
 * commitgraph.h - git's commit-graph files: parents and generations without reading commits
 *
 * `git gc` and `git deepops server index` write them.  Only ever a short cut: what is not in
 * them, or in a file that is not well-formed, is read as an object.  gitformat-commit-graph(5).
 */
#ifndef REPO_COMMITGRAPH_H
#define REPO_COMMITGRAPH_H

#include "repo/repo.h"

struct commitgraph;

/* Those of `objects`, a directory of git objects; NULL: none can be used. */
struct commitgraph *commitgraph_open(const char *objects);
void commitgraph_close(struct commitgraph *g); /* NULL is fine */

struct commitgraph_commit {
	uint32_t generation; /* above that of every parent; from 1 */
	int64_t date;
	struct repo_oid *parents; /* owned by the caller */
	size_t nparents;
};
/* False: it is not there. */
bool commitgraph_find(const struct commitgraph *g, const struct repo_oid *id,
		      struct commitgraph_commit *out);

#endif
