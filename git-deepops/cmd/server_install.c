/* SPDX-License-Identifier: MIT */
/* server_install.c - `git deepops server install`; see git-deepops-server(1) */
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/random.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "policy/after.h"
#include "policy/policies.h"
#include "repo/hooks.h"
#include "server.h"
#include "store/store.h"

#define NONCE_SEED_DIGITS 64

struct setup {
	struct repo *repo;
	const struct cmd_server_setup *opts;
};

static PRINTF_LIKE(2, 3) void tell(const struct setup *s, const char *fmt, ...)
{
	va_list ap;

	if (s->opts->quiet)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static int make_store(struct setup *s, struct err *e)
{
	struct store *store;
	int rc = path_mkdirs(repo_deepops_dir(s->repo), 0777, e);

	if (rc == 0)
		rc = store_open(&store, repo_deepops_dir(s->repo), STORE_CREATE | STORE_VERIFY, e);
	if (rc == 0)
		store_close(store);
	return rc;
}

/* Only what isn't set: an administrator's own values stay. */
static int set_config(struct setup *s, const char *key, const char *value, struct err *e)
{
	struct buf have = BUF_INIT;
	int rc = repo_config_get(s->repo, key, &have, e);

	if (rc == 0) {
		rc = repo_config_set(s->repo, key, value, e);
		if (rc == 0)
			tell(s, "config: %s", key);
	}
	buf_release(&have);
	return rc < 0 ? rc : 0;
}

/*
 * git itself refuses these one by one, where the hook could only refuse the whole push: who
 * pushes with refs/notes/... or --mirror loses no branch by it.
 */
static const char *const own_refs[] = {"refs/notes/deepops", "refs/deepops/remotes"};

static int configure(struct setup *s, struct err *e)
{
	char seed[NONCE_SEED_DIGITS + 1];
	int rc = set_config(s, "receive.advertisePushOptions", "true", e);

	random_hex(seed, NONCE_SEED_DIGITS);
	if (rc == 0)
		rc = set_config(s, "receive.certNonceSeed", seed, e);
	if (rc == 0)
		rc = set_config(s, "core.logAllRefUpdates", "always", e);
	/* By itself git syncs no loose object: a branch would outlive what it names. */
	if (rc == 0)
		rc = set_config(s, "core.fsync", "committed", e);
	for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(own_refs); i++)
		rc = repo_config_add(s->repo, "receive.hideRefs", own_refs[i], e);
	return rc;
}

/* ---- the floor ---- */

/* Does this line set `mode`? */
static bool is_mode_line(const char *line, size_t len)
{
	size_t i = 0;

	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (len - i < 4 || strncmp(line + i, "mode", 4) != 0)
		return false;
	for (i += 4; i < len && (line[i] == ' ' || line[i] == '\t');)
		i++;
	return i < len && line[i] == '=';
}

/* The same rules, all of them in one mode; comments stay. */
static void with_mode(const struct buf *text, enum rules_mode mode, struct buf *out)
{
	for (const char *p = text->p; *p;) {
		size_t len = strcspn(p, "\n");
		const char *first = p + strspn(p, " \t");

		if (!is_mode_line(p, len)) {
			buf_add(out, p, len);
			buf_addch(out, '\n');
		}
		if (*first == '[')
			buf_addf(out, "\tmode = %s\n", rules_mode_name(mode));
		p += len + (p[len] ? 1 : 0);
	}
}

/* 1: `text` is the policy to start from, 0: there is none. */
static int base_policy(struct setup *s, const char *floor, struct buf *text, struct err *e)
{
	struct buf head = BUF_INIT;
	struct repo_oid tip;
	int rc;

	rc = io_read_file(AT_FDCWD, s->opts->policy_file ? s->opts->policy_file : floor,
			  CONF_MAX_BYTES, text, e);
	if (rc == 0)
		return 1;
	if (s->opts->policy_file || rc != ERR_NOTFOUND)
		return rc;
	err_clear(e);
	if (!s->opts->mode_given || s->opts->mode != RULES_ENFORCE)
		return 0; /* without a policy the default warns, and a warning floor adds nothing */
	rc = policies_head(s->repo, &head, &tip, e);
	if (rc == 0 && !head.len)
		rc = err_set(e, ERR_INPUT, "HEAD names no branch to enforce the default on");
	if (rc == 0)
		rules_default_text(text, head.p, RULES_ENFORCE);
	buf_release(&head);
	return rc < 0 ? rc : 1;
}

/* What the floor is to hold; 0: there is to be none, or it stays as it is. */
static int make_floor(struct setup *s, const char *path, struct buf *out, struct err *e)
{
	struct buf text = BUF_INIT;
	struct rules rules;
	int rc = base_policy(s, path, &text, e);

	rules_init(&rules);
	if (rc == 1)
		/* First as it is, so that the line in the message is the user's. */
		rc = rules_parse(&rules, text.p, text.len,
				 s->opts->policy_file ? s->opts->policy_file : path, e);
	else if (rc == 0)
		rc = 1;
	if (rc == 0 && s->opts->mode_given)
		with_mode(&text, s->opts->mode, out);
	else if (rc == 0)
		buf_addbuf(out, &text);
	rules_release(&rules);
	buf_release(&text);
	return rc < 0 ? rc : rc == 0;
}

static int write_floor(struct setup *s, const char *path, const struct buf *text, struct err *e)
{
	int rc = path_mkdirs(repo_deepops_dir(s->repo), 0777, e);

	if (rc == 0)
		rc = tempfile_write(path, 0644, text->p, text->len, e);
	if (rc == 0)
		tell(s, "policy: %s%s%s", path, s->opts->mode_given ? ", mode " : "",
		     s->opts->mode_given ? rules_mode_name(s->opts->mode) : "");
	return rc;
}

/* ---- hooks ---- */

static int install_hook(struct setup *s, const struct hooks_place *place, const char *name,
			struct err *e)
{
	char *binary = xstrfmt("git-deepops-%s", name);
	struct buf program = BUF_INIT;
	enum hooks_result result;
	int rc = path_beside_program(&program, binary, e);

	if (rc == 0 && access(program.p, X_OK) < 0)
		rc = err_sys(e, "%s", program.p);
	if (rc == 0)
		rc = hooks_install(place, name, program.p, &result, e);
	if (rc == 0 && result == HOOKS_REFUSED) {
		err_set(e, ERR_INPUT, "core.hooksPath is %s, which other repositories may share",
			place->dir.p);
		rc = err_hint(e, "call %s from its %s", program.p, name);
	}
	if (rc == 0 && result != HOOKS_KEPT)
		tell(s, "hook: %s%s", name,
		     result == HOOKS_CHAINED ? ", after the one that was there" : "");
	free(binary);
	buf_release(&program);
	return rc;
}

static int install_hooks(struct setup *s, struct err *e)
{
	struct hooks_place place;
	int rc = hooks_find(s->repo, &place, e);

	if (rc == 0)
		rc = install_hook(s, &place, "pre-receive", e);
	if (rc == 0)
		rc = install_hook(s, &place, "post-receive", e);
	hooks_place_release(&place);
	return rc;
}

/* The floor, once it is known to be good, and the hooks: from here on pushes are judged. */
static int guard(struct setup *s, struct err *e)
{
	struct buf path = BUF_INIT, floor = BUF_INIT;
	int wanted, rc;

	path_join(&path, repo_deepops_dir(s->repo), RULES_FLOOR_FILE);
	wanted = rc = make_floor(s, path.p, &floor, e);
	if (rc >= 0)
		rc = install_hooks(s, e);
	if (rc == 0 && wanted == 1)
		rc = write_floor(s, path.p, &floor, e);
	buf_release(&path);
	buf_release(&floor);
	return rc;
}

/*
 * Whatever goes wrong later (a full disk, history that can't be read), the hooks are in place and
 * refuse what they can't judge.
 */
int cmd_server_setup(struct repo *r, const struct cmd_server_setup *opts, struct err *e)
{
	struct setup s = {r, opts};
	struct after_index what = {.rebuild = false};
	int rc = guard(&s, e);

	if (rc == 0)
		rc = configure(&s, e);
	if (rc == 0)
		rc = make_store(&s, e);
	return rc == 0 ? after_index(r, &what, e) : rc;
}

static int parse_mode(const char *text, struct cmd_server_setup *s, struct err *e)
{
	s->mode_given = text != NULL;
	if (!text)
		return 0;
	if (!strcmp(text, rules_mode_name(RULES_WARN)))
		s->mode = RULES_WARN;
	else if (!strcmp(text, rules_mode_name(RULES_ENFORCE)))
		s->mode = RULES_ENFORCE;
	else
		return err_set(e, ERR_USAGE, "mode '%s' is neither warn nor enforce", text);
	return 0;
}

int cmd_server_install(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {
		"git deepops server install [--policy FILE] [--mode MODE] REPO", NULL};
	struct cmd_server_setup s = {.quiet = false};
	const char *mode = NULL;
	struct opt opts[] = {
		OPT_STR("policy", 0, &s.policy_file, "file", "the floor policy"),
		OPT_STR("mode", 0, &mode, "mode", "warn or enforce, for all its rules"), OPT_END};
	struct repo *r;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = parse_mode(mode, &s, e);
	if (rc == 0)
		rc = cmd_server_open(&r, argc, argv, e);
	if (rc < 0)
		return rc;
	rc = cmd_server_setup(r, &s, e);
	repo_close(r);
	return rc;
}
