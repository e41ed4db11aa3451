/* SPDX-License-Identifier: MIT */
/*
 * recipe_internal.h - what recipe.c and recipe_write.c share
 */
#ifndef CHUNK_RECIPE_INTERNAL_H
#define CHUNK_RECIPE_INTERNAL_H

#include "chunk/chunkid.h"

#define RECIPE_MAGIC "DOPR"
#define RECIPE_PIECE_MODULUS 8192

/* Does a piece end after its `count`th entry, whose chunk is `id`? */
bool recipe_ends_piece(const struct chunkid *id, size_t count);

#endif
