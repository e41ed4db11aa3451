/* SPDX-License-Identifier: MIT */
/* policy.c - `git deepops policy`: look at rules before a push does; see git-deepops-policy(1) */
#include <fcntl.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "cmd.h"
#include "policy/rules.h"

static const char *const usage[] = {"git deepops policy lint [FILE]",
				    "git deepops policy explain [--policy FILE] [REF...]", NULL};

/* A named file, or .deepops/policy of the work tree. */
static int load(const char *file, struct rules *rules, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	struct repo *r = NULL;
	int rc = file ? 0 : repo_open(&r, NULL, REPO_NEED_WORKTREE, e);

	if (file)
		buf_addstr(&path, file);
	else if (rc == 0)
		path_join(&path, repo_worktree(r), RULES_TREE_PATH);
	repo_close(r);
	if (rc == 0)
		rc = io_read_file(AT_FDCWD, path.p, CONF_MAX_BYTES, &text, e);
	if (rc == ERR_NOTFOUND && !file)
		err_hint(e, "without a policy the server warns on HEAD's branch, at level R2");
	if (rc == 0)
		rc = rules_parse(rules, text.p, text.len, file ? file : RULES_TREE_PATH, e);
	buf_release(&path);
	buf_release(&text);
	return rc;
}

static int policy_lint(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const lint_usage[] = {"git deepops policy lint [FILE]", NULL};
	struct opt opts[] = {OPT_END};
	struct strvec warnings = STRVEC_INIT;
	struct rules rules;
	int rc = cmd_parse(ctx, &argc, argv, opts, lint_usage, 0, e);

	if (rc)
		return rc;
	if (argc > 2)
		return err_set(e, ERR_USAGE, "too many arguments");
	rules_init(&rules);
	rc = load(argc > 1 ? argv[1] : NULL, &rules, e);
	if (rc == 0) {
		rules_lint(&rules, &warnings);
		for (size_t i = 0; i < warnings.nr; i++)
			puts(warnings.v[i]);
		if (rules_trusts_names(&rules))
			log_warn("override = option trusts the name that the server has of the "
				 "pusher; "
				 "git deepops server doctor says whether clients choose it");
		rc = warnings.nr ? 1 : 0;
	}
	strvec_release(&warnings);
	rules_release(&rules);
	return rc;
}

static void print_list(const char *what, const struct strvec *items)
{
	for (size_t i = 0; i < items->nr; i++)
		printf("  %-12s%s\n", i ? "" : what, items->v[i]);
}

static void print_rule(const struct rules_rule *r)
{
	char since[CLOCK_TEXT_BYTES] = "";

	if (r->since_ms)
		clock_text(since, r->since_ms);
	printf("rule \"%s\" (line %u)\n", r->name, r->line);
	print_list("refs", &r->refs);
	printf("  %-12s%s%s%s%s%s\n", "mode", rules_mode_name(r->mode),
	       r->since_ms || r->since_commit ? ", from " : "", since,
	       r->since_commit ? "commit " : "", r->since_commit ? r->since_commit : "");
	printf("  %-12sR%u/T%u%s\n", "level", r->level, r->trust,
	       rules_unsupported(r) ? " (can't be verified here: refuses everything)" : "");
	print_list("results", &r->results);
	print_list("exempt", &r->exempt);
	if (r->results.nr)
		printf("  %-12s%s, compared by %s\n", "checked", rules_require_name(r->require),
		       r->match_tree ? "tree" : "content");
	if (r->gate.metric)
		printf("  %-12s%s\n", "metric", r->gate.text);
	printf("  %-12sno data %s, ignored files %s, rewinding %s, retracting by %s\n", "also",
	       r->no_data_allowed ? "allowed" : "refused",
	       r->ignored_refused ? "refused" : "allowed",
	       r->rewind_allowed ? "allowed" : "refused",
	       r->retract_writer ? "the run's own journal" : "anybody");
	if (r->signing != RULES_UNSIGNED)
		printf("  %-12s%s\n", "signed", rules_signed_name(r->signing));
	if (r->override != RULES_NO_OVERRIDE)
		printf("  %-12s%s\n", "override", rules_override_name(r->override));
	print_list("by", &r->override_by);
}

static int policy_explain(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const explain_usage[] = {
		"git deepops policy explain [--policy FILE] [REF...]", NULL};
	const char *file = NULL;
	struct opt opts[] = {OPT_STR("policy", 0, &file, "file", "instead of the work tree's"),
			     OPT_END};
	struct rules rules;
	int rc = cmd_parse(ctx, &argc, argv, opts, explain_usage, 0, e);

	if (rc)
		return rc;
	rules_init(&rules);
	rc = load(file, &rules, e);
	for (size_t i = 0; rc == 0 && argc == 1 && i < rules.n; i++)
		print_rule(&rules.v[i]);
	for (int i = 1; rc == 0 && i < argc; i++) {
		const struct rules_rule *r = rules_match(&rules, argv[i]);

		printf("%s: %s", argv[i], r ? "" : "no rule\n");
		if (r)
			print_rule(r);
	}
	rules_release(&rules);
	return rc;
}

int cmd_policy(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	struct opt opts[] = {OPT_END};
	int rc;

	if (argc > 1 && !strcmp(argv[1], "lint"))
		return policy_lint(ctx, argc - 1, argv + 1, e);
	if (argc > 1 && !strcmp(argv[1], "explain"))
		return policy_explain(ctx, argc - 1, argv + 1, e);
	rc = cmd_parse(ctx, &argc, argv, opts, usage, OPT_STOP_AT_OPERAND, e);
	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "unknown command `policy %s'", argv[1]);
	return err_set(e, ERR_USAGE, "lint or explain is wanted");
}
