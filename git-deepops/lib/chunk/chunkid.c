/* SPDX-License-Identifier: MIT */
/* chunkid.c - names of stored things; see chunkid.h */
#include "chunk/chunkid.h"

#include "base/hex.h"

#define CHUNKID_PREFIX "sha256:"
#define CHUNKID_PREFIX_BYTES 7
#define CHUNKID_SHORT_DIGITS 12

bool chunkid_kind_ok(unsigned int kind)
{
	return kind >= CHUNK_DATA && kind <= CHUNK_KINDS;
}

const char *chunkid_kind_name(enum chunk_kind kind)
{
	switch (kind) {
	case CHUNK_DATA:
		return "data";
	case CHUNK_NODE:
		return "node";
	case CHUNK_RECIPE:
		return "recipe";
	}
	return "unknown";
}

void chunkid_of(struct chunkid *out, const void *data, size_t len)
{
	hash_sha256(out->b, data, len);
}

bool chunkid_equal(const struct chunkid *a, const struct chunkid *b)
{
	return !memcmp(a->b, b->b, HASH_BYTES);
}

int chunkid_cmp(const struct chunkid *a, const struct chunkid *b)
{
	return memcmp(a->b, b->b, HASH_BYTES);
}

bool chunkid_is_empty_file(const struct chunkid *id)
{
	static const struct chunkid empty = {{
		0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
		0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
		0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
	}};

	return chunkid_equal(id, &empty);
}

struct chunkid_text chunkid_hex(const struct chunkid *id)
{
	struct chunkid_text t = {""};

	hex_encode(t.s, id->b, HASH_BYTES);
	return t;
}

struct chunkid_text chunkid_text(const struct chunkid *id)
{
	struct chunkid_text t = {""};

	memcpy(t.s, CHUNKID_PREFIX, CHUNKID_PREFIX_BYTES);
	hex_encode(t.s + CHUNKID_PREFIX_BYTES, id->b, HASH_BYTES);
	return t;
}

struct chunkid_text chunkid_short(const struct chunkid *id)
{
	struct chunkid_text t = chunkid_hex(id);

	t.s[CHUNKID_SHORT_DIGITS] = '\0';
	return t;
}

bool chunkid_from_hex(struct chunkid *out, const char *hex, size_t len)
{
	return len == HASH_HEX_BYTES && hex_decode(out->b, hex, HASH_BYTES);
}

int chunkid_parse(struct chunkid *out, const char *text, struct err *e)
{
	const char *hex;

	if (str_startswith(text, CHUNKID_PREFIX, &hex) && chunkid_from_hex(out, hex, strlen(hex)))
		return 0;
	return err_set(e, ERR_INPUT, "not an id (sha256: and 64 digits): '%.80s'", text);
}
