/* SPDX-License-Identifier: MIT */
/*
 * reason.h - why a push is refused: one stable code per cause
 *
 * The codes are part of the product: scripts branch on them, `git deepops
 * explain CODE` says more, and a code never changes its meaning.  The enum is
 * only their order in the table.
 */
#ifndef POLICY_REASON_H
#define POLICY_REASON_H

#include "base/defs.h"

enum reason {
	/* code: what ran */
	REASON_CODE_TREE,
	REASON_CODE_COMMIT,
	REASON_CODE_MODULE,
	REASON_CODE_HASH,
	REASON_CODE_SIZE,
	REASON_CODE_POINTER,
	REASON_CODE_SCRIPT,
	REASON_CODE_OUTSIDE,
	REASON_CODE_BYTES,
	REASON_CODE_SECRET,
	REASON_CODE_CHANGED,
	REASON_CODE_PARTIAL,
	REASON_CODE_STALE,
	REASON_CODE_IGNORED,
	/* data: what it read and wrote */
	REASON_DATA_NONE,
	REASON_DATA_MISMATCH,
	REASON_DATA_INCOMPLETE,
	REASON_DATA_EXPIRED,
	REASON_DATA_SELECTION,
	REASON_DATA_OUTPUT,
	REASON_DATA_LINK,
	REASON_DATA_NAME,
	REASON_DATA_PLAIN,
	REASON_DATA_FILTERED,
	/* machine: where it ran */
	REASON_MACHINE_MISSING,
	REASON_MACHINE_SPEC,
	REASON_MACHINE_CAPTURE,
	REASON_MACHINE_PACKAGE,
	REASON_MACHINE_HARDWARE,
	/* exec: that it ran, and what came out */
	REASON_EXEC_NORECORD,
	REASON_EXEC_FAILED,
	REASON_EXEC_END,
	REASON_EXEC_TIMES,
	REASON_EXEC_LOGS,
	REASON_EXEC_PARTS,
	REASON_EXEC_STDIN,
	REASON_EXEC_METRIC,
	/* push: how it was sent */
	REASON_PUSH_UNSIGNED,
	/* record: the structure of a journal */
	REASON_RECORD_MALFORMED,
	REASON_RECORD_CHAIN,
	REASON_RECORD_REWIND,
	REASON_RECORD_PENDING,
	/* ref: what may be done to a ref at all */
	REASON_REF_NAME,
	REASON_REF_RESERVED,
	REASON_REF_DELETE,
	REASON_REF_REWIND,
	REASON_REF_OBJECT,
	/* policy: the rules themselves */
	REASON_POLICY_MALFORMED,
	REASON_POLICY_UNSUPPORTED,
	REASON_OVERRIDE_DENIED,
	/* limits and the server's own state */
	REASON_LIMIT_COMMITS,
	REASON_LIMIT_RECORDS,
	REASON_LIMIT_REFS,
	REASON_LIMIT_BYTES,
	REASON_LIMIT_TIME,
	REASON_INDEX_MISSING,
	REASON_INDEX_BEHIND,
	REASON_STORE_MISSING,
	REASON_INTERNAL,
	REASON_COUNT
};

struct reason_info {
	const char *code;    /* E-DATA-INCOMPLETE */
	const char *leg;     /* "data": what the message begins with */
	const char *summary; /* one line */
	const char *text;    /* a paragraph, lines at most 72 columns */
	const char *mend;    /* what to do, same form */
};

const struct reason_info *reason_info(enum reason r);
enum reason reason_of_info(const struct reason_info *info); /* one that came from here */
/* By code; NULL. */
const struct reason_info *reason_find(const char *code);

#endif
