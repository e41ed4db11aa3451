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

struct option {
	const char *name;
	bool value; /* the next argument, unless attached with "=" */
	char letter;
};

/* Long options of `git push`: an abbreviation is accepted while only one of them fits. */
static const struct option push_options[] = {
	{"verbose", false, 'v'},
	{"quiet", false, 'q'},
	{"repo", true, 0},
	{"all", false, 0},
	{"branches", false, 0},
	{"mirror", false, 0},
	{"delete", false, 'd'},
	{"tags", false, 0},
	{"dry-run", false, 'n'},
	{"porcelain", false, 0},
	{"force", false, 'f'},
	{"force-with-lease", false, 0},
	{"force-if-includes", false, 0},
	{"recurse-submodules", true, 0},
	{"thin", false, 0},
	{"receive-pack", true, 0},
	{"exec", true, 0},
	{"set-upstream", false, 'u'},
	{"progress", false, 0},
	{"prune", false, 0},
	{"verify", false, 0},
	{"follow-tags", false, 0},
	{"signed", false, 0},
	{"atomic", false, 0},
	{"push-option", true, 'o'},
	{"ipv4", false, '4'},
	{"ipv6", false, '6'},
};

/* Of `git pull`, which hands most of them to fetch, merge and rebase. */
static const struct option pull_options[] = {
	{"rebase", false, 'r'},
	{"ff", false, 0},
	{"ff-only", false, 0},
	{"squash", false, 0},
	{"commit", false, 0},
	{"edit", false, 'e'},
	{"cleanup", true, 0},
	{"stat", false, 'n'},
	{"log", false, 0},
	{"signoff", false, 0},
	{"strategy", true, 's'},
	{"strategy-option", true, 'X'},
	{"verify", false, 0},
	{"verify-signatures", false, 0},
	{"gpg-sign", false, 'S'},
	{"autostash", false, 0},
	{"allow-unrelated-histories", false, 0},
	{"all", false, 0},
	{"append", false, 'a'},
	{"atomic", false, 0},
	{"depth", true, 0},
	{"deepen", true, 0},
	{"shallow-since", true, 0},
	{"shallow-exclude", true, 0},
	{"unshallow", false, 0},
	{"update-shallow", false, 0},
	{"refmap", true, 0},
	{"force", false, 'f'},
	{"keep", false, 'k'},
	{"prune", false, 'p'},
	{"tags", false, 't'},
	{"jobs", true, 'j'},
	{"recurse-submodules", false, 0},
	{"set-upstream", false, 0},
	{"upload-pack", true, 0},
	{"server-option", true, 'o'},
	{"ipv4", false, '4'},
	{"ipv6", false, '6'},
};

/* What our own commands take themselves. */
static const char *const own_push[] = {"verbose", "quiet", "progress", "dry-run", "all", "repo"};

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

/* ---- options that are passed on ---- */

static bool is_own(enum gitargs_command command, const char *name)
{
	for (size_t i = 0; command == GITARGS_OF_PUSH && i < ARRAY_SIZE(own_push); i++)
		if (!strcmp(own_push[i], name))
			return true;
	return false;
}

/* The option that "--name[=value]" (a unique beginning will do) or "-x[value]" is; NULL: none of git's. */
static const struct option *option_of(enum gitargs_command command, const char *arg)
{
	const struct option *table = command == GITARGS_OF_PUSH ? push_options : pull_options;
	size_t n = command == GITARGS_OF_PUSH ? ARRAY_SIZE(push_options) : ARRAY_SIZE(pull_options);
	const struct option *found = NULL;
	const char *name = arg + 2;
	size_t len = strcspn(name, "=");

	if (arg[1] == '-' && !strncmp(name, "no-", 3)) {
		name += 3;
		len -= 3;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_own(command, table[i].name))
			continue;
		if (arg[1] != '-' && table[i].letter == arg[1])
			return &table[i];
		if (arg[1] != '-' || !len || strncmp(table[i].name, name, len) != 0)
			continue;
		if (!table[i].name[len])
			return &table[i];
		found = &table[i];
	}
	return found;
}

static bool takes_next(const struct option *o, const char *arg)
{
	if (!o->value || !strncmp(arg, "--no-", 5))
		return false;
	return arg[1] == '-' ? !strchr(arg, '=') : !arg[2];
}

void gitargs_take(enum gitargs_command command, int *argc, char **argv, struct strvec *taken)
{
	int kept = 1, i = 1;

	for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		const struct option *o =
			argv[i][0] == '-' && argv[i][1] ? option_of(command, argv[i]) : NULL;

		if (!o) {
			argv[kept++] = argv[i];
			continue;
		}
		strvec_push(taken, argv[i]);
		if (takes_next(o, argv[i]) && i + 1 < *argc)
			strvec_push(taken, argv[++i]);
	}
	for (; i < *argc; i++)
		argv[kept++] = argv[i];
	argv[kept] = NULL;
	*argc = kept;
}

bool gitargs_has(const struct strvec *taken, const char *name)
{
	const char *rest;

	for (size_t i = 0; i < taken->nr; i++)
		if (str_startswith(taken->v[i], "--", &rest) && !strcmp(rest, name))
			return true;
	return false;
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
