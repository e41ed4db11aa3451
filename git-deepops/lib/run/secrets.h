/* SPDX-License-Identifier: MIT */
/*
 * secrets.h - text that has the shape of a well-known key, names that secrets have
 *
 * Shapes are formats with a fixed prefix and a length, so that a match is a key and not a
 * coincidence: refusing a run for nothing teaches people to switch the check off.  Names
 * ("--password", "wandb_key") say what a value is that has no shape.  Which names mean a
 * secret, and what their values must look like, stands in secrets_name.c.
 *
 * No answer ever holds the secret itself.
 */
#ifndef RUN_SECRETS_H
#define RUN_SECRETS_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/strvec.h"

#define SECRETS_MAX_FILE_BYTES (4 * MIB) /* larger files are data, not configuration */
#define SECRETS_MASK "***"

/* What kind of key is in there ("an AWS access key"); NULL: none. */
const char *secrets_find(const void *text, size_t len);

/*
 * Append `text` with SECRETS_MASK in place of each key and of each password in a URL; how many
 * there were.  A text in pieces: cut it where secrets_cut() says.
 */
size_t secrets_mask(const void *text, size_t len, struct buf *out);
/*
 * How many bytes at the beginning of `text` can be masked alone, whatever follows: up to a line's
 * end outside of a private key.  0: read more; beyond SECRETS_MAX_KEY_BYTES it is never 0.
 */
#define SECRETS_MAX_KEY_BYTES (64 * KIB)
size_t secrets_cut(const void *text, size_t len);

/* Does a parameter or variable of this name, with this value, hold a secret? What kind; NULL. */
const char *secrets_named(const char *name, const char *value);
/*
 * The same for a command's words: `--password X`, `--api-key=X`, `db.password=X`, headers, URLs
 * with a password or a token, also inside a word that is a script.  *at: in which word.
 */
const char *secrets_in_words(const struct strvec *words, size_t *at);
/* The same for one text of any kind: a title, a value. */
const char *secrets_in_text(const char *text);

/*
 * The end of a password that begins at `at` of a text: "user:PASSWORD@" behind a "://", or a
 * token in place of the user.  0: there is none.  Both are offsets.
 */
size_t secrets_url_password(const char *text, size_t len, size_t scheme_end, size_t *at);

#endif
