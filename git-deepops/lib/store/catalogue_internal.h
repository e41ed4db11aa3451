/* SPDX-License-Identifier: MIT */
/*
 * catalogue_internal.h - what the files of the catalogue share; see catalogue.h
 */
#ifndef STORE_CATALOGUE_INTERNAL_H
#define STORE_CATALOGUE_INTERNAL_H

#include "base/db.h"
#include "store/catalogue.h"

struct catalogue {
	struct db *db;
	uint64_t generation; /* of the open transaction */
	bool dirty;          /* it changes what readers see: they must look again */
};

/*
 * Prepare and bind: 'i' int64_t, 'k' const struct chunkid *, 'n' nonce, 't' text,
 * in the order of ?1, ?2, ...
 */
int catalogue_prepare(struct catalogue *c, struct err *e, struct db_stmt **q, const char *sql,
		      const char *types, ...) MUST_CHECK;
/* The same, and run it to its end. */
int catalogue_run(struct catalogue *c, struct err *e, const char *sql, const char *types,
		  ...) MUST_CHECK;
/* A column that must be a 32-byte blob. */
int catalogue_id_column(struct db_stmt *q, int col, struct chunkid *out, struct err *e) MUST_CHECK;
/* One integer; 1 found, 0 no row. */
int catalogue_one_int(struct catalogue *c, const char *sql, int64_t *out, struct err *e) MUST_CHECK;

#endif
