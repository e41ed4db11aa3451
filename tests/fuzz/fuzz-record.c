/* SPDX-License-Identifier: MIT */
/* fuzz-record.c - the decoder of record, as tests/vectors/vectors.h drives it */
#include "../vectors/vectors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;

	(void)vector_record(data, size, &e);
	return 0;
}
