/* SPDX-License-Identifier: MIT */
/*
 * vectors.h - every format that has golden vectors, and its real parser
 *
 * The vectors of format F stand in tests/vectors/F/accept-* and refuse-*, its
 * examples in the section 5 pages under `// vector: F/<name>`, its fuzz corpus
 * in tests/fuzz/corpus/F/.  u-vectors, u-docvectors and the fuzz targets all
 * decode through this table: add a function and a row for a new format.  independent.py is a
 * second reader, written from the pages: it has to agree on every vector.
 *
 * A vector is never changed once released: a new version of a format gets new
 * ones, and the old ones stay.
 *
 * A name that ends in ".hex" is text: bytes in hexadecimal between single
 * blanks; two blanks begin a comment that goes to the end of the line.  In the pages a line may
 * also end in `*N`: its bytes N times.
 */
#ifndef TEST_VECTORS_H
#define TEST_VECTORS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/rd.h"
#include "base/strvec.h"
#include "base/wr.h"
#include "base/xalloc.h"
#include "chunk/chunker.h"
#include "chunk/node.h"
#include "chunk/node_internal.h"
#include "chunk/recipe.h"
#include "chunk/zframe.h"
#include "data/pointer.h"
#include "machine/capture.h"
#include "policy/rules.h"
#include "repo/settings.h"
#include "run/note.h"
#include "run/record.h"
#include "store/pack.h"
#include "store/segment.h"
#include "store/store_internal.h"
#include "vector-catalogue.h"
#include "vector-journal.h"
#include "vector-must.h"
#include "wire/frame.h"
#include "wire/msg.h"

/*
 * Decode; what is accepted is encoded again and must give the same bytes, else
 * the process aborts: that is a bug whatever the input was.
 */
typedef int (*vector_fn)(const void *p, size_t len, struct err *e);

/* ---- node: the text as it is ---- */

static inline int vector_node(const void *p, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, p, len, e);

	buf_addstr(&again, NODE_HEADER);
	while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1) {
		node_add_line(&again, &entry);
		rc = 0;
	}
	if (rc == 0)
		vector_must(again.len == len && !memcmp(again.p, p, len), "node");
	node_iter_release(&it);
	buf_release(&again);
	return rc;
}

/* ---- pointer: the text as it is ---- */

static inline int vector_pointer(const void *p, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	struct pointer pointer;
	int rc;

	pointer_init(&pointer);
	rc = pointer_parse(&pointer, p, len, "vector", e);
	if (rc == 0) {
		pointer_format(&pointer, &again);
		vector_must(again.len == len && !memcmp(again.p, p, len), "pointer");
	}
	pointer_release(&pointer);
	buf_release(&again);
	return rc;
}

/* ---- recipe: the bytes as they are ---- */

/*
 * The pieces that version 2 vectors name: of a list of 40,000 chunks, chunk k
 * with id SHA-256(le64(k)) and k mod 1000 + 1 bytes.
 */
struct vector_pieces {
	struct strvec hex; /* ids */
	struct buf text[8];
	size_t n;
};

static inline int vector_keep_piece(void *arg, const struct chunkid *id, const struct buf *piece,
				    struct err *e)
{
	struct vector_pieces *s = arg;

	if (s->n == ARRAY_SIZE(s->text))
		return err_set(e, ERR_LIMIT, "too many pieces");
	strvec_push(&s->hex, chunkid_hex(id).s);
	buf_init(&s->text[s->n]);
	buf_addbuf(&s->text[s->n++], piece);
	return 0;
}

static inline int vector_load_piece(void *arg, const struct chunkid *id, struct buf *out,
				    struct err *e)
{
	struct vector_pieces *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->hex.v[i], chunkid_hex(id).s) != 0)
			continue;
		buf_addbuf(out, &s->text[i]);
		return 0;
	}
	return err_set(e, ERR_NOTFOUND, "piece %s", chunkid_short(id).s);
}

/* Made at the first use and kept: a fuzzer asks for them at every input. */
static inline struct vector_pieces *vector_known_pieces(void)
{
	static struct vector_pieces known;
	struct recipe_writer *w;
	struct buf text = BUF_INIT, le = BUF_INIT;
	struct chunkid id;
	int rc = 0;

	if (known.n)
		return &known;
	strvec_init(&known.hex);
	w = recipe_writer_new(1, vector_keep_piece, &known);
	for (uint64_t k = 0; rc == 0 && k < 40000; k++) {
		buf_reset(&le);
		wr_le64(&le, k);
		chunkid_of(&id, le.p, le.len);
		rc = recipe_writer_add(w, &id, (uint32_t)(k % 1000 + 1), NULL);
	}
	vector_must(rc == 0 && recipe_writer_finish(w, &text, NULL) == 0, "pieces");
	recipe_writer_free(w);
	buf_release(&text);
	buf_release(&le);
	return &known;
}

static inline void vector_drop_pieces(struct vector_pieces *s)
{
	for (size_t i = 0; i < s->n; i++)
		buf_release(&s->text[i]);
	strvec_release(&s->hex);
	s->n = 0;
}

static inline int vector_recipe(const void *p, size_t len, struct err *e)
{
	struct vector_pieces made = {.n = 0};
	struct recipe r = RECIPE_INIT, pieces = RECIPE_INIT;
	struct buf again = BUF_INIT;
	int rc = recipe_pieces(p, len, &pieces, e);

	strvec_init(&made.hex);
	if (rc == 0)
		rc = recipe_parse(&r, p, len, vector_load_piece,
				  pieces.n ? vector_known_pieces() : &made, e);
	if (rc == 0) {
		vector_must(recipe_format(&r, vector_keep_piece, &made, &again, NULL) == 0,
			    "recipe is not written");
		vector_must(again.len == len && !memcmp(again.p, p, len), "recipe");
		vector_must(made.n == pieces.n, "number of pieces");
	}
	vector_drop_pieces(&made);
	recipe_release(&r);
	recipe_release(&pieces);
	buf_release(&again);
	return rc;
}

/* ---- zframe: u8 encoding, u32 plain length, the stored bytes ---- */

static inline int vector_zframe(const void *p, size_t len, struct err *e)
{
	struct zframe *z;
	struct buf plain = BUF_INIT, stored = BUF_INIT, again = BUF_INIT;
	struct zframe_stored in;
	struct rd r = rd_from(p, len);
	int rc;

	in.encoding = rd_u8(&r);
	in.plain = rd_le32(&r);
	in.len = rd_left(&r);
	in.p = rd_bytes(&r, in.len);
	if (!rd_ok(&r))
		return err_set(e, ERR_CORRUPT, "vector cut short");
	z = zframe_new();
	rc = zframe_decode(z, &in, &plain, e);
	if (rc == 0) {
		vector_must(plain.len == in.plain, "plain length");
		in.encoding = zframe_encode(z, plain.p, plain.len, true, &stored);
		in.p = stored.p;
		in.len = stored.len;
		vector_must(zframe_decode(z, &in, &again, NULL) == 0 && !buf_cmp(&plain, &again),
			    "encoded again");
	}
	zframe_free(z);
	buf_release(&plain);
	buf_release(&stored);
	buf_release(&again);
	return rc;
}

/* ---- pack: a whole one; every entry must be good ---- */

static inline int vector_bad_entry(void *arg, const struct pack_row *row, const char *what,
				   struct err *e)
{
	(void)arg;
	return err_set(e, ERR_CORRUPT, "entry at %" PRIu32 ": %s", row->offset, what);
}

static inline int vector_pack(const void *p, size_t len, struct err *e)
{
	const uint8_t *bytes = p;
	struct pack_dir d;
	int rc = pack_parse(&d, p, len, e);

	if (rc < 0)
		return rc;
	rc = pack_check(&d, p, vector_bad_entry, NULL, e);
	for (size_t i = 0; i < d.n && rc == 0; i++) {
		const uint8_t *at = bytes + d.rows[i].offset;
		struct pack_entry again;

		pack_entry_format(&again, &d.rows[i], at + PACK_ENTRY_BYTES);
		vector_must(!memcmp(again.header, at, PACK_ENTRY_BYTES), "entry of a pack");
	}
	pack_dir_release(&d);
	return rc;
}

/* ---- segment: a whole one ---- */

static inline int vector_segment(const void *p, size_t len, struct err *e)
{
	struct segment *s = NULL;
	struct segment_row row, found;
	int rc = segment_from(&s, p, len, e);

	if (rc == 0)
		rc = segment_check(s, e);
	for (size_t i = 0; rc == 0 && i < segment_count(s); i++) {
		rc = segment_row_at(s, i, &row, e);
		vector_must(rc == 0 && segment_find(s, row.kind, &row.id, &found, NULL) == 1 &&
				    found.offset == row.offset && found.pack == row.pack,
			    "row of a segment is not found");
	}
	segment_close(&s);
	return rc;
}

/* ---- frame: one frame with its message ---- */

static inline int vector_frame_keys(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_keys k;
	int rc = msg_get_keys(&k, f->payload, f->len, e);

	for (size_t i = 0; rc == 0 && i < k.n; i++)
		msg_put_key(again, msg_key_kind(&k, i), msg_key_id(&k, i));
	return rc;
}

static inline int vector_frame_bitmap(const struct frame *f, struct buf *again, struct err *e)
{
	struct rd r = rd_from(f->payload, f->len);
	size_t n = rd_le16(&r);
	unsigned int width = rd_u8(&r);
	uint8_t values[UINT16_MAX];
	int rc;

	if (width != 1 && width != 2)
		return err_set(e, ERR_PROTO, "BITMAP of width %u", width);
	rc = msg_get_bitmap(values, n, width, f->payload, f->len, e);
	if (rc == 0)
		msg_put_bitmap(again, values, n, width);
	return rc;
}

static inline int vector_frame_commit(const struct frame *f, struct buf *again, struct err *e)
{
	struct rd r = rd_from(f->payload, f->len);
	struct msg_item item;
	int rc;

	while ((rc = msg_next_item(&r, &item, e)) == 1)
		msg_put_item(again, &item);
	return rc;
}

static inline int vector_frame_hello(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_hello h = MSG_HELLO_INIT;
	int rc = msg_get_hello(&h, f->payload, f->len, e);

	if (rc == 0)
		msg_put_hello(again, &h);
	msg_hello_release(&h);
	return rc;
}

/* What is shown is made harmless first, so only a text without control bytes comes back as it was. */
static inline int vector_frame_err(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_err m;
	int rc = msg_get_err(&m, f->payload, f->len, e);

	if (rc == 0)
		vector_must(m.code < 0, "class of an ERR");
	for (size_t i = 0; rc == 0 && m.msg[i]; i++)
		vector_must((unsigned char)m.msg[i] >= ' ', "control byte in an ERR");
	if (rc == 0)
		buf_add(again, f->payload, f->len);
	return rc;
}

static inline int vector_frame_fixed(const struct frame *f, struct buf *again, struct err *e)
{
	uint8_t nonce[MSG_NONCE_BYTES];
	uint64_t v;
	int rc;

	if (f->type == FRAME_BEGIN) {
		rc = msg_get_nonce(nonce, f->payload, f->len, e);
		if (rc == 0)
			msg_put_nonce(again, nonce);
		return rc;
	}
	rc = msg_get_u64(&v, f->payload, f->len, e);
	if (rc == 0)
		msg_put_u64(again, v);
	return rc;
}

static inline int vector_frame_prove(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_prove how;
	struct msg_keys k;
	int rc = msg_get_prove(&how, &k, f->payload, f->len, e);

	if (rc == 0)
		msg_put_prove(again, &how);
	for (size_t i = 0; rc == 0 && i < k.n; i++)
		msg_put_key(again, msg_key_kind(&k, i), msg_key_id(&k, i));
	return rc;
}

/* An empty one asks, the others answer. */
static inline int vector_frame_policy(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_policy m;
	int rc = f->len ? msg_get_policy(&m, f->payload, f->len, e)
			: msg_check_policy_question(f->len, e);

	if (rc == 0 && f->len)
		msg_put_policy(again, &m);
	return rc;
}

static inline int vector_frame_message(const struct frame *f, struct buf *again, struct err *e)
{
	struct msg_chunk c;
	int rc = 0;

	switch ((enum frame_type)f->type) {
	case FRAME_HELLO:
		return vector_frame_hello(f, again, e);
	case FRAME_ERR:
		return vector_frame_err(f, again, e);
	case FRAME_ROOTS:
	case FRAME_NODES:
	case FRAME_HAVE:
	case FRAME_GET:
	case FRAME_MISSING:
		return vector_frame_keys(f, again, e);
	case FRAME_BITMAP:
		return vector_frame_bitmap(f, again, e);
	case FRAME_PUT:
	case FRAME_CHUNK:
		rc = msg_get_chunk(&c, f->payload, f->len, e);
		if (rc == 0)
			msg_put_chunk(again, &c);
		return rc;
	case FRAME_COMMIT:
		return vector_frame_commit(f, again, e);
	case FRAME_PROVE:
		return vector_frame_prove(f, again, e);
	case FRAME_POLICY:
		return vector_frame_policy(f, again, e);
	case FRAME_BEGIN:
	case FRAME_ACK:
	case FRAME_COMMITTED:
		return vector_frame_fixed(f, again, e);
	case FRAME_PING:
		rc = msg_check_ping(f->len, e);
		break;
	case FRAME_BYE:
		rc = msg_check_bye(f->len, e);
		break;
	}
	buf_add(again, f->payload, f->len); /* any bytes, or unknown and optional */
	return rc;
}

static inline int vector_frame(const void *p, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	struct frame f;
	size_t used = 0, mark;
	int rc = frame_parse(p, len, &f, &used, e);

	if (rc == 0 || (rc == 1 && used != len))
		return err_set(e, ERR_PROTO, "not one whole frame");
	if (rc < 0)
		return rc;
	mark = frame_begin(&again, (enum frame_type)f.type, f.flags, f.stream);
	rc = vector_frame_message(&f, &again, e);
	if (rc == 0) {
		vector_must(frame_end(&again, mark), "frame is too long");
		vector_must(again.len == len && !memcmp(again.p, p, len), "frame");
	}
	buf_release(&again);
	return rc;
}

/*
 * ---- chunker: what the content is, and where it is cut ----
 *
 *	# comment
 *	source sha256-counter N		N bytes of SHA-256(le64(0)) || SHA-256(le64(1)) || ...
 *	source repeat HEX N		N bytes of HEX again and again
 *	cut OFFSET			a chunk ends here
 *	end LENGTH
 */
#define VECTOR_SOURCE_MAX_BYTES (4 * MIB)

static inline int vector_source(const char *spec, struct buf *out, struct err *e)
{
	struct buf unit = BUF_INIT, le = BUF_INIT;
	const char *rest, *blank;
	bool counter = str_startswith(spec, "sha256-counter ", &rest);
	uint64_t n;
	size_t end;

	if (!counter && (!str_startswith(spec, "repeat ", &rest) || !(blank = strchr(rest, ' '))))
		return err_set(e, ERR_INPUT, "source %s", spec);
	if (!counter) {
		buf_grow(&unit, (size_t)(blank - rest) / 2);
		buf_setlen(&unit, (size_t)(blank - rest) / 2);
		if (!unit.len || !hex_decode((uint8_t *)unit.p, rest, unit.len))
			return err_set(e, ERR_INPUT, "source %s", spec);
		rest = blank + 1;
	}
	if (num_parse_u64(rest, 0, VECTOR_SOURCE_MAX_BYTES, &n, e) < 0)
		return ERR_INPUT;
	end = out->len + n;
	for (uint64_t i = 0; out->len < end; i++) {
		uint8_t id[HASH_BYTES];

		if (counter) {
			buf_reset(&le);
			wr_le64(&le, i);
			hash_sha256(id, le.p, le.len);
			buf_add(out, id, sizeof(id));
		} else {
			buf_addbuf(out, &unit);
		}
	}
	buf_setlen(out, end);
	buf_release(&unit);
	buf_release(&le);
	return 0;
}

static inline int vector_chunker(const void *p, size_t len, struct err *e)
{
	struct buf text = BUF_INIT, content = BUF_INIT, got = BUF_INIT, want = BUF_INIT;
	struct chunker c;
	char *line, *rest;
	int rc = 0;

	buf_add(&text, p, len);
	for (rest = text.p; rc == 0 && (line = strsep(&rest, "\n")) != NULL;) {
		const char *spec;

		if (str_startswith(line, "source ", &spec))
			rc = vector_source(spec, &content, e);
		else if (*line && *line != '#')
			buf_addf(&want, "%s\n", line);
	}
	chunker_init(&c);
	for (size_t at = 0; at < content.len;) {
		bool cut;

		at += chunker_scan(&c, (const uint8_t *)content.p + at, content.len - at, &cut);
		if (cut)
			buf_addf(&got, "cut %zu\n", at);
	}
	buf_addf(&got, "end %zu\n", content.len);
	if (rc == 0 && buf_cmp(&got, &want) != 0)
		rc = err_set(e, ERR_INPUT, "other cuts");
	buf_release(&text);
	buf_release(&content);
	buf_release(&got);
	buf_release(&want);
	return rc;
}

/*
 * ---- directory: how one is cut into nodes ----
 *
 *	names COUNT WIDTH [boundary]	empty files: n, 7 digits from 0, x up to WIDTH bytes; with
 *					`boundary` those alone before which a part begins
 *	root ID
 *	nodes COUNT
 */
static inline int vector_count_node(void *arg, const struct chunkid *id, const struct buf *text,
				    struct err *e)
{
	(void)id;
	(void)text;
	(void)e;
	(*(size_t *)arg)++;
	return 0;
}

#define VECTOR_NAMES_MAX 100000

static inline int vector_directory(const void *p, size_t len, struct err *e)
{
	struct node_entry top = {.name = NULL}, *entries;
	struct strvec names = STRVEC_INIT;
	char id[CHUNKID_TEXT_BYTES] = "";
	struct buf text = BUF_INIT, again = BUF_INIT;
	unsigned int count = 0, width = 0;
	size_t nodes = 0, want = 0;
	struct chunkid empty;
	bool boundary = false;
	int rc;

	chunkid_of(&empty, "", 0);
	buf_add(&text, p, len);
	if (sscanf(text.p, "names %u %u root %71s nodes %zu", &count, &width, id, &want) != 4) {
		boundary = true;
		if (sscanf(text.p, "names %u %u boundary root %71s nodes %zu", &count, &width, id,
			   &want) != 4)
			count = VECTOR_NAMES_MAX + 1;
	}
	for (unsigned int k = 0; names.nr < count && count <= VECTOR_NAMES_MAX; k++) {
		uint8_t hash[HASH_BYTES];

		buf_reset(&again);
		buf_addf(&again, "n%07u", k);
		while (again.len < width && width <= NAME_MAX_BYTES)
			buf_addch(&again, 'x');
		hash_sha256(hash, again.p, again.len);
		if (!boundary || ((hash[2] & 3) | hash[3]) == 0)
			strvec_push(&names, again.p);
	}
	entries = xcalloc(names.nr + 1, sizeof(*entries));
	for (size_t i = 0; i < names.nr; i++)
		entries[i] = (struct node_entry){NODE_MODE_FILE, NODE_FILE,         empty, 0, 1,
						 names.v[i],     strlen(names.v[i])};
	rc = node_build(entries, names.nr, vector_count_node, &nodes, &top, e);
	if (rc == 0 &&
	    (count > VECTOR_NAMES_MAX || nodes != want || strcmp(id, chunkid_text(&top.id).s) != 0))
		rc = err_set(e, ERR_INPUT, "%s in %zu nodes", chunkid_text(&top.id).s, nodes);
	free(entries);
	strvec_release(&names);
	buf_release(&text);
	buf_release(&again);
	return rc;
}

/* ---- record: the bytes as they are ---- */

static inline int vector_record(const void *p, size_t len, struct err *e)
{
	struct buf again = BUF_INIT;
	struct record r;
	int rc;

	record_init(&r);
	rc = record_parse(&r, p, len, e);
	if (rc == 0) {
		vector_must(record_format(&r, &again, NULL) == 0, "record is not written");
		vector_must(again.len == len && !memcmp(again.p, p, len), "record");
	}
	record_release(&r);
	buf_release(&again);
	return rc;
}

/* ---- capture: the text as it is ---- */

static inline int vector_capture(const void *p, size_t len, struct err *e)
{
	return capture_check(p, len, e);
}

/* ---- note: one line ---- */

static inline int vector_note(const void *p, size_t len, struct err *e)
{
	const char *text = p, *eol = memchr(p, '\n', len);
	char rec[13], level[16];

	if (!eol || eol + 1 != text + len || memchr(p, '\0', len) ||
	    !note_line_parse(text, len - 1, rec, level))
		return err_set(e, ERR_INPUT, "not a line about a run");
	return 0;
}

/* ---- policy, config: text in git-config syntax, with comments, so nothing to write again ---- */

static inline int vector_policy(const void *p, size_t len, struct err *e)
{
	struct rules rules;
	int rc;

	rules_init(&rules);
	rc = rules_parse(&rules, p, len, "vector", e);
	for (size_t i = 0; rc == 0 && i < rules.n; i++) {
		vector_must(rules.v[i].refs.nr > 0 && *rules.v[i].name, "rule without ref or name");
		(void)rules_is_result(&rules.v[i], "models/a/b.deepops");
		(void)rules_match(&rules, rules.v[i].refs.v[0]);
	}
	rules_release(&rules);
	return rc;
}

static inline int vector_config(const void *p, size_t len, struct err *e)
{
	struct settings s;
	int rc;

	settings_init(&s);
	rc = settings_parse(&s, p, len, e);
	vector_must(rc < 0 || ((!s.remote || *s.remote) && (!s.best_metric || *s.best_metric)),
		    "empty setting");
	settings_release(&s);
	return rc;
}

/* ---- format: the file of that name in a store ---- */

static inline int vector_store_format(const void *p, size_t len, struct err *e)
{
	struct store_format f;
	struct buf text = BUF_INIT;
	int rc;

	buf_add(&text, p, len);
	rc = store_format_parse(&text, &f, e);
	buf_release(&text);
	return rc;
}

/* ---- the table ---- */

enum vector_form {
	VECTOR_TEXT, /* examples in the pages are the text itself */
	VECTOR_HEX,  /* examples in the pages are hexadecimal */
};

static const struct vector_format {
	const char *name;
	enum vector_form form;
	vector_fn decode;
} vector_formats[] = {
	{"capture", VECTOR_TEXT, vector_capture},
	{"catalogue", VECTOR_TEXT, vector_catalogue},
	{"chunker", VECTOR_TEXT, vector_chunker},
	{"config", VECTOR_TEXT, vector_config},
	{"directory", VECTOR_TEXT, vector_directory},
	{"format", VECTOR_TEXT, vector_store_format},
	{"frame", VECTOR_HEX, vector_frame},
	{"journal", VECTOR_TEXT, vector_journal},
	{"node", VECTOR_TEXT, vector_node},
	{"note", VECTOR_TEXT, vector_note},
	{"pack", VECTOR_HEX, vector_pack},
	{"pointer", VECTOR_TEXT, vector_pointer},
	{"policy", VECTOR_TEXT, vector_policy},
	{"recipe", VECTOR_HEX, vector_recipe},
	{"record", VECTOR_TEXT, vector_record},
	{"segment", VECTOR_HEX, vector_segment},
	{"zframe", VECTOR_HEX, vector_zframe},
};

static inline const struct vector_format *vector_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(vector_formats); i++)
		if (strlen(vector_formats[i].name) == len &&
		    !memcmp(vector_formats[i].name, name, len))
			return &vector_formats[i];
	return NULL;
}

/* `*N` at the end of a line: what the line gave, from `start` on, N times. */
static inline int vector_repeat(struct buf *out, size_t start, const char **p, const char *end,
				struct err *e)
{
	size_t digits = 0, len = out->len - start;
	struct buf unit = BUF_INIT;
	uint64_t n;

	while (*p + digits < end && (*p)[digits] >= '0' && (*p)[digits] <= '9')
		digits++;
	if (num_parse_u64n(*p, digits, 1, MIB, &n, e) < 0 || n * len > MIB)
		return err_set(e, ERR_INPUT, "repeated too often");
	*p += digits;
	buf_add(&unit, out->p + start, len);
	while (--n)
		buf_addbuf(out, &unit);
	buf_release(&unit);
	return 0;
}

/* Append the bytes that a text in hexadecimal stands for. */
static inline int vector_unhex(struct buf *out, const char *text, size_t len, struct err *e)
{
	const char *p = text, *end = text + len;
	size_t line = out->len;
	uint8_t byte;
	int rc = 0;

	while (p < end && rc == 0) {
		if (*p == '\n') {
			p++;
			line = out->len;
		} else if (end - p >= 2 && p[0] == ' ' && p[1] == ' ') {
			p = memchr(p, '\n', (size_t)(end - p));
			p = p ? p : end;
		} else if (*p == ' ') {
			p++;
		} else if (*p == '*') {
			p++;
			rc = vector_repeat(out, line, &p, end, e);
		} else if (end - p >= 2 && hex_decode(&byte, p, 1)) {
			buf_addch(out, byte);
			p += 2;
		} else {
			rc = err_set(e, ERR_INPUT, "not hexadecimal at byte %td", p - text);
		}
	}
	return rc;
}

/* Append the bytes of the vector in file `path`. */
static inline int vector_read(const char *path, struct buf *out, struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = io_read_file(AT_FDCWD, path, 4 * MIB, &text, e);

	if (rc == 0 && str_endswith(path, ".hex"))
		rc = vector_unhex(out, text.p, text.len, e);
	else if (rc == 0)
		buf_addbuf(out, &text);
	buf_release(&text);
	return rc;
}

#endif
