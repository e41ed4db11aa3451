/* SPDX-License-Identifier: MIT */
/* fuzz-policy.c - the decoder of policy, as tests/vectors/vectors.h drives it */
#include "../vectors/vectors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;

	(void)vector_policy(data, size, &e);
	return 0;
}
