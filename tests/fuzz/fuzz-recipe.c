/* SPDX-License-Identifier: MIT */
/* fuzz-recipe.c - the decoder of recipe, as tests/vectors/vectors.h drives it */
#include "../vectors/vectors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;

	(void)vector_recipe(data, size, &e);
	return 0;
}
