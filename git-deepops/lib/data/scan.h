/* SPDX-License-Identifier: MIT */
/*
 * scan.h - what is in the work tree: a parallel, confined walk
 *
 *	struct scan s = {.pool = pool, .rootfd = fd, .root = "data"};
 *	scan_run(&s, &tree, e);
 *	scan_release(&s);
 *
 * Every directory is opened with openat2 beneath rootfd, no symbolic link is
 * followed.  Files get size and lstat data, links are read, content is not
 * touched.  What .deepopsignore names is left out.  What vanishes meanwhile is left out; temporary files that a killed
 * checkout left behind are removed.
 */
#ifndef DATA_SCAN_H
#define DATA_SCAN_H

#include "base/err.h"
#include "base/pool.h"
#include "base/strvec.h"
#include "data/dtree.h"

/* Links of one kind: how many, and the first of them by path. */
struct scan_links {
	uint64_t n;
	char *first;
};

struct scan {
	struct pool *pool;
	int rootfd;
	const char *root; /* beneath rootfd */
	/*
	 * What .deepopsignore leaves out; NULL: nothing.  With `all` that is listed as well, as far as it can be
	 * read: a checkout must not write over it.
	 */
	const struct strvec *leave_out;
	bool all;
	struct strvec
		warnings; /* sentences: names that are not UTF-8, links that lead nowhere or out */
	struct scan_links out, dangling;
};

/*
 * Directories have `sub` with `stats`; files have mode and bytes; links have their id too.
 * ERR_NOTFOUND: `root` is absent.  ERR_INPUT: a device, socket, FIFO or reserved name, with
 * its path, or `root` is a symbolic link.  A root that is a regular file gives an entry of
 * kind NODE_FILE and its stat data in *st.
 */
int scan_run(struct scan *s, struct dtree_entry *out, struct dtree_stat *st,
	     struct err *e) MUST_CHECK;
void scan_release(struct scan *s);

/* lstat data as it is kept; trust is decided against the clock now. */
struct stat;
void scan_stat(struct dtree_stat *out, const struct stat *st);
/* Is an entry with these times safe from changes within its clock tick, at time now? */
bool scan_is_past(int64_t mtime_ns, int64_t ctime_ns);

#endif
