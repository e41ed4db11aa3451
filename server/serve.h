/* SPDX-License-Identifier: MIT */
/*
 * serve.h - the server's end of gitprotocol-deepops(5)
 *
 * One process a connection, one thread that talks.  Every request has a line in one
 * table, with a bit that says whether it writes: a `read` role never reaches
 * the function.  What can be trusted about the bytes is the store's business
 * (STORE_VERIFY); here is only who may ask what, and when.
 */
#ifndef SERVE_H
#define SERVE_H

#include "base/err.h"
#include "transport/transport.h"
#include "wire/msg.h"

#define SERVE_IDLE_SECONDS 900
#define SERVE_QUIET_TIMES 4 /* idle times that a session may last without a PUT */
#define SERVE_MAX_MS (UINT64_C(7) * 86400 * 1000) /* of a connection */

struct serve_setup {
	struct transport *t;   /* borrowed, as is everything here */
	const char *store_dir; /* may not be there: then it is made by the first upload */
	enum msg_role role;
	const char *who; /* for the audit log */
	uint64_t
		idle_ms; /* a whole message has to come within this time after the last was answered */
};

/*
 * Answer until BYE, the end of input or a violation, which the client is told
 * before the end.  An upload that was cut off stays resumable.  A client that is silent, stops inside a
 * message, reads no answers, or holds a session without putting anything is left after a time.
 */
int serve_run(const struct serve_setup *setup, struct err *e) MUST_CHECK;

#endif
