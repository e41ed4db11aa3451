/* SPDX-License-Identifier: MIT */
/*
 * secrets.h - text that has the shape of a well-known key
 *
 * Only formats with a fixed prefix and length, so that a match is a key and
 * not a coincidence: refusing a run for nothing teaches people to switch the
 * check off.
 */
#ifndef RUN_SECRETS_H
#define RUN_SECRETS_H

#include "base/defs.h"
#include "base/limits.h"

#define SECRETS_MAX_FILE_BYTES (4 * MIB) /* larger files are data, not configuration */

/* What kind of key is in there ("an AWS access key"); NULL: none. */
const char *secrets_find(const void *text, size_t len);

#endif
