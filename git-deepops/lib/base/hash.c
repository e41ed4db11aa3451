/* SPDX-License-Identifier: MIT */
/* hash.c - SHA-256 (and git's SHA-1 ids) through libcrypto; see hash.h */
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

struct hash {
	EVP_MD_CTX *ctx;
};

/*
 * Fetched once: looking an algorithm up costs more than hashing a short name,
 * and OpenSSL 3 does it at every init when given EVP_sha256().
 */
static pthread_once_t md_once = PTHREAD_ONCE_INIT;
static EVP_MD *md_sha256, *md_sha1;

static void must(bool good)
{
	if (good)
		return;
	fputs("fatal: libcrypto cannot hash (out of memory?)\n", stderr);
	exit(128);
}

static void md_setup(void)
{
	md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	md_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	must(md_sha256 && md_sha1);
}

struct hash *hash_new(void)
{
	struct hash *h = xmalloc(sizeof(*h));

	pthread_once(&md_once, md_setup);
	h->ctx = EVP_MD_CTX_new();
	must(h->ctx != NULL);
	must(EVP_DigestInit_ex2(h->ctx, md_sha256, NULL) == 1);
	return h;
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	must(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

void hash_final(struct hash *h, uint8_t out[HASH_BYTES])
{
	must(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_sha256(uint8_t out[HASH_BYTES], const void *data, size_t len)
{
	pthread_once(&md_once, md_setup);
	must(EVP_Digest(data, len, out, NULL, md_sha256, NULL) == 1);
}

void hash_git_object(uint8_t out[20], const char *type, const void *data, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char head[64];
	int n = snprintf(head, sizeof(head), "%s %zu", type, len);

	pthread_once(&md_once, md_setup);
	must(ctx != NULL && n > 0 && (size_t)n < sizeof(head));
	must(EVP_DigestInit_ex2(ctx, md_sha1, NULL) == 1);
	must(EVP_DigestUpdate(ctx, head, (size_t)n + 1) == 1); /* git hashes the NUL too */
	must(EVP_DigestUpdate(ctx, data, len) == 1);
	must(EVP_DigestFinal_ex(ctx, out, NULL) == 1);
	EVP_MD_CTX_free(ctx);
}

const char *hash_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}
