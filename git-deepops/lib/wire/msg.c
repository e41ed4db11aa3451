/* SPDX-License-Identifier: MIT */
/* msg.c - what stands inside the frames of gitprotocol-deepops(5); see msg.h */
#include "wire/msg.h"

#include "base/wr.h"
#include "wire/frame.h"

/* ---- HELLO: magic[8] | u16 min | u16 max | u8 role | u32 frame | u32 chunk | u16 batch |
 * u16 inflight | u64 window | uuid[16] | u64 generation | u64 quota | u16 n | n * string ---- */

static const char *const role_names[] = {
	[MSG_ROLE_CLIENT] = "client",
	[MSG_ROLE_READ] = "read",
	[MSG_ROLE_PUSH] = "push",
	[MSG_ROLE_MAINTAIN] = "maintain",
};

const char *msg_role_name(enum msg_role role)
{
	return (unsigned int)role < ARRAY_SIZE(role_names) ? role_names[role] : "?";
}

bool msg_role_parse(const char *name, enum msg_role *role)
{
	for (unsigned int i = MSG_ROLE_READ; i < ARRAY_SIZE(role_names); i++) {
		if (!strcmp(name, role_names[i])) {
			*role = (enum msg_role)i;
			return true;
		}
	}
	return false;
}

void msg_hello_release(struct msg_hello *h)
{
	strvec_release(&h->caps);
}

static void put_string(struct buf *out, const char *s, size_t max)
{
	size_t len = strnlen(s, max);

	wr_le16(out, (uint16_t)len);
	buf_add(out, s, len);
}

void msg_put_hello(struct buf *out, const struct msg_hello *h)
{
	buf_add(out, MSG_MAGIC, MSG_MAGIC_BYTES);
	wr_le16(out, h->version_min);
	wr_le16(out, h->version_max);
	wr_u8(out, (uint8_t)h->role);
	wr_le32(out, h->max_frame);
	wr_le32(out, h->max_chunk);
	wr_le16(out, h->max_batch);
	wr_le16(out, h->max_inflight);
	wr_le64(out, h->window);
	buf_add(out, h->uuid, MSG_UUID_BYTES);
	wr_le64(out, h->generation);
	wr_le64(out, h->quota_left);
	wr_le16(out, (uint16_t)h->caps.nr);
	for (size_t i = 0; i < h->caps.nr; i++)
		put_string(out, h->caps.v[i], WIRE_STRING_MAX_BYTES);
}

static int get_caps(struct strvec *caps, struct rd *r, struct err *e)
{
	unsigned int n = rd_le16(r);

	if (n > HELLO_MAX_CAPS)
		return err_set(e, ERR_LIMIT, "HELLO with %u capabilities", n);
	for (unsigned int i = 0; i < n; i++) {
		size_t len = rd_le16(r);
		const uint8_t *s = rd_bytes(r, len);

		if (len > WIRE_STRING_MAX_BYTES)
			return err_set(e, ERR_LIMIT, "HELLO capability of %zu bytes", len);
		if (!s)
			return err_set(e, ERR_PROTO, "HELLO is cut short");
		if (len == 0)
			return err_set(e, ERR_PROTO, "HELLO capability without a name");
		for (size_t j = 0; j < len; j++) {
			if (s[j] <= ' ' || s[j] >= 0x7f)
				return err_set(e, ERR_PROTO, "HELLO capability is not plain text");
		}
		strvec_pushn(caps, (const char *)s, len);
	}
	return 0;
}

int msg_get_hello(struct msg_hello *h, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);
	const uint8_t *magic = rd_bytes(&r, MSG_MAGIC_BYTES);
	const uint8_t *uuid;
	unsigned int role;
	int rc;

	if (!magic || memcmp(magic, MSG_MAGIC, MSG_MAGIC_BYTES) != 0)
		return err_set(e, ERR_PROTO, "HELLO without its magic");
	h->version_min = rd_le16(&r);
	h->version_max = rd_le16(&r);
	role = rd_u8(&r);
	h->max_frame = rd_le32(&r);
	h->max_chunk = rd_le32(&r);
	h->max_batch = rd_le16(&r);
	h->max_inflight = rd_le16(&r);
	h->window = rd_le64(&r);
	uuid = rd_bytes(&r, MSG_UUID_BYTES);
	h->generation = rd_le64(&r);
	h->quota_left = rd_le64(&r);
	rc = get_caps(&h->caps, &r, e);
	if (rc < 0)
		return rc;
	if (!uuid || !rd_at_end(&r))
		return err_set(e, ERR_PROTO, "HELLO has a wrong length");
	if (role > MSG_ROLE_MAINTAIN)
		return err_set(e, ERR_PROTO, "HELLO with unknown role %u", role);
	h->role = (enum msg_role)role;
	memcpy(h->uuid, uuid, MSG_UUID_BYTES);
	return 0;
}

int msg_hello_agree(const struct msg_hello *mine, const struct msg_hello *theirs, uint16_t *version,
		    struct err *e)
{
	uint16_t low = MAX(mine->version_min, theirs->version_min);
	uint16_t high = MIN(mine->version_max, theirs->version_max);

	if (low > high)
		return err_set(e, ERR_PROTO,
			       "no protocol version in common: %u to %u there, %u to %u here",
			       theirs->version_min, theirs->version_max, mine->version_min,
			       mine->version_max);
	/* Version 1 requires no capability, so one that must be understood is from the future. */
	for (size_t i = 0; i < theirs->caps.nr; i++) {
		if (theirs->caps.v[i][0] == '!')
			return err_set(e, ERR_PROTO, "the other side requires %s",
				       theirs->caps.v[i] + 1);
	}
	if (theirs->max_frame < FRAME_MAX_BYTES || theirs->max_chunk < CHUNK_MAX_BYTES ||
	    theirs->max_batch == 0 || theirs->max_inflight == 0 || theirs->window < FRAME_MAX_BYTES)
		return err_set(e, ERR_PROTO, "the other side's limits let no chunk through");
	*version = high;
	return 0;
}

/* Does the frame header before the magic at `at` announce a HELLO? */
static bool is_hello(const uint8_t *p, size_t at)
{
	static const uint8_t head[4] = {FRAME_HELLO, 0, 0, 0};

	return at >= FRAME_HEADER_BYTES && !memcmp(p + at - sizeof(head), head, sizeof(head));
}

int msg_find_hello(const void *p, size_t len, size_t *at, struct err *e)
{
	const uint8_t *bytes = p;
	const uint8_t *hit = bytes;

	while ((hit = memmem(hit, len - (size_t)(hit - bytes), MSG_MAGIC, MSG_MAGIC_BYTES))) {
		if (is_hello(bytes, (size_t)(hit - bytes))) {
			*at = (size_t)(hit - bytes) - FRAME_HEADER_BYTES;
			return 1;
		}
		hit++;
	}
	if (len >= WIRE_NOISE_MAX_BYTES + FRAME_HEADER_BYTES + MSG_MAGIC_BYTES)
		return err_set(e, ERR_PROTO, "no HELLO in the first %zu bytes", len);
	return 0;
}

/* ---- ERR: u8 class | u16 len | text | u16 len | hint ---- */

/* The class on the wire is the negated enum err_code; what a peer can't mean stays ERR_PROTO. */
static int class_to_code(unsigned int class)
{
	return class >= 1 && class <= (unsigned int)-ERR_INTR ? -(int)class : ERR_PROTO;
}

void msg_put_err(struct buf *out, const struct err *from)
{
	wr_u8(out, (uint8_t)(from->code < 0 ? -from->code : -ERR_PROTO));
	put_string(out, from->msg, sizeof(from->msg));
	put_string(out, from->hint, sizeof(from->hint));
}

static bool get_string(char *out, size_t size, struct rd *r)
{
	char text[WIRE_STRING_MAX_BYTES + 1];
	size_t len = rd_le16(r);
	const uint8_t *s = rd_bytes(r, len);

	if (!s || len > WIRE_STRING_MAX_BYTES || memchr(s, 0, len))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	err_sanitize(out, size, text);
	return true;
}

int msg_get_err(struct msg_err *m, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);

	m->code = class_to_code(rd_u8(&r));
	if (!get_string(m->msg, sizeof(m->msg), &r) || !get_string(m->hint, sizeof(m->hint), &r) ||
	    !rd_at_end(&r))
		return err_set(e, ERR_PROTO, "malformed ERR");
	return 0;
}

/* ---- keys ---- */

void msg_put_key(struct buf *out, uint8_t kind, const uint8_t *id)
{
	wr_u8(out, kind);
	buf_add(out, id, MSG_ID_BYTES);
}

int msg_get_keys(struct msg_keys *k, const void *p, size_t len, struct err *e)
{
	if (len == 0 || len % MSG_KEY_BYTES != 0)
		return err_set(e, ERR_PROTO, "list of keys of %zu bytes", len);
	if (len / MSG_KEY_BYTES > BATCH_MAX_IDS)
		return err_set(e, ERR_LIMIT, "batch of %zu keys", len / MSG_KEY_BYTES);
	k->p = p;
	k->n = len / MSG_KEY_BYTES;
	return 0;
}

uint8_t msg_key_kind(const struct msg_keys *k, size_t i)
{
	return k->p[i * MSG_KEY_BYTES];
}

const uint8_t *msg_key_id(const struct msg_keys *k, size_t i)
{
	return k->p + i * MSG_KEY_BYTES + 1;
}

/* ---- PROVE, POLICY ---- */

#define PROVE_HASH 1U
#define PROVE_HEADER_BYTES 5

void msg_put_prove(struct buf *out, const struct msg_prove *how)
{
	wr_u8(out, how->hash ? PROVE_HASH : 0);
	wr_le32(out, how->age);
}

int msg_get_prove(struct msg_prove *how, struct msg_keys *k, const void *p, size_t len,
		  struct err *e)
{
	struct rd r = rd_from(p, len);
	unsigned int flags = rd_u8(&r);

	how->hash = flags & PROVE_HASH;
	how->age = rd_le32(&r);
	if (!rd_ok(&r))
		return err_set(e, ERR_PROTO, "PROVE of %zu bytes", len);
	if (flags & ~PROVE_HASH)
		return err_set(e, ERR_PROTO, "PROVE with unknown flags 0x%02x", flags);
	return msg_get_keys(k, (const uint8_t *)p + PROVE_HEADER_BYTES, len - PROVE_HEADER_BYTES,
			    e);
}

int msg_check_policy_question(size_t len, struct err *e)
{
	return len == 0 ? 0 : err_set(e, ERR_PROTO, "POLICY of %zu bytes", len);
}

void msg_put_policy(struct buf *out, const struct msg_policy *m)
{
	wr_u8(out, (uint8_t)m->state);
	buf_add(out, m->text, m->len);
}

int msg_get_policy(struct msg_policy *m, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);
	unsigned int state = rd_u8(&r);

	m->len = rd_left(&r);
	m->text = (const char *)rd_bytes(&r, m->len);
	if (!rd_ok(&r) || state > MSG_POLICY_UNREADABLE || (state == MSG_POLICY_NONE && m->len))
		return err_set(e, ERR_PROTO, "malformed POLICY");
	if (m->len > (state == MSG_POLICY_HERE ? CONF_MAX_BYTES : WIRE_STRING_MAX_BYTES))
		return err_set(e, ERR_LIMIT, "POLICY of %zu bytes", m->len);
	m->state = (enum msg_policy_state)state;
	return 0;
}

/* ---- BITMAP ---- */

void msg_put_bitmap(struct buf *out, const uint8_t *values, size_t n, unsigned int width)
{
	size_t per = 8 / width;

	wr_le16(out, (uint16_t)n);
	wr_u8(out, (uint8_t)width);
	for (size_t i = 0; i < n; i += per) {
		unsigned int byte = 0;

		for (size_t j = 0; j < per && i + j < n; j++)
			byte |= (unsigned int)values[i + j] << (j * width);
		wr_u8(out, (uint8_t)byte);
	}
}

int msg_get_bitmap(uint8_t *values, size_t n, unsigned int width, const void *p, size_t len,
		   struct err *e)
{
	struct rd r = rd_from(p, len);
	unsigned int count = rd_le16(&r), got_width = rd_u8(&r);
	size_t per = 8 / width;
	const uint8_t *bits = rd_bytes(&r, (n + per - 1) / per);

	if (!rd_at_end(&r) || count != n || got_width != width)
		return err_set(e, ERR_PROTO, "BITMAP does not answer the question");
	for (size_t i = 0; i < (n + per - 1) / per * per; i++) {
		uint8_t v = (uint8_t)(bits[i / per] >> (i % per * width) & ((1U << width) - 1));

		if (i < n)
			values[i] = v;
		else if (v)
			return err_set(e, ERR_PROTO, "BITMAP with stray bits");
	}
	return 0;
}

/* ---- PUT, CHUNK ---- */

void msg_put_chunk(struct buf *out, const struct msg_chunk *c)
{
	buf_grow(out, MSG_CHUNK_HEADER_BYTES + c->stored_len);
	wr_u8(out, c->kind);
	wr_u8(out, c->encoding);
	wr_le16(out, c->at);
	buf_add(out, c->id, MSG_ID_BYTES);
	wr_le32(out, c->plain);
	buf_add(out, c->stored, c->stored_len);
}

int msg_get_chunk(struct msg_chunk *c, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);

	c->kind = rd_u8(&r);
	c->encoding = rd_u8(&r);
	c->at = rd_le16(&r);
	c->id = rd_bytes(&r, MSG_ID_BYTES);
	c->plain = rd_le32(&r);
	c->stored_len = rd_left(&r);
	c->stored = rd_bytes(&r, c->stored_len);
	if (!rd_ok(&r))
		return err_set(e, ERR_PROTO, "chunk message is cut short");
	if (c->plain > CHUNK_MAX_BYTES || c->stored_len > CHUNK_MAX_STORED_BYTES)
		return err_set(e, ERR_LIMIT, "chunk of %" PRIu32 " bytes, %zu stored", c->plain,
			       c->stored_len);
	if (c->encoding == MSG_ABSENT ? c->plain || c->stored_len : !c->plain || !c->stored_len)
		return err_set(e, ERR_PROTO, "chunk message of %" PRIu32 " bytes, %zu stored",
			       c->plain, c->stored_len);
	return 0;
}

/* ---- one fixed field ---- */

void msg_put_nonce(struct buf *out, const uint8_t *nonce)
{
	buf_add(out, nonce, MSG_NONCE_BYTES);
}

int msg_get_nonce(uint8_t *nonce, const void *p, size_t len, struct err *e)
{
	if (len != MSG_NONCE_BYTES)
		return err_set(e, ERR_PROTO, "nonce of %zu bytes", len);
	memcpy(nonce, p, len);
	return 0;
}

void msg_put_u64(struct buf *out, uint64_t v)
{
	wr_le64(out, v);
}

int msg_get_u64(uint64_t *v, const void *p, size_t len, struct err *e)
{
	struct rd r = rd_from(p, len);

	*v = rd_le64(&r);
	if (!rd_at_end(&r))
		return err_set(e, ERR_PROTO, "number of %zu bytes", len);
	return 0;
}

int msg_check_ping(size_t len, struct err *e)
{
	return len <= MSG_PING_MAX_BYTES ? 0 : err_set(e, ERR_LIMIT, "PING of %zu bytes", len);
}

int msg_check_bye(size_t len, struct err *e)
{
	return len == 0 ? 0 : err_set(e, ERR_PROTO, "BYE of %zu bytes", len);
}

/* ---- COMMIT ---- */

void msg_put_item(struct buf *out, const struct msg_item *item)
{
	wr_u8(out, (uint8_t)item->tag);
	switch (item->tag) {
	case MSG_ITEM_SPLIT:
		wr_le32(out, item->shards);
		break;
	case MSG_ITEM_SHARD:
		buf_add(out, item->id, MSG_ID_BYTES);
		wr_le64(out, item->files);
		wr_le64(out, item->bytes);
		wr_le16(out, (uint16_t)item->name_len);
		buf_add(out, item->name, item->name_len);
		break;
	case MSG_ITEM_FILE:
		buf_add(out, item->id, MSG_ID_BYTES);
		break;
	}
}

static bool get_shard(struct rd *r, struct msg_item *item)
{
	item->id = rd_bytes(r, MSG_ID_BYTES);
	item->files = rd_le64(r);
	item->bytes = rd_le64(r);
	item->name_len = rd_le16(r);
	item->name = (const char *)rd_bytes(r, item->name_len);
	return rd_ok(r) && item->name_len > 0 && item->name_len <= PATH_MAX_BYTES &&
	       !memchr(item->name, 0, item->name_len);
}

int msg_next_item(struct rd *r, struct msg_item *item, struct err *e)
{
	unsigned int tag;
	bool good;

	if (rd_at_end(r))
		return 0;
	memset(item, 0, sizeof(*item));
	tag = rd_u8(r);
	switch (tag) {
	case MSG_ITEM_SPLIT:
		item->shards = rd_le32(r);
		good = item->shards >= 1 && item->shards <= POINTER_MAX_SHARDS;
		break;
	case MSG_ITEM_SHARD:
		good = get_shard(r, item);
		break;
	case MSG_ITEM_FILE:
		item->id = rd_bytes(r, MSG_ID_BYTES);
		good = true;
		break;
	default:
		good = false;
		break;
	}
	if (!good || !rd_ok(r))
		return err_set(e, ERR_PROTO, "malformed COMMIT");
	item->tag = (enum msg_item_tag)tag;
	return 1;
}
