/* SPDX-License-Identifier: MIT */
/* fuzz-config.c - the decoder of config, as tests/vectors/vectors.h drives it */
#include "../vectors/vectors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;

	(void)vector_config(data, size, &e);
	return 0;
}
