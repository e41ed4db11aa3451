/* SPDX-License-Identifier: MIT */
/* server_doctor.c - `git deepops server doctor`: does the server refuse what it must? */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/path.h"
#include "base/sig.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "policy/finder.h"
#include "policy/policies.h"
#include "repo/hooks.h"
#include "server.h"
#include "store/store.h"

struct doctor {
	struct repo *repo;
	struct json *list; /* NULL: print lines */
	const char *keys;  /* file of authorized keys; NULL: of this account */
	bool broken;
};

/* One line or JSON object; `mend` NULL: it is well. */
static void report(struct doctor *d, const char *what, const char *mend, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

static void report(struct doctor *d, const char *what, const char *mend, const char *fmt, ...)
{
	struct buf text = BUF_INIT;
	struct json *item;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&text, fmt, ap);
	va_end(ap);
	d->broken = d->broken || mend;
	if (d->list) {
		item = json_mkobj();
		json_put_str(item, "part", what);
		json_put_str(item, "state", mend ? "broken" : "ok");
		json_put_str(item, "text", text.p);
		json_put_str(item, "mend", mend);
		json_push(d->list, item);
	} else {
		printf("%-8s %s: %s\n", mend ? "broken" : "ok", what, text.p);
		if (mend)
			printf("         mend: %s\n", mend);
	}
	buf_release(&text);
}

/* What is not committed takes room that nobody sees otherwise. */
static void check_uploads(struct doctor *d, struct store *s)
{
	char since[CLOCK_TEXT_BYTES];
	struct store_waiting w;

	store_waiting(s, &w);
	if (!w.bytes)
		return;
	clock_text(since, w.oldest_seconds * 1000);
	report(d, "uploads", NULL,
	       "%" PRIu64 " under way or cut off, %s, the oldest of %s: kept for 7 days or until "
	       "there is need of room",
	       w.sessions, num_human_bytes(w.bytes).s, since);
}

static void check_store(struct doctor *d)
{
	struct err why = ERR_INIT;
	struct store *s;
	struct stat st;
	uint64_t left;
	const char *dir = repo_deepops_dir(d->repo);

	if (io_space_is_low(repo_commondir(d->repo), &left))
		report(d, "space", "make some: nothing more can be pushed", "%s left for %s",
		       num_human_bytes(left).s, repo_commondir(d->repo));
	if (store_open(&s, dir, STORE_READONLY, &why) < 0) {
		report(d, "store", why.hint[0] ? why.hint : "git deepops server install REPO", "%s",
		       why.msg);
		return;
	}
	check_uploads(d, s);
	store_close(s);
	/* A crash leaves a journal that has to be rolled back by whoever comes next. */
	if (stat(dir, &st) == 0 && st.st_uid != geteuid() && access(dir, W_OK) < 0)
		report(d, "store", "run hooks and chunk server as its owner",
		       "%s belongs to uid %u", dir, (unsigned int)st.st_uid);
	else
		report(d, "store", NULL, "%s", dir);
}

static void check_index(struct doctor *d)
{
	struct err why = ERR_INIT;
	struct finder *f = NULL;
	int rc = finder_open(&f, d->repo, NULL, 0, FINDER_READONLY, &why);

	finder_close(&f);
	if (rc < 0)
		report(d, "index", "git deepops server index REPO", "%s", why.msg);
	else
		report(d, "index", NULL, "runs are found");
}

/* ---- who pushes ---- */

#define KEYS_MAX_BYTES (1 * MIB)

/* Lines of a file of authorized keys, and those of them that do not force a command of ours. */
struct keys {
	size_t n, loose;
};

static bool is_forced(const char *line)
{
	const char *command = strstr(line, "command=\"");

	return command && strstr(command, "git-deepops-serve") && strstr(command, "--user");
}

static void count_keys(const char *path, struct keys *keys)
{
	struct buf text = BUF_INIT;
	char *line, *next;

	if (io_read_file(AT_FDCWD, path, KEYS_MAX_BYTES, &text, NULL) < 0)
		buf_reset(&text);
	for (line = text.p; *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = '\0';
		line += strspn(line, " \t\r");
		if (!*line || *line == '#')
			continue;
		keys->n++;
		keys->loose += !is_forced(line);
	}
	buf_release(&text);
}

static void report_keys(struct doctor *d, const char *path, const struct keys *keys)
{
	static const char what[] = "overrides";

	if (keys->loose)
		report(d, what, NULL,
		       "warning: %zu of %zu keys in %s have no forced command: who comes with one "
		       "chooses the name that overrideBy looks at (git deepops server authorize)",
		       keys->loose, keys->n, path);
	else if (keys->n)
		report(d, what, NULL,
		       "%zu keys in %s, each with its user; a password or other files of keys let "
		       "clients choose the name",
		       keys->n, path);
	else
		report(d, what, NULL,
		       "warning: no keys in %s: unless this account is reached by forced commands "
		       "alone, clients choose the name that overrideBy looks at",
		       path);
}

/* Over an account that runs what the client asks for, the environment is the client's. */
static void check_overrides(struct doctor *d)
{
	struct buf path = BUF_INIT;
	struct keys keys = {0, 0};
	const struct passwd *pw;
	bool trust = false;

	if (repo_config_bool(d->repo, "deepops.trustForge", false, &trust, NULL) == 0 && trust) {
		report(d, "overrides", NULL, "by the names that the forge gives");
		return;
	}
	/* cppcheck-suppress [getpwnamCalled,getpwuidCalled] ; one thread */
	pw = getpwuid(geteuid());
	if (d->keys)
		buf_addstr(&path, d->keys);
	else
		path_join(&path, pw ? pw->pw_dir : "/", ".ssh/authorized_keys");
	count_keys(path.p, &keys);
	report_keys(d, path.p, &keys);
	buf_release(&path);
}

/*
 * Whoever can write to the repository's directory can push to it by its path, and then git runs with
 * the configuration of that person: core.hooksPath there replaces the hooks.
 */
static void check_access(struct doctor *d)
{
	const char *dir = repo_commondir(d->repo);
	struct stat st;

	if (stat(dir, &st) < 0)
		return;
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		report(d, "access", NULL,
		       "warning: others may write to %s: they can push to its path, and a "
		       "core.hooksPath of their own then replaces the hooks",
		       dir);
	else
		report(d, "access", NULL, "only uid %u writes to %s by its path",
		       (unsigned int)st.st_uid, dir);
}

static void check_policies(struct doctor *d)
{
	static const char *const names[] = {"floor policy", "branch policy"};
	struct buf head = BUF_INIT;
	struct policies p;
	struct policies_from from = {.head = NULL};
	struct err why = ERR_INIT;
	struct repo_oid tip;
	bool names_trusted = false;
	int rc;

	policies_init(&p);
	rc = policies_head(d->repo, &head, &tip, &why);
	from.head = head.len ? head.p : NULL;
	from.commit = head.len && !repo_oid_is_zero(&tip) ? &tip : NULL;
	if (rc == 0)
		rc = policies_load(&p, d->repo, &from, &why);
	if (rc < 0)
		report(d, "policy", "git deepops server install REPO", "%s", why.msg);
	for (int i = 0; rc == 0 && i < POLICIES_COUNT; i++) {
		struct strvec warnings = STRVEC_INIT;

		if (p.bad[i].code)
			report(d, names[i], "git deepops explain E-POLICY-MALFORMED", "%s",
			       p.bad[i].msg);
		else
			report(d, names[i], NULL, "%zu rules", p.rules[i].name ? p.rules[i].n : 0);
		rules_lint(&p.rules[i], &warnings);
		names_trusted =
			names_trusted || (p.rules[i].name && rules_trusts_names(&p.rules[i]));
		for (size_t k = 0; p.rules[i].name && k < warnings.nr; k++)
			report(d, names[i], NULL, "warning: %s", warnings.v[k]);
		strvec_release(&warnings);
	}
	if (names_trusted)
		check_overrides(d);
	policies_release(&p);
	buf_release(&head);
}

static void check_hook(struct doctor *d, const struct hooks_place *place, const char *name)
{
	static const char mend[] = "git deepops server install REPO";
	struct err why = ERR_INIT;
	enum hooks_state state;

	if (hooks_look(place, name, &state, &why) < 0) {
		report(d, name, mend, "%s", why.msg);
		return;
	}
	switch (state) {
	case HOOKS_OURS:
		report(d, name, NULL, "installed");
		return;
	case HOOKS_ABSENT:
		report(d, name, mend, "not installed");
		return;
	case HOOKS_FOREIGN:
		report(d, name, mend, "is another program");
		return;
	case HOOKS_NOT_EXECUTABLE:
		report(d, name, "chmod +x the hook", "not executable, so git ignores it");
		return;
	}
}

static void check_hooks(struct doctor *d)
{
	struct hooks_place place;
	struct err why = ERR_INIT;

	if (hooks_find(d->repo, &place, &why) < 0) {
		report(d, "hooks", "git config --unset core.hooksPath", "%s", why.msg);
	} else {
		check_hook(d, &place, "pre-receive");
		check_hook(d, &place, "post-receive");
	}
	hooks_place_release(&place);
}

/* ---- the probe ---- */

/* git in `dir` (NULL: anywhere) with an identity of its own; returns its exit code. */
static int probe_git(const char *dir, struct buf *said, struct err *e, ...)
	__attribute__((sentinel));

static int probe_git(const char *dir, struct buf *said, struct err *e, ...)
{
	static const char *const env[] = {"GIT_AUTHOR_NAME=probe",
					  "GIT_AUTHOR_EMAIL=probe@invalid",
					  "GIT_COMMITTER_NAME=probe",
					  "GIT_COMMITTER_EMAIL=probe@invalid",
					  "GIT_CONFIG_GLOBAL=/dev/null",
					  "GIT_DIR",
					  "GIT_WORK_TREE",
					  "GIT_PUSH_OPTION_COUNT",
					  "DEEPOPS_USER",
					  "DEEPOPS_ROLE",
					  NULL};
	struct proc p = PROC_INIT;
	const char *arg;
	va_list ap;
	int rc;

	strvec_push(&p.args, "git");
	va_start(ap, e);
	while ((arg = va_arg(ap, const char *)) != NULL)
		strvec_push(&p.args, arg);
	va_end(ap);
	strvec_pushv(&p.env, env);
	p.dir = dir;
	p.err = PROC_NULL;
	rc = proc_capture(&p, NULL, 1U << 20, said, e);
	proc_release(&p);
	return rc;
}

static int probe_server(const char *bare, const char *policy, struct err *e)
{
	static const char text[] = "[rule \"probe\"]\n\tref = refs/heads/**\n\tmode = enforce\n"
				   "\tresults = result\n";
	struct cmd_server_setup s = {policy, false, RULES_ENFORCE, true};
	struct buf said = BUF_INIT;
	struct repo *r;
	int rc = tempfile_write(policy, 0600, text, sizeof(text) - 1, e);

	if (rc == 0 && probe_git(NULL, &said, e, "init", "-q", "--bare", bare, NULL) != 0)
		rc = err_set(e, ERR_SYS, "git init failed");
	buf_release(&said);
	if (rc < 0)
		return rc;
	rc = repo_open(&r, bare, REPO_BARE_AT, e);
	if (rc == 0) {
		rc = cmd_server_setup(r, &s, e);
		repo_close(r);
	}
	return rc;
}

/* What git says of the push, by --porcelain, is on stdout: "!" and the reason. */
static int probe_push(const char *work, const char *bare, struct buf *said, struct err *e)
{
	struct buf none = BUF_INIT;
	char *file = xstrfmt("%s/result", work);
	int rc = probe_git(NULL, &none, e, "init", "-q", work, NULL);

	if (rc == 0)
		rc = tempfile_write(file, 0644, "1\n", 2, e);
	if (rc == 0)
		rc = probe_git(work, &none, e, "add", "result", NULL);
	if (rc == 0)
		rc = probe_git(work, &none, e, "-c", "commit.gpgSign=false", "commit", "-q", "-m",
			       "probe", NULL);
	if (rc == 0)
		rc = probe_git(work, said, e, "push", "--porcelain", bare, "HEAD:refs/heads/probe",
			       NULL);
	else if (rc > 0)
		rc = err_set(e, ERR_SYS, "git could not make the probe's commit");
	free(file);
	buf_release(&none);
	return rc;
}

/* Push a result without a record into a throw-away repository: 1 refused as it must, 0 not. */
static int probe_refuses(struct buf *said, struct err *e)
{
	struct buf dir = BUF_INIT, bare = BUF_INIT, work = BUF_INIT, policy = BUF_INIT;
	int rc;

	sig_defer(); /* the directory must go */
	rc = tempfile_make_dir(&dir, "probe", e);
	if (rc < 0)
		goto out;
	path_join(&bare, dir.p, "bare.git");
	path_join(&work, dir.p, "work");
	path_join(&policy, dir.p, "policy");
	rc = probe_server(bare.p, policy.p, e);
	if (rc == 0)
		rc = probe_push(work.p, bare.p, said, e);
	if (rc >= 0)
		rc = rc > 0 && strstr(said->p, "pre-receive hook declined") ? 1 : 0;
	if (path_remove_tree(dir.p, rc < 0 ? NULL : e) < 0 && rc >= 0)
		rc = ERR_SYS;
out:
	buf_release(&dir);
	buf_release(&bare);
	buf_release(&work);
	buf_release(&policy);
	sig_undefer();
	return rc;
}

static void check_probe(struct doctor *d)
{
	struct err why = ERR_INIT;
	struct buf said = BUF_INIT;
	int rc = probe_refuses(&said, &why);

	if (rc < 0)
		report(d, "probe", "look at the message", "%s", why.msg);
	else if (rc == 0)
		report(d, "probe", "see that the file system allows programs to run",
		       "a push that must be refused was accepted");
	else
		report(d, "probe", NULL, "a push without a record was refused");
	buf_release(&said);
}

int cmd_server_doctor(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops server doctor [--keys FILE] [--json] REPO",
					    NULL};
	bool as_json = false;
	struct doctor d = {.list = NULL};
	struct opt opts[] = {OPT_STR("keys", 0, &d.keys, "FILE", "keys that open this account"),
			     OPT_BOOL("json", 0, &as_json, "print one JSON document"), OPT_END};
	struct buf text = BUF_INIT;
	struct json *doc;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = cmd_server_open(&d.repo, argc, argv, e);
	if (rc < 0)
		return rc;
	d.list = as_json ? json_mkarr() : NULL;
	check_store(&d);
	check_index(&d);
	check_policies(&d);
	check_hooks(&d);
	check_access(&d);
	check_probe(&d);
	if (as_json) {
		doc = json_mkobj();
		json_put_int(doc, "version", 1);
		json_put(doc, "parts", d.list);
		json_text(doc, true, &text);
		fputs(text.p, stdout);
		json_unref(doc);
		buf_release(&text);
	}
	repo_close(d.repo);
	return d.broken ? 1 : 0;
}
