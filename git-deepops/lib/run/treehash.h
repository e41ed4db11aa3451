/* SPDX-License-Identifier: MIT */
/*
 * treehash.h - SHA-256 Merkle hash of a git tree, so that audits do not rest on SHA-1
 *
 * Per directory: SHA-256 over the entries sorted bytewise by name, each
 * `mode SP name NUL hash[32]`; blob = SHA-256 of its content, link = of its
 * target, gitlink = of the 40 or 64 hex digits of the commit id, directory = its own
 * hash.  Modes as git writes them: 100644 100755 120000 160000 40000.  A file
 * kept out of git (`large`) counts at its path, by content.
 * gitformat-deepops-record(5).
 */
#ifndef RUN_TREEHASH_H
#define RUN_TREEHASH_H

#include "chunk/chunkid.h"
#include "repo/repo.h"

/*
 * Where hashes of subtrees and blobs are remembered by git id.  get: 1 found, 0 not.
 * Both may be NULL.  The server's cache is a table that post-receive fills.
 */
struct treehash_cache {
	int (*get)(void *arg, const struct repo_oid *id, struct chunkid *hash);
	void (*put)(void *arg, const struct repo_oid *id, const struct chunkid *hash);
	void *arg;
};

struct treehash_large { /* sorted bytewise by path */
	const char *path;
	uint32_t mode;
	struct chunkid id;
};

struct treehash_opts {
	const struct treehash_cache *cache; /* NULL: none */
	const struct treehash_large *large;
	size_t nlarge;
	uint64_t max_bytes; /* of blobs read; ERR_LIMIT beyond; 0: no bound */
};

int treehash_of(struct repo *r, const struct repo_oid *tree, const struct treehash_opts *o,
		struct chunkid *out, struct err *e) MUST_CHECK;

#endif
