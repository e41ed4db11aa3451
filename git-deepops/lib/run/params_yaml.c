/* SPDX-License-Identifier: MIT */
/*
 * params_yaml.c - YAML through libyaml; see params.h
 *
 * The library composes one document, in which an alias is another edge to the same node: depth and
 * number of values are bounded, so neither a cycle nor a tree of aliases costs more.
 */
#include <yaml.h>

#include "base/xalloc.h"
#include "run/params_internal.h"

struct reader {
	struct params *p;
	const char *name;
	yaml_document_t doc;
};

/* The pairs of a mapping after its merge keys. */
struct merged {
	yaml_node_pair_t *v;
	size_t n, alloc;
};

static int bad(const struct reader *r, const yaml_node_t *n, const char *what, struct err *e)
{
	return err_set(e, ERR_INPUT, "%s:%zu: %s", r->name, n->start_mark.line + 1, what);
}

static const char *scalar(const yaml_node_t *n)
{
	return (const char *)n->data.scalar.value;
}

static bool is_plain(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int check_tag(const struct reader *r, const yaml_node_t *n, struct err *e)
{
	static const char *const known[] = {"str",  "int", "float", "bool",
					    "null", "seq", "map",   "timestamp"};
	const char *word;

	if (!n->tag)
		return 0;
	if (str_startswith((const char *)n->tag, "tag:yaml.org,2002:", &word))
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			if (!strcmp(word, known[i]))
				return 0;
	return bad(r, n, "a tag that is not understood", e);
}

static bool same_key(struct reader *r, int a, int b)
{
	const yaml_node_t *x = yaml_document_get_node(&r->doc, a);
	const yaml_node_t *y = yaml_document_get_node(&r->doc, b);

	return x->type == YAML_SCALAR_NODE && y->type == YAML_SCALAR_NODE &&
	       !strcmp(scalar(x), scalar(y));
}

static bool is_merge(struct reader *r, const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key);

	return is_plain(key) && !strcmp(scalar(key), "<<");
}

static bool has_key(struct reader *r, const struct merged *m, int key)
{
	for (size_t i = 0; i < m->n; i++)
		if (same_key(r, m->v[i].key, key))
			return true;
	return false;
}

static int add_pairs(struct reader *r, const yaml_node_t *map, bool own, struct merged *m,
		     struct err *e)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
	     p++) {
		if (is_merge(r, p))
			continue;
		if (has_key(r, m, p->key)) {
			if (own)
				return bad(r, yaml_document_get_node(&r->doc, p->key),
					   "a key that stands twice", e);
			continue;
		}
		if (m->n >= PARAMS_MAX_VALUES)
			return bad(r, map, "too many keys", e);
		XGROW(m->v, m->n + 1, m->alloc);
		m->v[m->n++] = *p;
	}
	return 0;
}

static int merge(struct reader *r, const yaml_node_t *map, int depth, struct merged *m,
		 struct err *e);

/* What `<<` names: a mapping or a list of them; what stands there already wins. */
static int merge_value(struct reader *r, const yaml_node_t *v, int depth, struct merged *m,
		       struct err *e)
{
	int rc = 0;

	if (v->type == YAML_MAPPING_NODE)
		return merge(r, v, depth + 1, m, e);
	if (v->type != YAML_SEQUENCE_NODE)
		return bad(r, v, "a merge of what is no mapping", e);
	for (yaml_node_item_t *i = v->data.sequence.items.start;
	     rc == 0 && i < v->data.sequence.items.top; i++) {
		const yaml_node_t *one = yaml_document_get_node(&r->doc, *i);

		if (one->type != YAML_MAPPING_NODE)
			return bad(r, one, "a merge of what is no mapping", e);
		rc = merge(r, one, depth + 1, m, e);
	}
	return rc;
}

static int merge(struct reader *r, const yaml_node_t *map, int depth, struct merged *m,
		 struct err *e)
{
	int rc;

	if (depth > PARAMS_MAX_DEPTH)
		return bad(r, map, "nested too deep", e);
	rc = add_pairs(r, map, depth == 0, m, e);
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     rc == 0 && p < map->data.mapping.pairs.top; p++)
		if (is_merge(r, p))
			rc = merge_value(r, yaml_document_get_node(&r->doc, p->value), depth, m, e);
	return rc;
}

static int walk(struct reader *r, const char *name, const yaml_node_t *n, int depth, struct err *e);

static int walk_map(struct reader *r, const char *name, const yaml_node_t *n, int depth,
		    struct err *e)
{
	struct merged m = {0};
	struct buf below = BUF_INIT;
	int rc = merge(r, n, 0, &m, e);

	for (size_t i = 0; rc == 0 && i < m.n; i++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, m.v[i].key);

		if (key->type != YAML_SCALAR_NODE) {
			rc = bad(r, key, "a key that is no text", e);
			break;
		}
		if (!*scalar(key) || strlen(scalar(key)) != key->data.scalar.length) {
			rc = bad(r, key, "a key without a name", e);
			break;
		}
		buf_reset(&below);
		params_name(&below, name, scalar(key), key->data.scalar.length);
		rc = walk(r, below.p, yaml_document_get_node(&r->doc, m.v[i].value), depth + 1, e);
	}
	free(m.v);
	buf_release(&below);
	return rc;
}

static int walk_list(struct reader *r, const char *name, const yaml_node_t *n, int depth,
		     struct err *e)
{
	struct buf below = BUF_INIT;
	size_t at = 0;
	int rc = 0;

	for (yaml_node_item_t *i = n->data.sequence.items.start;
	     rc == 0 && i < n->data.sequence.items.top; i++) {
		char number[24];

		snprintf(number, sizeof(number), "%zu", at++);
		buf_reset(&below);
		params_name(&below, name, number, strlen(number));
		rc = walk(r, below.p, yaml_document_get_node(&r->doc, *i), depth + 1, e);
	}
	buf_release(&below);
	return rc;
}

static int add(struct reader *r, const char *name, const yaml_node_t *n, const char *text,
	       bool string, struct err *e)
{
	if (params_add(r->p, name, text, string, e) < 0)
		return err_wrap(e, "%s:%zu", r->name, n->start_mark.line + 1);
	return 0;
}

static int add_scalar(struct reader *r, const char *name, const yaml_node_t *n, struct err *e)
{
	const char *text = scalar(n);

	if (strlen(text) != n->data.scalar.length)
		return bad(r, n, "a NUL byte", e);
	if (is_plain(n) && (!*text || !strcmp(text, "~") || !strcasecmp(text, "null")))
		text = "null";
	return add(r, name, n, text, !is_plain(n), e);
}

static int walk(struct reader *r, const char *name, const yaml_node_t *n, int depth, struct err *e)
{
	int rc = check_tag(r, n, e);

	if (rc == 0 && depth > PARAMS_MAX_DEPTH)
		rc = bad(r, n, "nested too deep", e);
	if (rc < 0)
		return rc;
	if (n->type == YAML_MAPPING_NODE)
		return n->data.mapping.pairs.start == n->data.mapping.pairs.top && *name
			       ? add(r, name, n, "{}", false, e)
			       : walk_map(r, name, n, depth, e);
	if (n->type == YAML_SEQUENCE_NODE)
		return n->data.sequence.items.start == n->data.sequence.items.top
			       ? add(r, name, n, "[]", false, e)
			       : walk_list(r, name, n, depth, e);
	return add_scalar(r, name, n, e);
}

static int not_yaml(const struct reader *r, const yaml_parser_t *parser, struct err *e)
{
	if (parser->error == YAML_MEMORY_ERROR)
		xalloc_die();
	return err_set(e, ERR_INPUT, "%s:%zu: %s", r->name, parser->problem_mark.line + 1,
		       parser->problem ? parser->problem : "not understood");
}

/* 1: there was a document; 0: the end of the file. */
static int one_document(struct reader *r, yaml_parser_t *parser, bool first, struct err *e)
{
	const yaml_node_t *root;
	int rc;

	if (!yaml_parser_load(parser, &r->doc))
		return not_yaml(r, parser, e);
	root = yaml_document_get_root_node(&r->doc);
	rc = root != NULL;
	if (root && !first)
		rc = bad(r, root, "a second document", e);
	else if (root && is_plain(root) && !*scalar(root))
		rc = 1; /* nothing but comments */
	else if (root && root->type != YAML_MAPPING_NODE)
		rc = bad(r, root, "neither `key: value' nor a mapping", e);
	else if (root)
		rc = walk(r, "", root, 0, e) < 0 ? (e ? e->code : ERR_INPUT) : 1;
	yaml_document_delete(&r->doc);
	return rc;
}

int params_yaml(struct params *p, const char *name, const void *text, size_t len, struct err *e)
{
	struct reader r = {.p = p, .name = name};
	yaml_parser_t parser;
	int rc;

	if (!yaml_parser_initialize(&parser))
		xalloc_die();
	yaml_parser_set_input_string(&parser, text, len);
	rc = one_document(&r, &parser, true, e);
	if (rc == 1)
		rc = one_document(&r, &parser, false, e);
	yaml_parser_delete(&parser);
	return MIN(rc, 0);
}
