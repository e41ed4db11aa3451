/* SPDX-License-Identifier: MIT */
/* node.c - text of one node, written and read; see node.h, gitformat-deepops-pointer(5) */
#include "chunk/node.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "chunk/node_internal.h"

static const char *const kind_names[] = {"file", "link", "node", "part"};

static char *put_decimal(char *p, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*p++ = digits[--n];
	*p++ = ' ';
	return p;
}

static char *put_text(char *p, const char *text, size_t len)
{
	memcpy(p, text, len);
	p[len] = ' ';
	return p + len + 1;
}

/* Status writes such a line for every file, so not by way of printf. */
void node_add_line(struct buf *out, const struct node_entry *entry)
{
	char head[6 + 1 + 4 + 1 + CHUNKID_TEXT_BYTES + 1 + 2 * 21], *p = head;

	for (int shift = 15; shift >= 0; shift -= 3)
		*p++ = (char)('0' + ((entry->mode >> shift) & 7));
	*p++ = ' ';
	p = put_text(p, kind_names[entry->kind], 4);
	p = put_text(p, chunkid_text(&entry->id).s, CHUNKID_TEXT_BYTES - 1);
	p = put_decimal(p, entry->bytes);
	p = put_decimal(p, entry->files);
	buf_add(out, head, (size_t)(p - head));
	path_quote(out, entry->name, entry->name_len);
	buf_addch(out, '\n');
}

/* May this stand in a node? NULL, or what is wrong with it. */
static const char *node_entry_problem(const struct node_entry *entry)
{
	if (!path_name_is_safe(entry->name, entry->name_len))
		return "unsafe name";
	switch (entry->kind) {
	case NODE_FILE:
		if (entry->mode != NODE_MODE_FILE && entry->mode != NODE_MODE_EXEC)
			return "wrong mode";
		if ((entry->bytes == 0) != chunkid_is_empty_file(&entry->id))
			return "id and size disagree";
		return entry->files == 1 ? NULL : "wrong number of files";
	case NODE_LINK:
		if (entry->mode != NODE_MODE_LINK)
			return "wrong mode";
		if (!entry->bytes || entry->bytes > PATH_MAX_BYTES)
			return "link target too short or too long";
		return entry->files == 1 ? NULL : "wrong number of files";
	case NODE_DIR:
	case NODE_PART:
		if (entry->mode != NODE_MODE_DIR)
			return "wrong mode";
		return entry->files || !entry->bytes ? NULL : "bytes without files";
	}
	return "unknown kind";
}

bool node_fill_add(struct node_fill *fill, unsigned int height, const struct node_entry *entry,
		   size_t line_len)
{
	bool cut = fill->entries == NODE_MAX_ENTRIES || fill->bytes + line_len > NODE_MAX_BYTES;

	if (!cut && fill->entries && height < HASH_BYTES / 4) {
		const uint8_t *b;
		struct chunkid id;

		chunkid_of(&id, entry->name, entry->name_len);
		b = id.b + (size_t)4 * height;
		/* NODE_PART_MODULUS divides 2^16: the last two bytes of four decide. */
		cut = ((unsigned int)b[2] << 8 | b[3]) % NODE_PART_MODULUS == 0;
	}
	if (cut)
		*fill = (struct node_fill)NODE_FILL_INIT;
	fill->entries++;
	fill->bytes += line_len;
	return cut;
}

bool node_fill_fits(const struct node_fill *all)
{
	return all->entries <= NODE_MAX_ENTRIES && all->bytes <= NODE_MAX_BYTES;
}

int node_iter_init(struct node_iter *it, const void *text, size_t len, struct err *e)
{
	it->p = text;
	it->end = it->p + len;
	buf_init(&it->name);
	buf_init(&it->last);
	it->count = 0;
	it->parts = false;
	if (len > NODE_MAX_BYTES)
		return err_set(e, ERR_CORRUPT, "node of %zu bytes", len);
	if (len < NODE_HEADER_BYTES || memcmp(it->p, NODE_HEADER, NODE_HEADER_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "not a node");
	it->p += NODE_HEADER_BYTES;
	return 0;
}

void node_iter_release(struct node_iter *it)
{
	buf_release(&it->name);
	buf_release(&it->last);
}

/* Up to the next blank, which is consumed; false if there is none. */
static bool next_word(const char **p, const char *end, const char **word, size_t *len)
{
	const char *blank = memchr(*p, ' ', (size_t)(end - *p));

	if (!blank)
		return false;
	*word = *p;
	*len = (size_t)(blank - *p);
	*p = blank + 1;
	return true;
}

static bool parse_mode(const char *word, size_t len, uint32_t *mode)
{
	*mode = 0;
	for (size_t i = 0; i < len; i++) {
		if (word[i] < '0' || word[i] > '7')
			return false;
		*mode = *mode * 8 + (uint32_t)(word[i] - '0');
	}
	return len == 6;
}

static bool parse_kind(const char *word, size_t len, enum node_kind *kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
		if (strlen(kind_names[i]) != len || memcmp(kind_names[i], word, len) != 0)
			continue;
		*kind = (enum node_kind)i;
		return true;
	}
	return false;
}

static bool parse_id(const char *word, size_t len, struct chunkid *id)
{
	return len == 7 + HASH_HEX_BYTES && !memcmp(word, "sha256:", 7) &&
	       chunkid_from_hex(id, word + 7, len - 7);
}

/* The fields of one line into *out; the name into `name`.  NULL, or what is wrong. */
static const char *parse_line(const char *p, const char *end, struct node_entry *out,
			      struct buf *name)
{
	const char *word;
	size_t len;

	if (!next_word(&p, end, &word, &len) || !parse_mode(word, len, &out->mode))
		return "bad mode";
	if (!next_word(&p, end, &word, &len) || !parse_kind(word, len, &out->kind))
		return "bad kind";
	if (!next_word(&p, end, &word, &len) || !parse_id(word, len, &out->id))
		return "bad id";
	if (!next_word(&p, end, &word, &len) ||
	    num_parse_u64n(word, len, 0, INT64_MAX, &out->bytes, NULL) < 0)
		return "bad size";
	if (!next_word(&p, end, &word, &len) ||
	    num_parse_u64n(word, len, 0, INT64_MAX, &out->files, NULL) < 0)
		return "bad number of files";
	if (path_unquote(name, p, (size_t)(end - p), NULL) < 0)
		return "name not in canonical quoting";
	out->name = name->p;
	out->name_len = name->len;
	return node_entry_problem(out);
}

int node_next(struct node_iter *it, struct node_entry *out, struct err *e)
{
	const char *nl, *problem;

	if (it->p == it->end)
		return 0;
	nl = memchr(it->p, '\n', (size_t)(it->end - it->p));
	if (!nl)
		return err_set(e, ERR_CORRUPT, "node without a final newline");
	buf_swap(&it->name, &it->last);
	buf_reset(&it->name);
	problem = parse_line(it->p, nl, out, &it->name);
	if (!problem && it->count && buf_cmp(&it->last, &it->name) >= 0)
		problem = "out of order";
	if (!problem && it->count && it->parts != (out->kind == NODE_PART))
		problem = "parts and other entries mixed";
	if (!problem && it->count == NODE_MAX_ENTRIES)
		problem = "too many entries";
	if (problem)
		return err_set(e, ERR_CORRUPT, "node entry %zu: %s", it->count + 1, problem);
	it->parts = out->kind == NODE_PART;
	it->count++;
	it->p = nl + 1;
	return 1;
}

int node_sum(const void *text, size_t len, uint64_t *bytes, uint64_t *files, struct err *e)
{
	struct node_entry entry;
	struct node_iter it;
	int rc = node_iter_init(&it, text, len, e);

	*bytes = *files = 0;
	while (rc == 0 && (rc = node_next(&it, &entry, e)) == 1) {
		rc = 0;
		if (!num_add(*bytes, entry.bytes, bytes) || !num_add(*files, entry.files, files) ||
		    *bytes > INT64_MAX || *files > INT64_MAX)
			rc = err_set(e, ERR_CORRUPT, "node sums to more than 2^63");
	}
	node_iter_release(&it);
	return rc;
}

/* One node being built: its text, and what its entries sum to. */
struct node_draft {
	struct buf text;
	uint64_t bytes, files;
	node_store_fn store;
	void *arg;
};

static void draft_reset(struct node_draft *d)
{
	buf_sets(&d->text, NODE_HEADER);
	d->bytes = d->files = 0;
}

static int draft_add(struct node_draft *d, const struct node_entry *entry, const struct buf *line,
		     struct err *e)
{
	buf_addbuf(&d->text, line);
	if (!num_add(d->bytes, entry->bytes, &d->bytes) ||
	    !num_add(d->files, entry->files, &d->files) || d->bytes > INT64_MAX ||
	    d->files > INT64_MAX)
		return err_set(e, ERR_LIMIT, "directory of more than 2^63 bytes");
	return 0;
}

/* Store what is drafted; its name stays as it is. */
static int draft_finish(struct node_draft *d, enum node_kind kind, struct node_entry *out,
			struct err *e)
{
	chunkid_of(&out->id, d->text.p, d->text.len);
	out->mode = NODE_MODE_DIR;
	out->kind = kind;
	out->bytes = d->bytes;
	out->files = d->files;
	return d->store ? d->store(d->arg, &out->id, &d->text, e) : 0;
}

struct node_list {
	struct node_entry *v;
	size_t n, alloc;
};

static void list_add(struct node_list *list, const struct node_entry *entry)
{
	XGROW(list->v, list->n + 1, list->alloc);
	list->v[list->n++] = *entry;
}

static bool list_fits(const struct node_list *list, struct buf *line)
{
	struct node_fill all = NODE_FILL_INIT;

	for (size_t i = 0; i < list->n && node_fill_fits(&all); i++) {
		buf_reset(line);
		node_add_line(line, &list->v[i]);
		all.entries++;
		all.bytes += line->len;
	}
	return node_fill_fits(&all);
}

/* The whole list in one node. */
static int build_single(struct node_draft *d, const struct node_list *list, struct buf *line,
			struct node_entry *out, struct err *e)
{
	int rc = 0;

	draft_reset(d);
	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		buf_reset(line);
		node_add_line(line, &list->v[i]);
		rc = draft_add(d, &list->v[i], line, e);
	}
	return rc < 0 ? rc : draft_finish(d, NODE_DIR, out, e);
}

/* The list at one height as parts; `above` gets an entry for each. */
static int build_parts(struct node_draft *d, unsigned int height, const struct node_list *list,
		       struct node_list *above, struct err *e)
{
	struct node_fill fill = NODE_FILL_INIT;
	struct buf line = BUF_INIT;
	struct node_entry part = {.name = ""};
	int rc = 0;

	draft_reset(d);
	for (size_t i = 0; rc == 0 && i < list->n; i++) {
		buf_reset(&line);
		node_add_line(&line, &list->v[i]);
		if (node_fill_add(&fill, height, &list->v[i], line.len)) {
			rc = draft_finish(d, NODE_PART, &part, e);
			list_add(above, &part);
			draft_reset(d);
		}
		if (fill.entries == 1) {
			part.name = list->v[i].name;
			part.name_len = list->v[i].name_len;
		}
		if (rc == 0)
			rc = draft_add(d, &list->v[i], &line, e);
	}
	if (rc == 0)
		rc = draft_finish(d, NODE_PART, &part, e);
	list_add(above, &part);
	buf_release(&line);
	return rc;
}

static int check_entries(const struct node_entry *entries, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const char *problem = node_entry_problem(&entries[i]);

		if (!problem && entries[i].kind == NODE_PART)
			problem = "a part";
		if (!problem && i && strcmp(entries[i - 1].name, entries[i].name) >= 0)
			problem = "out of order or there twice";
		if (problem)
			return err_set(e, ERR_INPUT, "directory entry '%s': %s", entries[i].name,
				       problem);
	}
	return 0;
}

int node_build(const struct node_entry *entries, size_t n, node_store_fn store, void *arg,
	       struct node_entry *out, struct err *e)
{
	struct node_draft draft = {BUF_INIT, 0, 0, store, arg};
	struct node_list list = {NULL, 0, 0};
	struct buf line = BUF_INIT;
	int rc = check_entries(entries, n, e);

	for (size_t i = 0; rc == 0 && i < n; i++)
		list_add(&list, &entries[i]);
	for (unsigned int height = 0; rc == 0 && !list_fits(&list, &line); height++) {
		struct node_list above = {NULL, 0, 0};

		rc = build_parts(&draft, height, &list, &above, e);
		free(list.v);
		list = above;
	}
	if (rc == 0)
		rc = build_single(&draft, &list, &line, out, e);
	free(list.v);
	buf_release(&draft.text);
	buf_release(&line);
	return rc;
}
