/* SPDX-License-Identifier: MIT */
/* policies.c - the two policies of a repository; see policies.h */
#include "policy/policies.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "repo/tree.h"

void policies_init(struct policies *p)
{
	memset(p, 0, sizeof(*p));
	for (int i = 0; i < POLICIES_COUNT; i++)
		rules_init(&p->rules[i]);
}

void policies_release(struct policies *p)
{
	for (int i = 0; i < POLICIES_COUNT; i++)
		rules_release(&p->rules[i]);
	free(p->head);
	policies_init(p);
}

static void load_rules(struct policies *p, enum policies_which which, const struct buf *text,
		       const char *name)
{
	if (rules_parse(&p->rules[which], text->p, text->len, name, &p->bad[which]) == 0)
		return;
	rules_release(&p->rules[which]);
}

static int load_floor(struct policies *p, struct repo *r, const char *given, struct err *e)
{
	struct buf path = BUF_INIT, text = BUF_INIT;
	int rc;

	if (given)
		buf_addstr(&path, given);
	else
		path_join(&path, repo_deepops_dir(r), RULES_FLOOR_FILE);
	rc = io_read_file(AT_FDCWD, path.p, CONF_MAX_BYTES, &text, e);
	if (rc == 0)
		load_rules(p, POLICIES_FLOOR, &text, given ? given : "the server's policy");
	if (rc == ERR_NOTFOUND && !given) {
		err_clear(e);
		rc = 0;
	}
	buf_release(&path);
	buf_release(&text);
	return rc;
}

/* 1 there, 0 absent.  Anything but a file counts as a malformed one. */
static int read_tree_policy(struct repo *r, const struct repo_oid *commit, struct buf *text,
			    struct err *why, struct err *e)
{
	struct repo_oid tree;
	struct tree_entry found = {.mode = 0};
	int rc = repo_commit_tree(r, commit, &tree, e);

	if (rc == 0)
		rc = tree_find(r, &tree, RULES_TREE_PATH, &found, e);
	if (rc != 1)
		return rc;
	if (found.mode != TREE_MODE_FILE && found.mode != TREE_MODE_EXEC) {
		err_set(why, ERR_INPUT, "%s is not a file", RULES_TREE_PATH);
		return 1;
	}
	rc = repo_read_blob(r, &found.id, CONF_MAX_BYTES, text, e);
	if (rc == ERR_LIMIT) {
		err_clear(e);
		err_set(why, ERR_LIMIT, "%s is too big", RULES_TREE_PATH);
		return 1;
	}
	return rc < 0 ? rc : 1;
}

static int load_tree(struct policies *p, struct repo *r, const struct repo_oid *commit,
		     struct err *e)
{
	struct buf text = BUF_INIT;
	int rc = read_tree_policy(r, commit, &text, &p->bad[POLICIES_TREE], e);

	if (rc == 1 && !p->bad[POLICIES_TREE].code)
		load_rules(p, POLICIES_TREE, &text, RULES_TREE_PATH);
	buf_release(&text);
	return rc < 0 ? rc : 0;
}

int policies_tree_is_bad(struct repo *r, const struct repo_oid *commit, struct err *why,
			 struct err *e)
{
	struct buf text = BUF_INIT;
	struct rules rules;
	int rc;

	rules_init(&rules);
	err_clear(why);
	rc = read_tree_policy(r, commit, &text, why, e);
	if (rc == 1 && !why->code)
		(void)!rules_parse(&rules, text.p, text.len, RULES_TREE_PATH, why);
	rules_release(&rules);
	buf_release(&text);
	return rc < 0 ? rc : why->code != 0;
}

int policies_head(struct repo *r, struct buf *head, struct repo_oid *tip, struct err *e)
{
	int rc = repo_ref_referent(r, "HEAD", head, e);

	memset(tip, 0, sizeof(*tip));
	if (rc != 1) {
		buf_reset(head);
		return rc;
	}
	if (!str_startswith(head->p, "refs/heads/", NULL)) {
		buf_reset(head);
		return 0;
	}
	rc = repo_ref_get(r, head->p, tip, e);
	if (rc == 0)
		memset(tip->hex, '0', REPO_OID_HEX);
	return rc < 0 ? rc : 0;
}

int policies_load(struct policies *p, struct repo *r, const struct policies_from *from,
		  struct err *e)
{
	int rc = from->floor_text ? 0 : load_floor(p, r, from->floor_path, e);

	if (from->floor_text && from->floor_name)
		load_rules(p, POLICIES_FLOOR, from->floor_text, from->floor_name);
	if (rc == 0 && from->commit)
		rc = load_tree(p, r, from->commit, e);
	if (rc < 0)
		return rc;
	p->head = from->head ? xstrdup(from->head) : NULL;
	if (p->head && !p->rules[POLICIES_FLOOR].name && !p->rules[POLICIES_TREE].name &&
	    !p->bad[POLICIES_FLOOR].code && !p->bad[POLICIES_TREE].code)
		rules_default(&p->rules[POLICIES_FLOOR], p->head, RULES_WARN);
	return 0;
}

const struct rules_rule *policies_rule(const struct policies *p, enum policies_which which,
				       const char *ref)
{
	const struct rules_rule *rule = rules_match(&p->rules[which], ref);

	return rule && rule->mode != RULES_OFF ? rule : NULL;
}

bool policies_same(const struct policies *p, const char *a, const char *b)
{
	for (int i = 0; i < POLICIES_COUNT; i++)
		if (rules_match(&p->rules[i], a) != rules_match(&p->rules[i], b))
			return false;
	return true;
}
