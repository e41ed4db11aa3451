/* SPDX-License-Identifier: MIT */
/*
 * notes.h - git notes, read and written through trees
 *
 * Written with a fan-out of two hex digits, whatever the number; read in any
 * fan-out.  Never git_note_create: it makes one flat tree, where 5,000
 * notes took 62 s and 649 MiB.  Paths that are no notes are kept.
 */
#ifndef REPO_NOTES_H
#define REPO_NOTES_H

#include "repo/repo.h"

#define NOTES_MAX_BYTES (1 << 20) /* of one note */

/* Append the note of `object` under `ref` ("refs/notes/deepops").  1 found, 0 none. */
int notes_read(struct repo *r, const char *ref, const struct repo_oid *object, struct buf *out,
	       struct err *e) MUST_CHECK;

/*
 * What the note of `object` should be, given what it is (empty: none).  Leave `out`
 * empty to remove it.  May be called again for the same object when another
 * process moved the ref meanwhile, so it must depend on its arguments only.
 */
typedef int (*notes_edit_fn)(void *arg, const struct repo_oid *object, const struct buf *old,
			     struct buf *out, struct err *e);

struct notes_edit {
	const char *ref;
	const char *message; /* of the commit */
	const struct repo_oid *objects;
	size_t n;
	notes_edit_fn fn;
	void *arg;
};

/*
 * Rewrite the notes of n objects in one commit on top of the ref, by
 * compare-and-swap, with retries at random intervals until it holds.  Nothing is
 * committed when no note changes.
 */
int notes_update(struct repo *r, const struct notes_edit *edit, struct err *e) MUST_CHECK;

#endif
