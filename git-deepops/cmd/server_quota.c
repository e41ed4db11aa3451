/* SPDX-License-Identifier: MIT */
/* server_quota.c - `git deepops server quota`: how much may be stored, and how much is */
#include "server.h"

#include <pwd.h>
#include <unistd.h>

#include "base/json.h"
#include "base/num.h"
#include "store/store.h"

struct quota {
	uint64_t max, used; /* UINT64_MAX: no quota */
	struct store_waiting waiting;
};

static const char *who(void)
{
	const char *user = getenv("DEEPOPS_USER");
	const struct passwd *pw;

	if (user && *user)
		return user;
	/* cppcheck-suppress [getpwnamCalled,getpwuidCalled] ; one thread */
	pw = getpwuid(geteuid());
	return pw ? pw->pw_name : "unknown";
}

static int parse_max(const char *text, uint64_t *max, struct err *e)
{
	int rc = 0;

	*max = UINT64_MAX;
	if (strcmp(text, "none") != 0)
		rc = num_parse_size(text, max, e);
	if (rc == 0 && *max > INT64_MAX && *max != UINT64_MAX)
		rc = err_set(e, ERR_INPUT, "a quota of '%s' is too much", text);
	return rc;
}

static int read_quota(struct repo *r, const char *set, struct quota *q, struct err *e)
{
	struct store *s;
	int rc = store_open(&s, repo_deepops_dir(r), set ? STORE_VERIFY : STORE_READONLY, e);

	if (rc < 0)
		return rc;
	if (set)
		rc = parse_max(set, &q->max, e);
	if (rc == 0 && set)
		rc = store_set_quota(s, q->max, who(), e);
	if (rc == 0)
		rc = store_quota(s, &q->max, e);
	q->used = store_bytes(s);
	store_waiting(s, &q->waiting);
	store_close(s);
	return rc;
}

static void print_json(const struct quota *q)
{
	struct json *doc = json_mkobj();
	struct buf text = BUF_INIT;

	json_put_int(doc, "version", 1);
	json_put_int(doc, "max", q->max == UINT64_MAX ? -1 : (int64_t)q->max);
	json_put_int(doc, "used", (int64_t)q->used);
	json_put_int(doc, "uploads", (int64_t)q->waiting.sessions);
	json_put_int(doc, "uploaded", (int64_t)q->waiting.bytes);
	json_text(doc, true, &text);
	fputs(text.p, stdout);
	buf_release(&text);
	json_unref(doc);
}

static void print_quota(const struct quota *q)
{
	printf("quota    %s\n", q->max == UINT64_MAX ? "none" : num_human_bytes(q->max).s);
	printf("stored   %s\n", num_human_bytes(q->used).s);
	printf("uploads  %s, %" PRIu64 " not committed\n", num_human_bytes(q->waiting.bytes).s,
	       q->waiting.sessions);
}

int cmd_server_quota(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops server quota [--max SIZE] [--json] REPO",
					    NULL};
	const char *max = NULL;
	bool as_json = false;
	struct opt opts[] = {OPT_STR("max", 0, &max, "SIZE", "set it; `none` lifts it"),
			     OPT_BOOL("json", 0, &as_json, "print one JSON document"), OPT_END};
	struct quota q;
	struct repo *r;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	rc = cmd_server_open(&r, argc, argv, e);
	if (rc < 0)
		return rc;
	rc = read_quota(r, max, &q, e);
	if (rc == 0 && as_json)
		print_json(&q);
	else if (rc == 0)
		print_quota(&q);
	repo_close(r);
	return rc;
}
