/* SPDX-License-Identifier: MIT */
/*
 * dataset_links.h - symbolic links that lead out of a dataset
 *
 * A link is kept as a link.  Where it leads out, what it points at is in no version: nobody but this
 * machine has those bytes, and they may change without anybody seeing it.  So a run that
 * reads such a dataset cannot be reproduced from what is recorded.
 */
#ifndef DATA_DATASET_LINKS_H
#define DATA_DATASET_LINKS_H

#include "chunk/chunkid.h"
#include "data/pointer.h"

/*
 * Does a link in a directory `depth` levels below the root (0: in the root itself) lead out of the dataset?
 * It does if it is absolute, or climbs above the root on its way.
 */
bool dataset_links_leaves(unsigned int depth, const char *target);

/* Append a node's text or a link's target; ERR_NOTFOUND: it is not at hand, which is no error here. */
typedef int (*dataset_links_load_fn)(void *arg, enum chunk_kind kind, const struct chunkid *id,
				     struct buf *out, struct err *e);

/*
 * The first link of `p` that leads out: 1, and its path inside the dataset in `path`; 0 none.  Each node is
 * read once a depth, at most DATASET_LINKS_MAX nodes and links; behind that, and behind what
 * is not at hand, nothing is known to lead out.
 */
#define DATASET_LINKS_MAX 20000
int dataset_links_find(const struct pointer *p, dataset_links_load_fn load, void *arg,
		       struct buf *path, struct err *e) MUST_CHECK;

/*
 * A dataset or its pointer could not be opened at `path`, beneath the work tree `rootfd`, because of a
 * symbolic link: ERR_INPUT (sys: ELOOP), which says what is one, and a hint at what does work.
 */
int dataset_links_refuse(int rootfd, const char *path, struct err *e);

#endif
