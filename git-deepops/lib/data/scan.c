/* SPDX-License-Identifier: MIT */
/* scan.c - what is in the work tree; see scan.h */
#include "data/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/tempfile.h"
#include "base/wildmatch.h"
#include "base/xalloc.h"
#include "data/dataset_links.h"
#include "data/first.h"
#include "data/leaveout.h"

#define NS_PER_SECOND INT64_C(1000000000)
/* A file system that keeps whole seconds may keep every other one only (FAT). */
#define COARSE_FS_SECONDS 2

struct walk {
	struct scan *s;
	struct pool_group *group;
	struct first first;
	pthread_mutex_t lock; /* of s->warnings */
};

/* One directory to read. */
struct job {
	struct walk *w;
	struct dtree_entry *dir;
	char *path; /* beneath rootfd */
	unsigned int depth;
	bool swept; /* a killed checkout left something here */
};

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * NS_PER_SECOND + t.tv_nsec;
}

bool scan_is_past(int64_t mtime_ns, int64_t ctime_ns)
{
	int64_t tick = clock_stamp_ns(), last = MAX(mtime_ns, ctime_ns);

	if (last % NS_PER_SECOND == 0)
		return last <= tick - COARSE_FS_SECONDS * NS_PER_SECOND;
	return last < tick;
}

void scan_stat(struct dtree_stat *out, const struct stat *st)
{
	out->mtime_ns = ns_of(st->st_mtim);
	out->ctime_ns = ns_of(st->st_ctim);
	out->ino = st->st_ino;
	out->trust =
		scan_is_past(out->mtime_ns, out->ctime_ns) ? DTREE_TRUST_ALWAYS : DTREE_TRUST_NEVER;
}

static void warn(struct walk *w, const char *what, const char *dir, const char *name)
{
	pthread_mutex_lock(&w->lock);
	strvec_pushf(&w->s->warnings, "%s: %s/%s", what, dir, name);
	pthread_mutex_unlock(&w->lock);
}

static int refuse(const struct job *j, const char *name, const char *what, struct err *e)
{
	char *path = xstrfmt("%s/%s", j->path, name);

	err_set(e, ERR_INPUT, "'%s' is %s, which cannot be tracked", path, what);
	leaveout_hint(j->w->s->rootfd, path, e);
	free(path);
	return ERR_INPUT;
}

/* Does .deepopsignore name it? */
static bool is_left_out(const struct job *j, const char *name, bool is_dir)
{
	const struct strvec *rules = j->w->s->leave_out;
	bool left = false;

	if (rules && rules->nr) {
		char *path = xstrfmt("%s/%s", j->path, name);

		left = wildmatch_list(rules, path, is_dir);
		free(path);
	}
	return left;
}

/* Left out, and not to be listed all the same: it can be no file of a version, or not be read. */
static bool passes_over(const struct job *j, int dirfd, const char *name, const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);

	if (!is_left_out(j, name, is_dir))
		return false;
	if (!j->w->s->all || !(is_dir || S_ISREG(st->st_mode) || S_ISLNK(st->st_mode)))
		return true;
	return !S_ISLNK(st->st_mode) &&
	       faccessat(dirfd, name, is_dir ? R_OK | X_OK : R_OK, AT_EACCESS) < 0;
}

static void count_link(struct walk *w, struct scan_links *links, const char *dir, const char *name)
{
	char *path = xstrfmt("%s/%s", dir, name);

	pthread_mutex_lock(&w->lock);
	links->n++;
	if (!links->first || strcmp(path, links->first) < 0) {
		char *was = links->first;

		links->first = path;
		path = was;
	}
	pthread_mutex_unlock(&w->lock);
	free(path);
}

/* What a link leads to is no part of the dataset: said once for all of them. */
static void judge_link(struct job *j, int dirfd, const char *name, const char *target)
{
	struct scan *s = j->w->s;

	if (dataset_links_leaves(j->depth - 1, target))
		count_link(j->w, &s->out, j->path, name);
	else if (faccessat(dirfd, name, F_OK, 0) < 0)
		count_link(j->w, &s->dangling, j->path, name);
}

static int read_link(struct job *j, int dirfd, struct dtree_entry *to, struct err *e)
{
	const char *name = to->name;
	char target[PATH_MAX_BYTES + 2];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return errno == ENOENT ? ERR_NOTFOUND : err_sys(e, "%s", name);
	if ((size_t)n > PATH_MAX_BYTES)
		return err_set(e, ERR_LIMIT, "%s: link target of more than 4096 bytes", name);
	target[n] = '\0';
	judge_link(j, dirfd, name, target);
	to->kind = NODE_LINK;
	to->mode = NODE_MODE_LINK;
	to->bytes = (uint64_t)n;
	to->files = 1;
	chunkid_of(&to->id, target, (size_t)n);
	to->known = true;
	return 0;
}

static void take_file(struct dtree_entry *to, const struct stat *st)
{
	to->kind = NODE_FILE;
	to->mode = st->st_mode & S_IXUSR ? NODE_MODE_EXEC : NODE_MODE_FILE;
	to->bytes = (uint64_t)st->st_size;
	to->files = 1;
}

static int take_name(struct job *j, int dirfd, struct dtree_entry *to, struct dtree_stat *keep,
		     struct err *e)
{
	struct stat st;
	int rc;

	if (fstatat(dirfd, to->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? ERR_NOTFOUND : err_sys(e, "%s/%s", j->path, to->name);
	if (passes_over(j, dirfd, to->name, &st))
		return ERR_NOTFOUND;
	scan_stat(keep, &st);
	switch (st.st_mode & S_IFMT) {
	case S_IFREG:
		take_file(to, &st);
		return 0;
	case S_IFLNK:
		rc = read_link(j, dirfd, to, e);
		return rc < 0 && rc != ERR_NOTFOUND ? err_wrap(e, "%s", j->path) : rc;
	case S_IFDIR:
		to->kind = NODE_DIR;
		to->mode = NODE_MODE_DIR;
		to->sub = dtree_new();
		return 0;
	case S_IFIFO:
		return refuse(j, to->name, "a FIFO", e);
	case S_IFSOCK:
		return refuse(j, to->name, "a socket", e);
	default:
		return refuse(j, to->name, "a device", e);
	}
}

/* 1: belongs to the dataset, 0: does not. */
static int check_name(struct job *j, const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (tempfile_is_name(name)) {
		j->swept = true;
		return 0;
	}
	if (!path_name_is_safe(name, len) &&
	    (is_left_out(j, name, true) || is_left_out(j, name, false)))
		return 0;
	if (!path_name_is_safe(name, len))
		return refuse(j, name, "named as git's own directory", e);
	if (!path_is_clean_utf8(name, len))
		warn(j->w, "name is not UTF-8 or holds control bytes", j->path, name);
	return 1;
}

static int list_names(struct job *j, int dirfd, struct err *e)
{
	int copy = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;
	int rc = 0;

	if (!d) {
		rc = err_sys(e, "%s", j->path);
		if (copy >= 0)
			close(copy);
		return rc;
	}
	for (errno = 0; rc >= 0 && (entry = readdir(d)) != NULL; errno = 0) {
		rc = check_name(j, entry->d_name, e);
		if (rc == 1)
			dtree_add(j->dir->sub, entry->d_name, strlen(entry->d_name));
	}
	if (rc >= 0)
		rc = errno ? err_sys(e, "%s", j->path) : 0;
	closedir(d);
	if (j->swept)
		tempfile_sweep_at(dirfd);
	return rc;
}

static int read_entries(struct job *j, int dirfd, struct err *e)
{
	struct dtree *sub = j->dir->sub;
	size_t kept = 0;

	dtree_trim(sub);
	dtree_sort(sub);
	dtree_stats(sub);
	for (size_t i = 0; i < sub->n; i++) {
		int rc = take_name(j, dirfd, &sub->v[i], &sub->stats[i], e);

		if (rc == ERR_NOTFOUND)
			continue;
		if (rc < 0)
			return rc;
		sub->v[kept] = sub->v[i];
		sub->stats[kept++] = sub->stats[i];
	}
	sub->n = kept;
	return 0;
}

static void submit(struct walk *w, struct dtree_entry *dir, char *path, unsigned int depth);

static int read_dir(struct job *j, struct err *e)
{
	int dirfd, rc;

	if (j->depth > TREE_MAX_DEPTH)
		return err_set(e, ERR_LIMIT, "'%s' lies more than %d directories deep", j->path,
			       TREE_MAX_DEPTH);
	dirfd = path_open_beneath(j->w->s->rootfd, j->path, O_RDONLY | O_DIRECTORY, 0, e);
	if (dirfd < 0 && e->sys == EACCES)
		return leaveout_hint(j->w->s->rootfd, j->path, e);
	if (dirfd < 0)
		return dirfd;
	rc = list_names(j, dirfd, e);
	if (rc == 0)
		rc = read_entries(j, dirfd, e);
	close(dirfd);
	return rc;
}

static void run_job(void *arg)
{
	struct job *j = arg;
	struct err e = ERR_INIT;
	struct dtree *sub = j->dir->sub;
	int rc = first_failed(&j->w->first) ? ERR_INTR : read_dir(j, &e);

	if (rc < 0)
		first_fail(&j->w->first, rc, &e);
	for (size_t i = 0; rc == 0 && i < sub->n; i++)
		if (sub->v[i].kind == NODE_DIR)
			submit(j->w, &sub->v[i], xstrfmt("%s/%s", j->path, sub->v[i].name),
			       j->depth + 1);
	free(j->path);
	free(j);
}

/* Takes `path` over. */
static void submit(struct walk *w, struct dtree_entry *dir, char *path, unsigned int depth)
{
	struct job *j = xmalloc(sizeof(*j));

	*j = (struct job){w, dir, path, depth, false};
	pool_group_submit(w->group, run_job, j);
}

static void warn_links(struct scan *s)
{
	if (s->out.n)
		strvec_pushf(&s->warnings,
			     "%" PRIu64 " link%s out of the dataset, such as '%s': what lies there "
			     "is not recorded, so a run that reads this is of level R1",
			     s->out.n, s->out.n == 1 ? " leads" : "s lead", s->out.first);
	if (s->dangling.n)
		strvec_pushf(&s->warnings, "%" PRIu64 " link%s to nothing, such as '%s'",
			     s->dangling.n, s->dangling.n == 1 ? " leads" : "s lead",
			     s->dangling.first);
}

static int scan_dir(struct scan *s, struct dtree_entry *out, struct err *e)
{
	struct walk w = {s, pool_group_new(s->pool), FIRST_INIT, PTHREAD_MUTEX_INITIALIZER};
	int rc;

	dtree_init(out);
	submit(&w, out, xstrdup(s->root), 1);
	pool_group_wait(w.group);
	pool_group_free(w.group);
	pthread_mutex_destroy(&w.lock);
	strvec_sort(&s->warnings);
	warn_links(s);
	rc = first_result(&w.first, e);
	if (rc < 0)
		dtree_release(out);
	return rc;
}

int scan_run(struct scan *s, struct dtree_entry *out, struct dtree_stat *keep, struct err *e)
{
	struct stat st;
	int fd;

	strvec_init(&s->warnings);
	s->out = s->dangling = (struct scan_links){0, NULL};
	memset(out, 0, sizeof(*out));
	/* O_PATH: opens anything, and touches no device. */
	fd = path_open_beneath(s->rootfd, s->root, O_PATH | O_NOFOLLOW, 0, e);
	if (fd < 0 && e->sys == ELOOP)
		return dataset_links_refuse(s->rootfd, s->root, e);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return err_sys(e, "%s", s->root);
	}
	close(fd);
	if (S_ISDIR(st.st_mode) && s->leave_out && !s->all &&
	    wildmatch_list(s->leave_out, s->root, true))
		return err_set(e, ERR_INPUT, "all of '%s' is left out by " LEAVEOUT_FILE, s->root);
	if (S_ISDIR(st.st_mode))
		return scan_dir(s, out, e);
	if (S_ISLNK(st.st_mode)) {
		return dataset_links_refuse(s->rootfd, s->root, e);
	}
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INPUT, "'%s' is neither a file nor a directory", s->root);
	take_file(out, &st);
	scan_stat(keep, &st);
	return 0;
}

void scan_release(struct scan *s)
{
	strvec_release(&s->warnings);
	free(s->out.first);
	free(s->dangling.first);
}
