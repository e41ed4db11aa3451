/* SPDX-License-Identifier: MIT */
/*
 * remote.h - the client's end of gitprotocol-deepops(5)
 *
 *	remote_open(&r, &where, e);			transport chosen, HELLO exchanged
 *	remote_roots(...)  remote_have(...)		negotiate
 *	remote_put(...) ... remote_commit(...)		upload: streamed, acknowledged after fsync
 *	remote_get(...)					download
 *	remote_close(&r)				BYE
 *
 * Every byte from the peer is bounded and every chunk received is verified
 * before the callback sees it.  One thread a remote.
 */
#ifndef STORE_REMOTE_H
#define STORE_REMOTE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strvec.h"
#include "chunk/chunkid.h"
#include "store/store.h"
#include "wire/msg.h"

/* Where and how; all strings borrowed during remote_open only. */
struct remote_where {
	const char *url;             /* ssh://, host:path, file://, path */
	const char *serve;           /* server program; NULL: git-deepops-serve */
	const char *transport;       /* "auto" "libssh2" "ssh"; NULL: auto */
	const char *ssh_command;     /* GIT_SSH_COMMAND or core.sshCommand, NULL: ssh */
	bool ssh_command_is_program; /* it is GIT_SSH: a program, not a shell command */
};

struct remote;

int remote_open(struct remote **out, const struct remote_where *where, struct err *e) MUST_CHECK;
void remote_close(struct remote **r);
const char *remote_role(const struct remote *r); /* "read" "push" "maintain" */
const uint8_t *remote_uuid(const struct remote *r);
uint64_t remote_generation(const struct remote *r);
uint64_t remote_quota_left(const struct remote *r); /* bytes at HELLO; UINT64_MAX: no quota */
const char *remote_describe(
	const struct remote *r); /* "libssh2 to host: ssh-ed25519, aes256-ctr", for doctor and -v */

/* States of `n` roots; kinds CHUNK_NODE or CHUNK_DATA (file). One round trip a batch. */
int remote_roots(struct remote *r, const struct store_rootref *roots, size_t n,
		 enum store_root_state *states, struct err *e) MUST_CHECK;

/* have[i] = 1 if the server has (kind, ids[i]) committed; for CHUNK_NODE: with its whole closure. */
int remote_have(struct remote *r, enum chunk_kind kind, const struct chunkid *ids, size_t n,
		uint8_t *have, struct err *e) MUST_CHECK;

/*
 * What of a server is optional, by its capability: "policy", "prove".  Servers of before lack
 * them; what needs one is refused with ERR_INPUT and the hint to update the server.
 */
bool remote_can(const struct remote *r, const char *capability);

/*
 * Does the server know that every byte below these roots is what it was, from having read and hashed it
 * since it was written?  `how` as in gitprotocol-deepops(5); with how->hash the server reads now what
 * it has not, as far as the session's budget goes.  Kinds as for remote_roots.
 */
int remote_prove(struct remote *r, const struct msg_prove *how, const struct store_rootref *roots,
		 size_t n, enum store_hashed *answers, struct err *e) MUST_CHECK;

/*
 * The floor policy of the repository there, as it stands in its file, appended to `out`: 1, or 0 if there is
 * none.  Not looked at: whoever uses it parses it as the bytes of a stranger.
 */
int remote_policy(struct remote *r, struct buf *out, struct err *e) MUST_CHECK;

/* Begin an upload session (nonce NULL: new). `resumed` = chunks the server holds from before are answered by remote_have. */
int remote_begin(struct remote *r, const uint8_t *nonce, struct err *e) MUST_CHECK;
/* One encoded chunk on its way there. */
struct remote_chunk {
	enum chunk_kind kind;
	const struct chunkid *id;
	const struct store_info *info;
	const void *stored;
	bool is_piece; /* of the file whose recipe is put next: with all of them the server need not read it again */
};
/* Stream it; blocks only when WINDOW_BYTES are unacknowledged. */
int remote_put(struct remote *r, const struct remote_chunk *c, struct err *e) MUST_CHECK;
/* 0 committed; 1 `c->missing` filled: put those and commit again. */
int remote_commit(struct remote *r, const struct store_commit *c, struct err *e) MUST_CHECK;

/* Fetch n keys, in whatever order the server sends them; stored bytes, already verified against the id. `cb` negative stops. A key the server lacks: cb with info NULL. */
typedef int (*remote_chunk_fn)(void *arg, const struct chunkkey *key, const struct store_info *info,
			       const void *stored, struct err *e);
int remote_get(struct remote *r, const struct chunkkey *keys, size_t n, remote_chunk_fn cb,
	       void *arg, struct err *e) MUST_CHECK;

uint64_t remote_sent_bytes(const struct remote *r);

#endif
