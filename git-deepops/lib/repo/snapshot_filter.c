/* SPDX-License-Identifier: MIT */
/* snapshot_filter.c - files whose bytes git stores otherwise; see snapshot_internal.h */
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/snapshot_internal.h"

#define ATTRIBUTES_MAX_BYTES ((size_t)1 << 20)
#define READ_BYTES 65536
#define HASH_ARGS_BYTES 65536 /* of paths in one hash-object command */

/* What .gitattributes can change about the bytes of a file. */
static const char *const attributes[] = {"text",   "crlf",  "eol",
					 "filter", "ident", "working-tree-encoding"};
enum { ATTR_TEXT, ATTR_CRLF, ATTR_EOL, ATTR_FILTER, ATTR_IDENT, ATTR_ENCODING, ATTRS };

struct candidate {
	const struct snapshot_entry *entry;
	struct stat st;
	uint64_t stored; /* bytes in git */
	bool line_ends;  /* CRLF may become LF: then the size differs */
	bool any;        /* a filter may do anything */
	bool elsewhere;  /* git holds a pointer alone: git-lfs, git-annex */
	bool driver;     /* filter=NAME, which may encrypt */
	bool differs;
};

struct candidates {
	struct candidate *v;
	size_t nr, alloc;
	bool autocrlf;
};

/* ---- may any attribute matter at all? ---- */

/* A word after the pattern that says more than "leave the bytes alone". */
static bool line_matters(const char *line, size_t len)
{
	const char *end = line + len;

	line += strcspn(line, " \t\n");
	while (line < end) {
		line += strspn(line, " \t");
		for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
			if (str_startswith(line, attributes[i], NULL))
				return true;
		line += strcspn(line, " \t\n");
		line += line < end && *line == '\n';
	}
	return false;
}

static bool file_matters(int dirfd, const char *path)
{
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	int rc = io_read_file(dirfd, path, ATTRIBUTES_MAX_BYTES, &text, &e);
	bool matters = rc < 0 && rc != ERR_NOTFOUND; /* can't tell: look at every file */

	for (const char *line = text.p; rc == 0 && *line && !matters;) {
		size_t len = strcspn(line, "\n");

		matters = line_matters(line, len);
		line += len + (line[len] == '\n');
	}
	buf_release(&text);
	return matters;
}

static bool global_files_matter(struct repo *r)
{
	const char *xdg = getenv("XDG_CONFIG_HOME");
	const char *home = getenv("HOME");
	struct buf value = BUF_INIT;
	char *user = xdg && *xdg ? xstrfmt("%s/git/attributes", xdg)
				 : xstrfmt("%s/.config/git/attributes", home ? home : "");
	char *info = xstrfmt("%s/info/attributes", repo_commondir(r));
	bool matters = repo_config_get(r, "core.attributesFile", &value, NULL) != 0 ||
		       file_matters(AT_FDCWD, user) || file_matters(AT_FDCWD, info) ||
		       file_matters(AT_FDCWD, "/etc/gitattributes");

	free(user);
	free(info);
	buf_release(&value);
	return matters;
}

/* Every directory that has an entry may have a .gitattributes, committed or not. */
static bool worktree_files_matter(const struct snapshot_site *s)
{
	struct buf last = BUF_INIT;
	struct buf path = BUF_INIT;
	bool matters = file_matters(s->fd, ".gitattributes");

	for (size_t i = 0; i < s->nentries && !matters; i++) {
		const char *slash = strrchr(s->entries[i].path, '/');

		if (!slash || s->entries[i].mode == TREE_MODE_GITLINK)
			continue;
		buf_reset(&path);
		buf_add(&path, s->entries[i].path, (size_t)(slash - s->entries[i].path));
		if (buf_cmp(&path, &last) == 0)
			continue;
		buf_sets(&last, path.p);
		buf_addstr(&path, "/.gitattributes");
		matters = file_matters(s->fd, path.p);
	}
	buf_release(&last);
	buf_release(&path);
	return matters;
}

/* Only of the main site do we know the configuration: others are always looked at. */
static int may_matter(struct snapshot_site *s, bool *matters, bool *autocrlf, struct err *e)
{
	struct repo *r = s->snap->r;
	struct buf value = BUF_INIT;
	int rc;

	*matters = *autocrlf = true;
	if (s->kind != SNAPSHOT_MAIN)
		return 0;
	rc = repo_config_get(r, "core.autocrlf", &value, e);
	if (rc >= 0) {
		*autocrlf = rc && strcmp(value.p, "false") != 0;
		*matters = *autocrlf || worktree_files_matter(s) || global_files_matter(r);
	}
	buf_release(&value);
	return rc < 0 ? rc : 0;
}

/* ---- which files may differ ---- */

static void add_files(struct snapshot_site *s, struct candidates *c)
{
	for (size_t i = 0; i < s->nentries; i++) {
		const struct snapshot_entry *entry = &s->entries[i];
		struct stat st;

		if ((entry->mode != TREE_MODE_FILE && entry->mode != TREE_MODE_EXEC) ||
		    snapshot_site_covers(&s->skip, entry->path) ||
		    snapshot_site_stat(s, entry->path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		XGROW(c->v, c->nr + 1, c->alloc);
		memset(&c->v[c->nr], 0, sizeof(c->v[0]));
		c->v[c->nr].entry = entry;
		c->v[c->nr++].st = st;
	}
}

static bool is_given(const char *value)
{
	return strcmp(value, "unspecified") != 0 && strcmp(value, "unset") != 0;
}

static void judge(struct candidate *c, const char *const value[ATTRS], bool autocrlf)
{
	bool binary = !strcmp(value[ATTR_TEXT], "unset") || !strcmp(value[ATTR_CRLF], "unset");

	c->driver = is_given(value[ATTR_FILTER]);
	c->any = is_given(value[ATTR_FILTER]) || is_given(value[ATTR_IDENT]) ||
		 is_given(value[ATTR_ENCODING]);
	c->line_ends = !binary && (autocrlf || is_given(value[ATTR_TEXT]) ||
				   is_given(value[ATTR_CRLF]) || is_given(value[ATTR_EOL]));
	c->elsewhere = !strcmp(value[ATTR_FILTER], "lfs") || !strcmp(value[ATTR_FILTER], "annex");
}

/* git check-attr answers "path\0attribute\0value\0" for each, in the order asked. */
static int ask_attributes(struct snapshot_site *s, struct candidates *c, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf paths = BUF_INIT;
	struct buf out = BUF_INIT;
	size_t at = 0;
	int rc;

	strvec_pushl(&args, "check-attr", "-z", "--stdin", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(attributes); i++)
		strvec_push(&args, attributes[i]);
	for (size_t i = 0; i < c->nr; i++)
		buf_add(&paths, c->v[i].entry->path, strlen(c->v[i].entry->path) + 1);
	rc = snapshot_site_run(s, &args, &paths, &out, e);
	for (size_t i = 0; rc == 0 && i < c->nr; i++) {
		const char *value[ATTRS];

		for (size_t a = 0; a < (size_t)3 * ATTRS; a++) {
			if (at >= out.len) {
				rc = err_set(e, ERR_CORRUPT, "git check-attr ended early");
				break;
			}
			if (a % 3 == 2)
				value[a / 3] = out.p + at;
			at += strlen(out.p + at) + 1;
		}
		if (rc == 0)
			judge(&c->v[i], value, c->autocrlf);
	}
	strvec_release(&args);
	buf_release(&paths);
	buf_release(&out);
	return rc;
}

static void keep_possible(struct candidates *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->nr; i++)
		if (c->v[i].any || c->v[i].line_ends)
			c->v[kept++] = c->v[i];
	c->nr = kept;
}

/* ---- which do ---- */

static int ask_sizes(struct snapshot_site *s, struct candidates *c, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf ids = BUF_INIT;
	struct buf out = BUF_INIT;
	const char *line;
	int rc;

	strvec_pushl(&args, "cat-file", "--batch-check=%(objectsize)", "--buffer", NULL);
	for (size_t i = 0; i < c->nr; i++)
		buf_addf(&ids, "%s\n", c->v[i].entry->id.hex);
	rc = snapshot_site_run(s, &args, &ids, &out, e);
	line = out.p;
	for (size_t i = 0; rc == 0 && i < c->nr; i++) {
		size_t len = strcspn(line, "\n");

		rc = num_parse_u64n(line, len, 0, UINT64_MAX, &c->v[i].stored, e);
		if (rc < 0)
			err_wrap(e, "size of '%s' in git", c->v[i].entry->path);
		c->v[i].differs = c->v[i].stored != (uint64_t)c->v[i].st.st_size;
		line += len + (line[len] == '\n');
	}
	strvec_release(&args);
	buf_release(&ids);
	buf_release(&out);
	return rc;
}

/* One command's worth of files that have git's size but may have passed a filter. */
static int hash_some(struct snapshot_site *s, struct candidates *c, size_t *next, struct err *e)
{
	struct strvec args = STRVEC_INIT;
	struct buf out = BUF_INIT;
	size_t first = *next;
	size_t bytes = 0;
	size_t at = 0;
	int rc;

	strvec_pushl(&args, "hash-object", "--no-filters", "--", NULL);
	for (; *next < c->nr && bytes < HASH_ARGS_BYTES; (*next)++) {
		if (!c->v[*next].any || c->v[*next].differs)
			continue;
		strvec_push(&args, c->v[*next].entry->path);
		bytes += strlen(c->v[*next].entry->path) + 1;
	}
	rc = bytes ? snapshot_site_run(s, &args, NULL, &out, e) : 0;
	for (size_t i = first; rc == 0 && i < *next; i++) {
		if (!c->v[i].any || c->v[i].differs)
			continue;
		if (at + REPO_OID_HEX >= out.len) {
			rc = err_set(e, ERR_CORRUPT, "git hash-object ended early");
			break;
		}
		c->v[i].differs = memcmp(out.p + at, c->v[i].entry->id.hex, REPO_OID_HEX) != 0;
		at += REPO_OID_HEX + 1;
	}
	strvec_release(&args);
	buf_release(&out);
	return rc;
}

static int sha256_file(struct snapshot_site *s, const char *path, uint8_t out[HASH_BYTES],
		       struct err *e)
{
	int fd = path_open_beneath(s->fd, path, O_RDONLY, 0, e);
	struct hash *h;
	size_t got = 0;
	char *bytes;
	int rc;

	if (fd < 0)
		return err_wrap(e, "%s%s", s->prefix, path);
	h = hash_new();
	bytes = xmalloc(READ_BYTES);
	do {
		rc = io_read_full(fd, bytes, READ_BYTES, &got, e);
		if (rc == 0)
			hash_update(h, bytes, got);
	} while (rc == 0 && got == READ_BYTES);
	if (rc == 0)
		hash_final(h, out);
	else
		err_wrap(e, "%s%s", s->prefix, path);
	hash_free(h);
	free(bytes);
	close(fd);
	return rc;
}

/* Those that git can't give back go to the chunk store, the others are named with their hash. */
static int report(struct snapshot_site *s, const struct candidates *c, struct err *e)
{
	struct snapshot_files *filtered = &s->snap->out->filtered;
	struct strvec args = STRVEC_INIT;
	struct buf paths = BUF_INIT;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < c->nr; i++) {
		const char *path = c->v[i].entry->path;

		if (!c->v[i].differs)
			continue;
		if (c->v[i].elsewhere) {
			snapshot_add_large(s, path, &c->v[i].st);
			buf_add(&paths, path, strlen(path) + 1);
			continue;
		}
		snapshot_add_file(filtered, s, path, &c->v[i].st);
		filtered->v[filtered->nr - 1].driver = c->v[i].driver;
		rc = sha256_file(s, path, filtered->v[filtered->nr - 1].sha256, e);
	}
	if (rc == 0 && paths.len) {
		strvec_pushl(&args, "update-index", "--force-remove", "-z", "--stdin", NULL);
		rc = snapshot_site_run(s, &args, &paths, NULL, e);
		s->touched = true;
	}
	strvec_release(&args);
	buf_release(&paths);
	return rc;
}

int snapshot_filter_check(struct snapshot_site *s, struct err *e)
{
	struct candidates c = {NULL, 0, 0, false};
	bool matters;
	int rc = may_matter(s, &matters, &c.autocrlf, e);

	if (rc < 0 || !matters)
		return rc;
	add_files(s, &c);
	if (c.nr)
		rc = ask_attributes(s, &c, e);
	keep_possible(&c);
	if (rc == 0 && c.nr)
		rc = ask_sizes(s, &c, e);
	for (size_t next = 0; rc == 0 && next < c.nr;)
		rc = hash_some(s, &c, &next, e);
	if (rc == 0)
		rc = report(s, &c, e);
	free(c.v);
	return rc;
}
