/* SPDX-License-Identifier: MIT */
/*
 * push.h - a push as git tells a hook of it: stdin and environment
 */
#ifndef POLICY_PUSH_H
#define POLICY_PUSH_H

#include "policy/judge.h"

struct push {
	struct judge_update *updates;
	size_t n, alloc;
	struct judge_pusher pusher;
	bool json; /* -o deepops.format=json */
	bool web;  /* GL_PROTOCOL=web: only lines with a prefix are shown */
};

/* What git tells this process.  Options are borrowed from the environment.  To be released in any case. */
int push_receive(struct push *p, struct err *e) MUST_CHECK;
void push_release(struct push *p);

/*
 * Who pushes, borrowed from the environment.  Of a plain account the client chooses the environment: so a name
 * counts only beside the role that our forced command sets with it; names of forges only if the repository's
 * deepops.trustForge says that one starts git; else it is the signer of a certificate with a good signature and
 * a good nonce, or nobody.
 */
void push_identify(struct push *p, bool trust_forge);
int push_who(struct push *p, struct repo *r, struct err *e) MUST_CHECK;

void push_init(struct push *p);
/* Lines `old SP new SP ref LF` up to end of file. ERR_INPUT, ERR_LIMIT. */
int push_read(struct push *p, int fd, struct err *e) MUST_CHECK;
/*
 * For each symbolic ref add an update of the branch that it stands for: git moves that one,
 * so the rules of both count.
 */
int push_resolve(struct push *p, struct repo *r, struct err *e) MUST_CHECK;
/*
 * Before the push: what refs are now, by the repository.  The ids on stdin are what the client
 * says they are, and git compares them only when it moves each ref, after the hook.
 */
int push_look_up(struct push *p, struct repo *r, struct err *e) MUST_CHECK;
/* What goes before each line of the message. */
const char *push_prefix(const struct push *p);

#endif
