/* SPDX-License-Identifier: MIT */
/*
 * share.h - what is made in a directory that a group shares is the group's as well
 *
 * git marks the directories of a repository with core.sharedRepository by set-group-id and
 * write permission for the group.  What we make in such a directory gets the same, whatever
 * the umask: else the first member of the group would lock all others out.  Errors are ignored:
 * what is not ours was shared by whoever made it.
 */
#ifndef BASE_SHARE_H
#define BASE_SHARE_H

/* `fd` is the file that was just made, or locked, at `path`. */
void share_path(const char *path, int fd);
/* A directory that was just made at `path`. */
void share_dir(const char *path);

/*
 * If a group shares `dir`, let what this process makes from now on be the group's: for libraries
 * that make files by themselves.  The programs that it starts have their umask back.
 */
void share_umask(const char *dir);
void share_own_umask(void); /* in a child, before it becomes another program */

#endif
