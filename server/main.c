/* SPDX-License-Identifier: MIT */
/* main.c - git-deepops-serve: the chunk server beside a git repository; see git-deepops-serve(1) */
#include <pwd.h>
#include <unistd.h>

#include "auth.h"
#include "serve.h"

#include "base/log.h"
#include "base/opt.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/sig.h"
#include "transport/pipe.h"

#define EXIT_FATAL 128
#define EXIT_USAGE 129
#define MAX_IDLE_SECONDS 86400

static const char *const usage[] = {
	"git-deepops-serve [--role ROLE] [--user NAME] [--idle SECONDS] REPO",
	NULL,
};

struct wish {
	const char *user, *role_name, *repo;
	enum msg_role role;
	uint64_t idle; /* seconds */
	bool version;
};

/* The name for the audit log and for hooks: given, or of the account. */
static void choose_user(struct wish *w)
{
	const struct passwd *pw;

	if (w->user)
		return;
	/* cppcheck-suppress [getpwnamCalled,getpwuidCalled] ; one thread */
	pw = getpwuid(geteuid());
	w->user = pw ? pw->pw_name : "unknown";
}

static int check_wish(struct wish *w, int operands, struct err *e)
{
	if (operands != 1)
		return err_set(e, ERR_USAGE, "one repository is needed, not %d", operands);
	if (*w->repo == '-' || !*w->repo)
		return err_set(e, ERR_USAGE, "a path that begins with '-' is not taken");
	w->role = MSG_ROLE_PUSH;
	if (w->role_name && !msg_role_parse(w->role_name, &w->role))
		return err_set(e, ERR_USAGE, "role '%s' is not read, push or maintain",
			       w->role_name);
	if (!w->idle || w->idle > MAX_IDLE_SECONDS)
		return err_set(e, ERR_USAGE, "--idle is 1 to %d seconds", MAX_IDLE_SECONDS);
	choose_user(w);
	return 0;
}

/* ---- git itself, under a forced command ---- */

static int exec_git(enum auth_program program, const struct wish *w, const char *gitdir,
		    struct err *e)
{
	static const char *const verbs[] = {
		[AUTH_UPLOAD_PACK] = "upload-pack",
		[AUTH_UPLOAD_ARCHIVE] = "upload-archive",
		[AUTH_RECEIVE_PACK] = "receive-pack",
	};
	struct strvec argv = STRVEC_INIT;
	int rc;

	if (setenv("DEEPOPS_USER", w->user, 1) < 0 ||
	    setenv("DEEPOPS_ROLE", msg_role_name(w->role), 1) < 0 ||
	    unsetenv("SSH_ORIGINAL_COMMAND") < 0)
		return err_sys(e, "environment");
	strvec_pushl(&argv, "git", verbs[program], gitdir, NULL);
	rc = proc_exec(&argv, e);
	strvec_release(&argv);
	return rc;
}

/* ---- the chunk server ---- */

static int serve(const struct wish *w, const char *gitdir, struct err *e)
{
	struct serve_setup setup = {.role = w->role, .who = w->user, .idle_ms = w->idle * 1000};
	struct buf dir = BUF_INIT;
	int rc = pipe_stdio(&setup.t, e);

	path_join(&dir, gitdir, "deepops");
	setup.store_dir = dir.p;
	if (auth_has_worktree(gitdir))
		setup.role = MSG_ROLE_READ;
	if (rc == 0)
		rc = serve_run(&setup, e);
	transport_close(&setup.t);
	buf_release(&dir);
	return rc;
}

static int run(struct wish *w, int operands, struct err *e)
{
	const char *original = getenv("SSH_ORIGINAL_COMMAND");
	enum auth_program program = AUTH_SERVE;
	struct buf gitdir = BUF_INIT;
	/* A line that names neither user nor role forces nothing: some wrapper obeyed the client. */
	bool forced = original && (w->user || w->role_name);
	int rc = check_wish(w, operands, e);

	if (rc == 0 && forced)
		rc = auth_program(original, &program, e);
	if (rc == 0)
		rc = auth_allows(w->role, program, e);
	if (rc == 0)
		rc = auth_find_repo(&gitdir, w->repo, e);
	if (rc == 0)
		rc = auth_set_umask(gitdir.p, e);
	if (rc == 0)
		rc = program == AUTH_SERVE ? serve(w, gitdir.p, e)
					   : exec_git(program, w, gitdir.p, e);
	buf_release(&gitdir);
	return rc;
}

int main(int argc, char **argv)
{
	struct wish w = {.idle = SERVE_IDLE_SECONDS};
	struct opt opts[] = {
		OPT_STR("role", 0, &w.role_name, "ROLE", "read, push (default) or maintain"),
		OPT_STR("user", 0, &w.user, "NAME", "who is asking, for the audit log and hooks"),
		OPT_U64("idle", 0, &w.idle, "SECONDS",
			"leave a client that is silent so long (900)"),
		OPT_BOOL("version", 0, &w.version, "print the version"),
		OPT_END,
	};
	struct buf text = BUF_INIT;
	struct err e = ERR_INIT;
	int rc;

	sig_setup();
	rc = opt_parse(&argc, argv, opts, usage, 0, &text, &e);
	if (rc > 0 || (rc == 0 && w.version)) {
		printf("%s", rc > 0 ? text.p : "git-deepops-serve version " DEEPOPS_VERSION "\n");
		rc = 0;
	} else if (rc == 0) {
		w.repo = argc > 1 ? argv[1] : "";
		rc = run(&w, argc - 1, &e);
	}
	if (rc < 0)
		log_fatal(&e);
	buf_release(&text);
	return rc == ERR_USAGE ? EXIT_USAGE : rc < 0 ? EXIT_FATAL : 0;
}
