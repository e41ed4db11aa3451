/* SPDX-License-Identifier: MIT */
/* dataset_read.c - the bytes of one file, in order; see dataset.h */

#include "data/dataset.h"

#include "data/content.h"

int dataset_read(struct dataset_env *d, const struct chunkid *id, uint64_t bytes,
		 dataset_bytes_fn cb, void *arg, struct err *e)
{
	struct store *store = dataset_store(d, e);

	return store ? content_read(store, id, bytes, cb, arg, e) : e->code;
}
