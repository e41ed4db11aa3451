/* SPDX-License-Identifier: MIT */
/* libssh2_auth.c - who we are: keys of the agent, then of files; see libssh2_internal.h */
#include "transport/libssh2_internal.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "base/limits.h"
#include "base/rd.h"

#define PUBLIC_KEY_MAX_BYTES (64 * KIB)
#define AUTH_MAX_TRIES 5 /* sshd's MaxAuthTries is 6 */

/*
 * libssh2 1.10 signs with RSA only over SHA-1, which OpenSSH refuses since 8.8,
 * and knows no hardware keys: offering those would use up the tries.
 */
static bool is_usable_type(const char *type, size_t len)
{
	static const char *const usable[] = {"ssh-ed25519", "ecdsa-sha2-nistp256",
					     "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"};

	for (size_t i = 0; i < ARRAY_SIZE(usable); i++) {
		if (strlen(usable[i]) == len && !memcmp(usable[i], type, len))
			return true;
	}
	return false;
}

/* A key blob begins with the big-endian length of its type and the type. */
static bool is_usable_blob(const unsigned char *blob, size_t len)
{
	struct rd r = rd_from(blob, len);
	const uint8_t *n = rd_bytes(&r, 4);
	size_t type_len =
		n ? (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3] : 0;
	const uint8_t *type = rd_bytes(&r, type_len);

	return type && is_usable_type((const char *)type, type_len);
}

/* The text of FILE.pub: "type base64 comment"; false if there is none. */
static bool read_public(const char *file, struct buf *text)
{
	struct buf path = BUF_INIT;
	bool there;

	buf_addf(&path, "%s.pub", file);
	there = io_read_file(AT_FDCWD, path.p, PUBLIC_KEY_MAX_BYTES, text, NULL) == 0;
	buf_release(&path);
	return there;
}

/* ---- agent ---- */

/* With IdentitiesOnly: is this key of the agent one of the files? */
static bool is_in_files(struct libssh2 *c, const struct libssh2_agent_publickey *key)
{
	bool found = false;

	for (size_t i = 0; !found && i < c->conf.identities.nr; i++) {
		struct buf text = BUF_INIT;
		char *blob = NULL;
		unsigned int len = 0;
		size_t at;

		if (read_public(c->conf.identities.v[i], &text)) {
			at = strcspn(text.p, " ");
			at += strspn(text.p + at, " ");
			if (libssh2_base64_decode(c->session, &blob, &len, text.p + at,
						  (unsigned int)strcspn(text.p + at, " \n")) == 0) {
				found = len == key->blob_len && !memcmp(blob, key->blob, len);
				libssh2_free(c->session, blob);
			}
		}
		buf_release(&text);
	}
	return found;
}

static bool try_agent_keys(struct libssh2 *c, LIBSSH2_AGENT *agent, int *tries)
{
	struct libssh2_agent_publickey *key = NULL, *last = NULL;

	while (*tries > 0 && libssh2_agent_get_identity(agent, &key, last) == 0) {
		last = key;
		if (!is_usable_blob(key->blob, key->blob_len) ||
		    (c->conf.identities_only && !is_in_files(c, key)))
			continue;
		--*tries;
		if (libssh2_agent_userauth(agent, c->conf.user, key) == 0)
			return true;
	}
	return false;
}

/* No agent, or an empty one, is no error: there may be files. */
static bool try_agent(struct libssh2 *c, int *tries)
{
	LIBSSH2_AGENT *agent = c->conf.agent ? libssh2_agent_init(c->session) : NULL;
	bool in = false;

	if (!agent)
		return false;
	libssh2_agent_set_identity_path(agent, c->conf.agent);
	if (libssh2_agent_connect(agent) == 0) {
		in = libssh2_agent_list_identities(agent) == 0 && try_agent_keys(c, agent, tries);
		libssh2_agent_disconnect(agent);
	}
	libssh2_agent_free(agent);
	return in;
}

/* ---- files ---- */

static bool try_file(struct libssh2 *c, const char *file, int *tries)
{
	struct buf text = BUF_INIT;
	bool usable = access(file, R_OK) == 0;

	if (usable && read_public(file, &text))
		usable = is_usable_type(text.p, strcspn(text.p, " "));
	buf_release(&text);
	if (!usable)
		return false;
	--*tries;
	return libssh2_userauth_publickey_fromfile_ex(c->session, c->conf.user,
						      (unsigned int)strlen(c->conf.user), NULL,
						      file, NULL) == 0;
}

int libssh2_auth(struct libssh2 *c, struct err *e)
{
	int tries = AUTH_MAX_TRIES;

	if (try_agent(c, &tries))
		return 0;
	for (size_t i = 0; i < c->conf.identities.nr && tries > 0; i++) {
		if (try_file(c, c->conf.identities.v[i], &tries))
			return 0;
	}
	err_set(e, ERR_DENIED, "%s: no ed25519 or ecdsa key without passphrase lets %s in",
		c->base.host, c->conf.user);
	return err_hint(e, "git config deepops.sshTransport ssh");
}
