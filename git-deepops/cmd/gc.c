/* SPDX-License-Identifier: MIT */
/* gc.c - `git deepops gc`: make the local store smaller; see git-deepops-gc(1) */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/num.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/xalloc.h"
#include "cmd.h"
#include "sync/evict.h"

#define GRACE_DEFAULT "14d"
#define GRACE_MAX_DAYS 3650
#define CACHE_DISK_SHARE 10 /* of the disk: one in ten bytes may be cache */

/* "14d", "12h", "30m", "90s"; a bare 0. */
static int parse_grace(const char *text, int64_t *seconds, struct err *e)
{
	static const struct {
		char suffix;
		int64_t seconds;
	} units[] = {{'d', CLOCK_DAY_SECONDS}, {'h', 3600}, {'m', 60}, {'s', 1}};
	size_t len = strlen(text);
	uint64_t n;

	if (!strcmp(text, "0")) {
		*seconds = 0;
		return 0;
	}
	for (size_t i = 0; len && i < ARRAY_SIZE(units); i++) {
		uint64_t max = (uint64_t)(GRACE_MAX_DAYS * CLOCK_DAY_SECONDS / units[i].seconds);

		if (text[len - 1] != units[i].suffix)
			continue;
		if (num_parse_u64n(text, len - 1, 0, max, &n, NULL) < 0)
			break;
		*seconds = (int64_t)n * units[i].seconds;
		return 0;
	}
	err_set(e, ERR_USAGE, "'%s' is no time", text);
	return err_hint(e, "as in 14d, 12h, 30m or 90s");
}

static int cache_limit(struct repo *r, uint64_t *limit, struct err *e)
{
	struct buf value = BUF_INIT;
	struct statvfs fs;
	int rc = repo_config_get(r, "deepops.cacheLimit", &value, e);

	if (rc > 0) {
		rc = num_parse_size(value.p, limit, e);
		if (rc < 0)
			err_wrap(e, "deepops.cacheLimit");
	} else if (rc == 0) {
		*limit = UINT64_MAX;
		if (statvfs(repo_commondir(r), &fs) == 0)
			*limit = (uint64_t)fs.f_blocks * fs.f_frsize / CACHE_DISK_SHARE;
	}
	buf_release(&value);
	return rc < 0 ? rc : 0;
}

/* ---- temporary files ---- */

/* "snapshot-<pid>-…" of a process that lives is in use, however old it is. */
static bool owner_lives(const char *name)
{
	const char *digits;
	uint64_t pid;

	if (!str_startswith(name, "snapshot-", &digits) ||
	    num_parse_u64n(digits, strcspn(digits, "-"), 1, INT32_MAX, &pid, NULL) < 0)
		return false;
	return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

static bool is_old(const char *path, int64_t grace)
{
	struct stat st;

	return lstat(path, &st) == 0 && clock_now_seconds() - (int64_t)st.st_mtim.tv_sec >= grace;
}

static int sweep_tmp(struct repo *r, int64_t grace, bool dry_run, uint64_t *removed, struct err *e)
{
	char *dir = xstrfmt("%s/tmp", repo_deepops_dir(r));
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = 0;

	while (d && rc == 0 && (entry = readdir(d))) {
		char *path = xstrfmt("%s/%s", dir, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !owner_lives(entry->d_name) && is_old(path, grace)) {
			(*removed)++;
			if (!dry_run)
				rc = path_remove_tree(path, e);
		}
		free(path);
	}
	if (d)
		closedir(d);
	if (!dry_run) {
		tempfile_sweep(repo_deepops_dir(r));
		tempfile_sweep(dir);
	}
	free(dir);
	return rc;
}

/* ---- what was done ---- */

static void report(const struct evict_result *res, const struct evict_opts *opts, uint64_t files)
{
	const char *verb = opts->dry_run ? "would remove" : "removed";
	uint64_t gone = res->unnamed + res->cached;

	if (files)
		printf("%s %" PRIu64 " temporary file%s\n", verb, files, files == 1 ? "" : "s");
	if (res->unnamed)
		printf("%s %s that no pointer names\n", verb, num_human_bytes(res->unnamed).s);
	if (res->unnamed_later)
		printf("kept %s that no pointer names, until the grace period is over\n",
		       num_human_bytes(res->unnamed_later).s);
	if (res->cached)
		printf("%s %s that the remote has\n", verb, num_human_bytes(res->cached).s);
	if (res->before - gone > opts->limit) {
		log_warn("the local store has %s, more than deepops.cacheLimit (%s)",
			 num_human_bytes(res->before - gone).s, num_human_bytes(opts->limit).s);
		if (res->remote.code)
			log_warn("the remote can't be asked what it has: %s", res->remote.msg);
		else if (res->only_here)
			log_hint("%" PRIu64
				 " dataset version%s nowhere else: git deepops push, then git push",
				 res->only_here, res->only_here == 1 ? " is" : "s are");
	}
}

int cmd_gc(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops gc [-n] [--grace TIME]", NULL};
	const char *grace = GRACE_DEFAULT;
	struct evict_opts o = {false, 0, 0};
	struct opt opts[] = {OPT_BOOL("dry-run", 'n', &o.dry_run, "show what would be done"),
			     OPT_STR("grace", 0, &grace, "TIME",
				     "keep what nothing names for that long (" GRACE_DEFAULT ")"),
			     OPT_END};
	struct evict_result res;
	struct store *s = NULL;
	uint64_t files = 0;
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc > 1)
		return err_set(e, ERR_USAGE, "unexpected argument '%s'", argv[1]);
	rc = parse_grace(grace, &o.grace_seconds, e);
	if (rc == 0)
		rc = cache_limit(ctx->repo, &o.limit, e);
	if (rc == 0)
		rc = store_open(&s, repo_deepops_dir(ctx->repo), 0, e);
	if (rc == ERR_NOTFOUND) { /* nothing was ever tracked here */
		err_clear(e);
		return 0;
	}
	if (rc == 0)
		rc = evict_allowed(ctx->repo, s, e);
	if (rc == 0)
		rc = sweep_tmp(ctx->repo, o.grace_seconds, o.dry_run, &files, e);
	if (rc == 0)
		rc = evict_run(ctx->repo, s, &o, &res, e);
	if (rc == 0)
		report(&res, &o, files);
	store_close(s);
	return rc;
}
