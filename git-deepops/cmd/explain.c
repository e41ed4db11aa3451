/* SPDX-License-Identifier: MIT */
/* explain.c - `git deepops explain`: what an error code means; see git-deepops-explain(1) */
#include <ctype.h>

#include "base/json.h"
#include "cmd.h"
#include "policy/reason.h"

static void explain_list(void)
{
	for (size_t i = 0; i < REASON_COUNT; i++)
		printf("%-22s%s\n", reason_info((enum reason)i)->code,
		       reason_info((enum reason)i)->summary);
}

static void explain_json(void)
{
	struct json *doc = json_mkobj(), *list = json_mkarr();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < REASON_COUNT; i++) {
		const struct reason_info *r = reason_info((enum reason)i);
		struct json *item = json_mkobj();

		json_put_str(item, "code", r->code);
		json_put_str(item, "leg", r->leg);
		json_put_str(item, "summary", r->summary);
		json_push(list, item);
	}
	json_put_int(doc, "version", 1);
	json_put(doc, "codes", list);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
}

static int explain_one(const char *given, struct err *e)
{
	const struct reason_info *r;
	char code[64];
	size_t n = 0;

	/* As people type it: any case, with or without the brackets of the message. */
	for (const char *p = given; *p && n + 1 < sizeof(code); p++)
		if (*p != '[' && *p != ']')
			code[n++] = (char)toupper((unsigned char)*p);
	code[n] = '\0';
	r = reason_find(code);
	if (!r) {
		err_set(e, ERR_INPUT, "unknown error code '%s'", given);
		return err_hint(e, "git deepops explain lists them all");
	}
	printf("%s: %s\n\n%s\n\nWhat to do: %s\n", r->code, r->summary, r->text, r->mend);
	return 0;
}

int cmd_explain(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops explain [--json] [CODE]", NULL};
	bool as_json = false;
	struct opt opts[] = {OPT_BOOL("json", 0, &as_json, "list the codes as JSON"), OPT_END};
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 2)
		return err_set(e, ERR_USAGE, "too many arguments");
	if (argc == 2)
		return explain_one(argv[1], e);
	if (as_json)
		explain_json();
	else
		explain_list();
	return 0;
}
