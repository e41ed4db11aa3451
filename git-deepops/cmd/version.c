/* SPDX-License-Identifier: MIT */
/* version.c - `git deepops version`; see git-deepops-version(1) */
#include "base/db.h"
#include "base/hash.h"
#include "base/json.h"
#include "cmd.h"
#include "transport/libssh2.h"

int cmd_version(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops version [--json]", NULL};
	const struct {
		const char *name, *version;
	} libraries[] = {
		{"jansson", json_library()}, {"libcrypto", hash_library()},
		{"libgit2", repo_library()}, {"libssh2", libssh2_library()},
		{"sqlite", db_library()},
	};
	bool as_json = false;
	struct opt opts[] = {OPT_BOOL("json", 0, &as_json, "print one JSON document"), OPT_END};
	struct buf text = BUF_INIT;
	struct json *doc, *list;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "too many arguments");
	if (!as_json) {
		printf("git-deepops %s\n", DEEPOPS_VERSION);
		for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
			printf("%s %s\n", libraries[i].name, libraries[i].version);
		return 0;
	}
	doc = json_mkobj();
	list = json_mkobj();
	json_put_int(doc, "version", 1);
	json_put_str(doc, "git_deepops", DEEPOPS_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
		json_put_str(list, libraries[i].name, libraries[i].version);
	json_put(doc, "libraries", list);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	json_unref(doc);
	buf_release(&text);
	return 0;
}
