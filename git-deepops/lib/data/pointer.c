/* SPDX-License-Identifier: MIT */
/* pointer.c - reading and writing of gitformat-deepops-pointer(5); see pointer.h */
#include "data/pointer.h"

#include <strings.h>
#include <sys/stat.h>

#include "base/conf.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "data/leaveout.h"

/* Which keys a section has, in the order in which they stand. */
static const char *const deepops_keys[] = {"version", "kind", NULL};
static const char *const shard_keys[] = {"id", "files", "bytes", "kind", NULL};
static const char *const content_keys[] = {"id", "bytes", "mode", NULL};
static const char *const selection_keys[] = {"base", "query", "seed", "split",
					     "part", "group", NULL};

enum section { SECTION_NONE, SECTION_DEEPOPS, SECTION_SHARD, SECTION_CONTENT, SECTION_SELECTION };

struct parse {
	struct pointer *p;
	const char *name; /* of the file, for messages */
	enum section section;
	const char *const *keys; /* of the section */
	size_t next;             /* index in keys of the one expected now */
	struct node_shard shard; /* being read; name owned */
};

void pointer_init(struct pointer *p)
{
	memset(p, 0, sizeof(*p));
}

static void shards_free(struct pointer *p)
{
	for (size_t i = 0; i < p->n; i++)
		free((void *)(uintptr_t)p->shards[i].name);
	free(p->shards);
}

void pointer_release(struct pointer *p)
{
	shards_free(p);
	free(p->selection.query);
	free(p->selection.seed);
	free(p->selection.split);
	free(p->selection.part);
	free(p->selection.group_by);
	pointer_init(p);
}

static char *dup_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void pointer_copy(struct pointer *to, const struct pointer *from)
{
	struct pointer copy = *from;

	copy.shards = NULL;
	copy.n = copy.alloc = 0;
	copy.files = copy.bytes = 0;
	for (size_t i = 0; i < from->n; i++)
		pointer_add_shard(&copy, from->shards[i].name, &from->shards[i]);
	copy.files = from->files;
	copy.bytes = from->bytes;
	copy.selection.query = dup_or_null(from->selection.query);
	copy.selection.seed = dup_or_null(from->selection.seed);
	copy.selection.split = dup_or_null(from->selection.split);
	copy.selection.part = dup_or_null(from->selection.part);
	copy.selection.group_by = dup_or_null(from->selection.group_by);
	pointer_release(to);
	*to = copy;
}

void pointer_add_shard(struct pointer *p, const char *name, const struct node_shard *s)
{
	XGROW(p->shards, p->n + 1, p->alloc);
	p->shards[p->n] = *s;
	p->shards[p->n].name = xstrdup(name);
	p->n++;
	p->files += s->files;
	p->bytes += s->bytes;
}

static int shard_cmp(const void *a, const void *b)
{
	const struct node_shard *x = a, *y = b;

	return strcmp(x->name, y->name);
}

void pointer_sort(struct pointer *p)
{
	if (p->n)
		qsort(p->shards, p->n, sizeof(*p->shards), shard_cmp);
}

bool pointer_equal(const struct pointer *a, const struct pointer *b)
{
	struct buf x = BUF_INIT, y = BUF_INIT;
	bool same;

	pointer_format(a, &x);
	pointer_format(b, &y);
	same = buf_cmp(&x, &y) == 0;
	buf_release(&x);
	buf_release(&y);
	return same;
}

/* ---- writing ---- */

static void format_shard(const struct node_shard *s, struct buf *out)
{
	struct buf quoted = BUF_INIT;

	path_quote(&quoted, s->name, strlen(s->name));
	buf_addstr(out, "[shard \"");
	conf_escape_sub(out, quoted.p);
	buf_addf(out, "\"]\n\tid = %s\n\tfiles = %" PRIu64 "\n\tbytes = %" PRIu64 "\n",
		 chunkid_text(&s->id).s, s->files, s->bytes);
	/* A constant last line keeps changes of neighbouring shards apart for git's merge. */
	buf_addstr(out, "\tkind = node\n");
	buf_release(&quoted);
}

/* Queries hold quotes, `;` and `#`: quoted always, so that git config reads them back whole. */
static void format_quoted(struct buf *out, const char *key, const char *value)
{
	buf_addf(out, "\t%s = \"", key);
	conf_escape_sub(out, value);
	buf_addstr(out, "\"\n");
}

static void format_selection(const struct pointer_selection *s, struct buf *out)
{
	buf_addf(out, "[selection]\n\tbase = %s\n", chunkid_text(&s->base).s);
	format_quoted(out, "query", s->query);
	buf_addf(out, "\tseed = %s\n\tsplit = %s\n\tpart = %s\n", s->seed, s->split, s->part);
	if (s->group_by)
		format_quoted(out, "group", s->group_by);
}

void pointer_format(const struct pointer *p, struct buf *out)
{
	buf_addf(out, "[deepops]\n\tversion = 1\n\tkind = %s\n",
		 p->kind == POINTER_TREE ? "tree" : "file");
	if (p->kind == POINTER_FILE)
		buf_addf(out, "[content]\n\tid = %s\n\tbytes = %" PRIu64 "\n\tmode = %06o\n",
			 chunkid_text(&p->id).s, p->bytes, p->mode);
	for (size_t i = 0; i < p->n; i++)
		format_shard(&p->shards[i], out);
	if (p->has_selection)
		format_selection(&p->selection, out);
}

/* ---- reading ---- */

static int fault(const struct parse *ps, const struct conf_line *l, struct err *e, const char *what)
{
	return err_set(e, ERR_INPUT, "%s:%u: %s", ps->name, l->line, what);
}

/* The section before `l` (or before the end) must have had all its keys. */
static int section_done(struct parse *ps, unsigned int line, struct err *e)
{
	struct pointer *p = ps->p;
	uint64_t sum;

	if (ps->section == SECTION_SELECTION && ps->keys[ps->next] &&
	    !strcmp(ps->keys[ps->next], "group"))
		ps->next++; /* the only key that may be absent */
	if (ps->section != SECTION_NONE && ps->keys[ps->next])
		return err_set(e, ERR_INPUT, "%s:%u: key '%s' is missing", ps->name, line,
			       ps->keys[ps->next]);
	if (ps->section != SECTION_SHARD)
		return 0;
	if (!ps->shard.files && ps->shard.bytes)
		return err_set(e, ERR_INPUT, "%s:%u: bytes without files", ps->name, line);
	if (!num_add(p->files, ps->shard.files, &sum) || !num_add(p->bytes, ps->shard.bytes, &sum))
		return err_set(e, ERR_LIMIT, "%s:%u: totals overflow", ps->name, line);
	if (p->n >= POINTER_MAX_SHARDS)
		return err_set(e, ERR_LIMIT, "%s:%u: more than %d shards", ps->name, line,
			       POINTER_MAX_SHARDS);
	pointer_add_shard(p, ps->shard.name, &ps->shard);
	free((void *)(uintptr_t)ps->shard.name);
	memset(&ps->shard, 0, sizeof(ps->shard));
	return 0;
}

static bool shard_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (!strcmp(name, ".") || !strcmp(name, "/"))
		return true;
	if (n && name[n - 1] == '/')
		n--;
	return path_is_safe(name, n);
}

static int begin_shard(struct parse *ps, const struct conf_line *l, struct err *e)
{
	struct buf raw = BUF_INIT;
	int rc = path_unquote(&raw, l->sub, strlen(l->sub), e);

	if (rc < 0)
		rc = err_wrap(e, "%s:%u", ps->name, l->line);
	else if (!shard_name_ok(raw.p))
		rc = fault(ps, l, e, "shard name is not a path inside a dataset");
	else if (ps->p->n && strcmp(ps->p->shards[ps->p->n - 1].name, raw.p) >= 0)
		rc = fault(ps, l, e, "shards out of order");
	else
		ps->shard.name = buf_detach(&raw, NULL);
	buf_release(&raw);
	return rc;
}

static int begin_section(struct parse *ps, const struct conf_line *l, struct err *e)
{
	enum section before = ps->section;
	int rc = section_done(ps, l->line, e);

	if (rc < 0)
		return rc;
	ps->next = 0;
	if (!strcmp(l->section, "deepops") && !l->sub && before == SECTION_NONE) {
		ps->section = SECTION_DEEPOPS;
		ps->keys = deepops_keys;
	} else if (!strcmp(l->section, "shard") && l->sub && ps->p->kind == POINTER_TREE &&
		   (before == SECTION_DEEPOPS || before == SECTION_SHARD)) {
		ps->section = SECTION_SHARD;
		ps->keys = shard_keys;
		rc = begin_shard(ps, l, e);
	} else if (!strcmp(l->section, "content") && !l->sub && ps->p->kind == POINTER_FILE &&
		   before == SECTION_DEEPOPS) {
		ps->section = SECTION_CONTENT;
		ps->keys = content_keys;
	} else if (!strcmp(l->section, "selection") && !l->sub &&
		   (before == SECTION_SHARD || before == SECTION_CONTENT)) {
		ps->section = SECTION_SELECTION;
		ps->keys = selection_keys;
		ps->p->has_selection = true;
	} else {
		rc = fault(ps, l, e, "unexpected section");
	}
	return rc;
}

static int deepops_value(struct parse *ps, const struct conf_line *l, struct err *e)
{
	if (!strcmp(l->key, "version")) {
		if (strcmp(l->value, "1") != 0)
			return err_set(e, ERR_INPUT, "%s:%u: pointer version %s is not known",
				       ps->name, l->line, l->value);
		return 0;
	}
	if (!strcmp(l->value, "tree"))
		ps->p->kind = POINTER_TREE;
	else if (!strcmp(l->value, "file"))
		ps->p->kind = POINTER_FILE;
	else
		return fault(ps, l, e, "kind is neither tree nor file");
	return 0;
}

static int shard_value(struct parse *ps, const struct conf_line *l, struct err *e)
{
	if (!strcmp(l->key, "id"))
		return chunkid_parse(&ps->shard.id, l->value, e);
	if (!strcmp(l->key, "files"))
		return num_parse_u64(l->value, 0, INT64_MAX, &ps->shard.files, e);
	if (!strcmp(l->key, "bytes"))
		return num_parse_u64(l->value, 0, INT64_MAX, &ps->shard.bytes, e);
	return strcmp(l->value, "node") ? err_set(e, ERR_INPUT, "shard kind is not node") : 0;
}

static int content_value(struct parse *ps, const struct conf_line *l, struct err *e)
{
	struct pointer *p = ps->p;

	if (!strcmp(l->key, "id"))
		return chunkid_parse(&p->id, l->value, e);
	if (!strcmp(l->key, "bytes"))
		return num_parse_u64(l->value, 0, INT64_MAX, &p->bytes, e);
	p->files = 1;
	if (!strcmp(l->value, "100644"))
		p->mode = NODE_MODE_FILE;
	else if (!strcmp(l->value, "100755"))
		p->mode = NODE_MODE_EXEC;
	else
		return err_set(e, ERR_INPUT, "mode is neither 100644 nor 100755");
	return 0;
}

/* The inverse of format_quoted. */
static int unquote_value(char **out, const char *value, struct err *e)
{
	size_t n = strlen(value);
	struct buf b = BUF_INIT;

	if (n < 2 || value[0] != '"' || value[n - 1] != '"')
		return err_set(e, ERR_INPUT, "value is not quoted");
	for (size_t i = 1; i < n - 1; i++) {
		if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) {
			buf_release(&b);
			return err_set(e, ERR_INPUT, "value holds a control byte");
		}
		if (value[i] == '\\')
			i++;
		buf_addch(&b, (unsigned char)value[i]);
	}
	*out = buf_detach(&b, NULL);
	return 0;
}

static int selection_value(struct parse *ps, const struct conf_line *l, struct err *e)
{
	struct pointer_selection *s = &ps->p->selection;
	uint64_t seed;

	if (!strcmp(l->key, "base"))
		return chunkid_parse(&s->base, l->value, e);
	if (!strcmp(l->key, "query"))
		return unquote_value(&s->query, l->value, e);
	if (!strcmp(l->key, "group"))
		return unquote_value(&s->group_by, l->value, e);
	if (!strcmp(l->key, "seed")) {
		s->seed = xstrdup(l->value);
		return num_parse_u64(l->value, 0, UINT64_MAX, &seed, e);
	}
	if (!*l->value || l->value[strcspn(l->value, " \t\"\\;#")])
		return err_set(e, ERR_INPUT, "value holds a blank, a quote or a comment sign");
	*(strcmp(l->key, "split") ? &s->part : &s->split) = xstrdup(l->value);
	return 0;
}

static int take_value(struct parse *ps, const struct conf_line *l, struct err *e)
{
	int rc = 0;

	if (!ps->keys || !ps->keys[ps->next] || strcmp(l->key, ps->keys[ps->next]) != 0)
		return err_set(e, ERR_INPUT, "%s:%u: key '%s' does not belong here", ps->name,
			       l->line, l->key);
	ps->next++;
	switch (ps->section) {
	case SECTION_DEEPOPS:
		return deepops_value(ps, l, e);
	case SECTION_SHARD:
		rc = shard_value(ps, l, e);
		break;
	case SECTION_CONTENT:
		rc = content_value(ps, l, e);
		break;
	case SECTION_SELECTION:
		rc = selection_value(ps, l, e);
		break;
	case SECTION_NONE:
		return fault(ps, l, e, "key outside of a section");
	}
	return rc < 0 ? err_wrap(e, "%s:%u", ps->name, l->line) : 0;
}

static const struct node_shard *find_shard(const struct pointer *p, const char *name)
{
	struct node_shard key = {name, {{0}}, 0, 0};

	return p->n ? bsearch(&key, p->shards, p->n, sizeof(*p->shards), shard_cmp) : NULL;
}

/* No shard may lie in another one: "." stands alone, "a" excludes "a/" and "a/b". */
static int check_disjoint(const struct parse *ps, struct err *e)
{
	const struct pointer *p = ps->p;
	struct buf dir = BUF_INIT;
	int rc = 0;

	if (p->n > 1 && find_shard(p, "."))
		rc = err_set(e, ERR_INPUT, "%s: shard \".\" is not the only one", ps->name);
	for (size_t i = 0; rc == 0 && i < p->n; i++) {
		const char *name = p->shards[i].name;

		for (const char *s = strchr(name, '/'); rc == 0 && s; s = strchr(s + 1, '/')) {
			buf_reset(&dir);
			buf_add(&dir, name, (size_t)(s - name));
			if (dir.len && find_shard(p, dir.p))
				rc = err_set(e, ERR_INPUT, "%s: shards \"%s\" and \"%s\" overlap",
					     ps->name, dir.p, name);
		}
	}
	buf_release(&dir);
	return rc;
}

/*
 * "a/" without files says that the split directory a is empty: it would be a second way to
 * write the same dataset if another shard lay in a.
 */
static int check_needed(const struct parse *ps, struct err *e)
{
	const struct pointer *p = ps->p;

	for (size_t i = 0; i < p->n; i++) {
		const char *name = p->shards[i].name;
		size_t len = strlen(name);
		bool rest = !strcmp(name, "/");

		if (p->shards[i].files || name[len - 1] != '/')
			continue;
		for (size_t k = 0; k < p->n; k++)
			if (k != i && (rest || !strncmp(p->shards[k].name, name, len)))
				return err_set(e, ERR_INPUT, "%s: shard \"%s\" is needless",
					       ps->name, name);
	}
	return 0;
}

static int check_whole(struct parse *ps, const void *text, size_t len, struct err *e)
{
	const struct pointer *p = ps->p;
	struct buf again = BUF_INIT;
	int rc;

	if (ps->section == SECTION_NONE || ps->section == SECTION_DEEPOPS)
		return err_set(e, ERR_INPUT, "%s: no content", ps->name);
	rc = check_disjoint(ps, e);
	if (rc == 0)
		rc = check_needed(ps, e);
	if (rc == 0) {
		pointer_format(p, &again);
		if (again.len != len || memcmp(again.p, text, len) != 0)
			rc = err_set(e, ERR_INPUT, "%s: not in canonical form", ps->name);
	}
	buf_release(&again);
	return rc;
}

static int parse_lines(struct parse *ps, struct conf *c, struct err *e)
{
	struct conf_line l;
	int rc;

	while ((rc = conf_next(c, &l, e)) == 1) {
		rc = l.key ? take_value(ps, &l, e) : begin_section(ps, &l, e);
		if (rc < 0)
			return rc;
	}
	return rc < 0 ? rc : section_done(ps, c->line, e);
}

static void hint_conflict(const char *name, struct err *e)
{
	struct buf word = BUF_INIT;

	path_shell_quote(&word, name);
	err_hint(e,
		 "the pointer has merge conflicts: git deepops init && git checkout --merge -- %s "
		 "merges it entry by entry",
		 word.p);
	buf_release(&word);
}

/* git turned LF into CRLF as it wrote the file: taking it from git once more gives the same. */
static void hint_endings(const char *name, struct err *e)
{
	char *word = path_word(name);

	err_hint(e,
		 "its line endings are CRLF: some attribute asks git for that (git check-attr text "
		 "eol "
		 "-- %s); git deepops doctor says how to mend it",
		 word);
	free(word);
}

int pointer_parse(struct pointer *p, const void *text, size_t len, const char *name, struct err *e)
{
	struct parse ps = {p, name, SECTION_NONE, NULL, 0, {NULL, {{0}}, 0, 0}};
	struct conf c;
	int rc;

	pointer_release(p);
	if (len > POINTER_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "%s: larger than 256 KiB", name);
	conf_init(&c, text, len, CONF_EXACT, name);
	rc = parse_lines(&ps, &c, e);
	if (rc == 0)
		rc = check_whole(&ps, text, len, e);
	conf_release(&c);
	free((void *)(uintptr_t)ps.shard.name);
	if (rc < 0) {
		pointer_release(p);
		if (memmem(text, len, "\n<<<<<<< ", 9) || (len > 8 && !memcmp(text, "<<<<<<< ", 8)))
			hint_conflict(name, e);
		else if (len > 11 && !memcmp(text, "[deepops]\r\n", 11))
			hint_endings(name, e);
	}
	return rc;
}

/* ---- ids and names ---- */

void pointer_split_key(const struct pointer *p, struct chunkid *key)
{
	if (p->kind == POINTER_FILE)
		*key = p->id;
	else
		node_split_key(p->shards, p->n, key);
}

int pointer_dataset_id(const struct pointer *p, node_load_fn load, void *arg, struct chunkid *id,
		       struct err *e)
{
	struct node_dataset whole;
	int rc;

	if (p->kind == POINTER_FILE) {
		*id = p->id;
		return 0;
	}
	rc = node_dataset_id(p->shards, p->n, load, arg, &whole, e);
	if (rc == 0)
		*id = whole.id;
	return rc;
}

int pointer_check_root(const char *path, struct err *e)
{
	const char *base = path_basename(path);

	for (const unsigned char *s = (const unsigned char *)path; *s; s++)
		if (*s < 0x20 || *s == 0x7f)
			return err_set(e, ERR_INPUT,
				       "'%s' holds a control byte, which .gitignore cannot name",
				       path);
	if (!*path || !strcmp(path, "."))
		return err_set(e, ERR_INPUT, "the whole work tree cannot be a dataset");
	if (strlen(base) + strlen(POINTER_SUFFIX) > NAME_MAX_BYTES)
		return err_set(e, ERR_INPUT,
			       "'%s' is too long: the name of its pointer would have %zu bytes, "
			       "more than %d",
			       path, strlen(base) + strlen(POINTER_SUFFIX), NAME_MAX_BYTES);
	if (!path_is_safe(path, strlen(path)))
		return err_set(e, ERR_INPUT, "'%s' cannot be the name of a dataset", path);
	/*
	 * In any case: some file systems hold `.DEEPOPS` and `.deepops` for one.  What .deepopsignore says
	 * must be in git, for everybody to see: as data, git would ignore it and no diff would show it.
	 */
	if (!strncasecmp(base, ".git", 4) || str_endswith(base, POINTER_SUFFIX) ||
	    !strncasecmp(path, ".deepops/", 9) || !strcasecmp(path, LEAVEOUT_FILE))
		return err_set(e, ERR_INPUT, "'%s' is reserved and cannot be a dataset", path);
	return 0;
}

void pointer_ignore_line(const char *root, struct buf *out)
{
	size_t len = strlen(root), trail = len;

	while (trail && root[trail - 1] == ' ')
		trail--;
	buf_addch(out, '/'); /* anchors it, and takes their meaning from a first `#` or `!` */
	for (size_t i = 0; i < len; i++) {
		if (i >= trail || strchr("\\*?[", root[i]))
			buf_addch(out, '\\');
		buf_addch(out, (unsigned char)root[i]);
	}
}

/* The part of a pointer's name before its suffix; false: it has none. */
static bool cut_suffix(const char *pointer_path, struct buf *root)
{
	size_t n = strlen(pointer_path), suffix = strlen(POINTER_SUFFIX);

	if (n <= suffix || !str_endswith(pointer_path, POINTER_SUFFIX) ||
	    pointer_path[n - suffix - 1] == '/')
		return false;
	buf_reset(root);
	buf_add(root, pointer_path, n - suffix);
	return true;
}

bool pointer_root_of(const char *pointer_path, struct buf *root)
{
	return cut_suffix(pointer_path, root) && pointer_check_root(root->p, NULL) == 0;
}

int pointer_check_name(const char *path, struct err *e)
{
	struct buf root = BUF_INIT;
	int rc = cut_suffix(path, &root) ? pointer_check_root(root.p, e) : 0;

	if (rc < 0)
		rc = err_wrap(e, "'%s' cannot be a pointer", path);
	buf_release(&root);
	return rc;
}

bool pointer_is_entry(uint32_t mode, const char *name)
{
	size_t n = strlen(name), suffix = strlen(POINTER_SUFFIX);

	return (mode & S_IFMT) == S_IFREG && n > suffix && str_endswith(name, POINTER_SUFFIX) &&
	       name[n - suffix - 1] != '/';
}
