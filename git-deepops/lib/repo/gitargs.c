/* SPDX-License-Identifier: MIT */
/* gitargs.c - how the git that runs our hook was called; see gitargs.h */
#include "repo/gitargs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"

#define CMDLINE_MAX_BYTES ((size_t)4 << 20) /* twice Linux's default for all arguments */
#define ANCESTORS_MAX 64

/* Options of `git` itself whose value is the next argument when it is not attached. */
static const char *const global_values[] = {
	"-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env", "--super-prefix"};

/* Long options of `git push`: an abbreviation is accepted while only one of them fits. */
static const struct {
	const char *name;
	bool value; /* the next argument, unless attached with "=" */
} push_options[] = {
	{"verbose", false},
	{"quiet", false},
	{"repo", true},
	{"all", false},
	{"branches", false},
	{"mirror", false},
	{"delete", false},
	{"tags", false},
	{"dry-run", false},
	{"porcelain", false},
	{"force", false},
	{"force-with-lease", false},
	{"force-if-includes", false},
	{"recurse-submodules", true},
	{"thin", false},
	{"receive-pack", true},
	{"exec", true},
	{"set-upstream", false},
	{"progress", false},
	{"prune", false},
	{"verify", false},
	{"follow-tags", false},
	{"signed", false},
	{"atomic", false},
	{"push-option", true},
	{"ipv4", false},
	{"ipv6", false},
};

/* Where the subcommand stands; argv->nr if there is none. */
static size_t skip_global(const struct strvec *argv)
{
	size_t i = 1;

	for (; i < argv->nr && argv->v[i][0] == '-'; i++)
		for (size_t k = 0; k < ARRAY_SIZE(global_values); k++)
			if (!strcmp(argv->v[i], global_values[k])) {
				i++;
				break;
			}
	return MIN(i, argv->nr);
}

/* Index of the option that `name` (len bytes) names or abbreviates; -1 none or several. */
static int find_option(const char *name, size_t len)
{
	int found = -1;

	for (size_t k = 0; k < ARRAY_SIZE(push_options); k++) {
		if (strncmp(push_options[k].name, name, len) != 0)
			continue;
		if (!push_options[k].name[len])
			return (int)k;
		if (found >= 0)
			return -1;
		found = (int)k;
	}
	return found;
}

/* "--name[=value]"; true if it takes the next argument. */
static bool parse_long(const char *arg, bool *dry_run)
{
	size_t len = strcspn(arg, "=");
	int k = find_option(arg, len);
	const char *rest;

	if (k < 0 && str_startswith(arg, "no-", &rest)) {
		k = find_option(rest, len - 3);
		if (k >= 0 && !strcmp(push_options[k].name, "dry-run"))
			*dry_run = false;
		return false;
	}
	if (k < 0)
		return false;
	if (!strcmp(push_options[k].name, "dry-run"))
		*dry_run = true;
	return push_options[k].value && !arg[len];
}

/* "-nvo value": true if it takes the next argument. */
static bool parse_short(const char *letters, bool *dry_run)
{
	for (; *letters; letters++) {
		if (*letters == 'n')
			*dry_run = true;
		if (*letters == 'o')
			return !letters[1];
	}
	return false;
}

enum gitargs_push gitargs_parse(const struct strvec *argv)
{
	bool dry_run = false;
	const char *program;
	size_t i;

	if (!argv->nr)
		return GITARGS_NO_PUSH;
	program = path_basename(argv->v[0]);
	i = skip_global(argv);
	if (!strcmp(program, "git-push"))
		i = 0;
	else if (strcmp(program, "git") != 0 || i == argv->nr || strcmp(argv->v[i], "push") != 0)
		return GITARGS_NO_PUSH;
	for (i++; i < argv->nr && strcmp(argv->v[i], "--") != 0; i++) {
		const char *arg = argv->v[i];

		if (arg[0] != '-' || !arg[1])
			continue;
		if (arg[1] == '-' ? parse_long(arg + 2, &dry_run) : parse_short(arg + 1, &dry_run))
			i++;
	}
	return dry_run ? GITARGS_PUSH_DRY_RUN : GITARGS_PUSH;
}

/* ---- ancestors ---- */

static int read_proc(pid_t pid, const char *file, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	buf_reset(out);
	return io_read_file(AT_FDCWD, path, CMDLINE_MAX_BYTES, out, NULL);
}

/* The program's name in "pid (name) S ppid …" may hold anything: look from the last parenthesis. */
static pid_t parent_of(pid_t pid)
{
	struct buf stat = BUF_INIT;
	const char *at;
	uint64_t parent = 0;

	if (read_proc(pid, "stat", &stat) == 0) {
		at = strrchr(stat.p, ')');
		if (!at || strlen(at) < 5 ||
		    num_parse_u64n(at + 4, strcspn(at + 4, " "), 0, INT32_MAX, &parent, NULL) < 0)
			parent = 0;
	}
	buf_release(&stat);
	return (pid_t)parent;
}

static void split_args(const struct buf *cmdline, struct strvec *argv)
{
	for (size_t at = 0; at < cmdline->len; at += strlen(cmdline->p + at) + 1)
		strvec_push(argv, cmdline->p + at);
}

int gitargs_of_ancestor(enum gitargs_push *out, struct err *e)
{
	struct buf cmdline = BUF_INIT;
	pid_t pid = getppid();

	*out = GITARGS_NO_PUSH;
	for (int i = 0; i < ANCESTORS_MAX && pid > 0 && *out == GITARGS_NO_PUSH; i++) {
		struct strvec argv = STRVEC_INIT;

		if (read_proc(pid, "cmdline", &cmdline) == 0)
			split_args(&cmdline, &argv);
		*out = gitargs_parse(&argv);
		strvec_release(&argv);
		pid = parent_of(pid);
	}
	buf_release(&cmdline);
	if (*out == GITARGS_NO_PUSH)
		return err_set(e, ERR_NOTFOUND,
			       "no `git push` is among the processes that run this");
	return 0;
}
