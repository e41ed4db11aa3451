/* SPDX-License-Identifier: MIT */
/* opt.c - command line options from one table; see opt.h */
#include "base/opt.h"

#include "base/num.h"

#define OPT_HELP_COLUMN 26 /* where the help text of an option begins, as git has it */

/* What is being parsed: argv with the operands compacted towards the front. */
struct opt_args {
	char **argv;
	int argc, at, kept;
	const struct opt *opts;
	struct err *e;
};

static const struct opt *opt_by_name(const struct opt *opts, const char *name, size_t len)
{
	for (; opts->type != OPT_T_END; opts++)
		if (opts->name && strlen(opts->name) == len && !memcmp(opts->name, name, len))
			return opts;
	return NULL;
}

static const struct opt *opt_by_letter(const struct opt *opts, char letter)
{
	for (; opts->type != OPT_T_END; opts++)
		if (opts->letter == letter)
			return opts;
	return NULL;
}

static bool opt_is_flag(const struct opt *o)
{
	return o->type == OPT_T_BOOL || o->type == OPT_T_COUNT || o->type == OPT_T_TRI;
}

/* Is --no-<name> worth showing?  A count's only resets it. */
static bool opt_can_negate(const struct opt *o)
{
	return o->type == OPT_T_BOOL || o->type == OPT_T_TRI;
}

/* How the user wrote it, for messages. */
static void opt_label(const struct opt *o, bool by_letter, char out[64])
{
	if (by_letter)
		snprintf(out, 64, "-%c", o->letter);
	else
		snprintf(out, 64, "--%s", o->name);
}

static void opt_set_flag(const struct opt *o, bool on)
{
	if (o->type == OPT_T_BOOL)
		*(bool *)o->dest = on;
	else if (o->type == OPT_T_TRI)
		*(int *)o->dest = on ? 1 : 0;
	else
		*(int *)o->dest = on ? *(int *)o->dest + 1 : 0;
}

static int opt_set_value(const struct opt *o, const char *label, const char *value, struct err *e)
{
	int rc = 0;

	switch (o->type) {
	case OPT_T_U64:
		rc = num_parse_u64(value, 0, UINT64_MAX, o->dest, e);
		break;
	case OPT_T_SIZE:
		rc = num_parse_size(value, o->dest, e);
		break;
	case OPT_T_STR:
		*(const char **)o->dest = value;
		break;
	case OPT_T_LIST:
		strvec_push(o->dest, value);
		break;
	case OPT_T_BOOL:
	case OPT_T_COUNT:
	case OPT_T_TRI:
	case OPT_T_END:
		break;
	}
	if (rc < 0) {
		err_wrap(e, "option `%s'", label);
		if (e)
			e->code = ERR_USAGE;
		return ERR_USAGE;
	}
	return 0;
}

/* The value of `o`: what follows in the same word, or the next word. */
static int opt_take_value(struct opt_args *a, const struct opt *o, bool by_letter,
			  const char *inline_value)
{
	char label[64];

	opt_label(o, by_letter, label);
	if (!inline_value) {
		if (a->at + 1 >= a->argc)
			return err_set(a->e, ERR_USAGE, "option `%s' requires a value", label);
		inline_value = a->argv[++a->at];
	}
	return opt_set_value(o, label, inline_value, a->e);
}

static int opt_long(struct opt_args *a, const char *word)
{
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct opt *o = opt_by_name(a->opts, word, len);
	const char *positive;
	bool on = true;

	if (!o && str_startswith(word, "no-", &positive)) {
		o = opt_by_name(a->opts, positive, len - 3);
		on = false;
		if (o && !opt_is_flag(o))
			o = NULL;
	}
	if (!o)
		return err_set(a->e, ERR_USAGE, "unknown option `--%.*s'", (int)MIN(len, 100),
			       word);
	if (!opt_is_flag(o))
		return opt_take_value(a, o, false, value);
	if (value)
		return err_set(a->e, ERR_USAGE, "option `--%.*s' takes no value", (int)len, word);
	opt_set_flag(o, on);
	return 0;
}

/* `-nv`, `-j4`, `-j 4`; `-h` anywhere in the bundle asks for help. */
static int opt_short(struct opt_args *a, const char *word)
{
	for (; *word; word++) {
		const struct opt *o = opt_by_letter(a->opts, *word);

		if (!o && *word == 'h')
			return OPT_HELP_WANTED;
		if (!o)
			return err_set(a->e, ERR_USAGE, "unknown option `-%c'", *word);
		if (!opt_is_flag(o))
			return opt_take_value(a, o, true, word[1] ? word + 1 : NULL);
		opt_set_flag(o, true);
	}
	return 0;
}

static void opt_keep_rest(struct opt_args *a)
{
	while (a->at < a->argc)
		a->argv[a->kept++] = a->argv[a->at++];
}

static int opt_word(struct opt_args *a, enum opt_flags flags)
{
	char *word = a->argv[a->at];

	if (!strcmp(word, "--")) {
		if (!(flags & OPT_KEEP_DASHDASH))
			a->at++;
		opt_keep_rest(a);
		return 0;
	}
	if (word[0] != '-' || !word[1]) {
		if (flags & OPT_STOP_AT_OPERAND)
			opt_keep_rest(a);
		else
			a->argv[a->kept++] = word;
		return 0;
	}
	if (!strcmp(word, "--help"))
		return OPT_HELP_WANTED;
	if (!strcmp(word, "--git-completion-helper"))
		return OPT_COMPLETION_WANTED;
	return word[1] == '-' ? opt_long(a, word + 2) : opt_short(a, word + 1);
}

static void opt_usage_line(struct buf *out, const struct opt *o)
{
	size_t start = out->len, width;

	buf_addstr(out, "    ");
	if (o->letter)
		buf_addf(out, "-%c", o->letter);
	if (o->name)
		buf_addf(out, "%s--%s%s", o->letter ? ", " : "", opt_can_negate(o) ? "[no-]" : "",
			 o->name);
	if (!opt_is_flag(o))
		buf_addf(out, " <%s>", o->arg);
	width = out->len - start;
	if (width >= OPT_HELP_COLUMN) {
		buf_addch(out, '\n');
		width = 0;
	}
	buf_addf(out, "%*s%s\n", (int)(OPT_HELP_COLUMN - width), "", o->help);
}

/* What -h prints. */
static void opt_usage(struct buf *out, const struct opt *opts, const char *const *usage)
{
	for (size_t i = 0; usage[i]; i++)
		buf_addf(out, "%s %s\n", i ? "   or:" : "usage:", usage[i]);
	buf_addch(out, '\n');
	for (const struct opt *o = opts; o->type != OPT_T_END; o++)
		opt_usage_line(out, o);
}

/* The words bash completion offers, as git's own --git-completion-helper prints them. */
static void opt_completion(struct buf *out, const struct opt *opts)
{
	for (const struct opt *o = opts; o->type != OPT_T_END; o++) {
		if (!o->name)
			continue;
		buf_addf(out, "%s--%s%s", out->len ? " " : "", o->name, opt_is_flag(o) ? "" : "=");
		if (opt_can_negate(o))
			buf_addf(out, " --no-%s", o->name);
	}
	buf_addch(out, '\n');
}

int opt_parse(int *argc, char **argv, const struct opt *opts, const char *const *usage,
	      enum opt_flags flags, struct buf *text, struct err *e)
{
	struct opt_args a = {argv, *argc, 1, 1, opts, e};

	for (; a.at < a.argc; a.at++) {
		int rc = opt_word(&a, flags);

		if (rc == OPT_HELP_WANTED)
			opt_usage(text, opts, usage);
		if (rc == OPT_COMPLETION_WANTED)
			opt_completion(text, opts);
		if (rc)
			return rc;
	}
	argv[a.kept] = NULL;
	*argc = a.kept;
	return 0;
}
