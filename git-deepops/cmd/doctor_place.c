/* SPDX-License-Identifier: MIT */
/* doctor_place.c - can work be done and kept here?  see doctor.h */
#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/io.h"
#include "base/num.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cmd/doctor.h"
#include "run/spool.h"
#include "store/store.h"

/* What git runs by name: the merge driver, the text conversion, `git deepops` itself. */
static void check_program(struct doctor *d)
{
	struct buf program = BUF_INIT, dir = BUF_INIT;
	struct err e = ERR_INIT;
	char *mend;

	if (repo_git_run(d->repo, NULL, &e, "deepops", "--version", NULL) == 0) {
		cmd_doctor_say(d, DOCTOR_PRESENT, "git deepops", NULL, "git finds it");
		return;
	}
	err_clear(&e);
	if (path_beside_program(&program, "git-deepops", &e) == 0)
		path_dirname(&dir, program.p);
	mend = xstrfmt("PATH=%s:$PATH", dir.p);
	cmd_doctor_say(d, DOCTOR_BROKEN, "git deepops", mend,
		       "not in git's PATH: neither merges nor diffs of pointers find it");
	free(mend);
	buf_release(&dir);
	buf_release(&program);
}

/* A record says who made it, as a commit does. */
static void check_identity(struct doctor *d)
{
	struct buf who = BUF_INIT;
	struct err e = ERR_INIT;

	if (repo_ident(d->repo, "author", &who, &e) < 0)
		cmd_doctor_err(d, "identity", &e);
	else
		cmd_doctor_say(d, DOCTOR_PRESENT, "identity", NULL, "%.*s>",
			       (int)strcspn(who.p, ">"), who.p);
	buf_release(&who);
}

static bool is_network_fs(long type)
{
	static const long types[] = {NFS_SUPER_MAGIC,       SMB_SUPER_MAGIC,
				     0xff534d42 /* cifs */, 0xfe534d42 /* smb2 */,
				     AFS_SUPER_MAGIC,       0x0bd00bd0 /* lustre */,
				     0x47504653 /* gpfs */, FUSE_SUPER_MAGIC};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] == type)
			return true;
	return false;
}

static void check_file_system(struct doctor *d)
{
	const char *dir = repo_commondir(d->repo);
	struct statfs fs;
	uint64_t left;

	if (access(dir, W_OK) < 0)
		cmd_doctor_say(d, DOCTOR_BROKEN, "file system", NULL, "%s cannot be written to: %s",
			       dir, strerror(errno));
	if (statfs(dir, &fs) == 0 && is_network_fs(fs.f_type))
		cmd_doctor_say(d, DOCTOR_PRESENT, "file system", NULL,
			       "a network or user-space one: locks and caches may be slow");
	if (io_space_is_low(dir, &left))
		cmd_doctor_say(d, DOCTOR_BROKEN, "space", "git deepops gc, or delete something",
			       "%s left for %s", num_human_bytes(left).s, dir);
}

static void check_store(struct doctor *d)
{
	struct store *s = NULL;
	struct err e = ERR_INIT;
	int rc = store_open(&s, repo_deepops_dir(d->repo), STORE_READONLY, &e);

	if (rc == 0)
		cmd_doctor_say(d, DOCTOR_PRESENT, "local store", NULL, "%s in %s",
			       num_human_bytes(store_bytes(s)).s, repo_deepops_dir(d->repo));
	else if (rc == ERR_NOTFOUND)
		cmd_doctor_say(d, DOCTOR_ABSENT, "local store", NULL,
			       "nothing was tracked here yet");
	else
		cmd_doctor_err(d, "local store", &e);
	store_close(s);
}

/* Those that run are locked; what is left of the others waits to be recorded. */
static void check_runs(struct doctor *d)
{
	struct strvec runs = STRVEC_INIT;
	struct err e = ERR_INIT;
	size_t dead = 0;

	if (spool_list(d->repo, &runs, &e) < 0)
		cmd_doctor_err(d, "runs", &e);
	for (size_t i = 0; i < runs.nr; i++) {
		struct spool s;

		if (spool_open(&s, d->repo, runs.v[i], &e) == 0)
			dead++;
		spool_close(&s);
	}
	if (dead)
		cmd_doctor_say(d, DOCTOR_BROKEN, "runs", "git deepops recover",
			       "%zu ended without being recorded", dead);
	strvec_release(&runs);
}

void cmd_doctor_place(struct doctor *d)
{
	check_program(d);
	check_identity(d);
	check_file_system(d);
	check_store(d);
	check_runs(d);
}
