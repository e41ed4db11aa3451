/* SPDX-License-Identifier: MIT */
/*
 * msg.h - what stands inside the frames of gitprotocol-deepops(5)
 *
 * One put function (appends a payload between frame_begin and frame_end) and
 * one get function (strict: what is cut short, too long or followed by more is
 * ERR_PROTO) a message.  Got values borrow from the frame.  Kinds and ids are
 * plain bytes here: this layer does not know what they name.
 *
 *	client				server
 *	HELLO				HELLO			both at once
 *	ROOTS keys			BITMAP width 2		enum store_root_state
 *	NODES keys, HAVE keys		BITMAP width 1
 *	BEGIN nonce			ACK bytes 0
 *	PUT chunk ...			ACK bytes		cumulative, after fsync
 *	COMMIT items			COMMITTED | MISSING keys
 *	GET keys			CHUNK ... one a key
 *	POLICY				POLICY state, text	capability "policy"
 *	PROVE how, keys			BITMAP width 2		enum store_hashed; capability "prove"
 *	PING bytes			PING bytes		either may ask
 *	BYE				-
 *					ERR at any time, then the end
 */
#ifndef WIRE_MSG_H
#define WIRE_MSG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/rd.h"
#include "base/strvec.h"

#define MSG_VERSION_MIN 1
#define MSG_VERSION_MAX 1

#define MSG_MAGIC "DOPSWIRE"
#define MSG_MAGIC_BYTES 8
#define MSG_ID_BYTES 32
#define MSG_KEY_BYTES 33 /* kind, id */
#define MSG_UUID_BYTES 16
#define MSG_NONCE_BYTES 16

/* ---- HELLO ---- */

enum msg_role { MSG_ROLE_CLIENT = 0, MSG_ROLE_READ = 1, MSG_ROLE_PUSH = 2, MSG_ROLE_MAINTAIN = 3 };
const char *msg_role_name(enum msg_role role);              /* "read" … */
bool msg_role_parse(const char *name, enum msg_role *role); /* of a server: read push maintain */

#define MSG_QUOTA_NONE UINT64_MAX

struct msg_hello {
	uint16_t version_min, version_max;
	enum msg_role role;
	uint32_t max_frame, max_chunk; /* bytes that the sender takes */
	uint16_t max_batch;            /* keys in a ROOTS, NODES, HAVE, GET */
	uint16_t max_inflight;         /* of those unanswered */
	uint64_t window;               /* unacknowledged PUT payload bytes */
	uint8_t uuid[MSG_UUID_BYTES];  /* of the store; zero from a client */
	uint64_t generation;           /* of the store's garbage collection */
	uint64_t quota_left;           /* bytes; MSG_QUOTA_NONE */
	struct strvec caps; /* `name` or `name=value`; a leading '!' asks to understand it */
};

#define MSG_HELLO_INIT                                                                             \
	{                                                                                          \
		MSG_VERSION_MIN, MSG_VERSION_MAX, MSG_ROLE_CLIENT, (uint32_t)FRAME_MAX_BYTES,      \
			(uint32_t)CHUNK_MAX_BYTES, BATCH_MAX_IDS, BATCH_MAX_INFLIGHT,              \
			WINDOW_BYTES, {0}, 0, MSG_QUOTA_NONE, STRVEC_INIT                          \
	}

void msg_hello_release(struct msg_hello *h);
void msg_put_hello(struct buf *out, const struct msg_hello *h);
int msg_get_hello(struct msg_hello *h, const void *p, size_t len, struct err *e) MUST_CHECK;
/*
 * Settle on a version: the highest common one.  ERR_PROTO: none in common, a
 * capability the peer requires is unknown, or limits that no chunk fits in.
 */
int msg_hello_agree(const struct msg_hello *mine, const struct msg_hello *theirs, uint16_t *version,
		    struct err *e) MUST_CHECK;

/*
 * Find a HELLO frame in the first bytes of a connection, after up to
 * WIRE_NOISE_MAX_BYTES of something else (a shell's start-up output).  1: it
 * begins at *at.  0: can't tell yet.  ERR_PROTO: it will not come.
 */
int msg_find_hello(const void *p, size_t len, size_t *at, struct err *e) MUST_CHECK;

/* ---- ERR ---- */

struct msg_err {
	int code; /* enum err_code */
	char msg[480];
	char hint[320];
};
void msg_put_err(struct buf *out, const struct err *from);
/* Text is cut to fit and control bytes are replaced. */
int msg_get_err(struct msg_err *m, const void *p, size_t len, struct err *e) MUST_CHECK;

/* ---- ROOTS NODES HAVE GET MISSING: a list of keys ---- */

struct msg_keys {
	const uint8_t *p;
	size_t n;
};
void msg_put_key(struct buf *out, uint8_t kind, const uint8_t *id);
/* 1 to BATCH_MAX_IDS keys. */
int msg_get_keys(struct msg_keys *k, const void *p, size_t len, struct err *e) MUST_CHECK;
uint8_t msg_key_kind(const struct msg_keys *k, size_t i);
const uint8_t *msg_key_id(const struct msg_keys *k, size_t i);

/* ---- PROVE: u8 flags | u32 age | keys ---- */

#define MSG_CAP_PROVE "prove" /* a server that announces it takes the frame */

struct msg_prove {
	bool hash; /* hash now what is not known to be hashed; flag 1, the others are zero */
	uint32_t
		age; /* seconds: what was hashed longer ago than this does not count; 0: any time */
};
void msg_put_prove(struct buf *out, const struct msg_prove *how); /* keys follow */
int msg_get_prove(struct msg_prove *how, struct msg_keys *k, const void *p, size_t len,
		  struct err *e) MUST_CHECK;

/* ---- POLICY: nothing from a client, who asks; of the server u8 state | text ---- */

#define MSG_CAP_POLICY "policy"

enum msg_policy_state {
	MSG_POLICY_NONE = 0,       /* no text */
	MSG_POLICY_HERE = 1,       /* at most CONF_MAX_BYTES */
	MSG_POLICY_UNREADABLE = 2, /* the text says why */
};
struct msg_policy {
	enum msg_policy_state state;
	const char *text; /* not terminated; may hold anything: the policy's reader judges it */
	size_t len;
};
int msg_check_policy_question(size_t len, struct err *e) MUST_CHECK;
void msg_put_policy(struct buf *out, const struct msg_policy *m);
int msg_get_policy(struct msg_policy *m, const void *p, size_t len, struct err *e) MUST_CHECK;

/* ---- BITMAP: u16 n | u8 width | bits, first lowest; unused bits are zero ---- */

/* values[i] < 1 << width; width 1 or 2. */
void msg_put_bitmap(struct buf *out, const uint8_t *values, size_t n, unsigned int width);
/* `n` and `width` are what was asked for. */
int msg_get_bitmap(uint8_t *values, size_t n, unsigned int width, const void *p, size_t len,
		   struct err *e) MUST_CHECK;

/* ---- PUT, CHUNK: u8 kind | u8 encoding | u16 at | id[32] | u32 plain | stored bytes ---- */

#define MSG_CHUNK_HEADER_BYTES 40
#define MSG_ABSENT 0xff /* encoding of a CHUNK the server doesn't have: no bytes follow */

struct msg_chunk {
	uint8_t kind, encoding;
	uint16_t at; /* CHUNK: which key of the GET it answers; PUT: 0 */
	const uint8_t *id;
	uint32_t plain;
	const uint8_t *stored;
	size_t stored_len;
};
void msg_put_chunk(struct buf *out, const struct msg_chunk *c);
int msg_get_chunk(struct msg_chunk *c, const void *p, size_t len, struct err *e) MUST_CHECK;

/* ---- BEGIN nonce; ACK bytes; COMMITTED generation: one fixed field each ---- */

void msg_put_nonce(struct buf *out, const uint8_t *nonce);
int msg_get_nonce(uint8_t *nonce, const void *p, size_t len, struct err *e) MUST_CHECK;
void msg_put_u64(struct buf *out, uint64_t v);
int msg_get_u64(uint64_t *v, const void *p, size_t len, struct err *e) MUST_CHECK;

/* ---- PING: any bytes, not many; BYE: none ---- */

#define MSG_PING_MAX_BYTES 64

int msg_check_ping(size_t len, struct err *e) MUST_CHECK;
int msg_check_bye(size_t len, struct err *e) MUST_CHECK;

/*
 * ---- COMMIT: items, whole ones in every frame, FRAME_MORE on all but the last ----
 *
 *	u8 1 | u32 n				a split of n shards, which follow
 *	u8 2 | id[32] | u64 files | u64 bytes | u16 len | name
 *	u8 3 | id[32]				a file
 */
enum msg_item_tag { MSG_ITEM_SPLIT = 1, MSG_ITEM_SHARD = 2, MSG_ITEM_FILE = 3 };

struct msg_item {
	enum msg_item_tag tag;
	uint32_t shards; /* SPLIT */
	const uint8_t *id;
	uint64_t files, bytes; /* SHARD */
	const char *name;      /* SHARD; not terminated, no NUL inside */
	size_t name_len;
};
#define MSG_ITEM_MAX_BYTES (51 + PATH_MAX_BYTES)

void msg_put_item(struct buf *out, const struct msg_item *item);
/* 1 an item, 0 the payload is at its end. */
int msg_next_item(struct rd *r, struct msg_item *item, struct err *e) MUST_CHECK;

#endif
