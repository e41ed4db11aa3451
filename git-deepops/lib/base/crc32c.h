/* SPDX-License-Identifier: MIT */
/*
 * crc32c.h - CRC-32C (Castagnoli, RFC 3720 appendix B.4)
 *
 * Polynomial 0x1EDC6F41 reflected, initial value and final xor ~0.  Uses the
 * SSE4.2 instruction where the CPU has it, a table elsewhere; same result.
 * crc32c_update(crc32c_update(0, a), b) is the CRC of a followed by b.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/defs.h"

uint32_t crc32c_update(uint32_t crc, const void *data, size_t len);

#endif
