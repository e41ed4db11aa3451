/* SPDX-License-Identifier: MIT */
/* main.c - finds the subcommand, prints its error, decides the exit code; see cmd.h */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/sig.h"
#include "base/xalloc.h"
#include "cmd.h"

#define EXIT_FATAL 128
#define EXIT_USAGE 129

/* One line a command; sorted, a test looks. */
/* clang-format off */
static const struct cmd cmds[] = {
	{"cat", cmd_cat, CMD_REPO, "print one file of a dataset at any revision"},
	{"check", cmd_check, CMD_REPO, "judge what would be pushed, as the server will"},
	{"checkout", cmd_checkout, CMD_REPO | CMD_WORKTREE,
	 "bring the data in the work tree to what pointers say"},
	{"diff", cmd_diff, CMD_REPO | CMD_WORKTREE,
	 "show what changed between versions of datasets"},
	{"doctor", cmd_doctor, CMD_REPO, "explain an installation, and how to mend it"},
	{"drop", cmd_drop, CMD_REPO | CMD_WORKTREE,
	 "free local copies of data that the remote has"},
	{"du", cmd_du, CMD_REPO, "show how large datasets are"},
	{"explain", cmd_explain, 0, "say what an error code means"},
	{"fetch", cmd_fetch, CMD_REPO, "bring data for the current pointers into the local store"},
	{"fsck", cmd_fsck, CMD_REPO, "verify the local chunk store, or what the remote holds"},
	{"gc", cmd_gc, CMD_REPO, "make the local store smaller"},
	{"help", cmd_help, 0, "list the commands, or show the usage of one"},
	{"hook", cmd_hook, CMD_REPO | CMD_HIDDEN, "what the hooks of git run"},
	{"init", cmd_init, CMD_REPO | CMD_WORKTREE, "make a clone ready for data and run records"},
	{"logs", cmd_logs, CMD_REPO, "show what a run printed"},
	{"ls", cmd_ls, CMD_REPO, "list a dataset at any revision"},
	{"machine", cmd_machine, 0, "capture the configuration of this machine"},
	{"merge-driver", cmd_merge_driver, CMD_REPO | CMD_HIDDEN,
	 "what git calls to merge pointers"},
	{"notes", cmd_notes, CMD_REPO, "project notes of runs again"},
	{"policy", cmd_policy, 0, "check and explain a policy file"},
	{"pull", cmd_pull, CMD_REPO | CMD_WORKTREE, "git pull, then fetch and check out the data"},
	{"push", cmd_push, CMD_REPO, "send data, then run records, then the branch"},
	{"recover", cmd_recover, CMD_REPO, "finish records of runs whose supervisor died"},
	{"remote", cmd_remote, CMD_REPO, "say where data goes, and check that it can"},
	{"rerun", cmd_rerun, CMD_REPO | CMD_WORKTREE, "execute a recorded run again and compare"},
	{"retract", cmd_retract, CMD_REPO, "say that a run is not to count"},
	{"run", cmd_run, CMD_REPO | CMD_WORKTREE, "run a command and record it"},
	{"runs", cmd_runs, CMD_REPO, "list runs"},
	{"server", cmd_server, 0, "set up and look after the host of a bare repository"},
	{"sha256sums", cmd_sha256sums, CMD_REPO, "list a dataset as sha256sum -c reads it"},
	{"show", cmd_show, CMD_REPO, "show one run"},
	{"status", cmd_status, CMD_REPO | CMD_WORKTREE,
	 "compare the data in the work tree with its pointers"},
	{"textconv", cmd_textconv, CMD_REPO | CMD_HIDDEN,
	 "what git calls to show a pointer in a diff"},
	{"track", cmd_track, CMD_REPO | CMD_WORKTREE, "replace data by a dataset pointer"},
	{"untrack", cmd_untrack, CMD_REPO | CMD_WORKTREE, "stop tracking data, and keep it"},
	{"version", cmd_version, 0, "show the versions of git-deepops and its libraries"},
};
/* clang-format on */

static const struct cmd *cmd_find(const char *name)
{
	size_t lo = 0, hi = ARRAY_SIZE(cmds);

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = strcmp(name, cmds[mid].name);

		if (!order)
			return &cmds[mid];
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static int cmd_print_help(void)
{
	puts("usage: git deepops <command> [<options>]\n");
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		if (!(cmds[i].needs & CMD_HIDDEN))
			printf("   %-14s%s\n", cmds[i].name, cmds[i].summary);
	puts("\nSee 'git deepops help <command>' or 'man git-deepops-<command>'.");
	return 0;
}

/* For completion: the commands in one line. */
static int cmd_print_names(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		if (!(cmds[i].needs & CMD_HIDDEN))
			printf("%s%s", i ? " " : "", cmds[i].name);
	putchar('\n');
	return 0;
}

/* How many letters to add, drop or change to make `a` of `b`; both shorter than NAME_BYTES. */
#define NAME_BYTES 24
static size_t cmd_distance(const char *a, const char *b)
{
	size_t row[NAME_BYTES], n = strlen(b);

	for (size_t k = 0; k <= n; k++)
		row[k] = k;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= n; k++) {
			size_t changed = corner + (a[i - 1] != b[k - 1]);

			corner = row[k];
			row[k] = MIN(MIN(row[k] + 1, row[k - 1] + 1), changed);
		}
	}
	return row[n];
}

/* The listed command that `name` was probably meant for; NULL: none. */
static const char *cmd_similar(const char *name)
{
	const char *best = NULL;
	size_t least = strlen(name) < 5 ? 2 : 3; /* that many letters off is another word */

	for (size_t i = 0; strlen(name) < NAME_BYTES && i < ARRAY_SIZE(cmds); i++) {
		size_t off = cmd_distance(name, cmds[i].name);

		if (off >= least || (cmds[i].needs & CMD_HIDDEN))
			continue;
		least = off;
		best = cmds[i].name;
	}
	return best;
}

static int cmd_unknown(const char *name, struct err *e)
{
	const char *similar = cmd_similar(name);

	err_set(e, ERR_USAGE, "unknown command `%s'", name);
	if (similar)
		return err_hint(e, "git deepops %s is the most similar one", similar);
	return err_hint(e, "git deepops help lists the commands");
}

int cmd_help(struct cmd_ctx *ctx, int argc, char **argv, struct err *e)
{
	static const char *const usage[] = {"git deepops help [COMMAND]", NULL};
	static char help[] = "-h";
	struct opt opts[] = {OPT_END};
	const struct cmd *c;
	char *args[3];
	int rc = cmd_parse(ctx, &argc, argv, opts, usage, 0, e);

	if (rc)
		return rc;
	if (argc == 1)
		return cmd_print_help();
	if (argc > 2)
		return err_set(e, ERR_USAGE, "too many arguments");
	c = cmd_find(argv[1]);
	if (!c)
		return cmd_unknown(argv[1], e);
	args[0] = argv[1];
	args[1] = help;
	args[2] = NULL;
	ctx->name = c->name;
	return c->run(ctx, 2, args, e);
}

/* The table of the command with the common options behind it. */
static struct opt *cmd_with_common(const struct opt *opts, const struct opt *common, size_t n)
{
	struct opt *all;
	size_t own = 0;

	while (opts[own].type != OPT_T_END)
		own++;
	all = xcalloc(own + n, sizeof(*all));
	memcpy(all, opts, own * sizeof(*all));
	memcpy(all + own, common, n * sizeof(*all));
	return all;
}

int cmd_parse(struct cmd_ctx *ctx, int *argc, char **argv, const struct opt *opts,
	      const char *const *usage, enum opt_flags flags, struct err *e)
{
	int quiet = 0, verbose = 0, progress = -1;
	struct opt common[] = {OPT_COUNT("quiet", 'q', &quiet, "say nothing but errors"),
			       OPT_COUNT("verbose", 'v', &verbose, "say more"),
			       OPT_TRI("progress", 0, &progress, "show progress, or never do"),
			       OPT_END};
	struct opt *all = cmd_with_common(opts, common, ARRAY_SIZE(common));
	struct buf text = BUF_INIT;
	int rc = opt_parse(argc, argv, all, usage, flags, &text, e);

	if (rc == OPT_HELP_WANTED || rc == OPT_COMPLETION_WANTED) {
		fputs(text.p, stdout);
		rc = CMD_DONE;
	} else if (rc < 0) {
		err_hint(e, "git deepops %s -h shows its options", ctx->name);
	}
	if (quiet)
		log_set_level(LOG_QUIET);
	else if (verbose)
		log_set_level(LOG_VERBOSE);
	if (quiet || progress == 0)
		progress_set_show(PROGRESS_NEVER);
	else if (progress == 1)
		progress_set_show(PROGRESS_FORCE);
	buf_release(&text);
	free(all);
	return rc;
}

/* `cmd -h` has to work outside of repositories. */
static bool cmd_asks_help(int argc, char **argv)
{
	return argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") ||
			     !strcmp(argv[1], "--git-completion-helper"));
}

static int cmd_call(const struct cmd *c, int argc, char **argv, struct err *e)
{
	struct cmd_ctx ctx = {c->name, NULL};
	int rc = 0;

	if ((c->needs & CMD_REPO) && !cmd_asks_help(argc, argv))
		rc = repo_open(&ctx.repo, NULL, c->needs & CMD_WORKTREE ? REPO_NEED_WORKTREE : 0,
			       e);
	if (rc == 0)
		rc = c->run(&ctx, argc, argv, e);
	repo_close(ctx.repo);
	return rc == CMD_DONE ? 0 : rc;
}

static int cmd_dispatch(int argc, char **argv, struct err *e)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const struct cmd *c;

	if (!name) {
		cmd_print_help();
		return err_set(e, ERR_USAGE, "no command given");
	}
	if (!strcmp(name, "-h") || !strcmp(name, "--help"))
		return cmd_print_help();
	if (!strcmp(name, "--git-completion-helper"))
		return cmd_print_names();
	if (!strcmp(name, "--version"))
		name = "version";
	c = cmd_find(name);
	return c ? cmd_call(c, argc - 1, argv + 1, e) : cmd_unknown(name, e);
}

/* A file that we open must never become somebody's stdout. */
static void cmd_open_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* `| head` has seen enough.  That is no error, and which call met it first does not matter. */
static bool cmd_nobody_reads(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return ferror(stdout) && poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* A full disk behind stdout is a failure, though all printf calls were ignored. */
static int cmd_flush(int code)
{
	bool failed = ferror(stdout) != 0;

	errno = 0;
	if ((fflush(stdout) == 0 && !failed) || cmd_nobody_reads())
		return code;
	fprintf(stderr, "fatal: writing to stdout: %s\n", strerror(errno ? errno : EIO));
	return EXIT_FATAL;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	int rc;

	cmd_open_stdio();
	sig_setup();
	/* glibc raises this as large blocks are freed and then keeps them: measured, 132 MiB for 72. */
	mallopt(M_MMAP_THRESHOLD, (int)(4 * MIB));
	rc = cmd_dispatch(argc, argv, &e);
	if (rc < 0) {
		fflush(stdout);
		if (e.sys == EPIPE && cmd_nobody_reads())
			return 128 + SIGPIPE;
		log_fatal(&e);
		return rc == ERR_USAGE ? EXIT_USAGE : EXIT_FATAL;
	}
	return cmd_flush(rc);
}
