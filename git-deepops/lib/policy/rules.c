/* SPDX-License-Identifier: MIT */
/* rules.c - reading a policy file; see rules.h and gitformat-deepops-policy(5) */
#include "policy/rules.h"

#include <math.h>

#include "base/clock.h"
#include "base/conf.h"
#include "base/num.h"
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "data/pointer.h"
#include "repo/repo.h"

#define RULES_MAX 1000 /* each pushed ref is compared with each */

/* Where a value stands, for messages. */
struct place {
	const char *name;
	const struct conf_line *line;
	struct err *e;
};

static const char *const mode_names[] = {"off", "warn", "enforce", NULL};
static const char *const require_names[] = {"tip", "every", "first-parent", NULL};
static const char *const signed_names[] = {"none", "record", "push", NULL};
static const char *const override_names[] = {"none", "option", "signed", NULL};

const char *rules_mode_name(enum rules_mode m)
{
	return mode_names[m];
}

const char *rules_require_name(enum rules_require v)
{
	return require_names[v];
}

const char *rules_signed_name(enum rules_signed v)
{
	return signed_names[v];
}

const char *rules_override_name(enum rules_override v)
{
	return override_names[v];
}

void rules_init(struct rules *r)
{
	memset(r, 0, sizeof(*r));
}

static void rule_release(struct rules_rule *r)
{
	free(r->name);
	free(r->since_commit);
	free(r->gate.metric);
	free(r->gate.text);
	strvec_release(&r->refs);
	strvec_release(&r->results);
	strvec_release(&r->exempt);
	strvec_release(&r->override_by);
}

void rules_release(struct rules *r)
{
	for (size_t i = 0; i < r->n; i++)
		rule_release(&r->v[i]);
	free(r->v);
	free(r->name);
	rules_init(r);
}

static struct rules_rule *rule_add(struct rules *r, const char *name, unsigned int line)
{
	struct rules_rule *rule;

	XGROW(r->v, r->n + 1, r->alloc);
	rule = &r->v[r->n++];
	memset(rule, 0, sizeof(*rule));
	rule->name = xstrdup(name);
	rule->line = line;
	rule->mode = RULES_WARN;
	rule->level = 2;
	strvec_init(&rule->refs);
	strvec_init(&rule->results);
	strvec_init(&rule->exempt);
	strvec_init(&rule->override_by);
	return rule;
}

static int bad_value(const struct place *p, const char *want)
{
	return err_set(p->e, ERR_INPUT, "%s:%u: %s = %s: %s", p->name, p->line->line, p->line->key,
		       p->line->value, want);
}

/* Index of the value in a list of names, or ERR_INPUT with the list. */
static int one_of(const struct place *p, const char *const *names)
{
	struct buf want = BUF_INIT;
	int rc;

	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], p->line->value))
			return i;
	buf_addstr(&want, "not one of");
	for (int i = 0; names[i]; i++)
		buf_addf(&want, " %s", names[i]);
	rc = bad_value(p, want.p);
	buf_release(&want);
	return rc;
}

static int set_bool(const struct place *p, const char *no, const char *yes, bool *out)
{
	const char *const names[] = {no, yes, NULL};
	int i = one_of(p, names);

	if (i >= 0)
		*out = i == 1;
	return i < 0 ? i : 0;
}

/* "R2" or "R2/T1". */
static int set_level(const struct place *p, struct rules_rule *r)
{
	const char *s = p->line->value;

	if (s[0] != 'R' || s[1] < '0' || s[1] > '4')
		return bad_value(p, "not R0 to R4, with /T0 to /T3");
	r->level = (unsigned int)(s[1] - '0');
	if (!s[2])
		return 0;
	if (s[2] != '/' || s[3] != 'T' || s[4] < '0' || s[4] > '3' || s[5])
		return bad_value(p, "not R0 to R4, with /T0 to /T3");
	r->trust = (unsigned int)(s[4] - '0');
	return 0;
}

/* A commit, a day or a moment. */
static int set_since(const struct place *p, struct rules_rule *r)
{
	const char *s = p->line->value;

	if (repo_oid_text_ok(s)) {
		r->since_commit = xstrdup(s);
		return 0;
	}
	if (clock_parse_moment(s, &r->since_ms, NULL) < 0)
		return bad_value(p, "neither a full commit id nor YYYY-MM-DD[THH:MM:SSZ]");
	return 0;
}

static bool parse_real(const char *s, double *out)
{
	return num_parse_real(s, out) && isfinite(*out);
}

/* `name op number` by single blanks. */
static int set_gate(const struct place *p, struct rules_rule *r)
{
	static const char *const ops[] = {">=", ">", "<=", "<", NULL};
	const char *s = p->line->value;
	size_t name = strcspn(s, " ");
	const char *op = s + name + (s[name] ? 1 : 0);
	size_t op_len = strcspn(op, " ");
	struct rules_gate *g = &r->gate;

	if (!name || !op[op_len] || !parse_real(op + op_len + 1, &g->value))
		return bad_value(p, "not NAME >= NUMBER");
	for (int i = 0; ops[i]; i++) {
		if (strlen(ops[i]) != op_len || strncmp(ops[i], op, op_len) != 0)
			continue;
		g->compare = (enum rules_compare)i;
		g->metric = xstrndup(s, name);
		g->text = xstrdup(s);
		return 0;
	}
	return bad_value(p, "the comparison is not >= > <= or <");
}

static int add_ref(const struct place *p, struct rules_rule *r)
{
	if (!str_startswith(p->line->value, "refs/", NULL))
		return bad_value(p, "a full ref name begins with refs/");
	if (str_startswith(p->line->value, "refs/deepops/", NULL))
		return bad_value(p, "journals have no rules");
	strvec_push(&r->refs, p->line->value);
	return 0;
}

static int add_pattern(const struct place *p, struct strvec *to)
{
	if (!*p->line->value)
		return bad_value(p, "an empty pattern");
	strvec_push(to, p->line->value);
	return 0;
}

/* The value of an enum that stands in an int-sized member. */
#define SET_ENUM(p, names, member, type)                                                           \
	do {                                                                                       \
		int got_ = one_of(p, names);                                                       \
		if (got_ < 0)                                                                      \
			return got_;                                                               \
		(member) = (type)got_;                                                             \
		return 0;                                                                          \
	} while (0)

static int set_mode(const struct place *p, struct rules_rule *r)
{
	r->mode_given = true;
	SET_ENUM(p, mode_names, r->mode, enum rules_mode);
}

static int set_require(const struct place *p, struct rules_rule *r)
{
	SET_ENUM(p, require_names, r->require, enum rules_require);
}

static int set_signed(const struct place *p, struct rules_rule *r)
{
	SET_ENUM(p, signed_names, r->signing, enum rules_signed);
}

static int set_override(const struct place *p, struct rules_rule *r)
{
	SET_ENUM(p, override_names, r->override, enum rules_override);
}

static int add_result(const struct place *p, struct rules_rule *r)
{
	return add_pattern(p, &r->results);
}

static int add_exempt(const struct place *p, struct rules_rule *r)
{
	return add_pattern(p, &r->exempt);
}

static int add_override_by(const struct place *p, struct rules_rule *r)
{
	return add_pattern(p, &r->override_by);
}

static int set_machine(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "capture", "image", &r->machine_image);
}

static int set_match(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "content", "tree", &r->match_tree);
}

static int set_no_data(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "refuse", "allow", &r->no_data_allowed);
}

static int set_ignored(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "allow", "refuse", &r->ignored_refused);
}

static int set_rewind(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "refuse", "allow", &r->rewind_allowed);
}

static int set_retract(const struct place *p, struct rules_rule *r)
{
	return set_bool(p, "any", "writer", &r->retract_writer);
}

/* Every key there is; the man page lists them in this order. */
static const struct key {
	const char *name;
	int (*set)(const struct place *p, struct rules_rule *r);
	bool list;
} keys[] = {
	{"ref", add_ref, true},
	{"mode", set_mode, false},
	{"since", set_since, false},
	{"level", set_level, false},
	{"machine", set_machine, false},
	{"results", add_result, true},
	{"match", set_match, false},
	{"require", set_require, false},
	{"exempt", add_exempt, true},
	{"noData", set_no_data, false},
	{"ignored", set_ignored, false},
	{"metric", set_gate, false},
	{"signed", set_signed, false},
	{"rewind", set_rewind, false},
	{"retract", set_retract, false},
	{"override", set_override, false},
	{"overrideBy", add_override_by, true},
};

/* `seen`: one bit a key, of the section being read. */
static int parse_key(const struct place *p, struct rules_rule *rule, unsigned int *seen)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, p->line->key) != 0)
			continue;
		if (!keys[i].list && (*seen & (1U << i)))
			return err_set(p->e, ERR_INPUT, "%s:%u: %s is given twice", p->name,
				       p->line->line, p->line->key);
		*seen |= 1U << i;
		rule->given |= 1U << i;
		return keys[i].set(p, rule);
	}
	return err_set(p->e, ERR_INPUT, "%s:%u: unknown key %s", p->name, p->line->line,
		       p->line->key);
}

bool rules_has(const struct rules_rule *rule, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].name, key))
			return rule->given & (1U << i);
	return false;
}

static int parse_header(struct rules *r, const struct place *p)
{
	const struct conf_line *l = p->line;

	if (strcmp(l->section, "rule") != 0 || !l->sub || !*l->sub)
		return err_set(p->e, ERR_INPUT, "%s:%u: expected [rule \"name\"]", p->name,
			       l->line);
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->v[i].name, l->sub))
			return err_set(p->e, ERR_INPUT, "%s:%u: rule \"%s\" is there twice",
				       p->name, l->line, l->sub);
	if (r->n >= RULES_MAX)
		return err_set(p->e, ERR_LIMIT, "%s: more than %d rules", p->name, RULES_MAX);
	rule_add(r, l->sub, l->line);
	return 0;
}

static int check_complete(const struct rules *r, const char *name, struct err *e)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->v[i].refs.nr)
			return err_set(e, ERR_INPUT, "%s:%u: rule \"%s\" names no ref", name,
				       r->v[i].line, r->v[i].name);
	return 0;
}

int rules_parse(struct rules *r, const void *text, size_t len, const char *name, struct err *e)
{
	struct conf c;
	struct conf_line line;
	struct place p = {name, &line, e};
	unsigned int seen = 0;
	int rc;

	r->name = xstrdup(name);
	conf_init(&c, text, len, CONF_COMMENTS, name);
	while ((rc = conf_next(&c, &line, e)) == 1) {
		if (!line.key) {
			seen = 0;
			rc = parse_header(r, &p);
		} else {
			rc = parse_key(&p, &r->v[r->n - 1], &seen);
		}
		if (rc < 0)
			break;
	}
	conf_release(&c);
	return rc < 0 ? rc : check_complete(r, name, e);
}

void rules_default(struct rules *r, const char *ref, enum rules_mode mode)
{
	struct rules_rule *rule = rule_add(r, "default", 0);

	rule->mode = mode;
	rule->mode_given = true;
	strvec_push(&rule->refs, ref);
}

void rules_default_text(struct buf *out, const char *ref, enum rules_mode mode)
{
	buf_addf(out,
		 "; What every push to this repository is held to, whatever it contains.\n"
		 "; Syntax: man gitformat-deepops-policy\n"
		 "[rule \"default\"]\n"
		 "\tref = %s\n"
		 "\tmode = %s\n"
		 "\tlevel = R2\n",
		 ref, rules_mode_name(mode));
}

const struct rules_rule *rules_match(const struct rules *r, const char *ref)
{
	for (size_t i = 0; i < r->n; i++)
		for (size_t j = 0; j < r->v[i].refs.nr; j++)
			if (wildmatch(r->v[i].refs.v[j], ref))
				return &r->v[i];
	return NULL;
}

bool rules_is_exempt(const struct rules_rule *rule, const char *path)
{
	return wildmatch_list(&rule->exempt, path, false);
}

bool rules_is_result(const struct rules_rule *rule, const char *path)
{
	/* The pattern `*.deepops` means pointers, not the directory of settings. */
	return !str_startswith(path, RULES_SETTINGS, NULL) &&
	       wildmatch_list(&rule->results, path, false) && !rules_is_exempt(rule, path);
}

/* Does the pattern name one file by its pointer: no wildcard in the last component? */
static bool names_a_pointer(const char *pattern)
{
	const char *slash = strrchr(pattern, '/');

	return *pattern != '!' && str_endswith(pattern, POINTER_SUFFIX) &&
	       !strpbrk(slash ? slash + 1 : pattern, "*?[\\");
}

/* Is this the place of a pointer that is a result? */
static bool is_twin(const struct rules_rule *rule, const char *path)
{
	bool named = false;
	char *pointer;

	for (size_t i = 0; i < rule->results.nr && !named; i++)
		named = names_a_pointer(rule->results.v[i]);
	if (!named)
		return false;
	pointer = xstrfmt("%s" POINTER_SUFFIX, path);
	named = false;
	for (size_t i = 0; i < rule->results.nr && !named; i++)
		named = names_a_pointer(rule->results.v[i]) &&
			wildmatch_ignore(rule->results.v[i], pointer, false);
	named = named && rules_is_result(rule, pointer);
	free(pointer);
	return named;
}

bool rules_is_place(const struct rules_rule *rule, const char *path)
{
	struct buf at = BUF_INIT;
	bool hit = rules_is_result(rule, path);
	char *slash;

	if (rules_is_exempt(rule, path))
		return false;
	if (!pointer_root_of(path, &at))
		buf_sets(&at, path);
	hit = hit || rules_is_result(rule, at.p) || is_twin(rule, at.p);
	while (!hit && (slash = strrchr(at.p, '/'))) {
		*slash = '\0';
		hit = is_twin(rule, at.p);
	}
	buf_release(&at);
	return hit;
}

bool rules_may_hold(const struct rules_rule *rule, const char *path)
{
	if (rules_leads_to_results(rule, path))
		return true;
	for (size_t i = 0; i < rule->results.nr; i++) {
		const char *p = rule->results.v[i], *slash = strchr(p, '/');

		/* Without a slash before its end, or behind stars, a pattern holds at any depth. */
		if (*p == '!' || (slash && slash[1] && !str_startswith(p, "**/", NULL)))
			continue;
		if (!str_endswith(p, POINTER_SUFFIX) || names_a_pointer(p))
			return true;
	}
	return false;
}

/* Does the first component of one match that of the other? */
static bool component_matches(const char *pattern, size_t n, const char *path, size_t len)
{
	char *a = xstrndup(pattern, n), *b = xstrndup(path, len);
	bool hit = wildmatch(a, b);

	free(a);
	free(b);
	return hit;
}

/* Is all of `path` matched by the first components of the pattern, with something left over? */
static bool begins(const char *pattern, const char *path)
{
	for (;;) {
		size_t n = strcspn(pattern, "/"), len = strcspn(path, "/");

		if (n == 2 && !strncmp(pattern, "**", 2))
			return true;
		if (!component_matches(pattern, n, path, len) || !pattern[n])
			return false;
		if (!path[len])
			return true;
		pattern += n + 1;
		path += len + 1;
	}
}

/* A pattern that may begin at any depth is tried at each. */
static bool leads_to_results(const char *pattern, const char *path)
{
	const char *slash = strchr(pattern, '/');

	if (*pattern == '!')
		return false;
	if (wildmatch_ignore(pattern, path, true))
		return true;
	if (!slash || !slash[1])
		return false; /* only a last component, which the link does not have */
	pattern += slash == pattern;
	if (!str_startswith(pattern, "**/", NULL))
		return begins(pattern, path);
	while (str_startswith(pattern, "**/", &pattern))
		;
	for (; path; path = strchr(path, '/') ? strchr(path, '/') + 1 : NULL)
		if (begins(pattern, path))
			return true;
	return false;
}

bool rules_leads_to_results(const struct rules_rule *rule, const char *path)
{
	for (size_t i = 0; i < rule->results.nr; i++)
		if (leads_to_results(rule->results.v[i], path))
			return !rules_is_exempt(rule, path);
	return false;
}

const char *rules_unsupported(const struct rules_rule *rule)
{
	if (rule->level > RULES_MAX_LEVEL)
		return "levels above R2";
	if (rule->trust > RULES_MAX_TRUST || rule->signing == RULES_SIGNED_RECORD)
		return "signatures of records";
	if (rule->machine_image)
		return "machine images";
	return NULL;
}
