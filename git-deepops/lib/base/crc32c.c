/* SPDX-License-Identifier: MIT */
/* crc32c.c - CRC-32C by instruction or table; see crc32c.h */
#include "base/crc32c.h"

#include <pthread.h>

#define CRC32C_POLY 0x82f63b78u /* 0x1EDC6F41 with its bits reversed */

static pthread_once_t crc_once = PTHREAD_ONCE_INIT;
static uint32_t crc_table[256];
static uint32_t (*crc_run)(uint32_t crc, const uint8_t *p, size_t len);

static uint32_t crc_by_table(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len; p++, len--)
		crc = crc_table[(crc ^ *p) & 0xff] ^ crc >> 8;
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_by_sse42(uint32_t crc, const uint8_t *p,
							       size_t len)
{
	uint64_t wide = crc;
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; len; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

static bool crc_has_sse42(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static bool crc_has_sse42(void)
{
	return false;
}
#define crc_by_sse42 crc_by_table
#endif

static void crc_setup(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ CRC32C_POLY : c >> 1;
		crc_table[i] = c;
	}
	crc_run = crc_has_sse42() ? crc_by_sse42 : crc_by_table;
}

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len)
{
	pthread_once(&crc_once, crc_setup);
	return ~crc_run(~crc, data, len);
}
