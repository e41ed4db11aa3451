/* SPDX-License-Identifier: MIT */
/* u-hash.c - SHA-256, git object ids and CRC-32C against published values */
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/hex.h"
#include "tap.h"

static void test_sha256(void)
{
	uint8_t out[HASH_BYTES];
	char text[HASH_HEX_BYTES + 1];
	struct hash *h = hash_new();

	hash_sha256(out, "abc", 3); /* FIPS 180-2, B.1 */
	hex_encode(text, out, sizeof(out));
	is_str(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abc");
	hash_sha256(out, NULL, 0);
	hex_encode(text, out, sizeof(out));
	is_str(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "nothing");

	hash_update(h, "a", 1);
	hash_update(h, "", 0);
	hash_update(h, "bc", 2);
	hash_final(h, out);
	hex_encode(text, out, sizeof(out));
	is_str(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	       "in pieces");
	hash_free(h);
	hash_free(NULL);
}

static void test_git(void)
{
	uint8_t out[20];
	char text[41];

	hash_git_object(out, "blob", "hello\n", 6);
	hex_encode(text, out, sizeof(out));
	is_str(text, "ce013625030ba8dba906f756967f9e9ca394464a", "git's id of a blob");
}

static void test_crc32c(void)
{
	uint8_t bytes[32], big[1000];
	bool same = true;

	is_u64(crc32c_update(0, "123456789", 9), 0xe3069283, "check value");
	memset(bytes, 0, sizeof(bytes)); /* the rest is RFC 3720, B.4 */
	is_u64(crc32c_update(0, bytes, 32), 0x8a9136aa, "32 zeros");
	memset(bytes, 0xff, sizeof(bytes));
	is_u64(crc32c_update(0, bytes, 32), 0x62a8ab43, "32 ones");
	for (unsigned int i = 0; i < 32; i++)
		bytes[i] = (uint8_t)i;
	is_u64(crc32c_update(0, bytes, 32), 0x46dd794e, "0 to 31");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t cut = 0; cut <= sizeof(big); cut++)
		same &= crc32c_update(crc32c_update(0, big, cut), big + cut, sizeof(big) - cut) ==
			crc32c_update(0, big, sizeof(big));
	ok(same, "any cut gives the same sum");
}

int main(void)
{
	test_sha256();
	test_git();
	test_crc32c();
	return done_testing();
}
