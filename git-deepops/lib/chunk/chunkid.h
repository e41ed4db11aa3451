/* SPDX-License-Identifier: MIT */
/*
 * chunkid.h - what stored things are called: (kind, SHA-256 of the plain bytes)
 *
 * Also the id of files, nodes and datasets: all are SHA-256 of bytes, so
 * `sha256sum` verifies every one of them.  See gitformat-deepops-store(5).
 */
#ifndef CHUNK_CHUNKID_H
#define CHUNK_CHUNKID_H

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum chunk_kind {
	CHUNK_DATA = 1,   /* file content or a piece of it */
	CHUNK_NODE = 2,   /* directory: node.h */
	CHUNK_RECIPE = 3, /* list of chunks of one file: recipe.h; keyed by the FILE's id */
};
#define CHUNK_KINDS 3
bool chunkid_kind_ok(unsigned int kind);
const char *chunkid_kind_name(enum chunk_kind kind); /* "data" "node" "recipe" */

struct chunkid {
	uint8_t b[HASH_BYTES];
};

#define CHUNKID_TEXT_BYTES (7 + HASH_HEX_BYTES + 1) /* "sha256:" digits NUL */
struct chunkid_text {
	char s[CHUNKID_TEXT_BYTES];
};

void chunkid_of(struct chunkid *out, const void *data, size_t len);
bool chunkid_equal(const struct chunkid *a, const struct chunkid *b);
int chunkid_cmp(const struct chunkid *a, const struct chunkid *b);
bool chunkid_is_empty_file(const struct chunkid *id); /* SHA-256 of nothing: never stored */

struct chunkid_text chunkid_hex(const struct chunkid *id);               /* 64 digits */
struct chunkid_text chunkid_text(const struct chunkid *id);              /* sha256:<64 digits> */
struct chunkid_text chunkid_short(const struct chunkid *id);             /* 12 digits */
bool chunkid_from_hex(struct chunkid *out, const char *hex, size_t len); /* exactly 64 */
int chunkid_parse(struct chunkid *out, const char *text, struct err *e) MUST_CHECK; /* "sha256:…" */

/* A (kind, id) key and an open-addressing set of them; not thread-safe. */
struct chunkkey {
	uint8_t kind;
	struct chunkid id;
};

struct chunkset; /* set of keys with a uint64_t value each */
struct chunkset *chunkset_new(void);
bool chunkset_add(struct chunkset *s, enum chunk_kind kind, const struct chunkid *id,
		  uint64_t value); /* false: was there */
bool chunkset_has(const struct chunkset *s, enum chunk_kind kind, const struct chunkid *id);
bool chunkset_get(const struct chunkset *s, enum chunk_kind kind, const struct chunkid *id,
		  uint64_t *value);
size_t chunkset_count(const struct chunkset *s);
/* In the order they were added; key and value may be NULL: while (chunkset_next(s, &it, &key, &value)) */
bool chunkset_next(const struct chunkset *s, size_t *it, struct chunkkey *key, uint64_t *value);
void chunkset_free(struct chunkset *s);

#endif
