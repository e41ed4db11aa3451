/* SPDX-License-Identifier: MIT */
/*
 * triple.h - is this record's code, data and machine all there?
 *
 * The predicates of gitformat-deepops-policy(5): C1 to C8, D1 to D5, M1 to M3, X1 to
 * X5 and X7.  What is checked is that everything the record names is present,
 * immutable and consistent; not that it ran.
 *
 *	struct triple t;
 *	rc = triple_judge(&ctx, &entry, &t, e);		negative: could not be judged
 *	...				t.level, t.v[0..t.n)
 *	triple_release(&t);
 */
#ifndef POLICY_TRIPLE_H
#define POLICY_TRIPLE_H

#include "policy/evidence.h"
#include "policy/reason.h"
#include "run/journal.h"
#include "run/runindex.h"
#include "run/treehash.h"

#define TRIPLE_HASH_BYTES (64 * MIB)         /* of code read for one record beyond the cache */
#define TRIPLE_SECRET_BYTES (64 * MIB)       /* of one run's own files */
#define TRIPLE_SKEW_MS (INT64_C(600) * 1000) /* a client's clock may be ahead by that much */

struct triple_ctx {
	struct repo *repo;
	const struct evidence *evidence;
	const struct treehash_cache *cache; /* NULL: none */
	int64_t now_ms;
	struct chunkset
		*unlinked;     /* keys of splits that no link leads out of; NULL: not remembered */
	struct runindex *kept; /* where verdicts are kept; NULL: nowhere */
	bool keep;             /* put them there: who may write, and computed all hashes */
};

struct triple_finding {
	enum reason reason;
	char *text;
	char *fix; /* NULL: the reason's */
};

struct triple {
	unsigned int level; /* 0 to 2 */
	struct triple_finding *v;
	size_t n, alloc;
};

void triple_release(struct triple *t);
/* ERR_NOTFOUND, ERR_SYS and the like: the store or the repository could not be read. */
int triple_judge(const struct triple_ctx *ctx, const struct journal_entry *j, struct triple *out,
		 struct err *e) MUST_CHECK;

/* Is there an input that is data: not empty, and not what ran? */
bool triple_has_data(const struct record *r);

/* The word of the command that an interpreter takes for its script; NULL: there is none. */
const char *triple_script(const struct record *r);
/* Is this absolute path in a directory that belongs to the operating system? */
bool triple_of_the_system(const char *path);

/* Does the finding concern code, data or machine (not only the execution)? */
bool triple_is_leg(const struct triple_finding *f);

#endif
