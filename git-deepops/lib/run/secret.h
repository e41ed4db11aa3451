/* SPDX-License-Identifier: MIT */
/*
 * secret.h - text in the form of a key or token
 *
 * Known forms only: a fixed start and a run of characters long enough not to be a
 * word.  `run` refuses to record such text, the server refuses to accept it.  What
 * has no form of its own (a password) can't be found.
 */
#ifndef RUN_SECRET_H
#define RUN_SECRET_H

#include "base/defs.h"

/*
 * What kind of key stands first in the text ("AWS access key"), NULL if none.
 * *at (may be NULL) is its offset.  The key itself is never to be printed.
 */
const char *secret_find(const void *text, size_t len, size_t *at);

#endif
