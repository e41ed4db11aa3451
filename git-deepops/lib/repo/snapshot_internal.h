/* SPDX-License-Identifier: MIT */
/*
 * snapshot_internal.h - one work tree being captured, and the steps of it
 *
 * A snapshot is made of sites: the work tree itself, every populated submodule or
 * nested repository, and directories whose files are captured as plain ones.
 * Each has a private index in the snapshot's temporary directory.
 */
#ifndef REPO_SNAPSHOT_INTERNAL_H
#define REPO_SNAPSHOT_INTERNAL_H

#include <sys/stat.h>

#include "repo/repo_internal.h"
#include "repo/snapshot.h"
#include "repo/tree.h"

enum snapshot_site_kind {
	SNAPSHOT_MAIN,   /* the repository itself */
	SNAPSHOT_MODULE, /* a repository inside of it: its own HEAD and objects */
	SNAPSHOT_PLAIN,  /* a directory without a commit: files alone */
};

/* An entry of the private index; strings point into the listing. */
struct snapshot_entry {
	char tag; /* as git ls-files -v prints it: 'H', 'S' skip-worktree, 'M' unmerged, lower case: assume-unchanged */
	uint32_t mode;
	struct repo_oid id;
	const char *path;
};

struct snapshot_site {
	struct snapshot_private *snap;
	struct snapshot_site *next; /* made after this one */
	enum snapshot_site_kind kind;
	char *prefix;   /* in front of its paths: "" or "sub/" */
	char *worktree; /* absolute */
	char *gitdir;   /* MODULE: its own; PLAIN: the outer one's */
	char *objects;  /* MODULE: its object directory, read beside the outer one */
	char *index;    /* path of the private index */
	int fd;         /* the work tree */
	struct repo_oid head, head_tree; /* zero if unborn */
	struct strvec
		skip; /* paths that do not stand as on disk: excluded or replaced, without prefix */

	struct buf listing; /* git ls-files -s -v -z */
	struct snapshot_entry *entries;
	size_t nentries, alloc;

	/* What git status found; paths without prefix. */
	struct strvec changed;   /* to be taken from the work tree */
	struct strvec deleted;   /* to be taken out of the index */
	struct strvec reset;     /* excluded, with something staged: back to HEAD */
	struct strvec untracked; /* files */
	struct strvec nested;    /* repositories that are in no index */
	struct strvec ignored;   /* names, directories with a slash */
	bool staged;             /* the index differs from HEAD somewhere */
	bool touched;            /* the private index was written: its tree is not HEAD's */
};

struct snapshot_large_stat {
	struct snapshot_site *site;
	char *path; /* without prefix */
	struct stat st;
};

struct snapshot_private {
	struct repo *r;
	const struct snapshot_opts *opts; /* only while snapshot_take runs */
	struct snapshot *out;
	char *dir; /* temporary directory, in <deepops>/tmp */
	char *outer_objects;
	struct snapshot_site *first, *last;
	size_t nsites;
	struct snapshot_large_stat *large;
	size_t nlarge, large_alloc;
	struct strvec ignored; /* with prefixes */
	uint64_t untracked, untracked_bytes;
};

/* ---- snapshot_site.c: one work tree and its private index ---- */
struct snapshot_site *snapshot_site_new(struct snapshot_private *snap, enum snapshot_site_kind kind,
					const char *prefix, const char *worktree);
void snapshot_site_free(struct snapshot_site *s);
/* A git command that acts on the site's work tree and private index. */
void snapshot_site_git(struct snapshot_site *s, struct proc *p);
int snapshot_site_run(struct snapshot_site *s, const struct strvec *args, const struct buf *input,
		      struct buf *out, struct err *e) MUST_CHECK;
/* Copy `from` (absent: start empty) to the private index, modification time and all. */
int snapshot_site_copy_index(struct snapshot_site *s, const char *from, struct err *e) MUST_CHECK;
int snapshot_site_list(struct snapshot_site *s, struct err *e) MUST_CHECK;
/* Is `path`, or a directory it is in, one of `paths`? */
bool snapshot_site_covers(const struct strvec *paths, const char *path);
int snapshot_site_stat(struct snapshot_site *s, const char *path,
		       struct stat *st); /* 0, or -1 and errno */

/* ---- snapshot_status.c: what differs from HEAD and the index ---- */
int snapshot_status_clear_bits(struct snapshot_site *s, struct err *e) MUST_CHECK;
int snapshot_status_read(struct snapshot_site *s, struct err *e) MUST_CHECK;
/* Paths below the private index that changed since. */
int snapshot_status_since(struct snapshot_site *s, struct strvec *changed,
			  struct err *e) MUST_CHECK;

/* ---- snapshot_filter.c: files whose bytes git stores otherwise ---- */
int snapshot_filter_check(struct snapshot_site *s, struct err *e) MUST_CHECK;

/* ---- snapshot_module.c: gitlinks ---- */
int snapshot_module_capture_all(struct snapshot_site *s, struct err *e) MUST_CHECK;
/* Untracked nested repository: 1 it has a commit (becomes a gitlink), 0 it has none. */
int snapshot_module_has_commit(struct snapshot_site *s, const char *path, struct err *e) MUST_CHECK;

/* ---- snapshot.c ---- */
/* Everything about one site: after it, its tree is in *tree. */
int snapshot_capture(struct snapshot_site *s, struct repo_oid *tree, struct err *e) MUST_CHECK;
void snapshot_add_file(struct snapshot_files *files, const struct snapshot_site *s,
		       const char *path, const struct stat *st);
/* Left out of the tree: the caller stores its content. */
void snapshot_add_large(struct snapshot_site *s, const char *path, const struct stat *st);

#endif
