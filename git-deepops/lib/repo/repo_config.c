/* SPDX-License-Identifier: MIT */
/* repo_config.c - git config, as git itself would answer; see repo.h */
#include <ctype.h>

#include "base/num.h"
#include "base/xalloc.h"
#include "repo/repo_internal.h"

#define OVERRIDES_MAX 1000 /* of `git -c`: an argument list holds no more in practice */

/* Section and variable name in lower case; what is between them keeps its case. */
static char *fold_key(const char *key, size_t len)
{
	char *folded = xstrndup(key, len);
	char *first = strchr(folded, '.');
	char *last = strrchr(folded, '.');

	for (char *p = folded; *p; p++)
		if (!first || p < first || p > last)
			*p = (char)tolower((unsigned char)*p);
	return folded;
}

static void add_override(struct repo *r, const char *key, size_t len, const char *value)
{
	char *folded = fold_key(key, len);

	strvec_pushf(&r->overrides, "%s\n%s", folded, value);
	free(folded);
}

/* One shell-quoted word of GIT_CONFIG_PARAMETERS; false at what sq_quote would not write. */
static bool next_quoted(const char **at, struct buf *word)
{
	const char *p = *at;

	if (*p != '\'')
		return false;
	while (*p == '\'') {
		const char *end = strchr(p + 1, '\'');

		if (!end)
			return false;
		buf_add(word, p + 1, (size_t)(end - p - 1));
		p = end + 1;
		if (*p == '\\' && p[1] && p[2] == '\'') { /* '\'' and '\!' */
			buf_addch(word, p[1]);
			p += 2;
		}
	}
	*at = p;
	return true;
}

/* What `git -c key=value deepops …` passes on: 'key'='value' or, from older gits, 'key=value'. */
static int read_parameters(struct repo *r, const char *text, struct err *e)
{
	struct buf key = BUF_INIT;
	struct buf value = BUF_INIT;
	int rc = 0;

	while (rc == 0 && *text) {
		char *equals;

		buf_reset(&key);
		buf_sets(&value, "true"); /* a key alone is a true boolean */
		if (!next_quoted(&text, &key)) {
			rc = err_set(e, ERR_INPUT, "bogus format in GIT_CONFIG_PARAMETERS");
			break;
		}
		if (*text == '=') {
			text++;
			buf_reset(&value);
			if (*text == '\'' && !next_quoted(&text, &value))
				rc = err_set(e, ERR_INPUT, "bogus format in GIT_CONFIG_PARAMETERS");
		} else if ((equals = strchr(key.p, '='))) {
			buf_sets(&value, equals + 1);
			buf_setlen(&key, (size_t)(equals - key.p));
		}
		add_override(r, key.p, key.len, value.p);
		while (*text == ' ')
			text++;
	}
	buf_release(&key);
	buf_release(&value);
	return rc;
}

static int read_environment(struct repo *r, struct err *e)
{
	const char *count = getenv("GIT_CONFIG_COUNT");
	const char *parameters = getenv("GIT_CONFIG_PARAMETERS");
	uint64_t n = 0;
	int rc = 0;

	if (count && *count)
		rc = num_parse_u64(count, 0, OVERRIDES_MAX, &n, e);
	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		char name[48];
		const char *key;
		const char *value;

		snprintf(name, sizeof(name), "GIT_CONFIG_KEY_%" PRIu64, i);
		key = getenv(name);
		snprintf(name, sizeof(name), "GIT_CONFIG_VALUE_%" PRIu64, i);
		value = getenv(name);
		if (!key || !value)
			return err_set(e, ERR_INPUT, "missing config key or value %s", name);
		add_override(r, key, strlen(key), value);
	}
	if (rc == 0 && parameters)
		rc = read_parameters(r, parameters, e);
	return rc < 0 ? err_wrap(e, "git configuration in the environment") : 0;
}

/* libgit2 does not know config.worktree; git reads it after the repository's file. */
static int add_worktree_file(struct repo *r, struct err *e)
{
	int on = 0;
	char *path;
	int rc = git_config_get_bool(&on, r->cfg, "extensions.worktreeconfig");

	if (rc < 0 || !on)
		return 0;
	path = xstrfmt("%s/config.worktree", r->gitdir);
	rc = git_config_add_file_ondisk(r->cfg, path, GIT_CONFIG_LEVEL_APP, r->git, 0);
	free(path);
	return rc < 0 && rc != GIT_ENOTFOUND ? repo_lgerr(e, rc, "config.worktree") : 0;
}

int repo_config_init(struct repo *r, struct err *e)
{
	int rc = git_repository_config(&r->cfg, r->git);

	if (rc < 0)
		return repo_lgerr(e, rc, "git configuration");
	rc = add_worktree_file(r, e);
	return rc < 0 ? rc : read_environment(r, e);
}

/* The value of override `i` if it is for `folded`, else NULL. */
static const char *override_value(const struct repo *r, size_t i, const char *folded)
{
	const char *rest;

	if (str_startswith(r->overrides.v[i], folded, &rest) && *rest == '\n')
		return rest + 1;
	return NULL;
}

static const char *last_override(const struct repo *r, const char *key)
{
	char *folded = fold_key(key, strlen(key));
	const char *value = NULL;

	for (size_t i = r->overrides.nr; i > 0 && !value; i--)
		value = override_value(r, i - 1, folded);
	free(folded);
	return value;
}

int repo_config_get(struct repo *r, const char *key, struct buf *out, struct err *e)
{
	const char *over = last_override(r, key);
	git_buf value = {0};
	int rc;

	if (over) {
		buf_sets(out, over);
		return 1;
	}
	rc = git_config_get_string_buf(&value, r->cfg, key);
	if (rc == 0)
		buf_sets(out, value.ptr ? value.ptr : "");
	git_buf_dispose(&value);
	if (rc == GIT_ENOTFOUND)
		return 0;
	return rc < 0 ? repo_lgerr(e, rc, "git configuration %s", key) : 1;
}

int repo_config_bool(struct repo *r, const char *key, bool fallback, bool *out, struct err *e)
{
	const char *over = last_override(r, key);
	int value = fallback;
	int rc = over ? git_config_parse_bool(&value, over)
		      : git_config_get_bool(&value, r->cfg, key);

	*out = fallback;
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc < 0)
		return err_set(e, ERR_INPUT, "git configuration %s is not a boolean", key);
	*out = value;
	return 0;
}

static int collect(git_config *cfg, const char *key, struct strvec *out, struct err *e)
{
	git_config_iterator *it = NULL;
	git_config_entry *entry;
	int rc = git_config_multivar_iterator_new(&it, cfg, key, NULL);

	while (rc == 0 && (rc = git_config_next(&entry, it)) == 0)
		strvec_push(out, entry->value ? entry->value : "true");
	git_config_iterator_free(it);
	if (rc == 0 || rc == GIT_ITEROVER || rc == GIT_ENOTFOUND)
		return 0;
	return repo_lgerr(e, rc, "git configuration %s", key);
}

int repo_config_all(struct repo *r, const char *key, struct strvec *out, struct err *e)
{
	char *folded = fold_key(key, strlen(key));
	int rc = collect(r->cfg, key, out, e);

	for (size_t i = 0; rc == 0 && i < r->overrides.nr; i++) {
		const char *value = override_value(r, i, folded);

		if (value)
			strvec_push(out, value);
	}
	free(folded);
	return rc;
}

static int open_local(struct repo *r, git_config **local, struct err *e)
{
	int rc = repo_may_write(r, "git configuration", e);

	*local = NULL;
	if (rc < 0)
		return rc;
	rc = git_config_open_level(local, r->cfg, GIT_CONFIG_LEVEL_LOCAL);
	return rc < 0 ? repo_lgerr(e, rc, "git configuration of the repository") : 0;
}

int repo_config_set(struct repo *r, const char *key, const char *value, struct err *e)
{
	git_config *local;
	int rc = open_local(r, &local, e);

	if (rc < 0)
		return rc;
	rc = git_config_set_string(local, key, value);
	git_config_free(local);
	return rc < 0 ? repo_lgerr(e, rc, "git configuration %s", key) : 0;
}

int repo_config_add(struct repo *r, const char *key, const char *value, struct err *e)
{
	struct strvec have = STRVEC_INIT;
	git_config *local;
	int rc = open_local(r, &local, e);

	if (rc == 0)
		rc = collect(local, key, &have, e);
	/* By git: libgit2 adds by a pattern that matches nothing, and 1.5 loses memory doing so. */
	if (rc == 0 && !strvec_has(&have, value))
		rc = repo_git_run(r, NULL, e, "config", "--local", "--add", key, value, NULL);
	strvec_release(&have);
	git_config_free(local);
	return rc;
}
