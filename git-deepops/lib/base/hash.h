/* SPDX-License-Identifier: MIT */
/*
 * hash.h - SHA-256 through libcrypto
 *
 *	struct hash *h = hash_new();
 *
 *	hash_update(h, p, len);		as often as there are bytes
 *	hash_final(h, out);
 *	hash_free(h);
 *
 * The only file that knows libcrypto.  A failure inside libcrypto (out of
 * memory) ends the process as xalloc does: hashing has no error to handle.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/defs.h"

#define HASH_BYTES 32
#define HASH_HEX_BYTES 64

struct hash; /* running SHA-256 */

struct hash *hash_new(void);
void hash_update(struct hash *h, const void *data, size_t len);
void hash_final(struct hash *h, uint8_t out[HASH_BYTES]); /* once; then only hash_free */
void hash_free(struct hash *h);                           /* NULL is fine */

void hash_sha256(uint8_t out[HASH_BYTES], const void *data, size_t len);

/* git's SHA-1 object id of `type` ("blob", "commit") with this content. */
void hash_git_object(uint8_t out[20], const char *type, const void *data, size_t len);

const char *hash_library(void); /* version of libcrypto */

#endif
