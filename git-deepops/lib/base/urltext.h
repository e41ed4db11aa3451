/* SPDX-License-Identifier: MIT */
/*
 * urltext.h - a URL without what may be a secret, for messages and records
 *
 * People put tokens into URLs: as the user or the password of an https remote, in a query
 * (?token=...), in a fragment.  Every URL that is printed or recorded goes through here; the URL
 * itself is used as it is.
 */
#ifndef BASE_URLTEXT_H
#define BASE_URLTEXT_H

#include "base/buf.h"

/*
 * For a message: append `url` without password, query and fragment.  The user goes, too, but for
 * ssh, where it is an account and no secret.  Local paths stay as they are, control bytes as well:
 * who prints replaces them.
 */
void urltext_public(struct buf *out, const char *url);

/* For a record that is published: the same without any user. */
void urltext_recorded(struct buf *out, const char *url);

#endif
